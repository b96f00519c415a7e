//! The system of record: one contract, kept by PostGIS and by a GeoPackage file.
//!
//! Every layer of the catalog is a real table with typed columns, open to QGIS, psql and GDAL. Row triggers append each
//! change, whoever made it, to `biaotu_change_log`; its `seq` is commit order, so a reader that polls `seq > last` never
//! misses a row.

mod ddl;
mod faults;
mod geopackage;
mod postgis;
mod rows;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Change, Committed, Deleted, Feature, Write},
};

/// Which store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PostGis,
    GeoPackage,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Kind::PostGis => "postgis",
            Kind::GeoPackage => "geopackage",
        }
    }
}

/// Some features of one layer, as [`Store::load`] delivers them.
#[derive(Debug)]
pub struct Batch {
    /// The layer's number in the catalog.
    pub layer: usize,
    pub features: Vec<Feature>,
}

/// The contract of both stores. Clone the `Arc` freely: all methods may run at the same time.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    fn kind(&self) -> Kind;

    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;

    /// The last committed `seq`; 0 in a store that never saw a change.
    async fn head(&self) -> Result<u64>;

    /// Sends everything, as of one snapshot, and returns the `seq` that the snapshot is at.
    ///
    /// Ends with an error if the receiver is dropped before the end. Receive in another task: the channel is bounded.
    async fn load(&self, sink: mpsc::Sender<Batch>) -> Result<u64>;

    /// Up to `limit` changes with `seq > after`, in order.
    ///
    /// # Errors
    /// [`crate::error::Code::LogGap`] if the log no longer reaches back to `after`, or ends before it (a restored backup).
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>>;

    /// The latest deletion of each of these codes in a layer, as far as the log reaches back; in no order. A code may since be
    /// in use again.
    async fn deleted_codes(&self, layer: usize, codes: &[String]) -> Result<Vec<Deleted>>;

    /// One transaction: all writes or none. With more than one write, an error's field starts with `writes[i]`.
    async fn write(&self, writes: Vec<Write>, actor: &str) -> Result<Committed>;

    /// Keeps a road graph, in the place of the one before, and tells of it in the log: every server takes it into use.
    /// Returns the `seq` of that.
    async fn put_roads(&self, graph: &[u8], actor: &str) -> Result<u64>;

    /// The road graph in use; `None` where none was ever built.
    async fn roads(&self) -> Result<Option<Vec<u8>>>;

    /// A receiver whose value changes whenever the store may have changed, by whomever. It only wakes: ask
    /// [`Store::changes`] what happened.
    fn watch(&self) -> watch::Receiver<u64>;

    /// Ends background tasks and connections; what is committed stays.
    async fn close(&self);
}

/// What the log calls a road graph in the place of a layer.
const ROADS: &str = "biaotu_roads";
/// A road graph is kept in parts of so many bytes.
const ROADS_PART: usize = 16 << 20;

/// The name of a road graph: the hash of its bytes, and an id made of it for the log.
fn roads_name(graph: &[u8]) -> (String, uuid::Uuid) {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(graph);
    let mut head = [0; 16];
    head.copy_from_slice(&hash[..16]);
    (hash.iter().map(|byte| format!("{byte:02x}")).collect(), uuid::Builder::from_custom_bytes(head).into_uuid())
}

const ROADS_IN_USE: &str =
    "SELECT hash, bytes FROM biaotu_roads WHERE hash = (SELECT value FROM biaotu_meta WHERE key = 'roads') ORDER BY part";

/// A road graph of its parts; not one byte may differ from what was put in.
fn joined(parts: Vec<(String, Vec<u8>)>) -> Result<Option<Vec<u8>>> {
    let Some(hash) = parts.first().map(|(hash, _)| hash.clone()) else { return Ok(None) };
    let graph = parts.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>().concat();
    match roads_name(&graph).0 == hash {
        true => Ok(Some(graph)),
        false => {
            Err(Error::new(Code::InvalidFile, "roads", "damaged / 已损坏", "build the roads anew by `biaotu roads build` / 请重新构建路网"))
        }
    }
}

/// Opens a store and brings its tables up to the catalog: `postgres://…` is PostGIS, anything else the path of a GeoPackage
/// file, created if absent.
///
/// # Errors
/// [`crate::error::Code::StoreUnavailable`] where it can't be reached; [`crate::error::Code::DefinitionConflict`] where a table can't follow
/// its definition without losing something.
pub async fn open(url_or_path: &str, catalog: Arc<Catalog>) -> Result<Arc<dyn Store>> {
    if url_or_path.starts_with("postgres://") || url_or_path.starts_with("postgresql://") {
        Ok(Arc::new(postgis::PostGis::open(url_or_path, catalog).await?))
    } else {
        Ok(Arc::new(geopackage::GeoPackage::open(url_or_path, catalog).await?))
    }
}
