//! CQL2 filters, compiled against a layer.

use super::{feature::Feature, layer::Layer};
use crate::error::Result;

/// The property that stands for the hazard being asked about, in `unsafe` rules: `A_CONTAINS(unsafe_for, ("$hazard"))`.
pub const HAZARD: &str = "$hazard";

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {}

impl Filter {
    /// Compiles CQL2 text over the layer's queryables.
    pub fn parse_text(_layer: &Layer, _text: &str) -> Result<Filter> {
        Ok(Filter {})
    }
    /// Compiles CQL2 JSON.
    pub fn parse_json(_layer: &Layer, _json: &str) -> Result<Filter> {
        Ok(Filter {})
    }
    /// Compiles a rule of a definition, which may use [`HAZARD`].
    pub fn parse_rule(_layer: &Layer, _text: &str) -> Result<Filter> {
        Ok(Filter {})
    }
    pub fn uses_hazard(&self) -> bool {
        false
    }
    /// Whether the feature passes; a comparison with null is not true (three-valued logic).
    pub fn matches(&self, _feature: &Feature, _hazard: Option<&str>) -> bool {
        true
    }
}
