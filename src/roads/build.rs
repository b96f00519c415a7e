//! From a survey to a network of junctions and roads, and to what each profile may drive of it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    Arc, Cost, Network, Point, Profile, Road, TurnGraph, Way,
    expand::{Star, Terms, headings},
    network::{Class, span_m},
    profile::{Hindrance, Passage},
    region,
    restrictions::{self, Counts, Ground},
    survey::{Line, Survey, SurveyWay},
    tags::{Oneway, directed, values},
};
use crate::{
    error::{Code, Error, Result},
    osm::{Coding, Kind, Tags, tag},
};

/// A network, and a graph for each profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Built {
    pub network: Network,
    /// In the order of the profiles that were given.
    pub graphs: Vec<ProfileGraph>,
    pub report: Report,
}

/// What one profile may drive, with nothing closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileGraph {
    pub profile: Profile,
    /// By arc; [`Cost::NEVER`] where it may not drive.
    pub cost: Vec<Cost>,
    pub turns: TurnGraph,
}

/// What a network was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub ways: usize,
    pub roads: usize,
    pub junctions: usize,
    /// Ways that the survey's edge cuts.
    pub cut_ways: usize,
    pub relations: usize,
    pub profiles: Vec<ProfileReport>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileReport {
    pub profile: String,
    pub arcs: usize,
    /// Nodes and edges of its turn graph.
    pub nodes: usize,
    pub turns: usize,
    pub restrictions: Counts,
}

/// Builds from an OSM extract.
///
/// # Errors
/// [`Code::InvalidFile`] for what is no whole extract or has no roads; [`Code::TooLarge`].
pub fn from_osm(profiles: &[Profile], coding: Coding, bytes: &[u8]) -> Result<Built> {
    from_survey(profiles, &Survey::from_osm(profiles, coding, bytes)?)
}

/// Builds from a district's own lines: see [`Survey::from_lines`].
///
/// # Errors
/// [`Code::InvalidGeometry`] for a position that isn't on the earth; [`Code::InvalidFile`] if there are no roads.
pub fn from_lines(profiles: &[Profile], lines: Vec<Line>) -> Result<Built> {
    from_survey(profiles, &Survey::from_lines(lines)?)
}

/// A way with what each profile may do on it.
struct Assessed<'s> {
    way: &'s SurveyWay,
    passages: Vec<Passage>,
    /// Of all of it that is there, metres.
    length: f64,
}

