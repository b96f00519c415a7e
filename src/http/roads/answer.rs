//! What the answers by road say about themselves.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};

use super::{super::query::STALE_S, asked::Asked};
use crate::{
    app::App,
    live::now,
    model::Value,
    roads::{Conditions, closures::Closures, router::Trip},
};

/// A closure as answers name it; `n` is its place among those in force.
pub fn closure_json(closures: &Closures, n: usize) -> Json {
    let closure = &closures.list()[n].closure;
    json!({ "id": closure.id, "layer": closure.layer, "name": closure.name, "kind": closure.kind })
}

/// Closures with what they do to an answer: avoided at the price of some seconds or, with none, cutting a place off. Unreachable is
/// told as null, never as a number.
pub fn met_json(closures: &Closures, met: impl IntoIterator<Item = (usize, Option<f64>)>) -> Json {
    let one = |(n, extra): (usize, Option<f64>)| {
        let mut one = closure_json(closures, n);
        one["effect"] = (if extra.is_some() { "avoided" } else { "cuts_off" }).into();
        one["extra_s"] = extra.map(tenths).into();
        one
    };
    met.into_iter().map(one).collect()
}

/// Closures in force that close nothing.
pub fn idle_json(closures: &Closures) -> Json {
    closures.idle().iter().take(IDLE_MAX).map(|n| closure_json(closures, *n as usize)).collect()
}

/// How many of them an answer names.
const IDLE_MAX: usize = 20;

/// Rounded to tenths.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// What an answer rests on: which changes it knows, and what closures did to it.
pub(super) fn answer(app: &App, asked: &Asked, conditions: &Conditions<'_>, trips: &[Trip]) -> Json {
    let (mut met, mut inside) = (BTreeMap::new(), BTreeSet::new());
    for trip in trips {
        inside.extend(&trip.inside);
        for n in &trip.avoided {
            let known: &mut Option<f64> = met.entry(*n).or_insert(Some(0.0));
            *known = known.zip(trip.extra_s()).map(|(known, extra)| known + extra);
        }
    }
    let closures = &conditions.closures;
    let mut answer = json!({
        "seq": asked.seq,
        "roads_seq": asked.roads.seq,
        "at": Value::Time(now()).to_text(),
        "basis": "road",
        "profile": conditions.mode.profile.name,
        "closures_in_force": closures.list().len(),
        "close_no_road": idle_json(closures),
        "closures": met_json(closures, met),
        "begins_inside": inside.into_iter().map(|n: &usize| closure_json(closures, *n)).collect::<Json>(),
    });
    if asked.is_what_if() {
        answer["what_if"] = true.into();
    }
    let age = app.live.age_s();
    if age > STALE_S {
        answer["stale_s"] = tenths(age).into();
    }
    answer
}

/// Adds the answer to an object that is written already.
pub(super) fn finish(mut out: Vec<u8>, answer: &Json) -> Response {
    out.pop();
    out.extend_from_slice(b",\"answer\":");
    out.extend_from_slice(answer.to_string().as_bytes());
    out.push(b'}');
    ([(header::CONTENT_TYPE, "application/json")], out).into_response()
}
