//! The demo county comes out with the figures that it is made from, on both stores.

use serde_json::{Value as Json, json};

use crate::support::stores::{both, serve};

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
        // A second start changes nothing.
        let seq = server.app.live.world().seq;
        server.app.fill_demo().await.unwrap();
        assert_eq!(server.app.live.world().seq, seq);
    }
}
