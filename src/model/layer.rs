//! Layer definitions: one TOML file is one register, and everything derives from it.
//!
//! The format is documented in `data/layers/README.md`. A [`Catalog`] is every definition, checked as a whole;
//! nothing else in the program lists layers or fields.

use std::{collections::BTreeMap, sync::Arc};

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::filter::{Filter, HAZARD};
use crate::error::{Code, Error, Result};

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub zh: String,
    pub en: String,
}

/// Which geometries a layer takes. A simple kind also takes its multi form where the table says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeometryKind {
    None,
    Point,
    /// LineString or MultiLineString.
    Line,
    /// Polygon or MultiPolygon.
    Polygon,
    /// Any simple or multi geometry, no collections.
    Any,
}

/// What a field means to code that doesn't know the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// How many people it holds.
    Capacity,
    /// How many people are there now.
    Occupied,
    /// How many people live, work or serve there.
    People,
    /// Open, closed, free, assigned …: the state a map shows.
    State,
    /// What the thing is: the class a map colours by.
    Kind,
    /// Which hazard an incident or area is of.
    HazardKind,
    /// A severity grade, 1 the worst.
    Grade,
    /// The feature that a stock line or movement belongs to.
    StockOf,
    ItemCode,
    ItemName,
    Unit,
    Lot,
    Expiry,
    OnHand,
    Reserved,
    Quantity,
    MovementKind,
    /// The level of a responsibility area, 1 the widest; the deepest that holds a point is responsible.
    GridLevel,
    /// Who answers for a place.
    Accountable,
    Phone,
    /// Where the wind blows from, degrees.
    WindDirection,
    WindSpeed,
    ObservedAt,
    ValidFrom,
    ValidTo,
}

/// What a layer is to code that doesn't know its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerRole {
    Incident,
    /// Polygons inside which nobody should be sent to.
    DangerArea,
    /// Responsibility areas.
    Grid,
    /// Balances, kept by the ledger.
    Stock,
    /// Append-only movements that write the balances.
    Ledger,
    Weather,
    Population,
    /// Shown in a dossier as people in reach.
    Contact,
}

/// How movements change a balance: the effect of one `MovementKind` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    pub on_hand: i8,
    pub reserved: i8,
    /// The quantity is the new `on_hand`, not a difference.
    pub sets: bool,
}

/// Effects of the ledger's movement kinds. The kinds are part of the API (`stock_movement.kind`).
pub const EFFECTS: [(&str, Effect); 8] = {
    const fn e(on_hand: i8, reserved: i8) -> Effect {
        Effect { on_hand, reserved, sets: false }
    }
    [
        ("opening", e(1, 0)),
        ("receive", e(1, 0)),
        ("reserve", e(0, 1)),
        ("release", e(0, -1)),
        ("issue", e(-1, 0)),
        ("return", e(1, 0)),
        ("write_off", e(-1, 0)),
        ("count", Effect { on_hand: 0, reserved: 0, sets: true }),
    ]
};

/// One value of an enum field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnumValue {
    pub value: ArcStr,
    #[serde(flatten)]
    pub name: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

