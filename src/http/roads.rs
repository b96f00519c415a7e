//! Roads in the shape of OSRM's HTTP API v1, so that its clients work unchanged; each answer also says what it rests on.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::{Body, Params, parse_json};
use crate::{
    app::App,
    error::{Code, Error},
    live::now,
    model::{Geometry, Value, Viewer, geometry::check_position},
    roads::{
        Closure, Conditions, Cost, Roads, Snap, isochrone,
        matching::{self, Fix},
        network::Class,
        osrm::{self, Detail, Measures, Tracepoint},
        polyline::{self, Precision},
        region::{Ask, Mode, SNAP_LIMIT_M},
        router::Trip,
        trip::Scene,
    },
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(route))
        .routes(routes!(route_by_body))
        .routes(routes!(table))
        .routes(routes!(table_by_body))
        .routes(routes!(nearest))
        .routes(routes!(match_trace))
        .routes(routes!(reachable))
}

/// Places in one route, and in one trace.
const PLACES_MAX: usize = 500;
/// Sources times destinations.
const CELLS_MAX: usize = 2_000_000;
/// What-if closures in one request.
const WHAT_IF_MAX: usize = 100;
/// More sources than this, and it pays to bring a hierarchy up to date for this answer alone.
const ROWS_BY_DIJKSTRA: usize = 8;
/// No more than this many nearest roads are told.
const NEAREST_MAX: usize = 100;

/// An error in OSRM's shape.
pub struct Refused {
    code: &'static str,
    message: String,
    answer: Option<Json>,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<String>) -> Refused {
        Refused { code, message: message.into(), answer: None }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let code = match error.code {
            Code::UnknownParameter => "InvalidQuery",
            Code::TooLarge => "TooBig",
            Code::InvalidParameter | Code::SwappedAxes => "InvalidOptions",
            _ => "InvalidValue",
        };
        Refused::new(code, format!("{}. {} / {}。{}", error.titles()[0], error.remedies()[0], error.titles()[1], error.remedies()[1]))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({ "code": self.code, "message": self.message });
        if let Some(answer) = self.answer {
            body["answer"] = answer;
        }
        let status = if self.code == "NotImplemented" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

type Answered = Result<Response, Refused>;

/// What every service is asked with.
struct Asked {
    roads: Arc<Roads>,
    mode: usize,
    asks: Vec<Ask>,
    any: bool,
    add: Vec<Closure>,
    lift: Vec<String>,
    exclude: Vec<String>,
}

/// The classes of road that `exclude` can name.
const CLASSES: [&str; 5] = ["motorway", "toll", "ferry", "tunnel", "bridge"];

impl Asked {
    fn read(app: &App, profile: &str, places: Vec<(f64, f64)>, params: &mut Params, add: Option<&Json>) -> Result<Asked, Refused> {
        let roads = app.live.roads().ok_or_else(|| Refused::new("NotImplemented", NO_ROADS))?;
        let mode = mode_of(&roads, profile)?;
        let mut asks: Vec<Ask> = places.into_iter().map(|(lon, lat)| Ask::new(lon, lat)).collect();
        each(params, "radiuses", &mut asks, |ask, text| {
            ask.limit_m = if text == "unlimited" { f64::INFINITY } else { number(text, 0.0, 1e7)? };
            Some(())
        })?;
        each(params, "bearings", &mut asks, |ask, text| {
            let (bearing, range) = text.split_once(',')?;
            ask.bearing = Some((number(bearing, 0.0, 360.0)?, number(range, 0.0, 180.0)?));
            Some(())
        })?;
        each(params, "approaches", &mut asks, |ask, text| {
            ask.curb = match text {
                "curb" => true,
                "unrestricted" => false,
                _ => return None,
            };
            Some(())
        })?;
        let any = match params.text("snapping")?.as_deref() {
            None | Some("default") => false,
            Some("any") => true,
            Some(other) => return Err(Error::new(Code::InvalidParameter, "snapping", other, "default, any").into()),
        };
        // OSRM's clients may send these; there is nothing to be hinted at here.
        let _ = (params.text("generate_hints")?, params.text("hints")?);
        let exclude = params.list("exclude")?.unwrap_or_default();
        if let Some(unknown) = exclude.iter().find(|class| !CLASSES.contains(&class.as_str())) {
            return Err(Error::new(Code::InvalidParameter, "exclude", unknown, CLASSES.join(", ")).into());
        }
        let lift = params.list("lift")?.unwrap_or_default();
        let in_query = params.text("closures")?.map(|text| parse_json(text.as_bytes())).transpose()?;
        let add = add.or(in_query.as_ref()).map(what_if).transpose()?.unwrap_or_default();
        Ok(Asked { roads, mode, asks, any, add, lift, exclude })
    }

    fn mode(&self) -> &Mode {
        &self.roads.region.modes[self.mode]
    }

    fn is_what_if(&self) -> bool {
        !self.add.is_empty() || !self.lift.is_empty() || !self.exclude.is_empty()
    }

    /// What this is answered by.
    fn conditions(&mut self) -> Conditions<'_> {
        let (lift_all, add) = (self.lift.iter().any(|id| id == "all"), std::mem::take(&mut self.add));
        let all: Vec<String> = self.roads.closures.list().iter().map(|cutting| cutting.closure.id.clone()).collect();
        let conditions = match add.is_empty() && self.lift.is_empty() {
            true => self.roads.conditions(self.mode),
            false => self.roads.what_if(self.mode, add, if lift_all { &all } else { &self.lift }),
        };
        if self.exclude.is_empty() {
            return conditions;
        }
        let left_out = |name: &str| self.exclude.iter().any(|class| class == name);
        let [motorway, toll, ferry, tunnel, bridge] = CLASSES.map(left_out);
        conditions.without(|way| {
            (motorway && way.class == Class::Motorway)
                || (toll && way.toll)
                || (ferry && way.class == Class::Ferry)
                || (tunnel && way.tunnel)
                || (bridge && way.bridge)
        })
    }

    /// Where the places are on roads.
    fn snaps(&self) -> Result<Vec<Snap>, Refused> {
        let found = self.roads.region.snap(self.mode(), &self.asks, self.any);
        found.into_iter().enumerate().map(|(n, snap)| snap.ok_or_else(|| self.no_segment(n))).collect()
    }

    fn no_segment(&self, n: usize) -> Refused {
        let ask = &self.asks[n];
        let limit = if ask.limit_m.is_finite() { format!("{} m", ask.limit_m) } else { "any distance".into() };
        Refused::new(
            "NoSegment",
            format!(
                "Could not find a matching segment for coordinate {n}: no road for {} within {limit}; give radiuses to look further / 第 {n} 个坐标 {limit} 内没有可通行道路",
                self.mode().profile.name
            ),
        )
    }
}

