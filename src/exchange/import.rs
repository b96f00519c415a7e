//! The import planner: row by row, what would happen and why. It changes nothing; its writes are one transaction.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    model::{Deleted, Draft, Feature, Geometry, Layer, LayerRole, Role, Value, Values, Write, layer::system},
};

/// One row as a file gives it.
#[derive(Debug)]
pub struct Row {
    /// `row 17`, `features[3]`.
    pub place: String,
    pub id: Option<Uuid>,
    pub draft: Result<Draft>,
    /// What the reader had to say of it.
    pub warnings: Vec<Warning>,
}

/// What was read of one layer: rows, and the headers that mean nothing there.
#[derive(Debug, Default)]
pub struct Read {
    pub rows: Vec<Row>,
    pub ignored: Vec<String>,
    /// What the reader had to say of the whole.
    pub warnings: Vec<Warning>,
    pub totals: Option<Totals>,
}

/// What was read of a grid: cells that have people, and all of them together.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    pub cells: usize,
    pub people: i64,
}

/// More rows than this aren't taken at once: they are all in memory together, and in one transaction.
pub const ROWS_MAX: usize = 1_000_000;

/// Checks that a file has no more rows than can be taken.
///
/// # Errors
/// [`Code::TooLarge`] with what to do.
pub fn check_count(rows: usize) -> Result<()> {
    if rows <= ROWS_MAX {
        return Ok(());
    }
    let remedy = format!("{ROWS_MAX}; split the file, or cut it to the district / 请拆分文件或裁剪至辖区");
    Err(Error::new(Code::TooLarge, "file", "too many rows / 行数过多", remedy))
}

/// What the planner asks of the present state.
pub trait Lookup {
    fn by_id(&self, id: &Uuid) -> Option<Arc<Feature>>;
    fn by_code(&self, code: &str) -> Option<Arc<Feature>>;
    /// How the code's last feature was deleted; not asked of a code that is in use.
    fn deleted(&self, code: &str) -> Option<&Deleted>;
    /// By the values of the key fields, in their order.
    fn by_key(&self, key: &[Value]) -> Option<Arc<Feature>>;
    /// Turns references given by code into ids.
    fn resolve(&self, draft: Draft) -> Result<Draft>;
    /// A feature of the layer within some metres, if any.
    fn near(&self, lon: f64, lat: f64, metres: f64) -> Option<Arc<Feature>>;
}

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Rows with neither code nor natural key are created anew each time.
    pub allow_new: bool,
    /// Good rows go in though others are refused.
    pub partial: bool,
    pub district: Option<Geometry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Unchanged,
    /// Its code is that of a deleted feature: what a person took away, no file brings back unasked.
    Deleted,
    Refuse,
}

/// What would become of one row.
#[derive(Debug)]
pub struct Planned {
    pub place: String,
    pub action: Action,
    pub id: Option<Uuid>,
    pub code: Option<String>,
    /// Field, old text, new text.
    pub changes: Vec<(String, String, String)>,
    pub error: Option<Error>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug)]
pub struct Warning {
    pub code: &'static str,
    pub en: String,
    pub zh: String,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub rows: Vec<Planned>,
    /// One for each row that creates or updates, in order.
    pub writes: Vec<Write>,
    /// Headers that mean nothing here.
    pub ignored: Vec<String>,
    /// Of the whole file.
    pub warnings: Vec<Warning>,
    pub totals: Option<Totals>,
}

/// Points nearer to another feature than this may be the same thing twice, metres.
pub const NEAR_M: f64 = 10.0;

/// The fields that name a row of a layer where it has no code. Openings of a ledger are named by what they open.
pub fn key_fields(layer: &Layer) -> Vec<usize> {
    if layer.has(LayerRole::Ledger) {
        let roles = [Role::StockOf, Role::ItemCode, Role::Unit, Role::Lot, Role::MovementKind];
        return roles.into_iter().filter_map(|role| layer.role(role)).collect();
    }
    layer.natural_key.iter().filter_map(|key| layer.field(key)).map(|(at, _)| at).collect()
}

/// Whether a feature is found by its key: of a ledger only openings are, since the same issue may happen twice.
pub fn keyed(layer: &Layer, values: &Values) -> bool {
    !layer.has(LayerRole::Ledger) || layer.role(Role::MovementKind).is_some_and(|at| values[at].as_str() == Some("opening"))
}

