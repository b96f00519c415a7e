//! CSV as bureaus have it: UTF-8 or GBK, separated by commas, tabs or semicolons.

use encoding_rs::{GB18030, UTF_8};

use super::{
    Crs, Read,
    table::{self, is_formula},
};
use crate::{
    error::{Code, Error, Result},
    model::{Feature, Geometry, GeometryKind, Layer},
};

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

/// A reader that goes by the delimiter that the first lines have most of.
pub(super) fn reader(text: &str, has_headers: bool) -> csv::Reader<&[u8]> {
    let head = || text.lines().take(5).flat_map(str::bytes);
    let delimiter = [b',', b'\t', b';'].into_iter().rev().max_by_key(|d| head().filter(|b| b == d).count()).unwrap_or(b',');
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(has_headers).from_reader(text.as_bytes())
}

/// Reads rows of `layer`.
///
/// # Errors
/// What concerns the whole file; what concerns a row is in the row.
pub fn read(layer: &Layer, bytes: &[u8], crs: Crs) -> Result<Read> {
    let text = decode(bytes)?;
    let unreadable = |error: csv::Error| Error::new(Code::InvalidFile, "file", error, "CSV with a header row / 带表头的 CSV");
    let lines = reader(&text, false).into_records().map(|record| {
        let record = record.map_err(unreadable)?;
        let number = record.position().map_or(0, |position| position.record() as usize + 1);
        Ok((number, record.iter().map(str::to_owned).collect()))
    });
    table::read(layer, lines, crs)
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
