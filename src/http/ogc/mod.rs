//! OGC API Features, parts 1 to 4: the one CRUD face, answered from the world.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::Params;
use crate::{app::App, error::Result};

mod ask;
mod collections;
pub mod crs;
mod items;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(conformance))
        .routes(routes!(collections::collections))
        .routes(routes!(collections::collection))
        .routes(routes!(collections::queryables))
        .routes(routes!(collections::schema))
        .routes(routes!(items::items, items::create, items::items_options))
        .routes(routes!(items::item, items::replace, items::update, items::remove, items::item_options))
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const GEOJSON: &str = "application/geo+json";
pub(crate) const SCHEMA: &str = "application/schema+json";

/// Only what holds.
const CONFORMANCE: [&str; 23] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/case-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/array-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
    "http://www.opengis.net/spec/cql2/1.0/conf/arithmetic",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/create-replace-delete",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/update",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/optimistic-locking-etags",
    "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/schemas",
];

/// The address that the client knows this server by.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

pub(crate) fn link(href: String, rel: &str, kind: &str, title: &str) -> Json {
    json!({"href": href, "rel": rel, "type": kind, "title": title})
}

pub(crate) fn respond(kind: &'static str, json: &Json) -> Response {
    ([(header::CONTENT_TYPE, kind)], json.to_string()).into_response()
}

/// The landing page for programs; browsers get the map.
pub async fn landing_json(State(_): State<Arc<App>>, params: Params, headers: HeaderMap) -> Result<Response> {
    params.finish()?;
    let base = base(&headers);
    Ok(respond(
        JSON,
        &json!({
            "title": "标图 Biaotu",
            "description": "An emergency bureau's map server / 应急管理一张图",
            "links": [
                link(format!("{base}/"), "self", JSON, "This page / 本页"),
                link(format!("{base}/openapi.json"), "service-desc", "application/vnd.oai.openapi+json;version=3.0", "OpenAPI"),
                link(format!("{base}/docs"), "service-doc", "text/html", "Documentation / 接口文档"),
                link(format!("{base}/conformance"), "conformance", JSON, "Conformance classes / 符合性"),
                link(format!("{base}/conformance"), "http://www.opengis.net/def/rel/ogc/1.0/conformance", JSON, "Conformance classes / 符合性"),
                link(format!("{base}/collections"), "data", JSON, "Layers / 图层"),
                link(format!("{base}/collections"), "http://www.opengis.net/def/rel/ogc/1.0/data", JSON, "Layers / 图层"),
            ],
        }),
    ))
}

/// The conformance classes that hold
#[utoipa::path(get, path = "/conformance", tag = "features",
    responses((status = 200, description = "Conformance classes", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn conformance(params: Params) -> Result<Response> {
    params.finish()?;
    Ok(respond(JSON, &json!({"conformsTo": CONFORMANCE})))
}
