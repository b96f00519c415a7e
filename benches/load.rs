//! Reading a million depots and 300,000 stock lines from either store, and making a world of them:
//! `bash tests/support/with-postgres.sh cargo bench --bench load`.
//!
//! Both stores hold the same rows. Each is measured in a process of its own, so that resident memory is its own too.

use std::{path::Path, sync::Arc, time::Instant};

use biaotu::{
    live::Live,
    model::{Catalog, Feature, GeometryKind, Layer},
    store::{self, Batch, Store},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

const RUNS: usize = 3;
/// Rows of one `INSERT` into the GeoPackage.
const CHUNK: i64 = 20_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let catalog = Arc::new(Catalog::parse(&biaotu::config::built_in())?);
    if let Some(place) = std::env::var_os("BIAOTU_BENCH_STORE") {
        return measure(&place.to_string_lossy(), catalog).await;
    }
    let base = std::env::var("BIAOTU_TEST_POSTGRES").map_err(|_| "BIAOTU_TEST_POSTGRES: run it under tests/support/with-postgres.sh")?;
    let url = format!("{}/biaotu_bench_load", base.rsplit_once('/').map_or("", |(base, _)| base));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load.gpkg");
    // A server that outlives the run keeps what was filled in.
    let fresh = PgConnection::connect(&base).await?.execute("CREATE DATABASE biaotu_bench_load").await.is_ok();
    if fresh {
        fill_postgis(&url, &catalog).await?;
    }
    if fresh || !file.exists() {
        fill_geopackage(&url, &file, &catalog).await?;
    }
    for place in [url, file.to_string_lossy().into_owned()] {
        std::process::Command::new(std::env::current_exe()?).env("BIAOTU_BENCH_STORE", place).status()?;
    }
    Ok(())
}

async fn fill_postgis(url: &str, catalog: &Arc<Catalog>) -> Outcome<()> {
    store::open(url, catalog.clone()).await?.close().await;
    let mut connection = PgConnection::connect(url).await?;
    // One by one: VACUUM runs in no transaction.
    for statement in include_str!("load/fill.sql").split(";\n") {
        connection.execute(statement).await?;
    }
    Ok(())
}

/// The rows of the PostGIS database, triggers resting meanwhile: what is measured is reading, not logging.
async fn fill_geopackage(url: &str, file: &Path, catalog: &Arc<Catalog>) -> Outcome<()> {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
    store::open(&file.to_string_lossy(), catalog.clone()).await?.close().await;
    let mut from = PgConnection::connect(url).await?;
    let mut to = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
    to.execute("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF").await?;
    for id in ["supply_depot", "stock"] {
        let (_, layer) = catalog.layer(id)?;
        let triggers: Vec<(String, String)> = sqlx::query_as("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?")
            .bind(id)
            .fetch_all(&mut to)
            .await?;
        for (name, _) in &triggers {
            to.execute(AssertSqlSafe(format!("DROP TRIGGER \"{name}\""))).await?;
        }
        copy(&mut from, &mut to, layer).await?;
        for (_, sql) in triggers {
            to.execute(AssertSqlSafe(sql)).await?;
        }
    }
    to.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    to.close().await?;
    Ok(())
}

async fn copy(from: &mut PgConnection, to: &mut SqliteConnection, layer: &Layer) -> Outcome<()> {
    let spatial = layer.geometry != GeometryKind::None;
    let mut theirs = vec!["id".to_owned(), "to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')".into()];
    let (mut ours, mut values) = (vec!["id".to_owned(), "updated_at".into()], vec!["value->>0".to_owned(), "value->>1".into()]);
    for field in &layer.fields {
        values.push(format!("value->>{}", theirs.len()));
        theirs.push(format!("\"{}\"", field.key));
        ours.push(format!("\"{}\"", field.key));
    }
    if spatial {
        values.push(format!("unhex(value->>{})", theirs.len()));
        theirs.push("encode('\\x47500001e6100000' || ST_AsBinary(geom, 'NDR'), 'hex')".into());
        ours.push("geom".into());
    }
    let select = format!(
        "SELECT json_agg(json_build_array({}) ORDER BY fid)::text FROM {} WHERE fid >= $1 AND fid < $1 + {CHUNK}",
        theirs.join(", "),
        layer.id
    );
    let insert = format!("INSERT INTO {} ({}) SELECT {} FROM json_each(?)", layer.id, ours.join(", "), values.join(", "));
    let max: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT max(fid) FROM {}", layer.id))).fetch_one(&mut *from).await?;
    for start in (0..=max).step_by(CHUNK as usize) {
        let rows: Option<String> = sqlx::query_scalar(AssertSqlSafe(select.clone())).bind(start).fetch_one(&mut *from).await?;
        sqlx::query(AssertSqlSafe(insert.clone())).bind(rows.unwrap_or("[]".into())).execute(&mut *to).await?;
    }
    Ok(())
}

async fn measure(place: &str, catalog: Arc<Catalog>) -> Outcome<()> {
    let store = store::open(place, catalog.clone()).await?;
    let name = store.kind().word();
    let mut whole = vec![];
    for _ in 0..RUNS {
        let started = Instant::now();
        let live = Live::load(&*store, catalog.clone()).await?;
        let seconds = started.elapsed().as_secs_f64();
        let count: usize = live.world().layers().map(|layer| layer.by_id.len()).sum();
        whole.push((seconds, count));
        let text: usize =
            live.world().layers().map(|layer| text_of(layer.by_id.values().map(|stored| &stored.feature), &layer.layer)).sum();
        println!(
            "{name}: world published after {seconds:.2} s, {:.0} features a second; resident {:.0} bytes a feature, of which {:.0} are its text",
            count as f64 / seconds,
            resident() / count as f64,
            text as f64 / count as f64
        );
    }
    let (seconds, count) = median(whole);
    println!("{name}: median {seconds:.2} s, {:.0} features a second", count as f64 / seconds);
    let mut reading = vec![];
    for _ in 0..RUNS {
        let started = Instant::now();
        let features = read(&store).await?;
        let count = features.iter().map(Vec::len).sum::<usize>();
        reading.push((started.elapsed().as_secs_f64(), count));
    }
    let (seconds, count) = median(reading);
    println!("{name}: reading {count} features {seconds:.2} s, {:.0} a second", count as f64 / seconds);
    store.close().await;
    Ok(())
}

async fn read(store: &Arc<dyn Store>) -> Outcome<Vec<Vec<Feature>>> {
    let (sink, mut batches) = tokio::sync::mpsc::channel::<Batch>(16);
    let gather = async {
        let mut all = vec![];
        while let Some(batch) = batches.recv().await {
            all.push(batch.features);
        }
        all
    };
    let (seq, all) = tokio::join!(store.load(sink), gather);
    seq?;
    Ok(all)
}

fn median(mut runs: Vec<(f64, usize)>) -> (f64, usize) {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    runs[runs.len() / 2]
}

fn text_of<'a>(features: impl Iterator<Item = &'a Feature>, layer: &Layer) -> usize {
    let mut out = vec![];
    features
        .map(|feature| {
            out.clear();
            feature.write_fragment(layer, &mut out);
            out.len()
        })
        .sum()
}

/// Resident memory of the process, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}
