//! Population grids, in whatever coding: each cell with people becomes a point at its centre.
//!
//! A cell's code is its place on the lattice that its grid is a part of, so partial files of one grid agree with each other
//! and a newer one updates an older one.

mod geotiff;
mod text;

use std::collections::BTreeSet;

pub use text::is_xyz;

use super::{
    Crs, Read, Row,
    coordinates::Projection,
    import::{Totals, Warning, check_count},
};
use crate::{
    error::{Code, Error, Result},
    model::{Draft, FieldType, Geometry, Layer, LayerRole, Role, Value, layer::system},
};

/// How a grid is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    GeoTiff,
    /// ESRI's ASCII grid.
    Ascii,
    /// CSV with a row `X,Y,Z` for each cell.
    Xyz,
}

/// More cells than this aren't looked through.
const CELLS_MAX: u64 = 100_000_000;
/// More people than this in one cell are a mark for "no data" that isn't declared.
const PEOPLE_MAX: f64 = 1e9;

/// Where the cells lie: north up, columns counted east and rows south.
#[derive(Clone, Copy, Debug)]
struct Frame {
    crs: Crs,
    /// The centre of the first cell, which is the one in the north-west.
    centre: (f64, f64),
    cell: (f64, f64),
    columns: u32,
    rows: u32,
}

/// What is kept of a grid while it is read, however many cells it has.
struct Grid<'d> {
    frame: Frame,
    /// The first cell on the lattice of all cells of this size, columns counted east and rows north.
    first: (i64, i64),
    /// How far a cell's centre is from its place on that lattice, in cells.
    phase: (f64, f64),
    projection: Projection,
    district: Option<(&'d Geometry, [f64; 4])>,
    /// Cells that have people, by their number in reading order.
    people: Vec<(u64, f64)>,
    /// A bit for each cell that is said to have none.
    empty: Vec<u64>,
    outside: usize,
}

/// The field for people, of a layer that is for them.
pub fn people_field(layer: &Layer) -> Option<usize> {
    layer.role(Role::People).filter(|_| layer.has(LayerRole::Population))
}

/// Reads rows of `layer`, whose field number `at` takes the people. `crs` is that of a file that doesn't tell; `codes` are
/// those that the layer has. Cells outside the district are left out.
///
/// # Errors
/// A file that can't be read, or has a cell that can't be a number of people.
pub fn read<'c>(
    layer: &Layer,
    at: usize,
    (coding, bytes): (Coding, &[u8]),
    crs: Crs,
    district: Option<&Geometry>,
    codes: impl Iterator<Item = &'c str>,
) -> Result<Read> {
    let grid = match coding {
        Coding::GeoTiff => geotiff::read(bytes, crs, district),
        Coding::Ascii => text::ascii(bytes, crs, district),
        Coding::Xyz => text::xyz(bytes, crs, district),
    }?;
    grid.rows(layer, at, codes)
}

/// A cell's size without the digits that its file left off: a fraction of a degree, or whole millimetres.
fn full(crs: Crs, size: f64) -> f64 {
    let full = match crs {
        Crs::WebMercator | Crs::Zone { .. } => (size * 1e3).round() / 1e3,
        _ => 1.0 / (1.0 / size).round(),
    };
    if (full - size).abs() <= size * 1e-6 { full } else { size }
}

