//! A GeoPackage file as the system of record, open to QGIS and GDAL at the same time.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Connection, Executor, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::{
    Batch, Kind, Store,
    ddl::{self, Dialect, quoted},
    faults::{self, fault},
    rows, sync,
};
use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Change, Committed, Deleted, Draft, Feature, FieldType, GeometryKind, Layer, ROADS, Value, Write, layer::system, wkb},
};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/geopackage");

/// How often another process's edit is looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long another process's lock is waited for.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct GeoPackage {
    /// One connection: writers take turns here, not at SQLite's lock.
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
    catalog: Arc<Catalog>,
    woken: watch::Sender<u64>,
    watcher: tokio::task::JoinHandle<()>,
}

impl GeoPackage {
    /// Opens or makes the file, migrates, and brings the tables up to the catalog.
    pub async fn open(path: &str, catalog: Arc<Catalog>) -> Result<GeoPackage> {
        let unusable = |error: sqlx::Error| {
            Error::new(
                Code::InvalidConfig,
                "database",
                format!("{path}: {error}"),
                "a GeoPackage file that can be written, or postgres://… / 可写的 GeoPackage 文件",
            )
        };
        if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            return Err(Error::new(Code::InvalidConfig, "database", folder.display(), "a folder that exists / 已存在的目录"));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(unusable)?;
        {
            let mut connection = writer.acquire().await.map_err(fault)?;
            prepare(&mut connection, &catalog).await?;
            // Other programs look at the file's own first bytes, not into its log.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").await.map_err(fault)?;
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.map_err(fault)?;
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.map_err(fault)?;
            if synchronous < 2 || journal != "wal" {
                return Err(Error::new(
                    Code::InvalidConfig,
                    "database",
                    format!("{path}: synchronous {synchronous}, journal {journal}"),
                    "a file system that can keep a write-ahead log / 支持预写日志的文件系统",
                ));
            }
        }
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options.clone()).await.map_err(unusable)?;
        let woken = watch::Sender::new(0);
        let eye = SqliteConnection::connect_with(&options).await.map_err(unusable)?;
        let watcher = tokio::spawn(look(eye, woken.clone()));
        Ok(GeoPackage { writer, readers, path: path.into(), catalog, woken, watcher })
    }
}

