//! Tables as offices keep them: a title above, a header that may take two rows, totals below; Chinese or English headers, longitude
//! and latitude in columns.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Crs, Read, Row,
    import::{Warning, check_count},
};
use crate::{
    error::{Code, Error, Result},
    model::{Draft, Geometry, GeometryKind, Layer, Value, layer::system},
};

const LON: [&str; 6] = ["longitude", "lon", "lng", "x", "经度", "东经"];
const LAT: [&str; 5] = ["latitude", "lat", "y", "纬度", "北纬"];

/// The header is among so many rows.
const HEADER_WITHIN: usize = 10;
/// What the first cell of a row begins with that sums up those above, or that is signed under them.
const TOTALS: [&str; 5] = ["合计", "总计", "小计", "共计", "total"];
const FOOTERS: [&str; 8] = ["填表", "制表", "审核人", "填报", "注:", "注：", "备注:", "备注："];

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

/// Reads rows of `layer`: `lines` are the cells of each row, with its number as a spreadsheet counts. An empty cell says nothing about
/// its field.
///
/// # Errors
/// What concerns the whole file; what concerns a row is in the row.
pub fn read(layer: &Layer, mut lines: impl Iterator<Item = Result<(usize, Vec<String>)>>, crs: Crs) -> Result<Read> {
    let mut head: Vec<(usize, Vec<String>)> = vec![];
    while head.len() < HEADER_WITHIN
        && let Some(line) = lines.next()
    {
        head.push(line?);
    }
    let (at, headers) = header(layer, &head);
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
    let mut read = Read::default();
    let mut left_out: Vec<String> = vec![];
    for line in head.into_iter().skip(at + 1).map(Ok).chain(lines) {
        let (number, cells) = line?;
        let Some(first) = cells.iter().map(|cell| cell.trim()).find(|cell| !cell.is_empty()) else { continue };
        if is_beside(first) {
            left_out.push(number.to_string());
            continue;
        }
        let mut id = None;
        let draft = row(layer, &columns, &cells, crs, &mut id);
        read.rows.push(Row { place: format!("row {number}"), id, draft, warnings: vec![] });
        check_count(read.rows.len())?;
    }
    if !left_out.is_empty() {
        let rows = left_out.join(", ");
        read.warnings.push(Warning {
            code: "not_a_row",
            en: format!("rows {rows} are totals or signatures and were left out"),
            zh: format!("第 {rows} 行为合计或签章行,未读入"),
        });
    }
    let ignored = headers.iter().zip(&columns).filter(|(header, column)| !header.is_empty() && matches!(column, Column::Ignored));
    read.ignored = ignored.map(|(header, _)| header.clone()).collect();
    Ok(read)
}

/// Whether a row that begins so is none of the register: a total, a note, a signature.
fn is_beside(first: &str) -> bool {
    let bare: String = first.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let bare = bare.trim_end_matches([':', '：']);
    TOTALS.contains(&bare) || FOOTERS.iter().any(|footer| first.starts_with(footer))
}

/// The row with the header, and the header: of the first rows the one with the most columns that mean something. A cell that is empty
/// there, as under a merged one, has the text of the cell above.
fn header(layer: &Layer, head: &[(usize, Vec<String>)]) -> (usize, Vec<String>) {
    // 编 码 and 编码 over two lines are 编码.
    let clean = |cell: &String| cell.split_whitespace().collect::<Vec<_>>().join(if cell.is_ascii() { " " } else { "" });
    let known = |headers: &[String]| headers.iter().filter(|header| !matches!(column(layer, header), Ok(Column::Ignored))).count();
    let mut best: (usize, usize, Vec<String>) = (0, 0, vec![]);
    for at in 0..head.len() {
        let own: Vec<String> = head[at].1.iter().map(clean).collect();
        let mut both = own.clone();
        if let Some((_, above)) = at.checked_sub(1).map(|above| &head[above]) {
            both.resize(both.len().max(above.len()), String::new());
            both.iter_mut().zip(above).filter(|(cell, _)| cell.is_empty()).for_each(|(cell, above)| *cell = clean(above));
        }
        for headers in [own, both] {
            let count = known(&headers);
            if best.2.is_empty() || count > best.0 {
                best = (count, at, headers);
            }
        }
    }
    (best.1, best.2)
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

fn row(layer: &Layer, columns: &[Column], record: &[String], crs: Crs, id: &mut Option<Uuid>) -> Result<Draft> {
    let mut draft = Draft::default();
    let (mut lon, mut lat, mut shape) = (None, None, None);
    for (column, cell) in columns.iter().zip(record) {
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
pub(super) fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err()
}

fn unguard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}
