//! OpenStreetMap extracts: a new district's first places, by the tag rules of `data/rules/osm.toml`.

mod rings;

use std::collections::{HashMap, HashSet};

use geo::Coord;
use serde::Deserialize;

use super::{
    Row,
    import::{Warning, check_count},
};
pub use crate::osm::Coding;
use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Draft, Geometry, GeometryKind, Value, layer::system},
    osm::{Element, Extract, Kind, Tags, invalid, tag},
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

/// A way of a relation; other members make no area.
struct Member {
    way: i64,
    inner: bool,
}

/// What a rule wants.
struct Wanted {
    id: i64,
    rules: Vec<usize>,
    name: Option<String>,
    what: What,
}

enum What {
    Node(Coord),
    Way,
    Relation(Vec<Member>),
}

impl Wanted {
    /// As in `n17`.
    fn place(&self) -> String {
        let kind = match self.what {
            What::Node(_) => 'n',
            What::Way => 'w',
            What::Relation(_) => 'r',
        };
        format!("{kind}{}", self.id)
    }
}

/// Keys of names, the best first.
const NAMES: [&str; 5] = ["name:zh", "name", "name:en", "operator", "brand"];

impl Rules {
    fn parse(text: &str) -> Result<Rules> {
        toml::from_str(text)
            .map_err(|error| Error::new(Code::InvalidDefinition, "rules/osm.toml", error.message(), "See the other rules / 参照其他规则"))
    }

    /// The rules that hold: of each layer the first.
    fn matching(&self, tags: &Tags) -> Vec<usize> {
        let has = |key: &String, value: &String| tags.iter().any(|(k, v)| k == key && (value == "*" || v == value));
        let mut found: Vec<usize> = Vec::new();
        for (i, rule) in self.rule.iter().enumerate() {
            if rule.tags.iter().all(|(key, value)| has(key, value)) && !found.iter().any(|other| self.rule[*other].layer == rule.layer) {
                found.push(i);
            }
        }
        found
    }

    fn wanted(&self, id: i64, tags: &Tags, what: impl FnOnce() -> What) -> Option<Wanted> {
        let rules = if tags.is_empty() { vec![] } else { self.matching(tags) };
        let name = || NAMES.iter().find_map(|key| tags.iter().find(|(k, _)| k == key)).map(|(_, name)| name.clone());
        (!rules.is_empty()).then(|| Wanted { id, rules, name: name(), what: what() })
    }
}

/// The ways and nodes that what is wanted is made of.
#[derive(Default)]
struct Parts {
    ways: HashMap<i64, Vec<i64>>,
    /// `None` until it is found.
    nodes: HashMap<i64, Option<Coord>>,
}

/// Reads an extract: rows by layer number. Areas become points where the layer takes points.
///
/// # Errors
/// [`Code::InvalidFile`] for what is cut off or no extract; [`Code::TooLarge`]; a bad rule names itself.
pub fn read(catalog: &Catalog, rules: &str, coding: Coding, bytes: &[u8]) -> Result<Vec<(usize, Vec<Row>)>> {
    let rules = Rules::parse(rules)?;
    let layers = rules.rule.iter().map(|rule| catalog.layer(&rule.layer).map(|(n, _)| n)).collect::<Result<Vec<_>>>()?;
    let keys: HashSet<&str> =
        rules.rule.iter().flat_map(|rule| rule.tags.keys()).map(String::as_str).chain(NAMES).chain(["type"]).collect();
    let extract = Extract::new(coding, bytes)?;
    let mut parts = Parts::default();
    let (mut relations, mut ways, mut wanted) = (vec![], vec![], vec![]);
    extract.each(Kind::Relation, &keys, &mut |element| {
        if let Element::Relation { id, members, tags } = element
            && tag(&tags, "type") == Some("multipolygon")
        {
            let members = members.into_iter().filter(|member| member.kind == Kind::Way);
            let members = members.map(|member| Member { way: member.id, inner: member.role == "inner" }).collect();
            relations.extend(rules.wanted(id, &tags, || What::Relation(members)));
        }
        check_count(relations.len())
    })?;
    let members: HashSet<i64> = relations.iter().flat_map(|relation: &Wanted| relation.members()).map(|member| member.way).collect();
    extract.each(Kind::Way, &keys, &mut |element| {
        if let Element::Way { id, nodes, tags } = element {
            let way = rules.wanted(id, &tags, || What::Way);
            if way.is_some() || members.contains(&id) {
                parts.nodes.extend(nodes.iter().map(|node| (*node, None)));
                parts.ways.insert(id, nodes);
            }
            ways.extend(way);
        }
        check_count(ways.len())
    })?;
    let mut any = false;
    extract.each(Kind::Node, &keys, &mut |element| {
        if let Element::Node { id, lon, lat, tags } = element {
            any = true;
            let at = Coord { x: lon, y: lat };
            if let Some(place) = parts.nodes.get_mut(&id) {
                *place = Some(at);
            }
            wanted.extend(rules.wanted(id, &tags, || What::Node(at)));
        }
        check_count(wanted.len())
    })?;
    if !any {
        return Err(invalid("no nodes / 文件中没有节点"));
    }
    wanted.append(&mut ways);
    wanted.append(&mut relations);
    check_count(wanted.iter().map(|thing| thing.rules.len()).sum())?;
    let mut by_layer: HashMap<usize, Vec<Row>> = HashMap::new();
    for thing in &wanted {
        for rule in &thing.rules {
            let (n, rule) = (layers[*rule], &rules.rule[*rule]);
            let mut warnings = vec![];
            let draft = draft(catalog, n, rule, thing, &parts, &mut warnings);
            by_layer.entry(n).or_default().push(Row { place: thing.place(), id: None, draft, warnings });
        }
    }
    let mut found: Vec<_> = by_layer.into_iter().collect();
    found.sort_by_key(|(n, _)| *n);
    Ok(found)
}

