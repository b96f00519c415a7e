//! From a store's rows and its log's JSON to features.

use std::{collections::HashSet, sync::Arc};

use arcstr::ArcStr;
use rusqlite::types::ValueRef;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    model::{Feature, Field, FieldType, Geometry, Layer, Value, value::YEARS, wkb},
};

/// The texts of one field: those that many features share are kept once.
#[derive(Default)]
struct Texts {
    known: HashSet<ArcStr>,
    last: ArcStr,
    asked: usize,
    full: bool,
}

impl Texts {
    /// Beyond this many different texts no more are remembered; and none at all where they hardly ever come again.
    const MAX: usize = 8_192;

    fn share(&mut self, text: &str) -> ArcStr {
        // Rows that stand together are often alike.
        if self.last != text {
            self.asked += 1;
            self.last = match self.known.get(text) {
                Some(known) => known.clone(),
                None => {
                    let text = ArcStr::from(text);
                    if !self.full {
                        self.known.insert(text.clone());
                        self.full = self.known.len() == Self::MAX;
                        if self.full && self.asked < 2 * Self::MAX {
                            self.known = HashSet::new();
                        }
                    }
                    text
                }
            };
        }
        self.last.clone()
    }

    /// A text of `field`; enum values share the definition's.
    fn value(&mut self, field: &Field, text: &str) -> Value {
        Value::Text(known(field, text).unwrap_or_else(|| self.share(text)))
    }
}

/// Reads the rows of one layer.
pub struct Decoder {
    layer: Arc<Layer>,
    texts: Vec<Texts>,
}

impl Decoder {
    pub fn new(layer: Arc<Layer>) -> Decoder {
        Decoder { texts: layer.fields.iter().map(|_| Texts::default()).collect(), layer }
    }

    /// A row of `COPY (SELECT` [`super::ddl::columns`]`) TO STDOUT (FORMAT binary)`.
    ///
    /// # Errors
    /// Where it is no such row: nothing after it can be read either.
    pub fn postgres(&mut self, row: &mut Cells) -> Result<Feature> {
        let layer = &*self.layer;
        let id = row.cell()?.and_then(|bytes| Uuid::from_slice(bytes).ok());
        let id = id.ok_or_else(|| Error::internal(format!("a row of {} without a UUID", layer.id)))?;
        let version = row.cell()?.and_then(|bytes| bytes.try_into().ok()).map_or(1, i64::from_be_bytes);
        let updated_at = row.cell()?.and_then(time).unwrap_or_default();
        let geometry = row.cell()?.and_then(|bytes| geometry(layer, id, wkb::read(bytes).map(Some)));
        let mut values = Vec::with_capacity(layer.fields.len());
        for (field, texts) in layer.fields.iter().zip(&mut self.texts) {
            values.push(match row.cell()? {
                None => Value::Null,
                Some(bytes) => from_postgres(field, texts, bytes).unwrap_or_else(|| odd(layer, id, field, "out of range")),
            });
        }
        Ok(Feature { id, version, updated_at, geometry, values: values.into() })
    }

    /// A row of `SELECT` [`super::ddl::columns`] from a GeoPackage, whose columns hold whatever another program put there.
    /// A row without an id is told of and left out.
    pub fn geopackage(&mut self, row: &rusqlite::Row) -> rusqlite::Result<Option<Feature>> {
        let layer = &*self.layer;
        let Some(id) = text(row.get_ref(0)?).and_then(|text| Uuid::parse_str(text).ok()) else {
            tracing::warn!(layer = layer.id, "a row without a UUID is left out");
            return Ok(None);
        };
        let version = row.get_ref(1)?.as_i64().unwrap_or(1);
        let updated_at = text(row.get_ref(2)?).and_then(rfc3339).unwrap_or_default();
        let geometry = match row.get_ref(3)? {
            ValueRef::Null => None,
            ValueRef::Blob(bytes) => geometry(layer, id, wkb::read_gpkg(bytes)),
            _ => geometry(layer, id, wkb::read_gpkg(&[])),
        };
        let mut values = Vec::with_capacity(layer.fields.len());
        for (i, (field, texts)) in layer.fields.iter().zip(&mut self.texts).enumerate() {
            values.push(match row.get_ref(i + 4)? {
                ValueRef::Null => Value::Null,
                value => from_geopackage(field, texts, value).unwrap_or_else(|| odd(layer, id, field, format!("{value:?}"))),
            });
        }
        Ok(Some(Feature { id, version, updated_at, geometry, values: values.into() }))
    }
}

