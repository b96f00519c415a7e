//! OGC API Features against a running server with the layers of `data/layers`. `base` is its address without a slash.

use reqwest::{Client, StatusCode, header};
use serde_json::{Value as Json, json};

const GEOJSON: &str = "application/geo+json";

fn shelter(code: &str, lon: f64, lat: f64) -> Json {
    json!({
        "type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"code": code, "name": "测试避难场所", "capacity": 300},
    })
}

async fn post(base: &str, feature: &Json) -> reqwest::Response {
    let url = format!("{base}/collections/shelter/items");
    Client::new().post(url).header(header::CONTENT_TYPE, GEOJSON).body(feature.to_string()).send().await.unwrap()
}

async fn get(url: &str) -> (StatusCode, Json) {
    let response = Client::new().get(url).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn text(response: &reqwest::Response, name: header::HeaderName) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

/// Created, read, replaced by what was read, lost in a race, patched, deleted.
pub async fn crud(base: &str) {
    let client = Client::new();
    let created = post(base, &shelter("OGC-CRUD", 113.5, 28.5)).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert!(created.headers().contains_key("biaotu-seq"));
    let (location, first) = (text(&created, header::LOCATION), text(&created, header::ETAG));
    let body: Json = created.json().await.unwrap();
    assert_eq!(body["properties"]["capacity"], 300);

    assert_eq!(get(&format!("{base}/collections/shelter/items/OGC-CRUD")).await.1["id"], body["id"]);
    let known = client.get(&location).header(header::IF_NONE_MATCH, &first).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    let put = |tag: String, body: String| {
        client.put(&location).header(header::CONTENT_TYPE, GEOJSON).header(header::IF_MATCH, tag).body(body).send()
    };
    let replaced = put(first.clone(), get(&location).await.1.to_string()).await.unwrap();
    assert_eq!(replaced.status(), StatusCode::OK);
    let second = text(&replaced, header::ETAG);
    let lost = put(format!("{}-lost\"", first.trim_end_matches('"')), body.to_string()).await.unwrap();
    assert_eq!(lost.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(lost.json::<Json>().await.unwrap()["current"]["id"], body["id"]);

    let patch =
        |body: Json| client.patch(&location).header(header::CONTENT_TYPE, "application/merge-patch+json").body(body.to_string()).send();
    let patched = patch(json!({"properties": {"capacity": null}})).await.unwrap();
    assert_eq!(patched.status(), StatusCode::OK);
    assert_ne!(text(&patched, header::ETAG), second);
    assert_eq!(patched.json::<Json>().await.unwrap()["properties"]["capacity"], Json::Null);
    assert_eq!(patch(json!({"properties": {"version": 9}})).await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);

    assert_eq!(client.delete(&location).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(get(&location).await.0, StatusCode::NOT_FOUND);
}

/// Every collection is read to its end by its links, and holds as many as it says.
pub async fn paging(base: &str) {
    let (_, all) = get(&format!("{base}/collections")).await;
    for collection in all["collections"].as_array().unwrap() {
        let count = collection["itemCount"].as_u64().unwrap();
        let limit = (count / 3 + 1).min(10_000);
        let mut url = format!("{base}/collections/{}/items?limit={limit}", collection["id"].as_str().unwrap());
        let mut ids = std::collections::BTreeSet::new();
        loop {
            let (status, page) = get(&url).await;
            assert_eq!(status, StatusCode::OK, "{url}");
            assert_eq!(page["numberMatched"], count, "{url}");
            for feature in page["features"].as_array().unwrap() {
                assert!(ids.insert(feature["id"].as_str().unwrap().to_owned()), "twice: {feature}");
            }
            match page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next") {
                Some(next) => url = next["href"].as_str().unwrap().to_owned(),
                None => break,
            }
        }
        assert_eq!(ids.len() as u64, count);
    }
}

/// Coordinates go in and come out in each system.
pub async fn systems(base: &str) {
    let mercator = json!({
        "type": "Feature", "geometry": {"type": "Point", "coordinates": [12_690_422.0, 3_325_000.0]},
        "properties": {"code": "OGC-CRS", "name": "墨卡托"},
    });
    let created = Client::new()
        .post(format!("{base}/collections/shelter/items"))
        .header(header::CONTENT_TYPE, GEOJSON)
        .header("Content-Crs", "<http://www.opengis.net/def/crs/EPSG/0/3857>")
        .body(mercator.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = text(&created, header::LOCATION);
    let lon = created.json::<Json>().await.unwrap()["geometry"]["coordinates"][0].as_f64().unwrap();
    assert!((lon - 114.0).abs() < 0.001, "{lon}");
    let (_, swapped) = get(&format!("{location}?crs=http://www.opengis.net/def/crs/EPSG/0/4326")).await;
    assert!((swapped["geometry"]["coordinates"][1].as_f64().unwrap() - lon).abs() < 1e-12);
    Client::new().delete(&location).send().await.unwrap();
}

/// Nothing of this is taken, all of it is told in problem+json, and nothing is written.
pub async fn bad_input(base: &str) {
    let items = format!("{base}/collections/shelter/items");
    let before = get(&items).await.1["numberMatched"].clone();
    for query in [
        "limit=0",
        "limit=x",
        "bbox=1,2,3",
        "bbox=1,9,2,3",
        "bbox=a,b,c,d",
        "datetime=yesterday",
        "datetime=../..",
        "crs=EPSG:4490",
        "sortby=colour",
        "properties=colour",
        "colour=red",
        "state=sideways",
        "after=zzz",
        "offset=-1",
        "offset=1&after=n1",
        "filter=state%20%3D",
        "limit=1&limit=2",
    ] {
        let (status, problem) = get(&format!("{items}?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
        assert!(problem["code"].is_string() && problem["title_zh"].is_string(), "{problem}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let swapped = shelter("OGC-BAD", 28.5, 113.5).to_string();
    let unknown = json!({"type": "Feature", "geometry": null, "properties": {"name": "x", "colour": "red"}}).to_string();
    for (kind, body, status) in [
        (GEOJSON, "{", 400),
        (GEOJSON, deep.as_str(), 400),
        (GEOJSON, "[]", 400),
        (GEOJSON, swapped.as_str(), 422),
        (GEOJSON, unknown.as_str(), 422),
        ("text/plain", swapped.as_str(), 415),
    ] {
        let response = Client::new().post(&items).header(header::CONTENT_TYPE, kind).body(body.to_owned()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{}", &body[..body.len().min(80)]);
        assert_eq!(text(&response, header::CONTENT_TYPE), "application/problem+json");
    }
    assert_eq!(get(&items).await.1["numberMatched"], before);
}

/// A second thing in the same place is taken, with a warning.
pub async fn near_duplicates_warn(base: &str) {
    let first = post(base, &shelter("OGC-NEAR-1", 113.7, 28.7)).await;
    let second = post(base, &shelter("OGC-NEAR-2", 113.700_01, 28.7)).await;
    let places = [&first, &second].map(|response| text(response, header::LOCATION));
    let warnings = second.json::<Json>().await.unwrap()["warnings"].clone();
    assert!(warnings.as_array().unwrap().iter().any(|warning| warning["code"] == "near_duplicate"), "{warnings}");
    for place in places {
        Client::new().delete(place).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ogc_face_holds_on_both_stores() {
    for place in crate::support::stores::both().await {
        let server = crate::support::stores::serve(&place, false).await;
        crud(&server.url).await;
        paging(&server.url).await;
        systems(&server.url).await;
        bad_input(&server.url).await;
        near_duplicates_warn(&server.url).await;
    }
}
