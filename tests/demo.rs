//! The demo county comes out with the figures that it is made from, on both stores.

use biaotu::{
    app::roads::Survey,
    exchange::Crs,
    roads::{
        Roads, Snap, Ways,
        region::{Ask, Region},
    },
};
use serde_json::{Value as Json, json};

use crate::support::stores::{Server, both, serve};

#[allow(dead_code)]
#[path = "../data/demo/generate.rs"]
mod generate;

fn file(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo").join(name)).unwrap()
}

fn features(name: &str) -> Vec<Json> {
    serde_json::from_str::<Json>(&file(name)).unwrap()["features"].as_array().unwrap().clone()
}

#[test]
fn the_files_are_what_the_generator_writes() {
    for (name, text) in generate::files() {
        assert!(file(&name) == text, "{name}: run `cargo run --example demo-county`");
    }
}

/// Layers that somebody is sent to, and what else lies in the county.
const SENT_TO: [&str; 6] = ["shelter", "supply_depot", "response_team", "facility", "contact", "incident"];
const LYING: [&str; 4] = ["population", "hazard_source", "weather_observation", "confined_space"];

#[test]
fn the_roads_are_one_network_that_reaches_every_place() {
    let region = Region::read(&Survey::GeoJson(Crs::Wgs84).pack(file("road.geojson").as_bytes(), |_| Ok(())).unwrap().0).unwrap();
    let places = |layers: &[&str]| -> Vec<Ask> {
        let features = layers.iter().flat_map(|layer| features(&format!("{layer}.geojson")));
        let at = |feature: Json| feature["geometry"]["coordinates"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        features.map(|feature| -> Vec<f64> { at(feature) }).map(|at| Ask::new(at[0], at[1])).collect()
    };
    let (sent_to, lying) = (places(&SENT_TO), places(&LYING));
    let roads = Roads::new(std::sync::Arc::new(region), 0);
    for name in ["car", "foot"] {
        let n = roads.region.modes.iter().position(|mode| mode.profile.name == name).unwrap();
        let mode = &roads.region.modes[n];
        for (asks, limit) in [(&sent_to, 300.0), (&lying, 1_000.0)] {
            for (snap, ask) in roads.region.snap(mode, asks, true).iter().zip(asks) {
                assert!(snap.is_some_and(|snap| snap.distance_m < limit), "{name}: {ask:?} is far from a road");
            }
        }
        let seat = roads.region.snap(mode, &sent_to[..1], true)[0].unwrap();
        let mut arcs: Vec<Snap> = vec![];
        for road in 0..roads.region.network.roads.len() as u32 {
            let Ways { forward, backward } = mode.ways(road);
            let way = |forward| Snap { road, at: 0.5, ways: Ways { forward, backward: !forward }, ..seat };
            arcs.extend([(forward, true), (backward, false)].into_iter().filter(|(open, _)| *open).map(|(_, ahead)| way(ahead)));
        }
        assert!(arcs.len() > 1_500, "{name}: {}", arcs.len());
        let conditions = roads.conditions(n);
        for costs in [conditions.table(&[seat], &arcs), conditions.table(&arcs, &[seat])] {
            let cut: Vec<_> = costs.iter().zip(&arcs).filter(|(cost, _)| cost.is_never()).map(|(_, arc)| arc.road).collect();
            assert!(cut.is_empty(), "{name}: {cut:?}");
        }
    }
}

const HOSPITAL: &str = "113.949,28.615";

#[tokio::test(flavor = "multi_thread")]
async fn every_town_is_driven_to_and_the_bridge_is_missed() {
    let roads = features("road.geojson");
    let bridge = roads.iter().find(|road| road["properties"]["name"] == "云溪大桥").unwrap();
    let middle: Vec<f64> = (0..2)
        .map(|axis| {
            let line = bridge["geometry"]["coordinates"].as_array().unwrap();
            line.iter().map(|at| at[axis].as_f64().unwrap()).sum::<f64>() / line.len() as f64
        })
        .collect();
    for place in both().await {
        let server = serve(&place, true).await;
        let (_, areas) = server.get("/collections/hazard_area/items").await;
        let flood = areas["features"].as_array().unwrap().iter().find(|area| area["properties"]["code"] == "YX-HA-01").unwrap();
        let dry = format!("&lift={}", flood["id"].as_str().unwrap());
        let route = |profile: &str, to: &str, lift: &str| {
            let url = format!("{}/route/v1/{profile}/{HOSPITAL};{to}?overview=false{lift}", server.url);
            let client = server.client.clone();
            async move {
                let answer: Json = client.get(&url).send().await.unwrap().json().await.unwrap();
                assert_eq!(answer["code"], "Ok", "{url}: {answer}");
                answer["routes"][0]["distance"].as_f64().unwrap()
            }
        };
        for (town, at) in generate::TOWNS {
            let metres = route("driving", &format!("{},{}", at.0, at.1), "").await;
            assert!((300.0..40_000.0).contains(&metres), "{town}: {metres}");
        }
        let over = "113.90,28.48";
        let (free, heavy) = (route("driving", over, "").await, route("truck", over, "").await);
        assert!((heavy - free).abs() < 1.0, "the great bridge bears lorries");
        let (lon, lat, r) = (middle[0], middle[1], 0.0003);
        let ring = [[lon - r, lat - r], [lon + r, lat - r], [lon + r, lat + r], [lon - r, lat + r], [lon - r, lat - r]];
        let closure = json!({ "type": "Feature", "geometry": { "type": "Polygon", "coordinates": [ring] },
            "properties": { "name": "云溪大桥封闭", "kind": "closed" } });
        let (status, made) = server.send("POST", "/collections/closure/items", &[], closure.to_string()).await;
        assert_eq!(status, 201, "{made}");
        // The flood has the next two bridges; without it there is the old one, which bears no lorries.
        let (flooded, round) = (route("driving", over, "").await, route("driving", over, &dry).await);
        assert!(round > free + 3_000.0 && flooded > round + 10_000.0, "{flooded}, {round} after {free}");
        let heavy = route("truck", over, &dry).await;
        assert!(heavy > round + 10_000.0, "{heavy} beside {round}");
        let path = format!("/collections/closure/items/{}", made["id"].as_str().unwrap());
        let (status, gone) = server.send("DELETE", &path, &[], "").await;
        assert!(status < 300, "{status}: {gone}");
        assert_eq!(route("driving", over, "").await, free);
    }
}

fn sum_of(groups: &Json, key: &str, value: &str) -> Json {
    groups.as_array().unwrap().iter().find(|group| group["by"][key] == value).unwrap_or_else(|| panic!("{key} {value}"))["count"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_the_plans_come_out_of_the_questions() {
    for place in both().await {
        let server = serve(&place, true).await;
        assert_eq!(server.get("/basemap.geojson").await.1["fictional"], true);
        let (_, teams) = server.get("/query/stats?layer=response_team&by=kind&sum=headcount").await;
        assert_eq!(teams["total"], 41);
        let people: f64 = teams["groups"].as_array().unwrap().iter().map(|group| group["sums"]["headcount"].as_f64().unwrap()).sum();
        assert_eq!(people, 1_600.0);
        assert_eq!((sum_of(&teams["groups"], "kind", "village"), sum_of(&teams["groups"], "kind", "town")), (json!(40), json!(1)));
        let (_, spaces) = server.get("/query/stats?layer=confined_space&by=sector").await;
        assert_eq!(spaces["total"], 2_295);
        for (sector, count) in [
            ("municipal", 1_185),
            ("industry", 424),
            ("environment", 278),
            ("livestock", 156),
            ("power", 69),
            ("other", 76),
            ("construction", 60),
            ("chemical", 47),
        ] {
            assert_eq!(sum_of(&spaces["groups"], "sector", sector), count);
        }
        let (_, shelters) = server.get("/query/stats?layer=shelter&by=class_2008").await;
        assert_eq!((shelters["total"].clone(), sum_of(&shelters["groups"], "class_2008", "II")), (json!(4), json!(1)));
        let (_, villages) = server.get("/query/stats?layer=grid&by=level,has_plan").await;
        let third = villages["groups"].as_array().unwrap().iter().find(|group| group["by"]["level"] == 3).unwrap();
        assert_eq!((third["count"].clone(), third["by"]["has_plan"].clone()), (json!(40), json!(true)));
        let (_, stock) = server.get("/query/within?layer=supply_depot&point=113.95,28.62&radius=100km&sum=stock&limit=0").await;
        for (item, unit, quantity) in [
            ("3010101", "条", 20_000.0),
            ("3010201", "t", 200.0),
            ("3010301", "m³", 1_100.0),
            ("3010302", "m³", 1_500.0),
            ("3010401", "m³", 10.0),
            ("3010501", "kg", 1_800.0),
            ("3010601", "m²", 4_200.0),
            ("2020101", "台", 1.0),
            ("2030101", "盏", 38.0),
            ("2040101", "辆", 18.0),
            ("2050101", "件", 40.0),
        ] {
            assert_eq!(
                stock["answer"]["sums"][item][unit],
                json!({ "free": quantity, "on_hand": quantity, "reserved": 0.0 }),
                "{item} on {}",
                place.kind
            );
        }
        // Every place is somebody's, down to a village.
        let (_, dossier) = server.get("/query/dossier?point=113.95,28.62").await;
        let levels: Vec<i64> =
            dossier["responsible"].as_array().unwrap().iter().map(|cell| cell["properties"]["level"].as_i64().unwrap()).collect();
        assert_eq!(levels, [3, 2, 1]);
        assert!(dossier["layers"]["population"]["sums"]["people"].as_f64().unwrap() > 10_000.0);
        registers_have_the_figures_of_the_plans(&server).await;
        // A second start changes nothing.
        let seq = server.app.live.world().seq;
        server.app.fill_demo().await.unwrap();
        assert_eq!(server.app.live.world().seq, seq);
    }
}

/// Each figure under the plan, or the campaign, that it comes from.
async fn registers_have_the_figures_of_the_plans(server: &Server) {
    let stats = async |query: &str| server.get(&format!("/query/stats?layer={query}")).await.1;
    let group = |stats: &Json, key: &str, value: Json| -> Json {
        let found = stats["groups"].as_array().unwrap().iter().find(|group| group["by"][key] == value);
        found.unwrap_or_else(|| panic!("{key} {value} in {stats}")).clone()
    };
    let dangers = stats("hidden_danger").await;
    // Asked for or not, campaigns are kept apart, and the whole has no rate.
    assert!(dangers["by"] == json!(["campaign"]) && dangers["rate_percent"].is_null(), "{dangers}");
    let first = group(&dangers, "campaign", json!("大排查大整治"));
    assert_eq!((&first["count"], &first["done"], &first["rate_percent"]), (&json!(3_714), &json!(3_441), &json!(92.65)));
    assert_eq!(group(&dangers, "campaign", json!("百日攻坚"))["count"], 1_500);
    let open = stats("hidden_danger&filter=campaign='大排查大整治'%20AND%20state%20<>%20'closed'").await;
    assert_eq!((&open["total"], &open["groups"][0]["done"]), (&json!(273), &json!(0)));
    // 58 of the open ones are past their day, and not one that is closed.
    assert_eq!(open["groups"][0]["overdue"], first["overdue"]);
    assert_eq!(first["overdue"], 58);
    let cells = stats("hidden_danger&by=grid").await;
    let sum = |key: &str| cells["groups"].as_array().unwrap().iter().map(|group| group[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("count"), sum("done")), (5_214, 3_441 + 1_386));
    let visits = stats("inspection&by=kind&sum=visits,problems,orders,cases").await;
    for (kind, count, sums) in [
        ("supervision", 355, json!({ "visits": 2_680, "problems": 1_164, "orders": 0, "cases": 0 })),
        ("special", 12, json!({ "visits": 300, "problems": 0, "orders": 60, "cases": 12 })),
        ("random_draw", 31, json!({ "visits": 31, "problems": 0, "orders": 0, "cases": 0 })),
    ] {
        let group = group(&visits, "kind", json!(kind));
        assert_eq!((&group["count"], &group["sums"]), (&json!(count), &sums), "{kind}");
    }
    for (query, counts) in [
        // 136 of 149 is 91.28 %, and 157 of 189 83.07 %: each its own denominator.
        ("enterprise&by=plan_filed", vec![(json!(true), 136), (json!(false), 13), (json!(null), 40)]),
        ("enterprise&by=supplies_filed", vec![(json!(true), 157), (json!(false), 32)]),
        ("enterprise&by=standard_state", vec![(json!("certified"), 8), (json!("in_progress"), 43)]),
        ("plan&by=level", vec![(json!("village"), 40)]),
        ("drill&by=kind", vec![(json!("comprehensive"), 3), (json!("flood"), 1), (json!("earthquake"), 1), (json!("school"), 3)]),
        ("school_building", vec![(json!(null), 45)]),
    ] {
        let stats = stats(query).await;
        let key = query.split_once("by=").map_or("", |(_, key)| key);
        for (value, count) in counts {
            assert_eq!(group(&stats, key, value)["count"], count, "{query}");
        }
    }
    assert_eq!(stats("enterprise&by=committee").await["groups"].as_array().unwrap().len(), 12);
}
