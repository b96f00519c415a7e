//! Features: read, created, replaced, changed and deleted.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    super::params::{Body, Params, parse_json},
    GEOJSON, JSON,
    ask::{Ask, Shape},
    base,
    crs::Crs,
    link,
};
use crate::{
    app::{App, Written, feature_json},
    error::{Code, Error, Result},
    live::now,
    model::{Draft, Geometry, Layer, ReadOnly, Viewer},
    world::{Question, Stored, World, nearest::Place, time_json},
};

const CONTENT_CRS: HeaderName = HeaderName::from_static("content-crs");
const SEQ: HeaderName = HeaderName::from_static("biaotu-seq");
/// Nearer than this, two features of a layer may be one thing entered twice.
const NEAR_M: f64 = 10.0;

fn crs_header(crs: Crs) -> (HeaderName, String) {
    (CONTENT_CRS, format!("<{}>", crs.uri()))
}

/// A feature as JSON in the shape that was asked for.
fn shaped(stored: &Stored, viewer: &Viewer, shape: &Shape) -> Json {
    let mut json = feature_json(stored, viewer);
    if shape.skip_geometry {
        json["geometry"] = Json::Null;
    } else if let Some(geometry) = json.get_mut("geometry") {
        shape.crs.write(geometry);
    }
    if let (Some(keys), Some(Json::Object(properties))) = (&shape.properties, json.get_mut("properties")) {
        properties.retain(|key, _| keys.iter().any(|wanted| wanted == key));
    }
    json
}

/// The features of a layer
#[utoipa::path(get, path = "/collections/{layer}/items", tag = "features",
    params(
        ("layer" = String, Path, description = "Layer id"),
        ("limit" = Option<u32>, Query, description = "Features on a page; more than the maximum is served as the maximum", minimum = 1, maximum = 10000),
        ("after" = Option<String>, Query, description = "Where the page begins: the value in a next link"),
        ("offset" = Option<u32>, Query, description = "Instead of after: skip so many; next links are steadier beside edits", minimum = 0, maximum = 1000000000),
        ("bbox" = Option<String>, Query, description = "west,south,east,north (or six numbers); west above east crosses the antimeridian"),
        ("bbox-crs" = Option<String>, Query, description = "The system of bbox: a URI of the layer's crs list"),
        ("datetime" = Option<String>, Query, description = "A time, or an interval with / and .. where open"),
        ("crs" = Option<String>, Query, description = "The system of the answer: a URI of the layer's crs list"),
        ("filter" = Option<String>, Query, description = "CQL2 over the queryables"),
        ("filter-lang" = Option<String>, Query, description = "cql2-text or cql2-json"),
        ("filter-crs" = Option<String>, Query, description = "The system of geometries in the filter: CRS84"),
        ("sortby" = Option<String>, Query, description = "Properties, each with + or - in front; what is unknown comes last"),
        ("properties" = Option<String>, Query, description = "Only these properties"),
        ("skipGeometry" = Option<bool>, Query, description = "Leave the geometry out"),
    ),
    responses((status = 200, description = "A page of features", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn items(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path(layer): Path<String>,
    uri: Uri,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let world = app.live.world_owned();
    let (n, _) = world.find_layer(&layer)?;
    let ask = Ask::parse(&world, n, params)?;
    let crs = ask.shape.crs;
    let at = format!("{}/collections/{layer}", base(&headers));
    let query = uri.query().unwrap_or_default().to_owned();
    let body = if ask.is_heavy(&world) {
        tokio::task::spawn_blocking(move || page(&world, &viewer, &ask, &at, &query)).await.map_err(Error::internal)?
    } else {
        page(&world, &viewer, &ask, &at, &query)
    };
    Ok(([(header::CONTENT_TYPE, GEOJSON.to_owned()), crs_header(crs)], body).into_response())
}

fn page(world: &World, viewer: &Viewer, ask: &Ask, at: &str, query: &str) -> Vec<u8> {
    use std::io::Write;
    let page = ask.answer(world);
    let mut out = Vec::with_capacity(1_024 + page.features.len() * 512);
    out.extend_from_slice(b"{\"type\":\"FeatureCollection\",\"features\":[");
    for (i, stored) in page.features.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if ask.shape.is_plain() {
            out.push(b'{');
            out.extend_from_slice(stored.fragment(viewer));
            out.push(b'}');
        } else {
            // A Vec takes whatever is written.
            let _ = serde_json::to_writer(&mut out, &shaped(stored, viewer, &ask.shape));
        }
    }
    let here = if query.is_empty() { format!("{at}/items") } else { format!("{at}/items?{query}") };
    let mut links = vec![link(here, "self", GEOJSON, "This page / 本页"), link(at.to_owned(), "collection", JSON, "The layer / 图层")];
    if let Some(next) = page.next {
        let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        pairs.retain(|(name, _)| name != "after" && name != "offset");
        pairs.push(("after".into(), next.token()));
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        links.push(link(format!("{at}/items?{query}"), "next", GEOJSON, "Next page / 下一页"));
    }
    let _ = write!(
        out,
        "],\"numberMatched\":{},\"numberReturned\":{},\"timeStamp\":{},\"links\":{},\"answer\":{}}}",
        page.matched,
        page.features.len(),
        time_json(now()),
        Json::Array(links),
        json!({"seq": world.seq, "at": time_json(world.at)}),
    );
    out
}

/// One representation of one version: strong.
fn etag(version: i64, shape: &Shape) -> String {
    let crs = match shape.crs {
        Crs::Crs84 => "",
        Crs::Epsg4326 => "-4326",
        Crs::Epsg3857 => "-3857",
    };
    let properties = shape.properties.as_ref().map_or(String::new(), |keys| {
        let word: String = keys.join(".").chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')).collect();
        format!("-p.{word}")
    });
    format!("\"v{version}{crs}{properties}{}\"", if shape.skip_geometry { "-g" } else { "" })
}

/// The tags of `If-Match` or `If-None-Match`, without the weakness that a proxy may have added.
fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/").to_owned()).filter(|t| !t.is_empty()).collect()
}

