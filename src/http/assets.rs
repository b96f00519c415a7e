//! The command map's files and the definitions' defaults, built into the binary.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::Embed;

/// `web/dist`, as `make build` leaves it; empty in a build by cargo alone.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Web;

/// Serves a file of the command map; `None` where there is none of that name.
pub fn file(path: &str, request: &HeaderMap) -> Option<Response> {
    let found = Web::get(path)?;
    let etag = format!("\"{}\"", found.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    if request.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == etag.as_bytes()) {
        return Some(StatusCode::NOT_MODIFIED.into_response());
    }
    // Names under assets/ carry a hash of their content.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    let mut response = found.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(mime.as_ref()).ok()?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).ok()?);
    Some(response)
}

/// Whether the request would rather have a page than JSON.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let at = |kind: &str| accept.find(kind).unwrap_or(usize::MAX);
    at("text/html") < at("application/json")
}
