//! Coordinate systems that files come in. A shift is undone by the system that is declared, never by a guess from the position.

use crate::{
    error::{Code, Error, Result},
    model::{Geometry, geometry::check_position},
};

/// A declared coordinate system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crs {
    Wgs84,
    /// EPSG:4490; equal to WGS 84 for mapping.
    Cgcs2000,
    /// Amap, Tencent.
    Gcj02,
    /// Baidu.
    Bd09,
    /// Web Mercator, metres.
    WebMercator,
    /// Transverse Mercator on CGCS2000 (Gauss–Krüger) or WGS 84 (UTM), by EPSG code. Metres, x east and y north.
    Zone {
        code: u32,
        meridian: f64,
        easting: f64,
        scale: f64,
    },
}

impl std::str::FromStr for Crs {
    type Err = Error;
    /// `wgs84 | cgcs2000 | gcj02 | bd09 | EPSG:n`.
    fn from_str(text: &str) -> Result<Crs> {
        let lower = text.trim().to_lowercase();
        let code = lower.strip_prefix("epsg:").and_then(|code| code.parse::<u32>().ok());
        Ok(match (lower.as_str(), code) {
            ("wgs84" | "crs84", _) | (_, Some(4326)) => Crs::Wgs84,
            ("cgcs2000", _) | (_, Some(4490)) => Crs::Cgcs2000,
            ("gcj02" | "gcj-02", _) => Crs::Gcj02,
            ("bd09" | "bd-09", _) => Crs::Bd09,
            (_, Some(3857)) => Crs::WebMercator,
            // EPSG's CGCS2000 zones: 6° with (13–23) and without the zone's number, 3° with (25–45) and without.
            (_, Some(code @ 4491..=4501)) => zone(code, 13 + code - 4491, 6.0, true),
            (_, Some(code @ 4502..=4512)) => zone(code, 13 + code - 4502, 6.0, false),
            (_, Some(code @ 4513..=4533)) => zone(code, 25 + code - 4513, 3.0, true),
            (_, Some(code @ 4534..=4554)) => zone(code, 25 + code - 4534, 3.0, false),
            (_, Some(code @ 32601..=32660)) => {
                Crs::Zone { code, meridian: 6.0 * f64::from(code - 32600) - 183.0, easting: 500_000.0, scale: 0.9996 }
            }
            _ => {
                return Err(Error::new(
                    Code::UnsupportedCrs,
                    "crs",
                    text,
                    "wgs84, cgcs2000, gcj02, bd09, EPSG:4326, EPSG:4490, EPSG:3857, EPSG:4491–4554, EPSG:32601–32660",
                ));
            }
        })
    }
}

fn zone(code: u32, number: u32, width: f64, numbered: bool) -> Crs {
    let n = f64::from(number);
    let meridian = if width == 6.0 { 6.0 * n - 3.0 } else { 3.0 * n };
    Crs::Zone { code, meridian, easting: 500_000.0 + if numbered { n * 1e6 } else { 0.0 }, scale: 1.0 }
}

impl std::fmt::Display for Crs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Crs::Wgs84 => f.write_str("wgs84"),
            Crs::Cgcs2000 => f.write_str("cgcs2000"),
            Crs::Gcj02 => f.write_str("gcj02"),
            Crs::Bd09 => f.write_str("bd09"),
            Crs::WebMercator => f.write_str("EPSG:3857"),
            Crs::Zone { code, .. } => write!(f, "EPSG:{code}"),
        }
    }
}

