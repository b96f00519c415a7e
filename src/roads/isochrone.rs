//! How far one gets by road within some minutes, as polygons.
//!
//! A polygon is the surroundings of all that is reached: it holds every reached piece of road, and nothing that is farther from one
//! than its margin. So of unreached roads it holds no more than what lies within the margin of a reached one.

use contour::contour_rings;
use geo::{BoundingRect, Contains, Coord, LineString, MultiPolygon, Polygon, Simplify};

use super::{Cost, Network, Point, Snap, view::Conditions};
use crate::model::sphere;

/// What is reached within one limit.
pub struct Isochrone {
    pub limit: Cost,
    /// Longitude and latitude, degrees.
    pub area: MultiPolygon,
    /// How far the area goes beyond reached roads, at most; metres.
    pub margin_m: f64,
}

/// A piece of road that is reached, and the cost to be at its farther end.
struct Piece {
    ends: [[f64; 2]; 2],
    costs: [u32; 2],
}

/// The grid that areas are drawn on has so many cells along its longer side at most.
const CELLS_MAX: f64 = 400.0;
/// Cells aren't smaller than this, metres.
const CELL_M: f64 = 20.0;
/// How far areas go beyond roads, in cells: more than a cell's diagonal, so that all of a cell with a reached road in it is inside.
const MARGIN_CELLS: f64 = 1.5;
/// Gaps in an area that are narrower than so many cells aren't told.
const NARROW_CELLS: f64 = 4.0;

/// The areas that are reached from a place within rising limits.
pub fn isochrones(conditions: &Conditions<'_>, from: &Snap, limits: &[Cost]) -> Vec<Isochrone> {
    let Some(farthest) = limits.iter().max() else { return vec![] };
    // A flat earth about the place, metres east and north.
    let plane = Plane::new(from);
    let pieces = pieces(conditions, from, *farthest, &plane);
    limits.iter().map(|limit| area(&plane, &pieces, *limit)).collect()
}

/// An azimuthal map about a place, right in its scale along the meridian and across it at each latitude.
struct Plane {
    origin: Point,
}

impl Plane {
    fn new(from: &Snap) -> Plane {
        Plane { origin: Point::new(from.lon, from.lat) }
    }
    const METRES: f64 = sphere::R * std::f64::consts::PI / 180.0 / 1e7;

    fn place(&self, point: Point) -> [f64; 2] {
        let mut east = f64::from(point.lon) - f64::from(self.origin.lon);
        if east.abs() > 180e7 {
            east -= 360e7 * east.signum();
        }
        [east * Plane::METRES * self.stretch(), (f64::from(point.lat) - f64::from(self.origin.lat)) * Plane::METRES]
    }
    fn degrees(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let (lon, lat) = self.origin.degrees();
        (lon + x / Plane::METRES / self.stretch() / 1e7, lat + y / Plane::METRES / 1e7)
    }
    fn stretch(&self) -> f64 {
        (f64::from(self.origin.lat) / 1e7).to_radians().cos().max(0.01)
    }
}

/// Every piece of road that is reached within a limit.
fn pieces(conditions: &Conditions<'_>, from: &Snap, limit: Cost, plane: &Plane) -> Vec<Piece> {
    let network = &conditions.region.network;
    let mut pieces = Vec::new();
    // The place itself is reached, wherever one can go from it.
    let at = plane.place(from.point());
    pieces.push(Piece { ends: [at, at], costs: [0, 0] });
    for (arc, from, to, reach) in conditions.reach(from, limit) {
        // `reach` is the cost at `from`; the rest of the arc is driven as far as the limit lets.
        let (start, end) = reach;
        let allowed = limit.ms();
        if start > allowed {
            continue;
        }
        let stop = if end > allowed && end > start { from + (to - from) * f64::from(allowed - start) / f64::from(end - start) } else { to };
        let span = f64::from(end.max(start) - start) / (to - from).max(1e-12);
        line(network, arc, from, stop, |a, a_share, b, b_share| {
            let cost = |share: f64| start + ((share - from) * span) as u32;
            pieces.push(Piece { ends: [plane.place(a), plane.place(b)], costs: [cost(a_share), cost(b_share)] });
        });
    }
    pieces
}

/// Hands on the segments of an arc between two shares of its length, with the shares of their ends.
fn line(network: &Network, arc: super::Arc, from: f64, to: f64, mut take: impl FnMut(Point, f64, Point, f64)) {
    let positions: Vec<Point> = network.positions(arc).collect();
    let lengths: Vec<f64> = positions.windows(2).map(|pair| super::network::span_m(pair[0], pair[1])).collect();
    let whole: f64 = lengths.iter().sum();
    if whole <= 0.0 {
        return;
    }
    let mut before = 0.0;
    for (pair, length) in positions.windows(2).zip(&lengths) {
        let (a, b) = (before / whole, (before + length) / whole);
        before += length;
        if b < from || a > to || *length <= 0.0 {
            continue;
        }
        let (first, last) = (a.max(from), b.min(to));
        let at = |share: f64| super::snap::between(pair[0], pair[1], ((share - a) / (b - a)).clamp(0.0, 1.0));
        take(at(first), first, at(last), last);
    }
}

