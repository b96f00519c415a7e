//! What things are: layer definitions, features, geometry, changes, filters. Pure: no tokio, sqlx or axum.

pub mod catalog;
pub mod change;
pub mod feature;
pub mod filter;
pub mod geometry;
pub mod layer;
pub mod sphere;
pub mod value;
pub mod values;
pub mod viewer;
pub mod wkb;
pub mod workflow;

pub use catalog::Catalog;
pub use change::{Change, Committed, Deleted, ROADS, Write};
pub use feature::{Draft, Feature, ReadOnly};
pub use filter::Filter;
pub use geometry::Geometry;
pub use layer::{Exclusion, Field, FieldType, GeometryKind, Layer, LayerRole, Role};
pub use value::Value;
pub use values::Values;
pub use viewer::Viewer;
pub use workflow::Workflow;
