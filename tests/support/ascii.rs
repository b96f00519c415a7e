//! Road networks drawn as text, for tests.
//!
//! Letters are nodes; `-`, `|`, `\` and `/` between them are roads, two characters (100 m) to the next letter at least. What is
//! drawn and in no named way is residential.

use std::collections::{BTreeMap, HashMap};

use biaotu::{
    osm::{Kind, Member, Tags},
    roads::{Arc, Built, Cost, Point, Profile, Survey, build, survey::Relation, survey::SurveyWay},
};

/// A character's width and height, degrees of latitude: 50 m.
const STEP: f64 = 50.0 / 111_000.0;
const WEST: f64 = 113.95;
const NORTH: f64 = 28.61;

pub struct Drawing {
    nodes: BTreeMap<char, Point>,
    drawn: Vec<String>,
    ways: Vec<(String, Tags)>,
    node_tags: HashMap<char, Tags>,
    relations: Vec<(Tags, Members)>,
}

/// Roles, and the letters of a node or those that a way was declared with.
type Members = Vec<(&'static str, String)>;

fn owned(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn reversed(letters: &str) -> String {
    letters.chars().rev().collect()
}

impl Drawing {
    pub fn new(text: &str) -> Drawing {
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let at = |column: i32, row: i32| -> char {
            let row = usize::try_from(row).ok().and_then(|row| rows.get(row));
            usize::try_from(column).ok().and_then(|column| row?.get(column)).copied().unwrap_or(' ')
        };
        let (mut nodes, mut drawn) = (BTreeMap::new(), vec![]);
        for (row, line) in (0..).zip(&rows) {
            for (column, letter) in (0..).zip(line).filter(|(_, c)| c.is_alphanumeric()) {
                let (x, y) = (f64::from(column) * STEP / NORTH.to_radians().cos(), f64::from(row) * STEP);
                assert!(nodes.insert(*letter, Point::new(WEST + x, NORTH - y)).is_none(), "two nodes {letter}");
                for (line, across, down) in [('-', 1, 0), ('|', 0, 1), ('\\', 1, 1), ('/', -1, 1)] {
                    let (mut to, mut end) = ((column + across, row + down), at(column + across, row + down));
                    let met = end == line;
                    while end == line {
                        to = (to.0 + across, to.1 + down);
                        end = at(to.0, to.1);
                    }
                    if met && end.is_alphanumeric() {
                        drawn.push(format!("{letter}{end}"));
                    }
                }
            }
        }
        Drawing { nodes, drawn, ways: vec![], node_tags: HashMap::new(), relations: vec![] }
    }

    /// A way along letters, with what isn't said of it a residential road.
    pub fn way(mut self, letters: &str, tags: &[(&str, &str)]) -> Drawing {
        self.ways.push((letters.to_owned(), owned(tags)));
        self
    }

    pub fn node(mut self, letter: char, tags: &[(&str, &str)]) -> Drawing {
        self.node_tags.insert(letter, owned(tags));
        self
    }

    /// A turn restriction; a via of one letter is a node, others are ways in order: `"bc cd"`.
    pub fn restriction(self, kind: &str, from: &str, via: &str, to: &str) -> Drawing {
        self.relation(&[("restriction", kind)], from, via, to)
    }

    pub fn relation(mut self, tags: &[(&str, &str)], from: &str, via: &str, to: &str) -> Drawing {
        let members = [("from", from)].into_iter().chain(via.split(' ').map(|via| ("via", via))).chain([("to", to)]);
        let members = members.filter(|(_, letters)| !letters.is_empty()).map(|(role, letters)| (role, letters.to_owned()));
        self.relations.push((owned(tags), members.collect()));
        self
    }

    pub fn survey(&self) -> Survey {
        let covered = |edge: &String| self.ways.iter().any(|(way, _)| way.contains(edge.as_str()) || way.contains(&reversed(edge)));
        let plain = self.drawn.iter().filter(|edge| !covered(edge)).map(|edge| (edge.clone(), vec![]));
        let ways: Vec<_> = self.ways.iter().cloned().chain(plain).collect();
        let id = |letters: &str| {
            let own = |(way, _): &(String, _)| *way == letters || *way == reversed(letters);
            ways.iter().position(own).map_or(999, |i| i as i64 + 1)
        };
        let member = |(role, letters): &(&str, String)| match letters.chars().count() {
            1 => Member { kind: Kind::Node, id: letters.chars().next().unwrap() as i64, role: role.to_string() },
            _ => Member { kind: Kind::Way, id: id(letters), role: role.to_string() },
        };
        let relation = |(i, (tags, members)): (usize, &(Tags, Members))| Relation {
            id: i as i64,
            members: members.iter().map(member).collect(),
            tags: tags.clone(),
        };
        let way = |(i, (letters, tags)): (usize, &(String, Tags))| {
            let road = tags.iter().any(|(key, _)| matches!(key.as_str(), "highway" | "route" | "man_made"));
            let tags = tags.iter().cloned().chain((!road).then(|| ("highway".into(), "residential".into()))).collect();
            SurveyWay { id: i as i64 + 1, nodes: letters.chars().map(|c| c as i64).collect(), tags }
        };
        Survey {
            relations: self.relations.iter().enumerate().map(relation).collect(),
            ways: ways.iter().enumerate().map(way).collect(),
            nodes: self.nodes.iter().map(|(c, point)| (*c as i64, *point)).collect(),
            node_tags: self.node_tags.iter().map(|(c, tags)| (*c as i64, tags.clone())).collect(),
            numbered: true,
        }
    }

    pub fn build(&self) -> Drawn {
        Drawn::of(build::from_survey(&Profile::built_in().unwrap(), &self.survey()).unwrap_or_else(|error| panic!("{error}")))
    }
}

/// What a drawing was built to, asked by letters.
pub struct Drawn {
    pub built: Built,
    /// By letters, as `abc`: the arc along them.
    arcs: HashMap<String, Arc>,
}

impl Drawn {
    fn of(built: Built) -> Drawn {
        let network = &built.network;
        let mut arcs = HashMap::new();
        for arc in (0..network.arcs() as u32).map(Arc) {
            let ids = &network.node_ids[network.range(arc.road())];
            let letters: String = ids.iter().map(|id| char::from_u32(*id as u32).unwrap()).collect();
            arcs.insert(if arc.is_backward() { reversed(&letters) } else { letters }, arc);
        }
        Drawn { built, arcs }
    }

    pub fn arc(&self, letters: &str) -> Arc {
        *self.arcs.get(letters).unwrap_or_else(|| panic!("no road {letters}: {:?}", self.arcs.keys()))
    }

    pub fn graph(&self, profile: &str) -> &build::ProfileGraph {
        self.built.graphs.iter().find(|graph| graph.profile.name == profile).unwrap()
    }

    pub fn drivable(&self, profile: &str, letters: &str) -> bool {
        !self.cost(profile, letters).is_never()
    }

    pub fn cost(&self, profile: &str, letters: &str) -> Cost {
        self.graph(profile).cost[self.arc(letters).index()]
    }

    /// What the turns along a walk take, milliseconds, begun on the first arc; `None` where one isn't allowed.
    pub fn walk(&self, profile: &str, walk: &[&str]) -> Option<u32> {
        let turns = &self.graph(profile).turns;
        let mut node = turns.arc.iter().position(|arc| *arc == self.arc(walk[0]))? as u32;
        let mut sum = 0;
        for next in &walk[1..] {
            let edge = turns.edges(node).find(|edge| turns.arc[turns.head[*edge] as usize] == self.arc(next))?;
            sum += turns.turn(edge).ms();
            node = turns.head[edge];
        }
        Some(sum)
    }
}
