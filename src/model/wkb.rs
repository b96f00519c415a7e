//! Well-known binary, as PostGIS (EWKB) and GeoPackage (a header before it) keep it.

use geo::{Coord, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};

use super::{Geometry, geometry::VERTICES_MAX};
use crate::error::{Code, Error, Result};

const SRID_FLAG: u32 = 0x2000_0000;
const Z_FLAG: u32 = 0x8000_0000;
const M_FLAG: u32 = 0x4000_0000;

fn bad(what: &str) -> Error {
    Error::new(Code::InvalidGeometry, "geom", what, "WKB of one Point, LineString, Polygon or Multi… / 单一几何类型的 WKB")
}

struct Reader<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Ordinates beyond x and y, to be skipped.
    extra: usize,
    vertices: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| bad("it ends too early"))?;
        self.bytes = rest;
        Ok(*head)
    }
    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take::<4>()?;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
    fn f64(&mut self) -> Result<f64> {
        let bytes = self.take::<8>()?;
        Ok(if self.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }
    fn coord(&mut self) -> Result<Coord<f64>> {
        self.vertices += 1;
        if self.vertices > VERTICES_MAX + 1000 {
            return Err(bad("too many vertices"));
        }
        let (x, y) = (self.f64()?, self.f64()?);
        for _ in 0..self.extra {
            self.f64()?;
        }
        Ok(Coord { x, y })
    }
    /// A count of items of at least `size` bytes: never more than the rest could hold, so a huge count reserves nothing.
    fn count(&mut self, size: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        if count > self.bytes.len() / size { Err(bad("a count is beyond its end")) } else { Ok(count) }
    }
    fn line(&mut self) -> Result<LineString<f64>> {
        let count = self.count(16)?;
        (0..count).map(|_| self.coord()).collect::<Result<Vec<_>>>().map(LineString)
    }
    fn polygon(&mut self) -> Result<Polygon<f64>> {
        let count = self.count(4)?;
        let mut rings = (0..count).map(|_| self.line()).collect::<Result<Vec<_>>>()?.into_iter();
        let exterior = rings.next().ok_or_else(|| bad("an empty polygon"))?;
        Ok(Polygon::new(exterior, rings.collect()))
    }
    /// Byte order and type of a geometry; the type without its flags.
    fn head(&mut self) -> Result<u32> {
        self.little = match self.take::<1>()? {
            [0] => false,
            [1] => true,
            _ => return Err(bad("no byte order mark")),
        };
        let word = self.u32()?;
        if word & SRID_FLAG != 0 && !matches!(self.u32()?, 0 | 4326) {
            return Err(bad("a reference system other than EPSG:4326"));
        }
        let (mut kind, mut extra) = (word & 0x0fff_ffff, (word & Z_FLAG != 0) as usize + (word & M_FLAG != 0) as usize);
        // ISO: 1001 is Point Z, 2001 Point M, 3001 Point ZM.
        extra += [0, 1, 1, 2].get(kind as usize / 1000).copied().unwrap_or(0);
        kind %= 1000;
        self.extra = extra;
        Ok(kind)
    }
    fn many<T>(&mut self, expected: u32, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.count(9)?;
        (0..count).map(|_| if self.head()? == expected { read(self) } else { Err(bad("a part of another type")) }).collect()
    }
}

/// Reads WKB or EWKB in either byte order; Z and M are dropped. Never panics, whatever the bytes.
///
/// # Errors
/// [`Code::InvalidGeometry`] and what [`Geometry::from_geo`] refuses.
pub fn read(bytes: &[u8]) -> Result<Geometry> {
    // Points are the many: the plain form is read at once.
    if let [1, 1, 0, 0, flag, rest @ ..] = bytes {
        let xy = match (flag, rest) {
            (0, rest) => Some(rest),
            (0x20, [0xe6, 0x10, 0, 0, rest @ ..]) => Some(rest),
            _ => None,
        };
        if let Some([x0, x1, x2, x3, x4, x5, x6, x7, y0, y1, y2, y3, y4, y5, y6, y7]) = xy {
            return Geometry::point(
                f64::from_le_bytes([*x0, *x1, *x2, *x3, *x4, *x5, *x6, *x7]),
                f64::from_le_bytes([*y0, *y1, *y2, *y3, *y4, *y5, *y6, *y7]),
            );
        }
    }
    Geometry::from_geo(parse(bytes)?)
}

