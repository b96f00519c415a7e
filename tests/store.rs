//! The store's contract, on both real stores.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use biaotu::{
    error::Code,
    model::{Catalog, Draft, Feature, Geometry, Layer, Value, Write},
    store::{Batch, Store},
};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::stores::{both, built_in, open};

const THING: &str = r##"
id = "thing"
version = VERSION
name = { zh = "物", en = "Thing" }
group = "test"
geometry = "any"
symbol = { icon = "area", color = "#336699" }
FIELDS
"##;

const FIELDS: &str = r##"
[[fields]]
key = "size"
type = "number"
name = { zh = "大小", en = "Size" }
min = 0
[[fields]]
key = "count"
type = "integer"
name = { zh = "数", en = "Count" }
[[fields]]
key = "day"
type = "date"
name = { zh = "日", en = "Day" }
[[fields]]
key = "at"
type = "datetime"
name = { zh = "时", en = "At" }
[[fields]]
key = "state"
type = "enum"
name = { zh = "态", en = "State" }
values = [{ value = "a", zh = "甲", en = "A" }, { value = "b", zh = "乙", en = "B" }]
[[fields]]
key = "marks"
type = "list"
name = { zh = "标", en = "Marks" }
values = [{ value = "x", zh = "子", en = "X" }, { value = "y", zh = "丑", en = "Y" }]
[[fields]]
key = "parent"
type = "ref"
to = "thing"
name = { zh = "上级", en = "Parent" }
"##;

fn catalog(version: u32, fields: &str) -> Arc<Catalog> {
    let text = THING.replace("VERSION", &version.to_string()).replace("FIELDS", fields);
    Arc::new(Catalog::parse(&[("thing.toml".into(), text)]).unwrap_or_else(|error| panic!("{error}")))
}

fn things() -> Arc<Catalog> {
    catalog(1, FIELDS)
}

fn feature(layer: &Layer, values: &[(&str, Value)]) -> Feature {
    let values = values.iter().map(|(key, value)| (layer.field(key).unwrap().0, value.clone())).collect();
    let draft = Draft { geometry: Some(Some(Geometry::Point { lon: 113.950_000_000_000_12, lat: 28.6 })), values };
    draft.create(layer, Uuid::now_v7()).unwrap()
}

fn create(layer: &Layer, values: &[(&str, Value)]) -> (Uuid, Write) {
    let feature = feature(layer, values);
    (feature.id, Write::Create { layer: 0, feature })
}

fn set(layer: &Layer, id: Uuid, if_version: Option<i64>, key: &str, value: Value) -> Write {
    Write::Update { layer: 0, id, if_version, set: Draft { geometry: None, values: vec![(layer.field(key).unwrap().0, value)] } }
}

