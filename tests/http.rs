//! The HTTP faces over both real stores: questions, editing, files, tiles, the live stream, bad input.

use futures::StreamExt;
use serde_json::{Value as Json, json};

use crate::support::{
    Random,
    stores::{both, serve, serve_in},
};

#[tokio::test(flavor = "multi_thread")]
async fn closed_full_unsafe_and_unverified_are_left_out_and_said() {
    for place in both().await {
        let server = serve(&place, false).await;
        let near = |n: f64| Some((113.95, 28.60 + n * 0.001));
        server.create("shelter", near(1.0), json!({ "code": "closed", "name": "a", "state": "closed" })).await;
        server.create("shelter", near(2.0), json!({ "code": "full", "name": "b", "capacity": 10, "occupied": 10 })).await;
        server.create("shelter", near(3.0), json!({ "code": "wet", "name": "c", "capacity": 10, "unsafe_for": ["flood"] })).await;
        server.create("shelter", near(4.0), json!({ "code": "rumour", "name": "d", "capacity": 10, "verified": false })).await;
        server.create("shelter", near(5.0), json!({ "code": "good", "name": "e", "capacity": 10 })).await;
        server.create("shelter", near(60.0), json!({ "code": "far", "name": "f", "capacity": 10 })).await;
        let codes = |answer: &Json| -> Vec<String> {
            answer["features"].as_array().unwrap().iter().map(|f| f["properties"]["code"].as_str().unwrap().into()).collect()
        };
        let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.60&k=1&hazard=flood").await;
        assert_eq!(codes(&answer), ["good"]);
        let reasons: Vec<&str> =
            answer["answer"]["excluded"].as_array().unwrap().iter().map(|left| left["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, ["closed", "full", "unsafe", "unverified"]);
        assert_eq!((&answer["answer"]["hazard_assessed"], &answer["answer"]["basis"]), (&json!(true), &json!("straight_line")));
        let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.60&k=2").await;
        assert_eq!((codes(&answer), &answer["answer"]["hazard_assessed"]), (vec!["wet".to_owned(), "good".into()], &json!(false)));
        let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.60&k=9&include=closed,full,unverified,unsafe").await;
        assert_eq!(codes(&answer).len(), 6);
        // An incident hands down its hazard; a danger area in force makes what is inside unsafe, whatever the hazard.
        let incident = server.create("incident", near(0.0), json!({ "code": "I", "name": "洪水", "kind": "flood" })).await;
        let (_, answer) = server.get(&format!("/query/nearest?layer=shelter&incident={incident}&k=1")).await;
        assert_eq!((codes(&answer), &answer["answer"]["hazard"]), (vec!["good".to_owned()], &json!("flood")));
        let area = json!({ "type": "Feature", "properties": { "name": "淹没区", "kind": "flood" }, "geometry": { "type": "Polygon",
            "coordinates": [[[113.94, 28.59], [113.96, 28.59], [113.96, 28.61], [113.94, 28.61], [113.94, 28.59]]] } });
        let (status, made) = server.send("POST", "/collections/hazard_area/items", &[], area.to_string()).await;
        assert_eq!(status, 201, "{made}");
        let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.60&k=1").await;
        assert_eq!(codes(&answer), ["far"]);
        let lift = format!("/collections/hazard_area/items/{}", made["id"].as_str().unwrap());
        let (status, _) =
            server.send("PATCH", &lift, &[], json!({ "type": "Feature", "properties": { "state": "lifted" } }).to_string()).await;
        assert_eq!(status, 200);
        let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.60&k=1&hazard=flood").await;
        assert_eq!(codes(&answer), ["good"]);
        let (status, answer) = server
            .send(
                "POST",
                "/query/nearest?layer=shelter&k=1",
                &[],
                json!({ "points": [[113.95, 28.6], [0, 0]], "inside": area }).to_string(),
            )
            .await;
        assert_eq!((status, answer["answers"].as_array().unwrap().len()), (200, 2), "{answer}");
        assert_eq!(codes(&answer["answers"][0]), ["wet"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_is_412_with_the_state_that_won() {
    for place in both().await {
        let server = serve(&place, false).await;
        let id = server.create("shelter", Some((113.9, 28.6)), json!({ "code": "S", "name": "s", "capacity": 5 })).await;
        let path = format!("/collections/shelter/items/{id}");
        let response = server.client.get(format!("{}{path}", server.url)).send().await.unwrap();
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        let got: Json = response.json().await.unwrap();
        let patch = |n: i32| json!({ "type": "Feature", "properties": { "occupied": n } }).to_string();
        let (status, _) = server.send("PATCH", &path, &[("if-match", &etag)], patch(1)).await;
        assert_eq!(status, 200);
        let (status, lost) = server.send("PATCH", &path, &[("if-match", &etag)], patch(2)).await;
        assert_eq!(
            (status, lost["code"].as_str(), &lost["current"]["properties"]["occupied"]),
            (412, Some("version_mismatch"), &json!(1)),
            "{lost}"
        );
        // PUT takes what GET gave.
        let (status, put) = server.send("PUT", &path, &[], got.to_string()).await;
        assert_eq!((status, &put["properties"]["occupied"], &put["properties"]["version"]), (200, &json!(0), &json!(3)), "{put}");
        let (status, _) = server.send("DELETE", &path, &[], "").await;
        assert_eq!(status, 204);
        assert_eq!(server.get(&path).await.0, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_page_filter_and_sort() {
    for place in both().await {
        let server = serve(&place, true).await;
        let (mut url, mut seen) = ("/collections/confined_space/items?limit=700".to_owned(), std::collections::BTreeSet::new());
        loop {
            let (status, page) = server.get(&url).await;
            assert_eq!((status, &page["numberMatched"]), (200, &json!(2_295)), "{url}");
            for feature in page["features"].as_array().unwrap() {
                assert!(seen.insert(feature["id"].as_str().unwrap().to_owned()), "a feature twice");
            }
            match page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next") {
                Some(next) => url = next["href"].as_str().unwrap().split_once(server.url.as_str()).unwrap().1.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen.len(), 2_295);
        // A client that counts for itself, as OWSLib does.
        let (_, last) = server.get("/collections/confined_space/items?limit=10&offset=2290").await;
        assert_eq!((last["numberReturned"].as_u64(), last["features"][4]["id"].as_str()), (Some(5), seen.last().map(String::as_str)));
        let (_, some) = server
            .get("/collections/shelter/items?filter=capacity%20%3E%3D%201200%20AND%20state%20%3D%20%27open%27&sortby=-capacity")
            .await;
        let capacities: Vec<i64> =
            some["features"].as_array().unwrap().iter().map(|f| f["properties"]["capacity"].as_i64().unwrap()).collect();
        assert_eq!(capacities, [6_000, 2_500, 1_200]);
        assert_eq!(server.get("/collections/shelter/items?state=closed").await.1["numberMatched"], 1);
        assert_eq!(server.get("/collections/shelter/items?bbox=113.94,28.62,113.95,28.63").await.1["numberMatched"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_twice_changes_nothing() {
    for place in both().await {
        let server = serve(&place, false).await;
        // GBK, Chinese headers, a unit in a header, GCJ-02 coordinates, as an office sends it.
        let text = "编码,名称,状态,容量(人),经度,纬度,备注\nS1,第一中学,开放,500,113.955,28.617,甲\nS2,广场,关闭,800,113.965,28.627,乙\n";
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        let path = "/import?layer=shelter&format=csv&crs=gcj02";
        let (status, dry) = server.send("POST", &format!("{path}&dry_run=true"), &[], gbk.clone()).await;
        assert_eq!((status, &dry["committed"], &dry["layers"]["shelter"]["counts"]["create"]), (200, &json!(false), &json!(2)), "{dry}");
        assert_eq!(dry["layers"]["shelter"]["ignored"], json!(["备注"]));
        assert_eq!(server.get("/collections/shelter/items").await.1["numberMatched"], 0);
        let (_, done) = server.send("POST", path, &[], gbk.clone()).await;
        assert_eq!(done["committed"], true, "{done}");
        let (_, one) = server.get("/collections/shelter/items/S1").await;
        let lon = one["geometry"]["coordinates"][0].as_f64().unwrap();
        assert!((113.949..113.951).contains(&lon), "shifted back by some 500 m: {lon}");
        assert_eq!(one["properties"]["raw_coordinate"], "gcj02 POINT(113.955 28.617)");
        let seq = server.app.live.world().seq;
        let (_, again) = server.send("POST", path, &[], gbk).await;
        assert_eq!((&again["layers"]["shelter"]["counts"]["unchanged"], server.app.live.world().seq), (&json!(2), seq), "{again}");
        // What is exported is what is imported.
        let csv = server.client.get(format!("{}/export/shelter.csv", server.url)).send().await.unwrap().bytes().await.unwrap();
        let (_, round) = server.send("POST", "/import?layer=shelter&format=csv", &[], csv).await;
        assert_eq!(round["layers"]["shelter"]["counts"]["unchanged"], 2, "{round}");
        // One bad row, and nothing of the file goes in.
        for (row, code) in [
            ("S3,x,开着,1,113.9,28.6,", "unknown_enum_value"),
            ("S3,x,开放,1,28.6,113.9,", "swapped_axes"),
            ("S3,x,开放,1万亩,113.9,28.6,", "wrong_unit"),
            (",x,开放,1,113.9,28.6,", "required_missing"),
        ] {
            let text = format!("编码,名称,状态,容量,经度,纬度,备注\nS9,好,开放,1,113.9,28.6,\n{row}\n");
            let (_, report) = server.send("POST", "/import?layer=shelter&format=csv", &[], text).await;
            let refused = &report["layers"]["shelter"]["rows"][0];
            assert_eq!(
                (&report["committed"], refused["error"]["code"].as_str(), refused["place"].as_str()),
                (&json!(false), Some(code), Some("row 3")),
                "{report}"
            );
        }
        assert_eq!(server.app.live.world().seq, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_outside_the_district_is_warned_of_and_swapped_axes_are_refused() {
    let district = json!({ "type": "Polygon", "coordinates": [[[20, 10], [30, 10], [30, 20], [20, 20], [20, 10]]] });
    let district = biaotu::model::Geometry::area_from_geojson(&district).unwrap();
    for place in both().await {
        let server = serve_in(&place, false, Some(district.clone())).await;
        let ask = async |lon: f64, lat: f64| {
            let text = format!("code,name,state,lon,lat\nS1,one,open,{lon},{lat}\n");
            let (_, report) = server.send("POST", "/import?layer=shelter&format=csv&dry_run=true", &[], text).await;
            report["layers"]["shelter"]["rows"][0].clone()
        };
        assert_eq!(ask(25.0, 15.0).await["warnings"], json!([]));
        assert_eq!(ask(50.0, 60.0).await["warnings"][0]["code"], "outside_district");
        // Both ways round are places on earth; only the district tells.
        assert_eq!(ask(12.0, 25.0).await["error"]["code"], "swapped_axes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_is_never_stale_and_the_stream_tells_of_every_change() {
    for place in both().await {
        let server = serve(&place, false).await;
        let mut stream = server.client.get(format!("{}/events?layer=shelter", server.url)).send().await.unwrap().bytes_stream();
        let tile = |tag: Option<String>| {
            let mut request = server.client.get(format!("{}/tiles/shelter/10/836/426", server.url));
            if let Some(tag) = tag {
                request = request.header("if-none-match", tag);
            }
            async move {
                let response = request.send().await.unwrap();
                (response.status().as_u16(), response.headers()["etag"].to_str().unwrap().to_owned())
            }
        };
        let (status, empty) = tile(None).await;
        assert_eq!(status, 204);
        let id = server.create("shelter", Some((113.95, 28.61)), json!({ "code": "S", "name": "s" })).await;
        let (status, first) = tile(Some(empty)).await;
        assert_eq!(status, 200);
        assert_eq!(tile(Some(first.clone())).await.0, 304);
        let path = format!("/collections/shelter/items/{id}");
        server.send("PATCH", &path, &[], json!({ "type": "Feature", "properties": { "state": "closed" } }).to_string()).await;
        assert_eq!(tile(Some(first)).await.0, 200);
        let mut told = String::new();
        let heard = async {
            while !(told.contains("\"op\":\"create\"") && told.contains("\"op\":\"update\"")) {
                told += &String::from_utf8_lossy(&stream.next().await.unwrap().unwrap());
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), heard).await.expect("both changes on the stream");
        assert!(told.contains(&id) && told.contains("event: hello"));
        // Resumed after the first, the second comes again.
        let seq = told.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().trim().to_owned();
        let mut resumed =
            server.client.get(format!("{}/events", server.url)).header("last-event-id", seq).send().await.unwrap().bytes_stream();
        let mut told = String::new();
        let heard = async {
            while !told.contains("\"op\":\"update\"") {
                told += &String::from_utf8_lossy(&resumed.next().await.unwrap().unwrap());
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), heard).await.expect("the missed change");
        assert!(!told.contains("\"op\":\"create\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_another_program_is_in_the_answers_within_a_second() {
    for place in both().await {
        let server = serve(&place, false).await;
        server.create("shelter", Some((113.95, 28.61)), json!({ "code": "S", "name": "s" })).await;
        let sql = "UPDATE shelter SET state = 'closed' WHERE code = 'S'";
        if place.kind == "postgis" {
            let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&place.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        } else {
            let done = std::process::Command::new("ogrinfo").args([&place.url, "-sql", sql]).status().expect("ogrinfo: run make setup");
            assert!(done.success());
        }
        let edited = std::time::Instant::now();
        loop {
            let (_, answer) = server.get("/query/nearest?layer=shelter&point=113.95,28.61").await;
            if answer["answer"]["excluded_counts"]["closed"] == 1 {
                break;
            }
            assert!(edited.elapsed().as_millis() < 1_000, "{}: {answer}", place.kind);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_reads_the_collections_page_by_page() {
    let [_, place] = both().await;
    let server = serve(&place, true).await;
    let url = format!("OAPIF:{}", server.url);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new("ogrinfo").args(["-ro", "-so", &url, "confined_space", "-oo", "PAGE_SIZE=500"]).output()
    })
    .await
    .unwrap()
    .expect("ogrinfo: run make setup");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("Feature Count: 2295"), "{text}");
}

/// No input may cause a 5xx, and none of it may change anything.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_named_error_and_changes_nothing() {
    let [place, _] = both().await;
    let server = serve(&place, true).await;
    let seq = server.app.live.world().seq;
    for (path, field) in [
        ("/query/nearest", "point"),
        ("/query/nearest?layer=shelter&point=28.6,113.9", "point"),
        ("/query/nearest?layer=shelter&point=NaN,1", "point"),
        ("/query/nearest?layer=shelter&point=1,2,3", "point"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&k=0", "k"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&k=1e9", "k"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&kk=1", "kk"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&hazard=dragons", "hazard"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&include=all", "include"),
        ("/query/nearest?layer=stock&point=113.9,28.6", "layer"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&point=1,1", "point"),
        ("/query/nearest?layer=shelter&point=113.9,28.6&filter=stat%3D1", "stat"),
        ("/query/within?layer=shelter&point=113.9,28.6&radius=-1", "radius"),
        ("/query/within?layer=shelter&point=113.9,28.6&radius=10miles", "radius"),
        ("/query/within?layer=shelter&point=113.9,28.6&radius=1e300km", "radius"),
        ("/query/within?layer=shelter&incident=nothing&radius=1km", "incident"),
        ("/query/stats?layer=shelter&sum=name", "sum"),
        ("/collections/nothing/items", "layer"),
        ("/collections/shelter/items?limit=-1", "limit"),
        ("/collections/shelter/items?bbox=1,2,3", "bbox"),
        ("/collections/shelter/items?nonsense=1", "nonsense"),
        ("/tiles/shelter/99/0/0", "tile"),
        ("/events?layer=nothing", "layer"),
    ] {
        let (status, problem) = server.get(path).await;
        assert!((400..500).contains(&status), "{path}: {status} {problem}");
        assert!(problem["field"].as_str().unwrap_or_default().contains(field), "{path}: {problem}");
        assert!(problem["title_zh"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let feature = |geometry: &str| format!(r#"{{"type":"Feature","properties":{{"name":"x"}},"geometry":{geometry}}}"#);
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let huge = format!(r#"{{"type":"Feature","properties":{{"name":"{}"}}}}"#, "x".repeat(11 << 20));
    for body in [
        "".to_owned(),
        "null".into(),
        "[]".into(),
        "{".into(),
        deep,
        huge,
        feature(r#"{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,1],[1,0],[0,0]]]}"#),
        feature(r#"{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,1]]]}"#),
        feature(r#"{"type":"Polygon","coordinates":[]}"#),
        feature(r#"{"type":"Point","coordinates":[28.6,113.9]}"#),
        feature(r#"{"type":"Point","coordinates":[1e400,0]}"#),
        feature(r#"{"type":"Point","coordinates":["a",0]}"#),
        feature(r#"{"type":"GeometryCollection","geometries":[]}"#),
        feature(r#"{"type":"Circle","coordinates":[0,0]}"#),
        r#"{"type":"Feature","properties":{"name":"x","capacity":-1}}"#.into(),
        r#"{"type":"Feature","properties":{"name":"x","capacity":1.5}}"#.into(),
        r#"{"type":"Feature","properties":{"name":"x","nope":1}}"#.into(),
        r#"{"type":"Feature","properties":{"capacity":1}}"#.into(),
        "{\"type\":\"Feature\",\"properties\":{\"name\":\"a\\u0000b\"}}".into(),
    ] {
        let shown: String = body.chars().take(80).collect();
        let (status, problem) = server.send("POST", "/collections/shelter/items", &[], body).await;
        assert!((400..500).contains(&status), "{shown}: {status} {problem}");
    }
    // The refusal of what is too large arrives, though the client is still sending.
    for _ in 0..20 {
        let body = vec![b' '; 12 << 20];
        assert_eq!(server.send("POST", "/collections/shelter/items", &[], body).await.0, 413);
    }
    // Random bytes at every face that takes a body or a path.
    let mut random = Random::seeded("bad input");
    for _ in 0..if crate::support::soak() { 5_000 } else { 300 } {
        let bytes: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        let path = [
            "/query/within?layer=shelter",
            "/query/nearest?layer=shelter",
            "/import?layer=shelter&format=csv",
            "/import?layer=shelter&format=geojson",
            "/import?format=pbf",
            "/collections/shelter/items",
        ][random.below(6)];
        let (status, _) = server.send("POST", path, &[], bytes.clone()).await;
        assert!(status < 500, "{path}: {bytes:?}");
        let text: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let path = [
            "/query/nearest?layer=shelter&point=",
            "/collections/shelter/items?filter=",
            "/collections/shelter/items/",
            "/tiles/shelter/1/1/",
            "/export/",
            "/collections/shelter/items?bbox=",
        ][random.below(6)];
        let (status, _) = server.get(&format!("{path}{text}")).await;
        assert!(status < 500, "{path}{text}");
    }
    assert_eq!(server.app.live.world().seq, seq);
}
