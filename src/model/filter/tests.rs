use proptest::prelude::*;
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
fn a_row_without_a_place_is_found() {
    let layer = layer();
    let nowhere = Feature { geometry: None, ..feature(&layer) };
    for (text, expected) in [("geometry IS NULL", true), ("geom IS NOT NULL", false), ("NOT S_INTERSECTS(geometry, POINT(0 0))", false)] {
        assert_eq!(Filter::parse_text(&layer, text).unwrap().matches(&nowhere, None), expected, "{text}");
    }
}

#[test]
fn the_text_is_read_as_the_parser_alone_reads_it() {
    for text in [
        "a = 1",
        "a=1 AND b=2 OR NOT c=3 AND d<>4",
        "NOT a = 1 AND b = 2",
        "NOT (a = 1 OR b = 2) AND c = 3",
        "a BETWEEN 1 AND 2 AND b NOT BETWEEN c AND d + 1 OR e = 1",
        "(a + 1) * -(b - 2) / 3 >= 4 - -1",
        "a IN ('x', 'y''z') AND b NOT IN (1) AND c IN (1, 2)",
        "a LIKE '%(' AND b NOT LIKE 'x AND y)' AND c IS NOT NULL",
        "\"a(b\" = 1 AND \"and\" = 2",
        "CASEI(a) = CASEI('B') AND ACCENTI(a) LIKE ACCENTI('é')",
        "S_INTERSECTS(geom, POLYGON((0 0, 1 0, 1 1, 0 0), (0.1 0.1, 0.2 0.1, 0.2 0.2, 0.1 0.1)))",
        "S_INTERSECTS(geom, POINT Z (1 2 3)) AND S_WITHIN(geom, BBOX(-1, -2.5, 1e1, 2))",
        "T_DURING(a, INTERVAL('2026-01-01', '..')) AND b > DATE('2026-01-01') AND c = TIMESTAMP('2026-01-01T00:00:00Z')",
        "A_CONTAINS(a, ('x', 'y')) OR A_OVERLAPS(a, b)",
        "a AND (b) AND true",
        "1e3 < a AND a=1AND b=2",
    ] {
        let alone = cql2::parse_text(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let ours = text::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(ours.to_json().unwrap(), alone.to_json().unwrap(), "{text}");
    }
}

/// Runs on half the stack that a thread of the server has, and gives the processor's time that it takes, to hundredths of a second: a
/// busy machine doesn't count.
fn on_small_stack(work: impl FnOnce() + Send + 'static) -> std::time::Duration {
    let timed = move || {
        work();
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // After the name in brackets, which may hold anything: user and system time are the 12th and 13th.
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
        std::time::Duration::from_millis(ticks.sum::<u64>() * 10)
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(timed).unwrap().join().unwrap()
}

/// What broke or would break a parser: deep, long, and with what is deep or long hidden from who counts.
fn hostile() -> Vec<String> {
    let deep = |open: &str, n: usize| open.repeat(n);
    let mut inputs = vec![
        deep("NOT ", 100_000) + "verified",
        deep("NOT ", 8_000) + "verified",
        deep("-", 32_000) + "1 = 1",
        format!("name = 'POINT' AND 1 = {}1", "- ".repeat(8_000)),
        format!("name = 'POINT' AND 1 = 1{}", "+1".repeat(16_000)),
        format!("name = 'POINT' AND 1{}", "=1".repeat(16_000)),
        format!("capacity = {}1", "(1+".repeat(60)),
        "capacity = ".repeat(2_800),
        format!("{}verified", "capacity = 1 AND ".repeat(1_900)),
        format!("{}verified", "verified or ".repeat(1_990)),
        format!("capacity IN ({}1)", "1,".repeat(16_000)),
        format!("name LIKE '{}'", "%a".repeat(7_000)),
        format!("S_INTERSECTS(geometry, {}1", "MULTIPOLYGON(((".repeat(2_000)),
        format!("S_INTERSECTS(geometry, MULTIPOLYGON((({}", "1 2,".repeat(8_000)),
        format!("S_INTERSECTS(geometry, LINESTRING({}x))", "1 2,".repeat(8_000)),
        deep("GEOMETRYCOLLECTION(", 1_700),
        deep("a between ", 3_000),
        deep("INTERVAL(", 3_500),
        "\u{0}'\"".into(),
        "\"\u{1}0\" = 1".into(),
        "capacity = 1e999".into(),
    ];
    for open in ["(", "x(", "((1,2),", "NOT (", "-(", "(capacity + 1) * (", "CASEI(", "capacity in ((", "a between (", "'' = (", "POINT(("]
    {
        // Two quotes that don't pair: what follows must be counted all the same.
        for lead in ["", "\"'\" = ", "'\"' = ", "name = 'it''s' AND "] {
            for n in [12, DEPTH_FITS, 1_000, 100_000] {
                inputs.push(format!("{lead}{}", deep(open, n)));
                inputs.push(format!("{lead}{}verified{}", deep(open, n), ")".repeat(n)));
            }
        }
    }
    inputs
}
const DEPTH_FITS: usize = text::DEPTH_MAX - 2;

#[test]
fn hostile_text_is_read_or_refused_quickly_on_a_small_stack() {
    let layer = layer();
    let feature = feature(&layer);
    for input in hostile() {
        let (layer, feature) = (layer.clone(), feature.clone());
        let shown: String = input.chars().take(40).collect();
        let took = on_small_stack(move || {
            if let Ok(filter) = Filter::parse_text(&layer, &input) {
                filter.matches(&feature, None);
            }
        });
        // Far above what it takes (see the ignored test below).
        assert!(took.as_millis() < 2_000, "{shown}: {took:?}");
    }
}

/// `cargo test --release -- --ignored slowest --nocapture`
#[test]
fn hostile_json_is_read_or_refused_on_a_small_stack() {
    let nested = |n: usize| format!("{}{}{}", "{\"op\":\"not\",\"args\":[".repeat(n), "true", "]}".repeat(n));
    let chain = |op: &str, arg: &str, n: usize| format!("{{\"op\":\"{op}\",\"args\":[{}{arg}]}}", format!("{arg},").repeat(n));
    let layer = layer();
    let feature = feature(&layer);
    for (json, good) in [
        ("[".repeat(50_000), false),
        (format!("{{\"a\\\"\":{}", "[".repeat(30_000)), false),
        (nested(5_000), false),
        (nested(JSON_DEPTH_MAX / 2), true),
        (nested(JSON_DEPTH_MAX / 2 + 1), false),
        (chain("and", "true", 1_900), true),
        (chain("or", "true", 6_000), false),
        (chain("+", "1", 6_000), false),
        ("{}".into(), false),
        ("null".into(), false),
        ("{\"op\":\"=\",\"args\":[]}".into(), false),
    ] {
        let (layer, feature) = (layer.clone(), feature.clone());
        on_small_stack(move || {
            let filter = Filter::parse_json(&layer, &json);
            assert_eq!(filter.is_ok(), good, "{}", &json[..json.len().min(40)]);
            filter.ok().map(|filter| filter.matches(&feature, None));
        });
    }
}

#[test]
fn a_pattern_takes_no_exponential_time() {
    let worst = Pattern::new(&"%a".repeat(50));
    assert!(!worst.matches(&"a".repeat(49)));
    assert!(worst.matches(&"ba".repeat(50)));
}

/// A condition on `capacity`, `occupied` and `state`, its CQL2 text, and its truth worked out naively.
#[derive(Clone, Debug)]
enum Naive {
    Compare(&'static str, &'static str, i64),
    State(bool, &'static str),
    Null(bool, &'static str),
    Between(bool, &'static str, i64, i64),
    In(bool, &'static str, Vec<i64>),
    Not(Box<Naive>),
    And(Vec<Naive>),
    Or(Vec<Naive>),
}

impl Naive {
    fn text(&self) -> String {
        let not = |yes: &bool| if *yes { "NOT " } else { "" };
        let list = |nodes: &[Naive], word: &str| nodes.iter().map(|n| format!("({})", n.text())).collect::<Vec<_>>().join(word);
        match self {
            Naive::Compare(op, field, n) => format!("{field} {op} {n}"),
            Naive::State(equal, value) => format!("state {} '{value}'", if *equal { "=" } else { "<>" }),
            Naive::Null(no, field) => format!("{field} IS {}NULL", not(no)),
            Naive::Between(no, field, low, high) => format!("{field} {}BETWEEN {low} AND {high}", not(no)),
            Naive::In(no, field, list) => {
                format!("{field} {}IN ({})", not(no), list.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
            }
            Naive::Not(node) => format!("NOT ({})", node.text()),
            Naive::And(nodes) => list(nodes, " AND "),
            Naive::Or(nodes) => list(nodes, " OR "),
        }
    }

    fn truth(&self, capacity: Option<i64>, occupied: Option<i64>, state: Option<&str>) -> Option<bool> {
        let field = |name: &str| if name == "capacity" { capacity } else { occupied };
        let each = |nodes: &[Naive]| nodes.iter().map(|n| n.truth(capacity, occupied, state)).collect::<Vec<_>>();
        match self {
            Naive::Compare(op, name, n) => field(name).map(|value| match *op {
                "=" => value == *n,
                "<>" => value != *n,
                "<" => value < *n,
                "<=" => value <= *n,
                ">" => value > *n,
                _ => value >= *n,
            }),
            Naive::State(equal, value) => state.map(|state| (state == *value) == *equal),
            Naive::Null(no, name) => Some(field(name).is_none() != *no),
            Naive::Between(no, name, low, high) => field(name).map(|value| (*low <= value && value <= *high) != *no),
            Naive::In(no, name, list) => field(name).map(|value| list.contains(&value) != *no),
            Naive::Not(node) => node.truth(capacity, occupied, state).map(|b| !b),
            Naive::And(nodes) => match each(nodes) {
                all if all.contains(&Some(false)) => Some(false),
                all if all.contains(&None) => None,
                _ => Some(true),
            },
            Naive::Or(nodes) => match each(nodes) {
                all if all.contains(&Some(true)) => Some(true),
                all if all.contains(&None) => None,
                _ => Some(false),
            },
        }
    }
}

fn naive() -> impl Strategy<Value = Naive> {
    let field = || prop::sample::select(vec!["capacity", "occupied"]);
    let small = -3..4_i64;
    let leaf = prop_oneof![
        (prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]), field(), small.clone()).prop_map(|(o, f, n)| Naive::Compare(o, f, n)),
        (any::<bool>(), prop::sample::select(vec!["open", "closed"])).prop_map(|(e, v)| Naive::State(e, v)),
        (any::<bool>(), field()).prop_map(|(no, f)| Naive::Null(no, f)),
        (any::<bool>(), field(), small.clone(), small.clone()).prop_map(|(no, f, l, h)| Naive::Between(no, f, l, h)),
        (any::<bool>(), field(), prop::collection::vec(small, 1..4)).prop_map(|(no, f, l)| Naive::In(no, f, l)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|n| Naive::Not(Box::new(n))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Naive::And),
            prop::collection::vec(inner, 1..4).prop_map(Naive::Or),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_agrees_with_a_naive_reading(
        node in naive(), capacity in prop::option::of(-3..4_i64), occupied in prop::option::of(-3..4_i64),
        state in prop::option::of(prop::sample::select(vec!["open", "closed"])),
    ) {
        let layer = layer();
        let mut feature = feature(&layer);
        let int = |n: Option<i64>| n.map_or(Value::Null, Value::Int);
        for (key, value) in [("capacity", int(capacity)), ("occupied", int(occupied)), ("state", state.map_or(Value::Null, |s| Value::Text(s.into())))] {
            feature.values.set(layer.field(key).unwrap().0, value);
        }
        let text = node.text();
        let expected = node.truth(capacity, occupied, state) == Some(true);
        let filter = Filter::parse_text(&layer, &text).unwrap();
        prop_assert_eq!(filter.matches(&feature, None), expected, "{}", text);
        // The crate writes the same condition as JSON.
        let json = text::parse(&text).unwrap().to_json().unwrap();
        if json_depth(&json) <= JSON_DEPTH_MAX {
            prop_assert_eq!(Filter::parse_json(&layer, &json).unwrap().matches(&feature, None), expected, "{}", json);
        }
    }

    #[test]
    fn garbage_never_panics(
        words in prop::collection::vec(prop::sample::select(vec![
            "(", ")", ",", "'", "\"", "\\", "''", "and", "OR", "not", "in", "between", "like", "is", "null", "capacity", "name", "state", "geometry",
            "=", "<", "<>", "-", "+", "*", "/", "^", "1", "2.5", "1e9", "'x'", "'open'", "POINT", "POLYGON((", "EMPTY", "Z", "BBOX(", "DATE(",
            "INTERVAL(", "'..'", "S_WITHIN(", "T_AFTER(", "A_CONTAINS(", "CASEI(", "updated_at", "unsafe_for", "true", "é", "中", "\u{1}", ";",
        ]), 0..24),
        text in ".{0,60}", spaced in any::<bool>(),
    ) {
        let layer = layer();
        let feature = feature(&layer);
        for text in [words.join(if spaced { " " } else { "" }), text] {
            for filter in [Filter::parse_text(&layer, &text), Filter::parse_rule(&layer, &text), Filter::parse_json(&layer, &text)] {
                filter.map(|filter| filter.matches(&feature, Some("flood"))).ok();
            }
        }
    }
}