const NO_ROADS: &str = "There is no road network yet: biaotu roads build region.osm.pbf / 尚无路网,请先运行 biaotu roads build";

fn mode_of(roads: &Roads, profile: &str) -> Result<usize, Refused> {
    let wanted = roads.region.mode(profile).map(|mode| &mode.profile.name);
    roads.region.modes.iter().position(|mode| Some(&mode.profile.name) == wanted).ok_or_else(|| {
        let known: Vec<&str> = roads.region.modes.iter().map(|mode| mode.profile.name.as_str()).collect();
        Error::new(Code::InvalidParameter, "profile", profile, format!("driving, walking, {}", known.join(", "))).into()
    })
}

fn number(text: &str, min: f64, max: f64) -> Option<f64> {
    text.trim().parse().ok().filter(|n| (min..=max).contains(n))
}

/// Reads an option that has a value for each place, separated by semicolons; an empty one leaves the place as it is.
fn each(params: &mut Params, name: &'static str, asks: &mut [Ask], read: impl Fn(&mut Ask, &str) -> Option<()>) -> Result<(), Refused> {
    let Some(text) = params.text(name)? else { return Ok(()) };
    let values: Vec<&str> = text.split(';').collect();
    if values.len() != asks.len() {
        return Err(Error::new(Code::InvalidParameter, name, values.len(), format!("one for each of {} coordinates", asks.len())).into());
    }
    for (ask, value) in asks.iter_mut().zip(values).filter(|(_, value)| !value.is_empty()) {
        read(ask, value).ok_or_else(|| Error::new(Code::InvalidParameter, name, value, "see /docs / 见 /docs"))?;
    }
    Ok(())
}

