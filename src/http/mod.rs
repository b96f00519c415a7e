//! The HTTP faces: one file each. `problem.rs` is the only table of statuses.

pub mod params;
pub mod problem;
pub mod query;
pub mod viewer;
