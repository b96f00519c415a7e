//! Files in and out. Pure: bytes in, rows out; what becomes of the rows is planned here and done by the app.

pub mod coordinates;
pub mod csv;
pub mod geojson;
pub mod grid;
pub mod import;
pub mod lines;
pub mod osm;
pub mod spreadsheet;
pub mod table;

pub use coordinates::Crs;
pub use import::{Action, Lookup, Options, Plan, Read, Row};
