//! How far one gets by road within some minutes, as polygons.
//!
//! A polygon is the surroundings of all that is reached: the cells of a grid that reached roads touch, and the cells about these. So
//! it holds every reached piece of road, and of what isn't reached no more than what lies within its margin of a reached road.

use super::{
    Arc, Cost, Network, Point, Snap,
    network::{east, span_m},
    outline::{FARTHEST_CELLS, Mask},
    snap::between,
    view::Conditions,
};
use crate::model::sphere;

/// What is reached within one limit.
pub struct Isochrone {
    pub limit: Cost,
    /// Longitude and latitude, degrees.
    pub area: geo::MultiPolygon,
    /// How far the area goes beyond reached roads, at most; metres.
    pub margin_m: f64,
}

/// A part of an arc that is reached: shares of its length in the direction of driving, and the milliseconds at both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    pub arc: Arc,
    pub from: f64,
    pub to: f64,
    pub start_ms: u32,
    pub end_ms: u32,
}

/// The grid that areas are drawn on has so many cells along its longer side at most.
const CELLS_MAX: f64 = 300.0;
/// Cells aren't smaller than this, metres.
const CELL_M: f64 = 25.0;
/// Cells about those touched that are in the grid: those that become part of the area, and a rim that nothing reaches.
const RIM: f64 = 2.0;

/// The areas that are reached from a place within rising limits.
pub fn isochrones(conditions: &Conditions<'_>, from: &Snap, limits: &[Cost]) -> Vec<Isochrone> {
    let Some(farthest) = limits.iter().max() else { return vec![] };
    let reached = conditions.reach(from, *farthest);
    limits.iter().map(|limit| area(&conditions.region.network, from.point(), &reached, *limit)).collect()
}

/// The surroundings of what is reached within a limit.
fn area(network: &Network, origin: Point, reached: &[Reached], limit: Cost) -> Isochrone {
    let covered = Covered::new(network, origin, reached, limit);
    // East and north of the place, 1e-7 degrees.
    let offset = |point: Point| [east(origin, point), point.lat - origin.lat];
    let (mut low, mut high) = ([0, 0], [0, 0]);
    covered.each(network, |line| {
        for at in line.iter().map(|point| offset(*point)) {
            low = [low[0].min(at[0]), low[1].min(at[1])];
            high = [high[0].max(at[0]), high[1].max(at[1])];
        }
    });
    // A flat earth about the place: metres to 1e-7 degrees east and north.
    let metres = sphere::R * std::f64::consts::PI / 180.0 / 1e7;
    let stretch = |lat: f64| (lat / 1e7).to_radians().cos().max(0.01);
    let here = stretch(f64::from(origin.lat));
    let unit = [metres * here, metres];
    let side = [0, 1].map(|i| (f64::from(high[i]) - f64::from(low[i])) * unit[i]);
    let cell = (side[0].max(side[1]) / CELLS_MAX).max(CELL_M);
    let scale = unit.map(|unit| unit / cell);
    let mut mask = Mask::new(side.map(|side| (side / cell + 2.0 * RIM) as usize + 1));
    let place = |point: Point| {
        let at = offset(point);
        [0, 1].map(|i| (f64::from(at[i]) - f64::from(low[i])) * scale[i] + RIM)
    };
    covered.each(network, |line| mask.touch_line(line.iter().map(|point| place(*point))));
    let degrees = |c: geo::Coord| geo::Coord {
        x: (f64::from(origin.lon) + f64::from(low[0]) + (c.x - RIM) / scale[0]) / 1e7,
        y: (f64::from(origin.lat) + f64::from(low[1]) + (c.y - RIM) / scale[1]) / 1e7,
    };
    // Cells are wider than here towards the equator.
    let nearest_equator = (f64::from(origin.lat) + f64::from(low[1])).max(-(f64::from(origin.lat) + f64::from(high[1]))).max(0.0);
    let margin_m = FARTHEST_CELLS * cell * (stretch(nearest_equator) / here).max(1.0);
    Isochrone { limit, area: geo::MapCoords::map_coords(&mask.grown().outlines(), degrees), margin_m }
}

/// Reached roads.
struct Covered {
    /// By road, a bit: whether all of it is reached, be it from one end or the other.
    whole: Vec<u64>,
    /// Parts of others, one after the other.
    parts: Vec<Point>,
    /// Where each ends in `parts`.
    ends: Vec<u32>,
}

impl Covered {
    fn new(network: &Network, origin: Point, reached: &[Reached], limit: Cost) -> Covered {
        // The place itself is reached, wherever one can go from it.
        let mut covered = Covered { whole: vec![0; network.roads.len().div_ceil(64)], parts: vec![origin], ends: vec![1] };
        for Reached { arc, from, to, start_ms, end_ms } in reached.iter().filter(|part| part.start_ms <= limit.ms()) {
            let to = match end_ms.checked_sub(*start_ms) {
                Some(all) if *end_ms > limit.ms() && all > 0 => from + (to - from) * f64::from(limit.ms() - start_ms) / f64::from(all),
                _ => *to,
            };
            if *from == 0.0 && to == 1.0 {
                covered.whole[arc.road() / 64] |= 1 << (arc.road() % 64);
            } else {
                let (from, to) = if arc.is_backward() { (1.0 - to, 1.0 - from) } else { (*from, to) };
                covered.parts.extend(part(network.shape(arc.road()), from, to));
                covered.ends.push(covered.parts.len() as u32);
            }
        }
        covered
    }

    /// Hands on each line, those of whole roads in the order in which they lie in memory.
    fn each(&self, network: &Network, mut take: impl FnMut(&[Point])) {
        for (n, word) in self.whole.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                take(network.shape(n * 64 + left.trailing_zeros() as usize));
                left &= left - 1;
            }
        }
        let mut start = 0;
        for end in &self.ends {
            take(&self.parts[start..*end as usize]);
            start = *end as usize;
        }
    }
}

/// The positions of a line between two shares of its length.
fn part(shape: &[Point], from: f64, to: f64) -> impl Iterator<Item = Point> + '_ {
    let whole: f64 = shape.windows(2).map(|pair| span_m(pair[0], pair[1])).sum();
    let (from, to) = (from * whole, to * whole);
    let mut before = 0.0;
    let segments = shape.windows(2).filter_map(move |pair| {
        let length = span_m(pair[0], pair[1]);
        let (start, end) = (before, before + length);
        before = end;
        let at = |m: f64| between(pair[0], pair[1], if length > 0.0 { ((m - start) / length).clamp(0.0, 1.0) } else { 0.0 });
        (end >= from && start <= to).then(|| [at(from), at(to)])
    });
    segments.flatten()
}
