//! What a client asks of a layer's items, read from the query string, and its answer from the world.

use std::{cmp::Ordering, ops::Bound, sync::Arc};

use chrono::{DateTime, NaiveDate};
use uuid::Uuid;

use super::{super::params::Params, crs::Crs};
use crate::{
    error::{Code, Error, Result},
    model::{FieldType, Filter, Layer, Role, Value, geometry::check_position},
    world::{LayerIndex, Stored, World, boxes::LonLatBox},
};

pub const LIMIT_MAX: usize = 10_000;
const LIMIT: usize = 100;
const OFFSET_MAX: usize = 1_000_000_000;
/// Every parameter but the properties of the layer.
const KNOWN: &str =
    "limit, after, offset, bbox, bbox-crs, datetime, crs, filter, filter-lang, filter-crs, sortby, properties, skipGeometry";

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    Start,
    /// Unsorted: behind this id.
    Id(Uuid),
    /// Sorted, or where a client counts for itself: behind so many.
    Count(usize),
}

impl After {
    fn parse(text: &str) -> Result<After> {
        let read = match text.split_at_checked(1) {
            Some(("i", id)) => Uuid::try_parse(id).ok().map(After::Id),
            Some(("n", count)) => count.parse().ok().map(After::Count),
            _ => None,
        };
        read.ok_or_else(|| Error::new(Code::InvalidParameter, "after", text, "the value in a next link / 使用 next 链接中的值"))
    }
    pub fn token(self) -> String {
        match self {
            After::Start => String::new(),
            After::Id(id) => format!("i{}", id.simple()),
            After::Count(count) => format!("n{count}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Field(usize),
    Version,
    UpdatedAt,
}

/// How the features are to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub crs: Crs,
    /// Only these properties.
    pub properties: Option<Vec<String>>,
    pub skip_geometry: bool,
}

impl Shape {
    pub fn parse(params: &mut Params, layer: &Layer) -> Result<Shape> {
        let crs = params.text("crs")?.map_or(Ok(Crs::Crs84), |text| Crs::parse("crs", &text))?;
        let properties = params.list("properties")?;
        for key in properties.iter().flatten() {
            if layer.field(key).is_none() && !matches!(key.as_str(), "version" | "updated_at") {
                let known: Vec<_> = layer.fields.iter().map(|field| field.key.as_str()).collect();
                return Err(Error::new(Code::InvalidParameter, "properties", key, known.join(", ")));
            }
        }
        Ok(Shape { crs, properties, skip_geometry: params.flag("skipGeometry")? })
    }
    /// Whether the stored text serves as it is.
    pub fn is_plain(&self) -> bool {
        self.crs == Crs::Crs84 && self.properties.is_none() && !self.skip_geometry
    }
}

/// Microseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

pub struct Ask {
    pub layer: usize,
    pub limit: usize,
    pub after: After,
    bbox: Option<LonLatBox>,
    datetime: Option<Span>,
    filter: Option<Filter>,
    equal: Vec<(usize, Value)>,
    sort: Vec<(Key, bool)>,
    pub shape: Shape,
}

pub struct Page<'w> {
    pub matched: usize,
    pub features: Vec<&'w Arc<Stored>>,
    pub next: Option<After>,
}

impl Ask {
    /// Reads every parameter; what is left must be a property of the layer.
    pub fn parse(world: &World, n: usize, mut params: Params) -> Result<Ask> {
        let layer = &world.layer(n).layer;
        let limit = params.text("limit")?.map_or(Ok(LIMIT), |text| parse_limit(&text))?;
        let after = params.text("after")?.map_or(Ok(After::Start), |text| After::parse(&text))?;
        let after = match (params.number("offset", 0, OFFSET_MAX)?, after) {
            (None, after) => after,
            (Some(count), After::Start) => After::Count(count),
            (Some(count), _) => {
                return Err(Error::new(Code::InvalidParameter, "offset", count, "after or offset, not both / 二者只给一个"));
            }
        };
        let bbox_crs = params.text("bbox-crs")?.map_or(Ok(Crs::Crs84), |text| Crs::parse("bbox-crs", &text))?;
        let bbox = params.text("bbox")?.map(|text| parse_bbox(&text, bbox_crs)).transpose()?;
        let datetime = params.text("datetime")?.map(|text| parse_datetime(&text)).transpose()?;
        let filter = params.filter(layer)?;
        let sort = params.text("sortby")?.map_or(Ok(vec![]), |text| parse_sort(layer, &text))?;
        let shape = Shape::parse(&mut params, layer)?;
        let mut equal: Vec<(usize, Value)> = Vec::new();
        for (key, text) in params.rest() {
            let Some((at, field)) = layer.field(&key) else {
                let fields: Vec<_> = layer.fields.iter().map(|field| field.key.as_str()).collect();
                return Err(Error::new(Code::UnknownParameter, key, "", format!("{KNOWN}, {}", fields.join(", "))));
            };
            let wrong = |expected: String| Error::new(Code::InvalidParameter, key.as_str(), &text, expected);
            if equal.iter().any(|(known, _)| *known == at) {
                return Err(wrong("it once / 只给一次".into()));
            }
            let mut value = Value::from_text(field, &text).map_err(|_| wrong(field.kind.expected()))?;
            if value.is_null() {
                return Err(wrong(field.kind.expected()));
            }
            // References may be given by code.
            if let FieldType::Ref { to } = &field.kind
                && Uuid::try_parse(&text).is_err()
                && let Ok((target, _)) = world.catalog.layer(to)
                && let Some(found) = world.by_code(target, &text)
            {
                value = Value::Text(found.feature.id.to_string().into());
            }
            equal.push((at, value));
        }
        Ok(Ask { layer: n, limit, after, bbox, datetime, filter, equal, sort, shape })
    }