impl EnumValue {
    /// Whether a cell means this value: the value itself, either name or an alias.
    pub fn matches(&self, text: &str) -> bool {
        self.value == text || self.name.zh == text || self.name.en.eq_ignore_ascii_case(text) || self.aliases.iter().any(|a| a == text)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FieldType {
    Text,
    Integer,
    Number,
    Boolean,
    Date,
    Datetime,
    Enum {
        values: Vec<EnumValue>,
    },
    /// Several values of an enum.
    List {
        values: Vec<EnumValue>,
    },
    /// The id of a feature of another layer.
    Ref {
        to: String,
    },
}

impl FieldType {
    pub fn values(&self) -> &[EnumValue] {
        match self {
            FieldType::Enum { values } | FieldType::List { values } => values,
            _ => &[],
        }
    }
    /// The word the definition uses for this type.
    pub fn word(&self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Integer => "integer",
            FieldType::Number => "number",
            FieldType::Boolean => "boolean",
            FieldType::Date => "date",
            FieldType::Datetime => "datetime",
            FieldType::Enum { .. } => "enum",
            FieldType::List { .. } => "list",
            FieldType::Ref { .. } => "ref",
        }
    }
    /// What to give, for error messages.
    pub fn expected(&self) -> String {
        match self {
            FieldType::Text => "a text / 文本".into(),
            FieldType::Integer => "a whole number / 整数".into(),
            FieldType::Number => "a number / 数值".into(),
            FieldType::Boolean => "true or false / 是或否".into(),
            FieldType::Date => "a date, as 2026-05-12 / 日期,如 2026-05-12".into(),
            FieldType::Datetime => "a time with its zone, as 2026-05-12T14:28:04+08:00 / 带时区的时间".into(),
            FieldType::Enum { values } => {
                format!("one of / 可选: {}", values.iter().map(|v| v.value.as_str()).collect::<Vec<_>>().join(", "))
            }
            FieldType::List { values } => {
                format!("a list of / 列表,可选: {}", values.iter().map(|v| v.value.as_str()).collect::<Vec<_>>().join(", "))
            }
            FieldType::Ref { to } => format!("the id of a feature of {to} / {to} 的 id"),
        }
    }
}

/// One field of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    pub key: String,
    pub name: Name,
    #[serde(flatten)]
    pub kind: FieldType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Other spellings of the unit that mean the same, as 方 for m³.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unit_aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    pub required: bool,
    /// The value of a new feature that gives none, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Headers of spreadsheets that mean this field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Kept by the server; clients' values are ignored in a PUT and refused elsewhere.
    pub read_only: bool,
}

impl Field {
    pub fn accepts_unit(&self, unit: &str) -> bool {
        self.unit.as_deref() == Some(unit) || self.unit_aliases.iter().any(|alias| alias == unit)
    }
    /// Whether a spreadsheet's header means this field.
    pub fn matches_header(&self, header: &str) -> bool {
        // 容量(人) and 容量(人) mean 容量.
        let bare = header.split(['(', '\u{ff08}']).next().unwrap_or(header).trim();
        [header.trim(), bare].iter().any(|h| {
            self.key.eq_ignore_ascii_case(h)
                || self.name.zh == *h
                || self.name.en.eq_ignore_ascii_case(h)
                || self.aliases.iter().any(|a| a.eq_ignore_ascii_case(h))
        })
    }
}

/// How a layer is drawn: the map style and the legend derive from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// A name from the icon set.
    pub icon: String,
    /// `#rrggbb`, where no enum colour applies.
    pub color: String,
    /// The enum field whose colours apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_by: Option<String>,
    /// Hidden below this zoom.
    #[serde(default)]
    pub min_zoom: u8,
}

/// Why something is left out of recommendations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    Closed,
    Full,
    Unsafe,
    Unverified,
}

impl Exclusion {
    pub const ALL: [Exclusion; 4] = [Exclusion::Closed, Exclusion::Full, Exclusion::Unsafe, Exclusion::Unverified];
    pub const fn word(self) -> &'static str {
        ["closed", "full", "unsafe", "unverified"][self as usize]
    }
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A checked layer definition.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    pub id: String,
    /// Grows with each change of the definition; a table is never altered by an older one.
    pub version: u32,
    pub name: Name,
    pub group: String,
    pub geometry: GeometryKind,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<LayerRole>,
    /// What this layer does to roads while in force, as `no_entry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks_roads: Option<String>,
    /// Fields that together name a feature where it has no code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub natural_key: Vec<String>,
    pub symbol: Symbol,
    /// System fields first, then the definition's own.
    pub fields: Vec<Field>,
    /// The rules' CQL2 texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exclude: BTreeMap<Exclusion, String>,
    #[serde(skip)]
    pub exclude_rules: Vec<(Exclusion, Filter)>,
}

