//! A field's value: sixteen bytes, typed, the same in the store, in memory and in JSON.

use std::sync::Arc;

use arcstr::ArcStr;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::Value as Json;

use super::layer::{Field, FieldType};
use crate::error::{Code, Error, Result};

/// One value of a feature. Enum values share their text with the definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Num(f64),
    Text(ArcStr),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Several enum values, in the order given, none twice.
    List(Arc<Vec<ArcStr>>),
}

/// Dates outside these years are refused: they are typing errors, and other programs can't read them.
pub const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    /// A number, whichever way it is kept.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Num(n) => Some(*n),
            _ => None,
        }
    }
    /// The texts of a list; none for another value.
    pub fn words(&self) -> Vec<String> {
        match self {
            Value::List(words) => words.iter().map(ToString::to_string).collect(),
            _ => vec![],
        }
    }
    pub fn date(days: i32) -> Option<NaiveDate> {
        NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_FROM_CE)?)
    }

    /// Reads a JSON value as `field` declares it. `null` is [`Value::Null`]; whether null is allowed is checked with the row.
    ///
    /// # Errors
    /// Names the field, the value and what would be right.
    pub fn from_json(field: &Field, json: &Json) -> Result<Value> {
        let bad = |expected: &str| Error::new(Code::InvalidValue, field.key.as_str(), json, expected);
        Ok(match (&field.kind, json) {
            (_, Json::Null) => Value::Null,
            (FieldType::Text | FieldType::Ref { .. }, Json::String(text)) => check_text(field, text)?,
            (FieldType::Integer, Json::Number(n)) => {
                let whole = n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64));
                check_range(field, Value::Int(whole.ok_or_else(|| bad("a whole number / 整数"))?))?
            }
            (FieldType::Number, Json::Number(n)) => {
                let number = n.as_f64().filter(|f| f.is_finite()).ok_or_else(|| bad("a finite number / 有限数值"))?;
                check_range(field, Value::Num(number))?
            }
            (FieldType::Boolean, Json::Bool(b)) => Value::Bool(*b),
            (FieldType::Date | FieldType::Datetime | FieldType::Enum { .. }, Json::String(text)) => Value::from_text(field, text)?,
            (FieldType::List { .. }, Json::Array(items)) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let text = item.as_str().ok_or_else(|| bad("a list of texts / 文本列表"))?;
                    push_list_item(field, &mut list, text)?;
                }
                Value::List(Arc::new(list))
            }
            _ => return Err(bad(&field.kind.expected())),
        })
    }

    /// Reads a cell of a spreadsheet or a form as `field` declares it; an empty cell is null. Enum values match by value,
    /// by either name or by an alias; lists are split at `、`, `,`, `;`.
    pub fn from_text(field: &Field, text: &str) -> Result<Value> {
        let text = text.trim();
        let bad = || Error::new(Code::InvalidValue, field.key.as_str(), text, field.kind.expected());
        if text.is_empty() {
            return Ok(Value::Null);
        }
        Ok(match &field.kind {
            FieldType::Text | FieldType::Ref { .. } => check_text(field, text)?,
            FieldType::Integer | FieldType::Number => {
                let (digits, unit) = split_unit(text);
                // 2万条 is 20,000 条; 万元 may be the unit itself.
                let large = [("万", 1e4), ("亿", 1e8)].into_iter().find(|(word, _)| !field.accepts_unit(unit) && unit.starts_with(word));
                let (scale, unit) = large.map_or((1.0, unit), |(word, scale)| (scale, unit[word.len()..].trim_start()));
                if !unit.is_empty() && !field.accepts_unit(unit) {
                    let kept = field.unit.as_deref().unwrap_or("no unit / 无单位");
                    return Err(Error::new(Code::WrongUnit, field.key.as_str(), unit, kept));
                }
                let number: f64 = digits.replace([',', '\u{ff0c}', '_', ' '], "").parse().map_err(|_| bad())?;
                let number = number * scale;
                if !number.is_finite() {
                    return Err(bad());
                }
                let value = match field.kind {
                    FieldType::Integer if number.fract() == 0.0 && number.abs() < 9e15 => Value::Int(number as i64),
                    FieldType::Integer => return Err(bad()),
                    _ => Value::Num(number),
                };
                check_range(field, value)?
            }
            FieldType::Boolean => match text.to_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "是" | "有" => Value::Bool(true),
                "false" | "f" | "no" | "n" | "0" | "否" | "无" => Value::Bool(false),
                _ => return Err(bad()),
            },
            FieldType::Date => {
                let date = ["%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日", "%Y.%m.%d"]
                    .iter()
                    .find_map(|format| NaiveDate::parse_from_str(text, format).ok());
                let date = date.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.date_naive()));
                let date = date.filter(|date| YEARS.contains(&chrono::Datelike::year(date))).ok_or_else(bad)?;
                Value::Date(chrono::Datelike::num_days_from_ce(&date) - EPOCH_FROM_CE)
            }
            FieldType::Datetime => {
                let at = DateTime::parse_from_rfc3339(text).map_err(|_| bad())?.to_utc();
                if !YEARS.contains(&chrono::Datelike::year(&at)) {
                    return Err(bad());
                }
                Value::Time(at.timestamp_micros())
            }
            FieldType::Enum { values } => match values.iter().find(|v| v.matches(text)) {
                Some(value) => Value::Text(value.value.clone()),
                None => return Err(unknown_enum(field, text)),
            },
            FieldType::List { .. } => {
                let mut list = Vec::new();
                for item in text.split(['、', ',', ';', '\u{ff0c}', '\u{ff1b}']).map(str::trim).filter(|item| !item.is_empty()) {
                    push_list_item(field, &mut list, item)?;
                }
                Value::List(Arc::new(list))
            }
        })
    }

    /// The JSON of this value; times are RFC 3339 in UTC.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::from(*n),
            Value::Num(n) => Json::from(*n),
            Value::List(list) => Json::Array(list.iter().map(|item| Json::String(item.to_string())).collect()),
            Value::Text(text) => Json::String(text.to_string()),
            Value::Date(_) | Value::Time(_) => Json::String(self.to_text()),
        }
    }

    /// The text of this value as a spreadsheet cell; null is empty.
    pub fn to_text(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Num(n) => n.to_string(),
            Value::Text(text) => text.to_string(),
            Value::Date(days) => Value::date(*days).map(|date| date.to_string()).unwrap_or_default(),
            Value::Time(micros) => DateTime::<Utc>::from_timestamp_micros(*micros)
                .map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
                .unwrap_or_default(),
            Value::List(list) => list.join("、"),
        }
    }
}

