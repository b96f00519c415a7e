//! Where roads are, for all profiles: junctions, the roads between them, their shapes and names.

use serde::{Deserialize, Serialize};

use crate::model::sphere;

/// A position in 1e-7 degrees, as OSM keeps it: 1 cm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    pub lon: i32,
    pub lat: i32,
}

impl Point {
    /// From degrees.
    pub fn new(lon: f64, lat: f64) -> Point {
        Point { lon: (lon * 1e7).round() as i32, lat: (lat * 1e7).round() as i32 }
    }
    /// Longitude and latitude, degrees.
    pub fn degrees(self) -> (f64, f64) {
        (f64::from(self.lon) / 1e7, f64::from(self.lat) / 1e7)
    }
}

/// One direction of a road: `road * 2`, plus 1 against the direction of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arc(pub u32);

impl Arc {
    pub const fn new(road: usize, backward: bool) -> Arc {
        Arc((road as u32) << 1 | backward as u32)
    }
    pub const fn road(self) -> usize {
        (self.0 >> 1) as usize
    }
    pub const fn is_backward(self) -> bool {
        self.0 & 1 == 1
    }
    /// The same road the other way.
    pub const fn reverse(self) -> Arc {
        Arc(self.0 ^ 1)
    }
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A piece of a way between two junctions, with no junction between.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Road {
    /// Junctions at the first and the last position of its shape.
    pub from: u32,
    pub to: u32,
    /// Index into [`Network::ways`].
    pub way: u32,
    /// Where its shape begins in [`Network::shape`]; it ends where the next road's begins.
    pub shape: u32,
    /// Length of the shape, decimetres.
    pub dm: u32,
}

/// How a road is used, coarsest first; `other` is what has no standing among motor roads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Motorway,
    Trunk,
    Primary,
    Secondary,
    Tertiary,
    Unclassified,
    Residential,
    LivingStreet,
    Service,
    Track,
    Path,
    Ferry,
    Other,
}

/// What the roads of one way have in common. Texts are indices into [`Network::texts`]; 0 is the empty text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// OSM's id, or the number of the line in a survey.
    pub id: i64,
    pub name: u32,
    /// `ref`, as `G56`.
    pub number: u32,
    /// What its signs say, as OSM's `destination`.
    pub destinations: u32,
    pub class: Class,
    pub link: bool,
    pub roundabout: bool,
    /// A roundabout with a name of its own is a rotary: OSM's `junction=circular`, or a named one.
    pub circular: bool,
    pub bridge: bool,
    pub tunnel: bool,
    pub ford: bool,
    pub toll: bool,
    /// Traffic keeps to the left.
    pub left_hand: bool,
}

impl Way {
    /// A way without a name or anything else to be said of it.
    pub const fn new(id: i64, class: Class) -> Way {
        Way {
            id,
            name: 0,
            number: 0,
            destinations: 0,
            class,
            link: false,
            roundabout: false,
            circular: false,
            bridge: false,
            tunnel: false,
            ford: false,
            toll: false,
            left_hand: false,
        }
    }
}

/// The roads of a region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    pub junctions: Vec<Point>,
    /// In spatial order, so that neighbours in space are neighbours in memory.
    pub roads: Vec<Road>,
    /// Positions of all roads' shapes, both ends of each included.
    pub shape: Vec<Point>,
    /// OSM's node ids of [`Network::shape`]; 0 where the survey has none.
    pub node_ids: Vec<i64>,
    pub ways: Vec<Way>,
    pub texts: Vec<String>,
}

impl Network {
    /// How many arcs there are: two for each road, drivable or not.
    pub fn arcs(&self) -> usize {
        self.roads.len() * 2
    }
    /// Where a road's shape lies in [`Network::shape`].
    pub fn range(&self, road: usize) -> std::ops::Range<usize> {
        let end = self.roads.get(road + 1).map_or(self.shape.len(), |next| next.shape as usize);
        self.roads[road].shape as usize..end
    }
    /// A road's positions in the direction of its shape.
    pub fn shape(&self, road: usize) -> &[Point] {
        &self.shape[self.range(road)]
    }
    /// An arc's positions in the direction of driving.
    pub fn positions(&self, arc: Arc) -> impl DoubleEndedIterator<Item = Point> + ExactSizeIterator + '_ {
        let shape = self.shape(arc.road());
        (0..shape.len()).map(move |i| shape[if arc.is_backward() { shape.len() - 1 - i } else { i }])
    }
    /// The segment of a road's shape that holds a share of its length.
    pub fn segment(&self, road: u32, at: f64) -> (Point, Point) {
        let shape = self.shape(road as usize);
        let whole: f64 = shape.windows(2).map(|pair| span_m(pair[0], pair[1])).sum();
        let mut left = at * whole;
        for pair in shape.windows(2) {
            left -= span_m(pair[0], pair[1]);
            if left <= 0.0 {
                return (pair[0], pair[1]);
            }
        }
        (shape[shape.len() - 2], shape[shape.len() - 1])
    }
    /// The junction where an arc begins.
    pub fn tail(&self, arc: Arc) -> u32 {
        let road = &self.roads[arc.road()];
        if arc.is_backward() { road.to } else { road.from }
    }
    /// The junction where an arc ends.
    pub fn head(&self, arc: Arc) -> u32 {
        let road = &self.roads[arc.road()];
        if arc.is_backward() { road.from } else { road.to }
    }
    pub fn way(&self, arc: Arc) -> &Way {
        &self.ways[self.roads[arc.road()].way as usize]
    }
    pub fn text(&self, index: u32) -> &str {
        &self.texts[index as usize]
    }
}

/// Half a turn round the earth, 1e-7 degrees.
const HALF_TURN: i32 = 1_800_000_000;

/// How far east one position is of another by the shorter way round, 1e-7 degrees.
pub fn east(from: Point, to: Point) -> i32 {
    within_half_turn(i64::from(to.lon) - i64::from(from.lon))
}

/// A longitude or a difference of two, brought within half a turn of zero.
pub(super) fn within_half_turn(lon: i64) -> i32 {
    let half = i64::from(HALF_TURN);
    (if lon.abs() > half { lon - 2 * half * lon.signum() } else { lon }) as i32
}

/// Metres east and north from one position to another, so near that the earth between them is flat: 1e-6 of the length under 20 km,
/// 1e-4 under 200 km; over the antimeridian too.
pub fn offset(a: Point, b: Point) -> (f64, f64) {
    let (lat, d_lat) = ((f64::from(a.lat) + f64::from(b.lat)) / 2e7, f64::from(b.lat) - f64::from(a.lat));
    let d_lon = f64::from(east(a, b));
    // Radii of curvature along the meridian and across it.
    let (sin, cos) = lat.to_radians().sin_cos();
    let e2 = sphere::F * (2.0 - sphere::F);
    let w2 = 1.0 - e2 * sin * sin;
    let across = sphere::A / w2.sqrt();
    let along = across * (1.0 - e2) / w2;
    ((d_lon * 1e-7).to_radians() * across * cos, (d_lat * 1e-7).to_radians() * along)
}

/// Metres between two positions as near as [`offset`] takes them.
pub fn span_m(a: Point, b: Point) -> f64 {
    let (east, north) = offset(a, b);
    east.hypot(north)
}

/// Direction from one position to another nearby, degrees clockwise from north, 0 to 360; 0 where they are one.
pub fn bearing(a: Point, b: Point) -> f64 {
    let (east, north) = offset(a, b);
    east.atan2(north).to_degrees().rem_euclid(360.0)
}
