//! Workflows: the states that a feature goes through, the steps between them, and what must hold in each.
//!
//! A definition declares them (`[workflow]`); whoever writes, by form, API or import, meets the same rules.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use chrono::{DateTime, FixedOffset, Offset};
use serde::{Deserialize, Serialize};

use super::{
    feature::Feature,
    filter::Filter,
    layer::{FieldType, Layer, Name},
    value::Value,
};
use crate::error::{Code, Error, Result};

/// The states of a layer's features. Fields are named by their keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// The enum field that holds the state.
    pub field: String,
    /// States that a feature may be created in. A file's rows, which may have come a long way elsewhere, begin in any.
    pub starts: Vec<ArcStr>,
    pub transitions: Vec<Transition>,
    /// States in which nothing more is due.
    #[serde(default)]
    pub done: Vec<ArcStr>,
    /// The date or time until which a feature is to be done; then it is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// By state: fields that have a value there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<ArcStr, Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    #[serde(skip)]
    at: usize,
    #[serde(skip)]
    deadline_at: Option<usize>,
}

/// A step from one of some states to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub from: Vec<ArcStr>,
    pub to: ArcStr,
    /// What the step is called: on its button.
    pub name: Name,
}

/// What holds in some states.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub states: Vec<ArcStr>,
    /// CQL2 over the layer's fields. Unknown, as where a value is missing, is no breach.
    pub rule: String,
    /// The rule in words.
    pub name: Name,
    #[serde(skip)]
    filter: Option<Filter>,
}

/// What stays as it was written: such fields aren't changed in such states, and the feature isn't deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    pub states: Vec<ArcStr>,
    pub fields: Vec<String>,
}

impl Workflow {
    /// Checks it against its layer, and makes it ready.
    ///
    /// # Errors
    /// [`Code::InvalidDefinition`] with `file`, the key and the remedy.
    pub fn prepare(&mut self, file: &str, layer: &Layer) -> Result<()> {
        let invalid = |key: &str, what: &dyn std::fmt::Display, remedy: &str| {
            Err(Error::new(Code::InvalidDefinition, format!("{file}: workflow.{key}"), what, remedy))
        };
        let Some((at, FieldType::Enum { values })) = layer.field(&self.field).map(|(at, field)| (at, &field.kind)) else {
            return invalid("field", &self.field, "Name an enum field of this layer / 请填写本图层的枚举字段");
        };
        self.at = at;
        let named = |key: &'static str, states: &'_ [ArcStr]| states.iter().map(move |state| (key, state.clone())).collect::<Vec<_>>();
        let mut states = named("starts", &self.starts);
        states.extend(named("done", &self.done));
        states.extend(
            self.transitions
                .iter()
                .flat_map(|step| [named("transitions.from", &step.from), vec![("transitions.to", step.to.clone())]])
                .flatten(),
        );
        states.extend(self.requires.keys().map(|state| ("requires", state.clone())));
        states.extend(self.rules.iter().flat_map(|rule| named("rules.states", &rule.states)));
        states.extend(self.frozen.iter().flat_map(|frozen| named("frozen.states", &frozen.states)));
        for (key, state) in &states {
            if !values.iter().any(|value| value.value == *state) {
                return invalid(key, state, "Name values of the state field / 请填写状态字段的取值");
            }
        }
        let reached = |state: &ArcStr| self.starts.contains(state) || self.transitions.iter().any(|step| step.to == *state);
        if let Some(lost) = values.iter().find(|value| !reached(&value.value)) {
            return invalid("transitions", &lost.value, "Name a step to it, or let features start there / 请补充到达该状态的步骤");
        }
        let fields = self.requires.values().flatten().map(|key| ("requires", key));
        let fields = fields.chain(self.frozen.iter().flat_map(|frozen| &frozen.fields).map(|key| ("frozen.fields", key)));
        for (key, field) in fields.chain(self.deadline.iter().map(|field| ("deadline", field))) {
            if layer.field(field).is_none() {
                return invalid(key, field, "Name fields of this layer / 请填写本图层字段");
            }
        }
        if let Some(key) = &self.deadline {
            let known = layer.field(key).filter(|(_, field)| matches!(field.kind, FieldType::Date | FieldType::Datetime));
            let Some((at, _)) = known else {
                return invalid("deadline", key, "Name a date or a datetime / 请填写日期或时间字段");
            };
            self.deadline_at = Some(at);
        }
        for rule in &mut self.rules {
            match Filter::parse_rule(layer, &rule.rule) {
                Ok(filter) => rule.filter = Some(filter),
                Err(error) => {
                    return invalid("rules.rule", &error.titles()[0], "Write CQL2 over this layer's fields / 请用本图层字段写 CQL2");
                }
            }
        }
        Ok(())
    }

