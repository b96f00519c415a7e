//! All integration tests, in one binary.

mod demo;
mod exchange;
mod faults;
mod grid;
mod http;
mod layers;
mod ogc;
mod roads;
mod spreadsheet;
mod store;
mod structure;
mod support;
mod workflow;
mod world;
