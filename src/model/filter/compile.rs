//! From the parser's expression to ours: names become field numbers, constants get their type, mistakes get a name.

use chrono::{DateTime, NaiveDate};
use cql2::Expr;

use super::{
    Arithmetic, ArrayTest, Comparison, Filter, HAZARD, NODE_DEPTH_MAX, NODES_MAX, Node, PATTERN_MAX, Pattern, Place, Span, SpatialTest,
    TemporalTest, Term, too_complex,
};
use crate::{
    error::{Code, Error, Result},
    model::{
        geometry::Geometry,
        layer::{Field, FieldType, Layer},
        value::Value,
    },
};

const GEOMETRY_NAMES: [&str; 2] = ["geometry", "geom"];

pub fn compile(layer: &Layer, expr: Expr, rule: bool) -> Result<Filter> {
    let mut compiler = Compiler { layer, rule, uses_hazard: false, nodes: 0, depth: 0 };
    let root = compiler.node(&expr)?;
    Ok(Filter { root, uses_hazard: compiler.uses_hazard })
}

struct Compiler<'a> {
    layer: &'a Layer,
    /// [`HAZARD`] may be used.
    rule: bool,
    uses_hazard: bool,
    /// How many nodes were met, and how many the current one stands in.
    nodes: usize,
    depth: usize,
}

/// What kind of value a term has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Number,
    Text,
    Boolean,
    Time,
    List,
    Null,
}

fn bad(what: impl ToString, expected: impl ToString) -> Error {
    Error::new(Code::InvalidFilter, "filter", what, expected)
}

/// `DATE`/`TIMESTAMP` texts and bare ones: microseconds since 1970.
pub fn parse_instant(text: &str) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_micros());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

