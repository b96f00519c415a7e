//! What lies in a box of longitude and latitude: tiles and `bbox`. Sides of such a box are meridians and parallels.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use geo::{Intersects, MapCoords};

use super::{LayerIndex, stored::Stored};
use crate::{
    error::{Code, Error, Result},
    model::{
        Geometry,
        sphere::{self, Bounds},
    },
};

/// A box in degrees. `east` may be above 180 where it crosses the antimeridian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLatBox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

impl LonLatBox {
    /// Reads `west,south,east,north` in degrees; west above east crosses the antimeridian. Six numbers carry heights, which are dropped.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`] naming `field`.
    pub fn parse(field: &str, text: &str) -> Result<LonLatBox> {
        let expected = "west,south,east,north in degrees / 西,南,东,北";
        let bad = || Error::new(Code::InvalidParameter, field, text, expected);
        let numbers: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse::<f64>().ok().filter(|n| n.is_finite())).collect();
        let [west, south, east, north] = match numbers.as_deref() {
            Some([w, s, e, n]) | Some([w, s, _, e, n, _]) => [*w, *s, *e, *n],
            _ => return Err(bad()),
        };
        let fits =
            [west, east].iter().all(|lon| (-180.0..=180.0).contains(lon)) && [south, north].iter().all(|lat| (-90.0..=90.0).contains(lat));
        if !fits || south > north {
            return Err(bad());
        }
        Ok(LonLatBox { west, south, east: if east < west { east + 360.0 } else { east }, north })
    }

    /// A corner box in ECEF metres that holds the surface inside.
    fn ecef_box(&self) -> Bounds {
        let mut bounds = Bounds::EMPTY;
        // Positions every 5° at most; between them the surface stands off by less than the pad.
        let steps = |from: f64, to: f64| ((to - from) / 5.0).ceil().clamp(1.0, 72.0) as u32;
        let (columns, rows) = (steps(self.west, self.east), steps(self.south, self.north));
        for i in 0..=columns {
            for j in 0..=rows {
                let lon = self.west + (self.east - self.west) * f64::from(i) / f64::from(columns);
                let lat = self.south + (self.north - self.south) * f64::from(j) / f64::from(rows);
                bounds.join(Bounds::at(sphere::ecef(lon, lat)));
            }
        }
        let width = (self.east - self.west) / f64::from(columns);
        let height = (self.north - self.south) / f64::from(rows);
        let half = (width.hypot(height) / 2.0).to_radians();
        bounds.padded(sphere::A * (1.0 - half.cos()) * 1.02 + 0.01)
    }

    /// Whether the geometry meets the box, its edges straight in longitude and latitude as a map draws them.
    pub fn meets(&self, geometry: &Geometry) -> bool {
        let [west, south, east, north] = geometry.bounds();
        if south > self.north || north < self.south {
            return false;
        }
        let rect = geo::Rect::new((self.west, self.south), (self.east, self.north));
        [-360.0, 0.0, 360.0].into_iter().filter(|turn| west + turn <= self.east && east + turn >= self.west).any(|turn| match geometry {
            Geometry::Point { .. } => true,
            Geometry::Shape(shape) => {
                let inside = west + turn >= self.west && east + turn <= self.east && south >= self.south && north <= self.north;
                let middle = (west + east) / 2.0;
                // The copy of each longitude that belongs to this shape.
                inside
                    || shape
                        .geo()
                        .map_coords(|c| geo::Coord { x: c.x - 360.0 * ((c.x - middle) / 360.0).round() + turn, y: c.y })
                        .intersects(&rect)
            }
        })
    }
}

impl LayerIndex {
    /// Features that meet the box.
    pub fn in_box(&self, lonlat: LonLatBox) -> impl Iterator<Item = &Arc<Stored>> {
        self.candidates(lonlat.ecef_box())
            .map(|(shard, local)| &shard.features[local])
            .filter(move |stored| stored.feature.geometry.as_ref().is_some_and(|geometry| lonlat.meets(geometry)))
    }

    /// Identifies what a box shows: equal marks in one process mean equal content.
    pub fn mark_of(&self, lonlat: LonLatBox) -> u64 {
        let mut uids: Vec<u64> = self.shards_meeting(lonlat.ecef_box()).map(|shard| shard.uid).collect();
        uids.sort_unstable();
        let mut hasher = std::hash::DefaultHasher::new();
        (uids, self.layer.version).hash(&mut hasher);
        hasher.finish()
    }
}
