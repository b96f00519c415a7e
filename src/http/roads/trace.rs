//! The roads that a GPS trace was driven on.

use std::sync::Arc;

use axum::extract::{Path, State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{params::Params, query::maybe_long},
    Answered, Refused,
    answer::{answer, finish},
    asked::{Asked, Details, PLACES_MAX, Places, coordinates, detail},
};
use crate::{
    app::App,
    error::{Code, Error},
    model::Viewer,
    roads::{
        Snap,
        matching::{self, Fix},
        osrm::{self, Tracepoint},
        region::{Ask, Mode, SNAP_LIMIT_M},
    },
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(match_trace))
}

/// The roads that a GPS trace was driven on
///
/// OSRM v1. Closures don't count: what was driven was driven. / 轨迹匹配到道路。
#[utoipa::path(get, path = "/match/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT;LON,LAT…", example = "113.94,28.60;113.96,28.62"),
        ("timestamps" = Option<String>, Query, description = "Seconds since 1970, one for each"),
        ("gaps" = Option<String>, Query, description = "split or ignore"),
        ("tidy" = Option<bool>, Query, description = "Leave out places that say nothing new"),
        Details,
        ("waypoints" = Option<String>, Query, description = "Taken, and of no effect"),
        Places,
    ),
    responses((status = 200, description = "OSRM's answer, with `answer`", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn match_trace(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path((profile, text)): Path<(String, String)>,
    mut params: Params,
) -> Answered {
    let places = coordinates(&text, PLACES_MAX)?;
    let asked = Asked::read(&app, &profile, places, &mut params, None)?;
    let detail = detail(&mut params)?;
    let times = match params.text("timestamps")? {
        None => vec![None; asked.asks.len()],
        Some(text) => text
            .split(';')
            .map(|time| {
                time.trim()
                    .parse::<i64>()
                    .map(Some)
                    .map_err(|_| Error::new(Code::InvalidParameter, "timestamps", time, "seconds since 1970"))
            })
            .collect::<Result<_, _>>()?,
    };
    if times.len() != asked.asks.len() || times.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(
            Error::new(Code::InvalidParameter, "timestamps", times.len(), "one for each coordinate, none before the one before").into()
        );
    }
    let ignore_gaps = match params.text("gaps")?.as_deref() {
        None | Some("split") => false,
        Some("ignore") => true,
        Some(other) => return Err(Error::new(Code::InvalidParameter, "gaps", other, "split, ignore").into()),
    };
    let options = matching::Options { ignore_gaps, tidy: params.flag("tidy")? };
    params.text("waypoints")?;
    params.finish()?;
    if asked.asks.len() < 2 {
        return Err(Refused::new("InvalidQuery", "Number of coordinates needs to be at least two / 至少需要两个坐标"));
    }
    let work = || {
        let conditions = asked.roads.free(asked.mode);
        let fix = |(ask, time): (&Ask, &Option<i64>)| {
            let radius_m = if ask.limit_m == SNAP_LIMIT_M || !ask.limit_m.is_finite() { Fix::RADIUS_M } else { ask.limit_m };
            Fix { lon: ask.lon, lat: ask.lat, time: *time, radius_m }
        };
        let fixes: Vec<Fix> = asked.asks.iter().zip(&times).map(fix).collect();
        let near = |(ask, fix): (&Ask, &Fix)| {
            asked.roads.region.candidates(asked.mode(), &Ask { limit_m: fix.reach_m(), ..*ask }, CANDIDATES, Mode::ways)
        };
        let candidates: Vec<Vec<Snap>> = asked.asks.iter().zip(&fixes).map(near).collect();
        let matchings = matching::trace(&fixes, &candidates, options, |from, to, _| {
            conditions.table(&[*from], to).into_iter().map(|cost| (!cost.is_never()).then_some(cost)).collect()
        });
        let mut tracepoints: Vec<Option<Tracepoint>> = vec![None; fixes.len()];
        let mut driven = Vec::new();
        for matching in &matchings {
            let legs: Vec<_> = conditions.trips(&matching.snaps, |_| false).into_iter().filter_map(|trip| trip.leg).collect();
            if legs.len() + 1 != matching.snaps.len() {
                continue;
            }
            for (waypoint, (fix, (snap, others))) in
                matching.fixes.iter().zip(matching.snaps.iter().zip(&matching.alternatives)).enumerate()
            {
                tracepoints[*fix] = Some(Tracepoint { snap: *snap, matching: driven.len(), waypoint, alternatives: *others });
            }
            driven.push((legs, matching.confidence));
        }
        if driven.is_empty() {
            return Err(Refused::new("NoMatch", "Could not match the trace to roads / 轨迹无法匹配到道路"));
        }
        let mut out = Vec::new();
        osrm::matching(&conditions.scene(), &driven, &tracepoints, &detail, &mut out);
        Ok(finish(out, &answer(&app, &asked, &conditions, &[])))
    };
    maybe_long(true, work)
}

/// Roads that a place of a trace may have been on.
const CANDIDATES: usize = 8;
