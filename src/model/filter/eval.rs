//! Evaluation of a compiled filter on one feature, in three-valued logic.

use std::{borrow::Cow, cmp::Ordering};

use arcstr::ArcStr;

use super::{Arithmetic, ArrayTest, Comparison, Node, Place, Span, SpatialTest, TemporalTest, Term};
use crate::model::{feature::Feature, geometry::Geometry, value::Value};

/// What a filter is asked about.
pub struct Row<'a> {
    pub feature: &'a Feature,
    pub hazard: Option<&'a str>,
}

/// A value while it is compared; times and dates are microseconds.
#[derive(Clone, Debug, PartialEq)]
enum Seen<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Time(i64),
    List(&'a [ArcStr]),
}

const DAY_MICROS: i64 = 86_400_000_000;

fn see(value: &Value) -> Seen<'_> {
    match value {
        Value::Null => Seen::Null,
        Value::Bool(b) => Seen::Bool(*b),
        Value::Int(n) => Seen::Number(*n as f64),
        Value::Num(n) => Seen::Number(*n),
        Value::Text(text) => Seen::Text(Cow::Borrowed(text)),
        Value::Date(days) => Seen::Time(i64::from(*days) * DAY_MICROS),
        Value::Time(micros) => Seen::Time(*micros),
        Value::List(list) => Seen::List(list),
    }
}