/// Positions of the system fields in [`Layer::fields`] and [`super::Feature::values`].
pub mod system {
    pub const CODE: usize = 0;
    pub const NAME: usize = 1;
    pub const AREA_CODE: usize = 2;
    pub const SOURCE: usize = 3;
    pub const VERIFIED: usize = 4;
    /// The coordinate as it was given where it wasn't WGS 84: `gcj02 POINT(113.1 23.1)`.
    pub const RAW: usize = 5;
    /// How many fields every layer has.
    pub const COUNT: usize = 6;
}

fn system_fields(source_default: &str) -> Vec<Field> {
    let field = |key: &str, zh: &str, en: &str, kind: FieldType, aliases: &[&str]| Field {
        key: key.into(),
        name: Name { zh: zh.into(), en: en.into() },
        kind,
        unit: None,
        unit_aliases: vec![],
        min: None,
        max: None,
        required: false,
        default: None,
        role: None,
        aliases: aliases.iter().map(|a| (*a).into()).collect(),
        read_only: false,
    };
    let mut fields = vec![
        field("code", "编码", "Code", FieldType::Text, &["编号", "代码", "id号"]),
        field("name", "名称", "Name", FieldType::Text, &["名字", "单位名称"]),
        field("area_code", "行政区划代码", "Area code", FieldType::Text, &["区划代码", "行政区划"]),
        field("source", "来源", "Source", FieldType::Text, &["数据来源"]),
        field("verified", "已核实", "Verified", FieldType::Boolean, &["核实", "是否核实"]),
        field("raw_coordinate", "原始坐标", "Coordinate as given", FieldType::Text, &[]),
    ];
    fields[system::SOURCE].default = Some(source_default.into());
    fields[system::VERIFIED].default = Some("true".into());
    fields
}

/// Keys that a definition can't use: they are members of every feature or columns of every table.
const RESERVED: [&str; 8] = ["id", "fid", "geom", "geometry", "version", "updated_at", "distance_m", "layer"];

impl Layer {
    pub fn field(&self, key: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.key == key)
    }
    pub fn role(&self, role: Role) -> Option<usize> {
        self.fields.iter().position(|field| field.role == Some(role))
    }
    pub fn has(&self, role: LayerRole) -> bool {
        self.roles.contains(&role)
    }
    /// Fields that a client may give.
    pub fn writable(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.iter().enumerate().filter(|(_, field)| !field.read_only)
    }
    /// `unknown property` with the known ones.
    pub fn unknown_property(&self, key: &str) -> Error {
        let known: Vec<_> = self.fields.iter().map(|field| field.key.as_str()).collect();
        Error::new(Code::UnknownProperty, key, "", known.join(", "))
    }
}

// ---- the file ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerFile {
    id: String,
    version: u32,
    name: Name,
    group: String,
    geometry: GeometryKind,
    #[serde(default)]
    roles: Vec<LayerRole>,
    blocks_roads: Option<String>,
    #[serde(default)]
    natural_key: Vec<String>,
    symbol: Symbol,
    #[serde(default)]
    fields: Vec<FieldFile>,
    #[serde(default)]
    exclude: BTreeMap<Exclusion, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    name: Name,
    unit: Option<String>,
    #[serde(default)]
    unit_aliases: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(default)]
    required: bool,
    default: Option<toml::Value>,
    role: Option<Role>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    values: Vec<EnumValue>,
    /// The name of a shared list of values in `data/enums/`.
    values_from: Option<String>,
    /// The layer that a `ref` points to.
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnumFile {
    values: Vec<EnumValue>,
}

/// All layers, in the order of their ids. A layer's position is its number in memory.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub layers: Vec<Arc<Layer>>,
    /// Values of `data/enums/hazard.toml`: the hazard kinds that `unsafe` rules are asked about.
    pub hazards: Vec<EnumValue>,
}