/// Positions of a path: `lon,lat;lon,lat…`, `polyline(…)` or `polyline6(…)`, with or without `.json`.
fn coordinates(text: &str, most: usize) -> Result<Vec<(f64, f64)>, Refused> {
    let text = text.strip_suffix(".json").unwrap_or(text);
    let encoded = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')'));
    let line = match (encoded("polyline("), encoded("polyline6(")) {
        (Some(line), _) => Some(polyline::decode(line, Precision::Five)),
        (_, Some(line)) => Some(polyline::decode(line, Precision::Six)),
        _ => None,
    };
    let malformed = |what: &str| {
        Refused::new("InvalidQuery", format!("Query string malformed: {what}; give lon,lat;lon,lat / 请给出 经度,纬度;经度,纬度"))
    };
    let places: Vec<(f64, f64)> = match line {
        Some(line) => line.ok_or_else(|| malformed("the polyline"))?.into_iter().map(|point| point.degrees()).collect(),
        None => {
            let pair = |pair: &str| {
                let (lon, lat) = pair.split_once(',')?;
                Some((lon.trim().parse::<f64>().ok()?, lat.trim().parse::<f64>().ok()?))
            };
            text.split(';').map(|text| pair(text).ok_or_else(|| malformed(text))).collect::<Result<_, _>>()?
        }
    };
    check_places(&places, most)?;
    Ok(places)
}

fn check_places(places: &[(f64, f64)], most: usize) -> Result<(), Refused> {
    if places.len() > most {
        return Err(Refused::new("TooBig", format!("{} coordinates; at most {most} / 坐标过多,最多 {most} 个", places.len())));
    }
    for (n, (lon, lat)) in places.iter().enumerate() {
        check_position(*lon, *lat)
            .map_err(|error| Refused::from(Error { code: Code::InvalidParameter, field: format!("coordinates[{n}]"), ..error }))?;
    }
    Ok(())
}

/// Closures that a request adds: a GeoJSON geometry, feature or collection, with the properties of the `closure` layer.
fn what_if(json: &Json) -> Result<Vec<Closure>, Refused> {
    let features: Vec<&Json> = match json.get("features").and_then(Json::as_array) {
        Some(features) => features.iter().collect(),
        None => vec![json],
    };
    if features.len() > WHAT_IF_MAX {
        return Err(Error::new(Code::TooLarge, "closures", features.len(), WHAT_IF_MAX).into());
    }
    let closure = |(n, feature): (usize, &&Json)| {
        let is_feature = feature.get("type").and_then(Json::as_str) == Some("Feature");
        let at = format!("closures[{n}]");
        let geometry =
            Geometry::from_geojson(if is_feature { &feature["geometry"] } else { feature }).map_err(|error| error.within(&at))?;
        let property = |key: &str| feature.get("properties").and_then(|properties| properties.get(key)).filter(|value| !value.is_null());
        let word = |key: &str| property(key).cloned();
        let bad = |key: &str, expected: &str| {
            Error::new(Code::InvalidValue, format!("{at}.{key}"), property(key).unwrap_or(&Json::Null), expected)
        };
        let kind = word("kind").unwrap_or_else(|| "closed".into());
        let speed = property("speed_kmh")
            .map(|value| value.as_f64().filter(|kmh| (1.0..=130.0).contains(kmh)).ok_or_else(|| bad("speed_kmh", "1–130")));
        Ok(Closure {
            layer: String::new(),
            id: format!("what-if-{n}"),
            name: property("name").and_then(Json::as_str).unwrap_or_default().to_owned(),
            kind: serde_json::from_value(kind).map_err(|_| bad("kind", "closed, no_entry, emergency_only, slow"))?,
            speed_kmh: speed.transpose()?.unwrap_or(crate::roads::closures::SLOW_KMH),
            exempt: property("exempt")
                .map(|list| serde_json::from_value(list.clone()).map_err(|_| bad("exempt", "[\"emergency\", …]")))
                .transpose()?
                .unwrap_or_default(),
            vertical: word("vertical")
                .map(|value| serde_json::from_value(value).map_err(|_| bad("vertical", "all, ground, bridge, tunnel")))
                .transpose()?
                .unwrap_or_default(),
            geometry,
        })
    };
    features.iter().enumerate().map(closure).collect::<Result<_, Error>>().map_err(Refused::from)
}

