//! Query parameters, read with errors that name the parameter, the value and the remedy. None is ignored silently.

use std::str::FromStr;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use uuid::Uuid;

use super::BODY_MAX;
use crate::{
    error::{Code, Error, Result},
    model::{Exclusion, Filter, Layer, geometry::check_position},
    world::{LayerIndex, World},
};

/// The query string's parameters; each is taken once, and [`Params::finish`] refuses what is left.
#[derive(Clone, Debug, Default)]
pub struct Params {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Params> {
        Params::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Params {
    pub fn parse(query: &str) -> Result<Params> {
        let left = serde_urlencoded::from_str(query).map_err(|error| {
            Error::new(Code::InvalidParameter, "?", error, "name=value&… in percent-encoded UTF-8 / 百分号编码的 UTF-8")
        })?;
        Ok(Params { left, known: Vec::with_capacity(16) })
    }

    /// Parameters that came another way than by the query string.
    pub fn of(left: Vec<(String, String)>) -> Params {
        Params { left, known: Vec::with_capacity(16) }
    }

    /// The value of a parameter, if given; twice is an error.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.known.push(name);
        let Some(at) = self.left.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.left.remove(at);
        if self.left.iter().any(|(key, _)| key == name) {
            return Err(Error::new(Code::InvalidParameter, name, "given twice / 重复给出", "it once / 只给一次"));
        }
        Ok(Some(value))
    }

    pub fn required(&mut self, name: &'static str, expected: &str) -> Result<String> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| Error::new(Code::InvalidParameter, name, "absent / 缺失", expected))
    }

    /// A number within bounds.
    pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(&mut self, name: &'static str, min: T, max: T) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number: Option<T> = text.trim().parse().ok();
        match number.filter(|n| *n >= min && *n <= max) {
            Some(n) => Ok(Some(n)),
            None => Err(Error::new(Code::InvalidParameter, name, text, format!("a number {min}–{max} / {min}–{max} 的数值"))),
        }
    }

    pub fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.text(name)?.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(other) => Err(Error::new(Code::InvalidParameter, name, other, "true or false")),
        }
    }

    /// `LON,LAT`, checked.
    pub fn position(&mut self, name: &'static str) -> Result<Option<(f64, f64)>> {
        self.text(name)?.map(|text| parse_position(name, &text)).transpose()
    }

    /// A length as `800`, `800m` or `10km`, in metres.
    pub fn length_m(&mut self, name: &'static str, max: f64) -> Result<Option<f64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let trimmed = text.trim();
        let (number, factor) = match (trimmed.strip_suffix("km"), trimmed.strip_suffix('m')) {
            (Some(km), _) => (km, 1_000.0),
            (None, Some(m)) => (m, 1.0),
            (None, None) => (trimmed, 1.0),
        };
        let metres = number.trim().parse::<f64>().ok().map(|n| n * factor).filter(|m| m.is_finite() && *m >= 0.0 && *m <= max);
        metres
            .ok_or_else(|| {
                Error::new(
                    Code::InvalidParameter,
                    name,
                    text,
                    format!("a length up to {} km, as 800, 800m or 10km / 如 800、800m 或 10km", max / 1_000.0),
                )
            })
            .map(Some)
    }

    /// A list separated by commas.
    pub fn list(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        Ok(self.text(name)?.map(|text| text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()))
    }

    /// The layers named by `layer`, which are one or several.
    pub fn layers(&mut self, world: &World, several: bool) -> Result<Vec<usize>> {
        let names = self.list("layer")?.unwrap_or_default();
        if names.is_empty() || (!several && names.len() > 1) {
            let known: Vec<_> = world.catalog.layers.iter().map(|layer| layer.id.as_str()).collect();
            return Err(Error::new(
                Code::InvalidParameter,
                "layer",
                names.join(","),
                format!("{} of / 可选: {}", if several { "one or several" } else { "one" }, known.join(", ")),
            ));
        }
        let mut layers = Vec::with_capacity(names.len());
        for name in &names {
            let (n, _) = world.catalog.layer(name)?;
            if !layers.contains(&n) {
                layers.push(n);
            }
        }
        Ok(layers)
    }

    /// The exclusions that `include` lifts, as bits.
    pub fn include(&mut self) -> Result<u8> {
        let mut bits = 0;
        for word in self.list("include")?.unwrap_or_default() {
            let exclusion = Exclusion::ALL.into_iter().find(|exclusion| exclusion.word() == word);
            bits |= exclusion
                .ok_or_else(|| Error::new(Code::InvalidParameter, "include", &word, "any of / 可选: closed, full, unsafe, unverified"))?
                .bit();
        }
        Ok(bits)
    }

    /// The hazard kind, which must be known.
    pub fn hazard(&mut self, world: &World) -> Result<Option<String>> {
        let Some(kind) = self.text("hazard")? else { return Ok(None) };
        if world.catalog.hazard_bit(&kind).is_none() {
            let known: Vec<_> = world.catalog.hazards.iter().map(|hazard| hazard.value.as_str()).collect();
            return Err(Error::new(Code::InvalidParameter, "hazard", kind, format!("one of / 可选: {}", known.join(", "))));
        }
        Ok(Some(kind))
    }

    /// A CQL2 filter: `filter`, in the language of `filter-lang`.
    pub fn filter(&mut self, layer: &Layer) -> Result<Option<Filter>> {
        let lang = self.text("filter-lang")?;
        let crs = self.text("filter-crs")?;
        if let Some(crs) = crs.filter(|crs| !crs.ends_with("CRS84")) {
            return Err(Error::new(Code::UnsupportedCrs, "filter-crs", crs, "http://www.opengis.net/def/crs/OGC/1.3/CRS84"));
        }
        let Some(text) = self.text("filter")? else { return Ok(None) };
        match lang.as_deref() {
            None if text.trim_start().starts_with('{') => Filter::parse_json(layer, &text),
            None | Some("cql2-text") => Filter::parse_text(layer, &text),
            Some("cql2-json") => Filter::parse_json(layer, &text),
            Some(other) => Err(Error::new(Code::InvalidParameter, "filter-lang", other, "cql2-text or cql2-json")),
        }
        .map(Some)
    }

    /// Whether anything is left that nobody asked for, by name.
    pub fn rest(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.left)
    }

    /// Refuses parameters that nobody asked for.
    pub fn finish(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(Code::UnknownParameter, name.as_str(), "", self.known.join(", "))),
        }
    }
}

