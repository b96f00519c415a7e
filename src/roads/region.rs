//! A region's roads, ready to be searched: what was built from a survey, loaded once and replaced as a whole.

use std::sync::{Arc as Shared, Mutex, PoisonError};

use super::{
    Arc, Cost, Hierarchy, Metric, Network, Point, Search, Sweep, TurnGraph,
    build::{Built, ProfileGraph},
    closures::Driver,
    dijkstra::Dijkstra,
    guidance::Junctions,
    network::bearing,
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
    /// By arc: which strongly connected part of the roads it belongs to.
    part: Vec<u32>,
    /// By arc: whether one gets from there to the mainland, and from the mainland there.
    reach: Vec<(bool, bool)>,
    searches: Pool<Search>,
    dijkstras: Pool<Dijkstra>,
    sweeps: Pool<Vec<Sweep>>,
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

    /// The number of a profile's mode by its name; `driving` and `walking` are the names of OSRM's clients for car and foot.
    pub fn mode(&self, name: &str) -> Option<usize> {
        let name = match name {
            "driving" => "car",
            "walking" => "foot",
            other => other,
        };
        self.modes.iter().position(|mode| mode.profile.name == name)
    }

    /// The names of all profiles, for messages.
    pub fn profiles(&self) -> String {
        self.modes.iter().map(|mode| mode.profile.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The orders of all profiles' hierarchies: what takes longest to make, and is kept.
/// `begun` is told the name of each profile, and may give up.
pub fn orders(built: &Built, mut begun: impl FnMut(&str) -> Result<()>) -> Result<Vec<Vec<u32>>> {
    let order = |graph: &ProfileGraph| {
        begun(&graph.profile.name)?;
        Ok(order(&built.network, &graph.turns))
    };
    built.graphs.iter().map(order).collect()
}

/// How a packed region begins: what it is, and the version of what follows.
const MAGIC: &[u8] = b"biaotu roads 2\n";

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
        let part = part.collect();
        let reach = reach_of_arcs(&turns, (&first, &nodes), &part_of_node, &sizes);
        Ok(Mode {
            part,
            reach,
            profile,
            fastest: cost.iter().filter(|cost| !cost.is_never()).map(|cost| cost.metres() / f64::from(cost.ms())).fold(0.0, f64::max),
            free: Shared::new(cost),
            junctions: Junctions::new(network, &turns),
            turns,
            hierarchy,
            metric: Shared::new(metric),
            first,
            nodes,
            searches: Pool(Mutex::default()),
            dijkstras: Pool(Mutex::default()),
            sweeps: Pool(Mutex::default()),
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
    /// Sweeps over this mode's hierarchy.
    pub fn sweep<R>(&self, work: impl FnOnce(&mut Vec<Sweep>) -> R) -> R {
        self.sweeps.with(|| vec![Sweep::new(&self.hierarchy)], work)
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
    /// Ways of a road that aren't on an island: one gets away from there, and there.
    pub fn mainland(&self, road: u32) -> Ways {
        self.of_use(road, true, true)
    }
    /// Ways of a road that one gets away from, or to, as far as either is asked.
    fn of_use(&self, road: u32, must_leave: bool, must_enter: bool) -> Ways {
        let useful = |backward| {
            let arc = Arc::new(road as usize, backward);
            let (leaves, enters) = self.reach[arc.index()];
            !self.nodes(arc).is_empty() && (leaves || !must_leave) && (enters || !must_enter)
        };
        Ways { forward: useful(false), backward: useful(true) }
    }
    /// The parts that a snapped place can be driven in.
    pub fn parts(&self, snap: &Snap) -> impl Iterator<Item = u32> + '_ {
        let road = snap.road as usize;
        [(snap.ways.forward, false), (snap.ways.backward, true)]
            .into_iter()
            .filter(|(open, _)| *open)
            .map(move |(_, backward)| self.part[Arc::new(road, backward).index()])
            .filter(|part| *part != NOWHERE)
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

/// Whether a part is too small to be part of the mainland.
fn is_island(size: u32, largest: u32) -> bool {
    size < ISLAND.min(largest)
}

/// By arc: whether one gets from there to the mainland, and from the mainland there.
fn reach_of_arcs(turns: &TurnGraph, (first, nodes): (&[u32], &[u32]), part_of_node: &[u32], sizes: &[u32]) -> Vec<(bool, bool)> {
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let mut of_part: Vec<(bool, bool)> = sizes.iter().map(|size| !is_island(*size, largest)).map(|main| (main, main)).collect();
    let part = |node: u32| part_of_node[node as usize];
    let heads = |node: u32| turns.edges(node).map(move |edge| (part(node), part(turns.head[edge])));
    let mut between: Vec<(u32, u32)> = (0..turns.nodes() as u32).flat_map(heads).filter(|(from, to)| from != to).collect();
    // Parts are numbered so that turns lead to lower ones.
    between.sort_unstable();
    for (from, to) in &between {
        of_part[*from as usize].0 |= of_part[*to as usize].0;
    }
    for (from, to) in between.iter().rev() {
        of_part[*to as usize].1 |= of_part[*from as usize].1;
    }
    // A trip begins at an arc's first node and may end at any. Where only few may go, nobody comes to the first from elsewhere.
    let of_arc = |range: &[u32]| {
        let mut reach = nodes[range[0] as usize..range[1] as usize].iter().map(|node| of_part[part(*node) as usize]);
        let begin = reach.next().unwrap_or_default();
        (begin.0, begin.1 || reach.any(|(_, enters)| enters))
    };
    first.windows(2).map(of_arc).collect()
}

/// By arc: whether one gets from there to the largest part of the roads, and back.
pub(super) fn mainland(arcs: usize, turns: &TurnGraph) -> Vec<bool> {
    let (first, nodes) = nodes_by_arc(arcs, turns);
    let (part_of_node, sizes) = strong_parts(turns);
    reach_of_arcs(turns, (&first, &nodes), &part_of_node, &sizes).into_iter().map(|(leaves, enters)| leaves && enters).collect()
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
    /// Whether a trip goes on from there, and whether one comes there.
    pub leaves: bool,
    pub enters: bool,
}

impl Ask {
    pub fn new(lon: f64, lat: f64) -> Ask {
        Ask { lon, lat, limit_m: SNAP_LIMIT_M, bearing: None, curb: false, leaves: true, enters: true }
    }
}

impl Region {
    /// Snaps places to roads of one mode, nearest first: not where one gets no further, as on an island, unless all are on the same one
    /// or `any` asks for it.
    /// `None` where no road is within the limit.
    pub fn snap(&self, mode: &Mode, asks: &[Ask], any: bool) -> Vec<Option<Snap>> {
        let nearest: Vec<Option<Snap>> = asks.iter().map(|ask| self.candidates(mode, ask, 1, Mode::ways).pop()).collect();
        let is_stuck = |ask: &Ask, snap: &Snap| !mode.of_use(snap.road, ask.leaves, ask.enters).any();
        if any || !asks.iter().zip(&nearest).any(|(ask, near)| near.is_some_and(|near| is_stuck(ask, &near))) {
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
            Some(near) if is_stuck(ask, &near) => self.candidates(mode, ask, 1, Mode::mainland).pop().or(Some(near)),
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
