//! One layer in memory: by id, by code and in space. Immutable; a batch of changes makes a new one that shares what it doesn't touch.

use std::{collections::BTreeMap, sync::Arc};

use arcstr::ArcStr;
use imbl::OrdMap;
use rstar::{AABB, PointDistance, RTree, RTreeObject};
use uuid::Uuid;

use super::{
    shard::{Edit, SHARD_MAX, Shard, partition},
    stock::Balances,
    stored::Stored,
};
use crate::model::{
    Catalog, Feature, Layer,
    layer::system,
    sphere,
    sphere::{Bounds, V3},
};

#[derive(Clone, Debug)]
pub struct LayerIndex {
    pub layer: Arc<Layer>,
    pub by_id: OrdMap<Uuid, Arc<Stored>>,
    pub by_code: OrdMap<ArcStr, Uuid>,
    pub shards: Vec<Arc<Shard>>,
    /// The shards by their boxes.
    directory: Arc<RTree<ShardBox>>,
    /// The `seq` of the layer's last change.
    pub changed: u64,
}

#[derive(Clone, Copy, Debug)]
struct ShardBox {
    bounds: Bounds,
    shard: u32,
}

impl RTreeObject for ShardBox {
    type Envelope = AABB<V3>;
    fn envelope(&self) -> AABB<V3> {
        AABB::from_corners(self.bounds.min, self.bounds.max)
    }
}
impl PointDistance for ShardBox {
    fn distance_2(&self, p: &V3) -> f64 {
        self.bounds.nearest2(*p)
    }
}

fn directory(shards: &[Arc<Shard>]) -> Arc<RTree<ShardBox>> {
    let boxes = shards.iter().enumerate().map(|(i, shard)| ShardBox { bounds: shard.bounds, shard: i as u32 });
    Arc::new(RTree::bulk_load(boxes.collect()))
}

/// Divides things into what shards are made of, with room to grow.
fn shares<T>(mut placed: Vec<(V3, T)>) -> Vec<Vec<T>> {
    const SHARE: usize = SHARD_MAX * 3 / 4;
    partition(&mut placed, SHARE);
    let count = placed.len().div_ceil(SHARE);
    let mut things = placed.into_iter().map(|(_, thing)| thing);
    (0..count).map(|_| things.by_ref().take(SHARE).collect()).collect()
}

/// A map of what is sorted already. Put in one after the other, it would leave each node half empty; the second half fills them.
fn full<K: Clone + Ord, V: Clone>(sorted: Vec<(K, V)>) -> OrdMap<K, V> {
    let mut map: OrdMap<K, V> = sorted.iter().step_by(2).cloned().collect();
    map.extend(sorted.into_iter().skip(1).step_by(2));
    map
}

/// Where a feature stands when shards are made: the middle of its box.
fn middle(feature: &Feature) -> Option<V3> {
    let bounds = feature.geometry.as_ref()?.ecef_box();
    Some([0, 1, 2].map(|i| (bounds.min[i] + bounds.max[i]) / 2.0))
}

impl LayerIndex {
    pub fn empty(layer: Arc<Layer>) -> LayerIndex {
        LayerIndex { layer, by_id: OrdMap::new(), by_code: OrdMap::new(), shards: vec![], directory: directory(&[]), changed: 0 }
    }

