//! Spatial questions by travel time: how their answers are read, put together and written.

use std::io::Write;

use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use super::{
    params::Params,
    query::{Within, json_bytes, write_answer, write_hit},
    roads::{closure_json, idle_json, met_json, tenths},
};
use crate::{
    app::{
        App,
        travel::{Timed, TimedFound, Travel},
    },
    error::{Code, Error, Result},
    live::now,
    model::Viewer,
    roads::Cost,
    world::{Excluded, Question, World, answer::write_metres, stock::Sums},
};

/// `by` and `profile`: the profile where a question is by time.
pub fn by_time(params: &mut Params) -> Result<Option<String>> {
    let (by, profile) = (params.text("by")?, params.text("profile")?);
    match by.as_deref() {
        Some("time") => Ok(Some(profile.unwrap_or_else(|| PROFILE.to_owned()))),
        None | Some("distance") if profile.is_none() => Ok(None),
        None | Some("distance") => {
            Err(Error::new(Code::InvalidParameter, "profile", profile.unwrap_or_default(), "by=time with it / 需同时给出 by=time"))
        }
        Some(other) => Err(Error::new(Code::InvalidParameter, "by", other, "distance, time")),
    }
}

/// Who travels where nobody is named.
pub const PROFILE: &str = "car";

/// The longest travel time that is asked for.
pub const MINUTES_MAX: f64 = 180.0;

pub fn answer_within_minutes(
    app: &App,
    world: &World,
    viewer: &Viewer,
    asked: &Within,
    travel: &Travel<'_>,
    minutes: f64,
    hazard: Option<&str>,
) -> Result<Response> {
    let time = Cost::new((minutes * 60_000.0) as u32, 0);
    let mut all = TimedFound { named: vec![], count: 0, sums: Sums::default(), excluded: Excluded::default(), searched_m: None };
    let mut counts = Map::new();
    for (n, filter) in asked.layers.iter().zip(&asked.filters) {
        let question = Question { viewer, now: now(), filter: filter.as_ref(), hazard, include: asked.include, inside: None };
        let found = travel.within(world, *n, time, asked.limit, question)?;
        counts.insert(world.catalog.layers[*n].id.clone(), json!(found.count));
        all.count += found.count;
        all.named.extend(found.named);
        all.excluded.join(found.excluded);
        all.sums.join(&found.sums);
    }
    all.named.sort_by_key(|one| (one.cost.is_none(), one.cost, one.hit.stored.feature.id));
    all.named.truncate(asked.limit);
    let mut more = by_road(travel, world, &all.named);
    more.insert("counts".into(), Json::Object(counts));
    if asked.sum {
        more.insert("sums".into(), all.sums.to_json(world.items()));
    }
    Ok(write_timed_collection(app, world, viewer, &all, hazard, more))
}

pub fn write_timed_collection(
    app: &App,
    world: &World,
    viewer: &Viewer,
    found: &TimedFound<'_>,
    hazard: Option<&str>,
    more: Map<String, Json>,
) -> Response {
    let mut out = b"{\"type\":\"FeatureCollection\",\"features\":".to_vec();
    write_timed(&mut out, &found.named, viewer);
    let _ = write!(out, ",\"numberMatched\":{},\"numberReturned\":{},\"answer\":", found.count, found.named.len());
    write_answer(&mut out, app, world, hazard, &found.excluded, more);
    out.push(b'}');
    json_bytes(out)
}

pub fn write_timed(out: &mut Vec<u8>, timed: &[Timed<'_>], viewer: &Viewer) {
    out.push(b'[');
    for (i, one) in timed.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",{\"duration_s\":" } else { b"{\"duration_s\":" });
        match one.cost {
            Some(cost) => write_metres(tenths(cost.seconds()), out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"road_m\":");
        match one.cost {
            Some(cost) => write_metres(cost.metres(), out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"snap_m\":");
        match one.snap {
            Some(snap) => write_metres(tenths(snap.distance_m), out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        let mut hit = Vec::new();
        write_hit(&mut hit, &one.hit, one.hit.stored.fragment(viewer));
        out.extend_from_slice(&hit[1..]);
    }
    out.push(b']');
}

/// What an answer by road says beside what every answer does.
pub fn by_road(travel: &Travel<'_>, world: &World, timed: &[Timed<'_>]) -> Map<String, Json> {
    let closures = &travel.conditions.closures;
    let mut more = Map::new();
    more.insert("closures".into(), met_json(closures, travel.closures(world, timed)));
    more.insert("basis".into(), "road".into());
    more.insert("profile".into(), travel.conditions.mode.profile.name.as_str().into());
    more.insert("roads_seq".into(), travel.roads.seq.into());
    more.insert("closures_in_force".into(), closures.list().len().into());
    more.insert("close_no_road".into(), idle_json(closures));
    more.insert("inside".into(), travel.inside().into_iter().map(|n| closure_json(closures, n)).collect());
    more.insert("snap_m".into(), tenths(travel.snap_m()).into());
    more
}