    fn state<'f>(&self, feature: &'f Feature) -> Option<&'f ArcStr> {
        match &feature.values[self.at] {
            Value::Text(state) => Some(state),
            _ => None,
        }
    }

    fn words(&self, layer: &Layer, states: &[&ArcStr]) -> String {
        let values = layer.fields[self.at].kind.values();
        let word = |state: &&ArcStr| {
            let name = values.iter().find(|value| value.value == **state).map_or("", |value| &value.name.zh);
            format!("{state} {name}")
        };
        states.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// What must hold of a feature in its state.
    ///
    /// # Errors
    /// [`Code::RequiredMissing`] for a field that has no value; [`Code::RuleBroken`].
    pub fn check(&self, layer: &Layer, feature: &Feature) -> Result<()> {
        let Some(state) = self.state(feature) else {
            let values: Vec<&ArcStr> = layer.fields[self.at].kind.values().iter().map(|value| &value.value).collect();
            return Err(Error::new(Code::RequiredMissing, self.field.as_str(), "", self.words(layer, &values)));
        };
        for key in self.requires.get(state).into_iter().flatten() {
            let Some((at, field)) = layer.field(key) else { continue };
            if feature.values[at].is_null() {
                let expected = format!(
                    "{} / {}, needed for / 状态所需: {}; {}",
                    field.name.en,
                    field.name.zh,
                    self.words(layer, &[state]),
                    field.kind.expected()
                );
                return Err(Error::new(Code::RequiredMissing, key.as_str(), "", expected));
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.states.contains(state)) {
            if rule.filter.as_ref().is_some_and(|filter| filter.is_broken_by(feature)) {
                return Err(Error::new(Code::RuleBroken, self.field.as_str(), format!("{} / {}", rule.name.en, rule.name.zh), &rule.rule));
            }
        }
        Ok(())
    }

    /// Whether a feature may be created as it is.
    ///
    /// # Errors
    /// [`Code::InvalidTransition`] with the states that it may begin in.
    pub fn check_start(&self, layer: &Layer, feature: &Feature) -> Result<()> {
        match self.state(feature) {
            Some(state) if !self.starts.contains(state) => {
                let starts: Vec<&ArcStr> = self.starts.iter().collect();
                Err(Error::new(Code::InvalidTransition, self.field.as_str(), self.words(layer, &[state]), self.words(layer, &starts)))
            }
            _ => Ok(()),
        }
    }

    /// Whether a feature may become another, in one step or, where `leaps`, in several: a ledger that was kept elsewhere comes with
    /// what is true now, not with how it came about.
    ///
    /// # Errors
    /// [`Code::InvalidTransition`] with the states that it may go to; [`Code::ReadOnly`] for a field that stays as it is.
    pub fn check_step(&self, layer: &Layer, before: &Feature, after: &Feature, leaps: bool) -> Result<()> {
        let (Some(from), Some(to)) = (self.state(before), self.state(after)) else { return Ok(()) };
        let mut next: Vec<&ArcStr> = self.next(from).collect();
        let mut seen = 0;
        while leaps && seen < next.len() {
            let further: Vec<&ArcStr> = self.next(next[seen]).filter(|state| !next.contains(state)).collect();
            next.extend(further);
            seen += 1;
        }
        if from != to && !next.contains(&to) {
            let next = if next.is_empty() { "nothing / 无".to_owned() } else { self.words(layer, &next) };
            let step = format!("{} → {}", self.words(layer, &[from]), self.words(layer, &[to]));
            return Err(Error::new(Code::InvalidTransition, self.field.as_str(), step, next));
        }
        let Some(frozen) = self.frozen.as_ref().filter(|frozen| frozen.states.contains(from)) else { return Ok(()) };
        let changed = |key: &&String| layer.field(key).is_some_and(|(at, _)| before.values[at] != after.values[at]);
        match frozen.fields.iter().find(changed) {
            Some(key) => Err(self.stays(layer, key, from)),
            None => Ok(()),
        }
    }

    fn next<'w>(&'w self, from: &'w ArcStr) -> impl Iterator<Item = &'w ArcStr> {
        self.transitions.iter().filter(move |step| step.from.contains(from)).map(|step| &step.to)
    }

    /// Whether a feature may be deleted.
    ///
    /// # Errors
    /// [`Code::ReadOnly`] where it stays for ever.
    pub fn check_delete(&self, layer: &Layer, feature: &Feature) -> Result<()> {
        match (self.state(feature), &self.frozen) {
            (Some(state), Some(frozen)) if frozen.states.contains(state) => Err(self.stays(layer, &layer.id, state)),
            _ => Ok(()),
        }
    }

    fn stays(&self, layer: &Layer, what: &str, state: &ArcStr) -> Error {
        let state = self.words(layer, &[state]);
        Error::new(Code::ReadOnly, what, "", format!("It stays as it is once {state}; write a new one / {state} 后不可更改,请另行登记"))
    }

    /// The field that holds the state.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing more is due.
    pub fn is_done(&self, feature: &Feature) -> bool {
        self.state(feature).is_some_and(|state| self.done.contains(state))
    }

    /// Whether its time has passed and it isn't done. A date lasts until its day ends where the bureau is.
    pub fn is_overdue(&self, feature: &Feature, now: DateTime<FixedOffset>) -> bool {
        let passed = match self.deadline_at.map(|at| &feature.values[at]) {
            Some(Value::Date(day)) => Value::date(*day).is_some_and(|day| day < now.date_naive()),
            Some(Value::Time(micros)) => *micros < now.timestamp_micros(),
            _ => false,
        };
        passed && !self.is_done(feature)
    }
}

/// Now, by the clock of this machine and its zone.
pub fn local_now() -> DateTime<FixedOffset> {
    let now = chrono::Local::now();
    now.with_timezone(&now.offset().fix())
}