impl<'a> Row<'a> {
    fn value(&self, term: &'a Term) -> Seen<'a> {
        match term {
            Term::Field(at) => see(&self.feature.values[*at]),
            Term::Const(value) => see(value),
            Term::Id => Seen::Text(self.feature.id.to_string().into()),
            Term::Version => Seen::Number(self.feature.version as f64),
            Term::UpdatedAt => Seen::Time(self.feature.updated_at),
            Term::Hazard => self.hazard.map_or(Seen::Null, |hazard| Seen::Text(Cow::Borrowed(hazard))),
            Term::Lower(term) => match self.value(term) {
                Seen::Text(text) => Seen::Text(text.to_lowercase().into()),
                other => other,
            },
            Term::Arithmetic(op, a, b) => match (self.value(a), self.value(b)) {
                (Seen::Number(a), Seen::Number(b)) => {
                    let n = match op {
                        Arithmetic::Add => a + b,
                        Arithmetic::Subtract => a - b,
                        Arithmetic::Multiply => a * b,
                        Arithmetic::Divide => a / b,
                        Arithmetic::IntegerDivide => (a / b).trunc(),
                        Arithmetic::Modulo => a % b,
                        Arithmetic::Power => a.powf(b),
                    };
                    // Division by zero gives no number, as in SQL's error, but quietly.
                    if n.is_finite() { Seen::Number(n) } else { Seen::Null }
                }
                _ => Seen::Null,
            },
        }
    }

    /// True, false or, where a null is asked about, unknown.
    pub fn test(&self, node: &'a Node) -> Option<bool> {
        match node {
            Node::Const(b) => Some(*b),
            Node::And(nodes) => self.until(nodes, false),
            Node::Or(nodes) => self.until(nodes, true),
            Node::NoPlace => Some(self.feature.geometry.is_none()),
            Node::Not(a) => self.test(a).map(|b| !b),
            Node::Truth(term) => match self.value(term) {
                Seen::Bool(b) => Some(b),
                _ => None,
            },
            Node::Compare(comparison, a, b) => {
                let order = compare(&self.value(a), &self.value(b))?;
                Some(match comparison {
                    Comparison::Equal => order == Ordering::Equal,
                    Comparison::NotEqual => order != Ordering::Equal,
                    Comparison::Less => order == Ordering::Less,
                    Comparison::LessOrEqual => order != Ordering::Greater,
                    Comparison::Greater => order == Ordering::Greater,
                    Comparison::GreaterOrEqual => order != Ordering::Less,
                })
            }
            Node::Between(value, low, high) => {
                let value = self.value(value);
                let above = compare(&value, &self.value(low)).map(|order| order != Ordering::Less);
                let below = compare(&value, &self.value(high)).map(|order| order != Ordering::Greater);
                match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            Node::In(value, items) => {
                let value = self.value(value);
                let mut unknown = false;
                for item in items {
                    match compare(&value, &self.value(item)) {
                        Some(Ordering::Equal) => return Some(true),
                        Some(_) => {}
                        None => unknown = true,
                    }
                }
                (!unknown).then_some(false)
            }
            Node::Like(value, pattern) => match self.value(value) {
                Seen::Text(text) => Some(pattern.matches(&text)),
                _ => None,
            },
            Node::IsNull(term) => Some(self.value(term) == Seen::Null),
            Node::Array(test, a, b) => {
                let (a, b) = (self.elements(a)?, self.elements(b)?);
                let holds = |all: &[Cow<'_, str>], some: &[Cow<'_, str>]| some.iter().all(|one| all.contains(one));
                Some(match test {
                    ArrayTest::Contains => holds(&a, &b),
                    ArrayTest::ContainedBy => holds(&b, &a),
                    ArrayTest::Equals => holds(&a, &b) && holds(&b, &a),
                    ArrayTest::Overlaps => a.iter().any(|one| b.contains(one)),
                })
            }
            Node::Spatial(test, a, b) => spatial(*test, self.place(a)?, self.place(b)?),
            Node::Temporal(test, a, b) => temporal(*test, self.span(a)?, self.span(b)?),
        }
    }

    /// `end` as soon as a node is it, else unknown if one is unknown.
    fn until(&self, nodes: &'a [Node], end: bool) -> Option<bool> {
        let mut result = Some(!end);
        for node in nodes {
            match self.test(node) {
                Some(b) if b == end => return Some(end),
                Some(_) => {}
                None => result = None,
            }
        }
        result
    }

    /// `None` where the list field is null or an element is.
    fn elements(&self, terms: &'a [Term]) -> Option<Vec<Cow<'a, str>>> {
        let mut all = Vec::with_capacity(terms.len());
        for term in terms {
            match self.value(term) {
                Seen::List(list) => all.extend(list.iter().map(|item| Cow::Borrowed(item.as_str()))),
                Seen::Text(text) => all.push(text),
                Seen::Number(n) => all.push(n.to_string().into()),
                _ => return None,
            }
        }
        Some(all)
    }

    fn place(&self, place: &'a Place) -> Option<&'a Geometry> {
        match place {
            Place::Own => self.feature.geometry.as_ref(),
            Place::Const(geometry) => Some(geometry),
        }
    }

    /// Both ends; open ends are the ends of time, and a null one is unknown.
    fn span(&self, span: &'a Span) -> Option<(i64, i64)> {
        let at = |term: &'a Term| match self.value(term) {
            Seen::Time(micros) => Some(micros),
            _ => None,
        };
        match span {
            Span::Instant(term) => at(term).map(|micros| (micros, micros)),
            Span::Interval(from, to) => {
                let from = from.as_ref().map_or(Some(i64::MIN), at)?;
                let to = to.as_ref().map_or(Some(i64::MAX), at)?;
                Some((from, to))
            }
        }
    }
}

fn compare(a: &Seen<'_>, b: &Seen<'_>) -> Option<Ordering> {
    match (a, b) {
        (Seen::Bool(a), Seen::Bool(b)) => Some(a.cmp(b)),
        (Seen::Number(a), Seen::Number(b)) => a.partial_cmp(b),
        (Seen::Text(a), Seen::Text(b)) => Some(a.cmp(b)),
        (Seen::Time(a), Seen::Time(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn spatial(test: SpatialTest, a: &Geometry, b: &Geometry) -> Option<bool> {
    match test {
        SpatialTest::Intersects => return Some(a.intersects(b)),
        SpatialTest::Disjoint => return Some(!a.intersects(b)),
        _ if !a.intersects(b) => return Some(false),
        _ => {}
    }
    let matrix = a.relate(b)?;
    Some(match test {
        SpatialTest::Equals => matrix.is_equal_topo(),
        SpatialTest::Touches => matrix.is_touches(),
        SpatialTest::Within => matrix.is_within(),
        SpatialTest::Contains => matrix.is_contains(),
        SpatialTest::Crosses => matrix.is_crosses(),
        SpatialTest::Overlaps => matrix.is_overlaps(),
        SpatialTest::Intersects | SpatialTest::Disjoint => true,
    })
}

/// Allen's relations as CQL2 names them, between closed intervals.
fn temporal(test: TemporalTest, (a, a_end): (i64, i64), (b, b_end): (i64, i64)) -> Option<bool> {
    Some(match test {
        TemporalTest::After => a > b_end,
        TemporalTest::Before => a_end < b,
        TemporalTest::Contains => a < b && a_end > b_end,
        TemporalTest::Disjoint => a_end < b || a > b_end,
        TemporalTest::During => a > b && a_end < b_end,
        TemporalTest::Equals => a == b && a_end == b_end,
        TemporalTest::FinishedBy => a < b && a_end == b_end,
        TemporalTest::Finishes => a > b && a_end == b_end,
        TemporalTest::Intersects => a_end >= b && a <= b_end,
        TemporalTest::Meets => a_end == b,
        TemporalTest::MetBy => a == b_end,
        TemporalTest::OverlappedBy => a > b && a < b_end && a_end > b_end,
        TemporalTest::Overlaps => a < b && a_end > b && a_end < b_end,
        TemporalTest::StartedBy => a == b && a_end > b_end,
        TemporalTest::Starts => a == b && a_end < b_end,
    })
}
