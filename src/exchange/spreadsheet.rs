//! Spreadsheets: XLSX and XLS in, XLSX out.

use std::io::{Cursor, Read as _};

use calamine::{Data, Range, Reader, Sheets};
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::{Crs, Read, import::Warning, table};
use crate::{
    error::{Code, Error, Result},
    model::{Feature, Geometry, GeometryKind, Layer, Value},
};

/// What a workbook may unpack to: more is no register, and would fill the memory.
const UNPACKED_MAX: u64 = 1 << 30;

/// Reads rows of `layer` from the first sheet whose header means something there. Cells merged over several rows say the same in each.
///
/// # Errors
/// What concerns the whole file; what concerns a row is in the row.
pub fn read(layer: &Layer, bytes: &[u8], crs: Crs) -> Result<Read> {
    let broken =
        |error: &dyn std::fmt::Display| Error::new(Code::InvalidFile, "file", error, "an XLSX or XLS workbook / XLSX 或 XLS 工作簿");
    if bytes.starts_with(b"PK") {
        // What its directory says of sizes may be a lie, so it is unpacked once to nowhere.
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        let mut left = UNPACKED_MAX;
        for n in 0..archive.len() {
            let part = archive.by_index(n).map_err(|error| broken(&error))?;
            left -= std::io::copy(&mut part.take(left), &mut std::io::sink()).map_err(|error| broken(&error))?;
            if left == 0 {
                return Err(Error::new(Code::TooLarge, "file", "unpacked / 解压后", format!("{UNPACKED_MAX} bytes")));
            }
        }
    }
    let mut book = calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut first_error = None;
    let mut found: Option<(String, Read)> = None;
    for name in book.sheet_names() {
        let mut sheet = book.worksheet_range(&name).map_err(|error| broken(&error))?;
        spread_merged(&mut book, &name, &mut sheet);
        let top = sheet.start().map_or(0, |(row, _)| row as usize);
        let lines = sheet.rows().enumerate().map(|(n, cells)| Ok((top + n + 1, cells.iter().map(text).collect())));
        match (table::read(layer, lines, crs), &mut found) {
            (Ok(read), None) => found = Some((name, read)),
            // A second sheet of the register isn't passed over in silence.
            (Ok(other), Some((used, read))) if !other.rows.is_empty() => read.warnings.push(Warning {
                code: "other_sheet",
                en: format!("only sheet {used} was read; {name} has {} rows too", other.rows.len()),
                zh: format!("仅读取工作表 {used};{name} 另有 {} 行", other.rows.len()),
            }),
            (Ok(_), Some(_)) => {}
            (Err(error), _) => first_error = first_error.or(Some(error)),
        }
    }
    match (found, first_error) {
        (Some((_, read)), _) => Ok(read),
        (None, Some(error)) => Err(error),
        (None, None) => Err(broken(&"no sheet / 没有工作表")),
    }
}

/// Puts what a merged cell says into each row that it covers, in its first column.
fn spread_merged(book: &mut Sheets<Cursor<&[u8]>>, name: &str, sheet: &mut Range<Data>) {
    let Sheets::Xlsx(book) = book else { return };
    let Ok(merged) = book.merge_cells_by_sheet_name(name) else { return };
    let Some((last, _)) = sheet.end() else { return };
    for cells in merged {
        let (top, left) = cells.start;
        let Some(said) = sheet.get_value((top, left)).filter(|said| **said != Data::Empty).cloned() else { continue };
        for row in top + 1..=cells.end.0.min(last) {
            sheet.set_value((row, left), said.clone());
        }
    }
}

/// A cell as one would type it.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Int(n) => n.to_string(),
        Data::Float(n) => n.to_string(),
        Data::Bool(b) => b.to_string(),
        Data::Error(error) => error.to_string(),
        Data::DateTime(at) => match at.as_datetime() {
            Some(at) if at.time() == chrono::NaiveTime::MIN => at.date().to_string(),
            Some(at) => at.format("%Y-%m-%dT%H:%M:%S").to_string(),
            None => at.to_string(),
        },
    }
}

/// Writes features with the fields' Chinese names as headers, which an import knows again; points as longitude and latitude, other shapes
/// as GeoJSON in a cell.
///
/// # Errors
/// [`Code::TooLarge`] where there are more rows than a sheet has, or a shape doesn't fit into a cell.
pub fn write<'a>(layer: &Layer, features: impl Iterator<Item = &'a Feature>) -> Result<Vec<u8>> {
    let failed = |error: XlsxError| match error {
        XlsxError::RowColumnLimitError => Error::new(Code::TooLarge, "rows", "", "1,048,575; export CSV / 请导出 CSV"),
        error => Error::internal(error),
    };
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let head = Format::new().set_bold();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let points = layer.geometry == GeometryKind::Point;
    let mut headers: Vec<&str> = vec!["id"];
    headers.extend(layer.fields.iter().map(|field| field.name.zh.as_str()));
    match layer.geometry {
        GeometryKind::None => {}
        GeometryKind::Point => headers.extend(["经度", "纬度"]),
        _ => headers.push("geometry"),
    }
    for (column, header) in (0..).zip(&headers) {
        sheet.write_with_format(0, column, *header, &head).map_err(failed)?;
    }
    for (row, feature) in (1..).zip(features) {
        sheet.write(row, 0, feature.id.to_string()).map_err(failed)?;
        let mut column = 1;
        for value in feature.values.iter() {
            let written = match value {
                Value::Null => Ok(&mut *sheet),
                Value::Int(n) if n.abs() < 1 << 53 => sheet.write(row, column, *n as f64),
                Value::Num(n) => sheet.write(row, column, *n),
                Value::Date(day) if *day >= FIRST_DAY => sheet.write_with_format(row, column, f64::from(*day - EXCEL_DAYS), &date),
                other => sheet.write(row, column, other.to_text()),
            };
            written.map_err(failed)?;
            column += 1;
        }
        match &feature.geometry {
            Some(Geometry::Point { lon, lat }) if points => {
                sheet.write(row, column, *lon).map_err(failed)?;
                sheet.write(row, column + 1, *lat).map_err(failed)?;
            }
            Some(geometry) if layer.geometry != GeometryKind::None => {
                let mut text = Vec::new();
                geometry.write_geojson(&mut text);
                if text.len() > CELL_MAX {
                    let remedy = format!("{CELL_MAX} characters in a cell; export GeoJSON / 请导出 GeoJSON");
                    return Err(Error::new(Code::TooLarge, "geometry", feature.id, remedy));
                }
                sheet.write(row, column, String::from_utf8_lossy(&text).into_owned()).map_err(failed)?;
            }
            _ => {}
        }
    }
    book.save_to_buffer().map_err(failed)
}

/// 1899-12-30, day 0 of a spreadsheet, in days since 1970.
const EXCEL_DAYS: i32 = -25_569;
/// 1900-03-01: before, spreadsheets disagree by a day.
const FIRST_DAY: i32 = EXCEL_DAYS + 61;
/// The most characters that a cell holds.
const CELL_MAX: usize = 32_767;
