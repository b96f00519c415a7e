//! Grids as text: ESRI's ASCII grid, and CSV with a row for each cell.

use std::collections::HashMap;

use super::{Frame, Grid};
use crate::{
    error::{Code, Error, Result},
    exchange::{Crs, csv::decode},
    model::Geometry,
};

const ASCII: &str =
    "an ESRI ASCII grid: ncols, nrows, xllcorner, yllcorner, cellsize, NODATA_value, then ncols × nrows numbers / ESRI ASCII 格网";
/// Rows of CSV are all in memory together.
const XYZ_MAX: usize = 10_000_000;

fn broken(field: &str, value: impl ToString) -> Error {
    Error::new(Code::InvalidFile, field, value, ASCII)
}

pub(super) fn ascii<'d>(bytes: &[u8], crs: Crs, district: Option<&'d Geometry>) -> Result<Grid<'d>> {
    let text = decode(bytes)?;
    let mut words = text.split_ascii_whitespace().peekable();
    let mut header: HashMap<String, f64> = HashMap::new();
    while let Some(key) = words.next_if(|word| word.parse::<f64>().is_err()) {
        let key = key.to_ascii_lowercase();
        if !["ncols", "nrows", "xllcorner", "yllcorner", "xllcenter", "yllcenter", "cellsize", "dx", "dy", "nodata_value"].contains(&&*key)
        {
            return Err(broken("header", key));
        }
        let value = words.next().unwrap_or_default();
        let number = value.parse().map_err(|_| broken(&key, value))?;
        header.insert(key, number);
    }
    let of = |key: &str| header.get(key).copied();
    let needed = |key: &str| of(key).ok_or_else(|| broken(key, "absent / 缺失"));
    let count = |key: &str| {
        let number = needed(key)?;
        if number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number) { Ok(number as u32) } else { Err(broken(key, number)) }
    };
    let size = |key: &str| of("cellsize").map_or_else(|| needed(key), Ok);
    let (columns, rows, cell) = (count("ncols")?, count("nrows")?, (size("dx")?, size("dy")?));
    // The centre of the first cell of the last row.
    let corner = |centre: &str, corner: &str, cell: f64| of(centre).map_or_else(|| Ok(needed(corner)? + cell / 2.0), Ok);
    let (x, y) = (corner("xllcenter", "xllcorner", cell.0)?, corner("yllcenter", "yllcorner", cell.1)?);
    let centre = (x, y + f64::from(rows - 1) * cell.1);
    let mut grid = Grid::new(Frame { crs, centre, cell, columns, rows }, district)?;
    // The value that the format has where none is given.
    let none = of("nodata_value").unwrap_or(-9999.0);
    for row in 0..rows {
        for column in 0..columns {
            let word = words.next().ok_or_else(|| broken(&format!("row {row}"), "the file ends in it / 文件不完整"))?;
            let value: f64 = word.parse().map_err(|_| broken(&format!("column {column}, row {row}"), word))?;
            if value != none && !(value.is_nan() && none.is_nan()) {
                grid.set(column, row, value)?;
            }
        }
    }
    if let Some(word) = words.next() {
        return Err(broken("ncols × nrows", format!("{word}: more numbers than cells / 数值多于单元")));
    }
    Ok(grid)
}

/// Whether a CSV has the columns X, Y and Z and no other: a grid, since nothing else is in it.
pub fn is_xyz(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.get(..64).unwrap_or(line)).to_lowercase();
    let mut headers: Vec<&str> =
        line.trim_start_matches('\u{feff}').split([',', ';', '\t']).map(|name| name.trim_matches(['"', ' '])).collect();
    headers.sort_unstable();
    headers == ["x", "y", "z"]
}

pub(super) fn xyz<'d>(bytes: &[u8], crs: Crs, district: Option<&'d Geometry>) -> Result<Grid<'d>> {
    let text = decode(bytes)?;
    let mut reader = crate::exchange::csv::reader(&text, true);
    let unreadable = |error: csv::Error| Error::new(Code::InvalidFile, "file", error, "CSV with X, Y and Z / 含 X、Y、Z 的 CSV");
    let headers = reader.headers().map_err(unreadable)?.clone();
    let mut cells: Vec<(usize, [f64; 3])> = vec![];
    for (n, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        let mut cell = [None; 3];
        for (header, text) in headers.iter().zip(record.iter()).filter(|(_, text)| !text.trim().is_empty()) {
            let wrong = || Error::new(Code::InvalidValue, format!("row {}: {header}", n + 2), text, "a number / 数值");
            let number = text.trim().parse::<f64>().map_err(|_| wrong())?;
            let at = ["x", "y", "z"].iter().position(|name| header.trim().eq_ignore_ascii_case(name)).ok_or_else(wrong)?;
            // An infinite Z is refused where the people are.
            cell[at] = Some(number).filter(|number| at == 2 || number.is_finite());
        }
        match cell {
            [Some(x), Some(y), Some(z)] => cells.push((n + 2, [x, y, z])),
            // No data.
            [_, _, None] => {}
            _ => return Err(Error::new(Code::RequiredMissing, format!("row {}", n + 2), "", "X, Y")),
        }
        if cells.len() > XYZ_MAX {
            let most = format!("{XYZ_MAX}; cut the grid to the district, or take its GeoTIFF / 请裁剪至辖区或改用 GeoTIFF");
            return Err(Error::new(Code::TooLarge, "file", "too many rows / 行数过多", most));
        }
    }
    let axis = |at: usize| Axis::of(cells.iter().map(|(_, cell)| cell[at]).collect());
    let (x, y) = (axis(0), axis(1));
    let (Some(width), Some(height)) = (x.step.or(y.step), y.step.or(x.step)) else {
        let expected = "at least two cells, which tell the spacing / 至少两个单元以确定间距";
        return Err(Error::new(Code::InvalidFile, "X, Y", format!("{} rows", cells.len()), expected));
    };
    let frame = Frame { crs, centre: (x.low, y.high), cell: (width, height), columns: x.count(width), rows: y.count(height) };
    let mut grid = Grid::new(frame, district)?;
    for (n, [cx, cy, people]) in cells {
        let (column, row) = ((cx - x.low) / width, (y.high - cy) / height);
        if (column - column.round()).abs() > 0.1 || (row - row.round()).abs() > 0.1 {
            let expected = format!("cells {width} × {height} apart / 等间距单元");
            return Err(Error::new(Code::InvalidFile, format!("row {n}"), format!("{cx},{cy}"), expected));
        }
        grid.set(column.round() as u32, row.round() as u32, people)?;
    }
    Ok(grid)
}

/// What the coordinates along one axis tell.
struct Axis {
    low: f64,
    high: f64,
    /// None where there is but one.
    step: Option<f64>,
}

impl Axis {
    fn of(mut all: Vec<f64>) -> Axis {
        all.sort_unstable_by(f64::total_cmp);
        let (low, high) = (all.first().copied().unwrap_or_default(), all.last().copied().unwrap_or_default());
        // Nearer than this is the same coordinate, written otherwise.
        let same = low.abs().max(high.abs()).max(1.0) * 1e-10;
        let least = all.windows(2).map(|two| two[1] - two[0]).filter(|gap| *gap > same).min_by(f64::total_cmp);
        // One gap has few digits; all of them together have more.
        let step = least.map(|gap| (high - low) / ((high - low) / gap).round());
        Axis { low, high, step }
    }

    fn count(&self, step: f64) -> u32 {
        // More than there can be becomes the most there can be, and is refused as too many.
        (((self.high - self.low) / step).round() as u32).saturating_add(1)
    }
}