/// Builds from a survey.
///
/// # Errors
/// [`Code::InvalidFile`] if there are no roads; [`Code::TooLarge`].
pub fn from_survey(profiles: &[Profile], survey: &Survey) -> Result<Built> {
    let mut ways: Vec<Assessed> = survey
        .ways
        .iter()
        .map(|way| Assessed { way, passages: profiles.iter().map(|profile| profile.way(&way.tags)).collect(), length: 0.0 })
        .filter(|way| way.passages.iter().any(Passage::drivable))
        .collect();
    let mut nodes = Nodes::default();
    let (pieces, cut_ways) = pieces(&mut ways, survey, &mut nodes);
    for (id, tags) in &survey.node_tags {
        if profiles.iter().any(|profile| profile.node(tags) != Hindrance::default()) {
            nodes.make_junction(*id);
        }
    }
    let none = Tags::new();
    for member in survey.relations.iter().flat_map(|relation| &relation.members).filter(|member| member.kind == Kind::Node) {
        nodes.make_junction(member.id);
    }
    let Layout { network, ways, roads_of, junctions } = lay_out(&ways, &nodes, &split(&pieces, &nodes), survey)?;
    let star = Star::new(&network);
    let headings = headings(&network);
    let graph = |i: usize, profile: &Profile| {
        let passage = |arc: Arc| &ways[network.roads[arc.road()].way as usize].passages[i];
        let arcs = || (0..network.arcs() as u32).map(Arc);
        let length = |arc: Arc| ways[network.roads[arc.road()].way as usize].length;
        let cost: Vec<Cost> = arcs().map(|arc| cost(passage(arc), arc, network.roads[arc.road()].dm, length(arc))).collect();
        let ground = Ground {
            roads: &roads_of,
            tail: &|arc| network.tail(arc),
            junctions: &junctions.iter().enumerate().map(|(junction, id)| (*id, junction as u32)).collect(),
            leaving: &|junction| star.leaving(junction),
            drivable: &|arc| !cost[arc.index()].is_never(),
        };
        let (forbidden, restrictions) = restrictions::forbidden(profile, &survey.relations, &ground);
        let hindrances: Vec<Hindrance> = junctions.iter().map(|id| profile.node(survey.node_tags.get(id).unwrap_or(&none))).collect();
        let expand = |cost: &[Cost], destination: &[bool]| {
            let (network, star, headings) = (&network, &star, &headings);
            Terms { profile, network, star, headings, cost, destination, hindrances: &hindrances, forbidden: &forbidden }.expand()
        };
        let mut destination: Vec<bool> = arcs().map(|arc| passage(arc).destination[arc.index() & 1]).collect();
        if destination.contains(&true) {
            // A yard behind a private drive is open by its own tags; but who comes or leaves by that drive doesn't drive through it.
            let open: Vec<Cost> = cost.iter().zip(&destination).map(|(cost, few)| if *few { Cost::NEVER } else { *cost }).collect();
            let mainland = region::mainland(network.arcs(), &expand(&open, &destination));
            destination.iter_mut().zip(mainland).for_each(|(few, main)| *few |= !main);
        }
        let turns = expand(&cost, &destination);
        let arcs = cost.iter().filter(|cost| !cost.is_never()).count();
        let report = ProfileReport { profile: profile.name.clone(), arcs, nodes: turns.nodes(), turns: turns.head.len(), restrictions };
        (ProfileGraph { profile: profile.clone(), cost, turns }, report)
    };
    let (graphs, reports) = profiles.iter().enumerate().map(|(i, profile)| graph(i, profile)).unzip();
    let report = Report {
        ways: network.ways.len(),
        roads: network.roads.len(),
        junctions: network.junctions.len(),
        cut_ways,
        relations: survey.relations.len(),
        profiles: reports,
    };
    Ok(Built { network, graphs, report })
}

/// The nodes that roads are made of, numbered as they are met.
#[derive(Default)]
struct Nodes {
    numbers: HashMap<i64, u32>,
    ids: Vec<i64>,
    points: Vec<Point>,
    /// How many roads would end there if all were cut there; from two on it is a junction.
    uses: Vec<u8>,
}

impl Nodes {
    fn number(&mut self, id: i64, point: Point) -> u32 {
        *self.numbers.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.points.push(point);
            self.uses.push(0);
            self.ids.len() as u32 - 1
        })
    }
    fn make_junction(&mut self, id: i64) {
        if let Some(number) = self.numbers.get(&id) {
            self.uses[*number as usize] = 2;
        }
    }
}

/// A part of a way all of whose nodes are there; or a road.
struct Piece {
    /// Index into the ways assessed.
    way: u32,
    nodes: Vec<u32>,
}

/// The ways as far as their nodes are there, and how many have nodes that aren't. Measures them.
fn pieces(ways: &mut [Assessed], survey: &Survey, nodes: &mut Nodes) -> (Vec<Piece>, usize) {
    let (mut pieces, mut cut) = (vec![], 0);
    for (i, way) in ways.iter_mut().enumerate() {
        cut += usize::from(way.way.nodes.iter().any(|id| !survey.nodes.contains_key(id)));
        for part in way.way.nodes.split(|id| !survey.nodes.contains_key(id)) {
            let mut part: Vec<u32> = part.iter().filter_map(|id| Some(nodes.number(*id, *survey.nodes.get(id)?))).collect();
            part.dedup();
            if part.len() < 2 {
                continue;
            }
            for (at, node) in part.iter().enumerate() {
                let uses = &mut nodes.uses[*node as usize];
                *uses = uses.saturating_add(if at == 0 || at + 1 == part.len() { 2 } else { 1 });
            }
            way.length += part.windows(2).map(|pair| span_m(nodes.points[pair[0] as usize], nodes.points[pair[1] as usize])).sum::<f64>();
            pieces.push(Piece { way: i as u32, nodes: part });
        }
    }
    (pieces, cut)
}

