//! A region's roads, ready to be searched: what was built from a survey, loaded once and replaced as a whole.

use std::sync::{Arc as Shared, Mutex, PoisonError};

use super::{
    Arc, Cost, Hierarchy, Metric, Network, Point, Search, TurnGraph,
    build::{Built, ProfileGraph},
    closures::Driver,
    dijkstra::Dijkstra,
    guidance::Junctions,
    order::order,
    parallel::{share, workers},
    profile::Profile,
    snap::{Index, Snap, Ways},
};
use crate::error::{Code, Error, Result};

/// The roads of a region with every profile's hierarchy.
pub struct Region {
    pub network: Network,
    pub index: Index,
    pub modes: Vec<Mode>,
}

/// One profile on the network.
pub struct Mode {
    pub profile: Profile,
    /// By arc: what it costs with no closure anywhere.
    pub free: Shared<Vec<Cost>>,
    pub turns: TurnGraph,
    pub junctions: Junctions,
    /// The fastest that any road is driven, metres a millisecond.
    pub fastest: f64,
    pub hierarchy: Hierarchy,
    /// The hierarchy with no closure anywhere.
    pub metric: Shared<Metric>,
    /// By arc: where its nodes begin in `nodes`; one more at the end. A trip begins at its first, which has no past, and may end at any.
    first: Vec<u32>,
    nodes: Vec<u32>,
    /// By arc: which strongly connected part of the roads it belongs to, and how large that is.
    part: Vec<u32>,
    sizes: Vec<u32>,
    searches: Pool<Search>,
    dijkstras: Pool<Dijkstra>,
}

/// Searches' memories, each as large as the roads: as many as ever ran side by side, whichever threads they ran on.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    fn with<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let one = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut one = one.unwrap_or_else(make);
        let result = work(&mut one);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        result
    }
}

/// A part of the roads with fewer arcs than this, that isn't the largest, is an island: one can't get far from there.
const ISLAND: u32 = 1_000;
const NOWHERE: u32 = u32::MAX;

impl Region {
    /// Makes a region ready from what was built, with the order of each profile's hierarchy.
    ///
    /// # Errors
    /// [`Code::InvalidFile`] where the orders don't belong to it.
    pub fn new(built: Built, orders: Vec<Vec<u32>>) -> Result<Region> {
        let Built { network, graphs, .. } = built;
        if orders.len() != graphs.len() {
            return Err(Error::new(Code::InvalidFile, "roads", orders.len(), graphs.len()));
        }
        let index = Index::new(&network);
        let mut modes: Vec<Option<Result<Mode>>> = graphs.iter().map(|_| None).collect();
        let each = modes.iter_mut().zip(graphs.into_iter().zip(orders)).collect();
        share(&mut vec![(); workers()], each, |(mode, (graph, order)), ()| *mode = Some(Mode::new(&network, graph, order)));
        let modes = modes.into_iter().flatten().collect::<Result<_>>()?;
        Ok(Region { network, index, modes })
    }

    /// Makes a region of what [`pack`] made.
    pub fn read(bytes: &[u8]) -> Result<Region> {
        let (built, orders) = unpack(bytes)?;
        Region::new(built, orders)
    }

    /// A profile's mode by its name; `driving` and `walking` are the names of OSRM's clients for car and foot.
    pub fn mode(&self, name: &str) -> Option<&Mode> {
        let name = match name {
            "driving" => "car",
            "walking" => "foot",
            other => other,
        };
        self.modes.iter().find(|mode| mode.profile.name == name)
    }
}

/// The orders of all profiles' hierarchies: what takes longest to make, and is kept.
pub fn orders(built: &Built) -> Vec<Vec<u32>> {
    built.graphs.iter().map(|graph| order(&built.network, &graph.turns)).collect()
}

/// How a packed region begins: what it is, and the version of what follows.
const MAGIC: &[u8] = b"biaotu roads 1\n";

/// What was built and the orders of its hierarchies, as bytes to be kept.
///
/// # Errors
/// [`Code::Internal`]: there is nothing in it that can't be written.
pub fn pack(built: &Built, orders: &[Vec<u32>]) -> Result<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(bitcode::serialize(&(built, orders)).map_err(Error::internal)?);
    Ok(bytes)
}

/// The other way.
///
/// # Errors
/// [`Code::InvalidFile`] for other bytes, and for what another version of this program wrote.
pub fn unpack(bytes: &[u8]) -> Result<(Built, Vec<Vec<u32>>)> {
    let invalid = |what: &dyn std::fmt::Display| {
        Error::new(Code::InvalidFile, "roads", what, "build the roads anew by `biaotu roads build` / 请重新构建路网")
    };
    let bytes = bytes.strip_prefix(MAGIC).ok_or_else(|| invalid(&"made by another version / 版本不同"))?;
    bitcode::deserialize(bytes).map_err(|error| invalid(&error))
}

