//! Lines of a district's own road survey: GeoJSON, or the line layers of a GeoPackage.

use geo::MapCoords;
use rusqlite::{Connection, types::ValueRef};
use serde_json::Value as Json;

use super::{Crs, coordinates::Projection};
use crate::{
    error::{Code, Error, Result},
    model::wkb,
    osm::Tags,
};

/// A line on WGS 84, longitudes and latitudes, and its attributes by OSM's keys.
pub type Line = (Vec<(f64, f64)>, Tags);

/// Attributes that surveys tend to have, and OSM's keys for them.
const KEYS: [(&str, &[&str]); 4] = [
    ("highway", &["class", "道路等级", "等级", "类型"]),
    ("name", &["名称", "道路名称", "路名"]),
    ("oneway", &["单行", "单行线", "单向"]),
    ("maxspeed", &["speed", "限速", "时速"]),
];
/// Road classes by administration (公路法) and in towns (CJJ 37), and OSM's classes for them in China.
const CLASSES: [(&str, &[&str]); 6] = [
    ("motorway", &["高速", "高速公路"]),
    ("trunk", &["国道", "快速路", "城市快速路"]),
    ("primary", &["省道", "主干路", "主干道"]),
    ("secondary", &["县道", "次干路", "次干道"]),
    ("tertiary", &["乡道", "支路"]),
    ("unclassified", &["村道"]),
];

/// Reads GeoJSON. Each feature is a line or several.
///
/// # Errors
/// [`Code::InvalidFile`], [`Code::InvalidGeometry`] or [`Code::SwappedAxes`] with the feature's number.
pub fn geojson(bytes: &[u8], crs: Crs) -> Result<Vec<Line>> {
    let text = super::csv::decode(bytes)?;
    let json: geojson::GeoJson = text.parse().map_err(|error: geojson::Error| invalid("file".into(), &error))?;
    let features = geojson::FeatureCollection::try_from(json).map_err(|error| invalid("file".into(), &error))?.features;
    let projection = crs.projection()?;
    let mut lines = vec![];
    for (n, feature) in features.into_iter().enumerate() {
        let field = format!("features[{n}].geometry");
        let given = feature.geometry.map(|geometry| geo::Geometry::try_from(geometry.value)).transpose();
        let given = given.map_err(|error| invalid(field.clone(), &error))?;
        let mut tags = Tags::new();
        for (key, value) in feature.properties.unwrap_or_default() {
            let text = match value {
                Json::String(text) => text,
                Json::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
                Json::Number(number) => number.to_string(),
                _ => continue,
            };
            tags.push(attribute(&key, text));
        }
        take(given, tags, &field, &projection, &mut lines)?;
    }
    Ok(lines)
}

/// Reads all line layers of a GeoPackage, in the coordinate system that each declares or, where that isn't known here, in `crs`.
///
/// # Errors
/// As [`geojson`], with the table's name; [`Code::UnsupportedCrs`].
pub fn geopackage(bytes: &[u8], crs: Crs) -> Result<Vec<Line>> {
    let broken =
        |error: rusqlite::Error| Error::new(Code::InvalidFile, "file", error, "a GeoPackage with a layer of lines / 含线图层的 GeoPackage");
    let mut copy = bytes.to_vec();
    // Written in WAL mode it couldn't be read from memory; with no log beside it, that says nothing of its pages.
    if let Some(versions) = copy.get_mut(18..20) {
        versions.fill(1);
    }
    let mut file = Connection::open_in_memory().map_err(broken)?;
    file.deserialize_read_exact("main", &copy[..], copy.len(), true).map_err(broken)?;
    let mut lines = vec![];
    let layers = "SELECT table_name, column_name, upper(s.organization) || ':' || s.organization_coordsys_id FROM gpkg_geometry_columns \
                  LEFT JOIN gpkg_spatial_ref_sys s USING (srs_id) \
                  WHERE upper(geometry_type_name) IN ('LINESTRING', 'MULTILINESTRING', 'GEOMETRY', 'CURVE', 'MULTICURVE') ORDER BY 1";
    let layers: Vec<(String, String, Option<String>)> = {
        let mut statement = file.prepare(layers).map_err(broken)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(broken)?;
        rows.collect::<Result<_, _>>().map_err(broken)?
    };
    for (table, column, declared) in layers {
        let declared = declared.and_then(|text| text.parse().ok()).unwrap_or(crs);
        // Files drawn on a map in GCJ-02 or BD-09 declare WGS 84, for want of a code.
        let projection = if matches!(crs, Crs::Gcj02 | Crs::Bd09) { crs } else { declared }.projection()?;
        let mut statement = file.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""))).map_err(broken)?;
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(broken)?;
        let mut n = 0;
        while let Some(row) = rows.next().map_err(broken)? {
            n += 1;
            let field = format!("{table}[{n}].{column}");
            let (mut given, mut tags) = (None, Tags::new());
            for (at, name) in names.iter().enumerate() {
                let text = match row.get_ref(at).map_err(broken)? {
                    ValueRef::Blob(blob) if name.eq_ignore_ascii_case(&column) => {
                        given = wkb::parse_gpkg(blob).map_err(|error| error.within(&field))?;
                        continue;
                    }
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    ValueRef::Integer(value) => value.to_string(),
                    ValueRef::Real(value) => value.to_string(),
                    ValueRef::Null | ValueRef::Blob(_) => continue,
                };
                tags.push(attribute(name, text));
            }
            // A survey's row may wait for its line.
            if given.is_some() {
                take(given, tags, &field, &projection, &mut lines)?;
            }
        }
    }
    Ok(lines)
}

fn invalid(field: String, value: &dyn std::fmt::Display) -> Error {
    Error::new(Code::InvalidFile, field, value, "lines / 线要素")
}

/// An attribute by OSM's key, a class as OSM's.
fn attribute(key: &str, text: String) -> (String, String) {
    fn known<'k>(table: &[(&'k str, &[&str])], text: &str) -> Option<&'k str> {
        table.iter().find(|(_, others)| others.contains(&text)).map(|(key, _)| *key)
    }
    let lower = key.trim().to_lowercase();
    let key = known(&KEYS, &lower).map_or(lower, str::to_owned);
    let text = match (key.as_str(), text.trim()) {
        ("highway", class) => known(&CLASSES, class).unwrap_or(class).to_owned(),
        ("oneway", "是") => "yes".into(),
        ("oneway", "否") => "no".into(),
        (_, text) => text.to_owned(),
    };
    (key, text)
}

/// Takes the lines of a geometry.
fn take(given: Option<geo::Geometry>, tags: Tags, field: &str, projection: &Projection, lines: &mut Vec<Line>) -> Result<()> {
    let parts = match given {
        Some(geo::Geometry::LineString(line)) => vec![line],
        Some(geo::Geometry::MultiLineString(parts)) => parts.0,
        _ => return Err(invalid(field.to_owned(), &"no line / 非线要素")),
    };
    for part in parts {
        let placed = part.try_map_coords(|c| {
            let (x, y) = projection.to_wgs84(c.x, c.y)?;
            Ok(geo::Coord { x, y })
        });
        let placed = placed.map_err(|error: Error| error.within(field))?;
        lines.push((placed.0.into_iter().map(|c| (c.x, c.y)).collect(), tags.clone()));
    }
    Ok(())
}
