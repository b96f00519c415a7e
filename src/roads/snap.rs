//! From a place to the road beside it.

use rstar::{AABB, RTree, RTreeObject};

use super::{
    Network, Point,
    network::{east, within_half_turn},
};
use crate::model::sphere::{self, Bounds, V3};

/// A position on a road: where a place was snapped to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snap {
    pub road: u32,
    /// Share of the road's length along its shape, 0 to 1.
    pub at: f64,
    pub lon: f64,
    pub lat: f64,
    /// The place that was asked for: longitude and latitude, degrees.
    pub asked: [f64; 2],
    /// How far it is from there, metres.
    pub distance_m: f64,
    /// Which ways it may be driven on from here, or reached: in the direction of the road's shape, and against it.
    pub ways: Ways,
}

/// Directions of a road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    pub forward: bool,
    pub backward: bool,
}

impl Ways {
    pub const NONE: Ways = Ways { forward: false, backward: false };
    pub const BOTH: Ways = Ways { forward: true, backward: true };
    pub const fn any(self) -> bool {
        self.forward || self.backward
    }
    pub const fn and(self, other: Ways) -> Ways {
        Ways { forward: self.forward && other.forward, backward: self.backward && other.backward }
    }
}

/// A road's box in ECEF metres. Single precision errs by half a metre at the earth's radius: boxes are a metre larger.
struct Boxed {
    min: [f32; 3],
    max: [f32; 3],
    road: u32,
}

impl RTreeObject for Boxed {
    type Envelope = AABB<[f32; 3]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.min, self.max)
    }
}

impl rstar::PointDistance for Boxed {
    fn distance_2(&self, point: &[f32; 3]) -> f32 {
        self.envelope().distance_2(point)
    }
}

/// Finds roads by place.
pub struct Index {
    tree: RTree<Boxed>,
    /// The positions of [`Network::shape`], ECEF metres: what is near is asked of them by the thousand.
    ecef: Vec<V3>,
}

fn ecef(point: Point) -> V3 {
    let (lon, lat) = point.degrees();
    sphere::ecef(lon, lat)
}

fn single(v: V3) -> [f32; 3] {
    v.map(|x| x as f32)
}

/// How far around a place is looked at first, metres.
const NEAR_M: [f64; 2] = [30.0, 120.0];

impl Index {
    pub fn new(network: &Network) -> Index {
        let ecef: Vec<V3> = network.shape.iter().map(|point| ecef(*point)).collect();
        let boxed = |road: usize| {
            let mut bounds = Bounds::EMPTY;
            ecef[network.range(road)].iter().for_each(|at| bounds.join(Bounds::at(*at)));
            let bounds = bounds.padded(1.0);
            Boxed { min: single(bounds.min), max: single(bounds.max), road: road as u32 }
        };
        let tree = RTree::bulk_load((0..network.roads.len()).map(boxed).collect());
        Index { tree, ecef }
    }

    /// Roads whose box meets another.
    pub fn meeting(&self, bounds: &Bounds) -> impl Iterator<Item = u32> + '_ {
        self.tree.locate_in_envelope_intersecting(AABB::from_corners(single(bounds.min), single(bounds.max))).map(|boxed| boxed.road)
    }

    /// The nearest positions on up to `count` roads that `usable` gives ways for, the nearest first, none farther than `limit_m`.
    pub fn nearest(
        &self,
        network: &Network,
        (lon, lat): (f64, f64),
        count: usize,
        limit_m: f64,
        mut usable: impl FnMut(u32, f64) -> Ways,
    ) -> Vec<Snap> {
        let p = sphere::ecef(lon, lat);
        let limit = sphere::chord_of_arc(limit_m);
        let mut offer = |found: &mut Vec<(f64, Snap)>, road: u32, limit: f64| {
            let farthest = if found.len() < count { limit } else { found.last().map_or(limit, |(d, _)| *d) };
            let line = &self.ecef[network.range(road as usize)];
            let (chord, segment, share) = project(line, p);
            if chord > farthest {
                return;
            }
            let shape = network.shape(road as usize);
            let (at, place) = (share_of(line, segment, share), between(shape[segment], shape[segment + 1], share));
            let ways = usable(road, at);
            if !ways.any() {
                return;
            }
            let (at_lon, at_lat) = place.degrees();
            let snap = Snap { road, at, lon: at_lon, lat: at_lat, asked: [lon, lat], distance_m: sphere::arc_of_chord(chord), ways };
            let rank = found.partition_point(|(d, other)| (*d, other.road) < (chord, road));
            found.insert(rank, (chord, snap));
            found.truncate(count);
        };
        let mut found: Vec<(f64, Snap)> = Vec::with_capacity(count + 1);
        // Most places are beside a road: all that is near is soon looked at. A metre for the boxes' single precision, and one for the place's.
        for near in NEAR_M.into_iter().filter(|near| *near < limit) {
            found.clear();
            self.meeting(&Bounds::at(p).padded(near + 2.0)).for_each(|road| offer(&mut found, road, near));
            if found.len() == count {
                return found.into_iter().map(|(_, snap)| snap).collect();
            }
        }
        found.clear();
        for (boxed, box2) in self.tree.nearest_neighbor_iter_with_distance_2(single(p)) {
            let farthest = if found.len() < count { limit } else { found.last().map_or(limit, |(d, _)| *d) };
            if f64::from(box2).sqrt() > farthest + 2.0 {
                break;
            }
            offer(&mut found, boxed.road, limit);
        }
        found.into_iter().map(|(_, snap)| snap).collect()
    }
}

/// The nearest position of a line: its chord in metres, the segment and the share of that segment.
fn project(line: &[V3], p: V3) -> (f64, usize, f64) {
    let mut best = (f64::INFINITY, 0, 0.0);
    for (i, ends) in line.windows(2).enumerate() {
        let (a, b) = (ends[0], ends[1]);
        let (ab, ap) = ([b[0] - a[0], b[1] - a[1], b[2] - a[2]], [p[0] - a[0], p[1] - a[1], p[2] - a[2]]);
        let length2 = sphere::dot(ab, ab);
        let share = if length2 > 0.0 { (sphere::dot(ab, ap) / length2).clamp(0.0, 1.0) } else { 0.0 };
        let foot = [a[0] + share * ab[0], a[1] + share * ab[1], a[2] + share * ab[2]];
        let d2 = sphere::distance2(foot, p);
        if d2 < best.0 {
            best = (d2, i, share);
        }
    }
    (best.0.sqrt(), best.1, best.2)
}

/// Of a position on a line, given by segment and share of the segment: its share of the line's length.
fn share_of(line: &[V3], segment: usize, share: f64) -> f64 {
    let (mut before, mut whole) = (0.0, 0.0);
    for (i, ends) in line.windows(2).enumerate() {
        let length = sphere::distance2(ends[0], ends[1]).sqrt();
        if i < segment {
            before += length;
        } else if i == segment {
            before += share * length;
        }
        whole += length;
    }
    if whole > 0.0 { (before / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// The position at a share of the segment from `a` to `b`.
pub fn between(a: Point, b: Point, share: f64) -> Point {
    let mix = |a: i32, b: i32| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as i32;
    // A road across the antimeridian goes the short way.
    let lon = i64::from(a.lon) + (f64::from(east(a, b)) * share).round() as i64;
    Point { lon: within_half_turn(lon), lat: mix(a.lat, b.lat) }
}
