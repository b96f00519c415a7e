//! The tables of the layers, derived from their definitions, for both stores: columns, checks, indexes and triggers.
//!
//! Names come from definitions, whose ids and keys are plain (`model/layer.rs` sees to it), and are quoted all the same.

use std::fmt::Write;

use crate::model::{
    Field, FieldType, GeometryKind, Layer, LayerRole, Role,
    layer::{EFFECTS, Effect, system},
    value::YEARS,
};

/// Which SQL to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    PostGis,
    GeoPackage,
}

/// `"name"`.
pub fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The column type of a field.
pub fn column_type(dialect: Dialect, kind: &FieldType) -> &'static str {
    match (dialect, kind) {
        (_, FieldType::Text | FieldType::Enum { .. }) => "TEXT",
        (Dialect::PostGis, FieldType::Integer) => "BIGINT",
        (Dialect::GeoPackage, FieldType::Integer) => "INTEGER",
        (Dialect::PostGis, FieldType::Number) => "DOUBLE PRECISION",
        (Dialect::GeoPackage, FieldType::Number) => "DOUBLE",
        (_, FieldType::Boolean) => "BOOLEAN",
        (_, FieldType::Date) => "DATE",
        (Dialect::PostGis, FieldType::Datetime) => "TIMESTAMPTZ",
        (Dialect::GeoPackage, FieldType::Datetime) => "DATETIME",
        (Dialect::PostGis, FieldType::List { .. }) => "TEXT[]",
        (Dialect::PostGis, FieldType::Ref { .. }) => "UUID",
        (Dialect::GeoPackage, FieldType::List { .. } | FieldType::Ref { .. }) => "TEXT",
    }
}

/// The condition that a field's column must meet, if any.
pub fn check(dialect: Dialect, field: &Field) -> Option<String> {
    let column = quoted(&field.key);
    let values = || field.kind.values().iter().map(|value| literal(&value.value)).collect::<Vec<_>>().join(", ");
    match &field.kind {
        FieldType::Enum { .. } => Some(format!("{column} IN ({})", values())),
        FieldType::List { .. } if dialect == Dialect::PostGis => Some(format!("{column} <@ ARRAY[{}]::text[]", values())),
        // Older SQLite, as GDAL brings it, takes null for invalid.
        FieldType::List { .. } => Some(format!("{column} IS NULL OR json_valid({column})")),
        // SQLite keeps a text in a number's column, and would read it as 0.
        FieldType::Boolean if dialect == Dialect::GeoPackage => Some(format!("{column} IN (0, 1)")),
        // `infinity` is no date of a register.
        FieldType::Date | FieldType::Datetime if dialect == Dialect::PostGis => {
            let zone = if field.kind == FieldType::Datetime { " 00:00Z" } else { "" };
            Some(format!("{column} >= '{:04}-01-01{zone}' AND {column} < '{:04}-01-01{zone}'", YEARS.start(), YEARS.end() + 1))
        }
        FieldType::Integer | FieldType::Number => {
            let mut parts: Vec<String> = Vec::new();
            if dialect == Dialect::GeoPackage {
                let types = if field.kind == FieldType::Integer { "'integer'" } else { "'integer', 'real'" };
                parts.push(format!("({column} IS NULL OR typeof({column}) IN ({types}))"));
            }
            // NaN sorts above everything in PostgreSQL, and infinities are no quantities.
            if field.kind == FieldType::Number {
                parts.push(match dialect {
                    Dialect::PostGis => format!("{column} > '-Infinity' AND {column} < 'Infinity'"),
                    Dialect::GeoPackage => format!("abs({column}) < 9e999"),
                });
            }
            parts.extend(field.min.map(|min| format!("{column} >= {min}")));
            parts.extend(field.max.map(|max| format!("{column} <= {max}")));
            (!parts.is_empty()).then(|| parts.join(" AND "))
        }
        _ => None,
    }
}

