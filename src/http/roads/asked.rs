//! What the services by road are asked: places and how they are snapped, what-if closures, options.

use std::sync::Arc;

use serde_json::Value as Json;
use utoipa::IntoParams;

use super::{
    super::params::{Params, parse_json},
    Refused,
};
use crate::{
    app::App,
    error::{Code, Error},
    model::{Geometry, geometry::check_position},
    roads::{
        Closure, Conditions, Roads, Snap,
        network::Class,
        osrm::{self, Detail},
        polyline::{self, Precision},
        region::{Ask, Mode},
    },
};

/// Places in one route, and in one trace.
pub(super) const PLACES_MAX: usize = 500;
/// What-if closures in one request.
const WHAT_IF_MAX: usize = 100;

/// Options of every service.
#[derive(IntoParams)]
#[expect(dead_code, reason = "for the OpenAPI document")]
#[into_params(parameter_in = Query)]
pub struct Places {
    /// How far each place may be from its road, metres or `unlimited`, separated by semicolons; 1000 by default. In /match, the
    /// standard deviation of each place
    pub radiuses: Option<String>,
    /// `{bearing},{range};…`, degrees
    pub bearings: Option<String>,
    /// `curb` or `unrestricted`, for each place
    pub approaches: Option<String>,
    /// `default`, or `any`: islands too
    pub snapping: Option<String>,
    /// Any of motorway,toll,ferry,tunnel,bridge
    pub exclude: Option<String>,
    /// Taken, and of no effect
    pub generate_hints: Option<String>,
    /// Taken, and of no effect
    pub hints: Option<String>,
    /// What-if closures: GeoJSON with kind, speed_kmh, exempt, vertical. Of no effect on /nearest and /match / 假设的管制
    pub closures: Option<String>,
    /// Closures to be left out: ids, or `all` / 假设解除的管制
    pub lift: Option<String>,
}

/// How much of a route is told.
#[derive(IntoParams)]
#[expect(dead_code, reason = "for the OpenAPI document")]
#[into_params(parameter_in = Query)]
pub struct Details {
    /// Turn by turn / 分步
    pub steps: Option<bool>,
    /// `true`, `false`, or nodes,distance,duration,datasources,weight,speed
    pub annotations: Option<String>,
    /// `polyline`, `polyline6` or `geojson`
    pub geometries: Option<String>,
    /// `simplified`, `full` or `false`
    pub overview: Option<String>,
}

/// What every service is asked with.
pub(super) struct Asked {
    /// The change that the answer knows at least: the roads may know later ones.
    pub(super) seq: u64,
    pub(super) roads: Arc<Roads>,
    pub(super) mode: usize,
    pub(super) asks: Vec<Ask>,
    pub(super) any: bool,
    is_what_if: bool,
    add: Vec<Closure>,
    lift: Vec<String>,
    exclude: Vec<String>,
}

/// The classes of road that `exclude` can name.
pub(super) const CLASSES: [&str; 5] = ["motorway", "toll", "ferry", "tunnel", "bridge"];

impl Asked {
    pub(super) fn read(
        app: &App,
        profile: &str,
        places: Vec<(f64, f64)>,
        params: &mut Params,
        add: Option<&Json>,
    ) -> Result<Asked, Refused> {
        // The world first, so that its closures are in the roads.
        let seq = app.live.world().seq;
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
        let is_what_if = !add.is_empty() || !lift.is_empty() || !exclude.is_empty();
        Ok(Asked { seq, roads, mode, asks, any, is_what_if, add, lift, exclude })
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.roads.region.modes[self.mode]
    }

    pub(super) fn is_what_if(&self) -> bool {
        self.is_what_if
    }

    /// What this is answered by.
    pub(super) fn conditions(&self) -> Conditions<'_> {
        let lift_all = self.lift.iter().any(|id| id == "all");
        let all: Vec<String> = self.roads.closures.list().iter().map(|cutting| cutting.closure.id.clone()).collect();
        let conditions = match self.add.is_empty() && self.lift.is_empty() {
            true => self.roads.conditions(self.mode),
            false => self.roads.what_if(self.mode, &self.add, if lift_all { &all } else { &self.lift }),
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
    pub(super) fn snaps(&self) -> Result<Vec<Snap>, Refused> {
        let found = self.roads.region.snap(self.mode(), &self.asks, self.any);
        found.into_iter().enumerate().map(|(n, snap)| snap.ok_or_else(|| self.no_segment(n))).collect()
    }

    pub(super) fn no_segment(&self, n: usize) -> Refused {
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

pub(super) const NO_ROADS: &str = "There is no road network yet: biaotu roads build region.osm.pbf / 尚无路网,请先运行 biaotu roads build";

fn mode_of(roads: &Roads, profile: &str) -> Result<usize, Refused> {
    let known = || format!("driving, walking, {}", roads.region.profiles());
    roads.region.mode(profile).ok_or_else(|| Error::new(Code::InvalidParameter, "profile", profile, known()).into())
}

pub(super) fn number(text: &str, min: f64, max: f64) -> Option<f64> {
    text.trim().parse().ok().filter(|n| (min..=max).contains(n))
}

/// Reads an option that has a value for each place, separated by semicolons; an empty one leaves the place as it is.
pub(super) fn each(
    params: &mut Params,
    name: &'static str,
    asks: &mut [Ask],
    read: impl Fn(&mut Ask, &str) -> Option<()>,
) -> Result<(), Refused> {
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
pub(super) fn coordinates(text: &str, most: usize) -> Result<Vec<(f64, f64)>, Refused> {
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

pub(super) fn check_places(places: &[(f64, f64)], most: usize) -> Result<(), Refused> {
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
pub(super) fn what_if(json: &Json) -> Result<Vec<Closure>, Refused> {
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

pub(super) fn detail(params: &mut Params) -> Result<Detail, Refused> {
    pub(super) fn word<T: Default>(
        params: &mut Params,
        name: &'static str,
        read: fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<T, Refused> {
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
pub(super) fn chosen(params: &mut Params, name: &'static str, count: usize) -> Result<Vec<usize>, Refused> {
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
pub(super) struct Asking {
    pub(super) places: Vec<(f64, f64)>,
    pub(super) closures: Option<Json>,
    pub(super) params: Params,
}

pub(super) fn from_body(body: &[u8]) -> Result<Asking, Refused> {
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