// ---- writing ----

/// What an answer rests on: which changes it knows, and what closures did to it.
fn answer(app: &App, conditions: &Conditions<'_>, roads: &Roads, trips: &[Trip], what_if: bool) -> Json {
    let closure = |n: usize| {
        let closure = &conditions.closures.list()[n].closure;
        json!({ "id": closure.id, "layer": closure.layer, "name": closure.name, "kind": closure.kind })
    };
    let mut avoided: std::collections::BTreeMap<usize, Option<f64>> = std::collections::BTreeMap::new();
    let mut inside = std::collections::BTreeSet::new();
    for trip in trips {
        inside.extend(&trip.inside);
        // Unreachable is told as null, never as a number.
        let extra = trip.leg.as_ref().zip(trip.free).map(|(leg, free)| leg.cost.seconds() - free.seconds());
        for n in &trip.avoided {
            let known = avoided.entry(*n).or_insert(Some(0.0));
            *known = known.zip(extra).map(|(known, extra)| known + extra);
        }
    }
    let with_effect = |(n, extra): (&usize, &Option<f64>)| {
        let mut one = closure(*n);
        one["effect"] = (if extra.is_some() { "avoided" } else { "cuts_off" }).into();
        one["extra_s"] = extra.map(|seconds| (seconds * 10.0).round() / 10.0).into();
        one
    };
    let age = app.live.age_s();
    let mut answer = json!({
        "seq": app.live.world().seq,
        "roads_seq": roads.seq,
        "at": Value::Time(now()).to_text(),
        "basis": "road",
        "profile": conditions.mode.profile.name,
        "closures_in_force": conditions.closures.list().len(),
        "closures": avoided.iter().map(with_effect).collect::<Vec<_>>(),
        "begins_inside": inside.into_iter().map(|n: &usize| closure(*n)).collect::<Vec<_>>(),
    });
    if what_if {
        answer["what_if"] = true.into();
    }
    if age > super::query::STALE_S {
        answer["stale_s"] = ((age * 10.0).round() / 10.0).into();
    }
    answer
}

/// Adds the answer to an object that is written already.
fn finish(mut out: Vec<u8>, answer: &Json) -> Response {
    out.pop();
    out.extend_from_slice(b",\"answer\":");
    out.extend_from_slice(answer.to_string().as_bytes());
    out.push(b'}');
    ([(header::CONTENT_TYPE, "application/json")], out).into_response()
}

fn scene<'a>(conditions: &'a Conditions<'_>) -> Scene<'a> {
    Scene {
        network: &conditions.region.network,
        turns: &conditions.mode.turns,
        junctions: &conditions.mode.junctions,
        cost: &conditions.costs,
        free: &conditions.mode.free,
        mode: conditions.mode.profile.mode.name(),
    }
}

fn detail(params: &mut Params) -> Result<Detail, Refused> {
    fn word<T: Default>(params: &mut Params, name: &'static str, read: fn(&str) -> Option<T>, expected: &str) -> Result<T, Refused> {
        match params.text(name)? {
            None => Ok(T::default()),
            Some(text) => read(&text).ok_or_else(|| Error::new(Code::InvalidParameter, name, text, expected).into()),
        }
    }
    Ok(Detail {
        steps: params.flag("steps")?,
        geometries: word(params, "geometries", osrm::Geometries::parse, "polyline, polyline6, geojson")?,
        overview: word(params, "overview", osrm::Overview::parse, "simplified, full, false")?,
        annotations: word(
            params,
            "annotations",
            osrm::Annotations::parse,
            "true, false, or nodes, distance, duration, datasources, weight, speed",
        )?,
    })
}