/// The column's default for rows of other programs; GDAL writes expressions as text, so only plain literals are given.
fn default_of(dialect: Dialect, field: &Field) -> String {
    let Some(default) = &field.default else { return String::new() };
    match field.kind {
        FieldType::Integer | FieldType::Number => format!(" DEFAULT {default}"),
        FieldType::Boolean => {
            let yes = default == "true";
            format!(" DEFAULT {}", if dialect == Dialect::PostGis { yes.to_string() } else { i32::from(yes).to_string() })
        }
        FieldType::Text | FieldType::Enum { .. } => format!(" DEFAULT {}", literal(default)),
        _ => String::new(),
    }
}

/// The definition of a field's column.
pub fn column(dialect: Dialect, layer: &Layer, field: &Field) -> String {
    let mut sql = format!("{} {}", quoted(&field.key), column_type(dialect, &field.kind));
    sql += &default_of(dialect, field);
    if field.required {
        sql += " NOT NULL";
    }
    if let FieldType::Ref { to } = &field.kind {
        let _ = write!(
            sql,
            " CONSTRAINT {} REFERENCES {}(\"id\") DEFERRABLE INITIALLY DEFERRED",
            quoted(&format!("{}_{}_ref", layer.id, field.key)),
            quoted(to)
        );
    }
    if let Some(check) = check(dialect, field) {
        let _ = write!(sql, " CONSTRAINT {} CHECK ({check})", quoted(&check_name(layer, field)));
    }
    sql
}

pub fn check_name(layer: &Layer, field: &Field) -> String {
    format!("{}_{}_check", layer.id, field.key)
}

/// `CREATE TABLE` under `name`, which is the layer's id but while a table is rebuilt.
pub fn create_table(dialect: Dialect, layer: &Layer, name: &str) -> String {
    let mut parts = match dialect {
        Dialect::PostGis => vec![
            "\"fid\" BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY".to_owned(),
            "\"id\" UUID NOT NULL UNIQUE DEFAULT gen_random_uuid()".to_owned(),
            "\"version\" BIGINT NOT NULL DEFAULT 1".to_owned(),
            "\"updated_at\" TIMESTAMPTZ NOT NULL DEFAULT now()".to_owned(),
        ],
        Dialect::GeoPackage => vec![
            "\"fid\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL".to_owned(),
            // Given by a trigger where absent; anything but a UUID would have no place in the log.
            format!("\"id\" TEXT UNIQUE CHECK (\"id\" GLOB '{}')", [8, 4, 4, 4, 12].map(|n| "[0-9a-fA-F]".repeat(n)).join("-")),
            "\"version\" INTEGER NOT NULL DEFAULT 1".to_owned(),
            "\"updated_at\" DATETIME".to_owned(),
        ],
    };
    match (dialect, layer.geometry) {
        (_, GeometryKind::None) => {}
        (Dialect::PostGis, GeometryKind::Point) => parts.push("\"geom\" geometry(Point, 4326)".into()),
        (Dialect::PostGis, _) => parts.push("\"geom\" geometry(Geometry, 4326)".into()),
        (Dialect::GeoPackage, _) => parts.push(format!("\"geom\" {}", geometry_type(layer))),
    }
    parts.extend(layer.fields.iter().map(|field| column(dialect, layer, field)));
    if layer.has(LayerRole::Stock) {
        let [on_hand, reserved] = [Role::OnHand, Role::Reserved].map(|role| role_column(layer, role));
        parts.push(format!(
            "CONSTRAINT {} CHECK ({on_hand} >= 0 AND {reserved} >= 0 AND {reserved} <= {on_hand})",
            quoted(&format!("{}_balance", layer.id))
        ));
    }
    format!("CREATE TABLE {} (\n  {}\n)", quoted(name), parts.join(",\n  "))
}

/// The geometry type that a GeoPackage declares for a layer.
pub fn geometry_type(layer: &Layer) -> &'static str {
    match layer.geometry {
        GeometryKind::Point => "POINT",
        _ => "GEOMETRY",
    }
}