impl Crs {
    /// The way from this system to WGS 84, made once for many coordinates.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn projection(self) -> Result<Projection> {
        let Crs::Zone { meridian, easting, scale, .. } = self else { return Ok(Projection { crs: self, proj: None }) };
        let text = format!("+proj=tmerc +lat_0=0 +lon_0={meridian} +k={scale} +x_0={easting} +y_0=0 +ellps=GRS80 +units=m +no_defs");
        let proj = |text: &str| proj4rs::Proj::from_proj_string(text).map_err(|error| Error::internal(format!("{self}: {error}")));
        Ok(Projection { crs: self, proj: Some((proj(&text)?, proj("+proj=longlat +ellps=GRS80 +no_defs")?)) })
    }

    /// Longitude and latitude on WGS 84 of a coordinate in this system (x east, y north).
    ///
    /// # Errors
    /// Swapped axes, or no position of this system.
    pub fn to_wgs84(self, x: f64, y: f64) -> Result<(f64, f64)> {
        self.projection()?.to_wgs84(x, y)
    }

    /// A geometry given in this system, on WGS 84.
    pub fn geometry(self, given: geo::Geometry<f64>) -> Result<Geometry> {
        use geo::MapCoords;
        match self {
            Crs::Wgs84 | Crs::Cgcs2000 => Geometry::from_geo(given),
            _ => {
                let projection = self.projection()?;
                Geometry::from_geo(given.try_map_coords(|c| projection.to_wgs84(c.x, c.y).map(|(x, y)| geo::Coord { x, y }))?)
            }
        }
    }

    /// What is kept of a coordinate as it was given: `gcj02 POINT(113.1 23.1)`; nothing where that is what is stored anyway.
    pub fn raw(self, given: &geo::Geometry<f64>) -> Option<String> {
        match (self, given) {
            (Crs::Wgs84, _) => None,
            (_, geo::Geometry::Point(p)) => Some(format!("{self} POINT({} {})", p.x(), p.y())),
            _ => Some(self.to_string()),
        }
    }
}

/// The way from one system to WGS 84.
pub struct Projection {
    crs: Crs,
    /// For a zone: it and the ellipsoid.
    proj: Option<(proj4rs::Proj, proj4rs::Proj)>,
}

impl Projection {
    /// Longitude and latitude on WGS 84, as [`Crs::to_wgs84`].
    pub fn to_wgs84(&self, x: f64, y: f64) -> Result<(f64, f64)> {
        let place = match self.crs {
            Crs::Wgs84 | Crs::Cgcs2000 => (x, y),
            Crs::Gcj02 => {
                check_position(x, y)?;
                invert((x, y), wgs84_to_gcj02)
            }
            Crs::Bd09 => {
                check_position(x, y)?;
                invert(invert((x, y), gcj02_to_bd09), wgs84_to_gcj02)
            }
            Crs::WebMercator => {
                let radius = crate::model::sphere::A;
                ((x / radius).to_degrees(), (y / radius).sinh().atan().to_degrees())
            }
            Crs::Zone { easting, .. } => {
                if (x - easting).abs() > 700_000.0 && (y - easting).abs() <= 700_000.0 {
                    return Err(Error::new(Code::SwappedAxes, "", format!("{x},{y}"), format!("{y},{x}")));
                }
                if (x - easting).abs() > 700_000.0 || y.abs() > 10_000_000.0 {
                    return Err(Error::new(
                        Code::InvalidGeometry,
                        "",
                        format!("{x},{y}"),
                        format!("x within 700 km of {easting}, y below 10,000 km / 该带内的坐标"),
                    ));
                }
                let (from, to) = self.proj.as_ref().ok_or_else(|| Error::internal(self.crs))?;
                let mut point = (x, y, 0.0);
                proj4rs::transform::transform(from, to, &mut point)
                    .map_err(|error| Error::new(Code::InvalidGeometry, "", format!("{x},{y}: {error}"), self.crs))?;
                (point.0.to_degrees(), point.1.to_degrees())
            }
        };
        check_position(place.0, place.1)?;
        Ok(place)
    }
}

/// Semi-major axis and squared eccentricity of Krasovsky 1940, which the GCJ-02 shift is made with.
const KRASOVSKY: (f64, f64) = (6_378_245.0, 0.006_693_421_622_965_943);