    /// Builds the whole layer, on all cores. Features are prepared in spatial order, so that neighbours stand together in memory.
    pub fn build(catalog: &Catalog, layer: Arc<Layer>, features: Vec<Feature>, stock: &Balances, seq: u64) -> LayerIndex {
        let mut placed: Vec<(V3, Feature)> = Vec::with_capacity(features.len());
        let mut unplaced = Vec::new();
        for feature in features {
            match middle(&feature) {
                Some(at) => placed.push((at, feature)),
                None => unplaced.push(feature),
            }
        }
        let groups = shares(placed);
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(groups.len().max(1));
        let mut queues: Vec<Vec<Vec<Feature>>> = (0..workers).map(|_| Vec::new()).collect();
        for (i, group) in groups.into_iter().enumerate() {
            queues[i % workers].push(group);
        }
        let shards: Vec<Arc<Shard>> = std::thread::scope(|scope| {
            let running: Vec<_> = queues
                .into_iter()
                .map(|queue| {
                    let layer = &layer;
                    scope.spawn(move || {
                        queue
                            .into_iter()
                            .map(|group| {
                                Arc::new(Shard::build(
                                    group.into_iter().map(|feature| Stored::new(catalog, layer, feature)).collect(),
                                    stock,
                                ))
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            // A panic in a worker is a fault of ours, and is passed on.
            running.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut all: Vec<Arc<Stored>> = shards.iter().flat_map(|shard| shard.features.iter().cloned()).collect();
        all.extend(unplaced.into_iter().map(|feature| Stored::new(catalog, &layer, feature)));
        all.sort_unstable_by_key(|stored| stored.feature.id);
        let mut codes: Vec<_> = all.iter().filter_map(|stored| Some((code_of(stored)?.clone(), stored.feature.id))).collect();
        codes.sort_unstable();
        LayerIndex {
            by_id: full(all.into_iter().map(|stored| (stored.feature.id, stored)).collect()),
            by_code: full(codes),
            directory: directory(&shards),
            shards,
            layer,
            changed: seq,
        }
    }

    /// The layer after a batch: for each id its new state, or `None` where it was deleted. `touched` are features whose
    /// stock changed though they didn't.
    pub fn apply(&mut self, batch: BTreeMap<Uuid, Option<Arc<Stored>>>, touched: &[Uuid], stock: &Balances, seq: u64) {
        let mut edits: BTreeMap<usize, Edit> = BTreeMap::new();
        let mut added: Vec<(V3, Arc<Stored>)> = Vec::new();
        for (id, next) in batch {
            if let Some(old) = self.by_id.get(&id).cloned() {
                if let Some(shard) = self.shard_of(&old) {
                    edits.entry(shard).or_default().remove.insert(id);
                }
                if let Some(code) = code_of(&old)
                    && self.by_code.get(code) == Some(&id)
                {
                    self.by_code.remove(code);
                }
            }
            match next {
                Some(next) => {
                    if let Some(code) = code_of(&next) {
                        self.by_code.insert(code.clone(), id);
                    }
                    if let Some(at) = middle(&next.feature) {
                        added.push((at, next.clone()));
                    }
                    self.by_id.insert(id, next);
                }
                None => {
                    self.by_id.remove(&id);
                }
            }
        }
        for id in touched {
            if let Some(stored) = self.by_id.get(id)
                && let Some(shard) = self.shard_of(stored)
            {
                edits.entry(shard).or_default();
            }
        }
        let mut fresh = Vec::new();
        for (at, stored) in added {
            match self.directory.nearest_neighbor(at) {
                Some(found) => edits.entry(found.shard as usize).or_default().add.push(stored),
                None => fresh.push((at, stored)),
            }
        }
        let mut groups = shares(fresh);
        let mut next: Vec<Arc<Shard>> = Vec::with_capacity(self.shards.len() + groups.len());
        for (i, shard) in self.shards.iter().enumerate() {
            let Some(edit) = edits.remove(&i) else {
                next.push(shard.clone());
                continue;
            };
            let mut features: Vec<_> = shard.features.iter().filter(|stored| !edit.remove.contains(&stored.feature.id)).cloned().collect();
            features.extend(edit.add);
            if features.len() > SHARD_MAX {
                groups.extend(shares(features.into_iter().filter_map(|stored| Some((middle(&stored.feature)?, stored))).collect()));
            } else if !features.is_empty() {
                groups.push(features);
            }
        }
        next.extend(groups.into_iter().map(|group| Arc::new(Shard::build(group, stock))));
        self.shards = next;
        self.directory = directory(&self.shards);
        self.changed = seq;
    }

    fn shard_of(&self, stored: &Stored) -> Option<usize> {
        let at = middle(&stored.feature)?;
        let holding = self.directory.locate_all_at_point(at);
        holding.map(|found| found.shard as usize).find(|shard| self.shards[*shard].position(&stored.feature.id).is_some())
    }

    /// Shards by rising distance of their boxes from an ECEF position; distances squared.
    pub fn shards_from(&self, p: V3) -> impl Iterator<Item = (&Shard, f64)> {
        self.directory.nearest_neighbor_iter_with_distance_2(p).map(|(found, d2)| (&*self.shards[found.shard as usize], d2))
    }
    /// Shards whose boxes meet a box.
    pub fn shards_meeting(&self, bounds: Bounds) -> impl Iterator<Item = &Shard> {
        let envelope = AABB::from_corners(bounds.min, bounds.max);
        self.directory.locate_in_envelope_intersecting(envelope).map(|found| &*self.shards[found.shard as usize])
    }
    /// Features whose boxes meet a box, as positions in their shards: candidates, to be refined.
    pub fn candidates(&self, bounds: Bounds) -> impl Iterator<Item = (&Shard, usize)> {
        let envelope = AABB::from_corners(bounds.min, bounds.max);
        self.shards_meeting(bounds).flat_map(move |shard| {
            let shapes = shard.shapes.locate_in_envelope_intersecting(envelope).map(|entry| entry.local as usize);
            shard.points.inside(bounds).chain(shapes).map(move |local| (shard, local))
        })
    }
    /// Polygons that hold a position, by id.
    pub fn holding(&self, lon: f64, lat: f64) -> Vec<&Arc<Stored>> {
        let p = sphere::unit(lon, lat);
        let at = sphere::ecef(lon, lat);
        let mut found: Vec<_> = self
            .shards_meeting(Bounds::at(at))
            .flat_map(|shard| shard.shapes.locate_all_at_point(at).map(|entry| &shard.features[entry.local as usize]))
            .filter(|stored| matches!(&stored.feature.geometry, Some(crate::model::Geometry::Shape(shape)) if shape.contains(p)))
            .collect();
        found.sort_by_key(|stored| stored.feature.id);
        found
    }
}

fn code_of(stored: &Stored) -> Option<&ArcStr> {
    match &stored.feature.values[system::CODE] {
        crate::model::Value::Text(code) => Some(code),
        _ => None,
    }
}
