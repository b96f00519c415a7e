//! PostGIS as the system of record.

use std::{str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Postgres, QueryBuilder, Row,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow},
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
    model::{Catalog, Change, Committed, Deleted, Draft, Feature, FieldType, Geometry, GeometryKind, Layer, ROADS, Value, Write, wkb},
};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgis");

/// One lock for whoever changes tables.
const SCHEMA_LOCK: i64 = 0x6269_616f;
/// PostgreSQL takes this many parameters in one statement.
const PARAMETERS_MAX: usize = 60_000;

#[derive(Debug)]
pub struct PostGis {
    pool: PgPool,
    catalog: Arc<Catalog>,
    woken: watch::Sender<u64>,
    listener: tokio::task::JoinHandle<()>,
}

impl PostGis {
    /// Connects, migrates, and brings the tables up to the catalog.
    pub async fn open(url: &str, catalog: Arc<Catalog>) -> Result<PostGis> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::new(Code::InvalidConfig, "database", error, "postgres://user:password@host/name"))?;
        // A row that someone in QGIS holds open makes a writer wait, but not for ever.
        let options = options.application_name("biaotu").options([("lock_timeout", "5s")]);
        let pool =
            PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(5)).connect_with(options).await.map_err(fault)?;
        {
            let mut connection = pool.acquire().await.map_err(fault)?;
            // Another server may be altering large tables.
            connection.execute("SET lock_timeout = 0").await.map_err(fault)?;
            sqlx::query("SELECT pg_advisory_lock($1)").bind(SCHEMA_LOCK).execute(&mut *connection).await.map_err(fault)?;
            let result = prepare(&mut connection, &catalog).await;
            sqlx::query("SELECT pg_advisory_unlock($1)").bind(SCHEMA_LOCK).execute(&mut *connection).await.map_err(fault)?;
            result?;
            connection.execute("RESET lock_timeout").await.map_err(fault)?;
            for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
                let value: String =
                    sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut *connection).await.map_err(fault)?;
                if value == "off" {
                    tracing::warn!("PostgreSQL runs with {setting} = off: an acknowledged write may be lost in a crash");
                }
            }
        }
        let woken = watch::Sender::new(0);
        let listener = tokio::spawn(listen(pool.clone(), woken.clone()));
        Ok(PostGis { pool, catalog, woken, listener })
    }
}

