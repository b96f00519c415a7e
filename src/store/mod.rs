//! placeholder, replaced by the real one
use crate::{
    error::Result,
    model::{Change, Committed, Feature, Write},
};
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    fn kind(&self) -> &'static str;
    async fn load(&self, sink: &mut (dyn FnMut(usize, Vec<Feature>) + Send)) -> Result<u64>;
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>>;
    async fn head(&self) -> Result<u64>;
    async fn write(&self, writes: Vec<Write>, actor: &str) -> Result<Committed>;
    fn watch(&self) -> tokio::sync::watch::Receiver<u64>;
    async fn ping(&self) -> Result<()>;
}
