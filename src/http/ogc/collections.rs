//! Layers as collections, and the schemas of their features.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Map, Value as Json, json};

use super::{super::params::Params, GEOJSON, JSON, SCHEMA, base, crs::Crs, link, respond};
use crate::{
    app::App,
    error::Result,
    model::{Field, FieldType, GeometryKind, Layer},
    world::{LayerIndex, boxes::LonLatBox},
};

const WORLD: LonLatBox = LonLatBox { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };

type Extent = Option<[f64; 4]>;

/// Extents by layer, each with the mark of the index that it was taken from.
static EXTENTS: LazyLock<Mutex<HashMap<String, (u64, Extent)>>> = LazyLock::new(Mutex::default);

/// The box of all features of a layer; taken anew only where the layer changed.
fn extent(index: &LayerIndex) -> Extent {
    let mark = index.mark_of(WORLD);
    let known = EXTENTS.lock().unwrap_or_else(PoisonError::into_inner).get(&index.layer.id).copied();
    if let Some((at, extent)) = known
        && at == mark
    {
        return extent;
    }
    let extent = index
        .by_id
        .values()
        .filter_map(|stored| Some(stored.feature.geometry.as_ref()?.bounds()))
        .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    let extent = extent.map(
        |[west, south, east, north]| {
            if west < -180.0 || east > 180.0 { [-180.0, south, 180.0, north] } else { [west, south, east, north] }
        },
    );
    EXTENTS.lock().unwrap_or_else(PoisonError::into_inner).insert(index.layer.id.clone(), (mark, extent));
    extent
}

fn describe(index: &LayerIndex, base: &str) -> Json {
    let layer = &index.layer;
    let at = format!("{base}/collections/{}", layer.id);
    let title = format!("{} / {}", layer.name.zh, layer.name.en);
    let mut links = vec![
        link(at.clone(), "self", JSON, &title),
        link(format!("{at}/items"), "items", GEOJSON, &title),
        link(format!("{at}/queryables"), "http://www.opengis.net/def/rel/ogc/1.0/queryables", SCHEMA, "Queryables / 可查询字段"),
        link(format!("{at}/schema"), "http://www.opengis.net/def/rel/ogc/1.0/schema", SCHEMA, "Schema / 结构"),
    ];
    let mut json = json!({
        "id": layer.id, "title": title, "title_zh": layer.name.zh, "title_en": layer.name.en,
        "description": format!("{}: {} / {}", layer.group, layer.name.zh, layer.name.en),
        "itemType": "feature", "itemCount": index.by_id.len(),
        "crs": Crs::ALL.map(Crs::uri), "storageCrs": Crs::Crs84.uri(), "definition": &**layer,
    });
    if layer.geometry != GeometryKind::None {
        links.push(link(format!("{base}/tiles/{}", layer.id), "tiles", JSON, "TileJSON"));
        if let Some(bbox) = extent(index) {
            json["extent"] = json!({"spatial": {"bbox": [bbox], "crs": Crs::Crs84.uri()}});
        }
    }
    json["links"] = Json::Array(links);
    json
}