/// A request's body, read whole up to [`BODY_MAX`].
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;
    async fn from_request(request: Request, _state: &S) -> Result<Body> {
        read_body(request.into_body(), BODY_MAX).await.map(Body)
    }
}

/// Reads a body up to `max` bytes. As much again is read and thrown away before it is refused: a client that is still sending
/// when the connection closes never sees the answer.
///
/// # Errors
/// [`Code::TooLarge`] beyond, [`Code::InvalidBody`] where the connection broke.
pub async fn read_body(body: axum::body::Body, max: usize) -> Result<Bytes> {
    let mut chunks = body.into_data_stream();
    let (mut whole, mut size) = (BytesMut::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::new(Code::InvalidBody, "body", error, "a whole body / 完整的请求体"))?;
        size += chunk.len();
        if size <= max {
            whole.extend_from_slice(&chunk);
        } else if size > 2 * max {
            break;
        }
    }
    if size > max {
        return Err(Error::new(Code::TooLarge, "body", "more than the limit / 超过上限", format!("{} MB", max / 1024 / 1024)));
    }
    Ok(whole.freeze())
}

/// `LON,LAT`, checked.
pub fn parse_position(name: &str, text: &str) -> Result<(f64, f64)> {
    let mut numbers = text.split(',').map(|n| n.trim().parse::<f64>().ok().filter(|n| n.is_finite()));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Some(lon)), Some(Some(lat)), None) => {
            check_position(lon, lat).map_err(|error| Error { field: name.to_owned(), ..error })?;
            Ok((lon, lat))
        }
        _ => Err(Error::new(Code::InvalidParameter, name, text, "LON,LAT in degrees, as 113.95,28.61 / 经度,纬度")),
    }
}

/// Reads an id from a path.
pub fn parse_id(index: &LayerIndex, text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|_| Error::new(Code::NotFound, index.layer.id.as_str(), text, "a UUID / UUID 格式的 id"))
}

/// Reads a JSON body: its size and its depth are bounded before it is parsed.
pub fn parse_json(body: &[u8]) -> Result<serde_json::Value> {
    serde_json::from_slice(body).map_err(|error| Error::new(Code::InvalidBody, "", error, "JSON in UTF-8"))
}