/// Positions named by their number: `all`, or numbers separated by semicolons.
fn chosen(params: &mut Params, name: &'static str, count: usize) -> Result<Vec<usize>, Refused> {
    match params.text(name)?.as_deref() {
        None | Some("all" | "") => Ok((0..count).collect()),
        Some(text) => {
            let read = |text: &str| text.trim().parse().ok().filter(|n| *n < count);
            let expected = format!("numbers below {count}, or all");
            text.split(';').map(|n| read(n).ok_or_else(|| Error::new(Code::InvalidParameter, name, n, &expected).into())).collect()
        }
    }
}

/// What a body asks: positions, closures, and options as in the query string.
struct Asking {
    places: Vec<(f64, f64)>,
    closures: Option<Json>,
    params: Params,
}

fn from_body(body: &[u8]) -> Result<Asking, Refused> {
    let json = parse_json(body)?;
    let expected = "{\"coordinates\": [[lon, lat], …], …}";
    let invalid = |field: &str, value: &Json| Refused::from(Error::new(Code::InvalidBody, field, value, expected));
    let members = json.as_object().ok_or_else(|| invalid("", &json))?;
    let (mut places, mut closures, mut options) = (Vec::new(), None, Vec::new());
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    for (key, value) in members {
        match (key.as_str(), value) {
            ("coordinates", Json::Array(list)) => {
                for place in list {
                    let numbers: Vec<f64> = place.as_array().into_iter().flatten().filter_map(Json::as_f64).collect();
                    let [lon, lat] = numbers[..] else { return Err(invalid("coordinates", place)) };
                    places.push((lon, lat));
                }
            }
            ("closures", value) => closures = Some(value.clone()),
            ("lift" | "exclude", Json::Array(list)) => options.push((key.clone(), list.iter().map(text).collect::<Vec<_>>().join(","))),
            (_, Json::Array(list)) => options.push((key.clone(), list.iter().map(text).collect::<Vec<_>>().join(";"))),
            (_, Json::Null) => {}
            (_, value) => options.push((key.clone(), text(value))),
        }
    }
    if places.is_empty() {
        return Err(invalid("coordinates", &Json::Null));
    }
    Ok(Asking { places, closures, params: Params::of(options) })
}

// ---- route ----

/// The fastest way by road between two or more places
///
/// OSRM v1. Closures in force are obeyed; `answer.closures` names those avoided and what that costs. `closures` (GeoJSON) adds closures
/// to this request alone, `lift` (ids, or `all`) takes away those in force. / 道路路径,遵守生效中的管制。
#[utoipa::path(get, path = "/route/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT;LON,LAT…, polyline(…) or polyline6(…)", example = "113.94,28.60;113.96,28.62"),
        ("alternatives" = Option<String>, Query, description = "true, false or a number / 备选路线"),
        ("steps" = Option<bool>, Query, description = "Turn by turn / 分步"),
        ("annotations" = Option<String>, Query, description = "true, false, or nodes,distance,duration,datasources,weight,speed"),
        ("geometries" = Option<String>, Query, description = "polyline, polyline6 or geojson"),
        ("overview" = Option<String>, Query, description = "simplified, full or false"),
        ("continue_straight" = Option<String>, Query, description = "default, true or false: whether it may turn round at places between"),
        ("waypoints" = Option<String>, Query, description = "Numbers of the places that end a leg"),
        ("radiuses" = Option<String>, Query, description = "How far each place may be from its road, metres or unlimited; 1000 by default"),
        ("bearings" = Option<String>, Query, description = "{bearing},{range};… degrees"),
        ("approaches" = Option<String>, Query, description = "curb or unrestricted, for each place"),
        ("snapping" = Option<String>, Query, description = "default or any"),
        ("exclude" = Option<String>, Query, description = "motorway,toll,ferry,tunnel,bridge"),
        ("skip_waypoints" = Option<bool>, Query, description = "Leave waypoints out of the answer"),
        ("generate_hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("closures" = Option<String>, Query, description = "What-if closures: GeoJSON with kind, speed_kmh, exempt, vertical"),
        ("lift" = Option<String>, Query, description = "Closures to be left out: ids, or all"),
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
        let says = answer(app, &conditions, &roads, &trips, is_what_if);
        if trips.len() + 1 != snaps.len() || trips.iter().any(|trip| trip.leg.is_none()) {
            let message = match says["closures"].as_array().is_some_and(|closures| !closures.is_empty()) {
                true => "No route: closures cut it off, see answer.closures / 道路管制导致不可达,见 answer.closures",
                false => "Impossible route between points / 两点之间没有可通行道路",
            };
            return Err(Refused { code: "NoRoute", message: message.into(), answer: Some(says) });
        }
        let scene = scene(&conditions);
        let best: Vec<_> = trips.into_iter().filter_map(|trip| trip.leg).collect();
        let mut routes = vec![crate::roads::trip::joined(best, &ends)];
        if let ([from, to], 1..) = (&snaps[..], alternatives) {
            routes.extend(conditions.alternatives(from, to, &routes[0][0], alternatives).into_iter().map(|leg| vec![leg]));
        }
        let mut out = Vec::with_capacity(4_096);
        let waypoints: Vec<Snap> = if skip_waypoints { vec![] } else { ends.iter().map(|n| snaps[*n]).collect() };
        osrm::route(&scene, &routes, &waypoints, &detail, &mut out);
        Ok(finish(out, &says))
    };
    // Without a hierarchy for these costs, or with many places, a search takes milliseconds.
    super::query::maybe_long(is_what_if || roads.is_pending() || snaps.len() > 10, work)
}

