//! A feature's geometry: longitude and latitude in degrees on WGS 84, edges great circles.

use std::sync::Arc;

use geo::{CoordsIter, MapCoords, Validation, coord};
use geojson::{GeometryValue, Position};
use serde_json::Value as Json;

use super::{
    layer::GeometryKind,
    sphere::{self, Bounds, Cap, Frame, V3},
};
use crate::error::{Code, Error, Result};

/// A checked geometry. Points, the many, stand in place; everything else is shared and prepared for questions.
#[derive(Clone, Debug)]
pub enum Geometry {
    Point { lon: f64, lat: f64 },
    Shape(Arc<Shape>),
}

impl PartialEq for Geometry {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Geometry::Point { lon, lat }, Geometry::Point { lon: other_lon, lat: other_lat }) => lon == other_lon && lat == other_lat,
            (Geometry::Shape(a), Geometry::Shape(b)) => Arc::ptr_eq(a, b) || a.geo == b.geo,
            _ => false,
        }
    }
}

/// A line, polygon or multi geometry, with what spatial questions need precomputed.
#[derive(Debug)]
pub struct Shape {
    /// As stored, in degrees.
    geo: geo::Geometry<f64>,
    cap: Cap,
    frame: Frame,
    /// The geometry in its gnomonic frame.
    plane: geo::Geometry<f64>,
    /// Unit vectors of each line, ring and lone point.
    parts: Vec<Vec<V3>>,
}

/// A geometry must fit into a cap of this radius, so that its inside is not in doubt: 80°.
const CAP_MAX: f64 = 80.0 * std::f64::consts::PI / 180.0;
/// A geometry of more vertices than this is refused.
pub const VERTICES_MAX: usize = 200_000;

fn invalid(what: impl ToString, expected: &str) -> Error {
    Error::new(Code::InvalidGeometry, "", what, expected)
}

/// Checks a position in degrees.
///
/// # Errors
/// [`Code::SwappedAxes`] where only latitude first makes sense of it, else [`Code::InvalidGeometry`].
pub fn check_position(lon: f64, lat: f64) -> Result<()> {
    if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) {
        Ok(())
    } else if (-90.0..=90.0).contains(&lon) && (-180.0..=180.0).contains(&lat) {
        Err(Error::new(Code::SwappedAxes, "", format!("{lon},{lat}"), format!("{lat},{lon}")))
    } else {
        Err(invalid(format!("position {lon},{lat}"), "longitude −180…180, latitude −90…90 / 经度 −180…180,纬度 −90…90"))
    }
}

impl Geometry {
    /// A point, checked.
    pub fn point(lon: f64, lat: f64) -> Result<Geometry> {
        check_position(lon, lat)?;
        Ok(Geometry::Point { lon, lat })
    }

