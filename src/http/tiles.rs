//! Vector tiles from the world, with an ETag that changes with what the tile shows.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::Params;
use crate::{
    app::App,
    error::{Code, Error, Result},
    model::{FieldType, GeometryKind, Viewer},
    world::tile::{TilePlace, tagged},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(tilejson)).routes(routes!(tile))
}

/// Marks of the index are unique within a process; this makes them so between processes.
static PROCESS: LazyLock<u128> = LazyLock::new(|| uuid::Uuid::now_v7().as_u128());

/// A layer's TileJSON
#[utoipa::path(get, path = "/tiles/{layer}", tag = "tiles", params(("layer" = String, Path, description = "Layer id")),
    responses((status = 200, description = "TileJSON 3.0", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn tilejson(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path(layer): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    params.finish()?;
    let world = app.live.world();
    let (_, index) = world.find_layer(&layer)?;
    let definition = &index.layer;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let kind = |at: usize| match definition.fields[at].kind {
        FieldType::Integer | FieldType::Number => "Number",
        FieldType::Boolean => "Boolean",
        _ => "String",
    };
    let mut fields: serde_json::Map<_, _> = tagged(definition).map(|(at, key)| (key.to_owned(), json!(kind(at)))).collect();
    for (key, kind) in [("id", "String"), ("excluded", "String"), ("point_count", "Number")] {
        fields.insert(key.into(), json!(kind));
    }
    let tilejson = json!({
        "tilejson": "3.0.0", "name": definition.name.en, "description": definition.name.zh, "scheme": "xyz",
        "tiles": [format!("http://{host}/tiles/{layer}/{{z}}/{{x}}/{{y}}")],
        "minzoom": definition.symbol.min_zoom, "maxzoom": TilePlace::Z_MAX,
        "vector_layers": [{ "id": definition.id, "fields": fields }],
    });
    Ok(Json(tilejson).into_response())
}

/// A vector tile
///
/// Made from the same view as every answer: after an edit is acknowledged, no older tile is given. Tiles of more than 20,000
/// points show clusters with `point_count`.
#[utoipa::path(get, path = "/tiles/{layer}/{z}/{x}/{y}", tag = "tiles",
    params(("layer" = String, Path, description = "Layer id"), ("z" = u8, Path, description = "Zoom 0–22", maximum = 22), ("x" = u32, Path, description = "Column"), ("y" = u32, Path, description = "Row")),
    responses((status = 200, description = "MVT 2.1", content_type = "application/vnd.mapbox-vector-tile"),
              (status = 204, description = "Nothing there"), (status = 304, description = "As you have it"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn tile(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path((layer, z, x, y)): Path<(String, String, String, String)>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    // Clients add a version to get past their own caches; it means nothing here.
    let _ = params.text("v")?;
    params.finish()?;
    let row = y.strip_suffix(".mvt").or_else(|| y.strip_suffix(".pbf")).unwrap_or(&y);
    let place = match (z.parse(), x.parse(), row.parse()) {
        (Ok(z), Ok(x), Ok(y)) => TilePlace::new(z, x, y),
        _ => None,
    };
    let place = place.ok_or_else(|| Error::new(Code::NotFound, "tile", format!("{z}/{x}/{y}"), "z 0–22, x and y below 2^z"))?;
    let world = app.live.world_owned();
    let (n, index) = world.find_layer(&layer)?;
    if index.layer.geometry == GeometryKind::None {
        return Err(Error::new(Code::NotFound, "tiles", layer, "a layer with geometry / 有几何的图层"));
    }
    let mut hasher = std::hash::DefaultHasher::new();
    (*PROCESS, viewer.class(), n, index.mark_of(place.bounds())).hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|given| given.split(',').any(|one| one.trim().trim_start_matches("W/") == etag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = tokio::task::block_in_place(|| index.tile(place));
        if bytes.is_empty() { StatusCode::NO_CONTENT.into_response() } else { bytes.into_response() }
    };
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.mapbox-vector-tile"));
    // Kept, but asked about each time.
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        head.insert(header::ETAG, etag);
    }
    Ok(response)
}
