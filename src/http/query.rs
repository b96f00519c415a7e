//! Spatial questions: nearest, within, stats, dossier. Answers are written from fragments serialised once a feature version.

use std::{io::Write, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value as Json, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    by_time::{MINUTES_MAX, PROFILE, answer_within_minutes, by_road, by_time, write_timed, write_timed_collection},
    params::{Body, Params, parse_json, parse_position},
};
use crate::{
    app::{App, travel::Travel},
    error::{Code, Error, Result},
    live::now,
    model::{Filter, Geometry, GeometryKind, LayerRole, Role, Viewer},
    world::{Excluded, Hit, Question, World, answer::write_metres, nearest::Place, stock::Sums, time_json, within::Reach},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(nearest, nearest_batch))
        .routes(routes!(within, within_area))
        .routes(routes!(stats))
        .routes(routes!(dossier))
}

/// The longest radius: half way round the earth.
const RADIUS_MAX: f64 = 20_100_000.0;
const K_MAX: usize = 1_000;
const POINTS_MAX: usize = 10_000;
/// Points times k in one batch.
const BATCH_HITS_MAX: usize = 500_000;
const LIMIT_MAX: usize = 10_000;
/// Beyond this the server says that its view is old.
pub const STALE_S: f64 = 2.0;
/// A radius beyond this may take long enough to hold up other requests of the same thread.
const FAR_M: f64 = 50_000.0;

/// Where a question is asked, and what it inherits from there.
struct Origin {
    place: Place,
    hazard: Option<String>,
}

/// Reads `point` or `incident`, and `hazard`, which an incident hands down.
fn origin(params: &mut Params, world: &World, viewer: &Viewer) -> Result<Option<Origin>> {
    let point = params.position("point")?;
    let incident = params.text("incident")?;
    let hazard = params.hazard(world)?;
    let ((lon, lat), inherited) = match (point, incident) {
        (Some(_), Some(id)) => {
            return Err(Error::new(Code::InvalidParameter, "incident", id, "point or incident, not both / 二者只给一个"));
        }
        (Some(point), None) => (point, None),
        (None, Some(id)) => find_incident(world, viewer, &id)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Origin { place: Place::new(lon, lat), hazard: hazard.or(inherited) }))
}

fn required_origin(params: &mut Params, world: &World, viewer: &Viewer) -> Result<Origin> {
    origin(params, world, viewer)?.ok_or_else(|| {
        Error::new(Code::InvalidParameter, "point", "absent / 缺失", "point=LON,LAT or incident=ID / 给出 point 或 incident")
    })
}

fn find_incident(world: &World, viewer: &Viewer, id: &str) -> Result<((f64, f64), Option<String>)> {
    for (n, layer) in world.catalog.with_role(LayerRole::Incident) {
        if let Ok(stored) = world.find(viewer, n, id) {
            let geometry = stored.feature.geometry.as_ref();
            let anchor = geometry
                .ok_or_else(|| Error::new(Code::InvalidParameter, "incident", id, "an incident with a place / 已定位的事件"))?
                .anchor();
            let hazard = layer.role(Role::HazardKind).and_then(|at| stored.feature.values[at].as_str()).map(str::to_owned);
            return Ok((anchor, hazard));
        }
    }
    Err(Error::new(Code::NotFound, "incident", id, "the id or code of an incident / 事件 id 或编码"))
}

fn check_spatial(world: &World, layers: &[usize]) -> Result<()> {
    for n in layers {
        let layer = &world.catalog.layers[*n];
        if layer.geometry == GeometryKind::None {
            return Err(Error::new(Code::InvalidParameter, "layer", &layer.id, "a layer with geometry / 有几何的图层"));
        }
    }
    Ok(())
}

/// Runs what may take milliseconds without holding up the other requests of this thread.
pub fn maybe_long<T>(long: bool, work: impl FnOnce() -> T) -> T {
    if long { tokio::task::block_in_place(work) } else { work() }
}

// ---- writing ----