    /// Checks and prepares a geometry in degrees. Rings are turned to the right-hand rule and repeated vertices dropped.
    ///
    /// # Errors
    /// [`Code::InvalidGeometry`] for collections, empty or degenerate shapes, self-intersections, shapes beyond a hemisphere;
    /// [`Code::SwappedAxes`]; [`Code::TooLarge`] beyond [`VERTICES_MAX`].
    pub fn from_geo(geo: geo::Geometry<f64>) -> Result<Geometry> {
        use geo::{Orient, RemoveRepeatedPoints, orient::Direction};
        let count = geo.coords_count();
        if count > VERTICES_MAX {
            return Err(Error::new(Code::TooLarge, "", format!("{count} vertices / 个顶点"), VERTICES_MAX));
        }
        for c in geo.coords_iter() {
            check_position(c.x, c.y)?;
        }
        let geo = match geo {
            geo::Geometry::Point(point) => return Geometry::point(point.x(), point.y()),
            geo::Geometry::MultiPoint(points) if !points.0.is_empty() => geo::Geometry::MultiPoint(points),
            geo::Geometry::LineString(line) => geo::Geometry::LineString(line.remove_repeated_points()),
            geo::Geometry::MultiLineString(lines) if !lines.0.is_empty() => geo::Geometry::MultiLineString(lines.remove_repeated_points()),
            geo::Geometry::Polygon(polygon) => geo::Geometry::Polygon(polygon.remove_repeated_points()),
            geo::Geometry::MultiPolygon(polygons) if !polygons.0.is_empty() => {
                geo::Geometry::MultiPolygon(polygons.remove_repeated_points())
            }
            geo::Geometry::GeometryCollection(_) => {
                return Err(invalid("GeometryCollection", "one Point, LineString, Polygon or Multi… / 单一几何类型"));
            }
            _ => return Err(invalid("an empty geometry / 空几何", "at least one position / 至少一个坐标")),
        };
        let (frame, plane, cap) = project(&geo)?;
        plane.check_validation().map_err(|error| invalid(error, "a valid shape without self-intersections / 不自相交的有效图形"))?;
        // Orientation is judged in the frame, where a ring over the antimeridian is whole.
        let flipped = match (&plane, geo) {
            (geo::Geometry::Polygon(p), geo::Geometry::Polygon(g)) => geo::Geometry::Polygon(orient_like(p, g)),
            (geo::Geometry::MultiPolygon(p), geo::Geometry::MultiPolygon(g)) => {
                geo::Geometry::MultiPolygon(geo::MultiPolygon(p.0.iter().zip(g.0).map(|(p, g)| orient_like(p, g)).collect()))
            }
            (_, geo) => geo,
        };
        let plane = match plane {
            geo::Geometry::Polygon(p) => geo::Geometry::Polygon(p.orient(Direction::Default)),
            geo::Geometry::MultiPolygon(p) => geo::Geometry::MultiPolygon(p.orient(Direction::Default)),
            other => other,
        };
        let parts = parts_of(&flipped);
        Ok(Geometry::Shape(Arc::new(Shape { geo: flipped, cap, frame, plane, parts })))
    }

    /// Reads a GeoJSON geometry. A third coordinate is dropped: registers are flat.
    ///
    /// # Errors
    /// As [`Geometry::from_geo`]; rings that are not closed and positions without two numbers are refused with their place.
    pub fn from_geojson(json: &Json) -> Result<Geometry> {
        if json.get("type").and_then(Json::as_str) == Some("GeometryCollection") {
            return Err(invalid("GeometryCollection", "one Point, LineString, Polygon or Multi… / 单一几何类型"));
        }
        if json.get("crs").is_some() {
            return Err(invalid(
                "a crs member",
                "longitude and latitude on WGS 84, or declare the system with the request / WGS 84 经纬度",
            ));
        }
        let parsed = serde_json::from_value::<geojson::Geometry>(json.clone())
            .map_err(|error| invalid(error, "a GeoJSON geometry / GeoJSON 几何"))?;
        Geometry::from_geo(to_geo(&parsed.value)?)
    }

    /// Reads an area: a Polygon or MultiPolygon, a feature with one, or a collection of just that feature.
    ///
    /// # Errors
    /// [`Code::InvalidBody`] without a geometry, [`Code::InvalidGeometry`] for one that has no area or isn't valid.
    pub fn area_from_geojson(json: &Json) -> Result<Geometry> {
        let geometry = match json.get("type").and_then(Json::as_str) {
            Some("Feature") => json.get("geometry"),
            Some("FeatureCollection") => {
                json.pointer("/features/0/geometry").filter(|_| json["features"].as_array().is_some_and(|all| all.len() == 1))
            }
            _ => Some(json),
        };
        let expected = "a GeoJSON polygon or one feature with it / GeoJSON 面";
        let geometry = geometry.ok_or_else(|| Error::new(Code::InvalidBody, "", "no geometry / 无几何", expected))?;
        let area = Geometry::from_geojson(geometry)?;
        if !area.has_area() {
            return Err(Error::new(Code::InvalidGeometry, "geometry", area.type_name(), "a Polygon or MultiPolygon / 面"));
        }
        Ok(area)
    }

    /// The geometry in degrees, for libraries that take it so.
    pub fn to_geo(&self) -> geo::Geometry<f64> {
        match self {
            Geometry::Point { lon, lat } => geo::Geometry::Point(geo::Point::new(*lon, *lat)),
            Geometry::Shape(shape) => shape.geo.clone(),
        }
    }