/// Cuts pieces at junctions. A road that would end where it begins is cut in its middle too: its two arcs would meet themselves.
fn split(pieces: &[Piece], nodes: &Nodes) -> Vec<Piece> {
    let mut roads = vec![];
    for piece in pieces {
        let mut start = 0;
        for at in 1..piece.nodes.len() {
            if nodes.uses[piece.nodes[at] as usize] < 2 {
                continue;
            }
            let road = &piece.nodes[start..=at];
            let middle = if road[0] == road[road.len() - 1] { road.len() / 2 } else { 0 };
            if middle > 0 {
                roads.push(Piece { way: piece.way, nodes: road[..=middle].to_vec() });
            }
            roads.push(Piece { way: piece.way, nodes: road[middle..].to_vec() });
            start = at;
        }
    }
    roads
}

/// A network, and how it hangs together with the survey.
struct Layout<'w> {
    network: Network,
    /// By way of the network.
    ways: Vec<&'w Assessed<'w>>,
    /// By OSM's id, those that restrictions name: their roads in the way's order.
    roads_of: HashMap<i64, Vec<u32>>,
    /// By junction: its node's id.
    junctions: Vec<i64>,
}

fn lay_out<'w>(ways: &'w [Assessed<'w>], nodes: &Nodes, pieces: &[Piece], survey: &Survey) -> Result<Layout<'w>> {
    if pieces.is_empty() {
        let expected = "an extract with roads that a profile may drive / 含可通行道路的文件";
        return Err(Error::new(Code::InvalidFile, "file", "no roads / 没有道路", expected));
    }
    let positions: usize = pieces.iter().map(|piece| piece.nodes.len()).sum();
    if positions >= i32::MAX as usize {
        return Err(Error::new(Code::TooLarge, "file", format!("{positions} positions / 个点"), i32::MAX));
    }
    let curve = |node: u32| hilbert(nodes.points[node as usize]);
    let mut at: Vec<u32> = pieces.iter().flat_map(|piece| [piece.nodes[0], piece.nodes[piece.nodes.len() - 1]]).collect();
    at.sort_unstable();
    at.dedup();
    at.sort_by_cached_key(|node| curve(*node));
    let junction_of: HashMap<u32, u32> = at.iter().enumerate().map(|(junction, node)| (*node, junction as u32)).collect();
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_cached_key(|i| curve(pieces[*i].nodes[pieces[*i].nodes.len() / 2]));

    let mut network = Network { junctions: at.iter().map(|node| nodes.points[*node as usize]).collect(), ..Network::default() };
    let mut texts = Texts::default();
    let mut way_numbers: HashMap<u32, u32> = HashMap::new();
    let mut used = vec![];
    let mut road_of = vec![0; pieces.len()];
    for (road, i) in order.iter().enumerate() {
        let piece = &pieces[*i];
        road_of[*i] = road as u32;
        let way = *way_numbers.entry(piece.way).or_insert_with(|| {
            let way = &ways[piece.way as usize];
            network.ways.push(describe(way.way, &mut texts));
            used.push(way);
            used.len() as u32 - 1
        });
        let points = piece.nodes.iter().map(|node| nodes.points[*node as usize]);
        let length: f64 = points.clone().zip(points.clone().skip(1)).map(|(a, b)| span_m(a, b)).sum();
        network.roads.push(Road {
            from: junction_of[&piece.nodes[0]],
            to: junction_of[&piece.nodes[piece.nodes.len() - 1]],
            way,
            shape: network.shape.len() as u32,
            dm: (length * 10.0).round() as u32,
        });
        network.shape.extend(points);
        network.node_ids.extend(piece.nodes.iter().map(|node| if survey.numbered { nodes.ids[*node as usize] } else { 0 }));
    }
    network.texts = texts.texts;
    let named: HashSet<i64> = survey.relations.iter().flat_map(|relation| &relation.members).map(|member| member.id).collect();
    let mut roads_of: HashMap<i64, Vec<u32>> = HashMap::new();
    for (piece, road) in pieces.iter().zip(&road_of) {
        let id = ways[piece.way as usize].way.id;
        if named.contains(&id) {
            roads_of.entry(id).or_default().push(*road);
        }
    }
    let junctions = at.iter().map(|node| nodes.ids[*node as usize]).collect();
    Ok(Layout { network, ways: used, roads_of, junctions })
}

/// What driving an arc takes.
fn cost(passage: &Passage, arc: Arc, dm: u32, way_metres: f64) -> Cost {
    let kmh = passage.kmh[arc.index() & 1];
    if kmh <= 0.0 {
        return Cost::NEVER;
    }
    let metres = f64::from(dm) / 10.0;
    let seconds = match passage.seconds {
        Some(whole) if way_metres > 0.0 => whole * metres / way_metres,
        _ => metres * 3.6 / kmh,
    };
    // A float beyond the range becomes its end.
    Cost::new(((seconds * 1e3).round() as u32).clamp(1, MS_MAX), dm)
}

/// The most that one arc can take: twelve days.
const MS_MAX: u32 = (1 << 30) - 1;

/// Texts, each kept once.
struct Texts {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts { texts: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }
}

impl Texts {
    fn number(&mut self, text: String) -> u32 {
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.texts.len() as u32 - 1
        })
    }
}