    fn is_open(&self) -> bool {
        self.bbox.is_none() && self.datetime.is_none() && self.filter.is_none() && self.equal.is_empty()
    }

    /// Whether the answer may take so long that it would hold up other requests.
    pub fn is_heavy(&self, world: &World) -> bool {
        let many = world.layer(self.layer).by_id.len() > 20_000;
        (many && !(self.is_open() && self.sort.is_empty())) || self.limit > 2_000
    }

    fn passes(&self, layer: &Layer, stored: &Stored) -> bool {
        self.equal.iter().all(|(at, wanted)| match (&stored.feature.values[*at], wanted) {
            (Value::List(list), Value::List(wanted)) => wanted.iter().all(|item| list.contains(item)),
            (value, wanted) => value == wanted,
        }) && self.datetime.is_none_or(|span| in_span(layer, stored, span))
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&stored.feature, None))
    }

    pub fn answer<'w>(&self, world: &'w World) -> Page<'w> {
        let index: &LayerIndex = world.layer(self.layer);
        let layer = &*index.layer;
        if self.is_open() && self.sort.is_empty() {
            let from = match self.after {
                After::Id(id) => Bound::Excluded(id),
                _ => Bound::Unbounded,
            };
            let skip = if let After::Count(count) = self.after { count } else { 0 };
            let mut rest = index.by_id.range((from, Bound::Unbounded)).map(|(_, stored)| stored).skip(skip);
            let features: Vec<_> = rest.by_ref().take(self.limit).collect();
            let next = rest.next().and(features.last()).map(|last| After::Id(last.feature.id));
            return Page { matched: index.by_id.len(), features, next };
        }
        let bound = self.filter.as_ref().and_then(Filter::spatial_bound);
        let mut all: Vec<&Arc<Stored>> = match (self.bbox, bound) {
            (Some(bbox), _) => index.in_box(bbox).filter(|stored| self.passes(layer, stored)).collect(),
            (None, Some(area)) => {
                let near = index.candidates(area.ecef_box()).map(|(shard, local)| &shard.features[local]);
                near.filter(|stored| self.passes(layer, stored)).collect()
            }
            (None, None) => index.by_id.values().filter(|stored| self.passes(layer, stored)).collect(),
        };
        all.sort_unstable_by(|a, b| self.order(a, b));
        let begin = match self.after {
            After::Start => 0,
            After::Count(count) => count.min(all.len()),
            After::Id(id) => all.partition_point(|stored| stored.feature.id <= id),
        };
        let features: Vec<_> = all[begin..].iter().copied().take(self.limit).collect();
        let end = begin + features.len();
        let next = (end < all.len()).then(|| match features.last() {
            Some(last) if self.sort.is_empty() => After::Id(last.feature.id),
            _ => After::Count(end),
        });
        Page { matched: all.len(), features, next }
    }

    fn order(&self, a: &Stored, b: &Stored) -> Ordering {
        let (a, b) = (&a.feature, &b.feature);
        for (key, down) in &self.sort {
            let order = match key {
                Key::Version => a.version.cmp(&b.version),
                Key::UpdatedAt => a.updated_at.cmp(&b.updated_at),
                // What is unknown comes last, whichever the direction.
                Key::Field(at) => match (&a.values[*at], &b.values[*at]) {
                    (Value::Null, Value::Null) => Ordering::Equal,
                    (Value::Null, _) => return Ordering::Greater,
                    (_, Value::Null) => return Ordering::Less,
                    (a, b) => order_of(a, b),
                },
            };
            let order = if *down { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        a.id.cmp(&b.id)
    }
}

fn order_of(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => a.cmp(b),
        _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
    }
}

