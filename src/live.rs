//! The follower: reads the change log, makes the next world and the next roads, publishes them, tells the subscribers.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, broadcast, watch};

use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Change, Feature, ROADS},
    roads::{Closure, Region, Roads},
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
    /// The roads' hierarchies know all closures up to a `seq`.
    Roads(u64),
    /// The world was read anew: what came before can't be told.
    Reset,
}

/// The published state of things.
pub struct Live {
    world: ArcSwap<World>,
    /// Published before the world that has the same closures: who takes the world first never has older roads.
    roads: ArcSwapOption<Roads>,
    /// What blocks roads as of a `seq`, whether there are roads or not. Who publishes roads holds it, so that none loses a closure.
    blocks: Mutex<(u64, Vec<Closure>)>,
    /// Whether the store may have another road graph than the one in use.
    roads_wanted: AtomicBool,
    /// Wakes the keeper of the roads: closures changed, or another graph is wanted.
    unsettled: Notify,
    seq: watch::Sender<u64>,
    news: broadcast::Sender<News>,
    /// When a closure begins or ends next, microseconds since 1970.
    next_due: AtomicI64,
    /// When the world was last known to be up to date, microseconds since 1970.
    fresh_at: AtomicI64,
}

impl Live {
    /// Loads everything from the store.
    pub async fn load(store: &dyn Store, catalog: Arc<Catalog>) -> Result<Arc<Live>> {
        let world = load(store, catalog).await?;
        let live = Arc::new(Live {
            seq: watch::Sender::new(world.seq),
            world: ArcSwap::from_pointee(world),
            roads: ArcSwapOption::empty(),
            blocks: Mutex::default(),
            roads_wanted: AtomicBool::new(true),
            unsettled: Notify::new(),
            news: broadcast::Sender::new(LAG),
            next_due: AtomicI64::new(0),
            fresh_at: AtomicI64::new(now()),
        });
        live.close_roads(&live.world());
        live.take_roads(store).await;
        Ok(live)
    }

