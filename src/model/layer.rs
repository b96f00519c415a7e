//! Layer definitions: one TOML file is one register, and everything derives from it.
//!
//! The format is documented in `data/layers/README.md`. A [`super::Catalog`] is every definition, checked as a whole;
//! nothing else in the program lists layers or fields.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::{filter::Filter, workflow::Workflow};
use crate::error::{Code, Error};

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
    /// What a closure does: a [`RoadBlock`].
    RoadBlock,
    /// The speed that a `slow` closure allows, km/h.
    SpeedLimit,
    /// Profiles that a closure doesn't hold for.
    ExemptProfiles,
    /// Which roads a closure is about: a [`Vertical`].
    Vertical,
}

/// What a feature does to the roads where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoadBlock {
    /// Nothing drives there.
    Closed,
    /// Nobody drives in; who is inside may leave. Of a line or a place, which have no inside, the same as closed.
    NoEntry,
    /// As `no_entry`, but not for emergency vehicles.
    EmergencyOnly,
    /// Passable at a low speed.
    Slow,
}

/// Which of several roads above each other are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vertical {
    #[default]
    All,
    Ground,
    Bridge,
    Tunnel,
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
    /// What comes to an incident: times by road are from it to the place that is asked about.
    Responder,
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
    /// No way leads there by road; found when a question is by time, never by a definition's rule.
    Unreachable,
}

impl Exclusion {
    pub const ALL: [Exclusion; 5] = [Exclusion::Closed, Exclusion::Full, Exclusion::Unsafe, Exclusion::Unverified, Exclusion::Unreachable];
    pub const fn word(self) -> &'static str {
        ["closed", "full", "unsafe", "unverified", "unreachable"][self as usize]
    }
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
    /// The first reason among some bits: the one that an answer names.
    pub fn first(bits: u8) -> Option<Exclusion> {
        Self::ALL.get(bits.trailing_zeros() as usize).copied()
    }
}

/// A checked layer definition.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    pub id: String,
    /// Grows with each change of what makes the table; a table is never altered by an older definition.
    pub version: u32,
    pub name: Name,
    pub group: String,
    pub geometry: GeometryKind,
    /// Without a place a row of this layer means nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub geometry_required: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<LayerRole>,
    /// What its features do to roads while in force, where a field with the role `road_block` doesn't say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks_roads: Option<RoadBlock>,
    /// Fields that together name a feature where it has no code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub natural_key: Vec<String>,
    /// Fields whose values are never added up together, as campaigns counted by different plans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    pub symbol: Symbol,
    /// System fields first, then the definition's own.
    pub fields: Vec<Field>,
    /// The rules' CQL2 texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exclude: BTreeMap<Exclusion, String>,
    #[serde(skip)]
    pub exclude_rules: Vec<(Exclusion, Filter)>,
    /// The states that its features go through, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Workflow>,
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

pub(super) fn system_fields(source_default: &str) -> Vec<Field> {
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
pub(super) const RESERVED: [&str; 8] = ["id", "fid", "geom", "geometry", "version", "updated_at", "distance_m", "layer"];

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
