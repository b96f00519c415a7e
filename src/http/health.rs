//! For whoever runs the server: is it alive, is it fit to answer, what has it done.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics_text))
}

/// Beyond this age of its view a server isn't fit to answer.
const READY_S: f64 = 2.0;

/// The process runs
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "ok", content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok"
}

/// The view is up to date and the store answers
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "{ready, seq, age_s, store}", content_type = "application/json"),
              (status = 503, description = "The same, with what is wrong", content_type = "application/json")))]
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let store = match tokio::time::timeout(std::time::Duration::from_secs(1), app.store.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.titles()[0].clone()),
        Err(_) => Some("no answer within 1 s".to_owned()),
    };
    let age_s = app.live.age_s();
    let ready = store.is_none() && age_s <= READY_S;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body =
        json!({ "ready": ready, "seq": app.live.world().seq, "age_s": age_s, "store": app.store.kind().word(), "store_error": store });
    (status, Json(body)).into_response()
}

/// Counters and timings in the Prometheus format
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "Prometheus text format", content_type = "text/plain")))]
async fn metrics_text(State(app): State<Arc<App>>) -> Response {
    let world = app.live.world();
    metrics::gauge!("biaotu_seq").set(world.seq as f64);
    metrics::gauge!("biaotu_view_age_seconds").set(app.live.age_s());
    for index in world.layers() {
        metrics::gauge!("biaotu_features", "layer" => index.layer.id.clone()).set(index.by_id.len() as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], recorder().render()).into_response()
}

/// The process's recorder, installed at first use: one a process, however many servers a test starts.
pub fn recorder() -> &'static PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Timings are kept one by one until they are gathered: nobody may ever ask for them.
        let gathered = handle.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(std::time::Duration::from_secs(2));
                gathered.run_upkeep();
            }
        });
        // Fails only if another recorder is there, which then gets the numbers.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
