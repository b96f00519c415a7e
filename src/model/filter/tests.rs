use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::model::{Catalog, Draft, ReadOnly};

const LAYER: &str = r##"
id = "shelter"
version = 1
name = { zh = "避难场所", en = "Shelter" }
group = "test"
geometry = "any"
symbol = { icon = "shelter", color = "#336699" }
[[fields]]
key = "state"
type = "enum"
name = { zh = "状态", en = "State" }
values = [{ value = "open", zh = "开放", en = "Open" }, { value = "closed", zh = "关闭", en = "Closed" }]
[[fields]]
key = "capacity"
type = "integer"
name = { zh = "容量", en = "Capacity" }
[[fields]]
key = "occupied"
type = "integer"
name = { zh = "已用", en = "Occupied" }
[[fields]]
key = "checked"
type = "date"
name = { zh = "检查", en = "Checked" }
[[fields]]
key = "unsafe_for"
type = "list"
name = { zh = "不适用", en = "Unsafe for" }
values = [{ value = "flood", zh = "洪水", en = "Flood" }, { value = "fire", zh = "火灾", en = "Fire" }]
"##;

fn layer() -> std::sync::Arc<Layer> {
    Catalog::parse(&[("shelter.toml".into(), LAYER.into())]).unwrap().layers[0].clone()
}

fn feature(layer: &Layer) -> Feature {
    let json = json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [113.9, 28.6] }, "properties": {
        "name": "第一中学 No.1", "state": "open", "capacity": 500, "checked": "2026-05-12", "unsafe_for": ["flood"] } });
    Draft::from_geojson(layer, &json, ReadOnly::Refuse).unwrap().create(layer, Uuid::nil()).unwrap()
}

#[test]
fn conditions_hold_as_cql2_says() {
    let layer = layer();
    let feature = feature(&layer);
    for (text, expected) in [
        ("state = 'open'", true),
        ("state <> 'open'", false),
        ("NOT state = 'closed'", true),
        ("capacity >= 500 AND capacity < 501", true),
        ("capacity + 1 = 501", true),
        ("capacity / 0 = 1", false),
        ("capacity BETWEEN 1 AND 500", true),
        ("capacity NOT BETWEEN 1 AND 500", false),
        ("capacity IN (1, 2, 500)", true),
        ("occupied >= capacity", false),
        // Unknown, and so is its negation.
        ("NOT occupied >= capacity", false),
        ("occupied IS NULL", true),
        ("occupied IS NOT NULL", false),
        ("occupied IS NULL OR occupied < capacity", true),
        ("name LIKE '%中学%'", true),
        ("name LIKE '第_中学%'", true),
        ("name LIKE '中学'", false),
        ("CASEI(name) LIKE CASEI('%NO.1')", true),
        ("CASEI(name) = CASEI('第一中学 NO.1')", true),
        ("verified = true", true),
        ("verified", true),
        ("checked = DATE('2026-05-12')", true),
        ("checked > '2026-05-11'", true),
        ("T_AFTER(checked, DATE('2026-05-11'))", true),
        ("T_DURING(checked, INTERVAL('2026-05-01', '..'))", true),
        ("T_BEFORE(updated_at, TIMESTAMP('2000-01-01T00:00:00Z'))", false),
        ("A_CONTAINS(unsafe_for, ('flood'))", true),
        ("A_CONTAINS(unsafe_for, ('flood', 'fire'))", false),
        ("A_OVERLAPS(unsafe_for, ('flood', 'fire'))", true),
        ("S_INTERSECTS(geometry, POLYGON((113 28, 115 28, 115 29, 113 29, 113 28)))", true),
        ("S_INTERSECTS(geometry, BBOX(113, 28, 114, 29))", true),
        ("S_WITHIN(geometry, BBOX(114, 28, 115, 29))", false),
        ("S_DISJOINT(geometry, POINT(0 0))", true),
        ("geometry IS NULL", false),
        ("version = 1", true),
        ("id = '00000000-0000-0000-0000-000000000000'", true),
    ] {
        let filter = Filter::parse_text(&layer, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(&feature, None), expected, "{text}");
    }
    let json = r#"{"op":"and","args":[{"op":"=","args":[{"property":"state"},"open"]},{"op":">","args":[{"property":"capacity"},10]}]}"#;
    assert!(Filter::parse_json(&layer, json).unwrap().matches(&feature, None));
}