impl Mode {
    fn new(network: &Network, graph: ProfileGraph, order: Vec<u32>) -> Result<Mode> {
        let ProfileGraph { profile, cost, turns } = graph;
        if order.len() != turns.nodes() {
            return Err(Error::new(Code::InvalidFile, "roads", order.len(), turns.nodes()));
        }
        let hierarchy = Hierarchy::new(&turns, &order)?;
        let metric = Metric::customize(&hierarchy, &turns, &cost);
        let (first, nodes) = nodes_by_arc(network.arcs(), &turns);
        let (part_of_node, sizes) = strong_parts(&turns);
        let part = (0..network.arcs()).map(|arc| {
            nodes.get(first[arc] as usize).filter(|_| first[arc] < first[arc + 1]).map_or(NOWHERE, |node| part_of_node[*node as usize])
        });
        Ok(Mode {
            part: part.collect(),
            profile,
            fastest: cost.iter().filter(|cost| !cost.is_never()).map(|cost| cost.metres() / f64::from(cost.ms())).fold(0.0, f64::max),
            free: Shared::new(cost),
            junctions: Junctions::new(network, &turns),
            turns,
            hierarchy,
            metric: Shared::new(metric),
            first,
            nodes,
            sizes,
            searches: Pool(Mutex::default()),
            dijkstras: Pool(Mutex::default()),
        })
    }

    /// Searches this mode's hierarchy.
    pub fn search<R>(&self, work: impl FnOnce(&mut Search) -> R) -> R {
        self.searches.with(|| Search::new(&self.hierarchy), work)
    }
    /// Searches this mode's turns.
    pub fn dijkstra<R>(&self, work: impl FnOnce(&mut Dijkstra) -> R) -> R {
        self.dijkstras.with(Dijkstra::default, work)
    }
    pub fn driver(&self) -> Driver<'_> {
        Driver { profile: &self.profile.name, emergency: self.profile.emergency }
    }
    /// The nodes of an arc; none where it isn't drivable.
    pub fn nodes(&self, arc: Arc) -> &[u32] {
        &self.nodes[self.first[arc.index()] as usize..self.first[arc.index() + 1] as usize]
    }
    /// Ways that a road can be driven.
    pub fn ways(&self, road: u32) -> Ways {
        let drivable = |backward| !self.nodes(Arc::new(road as usize, backward)).is_empty();
        Ways { forward: drivable(false), backward: drivable(true) }
    }
    /// The strongly connected part that an arc belongs to, and whether it is an island.
    fn part(&self, arc: Arc) -> Option<(u32, bool)> {
        let part = self.part[arc.index()];
        let largest = self.sizes.iter().copied().max().unwrap_or(0);
        (part != NOWHERE).then(|| (part, self.sizes[part as usize] < ISLAND.min(largest)))
    }
    /// Ways of a road that aren't on an island.
    pub fn mainland(&self, road: u32) -> Ways {
        let main = |backward| self.part(Arc::new(road as usize, backward)).is_some_and(|(_, island)| !island);
        Ways { forward: main(false), backward: main(true) }
    }
    /// The parts that a snapped place can be driven in.
    pub fn parts(&self, snap: &Snap) -> impl Iterator<Item = u32> + '_ {
        let road = snap.road as usize;
        [(snap.ways.forward, false), (snap.ways.backward, true)]
            .into_iter()
            .filter(|(open, _)| *open)
            .filter_map(move |(_, backward)| Some(self.part(Arc::new(road, backward))?.0))
    }
}

fn nodes_by_arc(arcs: usize, turns: &TurnGraph) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0_u32; arcs + 1];
    for arc in &turns.arc {
        first[arc.index() + 1] += 1;
    }
    for arc in 0..arcs {
        first[arc + 1] += first[arc];
    }
    let mut next = first.clone();
    let mut nodes = vec![0; turns.nodes()];
    for (node, arc) in turns.arc.iter().enumerate() {
        let at = &mut next[arc.index()];
        nodes[*at as usize] = node as u32;
        *at += 1;
    }
    (first, nodes)
}

/// Strongly connected parts by Tarjan's algorithm (1972), without recursion: each node's part, and the parts' sizes.
fn strong_parts(turns: &TurnGraph) -> (Vec<u32>, Vec<u32>) {
    const UNSEEN: u32 = u32::MAX;
    let n = turns.nodes();
    let (mut seen, mut low, mut part) = (vec![UNSEEN; n], vec![0_u32; n], vec![UNSEEN; n]);
    let (mut sizes, mut open, mut path, mut count) = (Vec::new(), Vec::new(), Vec::<(u32, usize)>::new(), 0);
    for root in 0..n as u32 {
        if seen[root as usize] != UNSEEN {
            continue;
        }
        path.push((root, turns.edges(root).start));
        while let Some((node, edge)) = path.last_mut() {
            let at = *node as usize;
            if seen[at] == UNSEEN {
                (seen[at], low[at]) = (count, count);
                count += 1;
                open.push(*node);
            }
            if *edge < turns.edges(*node).end {
                let head = turns.head[*edge];
                *edge += 1;
                if seen[head as usize] == UNSEEN {
                    path.push((head, turns.edges(head).start));
                } else if part[head as usize] == UNSEEN {
                    low[at] = low[at].min(seen[head as usize]);
                }
                continue;
            }
            if low[at] == seen[at] {
                let mut size = 0;
                while let Some(member) = open.pop() {
                    part[member as usize] = sizes.len() as u32;
                    size += 1;
                    if member as usize == at {
                        break;
                    }
                }
                sizes.push(size);
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[at]);
            }
        }
    }
    (part, sizes)
}