/// Wakes the follower at each commit. A broken connection is made anew by the listener; what was missed meanwhile doesn't matter, since waking is all that it does.
async fn listen(pool: PgPool, woken: watch::Sender<u64>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen("biaotu").await.is_ok()
        {
            woken.send_modify(|n| *n += 1);
            // `None` is a lost connection: wake, so that the log is read.
            while let Ok(_message) = listener.try_recv().await {
                woken.send_modify(|n| *n += 1);
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn prepare(connection: &mut PgConnection, catalog: &Catalog) -> Result<()> {
    MIGRATIONS.run(&mut *connection).await.map_err(|error| Error::unavailable(format!("migrations: {error}")))?;
    let mut tx = connection.begin().await.map_err(fault)?;
    for n in catalog.creation_order() {
        let layer = &catalog.layers[n];
        let stored: Option<(i64, String)> = sqlx::query_as("SELECT version, definition FROM biaotu_layer WHERE id = $1")
            .bind(&layer.id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(fault)?;
        match stored {
            None => {
                tx.execute(sqlx::AssertSqlSafe(ddl::create_table(Dialect::PostGis, layer, &layer.id))).await.map(drop).map_err(fault)?
            }
            Some((version, stored)) => match sync::compare(layer, version as u32, &stored)? {
                None => continue,
                Some(difference) => alter(&mut tx, layer, &difference).await?,
            },
        }
        for statement in ddl::indexes(Dialect::PostGis, layer).into_iter().chain(ddl::triggers(Dialect::PostGis, layer, catalog)) {
            tx.execute(sqlx::AssertSqlSafe(statement)).await.map_err(fault)?;
        }
        let definition = serde_json::to_string(&**layer).map_err(Error::internal)?;
        sqlx::query("INSERT INTO biaotu_layer (id, version, definition) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET version = $2, definition = $3, changed_at = now()")
            .bind(&layer.id)
            .bind(i64::from(layer.version))
            .bind(definition)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
    }
    tx.commit().await.map_err(fault)
}

/// Follows a changed definition without losing a row, or says why it can't.
async fn alter(tx: &mut PgConnection, layer: &Layer, difference: &sync::Difference) -> Result<()> {
    for obstacle in sync::obstacles(Dialect::PostGis, layer, difference) {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(obstacle.0.clone())).fetch_one(&mut *tx).await.map_err(fault)?;
        if count > 0 {
            return Err(sync::refuse(count, &obstacle));
        }
    }
    let table = quoted(&layer.id);
    let mut statements: Vec<String> =
        difference.removed.iter().map(|key| format!("ALTER TABLE {table} DROP COLUMN {}", quoted(key))).collect();
    for (at, field) in layer.fields.iter().enumerate() {
        let column = quoted(&field.key);
        if difference.added.contains(&at) {
            statements.push(format!("ALTER TABLE {table} ADD COLUMN {}", ddl::column(Dialect::PostGis, layer, field)));
            continue;
        }
        let constraint = quoted(&ddl::check_name(layer, field));
        statements.push(format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}"));
        if difference.retyped.contains(&at) {
            let to = ddl::column_type(Dialect::PostGis, &field.kind);
            statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT"));
            statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {to} USING {column}::{to}"));
        }
        if let Some(check) = ddl::check(Dialect::PostGis, field) {
            statements.push(format!("ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({check})"));
        }
        let required = if field.required { "SET" } else { "DROP" };
        statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} {required} NOT NULL"));
    }
    for statement in statements {
        tx.execute(sqlx::AssertSqlSafe(statement)).await.map_err(fault)?;
    }
    Ok(())
}

fn ewkb(geometry: &Option<Geometry>) -> Option<Vec<u8>> {
    geometry.as_ref().map(|geometry| {
        let mut bytes = Vec::with_capacity(25);
        wkb::write(geometry, Some(4326), &mut bytes);
        bytes
    })
}

/// Binds a value as its field's column type.
fn bind(query: &mut QueryBuilder<Postgres>, kind: &FieldType, value: &Value) {
    match (kind, value) {
        (FieldType::Text | FieldType::Enum { .. }, value) => query.push_bind(value.as_str().map(str::to_owned)),
        (FieldType::Ref { .. }, value) => query.push_bind(value.as_str().and_then(|text| Uuid::parse_str(text).ok())),
        (FieldType::Integer, Value::Int(n)) => query.push_bind(*n),
        (FieldType::Integer, _) => query.push_bind(None::<i64>),
        (FieldType::Number, value) => query.push_bind(value.as_f64()),
        (FieldType::Boolean, Value::Bool(b)) => query.push_bind(*b),
        (FieldType::Boolean, _) => query.push_bind(None::<bool>),
        (FieldType::Date, Value::Date(days)) => query.push_bind(Value::date(*days)),
        (FieldType::Date, _) => query.push_bind(None::<chrono::NaiveDate>),
        (FieldType::Datetime, Value::Time(micros)) => query.push_bind(chrono::DateTime::from_timestamp_micros(*micros)),
        (FieldType::Datetime, _) => query.push_bind(None::<chrono::DateTime<chrono::Utc>>),
        (FieldType::List { .. }, Value::List(list)) => query.push_bind(list.iter().map(|item| item.to_string()).collect::<Vec<_>>()),
        (FieldType::List { .. }, _) => query.push_bind(None::<Vec<String>>),
    };
}

async fn insert(tx: &mut PgConnection, layer: &Layer, features: &[&Feature]) -> Result<()> {
    let spatial = layer.geometry != GeometryKind::None;
    let mut names = vec!["\"id\"".to_owned()];
    if spatial {
        names.push("\"geom\"".into());
    }
    names.extend(layer.fields.iter().map(|field| quoted(&field.key)));
    for chunk in features.chunks(PARAMETERS_MAX / (names.len() + 1)) {
        let mut query = QueryBuilder::<Postgres>::new(format!("INSERT INTO {} ({}) VALUES ", quoted(&layer.id), names.join(", ")));
        for (i, feature) in chunk.iter().enumerate() {
            query.push(if i > 0 { ", (" } else { "(" });
            query.push_bind(feature.id);
            if spatial {
                query.push(", ST_GeomFromEWKB(");
                query.push_bind(ewkb(&feature.geometry));
                query.push(")");
            }
            for (field, value) in layer.fields.iter().zip(feature.values.iter()) {
                query.push(", ");
                bind(&mut query, &field.kind, value);
            }
            query.push(")");
        }
        query.build().persistent(chunk.len() == 1).execute(&mut *tx).await.map_err(|error| faults::of_write(layer, error))?;
    }
    Ok(())
}

async fn update(tx: &mut PgConnection, layer: &Layer, id: Uuid, if_version: Option<i64>, set: &Draft) -> Result<i64> {
    let mut query = QueryBuilder::<Postgres>::new(format!("UPDATE {} SET \"version\" = \"version\"", quoted(&layer.id)));
    for (at, value) in &set.values {
        query.push(format!(", {} = ", quoted(&layer.fields[*at].key)));
        bind(&mut query, &layer.fields[*at].kind, value);
    }
    if let Some(geometry) = set.geometry.as_ref().filter(|_| layer.geometry != GeometryKind::None) {
        query.push(", \"geom\" = ST_GeomFromEWKB(");
        query.push_bind(ewkb(geometry));
        query.push(")");
    }
    finish(tx, layer, id, if_version, query).await
}

async fn delete(tx: &mut PgConnection, catalog: &Catalog, layer: &Layer, id: Uuid, if_version: Option<i64>) -> Result<i64> {
    for (referrer, field) in faults::referrers(catalog, layer) {
        let sql = format!("SELECT \"id\" FROM {} WHERE {} = $1 LIMIT 20", quoted(&referrer.id), quoted(&field.key));
        let ids: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id).fetch_all(&mut *tx).await.map_err(fault)?;
        if !ids.is_empty() {
            return Err(faults::referenced(layer, id, referrer, &ids));
        }
    }
    finish(tx, layer, id, if_version, QueryBuilder::new(format!("DELETE FROM {}", quoted(&layer.id)))).await
}

/// Runs an update or delete of one feature at one version, and says what stood in its way.
async fn finish(tx: &mut PgConnection, layer: &Layer, id: Uuid, if_version: Option<i64>, mut query: QueryBuilder<Postgres>) -> Result<i64> {
    query.push(" WHERE \"id\" = ");
    query.push_bind(id);
    if let Some(version) = if_version {
        query.push(" AND \"version\" = ");
        query.push_bind(version);
    }
    query.push(" RETURNING \"version\"");
    match query.build_query_scalar::<i64>().fetch_optional(&mut *tx).await.map_err(|error| faults::of_write(layer, error))? {
        Some(version) => Ok(version),
        None => {
            let sql = format!("SELECT \"version\" FROM {} WHERE \"id\" = $1", quoted(&layer.id));
            let current: Option<i64> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *tx).await.map_err(fault)?;
            Err(faults::missed(layer, id, current))
        }
    }
}