fn role_column(layer: &Layer, role: Role) -> String {
    // A catalog with a stock or ledger layer that lacks a role is refused when it is read.
    layer.role(role).map(|at| quoted(&layer.fields[at].key)).unwrap_or_default()
}

/// Unique and spatial indexes, each as a statement that may run again.
pub fn indexes(dialect: Dialect, layer: &Layer) -> Vec<String> {
    let table = quoted(&layer.id);
    let mut all = vec![format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {table} (\"code\") WHERE \"code\" IS NOT NULL",
        quoted(&format!("{}_code_unique", layer.id))
    )];
    if !layer.natural_key.is_empty() {
        let columns: Vec<String> = layer
            .natural_key
            .iter()
            .filter_map(|key| layer.field(key))
            // Nulls are equal in a key; only a text has a value to stand for null.
            .map(|(_, field)| {
                if matches!(field.kind, FieldType::Text | FieldType::Enum { .. }) {
                    format!("coalesce({}, '')", quoted(&field.key))
                } else {
                    quoted(&field.key)
                }
            })
            .collect();
        // A row that says nothing of its key has none.
        let said: Vec<String> = layer.natural_key.iter().map(|key| format!("{} IS NOT NULL", quoted(key))).collect();
        all.push(format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {table} ({}) WHERE {}",
            quoted(&format!("{}_key_unique", layer.id)),
            columns.join(", "),
            said.join(" OR ")
        ));
    }
    if dialect == Dialect::PostGis && layer.geometry != GeometryKind::None {
        all.push(format!("CREATE INDEX IF NOT EXISTS {} ON {table} USING gist (\"geom\")", quoted(&format!("{}_geom", layer.id))));
    }
    for field in layer.fields.iter().filter(|field| matches!(field.kind, FieldType::Ref { .. })) {
        all.push(format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} ({})",
            quoted(&format!("{}_{}_index", layer.id, field.key)),
            quoted(&field.key)
        ));
    }
    all
}

/// The row as JSON, geometry apart, doubles to their last digit.
fn row_json(dialect: Dialect, layer: &Layer, row: &str) -> String {
    let mut parts = vec![format!("'version', {row}.\"version\""), format!("'updated_at', {row}.\"updated_at\"")];
    for field in &layer.fields {
        let column = format!("{row}.{}", quoted(&field.key));
        let value = match (dialect, &field.kind) {
            (Dialect::GeoPackage, FieldType::Number) => {
                format!("CASE WHEN {column} IS NULL THEN NULL ELSE json(printf('%!.17g', {column})) END")
            }
            (Dialect::GeoPackage, FieldType::List { .. }) => format!("json({column})"),
            _ => column,
        };
        parts.push(format!("'{}', {value}", field.key));
    }
    // A function takes 100 arguments at most.
    let function = if dialect == Dialect::PostGis { "jsonb_build_object" } else { "json_object" };
    let calls: Vec<String> = parts.chunks(45).map(|chunk| format!("{function}({})", chunk.join(", "))).collect();
    match dialect {
        Dialect::PostGis => calls.join(" || "),
        Dialect::GeoPackage => calls.into_iter().reduce(|a, b| format!("json_patch({a}, {b})")).unwrap_or_default(),
    }
}

/// The triggers of a layer, each as a statement; all may run again.
pub fn triggers(dialect: Dialect, layer: &Layer, catalog: &crate::model::Catalog) -> Vec<String> {
    let mut all = match dialect {
        Dialect::PostGis => postgis_triggers(layer),
        Dialect::GeoPackage => geopackage_triggers(layer),
    };
    if layer.has(LayerRole::Ledger) {
        let balances = catalog.with_role(LayerRole::Stock).next().map(|(_, stock)| stock.clone());
        if let Some(stock) = balances {
            all.extend(match dialect {
                Dialect::PostGis => postgis_ledger(layer, &stock),
                Dialect::GeoPackage => geopackage_ledger(layer, &stock),
            });
        }
    }
    if layer.has(LayerRole::Stock) {
        all.extend(guard_balances(dialect, layer));
    }
    all
}

