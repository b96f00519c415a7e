//! Travel times and distances from many places to many.

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
    asked::{Asked, Asking, Places, check_places, chosen, coordinates, from_body},
};
use crate::{
    app::App,
    error::{Code, Error},
    model::Viewer,
    roads::{
        Cost, Snap,
        osrm::{self, Measures},
    },
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(table)).routes(routes!(table_by_body))
}

/// Sources times destinations.
const CELLS_MAX: usize = 2_000_000;
/// More sources than this, and it pays to bring a hierarchy up to date for this answer alone.
const ROWS_BY_DIJKSTRA: usize = 8;

/// Travel times and distances from each of some places to each of others
///
/// OSRM v1. Unreachable is null. / 多对多行程时间与距离表。
#[utoipa::path(get, path = "/table/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT;LON,LAT…", example = "113.94,28.60;113.96,28.62"),
        ("sources" = Option<String>, Query, description = "Numbers of coordinates, or all"),
        ("destinations" = Option<String>, Query, description = "Numbers of coordinates, or all"),
        ("annotations" = Option<String>, Query, description = "duration, distance, or both"),
        ("fallback_speed" = Option<f64>, Query, description = "Not supported: a straight line is never given as a way by road"),
        ("scale_factor" = Option<f64>, Query, description = "Multiplies durations"),
        Places,
        ("skip_waypoints" = Option<bool>, Query, description = "Leave sources and destinations out of the answer"),
    ),
    responses((status = 200, description = "OSRM's answer, with `answer`", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn table(State(app): State<Arc<App>>, _viewer: Viewer, Path((profile, text)): Path<(String, String)>, params: Params) -> Answered {
    let places = coordinates(&text, usize::MAX)?;
    answer_table(&app, &profile, places, None, params)
}

/// The same by a body: `{"coordinates": [[lon, lat], …], "sources": [0], "destinations": [1, 2], "annotations": "duration,distance", …}`
///
/// For tables too long for an address. / 请求体方式的行程时间表。
#[utoipa::path(post, path = "/table/v1/{profile}", tag = "roads", request_body(content = Json, content_type = "application/json"),
    params(("profile" = String, Path, description = "car, truck, emergency, foot")),
    responses((status = 200, description = "As the GET", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn table_by_body(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path(profile): Path<String>,
    params: Params,
    Body(body): Body,
) -> Answered {
    params.finish()?;
    let Asking { places, closures, params } = from_body(&body)?;
    check_places(&places, usize::MAX)?;
    answer_table(&app, &profile, places, closures.as_ref(), params)
}

fn answer_table(app: &App, profile: &str, places: Vec<(f64, f64)>, closures: Option<&Json>, mut params: Params) -> Answered {
    let mut asked = Asked::read(app, profile, places, &mut params, closures)?;
    let count = asked.asks.len();
    let (from, to) = (chosen(&mut params, "sources", count)?, chosen(&mut params, "destinations", count)?);
    let mut measures = Measures { durations: true, distances: false };
    if let Some(text) = params.text("annotations")? {
        let words: Vec<&str> = text.split([',', ';']).collect();
        if let Some(unknown) = words.iter().find(|word| !matches!(**word, "duration" | "distance")) {
            return Err(Error::new(Code::InvalidParameter, "annotations", unknown, "duration, distance, or both").into());
        }
        measures = Measures { durations: words.contains(&"duration"), distances: words.contains(&"distance") };
    }
    if let Some(speed) = params.text("fallback_speed")? {
        return Err(Error::new(
            Code::InvalidParameter,
            "fallback_speed",
            speed,
            "nothing: unreachable is null / 不可达为 null,不以直线代替",
        )
        .into());
    }
    let scale = params.number("scale_factor", 0.01, 100.0)?.unwrap_or(1.0);
    let skip_waypoints = params.flag("skip_waypoints")?;
    params.finish()?;
    if from.len().saturating_mul(to.len()) > CELLS_MAX {
        return Err(Refused::new("TooBig", format!("{} × {}: at most {CELLS_MAX} cells / 表格过大", from.len(), to.len())));
    }
    let (is_what_if, large) = (asked.is_what_if(), from.len() * to.len() > 2_000);
    let pending = asked.roads.is_pending();
    asked.asks.iter_mut().for_each(|ask| (ask.leaves, ask.enters) = (false, false));
    from.iter().for_each(|n| asked.asks[*n].leaves = true);
    to.iter().for_each(|n| asked.asks[*n].enters = true);
    let work = || {
        let snaps = asked.snaps()?;
        if pending && from.len() > ROWS_BY_DIJKSTRA {
            asked.roads = Arc::new(asked.roads.settled());
        }
        let mut conditions = asked.conditions();
        if conditions.metric.is_none() && from.len() > ROWS_BY_DIJKSTRA {
            conditions.customize();
        }
        let (sources, destinations): (Vec<Snap>, Vec<Snap>) =
            (from.iter().map(|n| snaps[*n]).collect(), to.iter().map(|n| snaps[*n]).collect());
        let mut costs = conditions.table(&sources, &destinations);
        if scale != 1.0 {
            let scaled = |cost: Cost| Cost::new((f64::from(cost.ms()) * scale).min(f64::from(1 << 29)) as u32, cost.dm());
            costs.iter_mut().filter(|cost| !cost.is_never()).for_each(|cost| *cost = scaled(*cost));
        }
        let says = answer(app, &asked, &conditions, &[]);
        let mut out = Vec::new();
        let (sources, destinations_told) = if skip_waypoints { (vec![], vec![]) } else { (sources, destinations.clone()) };
        osrm::table(&conditions.region.network, (&sources, &destinations_told), &costs, destinations.len(), measures, &mut out);
        Ok(finish(out, &says))
    };
    maybe_long(large || pending || is_what_if, work)
}