/// `data_version` changes when another connection, of whatever process, has committed.
async fn look(mut eye: SqliteConnection, woken: watch::Sender<u64>) {
    let mut last = 0_i64;
    loop {
        match sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(&mut eye).await {
            Ok(version) if version != last => {
                last = version;
                woken.send_modify(|n| *n += 1);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the file can't be watched"),
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn prepare(connection: &mut SqliteConnection, catalog: &Catalog) -> Result<()> {
    MIGRATIONS.run(&mut *connection).await.map_err(|error| {
        Error::new(
            Code::InvalidConfig,
            "database",
            format!("migrations: {error}"),
            "a GeoPackage made by this program, or a new file / 本程序创建的文件或新文件",
        )
    })?;
    // What makes the file a GeoPackage 1.3 to other programs; it isn't kept when set inside a migration.
    connection.execute("PRAGMA application_id = 1196444487; PRAGMA user_version = 10300").await.map_err(fault)?;
    // A table that is rebuilt is dropped and renamed, which foreign keys would take for a loss.
    connection.execute("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON").await.map_err(fault)?;
    let result = bring_up(connection, catalog).await;
    connection.execute("PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = OFF").await.map_err(fault)?;
    result
}

async fn bring_up(connection: &mut SqliteConnection, catalog: &Catalog) -> Result<()> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
    for n in catalog.creation_order() {
        let layer = &catalog.layers[n];
        let stored: Option<(i64, String)> = sqlx::query_as("SELECT version, definition FROM biaotu_layer WHERE id = ?")
            .bind(&layer.id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(fault)?;
        match stored {
            None => {
                tx.execute(sqlx::AssertSqlSafe(ddl::create_table(Dialect::GeoPackage, layer, &layer.id))).await.map_err(fault)?;
                register(&mut tx, layer).await?;
            }
            Some((version, stored)) => match sync::compare(layer, version as u32, &stored)? {
                None => continue,
                Some(difference) => rebuild(&mut tx, layer, &difference).await?,
            },
        }
        for statement in ddl::indexes(Dialect::GeoPackage, layer).into_iter().chain(ddl::triggers(Dialect::GeoPackage, layer, catalog)) {
            tx.execute(sqlx::AssertSqlSafe(statement)).await.map_err(fault)?;
        }
        let definition = serde_json::to_string(&**layer).map_err(Error::internal)?;
        sqlx::query("INSERT INTO biaotu_layer (id, version, definition) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET version = ?2, definition = ?3")
            .bind(&layer.id)
            .bind(i64::from(layer.version))
            .bind(definition)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
    }
    tx.commit().await.map_err(fault)
}

/// Makes the table known as the GeoPackage standard asks.
async fn register(tx: &mut SqliteConnection, layer: &Layer) -> Result<()> {
    let spatial = layer.geometry != GeometryKind::None;
    sqlx::query("INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES (?, ?, ?, ?, ?)")
        .bind(&layer.id)
        .bind(if spatial { "features" } else { "attributes" })
        .bind(&layer.id)
        .bind(format!("{} / {}", layer.name.zh, layer.name.en))
        .bind(spatial.then_some(4326))
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
    if spatial {
        sqlx::query("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, 4326, 0, 0)")
            .bind(&layer.id)
            .bind(ddl::geometry_type(layer))
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
    }
    Ok(())
}

/// Follows a changed definition: a new table under the old name, with every row in it, or an error and nothing done.
async fn rebuild(tx: &mut SqliteConnection, layer: &Layer, difference: &sync::Difference) -> Result<()> {
    for obstacle in sync::obstacles(Dialect::GeoPackage, layer, difference) {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(obstacle.0.clone())).fetch_one(&mut *tx).await.map_err(fault)?;
        if count > 0 {
            return Err(sync::refuse(count, &obstacle));
        }
    }
    let (table, next) = (quoted(&layer.id), format!("{}__next", layer.id));
    let mut kept = vec!["\"fid\"".to_owned(), "\"id\"".into(), "\"version\"".into(), "\"updated_at\"".into()];
    if layer.geometry != GeometryKind::None {
        kept.push("\"geom\"".into());
    }
    kept.extend(layer.fields.iter().enumerate().filter(|(at, _)| !difference.added.contains(at)).map(|(_, field)| quoted(&field.key)));
    let kept = kept.join(", ");
    for statement in [
        ddl::create_table(Dialect::GeoPackage, layer, &next),
        format!("INSERT INTO {} ({kept}) SELECT {kept} FROM {table}", quoted(&next)),
        format!("DROP TABLE {table}"),
        format!("ALTER TABLE {} RENAME TO {table}", quoted(&next)),
    ] {
        tx.execute(sqlx::AssertSqlSafe(statement)).await.map_err(fault)?;
    }
    Ok(())
}

fn bind(query: &mut QueryBuilder<Sqlite>, kind: &FieldType, value: &Value) {
    match (kind, value) {
        (FieldType::Integer, Value::Int(n)) => query.push_bind(*n),
        (FieldType::Number, value) => query.push_bind(value.as_f64()),
        (FieldType::Boolean, Value::Bool(b)) => query.push_bind(*b),
        (FieldType::List { .. }, Value::List(_)) => query.push_bind(value.to_json().to_string()),
        (_, Value::Null) => query.push_bind(None::<String>),
        (_, value) => query.push_bind(value.to_text()),
    };
}

async fn insert(tx: &mut SqliteConnection, layer: &Layer, feature: &Feature) -> Result<()> {
    let spatial = layer.geometry != GeometryKind::None;
    let mut query =
        QueryBuilder::<Sqlite>::new(format!("INSERT INTO {} (\"id\"{}", quoted(&layer.id), if spatial { ", \"geom\"" } else { "" }));
    for field in &layer.fields {
        query.push(format!(", \"{}\"", field.key));
    }
    query.push(") VALUES (");
    query.push_bind(feature.id.to_string());
    if spatial {
        query.push(", ");
        query.push_bind(feature.geometry.as_ref().map(wkb::write_gpkg));
    }
    for (field, value) in layer.fields.iter().zip(feature.values.iter()) {
        query.push(", ");
        bind(&mut query, &field.kind, value);
    }
    query.push(")");
    query.build().execute(tx).await.map(drop).map_err(|error| match faults::of_write(layer, error) {
        // SQLite doesn't tell the value.
        error if error.code == Code::DuplicateCode => Error { value: feature.values[system::CODE].to_text(), ..error },
        error => error,
    })
}

async fn current_version(tx: &mut SqliteConnection, layer: &Layer, id: Uuid, if_version: Option<i64>) -> Result<i64> {
    let sql = format!("SELECT \"version\" FROM {} WHERE \"id\" = ?", quoted(&layer.id));
    let current: Option<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(tx).await.map_err(fault)?;
    // Nobody else writes in this transaction, so what was read stays true.
    match current {
        Some(version) if if_version.is_none_or(|wanted| wanted == version) => Ok(version),
        other => Err(faults::missed(layer, id, other)),
    }
}

async fn update(tx: &mut SqliteConnection, layer: &Layer, id: Uuid, if_version: Option<i64>, set: &Draft) -> Result<i64> {
    let version = current_version(&mut *tx, layer, id, if_version).await?;
    let mut query = QueryBuilder::<Sqlite>::new(format!("UPDATE {} SET \"version\" = \"version\"", quoted(&layer.id)));
    for (at, value) in &set.values {
        query.push(format!(", \"{}\" = ", layer.fields[*at].key));
        bind(&mut query, &layer.fields[*at].kind, value);
    }
    if let Some(geometry) = set.geometry.as_ref().filter(|_| layer.geometry != GeometryKind::None) {
        query.push(", \"geom\" = ");
        query.push_bind(geometry.as_ref().map(wkb::write_gpkg));
    }
    query.push(" WHERE \"id\" = ");
    query.push_bind(id.to_string());
    query.build().execute(tx).await.map_err(|error| faults::of_write(layer, error))?;
    Ok(version + 1)
}

async fn delete(tx: &mut SqliteConnection, catalog: &Catalog, layer: &Layer, id: Uuid, if_version: Option<i64>) -> Result<i64> {
    let version = current_version(&mut *tx, layer, id, if_version).await?;
    for (referrer, field) in faults::referrers(catalog, layer) {
        let sql = format!("SELECT \"id\" FROM {} WHERE {} = ? LIMIT 20", quoted(&referrer.id), quoted(&field.key));
        let ids: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_all(&mut *tx).await.map_err(fault)?;
        if !ids.is_empty() {
            let ids: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
            return Err(faults::referenced(layer, id, referrer, &ids));
        }
    }
    let sql = format!("DELETE FROM {} WHERE \"id\" = ?", quoted(&layer.id));
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).execute(tx).await.map_err(|error| faults::of_write(layer, error))?;
    Ok(version)
}

const HEAD: &str = "SELECT max((SELECT coalesce(max(seq), 0) FROM biaotu_change_log), (SELECT CAST(value AS INTEGER) FROM biaotu_meta WHERE key = 'pruned_to'))";

#[async_trait]
impl Store for GeoPackage {
    fn kind(&self) -> Kind {
        Kind::GeoPackage
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.readers).await.map(drop).map_err(fault)
    }

    async fn head(&self) -> Result<u64> {
        sqlx::query_scalar::<_, i64>(HEAD).fetch_one(&self.readers).await.map(|seq| seq as u64).map_err(fault)
    }

    async fn load(&self, sink: mpsc::Sender<Batch>) -> Result<u64> {
        let (path, catalog) = (self.path.clone(), self.catalog.clone());
        tokio::task::spawn_blocking(move || read_all(&path, &catalog, &sink)).await.map_err(Error::internal)?
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>> {
        let mut tx = self.readers.begin().await.map_err(fault)?;
        let rows = sqlx::query("SELECT seq, at, actor, layer, id, old, new, old_geom, new_geom FROM biaotu_change_log WHERE seq > ? AND layer IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?")
            .bind(after as i64)
            .bind(serde_json::json!(self.catalog.layers.iter().map(|layer| layer.id.as_str()).chain([super::ROADS]).collect::<Vec<_>>()).to_string())
            .bind(limit as i64)
            .fetch_all(&mut *tx)
            .await
            .map_err(fault)?;
        let pruned: i64 = sqlx::query_scalar("SELECT CAST(value AS INTEGER) FROM biaotu_meta WHERE key = 'pruned_to'")
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        if (after as i64) < pruned {
            return Err(Error::new(Code::LogGap, "seq", after, pruned));
        }
        if rows.is_empty() {
            let head: i64 = sqlx::query_scalar(HEAD).fetch_one(&mut *tx).await.map_err(fault)?;
            if head < after as i64 {
                return Err(Error::new(Code::LogGap, "seq", after, head));
            }
        }
        rows.iter().map(|row| self.change(row)).collect()
    }

    async fn deleted_codes(&self, layer: usize, codes: &[String]) -> Result<Vec<Deleted>> {
        // SQLite takes the other columns from the row that has the maximum.
        let rows = sqlx::query(
            "SELECT json_extract(old, '$.code') AS code, at, actor, max(seq) FROM biaotu_change_log
             WHERE layer = ? AND new IS NULL AND json_extract(old, '$.code') IN (SELECT value FROM json_each(?)) GROUP BY code",
        )
        .bind(&self.catalog.layers[layer].id)
        .bind(serde_json::json!(codes).to_string())
        .fetch_all(&self.readers)
        .await
        .map_err(fault)?;
        let read = |row: &SqliteRow| {
            let (code, at): (String, &str) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
            Ok(Deleted { code, at: micros(at), actor: row.try_get_unchecked(2)? })
        };
        rows.iter().map(|row| read(row).map_err(fault)).collect()
    }

    async fn write(&self, writes: Vec<Write>, actor: &str) -> Result<Committed> {
        let mut connection = self.writer.acquire().await.map_err(fault)?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        sqlx::query("UPDATE biaotu_gate SET actor = ?").bind(actor).execute(&mut *tx).await.map_err(fault)?;
        let mut versions = Vec::with_capacity(writes.len());
        for (i, write) in writes.iter().enumerate() {
            let place = |error: Error| if writes.len() > 1 { error.within(&format!("writes[{i}]")) } else { error };
            let version = match write {
                Write::Create { layer, feature } => insert(&mut tx, &self.catalog.layers[*layer], feature).await.map(|()| 1),
                Write::Update { layer, id, if_version, set } => update(&mut tx, &self.catalog.layers[*layer], *id, *if_version, set).await,
                Write::Delete { layer, id, if_version } => {
                    delete(&mut tx, &self.catalog, &self.catalog.layers[*layer], *id, *if_version).await
                }
            };
            versions.push(version.map_err(place)?);
        }
        // Set and taken back in one transaction: no other connection ever sees an actor.
        tx.execute("UPDATE biaotu_gate SET actor = NULL").await.map_err(fault)?;
        let seq: i64 = sqlx::query_scalar(HEAD).fetch_one(&mut *tx).await.map_err(fault)?;
        tx.commit().await.map_err(|error| match error {
            // SQLite answers here what it found; without an answer nobody knows.
            sqlx::Error::Database(_) => faults::of_commit(&self.catalog, error),
            error => faults::lost_commit(error),
        })?;
        self.woken.send_modify(|n| *n += 1);
        Ok(Committed { seq: seq as u64, versions })
    }

    async fn put_roads(&self, graph: &[u8], actor: &str) -> Result<u64> {
        let (hash, id) = super::roads_name(graph);
        let mut connection = self.writer.acquire().await.map_err(fault)?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        tx.execute("DELETE FROM biaotu_roads").await.map_err(fault)?;
        for (n, part) in graph.chunks(super::ROADS_PART).enumerate() {
            let insert = sqlx::query("INSERT INTO biaotu_roads VALUES (?, ?, ?)").bind(&hash).bind(n as i64).bind(part);
            insert.execute(&mut *tx).await.map_err(fault)?;
        }
        let meta = sqlx::query("INSERT INTO biaotu_meta VALUES ('roads', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
        meta.bind(&hash).execute(&mut *tx).await.map_err(fault)?;
        let log = sqlx::query("INSERT INTO biaotu_change_log (actor, layer, id) VALUES (?, ?, ?)");
        log.bind(actor).bind(super::ROADS).bind(id.to_string()).execute(&mut *tx).await.map_err(fault)?;
        let seq: i64 = sqlx::query_scalar(HEAD).fetch_one(&mut *tx).await.map_err(fault)?;
        tx.commit().await.map_err(faults::lost_commit)?;
        self.woken.send_modify(|n| *n += 1);
        Ok(seq as u64)
    }

    async fn roads(&self) -> Result<Option<Vec<u8>>> {
        let parts: Vec<(String, Vec<u8>)> = sqlx::query_as(super::ROADS_IN_USE).fetch_all(&self.readers).await.map_err(fault)?;
        super::joined(parts)
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }

    async fn close(&self) {
        self.watcher.abort();
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A time as the triggers write it.
fn micros(at: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(at).map_or(0, |at| at.timestamp_micros())
}

/// How many features are handed on at once.
const BATCH: usize = 2_048;
/// A layer is read in so many ranges of its rows' numbers.
const RANGES: i128 = 16;

/// Connections for reading that all see the same state, one for each core.
///
/// sqlx copies every value of a row on its way to another thread; here each is read where SQLite has it.
fn readers(path: &Path) -> rusqlite::Result<(rusqlite::Connection, Vec<rusqlite::Connection>)> {
    use rusqlite::OpenFlags;
    let open = || {
        let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        Ok(connection)
    };
    // Changes for a connection when any other has committed since it last looked.
    let data_version = |connection: &rusqlite::Connection| connection.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
    let first = open()?;
    let others = std::thread::available_parallelism().map_or(1, usize::from).min(4) - 1;
    let others: Vec<_> = (0..others).map(|_| open()).collect::<rusqlite::Result<_>>()?;
    for _ in 0..20 {
        let before = data_version(&first)?;
        for other in &others {
            other.execute_batch("BEGIN")?;
            data_version(other)?;
        }
        first.execute_batch("BEGIN")?;
        if data_version(&first)? == before {
            return Ok((first, others));
        }
        for connection in others.iter().chain([&first]) {
            connection.execute_batch("ROLLBACK")?;
        }
    }
    // Others write all the time: what one sees is consistent in any case.
    first.execute_batch("BEGIN")?;
    Ok((first, vec![]))
}

fn read_all(path: &Path, catalog: &Catalog, sink: &mpsc::Sender<Batch>) -> Result<u64> {
    let (first, others) = readers(path).map_err(faults::of_reading)?;
    let seq = first.query_row(HEAD, [], |row| row.get::<_, i64>(0)).map_err(faults::of_reading)?;
    let mut ranges = Vec::new();
    for (n, layer) in catalog.layers.iter().enumerate() {
        let sql = format!("SELECT min(\"fid\"), max(\"fid\") FROM {}", quoted(&layer.id));
        let ends = first.query_row(&sql, [], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)));
        if let (Some(min), Some(max)) = ends.map_err(faults::of_reading)? {
            // Two ends may lie further apart than an i64 can tell.
            let at = |part: i128| i128::from(min) + (i128::from(max) - i128::from(min) + 1) * part / RANGES;
            let parts = (0..RANGES).map(|part| (at(part), at(part + 1) - 1)).filter(|(from, to)| from <= to);
            ranges.extend(parts.map(|(from, to)| (n, from as i64, to as i64)));
        }
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (ranges, next) = (&ranges, &next);
        let running: Vec<_> =
            others.into_iter().chain([first]).map(|reader| scope.spawn(move || read(&reader, catalog, ranges, next, sink))).collect();
        // A panic in a reader is a fault of ours, and is passed on.
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(seq as u64)
}

/// Reads ranges that nobody has begun, until none is left.
fn read(
    reader: &rusqlite::Connection,
    catalog: &Catalog,
    ranges: &[(usize, i64, i64)],
    next: &AtomicUsize,
    sink: &mpsc::Sender<Batch>,
) -> Result<()> {
    let mut decoders: Vec<_> = catalog.layers.iter().map(|layer| rows::Decoder::new(layer.clone())).collect();
    while let Some(&(n, from, to)) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
        let layer = &catalog.layers[n];
        let sql = format!("SELECT {} FROM {} WHERE \"fid\" BETWEEN ? AND ?", ddl::columns(Dialect::GeoPackage, layer), quoted(&layer.id));
        let mut statement = reader.prepare(&sql).map_err(faults::of_reading)?;
        let mut rows = statement.query([from, to]).map_err(faults::of_reading)?;
        let mut features = Vec::new();
        loop {
            let row = rows.next().map_err(faults::of_reading)?;
            let end = row.is_none();
            if let Some(row) = row {
                features.extend(decoders[n].geopackage(row).map_err(faults::of_reading)?);
            }
            if end || features.len() == BATCH {
                let batch = Batch { layer: n, features: std::mem::take(&mut features) };
                sink.blocking_send(batch).map_err(|_| Error::internal("nobody takes what is loaded"))?;
            }
            if end {
                break;
            }
        }
    }
    Ok(())
}

impl GeoPackage {
    fn change(&self, row: &SqliteRow) -> Result<Change> {
        let broken = |error: sqlx::Error| Error::internal(format!("a row of the log can't be read: {error}"));
        let layer: &str = row.try_get_unchecked(3).map_err(broken)?;
        let layer = if layer == super::ROADS { ROADS } else { self.catalog.layer(layer)?.0 };
        let id = Uuid::parse_str(row.try_get_unchecked(4).map_err(broken)?).map_err(Error::internal)?;
        let state = |json: usize, geom: usize| -> Result<Option<Arc<Feature>>> {
            let Some(definition) = self.catalog.layers.get(layer) else { return Ok(None) };
            let Some(json) = row.try_get_unchecked::<Option<&str>, _>(json).map_err(broken)? else { return Ok(None) };
            let json = serde_json::from_str(json).map_err(Error::internal)?;
            let blob: Option<&[u8]> = row.try_get_unchecked(geom).map_err(broken)?;
            let geometry = blob.and_then(|bytes| rows::geometry(definition, id, wkb::read_gpkg(bytes)));
            Ok(Some(Arc::new(rows::from_log(definition, id, &json, geometry))))
        };
        Ok(Change {
            seq: row.try_get_unchecked::<i64, _>(0).map_err(broken)? as u64,
            at: micros(row.try_get_unchecked(1).map_err(broken)?),
            actor: row.try_get_unchecked::<String, _>(2).map_err(broken)?,
            layer,
            id,
            old: state(5, 7)?,
            new: state(6, 8)?,
        })
    }
}