/// Rows in PostgreSQL's binary form: each a count of cells, then each cell's length (-1 is null) and bytes.
pub struct Cells<'a>(pub &'a [u8]);

impl<'a> Cells<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(|| Error::internal("a row that ends too early"))?;
        self.0 = rest;
        Ok(*head)
    }
    /// Goes to the next row; false at the end, which is told by a count of -1.
    pub fn next_row(&mut self) -> Result<bool> {
        Ok(!self.0.is_empty() && i16::from_be_bytes(self.take()?) >= 0)
    }
    fn cell(&mut self) -> Result<Option<&'a [u8]>> {
        let Ok(length) = usize::try_from(i32::from_be_bytes(self.take()?)) else { return Ok(None) };
        let (cell, rest) = self.0.split_at_checked(length).ok_or_else(|| Error::internal("a cell that ends too early"))?;
        self.0 = rest;
        Ok(Some(cell))
    }
}

/// Days and microseconds from 1970 to 2000, where PostgreSQL counts from.
const DAYS_TO_2000: i32 = 10_957;
const MICROS_TO_2000: i64 = DAYS_TO_2000 as i64 * MICROS_A_DAY;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// Days since 1970, within the years that a register takes.
fn date(days: i32) -> Option<i32> {
    Value::date(days).is_some_and(|date| YEARS.contains(&chrono::Datelike::year(&date))).then_some(days)
}

fn time(bytes: &[u8]) -> Option<i64> {
    let micros = i64::from_be_bytes(bytes.try_into().ok()?).checked_add(MICROS_TO_2000)?;
    date(i32::try_from(micros.div_euclid(MICROS_A_DAY)).ok()?).map(|_| micros)
}

/// A cell of PostgreSQL; `None` where a register can't hold it, as `infinity`.
fn from_postgres(field: &Field, texts: &mut Texts, bytes: &[u8]) -> Option<Value> {
    Some(match &field.kind {
        FieldType::Text | FieldType::Enum { .. } => texts.value(field, std::str::from_utf8(bytes).ok()?),
        FieldType::Ref { .. } => {
            Value::Text(texts.share(Uuid::from_slice(bytes).ok()?.hyphenated().encode_lower(&mut Uuid::encode_buffer())))
        }
        FieldType::Integer => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        FieldType::Number => Value::Num(Some(f64::from_be_bytes(bytes.try_into().ok()?)).filter(|n| n.is_finite())?),
        FieldType::Boolean => Value::Bool(*bytes.first()? != 0),
        FieldType::Date => Value::Date(date(i32::from_be_bytes(bytes.try_into().ok()?).checked_add(DAYS_TO_2000)?)?),
        FieldType::Datetime => Value::Time(time(bytes)?),
        FieldType::List { .. } => {
            // An array: dimensions, whether it has nulls, the type; each dimension's length and start; the items.
            let mut cells = Cells(bytes);
            let [dimensions, _nulls, _type] = [cells.take().ok()?, cells.take().ok()?, cells.take().ok()?].map(i32::from_be_bytes);
            let mut items = Vec::new();
            if dimensions == 1 {
                cells.take::<8>().ok()?;
                while !cells.0.is_empty() {
                    items.push(std::str::from_utf8(cells.cell().ok()??).ok()?);
                }
            } else if dimensions != 0 {
                return None;
            }
            list(field, items)
        }
    })
}

/// A value of a GeoPackage; `None` where it is none of its field's.
fn from_geopackage(field: &Field, texts: &mut Texts, value: ValueRef) -> Option<Value> {
    Some(match (&field.kind, value) {
        (FieldType::Text | FieldType::Enum { .. } | FieldType::Ref { .. }, ValueRef::Integer(n)) => texts.value(field, &n.to_string()),
        (FieldType::Text | FieldType::Enum { .. } | FieldType::Ref { .. }, value) => texts.value(field, text(value)?),
        (FieldType::Integer, ValueRef::Integer(n)) => Value::Int(n),
        (FieldType::Integer, ValueRef::Real(n)) if n.fract() == 0.0 && n.abs() < 9e15 => Value::Int(n as i64),
        (FieldType::Number, ValueRef::Integer(n)) => Value::Num(n as f64),
        (FieldType::Number, ValueRef::Real(n)) if n.is_finite() => Value::Num(n),
        (FieldType::Boolean, ValueRef::Integer(b)) => Value::Bool(b != 0),
        (FieldType::Date | FieldType::Datetime, value) => Value::from_text(field, text(value)?).ok()?,
        (FieldType::List { .. }, value) => list(field, serde_json::from_str::<Vec<String>>(text(value)?).ok()?),
        _ => return None,
    })
}