#[test]
fn mistakes_get_a_name() {
    let layer = layer();
    for (text, code) in [
        ("stat = 'open'", Code::UnknownProperty),
        ("state = 'ope'", Code::UnknownEnumValue),
        ("capacity = 'many'", Code::InvalidFilter),
        ("capacity", Code::InvalidFilter),
        ("FROBNICATE(capacity)", Code::InvalidFilter),
        ("state = ", Code::InvalidFilter),
        ("", Code::InvalidFilter),
        ("A_CONTAINS(unsafe_for, ('flod'))", Code::UnknownEnumValue),
        ("\"$hazard\" = 'flood'", Code::UnknownProperty),
        ("S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 0 1, 1 0, 0 0)))", Code::InvalidGeometry),
        ("S_INTERSECTS(capacity, POINT(0 0))", Code::InvalidFilter),
        ("checked > 'yesterday'", Code::InvalidFilter),
    ] {
        let error = Filter::parse_text(&layer, text).expect_err(text);
        assert_eq!(error.code, code, "{text}: {error}");
    }
}

#[test]
fn the_hazard_is_asked_of_rules_only() {
    let layer = layer();
    let rule = Filter::parse_rule(&layer, "A_CONTAINS(unsafe_for, (\"$hazard\"))").unwrap();
    assert!(rule.uses_hazard());
    let feature = feature(&layer);
    assert!(rule.matches(&feature, Some("flood")));
    assert!(!rule.matches(&feature, Some("fire")));
    assert!(!rule.matches(&feature, None));
}

#[test]
fn hostile_text_is_refused_quickly() {
    let layer = layer();
    let depth = "(".repeat(DEPTH_MAX);
    let inputs = [
        "(".repeat(100_000),
        "NOT ".repeat(100_000) + "verified",
        "-".repeat(16_000) + "1 = 1",
        depth.clone(),
        format!("{depth}capacity = {}", ")".repeat(DEPTH_MAX)),
        "capacity = ".repeat(1_400),
        "capacity = 1 AND ".repeat(900) + "verified",
        "CASEI(".repeat(10) + "name",
        format!("name LIKE '{}'", "%a".repeat(7_000)),
        "\u{0}'\"".into(),
        "capacity = 1e999".into(),
        "((((((((((((1,2),3),4".into(),
        "x(".repeat(12),
    ];
    for input in inputs {
        let started = std::time::Instant::now();
        // On as small a stack as a server's threads have.
        let layer = layer.clone();
        let shown: String = input.chars().take(40).collect();
        std::thread::Builder::new().stack_size(2 << 20).spawn(move || drop(Filter::parse_text(&layer, &input))).unwrap().join().unwrap();
        assert!(started.elapsed().as_millis() < 2_000, "{shown}: {:?}", started.elapsed());
    }
    for json in [
        "[".repeat(50_000),
        "{\"op\":\"not\",\"args\":[".repeat(19),
        "{\"op\":\"not\",\"args\":[".repeat(5_000),
        "{}".into(),
        "null".into(),
        "{\"op\":\"=\",\"args\":[]}".into(),
    ] {
        assert!(Filter::parse_json(&layer, &json).is_err());
    }
    let worst = Pattern::new(&"%a".repeat(50));
    assert!(!worst.matches(&"a".repeat(49)));
    assert!(worst.matches(&"ba".repeat(50)));
}
