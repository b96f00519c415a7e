//! CSV as bureaus have it: UTF-8 or GBK, Chinese or English headers, longitude and latitude in columns.

use encoding_rs::{GB18030, UTF_8};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Crs, Read, Row, import::check_count};
use crate::{
    error::{Code, Error, Result},
    model::{Draft, Feature, Geometry, GeometryKind, Layer, Value, layer::system},
};

const LON: [&str; 6] = ["longitude", "lon", "lng", "x", "经度", "东经"];
const LAT: [&str; 5] = ["latitude", "lat", "y", "纬度", "北纬"];

/// What a column means.
enum Column {
    Field(usize),
    Id,
    Lon,
    Lat,
    /// A GeoJSON geometry.
    Geometry,
    Ignored,
}

/// The text of a file: by its byte order mark, else UTF-8 where it is valid, else GB18030, of which GBK is a part.
///
/// # Errors
/// [`Code::InvalidFile`] where it is neither.
pub fn decode(bytes: &[u8]) -> Result<String> {
    let (text, _, broken) = if std::str::from_utf8(bytes).is_ok() { UTF_8.decode(bytes) } else { GB18030.decode(bytes) };
    if broken {
        Err(Error::new(Code::InvalidFile, "file", "neither UTF-8 nor GB18030 / 编码无法识别", "text in UTF-8, GBK or GB18030"))
    } else {
        Ok(text.into_owned())
    }
}

/// A reader that goes by the delimiter of the first line.
pub(super) fn reader(text: &str) -> csv::Reader<&[u8]> {
    let head = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b'\t', b';'].into_iter().max_by_key(|d| head.bytes().filter(|b| b == d).count()).unwrap_or(b',');
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes())
}

/// Reads rows of `layer`. An empty cell says nothing about its field.
///
/// # Errors
/// What concerns the whole file; what concerns a row is in the row.
pub fn read(layer: &Layer, bytes: &[u8], crs: Crs) -> Result<Read> {
    let text = decode(bytes)?;
    let mut reader = reader(&text);
    let unreadable = |error: csv::Error| Error::new(Code::InvalidFile, "file", error, "CSV with a header row / 带表头的 CSV");
    let headers: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(|header| header.trim().to_owned()).collect();
    let mut columns = Vec::with_capacity(headers.len());
    for header in &headers {
        columns.push(column(layer, header)?);
    }
    let of = |wanted: fn(&Column) -> bool| columns.iter().filter(|column| wanted(column)).count();
    if of(|column| matches!(column, Column::Field(_))) == 0 {
        let known: Vec<_> = layer.fields.iter().map(|field| format!("{} ({})", field.name.zh, field.key)).collect();
        return Err(Error::new(Code::InvalidFile, "header", headers.join(", "), known.join(", ")));
    }
    if of(|column| matches!(column, Column::Lon)) != of(|column| matches!(column, Column::Lat)) {
        return Err(Error::new(Code::InvalidFile, "header", headers.join(", "), "both longitude and latitude / 经度与纬度两列"));
    }
    let mut rows = Vec::new();
    for (n, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        // The header is row 1, as a spreadsheet counts.
        let mut id = None;
        let draft = row(layer, &columns, &record, crs, &mut id);
        rows.push(Row { place: format!("row {}", n + 2), id, draft, warnings: vec![] });
        check_count(rows.len())?;
    }
    let ignored =
        headers.iter().zip(&columns).filter(|(_, column)| matches!(column, Column::Ignored)).map(|(header, _)| header.clone()).collect();
    Ok(Read { rows, ignored, ..Read::default() })
}

fn column(layer: &Layer, header: &str) -> Result<Column> {
    let lower = header.to_lowercase();
    if lower == "id" {
        return Ok(Column::Id);
    }
    if lower == "geometry" || lower == "geom" {
        return Ok(Column::Geometry);
    }
    if let Some((at, field)) = layer.fields.iter().enumerate().find(|(_, field)| field.matches_header(header)) {
        // 面积(亩) would be read as m²: a unit in the header has to be the field's.
        if let (Some(open), Some(kept)) = (header.find(['(', '\u{ff08}']), &field.unit) {
            let unit = header[open..].trim_matches(['(', ')', '\u{ff08}', '\u{ff09}', ' ']);
            if !unit.is_empty() && !field.accepts_unit(unit) && field.name.zh != header && field.name.en != header {
                return Err(Error::new(Code::WrongUnit, field.key.as_str(), unit, kept));
            }
        }
        return Ok(Column::Field(at));
    }
    Ok(if LON.contains(&lower.as_str()) {
        Column::Lon
    } else if LAT.contains(&lower.as_str()) {
        Column::Lat
    } else {
        Column::Ignored
    })
}

