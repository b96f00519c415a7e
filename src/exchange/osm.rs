//! OpenStreetMap extracts: a new district's first places, by the tag rules of `data/rules/osm.toml`.

use std::collections::HashMap;

use osmpbf::{Element, ElementReader};
use serde::Deserialize;

use super::Row;
use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Draft, Geometry, GeometryKind, Value, layer::system},
};

/// One rule: features with all these tags become rows of a layer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    layer: String,
    /// Tag to value; `*` is any.
    tags: HashMap<String, String>,
    /// Field to text, for fields that the layer has.
    #[serde(default)]
    set: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rule: Vec<Rule>,
}

/// A way that a rule wants, until its nodes are known.
struct Wanted {
    kind: char,
    id: i64,
    rules: Vec<usize>,
    name: Option<String>,
    nodes: Vec<i64>,
}

fn invalid(error: impl ToString) -> Error {
    Error::new(Code::InvalidFile, "file", error, "a whole .osm.pbf extract / 完整的 .osm.pbf 文件")
}

/// Reads an extract: rows by layer number. Areas become points where the layer takes points.
///
/// # Errors
/// [`Code::InvalidFile`] for what is cut off or no PBF; a bad rule names itself.
pub fn read(catalog: &Catalog, rules: &str, bytes: &[u8]) -> Result<Vec<(usize, Vec<Row>)>> {
    let rules: Rules = toml::from_str(rules)
        .map_err(|error| Error::new(Code::InvalidDefinition, "rules/osm.toml", error.message(), "See the other rules / 参照其他规则"))?;
    let layers = rules.rule.iter().map(|rule| catalog.layer(&rule.layer).map(|(n, _)| n)).collect::<Result<Vec<_>>>()?;
    let matching = |tags: &HashMap<String, String>| -> Vec<usize> {
        let holds = |rule: &Rule| rule.tags.iter().all(|(key, value)| tags.get(key).is_some_and(|have| value == "*" || have == value));
        let mut found: Vec<usize> = Vec::new();
        for (i, rule) in rules.rule.iter().enumerate().filter(|(_, rule)| holds(rule)) {
            // The first rule of a layer that holds is the one.
            if !found.iter().any(|other| rules.rule[*other].layer == rule.layer) {
                found.push(i);
            }
        }
        found
    };
    let name_of =
        |tags: &HashMap<String, String>| ["name:zh", "name", "name:en", "operator", "brand"].iter().find_map(|key| tags.get(*key).cloned());
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut places: HashMap<i64, (f64, f64)> = HashMap::new();
    let mut node = |id: i64, lon: f64, lat: f64, tags: HashMap<String, String>, wanted: &mut Vec<Wanted>| {
        places.insert(id, (lon, lat));
        let rules = if tags.is_empty() { vec![] } else { matching(&tags) };
        if !rules.is_empty() {
            wanted.push(Wanted { kind: 'n', id, rules, name: name_of(&tags), nodes: vec![id] });
        }
    };
    let owned = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ElementReader::new(bytes)
        .for_each(|element| match element {
            Element::Node(n) => node(n.id(), n.lon(), n.lat(), n.tags().map(|(k, v)| owned(k, v)).collect(), &mut wanted),
            Element::DenseNode(n) => node(n.id(), n.lon(), n.lat(), n.tags().map(|(k, v)| owned(k, v)).collect(), &mut wanted),
            Element::Way(way) => {
                let tags: HashMap<_, _> = way.tags().map(|(k, v)| owned(k, v)).collect();
                let rules = matching(&tags);
                if !rules.is_empty() {
                    wanted.push(Wanted { kind: 'w', id: way.id(), rules, name: name_of(&tags), nodes: way.refs().collect() });
                }
            }
            Element::Relation(_) => {}
        })
        .map_err(invalid)?;
    if places.is_empty() {
        return Err(invalid("no nodes / 文件中没有节点"));
    }
    let mut by_layer: HashMap<usize, Vec<Row>> = HashMap::new();
    for thing in &wanted {
        let path: Vec<(f64, f64)> = thing.nodes.iter().filter_map(|id| places.get(id).copied()).collect();
        for rule in &thing.rules {
            let (n, rule) = (layers[*rule], &rules.rule[*rule]);
            let place = format!("{}{}", thing.kind, thing.id);
            let draft = draft(catalog, n, rule, thing, &path);
            by_layer.entry(n).or_default().push(Row { place, id: None, draft });
        }
    }
    let mut found: Vec<_> = by_layer.into_iter().collect();
    found.sort_by_key(|(n, _)| *n);
    Ok(found)
}

fn draft(catalog: &Catalog, n: usize, rule: &Rule, thing: &Wanted, path: &[(f64, f64)]) -> Result<Draft> {
    let layer = &catalog.layers[n];
    let code = format!("osm-{}{}", thing.kind, thing.id);
    let name = thing.name.clone().unwrap_or_else(|| format!("OSM {}{}", thing.kind, thing.id));
    let mut values = vec![
        (system::CODE, Value::Text(code.into())),
        (system::NAME, Value::Text(name.into())),
        (system::SOURCE, Value::Text("OpenStreetMap".into())),
        (system::VERIFIED, Value::Bool(false)),
    ];
    for (key, text) in &rule.set {
        let (at, field) = layer.field(key).ok_or_else(|| layer.unknown_property(key).within("rules/osm.toml"))?;
        values.push((at, Value::from_text(field, text)?));
    }
    let closed = path.len() >= 4 && path.first() == path.last();
    let area = || {
        let ring = path.iter().map(|(x, y)| geo::Coord { x: *x, y: *y }).collect();
        Geometry::from_geo(geo::Geometry::Polygon(geo::Polygon::new(geo::LineString(ring), vec![])))
    };
    let Some(first) = path.first() else { return Err(invalid(format!("{}{} has no nodes here", thing.kind, thing.id))) };
    let geometry = match layer.geometry {
        GeometryKind::Polygon | GeometryKind::Any if closed => area()?,
        _ if closed => {
            // The middle stands for the area; one that isn't valid still has corners.
            let (lon, lat) = area().map_or(*first, |area| area.anchor());
            Geometry::point(lon, lat)?
        }
        _ => Geometry::point(first.0, first.1)?,
    };
    Ok(Draft { geometry: Some(Some(geometry)), values })
}