impl<'d> Grid<'d> {
    fn new(mut frame: Frame, district: Option<&'d Geometry>) -> Result<Grid<'d>> {
        let cells = u64::from(frame.columns) * u64::from(frame.rows);
        let size = format!("{} × {}", frame.columns, frame.rows);
        if cells == 0 {
            return Err(Error::new(Code::InvalidFile, "columns, rows", size, "at least one cell / 至少一个格网单元"));
        }
        if cells > CELLS_MAX {
            let most = format!("{CELLS_MAX} cells; cut the grid to the district / 请裁剪至辖区");
            return Err(Error::new(Code::TooLarge, "columns × rows", size, most));
        }
        let valid = |size: f64| size.is_finite() && size > 0.0;
        if !valid(frame.cell.0) || !valid(frame.cell.1) {
            let size = format!("{} × {}", frame.cell.0, frame.cell.1);
            return Err(Error::new(Code::InvalidFile, "cell size", size, "a size above 0 / 大于 0 的单元尺寸"));
        }
        frame.cell = (full(frame.crs, frame.cell.0), full(frame.crs, frame.cell.1));
        let place = |centre: f64, cell: f64| {
            let at = centre / cell;
            // Grids have a corner or a centre at 0: neither is near to where this rounds the other way.
            let first = (at + 0.25).floor();
            // Digits that were left off don't move a cell.
            (first.is_finite() && first.abs() < 1e12).then_some((first as i64, ((at - first) * 1024.0).round() / 1024.0))
        };
        let (Some(x), Some(y)) = (place(frame.centre.0, frame.cell.0), place(frame.centre.1, frame.cell.1)) else {
            let origin = format!("{},{}", frame.centre.0, frame.centre.1);
            return Err(Error::new(Code::InvalidFile, "origin", origin, format!("coordinates of {} / 该坐标系的坐标", frame.crs)));
        };
        Ok(Grid {
            frame,
            first: (x.0, y.0),
            phase: (x.1, y.1),
            projection: frame.crs.projection()?,
            district: district.map(|district| (district, district.bounds())),
            people: vec![],
            empty: vec![0; cells.div_ceil(64) as usize],
            outside: 0,
        })
    }

    /// Takes the people of a cell; of a cell without data nothing is told.
    fn set(&mut self, column: u32, row: u32, people: f64) -> Result<()> {
        let index = u64::from(row) * u64::from(self.frame.columns) + u64::from(column);
        if people == 0.0 {
            if let Some(bits) = self.empty.get_mut((index / 64) as usize) {
                *bits |= 1 << (index % 64);
            }
            return Ok(());
        }
        if !(people > 0.0 && people <= PEOPLE_MAX) {
            let expected = "0 or more people; a mark for no data has to be declared as NODATA / 非负人数;无数据值须声明为 NODATA";
            return Err(Error::new(Code::InvalidFile, self.name(index), people, expected));
        }
        if self.inside(index)?.is_none() {
            self.outside += 1;
            return Ok(());
        }
        self.people.push((index, people));
        check_count(self.people.len())
    }

    fn cell(&self, index: u64) -> (u64, u64) {
        (index % u64::from(self.frame.columns), index / u64::from(self.frame.columns))
    }

    /// A cell as errors and reports name it: counted from 0 at the north-west, as GIS programs do.
    fn name(&self, index: u64) -> String {
        let (column, row) = self.cell(index);
        format!("column {column}, row {row}")
    }

    /// Where a cell is on the lattice.
    fn lattice(&self, index: u64) -> (i64, i64) {
        let (column, row) = self.cell(index);
        (self.first.0 + column as i64, self.first.1 - row as i64)
    }

    /// The centre of a cell, unless it is outside the district. Nanodegrees, so that all files of a grid say the same.
    fn inside(&self, index: u64) -> Result<Option<Geometry>> {
        let (column, row) = self.lattice(index);
        let x = (column as f64 + self.phase.0) * self.frame.cell.0;
        let y = (row as f64 + self.phase.1) * self.frame.cell.1;
        let (lon, lat) = self.projection.to_wgs84(x, y).map_err(|error| error.within(&self.name(index)))?;
        let point = Geometry::point((lon * 1e9).round() / 1e9, (lat * 1e9).round() / 1e9)?;
        Ok(Some(point).filter(|point| {
            self.district.is_none_or(|(district, [west, south, east, north])| {
                (west..=east).contains(&lon) && (south..=north).contains(&lat) && district.intersects(point)
            })
        }))
    }

    /// What the codes of all cells of such a grid begin with.
    fn prefix(&self) -> String {
        let digits = |size: f64| format!("{size:.9}").trim_end_matches('0').trim_end_matches('.').to_owned();
        let (width, height) = (digits(self.frame.cell.0), digits(self.frame.cell.1));
        let size = if width == height { width } else { format!("{width}x{height}") };
        format!("{}_{size}_", self.frame.crs.to_string().to_lowercase().replace(':', ""))
    }

    /// The number of the cell that has a code, if it is one of this file.
    fn index(&self, prefix: &str, code: &str) -> Option<u64> {
        let (column, row) = code.strip_prefix(prefix)?.split_once('_')?;
        let column = column.parse::<i64>().ok()?.checked_sub(self.first.0)?;
        let row = self.first.1.checked_sub(row.parse::<i64>().ok()?)?;
        let (column, row) = (u32::try_from(column).ok()?, u32::try_from(row).ok()?);
        let within = column < self.frame.columns && row < self.frame.rows;
        within.then(|| u64::from(row) * u64::from(self.frame.columns) + u64::from(column))
    }

    fn is_empty(&self, index: u64) -> bool {
        self.empty.get((index / 64) as usize).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    fn rows<'c>(mut self, layer: &Layer, at: usize, codes: impl Iterator<Item = &'c str>) -> Result<Read> {
        self.people.sort_by_key(|(index, _)| *index);
        let twice = self.people.windows(2).find(|two| two[0].0 == two[1].0).map(|two| two[0].0);
        if let Some(index) = twice.or_else(|| self.people.iter().map(|(index, _)| *index).find(|index| self.is_empty(*index))) {
            return Err(Error::new(Code::DuplicateKey, self.name(index), "the same cell twice / 同一单元重复", ""));
        }
        let prefix = self.prefix();
        let known: BTreeSet<u64> = codes.filter_map(|code| self.index(&prefix, code)).collect();
        let row = |index: u64, people: i64, geometry: Option<Geometry>| {
            let people = if layer.fields[at].kind == FieldType::Integer { Value::Int(people) } else { Value::Num(people as f64) };
            let (column, row) = self.lattice(index);
            let code = Value::Text(format!("{prefix}{column}_{row}").into());
            let draft = Draft { geometry: geometry.map(Some), values: vec![(system::CODE, code), (at, people)] };
            Row { place: self.name(index), id: None, draft: Ok(draft), warnings: vec![] }
        };
        let mut read = Read::default();
        let mut totals = Totals { cells: self.people.len(), people: 0 };
        // People are whole: what rounding takes from a cell goes on to the next, so the sum is that of the file.
        let mut carry = 0.0;
        for (index, people) in &self.people {
            let exact = people + carry;
            let whole = exact.round();
            carry = exact - whole;
            totals.people += whole as i64;
            if whole > 0.0 {
                read.rows.push(row(*index, whole as i64, self.inside(*index)?));
            } else if known.contains(index) {
                read.rows.push(row(*index, 0, None));
            }
        }
        // A cell where nobody lives any more; one where nobody ever did makes no row.
        for index in known.into_iter().filter(|index| self.is_empty(*index)) {
            if self.inside(index)?.is_some() {
                read.rows.push(row(index, 0, None));
            }
        }
        read.totals = Some(totals);
        if self.outside > 0 {
            read.warnings.push(Warning {
                code: "outside_district",
                en: format!("{} cells with people are outside the district and were left out", self.outside),
                zh: format!("{} 个有人口的单元在辖区之外,未导入", self.outside),
            });
        }
        Ok(read)
    }
}