    pub fn check_kind(&self, kind: GeometryKind) -> Result<()> {
        use geo::Geometry as G;
        let fits = match (kind, self) {
            (GeometryKind::None, _) => false,
            (GeometryKind::Any, _) | (GeometryKind::Point, Geometry::Point { .. }) => true,
            (GeometryKind::Line, Geometry::Shape(shape)) => matches!(shape.geo, G::LineString(_) | G::MultiLineString(_)),
            (GeometryKind::Polygon, Geometry::Shape(shape)) => matches!(shape.geo, G::Polygon(_) | G::MultiPolygon(_)),
            _ => false,
        };
        let expected = match kind {
            GeometryKind::None => "no geometry / 不含几何",
            GeometryKind::Point => "a Point / 点",
            GeometryKind::Line => "a LineString or MultiLineString / 线",
            GeometryKind::Polygon => "a Polygon or MultiPolygon / 面",
            GeometryKind::Any => "any geometry / 任意几何",
        };
        if fits { Ok(()) } else { Err(Error::new(Code::InvalidGeometry, "geometry", self.type_name(), expected)) }
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Geometry::Point { .. } => "Point",
            Geometry::Shape(shape) => match shape.geo {
                geo::Geometry::MultiPoint(_) => "MultiPoint",
                geo::Geometry::LineString(_) => "LineString",
                geo::Geometry::MultiLineString(_) => "MultiLineString",
                geo::Geometry::Polygon(_) => "Polygon",
                geo::Geometry::MultiPolygon(_) => "MultiPolygon",
                _ => "Point",
            },
        }
    }

    pub fn has_area(&self) -> bool {
        matches!(self, Geometry::Shape(shape) if matches!(shape.geo, geo::Geometry::Polygon(_) | geo::Geometry::MultiPolygon(_)))
    }

    /// A cap that holds the geometry.
    pub fn cap(&self) -> Cap {
        match self {
            Geometry::Point { lon, lat } => Cap { center: sphere::unit(*lon, *lat), angle: 0.0 },
            Geometry::Shape(shape) => shape.cap,
        }
    }

    /// A position to stand for the geometry: a point itself, else the centre of its cap.
    pub fn anchor(&self) -> (f64, f64) {
        match self {
            Geometry::Point { lon, lat } => (*lon, *lat),
            Geometry::Shape(shape) => sphere::lon_lat(shape.cap.center),
        }
    }

    /// A box in ECEF metres that holds the geometry, edges and insides included.
    pub fn ecef_box(&self) -> Bounds {
        match self {
            Geometry::Point { lon, lat } => Bounds::at(sphere::ecef(*lon, *lat)),
            Geometry::Shape(shape) => {
                let mut bounds = Bounds::EMPTY;
                shape.geo.coords_iter().for_each(|c| bounds.join(Bounds::at(sphere::ecef(c.x, c.y))));
                // The surface between vertices stands off their hull by at most the sagitta of the cap: R(1 - cos θ).
                bounds.padded(sphere::A * (1.0 - shape.cap.angle.cos()) * 1.02 + 0.01)
            }
        }
    }

    /// Metres from a position to the geometry: 0 inside a polygon, else the geodesic to the nearest position of it.
    /// "Nearest" is judged on the sphere, as PostGIS `geography` does.
    pub fn distance_m(&self, lon: f64, lat: f64) -> f64 {
        match self {
            Geometry::Point { lon: to_lon, lat: to_lat } => sphere::geodesic_m((lon, lat), (*to_lon, *to_lat)),
            Geometry::Shape(shape) => {
                let p = sphere::unit(lon, lat);
                if shape.contains(p) {
                    return 0.0;
                }
                sphere::geodesic_m((lon, lat), sphere::lon_lat(shape.nearest(p)))
            }
        }
    }

    /// Whether the geometries have a point in common, with great-circle edges.
    pub fn intersects(&self, other: &Geometry) -> bool {
        match (self, other) {
            (Geometry::Point { lon, lat }, Geometry::Point { lon: b_lon, lat: b_lat }) => lon == b_lon && lat == b_lat,
            (Geometry::Shape(shape), Geometry::Point { lon, lat }) | (Geometry::Point { lon, lat }, Geometry::Shape(shape)) => {
                let p = sphere::unit(*lon, *lat);
                shape.contains(p) || (!shape.has_area() && sphere::distance2(shape.nearest(p), p) < 1e-24)
            }
            (Geometry::Shape(a), Geometry::Shape(b)) => a.intersects(b),
        }
    }

    /// How the geometries lie to each other (DE-9IM), with great-circle edges; `None` where one reaches beyond the other's horizon.
    pub fn relate(&self, other: &Geometry) -> Option<geo::relate::IntersectionMatrix> {
        use geo::Relate;
        let larger = if self.cap().angle >= other.cap().angle { self } else { other };
        let frame = match larger {
            Geometry::Point { lon, lat } => Frame::new(sphere::unit(*lon, *lat)),
            Geometry::Shape(shape) => shape.frame,
        };
        Some(map_to(&frame, &self.to_geo())?.relate(&map_to(&frame, &other.to_geo())?))
    }

    /// West, south, east, north in degrees; east is above 180 where the geometry crosses the antimeridian.
    pub fn bounds(&self) -> [f64; 4] {
        match self {
            Geometry::Point { lon, lat } => [*lon, *lat, *lon, *lat],
            Geometry::Shape(shape) => shape.bounds(),
        }
    }

    /// Writes the GeoJSON geometry.
    pub fn write_geojson(&self, out: &mut Vec<u8>) {
        use geo::Geometry as G;
        let lines = |lines: &[geo::LineString<f64>], out: &mut Vec<u8>| {
            write_list(out, lines.iter(), |line, out| write_list(out, line.0.iter(), write_position))
        };
        let polygon = |polygon: &geo::Polygon<f64>, out: &mut Vec<u8>| {
            write_list(out, std::iter::once(polygon.exterior()).chain(polygon.interiors()), |ring, out| {
                write_list(out, ring.0.iter(), write_position)
            });
        };
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.type_name().as_bytes());
        out.extend_from_slice(b"\",\"coordinates\":");
        match self {
            Geometry::Point { lon, lat } => write_position(&coord! { x: *lon, y: *lat }, out),
            Geometry::Shape(shape) => match &shape.geo {
                G::MultiPoint(points) => write_list(out, points.0.iter(), |point, out| write_position(&point.0, out)),
                G::LineString(line) => write_list(out, line.0.iter(), write_position),
                G::MultiLineString(multi) => lines(&multi.0, out),
                G::Polygon(one) => polygon(one, out),
                G::MultiPolygon(multi) => write_list(out, multi.0.iter(), polygon),
                _ => out.extend_from_slice(b"[]"),
            },
        }
        out.push(b'}');
    }
}

