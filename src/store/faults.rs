//! From a database's errors to ours: what stood in the way, by field and value, never SQL.

use sqlx::error::ErrorKind;
use uuid::Uuid;

use crate::{
    error::{Code, Error},
    model::{Catalog, Field, FieldType, Layer},
};

/// An error that isn't about what was written: the connection, the disk, or a fault of ours.
pub fn fault(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            if matches!(&*code, "40001" | "40P01") {
                return Error::new(Code::Deadlock, "", database.message(), "");
            }
            // Connection, resources, operator intervention, system; and a server that is starting up or read-only.
            let away = ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || matches!(&*code, "25006" | "55P03");
            if away || code.parse().is_ok_and(away_of_sqlite) { Error::unavailable(database.message()) } else { Error::internal(error) }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

/// SQLite: busy, locked, read-only, I/O, full, can't open.
fn away_of_sqlite(code: i32) -> bool {
    matches!(code, 5 | 6 | 8 | 10 | 13 | 14 | 261 | 517 | 776 | 778)
}

/// An error of reading a GeoPackage beside sqlx.
pub fn of_reading(error: rusqlite::Error) -> Error {
    match error.sqlite_error() {
        Some(code) if away_of_sqlite(code.extended_code) => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

/// An error of writing a layer's row.
pub fn of_write(layer: &Layer, error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else { return fault(error) };
    let (code, message) = (database.code().unwrap_or_default().into_owned(), database.message().to_owned());
    match code.as_str() {
        "BT003" => {
            let detail =
                database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.detail()).unwrap_or_default();
            return Error::new(Code::Overdraw, layer.id.as_str(), message, detail);
        }
        "BT004" => return append_only(layer),
        "BT005" => return balances(layer),
        _ => {}
    }
    match message.as_str() {
        text if text.contains("biaotu overdraw") => {
            return Error::new(Code::Overdraw, layer.id.as_str(), "more than there is / 超出库存", "what is free / 可用量");
        }
        text if text.contains("biaotu append only") => return append_only(layer),
        text if text.contains("biaotu balances") => return balances(layer),
        _ => {}
    }
    // PostgreSQL names the constraint, SQLite the constraint or `table.column`.
    let constraint = database.constraint().map_or(message.as_str(), |name| name);
    match database.kind() {
        ErrorKind::UniqueViolation if constraint.contains("_code_unique") || constraint.contains(".code") => {
            Error::new(Code::DuplicateCode, "code", taken(&**database), "")
        }
        ErrorKind::UniqueViolation if constraint.contains("_key_unique") => {
            Error::new(Code::DuplicateKey, layer.natural_key.join(" + "), taken(&**database), "")
        }
        ErrorKind::UniqueViolation => Error::new(Code::DuplicateKey, "id", "", ""),
        ErrorKind::ForeignKeyViolation => reference(layer, constraint),
        ErrorKind::NotNullViolation => {
            let field = layer
                .fields
                .iter()
                .find(|field| message.contains(&format!("\"{}\"", field.key)) || message.ends_with(&format!(".{}", field.key)));
            Error::new(
                Code::RequiredMissing,
                field.map_or("", |field| &field.key),
                "",
                field.map_or(String::new(), |field| field.kind.expected()),
            )
        }
        ErrorKind::CheckViolation => match layer.fields.iter().find(|field| constraint.contains(&super::ddl::check_name(layer, field))) {
            Some(field) => {
                Error::new(Code::OutOfRange, field.key.as_str(), "a value that the table refuses / 数据表拒绝的值", field.kind.expected())
            }
            None => Error::new(Code::Overdraw, layer.id.as_str(), "more than there is / 超出库存", "what is free / 可用量"),
        },
        _ => fault(error),
    }
}

/// The value that is taken already, where the database tells: PostgreSQL's detail is `Key (code)=(S-1) already exists.`
fn taken(database: &dyn sqlx::error::DatabaseError) -> &str {
    let detail = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.detail());
    detail.and_then(|detail| Some(detail.split_once(")=(")?.1.rsplit_once(')')?.0)).unwrap_or_default()
}

/// An error of the checks that wait for the commit: references.
pub fn of_commit(catalog: &Catalog, error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else { return fault(error) };
    if database.kind() != ErrorKind::ForeignKeyViolation {
        return fault(error);
    }
    let constraint = database.constraint().unwrap_or_default();
    let layer = catalog.layers.iter().find(|layer| constraint.starts_with(&format!("{}_", layer.id)) && constraint.ends_with("_ref"));
    match layer {
        Some(layer) => reference(layer, constraint),
        // SQLite doesn't say which.
        None => Error::new(Code::InvalidReference, "", "an id / 某个 id", "a feature that exists / 已有要素"),
    }
}

/// The commit itself went wrong. If the connection went, whether it took place can't be known from here.
pub fn lost_commit(error: sqlx::Error) -> Error {
    match fault(error) {
        error if error.code == Code::StoreUnavailable => Error::new(Code::OutcomeUnknown, "", error.value, ""),
        error => error,
    }
}

fn reference(layer: &Layer, constraint: &str) -> Error {
    let field = layer.fields.iter().find(|field| constraint == format!("{}_{}_ref", layer.id, field.key));
    let to = match field.map(|field| &field.kind) {
        Some(FieldType::Ref { to }) => to.as_str(),
        _ => "a feature that exists / 已有要素",
    };
    Error::new(Code::InvalidReference, field.map_or("", |field| &field.key), "an id / 某个 id", to)
}

fn append_only(layer: &Layer) -> Error {
    Error::new(Code::ReadOnly, layer.id.as_str(), "", "Its rows are never changed; add a row that corrects / 流水不可更改,请追加更正记录")
}

fn balances(layer: &Layer) -> Error {
    Error::new(Code::ReadOnly, layer.id.as_str(), "", "Balances come from ledger rows; post a movement / 库存由流水生成,请登记出入库")
}

/// The fields of all layers that refer to `layer`.
pub fn referrers<'a>(catalog: &'a Catalog, layer: &'a Layer) -> impl Iterator<Item = (&'a Layer, &'a Field)> {
    catalog.layers.iter().flat_map(move |other| {
        other
            .fields
            .iter()
            .filter(|field| matches!(&field.kind, FieldType::Ref { to } if *to == layer.id))
            .map(move |field| (&**other, field))
    })
}

pub fn referenced(layer: &Layer, id: Uuid, referrer: &Layer, ids: &[Uuid]) -> Error {
    let list: Vec<String> = ids.iter().map(|by| format!("{}/{by}", referrer.id)).collect();
    Error::new(Code::Referenced, format!("{}/{id}", layer.id), referrer.id.as_str(), list.join(", "))
}

/// Why an update or delete met no row.
pub fn missed(layer: &Layer, id: Uuid, current: Option<i64>) -> Error {
    match current {
        Some(version) => Error::new(Code::VersionMismatch, format!("{}/{id}", layer.id), version, version),
        None => Error::new(Code::NotFound, layer.id.as_str(), id, "an id of this layer / 本图层的 id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_without_an_answer_is_not_called_undone() {
        let cut = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(fault(cut()).code, Code::StoreUnavailable);
        assert_eq!(lost_commit(cut()).code, Code::OutcomeUnknown);
    }
}