fn row(layer: &Layer, columns: &[Column], record: &csv::StringRecord, crs: Crs, id: &mut Option<Uuid>) -> Result<Draft> {
    let mut draft = Draft::default();
    let (mut lon, mut lat, mut shape) = (None, None, None);
    for (column, cell) in columns.iter().zip(record.iter()) {
        let cell = unguard(cell.trim());
        if cell.is_empty() {
            continue;
        }
        let number = |name: &str| {
            cell.parse::<f64>()
                .ok()
                .filter(|n| n.is_finite())
                .ok_or_else(|| Error::new(Code::InvalidValue, name, cell, "degrees or metres as a number / 数值"))
        };
        match column {
            Column::Ignored => {}
            Column::Id => *id = Some(Uuid::parse_str(cell).map_err(|_| Error::new(Code::InvalidValue, "id", cell, "a UUID"))?),
            Column::Lon => lon = Some(number("longitude")?),
            Column::Lat => lat = Some(number("latitude")?),
            Column::Geometry => {
                let json: Json = serde_json::from_str(cell)
                    .map_err(|error| Error::new(Code::InvalidGeometry, "geometry", error, "a GeoJSON geometry / GeoJSON 几何"))?;
                shape = Some(super::geojson::geometry(&json, crs).map_err(|error| error.within("geometry"))?);
            }
            Column::Field(at) => {
                let field = &layer.fields[*at];
                // Kept by the server: an export carries it, an import says nothing by it.
                if !field.read_only {
                    draft.values.push((*at, Value::from_text(field, cell)?));
                }
            }
        }
    }
    let place = match (lon, lat, shape) {
        (_, _, Some((geometry, raw))) => Some((geometry, raw)),
        (Some(x), Some(y), None) => {
            let (lon, lat) = crs.to_wgs84(x, y).map_err(|error| Error { field: "longitude, latitude".into(), ..error })?;
            Some((Geometry::point(lon, lat)?, crs.raw(&geo::Geometry::Point(geo::Point::new(x, y)))))
        }
        (None, None, None) => None,
        _ => return Err(Error::new(Code::RequiredMissing, if lon.is_none() { "longitude" } else { "latitude" }, "", "both / 经度与纬度")),
    };
    if let Some((geometry, raw)) = place {
        if layer.geometry != GeometryKind::None {
            geometry.check_kind(layer.geometry)?;
            draft.geometry = Some(Some(geometry));
        }
        if let Some(raw) = raw {
            draft.values.push((system::RAW, Value::Text(raw.into())));
        }
    }
    Ok(draft)
}

/// A spreadsheet takes cells that begin so for formulas.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err()
}

fn unguard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// Writes features with the fields' keys as headers; points as longitude and latitude, other shapes as GeoJSON in a cell.
pub fn write<'a>(layer: &Layer, features: impl Iterator<Item = &'a Feature>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let points = layer.geometry == GeometryKind::Point;
    let mut header = vec!["id"];
    header.extend(layer.fields.iter().map(|field| field.key.as_str()));
    match layer.geometry {
        GeometryKind::None => {}
        GeometryKind::Point => header.extend(["longitude", "latitude"]),
        _ => header.push("geometry"),
    }
    // Writing to memory doesn't fail.
    let _ = writer.write_record(&header);
    for feature in features {
        let guard = |cell: String| if is_formula(&cell) { format!("'{cell}") } else { cell };
        let mut record = vec![feature.id.to_string()];
        record.extend(feature.values.iter().map(|value| guard(value.to_text())));
        match (&feature.geometry, layer.geometry) {
            (_, GeometryKind::None) => {}
            (Some(Geometry::Point { lon, lat }), _) if points => record.extend([lon.to_string(), lat.to_string()]),
            (None, _) if points => record.extend([String::new(), String::new()]),
            (None, _) => record.push(String::new()),
            (Some(geometry), _) => {
                let mut text = Vec::new();
                geometry.write_geojson(&mut text);
                record.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        let _ = writer.write_record(&record);
    }
    writer.into_inner().unwrap_or_default()
}