fn postgis_triggers(layer: &Layer) -> Vec<String> {
    let (table, id) = (quoted(&layer.id), &layer.id);
    let geom = |row: &str| if layer.geometry == GeometryKind::None { "NULL".to_owned() } else { format!("{row}.\"geom\"") };
    let actor = "coalesce(nullif(current_setting('biaotu.actor', true), ''), 'external')";
    let (old, new) = (row_json(Dialect::PostGis, layer, "o"), row_json(Dialect::PostGis, layer, "n"));
    let insert = |old: &str, new: &str, row: &str, old_geom: &str, new_geom: &str, from: &str| {
        format!(
            "INSERT INTO biaotu_change_log (actor, layer, id, old, new, old_geom, new_geom, leads)
             SELECT {actor}, '{id}', {row}.\"id\", {old}, {new}, {old_geom}, {new_geom}, row_number() OVER (ORDER BY {row}.\"fid\") = 1 FROM {from} ORDER BY {row}.\"fid\";"
        )
    };
    let function = format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $log$
         BEGIN
           IF TG_OP = 'INSERT' THEN {created}
           ELSIF TG_OP = 'UPDATE' THEN {updated}
           ELSE {deleted}
           END IF;
           RETURN NULL;
         END $log$",
        function = quoted(&format!("biaotu_log_{id}")),
        created = insert("NULL::jsonb", &new, "n", "NULL::geometry", &geom("n"), "new_rows n"),
        updated = insert(&old, &new, "n", &geom("o"), &geom("n"), "new_rows n JOIN old_rows o ON o.\"fid\" = n.\"fid\""),
        deleted = insert(&old, "NULL::jsonb", "o", &geom("o"), "NULL::geometry", "old_rows o"),
    );
    let mut all = vec![function];
    for (event, tables) in [
        ("insert", "NEW TABLE AS new_rows"),
        ("update", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("delete", "OLD TABLE AS old_rows"),
    ] {
        let name = quoted(&format!("biaotu_log_{event}"));
        all.push(format!("DROP TRIGGER IF EXISTS {name} ON {table}"));
        all.push(format!(
            "CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {}()",
            quoted(&format!("biaotu_log_{id}"))
        ));
    }
    all.push(format!("DROP TRIGGER IF EXISTS biaotu_touch ON {table}"));
    all.push(format!("CREATE TRIGGER biaotu_touch BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION biaotu_touch()"));
    all.push(format!("DROP TRIGGER IF EXISTS biaotu_no_truncate ON {table}"));
    all.push(format!(
        "CREATE TRIGGER biaotu_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION biaotu_no_truncate()"
    ));
    all
}

const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
/// A random UUID, version 4.
const UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89AB', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

fn geopackage_trigger(name: &str, event: &str, table: &str, when: &str, body: &str) -> [String; 2] {
    let name = quoted(name);
    [format!("DROP TRIGGER IF EXISTS {name}"), format!("CREATE TRIGGER {name} {event} ON {table} {when} BEGIN {body} END")]
}