/// The same in whatever coordinate system it is, so with no position refused.
fn parse(bytes: &[u8]) -> Result<geo::Geometry> {
    let mut reader = Reader { bytes, little: true, extra: 0, vertices: 0 };
    Ok(match reader.head()? {
        1 => geo::Geometry::Point(Point(reader.coord()?)),
        2 => geo::Geometry::LineString(reader.line()?),
        3 => geo::Geometry::Polygon(reader.polygon()?),
        4 => geo::Geometry::MultiPoint(MultiPoint(reader.many(1, |r| Ok(Point(r.coord()?)))?)),
        5 => geo::Geometry::MultiLineString(MultiLineString(reader.many(2, Reader::line)?)),
        6 => geo::Geometry::MultiPolygon(MultiPolygon(reader.many(3, Reader::polygon)?)),
        7 => return Err(bad("GeometryCollection")),
        _ => return Err(bad("an unknown type")),
    })
}

/// Reads a GeoPackage geometry blob.
///
/// # Errors
/// As [`read`]; `Ok(None)` for the header's empty flag.
pub fn read_gpkg(bytes: &[u8]) -> Result<Option<Geometry>> {
    gpkg_body(bytes)?.map(read).transpose()
}

/// The same in whatever coordinate system it is.
pub fn parse_gpkg(bytes: &[u8]) -> Result<Option<geo::Geometry>> {
    gpkg_body(bytes)?.map(parse).transpose()
}

/// What follows the header; `None` for its empty flag.
fn gpkg_body(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let [b'G', b'P', _version, flags, _, _, _, _, rest @ ..] = bytes else {
        return Err(bad("no GeoPackage header"));
    };
    if flags & 0b10_0000 != 0 {
        return Err(bad("an extended GeoPackage geometry"));
    }
    if flags & 0b1_0000 != 0 {
        return Ok(None);
    }
    let envelope = match (flags >> 1) & 0b111 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return Err(bad("an unknown envelope")),
    };
    rest.get(envelope..).ok_or_else(|| bad("it ends too early")).map(Some)
}

fn write_head(out: &mut Vec<u8>, kind: u32, srid: Option<u32>) {
    out.push(1);
    out.extend_from_slice(&(kind | if srid.is_some() { SRID_FLAG } else { 0 }).to_le_bytes());
    if let Some(srid) = srid {
        out.extend_from_slice(&srid.to_le_bytes());
    }
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    // VERTICES_MAX keeps every count far below.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn write_coord(out: &mut Vec<u8>, c: &Coord<f64>) {
    out.extend_from_slice(&c.x.to_le_bytes());
    out.extend_from_slice(&c.y.to_le_bytes());
}

fn write_line(out: &mut Vec<u8>, line: &LineString<f64>) {
    write_count(out, line.0.len());
    line.0.iter().for_each(|c| write_coord(out, c));
}

fn write_polygon(out: &mut Vec<u8>, polygon: &Polygon<f64>) {
    write_count(out, 1 + polygon.interiors().len());
    write_line(out, polygon.exterior());
    polygon.interiors().iter().for_each(|ring| write_line(out, ring));
}