/// The most that a place may be from the road that it is taken to, unless the request says otherwise: metres.
pub const SNAP_LIMIT_M: f64 = 1_000.0;

/// A place that is to be reached by road.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub lon: f64,
    pub lat: f64,
    pub limit_m: f64,
    /// A direction of driving, degrees from north, and how far it may be off.
    pub bearing: Option<(f64, f64)>,
    /// Only from the side of the road that the place lies on.
    pub curb: bool,
}

impl Ask {
    pub fn new(lon: f64, lat: f64) -> Ask {
        Ask { lon, lat, limit_m: SNAP_LIMIT_M, bearing: None, curb: false }
    }
}

impl Region {
    /// Snaps places to roads of one mode, nearest first: not to an island, unless all are on the same one or `any` asks for it.
    /// `None` where no road is within the limit.
    pub fn snap(&self, mode: &Mode, asks: &[Ask], any: bool) -> Vec<Option<Snap>> {
        let nearest: Vec<Option<Snap>> = asks.iter().map(|ask| self.candidates(mode, ask, 1, Mode::ways).pop()).collect();
        let on_island = |snap: &Snap| !mode.mainland(snap.road).any();
        if any || !nearest.iter().flatten().any(on_island) {
            return nearest;
        }
        let parts = |snap: &Option<Snap>| snap.map(|snap| mode.parts(&snap).collect::<Vec<_>>()).unwrap_or_default();
        let shared = nearest.iter().skip(1).fold(parts(&nearest[0]), |shared, snap| {
            let here = parts(snap);
            shared.into_iter().filter(|part| here.contains(part)).collect()
        });
        if nearest.len() > 1 && !shared.is_empty() {
            return nearest;
        }
        let main = asks.iter().zip(nearest).map(|(ask, near)| match near {
            Some(near) if on_island(&near) => self.candidates(mode, ask, 1, Mode::mainland).pop().or(Some(near)),
            other => other,
        });
        main.collect()
    }

    /// The nearest positions on up to `count` roads, the nearest first.
    pub fn candidates(&self, mode: &Mode, ask: &Ask, count: usize, ways: impl Fn(&Mode, u32) -> Ways) -> Vec<Snap> {
        let usable = |road: u32, at: f64| {
            let ways = ways(mode, road);
            if !ways.any() || (ask.bearing.is_none() && !ask.curb) {
                return ways;
            }
            ways.and(self.allowed(ask, road, at))
        };
        self.index.nearest(&self.network, (ask.lon, ask.lat), count, ask.limit_m, usable)
    }

    /// Which ways of a road suit a bearing and the side of the road that a place is on.
    fn allowed(&self, ask: &Ask, road: u32, at: f64) -> Ways {
        let (a, b) = self.network.segment(road, at);
        let heading = bearing(a, b);
        let mut ways = Ways::BOTH;
        if let Some((wanted, range)) = ask.bearing {
            let off = |heading: f64| ((wanted - heading).rem_euclid(360.0)).min((heading - wanted).rem_euclid(360.0)) <= range;
            ways = Ways { forward: off(heading), backward: off(heading + 180.0) };
        }
        if ask.curb {
            let place = Point::new(ask.lon, ask.lat);
            let side = (bearing(a, place) - heading).rem_euclid(360.0);
            let right = side > 0.0 && side < 180.0;
            let keep_left = self.network.way(Arc::new(road as usize, false)).left_hand;
            ways = ways.and(Ways { forward: right != keep_left, backward: right == keep_left });
        }
        ways
    }
}

/// Direction from one position to another nearby, degrees clockwise from north, 0 to 360.
pub fn bearing(a: Point, b: Point) -> f64 {
    let lat = (f64::from(a.lat) + f64::from(b.lat)) / 2e7;
    let mut d_lon = f64::from(b.lon) - f64::from(a.lon);
    if d_lon.abs() > 180e7 {
        d_lon -= 360e7 * d_lon.signum();
    }
    let (x, y) = (d_lon * lat.to_radians().cos(), f64::from(b.lat) - f64::from(a.lat));
    x.atan2(y).to_degrees().rem_euclid(360.0)
}