// ---- table ----

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
        ("radiuses" = Option<String>, Query, description = "As in /route"),
        ("bearings" = Option<String>, Query, description = "As in /route"),
        ("approaches" = Option<String>, Query, description = "As in /route"),
        ("snapping" = Option<String>, Query, description = "default or any"),
        ("exclude" = Option<String>, Query, description = "As in /route"),
        ("skip_waypoints" = Option<bool>, Query, description = "Leave sources and destinations out of the answer"),
        ("generate_hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("closures" = Option<String>, Query, description = "As in /route"),
        ("lift" = Option<String>, Query, description = "As in /route"),
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
        let roads = asked.roads.clone();
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
        let says = answer(app, &conditions, &roads, &[], is_what_if);
        let mut out = Vec::new();
        let (sources, destinations_told) = if skip_waypoints { (vec![], vec![]) } else { (sources, destinations.clone()) };
        osrm::table(&conditions.region.network, (&sources, &destinations_told), &costs, destinations.len(), measures, &mut out);
        Ok(finish(out, &says))
    };
    super::query::maybe_long(large || pending || is_what_if, work)
}

// ---- nearest ----

/// The nearest positions on roads
///
/// OSRM v1. / 最近的道路位置。
#[utoipa::path(get, path = "/nearest/v1/{profile}/{coordinates}", tag = "roads",
    params(
        ("profile" = String, Path, description = "car (driving), truck, emergency, foot (walking)"),
        ("coordinates" = String, Path, description = "LON,LAT", example = "113.94,28.60"),
        ("number" = Option<u32>, Query, description = "How many roads", minimum = 1, maximum = 100),
        ("radiuses" = Option<String>, Query, description = "As in /route"),
        ("bearings" = Option<String>, Query, description = "As in /route"),
        ("approaches" = Option<String>, Query, description = "As in /route"),
        ("snapping" = Option<String>, Query, description = "default or any"),
        ("exclude" = Option<String>, Query, description = "As in /route"),
        ("generate_hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("closures" = Option<String>, Query, description = "Taken, and of no effect: a closed road is still there"),
        ("lift" = Option<String>, Query, description = "Taken, and of no effect"),
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
    Ok(finish(out, &answer(&app, &asked.roads.conditions(asked.mode), &asked.roads, &[], false)))
}

// ---- match ----

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
        ("steps" = Option<bool>, Query, description = "Turn by turn"),
        ("annotations" = Option<String>, Query, description = "As in /route"),
        ("geometries" = Option<String>, Query, description = "polyline, polyline6 or geojson"),
        ("overview" = Option<String>, Query, description = "simplified, full or false"),
        ("waypoints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("radiuses" = Option<String>, Query, description = "Standard deviation of each place, metres"),
        ("bearings" = Option<String>, Query, description = "As in /route"),
        ("approaches" = Option<String>, Query, description = "As in /route"),
        ("snapping" = Option<String>, Query, description = "default or any"),
        ("exclude" = Option<String>, Query, description = "As in /route"),
        ("generate_hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("closures" = Option<String>, Query, description = "Taken, and of no effect"),
        ("lift" = Option<String>, Query, description = "Taken, and of no effect"),
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
        osrm::matching(&scene(&conditions), &driven, &tracepoints, &detail, &mut out);
        Ok(finish(out, &answer(&app, &conditions, &asked.roads, &[], false)))
    };
    super::query::maybe_long(true, work)
}

/// Roads that a place of a trace may have been on.
const CANDIDATES: usize = 8;

// ---- isochrone ----

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
        ("radiuses" = Option<String>, Query, description = "As in /route"),
        ("bearings" = Option<String>, Query, description = "As in /route"),
        ("approaches" = Option<String>, Query, description = "As in /route"),
        ("snapping" = Option<String>, Query, description = "default or any"),
        ("exclude" = Option<String>, Query, description = "As in /route"),
        ("generate_hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("hints" = Option<String>, Query, description = "Taken, and of no effect"),
        ("closures" = Option<String>, Query, description = "As in /route"),
        ("lift" = Option<String>, Query, description = "As in /route"),
    ),
    responses((status = 200, description = "FeatureCollection, the widest first, with `answer`", content_type = "application/geo+json"),
              (status = "4XX", description = "code and message", content_type = "application/json"),
              (status = 503, description = "There is no road network yet", content_type = "application/json")))]