fn write_position(c: &geo::Coord<f64>, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    out.push(b'[');
    out.extend_from_slice(trim_zero(buffer.format(c.x)).as_bytes());
    out.push(b',');
    out.extend_from_slice(trim_zero(buffer.format(c.y)).as_bytes());
    out.push(b']');
}

fn trim_zero(number: &str) -> &str {
    number.strip_suffix(".0").unwrap_or(number)
}

fn write_list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

impl Shape {
    pub fn geo(&self) -> &geo::Geometry<f64> {
        &self.geo
    }
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
    fn has_area(&self) -> bool {
        matches!(self.geo, geo::Geometry::Polygon(_) | geo::Geometry::MultiPolygon(_))
    }

    /// Whether a polygon holds the position, its edge included; never for lines.
    pub fn contains(&self, p: V3) -> bool {
        use geo::Intersects;
        // (1 - cos) keeps this exact enough; the margin lets positions on the cap's rim through.
        if !self.has_area() || sphere::dot(p, self.cap.center) < self.cap.angle.cos() - 1e-12 {
            return false;
        }
        match (self.frame.project(p), &self.plane) {
            (Some(c), geo::Geometry::Polygon(polygon)) => polygon.intersects(&geo::Point(c)),
            (Some(c), geo::Geometry::MultiPolygon(polygons)) => polygons.intersects(&geo::Point(c)),
            _ => false,
        }
    }

