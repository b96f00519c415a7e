//! What people see while the store is away, damaged or held by others, and that all is well afterwards.

use std::time::{Duration, Instant};

use biaotu::model::{Draft, Value, Write};
use futures::StreamExt;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::support::{
    cluster::Cluster,
    stores::{Place, both, built_in, open, serve},
};

/// Asks until the answer is as wanted; how long that took.
async fn until<F: Future<Output = bool>>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Duration {
    let started = Instant::now();
    while !ask().await {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}

const NEAREST: &str = "/query/nearest?layer=shelter&point=113.95,28.61&include=unverified";

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_database_is_stopped_and_all_recovers_by_itself() {
    let cluster = Cluster::new();
    let place = Place::postgis(cluster.url());
    let server = serve(&place, false).await;
    server.create("shelter", Some((113.95, 28.6)), json!({ "code": "S-1", "name": "one", "state": "open" })).await;
    cluster.stop();
    until("old answers say so", Duration::from_secs(10), async || server.get(NEAREST).await.1["answer"]["stale_s"].is_number()).await;
    let (status, answer) = server.get(NEAREST).await;
    assert_eq!((status, answer["features"][0]["properties"]["code"].as_str()), (200, Some("S-1")));
    assert_eq!(server.get("/readyz").await.0, 503);
    let body = json!({ "type": "Feature", "geometry": null, "properties": { "code": "S-2", "name": "two", "state": "open" } }).to_string();
    let posting = server.client.post(format!("{}/collections/shelter/items", server.url)).header("content-type", "application/geo+json");
    let refused = posting.body(body.clone()).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    cluster.start();
    until("ready", Duration::from_secs(10), async || server.get("/readyz").await.0 == 200).await;
    let (status, answer) = server.send("POST", "/collections/shelter/items", &[], body).await;
    assert_eq!(status, 201, "{answer}");
    // Others' edits wake it as before.
    place.externally("UPDATE shelter SET name = 'renamed' WHERE code = 'S-1'").await.unwrap();
    until("an edit by psql", Duration::from_secs(2), async || {
        server.get(NEAREST).await.1["features"][0]["properties"]["name"] == "renamed"
    })
    .await;
    assert!(server.get(NEAREST).await.1["answer"]["stale_s"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_is_made_good_by_reading_everything_anew() {
    for place in both().await {
        let server = serve(&place, false).await;
        server.create("shelter", Some((113.95, 28.6)), json!({ "code": "S-1", "name": "one", "state": "open" })).await;
        let mut events = server.client.get(format!("{}/events", server.url)).send().await.unwrap().bytes_stream();
        // The change and its log's loss come in one commit: no follower can have seen it in between.
        let stamp = if place.kind == "postgis" { "SET CONSTRAINTS ALL IMMEDIATE;" } else { "" };
        place
            .externally(&format!("BEGIN; UPDATE shelter SET name = 'renamed'; {stamp} DELETE FROM biaotu_change_log; COMMIT"))
            .await
            .unwrap();
        until("the world is read anew", Duration::from_secs(5), async || {
            server.get(NEAREST).await.1["features"][0]["properties"]["name"] == "renamed"
        })
        .await;
        let told = async {
            let mut text = String::new();
            while !text.contains("event: reset") {
                text.push_str(&String::from_utf8_lossy(&events.next().await.unwrap().unwrap()));
            }
        };
        tokio::time::timeout(Duration::from_secs(5), told).await.unwrap_or_else(|_| panic!("{}: no reset", place.kind));
        // Writing and following go on from there.
        server.create("shelter", Some((113.96, 28.6)), json!({ "code": "S-2", "name": "two", "state": "open" })).await;
        assert_eq!(server.get(NEAREST).await.1["numberReturned"], 2, "{}", place.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_held_by_another_program_make_a_writer_wait_but_not_for_ever() {
    for place in both().await {
        let server = serve(&place, false).await;
        let id = server.create("shelter", Some((113.95, 28.6)), json!({ "code": "S-1", "name": "one", "state": "open" })).await;
        let path = format!("/collections/shelter/items/{id}");
        let body = json!({ "type": "Feature", "properties": { "name": "mine" } }).to_string();
        let hold = "UPDATE shelter SET name = 'held' WHERE code = 'S-1'";
        let started = Instant::now();
        let (status, problem) = if place.kind == "postgis" {
            let mut other = PgConnection::connect(&place.url).await.unwrap();
            other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {hold}")))).await.unwrap();
            let answer = server.send("PATCH", &path, &[], body.clone()).await;
            other.execute("ROLLBACK").await.unwrap();
            answer
        } else {
            let mut other = SqliteConnection::connect(&format!("sqlite://{}", place.url)).await.unwrap();
            other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN IMMEDIATE; {hold}")))).await.unwrap();
            let answer = server.send("PATCH", &path, &[], body.clone()).await;
            other.execute("ROLLBACK").await.unwrap();
            answer
        };
        assert_eq!(status, 503, "{}: {problem}", place.kind);
        assert!(started.elapsed() < Duration::from_secs(20));
        let (status, feature) = server.send("PATCH", &path, &[], body).await;
        assert_eq!((status, feature["properties"]["name"].as_str()), (200, Some("mine")), "{}: {feature}", place.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_cannot_write_what_a_register_cannot_hold() {
    let common =
        ["INSERT INTO shelter (name, state) VALUES ('x', 'ajar')", "INSERT INTO shelter (name, state, capacity) VALUES ('x', 'open', -1)"];
    let postgis = [
        "INSERT INTO incident (name, kind, state, occurred_at) VALUES ('x', 'flood', 'open', 'infinity')",
        "INSERT INTO weather_observation (name, temperature) VALUES ('x', 'NaN')",
    ];
    let geopackage = [
        "INSERT INTO shelter (id, name, state) VALUES ('not-a-uuid', 'x', 'open')",
        "INSERT INTO shelter (name, state, capacity) VALUES ('x', 'open', 'many')",
        "INSERT INTO shelter (name, state, verified) VALUES ('x', 'open', 'perhaps')",
        "INSERT INTO weather_observation (name, temperature) VALUES ('x', 'hot')",
    ];
    for place in both().await {
        let server = serve(&place, false).await;
        let own: &[&str] = if place.kind == "postgis" { &postgis } else { &geopackage };
        for sql in common.iter().chain(own) {
            let refused = place.externally(sql).await.unwrap_err().to_string();
            assert!(refused.to_lowercase().contains("check constraint"), "{sql}: {refused}");
        }
        assert_eq!(server.app.live.world().layers().map(|layer| layer.by_id.len()).sum::<usize>(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_with_another_program_is_tried_again() {
    let [place, _] = both().await;
    let catalog = built_in();
    let (n, shelter) = catalog.layer("shelter").unwrap();
    let store = open(&place, &catalog).await;
    let [one, two] = ["S-1", "S-2"].map(|code| {
        let text = |text: &str| Value::Text(text.into());
        let values = [("code", text(code)), ("name", text(code)), ("state", text("open"))];
        let values = values.into_iter().map(|(key, value)| (shelter.field(key).unwrap().0, value)).collect();
        Draft { geometry: None, values }.create(shelter, Uuid::now_v7()).unwrap()
    });
    let ids = [one.id, two.id];
    store.write([one, two].map(|feature| Write::Create { layer: n, feature }).into(), "t").await.unwrap();
    let mut other = PgConnection::connect(&place.url).await.unwrap();
    // It gives up later than ours, so that ours is the one that PostgreSQL undoes.
    other.execute("SET deadlock_timeout = '30s'").await.unwrap();
    other.execute(sqlx::raw_sql("BEGIN; UPDATE shelter SET name = 'theirs' WHERE code = 'S-2'")).await.unwrap();
    let name = (shelter.field("name").unwrap().0, Value::Text("ours".into()));
    let set = Draft { geometry: None, values: vec![name] };
    let both = ids.map(|id| Write::Update { layer: n, id, if_version: None, set: set.clone() }).into();
    let ours = tokio::spawn(async move { store.write(both, "t").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.execute("UPDATE shelter SET name = 'theirs' WHERE code = 'S-1'").await.unwrap();
    other.execute("COMMIT").await.unwrap();
    assert_eq!(ours.await.unwrap().unwrap().versions, [3, 3], "after theirs, each once");
}