/// The version that `If-Match` asks for: the current one where it is among them.
fn if_version(headers: &HeaderMap, current: i64) -> Option<i64> {
    if !headers.contains_key(header::IF_MATCH) {
        return None;
    }
    let tags = tags(headers, header::IF_MATCH);
    if tags.iter().any(|tag| tag == "*") {
        return None;
    }
    let digits = |tag: &String| tag.strip_prefix("\"v")?.split(['-', '"']).next()?.parse::<i64>().ok();
    let versions: Vec<i64> = tags.iter().filter_map(digits).collect();
    // A tag that was never given out matches no version.
    Some(if versions.contains(&current) { current } else { versions.first().copied().unwrap_or(-1) })
}

/// A feature with its links, in the shape that was asked for.
fn feature_response(status: StatusCode, stored: &Stored, viewer: &Viewer, shape: &Shape, at: &str, more: Option<(&str, Json)>) -> Response {
    let mut json = shaped(stored, viewer, shape);
    json["links"] = json!([
        link(format!("{at}/items/{}", stored.feature.id), "self", GEOJSON, "This feature / 本要素"),
        link(at.to_owned(), "collection", JSON, "The layer / 图层"),
    ]);
    if let Some((key, more)) = more {
        json[key] = more;
    }
    let tag = etag(stored.feature.version, shape);
    (status, [(header::CONTENT_TYPE, GEOJSON.to_owned()), crs_header(shape.crs), (header::ETAG, tag)], json.to_string()).into_response()
}

