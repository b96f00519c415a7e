//! CQL2 filters: parsed by the `cql2` crate, compiled against a layer, evaluated without allocating for ordinary comparisons.

mod compile;
mod eval;
#[cfg(test)]
mod tests;
mod text;

use arcstr::ArcStr;

use super::{feature::Feature, geometry::Geometry, layer::Layer, value::Value};
use crate::error::{Code, Error, Result};

/// The property that stands for the hazard being asked about, in `unsafe` rules: `A_CONTAINS(unsafe_for, ("$hazard"))`.
pub const HAZARD: &str = "$hazard";

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
    uses_hazard: bool,
}

/// A condition; evaluates to true, false or unknown.
#[derive(Clone, Debug)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Const(bool),
    /// A boolean field by itself.
    Truth(Term),
    Compare(Comparison, Term, Term),
    Between(Term, Term, Term),
    In(Term, Vec<Term>),
    Like(Term, Pattern),
    IsNull(Term),
    /// `geometry IS NULL`.
    NoPlace,
    Array(ArrayTest, Vec<Term>, Vec<Term>),
    Spatial(SpatialTest, Place, Place),
    Temporal(TemporalTest, Span, Span),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Something that has a value.
#[derive(Clone, Debug)]
enum Term {
    Field(usize),
    Id,
    Version,
    UpdatedAt,
    Hazard,
    Const(Value),
    Lower(Box<Term>),
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Modulo,
    Power,
}