const DAY: i64 = 86_400_000_000;

/// The time of a feature: its validity, else when it was observed, else when it was written.
fn in_span(layer: &Layer, stored: &Stored, span: Span) -> bool {
    let feature = &stored.feature;
    let time = |role, end: bool| match layer.role(role).map(|at| &feature.values[at]) {
        Some(Value::Time(micros)) => Some(*micros),
        Some(Value::Date(days)) => Some(i64::from(*days) * DAY + if end { DAY - 1 } else { 0 }),
        _ => None,
    };
    let (from, to) = if layer.role(Role::ObservedAt).is_some() {
        (time(Role::ObservedAt, false).unwrap_or(feature.updated_at), time(Role::ObservedAt, true).unwrap_or(feature.updated_at))
    } else if layer.role(Role::ValidFrom).is_some() || layer.role(Role::ValidTo).is_some() {
        (time(Role::ValidFrom, false).unwrap_or(i64::MIN), time(Role::ValidTo, true).unwrap_or(i64::MAX))
    } else {
        (feature.updated_at, feature.updated_at)
    };
    from <= span.to && to >= span.from
}

fn parse_limit(text: &str) -> Result<usize> {
    let digits = text.trim();
    let number =
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse::<usize>().unwrap_or(LIMIT_MAX) } else { 0 };
    // More than the maximum is served as the maximum, as the standard has it.
    if number < 1 {
        return Err(Error::new(Code::InvalidParameter, "limit", text, format!("a whole number 1–{LIMIT_MAX} / 1–{LIMIT_MAX} 的整数")));
    }
    Ok(number.min(LIMIT_MAX))
}

fn parse_bbox(text: &str, crs: Crs) -> Result<LonLatBox> {
    let wrong =
        || Error::new(Code::InvalidParameter, "bbox", text, "WEST,SOUTH,EAST,NORTH in degrees, south ≤ north / 西,南,东,北,南不大于北");
    let numbers: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect();
    let (low, high) = match numbers.as_deref() {
        Some([a, b, c, d]) => ((*a, *b), (*c, *d)),
        Some([a, b, low, c, d, high]) if low <= high => ((*a, *b), (*c, *d)),
        _ => return Err(wrong()),
    };
    let ((west, south), (mut east, north)) = (crs.inverse(low.0, low.1), crs.inverse(high.0, high.1));
    for (lon, lat) in [(west, south), (east, north)] {
        check_position(lon, lat).map_err(|error| Error { code: Code::InvalidParameter, field: "bbox".into(), ..error })?;
    }
    if south > north {
        return Err(wrong());
    }
    if east < west {
        east += 360.0;
    }
    Ok(LonLatBox { west, south, east, north })
}