    /// The world as it is now; keep it as long as the answer takes.
    pub fn world(&self) -> arc_swap::Guard<Arc<World>> {
        self.world.load()
    }
    /// The world, to be taken to another thread.
    pub fn world_owned(&self) -> Arc<World> {
        self.world.load_full()
    }
    /// The roads as they are now; take the world first. `None` where no road graph was ever built.
    pub fn roads(&self) -> Option<Arc<Roads>> {
        self.roads.load_full()
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

    /// Brings the closures in force of a world into the roads; their hierarchies follow.
    fn close_roads(&self, world: &World) {
        let now = now();
        self.next_due.store(world.next_due(now), Ordering::Relaxed);
        let in_force = world.road_blocks(now).filter_map(|(layer, stored)| Closure::of(layer, &stored.feature));
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        *blocks = (world.seq, in_force.collect());
        if let Some(roads) = self.roads() {
            self.publish_roads(&roads, &blocks);
        }
    }

    /// Publishes roads with what blocks them; `blocks` is held by the caller.
    fn publish_roads(&self, roads: &Roads, (seq, closures): &(u64, Vec<Closure>)) {
        let next = roads.with(closures, *seq);
        let pending = next.is_pending();
        self.roads.store(Some(Arc::new(next)));
        if pending {
            self.unsettled.notify_one();
        }
    }

    fn want_roads(&self) {
        self.roads_wanted.store(true, Ordering::Relaxed);
        self.unsettled.notify_one();
    }

    /// Keeps the roads, for ever: brings their hierarchies up to the closures, each time to the latest, and takes another graph into
    /// use where the store has one. What it does takes a while, and holds up neither readers nor the follower.
    pub async fn keep_roads(self: Arc<Self>, store: Arc<dyn Store>) {
        loop {
            // A store that couldn't be reached is asked again.
            let _ = tokio::time::timeout(TICK, self.unsettled.notified()).await;
            if self.roads_wanted.load(Ordering::Relaxed) {
                self.take_roads(&*store).await;
            }
            while let Some(roads) = self.roads().filter(|roads| roads.is_pending()) {
                let settled = match tokio::task::spawn_blocking(move || roads.settled()).await {
                    Ok(settled) => settled,
                    Err(error) => {
                        tracing::error!(%error, "the roads' hierarchies can't be brought up to date");
                        tokio::time::sleep(TICK).await;
                        continue;
                    }
                };
                // Closures may have changed meanwhile: the next round takes those from what is settled now.
                let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(current) = self.roads() {
                    self.publish_roads(&current.adopt(&settled), &blocks);
                }
                drop(blocks);
                let _ = self.news.send(News::Roads(settled.seq));
            }
        }
    }

    /// Takes the store's road graph into use. One that can't be read is told of, and the one in use stays; while the store can't be
    /// reached it stays wanted.
    async fn take_roads(&self, store: &dyn Store) {
        let started = std::time::Instant::now();
        self.roads_wanted.store(false, Ordering::Relaxed);
        let bytes = match store.roads().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) if error.code == Code::InvalidFile => return tracing::error!(%error, "the road graph can't be used"),
            Err(error) => {
                tracing::warn!(%error, "the road graph can't be fetched yet");
                return self.roads_wanted.store(true, Ordering::Relaxed);
            }
        };
        let (seq, closures) = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let make = move || Ok::<_, Error>(Roads::new(Arc::new(Region::read(&bytes)?), seq).with(&closures, seq).settled());
        match tokio::task::spawn_blocking(make).await.map_err(Error::internal).flatten() {
            Ok(roads) => {
                tracing::info!(roads = roads.region.network.roads.len(), seconds = started.elapsed().as_secs_f64(), "roads loaded");
                let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                self.publish_roads(&roads, &blocks);
                drop(blocks);
                let _ = self.news.send(News::Roads(roads.seq));
            }
            Err(error) => tracing::error!(%error, "the road graph can't be used"),
        }
    }

    /// Follows the store for ever. Where it can't be reached, answers go on from the last world and say how old it is.
    pub async fn follow(self: Arc<Self>, store: Arc<dyn Store>) {
        let mut wake = store.watch();
        loop {
            match self.catch_up(&*store).await {
                Ok(()) => {
                    self.fresh_at.store(now(), Ordering::Relaxed);
                    // A closure may have begun or ended by its own time.
                    if self.next_due.load(Ordering::Relaxed) <= now() {
                        self.close_roads(&self.world());
                    }
                }
                // A log with a gap, or with a row that can't be read: the tables themselves are what counts.
                Err(error) if matches!(error.code, Code::LogGap | Code::Internal) => {
                    tracing::warn!(%error, "reading everything anew");
                    match load(&*store, self.world().catalog.clone()).await {
                        Ok(world) => {
                            self.close_roads(&world);
                            // What the log would have told of is not known: the graph may be another, too.
                            self.want_roads();
                            self.publish(world, News::Reset);
                        }
                        Err(error) => tracing::warn!(%error, "reload failed"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "can't follow the store");
                    metrics::counter!("biaotu_follow_failures_total").increment(1);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            let due = Duration::from_micros(self.next_due.load(Ordering::Relaxed).saturating_sub(now()).max(0) as u64);
            if let Ok(Err(_)) = tokio::time::timeout(TICK.min(due), wake.changed()).await {
                // The store gave up waking us; the tick goes on.
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn catch_up(self: &Arc<Self>, store: &dyn Store) -> Result<()> {
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
            let live = self.clone();
            let apply = move || {
                let next = world.apply(&batch);
                live.close_roads(&next);
                next
            };
            let next = tokio::task::spawn_blocking(apply).await.map_err(Error::internal)?;
            metrics::counter!("biaotu_changes_applied_total").increment(changes.len() as u64);
            if changes.iter().any(|change| change.layer == ROADS) {
                self.want_roads();
            }
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
