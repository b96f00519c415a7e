//! One layer's vector tile, made from the world at each request: never stale, and quick enough not to need a cache.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    LayerIndex, Stored,
    boxes::LonLatBox,
    mvt::{TagValue, TileBuilder},
};
use crate::model::{Exclusion, FieldType, Geometry, Layer, Role, Value, layer::system};

/// Above this many points a tile shows how many there are, not each of them.
const POINTS_MAX: usize = 20_000;
/// Clusters are cells of a grid with this many to a side.
const CELLS: f64 = 64.0;
/// Features written at a time.
const BATCH: usize = 256;
/// How far beyond its edge a tile draws, as a share of its side: an icon's half width at 4096 units.
const BUFFER: f64 = 64.0 / 4096.0;

/// A tile's place in the usual pyramid of Web Mercator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TilePlace {
    pub z: u8,
    pub x: u32,
    pub y: u32,
}

impl TilePlace {
    /// The deepest zoom that is served.
    pub const Z_MAX: u8 = 22;

    /// `None` where there is no such tile.
    pub fn new(z: u8, x: u32, y: u32) -> Option<TilePlace> {
        let side = 1_u64 << z.min(31);
        (z <= Self::Z_MAX && u64::from(x) < side && u64::from(y) < side).then_some(TilePlace { z, x, y })
    }

    /// What the tile shows, its buffer included.
    pub fn bounds(&self) -> LonLatBox {
        let side = f64::from(2_u32.pow(u32::from(self.z)));
        let lon = |x: f64| x / side * 360.0 - 180.0;
        let lat = |y: f64| (std::f64::consts::PI * (1.0 - 2.0 * y / side)).sinh().atan().to_degrees();
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        LonLatBox { west: lon(x - BUFFER), south: lat(y + 1.0 + BUFFER), east: lon(x + 1.0 + BUFFER), north: lat(y - BUFFER) }
    }
}

/// The fields that a tile carries: what a map colours, labels and filters by; the code only of what has no name.
pub fn tagged(layer: &Layer) -> impl Iterator<Item = (usize, &str)> {
    layer
        .fields
        .iter()
        .enumerate()
        .filter(|(at, field)| {
            let system = matches!(*at, system::CODE | system::NAME | system::VERIFIED);
            let role = matches!(
                field.role,
                Some(
                    Role::Capacity
                        | Role::Occupied
                        | Role::People
                        | Role::GridLevel
                        | Role::WindDirection
                        | Role::WindSpeed
                        | Role::Accountable
                )
            );
            system || role || matches!(field.kind, FieldType::Enum { .. })
        })
        .map(|(at, field)| (at, field.key.as_str()))
}

fn tag_value(value: &Value) -> Option<TagValue<'_>> {
    match value {
        Value::Text(text) => Some(TagValue::Str(text)),
        Value::Bool(b) => Some(TagValue::Bool(*b)),
        Value::Int(n) => Some(TagValue::Int(*n)),
        Value::Num(n) => Some(TagValue::Double(*n)),
        Value::Null | Value::Date(_) | Value::Time(_) | Value::List(_) => None,
    }
}

/// The text of each set of reasons to be left out, by its bits.
static REASONS: LazyLock<[String; 1 << Exclusion::ALL.len()]> = LazyLock::new(|| {
    std::array::from_fn(|bits| {
        let words = Exclusion::ALL.into_iter().filter(|exclusion| bits & usize::from(exclusion.bit()) != 0).map(Exclusion::word);
        words.collect::<Vec<_>>().join(",")
    })
});

impl LayerIndex {
    /// The tile as MVT 2.1, one layer named as this one; empty bytes where nothing is there or the symbol begins deeper.
    pub fn tile(&self, place: TilePlace) -> Vec<u8> {
        if place.z < self.layer.symbol.min_zoom {
            return vec![];
        }
        let found: Vec<&Stored> = self.in_box(place.bounds()).map(|stored| &**stored).collect();
        let mut tile = TileBuilder::new(place.z, place.x, place.y, &self.layer.id);
        let is_point = |stored: &&Stored| matches!(stored.feature.geometry, Some(Geometry::Point { .. }));
        let (points, shapes): (Vec<&Stored>, Vec<&Stored>) =
            if found.len() > POINTS_MAX { found.into_iter().partition(is_point) } else { (vec![], found) };
        let tags: Vec<(usize, &str)> = tagged(&self.layer).collect();
        // The length of its texts is asked of a whole batch before the first is written: the misses of the cache, which are most of
        // a tile's cost, then overlap.
        tile.reserve(shapes.len());
        for batch in shapes.chunks(BATCH) {
            let text = |stored: &&Stored| tags.iter().map(|(at, _)| stored.feature.values[*at].as_str().map_or(0, str::len)).sum::<usize>();
            std::hint::black_box(batch.iter().map(text).sum::<usize>());
            for stored in batch {
                let Some(geometry) = &stored.feature.geometry else { continue };
                let why = REASONS[usize::from(stored.excluded()) % REASONS.len()].as_str();
                let excluded = (!why.is_empty()).then_some(("excluded", TagValue::Str(why)));
                // The code is what a map writes where there is no name.
                let named = !stored.feature.values[system::NAME].is_null();
                let shown = tags.iter().filter(|(at, _)| *at != system::CODE || !named);
                let own = shown.filter_map(|(at, key)| Some((*key, tag_value(&stored.feature.values[*at])?)));
                tile.add(geometry, [("id", TagValue::Id(stored.feature.id))].into_iter().chain(excluded).chain(own));
            }
        }
        for (geometry, count) in clusters(place, &points) {
            tile.add(&geometry, [("point_count", TagValue::Int(count))].into_iter());
        }
        tile.finish()
    }
}

/// The middles of groups of points, and how many each holds.
fn clusters(place: TilePlace, points: &[&Stored]) -> Vec<(Geometry, i64)> {
    let bounds = place.bounds();
    let mut cells: HashMap<(i32, i32), (f64, f64, i64)> = HashMap::new();
    for stored in points {
        let Some(Geometry::Point { lon, lat }) = stored.feature.geometry else { continue };
        let along = |at: f64, from: f64, to: f64| ((at - from) / (to - from) * CELLS) as i32;
        let cell = cells.entry((along(lon, bounds.west, bounds.east), along(lat, bounds.south, bounds.north))).or_default();
        *cell = (cell.0 + lon, cell.1 + lat, cell.2 + 1);
    }
    let mut groups: Vec<_> = cells.into_iter().collect();
    groups.sort_unstable_by_key(|(cell, _)| *cell);
    groups.into_iter().map(|(_, (lon, lat, n))| (Geometry::Point { lon: lon / n as f64, lat: lat / n as f64 }, n)).collect()
}