pub fn write_hit(out: &mut Vec<u8>, hit: &Hit<'_>, fragment: &[u8]) {
    out.extend_from_slice(b"{\"distance_m\":");
    write_metres(hit.distance_m, out);
    out.push(b',');
    out.extend_from_slice(fragment);
    out.push(b'}');
}

fn write_hits(out: &mut Vec<u8>, hits: &[Hit<'_>], viewer: &Viewer) {
    // All features are found before the first is copied: the misses of the cache, which are what this costs, then overlap.
    let fragments: Vec<&[u8]> = hits.iter().map(|hit| hit.stored.fragment(viewer)).collect();
    out.reserve(fragments.iter().map(|fragment| fragment.len() + 40).sum::<usize>() + 512);
    out.push(b'[');
    for (i, (hit, fragment)) in hits.iter().zip(fragments).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_hit(out, hit, fragment);
    }
    out.push(b']');
}

/// What every computed answer says about itself: `{seq, at, basis, …}`, and `more` members.
pub fn write_answer(out: &mut Vec<u8>, app: &App, world: &World, hazard: Option<&str>, excluded: &Excluded<'_>, more: Map<String, Json>) {
    // Writing to memory doesn't fail; hazard kinds are plain words of the definitions.
    let at = crate::model::Value::Time(now()).to_text();
    let _ = write!(out, "{{\"seq\":{},\"at\":\"{at}\",", world.seq);
    if !more.contains_key("basis") {
        out.extend_from_slice(b"\"basis\":\"straight_line\",\"closures\":[],");
    }
    out.extend_from_slice(b"\"hazard\":");
    let _ = match hazard {
        Some(kind) => write!(out, "\"{kind}\""),
        None => out.write_all(b"null"),
    };
    let _ = write!(out, ",\"hazard_assessed\":{},\"excluded\":", hazard.is_some());
    excluded.write_list(world, out);
    let _ = write!(out, ",\"excluded_counts\":{}", excluded.counts_json());
    let age = app.live.age_s();
    if age > STALE_S {
        let _ = write!(out, ",\"stale_s\":{age:.1}");
    }
    for (key, value) in more {
        let _ = write!(out, ",\"{key}\":{value}");
    }
    out.push(b'}');
}

pub fn json_bytes(out: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/geo+json")], out).into_response()
}

