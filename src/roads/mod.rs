//! Roads: from a survey (OSM or plain lines) to answers by road that obey closures.
//!
//! Three layers, each changing at its own pace. The [`Network`] is where roads are: read once from a survey. A [`TurnGraph`] is
//! what one profile may drive of it, and its hierarchy is the order in which it is searched; both depend on the network only.
//! A metric is what driving costs just now: closures make another metric on the same hierarchy.

pub mod cost;
pub mod network;
pub mod turns;

pub use cost::Cost;
pub use network::{Arc, Network, Point, Road, Way};
pub use turns::TurnGraph;
