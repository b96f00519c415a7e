//! One piece of a layer's index: up to a few thousand features that lie together, never changed once built.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rstar::{AABB, PointDistance, RTree, RTreeObject};
use uuid::Uuid;

use super::{
    stock::{Balance, Balances},
    stored::Stored,
};
use crate::model::{Geometry, sphere, sphere::V3};

/// A shard is split when it grows beyond this, into halves. Rebuilding one costs about a microsecond a feature.
pub const SHARD_MAX: usize = 2_048;

/// A point in the tree, with what the hot path needs beside it, so that a rejected candidate costs no cache miss.
#[derive(Clone, Copy, Debug)]
pub struct PointEntry {
    /// ECEF, metres.
    pub at: V3,
    /// Position in [`Shard::features`].
    pub local: u32,
    pub unsafe_for: u32,
    pub excluded: u8,
}

impl RTreeObject for PointEntry {
    type Envelope = AABB<V3>;
    fn envelope(&self) -> AABB<V3> {
        AABB::from_point(self.at)
    }
}
impl PointDistance for PointEntry {
    fn distance_2(&self, p: &V3) -> f64 {
        sphere::distance2(self.at, *p)
    }
}

/// A line or polygon in the tree, by its box; distances to it are lower bounds.
#[derive(Clone, Copy, Debug)]
pub struct ShapeEntry {
    pub min: V3,
    pub max: V3,
    pub local: u32,
}

impl RTreeObject for ShapeEntry {
    type Envelope = AABB<V3>;
    fn envelope(&self) -> AABB<V3> {
        AABB::from_corners(self.min, self.max)
    }
}
impl PointDistance for ShapeEntry {
    fn distance_2(&self, p: &V3) -> f64 {
        box_distance2(self.min, self.max, *p)
    }
}

/// Squared distance from a position to a box, 0 inside.
pub fn box_distance2(min: V3, max: V3, p: V3) -> f64 {
    (0..3).map(|i| (min[i] - p[i]).max(p[i] - max[i]).max(0.0)).map(|d| d * d).sum()
}

#[derive(Debug)]
pub struct Shard {
    /// Differs for every shard ever built in this process: a set of them identifies what a tile shows.
    pub uid: u64,
    pub min: V3,
    pub max: V3,
    /// In spatial order.
    pub features: Vec<Arc<Stored>>,
    pub points: RTree<PointEntry>,
    pub shapes: RTree<ShapeEntry>,
    /// Balances of feature `i` are `balances[starts[i]..starts[i + 1]]`; empty in layers that own no stock.
    starts: Vec<u32>,
    balances: Vec<Balance>,
}

static NEXT_UID: AtomicU64 = AtomicU64::new(1);

impl Shard {
    /// Builds a shard from features that have a geometry.
    pub fn build(features: Vec<Arc<Stored>>, stock: &Balances) -> Shard {
        let (mut points, mut shapes) = (Vec::new(), Vec::new());
        let (mut min, mut max) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for (local, stored) in features.iter().enumerate() {
            let Some(geometry) = &stored.feature.geometry else { continue };
            let (low, high) = geometry.ecef_box();
            for i in 0..3 {
                min[i] = min[i].min(low[i]);
                max[i] = max[i].max(high[i]);
            }
            let local = local as u32;
            match geometry {
                Geometry::Point { .. } => {
                    points.push(PointEntry { at: low, local, unsafe_for: stored.unsafe_for(), excluded: stored.excluded() });
                }
                Geometry::Shape(_) => shapes.push(ShapeEntry { min: low, max: high, local }),
            }
        }
        let (mut starts, mut balances) = (Vec::new(), Vec::new());
        if !stock.is_empty() {
            starts.reserve_exact(features.len() + 1);
            for stored in &features {
                starts.push(balances.len() as u32);
                balances.extend_from_slice(stock.of(&stored.feature.id));
            }
            starts.push(balances.len() as u32);
        }
        Shard {
            uid: NEXT_UID.fetch_add(1, Ordering::Relaxed),
            min,
            max,
            features,
            points: RTree::bulk_load(points),
            shapes: RTree::bulk_load(shapes),
            starts,
            balances,
        }
    }

    pub fn balances(&self, local: u32) -> &[Balance] {
        match self.starts.get(local as usize..local as usize + 2) {
            Some([from, to]) => &self.balances[*from as usize..*to as usize],
            _ => &[],
        }
    }

    pub fn position(&self, id: &Uuid) -> Option<usize> {
        self.features.iter().position(|stored| stored.feature.id == *id)
    }
}

/// Sorts things by place into groups of at most `max`: halved along the longest side until each is small.
pub fn partition<T>(mut things: Vec<(V3, T)>, max: usize, out: &mut Vec<Vec<T>>) {
    if things.len() <= max {
        if !things.is_empty() {
            out.push(things.into_iter().map(|(_, thing)| thing).collect());
        }
        return;
    }
    let axis = longest_axis(things.iter().map(|(at, _)| at));
    let half = things.len() / 2;
    things.select_nth_unstable_by(half, |a, b| a.0[axis].total_cmp(&b.0[axis]));
    let upper = things.split_off(half);
    partition(things, max, out);
    partition(upper, max, out);
}

fn longest_axis<'a>(positions: impl Iterator<Item = &'a V3>) -> usize {
    let (mut min, mut max) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for at in positions {
        for i in 0..3 {
            min[i] = min[i].min(at[i]);
            max[i] = max[i].max(at[i]);
        }
    }
    (0..3).max_by(|a, b| (max[*a] - min[*a]).total_cmp(&(max[*b] - min[*b]))).unwrap_or(0)
}

/// What a batch takes from and adds to one shard.
#[derive(Default)]
pub struct Edit {
    pub remove: HashSet<Uuid>,
    pub add: Vec<Arc<Stored>>,
}