/// `{"type":"FeatureCollection","features":[…],"numberMatched":…,"numberReturned":…,"answer":` — the answer follows.
fn write_collection(hits: &[Hit<'_>], matched: u64, viewer: &Viewer) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    out.extend_from_slice(b"{\"type\":\"FeatureCollection\",\"features\":");
    write_hits(&mut out, hits, viewer);
    let _ = write!(out, ",\"numberMatched\":{matched},\"numberReturned\":{},\"answer\":", hits.len());
    out
}

// ---- nearest ----

/// The parameters of nearest but for the place.
struct Nearest {
    layer: usize,
    k: usize,
    filter: Option<Filter>,
    include: u8,
    /// By travel time in this profile.
    profile: Option<String>,
}

fn nearest_params(params: &mut Params, world: &World) -> Result<Nearest> {
    let layer = params.layers(world, false)?[0];
    check_spatial(world, &[layer])?;
    Ok(Nearest {
        layer,
        profile: by_time(params)?,
        k: params.number("k", 1, K_MAX)?.unwrap_or(10),
        filter: params.filter(&world.catalog.layers[layer])?,
        include: params.include()?,
    })
}

/// The nearest features of a layer to a point or an incident
///
/// Straight-line (geodesic) distances; closed, full, unsafe and unverified ones are left out by default, and the answer
/// says which and why. / 距某点或某事件最近的要素(直线距离),默认排除关闭、满员、不安全和未核实者并说明原因。
#[utoipa::path(get, path = "/query/nearest", tag = "query",
    params(
        ("layer" = String, Query, description = "Layer id / 图层"),
        ("point" = Option<String>, Query, description = "LON,LAT in degrees / 经度,纬度", example = "113.95,28.61"),
        ("incident" = Option<String>, Query, description = "Id or code of an incident, instead of point; its hazard is inherited / 事件"),
        ("k" = Option<u32>, Query, description = "How many / 数量", minimum = 1, maximum = 1000),
        ("by" = Option<String>, Query, description = "distance, or time by road / 直线距离或道路时间"),
        ("profile" = Option<String>, Query, description = "Who travels, with by=time: car, truck, emergency, foot / 出行方式"),
        ("hazard" = Option<String>, Query, description = "Hazard kind that `unsafe` is judged by / 灾害类型"),
        ("include" = Option<String>, Query, description = "Lift exclusions: any of closed,full,unsafe,unverified / 解除排除"),
        ("filter" = Option<String>, Query, description = "CQL2 text or JSON / CQL2 筛选"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "CRS84 only"),
    ),
    responses((status = 200, description = "FeatureCollection with distance_m and answer", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn nearest(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params) -> Result<Response> {
    let world = app.live.world();
    let origin = required_origin(&mut params, &world, &viewer)?;
    let asked = nearest_params(&mut params, &world)?;
    params.finish()?;
    let question = Question {
        viewer: &viewer,
        now: now(),
        filter: asked.filter.as_ref(),
        hazard: origin.hazard.as_deref(),
        include: asked.include,
        inside: None,
    };
    if let Some(profile) = &asked.profile {
        let roads = app.live.roads();
        return maybe_long(true, || {
            let travel = Travel::new(&roads, profile, origin.place)?;
            let found = travel.nearest(&world, asked.layer, asked.k, question);
            let mut more = by_road(&travel, &world, &found.named);
            if let Some(searched_m) = found.searched_m {
                more.insert("searched_m".into(), searched_m.round().into());
            }
            Ok(write_timed_collection(&app, &world, &viewer, &found, origin.hazard.as_deref(), more))
        });
    }
    let (hits, excluded) = maybe_long(asked.filter.is_some(), || world.nearest(asked.layer, origin.place, asked.k, question));
    let mut out = write_collection(&hits, hits.len() as u64, &viewer);
    write_answer(&mut out, &app, &world, origin.hazard.as_deref(), &excluded, Map::new());
    out.push(b'}');
    Ok(json_bytes(out))
}

/// The nearest features to each of up to 10,000 points, or only those inside a polygon
///
/// Body: `{"points": [[lon,lat], …], "inside": GeoJSON polygon (optional)}`; parameters as in the GET. Answers `{answers: [{features}, …], answer}`
/// in the order of the points.
#[utoipa::path(post, path = "/query/nearest", tag = "query", request_body(content = Json, content_type = "application/json"),
    params(
        ("layer" = String, Query, description = "Layer id / 图层"),
        ("k" = Option<u32>, Query, description = "How many for each point / 每点数量", minimum = 1, maximum = 1000),
        ("by" = Option<String>, Query, description = "distance, or time by road / 直线距离或道路时间"),
        ("profile" = Option<String>, Query, description = "Who travels, with by=time: car, truck, emergency, foot / 出行方式"),
        ("hazard" = Option<String>, Query, description = "Hazard kind"),
        ("include" = Option<String>, Query, description = "Lift exclusions"),
        ("filter" = Option<String>, Query, description = "CQL2"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "CRS84 only"),
    ),
    responses((status = 200, description = "answers[], one for each point, and answer", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn nearest_batch(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params, Body(body): Body) -> Result<Response> {
    let world = app.live.world_owned();
    let hazard = params.hazard(&world)?;
    let asked = nearest_params(&mut params, &world)?;
    params.finish()?;
    if asked.profile.is_some() {
        return Err(Error::new(
            Code::InvalidParameter,
            "by",
            "time",
            "distance; for many places by time ask /table/v1 / 多点时间查询请用 /table/v1",
        ));
    }
    let body = parse_json(&body)?;
    let expected = "{\"points\": [[lon, lat], …]}";
    let members = body.as_object().ok_or_else(|| Error::new(Code::InvalidBody, "", "no object / 非对象", expected))?;
    if let Some(unknown) = members.keys().find(|key| !matches!(key.as_str(), "points" | "inside")) {
        return Err(Error::new(Code::UnknownParameter, unknown.as_str(), "", "points, inside"));
    }
    let points =
        members.get("points").and_then(Json::as_array).ok_or_else(|| Error::new(Code::InvalidBody, "points", "absent / 缺失", expected))?;
    if points.len() > POINTS_MAX || points.len().saturating_mul(asked.k) > BATCH_HITS_MAX {
        let most = format!("{POINTS_MAX} points, and {BATCH_HITS_MAX} answers (points × k)");
        return Err(Error::new(Code::TooLarge, "points", format!("{} × {}", points.len(), asked.k), most));
    }
    let mut places = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        let field = format!("points[{i}]");
        let numbers: Option<Vec<f64>> = point.as_array().map(|pair| pair.iter().filter_map(Json::as_f64).collect());
        match numbers.as_deref() {
            Some([lon, lat]) => {
                let (lon, lat) = parse_position(&field, &format!("{lon},{lat}"))?;
                places.push(Place::new(lon, lat));
            }
            _ => return Err(Error::new(Code::InvalidBody, field, point, "[lon, lat]")),
        }
    }
    let inside = members
        .get("inside")
        .filter(|json| !json.is_null())
        .map(Geometry::area_from_geojson)
        .transpose()
        .map_err(|error| error.within("inside"))?;
    let question = Question {
        viewer: &viewer,
        now: now(),
        filter: asked.filter.as_ref(),
        hazard: hazard.as_deref(),
        include: asked.include,
        inside: inside.as_ref(),
    };
    let out = maybe_long(true, || {
        let mut out = b"{\"answers\":[".to_vec();
        let mut all = Excluded::default();
        for (i, place) in places.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let (hits, excluded) = world.nearest(asked.layer, *place, asked.k, question);
            out.extend_from_slice(b"{\"type\":\"FeatureCollection\",\"features\":");
            write_hits(&mut out, &hits, &viewer);
            out.extend_from_slice(format!(",\"excluded_counts\":{}}}", excluded.counts_json()).as_bytes());
            all.join(excluded);
        }
        out.extend_from_slice(b"],\"answer\":");
        write_answer(&mut out, &app, &world, hazard.as_deref(), &all, Map::new());
        out.push(b'}');
        out
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], out).into_response())
}

// ---- within ----

pub struct Within {
    pub layers: Vec<usize>,
    pub filters: Vec<Option<Filter>>,
    pub include: u8,
    pub limit: usize,
    pub sum: bool,
}

fn within_params(params: &mut Params, world: &World) -> Result<Within> {
    let layers = params.layers(world, true)?;
    check_spatial(world, &layers)?;
    let sum = match params.text("sum")?.as_deref() {
        None => false,
        Some("stock") => true,
        Some(other) => return Err(Error::new(Code::InvalidParameter, "sum", other, "stock")),
    };
    // One filter for all layers: each must have the properties that it names.
    let filters = layers.iter().map(|n| params.clone().filter(&world.catalog.layers[*n])).collect::<Result<_>>()?;
    params.filter(&world.catalog.layers[layers[0]])?;
    Ok(Within { filters, layers, include: params.include()?, limit: params.number("limit", 0, LIMIT_MAX)?.unwrap_or(100), sum })
}

fn answer_within(app: &App, world: &World, viewer: &Viewer, asked: &Within, reach: Reach<'_>, hazard: Option<&str>) -> Vec<u8> {
    let mut excluded = Excluded::default();
    let (mut hits, mut matched, mut counts) = (Vec::new(), 0, Map::new());
    let mut sums: Option<Sums> = None;
    for (n, filter) in asked.layers.iter().zip(&asked.filters) {
        let question = Question { viewer, now: now(), filter: filter.as_ref(), hazard, include: asked.include, inside: None };
        let found = world.within(*n, reach, asked.limit, asked.sum, question);
        counts.insert(world.catalog.layers[*n].id.clone(), json!(found.count));
        matched += found.count;
        hits.extend(found.hits);
        excluded.join(found.excluded);
        match &mut sums {
            None => sums = Some(found.sums),
            Some(sums) => sums.join(&found.sums),
        }
    }
    if asked.layers.len() > 1 {
        hits.sort_by(|a: &Hit<'_>, b| a.distance_m.total_cmp(&b.distance_m).then(a.stored.feature.id.cmp(&b.stored.feature.id)));
        hits.truncate(asked.limit);
        excluded.would_be_among(&hits, asked.limit);
    }
    let mut more = Map::new();
    more.insert("counts".into(), Json::Object(counts));
    if let Some(sums) = sums.filter(|_| asked.sum) {
        more.insert("sums".into(), sums.to_json(world.items()));
    }
    let mut out = write_collection(&hits, matched, viewer);
    write_answer(&mut out, app, world, hazard, &excluded, more);
    out.push(b'}');
    out
}

/// What is within a radius of a point or an incident, counted and summed
///
/// The nearest `limit` features; counts and sums cover all that match. Stock is summed by item and unit, never across
/// units. / 半径内的要素与物资合计,数量按物资与单位分别汇总。
#[utoipa::path(get, path = "/query/within", tag = "query",
    params(
        ("layer" = String, Query, description = "One or several layer ids, comma-separated / 一个或多个图层"),
        ("point" = Option<String>, Query, description = "LON,LAT", example = "113.95,28.61"),
        ("incident" = Option<String>, Query, description = "Id or code of an incident, instead of point"),
        ("radius" = Option<String>, Query, description = "As 800, 800m or 10km / 半径", example = "10km"),
        ("minutes" = Option<f64>, Query, description = "Travel time by road, instead of radius / 道路行程分钟数", minimum = 0.1, maximum = 180),
        ("profile" = Option<String>, Query, description = "Who travels, with minutes: car, truck, emergency, foot / 出行方式"),
        ("sum" = Option<String>, Query, description = "stock: add up the stock of what matches / 汇总物资"),
        ("limit" = Option<u32>, Query, description = "How many features to name; 0 for none", minimum = 0, maximum = 10000),
        ("hazard" = Option<String>, Query, description = "Hazard kind"),
        ("include" = Option<String>, Query, description = "Lift exclusions"),
        ("filter" = Option<String>, Query, description = "CQL2 over every layer named"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "CRS84 only"),
    ),
    responses((status = 200, description = "FeatureCollection with distance_m and answer", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn within(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params) -> Result<Response> {
    let world = app.live.world();
    let origin = required_origin(&mut params, &world, &viewer)?;
    let (radius_m, minutes) = (params.length_m("radius", RADIUS_MAX)?, params.number("minutes", 0.1, MINUTES_MAX)?);
    let profile = params.text("profile")?;
    let asked = within_params(&mut params, &world)?;
    params.finish()?;
    let radius_m = match (radius_m, minutes) {
        (Some(radius_m), None) if profile.is_none() => radius_m,
        (None, Some(minutes)) => {
            let (roads, profile) = (app.live.roads(), profile.unwrap_or_else(|| PROFILE.to_owned()));
            let hazard = origin.hazard.as_deref();
            return maybe_long(true, || {
                answer_within_minutes(&app, &world, &viewer, &asked, &Travel::new(&roads, &profile, origin.place)?, minutes, hazard)
            });
        }
        (Some(_), _) => {
            return Err(Error::new(
                Code::InvalidParameter,
                "radius",
                "beside minutes or profile / 与 minutes、profile 并用",
                "radius=10km, or minutes=15&profile=car",
            ));
        }
        (None, None) => {
            return Err(Error::new(
                Code::InvalidParameter,
                "radius",
                "absent / 缺失",
                "a length, as 10km, or minutes=15 / 半径如 10km,或 minutes=15",
            ));
        }
    };
    let reach = Reach::Radius { place: origin.place, radius_m };
    let out = maybe_long(radius_m > FAR_M || asked.filters.iter().any(Option::is_some), || {
        answer_within(&app, &world, &viewer, &asked, reach, origin.hazard.as_deref())
    });
    Ok(json_bytes(out))
}

/// What is inside an area: POST a GeoJSON polygon
#[utoipa::path(post, path = "/query/within", tag = "query", request_body(content = Json, description = "GeoJSON Polygon or MultiPolygon, or a Feature with one", content_type = "application/geo+json"),
    params(
        ("layer" = String, Query, description = "One or several layer ids"),
        ("sum" = Option<String>, Query, description = "stock"),
        ("limit" = Option<u32>, Query, description = "How many features to name", minimum = 0, maximum = 10000),
        ("hazard" = Option<String>, Query, description = "Hazard kind"),
        ("include" = Option<String>, Query, description = "Lift exclusions"),
        ("filter" = Option<String>, Query, description = "CQL2"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "CRS84 only"),
    ),
    responses((status = 200, description = "FeatureCollection with answer; distance_m is from the middle of the area", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn within_area(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params, Body(body): Body) -> Result<Response> {
    let world = app.live.world_owned();
    let hazard = params.hazard(&world)?;
    let asked = within_params(&mut params, &world)?;
    params.finish()?;
    let out = maybe_long(true, || {
        let area = Geometry::area_from_geojson(&parse_json(&body)?)?;
        Ok::<_, Error>(answer_within(&app, &world, &viewer, &asked, Reach::Area(&area), hazard.as_deref()))
    })?;
    Ok(json_bytes(out))
}

// ---- stats ----

/// Counts and sums of a layer, grouped
///
/// `by` takes fields and `grid` (the deepest responsibility area); sums of stock are always kept apart by item and unit.
/// / 分组计数与合计,单位不混加。
#[utoipa::path(get, path = "/query/stats", tag = "query",
    params(
        ("layer" = String, Query, description = "Layer id"),
        ("by" = Option<String>, Query, description = "Fields and/or grid, comma-separated", example = "state,grid"),
        ("sum" = Option<String>, Query, description = "Number fields, comma-separated"),
        ("filter" = Option<String>, Query, description = "CQL2"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "CRS84 only"),
    ),
    responses((status = 200, description = "{total, by, groups: [{by, count, sums}], answer: {seq, at}}; of a register with a workflow, the whole and each group also {done, overdue, rate_percent}", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn stats(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params) -> Result<Response> {
    let world = app.live.world_owned();
    let layer = params.layers(&world, false)?[0];
    let (by, sum) = (params.list("by")?.unwrap_or_default(), params.list("sum")?.unwrap_or_default());
    let filter = params.filter(&world.catalog.layers[layer])?;
    params.finish()?;
    let question = Question { viewer: &viewer, now: now(), filter: filter.as_ref(), hazard: None, include: u8::MAX, inside: None };
    let (by, sum): (Vec<_>, Vec<_>) = (by.iter().map(String::as_str).collect(), sum.iter().map(String::as_str).collect());
    let mut stats = maybe_long(true, || world.stats(layer, &by, &sum, question))?;
    stats["answer"] = json!({ "seq": world.seq, "at": time_json(now()) });
    Ok(axum::Json(stats).into_response())
}

// ---- dossier ----

const DOSSIER_LIMIT: usize = 20;
const DOSSIER_RADIUS_M: f64 = 5_000.0;
const DOSSIER_RADIUS_MAX: f64 = 200_000.0;

/// Everything about one place: who is responsible, who and what is in reach
///
/// / 某地一页全:责任网格、人员、危险源、避难场所、物资、队伍、气象。
#[utoipa::path(get, path = "/query/dossier", tag = "query",
    params(
        ("point" = Option<String>, Query, description = "LON,LAT", example = "113.95,28.61"),
        ("incident" = Option<String>, Query, description = "Id or code of an incident, instead of point"),
        ("radius" = Option<String>, Query, description = "Up to 200km; 5km if absent", example = "5km"),
        ("limit" = Option<u32>, Query, description = "How many of each layer to name", minimum = 0, maximum = 1000),
        ("profile" = Option<String>, Query, description = "Who travels: car unless said otherwise; the soonest come first / 出行方式"),
        ("hazard" = Option<String>, Query, description = "Hazard kind"),
        ("include" = Option<String>, Query, description = "Lift exclusions"),
    ),
    responses((status = 200, description = "{point, radius_m, responsible, dangers, weather, layers, answer}", content_type = "application/json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
async fn dossier(State(app): State<Arc<App>>, viewer: Viewer, mut params: Params) -> Result<Response> {
    let world = app.live.world();
    let origin = required_origin(&mut params, &world, &viewer)?;
    let radius_m = params.length_m("radius", DOSSIER_RADIUS_MAX)?.unwrap_or(DOSSIER_RADIUS_M);
    let limit = params.number("limit", 0, 1_000)?.unwrap_or(DOSSIER_LIMIT);
    let (include, profile) = (params.include()?, params.text("profile")?);
    params.finish()?;
    let hazard = origin.hazard.as_deref();
    let question = Question { viewer: &viewer, now: now(), filter: None, hazard, include, inside: None };
    let dossier = maybe_long(true, || world.dossier(origin.place, radius_m, limit, question));
    let roads = app.live.roads();
    // With no road near, or no network, distances have to do, unless times were asked for by name.
    let travel = match Travel::new(&roads, profile.as_deref().unwrap_or(PROFILE), origin.place) {
        Err(error) if profile.is_some() => return Err(error),
        travel => travel.ok(),
    };
    let mut out = Vec::with_capacity(64 * 1024);
    out.extend_from_slice(
        format!("{{\"point\":[{},{}],\"radius_m\":{radius_m},\"responsible\":", origin.place.lon, origin.place.lat).as_bytes(),
    );
    let as_hits = |cells: &[&'_ Arc<crate::world::Stored>]| -> Vec<u8> {
        let mut text = vec![b'['];
        for (i, stored) in cells.iter().enumerate() {
            text.extend_from_slice(if i > 0 { b",{" } else { b"{" });
            text.extend_from_slice(stored.fragment(&viewer));
            text.push(b'}');
        }
        text.push(b']');
        text
    };
    out.extend(as_hits(&dossier.responsible));
    out.extend_from_slice(b",\"dangers\":");
    out.extend(as_hits(&dossier.dangers));
    out.extend_from_slice(b",\"weather\":");
    match &dossier.weather {
        Some(hit) => write_hit(&mut out, hit, hit.stored.fragment(&viewer)),
        None => out.extend_from_slice(b"null"),
    }
    // People are summed, not listed: their field's key says what was added up.
    let mut people = Vec::new();
    for (n, count, total) in &dossier.people {
        let layer = &world.catalog.layers[*n];
        let field = layer.role(Role::People).map_or("people", |at| &layer.fields[at].key);
        people.push(format!("\"{}\":{{\"count\":{count},\"sums\":{{\"{field}\":{total}}},\"features\":[]}}", layer.id));
    }
    out.extend_from_slice(b",\"layers\":{");
    out.extend_from_slice(people.join(",").as_bytes());
    let (mut all, mut sums, mut told) = (Excluded::default(), Sums::default(), Vec::new());
    for (i, (n, found)) in dossier.layers.iter().enumerate() {
        let head = format!(
            "{}\"{}\":{{\"count\":{},\"excluded_counts\":{},\"features\":",
            if i > 0 || !people.is_empty() { "," } else { "" },
            world.catalog.layers[*n].id,
            found.count,
            found.excluded.counts_json()
        );
        out.extend_from_slice(head.as_bytes());
        match &travel {
            None => write_hits(&mut out, &found.hits, &viewer),
            Some(travel) => {
                let mut timed = travel.times(&world, found.hits.clone());
                timed.sort_by_key(|one| (one.cost.is_none(), one.cost));
                write_timed(&mut out, &timed, &viewer);
                told.extend(timed);
            }
        }
        out.push(b'}');
        all.join(found.excluded.clone());
        sums.join(&found.sums);
    }
    let mut more = travel.as_ref().map(|travel| by_road(travel, &world, &told)).unwrap_or_default();
    more.insert("sums".into(), sums.to_json(world.items()));
    out.extend_from_slice(b"},\"answer\":");
    write_answer(&mut out, &app, &world, hazard, &all, more);
    out.push(b'}');
    Ok(([(header::CONTENT_TYPE, "application/json")], out).into_response())
}
