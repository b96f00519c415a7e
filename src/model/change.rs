//! Writes that go into a store, and the changes that come out of its log.

use std::sync::Arc;

use uuid::Uuid;

use super::feature::{Draft, Feature};

/// One write; several go into one transaction.
#[derive(Clone, Debug)]
pub enum Write {
    Create {
        layer: usize,
        feature: Feature,
    },
    /// Only what `set` names is written. With `if_version`, nothing is written unless the feature is at that version.
    Update {
        layer: usize,
        id: Uuid,
        if_version: Option<i64>,
        set: Draft,
    },
    Delete {
        layer: usize,
        id: Uuid,
        if_version: Option<i64>,
    },
}

/// What a transaction did, once it is committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The last `seq` of the transaction: a view at this `seq` or later contains it.
    pub seq: u64,
    /// For each write, the feature's version afterwards (for a delete, the version that was deleted).
    pub versions: Vec<i64>,
}

/// In place of a layer's number in a [`Change`]: no feature, another road graph.
pub const ROADS: usize = usize::MAX;

/// One row of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Commit order, the same on every server.
    pub seq: u64,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    /// Who: an account, `import`, or `external` for an edit by another program.
    pub actor: String,
    /// The layer's number in the catalog; [`ROADS`] where another road graph came into use.
    pub layer: usize,
    pub id: Uuid,
    pub old: Option<Arc<Feature>>,
    pub new: Option<Arc<Feature>>,
}

/// The latest deletion of a feature that had a code.
#[derive(Clone, Debug, PartialEq)]
pub struct Deleted {
    pub code: String,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub actor: String,
}
