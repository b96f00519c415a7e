//! Registers as data: a file is a layer everywhere, and a bad one is refused by name.

use std::sync::Arc;

use biaotu::{error::Code, model::Catalog};
use serde_json::json;

use crate::support::stores;

const STANDPIPE: &str = r##"
id = "standpipe"
version = 1
name = { zh = "供水栓", en = "Standpipes" }
group = "resource"
geometry = "point"
natural_key = ["name"]
symbol = { icon = "area", color = "#c62828", color_by = "state" }

[[fields]]
key = "pressure"
type = "number"
name = { zh = "压力", en = "Pressure" }
unit = "MPa"
unit_aliases = ["兆帕"]
min = 0.0
max = 2.0
aliases = ["水压"]

[[fields]]
key = "state"
type = "enum"
name = { zh = "状态", en = "State" }
default = "ok"
values = [
  { value = "ok", zh = "完好", en = "In order", color = "#2e7d32" },
  { value = "broken", zh = "损坏", en = "Broken" },
]

[[fields]]
key = "depot"
type = "ref"
to = "supply_depot"
name = { zh = "储备库", en = "Depot" }

[exclude]
closed = "state <> 'ok'"

[workflow]
field = "state"
starts = ["ok"]
transitions = [
  { from = ["ok"], to = "broken", name = { zh = "报修", en = "Report" } },
  { from = ["broken"], to = "ok", name = { zh = "修复", en = "Repair" } },
]

[workflow.requires]
broken = ["pressure"]

[[workflow.rules]]
states = ["broken"]
rule = "pressure < 1.5"
name = { zh = "损坏时压力低", en = "broken means low pressure" }
"##;

fn with(text: &str) -> Vec<(String, String)> {
    let mut files = biaotu::config::built_in();
    files.push(("standpipe.toml".into(), text.into()));
    files
}

