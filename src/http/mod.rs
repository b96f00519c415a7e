//! The HTTP faces: one file each. `problem.rs` is the only table of statuses; [`router`] lists every face.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    app::App,
    error::{Code, Error},
};

pub mod assets;
pub mod by_time;
pub mod edge;
pub mod events;
pub mod files;
pub mod health;
pub mod ogc;
pub mod openapi;
pub mod params;
pub mod problem;
pub mod query;
pub mod roads;
pub mod tiles;
pub mod viewer;

/// The largest body that is read, but where a face says otherwise.
pub const BODY_MAX: usize = 10 * 1024 * 1024;

/// Every route of the server.
pub fn router(app: Arc<App>) -> Router {
    health::recorder();
    let (faces, document) = OpenApiRouter::new()
        .merge(ogc::routes())
        .merge(query::routes())
        .merge(roads::routes())
        .merge(tiles::routes())
        .merge(files::routes())
        .merge(events::routes())
        .merge(health::routes())
        .split_for_parts();
    let document = openapi::complete(document, &app.catalog);
    faces
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/vnd.oai.openapi+json;version=3.0")], document) }),
        )
        .route("/", get(home))
        .route("/docs", get(|headers: HeaderMap| async move { page("docs.html", &headers) }))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(edge::edge))
        .with_state(app)
}

/// The map for people, the landing page of the API for programs.
async fn home(state: State<Arc<App>>, params: params::Params, headers: HeaderMap) -> Response {
    if assets::prefers_html(&headers) {
        return page("index.html", &headers);
    }
    ogc::landing_json(state, params, headers).await.into_response()
}

/// A page of the command map, with the headers that keep foreign code out of it.
fn page(name: &str, request: &HeaderMap) -> Response {
    const CSP: &str = "default-src 'self'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    let Some(mut response) = assets::file(name, request) else {
        let remedy = "run make build / 请先运行 make build";
        return Error::new(Code::NotFound, "page", name, remedy).into_response();
    };
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    response
}

async fn missing(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if (method == Method::GET || method == Method::HEAD)
        && let Some(found) = assets::file(uri.path().trim_start_matches('/'), &headers)
    {
        return found;
    }
    Error::new(Code::NotFound, "path", uri.path(), "/openapi.json lists every path / 所有路径见 /openapi.json").into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    Error::new(Code::MethodNotAllowed, uri.path(), method, "a method that /openapi.json lists / 见 /openapi.json").into_response()
}