/// Plans the import of rows into layer number `n`.
pub fn plan(n: usize, layer: &Layer, read: Read, lookup: &dyn Lookup, options: &Options) -> Plan {
    let keys = key_fields(layer);
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut plan = Plan { ignored: read.ignored, warnings: read.warnings, totals: read.totals, ..Plan::default() };
    for row in read.rows {
        let mut planned = Planned {
            place: row.place,
            action: Action::Refuse,
            id: row.id,
            code: None,
            changes: vec![],
            error: None,
            warnings: row.warnings,
        };
        match plan_row(n, layer, &keys, row.id, row.draft, lookup, options, &mut seen, &mut planned) {
            Ok(Some(write)) => plan.writes.push(write),
            Ok(None) => {}
            Err(error) => {
                planned.action = Action::Refuse;
                planned.error = Some(error);
            }
        }
        plan.rows.push(planned);
    }
    plan
}

#[allow(clippy::too_many_arguments)]
fn plan_row(
    n: usize,
    layer: &Layer,
    keys: &[usize],
    id: Option<Uuid>,
    draft: Result<Draft>,
    lookup: &dyn Lookup,
    options: &Options,
    seen: &mut HashMap<String, String>,
    planned: &mut Planned,
) -> Result<Option<Write>> {
    let draft = draft?;
    let given =
        |at: usize| draft.values.iter().find(|(field, _)| *field == at).map(|(_, value)| value.clone()).filter(|value| !value.is_null());
    let code = given(system::CODE).and_then(|code| code.as_str().map(str::to_owned));
    planned.code = code.clone();
    if let Some(code) = &code
        && lookup.by_code(code).is_none()
        && let Some(deleted) = lookup.deleted(code)
    {
        let (at, actor) = (Value::Time(deleted.at).to_text(), &deleted.actor);
        planned.action = Action::Deleted;
        planned.warnings.push(Warning {
            code: "deleted",
            en: format!("{code} was deleted by {actor} at {at}; it isn't created again without the option revive"),
            zh: format!("{code} 已由 {actor} 于 {at} 删除;未使用 revive 选项,不重新创建"),
        });
        return Ok(None);
    }
    let mut draft = lookup.resolve(draft)?;
    let new = draft.clone().create(layer, Uuid::now_v7());
    let key: Option<Vec<Value>> = match &new {
        Ok(new) if keyed(layer, &new.values) && keys.iter().any(|at| !new.values[*at].is_null()) => {
            Some(keys.iter().map(|at| new.values[*at].clone()).collect())
        }
        _ => None,
    };
    let current = match (&code, id, &key) {
        (Some(code), _, _) => lookup.by_code(code),
        (None, Some(id), _) => lookup.by_id(&id),
        (None, None, Some(key)) => lookup.by_key(key),
        (None, None, None) if options.allow_new => None,
        _ => {
            // What is wrong with the row comes first: it may be why it has no key.
            new?;
            let fields: Vec<_> = keys.iter().map(|at| layer.fields[*at].key.as_str()).collect();
            let expected = if fields.is_empty() {
                "a code, or allow_new / 编码,或允许新增".to_owned()
            } else {
                format!("a code, or {} / 编码或自然键", fields.join(" + "))
            };
            return Err(Error::new(Code::RequiredMissing, "code", "", expected));
        }
    };
    let name = match (&code, id, &key) {
        (Some(code), _, _) => Some(format!("code {code}")),
        (None, Some(id), _) => Some(format!("id {id}")),
        (None, None, Some(key)) => Some(format!("key {}", key.iter().map(Value::to_text).collect::<Vec<_>>().join(" + "))),
        _ => None,
    };
    if let Some(name) = name
        && let Some(first) = seen.insert(name.clone(), planned.place.clone())
    {
        return Err(Error::new(Code::DuplicateKey, name, format!("also at {first} / 与 {first} 重复"), ""));
    }
    warn(layer, &draft, current.as_deref(), lookup, options, planned)?;
    match current {
        None => {
            let mut feature = new?;
            feature.id = id.unwrap_or(feature.id);
            planned.action = Action::Create;
            planned.id = Some(feature.id);
            Ok(Some(Write::Create { layer: n, feature }))
        }
        Some(current) => {
            planned.id = Some(current.id);
            // A cell that says nothing new is no change; one that is empty says nothing.
            draft.values.retain(|(at, value)| current.values[*at] != *value);
            if draft.geometry.as_ref() == Some(&current.geometry) {
                draft.geometry = None;
            }
            if draft.values.is_empty() && draft.geometry.is_none() {
                planned.action = Action::Unchanged;
                return Ok(None);
            }
            if layer.has(LayerRole::Ledger) {
                return Err(Error::new(
                    Code::ReadOnly,
                    layer.id.as_str(),
                    "",
                    "The opening is in the ledger already, with other figures; count the stock instead / 期初已登记且数值不同,请改用盘点",
                ));
            }
            let next = draft.apply(layer, &current)?;
            if let Some(workflow) = &layer.workflow {
                workflow.check_step(layer, &current, &next, true)?;
            }
            planned.action = Action::Update;
            planned.changes = draft
                .values
                .iter()
                .map(|(at, value)| (layer.fields[*at].key.clone(), current.values[*at].to_text(), value.to_text()))
                .collect();
            if draft.geometry.is_some() {
                planned.changes.push(("geometry".into(), String::new(), String::new()));
            }
            Ok(Some(Write::Update { layer: n, id: current.id, if_version: Some(current.version), set: draft }))
        }
    }
}