/// The last seq of this transaction, once its constraints have been checked; of all where it changed nothing.
const SEQ_OF_THIS: &str = "SELECT coalesce((SELECT seq FROM biaotu_change_log WHERE tx = pg_current_xact_id() ORDER BY entry DESC LIMIT 1),
    (SELECT coalesce(max(seq), 0) FROM biaotu_change_log))";

const HEAD: &str = "SELECT greatest((SELECT coalesce(max(seq), 0) FROM biaotu_change_log), (SELECT value::bigint FROM biaotu_meta WHERE key = 'pruned_to'))";

#[async_trait]
impl Store for PostGis {
    fn kind(&self) -> Kind {
        Kind::PostGis
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop).map_err(fault)
    }

    async fn head(&self) -> Result<u64> {
        let seq: i64 = sqlx::query_scalar(HEAD).fetch_one(&self.pool).await.map_err(fault)?;
        Ok(seq as u64)
    }

    async fn load(&self, sink: mpsc::Sender<Batch>) -> Result<u64> {
        // A connection of its own: if the reading is broken off, what was left to read ends with it.
        let mut connection = self.pool.acquire().await.map_err(fault)?.detach();
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(fault)?;
        // Before the snapshot is taken: a table that is rewritten after it would look empty.
        let tables: Vec<String> = self.catalog.layers.iter().map(|layer| quoted(&layer.id)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
        connection.execute(sqlx::AssertSqlSafe(lock)).await.map_err(fault)?;
        let seq: i64 = sqlx::query_scalar(HEAD).fetch_one(&mut connection).await.map_err(fault)?;
        // Rows are decoded beside the reading.
        let (bytes_in, bytes_out) = mpsc::channel(4);
        let catalog = self.catalog.clone();
        let decoding = tokio::task::spawn_blocking(move || decode(&catalog, bytes_out, &sink));
        for (n, (layer, table)) in self.catalog.layers.iter().zip(&tables).enumerate() {
            let copy = format!("COPY (SELECT {} FROM {table}) TO STDOUT (FORMAT binary)", ddl::columns(Dialect::PostGis, layer));
            let mut stream = connection.copy_out_raw(&copy).await.map_err(fault)?;
            let (mut bytes, mut skip, mut count) = (Vec::new(), COPY_HEADER, 0);
            // PostgreSQL sends each row as a message of its own, the header before the first.
            while let Some(row) = stream.try_next().await.map_err(fault)? {
                bytes.extend_from_slice(row.get(std::mem::take(&mut skip)..).unwrap_or_default());
                count += 1;
                if count % BATCH == 0 {
                    let next = Vec::with_capacity(bytes.len());
                    // An error here and below is the decoder's, which tells it itself.
                    if bytes_in.send((n, std::mem::replace(&mut bytes, next))).await.is_err() {
                        break;
                    }
                }
            }
            if bytes_in.send((n, bytes)).await.is_err() {
                break;
            }
        }
        drop(bytes_in);
        decoding.await.map_err(Error::internal)??;
        // Nothing was written.
        let _ = connection.close().await;
        Ok(seq as u64)
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>> {
        let known: Vec<&str> = self.catalog.layers.iter().map(|layer| layer.id.as_str()).chain([super::ROADS]).collect();
        let rows = sqlx::query(
            "SELECT seq, (extract(epoch FROM at) * 1000000)::bigint, actor, layer, id, old, new, ST_AsEWKB(old_geom), ST_AsEWKB(new_geom)
             FROM biaotu_change_log WHERE seq > $1 AND layer = ANY($3) ORDER BY seq LIMIT $2",
        )
        .bind(after as i64)
        .bind(limit as i64)
        .bind(known)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        if rows.is_empty() {
            let head = self.head().await?;
            if head < after {
                return Err(Error::new(Code::LogGap, "seq", after, head));
            }
        }
        let pruned: i64 = sqlx::query_scalar("SELECT value::bigint FROM biaotu_meta WHERE key = 'pruned_to'")
            .fetch_one(&self.pool)
            .await
            .map_err(fault)?;
        if (after as i64) < pruned {
            return Err(Error::new(Code::LogGap, "seq", after, pruned));
        }
        rows.iter().map(|row| self.change(row)).collect()
    }

    async fn deleted_codes(&self, layer: usize, codes: &[String]) -> Result<Vec<Deleted>> {
        // A text with NUL can't be asked for, and can't have been here.
        let codes: Vec<&str> = codes.iter().map(String::as_str).filter(|code| !code.contains('\0')).collect();
        // One look into the index for each code, whatever the planner knows of the log.
        let rows: Vec<(String, i64, String)> = sqlx::query_as(
            "SELECT wanted.code, (extract(epoch FROM l.at) * 1000000)::bigint, l.actor FROM unnest($2::text[]) AS wanted (code)
             CROSS JOIN LATERAL (SELECT at, actor FROM biaotu_change_log WHERE layer = $1 AND new IS NULL AND old ->> 'code' = wanted.code ORDER BY entry DESC LIMIT 1) AS l",
        )
        .bind(&self.catalog.layers[layer].id)
        .bind(codes)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        Ok(rows.into_iter().map(|(code, at, actor)| Deleted { code, at, actor }).collect())
    }

    async fn write(&self, writes: Vec<Write>, actor: &str) -> Result<Committed> {
        // Two transactions that want the same rows in another order: PostgreSQL undoes one, which may simply try again.
        for _ in 0..3 {
            match self.try_write(&writes, actor).await {
                Err(error) if error.code == Code::Deadlock => tokio::time::sleep(Duration::from_millis(20)).await,
                other => return other,
            }
        }
        self.try_write(&writes, actor).await
    }

    async fn put_roads(&self, graph: &[u8], actor: &str) -> Result<u64> {
        let (hash, id) = super::roads_name(graph);
        let mut tx = self.pool.begin().await.map_err(fault)?;
        // One at a time, so that what is left in the end is one whole graph.
        tx.execute("LOCK TABLE biaotu_roads IN EXCLUSIVE MODE").await.map_err(fault)?;
        tx.execute("DELETE FROM biaotu_roads").await.map_err(fault)?;
        for (n, part) in graph.chunks(super::ROADS_PART).enumerate() {
            let insert = sqlx::query("INSERT INTO biaotu_roads VALUES ($1, $2, $3)").bind(&hash).bind(n as i32).bind(part);
            insert.execute(&mut *tx).await.map_err(fault)?;
        }
        sqlx::query("INSERT INTO biaotu_meta VALUES ('roads', $1) ON CONFLICT (key) DO UPDATE SET value = $1")
            .bind(&hash)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        sqlx::query("INSERT INTO biaotu_change_log (actor, layer, id, leads) VALUES ($1, $2, $3, true)")
            .bind(actor)
            .bind(super::ROADS)
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        tx.execute("SET CONSTRAINTS ALL IMMEDIATE").await.map_err(fault)?;
        let seq: i64 = sqlx::query_scalar(SEQ_OF_THIS).fetch_one(&mut *tx).await.map_err(fault)?;
        tx.commit().await.map_err(faults::lost_commit)?;
        self.woken.send_modify(|n| *n += 1);
        Ok(seq as u64)
    }

    async fn roads(&self) -> Result<Option<Vec<u8>>> {
        let parts: Vec<(String, Vec<u8>)> = sqlx::query_as(super::ROADS_IN_USE).fetch_all(&self.pool).await.map_err(fault)?;
        super::joined(parts)
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }

    async fn close(&self) {
        self.listener.abort();
        self.pool.close().await;
    }
}

/// How many rows go from the reader to the decoder at once.
const BATCH: usize = 2_048;
/// The signature, flags and length of an extension that never was, before the first row of a binary COPY.
const COPY_HEADER: usize = 19;

fn decode(catalog: &Catalog, mut pieces: mpsc::Receiver<(usize, Vec<u8>)>, sink: &mpsc::Sender<Batch>) -> Result<()> {
    let mut decoders: Vec<_> = catalog.layers.iter().map(|layer| rows::Decoder::new(layer.clone())).collect();
    while let Some((layer, bytes)) = pieces.blocking_recv() {
        let mut features = Vec::with_capacity(BATCH);
        let mut cells = rows::Cells(&bytes);
        while cells.next_row()? {
            features.push(decoders[layer].postgres(&mut cells)?);
        }
        sink.blocking_send(Batch { layer, features }).map_err(|_| Error::internal("nobody takes what is loaded"))?;
    }
    Ok(())
}

impl PostGis {
    async fn try_write(&self, writes: &[Write], actor: &str) -> Result<Committed> {
        let mut tx = self.pool.begin().await.map_err(fault)?;
        sqlx::query("SELECT set_config('biaotu.actor', $1, true)").bind(actor).execute(&mut *tx).await.map_err(fault)?;
        let mut versions = Vec::with_capacity(writes.len());
        let mut at = 0;
        while at < writes.len() {
            let place = |error: Error| if writes.len() > 1 { error.within(&format!("writes[{at}]")) } else { error };
            match &writes[at] {
                Write::Create { layer, .. } => {
                    // Creations of one layer that follow each other go in one statement.
                    let run: Vec<&Feature> = writes[at..]
                        .iter()
                        .map_while(|write| match write {
                            Write::Create { layer: other, feature } if other == layer => Some(feature),
                            _ => None,
                        })
                        .collect();
                    insert(&mut tx, &self.catalog.layers[*layer], &run).await.map_err(place)?;
                    versions.extend(run.iter().map(|_| 1));
                    at += run.len();
                }
                Write::Update { layer, id, if_version, set } => {
                    versions.push(update(&mut tx, &self.catalog.layers[*layer], *id, *if_version, set).await.map_err(place)?);
                    at += 1;
                }
                Write::Delete { layer, id, if_version } => {
                    versions.push(delete(&mut tx, &self.catalog, &self.catalog.layers[*layer], *id, *if_version).await.map_err(place)?);
                    at += 1;
                }
            }
        }
        // What waits for the commit is checked now, so that its errors get a name; the log is stamped by it too.
        tx.execute("SET CONSTRAINTS ALL IMMEDIATE").await.map_err(|error| faults::of_commit(&self.catalog, error))?;
        let seq: i64 = sqlx::query_scalar(SEQ_OF_THIS).fetch_one(&mut *tx).await.map_err(fault)?;
        tx.commit().await.map_err(faults::lost_commit)?;
        self.woken.send_modify(|n| *n += 1);
        Ok(Committed { seq: seq as u64, versions })
    }

    fn change(&self, row: &PgRow) -> Result<Change> {
        let broken = |error: sqlx::Error| Error::internal(format!("a row of the log can't be read: {error}"));
        let id: Uuid = row.try_get(4).map_err(broken)?;
        let layer: &str = row.try_get(3).map_err(broken)?;
        let layer = if layer == super::ROADS { ROADS } else { self.catalog.layer(layer)?.0 };
        let state = |json: usize, geom: usize| -> Result<Option<Arc<Feature>>> {
            let Some(definition) = self.catalog.layers.get(layer) else { return Ok(None) };
            let Some(json) = row.try_get::<Option<serde_json::Value>, _>(json).map_err(broken)? else { return Ok(None) };
            let wkb: Option<&[u8]> = row.try_get(geom).map_err(broken)?;
            let geometry = wkb.and_then(|bytes| rows::geometry(definition, id, wkb::read(bytes).map(Some)));
            Ok(Some(Arc::new(rows::from_log(definition, id, &json, geometry))))
        };
        Ok(Change {
            seq: row.try_get::<i64, _>(0).map_err(broken)? as u64,
            at: row.try_get(1).map_err(broken)?,
            actor: row.try_get(2).map_err(broken)?,
            layer,
            id,
            old: state(5, 7)?,
            new: state(6, 8)?,
        })
    }
}