    /// The position on the shape's vertices and edges that is nearest to `p` on the sphere.
    pub fn nearest(&self, p: V3) -> V3 {
        let mut best = (f64::INFINITY, p);
        let mut offer = |q: V3| {
            let d = sphere::distance2(p, q);
            if d < best.0 {
                best = (d, q);
            }
        };
        for part in &self.parts {
            if let [only] = part[..] {
                offer(only);
            }
            for edge in part.windows(2) {
                offer(sphere::nearest_on_edge(p, edge[0], edge[1]));
            }
        }
        best.1
    }

    fn intersects(&self, other: &Shape) -> bool {
        use geo::Intersects;
        let between = sphere::distance2(self.cap.center, other.cap.center).sqrt() / 2.0;
        if 2.0 * between.min(1.0).asin() > self.cap.angle + other.cap.angle + 1e-9 {
            return false;
        }
        // In the frame of the one with an inside, or the larger; a part beyond its horizon can't meet it.
        let (a, b) = if (self.has_area(), self.cap.angle) >= (other.has_area(), other.cap.angle) { (self, other) } else { (other, self) };
        match map_to(&a.frame, &b.geo) {
            Some(plane) => a.plane.intersects(&plane),
            // One reaches round to the other's far side: test it piece by piece.
            None => b.parts.iter().any(|part| {
                part.iter().any(|v| a.contains(*v))
                    || part.windows(2).any(|edge| {
                        matches!((a.frame.project(edge[0]), a.frame.project(edge[1])), (Some(s), Some(e)) if a.plane.intersects(&geo::Line::new(s, e)))
                    })
            }) || a.parts.iter().any(|part| part.iter().any(|v| b.contains(*v))),
        }
    }