/// What roads of a way are called, and what they are.
fn describe(way: &SurveyWay, texts: &mut Texts) -> Way {
    let tags = &way.tags;
    let text = |key| tag(tags, key).unwrap_or_default();
    let is = |key| tag(tags, key).is_some_and(|value| !matches!(value, "no" | "0" | "false"));
    let listed = |text: &str, separator: &str| values(text).collect::<Vec<_>>().join(separator);
    let highway = text("highway");
    let (class, link) = match highway.strip_suffix("_link") {
        Some(class) => (class, true),
        None => (highway, false),
    };
    let class = match class {
        _ if matches!(text("route"), "ferry" | "shuttle_train") => Class::Ferry,
        "motorway" => Class::Motorway,
        "trunk" => Class::Trunk,
        "primary" => Class::Primary,
        "secondary" => Class::Secondary,
        "tertiary" => Class::Tertiary,
        "unclassified" | "road" => Class::Unclassified,
        "residential" => Class::Residential,
        "living_street" => Class::LivingStreet,
        "service" | "busway" => Class::Service,
        "track" => Class::Track,
        "path" | "footway" | "cycleway" | "bridleway" | "pedestrian" | "steps" | "corridor" | "platform" => Class::Path,
        _ => Class::Other,
    };
    // Signs stand where everybody drives the same way.
    let destinations = match Oneway::of(tags, &[]) {
        Oneway::No | Oneway::Reversible => String::new(),
        oneway => {
            let of = |key| listed(directed(tags, key, oneway == Oneway::Backward).unwrap_or_default(), ", ");
            match (of("destination:ref"), of("destination")) {
                (number, place) if number.is_empty() => place,
                (number, place) if place.is_empty() => number,
                (number, place) => format!("{number}: {place}"),
            }
        }
    };
    Way {
        id: way.id,
        name: texts.number(text("name").to_owned()),
        number: texts.number(listed(text("ref"), "; ")),
        destinations: texts.number(destinations),
        class,
        link,
        roundabout: text("junction") == "roundabout",
        circular: text("junction") == "circular" || text("junction") == "roundabout" && is("name"),
        bridge: is("bridge"),
        tunnel: is("tunnel"),
        ford: is("ford"),
        toll: is("toll"),
        left_hand: text("driving_side") == "left",
    }
}

/// Where a position stands on a Hilbert curve over the earth: near numbers are near places.
fn hilbert(point: Point) -> u64 {
    let (mut x, mut y) = (point.lon as u32 ^ 1 << 31, point.lat as u32 ^ 1 << 31);
    let mut at = 0;
    for bit in (0..32).rev() {
        let (right, up) = (x >> bit & 1, y >> bit & 1);
        at = at << 2 | u64::from((3 * right) ^ up);
        if up == 0 {
            if right == 1 {
                (x, y) = (!x, !y);
            }
            (x, y) = (y, x);
        }
    }
    at
}
