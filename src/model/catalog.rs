//! All definitions together: read from their files, checked one by one and as a whole.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::{
    filter::{Filter, HAZARD},
    layer::{
        EnumValue, Exclusion, Field, FieldType, GeometryKind, Layer, LayerRole, Name, RESERVED, RoadBlock, Role, Symbol, system,
        system_fields,
    },
    values::FIELDS_MAX,
    workflow::Workflow,
};
use crate::error::{Code, Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerFile {
    id: String,
    version: u32,
    name: Name,
    group: String,
    geometry: GeometryKind,
    #[serde(default)]
    geometry_required: bool,
    #[serde(default)]
    roles: Vec<LayerRole>,
    blocks_roads: Option<RoadBlock>,
    #[serde(default)]
    natural_key: Vec<String>,
    #[serde(default)]
    apart: Vec<String>,
    symbol: Symbol,
    #[serde(default)]
    fields: Vec<FieldFile>,
    #[serde(default)]
    exclude: BTreeMap<Exclusion, String>,
    workflow: Option<Workflow>,
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
    /// Layers in an order in which each comes after those that it refers to; a layer may refer to itself.
    pub fn creation_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::new();
        let mut left: Vec<usize> = (0..self.layers.len()).collect();
        while !left.is_empty() {
            let ready = |n: &usize| {
                let layer = &self.layers[*n];
                let mut targets = layer.fields.iter().filter_map(|field| match &field.kind {
                    FieldType::Ref { to } => self.layer(to).ok().map(|(target, _)| target),
                    _ => None,
                });
                // The ledger's trigger writes the stock table.
                let stock_first =
                    !layer.has(LayerRole::Ledger) || self.with_role(LayerRole::Stock).all(|(stock, _)| order.contains(&stock));
                stock_first && targets.all(|target| target == *n || order.contains(&target))
            };
            // Where layers refer to each other in a ring, the first goes first: keys are checked at commit.
            let next = left.iter().position(ready).unwrap_or(0);
            let next = left.remove(next);
            order.push(next);
        }
        order
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
    if fields.len() > FIELDS_MAX {
        let remedy = format!("At most {FIELDS_MAX}; split the register / 最多 {FIELDS_MAX} 个字段,请拆分登记册");
        return Err(invalid(&format!("{file}: fields"), fields.len(), &remedy));
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
        geometry_required: parsed.geometry_required,
        roles: parsed.roles,
        blocks_roads: parsed.blocks_roads,
        natural_key: parsed.natural_key,
        apart: parsed.apart,
        symbol: parsed.symbol,
        fields,
        exclude: parsed.exclude,
        exclude_rules: vec![],
        workflow: None,
    };
    let named = [("natural_key", &layer.natural_key), ("apart", &layer.apart)];
    for (list, key) in named.into_iter().flat_map(|(list, keys)| keys.iter().map(move |key| (list, key))) {
        if layer.field(key).is_none() {
            return Err(invalid(
                &format!("{file}: {list}"),
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
    if layer.exclude.contains_key(&Exclusion::Unreachable) {
        let remedy = "closed, full, unsafe or unverified: whether a road leads there is worked out / 可达性由路网计算";
        return Err(invalid(&format!("{file}: exclude"), Exclusion::Unreachable.word(), remedy));
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
    if let Some(mut workflow) = parsed.workflow {
        workflow.prepare(file, &layer)?;
        layer.workflow = Some(workflow);
    }
    Ok(layer)
}
