//! All integration tests, in one binary.

mod structure;
mod support;
mod world;