fn parse_datetime(text: &str) -> Result<Span> {
    let wrong = || {
        Error::new(
            Code::InvalidParameter,
            "datetime",
            text,
            "a time, or two with / between, \"..\" where open: 2026-05-12T00:00:00Z/.. / 时刻或区间",
        )
    };
    let moment = |text: &str| -> Option<Span> {
        // A plus sign that wasn't encoded arrives as a blank.
        let text = text.trim().replace(' ', "+");
        if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
            let at = at.timestamp_micros();
            return Some(Span { from: at, to: at });
        }
        let from = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros();
        Some(Span { from, to: from.checked_add(DAY - 1)? })
    };
    let Some((from, to)) = text.split_once('/') else { return moment(text).ok_or_else(wrong) };
    let open = |text: &str| matches!(text.trim(), "" | "..");
    if open(from) && open(to) {
        return Err(wrong());
    }
    let from = if open(from) { i64::MIN } else { moment(from).ok_or_else(wrong)?.from };
    let to = if open(to) { i64::MAX } else { moment(to).ok_or_else(wrong)?.to };
    if from > to { Err(wrong()) } else { Ok(Span { from, to }) }
}

fn parse_sort(layer: &Layer, text: &str) -> Result<Vec<(Key, bool)>> {
    let mut sort = Vec::new();
    for item in text.split(',') {
        // A plus sign that wasn't encoded arrives as a blank, and means the same as none.
        let item = item.trim();
        let (key, down) = item.strip_prefix('-').map_or((item.trim_start_matches('+'), false), |key| (key, true));
        let key = match (key, layer.field(key)) {
            (_, Some((at, _))) => Key::Field(at),
            ("version", _) => Key::Version,
            ("updated_at", _) => Key::UpdatedAt,
            _ => {
                let known: Vec<_> = layer.fields.iter().map(|field| field.key.as_str()).collect();
                return Err(Error::new(Code::InvalidParameter, "sortby", item, known.join(", ")));
            }
        };
        sort.push((key, down));
    }
    Ok(sort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(parse_limit("7").unwrap(), 7);
        assert_eq!(parse_limit("99999999999999999999999").unwrap(), LIMIT_MAX);
        for bad in ["0", "-1", "x", "", "1.5", "+3"] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn boxes() {
        let crossing = parse_bbox("170,-10,-170,10", Crs::Crs84).unwrap();
        assert_eq!((crossing.west, crossing.east), (170.0, 190.0));
        assert_eq!(parse_bbox("28,113,29,114", Crs::Epsg4326).unwrap(), parse_bbox("113,28,0,114,29,9", Crs::Crs84).unwrap());
        for bad in ["", "1,2,3", "1,2,3,nan", "1,9,3,4", "1,2,3,4,5", "500,1,501,2", "1,2,inf,4"] {
            assert_eq!(parse_bbox(bad, Crs::Crs84).unwrap_err().code, Code::InvalidParameter, "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(parse_datetime("1970-01-01T00:00:01Z").unwrap(), Span { from: 1_000_000, to: 1_000_000 });
        assert_eq!(parse_datetime("../1970-01-01").unwrap(), Span { from: i64::MIN, to: DAY - 1 });
        assert_eq!(parse_datetime("1970-01-01T08:00:00 08:00/").unwrap(), Span { from: 0, to: i64::MAX });
        for bad in ["", "..", "../..", "/", "yesterday", "2026-01-02/2026-01-01", "a/b/c"] {
            assert!(parse_datetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens() {
        for after in [After::Id(Uuid::nil()), After::Count(12)] {
            assert_eq!(After::parse(&after.token()).unwrap(), after);
        }
        for bad in ["", "x", "i1", "n-1", "字"] {
            assert!(After::parse(bad).is_err(), "{bad}");
        }
    }
}
