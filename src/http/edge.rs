//! What every request passes first and every answer last: who asks, how long it took, the headers that all answers carry.

use std::{
    cell::RefCell,
    collections::HashMap,
    convert::Infallible,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use metrics::Histogram;
use tower::ServiceExt;
use tower_http::compression::Compression;

use super::viewer::viewer_of;
use crate::error::Error;

/// A request that takes longer is told of.
const SLOW: Duration = Duration::from_secs(1);

/// The one middleware of all routes: one, since each costs every request an allocation or three.
pub async fn edge(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match viewer_of(request.uri(), request.headers()) {
        Ok(viewer) => {
            request.extensions_mut().insert(viewer);
            let answered = AssertUnwindSafe(run(request, next)).catch_unwind().await;
            answered.unwrap_or_else(|_| Error::internal("a panic; it has been logged").into_response())
        }
        Err(error) => error.into_response(),
    };
    let (route, elapsed) = (matched.as_ref().map_or("other", MatchedPath::as_str), started.elapsed());
    record(route, &method, response.status(), elapsed);
    if elapsed > SLOW && route != "/events" {
        tracing::warn!(%method, route, seconds = elapsed.as_secs_f64(), "slow request");
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers, compressed where the client takes that: machines on the same site mostly don't ask, and don't pay.
async fn run(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return next.run(request).await;
    }
    let inner = tower::service_fn(|request| async { Ok::<_, Infallible>(next.clone().run(request).await) });
    let Ok(response) = Compression::new(inner).gzip(true).oneshot(request).await;
    response.map(Body::new)
}

type OfRoute = Vec<(Method, StatusCode, Histogram)>;

/// Counts a request by route, method and status. Handles are kept by thread: looking one up by its labels costs more than the count.
fn record(route: &str, method: &Method, status: StatusCode, elapsed: Duration) {
    thread_local!(static HANDLES: RefCell<HashMap<String, OfRoute>> = RefCell::default());
    HANDLES.with_borrow_mut(|handles| {
        if !handles.contains_key(route) {
            handles.insert(route.to_owned(), OfRoute::new());
        }
        let Some(of_route) = handles.get_mut(route) else { return };
        let known = of_route.iter().position(|(m, s, _)| m == method && *s == status).unwrap_or_else(|| {
            let (method_label, status_label) = (method.to_string(), status.as_u16().to_string());
            let labels = [("route", route.to_owned()), ("method", method_label), ("status", status_label)];
            of_route.push((method.clone(), status, metrics::histogram!("biaotu_request_seconds", &labels)));
            of_route.len() - 1
        });
        of_route[known].2.record(elapsed.as_secs_f64());
    });
}