async fn load(store: &Arc<dyn Store>) -> (u64, BTreeMap<Uuid, Feature>) {
    let (sink, mut batches) = tokio::sync::mpsc::channel::<Batch>(4);
    let gather = async {
        let mut all = BTreeMap::new();
        while let Some(batch) = batches.recv().await {
            all.extend(batch.features.into_iter().map(|feature| (feature.id, feature)));
        }
        all
    };
    let (seq, all) = tokio::join!(store.load(sink), gather);
    (seq.unwrap(), all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back_and_logged_to_the_last_digit() {
    for place in both().await {
        let catalog = things();
        let layer = &catalog.layers[0];
        let store = open(&place, &catalog).await;
        let full = [
            ("code", Value::Text("T'1\"; --".into())),
            ("size", Value::Num(0.1 + 0.2)),
            ("count", Value::Int(i64::MAX)),
            ("day", Value::Date(20_585)),
            ("at", Value::Time(1_778_570_884_123_000)),
            ("state", Value::Text("a".into())),
            ("marks", Value::List(Arc::new(vec!["x".into(), "y".into()]))),
            ("verified", Value::Bool(false)),
        ];
        let (id, write) = create(layer, &full);
        let committed = store.write(vec![write], "tester").await.unwrap();
        assert_eq!(committed.versions, [1]);
        let (seq, all) = load(&store).await;
        assert_eq!(seq, committed.seq);
        for (key, value) in &full {
            assert_eq!(all[&id].values[layer.field(key).unwrap().0], *value, "{key} on {}", place.kind);
        }
        assert_eq!(all[&id].geometry, Some(Geometry::Point { lon: 113.950_000_000_000_12, lat: 28.6 }));
        let committed = store.write(vec![set(layer, id, Some(1), "size", Value::Num(1e-300))], "tester").await.unwrap();
        assert_eq!(committed.versions, [2]);
        let (_, after) = load(&store).await;
        let changes = store.changes(0, 100).await.unwrap();
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].old.is_none(), changes[0].actor.as_str()), (true, "tester"));
        // The log's rows are the table's, to the bit.
        assert_eq!(**changes[0].new.as_ref().unwrap(), all[&id], "{}", place.kind);
        assert_eq!(changes[1].old, changes[0].new, "{}", place.kind);
        assert_eq!(**changes[1].new.as_ref().unwrap(), after[&id], "{}", place.kind);
        store.write(vec![Write::Delete { layer: 0, id, if_version: Some(2) }], "tester").await.unwrap();
        let last = store.changes(changes[1].seq, 100).await.unwrap();
        assert_eq!((last.len(), last[0].new.is_none()), (1, true));
        assert!(load(&store).await.1.is_empty());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_and_the_last_day_are_kept() {
    for place in both().await {
        let catalog = things();
        let layer = &catalog.layers[0];
        let store = open(&place, &catalog).await;
        // 0001-01-01 and 9999-12-31, which stands for "for ever" in many a list.
        for (day, at) in [(-719_162, -62_135_596_800_000_000), (2_932_896, 253_402_300_799_999_000)] {
            let (id, write) = create(layer, &[("day", Value::Date(day)), ("at", Value::Time(at))]);
            store.write(vec![write], "t").await.unwrap_or_else(|error| panic!("{}: {error}", place.kind));
            let (_, all) = load(&store).await;
            let value = |key: &str| all[&id].values[layer.field(key).unwrap().0].clone();
            assert_eq!((value("day"), value("at")), (Value::Date(day), Value::Time(at)), "{}", place.kind);
        }
        let logged = store.changes(0, 10).await.unwrap();
        assert_eq!(logged[1].new.as_ref().unwrap().values[layer.field("day").unwrap().0], Value::Date(2_932_896));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_codes_are_found_by_their_latest_deletion() {
    for place in both().await {
        let catalog = things();
        let layer = &catalog.layers[0];
        let store = open(&place, &catalog).await;
        let odd = "T'1\"; --";
        for actor in ["first", "second"] {
            for code in ["gone", odd, "renamed"] {
                let (id, made) = create(layer, &[("code", Value::Text(code.into()))]);
                store.write(vec![made], "t").await.unwrap();
                let end = match code {
                    "renamed" => set(layer, id, None, "code", Value::Text(format!("{actor} name").into())),
                    _ => Write::Delete { layer: 0, id, if_version: None },
                };
                store.write(vec![end], actor).await.unwrap();
            }
        }
        let (_, live) = create(layer, &[("code", Value::Text("live".into()))]);
        let (nameless, made) = create(layer, &[]);
        store.write(vec![live, made, Write::Delete { layer: 0, id: nameless, if_version: None }], "t").await.unwrap();
        let mut asked: Vec<String> = (0..100_000).map(|n| format!("never {n}")).collect();
        asked.extend(["gone", odd, "renamed", "live", "", "a\0b"].map(String::from));
        let begin = Instant::now();
        let mut found = store.deleted_codes(0, &asked).await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?} on {}", begin.elapsed(), place.kind);
        found.sort_by(|a, b| a.code.cmp(&b.code));
        let told: Vec<_> = found.iter().map(|one| (one.code.as_str(), one.actor.as_str())).collect();
        assert_eq!(told, [(odd, "second"), ("gone", "second")], "{}", place.kind);
        let logged = store.changes(0, 100).await.unwrap();
        let last = logged.iter().rfind(|change| change.new.is_none() && change.actor == "second").unwrap();
        assert_eq!(found[0].at, last.at, "{}", place.kind);
        assert!(store.deleted_codes(0, &[]).await.unwrap().is_empty());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing_and_errors_have_names() {
    for place in both().await {
        let catalog = things();
        let layer = &catalog.layers[0];
        let store = open(&place, &catalog).await;
        let (id, first) = create(layer, &[("code", Value::Text("A".into()))]);
        store.write(vec![first], "t").await.unwrap();
        let head = store.head().await.unwrap();
        let fails = |writes: Vec<Write>| {
            let store = store.clone();
            async move { store.write(writes, "t").await.unwrap_err() }
        };
        let (_, good) = create(layer, &[("code", Value::Text("B".into()))]);
        let (_, twin) = create(layer, &[("code", Value::Text("A".into()))]);
        let error = fails(vec![good, twin]).await;
        assert_eq!((error.code, error.value.as_str()), (Code::DuplicateCode, "A"), "{error}");
        assert_eq!(fails(vec![set(layer, id, Some(7), "count", Value::Int(1))]).await.code, Code::VersionMismatch);
        assert_eq!(fails(vec![set(layer, Uuid::now_v7(), None, "count", Value::Int(1))]).await.code, Code::NotFound);
        assert_eq!(fails(vec![set(layer, id, None, "size", Value::Num(-1.0))]).await.code, Code::OutOfRange);
        assert_eq!(
            fails(vec![set(layer, id, None, "parent", Value::Text(Uuid::now_v7().to_string().into()))]).await.code,
            Code::InvalidReference,
            "{}",
            place.kind
        );
        let (_, child) = create(layer, &[("parent", Value::Text(id.to_string().into()))]);
        assert_eq!(store.head().await.unwrap(), head, "nothing of what failed was written on {}", place.kind);
        store.write(vec![child], "t").await.unwrap();
        let error = fails(vec![Write::Delete { layer: 0, id, if_version: None }]).await;
        assert_eq!(error.code, Code::Referenced, "{error}");
        assert!(error.expected.contains("thing/"));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_log_misses_nothing_beside_eight_writers() {
    for place in both().await {
        let catalog = things();
        let store = open(&place, &catalog).await;
        let each = if crate::support::soak() { 2_000 } else { 60 };
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (store, catalog) = (store.clone(), catalog.clone());
                tokio::spawn(async move {
                    for i in 0..each {
                        let writes = (0..1 + i % 3).map(|_| create(&catalog.layers[0], &[]).1).collect();
                        store.write(writes, "w").await.unwrap();
                    }
                })
            })
            .collect();
        let expected: usize = 8 * (0..each).map(|i| 1 + i % 3).sum::<usize>();
        let (mut last, mut seen) = (0, 0);
        let deadline = Instant::now() + Duration::from_secs(120);
        while seen < expected {
            assert!(Instant::now() < deadline, "{seen} of {expected} on {}", place.kind);
            for change in store.changes(last, 50).await.unwrap() {
                assert!(change.seq > last);
                last = change.seq;
                seen += 1;
            }
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert!(store.changes(last, 10).await.unwrap().is_empty());
        assert_eq!(load(&store).await.1.len(), expected);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_beside_writers_is_the_log_up_to_its_seq() {
    for place in both().await {
        let catalog = things();
        let store = open(&place, &catalog).await;
        let all: Vec<_> = (0..200).map(|_| create(&catalog.layers[0], &[])).collect();
        let ids: Vec<Uuid> = all.iter().map(|(id, _)| *id).collect();
        store.write(all.into_iter().map(|(_, write)| write).collect(), "t").await.unwrap();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let writers: Vec<_> = (0..2)
            .map(|writer: i64| {
                let (store, catalog, done, ids) = (store.clone(), catalog.clone(), done.clone(), ids.clone());
                tokio::spawn(async move {
                    let mut n = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        // The first and the last rows, which several readers of one table don't read together.
                        let mine = [writer as usize, ids.len() - 1 - writer as usize];
                        let mut writes = vec![create(&catalog.layers[0], &[]).1];
                        writes.extend(mine.map(|at| set(&catalog.layers[0], ids[at], None, "count", Value::Int(n))));
                        store.write(writes, "w").await.unwrap();
                        n += 1;
                    }
                })
            })
            .collect();
        let mut loaded = vec![];
        for _ in 0..if crate::support::soak() { 300 } else { 20 } {
            loaded.push(load(&store).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        let mut replayed: BTreeMap<Uuid, Feature> = BTreeMap::new();
        let mut log = store.changes(0, 1_000_000).await.unwrap().into_iter().peekable();
        for (seq, all) in loaded {
            while let Some(change) = log.next_if(|change| change.seq <= seq) {
                replayed.insert(change.id, Feature::clone(change.new.as_ref().unwrap()));
            }
            assert!(all == replayed, "at {seq} on {}: {} of {}", place.kind, all.len(), replayed.len());
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seq_is_commit_order_though_a_transaction_began_earlier() {
    let [place, _geopackage] = both().await;
    let catalog = things();
    let store = open(&place, &catalog).await;
    let mut early = PgConnection::connect(&place.url).await.unwrap();
    early.execute("BEGIN").await.unwrap();
    early.execute("INSERT INTO thing (code) VALUES ('early')").await.unwrap();
    // An idle transaction blocks nobody.
    let (late, write) = create(&catalog.layers[0], &[]);
    store.write(vec![write], "t").await.unwrap();
    let first = store.changes(0, 10).await.unwrap();
    assert_eq!((first.len(), first[0].id), (1, late));
    early.execute("COMMIT").await.unwrap();
    let then = store.changes(first[0].seq, 10).await.unwrap();
    assert_eq!(then.len(), 1, "the earlier-begun, later-committed row comes after");
    assert_eq!(then[0].actor, "external");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_other_programs_wake_and_are_versioned() {
    for place in both().await {
        let catalog = things();
        let store = open(&place, &catalog).await;
        let (id, write) = create(&catalog.layers[0], &[]);
        store.write(vec![write], "t").await.unwrap();
        let last = store.head().await.unwrap();
        let mut wake = store.watch();
        wake.mark_unchanged();
        place.externally("UPDATE thing SET count = 5, version = 77").await.unwrap();
        tokio::time::timeout(Duration::from_secs(1), wake.changed()).await.expect("woken within a second").unwrap();
        let changes = store.changes(last, 10).await.unwrap();
        assert_eq!((changes.len(), changes[0].id, changes[0].actor.as_str()), (1, id, "external"));
        assert_eq!(changes[0].new.as_ref().unwrap().version, 2, "nobody sets a version by hand");
        // A row without an id gets one; its geometry may be anything.
        place
            .externally(if place.kind == "postgis" {
                "INSERT INTO thing (code, geom) VALUES ('x', ST_GeomFromText('POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))', 4326))"
            } else {
                "INSERT INTO thing (code, geom) VALUES ('x', x'00ff')"
            })
            .await
            .unwrap();
        let (_, all) = load(&store).await;
        assert_eq!(all.len(), 2);
        assert!(all.values().any(|feature| feature.geometry.is_none()));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_programs_left_in_the_file_takes_nothing_else_down() {
    let [_postgis, place] = both().await;
    let catalog = things();
    let layer = &catalog.layers[0];
    let store = open(&place, &catalog).await;
    let (good, write) = create(layer, &[("count", Value::Int(1))]);
    store.write(vec![write], "t").await.unwrap();
    // Days and lists that are none, a text that is none, and row numbers as far apart as they go.
    place
        .externally(
            "INSERT INTO thing (code, day, at, marks, geom) VALUES ('odd', 'someday', 5, '[1]', 'no geometry');
             INSERT INTO thing (code, source, count, size) VALUES ('bytes', CAST(x'ff' AS TEXT), 7.0, 3);
             INSERT INTO thing (fid, code) VALUES (-9223372036854775808, 'least'), (9223372036854775807, 'greatest')",
        )
        .await
        .unwrap();
    let (_, all) = load(&store).await;
    assert_eq!(all.len(), 5);
    assert_eq!(all[&good].values[layer.field("count").unwrap().0], Value::Int(1));
    let of = |code: &str, key: &str| {
        let found = all.values().find(|feature| feature.values[0].as_str() == Some(code)).unwrap();
        found.values[layer.field(key).unwrap().0].clone()
    };
    assert_eq!(["day", "at", "marks"].map(|key| of("odd", key)), [Value::Null, Value::Null, Value::Null]);
    assert_eq!((of("bytes", "source"), of("bytes", "count"), of("bytes", "size")), (Value::Null, Value::Int(7), Value::Num(3.0)));
    assert!(all.values().filter(|feature| feature.geometry.is_some()).count() == 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_reads_and_writes_the_file() {
    let [_postgis, place] = both().await;
    let catalog = things();
    let store = open(&place, &catalog).await;
    let (id, write) = create(&catalog.layers[0], &[("count", Value::Int(1))]);
    store.write(vec![write], "t").await.unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}: run make setup"));
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !text.contains("Warning ") && !text.contains("ERROR"), "{text}");
        text
    };
    let [_, whole] = both().await;
    let registers = open(&whole, &built_in()).await;
    let summary = run("ogrinfo", &["-ro", "-al", "-so", &whole.url]);
    assert!(summary.contains("Layer name: shelter") && summary.contains("Layer name: stock"), "{summary}");
    registers.close().await;
    let summary = run("ogrinfo", &["-ro", "-so", &place.url, "thing"]);
    assert!(summary.contains("Layer name: thing") && summary.contains("Feature Count: 1"), "{summary}");
    let last = store.head().await.unwrap();
    run("ogrinfo", &[&place.url, "-sql", "UPDATE thing SET count = 9"]);
    let changes = store.changes(last, 10).await.unwrap();
    assert_eq!((changes.len(), changes[0].id), (1, id));
    assert_eq!(changes[0].new.as_ref().unwrap().values[catalog.layers[0].field("count").unwrap().0], Value::Int(9));
    let folder = tempfile::tempdir().unwrap();
    let more = folder.path().join("more.geojson");
    std::fs::write(&more, r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"code":"G","count":3}}]}"#).unwrap();
    run("ogr2ogr", &["-append", &place.url, more.to_str().unwrap(), "-nln", "thing"]);
    let (_, all) = load(&store).await;
    assert_eq!(all.len(), 2, "a row that GDAL appended has an id and is logged");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_never_goes_below_zero_whoever_races() {
    for place in both().await {
        let catalog = built_in();
        let store = open(&place, &catalog).await;
        let number = |id: &str| catalog.layer(id).unwrap().0;
        let (depot, ledger) = (number("supply_depot"), number("stock_movement"));
        let layer = catalog.layers[depot].clone();
        let name = layer.field("name").unwrap().0;
        let feature = Draft { geometry: None, values: vec![(name, Value::Text("库".into()))] }.create(&layer, Uuid::now_v7()).unwrap();
        let owner = feature.id;
        store.write(vec![Write::Create { layer: depot, feature }], "t").await.unwrap();
        let movements = catalog.layers[ledger].clone();
        let movement = move |kind: &str, quantity: f64| {
            let text = |key: &str, text: &str| (movements.field(key).unwrap().0, Value::Text(text.into()));
            let mut values = vec![text("depot", &owner.to_string()), text("item_code", "3010101"), text("unit", "条"), text("kind", kind)];
            values.push((movements.field("quantity").unwrap().0, Value::Num(quantity)));
            Write::Create { layer: ledger, feature: Draft { geometry: None, values }.create(&movements, Uuid::now_v7()).unwrap() }
        };
        store.write(vec![movement("opening", 100.0)], "t").await.unwrap();
        let writers = if crate::support::soak() { 400 } else { 50 };
        let tries: Vec<_> = (0..writers)
            .map(|i| {
                let (store, write) = (store.clone(), movement(if i % 2 == 0 { "issue" } else { "reserve" }, 7.0));
                tokio::spawn(async move { store.write(vec![write], "t").await })
            })
            .collect();
        let mut taken = 0.0;
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => taken += 7.0,
                Err(error) => assert_eq!(error.code, Code::Overdraw, "{error}"),
            }
        }
        assert_eq!(taken, 98.0, "14 of 7 fit into 100 on {}", place.kind);
        let (_, all) = load(&store).await;
        let stock = catalog.layers[number("stock")].clone();
        let value = |feature: &Feature, key: &str| feature.values[stock.field(key).unwrap().0].as_f64().unwrap();
        let balance = all
            .values()
            .find(|feature| {
                feature.values.len() == stock.fields.len() && feature.values[stock.field("source").unwrap().0].as_str() == Some("ledger")
            })
            .unwrap();
        assert_eq!(value(balance, "on_hand") - value(balance, "reserved"), 2.0);
        // Balances and past rows can't be written, by us or by another program.
        let error = store
            .write(
                vec![Write::Update {
                    layer: number("stock"),
                    id: balance.id,
                    if_version: None,
                    set: Draft { geometry: None, values: vec![(stock.field("on_hand").unwrap().0, Value::Num(1e6))] },
                }],
                "t",
            )
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::ReadOnly, "{error}");
        if let Err(error) = store.write(vec![movement("count", 50.0)], "t").await {
            assert_eq!(error.code, Code::Overdraw, "a count below what is reserved: {error}");
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_changes_the_table_or_says_why_not() {
    for place in both().await {
        let first = things();
        let store = open(&place, &first).await;
        let (id, write) =
            create(&first.layers[0], &[("count", Value::Int(12)), ("state", Value::Text("b".into())), ("size", Value::Num(4.5))]);
        store.write(vec![write], "t").await.unwrap();
        let head = store.head().await.unwrap();
        store.close().await;
        let refused = |version: u32, fields: String| {
            let url = place.url.clone();
            async move { biaotu::store::open(&url, catalog(version, &fields)).await.map(drop).unwrap_err() }
        };
        // What people read may change as it likes.
        let renamed = catalog(1, &FIELDS.replace("Size", "Extent").replace("甲", "天"));
        open(&place, &renamed).await.close().await;
        for (version, fields, about) in [
            (1, FIELDS.replace("min = 0", "min = 1"), "version"),
            (1, FIELDS.replace("min = 0", "min = 0\nunit = \"t\""), "version"),
            (2, FIELDS.replace("min = 0", "min = 5"), "size"),
            (2, FIELDS.replace("{ value = \"b\", zh = \"乙\", en = \"B\" }", "{ value = \"c\", zh = \"丙\", en = \"C\" }"), "state"),
            (2, FIELDS.replace("key = \"count\"", "key = \"tally\""), "count"),
            (2, FIELDS.replace("type = \"date\"", "type = \"boolean\""), "day"),
        ] {
            let error = refused(version, fields).await;
            assert_eq!(error.code, Code::DefinitionConflict, "{error}");
            assert!(error.field.contains(about), "{about}: {error}");
        }
        let wider = FIELDS.replace("key = \"count\"\ntype = \"integer\"", "key = \"count\"\ntype = \"number\"")
            + "[[fields]]\nkey = \"extra\"\ntype = \"text\"\nname = { zh = \"附\", en = \"Extra\" }\ndefault = \"new\"\nrequired = true\n";
        let second = catalog(2, &wider);
        let store = open(&place, &second).await;
        let (seq, all) = load(&store).await;
        assert_eq!(seq, head, "no change of anybody's");
        let value = |key: &str| all[&id].values[second.layers[0].field(key).unwrap().0].clone();
        assert_eq!((value("count"), value("extra"), all[&id].version), (Value::Num(12.0), Value::Text("new".into()), 1), "{}", place.kind);
        store.write(vec![set(&second.layers[0], id, Some(1), "count", Value::Num(1.5))], "t").await.unwrap();
        store.close().await;
        assert_eq!(refused(1, FIELDS.into()).await.code, Code::DefinitionConflict, "an older definition");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_does_not_reach_back_says_so() {
    for place in both().await {
        let catalog = things();
        let store = open(&place, &catalog).await;
        for _ in 0..3 {
            store.write(vec![create(&catalog.layers[0], &[]).1], "t").await.unwrap();
        }
        let head = store.head().await.unwrap();
        assert_eq!(store.changes(head + 5, 10).await.unwrap_err().code, Code::LogGap);
        place.externally("DELETE FROM biaotu_change_log WHERE seq <= 2").await.unwrap();
        assert_eq!(store.changes(1, 10).await.unwrap_err().code, Code::LogGap);
        assert_eq!(store.changes(2, 10).await.unwrap().len(), 1);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_made_anew() {
    let [place, _geopackage] = both().await;
    let catalog = things();
    let store = open(&place, &catalog).await;
    place
        .externally(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'biaotu' AND datname = current_database()",
        )
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.write(vec![create(&catalog.layers[0], &[]).1], "t").await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut wake = store.watch();
    tokio::time::sleep(Duration::from_secs(1)).await;
    wake.mark_unchanged();
    place.externally("INSERT INTO thing (code) VALUES ('after')").await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), wake.changed()).await.expect("listening again").unwrap();
    store.close().await;
}
