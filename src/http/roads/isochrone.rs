//! How far one gets by road within some minutes.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use geo::{LineString, MultiPolygon, Polygon};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::{params::Params, query::maybe_long},
    Answered,
    answer::{answer, finish, tenths},
    asked::{Asked, Places, coordinates, number},
};
use crate::{
    app::App,
    error::{Code, Error},
    model::Viewer,
    roads::{
        Cost, Point,
        isochrone::isochrones,
        osrm::{list, location},
        router::Trip,
    },
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(isochrone))
}

/// How far one gets by road within some minutes
///
/// Mapbox's shape. Each polygon holds all that is reached, and nothing farther from a reached road than its `margin_m`. Closures are
/// obeyed. / 等时圈:若干分钟内道路可达范围,遵守管制。
#[utoipa::path(get, path = "/isochrone/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT", example = "113.94,28.60"),
        ("contours_minutes" = String, Query, description = "Rising minutes, separated by commas: up to 10 of up to 180", example = "5,10,15"),
        ("contours_colors" = Option<String>, Query, description = "A colour for each, as 6706ce"),
        ("polygons" = Option<bool>, Query, description = "true (default) for polygons, false for their outlines"),
        ("denoise" = Option<f64>, Query, description = "Taken, and of no effect"),
        ("generalize" = Option<f64>, Query, description = "Taken, and of no effect: outlines are as exact as margin_m"),
        Places,
    ),
    responses((status = 200, description = "FeatureCollection, the widest first, with `answer`", content_type = "application/geo+json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn isochrone(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path((profile, text)): Path<(String, String)>,
    mut params: Params,
) -> Answered {
    let places = coordinates(&text, 1)?;
    let asked = Asked::read(&app, &profile, places, &mut params, None)?;
    let text = params.required("contours_minutes", "minutes, as 5,10,15 / 分钟数")?;
    let minutes: Vec<f64> = text.split(',').filter_map(|minutes| number(minutes, 0.1, MINUTES_MAX)).collect();
    if minutes.len() != text.split(',').count() || minutes.len() > CONTOURS_MAX || minutes.windows(2).any(|pair| pair[0] >= pair[1]) {
        let expected = format!("up to {CONTOURS_MAX} rising numbers from 0.1 to {MINUTES_MAX}");
        return Err(Error::new(Code::InvalidParameter, "contours_minutes", text, expected).into());
    }
    let colors = params.list("contours_colors")?.unwrap_or_default();
    let is_color = |color: &String| color.len() == 6 && color.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !colors.is_empty() && (colors.len() != minutes.len() || !colors.iter().all(is_color)) {
        return Err(Error::new(Code::InvalidParameter, "contours_colors", colors.join(","), "a colour for each contour, as 6706ce").into());
    }
    let polygons = params.text("polygons")?.is_none_or(|text| text != "false");
    let _ = (params.text("denoise")?, params.text("generalize")?);
    params.finish()?;
    let snaps = asked.snaps()?;
    let work = || {
        let conditions = asked.conditions();
        let limits: Vec<Cost> = minutes.iter().map(|minutes| Cost::new((minutes * 60_000.0) as u32, 0)).collect();
        let areas = isochrones(&conditions, &snaps[0], &limits);
        let features: Vec<_> = areas.iter().zip(&minutes).enumerate().rev().collect();
        let mut body = br#"{"type":"FeatureCollection","features":"#.to_vec();
        list(&mut body, &features, |out, (n, (area, minutes))| {
            let color = colors.get(*n).map_or_else(|| SHADES[n % SHADES.len()].to_owned(), |color| format!("#{color}"));
            let properties = json!({
                "contour": minutes, "metric": "time", "color": color, "opacity": 0.33, "fill": color, "fillColor": color,
                "fill-opacity": 0.33, "fillOpacity": 0.33, "margin_m": area.margin_m.ceil(),
            });
            out.extend_from_slice(format!(r#"{{"type":"Feature","properties":{properties},"geometry":"#).as_bytes());
            geometry(out, &area.area, polygons);
            out.push(b'}');
        });
        body.push(b'}');
        let inside = Trip {
            leg: None,
            free: None,
            avoided: vec![],
            inside: conditions.closures.holding(snaps[0].road, snaps[0].at, conditions.mode.driver()),
        };
        let mut says = answer(&app, &asked, &conditions, &[inside]);
        says["snap_m"] = tenths(snaps[0].distance_m).into();
        Ok(([(header::CONTENT_TYPE, "application/geo+json")], finish(body, &says)).into_response())
    };
    maybe_long(true, work)
}

/// An area as its polygons, or as their outlines.
fn geometry(out: &mut Vec<u8>, area: &MultiPolygon, polygons: bool) {
    let ring = |out: &mut Vec<u8>, ring: &LineString| list(out, &ring.0, |out, at| location(out, Point::new(at.x, at.y)));
    let rings = |part: &Polygon| std::iter::once(part.exterior()).chain(part.interiors()).cloned().collect::<Vec<_>>();
    let kind = match (polygons, area.0.len()) {
        (true, 1) => "Polygon",
        (true, _) => "MultiPolygon",
        (false, _) => "MultiLineString",
    };
    out.extend_from_slice(format!(r#"{{"type":"{kind}","coordinates":"#).as_bytes());
    match (kind, &area.0[..]) {
        ("Polygon", [one]) => list(out, &rings(one), ring),
        ("MultiPolygon", parts) => list(out, parts, |out, part| list(out, &rings(part), ring)),
        (_, parts) => list(out, &parts.iter().flat_map(rings).collect::<Vec<_>>(), ring),
    }
    out.push(b'}');
}

const MINUTES_MAX: f64 = 180.0;
const CONTOURS_MAX: usize = 10;
/// From near to far, where the request has no colours of its own.
const SHADES: [&str; 5] = ["#2166ac", "#67a9cf", "#fddbc7", "#ef8a62", "#b2182b"];
