//! Distances and directions on the earth: WGS 84 for lengths, the unit sphere of geodetic coordinates for shapes.
//!
//! As in PostGIS `geography`, an edge between two positions is the great circle on the sphere whose points are given by
//! geodetic longitude and latitude; lengths are geodesics of the ellipsoid between the positions so found.

use geographiclib_rs::{Geodesic, InverseGeodesic};
use std::sync::LazyLock;

/// A vector in three dimensions: a direction (unit length) or an ECEF position in metres.
pub type V3 = [f64; 3];

/// WGS 84 semi-major axis, metres, and flattening.
pub const A: f64 = 6_378_137.0;
pub const F: f64 = 1.0 / 298.257_223_563;
const E2: f64 = F * (2.0 - F);
/// Mean radius of the ellipsoid (2a + b) / 3, metres.
pub const R: f64 = A * (3.0 - F) / 3.0;

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// The unit vector of a position in degrees, its latitude taken as spherical.
pub fn unit(lon: f64, lat: f64) -> V3 {
    let (sin_lon, cos_lon) = lon.to_radians().sin_cos();
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

/// Longitude and latitude, degrees, of a unit vector.
pub fn lon_lat(v: V3) -> (f64, f64) {
    (v[1].atan2(v[0]).to_degrees(), v[2].atan2(v[0].hypot(v[1])).to_degrees())
}

/// Earth-centred position on the ellipsoid, metres.
pub fn ecef(lon: f64, lat: f64) -> V3 {
    let u = unit(lon, lat);
    let n = A / (1.0 - E2 * u[2] * u[2]).sqrt();
    [n * u[0], n * u[1], n * (1.0 - E2) * u[2]]
}

/// Length of the geodesic between two positions in degrees, metres: Karney 2013, doi:10.1007/s00190-012-0578-z.
pub fn geodesic_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    WGS84.inverse(a.1, a.0, b.1, b.0)
}

/// Up to this chord, metres, [`arc_of_chord`] errs by less than 0.1 mm/km.
///
/// The arc exceeds the chord c by c³/24ρ², ρ the radius of the normal section, between a(1-e²) = 6335 km and
/// a²/b = 6400 km; taking R for ρ errs by at most 1.2 % of that, which is 1e-7 c at c = 92 km. Half of it leaves room for the higher terms.
pub const CHORD_EXACT: f64 = 46_000.0;

/// Length on the ellipsoid of the arc over a chord, metres; exact enough up to [`CHORD_EXACT`].
pub fn arc_of_chord(chord: f64) -> f64 {
    let half = chord / (2.0 * R);
    let square = half * half;
    // The next term of the series, 15/336 x⁶, is below a double's last digit here.
    if half < 0.0037 { chord * (1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0))) } else { 2.0 * R * half.min(1.0).asin() }
}

/// The inverse of [`arc_of_chord`].
pub fn chord_of_arc(arc: f64) -> f64 {
    2.0 * R * (arc / (2.0 * R)).min(std::f64::consts::FRAC_PI_2).sin()
}

/// A squared chord so long that what lies beyond it is farther by geodesic than anything within `chord2`.
pub fn surely_beyond2(chord2: f64) -> f64 {
    if chord2 < CHORD_EXACT * CHORD_EXACT {
        // Distances are derived from chords on this side, and from geodesics that differ by 1e-7 at most on the other.
        return chord2 * (1.0 + 1e-6);
    }
    let longest_arc = 2.0 * 6_330_000.0 * (chord2.sqrt() / (2.0 * 6_330_000.0)).min(1.0).asin() * (1.0 + 1e-8);
    chord_bounds(longest_arc).1.powi(2)
}

/// Bounds of the chord, metres, between positions whose geodesic distance is `arc` metres: (surely within, surely beyond).
pub fn chord_bounds(arc: f64) -> (f64, f64) {
    // Radii of curvature of normal sections lie in 6335..6400 km; the chord over an arc is 2ρ sin(arc/2ρ), growing with ρ.
    // The geodesic on the ellipsoid is at least as long as the chord, and the margins cover its departure from a normal section.
    let chord = |rho: f64| 2.0 * rho * (arc / (2.0 * rho)).min(std::f64::consts::FRAC_PI_2).sin();
    if arc > 15_000_000.0 {
        return (chord(6_300_000.0).min(11_000_000.0), 2.0 * A);
    }
    (chord(6_330_000.0) * (1.0 - 1e-9), (chord(6_405_000.0) * (1.0 + 1e-9)).min(arc * (1.0 + 1e-12)))
}