async fn reachable(
    State(app): State<Arc<App>>,
    _viewer: Viewer,
    Path((profile, text)): Path<(String, String)>,
    mut params: Params,
) -> Answered {
    let places = coordinates(&text, 1)?;
    let mut asked = Asked::read(&app, &profile, places, &mut params, None)?;
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
    let (roads, is_what_if) = (asked.roads.clone(), asked.is_what_if());
    let work = || {
        let conditions = asked.conditions();
        let limits: Vec<Cost> = minutes.iter().map(|minutes| Cost::new((minutes * 60_000.0) as u32, 0)).collect();
        let areas = isochrone::isochrones(&conditions, &snaps[0], &limits);
        let features: Vec<Json> = areas.iter().zip(&minutes).enumerate().rev().map(|(n, (area, minutes))| {
            let color = colors.get(n).map_or_else(|| SHADES[n % SHADES.len()].to_owned(), |color| format!("#{color}"));
            let geometry = match (polygons, &area.area.0[..]) {
                (true, [one]) => geojson::Geometry::new(geojson::GeometryValue::from(one)),
                (true, _) => geojson::Geometry::new(geojson::GeometryValue::from(&area.area)),
                (false, parts) => {
                    let lines = geo::MultiLineString(parts.iter().flat_map(|part| std::iter::once(part.exterior()).chain(part.interiors())).cloned().collect());
                    geojson::Geometry::new(geojson::GeometryValue::from(&lines))
                }
            };
            json!({
                "type": "Feature",
                "properties": { "contour": minutes, "metric": "time", "color": color, "opacity": 0.33, "fill": color, "fillColor": color, "fill-opacity": 0.33, "fillOpacity": 0.33, "margin_m": area.margin_m.ceil() },
                "geometry": geometry,
            })
        }).collect();
        let inside = Trip {
            leg: None,
            free: None,
            avoided: vec![],
            inside: conditions.closures.holding(snaps[0].road, snaps[0].at, conditions.mode.driver()),
        };
        let mut says = answer(&app, &conditions, &roads, &[inside], is_what_if);
        says["snap_m"] = ((snaps[0].distance_m * 10.0).round() / 10.0).into();
        let body = json!({ "type": "FeatureCollection", "features": features, "answer": says });
        Ok(([(header::CONTENT_TYPE, "application/geo+json")], body.to_string()).into_response())
    };
    super::query::maybe_long(true, work)
}

const MINUTES_MAX: f64 = 180.0;
const CONTOURS_MAX: usize = 10;
/// From near to far, where the request has no colours of its own.
const SHADES: [&str; 5] = ["#2166ac", "#67a9cf", "#fddbc7", "#ef8a62", "#b2182b"];