/// A LIKE pattern: `%` any text, `_` any one character, `\` takes the next as it is.
#[derive(Clone, Debug)]
struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Any,
    One,
    Char(char),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ArrayTest {
    Equals,
    Contains,
    ContainedBy,
    Overlaps,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SpatialTest {
    Intersects,
    Disjoint,
    Equals,
    Touches,
    Within,
    Contains,
    Crosses,
    Overlaps,
}

/// A geometry in a condition.
#[derive(Clone, Debug)]
enum Place {
    Own,
    Const(Geometry),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TemporalTest {
    After,
    Before,
    Contains,
    Disjoint,
    During,
    Equals,
    FinishedBy,
    Finishes,
    Intersects,
    Meets,
    MetBy,
    OverlappedBy,
    Overlaps,
    StartedBy,
    Starts,
}

/// An instant or an interval; `None` is an open end.
#[derive(Clone, Debug)]
enum Span {
    Instant(Term),
    Interval(Option<Term>, Option<Term>),
}

/// Bounds on hostile input; those of the text's structure are in [`text`].
const TEXT_MAX: usize = 32 * 1024;
/// Brackets and braces within each other; each condition of CQL2 JSON takes two.
const JSON_DEPTH_MAX: usize = 64;
/// Conditions and values of a filter, and how deep they may stand within each other.
const NODES_MAX: usize = 2_000;
const NODE_DEPTH_MAX: usize = 80;
/// Characters of a LIKE pattern, as its time is the product of its length and the text's.
const PATTERN_MAX: usize = 256;

impl Filter {
    /// Compiles CQL2 text over the layer's queryables: its fields, `id`, `version`, `updated_at` and `geometry`.
    ///
    /// # Errors
    /// [`Code::InvalidFilter`] for what isn't CQL2 or compares what can't be compared; unknown properties and enum values by
    /// name; [`Code::TooComplex`] for hostile input.
    pub fn parse_text(layer: &Layer, text: &str) -> Result<Filter> {
        Self::text(layer, text, false)
    }

    /// Compiles CQL2 JSON.
    pub fn parse_json(layer: &Layer, json: &str) -> Result<Filter> {
        check_size(json)?;
        if json_depth(json) > JSON_DEPTH_MAX {
            return Err(too_complex(format!("depth > {JSON_DEPTH_MAX}"), format!("{JSON_DEPTH_MAX} levels / 层")));
        }
        let expr = cql2::parse_json(json).map_err(|error| {
            Error::new(Code::InvalidFilter, "filter", error, "{\"op\": \"=\", \"args\": [{\"property\": \"state\"}, \"open\"]}")
        })?;
        compile::compile(layer, expr, false)
    }

    /// Compiles a rule of a definition, which may use [`HAZARD`].
    pub fn parse_rule(layer: &Layer, text: &str) -> Result<Filter> {
        Self::text(layer, text, true)
    }

    fn text(layer: &Layer, text: &str, rule: bool) -> Result<Filter> {
        check_size(text)?;
        let expr = text::parse(text)?;
        compile::compile(layer, expr, rule)
    }

    pub fn uses_hazard(&self) -> bool {
        self.uses_hazard
    }

    /// Whether the feature passes; a comparison with null is unknown, and unknown doesn't pass.
    pub fn matches(&self, feature: &Feature, hazard: Option<&str>) -> bool {
        eval::Row { feature, hazard }.test(&self.root) == Some(true)
    }

    /// Whether it is known not to hold of the feature; with a value missing it is unknown, and not broken.
    pub fn is_broken_by(&self, feature: &Feature) -> bool {
        eval::Row { feature, hazard: None }.test(&self.root) == Some(false)
    }

    /// A geometry that everything that passes must meet, where the filter says so: an index can use it.
    pub fn spatial_bound(&self) -> Option<&Geometry> {
        fn bound(node: &Node) -> Option<&Geometry> {
            match node {
                Node::And(nodes) => nodes.iter().find_map(bound),
                Node::Spatial(SpatialTest::Intersects | SpatialTest::Within | SpatialTest::Equals, Place::Own, Place::Const(geometry)) => {
                    Some(geometry)
                }
                Node::Spatial(
                    SpatialTest::Intersects | SpatialTest::Contains | SpatialTest::Equals,
                    Place::Const(geometry),
                    Place::Own,
                ) => Some(geometry),
                _ => None,
            }
        }
        bound(&self.root)
    }
}

fn check_size(text: &str) -> Result<()> {
    if text.len() > TEXT_MAX {
        Err(too_complex(format!("{} bytes / 字节", text.len()), format!("{TEXT_MAX} bytes / 字节")))
    } else {
        Ok(())
    }
}

fn too_complex(what: String, most: impl ToString) -> Error {
    Error::new(Code::TooComplex, "filter", what, most)
}

fn unreadable(what: &str, why: &str) -> Error {
    let value = if what.is_empty() { why.to_owned() } else { format!("{why}: {what}") };
    Error::new(Code::InvalidFilter, "filter", value, "state = 'open' AND capacity >= 100")
}

/// How deep brackets and braces stand within each other, outside of strings.
fn json_depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut inside, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'{' | b'[' if !inside => depth += 1,
            b'}' | b']' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' if parts.last() == Some(&Part::Any) => continue,
                '%' => Part::Any,
                '_' => Part::One,
                '\\' => Part::Char(chars.next().unwrap_or('\\')),
                c => Part::Char(c),
            });
        }
        Pattern(parts)
    }

    /// Greedy with one point to come back to, so time is at most the product of the lengths.
    fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let (mut at, mut back) = (0, None);
        loop {
            match self.0.get(at) {
                Some(Part::Any) => {
                    at += 1;
                    back = Some((at, rest.clone()));
                    continue;
                }
                part => {
                    let before = rest.clone();
                    match (part, rest.next()) {
                        (None, None) => return true,
                        (Some(Part::One), Some(_)) => at += 1,
                        (Some(Part::Char(wanted)), Some(c)) if *wanted == c => at += 1,
                        (_, None) if before.as_str().is_empty() => return false,
                        _ => {
                            let Some((to, mut from)) = back.take() else { return false };
                            if from.next().is_none() {
                                return false;
                            }
                            (at, rest) = (to, from.clone());
                            back = Some((to, from));
                        }
                    }
                }
            }
        }
    }
}

impl From<&str> for Term {
    fn from(text: &str) -> Term {
        Term::Const(Value::Text(ArcStr::from(text)))
    }
}
