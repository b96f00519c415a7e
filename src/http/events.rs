//! The live stream: server-sent events, one a change, `id` its `seq`, resumable with `Last-Event-ID`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::Params;
use crate::{
    app::App,
    error::{Code, Error, Result},
    live::News,
    model::{Change, Viewer},
    world::{boxes::LonLatBox, time_json},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(events))
}

/// A batch larger than this is told as one event a layer: nobody looks at 100,000 rows going by.
const SINGLY_MAX: usize = 1_000;
/// How far back a client may resume; beyond it is told to reset.
const RESUME_MAX: usize = 10_000;

/// What a subscriber wants to hear.
struct Wanted {
    /// By layer number; all where empty.
    layers: Vec<usize>,
    bbox: Option<LonLatBox>,
}

impl Wanted {
    fn wants(&self, change: &Change) -> bool {
        let layer = self.layers.is_empty() || self.layers.contains(&change.layer);
        layer
            && self.bbox.is_none_or(|bbox| {
                let states = [&change.old, &change.new];
                states.into_iter().flatten().any(|feature| feature.geometry.as_ref().is_some_and(|geometry| bbox.meets(geometry)))
            })
    }
}

/// Every change as it becomes visible
///
/// Events: `hello` {seq}; `change` {seq, at, actor, layer, id, op, version} (or {layer, op: "bulk", count} for large batches);
/// `roads` {seq, at, actor}: another road graph; `reset` {seq}: read everything anew. / 变更实时推送(SSE),断线后凭 Last-Event-ID 续传。
#[utoipa::path(get, path = "/events", tag = "live",
    params(
        ("layer" = Option<String>, Query, description = "Only these layers, comma-separated / 图层"),
        ("bbox" = Option<String>, Query, description = "west,south,east,north", example = "113,28,115,29"),
        ("Last-Event-ID" = Option<String>, Header, description = "Resume after this seq"),
    ),
    responses((status = 200, description = "A stream that doesn't end", content_type = "text/event-stream"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn events(State(app): State<Arc<App>>, _viewer: Viewer, mut params: Params, headers: HeaderMap) -> Result<Response> {
    let layers = match params.list("layer")? {
        None => vec![],
        Some(names) => names.iter().map(|name| Ok(app.catalog.layer(name)?.0)).collect::<Result<Vec<_>>>()?,
    };
    let bbox = params.text("bbox")?.map(|text| LonLatBox::parse("bbox", &text)).transpose()?;
    params.finish()?;
    let resume = match headers.get("last-event-id") {
        None => None,
        Some(value) => {
            let seq = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
            Some(seq.ok_or_else(|| {
                Error::new(Code::InvalidParameter, "Last-Event-ID", format!("{value:?}"), "the id of an event / 事件序号")
            })?)
        }
    };
    let wanted = Wanted { layers, bbox };
    // Subscribe first: what is published while the past is read is then in the queue.
    let mut news = app.live.subscribe();
    let mut told = app.live.world().seq;
    let past = match resume {
        Some(after) if after < told => app.store.changes(after, RESUME_MAX + 1).await.ok().filter(|changes| changes.len() <= RESUME_MAX),
        _ => Some(vec![]),
    };
    let stream = async_stream::stream! {
        yield Ok::<_, Infallible>(Event::default().event("hello").data(json!({ "seq": told }).to_string()));
        match past {
            None => yield Ok(reset(told)),
            Some(changes) => {
                told = told.max(changes.last().map_or(0, |change| change.seq));
                for event in tell(&app, &changes, &wanted) {
                    yield Ok(event);
                }
            }
        }
        loop {
            match news.recv().await {
                Ok(News::Changes(changes)) => {
                    let unheard = changes.partition_point(|change| change.seq <= told);
                    told = told.max(changes.last().map_or(0, |change| change.seq));
                    for event in tell(&app, &changes[unheard..], &wanted) {
                        yield Ok(event);
                    }
                }
                Ok(News::Roads(seq)) => yield Ok(Event::default().event("roads").data(json!({ "roads_seq": seq }).to_string())),
                // Told to start anew rather than left with a hole.
                Ok(News::Reset) | Err(RecvError::Lagged(_)) => {
                    told = app.live.world().seq;
                    yield Ok(reset(told));
                }
                Err(RecvError::Closed) => break,
            }
        }
    };
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)).event(Event::default().event("ping").data("{}")))
        .into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

fn reset(seq: u64) -> Event {
    Event::default().event("reset").id(seq.to_string()).data(json!({ "seq": seq }).to_string())
}

fn event_of(name: &str, seq: u64, data: serde_json::Value) -> Event {
    Event::default().event(name).id(seq.to_string()).data(data.to_string())
}

fn tell(app: &App, changes: &[Change], wanted: &Wanted) -> Vec<Event> {
    let heard: Vec<&Change> = changes.iter().filter(|change| wanted.wants(change)).collect();
    let event = |seq: u64, data: serde_json::Value| event_of("change", seq, data);
    if heard.len() <= SINGLY_MAX {
        return heard
            .into_iter()
            .map(|change| {
                let op = match (&change.old, &change.new) {
                    (None, _) => "create",
                    (_, None) => "delete",
                    _ => "update",
                };
                // Another road graph: nothing of a feature's is there to be told.
                let Some(layer) = app.catalog.layers.get(change.layer) else {
                    return event_of("roads", change.seq, json!({ "seq": change.seq, "at": time_json(change.at), "actor": change.actor }));
                };
                let version = change.new.as_ref().or(change.old.as_ref()).map(|feature| feature.version);
                let data = json!({ "seq": change.seq, "at": time_json(change.at), "actor": change.actor, "layer": layer.id, "id": change.id, "op": op, "version": version });
                event(change.seq, data)
            })
            .collect();
    }
    let mut counts = std::collections::BTreeMap::new();
    for change in &heard {
        *counts.entry(change.layer).or_insert(0_u64) += 1;
    }
    let last = heard.last().map_or(0, |change| change.seq);
    counts
        .into_iter()
        .filter_map(|(n, count)| Some((app.catalog.layers.get(n)?, count)))
        .map(|(layer, count)| event(last, json!({ "seq": last, "layer": layer.id, "id": null, "op": "bulk", "count": count })))
        .collect()
}