impl Compiler<'_> {
    fn node(&mut self, expr: &Expr) -> Result<Node> {
        self.enter()?;
        let node = self.bare_node(expr);
        self.depth -= 1;
        node
    }

    /// Counts a node against the bounds.
    fn enter(&mut self) -> Result<()> {
        (self.nodes, self.depth) = (self.nodes + 1, self.depth + 1);
        if self.nodes > NODES_MAX {
            return Err(too_complex(format!("> {NODES_MAX} conditions and values / 个条件和值"), NODES_MAX));
        }
        if self.depth > NODE_DEPTH_MAX {
            return Err(too_complex(format!("depth > {NODE_DEPTH_MAX}"), format!("{NODE_DEPTH_MAX} levels / 层")));
        }
        Ok(())
    }

    fn bare_node(&mut self, expr: &Expr) -> Result<Node> {
        match expr {
            Expr::Bool(b) => Ok(Node::Const(*b)),
            Expr::Property { .. } => {
                let term = self.term(expr)?;
                self.expect(&term, Kind::Boolean, expr)?;
                Ok(Node::Truth(term))
            }
            Expr::Operation { op, args } => self.operation(op, args),
            _ => Err(bad("no condition / 不是条件", "a comparison, as state = 'open'")),
        }
    }

    fn operation(&mut self, op: &str, args: &[Box<Expr>]) -> Result<Node> {
        let arity = |n: usize| {
            if args.len() == n { Ok(()) } else { Err(bad(format!("{op} with {} arguments", args.len()), format!("{n} arguments"))) }
        };
        let comparison = match op {
            "=" => Some(Comparison::Equal),
            "<>" => Some(Comparison::NotEqual),
            "<" => Some(Comparison::Less),
            "<=" => Some(Comparison::LessOrEqual),
            ">" => Some(Comparison::Greater),
            ">=" => Some(Comparison::GreaterOrEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            arity(2)?;
            let (a, b) = self.comparable(&args[0], &args[1])?;
            return Ok(Node::Compare(comparison, a, b));
        }
        match op.to_ascii_lowercase().as_str() {
            word @ ("and" | "or") => {
                if args.is_empty() {
                    return Err(bad(format!("{op} of nothing"), "conditions"));
                }
                // Chains written with parentheses become one node too, so evaluation doesn't recurse along them.
                let mut nodes = Vec::with_capacity(args.len());
                for arg in args {
                    match (self.node(arg)?, word) {
                        (Node::And(inner), "and") | (Node::Or(inner), "or") => nodes.extend(inner),
                        (node, _) => nodes.push(node),
                    }
                }
                Ok(if word == "and" { Node::And(nodes) } else { Node::Or(nodes) })
            }
            "not" => {
                arity(1)?;
                Ok(Node::Not(Box::new(self.node(&args[0])?)))
            }
            "isnull" => {
                arity(1)?;
                match &*args[0] {
                    Expr::Property { property } if GEOMETRY_NAMES.contains(&property.as_str()) => Ok(Node::NoPlace),
                    other => Ok(Node::IsNull(self.term(other)?)),
                }
            }
            "between" => {
                arity(3)?;
                let (value, low) = self.comparable(&args[0], &args[1])?;
                let (_, high) = self.comparable(&args[0], &args[2])?;
                Ok(Node::Between(value, low, high))
            }
            "in" => {
                arity(2)?;
                let Expr::Array(items) = &*args[1] else { return Err(bad("IN without a list", "state IN ('open', 'closed')")) };
                let value = self.term(&args[0])?;
                let items = items
                    .iter()
                    .map(|item| {
                        let item = self.term(item)?;
                        let item = self.adapt(item, &value)?;
                        self.same_kind(&value, &item)?;
                        Ok(item)
                    })
                    .collect::<Result<_>>()?;
                Ok(Node::In(value, items))
            }
            "like" => {
                arity(2)?;
                let value = self.term(&args[0])?;
                self.expect(&value, Kind::Text, &args[0])?;
                let (pattern, lower) = match &*args[1] {
                    Expr::Literal(text) => (text.clone(), false),
                    Expr::Operation { op, args } if op.eq_ignore_ascii_case("casei") => match args.first().map(|arg| &**arg) {
                        Some(Expr::Literal(text)) => (text.clone(), true),
                        _ => return Err(bad("LIKE with no text", "name LIKE '%水库%'")),
                    },
                    _ => return Err(bad("LIKE with no text", "name LIKE '%水库%'")),
                };
                if pattern.chars().count() > PATTERN_MAX {
                    return Err(too_complex(
                        format!("a pattern of {} bytes / 字节", pattern.len()),
                        format!("{PATTERN_MAX} characters / 字符"),
                    ));
                }
                Ok(Node::Like(value, Pattern::new(&if lower { pattern.to_lowercase() } else { pattern })))
            }
            "a_equals" => self.array(ArrayTest::Equals, args),
            "a_contains" => self.array(ArrayTest::Contains, args),
            "a_containedby" => self.array(ArrayTest::ContainedBy, args),
            "a_overlaps" => self.array(ArrayTest::Overlaps, args),
            "s_intersects" => self.spatial(SpatialTest::Intersects, args),
            "s_disjoint" => self.spatial(SpatialTest::Disjoint, args),
            "s_equals" => self.spatial(SpatialTest::Equals, args),
            "s_touches" => self.spatial(SpatialTest::Touches, args),
            "s_within" => self.spatial(SpatialTest::Within, args),
            "s_contains" => self.spatial(SpatialTest::Contains, args),
            "s_crosses" => self.spatial(SpatialTest::Crosses, args),
            "s_overlaps" => self.spatial(SpatialTest::Overlaps, args),
            "t_after" => self.temporal(TemporalTest::After, args),
            "t_before" => self.temporal(TemporalTest::Before, args),
            "t_contains" => self.temporal(TemporalTest::Contains, args),
            "t_disjoint" => self.temporal(TemporalTest::Disjoint, args),
            "t_during" => self.temporal(TemporalTest::During, args),
            "t_equals" => self.temporal(TemporalTest::Equals, args),
            "t_finishedby" => self.temporal(TemporalTest::FinishedBy, args),
            "t_finishes" => self.temporal(TemporalTest::Finishes, args),
            "t_intersects" => self.temporal(TemporalTest::Intersects, args),
            "t_meets" => self.temporal(TemporalTest::Meets, args),
            "t_metby" => self.temporal(TemporalTest::MetBy, args),
            "t_overlappedby" => self.temporal(TemporalTest::OverlappedBy, args),
            "t_overlaps" => self.temporal(TemporalTest::Overlaps, args),
            "t_startedby" => self.temporal(TemporalTest::StartedBy, args),
            "t_starts" => self.temporal(TemporalTest::Starts, args),
            _ => Err(bad(
                format!("there is no function {op}"),
                "=, <>, <, <=, >, >=, AND, OR, NOT, IS NULL, BETWEEN, IN, LIKE, CASEI, S_…, T_…, A_…",
            )),
        }
    }

    /// Two terms that can be compared, constants read as the other side's type.
    fn comparable(&mut self, a: &Expr, b: &Expr) -> Result<(Term, Term)> {
        let (left, right) = (self.term(a)?, self.term(b)?);
        let left = self.adapt(left, &right)?;
        let right = self.adapt(right, &left)?;
        self.same_kind(&left, &right)?;
        Ok((left, right))
    }

    fn same_kind(&self, left: &Term, right: &Term) -> Result<()> {
        match (self.kind(left), self.kind(right)) {
            (a, b) if a == b => Ok(()),
            (Kind::Null, _) | (_, Kind::Null) => Ok(()),
            (a, b) => Err(bad(format!("{a:?} compared with {b:?}"), "both sides of one type / 两侧类型一致")),
        }
    }

    /// Reads a constant text as the field on the other side declares it: a date, a time, an enum value.
    fn adapt(&self, term: Term, other: &Term) -> Result<Term> {
        let Term::Const(Value::Text(text)) = &term else { return Ok(term) };
        Ok(match other {
            Term::Field(at) => match &self.layer.fields[*at].kind {
                FieldType::Date | FieldType::Datetime => Term::Const(instant(text)?),
                FieldType::Enum { values } => match values.iter().find(|known| known.value == *text) {
                    Some(known) => Term::Const(Value::Text(known.value.clone())),
                    None => {
                        let known: Vec<_> = values.iter().map(|known| known.value.as_str()).collect();
                        return Err(Error::new(Code::UnknownEnumValue, self.layer.fields[*at].key.as_str(), text, known.join(", "))
                            .within("filter"));
                    }
                },
                FieldType::Boolean => match text.as_str() {
                    "true" => Term::Const(Value::Bool(true)),
                    "false" => Term::Const(Value::Bool(false)),
                    _ => term,
                },
                _ => term,
            },
            Term::UpdatedAt => Term::Const(instant(text)?),
            Term::Lower(_) => Term::Const(Value::Text(text.to_lowercase().into())),
            _ => term,
        })
    }

    fn term(&mut self, expr: &Expr) -> Result<Term> {
        self.enter()?;
        let term = self.bare_term(expr);
        self.depth -= 1;
        term
    }

    fn bare_term(&mut self, expr: &Expr) -> Result<Term> {
        Ok(match expr {
            Expr::Null => Term::Const(Value::Null),
            Expr::Bool(b) => Term::Const(Value::Bool(*b)),
            Expr::Float(n) if n.is_finite() => Term::Const(Value::Num(*n)),
            Expr::Float(n) => return Err(bad(n, "a finite number / 有限数值")),
            Expr::Literal(text) => text.as_str().into(),
            Expr::Date { date } => Term::Const(instant(&text_of(date)?)?),
            Expr::Timestamp { timestamp } => Term::Const(instant(&text_of(timestamp)?)?),
            Expr::Property { property } => self.property(property)?,
            Expr::Operation { op, args } => {
                let arithmetic = match op.as_str() {
                    "+" => Some(Arithmetic::Add),
                    "-" => Some(Arithmetic::Subtract),
                    "*" => Some(Arithmetic::Multiply),
                    "/" => Some(Arithmetic::Divide),
                    "div" => Some(Arithmetic::IntegerDivide),
                    "%" => Some(Arithmetic::Modulo),
                    "^" => Some(Arithmetic::Power),
                    _ => None,
                };
                match (arithmetic, &args[..]) {
                    (Some(op), [a, b]) => {
                        let (left, right) = (self.term(a)?, self.term(b)?);
                        self.expect(&left, Kind::Number, a)?;
                        self.expect(&right, Kind::Number, b)?;
                        Term::Arithmetic(op, Box::new(left), Box::new(right))
                    }
                    (None, [text]) if op.eq_ignore_ascii_case("casei") => {
                        let term = self.term(text)?;
                        self.expect(&term, Kind::Text, text)?;
                        match term {
                            Term::Const(Value::Text(text)) => Term::Const(Value::Text(text.to_lowercase().into())),
                            term => Term::Lower(Box::new(term)),
                        }
                    }
                    _ => return Err(bad(format!("{op} gives no value here"), "a property, a constant, arithmetic or CASEI(…)")),
                }
            }
            _ => return Err(bad("no value / 不是值", "a property or a constant")),
        })
    }

    fn property(&mut self, name: &str) -> Result<Term> {
        Ok(match name {
            "id" => Term::Id,
            "version" => Term::Version,
            "updated_at" => Term::UpdatedAt,
            HAZARD if self.rule => {
                self.uses_hazard = true;
                Term::Hazard
            }
            _ if GEOMETRY_NAMES.contains(&name) => return Err(bad(name, "S_INTERSECTS(geometry, …) or IS NULL")),
            _ => match self.layer.field(name) {
                Some((at, _)) => Term::Field(at),
                None => return Err(self.layer.unknown_property(name)),
            },
        })
    }

    fn kind(&self, term: &Term) -> Kind {
        match term {
            Term::Field(at) => kind_of(&self.layer.fields[*at]),
            Term::Id | Term::Hazard | Term::Lower(_) => Kind::Text,
            Term::Version | Term::Arithmetic(..) => Kind::Number,
            Term::UpdatedAt => Kind::Time,
            Term::Const(value) => match value {
                Value::Null => Kind::Null,
                Value::Bool(_) => Kind::Boolean,
                Value::Int(_) | Value::Num(_) => Kind::Number,
                Value::Text(_) => Kind::Text,
                Value::Date(_) | Value::Time(_) => Kind::Time,
                Value::List(_) => Kind::List,
            },
        }
    }

    fn expect(&self, term: &Term, kind: Kind, expr: &Expr) -> Result<()> {
        let found = self.kind(term);
        if found == kind || found == Kind::Null {
            return Ok(());
        }
        let what = match expr {
            Expr::Property { property } => property.clone(),
            _ => format!("a {found:?}"),
        };
        Err(bad(format!("{what}, which is {found:?}"), format!("{kind:?}")))
    }

    /// The elements of one side of an array predicate: a list field, or constants.
    fn elements(&mut self, expr: &Expr) -> Result<Vec<Term>> {
        match expr {
            Expr::Array(items) => items.iter().map(|item| self.term(item)).collect(),
            Expr::Property { property } => {
                let term = self.term(expr)?;
                match self.kind(&term) {
                    // ("$hazard") is a text property in parentheses: a list of one.
                    Kind::List | Kind::Text => Ok(vec![term]),
                    _ => Err(bad(property, "a list field / 列表字段")),
                }
            }
            // ('flood') is a text in parentheses.
            other => Ok(vec![self.term(other)?]),
        }
    }

    fn array(&mut self, test: ArrayTest, args: &[Box<Expr>]) -> Result<Node> {
        let [a, b] = args else { return Err(bad("an array predicate without two arguments", "A_CONTAINS(field, ('value'))")) };
        let (left, right) = (self.elements(a)?, self.elements(b)?);
        for (list, others) in [(&left, &right), (&right, &left)] {
            let [Term::Field(at)] = list[..] else { continue };
            let values = self.layer.fields[at].kind.values();
            for other in others {
                if let Term::Const(Value::Text(text)) = other
                    && !values.iter().any(|known| known.value == *text)
                {
                    let known: Vec<_> = values.iter().map(|known| known.value.as_str()).collect();
                    return Err(
                        Error::new(Code::UnknownEnumValue, self.layer.fields[at].key.as_str(), text, known.join(", ")).within("filter")
                    );
                }
            }
        }
        Ok(Node::Array(test, left, right))
    }

    fn spatial(&mut self, test: SpatialTest, args: &[Box<Expr>]) -> Result<Node> {
        let [a, b] = args else {
            return Err(bad("a spatial predicate without two arguments", "S_INTERSECTS(geometry, POINT(113.9 28.6))"));
        };
        let place = |expr: &Expr| match expr {
            Expr::Property { property } if GEOMETRY_NAMES.contains(&property.as_str()) => Ok(Place::Own),
            Expr::Property { property } => Err(bad(property, "geometry")),
            Expr::Geometry(geometry) => {
                let json = serde_json::to_value(geometry).map_err(|error| {
                    Error::new(Code::InvalidGeometry, "filter", error, "a WKT or GeoJSON geometry / WKT 或 GeoJSON 几何")
                })?;
                Geometry::from_geojson(&json).map(Place::Const).map_err(|error| error.within("filter"))
            }
            Expr::BBox { bbox } => {
                let numbers: Vec<f64> = bbox.iter().filter_map(|n| if let Expr::Float(n) = **n { Some(n) } else { None }).collect();
                match numbers[..] {
                    [w, s, e, n] | [w, s, _, e, n, _] if numbers.len() == bbox.len() => bbox_polygon(w, s, e, n).map(Place::Const),
                    _ => Err(bad("BBOX", "BBOX(west, south, east, north)")),
                }
            }
            _ => Err(bad("no geometry / 不是几何", "geometry, a WKT literal or BBOX(…)")),
        };
        Ok(Node::Spatial(test, place(a)?, place(b)?))
    }

    fn temporal(&mut self, test: TemporalTest, args: &[Box<Expr>]) -> Result<Node> {
        let [a, b] = args else {
            return Err(bad("a temporal predicate without two arguments", "T_AFTER(updated_at, TIMESTAMP('2026-05-12T00:00:00Z'))"));
        };
        Ok(Node::Temporal(test, self.span(a)?, self.span(b)?))
    }

    fn span(&mut self, expr: &Expr) -> Result<Span> {
        let Expr::Interval { interval } = expr else { return Ok(Span::Instant(self.time(expr)?)) };
        let [from, to] = &interval[..] else { return Err(bad("an interval without two ends", "INTERVAL('2026-05-12', '..')")) };
        let mut end = |expr: &Expr| if matches!(expr, Expr::Literal(text) if text == "..") { Ok(None) } else { self.time(expr).map(Some) };
        Ok(Span::Interval(end(from)?, end(to)?))
    }

    fn time(&mut self, expr: &Expr) -> Result<Term> {
        let term = match self.term(expr)? {
            Term::Const(Value::Text(text)) => Term::Const(instant(&text)?),
            term => term,
        };
        self.expect(&term, Kind::Time, expr)?;
        Ok(term)
    }
}