#[test]
fn a_bad_definition_is_refused_with_file_key_and_remedy() {
    assert!(Catalog::parse(&with(STANDPIPE)).is_ok());
    let many: String = (0..biaotu::model::values::FIELDS_MAX)
        .map(|n| format!("\n[[fields]]\nkey = \"f{n}\"\ntype = \"text\"\nname = {{ zh = \"甲\", en = \"A\" }}\n"))
        .collect();
    // What is changed, to what, and the key that the error must name.
    let cases = [
        ("id = \"standpipe\"", "id = \"Standpipe!\"", "id"),
        ("id = \"standpipe\"", "id = \"shelter\"", "shelter"),
        ("version = 1", "version = \"one\"", "standpipe.toml:3"),
        ("version = 1", "version = 1\ncolour = 2", "standpipe.toml:4"),
        ("name = { zh = \"供水栓\", en = \"Standpipes\" }", "name = { zh = \"供水栓\" }", "standpipe.toml:4"),
        ("geometry = \"point\"", "geometry = \"dot\"", "standpipe.toml:6"),
        ("natural_key = [\"name\"]", "natural_key = [\"nmae\"]", "natural_key"),
        ("#c62828", "red", "symbol.color"),
        ("color_by = \"state\"", "color_by = \"stat\"", "color_by"),
        ("key = \"pressure\"", "key = \"Pressure\"", "fields.Pressure"),
        ("key = \"pressure\"", "key = \"state\"", "fields.state"),
        ("key = \"pressure\"", "key = \"version\"", "fields.version"),
        ("type = \"number\"", "type = \"float\"", "fields.pressure.type"),
        ("type = \"number\"", "type = \"text\"", "fields.pressure"),
        ("max = 2.0", "max = -2.0", "fields.pressure.min"),
        ("default = \"ok\"", "default = \"fine\"", "fields.state.default"),
        ("value = \"broken\"", "value = \"ok\"", "values"),
        ("to = \"supply_depot\"", "to = \"depot\"", "fields.depot.to"),
        ("to = \"supply_depot\"", "", "fields.depot.to"),
        ("state <> 'ok'", "stat <> 'ok'", "exclude"),
        ("state <> 'ok'", "state <>", "exclude"),
        ("field = \"state\"", "field = \"pressure\"", "workflow.field"),
        ("starts = [\"ok\"]", "starts = [\"fine\"]", "workflow.starts"),
        ("starts = [\"ok\"]", "starts = [\"ok\"]\ndone = [\"gone\"]", "workflow.done"),
        ("starts = [\"ok\"]", "starts = [\"ok\"]\ndeadline = \"pressure\"", "workflow.deadline"),
        ("starts = [\"ok\"]", "starts = [\"ok\"]\nfrozen = { states = [\"ok\"], fields = [\"colour\"] }", "workflow.frozen"),
        ("to = \"broken\"", "to = \"ok\"", "workflow.transitions"),
        ("broken = [\"pressure\"]", "broken = [\"presure\"]", "workflow.requires"),
        ("pressure < 1.5", "presure < 1.5", "workflow.rules"),
        ("\n[exclude]", &format!("{many}\n[exclude]"), "fields"),
    ];
    for (old, new, key) in cases {
        assert!(STANDPIPE.contains(old), "{old}");
        let error = Catalog::parse(&with(&STANDPIPE.replacen(old, new, 1))).expect_err(new);
        assert_eq!(error.code, Code::InvalidDefinition, "{new}: {error}");
        assert!(error.field.contains("standpipe"), "{new}: no file in {:?}", error.field);
        assert!(format!("{} {}", error.field, error.value).contains(key), "{new}: no {key} in {:?} {:?}", error.field, error.value);
        assert!(!error.expected.is_empty(), "{new}: no remedy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_a_layer_everywhere() {
    for place in stores::both().await {
        let catalog = Arc::new(Catalog::parse(&with(STANDPIPE)).unwrap());
        let server = stores::serve_layers(&place, catalog, false, None).await;
        // Import, by its own headers and units.
        let file = "编码,名称,水压,状态,经度,纬度\nH1,北街,0.3兆帕,完好,113.9,28.6\nH2,南街,0.2 MPa,损坏,113.9,28.5\n";
        let (status, report) = server.send("POST", "/import?layer=standpipe&format=csv", &[], file).await;
        assert_eq!((status, &report["layers"]["standpipe"]["counts"]["create"]), (200, &json!(2)), "{report}");
        let bad = file.replace("兆帕", "公斤").replace("损坏", "坏了");
        let (_, report) = server.send("POST", "/import?layer=standpipe&format=csv&dry_run=true", &[], bad).await;
        assert_eq!(report["layers"]["standpipe"]["counts"]["refuse"], 2, "{report}");
        // The one CRUD face, its schema and its limits.
        let id = server.create("standpipe", Some((113.91, 28.61)), json!({ "name": "东街", "pressure": 0.4 })).await;
        let beyond = json!({ "type": "Feature", "geometry": null, "properties": { "name": "高", "pressure": 9 } }).to_string();
        assert_eq!(server.send("POST", "/collections/standpipe/items", &[], beyond).await.1["code"], "out_of_range");
        let (_, queryables) = server.get("/collections/standpipe/queryables").await;
        assert!(queryables["properties"]["pressure"].is_object() && queryables["properties"]["state"]["enum"].is_array(), "{queryables}");
        let (_, found) = server.get("/collections/standpipe/items?filter=pressure%20%3E%200.25&sortby=-pressure").await;
        assert_eq!((&found["numberMatched"], &found["features"][0]["id"]), (&json!(2), &json!(id)));
        // Questions, with its own rule of exclusion.
        let (_, nearest) = server.get("/query/nearest?layer=standpipe&point=113.9,28.5&k=1").await;
        assert_eq!(nearest["features"][0]["properties"]["code"], "H1");
        assert_eq!(nearest["answer"]["excluded"][0]["reason"], "closed");
        let (_, stats) = server.get("/query/stats?layer=standpipe&by=state").await;
        assert_eq!(stats["total"], 3);
        // Tiles, export, the document of the whole API.
        let (_, tiles) = server.get("/tiles/standpipe").await;
        assert!(tiles["vector_layers"][0]["fields"]["state"].is_string(), "{tiles}");
        let tile = server.client.get(format!("{}/tiles/standpipe/8/208/106", server.url)).send().await.unwrap();
        assert!(tile.status() == 200 && tile.bytes().await.unwrap().len() > 50);
        let export = server.client.get(format!("{}/export/standpipe.csv", server.url)).send().await.unwrap().text().await.unwrap();
        assert!(export.contains("pressure") && export.contains("北街"), "{export}");
        let (_, document) = server.get("/openapi.json").await;
        assert!(document.to_string().contains("standpipe"));
    }
}