impl Catalog {
    /// Builds the catalog from definition files, given as `(file name, text)`; names under `enums/` are shared value lists.
    ///
    /// # Errors
    /// [`Code::InvalidDefinition`] with file, key and remedy.
    pub fn parse(files: &[(String, String)]) -> Result<Catalog> {
        let mut enums = BTreeMap::new();
        for (file, text) in files.iter().filter(|(file, _)| file.starts_with("enums/")) {
            let parsed: EnumFile = toml::from_str(text)
                .map_err(|error| invalid(file, error.message(), "Give values = [{ value, zh, en }] / 请给出 values 列表"))?;
            check_values(file, &parsed.values)?;
            let name = file.trim_start_matches("enums/").trim_end_matches(".toml");
            enums.insert(name.to_owned(), parsed.values);
        }
        let mut layers = Vec::new();
        for (file, text) in files.iter().filter(|(file, _)| !file.starts_with("enums/")) {
            let parsed: LayerFile = toml::from_str(text).map_err(|error| {
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                invalid(&format!("{file}:{line}"), error.message(), "See data/layers/README.md / 见 data/layers/README.md")
            })?;
            layers.push((file.clone(), check_layer(file, parsed, &enums)?));
        }
        layers.sort_by(|a, b| a.1.id.cmp(&b.1.id));
        for pair in layers.windows(2) {
            if pair[0].1.id == pair[1].1.id {
                return Err(invalid(
                    &format!("{}: id", pair[1].0),
                    format!("{:?} is also in {}", pair[1].1.id, pair[0].0),
                    "Give each layer its own id / 图层 id 不得重复",
                ));
            }
        }
        for (file, layer) in &layers {
            for field in &layer.fields {
                if let FieldType::Ref { to } = &field.kind
                    && !layers.iter().any(|(_, other)| other.id == *to)
                {
                    return Err(invalid(
                        &format!("{file}: fields.{}.to", field.key),
                        format!("there is no layer {to:?}"),
                        "Name a layer that exists / 请引用已有图层",
                    ));
                }
            }
        }
        let hazards = enums.remove("hazard").unwrap_or_default();
        if hazards.len() > 32 {
            return Err(invalid("enums/hazard.toml: values", hazards.len(), "At most 32 hazard kinds / 最多 32 种灾害"));
        }
        Ok(Catalog { layers: layers.into_iter().map(|(_, layer)| Arc::new(layer)).collect(), hazards })
    }

    /// A layer and its number.
    ///
    /// # Errors
    /// [`Code::UnknownLayer`] with the known ids.
    pub fn layer(&self, id: &str) -> Result<(usize, &Arc<Layer>)> {
        self.layers.iter().enumerate().find(|(_, layer)| layer.id == id).ok_or_else(|| {
            let known: Vec<_> = self.layers.iter().map(|layer| layer.id.as_str()).collect();
            Error::new(Code::UnknownLayer, "layer", id, known.join(", "))
        })
    }
    /// The layers that have `role`, with their numbers.
    pub fn with_role(&self, role: LayerRole) -> impl Iterator<Item = (usize, &Arc<Layer>)> {
        self.layers.iter().enumerate().filter(move |(_, layer)| layer.has(role))
    }
    /// The bit of a hazard kind in a feature's mask.
    pub fn hazard_bit(&self, kind: &str) -> Option<u32> {
        self.hazards.iter().position(|h| h.value == kind).map(|position| 1 << position)
    }
}

fn invalid(place: &str, what: impl ToString, remedy: &str) -> Error {
    Error::new(Code::InvalidDefinition, place, what, remedy)
}

/// Ids and keys become table and column names, so they are kept plain.
fn check_identifier(place: &str, id: &str) -> Result<()> {
    let plain = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && id.len() <= 48;
    if plain && !id.starts_with("biaotu_") && !id.starts_with("gpkg_") && !id.starts_with("sqlite_") {
        Ok(())
    } else {
        Err(invalid(
            place,
            format!("{id:?}"),
            "Use up to 48 of a–z, 0–9 and _, a letter first, not biaotu_, gpkg_ or sqlite_ / 使用小写字母、数字和下划线",
        ))
    }
}