/// One feature, by id or code
#[utoipa::path(get, path = "/collections/{layer}/items/{id}", tag = "features",
    params(
        ("layer" = String, Path, description = "Layer id"),
        ("id" = String, Path, description = "The feature's id or code"),
        ("crs" = Option<String>, Query, description = "The system of the answer: a URI of the layer's crs list"),
        ("properties" = Option<String>, Query, description = "Only these properties"),
        ("skipGeometry" = Option<bool>, Query, description = "Leave the geometry out"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses((status = 200, description = "The feature, with its ETag", content_type = "application/geo+json"),
              (status = 304, description = "The client has it"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn item(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path((layer, id)): Path<(String, String)>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let world = app.live.world_owned();
    let (n, index) = world.find_layer(&layer)?;
    let shape = Shape::parse(&mut params, &index.layer)?;
    params.finish()?;
    let stored = world.find(&viewer, n, &id)?;
    let tag = etag(stored.feature.version, &shape);
    if tags(&headers, header::IF_NONE_MATCH).iter().any(|known| known == "*" || *known == tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let at = format!("{}/collections/{layer}", base(&headers));
    Ok(feature_response(StatusCode::OK, stored, &viewer, &shape, &at, None))
}

/// Reads a body as what its headers say it is.
fn read(layer: &Layer, headers: &HeaderMap, body: &[u8], read_only: ReadOnly, patch: bool) -> Result<Draft> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = matches!(kind.as_str(), GEOJSON | JSON) || (patch && kind == "application/merge-patch+json");
    if !known {
        let expected = if patch { "application/merge-patch+json, application/geo+json" } else { "application/geo+json, application/json" };
        return Err(Error::new(Code::UnsupportedMedia, "Content-Type", if given.is_empty() { "no Content-Type" } else { given }, expected));
    }
    let crs = match headers.get(CONTENT_CRS) {
        None => Crs::Crs84,
        Some(value) => Crs::parse("Content-Crs", value.to_str().unwrap_or("?"))?,
    };
    let mut json = parse_json(body)?;
    if let Some(geometry) = json.get_mut("geometry") {
        crs.read(geometry);
    }
    Draft::from_geojson(layer, &json, read_only)
}

/// What may be wrong with a feature, though it isn't refused.
fn warnings(app: &App, world: &World, viewer: &Viewer, layer: usize, stored: &Stored) -> Json {
    let mut warnings = Vec::new();
    let Some(geometry) = &stored.feature.geometry else { return json!(warnings) };
    if app.district.as_ref().is_some_and(|district| !district.intersects(geometry)) {
        warnings.push(json!({
            "code": "outside_district", "title": "it lies outside the district", "title_zh": "位于本辖区之外",
        }));
    }
    if let Geometry::Point { lon, lat } = geometry {
        let question = Question { viewer, now: now(), filter: None, hazard: None, include: u8::MAX, inside: None };
        let (hits, _) = world.nearest(layer, Place::new(*lon, *lat), 2, question);
        if let Some(hit) = hits.iter().find(|hit| hit.stored.feature.id != stored.feature.id && hit.distance_m < NEAR_M) {
            let name = hit.stored.feature.values[crate::model::layer::system::NAME].to_text();
            warnings.push(json!({
                "code": "near_duplicate", "id": hit.stored.feature.id, "distance_m": hit.distance_m,
                "title": format!("{name} of the same layer is {:.1} m away", hit.distance_m),
                "title_zh": format!("同一图层的 {name} 距此仅 {:.1} 米", hit.distance_m),
            }));
        }
    }
    json!(warnings)
}

/// Shows what a write left, from a world that contains it.
fn written(app: &App, viewer: &Viewer, layer: usize, write: &Written, created: bool, headers: &HeaderMap) -> Response {
    let world = app.live.world_owned();
    let at = format!("{}/collections/{}", base(headers), app.catalog.layers[layer].id);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let shape = Shape { crs: Crs::Crs84, properties: None, skip_geometry: false };
    let mut response = match world.get(layer, &write.id) {
        Some(stored) => {
            let warnings = warnings(app, &world, viewer, layer, stored);
            let more = warnings.as_array().is_some_and(|all| !all.is_empty()).then_some(("warnings", warnings));
            feature_response(status, stored, viewer, &shape, &at, more)
        }
        // It is deleted again already, or not visible yet.
        None => (status, [(header::ETAG, etag(write.version, &shape))]).into_response(),
    };
    response.headers_mut().insert(SEQ, HeaderValue::from(write.seq));
    if created && let Ok(location) = HeaderValue::from_str(&format!("{at}/items/{}", write.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The feature that a write is about: layer number, id and current version.
fn target(app: &App, viewer: &Viewer, layer: &str, id: &str) -> Result<(usize, Uuid, i64)> {
    let world = app.live.world();
    let (n, _) = world.find_layer(layer)?;
    let found = &world.find(viewer, n, id)?.feature;
    Ok((n, found.id, found.version))
}

/// Create a feature
#[utoipa::path(post, path = "/collections/{layer}/items", tag = "features",
    params(("layer" = String, Path, description = "Layer id"),
           ("Content-Crs" = Option<String>, Header, description = "The system of the coordinates in the body")),
    request_body(content = serde_json::Value, content_type = "application/geo+json", description = "A GeoJSON feature"),
    responses((status = 201, description = "The feature, with Location and ETag", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn create(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path(layer): Path<String>,
    params: Params,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response> {
    params.finish()?;
    let (n, definition) = app.catalog.layer(&layer)?;
    let draft = read(definition, &headers, &body, ReadOnly::Refuse, false)?;
    let write = app.create(n, draft, &viewer).await?;
    Ok(written(&app, &viewer, n, &write, true, &headers))
}

/// Replace a feature
#[utoipa::path(put, path = "/collections/{layer}/items/{id}", tag = "features",
    params(("layer" = String, Path, description = "Layer id"),
           ("id" = String, Path, description = "The feature's id or code"),
           ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be replaced"),
           ("Content-Crs" = Option<String>, Header, description = "The system of the coordinates in the body")),
    request_body(content = serde_json::Value, content_type = "application/geo+json", description = "A GeoJSON feature, as GET gives it"),
    responses((status = 200, description = "The feature, with its ETag", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn replace(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path((layer, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response> {
    params.finish()?;
    let (n, id, current) = target(&app, &viewer, &layer, &id)?;
    let draft = read(&app.catalog.layers[n], &headers, &body, ReadOnly::Ignore, false)?;
    let write = app.replace(n, id, draft, if_version(&headers, current), &viewer).await?;
    Ok(written(&app, &viewer, n, &write, false, &headers))
}

/// Change what is named; null clears
#[utoipa::path(patch, path = "/collections/{layer}/items/{id}", tag = "features",
    params(("layer" = String, Path, description = "Layer id"),
           ("id" = String, Path, description = "The feature's id or code"),
           ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be changed"),
           ("Content-Crs" = Option<String>, Header, description = "The system of the coordinates in the body")),
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json", description = "Members of the feature"),
    responses((status = 200, description = "The feature, with its ETag", content_type = "application/geo+json"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn update(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path((layer, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response> {
    params.finish()?;
    let (n, id, current) = target(&app, &viewer, &layer, &id)?;
    let draft = read(&app.catalog.layers[n], &headers, &body, ReadOnly::Refuse, true)?;
    let write = app.update(n, id, draft, if_version(&headers, current), &viewer).await?;
    Ok(written(&app, &viewer, n, &write, false, &headers))
}

/// Delete a feature
#[utoipa::path(delete, path = "/collections/{layer}/items/{id}", tag = "features",
    params(("layer" = String, Path, description = "Layer id"),
           ("id" = String, Path, description = "The feature's id or code"),
           ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be deleted")),
    responses((status = 204, description = "It is deleted"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn remove(
    State(app): State<Arc<App>>,
    viewer: Viewer,
    Path((layer, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    params.finish()?;
    let (n, id, current) = target(&app, &viewer, &layer, &id)?;
    let write = app.delete(n, id, if_version(&headers, current), &viewer).await?;
    Ok((StatusCode::NO_CONTENT, [(SEQ, write.seq.to_string())]).into_response())
}

fn allow(methods: &[Method]) -> Response {
    let list: Vec<_> = methods.iter().map(Method::as_str).collect();
    (StatusCode::NO_CONTENT, [(header::ALLOW, list.join(", "))]).into_response()
}

/// The methods for a layer's features
#[utoipa::path(options, path = "/collections/{layer}/items", tag = "features", params(("layer" = String, Path, description = "Layer id")),
    responses((status = 204, description = "The Allow header"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn items_options(State(app): State<Arc<App>>, Path(layer): Path<String>) -> Result<Response> {
    app.catalog.layer(&layer)?;
    Ok(allow(&[Method::GET, Method::HEAD, Method::POST, Method::OPTIONS]))
}

/// The methods for a feature
#[utoipa::path(options, path = "/collections/{layer}/items/{id}", tag = "features",
    params(("layer" = String, Path, description = "Layer id"), ("id" = String, Path, description = "The feature's id or code")),
    responses((status = 204, description = "The Allow header"),
              (status = "4XX", description = "What is wrong, and the remedy", content_type = "application/problem+json")))]
pub async fn item_options(State(app): State<Arc<App>>, viewer: Viewer, Path((layer, id)): Path<(String, String)>) -> Result<Response> {
    target(&app, &viewer, &layer, &id)?;
    Ok(allow(&[Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_versions() {
        let ask = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, text.parse().unwrap());
            if_version(&headers, 7)
        };
        assert_eq!(if_version(&HeaderMap::new(), 7), None);
        assert_eq!(ask("*"), None);
        assert_eq!(ask("\"v7\""), Some(7));
        assert_eq!(ask("\"v6\", W/\"v7-3857\""), Some(7));
        assert_eq!(ask("\"v6\""), Some(6));
        assert_eq!(ask("nonsense"), Some(-1));
    }

    fn world() -> World {
        let definition = r##"
            id = "shelter"
            version = 1
            name = { zh = "避难场所", en = "Shelter" }
            group = "relief"
            geometry = "point"
            symbol = { icon = "shelter", color = "#00aa00" }
            [[fields]]
            key = "capacity"
            type = "integer"
            name = { zh = "容量", en = "Capacity" }
        "##;
        let catalog = Arc::new(crate::model::Catalog::parse(&[("shelter.toml".into(), definition.into())]).unwrap());
        let layer = &catalog.layers[0];
        let features = (0..25).map(|i| {
            let json = json!({
                "type": "Feature", "geometry": {"type": "Point", "coordinates": [113.0 + f64::from(i) / 100.0, 28.0]},
                "properties": {"code": format!("S{i}"), "name": "学校 & 公园", "capacity": i % 7},
            });
            Draft::from_geojson(layer, &json, ReadOnly::Refuse).unwrap().create(layer, Uuid::now_v7()).unwrap()
        });
        let features = features.collect();
        World::build(catalog.clone(), vec![features], 9, 0)
    }

    fn ask(world: &World, query: &str) -> Result<Json> {
        let ask = Ask::parse(world, 0, Params::parse(query)?)?;
        Ok(serde_json::from_slice(&page(world, &Viewer::local_admin(), &ask, "http://h/collections/shelter", query)).unwrap())
    }

    /// Follows next links to the end: all codes in order, and what each page said it matched.
    fn follow(world: &World, query: &str) -> (Vec<String>, Vec<u64>) {
        let (mut query, mut codes, mut matched) = (query.to_owned(), vec![], vec![]);
        loop {
            let page = ask(world, &query).unwrap();
            let features = page["features"].as_array().unwrap();
            assert_eq!(page["numberReturned"], features.len());
            codes.extend(features.iter().map(|feature| feature["properties"]["code"].as_str().unwrap().to_owned()));
            matched.push(page["numberMatched"].as_u64().unwrap());
            let next = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next");
            let Some(next) = next else { return (codes, matched) };
            query = next["href"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
        }
    }

    #[test]
    fn pages_add_up_to_everything() {
        let world = world();
        for (query, count) in [
            ("limit=4", 25),
            ("limit=25", 25),
            ("limit=3&capacity=2", 4),
            ("limit=4&bbox=113.0,27,113.0950,29", 10),
            ("limit=4&sortby=-capacity", 25),
            ("limit=3&filter=capacity%20%3E%203", 9),
            ("limit=2&name=%E5%AD%A6%E6%A0%A1%20%26%20%E5%85%AC%E5%9B%AD", 25),
        ] {
            let (mut codes, matched) = follow(&world, query);
            assert!(matched.iter().all(|n| *n == count), "{query}: {matched:?}");
            codes.sort();
            codes.dedup();
            assert_eq!(codes.len() as u64, count, "{query}");
        }
    }

    #[test]
    fn shapes_of_an_answer() {
        let world = world();
        let page = ask(&world, "limit=1&crs=EPSG:4326&properties=capacity&sortby=code").unwrap();
        assert_eq!(page["features"][0]["geometry"]["coordinates"], json!([28.0, 113.0]));
        assert_eq!(page["features"][0]["properties"], json!({"capacity": 0}));
        assert_eq!(page["answer"]["seq"], 9);
        for (query, code) in [
            ("colour=red", Code::UnknownParameter),
            ("capacity=many", Code::InvalidParameter),
            ("capacity=1&capacity=2", Code::InvalidParameter),
            ("sortby=colour", Code::InvalidParameter),
            ("properties=colour", Code::InvalidParameter),
            ("crs=EPSG:4490", Code::UnsupportedCrs),
            ("limit=0", Code::InvalidParameter),
        ] {
            assert_eq!(ask(&world, query).unwrap_err().code, code, "{query}");
        }
    }
}