fn draft(catalog: &Catalog, n: usize, rule: &Rule, thing: &Wanted, parts: &Parts, warnings: &mut Vec<Warning>) -> Result<Draft> {
    let layer = &catalog.layers[n];
    let place = thing.place();
    let name = thing.name.clone().unwrap_or_else(|| format!("OSM {place}"));
    let mut values = vec![
        (system::CODE, Value::Text(format!("osm-{place}").into())),
        (system::NAME, Value::Text(name.into())),
        (system::SOURCE, Value::Text("OpenStreetMap".into())),
        (system::VERIFIED, Value::Bool(false)),
    ];
    for (key, text) in &rule.set {
        let (at, field) = layer.field(key).ok_or_else(|| layer.unknown_property(key).within("rules/osm.toml"))?;
        values.push((at, Value::from_text(field, text)?));
    }
    let area = match thing.area(parts) {
        Area::None => None,
        Area::Whole(area) => match Geometry::from_geo(area) {
            Ok(area) => Some(area),
            Err(error) => {
                warnings.push(Warning {
                    code: "invalid_area",
                    en: format!("its outline isn't valid ({}): its middle stands for it", error.titles()[0]),
                    zh: format!("轮廓无效({}),以中心点代替", error.titles()[1]),
                });
                None
            }
        },
        Area::CutOff => {
            warnings.push(Warning {
                code: "cut_off",
                en: "parts of it are beyond the extract's edge: the middle of what is there stands for it".into(),
                zh: "部分在提取范围之外,以现有部分的中心点代替".into(),
            });
            None
        }
    };
    let geometry = match (area, thing.middle(parts)) {
        (Some(area), _) if matches!(layer.geometry, GeometryKind::Polygon | GeometryKind::Any) => Some(Some(area)),
        // The middle stands for the area.
        (Some(area), _) => Some(Some(Geometry::point(area.anchor().0, area.anchor().1)?)),
        (None, Some(middle)) => Some(Some(Geometry::point(middle.x, middle.y)?)),
        // Nothing of it is in the extract: a row to be placed by hand.
        (None, None) => None,
    };
    Ok(Draft { geometry, values })
}

/// What can be made of the ways of a thing.
enum Area {
    /// It is a place or a line.
    None,
    Whole(geo::Geometry),
    CutOff,
}

impl Wanted {
    fn members(&self) -> &[Member] {
        match &self.what {
            What::Relation(members) => members,
            _ => &[],
        }
    }

    fn area(&self, parts: &Parts) -> Area {
        let coords = |ring: Vec<i64>| ring.iter().map(|node| parts.nodes.get(node).copied().flatten()).collect::<Option<Vec<Coord>>>();
        let area = match &self.what {
            What::Node(_) => return Area::None,
            What::Way => {
                let nodes = parts.ways.get(&self.id).map(Vec::as_slice).unwrap_or_default();
                if nodes.len() < 4 || nodes.first() != nodes.last() {
                    return Area::None;
                }
                coords(nodes.to_vec()).map(|ring| geo::Geometry::Polygon(geo::Polygon::new(geo::LineString(ring), vec![])))
            }
            What::Relation(members) => {
                let rings = |inner: bool| {
                    let mut once = HashSet::new();
                    let ways = members.iter().filter(|member| member.inner == inner && once.insert(member.way));
                    let ways = ways.map(|member| parts.ways.get(&member.way).map(Vec::as_slice)).collect::<Option<Vec<_>>>()?;
                    rings::join(&ways)?.into_iter().map(coords).collect::<Option<Vec<_>>>()
                };
                rings(false).zip(rings(true)).and_then(|(outer, inner)| rings::nest(outer, inner)).map(|mut area| match area.0.len() {
                    1 => geo::Geometry::Polygon(area.0.remove(0)),
                    _ => geo::Geometry::MultiPolygon(area),
                })
            }
        };
        area.map_or(Area::CutOff, Area::Whole)
    }

    /// The middle of what is there of it.
    fn middle(&self, parts: &Parts) -> Option<Coord> {
        let of = |way: &i64| parts.ways.get(way).into_iter().flatten().filter_map(|node| parts.nodes.get(node).copied().flatten());
        let corners: Vec<Coord> = match &self.what {
            What::Node(at) => return Some(*at),
            What::Way => of(&self.id).collect(),
            What::Relation(members) => members.iter().flat_map(|member| of(&member.way)).collect(),
        };
        let bounds = geo::BoundingRect::bounding_rect(&geo::MultiPoint::from(corners))?;
        Some(bounds.center())
    }
}