/// All layers
#[utoipa::path(get, path = "/collections", tag = "features",
    responses((status = 200, description = "The layers", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn collections(State(app): State<Arc<App>>, params: Params, headers: HeaderMap) -> Result<Response> {
    params.finish()?;
    let (world, base) = (app.live.world_owned(), base(&headers));
    let links = [link(format!("{base}/collections"), "self", JSON, "Layers / 图层")];
    let all: Vec<_> = world.layers().map(|index| describe(index, &base)).collect();
    Ok(respond(JSON, &json!({"links": links, "crs": Crs::ALL.map(Crs::uri), "collections": all})))
}

/// One layer
#[utoipa::path(get, path = "/collections/{layer}", tag = "features", params(("layer" = String, Path, description = "Layer id")),
    responses((status = 200, description = "The layer", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn collection(State(app): State<Arc<App>>, Path(layer): Path<String>, params: Params, headers: HeaderMap) -> Result<Response> {
    params.finish()?;
    let world = app.live.world_owned();
    let (_, index) = world.find_layer(&layer)?;
    Ok(respond(JSON, &describe(index, &base(&headers))))
}

fn field_schema(field: &Field) -> Json {
    let values = || field.kind.values().iter().map(|value| value.value.as_str()).collect::<Vec<_>>();
    let mut schema = match &field.kind {
        FieldType::Text => json!({"type": "string"}),
        FieldType::Integer => json!({"type": "integer"}),
        FieldType::Number => json!({"type": "number"}),
        FieldType::Boolean => json!({"type": "boolean"}),
        FieldType::Date => json!({"type": "string", "format": "date"}),
        FieldType::Datetime => json!({"type": "string", "format": "date-time"}),
        FieldType::Enum { .. } => json!({"type": "string", "enum": values()}),
        FieldType::List { .. } => json!({"type": "array", "items": {"type": "string", "enum": values()}}),
        FieldType::Ref { to } => json!({"type": "string", "format": "uuid", "x-ogc-role": "reference", "x-ogc-collectionId": to}),
    };
    schema["title"] = json!(format!("{} / {}", field.name.zh, field.name.en));
    if let Some(unit) = &field.unit {
        schema["x-ogc-unit"] = json!(unit);
    }
    if let Some(min) = field.min {
        schema["minimum"] = json!(min);
    }
    if let Some(max) = field.max {
        schema["maximum"] = json!(max);
    }
    if field.read_only {
        schema["readOnly"] = json!(true);
    }
    schema
}

/// The JSON Schema of a layer's properties; with `all`, those that the server keeps and what is required too.
pub fn layer_schema(layer: &Layer, id: String, all: bool) -> Json {
    let mut properties = Map::new();
    if all {
        properties.insert("id".into(), json!({"type": "string", "format": "uuid", "readOnly": true, "x-ogc-role": "id"}));
    }
    let format = match layer.geometry {
        GeometryKind::None => None,
        GeometryKind::Point => Some("geometry-point"),
        GeometryKind::Line => Some("geometry-linestring-or-multilinestring"),
        GeometryKind::Polygon => Some("geometry-polygon-or-multipolygon"),
        GeometryKind::Any => Some("geometry-any"),
    };
    if let Some(format) = format {
        properties.insert("geometry".into(), json!({"title": "位置 / Geometry", "format": format, "x-ogc-role": "primary-geometry"}));
    }
    for field in &layer.fields {
        properties.insert(field.key.clone(), field_schema(field));
    }
    if all {
        properties.insert("version".into(), json!({"type": "integer", "title": "版本 / Version", "readOnly": true}));
        properties
            .insert("updated_at".into(), json!({"type": "string", "format": "date-time", "title": "更新时间 / Updated", "readOnly": true}));
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id, "type": "object",
        "title": format!("{} / {}", layer.name.zh, layer.name.en), "properties": properties, "additionalProperties": false,
    });
    if all {
        let required: Vec<_> = layer.fields.iter().filter(|field| field.required).map(|field| field.key.as_str()).collect();
        schema["required"] = json!(required);
    }
    schema
}

/// What a filter may name
#[utoipa::path(get, path = "/collections/{layer}/queryables", tag = "features", params(("layer" = String, Path, description = "Layer id")),
    responses((status = 200, description = "JSON Schema", content_type = "application/schema+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn queryables(State(app): State<Arc<App>>, Path(layer): Path<String>, params: Params, headers: HeaderMap) -> Result<Response> {
    params.finish()?;
    let (_, definition) = app.catalog.layer(&layer)?;
    Ok(respond(SCHEMA, &layer_schema(definition, format!("{}/collections/{layer}/queryables", base(&headers)), false)))
}

/// What a feature consists of
#[utoipa::path(get, path = "/collections/{layer}/schema", tag = "features", params(("layer" = String, Path, description = "Layer id")),
    responses((status = 200, description = "JSON Schema", content_type = "application/schema+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn schema(State(app): State<Arc<App>>, Path(layer): Path<String>, params: Params, headers: HeaderMap) -> Result<Response> {
    params.finish()?;
    let (_, definition) = app.catalog.layer(&layer)?;
    Ok(respond(SCHEMA, &layer_schema(definition, format!("{}/collections/{layer}/schema", base(&headers)), true)))
}
