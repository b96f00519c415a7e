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

use super::{points::Points, stock::Balances, stored::Stored};
use crate::model::{
    Geometry,
    sphere::{Bounds, V3},
};

/// A shard is split when it grows beyond this, into halves.
pub const SHARD_MAX: usize = 2_048;

/// A line or polygon in the tree, by its box; distances to it are lower bounds.
#[derive(Clone, Copy, Debug)]
pub struct ShapeEntry {
    pub bounds: Bounds,
    /// Position in [`Shard::features`].
    pub local: u32,
}

impl RTreeObject for ShapeEntry {
    type Envelope = AABB<V3>;
    fn envelope(&self) -> AABB<V3> {
        AABB::from_corners(self.bounds.min, self.bounds.max)
    }
}
impl PointDistance for ShapeEntry {
    fn distance_2(&self, p: &V3) -> f64 {
        self.bounds.nearest2(*p)
    }
}

#[derive(Debug)]
pub struct Shard {
    /// Differs for every shard ever built in this process: a set of them identifies what a tile shows.
    pub uid: u64,
    pub bounds: Bounds,
    /// In spatial order: points as `points` has them, then the other shapes.
    pub features: Vec<Arc<Stored>>,
    pub points: Points,
    pub shapes: RTree<ShapeEntry>,
}

static NEXT_UID: AtomicU64 = AtomicU64::new(1);

impl Shard {
    /// Builds a shard from features that have a geometry.
    pub fn build(features: Vec<Arc<Stored>>, stock: &Balances) -> Shard {
        let (mut points, mut others) = (Vec::with_capacity(features.len()), Vec::new());
        for stored in features {
            match &stored.feature.geometry {
                Some(geometry @ Geometry::Point { .. }) => points.push((geometry.ecef_box().min, stored)),
                Some(Geometry::Shape(_)) => others.push(stored),
                None => {}
            }
        }
        let (points, mut features) = Points::build(points, stock);
        let mut bounds = points.whole.bounds;
        let mut shapes = Vec::with_capacity(others.len());
        for stored in others {
            let Some(own) = stored.feature.geometry.as_ref().map(Geometry::ecef_box) else { continue };
            bounds.join(own);
            shapes.push(ShapeEntry { bounds: own, local: features.len() as u32 });
            features.push(stored);
        }
        Shard { uid: NEXT_UID.fetch_add(1, Ordering::Relaxed), bounds, features, points, shapes: RTree::bulk_load(shapes) }
    }

    pub fn position(&self, id: &Uuid) -> Option<usize> {
        self.features.iter().position(|stored| stored.feature.id == *id)
    }
}

/// Orders things so that every `max` of them lie together: halved along the longest side until each group is small. All groups but the
/// last are full.
pub fn partition<T>(mut things: &mut [(V3, T)], max: usize) {
    while things.len() > max {
        let axis = longest_axis(things.iter().map(|(at, _)| at));
        let half = things.len().div_ceil(max).div_ceil(2) * max;
        things.select_nth_unstable_by(half, |a, b| a.0[axis].total_cmp(&b.0[axis]));
        let (lower, upper) = things.split_at_mut(half);
        partition(lower, max);
        things = upper;
    }
}

fn longest_axis<'a>(positions: impl Iterator<Item = &'a V3>) -> usize {
    let mut bounds = Bounds::EMPTY;
    for at in positions {
        bounds.join(Bounds::at(*at));
    }
    (0..3).max_by(|a, b| (bounds.max[*a] - bounds.min[*a]).total_cmp(&(bounds.max[*b] - bounds.min[*b]))).unwrap_or(0)
}

/// What a batch takes from and adds to one shard.
#[derive(Default)]
pub struct Edit {
    pub remove: HashSet<Uuid>,
    pub add: Vec<Arc<Stored>>,
}