    fn bounds(&self) -> [f64; 4] {
        let (mut west, mut south, mut east, mut north) = (f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        let first = sphere::lon_lat(self.cap.center).0;
        for c in self.geo.coords_iter() {
            // The copy of the longitude nearest to the middle of the shape.
            let lon = c.x - 360.0 * ((c.x - first) / 360.0).round();
            (west, east) = (west.min(lon), east.max(lon));
            (south, north) = (south.min(c.y), north.max(c.y));
        }
        for (pole, lat) in [([0.0, 0.0, 1.0], 90.0), ([0.0, 0.0, -1.0], -90.0)] {
            if self.contains(pole) {
                (west, east) = (-180.0, 180.0);
                (south, north) = (south.min(lat), north.max(lat));
            }
        }
        let turns = ((west + 180.0) / 360.0).floor() * 360.0;
        [west - turns, south, east - turns, north]
    }
}

/// The frame, the plane geometry and the cap of a geometry.
fn project(geo: &geo::Geometry<f64>) -> Result<(Frame, geo::Geometry<f64>, Cap)> {
    let units: Vec<V3> = geo.coords_iter().map(|c| sphere::unit(c.x, c.y)).collect();
    if units.is_empty() {
        return Err(invalid("an empty geometry / 空几何", "at least one position / 至少一个坐标"));
    }
    let cap = Cap::of(units.iter().copied());
    if cap.angle > CAP_MAX {
        return Err(invalid("it reaches round more than a hemisphere / 范围超过半球", "a smaller shape, or several / 更小或拆分的图形"));
    }
    let frame = Frame::new(cap.center);
    let plane = map_to(&frame, geo)
        .ok_or_else(|| invalid("it reaches round more than a hemisphere / 范围超过半球", "a smaller shape / 更小的图形"))?;
    Ok((frame, plane, cap))
}

fn map_to(frame: &Frame, geo: &geo::Geometry<f64>) -> Option<geo::Geometry<f64>> {
    geo.try_map_coords(|c| frame.project(sphere::unit(c.x, c.y)).ok_or(())).ok()
}

/// Turns the rings of `geo` so that they run as the right-hand rule asks, judged by its image in the plane.
fn orient_like(plane: &geo::Polygon<f64>, geo: geo::Polygon<f64>) -> geo::Polygon<f64> {
    use geo::Winding;
    let (mut exterior, mut interiors) = geo.into_inner();
    if plane.exterior().is_cw() {
        exterior.0.reverse();
    }
    for (ring, image) in interiors.iter_mut().zip(plane.interiors()) {
        if image.is_ccw() {
            ring.0.reverse();
        }
    }
    geo::Polygon::new(exterior, interiors)
}

fn parts_of(geo: &geo::Geometry<f64>) -> Vec<Vec<V3>> {
    use geo::Geometry as G;
    let line = |line: &geo::LineString<f64>| line.0.iter().map(|c| sphere::unit(c.x, c.y)).collect::<Vec<_>>();
    let polygon = |p: &geo::Polygon<f64>| std::iter::once(p.exterior()).chain(p.interiors()).map(line).collect::<Vec<_>>();
    match geo {
        G::MultiPoint(points) => points.0.iter().map(|p| vec![sphere::unit(p.x(), p.y())]).collect(),
        G::LineString(one) => vec![line(one)],
        G::MultiLineString(lines) => lines.0.iter().map(line).collect(),
        G::Polygon(one) => polygon(one),
        G::MultiPolygon(polygons) => polygons.0.iter().flat_map(polygon).collect(),
        _ => vec![],
    }
}

fn to_geo(value: &GeometryValue) -> Result<geo::Geometry<f64>> {
    use geo::Geometry as G;
    let place = |outer: &'static str| move |error: Error| error.within(outer);
    Ok(match value {
        GeometryValue::Point { coordinates } => G::Point(position(coordinates)?.into()),
        GeometryValue::MultiPoint { coordinates } => {
            G::MultiPoint(geo::MultiPoint(line(coordinates).map_err(place("coordinates"))?.0.into_iter().map(geo::Point).collect()))
        }
        GeometryValue::LineString { coordinates } => G::LineString(line(coordinates).map_err(place("coordinates"))?),
        GeometryValue::MultiLineString { coordinates } => G::MultiLineString(geo::MultiLineString(
            coordinates.iter().map(|c| line(c)).collect::<Result<_>>().map_err(place("coordinates"))?,
        )),
        GeometryValue::Polygon { coordinates } => G::Polygon(polygon(coordinates).map_err(place("coordinates"))?),
        GeometryValue::MultiPolygon { coordinates } => {
            G::MultiPolygon(geo::MultiPolygon(coordinates.iter().map(|c| polygon(c)).collect::<Result<_>>().map_err(place("coordinates"))?))
        }
        GeometryValue::GeometryCollection { .. } => return Err(invalid("GeometryCollection", "one geometry / 单一几何")),
    })
}

fn position(position: &Position) -> Result<geo::Coord<f64>> {
    match position.as_slice() {
        [lon, lat, ..] => Ok(coord! { x: *lon, y: *lat }),
        other => Err(invalid(format!("position {other:?}"), "[longitude, latitude] / [经度, 纬度]")),
    }
}

fn line(positions: &[Position]) -> Result<geo::LineString<f64>> {
    positions
        .iter()
        .enumerate()
        .map(|(i, p)| position(p).map_err(|error| error.within(&format!("[{i}]"))))
        .collect::<Result<Vec<_>>>()
        .map(geo::LineString)
}

fn polygon(rings: &[Vec<Position>]) -> Result<geo::Polygon<f64>> {
    let mut lines = Vec::with_capacity(rings.len());
    for (i, ring) in rings.iter().enumerate() {
        let ring = line(ring).map_err(|error| error.within(&format!("[{i}]")))?;
        if ring.0.len() < 4 || ring.0.first() != ring.0.last() {
            return Err(invalid(
                format!("ring {i} is not closed / 第 {i} 环未闭合"),
                "at least 4 positions, the last like the first / 至少 4 个坐标且首尾相同",
            ));
        }
        lines.push(ring);
    }
    if lines.is_empty() {
        return Err(invalid("a polygon without rings / 无环多边形", "an outer ring / 一个外环"));
    }
    let exterior = lines.remove(0);
    Ok(geo::Polygon::new(exterior, lines))
}
