//! The follower: reads the change log, makes the next world, publishes it, tells the subscribers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, watch};

use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Change, Feature},
    store::{Batch, Store},
    world::World,
};

/// How many changes are applied at once; a batch costs one publication.
const BATCH: usize = 20_000;
/// With no word from the store, the log is read this often all the same.
const TICK: Duration = Duration::from_secs(1);
/// A store that says nothing for so long is taken as lost.
const SILENCE: Duration = Duration::from_secs(30);
/// How many batches a slow subscriber may lag before it is told to reset.
const LAG: usize = 1_024;

/// What subscribers hear.
#[derive(Clone, Debug)]
pub enum News {
    /// Changes that are in the published world.
    Changes(Arc<Vec<Change>>),
    /// The world was read anew: what came before can't be told.
    Reset,
}

/// The published state of things.
pub struct Live {
    world: ArcSwap<World>,
    seq: watch::Sender<u64>,
    news: broadcast::Sender<News>,
    /// When the world was last known to be up to date, microseconds since 1970.
    fresh_at: AtomicI64,
}

impl Live {
    /// Loads everything from the store.
    pub async fn load(store: &dyn Store, catalog: Arc<Catalog>) -> Result<Arc<Live>> {
        let world = load(store, catalog).await?;
        Ok(Arc::new(Live {
            seq: watch::Sender::new(world.seq),
            world: ArcSwap::from_pointee(world),
            news: broadcast::Sender::new(LAG),
            fresh_at: AtomicI64::new(now()),
        }))
    }

    /// The world as it is now; keep it as long as the answer takes.
    pub fn world(&self) -> arc_swap::Guard<Arc<World>> {
        self.world.load()
    }
    /// The world, to be taken to another thread.
    pub fn world_owned(&self) -> Arc<World> {
        self.world.load_full()
    }
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
    /// Seconds since the world was last known to be up to date.
    pub fn age_s(&self) -> f64 {
        (now() - self.fresh_at.load(Ordering::Relaxed)) as f64 / 1e6
    }
    /// Waits until the world contains `seq`.
    pub async fn reached(&self, seq: u64) {
        // The sender lives as long as `self`.
        let _ = self.seq.subscribe().wait_for(|at| *at >= seq).await;
    }

    fn publish(&self, world: World, news: News) {
        let seq = world.seq;
        self.world.store(Arc::new(world));
        self.seq.send_replace(seq);
        // Nobody listening is no error.
        let _ = self.news.send(news);
    }

    /// Follows the store for ever. Where it can't be reached, answers go on from the last world and say how old it is.
    pub async fn follow(self: Arc<Self>, store: Arc<dyn Store>) {
        let mut wake = store.watch();
        loop {
            match self.catch_up(&*store).await {
                Ok(()) => self.fresh_at.store(now(), Ordering::Relaxed),
                // A log with a gap, or with a row that can't be read: the tables themselves are what counts.
                Err(error) if matches!(error.code, Code::LogGap | Code::Internal) => {
                    tracing::warn!(%error, "reading everything anew");
                    match load(&*store, self.world().catalog.clone()).await {
                        Ok(world) => self.publish(world, News::Reset),
                        Err(error) => tracing::warn!(%error, "reload failed"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "can't follow the store");
                    metrics::counter!("biaotu_follow_failures_total").increment(1);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            if let Ok(Err(_)) = tokio::time::timeout(TICK, wake.changed()).await {
                // The store gave up waking us; the tick goes on.
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn catch_up(&self, store: &dyn Store) -> Result<()> {
        loop {
            let world = self.world_owned();
            // A connection that was cut without a word never answers: the next try takes another.
            let changes = tokio::time::timeout(SILENCE, store.changes(world.seq, BATCH)).await;
            let changes = changes.map_err(|_| Error::unavailable(format!("silent for {} s", SILENCE.as_secs())))??;
            if changes.is_empty() {
                return Ok(());
            }
            let changes = Arc::new(changes);
            let batch = changes.clone();
            let next = tokio::task::spawn_blocking(move || world.apply(&batch)).await.map_err(Error::internal)?;
            metrics::counter!("biaotu_changes_applied_total").increment(changes.len() as u64);
            self.publish(next, News::Changes(changes));
        }
    }
}

async fn load(store: &dyn Store, catalog: Arc<Catalog>) -> Result<World> {
    let started = std::time::Instant::now();
    let mut features: Vec<Vec<Feature>> = vec![Vec::new(); catalog.layers.len()];
    let (sink, mut batches) = tokio::sync::mpsc::channel::<Batch>(16);
    let gather = async {
        while let Some(mut batch) = batches.recv().await {
            features[batch.layer].append(&mut batch.features);
        }
    };
    let (seq, ()) = tokio::join!(store.load(sink), gather);
    let seq = seq?;
    let count: usize = features.iter().map(Vec::len).sum();
    let world = tokio::task::spawn_blocking(move || World::build(catalog, features, seq, now())).await.map_err(Error::internal)?;
    tracing::info!(features = count, seq, seconds = started.elapsed().as_secs_f64(), "world loaded");
    Ok(world)
}

/// Microseconds since 1970, UTC.
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