fn text(value: ValueRef<'_>) -> Option<&str> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// Microseconds since 1970 of a time in RFC 3339.
fn rfc3339(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_micros())
}

fn list<T: AsRef<str>>(field: &Field, items: impl IntoIterator<Item = T>) -> Value {
    let items = items.into_iter().map(|item| known(field, item.as_ref()).unwrap_or_else(|| item.as_ref().into()));
    Value::List(Arc::new(items.collect()))
}

/// The definition's own copy of an enum value.
fn known(field: &Field, text: &str) -> Option<ArcStr> {
    field.kind.values().iter().find(|known| known.value == text).map(|known| known.value.clone())
}

/// A value that another program wrote and no check stopped; it is left out, and told of.
fn odd(layer: &Layer, id: Uuid, field: &Field, what: impl std::fmt::Display) -> Value {
    tracing::warn!(layer = layer.id, %id, field = field.key, %what, "a value that can't be read is taken as empty");
    Value::Null
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field of each type behind the six of every layer.
    fn layer() -> Arc<Layer> {
        let mut text = "id = 'thing'\nversion = 1\nname = { zh = '', en = '' }\ngroup = 't'\ngeometry = 'any'\nsymbol = { icon = 'area', color = '#336699' }".to_owned();
        for kind in ["integer", "number", "boolean", "date", "datetime", "enum", "list", "ref"] {
            text += &format!("\n[[fields]]\nkey = 'a_{kind}'\ntype = '{kind}'\nname = {{ zh = '', en = '' }}\n");
            text += match kind {
                "enum" | "list" => "values = [{ value = 'a', zh = '', en = '' }]",
                "ref" => "to = 'thing'",
                _ => "",
            };
        }
        crate::model::Catalog::parse(&[("thing.toml".into(), text)]).unwrap().layers[0].clone()
    }

    proptest! {
        #[test]
        fn garbage_never_panics(cells in proptest::collection::vec((-1_i32..20, any::<[u8; 20]>()), 4..30), end in 0_usize..400) {
            let layer = layer();
            let mut bytes = vec![0, 4 + layer.fields.len() as u8];
            bytes.extend(16_i32.to_be_bytes());
            bytes.extend([7; 16]);
            for (length, cell) in cells {
                bytes.extend(length.to_be_bytes());
                bytes.extend(&cell[..usize::try_from(length).unwrap_or(0)]);
            }
            bytes.truncate(end);
            let (mut cells, mut decoder) = (Cells(&bytes), Decoder::new(layer));
            while let Ok(true) = cells.next_row() {
                if decoder.postgres(&mut cells).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_postgresql_keeps_and_a_register_does_not_is_empty() {
        let layer = layer();
        let read = |kind: &str, bytes: &[u8]| from_postgres(layer.field(kind).unwrap().1, &mut Texts::default(), bytes);
        assert_eq!(read("a_date", &i32::MAX.to_be_bytes()), None, "infinity");
        assert_eq!(read("a_datetime", &i64::MIN.to_be_bytes()), None, "-infinity");
        assert_eq!(read("a_date", &9_628_i32.to_be_bytes()), Some(Value::Date(20_585)));
        assert_eq!(read("a_number", &f64::NAN.to_be_bytes()), None);
        assert_eq!(read("a_integer", &[1, 2]), None);
        assert_eq!(read("a_list", &[0; 12]), Some(Value::List(Arc::default())));
        let null_item: Vec<u8> = [1, 1, 25, 1, 1, -1].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
        assert_eq!(read("a_list", &null_item), None);
    }

    #[test]
    fn texts_are_shared_while_they_come_again() {
        let mut texts = Texts::default();
        let first = texts.share("a");
        assert!(ArcStr::ptr_eq(&first, &texts.share("a")));
        texts.share("b");
        assert!(ArcStr::ptr_eq(&first, &texts.share("a")));
        for n in 0..Texts::MAX {
            texts.share(&n.to_string());
        }
        assert!(texts.full && texts.known.is_empty(), "hardly any came again");
        assert_eq!(texts.share("a"), "a");
    }
}
