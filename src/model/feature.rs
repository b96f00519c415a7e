//! Features: what is kept of one thing, and what a client may say about it.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{geometry::Geometry, layer::Layer, value::Value, values::Values};
use crate::error::{Code, Error, Result};

/// One feature as it is stored. `values` stand in the order of [`Layer::fields`].
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub id: Uuid,
    /// 1 when created, one more with each change, whoever made it.
    pub version: i64,
    /// Microseconds since 1970, UTC: when this version was written.
    pub updated_at: i64,
    pub geometry: Option<Geometry>,
    pub values: Values,
}

/// What a client says about a feature: only what it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// `Some(None)` takes the geometry away.
    pub geometry: Option<Option<Geometry>>,
    /// Field numbers and their new values.
    pub values: Vec<(usize, Value)>,
}

/// What to do with read-only members in a client's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// A PUT of what GET gave: ignored.
    Ignore,
    Refuse,
}

impl Draft {
    /// Reads a GeoJSON feature (`geometry`, `properties`) as `layer` declares it. An absent member stays untouched.
    ///
    /// # Errors
    /// The first wrong member: unknown property, wrong type, out of range, invalid geometry.
    pub fn from_geojson(layer: &Layer, json: &Json, read_only: ReadOnly) -> Result<Draft> {
        let object = json
            .as_object()
            .ok_or_else(|| Error::new(Code::InvalidBody, "", "it is no JSON object", "a GeoJSON Feature / GeoJSON 要素"))?;
        if let Some(kind) = object.get("type")
            && kind != "Feature"
        {
            return Err(Error::new(Code::InvalidBody, "type", kind, "\"type\": \"Feature\""));
        }
        let geometry = match object.get("geometry") {
            None => None,
            Some(Json::Null) => Some(None),
            Some(json) => Some(Some(Geometry::from_geojson(json).map_err(|error| error.within("geometry"))?)),
        };
        let mut draft = Draft { geometry, values: vec![] };
        match object.get("properties") {
            None | Some(Json::Null) => {}
            Some(Json::Object(properties)) => draft.values = read_properties(layer, properties, read_only)?,
            Some(other) => return Err(Error::new(Code::InvalidBody, "properties", other, "an object / 对象")),
        }
        if let Some(Some(geometry)) = &draft.geometry {
            geometry.check_kind(layer.geometry)?;
        }
        Ok(draft)
    }

    /// Completes the draft to a new feature: defaults are filled in, required fields and the geometry checked.
    pub fn create(self, layer: &Layer, id: Uuid) -> Result<Feature> {
        let mut values = vec![Value::Null; layer.fields.len()];
        for (field, value) in layer.fields.iter().zip(values.iter_mut()) {
            if let Some(default) = &field.default {
                *value = Value::from_text(field, default)?;
            }
        }
        for (at, value) in self.values {
            values[at] = value;
        }
        let feature = Feature {
            id,
            version: 1,
            updated_at: chrono::Utc::now().timestamp_micros(),
            geometry: self.geometry.flatten(),
            values: values.into(),
        };
        feature.check(layer)?;
        Ok(feature)
    }

    /// Makes the draft say something about every writable field: those it doesn't name become their default or null (PUT).
    pub fn replace(mut self, layer: &Layer) -> Result<Draft> {
        for (at, field) in layer.writable() {
            if !self.values.iter().any(|(named, _)| *named == at) {
                let value = field.default.as_ref().map_or(Ok(Value::Null), |text| Value::from_text(field, text))?;
                self.values.push((at, value));
            }
        }
        self.geometry = Some(self.geometry.flatten());
        Ok(self)
    }

    /// The feature after this draft, checked; version and time are the store's business.
    pub fn apply(&self, layer: &Layer, current: &Feature) -> Result<Feature> {
        let mut next = current.clone();
        for (at, value) in &self.values {
            next.values.set(*at, value.clone());
        }
        if let Some(geometry) = &self.geometry {
            next.geometry = geometry.clone();
        }
        next.check(layer)?;
        Ok(next)
    }
}

fn read_properties(layer: &Layer, properties: &Map<String, Json>, read_only: ReadOnly) -> Result<Vec<(usize, Value)>> {
    let mut values = Vec::with_capacity(properties.len());
    for (key, json) in properties {
        match layer.field(key) {
            Some((_, field)) if field.read_only && read_only == ReadOnly::Ignore => {}
            Some((_, field)) if field.read_only => {
                return Err(Error::new(Code::ReadOnly, key.as_str(), "", "It is kept by the server / 由系统维护"));
            }
            Some((at, field)) => values.push((at, Value::from_json(field, json)?)),
            // Members that GET adds to the properties of every feature.
            None if matches!(key.as_str(), "version" | "updated_at" | "id") && read_only == ReadOnly::Ignore => {}
            None if matches!(key.as_str(), "version" | "updated_at" | "id") => {
                return Err(Error::new(Code::ReadOnly, key.as_str(), "", "It is kept by the server / 由系统维护"));
            }
            None => return Err(layer.unknown_property(key)),
        }
    }
    Ok(values)
}

impl Feature {
    /// Checks what must hold of a whole row: required fields and the geometry's presence and kind.
    pub fn check(&self, layer: &Layer) -> Result<()> {
        for (field, value) in layer.fields.iter().zip(self.values.iter()) {
            if field.required && value.is_null() {
                return Err(Error::new(
                    Code::RequiredMissing,
                    field.key.as_str(),
                    "",
                    format!("{} / {}: {}", field.name.en, field.name.zh, field.kind.expected()),
                ));
            }
        }
        if let Some(workflow) = &layer.workflow {
            workflow.check(layer, self)?;
        }
        match (&self.geometry, layer.geometry) {
            (None, _) if layer.geometry_required => {
                Err(Error::new(Code::RequiredMissing, "geometry", "", format!("{} / {}: GeoJSON", layer.name.en, layer.name.zh)))
            }
            // Elsewhere a row without a place is kept, and listed to be placed.
            (None, _) => Ok(()),
            (Some(geometry), kind) => geometry.check_kind(kind),
        }
    }

    /// The JSON of the whole GeoJSON feature, without braces around it, so that members can be spliced in:
    /// `"type":"Feature","id":…,"geometry":…,"properties":{…}`.
    pub fn write_fragment(&self, layer: &Layer, out: &mut Vec<u8>) {
        use std::io::Write;
        let _ = write!(out, "\"type\":\"Feature\",\"id\":\"{}\",\"geometry\":", self.id);
        match &self.geometry {
            Some(geometry) => geometry.write_geojson(out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"properties\":{");
        for (field, value) in layer.fields.iter().zip(self.values.iter()) {
            let _ = write!(out, "\"{}\":", field.key);
            write_value(value, out);
            out.push(b',');
        }
        let _ = write!(out, "\"version\":{},\"updated_at\":\"{}\"}}", self.version, Value::Time(self.updated_at).to_text());
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    use std::io::Write;
    let _ = match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(b) => write!(out, "{b}"),
        Value::Int(n) => write!(out, "{n}"),
        Value::Num(n) => out.write_all(ryu::Buffer::new().format(*n).as_bytes()),
        Value::Text(text) => return write_string(text, out),
        Value::Date(_) | Value::Time(_) => write!(out, "\"{}\"", value.to_text()),
        Value::List(list) => {
            out.push(b'[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(item, out);
            }
            out.write_all(b"]")
        }
    };
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // serde_json writes any str; a Vec never fails.
    let _ = serde_json::to_writer(out, text);
}
