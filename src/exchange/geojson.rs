//! GeoJSON: a collection, a feature, or one feature a line.

use geo::Geometry as Geo;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Crs, Row, csv::decode, import::check_count};
use crate::{
    error::{Code, Error, Result},
    model::{Draft, Geometry, GeometryKind, Layer, ReadOnly, Value, layer::system},
};

/// Reads rows of `layer`. Properties match by key, or by a header alias as in a spreadsheet.
///
/// # Errors
/// What concerns the whole file; what concerns a feature is in its row.
pub fn read(layer: &Layer, bytes: &[u8], crs: Crs) -> Result<Vec<Row>> {
    let text = decode(bytes)?;
    let expected = "a GeoJSON FeatureCollection, or one Feature a line / GeoJSON 要素集合";
    let features: Vec<Json> = match serde_json::from_str::<Json>(&text) {
        Ok(json) => {
            let kind = json["type"].as_str().map(str::to_owned);
            match (kind.as_deref(), json) {
                (Some("FeatureCollection"), Json::Object(mut collection)) => match collection.remove("features") {
                    Some(Json::Array(features)) => features,
                    _ => return Err(Error::new(Code::InvalidFile, "features", "absent / 缺失", expected)),
                },
                (Some("Feature"), feature) => vec![feature],
                (kind, _) => return Err(Error::new(Code::InvalidFile, "type", kind.unwrap_or("absent"), expected)),
            }
        }
        Err(whole) => {
            let lines: Result<Vec<Json>, _> =
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(serde_json::from_str).collect();
            lines.map_err(|_| Error::new(Code::InvalidFile, "file", whole, expected))?
        }
    };
    check_count(features.len())?;
    Ok(features.into_iter().enumerate().map(|(n, feature)| row(layer, n, feature, crs)).collect())
}

fn row(layer: &Layer, n: usize, mut feature: Json, crs: Crs) -> Row {
    let id = feature["id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
    let geometry = feature.as_object_mut().and_then(|feature| feature.remove("geometry"));
    if let Some(properties) = feature.get_mut("properties").and_then(Json::as_object_mut) {
        let given = std::mem::take(properties);
        for (key, value) in given {
            let known = layer.field(&key).is_some() || matches!(key.as_str(), "id" | "version" | "updated_at");
            let alias = layer.fields.iter().find(|field| !known && field.matches_header(&key)).map(|field| field.key.clone());
            properties.insert(alias.unwrap_or(key), value);
        }
    }
    let draft = Draft::from_geojson(layer, &feature, ReadOnly::Ignore).and_then(|mut draft| {
        if let Some(json) = geometry.filter(|json| !json.is_null()) {
            if layer.geometry == GeometryKind::None {
                return Err(Error::new(Code::InvalidGeometry, "geometry", "a geometry / 几何", "no geometry in this layer / 此图层无几何"));
            }
            let (geometry, raw) = self::geometry(&json, crs).map_err(|error| error.within("geometry"))?;
            geometry.check_kind(layer.geometry)?;
            draft.geometry = Some(Some(geometry));
            if let Some(raw) = raw {
                draft.values.push((system::RAW, Value::Text(raw.into())));
            }
        }
        Ok(draft)
    });
    Row { place: format!("features[{n}]"), id, draft, warnings: vec![] }
}

/// A GeoJSON geometry in a declared system: on WGS 84, and what is kept of it as it was given.
pub fn geometry(json: &Json, crs: Crs) -> Result<(Geometry, Option<String>)> {
    if crs == Crs::Wgs84 {
        return Geometry::from_geojson(json).map(|geometry| (geometry, None));
    }
    let parsed: geojson::Geometry = serde_json::from_value(json.clone())
        .map_err(|error| Error::new(Code::InvalidGeometry, "", error, "a GeoJSON geometry / GeoJSON 几何"))?;
    let given =
        Geo::<f64>::try_from(parsed).map_err(|error| Error::new(Code::InvalidGeometry, "", error, "a GeoJSON geometry / GeoJSON 几何"))?;
    let raw = crs.raw(&given);
    crs.geometry(given).map(|geometry| (geometry, raw))
}
