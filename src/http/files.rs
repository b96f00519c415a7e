//! Files in and out: import with a dry run, export.

use std::sync::Arc;

use axum::{
    extract::{Path, Request as HttpRequest, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::{Params, read_body};
use crate::{
    app::{
        App,
        import::{FORMATS, Format, Request},
        roads::Survey,
    },
    error::{Code, Error, Result},
    exchange::{Crs, csv, spreadsheet},
    model::Viewer,
    world::LayerIndex,
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(export)).routes(routes!(basemap))
}

/// A file may be larger than another body.
const FILE_MAX: usize = 256 * 1024 * 1024;

/// Import a file: what would happen row by row, then all of it or nothing
///
/// The body is the file. Rows match by code, else by id or natural key, so the same file twice changes nothing. With
/// `dry_run=true` nothing is written. / 导入文件:先试运行逐行预览,再整体提交。
#[utoipa::path(post, path = "/import", tag = "files", request_body(content = Vec<u8>, description = "XLSX, XLS, CSV, GeoJSON, a population grid (GeoTIFF, ESRI ASCII grid, or CSV of X,Y,Z), .osm.pbf or .osm", content_type = "application/octet-stream"),
    params(
        ("layer" = Option<String>, Query, description = "Layer id; not for OSM"),
        ("format" = String, Query, description = "xlsx, xls, csv, geojson, tif, asc, pbf or osm; of roads also gpkg"),
        ("roads" = Option<bool>, Query, description = "Build the road network of the file (pbf, osm, or lines as geojson or gpkg) and take it into use; goes with dry_run and crs alone / 构建路网并启用"),
        ("crs" = Option<String>, Query, description = "wgs84 (if absent), cgcs2000, gcj02, bd09 or EPSG:n; a GeoTIFF's own goes first"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would happen"),
        ("allow_new" = Option<bool>, Query, description = "Rows without code or key are created"),
        ("partial" = Option<bool>, Query, description = "Good rows go in though others are refused"),
        ("revive" = Option<bool>, Query, description = "Rows whose code belongs to a deleted feature are created anew; else they are only reported, as `deleted`"),
    ),
    responses((status = 200, description = "{committed, seq, layers: {layer: {counts, warnings, read, rows}}}; of a grid, `read` says how many cells and people; of roads {committed, seq, roads: report}", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn import(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params, request: HttpRequest) -> Result<Response> {
    let bytes = read_body(request.into_body(), FILE_MAX).await?;
    let format = params.required("format", FORMATS)?;
    let crs = params.text("crs")?.map_or(Ok(Crs::Wgs84), |text| text.parse())?;
    if params.flag("roads")? {
        let (survey, dry_run) = (Survey::of(&format, crs)?, params.flag("dry_run")?);
        params.finish()?;
        let (report, seq) = app.build_roads(survey, bytes.into(), dry_run, &viewer).await?;
        return Ok(axum::Json(json!({ "committed": seq.is_some(), "seq": seq, "roads": report })).into_response());
    }
    let asked = Request {
        layer: params.text("layer")?,
        format: Format::of(&format)?,
        crs,
        dry_run: params.flag("dry_run")?,
        allow_new: params.flag("allow_new")?,
        partial: params.flag("partial")?,
        revive: params.flag("revive")?,
    };
    params.finish()?;
    Ok(axum::Json(app.import(&asked, &bytes, &viewer).await?).into_response())
}

/// Export a layer: `{layer}.xlsx`, `{layer}.csv` or `{layer}.geojson`
#[utoipa::path(get, path = "/export/{file}", tag = "files",
    params(("file" = String, Path, description = "layer.xlsx, layer.csv or layer.geojson", example = "shelter.csv"), ("encoding" = Option<String>, Query, description = "For CSV: utf-8 (if absent, with a byte order mark) or gbk")),
    responses((status = 200, description = "The file", content((Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (String = "text/csv"), (String = "application/geo+json"))),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn export(State(app): State<Arc<App>>, viewer: Viewer, Path(file): Path<String>, mut params: Params) -> Result<Response> {
    let encoding = params.text("encoding")?;
    params.finish()?;
    let (layer, extension) = file.rsplit_once('.').unwrap_or((&file, ""));
    let world = app.live.world_owned();
    let (_, index) = world.find_layer(layer)?;
    let bytes = tokio::task::block_in_place(|| export_bytes(index, extension, &viewer))?;
    let (mime, bytes) = match (extension, encoding.as_deref()) {
        ("csv", None | Some("utf-8")) => ("text/csv; charset=utf-8", [b"\xEF\xBB\xBF", bytes.as_slice()].concat()),
        ("csv", Some("gbk")) => ("text/csv; charset=gbk", encoding_rs::GB18030.encode(&String::from_utf8_lossy(&bytes)).0.into_owned()),
        ("xlsx", None) => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", bytes),
        (_, None) => ("application/geo+json", bytes),
        (_, Some(other)) => return Err(Error::new(Code::InvalidParameter, "encoding", other, "utf-8 or gbk, for csv")),
    };
    let name = format!("attachment; filename=\"{layer}.{extension}\"");
    Ok(([(header::CONTENT_TYPE, mime.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}

/// The ground under the registers: rivers, roads and names of the demo county, where that is what the store holds; else empty
#[utoipa::path(get, path = "/basemap.geojson", tag = "files",
    responses((status = 200, description = "FeatureCollection with class and name; `fictional` where the county is the demo's", content_type = "application/geo+json")))]
async fn basemap(State(app): State<Arc<App>>, _viewer: Viewer, params: Params) -> Result<Response> {
    params.finish()?;
    let ground = app.demo_ground().unwrap_or_else(|| br#"{"type":"FeatureCollection","fictional":false,"features":[]}"#.to_vec());
    Ok(([(header::CONTENT_TYPE, "application/geo+json"), (header::CACHE_CONTROL, "no-cache")], ground).into_response())
}

/// A layer as the bytes of a file: `xlsx`, `csv` or `geojson`.
///
/// # Errors
/// [`Code::UnsupportedMedia`] for another format.
pub fn export_bytes(index: &LayerIndex, format: &str, viewer: &Viewer) -> Result<Vec<u8>> {
    let features = index.by_id.values();
    match format {
        "xlsx" => spreadsheet::write(&index.layer, features.map(|stored| &stored.feature)),
        "csv" => Ok(csv::write(&index.layer, features.map(|stored| &stored.feature))),
        "geojson" => {
            let mut out = b"{\"type\":\"FeatureCollection\",\"features\":[".to_vec();
            for (i, stored) in features.enumerate() {
                out.extend_from_slice(if i > 0 { b",\n{" } else { b"\n{" });
                out.extend_from_slice(stored.fragment(viewer));
                out.push(b'}');
            }
            out.extend_from_slice(b"\n]}\n");
            Ok(out)
        }
        other => Err(Error::new(Code::UnsupportedMedia, "export", other, "xlsx, csv, geojson")),
    }
}
