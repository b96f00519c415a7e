//! A survey of roads: what is kept of an OSM extract, or of a district's own lines, to build a network from.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Point, Profile, network::span_m, profile::WAY_KEYS, restrictions};
use crate::{
    error::{Code, Error, Result},
    osm::{Coding, Element, Extract, Kind, Member, Tags, tag},
};

#[derive(Clone, Debug, PartialEq)]
pub struct SurveyWay {
    pub id: i64,
    /// Ids of [`Survey::nodes`]; those that aren't there lie beyond the extract's edge.
    pub nodes: Vec<i64>,
    pub tags: Tags,
}

/// A relation that restricts turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    pub id: i64,
    pub members: Vec<Member>,
    pub tags: Tags,
}

#[derive(Clone, Debug, Default)]
pub struct Survey {
    pub relations: Vec<Relation>,
    pub ways: Vec<SurveyWay>,
    pub nodes: HashMap<i64, Point>,
    /// Of the nodes that have some.
    pub node_tags: HashMap<i64, Tags>,
    /// Whether node ids are OSM's, worth telling.
    pub numbered: bool,
}

/// A line of a district's own survey.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Longitude and latitude, degrees.
    pub coordinates: Vec<(f64, f64)>,
    /// As OSM's: `highway`, `name`, `oneway`, `maxspeed`…
    pub tags: Tags,
}

/// Ends of lines that are this near, metres, are one place.
const JOIN: f64 = 1.0;

impl Survey {
    /// Reads an extract: its roads, the nodes that they are made of, and its turn restrictions.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] or [`Code::TooLarge`] for the file.
    pub fn from_osm(profiles: &[Profile], coding: Coding, bytes: &[u8]) -> Result<Survey> {
        let extract = Extract::new(coding, bytes)?;
        let mut survey = Survey { numbered: true, ..Survey::default() };
        let keys = restrictions::keys(profiles);
        extract.each(Kind::Relation, &keys.iter().map(String::as_str).collect(), &mut |element| {
            if let Element::Relation { id, members, tags } = element
                && tag(&tags, "type") == Some("restriction")
            {
                survey.relations.push(Relation { id, members, tags });
            }
            Ok(())
        })?;
        let keys: BTreeSet<String> = profiles.iter().flat_map(Profile::way_keys).chain(WAY_KEYS.map(str::to_owned)).collect();
        extract.each(Kind::Way, &keys.iter().map(String::as_str).collect(), &mut |element| {
            if let Element::Way { id, nodes, tags } = element
                && profiles.iter().any(|profile| profile.way(&tags).drivable())
            {
                survey.ways.push(SurveyWay { id, nodes, tags });
            }
            Ok(())
        })?;
        let wanted: HashSet<i64> = survey.ways.iter().flat_map(|way| &way.nodes).copied().collect();
        let keys: BTreeSet<String> = profiles.iter().flat_map(Profile::node_keys).collect();
        extract.each(Kind::Node, &keys.iter().map(String::as_str).collect(), &mut |element| {
            if let Element::Node { id, lon, lat, tags } = element
                && wanted.contains(&id)
                && on_earth(lon, lat)
            {
                survey.nodes.insert(id, Point::new(lon, lat));
                if !tags.is_empty() {
                    survey.node_tags.insert(id, tags);
                }
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// Takes lines: shared vertices join them, and ends within a metre of each other. Lines that merely cross don't meet.
    ///
    /// # Errors
    /// [`Code::InvalidGeometry`] for a position that isn't on the earth.
    pub fn from_lines(lines: Vec<Line>) -> Result<Survey> {
        let mut survey = Survey::default();
        let mut ids: HashMap<Point, i64> = HashMap::new();
        for (i, line) in lines.into_iter().enumerate() {
            if let Some((lon, lat)) = line.coordinates.iter().find(|(lon, lat)| !on_earth(*lon, *lat)) {
                let expected = "longitude and latitude in degrees / 经纬度(度)";
                return Err(Error::new(Code::InvalidGeometry, format!("lines[{i}]"), format!("{lon},{lat}"), expected));
            }
            let node = |(lon, lat)| {
                let (point, next) = (Point::new(lon, lat), ids.len() as i64 + 1);
                *ids.entry(point).or_insert(next)
            };
            let nodes = line.coordinates.into_iter().map(node).collect();
            survey.ways.push(SurveyWay { id: i as i64 + 1, nodes, tags: line.tags });
        }
        survey.nodes = ids.into_iter().map(|(point, id)| (id, point)).collect();
        survey.join_ends();
        Ok(survey)
    }

    /// Makes one node of the ends that are near each other.
    fn join_ends(&mut self) {
        let ends = self.ways.iter().flat_map(|way| [way.nodes.first(), way.nodes.last()]).flatten();
        let mut ends: Vec<(Point, i64)> = ends.map(|id| (self.nodes[id], *id)).collect();
        ends.sort_unstable_by_key(|(point, id)| (point.lat, point.lon, *id));
        ends.dedup();
        // By end: the end that stands for it, at last itself.
        let mut stands: Vec<usize> = (0..ends.len()).collect();
        let root = |stands: &[usize], mut i: usize| {
            while stands[i] != i {
                i = stands[i];
            }
            i
        };
        // A metre is at least 89e-7 degrees of latitude.
        let reach = (JOIN / 0.0111) as i32;
        for i in 0..ends.len() {
            for j in i + 1..ends.len() {
                if ends[j].0.lat > ends[i].0.lat.saturating_add(reach) {
                    break;
                }
                if span_m(ends[i].0, ends[j].0) <= JOIN {
                    let (a, b) = (root(&stands, i), root(&stands, j));
                    stands[a.max(b)] = a.min(b);
                }
            }
        }
        let renamed: HashMap<i64, i64> = (0..ends.len()).map(|i| (ends[i].1, ends[root(&stands, i)].1)).collect();
        for node in self.ways.iter_mut().flat_map(|way| &mut way.nodes) {
            *node = renamed.get(node).copied().unwrap_or(*node);
        }
    }
}

fn on_earth(lon: f64, lat: f64) -> bool {
    (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)
}