pub fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
pub fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
pub fn distance2(a: V3, b: V3) -> f64 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    dot(d, d)
}
/// The direction of `v`; `None` where it has none.
pub fn normalize(v: V3) -> Option<V3> {
    let length = dot(v, v).sqrt();
    (length > 1e-15).then(|| v.map(|x| x / length))
}

/// The point of the edge `a`–`b` (unit vectors, less than half a turn apart) nearest to `p`.
pub fn nearest_on_edge(p: V3, a: V3, b: V3) -> V3 {
    let nearer_end = if distance2(p, a) <= distance2(p, b) { a } else { b };
    // a×b loses digits when a and b are close; (a-b)×(a+b) = 2 a×b doesn't.
    let Some(n) = normalize(cross([a[0] - b[0], a[1] - b[1], a[2] - b[2]], [a[0] + b[0], a[1] + b[1], a[2] + b[2]])) else {
        return nearer_end;
    };
    let off = dot(p, n);
    let Some(foot) = normalize([p[0] - off * n[0], p[1] - off * n[1], p[2] - off * n[2]]) else {
        return nearer_end;
    };
    // The foot lies between a and b where it is ahead of a and behind b.
    if dot(cross(a, foot), n) >= 0.0 && dot(cross(foot, b), n) >= 0.0 { foot } else { nearer_end }
}

/// A box in ECEF metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: V3,
    pub max: V3,
}

impl Bounds {
    /// Holds nothing.
    pub const EMPTY: Bounds = Bounds { min: [f64::INFINITY; 3], max: [f64::NEG_INFINITY; 3] };

    /// The box of one position.
    pub fn at(p: V3) -> Bounds {
        Bounds { min: p, max: p }
    }
    /// Grows to hold another.
    pub fn join(&mut self, other: Bounds) {
        for i in 0..3 {
            self.min[i] = self.min[i].min(other.min[i]);
            self.max[i] = self.max[i].max(other.max[i]);
        }
    }
    /// Squared distance from a position to the box's nearest point, 0 inside.
    pub fn nearest2(&self, p: V3) -> f64 {
        (0..3).map(|i| (self.min[i] - p[i]).max(p[i] - self.max[i]).max(0.0)).map(|d| d * d).sum()
    }
    /// Squared distance from a position to the box's farthest corner.
    pub fn farthest2(&self, p: V3) -> f64 {
        (0..3).map(|i| (p[i] - self.min[i]).abs().max((p[i] - self.max[i]).abs())).map(|d| d * d).sum()
    }
    /// This box with so much more on each side.
    pub fn padded(self, by: f64) -> Bounds {
        Bounds { min: self.min.map(|x| x - by), max: self.max.map(|x| x + by) }
    }
    pub fn meets(&self, other: &Bounds) -> bool {
        (0..3).all(|i| self.min[i] <= other.max[i] && self.max[i] >= other.min[i])
    }
}

/// A plane on which great circles are straight lines: the gnomonic projection about `center`.
/// Planar predicates on projected shapes are then exact for great-circle edges, over poles and the antimeridian too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    center: V3,
    east: V3,
    north: V3,
}

impl Frame {
    pub fn new(center: V3) -> Frame {
        let axis = if center[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let east = normalize(cross(axis, center)).unwrap_or([1.0, 0.0, 0.0]);
        Frame { center, east, north: cross(center, east) }
    }
    pub fn center(&self) -> V3 {
        self.center
    }
    /// The plane position of a unit vector; `None` where it is 85° or more from the centre.
    pub fn project(&self, v: V3) -> Option<geo::Coord<f64>> {
        let depth = dot(v, self.center);
        (depth > 0.087).then(|| geo::Coord { x: dot(v, self.east) / depth, y: dot(v, self.north) / depth })
    }
}

/// A cap of the sphere that holds a shape: its centre and its radius as an angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    pub center: V3,
    pub angle: f64,
}

impl Cap {
    /// A cap that holds all of `vertices`, and the edges between them where it is smaller than a hemisphere.
    pub fn of(vertices: impl Iterator<Item = V3> + Clone) -> Cap {
        let (mut min, mut max) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for v in vertices.clone() {
            for i in 0..3 {
                min[i] = min[i].min(v[i]);
                max[i] = max[i].max(v[i]);
            }
        }
        let center = normalize([(min[0] + max[0]) / 2.0, (min[1] + max[1]) / 2.0, (min[2] + max[2]) / 2.0]).unwrap_or([1.0, 0.0, 0.0]);
        let chord2 = vertices.map(|v| distance2(center, v)).fold(0.0, f64::max);
        Cap { center, angle: 2.0 * (chord2.sqrt() / 2.0).min(1.0).asin() }
    }
}
