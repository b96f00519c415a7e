//! Roads: from a survey (OSM or plain lines) to answers by road that obey closures.
//!
//! Three layers, each changing at its own pace. The [`Network`] is where roads are: read once from a survey. A [`TurnGraph`] is
//! what one profile may drive of it, and its hierarchy is the order in which it is searched; both depend on the network only.
//! A metric is what driving costs just now: closures make another metric on the same hierarchy.

pub mod build;
pub mod closures;
pub mod cost;
pub mod dijkstra;
mod expand;
pub mod guidance;
pub mod hierarchy;
pub mod isochrone;
pub mod matching;
pub mod matrix;
pub mod metric;
pub mod network;
pub mod order;
pub mod osrm;
mod outline;
mod parallel;
pub mod polyline;
pub mod profile;
pub mod region;
pub mod restrictions;
pub mod router;
pub mod search;
mod simplify;
pub mod snap;
pub mod survey;
pub mod tags;
pub mod trip;
pub mod turns;
pub mod view;

pub use build::{Built, ProfileGraph, from_lines, from_osm};
pub use closures::Closure;
pub use cost::Cost;
pub use dijkstra::Dijkstra;
pub use hierarchy::Hierarchy;
pub use matrix::{Sweep, matrix};
pub use metric::Metric;
pub use network::{Arc, Network, Point, Road, Way};
pub use order::order;
pub use profile::Profile;
pub use region::Region;
pub use search::{Route, Search};
pub use snap::{Snap, Ways};
pub use survey::{Line, Survey};
pub use turns::TurnGraph;
pub use view::{Conditions, Roads};
