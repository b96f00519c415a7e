//! Biaotu (标图): an emergency bureau's map server.
#![forbid(unsafe_code)]

pub mod error;
pub mod model;
pub mod store;
