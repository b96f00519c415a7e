//! Biaotu (标图): an emergency bureau's map server. `ARCHITECTURE.md` tells how a read and a write go through it.
#![forbid(unsafe_code)]

pub mod app;
pub mod config;
pub mod error;
pub mod exchange;
pub mod http;
pub mod live;
pub mod model;
pub mod osm;
pub mod roads;
pub mod store;
pub mod world;