fn check_values(place: &str, values: &[EnumValue]) -> Result<()> {
    if values.is_empty() {
        return Err(invalid(&format!("{place}: values"), "empty", "List at least one value / 至少列出一个取值"));
    }
    for (i, value) in values.iter().enumerate() {
        if values[..i].iter().any(|other| other.value == value.value) {
            return Err(invalid(&format!("{place}: values[{i}]"), format!("{:?} is there twice", value.value), "Remove one / 取值重复"));
        }
        if let Some(color) = &value.color {
            check_color(&format!("{place}: values[{i}].color"), color)?;
        }
    }
    Ok(())
}

fn check_color(place: &str, color: &str) -> Result<()> {
    let hex = color.strip_prefix('#').unwrap_or_default();
    if hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err(invalid(place, color, "Write #rrggbb / 请写 #rrggbb"))
    }
}

fn check_layer(file: &str, parsed: LayerFile, enums: &BTreeMap<String, Vec<EnumValue>>) -> Result<Layer> {
    check_identifier(&format!("{file}: id"), &parsed.id)?;
    check_color(&format!("{file}: symbol.color"), &parsed.symbol.color)?;
    let mut fields = system_fields("manual");
    for field in parsed.fields {
        let place = format!("{file}: fields.{}", field.key);
        check_identifier(&place, &field.key)?;
        if RESERVED.contains(&field.key.as_str()) {
            return Err(invalid(&place, "the key is reserved", "Choose another key / 该字段名为系统保留"));
        }
        // A definition may restate a system field to make it required or give it aliases.
        let system = fields.iter().position(|known| known.key == field.key);
        if system.is_some_and(|at| at >= system::COUNT) {
            return Err(invalid(&place, "the key is there twice", "Remove one / 字段重复"));
        }
        let values = match (&field.values_from, field.values) {
            (Some(name), values) if values.is_empty() => enums
                .get(name)
                .cloned()
                .ok_or_else(|| invalid(&format!("{place}.values_from"), name, "Name a file of data/enums / 请引用 data/enums 中的文件"))?,
            (Some(_), _) => return Err(invalid(&place, "both values and values_from", "Give one of them / 二者只能给一个")),
            (None, values) => values,
        };
        let is_enum = matches!(field.kind.as_str(), "enum" | "list");
        if !is_enum && !values.is_empty() {
            return Err(invalid(&format!("{place}.values"), &field.kind, "Only enum and list have values / 仅 enum 与 list 可列取值"));
        }
        if is_enum {
            check_values(&place, &values)?;
        }
        let kind = match (field.kind.as_str(), field.to) {
            ("text", None) => FieldType::Text,
            ("integer", None) => FieldType::Integer,
            ("number", None) => FieldType::Number,
            ("boolean", None) => FieldType::Boolean,
            ("date", None) => FieldType::Date,
            ("datetime", None) => FieldType::Datetime,
            ("enum", None) => FieldType::Enum { values },
            ("list", None) => FieldType::List { values },
            ("ref", Some(to)) => FieldType::Ref { to },
            ("ref", None) => return Err(invalid(&format!("{place}.to"), "missing", "Name the layer that it refers to / 请写明引用的图层")),
            (_, Some(_)) => return Err(invalid(&format!("{place}.to"), &field.kind, "Only a ref has it / 仅 ref 可用")),
            (other, _) => {
                return Err(invalid(
                    &format!("{place}.type"),
                    other,
                    "One of text, integer, number, boolean, date, datetime, enum, list, ref / 请选用其中之一",
                ));
            }
        };
        let numeric = matches!(kind, FieldType::Integer | FieldType::Number);
        if !numeric && (field.min.is_some() || field.max.is_some() || field.unit.is_some()) {
            return Err(invalid(
                &place,
                "min, max or unit on what is no number",
                "Remove it, or make it a number / 非数值字段不可设范围或单位",
            ));
        }
        if field.min.zip(field.max).is_some_and(|(min, max)| min > max) {
            return Err(invalid(&format!("{place}.min"), "above max", "Swap them / 最小值大于最大值"));
        }
        let mut field = Field {
            key: field.key,
            name: field.name,
            kind,
            unit: field.unit,
            unit_aliases: field.unit_aliases,
            min: field.min,
            max: field.max,
            required: field.required,
            default: field.default.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            role: field.role,
            aliases: field.aliases,
            read_only: field.read_only,
        };
        if let Some(default) = &field.default {
            super::Value::from_text(&field, default)
                .map_err(|error| invalid(&format!("{place}.default"), error.titles()[0].clone(), &error.remedies()[0]))?;
        }
        match system {
            Some(at) => {
                if fields[at].kind != field.kind {
                    return Err(invalid(
                        &format!("{place}.type"),
                        field.kind.word(),
                        &format!("A system field stays {} / 系统字段类型不可改", fields[at].kind.word()),
                    ));
                }
                field.default = field.default.or(fields[at].default.take());
                field.aliases.append(&mut fields[at].aliases);
                fields[at] = field;
            }
            None => fields.push(field),
        }
    }
    for (i, field) in fields.iter().enumerate() {
        if let Some(role) = field.role
            && let Some(other) = fields[..i].iter().find(|other| other.role == Some(role))
        {
            return Err(invalid(
                &format!("{file}: fields.{}.role", field.key),
                format!("{role:?} is also {}", other.key),
                "One field a role / 一个角色只能有一个字段",
            ));
        }
    }
    let mut layer = Layer {
        id: parsed.id,
        version: parsed.version,
        name: parsed.name,
        group: parsed.group,
        geometry: parsed.geometry,
        roles: parsed.roles,
        blocks_roads: parsed.blocks_roads,
        natural_key: parsed.natural_key,
        symbol: parsed.symbol,
        fields,
        exclude: parsed.exclude,
        exclude_rules: vec![],
    };
    for key in &layer.natural_key {
        if layer.field(key).is_none() {
            return Err(invalid(
                &format!("{file}: natural_key"),
                format!("there is no field {key:?}"),
                "Name fields of this layer / 请填写本图层字段",
            ));
        }
    }
    if let Some(key) = &layer.symbol.color_by
        && !layer.field(key).is_some_and(|(_, field)| matches!(field.kind, FieldType::Enum { .. }))
    {
        return Err(invalid(
            &format!("{file}: symbol.color_by"),
            format!("{key:?} is no enum field"),
            "Name an enum field / 请填写枚举字段",
        ));
    }
    for (role, needs) in [
        (LayerRole::Stock, &[Role::StockOf, Role::ItemCode, Role::Unit, Role::Lot, Role::OnHand, Role::Reserved][..]),
        (LayerRole::Ledger, &[Role::StockOf, Role::ItemCode, Role::Unit, Role::Lot, Role::Quantity, Role::MovementKind][..]),
        (LayerRole::Grid, &[Role::GridLevel][..]),
    ] {
        for need in needs {
            if layer.has(role) && layer.role(*need).is_none() {
                return Err(invalid(
                    &format!("{file}: roles"),
                    format!("{role:?} needs a field with role {need:?}"),
                    "Add it / 请补充该角色字段",
                ));
            }
        }
    }
    for (exclusion, text) in layer.exclude.clone() {
        let filter = Filter::parse_rule(&layer, &text).map_err(|error| {
            invalid(
                &format!("{file}: exclude.{}", exclusion.word()),
                error.titles()[0].clone(),
                "Write CQL2 over this layer's fields / 请用本图层字段写 CQL2",
            )
        })?;
        if filter.uses_hazard() && exclusion != Exclusion::Unsafe {
            return Err(invalid(
                &format!("{file}: exclude.{}", exclusion.word()),
                format!("uses {HAZARD}"),
                "Only unsafe may ask for the hazard / 仅 unsafe 可引用灾害类型",
            ));
        }
        layer.exclude_rules.push((exclusion, filter));
    }
    Ok(layer)
}
