//! Roads over HTTP on both real stores: OSRM's shapes, closures from the acknowledgement on, travel times, bad input.

use serde_json::{Value as Json, json};

use crate::support::stores::{Server, both, serve};

/// Two banks joined by a bridge in the south and a long way round in the north; a hamlet that no road leads to.
fn roads() -> Vec<u8> {
    let line = |class: &str, name: &str, coordinates: Json| {
        json!({ "type": "Feature", "properties": { "class": class, "name": name, "bridge": name == "大桥" },
        "geometry": { "type": "LineString", "coordinates": coordinates } })
    };
    let features = json!([
        line("residential", "西岸路", json!([[113.90, 28.60], [113.90, 28.61], [113.90, 28.65]])),
        line("residential", "东岸路", json!([[113.92, 28.60], [113.92, 28.61], [113.92, 28.65]])),
        line("secondary", "大桥", json!([[113.90, 28.61], [113.92, 28.61]])),
        line("residential", "北环路", json!([[113.90, 28.65], [113.92, 28.65]])),
    ]);
    json!({ "type": "FeatureCollection", "features": features }).to_string().into_bytes()
}

/// Has the server build roads of lines; what it answers.
async fn import(server: &Server, lines: Vec<u8>, options: &str) -> (u16, Json) {
    let (status, answer) = server.send("POST", &format!("/import?format=geojson&roads=true{options}"), &[], lines).await;
    for _ in 0..500 {
        if answer["seq"].as_u64().is_none_or(|seq| server.app.live.roads().is_some_and(|roads| roads.seq >= seq)) {
            return (status, answer);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the roads don't come into use");
}

async fn build(server: &Server, lines: Vec<u8>) {
    let (status, answer) = import(server, lines, "").await;
    assert_eq!((status, &answer["committed"]), (200, &json!(true)), "{answer}");
}

const BANKS: &str = "113.9001,28.6050;113.9199,28.6050";

fn closure(kind: &str) -> String {
    json!({ "type": "Feature", "properties": { "name": "桥面塌陷", "kind": kind }, "geometry": { "type": "Polygon",
        "coordinates": [[[113.909, 28.609], [113.911, 28.609], [113.911, 28.611], [113.909, 28.611], [113.909, 28.609]]] } })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_is_obeyed_from_its_acknowledgement_on() {
    for place in both().await {
        let server = serve(&place, false).await;
        let (status, answer) = server.get(&format!("/route/v1/driving/{BANKS}")).await;
        assert_eq!((status, &answer["code"]), (503, &json!("NotImplemented")), "{answer}");
        build(&server, roads()).await;
        let route = format!("/route/v1/driving/{BANKS}?overview=full&geometries=geojson&steps=true");
        let seconds = |answer: &Json| answer["routes"][0]["duration"].as_f64().unwrap();
        let (status, free) = server.get(&route).await;
        assert_eq!((status, &free["code"], &free["answer"]["basis"]), (200, &json!("Ok"), &json!("road")), "{free}");
        assert!(free["routes"][0]["legs"][0]["steps"].as_array().unwrap().len() >= 3);
        for (kind, cut) in [("closed", true), ("no_entry", true), ("emergency_only", true), ("slow", false)] {
            let (status, made) = server.send("POST", "/collections/closure/items", &[], closure(kind)).await;
            assert_eq!(status, 201, "{made}");
            let id = made["id"].as_str().unwrap();
            // At once, and again when the hierarchies know of it.
            for wait in [0, 300] {
                tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                let (_, now) = server.get(&route).await;
                assert!(seconds(&now) > seconds(&free) + 5.0, "{kind}: {now}");
                let told = &now["answer"]["closures"];
                assert_eq!((cut, told[0]["id"] == json!(id)), (cut, cut), "{now}");
                if cut {
                    assert_eq!(told[0]["effect"], "avoided");
                    let extra = told[0]["extra_s"].as_f64().unwrap();
                    assert!((extra - (seconds(&now) - seconds(&free))).abs() < 0.2, "{now}");
                    let line = now["routes"][0]["geometry"]["coordinates"].as_array().unwrap();
                    assert!(line.iter().any(|at| at[1].as_f64().unwrap() > 28.64), "it goes round: {now}");
                }
                let (_, table) = server.get(&format!("/table/v1/driving/{BANKS}?annotations=duration,distance")).await;
                assert!((table["durations"][0][1].as_f64().unwrap() - seconds(&now)).abs() < 0.11, "{table}");
                // Lifted for one request; and where emergency vehicles may, they do.
                let (_, lifted) = server.get(&format!("{route}&lift={id}")).await;
                assert_eq!(seconds(&lifted), seconds(&free));
                let (_, emergency) = server.get(&format!("/route/v1/emergency/{BANKS}")).await;
                assert_eq!(
                    emergency["answer"]["closures"].as_array().unwrap().is_empty(),
                    kind == "emergency_only" || kind == "slow",
                    "{emergency}"
                );
            }
            let (status, _) = server.send("DELETE", &format!("/collections/closure/items/{id}"), &[], String::new()).await;
            assert_eq!(status, 204);
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let (_, again) = server.get(&route).await;
            assert_eq!(seconds(&again), seconds(&free));
        }
        // Both ways across closed: unreachable is null and an error, never a number, and what cuts it off is named.
        let wall = json!({ "type": "LineString", "coordinates": [[113.91, 28.5], [113.91, 28.7]] });
        let body = json!({ "coordinates": [[113.9001, 28.605], [113.9199, 28.605]], "closures": wall });
        let (status, cut) = server.send("POST", "/route/v1/car", &[], body.to_string()).await;
        assert_eq!((status, &cut["code"], &cut["answer"]["closures"][0]["effect"]), (400, &json!("NoRoute"), &json!("cuts_off")), "{cut}");
        let (_, table) = server.send("POST", "/table/v1/car", &[], body.to_string()).await;
        assert_eq!(table["durations"][0][1], Json::Null, "{table}");
        // A place beside no road closes nothing, and answers say so.
        let off = json!({ "coordinates": [[113.9001, 28.605], [113.9199, 28.605]], "closures": { "type": "Point", "coordinates": [113.95, 28.6] } });
        let (status, idle) = server.send("POST", "/route/v1/car", &[], off.to_string()).await;
        assert_eq!((status, &idle["answer"]["close_no_road"][0]["id"]), (200, &json!("what-if-0")), "{idle}");
        // A closure in its time only.
        let after = |ms: i64| (chrono::Utc::now() + chrono::Duration::milliseconds(ms)).to_rfc3339();
        let mut timed: Json = serde_json::from_str(&closure("closed")).unwrap();
        timed["properties"]["valid_from"] = json!(after(1_500));
        timed["properties"]["valid_to"] = json!(after(4_000));
        let (status, made) = server.send("POST", "/collections/closure/items", &[], timed.to_string()).await;
        assert_eq!(status, 201, "{made}");
        let mut seen = vec![];
        for _ in 0..12 {
            let (_, now) = server.get(&route).await;
            seen.push(seconds(&now) > seconds(&free));
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        seen.dedup();
        assert_eq!(seen, [false, true, false], "not yet, in force, over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_first_goes_by_road_and_closures() {
    for place in both().await {
        let server = serve(&place, false).await;
        build(&server, roads()).await;
        // By the bird's way the other bank is nearer; by road it isn't.
        server.create("shelter", Some((113.9199, 28.605)), json!({ "code": "across", "name": "东岸" })).await;
        server.create("shelter", Some((113.9001, 28.64)), json!({ "code": "north", "name": "北" })).await;
        server.create("shelter", Some((114.5, 28.605)), json!({ "code": "off", "name": "无路" })).await;
        let codes = |answer: &Json| -> Vec<String> {
            answer["features"].as_array().unwrap().iter().map(|f| f["properties"]["code"].as_str().unwrap().into()).collect()
        };
        let near = "/query/nearest?layer=shelter&point=113.9001,28.606&k=3";
        assert_eq!(codes(&server.get(near).await.1), ["across", "north", "off"]);
        let (status, timed) = server.get(&format!("{near}&by=time&profile=car")).await;
        assert_eq!(
            (status, codes(&timed), &timed["answer"]["basis"]),
            (200, vec!["across".to_owned(), "north".into()], &json!("road")),
            "{timed}"
        );
        assert_eq!(timed["answer"]["excluded"][0]["reason"], "unreachable", "{timed}");
        assert!(timed["features"][0]["duration_s"].as_f64().unwrap() > 60.0 && timed["features"][0]["snap_m"].as_f64().unwrap() < 20.0);
        let (_, all) = server.get(&format!("{near}&by=time&include=unreachable")).await;
        assert_eq!((codes(&all).len(), &all["features"][2]["duration_s"]), (3, &Json::Null), "{all}");
        let (status, made) = server.send("POST", "/collections/closure/items", &[], closure("closed")).await;
        assert_eq!(status, 201, "{made}");
        let (_, closed) = server.get(&format!("{near}&by=time")).await;
        assert_eq!(codes(&closed), ["north", "across"]);
        assert_eq!(closed["answer"]["closures"][0]["effect"], "avoided", "{closed}");
        let minutes = closed["features"][0]["duration_s"].as_f64().unwrap() / 60.0 + 0.1;
        let (_, within) = server.get(&format!("/query/within?layer=shelter&point=113.9001,28.606&minutes={minutes}")).await;
        assert_eq!((codes(&within), &within["numberMatched"]), (vec!["north".to_owned()], &json!(1)), "{within}");
        let (_, dossier) = server.get("/query/dossier?point=113.9001,28.606&radius=10km").await;
        assert_eq!(dossier["layers"]["shelter"]["features"][0]["properties"]["code"], "north", "{dossier}");
        let (_, isochrone) = server.get("/isochrone/v1/car/113.9001,28.606?contours_minutes=2,5&polygons=true").await;
        assert_eq!(
            (isochrone["features"][0]["properties"]["contour"].as_f64(), isochrone["features"].as_array().unwrap().len()),
            (Some(5.0), 2),
            "{isochrone}"
        );
        // Teams come to the place: their times are those of the way here.
        server.create("response_team", Some((113.9199, 28.605)), json!({ "code": "t", "name": "队", "state": "free" })).await;
        let (_, team) = server.get("/query/nearest?layer=response_team&point=113.9001,28.606&by=time&profile=emergency").await;
        let (_, table) = server.get("/table/v1/emergency/113.9199,28.605;113.9001,28.606").await;
        let (eta, there) = (team["features"][0]["duration_s"].as_f64().unwrap(), table["durations"][0][1].as_f64().unwrap());
        assert!((eta - there).abs() < 0.11, "{eta} {there}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_by_road_get_a_code_and_a_remedy() {
    let [place, _] = both().await;
    let server = serve(&place, false).await;
    build(&server, roads()).await;
    // A survey that holds no road leaves the network in use as it is.
    for (lines, options) in [("{\"type\":\"FeatureCollection\",\"features\":[]}", ""), ("nonsense", ""), ("{}", "&layer=shelter")] {
        let (status, answer) = import(&server, lines.into(), options).await;
        assert_eq!(status, 400, "{answer}");
    }
    let (status, dry) = import(&server, roads(), "&dry_run=true").await;
    assert_eq!((status, &dry["committed"], &dry["seq"]), (200, &json!(false), &Json::Null), "{dry}");
    assert!(dry["roads"]["roads"].as_u64().is_some_and(|roads| roads > 4), "{dry}");
    for (path, code) in [
        ("/route/v1/driving/0,0;1,1", "NoSegment"),
        ("/route/v1/driving/113.9001,28.605", "InvalidQuery"),
        ("/route/v1/driving/28.605,113.9;28.6,113.9", "InvalidOptions"),
        ("/route/v1/rocket/113.9,28.6;113.92,28.6", "InvalidOptions"),
        ("/route/v1/driving/113.9,28.6;nonsense", "InvalidQuery"),
        ("/route/v1/driving/polyline(@@@@);113.9,28.6", "InvalidQuery"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?radiuses=5", "InvalidOptions"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?radiuses=nan;1", "InvalidOptions"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?bearings=400,5;", "InvalidOptions"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?unknown=1", "InvalidQuery"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?closures=%7B%7D", "InvalidValue"),
        ("/route/v1/driving/113.9,28.6;113.92,28.6?closures=nonsense", "InvalidValue"),
        ("/table/v1/driving/113.9,28.6;113.92,28.6?sources=7", "InvalidOptions"),
        ("/table/v1/driving/113.9,28.6;113.92,28.6?fallback_speed=3", "InvalidOptions"),
        ("/nearest/v1/driving/113.9,28.6?number=0", "InvalidOptions"),
        ("/nearest/v1/driving/0,0", "NoSegment"),
        ("/match/v1/driving/0,0;1,1", "NoMatch"),
        ("/isochrone/v1/driving/113.9,28.6", "InvalidOptions"),
        ("/isochrone/v1/driving/113.9,28.6?contours_minutes=5,2", "InvalidOptions"),
        ("/isochrone/v1/driving/113.9,28.6?contours_minutes=nan", "InvalidOptions"),
    ] {
        let (status, answer) = server.get(path).await;
        assert_eq!((status, answer["code"].as_str()), (400, Some(code)), "{path}: {answer}");
        assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    for body in ["", "[]", "{}", "{\"coordinates\":[[1]]}", "{\"coordinates\":[[113.9,28.6],[113.92,28.6]],\"closures\":[1]}"] {
        let (status, answer) = server.send("POST", "/route/v1/car", &[], body.to_owned()).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    // A closure needs a place and a kind; one that covers the whole earth's half is refused as geometry.
    for (properties, geometry) in
        [(json!({ "kind": "closed" }), Json::Null), (json!({}), json!({ "type": "Point", "coordinates": [113.9, 28.6] }))]
    {
        let body = json!({ "type": "Feature", "properties": properties, "geometry": geometry }).to_string();
        let (status, answer) = server.send("POST", "/collections/closure/items", &[], body).await;
        assert_eq!((status, &answer["code"]), (422, &json!("required_missing")), "{answer}");
    }
    let (status, _) = server.get(&format!("/route/v1/driving/{BANKS}")).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_stays_where_a_one_way_leads_out_of_it() {
    let mut lines: Json = serde_json::from_slice(&roads()).unwrap();
    let features = lines["features"].as_array_mut().unwrap();
    features.push(json!({ "type": "Feature", "properties": { "class": "residential", "name": "出口路", "oneway": "yes" },
        "geometry": { "type": "LineString", "coordinates": [[113.89, 28.61], [113.90, 28.61]] } }));
    features.push(json!({ "type": "Feature", "properties": { "class": "service", "name": "厂区路", "access": "private" },
        "geometry": { "type": "LineString", "coordinates": [[113.92, 28.61], [113.93, 28.61]] } }));
    let [place, _] = both().await;
    let server = serve(&place, false).await;
    build(&server, lines.to_string().into_bytes()).await;
    let (exit, bank) = ("113.893,28.61", "113.92,28.605");
    let off = async |from: &str, to: &str| {
        let (status, answer) = server.get(&format!("/route/v1/driving/{from};{to}")).await;
        assert_eq!(status, 200, "{answer}");
        let (_, table) = server.get(&format!("/table/v1/driving/{from};{to}?sources=0&destinations=1")).await;
        let apart = table["durations"][0][0].as_f64().unwrap() - answer["routes"][0]["duration"].as_f64().unwrap();
        assert!(apart.abs() < 0.11, "{table} {answer}");
        [0, 1].map(|n| answer["waypoints"][n]["distance"].as_f64().unwrap().round())
    };
    assert_eq!(off(exit, bank).await, [0.0, 0.0]);
    // Nobody gets there: to the nearest place that one can come to instead.
    let moved = off(bank, exit).await;
    assert!(moved[0] == 0.0 && (600.0..700.0).contains(&moved[1]), "{moved:?}");
    // Where one may only arrive is no island.
    let works = "113.925,28.61";
    assert_eq!([off(works, bank).await, off(bank, works).await], [[0.0; 2]; 2]);
    let (_, near) = server.get(&format!("/nearest/v1/driving/{works}")).await;
    assert_eq!(near["waypoints"][0]["name"], "厂区路", "{near}");
    let (_, whole) = server.get(&format!("/table/v1/driving/{exit};{bank}")).await;
    assert!(whole["durations"][0][1].is_number() && whole["durations"][1][0].is_number(), "{whole}");
}