fn kind_of(field: &Field) -> Kind {
    match field.kind {
        FieldType::Text | FieldType::Enum { .. } | FieldType::Ref { .. } => Kind::Text,
        FieldType::Integer | FieldType::Number => Kind::Number,
        FieldType::Boolean => Kind::Boolean,
        FieldType::Date | FieldType::Datetime => Kind::Time,
        FieldType::List { .. } => Kind::List,
    }
}

fn text_of(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Literal(text) => Ok(text.clone()),
        _ => Err(bad("no text / 不是文本", "'2026-05-12'")),
    }
}

fn instant(text: &str) -> Result<Value> {
    parse_instant(text).map(Value::Time).ok_or_else(|| bad(text, "2026-05-12 or 2026-05-12T14:28:04Z"))
}

/// A box as a polygon: its sides are meridians and parallels, so the parallels are followed in steps.
fn bbox_polygon(west: f64, south: f64, east: f64, north: f64) -> Result<Geometry> {
    let width = if east < west { east + 360.0 - west } else { east - west };
    let fits = [west, south, east, north].iter().all(|n| n.is_finite()) && south < north && width > 0.0 && width < 360.0;
    if !fits {
        return Err(bad(format!("BBOX({west},{south},{east},{north})"), "west, south, east, north in degrees"));
    }
    let steps = (width / 0.25).ceil().clamp(1.0, 1_440.0) as u32;
    let along = |lat: f64| {
        (0..=steps).map(move |i| {
            let lon = west + width * f64::from(i) / f64::from(steps);
            geo::Coord { x: if lon > 180.0 { lon - 360.0 } else { lon }, y: lat }
        })
    };
    let mut ring: Vec<_> = along(south).collect();
    ring.extend(along(north).collect::<Vec<_>>().into_iter().rev());
    ring.push(ring[0]);
    Geometry::from_geo(geo::Geometry::Polygon(geo::Polygon::new(geo::LineString(ring), vec![]))).map_err(|error| error.within("filter"))
}