/// Writes WKB; with `srid`, EWKB as PostGIS reads it.
pub fn write(geometry: &Geometry, srid: Option<u32>, out: &mut Vec<u8>) {
    use geo::Geometry as G;
    let shape = match geometry {
        Geometry::Point { lon, lat } => {
            write_head(out, 1, srid);
            return write_coord(out, &Coord { x: *lon, y: *lat });
        }
        Geometry::Shape(shape) => shape,
    };
    match shape.geo() {
        G::LineString(line) => {
            write_head(out, 2, srid);
            write_line(out, line);
        }
        G::Polygon(polygon) => {
            write_head(out, 3, srid);
            write_polygon(out, polygon);
        }
        G::MultiPoint(points) => {
            write_head(out, 4, srid);
            write_count(out, points.0.len());
            for point in &points.0 {
                write_head(out, 1, None);
                write_coord(out, &point.0);
            }
        }
        G::MultiLineString(lines) => {
            write_head(out, 5, srid);
            write_count(out, lines.0.len());
            for line in &lines.0 {
                write_head(out, 2, None);
                write_line(out, line);
            }
        }
        G::MultiPolygon(polygons) => {
            write_head(out, 6, srid);
            write_count(out, polygons.0.len());
            for polygon in &polygons.0 {
                write_head(out, 3, None);
                write_polygon(out, polygon);
            }
        }
        // Geometry holds nothing else.
        other => tracing::error!(?other, "a geometry of a kind that is never stored"),
    }
}

/// Writes a GeoPackage geometry blob: points without an envelope, everything else with one.
pub fn write_gpkg(geometry: &Geometry) -> Vec<u8> {
    use geo::BoundingRect;
    let mut out = Vec::with_capacity(29);
    out.extend_from_slice(b"GP\0");
    let envelope = match geometry {
        Geometry::Point { .. } => None,
        Geometry::Shape(shape) => shape.geo().bounding_rect(),
    };
    out.push(if envelope.is_some() { 0b11 } else { 0b01 });
    out.extend_from_slice(&4326_i32.to_le_bytes());
    if let Some(rect) = envelope {
        for ordinate in [rect.min().x, rect.max().x, rect.min().y, rect.max().y] {
            out.extend_from_slice(&ordinate.to_le_bytes());
        }
    }
    write(geometry, None, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..9) {
            let _ = read(&bytes);
            let _ = read_gpkg(&bytes);
            let mut typed = vec![1, kind, 0, 0, 0];
            typed.extend_from_slice(&bytes);
            let _ = read(&typed);
        }

        #[test]
        fn points_come_back_exactly(lon in -180.0..180.0_f64, lat in -90.0..90.0_f64) {
            let point = Geometry::point(lon, lat).unwrap();
            for srid in [None, Some(4326)] {
                let mut out = vec![];
                write(&point, srid, &mut out);
                prop_assert_eq!(&read(&out).unwrap(), &point);
            }
            prop_assert_eq!(read_gpkg(&write_gpkg(&point)).unwrap().unwrap(), point);
        }
    }

    #[test]
    fn shapes_come_back_and_huge_counts_are_refused() {
        for text in [
            r#"{"type":"LineString","coordinates":[[1,2],[3,4.5]]}"#,
            r#"{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[1,2],[2,2],[2,1],[1,1]]]}"#,
            r#"{"type":"MultiPoint","coordinates":[[1,2],[3,4]]}"#,
            r#"{"type":"MultiLineString","coordinates":[[[1,2],[3,4]],[[5,6],[7,8]]]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[5,5],[6,5],[6,6],[5,5]]]]}"#,
        ] {
            let geometry = Geometry::from_geojson(&serde_json::from_str(text).unwrap()).unwrap();
            let mut out = vec![];
            write(&geometry, Some(4326), &mut out);
            assert_eq!(read(&out).unwrap(), geometry);
            assert_eq!(read_gpkg(&write_gpkg(&geometry)).unwrap().unwrap(), geometry);
        }
        assert!(read(&[1, 2, 0, 0, 0, 255, 255, 255, 255]).is_err());
        // Big-endian Point Z, ISO form.
        let mut z = vec![0, 0, 0, 3, 233];
        for ordinate in [7.5_f64, 8.5, 99.0] {
            z.extend_from_slice(&ordinate.to_be_bytes());
        }
        assert_eq!(read(&z).unwrap(), Geometry::point(7.5, 8.5).unwrap());
    }
}