fn geopackage_triggers(layer: &Layer) -> Vec<String> {
    let (table, id) = (quoted(&layer.id), &layer.id);
    let geom = |row: &str| if layer.geometry == GeometryKind::None { "NULL".to_owned() } else { format!("{row}.\"geom\"") };
    let actor = "coalesce((SELECT actor FROM biaotu_gate), 'external')";
    let (old, fresh) = (row_json(Dialect::GeoPackage, layer, "OLD"), row_json(Dialect::GeoPackage, layer, "t"));
    let columns = "INSERT INTO biaotu_change_log (actor, layer, id, old, new, old_geom, new_geom)";
    // The inner update sets what no editor may: it isn't a change of its own.
    let quiet = |set: &str| {
        format!(
            "UPDATE biaotu_gate SET quiet = quiet + 1; UPDATE {table} SET {set} WHERE \"fid\" = NEW.\"fid\"; UPDATE biaotu_gate SET quiet = quiet - 1;"
        )
    };
    let created = format!(
        "{} {columns} SELECT {actor}, '{id}', t.\"id\", NULL, {fresh}, NULL, {} FROM {table} t WHERE t.\"fid\" = NEW.\"fid\";",
        quiet(&format!("\"id\" = lower(coalesce(NEW.\"id\", {UUID})), \"version\" = 1, \"updated_at\" = {NOW}")),
        geom("t"),
    );
    let updated = format!(
        "{} {columns} SELECT {actor}, '{id}', t.\"id\", {old}, {fresh}, {}, {} FROM {table} t WHERE t.\"fid\" = NEW.\"fid\";",
        quiet(&format!("\"id\" = OLD.\"id\", \"version\" = OLD.\"version\" + 1, \"updated_at\" = {NOW}")),
        geom("OLD"),
        geom("t"),
    );
    let deleted = format!("{columns} VALUES ({actor}, '{id}', OLD.\"id\", {old}, NULL, {}, NULL);", geom("OLD"));
    let loud = "WHEN (SELECT quiet FROM biaotu_gate) = 0";
    [
        geopackage_trigger(&format!("biaotu_{id}_insert"), "AFTER INSERT", &table, "", &created),
        geopackage_trigger(&format!("biaotu_{id}_update"), "AFTER UPDATE", &table, loud, &updated),
        geopackage_trigger(&format!("biaotu_{id}_delete"), "AFTER DELETE", &table, "", &deleted),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `CASE kind WHEN 'issue' THEN was - quantity … END` for one of the two balances.
fn balance_after(kind: &str, quantity: &str, was: &str, part: impl Fn(Effect) -> i8, set: bool) -> String {
    let cases: Vec<String> = EFFECTS
        .iter()
        .map(|(name, effect)| {
            let after = match part(*effect) {
                _ if effect.sets && set => quantity.to_owned(),
                1 => format!("{was} + {quantity}"),
                -1 => format!("{was} - {quantity}"),
                _ => was.to_owned(),
            };
            format!("WHEN '{name}' THEN {after}")
        })
        .collect();
    format!("CASE {kind} {} ELSE NULL END", cases.join(" "))
}

/// The names that ledger and balances have for the same thing, those that both have.
fn shared_columns(ledger: &Layer, stock: &Layer) -> Vec<(String, String)> {
    [Role::StockOf, Role::ItemCode, Role::Unit, Role::Lot, Role::ItemName, Role::Expiry]
        .into_iter()
        .filter_map(|role| Some((ledger.fields[ledger.role(role)?].key.clone(), stock.fields[stock.role(role)?].key.clone())))
        .collect()
}

/// What makes a ledger row and a balance belong together.
fn same_line(ledger: &Layer, stock: &Layer, row: &str, balance: &str) -> String {
    let equal = [Role::StockOf, Role::ItemCode, Role::Unit]
        .map(|role| format!("{balance}.{} = {row}.{}", role_column(stock, role), role_column(ledger, role)));
    format!(
        "{} AND coalesce({balance}.{}, '') = coalesce({row}.{}, '')",
        equal.join(" AND "),
        role_column(stock, Role::Lot),
        role_column(ledger, Role::Lot)
    )
}

fn postgis_ledger(ledger: &Layer, stock: &Layer) -> Vec<String> {
    let (table, balances) = (quoted(&ledger.id), quoted(&stock.id));
    let [kind, quantity] = [Role::MovementKind, Role::Quantity].map(|role| format!("NEW.{}", role_column(ledger, role)));
    let [on_hand, reserved] = [Role::OnHand, Role::Reserved].map(|role| role_column(stock, role));
    let shared = shared_columns(ledger, stock);
    let into: Vec<String> = shared.iter().map(|(_, to)| quoted(to)).collect();
    let from: Vec<String> = shared.iter().map(|(from, _)| format!("NEW.{}", quoted(from))).collect();
    let function = format!(
        "CREATE OR REPLACE FUNCTION biaotu_ledger() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $ledger$
         DECLARE
           line bigint; was_on_hand double precision; was_reserved double precision; next_on_hand double precision; next_reserved double precision;
         BEGIN
           INSERT INTO {balances} ({into}, {on_hand}, {reserved}, \"source\") VALUES ({from}, 0, 0, 'ledger') ON CONFLICT DO NOTHING;
           SELECT b.\"fid\", b.{on_hand}, b.{reserved} INTO STRICT line, was_on_hand, was_reserved FROM {balances} b WHERE {same} FOR UPDATE;
           next_on_hand := {after_on_hand};
           next_reserved := {after_reserved};
           IF next_on_hand IS NULL OR next_on_hand < 0 OR next_reserved < 0 OR next_reserved > next_on_hand THEN
             RAISE EXCEPTION '%', {quantity} USING ERRCODE = 'BT003', DETAIL = (was_on_hand - was_reserved)::text;
           END IF;
           IF next_on_hand <> was_on_hand OR next_reserved <> was_reserved THEN
             UPDATE {balances} SET {on_hand} = next_on_hand, {reserved} = next_reserved WHERE \"fid\" = line;
           END IF;
           RETURN NULL;
         END $ledger$",
        into = into.join(", "),
        from = from.join(", "),
        same = same_line(ledger, stock, "NEW", "b"),
        after_on_hand = balance_after(&kind, &quantity, "was_on_hand", |effect| effect.on_hand, true),
        after_reserved = balance_after(&kind, &quantity, "was_reserved", |effect| effect.reserved, false),
    );
    vec![
        function,
        "CREATE OR REPLACE FUNCTION biaotu_append_only() RETURNS trigger LANGUAGE plpgsql AS $only$ BEGIN RAISE EXCEPTION 'ledger rows are never changed' USING ERRCODE = 'BT004'; END $only$".into(),
        format!("DROP TRIGGER IF EXISTS biaotu_ledger ON {table}"),
        format!("CREATE TRIGGER biaotu_ledger AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION biaotu_ledger()"),
        format!("DROP TRIGGER IF EXISTS biaotu_append_only ON {table}"),
        format!("CREATE TRIGGER biaotu_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION biaotu_append_only()"),
    ]
}

fn geopackage_ledger(ledger: &Layer, stock: &Layer) -> Vec<String> {
    let (table, balances) = (quoted(&ledger.id), quoted(&stock.id));
    let [kind, quantity] = [Role::MovementKind, Role::Quantity].map(|role| format!("NEW.{}", role_column(ledger, role)));
    let [on_hand, reserved] = [Role::OnHand, Role::Reserved].map(|role| role_column(stock, role));
    let shared = shared_columns(ledger, stock);
    let into: Vec<String> = shared.iter().map(|(_, to)| quoted(to)).collect();
    let from: Vec<String> = shared.iter().map(|(from, _)| format!("NEW.{}", quoted(from))).collect();
    let same = same_line(ledger, stock, "NEW", &balances);
    let after_on_hand = balance_after(&kind, &quantity, &on_hand, |effect| effect.on_hand, true);
    let after_reserved = balance_after(&kind, &quantity, &reserved, |effect| effect.reserved, false);
    let moved = format!(
        "UPDATE biaotu_gate SET ledger = ledger + 1;
         INSERT INTO {balances} ({into}, {on_hand}, {reserved}, \"source\") SELECT {from}, 0, 0, 'ledger' WHERE NOT EXISTS (SELECT 1 FROM {balances} WHERE {same});
         SELECT RAISE(ABORT, 'biaotu overdraw') WHERE EXISTS (SELECT 1 FROM {balances} WHERE {same}
           AND (({after_on_hand}) IS NULL OR ({after_on_hand}) < 0 OR ({after_reserved}) < 0 OR ({after_reserved}) > ({after_on_hand})));
         UPDATE {balances} SET {on_hand} = {after_on_hand}, {reserved} = {after_reserved} WHERE {same};
         UPDATE biaotu_gate SET ledger = ledger - 1;",
        into = into.join(", "),
        from = from.join(", "),
    );
    let refuse = "SELECT RAISE(ABORT, 'biaotu append only');";
    [
        geopackage_trigger("biaotu_ledger", "AFTER INSERT", &table, "", &moved),
        // The inner update of the insert trigger is no change of an editor.
        geopackage_trigger("biaotu_ledger_update", "BEFORE UPDATE", &table, "WHEN (SELECT quiet FROM biaotu_gate) = 0", refuse),
        geopackage_trigger("biaotu_ledger_delete", "BEFORE DELETE", &table, "", refuse),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Balances are written by the ledger alone, whoever tries.
fn guard_balances(dialect: Dialect, stock: &Layer) -> Vec<String> {
    let table = quoted(&stock.id);
    let [on_hand, reserved] = [Role::OnHand, Role::Reserved].map(|role| role_column(stock, role));
    match dialect {
        Dialect::PostGis => vec![
            format!(
                "CREATE OR REPLACE FUNCTION biaotu_guard_balances() RETURNS trigger LANGUAGE plpgsql AS $guard$
                 BEGIN
                   IF pg_trigger_depth() < 2 AND ((TG_OP = 'INSERT' AND (NEW.{on_hand} <> 0 OR NEW.{reserved} <> 0))
                      OR (TG_OP = 'UPDATE' AND (NEW.{on_hand}, NEW.{reserved}) IS DISTINCT FROM (OLD.{on_hand}, OLD.{reserved}))) THEN
                     RAISE EXCEPTION 'balances are written by ledger rows only' USING ERRCODE = 'BT005';
                   END IF;
                   RETURN NEW;
                 END $guard$"
            ),
            format!("DROP TRIGGER IF EXISTS biaotu_guard_balances ON {table}"),
            format!(
                "CREATE TRIGGER biaotu_guard_balances BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION biaotu_guard_balances()"
            ),
        ],
        Dialect::GeoPackage => {
            let refuse = "SELECT RAISE(ABORT, 'biaotu balances');";
            let shut = "(SELECT ledger FROM biaotu_gate) = 0";
            [
                geopackage_trigger(
                    "biaotu_balances_insert",
                    "BEFORE INSERT",
                    &table,
                    &format!("WHEN {shut} AND (NEW.{on_hand} <> 0 OR NEW.{reserved} <> 0)"),
                    refuse,
                ),
                geopackage_trigger(
                    "biaotu_balances_update",
                    &format!("BEFORE UPDATE OF {on_hand}, {reserved}"),
                    &table,
                    &format!("WHEN {shut} AND (NEW.{on_hand} IS NOT OLD.{on_hand} OR NEW.{reserved} IS NOT OLD.{reserved})"),
                    refuse,
                ),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
    }
}

/// The columns of a feature, in the order in which they are read: id, version, updated_at, geom (or NULL), then the fields.
pub fn columns(dialect: Dialect, layer: &Layer) -> String {
    let typed = |column: String, kind: &str| match dialect {
        // Read in binary form, so a type that somebody altered must not come through.
        Dialect::PostGis => format!("{column}::{kind}"),
        Dialect::GeoPackage => column,
    };
    let mut list =
        vec![typed("\"id\"".into(), "uuid"), typed("\"version\"".into(), "bigint"), typed("\"updated_at\"".into(), "timestamptz")];
    list.push(if layer.geometry == GeometryKind::None { "NULL".into() } else { typed("\"geom\"".into(), "geometry") });
    list.extend(layer.fields.iter().map(|field| typed(quoted(&field.key), column_type(dialect, &field.kind))));
    debug_assert!(layer.fields.len() >= system::COUNT);
    list.join(", ")
}