/// The public form of the GCJ-02 shift, applied wherever it is asked for.
fn wgs84_to_gcj02((lon, lat): (f64, f64)) -> (f64, f64) {
    use std::f64::consts::PI;
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |t: f64| (20.0 * (6.0 * t * PI).sin() + 20.0 * (2.0 * t * PI).sin()) * 2.0 / 3.0;
    let slow = |t: f64, a: f64, b: f64, c: f64, d: f64| {
        (a * (t * PI).sin() + b * (t / 3.0 * PI).sin() + c * (t / 12.0 * PI).sin() + d * (t / 30.0 * PI).sin()) * 2.0 / 3.0
    };
    let root = x.abs().sqrt();
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + wave(x)
        + slow(y, 20.0, 40.0, 160.0, 0.0)
        + 320.0 * (y * PI / 30.0).sin() * 2.0 / 3.0;
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave(x) + slow(x, 20.0, 40.0, 150.0, 300.0);
    let phi = lat.to_radians();
    let magic = 1.0 - KRASOVSKY.1 * phi.sin() * phi.sin();
    let meridian = KRASOVSKY.0 * (1.0 - KRASOVSKY.1) / (magic * magic.sqrt());
    let parallel = KRASOVSKY.0 / magic.sqrt() * phi.cos();
    (lon + (east / parallel).to_degrees(), lat + (north / meridian).to_degrees())
}

fn gcj02_to_bd09((x, y): (f64, f64)) -> (f64, f64) {
    let wave = std::f64::consts::PI * 3_000.0 / 180.0;
    let radius = x.hypot(y) + 0.000_02 * (y * wave).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * wave).cos();
    (radius * angle.cos() + 0.0065, radius * angle.sin() + 0.006)
}

/// Undoes a shift by fixed-point iteration; five rounds leave less than a micrometre.
fn invert(target: (f64, f64), shift: fn((f64, f64)) -> (f64, f64)) -> (f64, f64) {
    let mut guess = target;
    for _ in 0..5 {
        let shifted = shift(guess);
        guess = (guess.0 + target.0 - shifted.0, guess.1 + target.1 - shifted.1);
    }
    guess
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::sphere::geodesic_m;

    proptest! {
        #[test]
        fn shifts_are_undone_to_a_millimetre(lon in 73.0..135.0f64, lat in 3.0..54.0f64) {
            let gcj = wgs84_to_gcj02((lon, lat));
            let back = Crs::Gcj02.to_wgs84(gcj.0, gcj.1).unwrap();
            prop_assert!(geodesic_m((lon, lat), back) < 1e-3);
            let bd = gcj02_to_bd09(gcj);
            let back = Crs::Bd09.to_wgs84(bd.0, bd.1).unwrap();
            prop_assert!(geodesic_m((lon, lat), back) < 1e-3);
            let offset = geodesic_m((lon, lat), gcj);
            prop_assert!(offset < 1_000.0, "{offset}");
        }

        #[test]
        fn neighbours_stay_neighbours(lon in 73.0..135.0f64, lat in 3.0..54.0f64) {
            let a = Crs::Gcj02.to_wgs84(lon, lat).unwrap();
            let b = Crs::Gcj02.to_wgs84(lon + 1e-5, lat).unwrap();
            prop_assert!(geodesic_m(a, b) < 2.0);
        }
    }

    #[test]
    fn zones_lie_where_epsg_puts_them() {
        // 3° zone 38, central meridian 114° E: 50 km east of it, on the equator's scale.
        let crs: Crs = "EPSG:4526".parse().unwrap();
        assert_eq!(crs, Crs::Zone { code: 4526, meridian: 114.0, easting: 38_500_000.0, scale: 1.0 });
        let (lon, lat) = crs.to_wgs84(38_500_000.0, 3_166_000.0).unwrap();
        assert!((lon - 114.0).abs() < 1e-9 && (28.5..28.7).contains(&lat), "{lon} {lat}");
        assert_eq!(crs.to_wgs84(3_166_000.0, 38_500_000.0).unwrap_err().code, Code::SwappedAxes);
        assert!("EPSG:27700".parse::<Crs>().is_err());
        assert_eq!("epsg:4547".parse::<Crs>().unwrap(), Crs::Zone { code: 4547, meridian: 114.0, easting: 500_000.0, scale: 1.0 });
        // UTM zone 50 is on 117° E.
        let (lon, lat) = "EPSG:32650".parse::<Crs>().unwrap().to_wgs84(500_000.0, 3_166_000.0).unwrap();
        assert!((lon - 117.0).abs() < 1e-9 && (28.6..28.7).contains(&lat), "{lon} {lat}");
    }
}