/// The surroundings of all pieces reached within a limit.
fn area(plane: &Plane, pieces: &[Piece], limit: Cost) -> Isochrone {
    let reached: Vec<[[f64; 2]; 2]> = pieces.iter().filter_map(|piece| piece.within(limit.ms())).collect();
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for end in reached.iter().flatten() {
        for i in 0..2 {
            low[i] = low[i].min(end[i]);
            high[i] = high[i].max(end[i]);
        }
    }
    let cell = ((high[0] - low[0]).max(high[1] - low[1]) / CELLS_MAX).max(CELL_M);
    let margin = cell * MARGIN_CELLS;
    // A rim of cells that nothing reaches, so that every outline closes.
    let origin = low.map(|x| x - margin - 2.0 * cell);
    let size = [0, 1].map(|i| ((high[i] - origin[i] + margin) / cell).ceil() as usize + 3);
    // By corner of the grid: whether a reached road is within the margin, as 1 or 0.
    let mut inside = vec![0.0; size[0] * size[1]];
    for [a, b] in &reached {
        let around = |i: usize| {
            let (from, to) = ((a[i].min(b[i]) - margin - origin[i]) / cell, (a[i].max(b[i]) + margin - origin[i]) / cell);
            (from.ceil().max(0.0) as usize)..=(to.floor() as usize).min(size[i] - 1)
        };
        for row in around(1) {
            for column in around(0) {
                let known = &mut inside[row * size[0] + column];
                let corner = [origin[0] + column as f64 * cell, origin[1] + row as f64 * cell];
                if *known == 0.0 && to_segment2(corner, *a, *b) <= margin * margin {
                    *known = 1.0;
                }
            }
        }
    }
    // Nothing of the grid is malformed: its size is that of `inside`.
    let rings = contour_rings(&inside, 0.5, size[0], size[1]).unwrap_or_default();
    let area = polygons(rings.into_iter().map(LineString).collect());
    let place = |c: Coord| {
        // Rings run through the middles of cells, half a cell beyond the corners that they part.
        let (x, y) = plane.degrees([origin[0] + (c.x - 0.5) * cell, origin[1] + (c.y - 0.5) * cell]);
        Coord { x, y }
    };
    let area = geo::MapCoords::map_coords(&area, place);
    Isochrone { limit, area, margin_m: margin + (NARROW_CELLS / 2.0 + SIMPLER_CELLS + 1.0) * cell }
}

/// How far an outline is moved to make it simpler, in cells.
const SIMPLER_CELLS: f64 = 0.25;

/// Rings of a grid as polygons: those round an area run one way, those round a gap the other.
fn polygons(rings: Vec<LineString>) -> MultiPolygon {
    let turns = |ring: &LineString| ring.lines().map(|edge| edge.determinant()).sum::<f64>();
    let (outlines, mut gaps): (Vec<_>, Vec<_>) = rings.into_iter().partition(|ring| turns(ring) < 0.0);
    gaps.retain(|gap| gap.bounding_rect().is_some_and(|bounds| bounds.width().max(bounds.height()) >= NARROW_CELLS));
    // GeoJSON's rings run the other way.
    let simple = |ring: LineString| LineString(ring.0.into_iter().rev().collect()).simplify(SIMPLER_CELLS);
    let mut areas: Vec<Polygon> = outlines.into_iter().map(|ring| Polygon::new(simple(ring), vec![])).collect();
    let bounds: Vec<_> = areas.iter().map(BoundingRect::bounding_rect).collect();
    for gap in gaps {
        let Some(at) = gap.0.first().copied() else { continue };
        // Of areas that lie in each other's gaps the smallest has it.
        let around = (0..areas.len()).filter(|n| bounds[*n].is_some_and(|bounds| bounds.contains(&at)) && areas[*n].contains(&at));
        let smallest = around.min_by(|a, b| {
            let width = |n: usize| bounds[n].map_or(f64::INFINITY, |bounds| bounds.width());
            width(*a).total_cmp(&width(*b))
        });
        if let Some(n) = smallest {
            areas[n].interiors_push(simple(gap));
        }
    }
    MultiPolygon(areas)
}

impl Piece {
    /// What of it is reached within some milliseconds.
    fn within(&self, limit: u32) -> Option<[[f64; 2]; 2]> {
        let [a, b] = self.costs;
        if a > limit {
            return None;
        }
        if b <= limit || b == a {
            return Some(self.ends);
        }
        let share = f64::from(limit - a) / f64::from(b - a);
        let [from, to] = self.ends;
        Some([from, [0, 1].map(|i| from[i] + (to[i] - from[i]) * share)])
    }
}

fn to_segment2(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length2 = ab[0] * ab[0] + ab[1] * ab[1];
    let t = if length2 > 0.0 { ((ap[0] * ab[0] + ap[1] * ab[1]) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let off = [ap[0] - t * ab[0], ap[1] - t * ab[1]];
    off[0] * off[0] + off[1] * off[1]
}
