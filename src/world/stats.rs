//! Counts and sums of a layer, grouped by fields and by responsibility area. Numbers of different units are never added.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    Question, Stored, World,
    answer::{Gate, Verdict},
    stock::tidy,
};
use crate::{
    error::{Code, Error, Result},
    model::{FieldType, LayerRole, Role, Value, layer::system, workflow::local_now},
};

/// What to group by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Field(usize),
    /// The deepest responsibility area that holds the feature.
    Grid,
}

/// Groups beyond this are refused: a table nobody reads.
const GROUPS_MAX: usize = 10_000;

impl World {
    /// `{total, by, groups: [{by: {key: value}, count, sums: {field: n}}]}` over the features that pass `question`'s filter
    /// and area; nothing is left out for being closed or full. Where features go through a workflow, the whole and each group say
    /// how many are `done` and `overdue`, and the rate done in percent. What a definition keeps `apart` is grouped by whether asked for
    /// or not, and the whole has no rate. Where a layer keeps its unit in a field, sums are
    /// grouped by item and unit as well, whether asked for or not.
    ///
    /// # Errors
    /// An unknown field, a sum of what is no number, or more than 10,000 groups.
    pub fn stats(&self, layer: usize, by: &[&str], sum: &[&str], question: Question<'_>) -> Result<Json> {
        let index = self.layer(layer);
        let definition = &index.layer;
        let mut keys = Vec::new();
        for name in by {
            keys.push(match definition.field(name) {
                Some((at, _)) => Key::Field(at),
                None if *name == "grid" => Key::Grid,
                None => return Err(definition.unknown_property(name).within("by")),
            });
        }
        let mut sums = Vec::new();
        for name in sum {
            let (at, field) = definition.field(name).ok_or_else(|| definition.unknown_property(name).within("sum"))?;
            if !matches!(field.kind, FieldType::Integer | FieldType::Number) {
                return Err(Error::new(Code::InvalidParameter, "sum", name, "a number field / 数值字段"));
            }
            sums.push(at);
        }
        let mixed = sums.iter().any(|at| matches!(definition.fields[*at].role, Some(Role::OnHand | Role::Reserved | Role::Quantity)));
        let mut apart: Vec<usize> = definition.apart.iter().filter_map(|key| definition.field(key)).map(|(at, _)| at).collect();
        let is_parted = !apart.is_empty();
        if mixed {
            apart.extend([Role::ItemCode, Role::Unit].into_iter().filter_map(|role| definition.role(role)));
        }
        for at in apart {
            if !keys.contains(&Key::Field(at)) {
                keys.push(Key::Field(at));
            }
        }
        let workflow = definition.workflow.as_ref();
        let gate = Gate::new(self, index, question);
        let mut groups: BTreeMap<Vec<String>, (Vec<Json>, Progress, Vec<f64>)> = BTreeMap::new();
        let (mut whole, today) = (Progress::default(), local_now());
        for stored in index.by_id.values().filter(|stored| !matches!(gate.judge(stored), Verdict::Skip)) {
            let (is_done, is_overdue) = workflow
                .map_or((false, false), |workflow| (workflow.is_done(&stored.feature), workflow.is_overdue(&stored.feature, today)));
            whole.add(is_done, is_overdue);
            let values: Vec<Json> = keys.iter().map(|key| self.key_value(*key, stored)).collect();
            let group = groups
                .entry(values.iter().map(Json::to_string).collect())
                .or_insert_with(|| (values, Progress::default(), vec![0.0; sums.len()]));
            group.1.add(is_done, is_overdue);
            for (total, at) in group.2.iter_mut().zip(&sums) {
                *total += stored.feature.values[*at].as_f64().unwrap_or(0.0);
            }
            if groups.len() > GROUPS_MAX {
                return Err(Error::new(Code::TooComplex, "by", format!("> {GROUPS_MAX} groups / 组"), format!("{GROUPS_MAX} groups / 组")));
            }
        }
        let names: Vec<String> = keys
            .iter()
            .map(|key| match key {
                Key::Field(at) => definition.fields[*at].key.clone(),
                Key::Grid => "grid".into(),
            })
            .collect();
        let rows = groups.into_values().map(|(values, progress, totals)| {
            let by: Map<String, Json> = names.iter().cloned().zip(values).collect();
            let sums: Map<String, Json> = sums.iter().zip(totals).map(|(at, n)| (definition.fields[*at].key.clone(), number(n))).collect();
            let mut row = json!({ "by": by, "count": progress.count, "sums": sums });
            progress.tell(workflow.is_some(), &mut row);
            row
        });
        let groups: Vec<Json> = rows.collect();
        let mut stats = json!({ "layer": definition.id, "total": whole.count, "by": names });
        whole.tell(workflow.is_some() && !is_parted, &mut stats);
        stats["groups"] = groups.into();
        Ok(stats)
    }

    fn key_value(&self, key: Key, stored: &Stored) -> Json {
        match key {
            Key::Field(at) => stored.feature.values[at].to_json(),
            Key::Grid => {
                let cell = stored
                    .feature
                    .geometry
                    .as_ref()
                    .map(|geometry| geometry.anchor())
                    .and_then(|(lon, lat)| self.responsible(lon, lat).into_iter().next());
                cell.map_or(Json::Null, |cell| match &cell.feature.values[system::CODE] {
                    Value::Null => json!(cell.feature.id),
                    code => code.to_json(),
                })
            }
        }
    }

    /// The responsibility areas that hold a position, the deepest first.
    pub fn responsible(&self, lon: f64, lat: f64) -> Vec<&Arc<Stored>> {
        let mut cells: Vec<(i64, Uuid, &Arc<Stored>)> = Vec::new();
        for (n, layer) in self.catalog.with_role(LayerRole::Grid) {
            let Some(level) = layer.role(Role::GridLevel) else { continue };
            for cell in self.layer(n).holding(lon, lat) {
                let depth = match &cell.feature.values[level] {
                    Value::Int(depth) => *depth,
                    // Levels as an enum: "1", "2", "3".
                    Value::Text(text) => text.parse().unwrap_or(0),
                    _ => 0,
                };
                cells.push((-depth, cell.feature.id, cell));
            }
        }
        cells.sort_by_key(|(depth, id, _)| (*depth, *id));
        cells.into_iter().map(|(_, _, cell)| cell).collect()
    }
}

/// How far some features have got.
#[derive(Default)]
struct Progress {
    count: u64,
    done: u64,
    overdue: u64,
}

impl Progress {
    fn add(&mut self, is_done: bool, is_overdue: bool) {
        self.count += 1;
        self.done += u64::from(is_done);
        self.overdue += u64::from(is_overdue);
    }

    /// Adds what there is to say where there is a workflow. The rate is rounded half up to hundredths of a percent, as plans give it.
    fn tell(&self, has_workflow: bool, row: &mut Json) {
        if has_workflow {
            row["done"] = self.done.into();
            row["overdue"] = self.overdue.into();
            let hundredths = (self.done * 20_000 + self.count).checked_div(2 * self.count);
            row["rate_percent"] = hundredths.map(|n| n as f64 / 100.0).into();
        }
    }
}

/// Whole numbers are written whole.
fn number(n: f64) -> Json {
    let n = tidy(n);
    if n.fract() == 0.0 && n.abs() < 9e15 { json!(n as i64) } else { json!(n) }
}
