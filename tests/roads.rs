//! Roads: what is built of a survey, the hierarchies on it, closures, how trips are told, and the HTTP faces.

mod build;
mod closures;
mod engine;
mod generate;
mod guidance;
mod http;
