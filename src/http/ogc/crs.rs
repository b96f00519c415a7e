//! The coordinate systems that features are asked for and given in.

use serde_json::{Value as Json, json};

use crate::error::{Code, Error, Result};

/// Spherical Mercator's radius.
const R: f64 = 6_378_137.0;
/// The plane goes to infinity at the poles.
const LAT_MAX: f64 = 89.99;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crs {
    /// Longitude, latitude.
    Crs84,
    /// Latitude, longitude.
    Epsg4326,
    Epsg3857,
}

impl Crs {
    pub const ALL: [Crs; 3] = [Crs::Crs84, Crs::Epsg4326, Crs::Epsg3857];

    pub const fn uri(self) -> &'static str {
        match self {
            Crs::Crs84 => "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            Crs::Epsg4326 => "http://www.opengis.net/def/crs/EPSG/0/4326",
            Crs::Epsg3857 => "http://www.opengis.net/def/crs/EPSG/0/3857",
        }
    }

    /// Reads a URI, a short form as `EPSG:4326`, or either in brackets.
    pub fn parse(name: &str, text: &str) -> Result<Crs> {
        let bare = text.trim().trim_start_matches(['<', '[']).trim_end_matches(['>', ']']);
        match bare {
            "OGC:CRS84" | "CRS84" => return Ok(Crs::Crs84),
            "EPSG:4326" => return Ok(Crs::Epsg4326),
            "EPSG:3857" => return Ok(Crs::Epsg3857),
            _ => {}
        }
        let bare = bare.replacen("https://", "http://", 1);
        Crs::ALL
            .into_iter()
            .find(|crs| crs.uri() == bare)
            .ok_or_else(|| Error::new(Code::UnsupportedCrs, name, text, Crs::ALL.map(Crs::uri).join(", ")))
    }

    /// From longitude and latitude in degrees.
    pub fn forward(self, lon: f64, lat: f64) -> (f64, f64) {
        match self {
            Crs::Crs84 => (lon, lat),
            Crs::Epsg4326 => (lat, lon),
            Crs::Epsg3857 => {
                let lat = lat.clamp(-LAT_MAX, LAT_MAX).to_radians();
                (R * lon.to_radians(), R * lat.tan().asinh())
            }
        }
    }

    /// To longitude and latitude in degrees.
    pub fn inverse(self, a: f64, b: f64) -> (f64, f64) {
        match self {
            Crs::Crs84 => (a, b),
            Crs::Epsg4326 => (b, a),
            Crs::Epsg3857 => ((a / R).to_degrees(), (b / R).sinh().atan().to_degrees()),
        }
    }

    /// Turns the positions of a GeoJSON geometry from longitude and latitude into this system.
    pub fn write(self, geometry: &mut Json) {
        if self != Crs::Crs84
            && let Some(coordinates) = geometry.get_mut("coordinates")
        {
            each_position(coordinates, &|a, b| self.forward(a, b));
        }
    }

    /// Turns the positions of a GeoJSON geometry given in this system into longitude and latitude.
    pub fn read(self, geometry: &mut Json) {
        if self != Crs::Crs84
            && let Some(coordinates) = geometry.get_mut("coordinates")
        {
            each_position(coordinates, &|a, b| self.inverse(a, b));
        }
    }
}

/// What is no position is left as it is: the geometry's own check names it.
fn each_position(json: &mut Json, turn: &impl Fn(f64, f64) -> (f64, f64)) {
    let Json::Array(items) = json else { return };
    if let [Json::Number(a), Json::Number(b), ..] = items.as_slice()
        && let (Some(a), Some(b)) = (a.as_f64(), b.as_f64())
    {
        let (x, y) = turn(a, b);
        *json = json!([x, y]);
        return;
    }
    for item in items {
        each_position(item, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mercator_goes_there_and_back() {
        let (x, y) = Crs::Epsg3857.forward(113.95, 28.61);
        assert!((x - 12_684_856.0).abs() < 1_000.0 && (y - 3_325_000.0).abs() < 10_000.0, "{x} {y}");
        let (lon, lat) = Crs::Epsg3857.inverse(x, y);
        assert!((lon - 113.95).abs() < 1e-9 && (lat - 28.61).abs() < 1e-9);
        assert!(Crs::Epsg3857.forward(0.0, 90.0).1.is_finite());
    }

    #[test]
    fn names_of_systems() {
        assert_eq!(Crs::parse("crs", "<http://www.opengis.net/def/crs/EPSG/0/4326>").unwrap(), Crs::Epsg4326);
        assert_eq!(Crs::parse("crs", "[EPSG:3857]").unwrap(), Crs::Epsg3857);
        assert_eq!(Crs::parse("crs", "EPSG:4490").unwrap_err().code, Code::UnsupportedCrs);
    }

    #[test]
    fn positions_at_every_depth_are_turned() {
        let mut polygon = json!({"type": "Polygon", "coordinates": [[[1.0, 2.0], [3.0, 4.0, 9.0]]]});
        Crs::Epsg4326.write(&mut polygon);
        assert_eq!(polygon["coordinates"], json!([[[2.0, 1.0], [4.0, 3.0]]]));
    }
}