/// Warns of points outside the district and of near-duplicates; refuses what only swapped axes explain.
fn warn(
    layer: &Layer,
    draft: &Draft,
    current: Option<&Feature>,
    lookup: &dyn Lookup,
    options: &Options,
    planned: &mut Planned,
) -> Result<()> {
    let Some(Some(geometry)) = &draft.geometry else { return Ok(()) };
    let (lon, lat) = geometry.anchor();
    if let Some(district) = &options.district
        && !district.intersects(geometry)
    {
        if let Ok(swapped) = Geometry::point(lat, lon)
            && district.intersects(&swapped)
        {
            return Err(Error::new(Code::SwappedAxes, "geometry", format!("{lon},{lat}"), format!("{lat},{lon}")));
        }
        planned.warnings.push(Warning {
            code: "outside_district",
            en: format!("{lon},{lat} is outside the district"),
            zh: format!("{lon},{lat} 在辖区之外"),
        });
    }
    let point = matches!(geometry, Geometry::Point { .. });
    if point
        && let Some(near) = lookup.near(lon, lat, NEAR_M)
        && current.is_none_or(|current| current.id != near.id)
    {
        let other = match &near.values[system::CODE] {
            Value::Null => near.id.to_string(),
            code => code.to_text(),
        };
        planned.warnings.push(Warning {
            code: "near_duplicate",
            en: format!("{} {other} is within {NEAR_M} m", layer.name.en),
            zh: format!("{NEAR_M} 米内已有{} {other}", layer.name.zh),
        });
    }
    Ok(())
}

impl Plan {
    pub fn count(&self, action: Action) -> usize {
        self.rows.iter().filter(|row| row.action == action).count()
    }

    /// `{counts, ignored, warnings, read: {cells, people}, rows: [{place, action, id, code, changes, error, warnings}]}`; of unchanged rows and of plain creations only the first are listed.
    pub fn to_json(&self) -> Json {
        const LISTED: usize = 1_000;
        let told = |warnings: &[Warning]| -> Vec<Json> {
            warnings.iter().map(|w| json!({ "code": w.code, "title": w.en, "title_zh": w.zh })).collect()
        };
        let row = |row: &Planned| {
            let error = row.error.as_ref().map(|error| {
                let ([title, title_zh], [remedy, remedy_zh]) = (error.titles(), error.remedies());
                json!({ "code": error.code, "field": error.field, "value": error.value, "title": title, "title_zh": title_zh, "remedy": remedy, "remedy_zh": remedy_zh })
            });
            let warnings = told(&row.warnings);
            let changes: Vec<Json> =
                row.changes.iter().map(|(field, old, new)| json!({ "field": field, "old": old, "new": new })).collect();
            json!({ "place": row.place, "action": word(row.action), "id": row.id, "code": row.code, "changes": changes, "error": error, "warnings": warnings })
        };
        // What needs a person's eye first.
        let mut listed: Vec<&Planned> = self.rows.iter().collect();
        listed.sort_by_key(|row| (row.action != Action::Refuse, row.warnings.is_empty(), row.action == Action::Unchanged));
        listed.truncate(LISTED);
        json!({
            "counts": {
                "create": self.count(Action::Create), "update": self.count(Action::Update), "unchanged": self.count(Action::Unchanged),
                "deleted": self.count(Action::Deleted), "refuse": self.count(Action::Refuse), "warnings": self.rows.iter().filter(|row| !row.warnings.is_empty()).count(),
            },
            "ignored": self.ignored, "warnings": told(&self.warnings), "read": self.totals.map(|read| json!({ "cells": read.cells, "people": read.people })),
            "listed": listed.len(), "rows": listed.into_iter().map(row).collect::<Vec<_>>(),
        })
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Unchanged => "unchanged",
        Action::Deleted => "deleted",
        Action::Refuse => "refuse",
    }
}
