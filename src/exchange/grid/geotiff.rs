//! GeoTIFF, of one band.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tiff::{
    ColorType, TiffError,
    decoder::{ChunkType, Decoder, DecodingResult},
    tags::Tag,
};

use super::{CELLS_MAX, Frame, Grid};
use crate::{
    error::{Code, Error, Result},
    exchange::Crs,
    model::Geometry,
};

const EXPECTED: &str = "a GeoTIFF of one band, north up, uncompressed, LZW, Deflate or PackBits / 单波段、北向上的 GeoTIFF";

fn broken(field: &str, value: impl ToString) -> Error {
    Error::new(Code::InvalidFile, field, value, EXPECTED)
}

fn unreadable(error: TiffError) -> Error {
    match error {
        TiffError::LimitsExceeded => {
            Error::new(Code::TooLarge, "file", "a block or tag is too large / 分块或标签过大", "256 MiB a block / 每块 256 MiB")
        }
        error => broken("file", error),
    }
}

pub(super) fn read<'d>(bytes: &[u8], crs: Crs, district: Option<&'d Geometry>) -> Result<Grid<'d>> {
    // None is known, but a hostile file shall not find the panic in a decoder of this size.
    let read = catch_unwind(AssertUnwindSafe(|| image(bytes, crs, district)));
    read.unwrap_or_else(|_| Err(broken("file", "sizes beyond all bounds / 尺寸溢出")))
}

type Tiff<'b> = Decoder<Cursor<&'b [u8]>>;

fn image<'d>(bytes: &[u8], crs: Crs, district: Option<&'d Geometry>) -> Result<Grid<'d>> {
    let mut tiff = Decoder::new(Cursor::new(bytes)).map_err(unreadable)?;
    let (columns, rows) = tiff.dimensions().map_err(unreadable)?;
    let color = tiff.colortype().map_err(unreadable)?;
    // 0 is white: the values would be read inverted.
    let inverted = tiff.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(unreadable)? == Some(0);
    if inverted || !matches!(color, ColorType::Gray(8 | 16 | 32 | 64)) {
        return Err(broken("band", format!("{color:?}")));
    }
    let mut grid = Grid::new(frame(&mut tiff, crs, columns, rows)?, district)?;
    let none = match tiff.find_tag(Tag::GdalNodata).map_err(unreadable)? {
        Some(value) => {
            let text = value.into_string().map_err(unreadable)?;
            let text = text.trim_matches(['\0', ' ']);
            Some(text.parse::<f64>().map_err(|_| broken("NODATA", text))?)
        }
        None => None,
    };
    let tiled = tiff.get_chunk_type() == ChunkType::Tile;
    let (width, height) = tiff.chunk_dimensions();
    let count = if tiled { tiff.tile_count() } else { tiff.strip_count() }.map_err(unreadable)?;
    // Each block is unpacked whole, even where little of it is in the image.
    if u64::from(width.max(1)) * u64::from(height.max(1)) > CELLS_MAX.saturating_mul(4) / u64::from(count.max(1)) {
        return Err(Error::new(
            Code::TooLarge,
            "file",
            format!("{count} × {width} × {height}"),
            format!("{} cells in its blocks", CELLS_MAX * 4),
        ));
    }
    let sizes = tiff.find_tag_unsigned_vec::<u64>(if tiled { Tag::TileByteCounts } else { Tag::StripByteCounts });
    let sizes = sizes.map_err(unreadable)?.unwrap_or_default();
    let across = if tiled { columns.div_ceil(width.max(1)) } else { 1 };
    for block in 0..count {
        // A block that was left out has no data.
        if sizes.get(block as usize) == Some(&0) {
            continue;
        }
        let (left, top) = (block % across * width, block / across * height);
        let inside = tiff.chunk_data_dimensions(block).0;
        let mut set = |n: usize, value: f64, same: bool| {
            let (column, row) = (left + n as u32 % inside, top + n as u32 / inside);
            if same || none == Some(value) || (value.is_nan() && none.is_some_and(f64::is_nan)) || column >= columns || row >= rows {
                return Ok(());
            }
            grid.set(column, row, value)
        };
        match tiff.read_chunk(block).map_err(unreadable)? {
            DecodingResult::U8(values) => each(&values, |n, value| set(n, value, false)),
            DecodingResult::U16(values) => each(&values, |n, value| set(n, value, false)),
            DecodingResult::U32(values) => each(&values, |n, value| set(n, value, false)),
            DecodingResult::I8(values) => each(&values, |n, value| set(n, value, false)),
            DecodingResult::I16(values) => each(&values, |n, value| set(n, value, false)),
            DecodingResult::I32(values) => each(&values, |n, value| set(n, value, false)),
            // The mark is written with other digits than a float of 32 bits has.
            DecodingResult::F32(values) => each(&values, |n, value| set(n, value, none.is_some_and(|none| none as f32 == value as f32))),
            DecodingResult::F64(values) => each(&values, |n, value| set(n, value, false)),
            _ => Err(broken("band", "neither floats of 32 or 64 bits nor whole numbers of 8, 16 or 32")),
        }?;
    }
    Ok(grid)
}

fn each<T: Copy + Into<f64>>(values: &[T], mut take: impl FnMut(usize, f64) -> Result<()>) -> Result<()> {
    values.iter().enumerate().try_for_each(|(n, value)| take(n, (*value).into()))
}

/// Where the cells lie, by the GeoTIFF 1.1 tags.
fn frame(tiff: &mut Tiff, crs: Crs, columns: u32, rows: u32) -> Result<Frame> {
    let mut numbers = |tag: Tag| match tiff.find_tag(tag).map_err(unreadable)? {
        Some(value) => value.into_f64_vec().map(Some).map_err(unreadable),
        None => Ok(None),
    };
    let (scale, tie, matrix) = (numbers(Tag::ModelPixelScaleTag)?, numbers(Tag::ModelTiepointTag)?, numbers(Tag::ModelTransformationTag)?);
    let keys = tiff.find_tag_unsigned_vec::<u16>(Tag::GeoKeyDirectoryTag).map_err(unreadable)?.unwrap_or_default();
    // Four numbers each: key, place of the value (0 is here), count, value.
    let key = |wanted: u16| keys.chunks_exact(4).skip(1).find(|key| key[0] == wanted && key[1] == 0).map(|key| key[3]);
    let crs = match (key(1024), key(3072), key(2048)) {
        (None, None, None) => crs,
        (Some(1) | None, Some(code), _) | (Some(2), _, Some(code)) | (None, None, Some(code)) => format!("EPSG:{code}").parse()?,
        _ => {
            let expected = "an EPSG code in the file, geographic or projected / 文件中的 EPSG 代码";
            return Err(Error::new(Code::UnsupportedCrs, "crs", "user-defined / 自定义", expected));
        }
    };
    // The corner of the first cell, or its centre where a cell is a point.
    let (corner, cell) = match (scale.as_deref(), tie.as_deref(), matrix.as_deref()) {
        (Some([width, height, ..]), Some([column, row, _, x, y, ..]), _) => ((x - column * width, y + row * height), (*width, *height)),
        (_, _, Some([width, 0.0, _, x, 0.0, height, _, y, ..])) => ((*x, *y), (*width, -height)),
        (_, _, Some(_)) => return Err(broken("ModelTransformation", "turned / 有旋转")),
        _ => return Err(broken("georeference", "absent / 缺少地理参考")),
    };
    let half = if key(1025) == Some(2) { 0.0 } else { 0.5 };
    let centre = (corner.0 + half * cell.0, corner.1 - half * cell.1);
    Ok(Frame { crs, centre, cell, columns, rows })
}
