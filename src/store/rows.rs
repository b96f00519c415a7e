//! From a store's rows and its log's JSON to features.

use std::collections::HashSet;

use arcstr::ArcStr;
use serde_json::Value as Json;
use sqlx::{Row, ValueRef, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use super::wkb;
use crate::{
    error::{Error, Result},
    model::{Feature, Field, FieldType, Geometry, Layer, Value, layer::system, value::EPOCH_FROM_CE},
};

/// Texts that many features share are kept once.
#[derive(Default)]
pub struct Interner {
    known: HashSet<ArcStr>,
}

impl Interner {
    /// Beyond this many different texts a field isn't one that features share.
    const MAX: usize = 10_000;

    fn text(&mut self, text: &str) -> ArcStr {
        match self.known.get(text) {
            Some(known) => known.clone(),
            None => {
                let text = ArcStr::from(text);
                if self.known.len() < Self::MAX {
                    self.known.insert(text.clone());
                }
                text
            }
        }
    }

    /// A text of a field: enum values share the definition's, areas and sources each other's.
    fn value(&mut self, at: usize, field: &Field, text: &str) -> Value {
        let shared = field.kind.values().iter().find(|known| known.value == text).map(|known| known.value.clone());
        Value::Text(match shared {
            Some(value) => value,
            None if matches!(at, system::AREA_CODE | system::SOURCE) => self.text(text),
            None => text.into(),
        })
    }
}

/// A value that another program wrote and no check stopped; it is left out, and told of.
fn odd(layer: &Layer, id: Uuid, field: &Field, what: impl std::fmt::Display) -> Value {
    tracing::warn!(layer = layer.id, %id, field = field.key, %what, "a value that can't be read is taken as empty");
    Value::Null
}

fn list(field: &Field, items: impl IntoIterator<Item = String>) -> Value {
    let items = items.into_iter().map(|item| {
        field
            .kind
            .values()
            .iter()
            .find(|known| known.value == item.as_str())
            .map_or_else(|| item.as_str().into(), |known| known.value.clone())
    });
    Value::List(std::sync::Arc::new(items.collect()))
}

/// A geometry as stored; one that can't be used is told of and left out, so that a bad row takes nothing else down.
pub fn geometry(layer: &Layer, id: Uuid, read: Result<Option<Geometry>>) -> Option<Geometry> {
    match read.and_then(|geometry| geometry.map(|geometry| geometry.check_kind(layer.geometry).map(|()| geometry)).transpose()) {
        Ok(geometry) => geometry,
        Err(error) => {
            tracing::warn!(layer = layer.id, %id, %error, "a geometry that can't be used is taken as none");
            None
        }
    }
}

fn broken(error: sqlx::Error) -> Error {
    Error::internal(format!("a row can't be read: {error}"))
}

/// A row of `SELECT` [`super::ddl::columns`] from PostgreSQL, its geometry as EWKB.
pub fn from_postgres(layer: &Layer, row: &PgRow, interner: &mut Interner) -> Result<Feature> {
    let id: Uuid = row.try_get(0).map_err(broken)?;
    let updated: chrono::DateTime<chrono::Utc> = row.try_get(2).map_err(broken)?;
    let mut values = Vec::with_capacity(layer.fields.len());
    for (at, field) in layer.fields.iter().enumerate() {
        let i = at + 4;
        let value = match &field.kind {
            FieldType::Text | FieldType::Enum { .. } => {
                row.try_get::<Option<&str>, _>(i).map_err(broken)?.map(|text| interner.value(at, field, text))
            }
            FieldType::Ref { .. } => row.try_get::<Option<Uuid>, _>(i).map_err(broken)?.map(|id| Value::Text(id.to_string().into())),
            FieldType::Integer => row.try_get::<Option<i64>, _>(i).map_err(broken)?.map(Value::Int),
            FieldType::Number => row.try_get::<Option<f64>, _>(i).map_err(broken)?.map(Value::Num),
            FieldType::Boolean => row.try_get::<Option<bool>, _>(i).map_err(broken)?.map(Value::Bool),
            FieldType::Date => row
                .try_get::<Option<chrono::NaiveDate>, _>(i)
                .map_err(broken)?
                .map(|date| Value::Date(chrono::Datelike::num_days_from_ce(&date) - EPOCH_FROM_CE)),
            FieldType::Datetime => {
                row.try_get::<Option<chrono::DateTime<chrono::Utc>>, _>(i).map_err(broken)?.map(|at| Value::Time(at.timestamp_micros()))
            }
            FieldType::List { .. } => row.try_get::<Option<Vec<String>>, _>(i).map_err(broken)?.map(|items| list(field, items)),
        };
        values.push(value.unwrap_or_default());
    }
    let wkb = if layer.geometry == crate::model::GeometryKind::None { None } else { row.try_get::<Option<&[u8]>, _>(3).map_err(broken)? };
    Ok(Feature {
        id,
        version: row.try_get(1).map_err(broken)?,
        updated_at: updated.timestamp_micros(),
        geometry: wkb.and_then(|bytes| geometry(layer, id, wkb::read(bytes).map(Some))),
        values: values.into(),
    })
}

/// The same from a GeoPackage. Its columns hold whatever another program put there, so each is read as it is.
pub fn from_sqlite(layer: &Layer, row: &SqliteRow, interner: &mut Interner) -> Result<Feature> {
    let id = row.try_get::<Option<&str>, _>(0).map_err(broken)?.and_then(|text| Uuid::parse_str(text).ok());
    let id = id.ok_or_else(|| Error::internal(format!("a row of {} without a UUID", layer.id)))?;
    let updated = row.try_get::<Option<&str>, _>(2).ok().flatten().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    let mut values = Vec::with_capacity(layer.fields.len());
    for (at, field) in layer.fields.iter().enumerate() {
        let i = at + 4;
        if row.try_get_raw(i).map_err(broken)?.is_null() {
            values.push(Value::Null);
            continue;
        }
        let value = match &field.kind {
            FieldType::Text | FieldType::Enum { .. } | FieldType::Ref { .. } => {
                row.try_get_unchecked::<&str, _>(i).map(|text| interner.value(at, field, text))
            }
            FieldType::Integer => row.try_get_unchecked::<i64, _>(i).map(Value::Int),
            FieldType::Number => row.try_get_unchecked::<f64, _>(i).map(Value::Num),
            FieldType::Boolean => row.try_get_unchecked::<i64, _>(i).map(|b| Value::Bool(b != 0)),
            FieldType::Date | FieldType::Datetime => row
                .try_get_unchecked::<&str, _>(i)
                .map(|text| Value::from_text(field, text).unwrap_or_else(|error| odd(layer, id, field, error))),
            FieldType::List { .. } => row.try_get_unchecked::<&str, _>(i).map(|text| match serde_json::from_str::<Vec<String>>(text) {
                Ok(items) => list(field, items),
                Err(error) => odd(layer, id, field, error),
            }),
        };
        values.push(value.unwrap_or_else(|error| odd(layer, id, field, error)));
    }
    let blob = if layer.geometry == crate::model::GeometryKind::None {
        None
    } else {
        row.try_get_unchecked::<Option<&[u8]>, _>(3).map_err(broken)?
    };
    Ok(Feature {
        id,
        version: row.try_get_unchecked(1).map_err(broken)?,
        updated_at: updated.map_or(0, |at| at.timestamp_micros()),
        geometry: blob.and_then(|bytes| geometry(layer, id, wkb::read_gpkg(bytes))),
        values: values.into(),
    })
}

/// A row as the log keeps it: JSON of the columns, the geometry beside it.
pub fn from_log(layer: &Layer, id: Uuid, json: &Json, geometry: Option<Geometry>) -> Feature {
    let values = layer.fields.iter().map(|field| {
        let json = match (&field.kind, &json[&field.key]) {
            // SQLite has no booleans.
            (FieldType::Boolean, Json::Number(n)) => Json::Bool(n.as_i64() != Some(0)),
            (_, json) => json.clone(),
        };
        // A limit that was tightened since doesn't unmake what was.
        let lenient = Field { min: None, max: None, ..field.clone() };
        Value::from_json(&lenient, &json).unwrap_or_else(|error| odd(layer, id, field, error))
    });
    let updated = json["updated_at"].as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    Feature {
        id,
        version: json["version"].as_i64().unwrap_or(1),
        updated_at: updated.map_or(0, |at| at.timestamp_micros()),
        geometry,
        values: values.collect::<Vec<_>>().into(),
    }
}
