//! The nearest positions on roads.

use std::sync::Arc;

use axum::extract::{Path, State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::params::Params,
    Answered,
    answer::{answer, finish},
    asked::{Asked, Places, coordinates},
};
use crate::{
    app::App,
    model::Viewer,
    roads::{osrm, region::Mode},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(nearest))
}

/// No more than this many nearest roads are told.
const NEAREST_MAX: usize = 100;

/// The nearest positions on roads
///
/// OSRM v1. / 最近的道路位置。
#[utoipa::path(get, path = "/nearest/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT", example = "113.94,28.60"),
        ("number" = Option<u32>, Query, description = "How many roads", minimum = 1, maximum = 100),
        Places,
    ),
    responses((status = 200, description = "OSRM's answer, with `answer`", content_type = "application/json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn nearest(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path((profile, text)): Path<(String, String)>,
    mut params: Params,
) -> Answered {
    let places = coordinates(&text, 1)?;
    let asked = Asked::read(&app, &profile, places, &mut params, None)?;
    let count = params.number("number", 1, NEAREST_MAX)?.unwrap_or(1);
    params.finish()?;
    let ways = if asked.any || count > 1 { Mode::ways } else { Mode::mainland };
    let mut snaps = asked.roads.region.candidates(asked.mode(), &asked.asks[0], count, ways);
    if snaps.is_empty() {
        snaps = asked.roads.region.candidates(asked.mode(), &asked.asks[0], count, Mode::ways);
    }
    if snaps.is_empty() {
        return Err(asked.no_segment(0));
    }
    let mut out = Vec::new();
    osrm::nearest(&asked.roads.region.network, &snaps, &mut out);
    Ok(finish(out, &answer(&app, &asked, &asked.roads.conditions(asked.mode), &[])))
}
