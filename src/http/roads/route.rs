//! The fastest way by road.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde_json::Value as Json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{
        params::{Body, Params},
        query::maybe_long,
    },
    Answered, Refused,
    answer::{answer, finish},
    asked::{Asked, Asking, Details, PLACES_MAX, Places, check_places, chosen, coordinates, detail, from_body},
};
use crate::{
    app::App,
    error::{Code, Error},
    model::Viewer,
    roads::{Snap, osrm, trip::joined},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(route)).routes(routes!(route_by_body))
}

/// The fastest way by road between two or more places
///
/// OSRM v1. Closures in force are obeyed; `answer.closures` names those avoided and what that costs. `closures` (GeoJSON) adds closures
/// to this request alone, `lift` (ids, or `all`) takes away those in force. / 道路路径,遵守生效中的管制。
#[utoipa::path(get, path = "/route/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT;LON,LAT…, polyline(…) or polyline6(…)", example = "113.94,28.60;113.96,28.62"),
        ("alternatives" = Option<String>, Query, description = "true, false or a number / 备选路线"),
        Details,
        ("continue_straight" = Option<String>, Query, description = "default, true or false: whether it may turn round at places between"),
        ("waypoints" = Option<String>, Query, description = "Numbers of the places that end a leg"),
        Places,
        ("skip_waypoints" = Option<bool>, Query, description = "Leave waypoints out of the answer"),
    ),
    responses((status = 200, description = "OSRM's answer, with `answer`", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn route(State(app): State<Arc<App>>, _viewer: Viewer, Path((profile, text)): Path<(String, String)>, params: Params) -> Answered {
    let places = coordinates(&text, PLACES_MAX)?;
    answer_route(&app, &profile, places, None, params)
}

/// The same by a body: `{"coordinates": [[lon, lat], …], "closures": GeoJSON, "lift": […], …}`
///
/// For closures and traces too long for an address. / 请求体方式的路径查询。
#[utoipa::path(post, path = "/route/v1/{profile}", tag = "roads", request_body(content = Json, content_type = "application/json"),
    params(("profile" = String, Path, description = "car, truck, emergency, foot")),
    responses((status = 200, description = "As the GET", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn route_by_body(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path(profile): Path<String>,
    params: Params,
    Body(body): Body,
) -> Answered {
    params.finish()?;
    let Asking { places, closures, params } = from_body(&body)?;
    check_places(&places, PLACES_MAX)?;
    answer_route(&app, &profile, places, closures.as_ref(), params)
}

fn answer_route(app: &App, profile: &str, places: Vec<(f64, f64)>, closures: Option<&Json>, mut params: Params) -> Answered {
    let mut asked = Asked::read(app, profile, places, &mut params, closures)?;
    let detail = detail(&mut params)?;
    let alternatives = match params.text("alternatives")?.as_deref() {
        None | Some("false") => 0,
        Some("true") => 1,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|n| *n <= 3)
            .ok_or_else(|| Error::new(Code::InvalidParameter, "alternatives", text, "true, false, 0–3"))?,
    };
    let turns_round = match params.text("continue_straight")?.as_deref() {
        None | Some("default" | "true") => false,
        Some("false") => true,
        Some(other) => return Err(Error::new(Code::InvalidParameter, "continue_straight", other, "default, true, false").into()),
    };
    let skip_waypoints = params.flag("skip_waypoints")?;
    let ends = chosen(&mut params, "waypoints", asked.asks.len())?;
    params.finish()?;
    if asked.asks.len() < 2 {
        return Err(Refused::new("InvalidQuery", "Number of coordinates needs to be at least two / 至少需要两个坐标"));
    }
    if ends.first() != Some(&0) || ends.last() != Some(&(asked.asks.len() - 1)) || ends.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::new(
            Code::InvalidParameter,
            "waypoints",
            format!("{ends:?}"),
            "rising numbers, the first and the last place among them",
        )
        .into());
    }
    // A trip needn't get away from where it ends, nor come to where it begins.
    let last = asked.asks.len() - 1;
    asked.asks.iter_mut().enumerate().for_each(|(n, ask)| (ask.leaves, ask.enters) = (n < last, n > 0));
    let snaps = asked.snaps()?;
    let (roads, is_what_if) = (asked.roads.clone(), asked.is_what_if());
    let work = || {
        let conditions = asked.conditions();
        let trips = conditions.trips(&snaps, |_| turns_round);
        let says = answer(app, &asked, &conditions, &trips);
        if trips.len() + 1 != snaps.len() || trips.iter().any(|trip| trip.leg.is_none()) {
            let message = match says["closures"].as_array().is_some_and(|closures| !closures.is_empty()) {
                true => "No route: closures cut it off, see answer.closures / 道路管制导致不可达,见 answer.closures",
                false => "Impossible route between points / 两点之间没有可通行道路",
            };
            return Err(Refused { code: "NoRoute", message: message.into(), answer: Some(says) });
        }
        let scene = conditions.scene();
        let best: Vec<_> = trips.into_iter().filter_map(|trip| trip.leg).collect();
        let mut routes = vec![joined(best, &ends)];
        if let ([from, to], 1..) = (&snaps[..], alternatives) {
            routes.extend(conditions.alternatives(from, to, &routes[0][0], alternatives).into_iter().map(|leg| vec![leg]));
        }
        let mut out = Vec::with_capacity(4_096);
        let waypoints: Vec<Snap> = if skip_waypoints { vec![] } else { ends.iter().map(|n| snaps[*n]).collect() };
        osrm::route(&scene, &routes, &waypoints, &detail, &mut out);
        Ok(finish(out, &says))
    };
    // Without a hierarchy for these costs, or with many places, a search takes milliseconds.
    maybe_long(is_what_if || roads.is_pending() || snaps.len() > 10, work)
}
