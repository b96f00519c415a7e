//! What has to change when a definition does, worked out from the stored definition and the new one, for both stores.

use serde_json::Value as Json;

use super::ddl::{self, Dialect, quoted};
use crate::{
    error::{Code, Error, Result},
    model::{Field, Layer},
};

/// The difference between a stored definition and the one at hand.
#[derive(Debug, Default)]
pub struct Difference {
    pub added: Vec<usize>,
    /// Keys that the new definition doesn't have; their columns must be empty.
    pub removed: Vec<String>,
    /// Fields whose type has another column type: (field, its old word).
    pub retyped: Vec<usize>,
}

/// What of a definition makes its table, and what its numbers mean; names, colours and the like may change freely.
fn shape(definition: &Json) -> Json {
    const OF_LAYER: [&str; 3] = ["geometry", "natural_key", "roles"];
    const OF_FIELD: [&str; 10] = ["key", "type", "unit", "to", "role", "min", "max", "required", "default", "read_only"];
    // What is absent, null, false or empty says the same.
    let members = |of: &Json, keys: &[&str]| -> Vec<Json> {
        let silent = |value: &Json| matches!(value, Json::Bool(false)) || value.as_array().is_some_and(Vec::is_empty);
        keys.iter().map(|key| if silent(&of[*key]) { Json::Null } else { of[*key].clone() }).collect()
    };
    let fields = definition["fields"].as_array().into_iter().flatten().map(|field| {
        let values = field["values"].as_array().into_iter().flatten().map(|value| value["value"].clone()).collect();
        (members(field, &OF_FIELD), Json::Array(values))
    });
    serde_json::json!([members(definition, &OF_LAYER), fields.collect::<Vec<_>>()])
}

/// Compares; `None` where nothing that makes the table changed.
///
/// # Errors
/// [`Code::DefinitionConflict`] where the definition is older than the stored one, changed without a new version, or changes the kind of geometry.
pub fn compare(layer: &Layer, stored_version: u32, stored: &str) -> Result<Option<Difference>> {
    let stored: Json = serde_json::from_str(stored).map_err(Error::internal)?;
    if shape(&serde_json::to_value(layer).map_err(Error::internal)?) == shape(&stored) {
        return Ok(None);
    }
    let place = |key: &str| format!("{}.{key}", layer.id);
    if layer.version < stored_version {
        let remedy = format!("The database knows version {stored_version}; use the newer file / 数据库已有更新的定义");
        return Err(Error::new(Code::DefinitionConflict, place("version"), layer.version, remedy));
    }
    if layer.version == stored_version {
        let remedy = format!("Raise version to {} / 请将 version 提升至 {0}", stored_version + 1);
        return Err(Error::new(
            Code::DefinitionConflict,
            place("version"),
            "the definition changed, its version didn't / 定义已变而版本未变",
            remedy,
        ));
    }
    if stored["geometry"] != serde_json::to_value(layer.geometry).unwrap_or_default() {
        let remedy = "Make a new layer, and import the old one into it / 请新建图层并导入旧数据";
        return Err(Error::new(Code::DefinitionConflict, place("geometry"), format!("was {}", stored["geometry"]), remedy));
    }
    let old_fields = stored["fields"].as_array().cloned().unwrap_or_default();
    let mut difference = Difference::default();
    for (at, field) in layer.fields.iter().enumerate() {
        match old_fields.iter().find(|old| old["key"] == *field.key) {
            None => difference.added.push(at),
            Some(old) if old["type"] != *field.kind.word() => {
                let to = field.kind.word();
                let from = old["type"].as_str().unwrap_or_default();
                let widens = matches!(
                    (from, to),
                    ("integer", "number")
                        | ("enum" | "integer" | "number" | "date" | "datetime" | "boolean" | "ref", "text")
                        | ("text", "enum")
                        | ("number", "integer")
                );
                if !widens {
                    let remedy = format!("Add a field of another key, and move the values there / 请新增字段并迁移数据({from} → {to})");
                    return Err(Error::new(Code::DefinitionConflict, place(&field.key), format!("{from} → {to}"), remedy));
                }
                difference.retyped.push(at);
            }
            Some(_) => {}
        }
    }
    difference.removed =
        old_fields.iter().filter_map(|old| old["key"].as_str()).filter(|key| layer.field(key).is_none()).map(str::to_owned).collect();
    Ok(Some(difference))
}

/// Counting queries that must all give 0, each with the error that it means otherwise: (sql, field, what, remedy).
pub fn obstacles(dialect: Dialect, layer: &Layer, difference: &Difference) -> Vec<(String, String, &'static str, &'static str)> {
    let table = quoted(&layer.id);
    let place = |key: &str| format!("{}.{key}", layer.id);
    let mut all: Vec<(String, String, &str, &str)> = Vec::new();
    for key in &difference.removed {
        let sql = format!("SELECT count(*) FROM {table} WHERE {} IS NOT NULL", quoted(key));
        all.push((
            sql,
            place(key),
            "rows have a value in the removed field / 行在被删字段中有值",
            "Keep the field, or empty it first / 请保留该字段或先清空",
        ));
    }
    let new = |field: &Field| difference.added.iter().any(|at| layer.fields[*at].key == field.key);
    for (at, field) in layer.fields.iter().enumerate() {
        let column = quoted(&field.key);
        if field.required {
            let sql = if new(field) {
                format!("SELECT count(*) FROM {table}")
            } else {
                format!("SELECT count(*) FROM {table} WHERE {column} IS NULL")
            };
            // A new required field with a default fills itself.
            if !(new(field) && field.default.is_some()) {
                all.push((
                    sql,
                    place(&field.key),
                    "rows lack the required field / 行缺少必填字段",
                    "Give it a default, or fill it first / 请设默认值或先补全",
                ));
            }
        }
        if new(field) {
            continue;
        }
        if difference.retyped.contains(&at) {
            if field.kind.word() == "integer" {
                let sql = format!("SELECT count(*) FROM {table} WHERE {column} <> round({column})");
                all.push((
                    sql,
                    place(&field.key),
                    "rows hold no whole number / 行的值不是整数",
                    "Keep number, or round them first / 请保留 number 或先取整",
                ));
            }
            if field.kind.word() != "enum" {
                continue;
            }
        }
        if let Some(check) = ddl::check(dialect, field) {
            let sql = format!("SELECT count(*) FROM {table} WHERE NOT ({check})");
            all.push((
                sql,
                place(&field.key),
                "rows don't fit the new limits or values / 行不符合新的范围或取值",
                "Change those rows first, or keep the old definition / 请先修改这些行",
            ));
        }
    }
    all
}

pub fn refuse(count: i64, (_, field, what, remedy): &(String, String, &'static str, &'static str)) -> Error {
    Error::new(Code::DefinitionConflict, field.as_str(), format!("{count} {what}"), remedy)
}