/// Days from 0001-01-01 (day 1) to 1970-01-01.
pub const EPOCH_FROM_CE: i32 = 719_163;

/// Texts longer than this are refused: a register is no document store.
pub const TEXT_MAX: usize = 20_000;

fn check_text(field: &Field, text: &str) -> Result<Value> {
    if text.len() > TEXT_MAX {
        return Err(Error::new(Code::TooLarge, field.key.as_str(), format!("{} bytes", text.len()), format!("{TEXT_MAX} bytes")));
    }
    // PostgreSQL can't store it, and no register needs it.
    if text.contains('\0') {
        return Err(Error::new(
            Code::InvalidValue,
            field.key.as_str(),
            "a text with a NUL character",
            "a text without NUL characters / 不含空字符的文本",
        ));
    }
    Ok(Value::Text(text.into()))
}

fn check_range(field: &Field, value: Value) -> Result<Value> {
    let number = value.as_f64().unwrap_or(0.0);
    let (min, max) = (field.min.unwrap_or(f64::NEG_INFINITY), field.max.unwrap_or(f64::INFINITY));
    if number < min || number > max {
        let unit = field.unit.as_deref().unwrap_or_default();
        let expected = match (field.min, field.max) {
            (Some(min), Some(max)) => format!("{min}–{max} {unit}"),
            (Some(min), None) => format!("≥ {min} {unit}"),
            _ => format!("≤ {max} {unit}"),
        };
        return Err(Error::new(Code::OutOfRange, field.key.as_str(), value.to_text(), expected.trim()));
    }
    Ok(value)
}

fn unknown_enum(field: &Field, text: &str) -> Error {
    let known: Vec<_> = field.kind.values().iter().map(|v| format!("{} ({})", v.value, v.name.zh)).collect();
    Error::new(Code::UnknownEnumValue, field.key.as_str(), text, known.join(", "))
}

fn push_list_item(field: &Field, list: &mut Vec<ArcStr>, text: &str) -> Result<()> {
    let value = match field.kind.values().iter().find(|v| v.matches(text)) {
        Some(value) => value.value.clone(),
        None => return Err(unknown_enum(field, text)),
    };
    if !list.contains(&value) {
        list.push(value);
    }
    Ok(())
}

/// `"200 吨"` -> `("200 ", "吨")`.
fn split_unit(text: &str) -> (&str, &str) {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | ',' | '\u{ff0c}' | '_' | ' '))).unwrap_or(text.len());
    // 1e5 is a number, not 1 of unit e5.
    if text.parse::<f64>().is_ok() { (text, "") } else { (&text[..end], text[end..].trim()) }
}
