//! In which order a hierarchy contracts the nodes of a turn graph: nested dissection, by inertial flow.
//!
//! Roads are cut, not junctions: the nodes of the cut roads separate those of one side from those of the other (Buchhold, Wagner,
//! Zeitz, Zündorf 2020). A cut is a minimal one between the first and the last quarter of the junctions along some direction
//! (Schild, Sommer 2015).

use super::{Arc, Network, TurnGraph, parallel::join};

/// Directions along which a part is cut, as multiples of π / 8; the best cut counts.
const DIRECTIONS: u32 = 8;
/// The part of the junctions that is surely on either side.
const SIDE: f64 = 0.25;
/// A part of fewer junctions isn't worth a thread.
const ALONE: usize = 4096;

/// The nodes of a turn graph in order of contraction, the least important first.
pub fn order(network: &Network, graph: &TurnGraph) -> Vec<u32> {
    let nodes = NodesOf::new(network, graph);
    let roads: Vec<u32> = (0..network.roads.len() as u32).filter(|&road| !nodes.of(road).is_empty()).collect();
    let stretch = network.junctions.first().map_or(1.0, |at| at.degrees().1.to_radians().cos());
    let place: Vec<[f64; 2]> = network.junctions.iter().map(|at| [f64::from(at.lon) * stretch, f64::from(at.lat)]).collect();
    let edges = roads.iter().map(|&road| {
        let it = &network.roads[road as usize];
        Edge { road, ends: [it.from, it.to], width: nodes.of(road).len() as i32 }
    });
    let mut order = dissect(&nodes, Part::new(edges.collect(), &place));
    order.shrink_to_fit();
    order
}

/// The nodes of each road.
struct NodesOf<'a> {
    graph: &'a TurnGraph,
    first: Vec<u32>,
    node: Vec<u32>,
}

impl NodesOf<'_> {
    fn new<'a>(network: &Network, graph: &'a TurnGraph) -> NodesOf<'a> {
        let road = |node: u32| graph.arc[node as usize].road();
        let mut node: Vec<u32> = (0..graph.nodes() as u32).collect();
        node.sort_by_key(|&node| road(node));
        let first = (0..=network.roads.len()).map(|at| node.partition_point(|&node| road(node) < at) as u32).collect();
        NodesOf { graph, first, node }
    }
    fn of(&self, road: u32) -> &[u32] {
        &self.node[self.first[road as usize] as usize..self.first[road as usize + 1] as usize]
    }
    fn arc(&self, node: u32) -> Arc {
        self.graph.arc[node as usize]
    }
}

#[derive(Clone, Copy)]
struct Edge {
    road: u32,
    /// Junctions, by their number in the part.
    ends: [u32; 2],
    /// How many nodes would be in the separator if it were cut.
    width: i32,
}

/// Some junctions and the roads between them.
struct Part {
    place: Vec<[f64; 2]>,
    edges: Vec<Edge>,
}

impl Part {
    /// Of the junctions that the edges name, by their number in `place`.
    fn new(mut edges: Vec<Edge>, place: &[[f64; 2]]) -> Part {
        let mut named = vec![u32::MAX; place.len()];
        let mut kept = vec![];
        for end in edges.iter_mut().flat_map(|edge| &mut edge.ends) {
            let name = &mut named[*end as usize];
            if *name == u32::MAX {
                *name = kept.len() as u32;
                kept.push(place[*end as usize]);
            }
            *end = *name;
        }
        Part { place: kept, edges }
    }
}

fn dissect(nodes: &NodesOf, part: Part) -> Vec<u32> {
    if part.place.len() < 2 {
        return part.edges.iter().flat_map(|edge| nodes.of(edge.road)).copied().collect();
    }
    let side = components(&part).unwrap_or_else(|| cut(&part));
    let mut sides = [vec![], vec![]];
    let mut separator = [vec![], vec![]];
    for edge in &part.edges {
        let [from, to] = edge.ends.map(|end| side[end as usize]);
        if from == to {
            sides[usize::from(from)].push(*edge);
            continue;
        }
        for &node in nodes.of(edge.road) {
            separator[usize::from(from ^ nodes.arc(node).is_backward())].push(node);
        }
    }
    let parallel = part.place.len() > ALONE;
    let [one, other] = sides.map(|edges| Part::new(edges, &part.place));
    drop(part);
    let (mut order, rest) = join(parallel, || dissect(nodes, one), || dissect(nodes, other));
    order.extend(rest);
    // Nodes that cross the same way aren't neighbours of each other, until those that cross the other way are contracted.
    separator.sort_by_key(|nodes| std::cmp::Reverse(nodes.len()));
    order.extend(separator.into_iter().flatten());
    order
}

/// Parts two sides if the part isn't connected: some of its components, about half of it, and the others.
fn components(part: &Part) -> Option<Vec<bool>> {
    let mut root: Vec<u32> = (0..part.place.len() as u32).collect();
    fn find(root: &mut [u32], mut at: u32) -> u32 {
        while root[at as usize] != at {
            root[at as usize] = root[root[at as usize] as usize];
            at = root[at as usize];
        }
        at
    }
    for edge in &part.edges {
        let [one, other] = edge.ends.map(|end| find(&mut root, end));
        root[one.max(other) as usize] = one.min(other);
    }
    let roots: Vec<u32> = (0..root.len() as u32).map(|at| find(&mut root, at)).collect();
    if roots.iter().all(|&root| root == 0) {
        return None;
    }
    let mut size = vec![0u32; roots.len()];
    roots.iter().for_each(|&root| size[root as usize] += 1);
    let mut by_size: Vec<u32> = (0..roots.len() as u32).filter(|&at| size[at as usize] > 0).collect();
    by_size.sort_by_key(|&at| std::cmp::Reverse(size[at as usize]));
    let mut second = vec![false; roots.len()];
    let mut sizes = [0, 0];
    for at in by_size {
        let smaller = sizes[1] < sizes[0];
        second[at as usize] = smaller;
        sizes[usize::from(smaller)] += size[at as usize];
    }
    Some(roots.iter().map(|&root| second[root as usize]).collect())
}

/// Parts a connected part of at least two junctions along the best direction: by junction, whether it is on the second side.
fn cut(part: &Part) -> Vec<bool> {
    let flow = Flow::new(part);
    let along = |step: u32| flow.cut(part, f64::from(step) * std::f64::consts::PI / f64::from(DIRECTIONS));
    let best = |steps: std::ops::Range<u32>| steps.map(along).min_by(|one, other| one.0.total_cmp(&other.0));
    let half = DIRECTIONS / 2;
    let (one, other) = join(part.place.len() > ALONE, || best(0..half), || best(half..DIRECTIONS));
    [one, other].into_iter().flatten().min_by(|one, other| one.0.total_cmp(&other.0)).map_or(vec![], |(_, side)| side)
}

/// Adjacency of a part, for maximal flows.
struct Flow {
    first: Vec<u32>,
    /// By junction: its edge, the junction beyond, and whether that is the edge's first end.
    beyond: Vec<(u32, u32, bool)>,
}

impl Flow {
    fn new(part: &Part) -> Flow {
        let mut first = vec![0u32; part.place.len() + 1];
        let edges = || part.edges.iter().enumerate().filter(|(_, edge)| edge.ends[0] != edge.ends[1]);
        for end in edges().flat_map(|(_, edge)| edge.ends) {
            first[end as usize] += 1;
        }
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        let mut beyond = vec![(0, 0, false); sum as usize];
        for (n, edge) in edges() {
            for (from, to, back) in [(edge.ends[0], edge.ends[1], false), (edge.ends[1], edge.ends[0], true)] {
                first[from as usize] -= 1;
                beyond[first[from as usize] as usize] = (n as u32, to, back);
            }
        }
        Flow { first, beyond }
    }

    fn beyond(&self, at: u32) -> std::ops::Range<usize> {
        self.first[at as usize] as usize..self.first[at as usize + 1] as usize
    }

    /// A minimal cut between the first and the last junctions along a direction, and how bad it is: Dinic's algorithm.
    fn cut(&self, part: &Part, direction: f64) -> (f64, Vec<bool>) {
        let n = part.place.len();
        let (sin, cos) = direction.sin_cos();
        let mut sorted: Vec<(f64, u32)> = part.place.iter().zip(0..).map(|(at, n)| (at[0] * cos + at[1] * sin, n)).collect();
        let k = ((n as f64 * SIDE) as usize).max(1);
        let order = |one: &(f64, u32), other: &(f64, u32)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
        sorted.select_nth_unstable_by(k - 1, order);
        sorted[k..].select_nth_unstable_by(n - 2 * k, order);
        let ends = |range: std::ops::Range<usize>| sorted[range].iter().map(|&(_, at)| at).collect::<Vec<_>>();
        let (sources, sinks) = (ends(0..k), ends(n - k..n));
        let mut is_sink = vec![false; n];
        sinks.iter().for_each(|&at| is_sink[at as usize] = true);

        let mut flow = vec![0i32; part.edges.len()];
        let free = |flow: &[i32], edge: u32, back: bool| {
            let (width, flow) = (part.edges[edge as usize].width, flow[edge as usize]);
            if back { width + flow } else { width - flow }
        };
        let mut level = vec![u32::MAX; n];
        let (mut queue, mut next, mut path) = (vec![], vec![0; n], vec![]);
        let mut cut = 0;
        loop {
            // Levels from the sources.
            level.fill(u32::MAX);
            queue.clear();
            queue.extend(&sources);
            sources.iter().for_each(|&at| level[at as usize] = 0);
            let (mut head, mut reached) = (0, false);
            while let Some(&at) = queue.get(head) {
                head += 1;
                reached |= is_sink[at as usize];
                for &(edge, to, back) in &self.beyond[self.beyond(at)] {
                    if level[to as usize] == u32::MAX && free(&flow, edge, back) > 0 {
                        level[to as usize] = level[at as usize] + 1;
                        queue.push(to);
                    }
                }
            }
            if !reached {
                break;
            }
            // A blocking flow, path by path.
            next.copy_from_slice(&self.first[..n]);
            for &source in &sources {
                let mut at = source;
                path.clear();
                loop {
                    if is_sink[at as usize] {
                        let least = path.iter().map(|&(edge, _, back)| free(&flow, edge, back)).min().unwrap_or(0);
                        cut += least;
                        let mut again = path.len();
                        for (n, &(edge, _, back)) in path.iter().enumerate().rev() {
                            flow[edge as usize] += if back { -least } else { least };
                            if free(&flow, edge, back) == 0 {
                                again = n;
                            }
                        }
                        at = path[again].1;
                        path.truncate(again);
                        continue;
                    }
                    let here = &mut next[at as usize];
                    if *here == self.first[at as usize + 1] {
                        let Some((_, before, _)) = path.pop() else { break };
                        at = before;
                        next[at as usize] += 1;
                        continue;
                    }
                    let (edge, to, back) = self.beyond[*here as usize];
                    if level[to as usize] == level[at as usize] + 1 && free(&flow, edge, back) > 0 {
                        path.push((edge, at, back));
                        at = to;
                    } else {
                        *here += 1;
                    }
                }
            }
        }
        // What the sources still reach is one minimal cut; what still reaches the sinks is another, perhaps more even.
        let first: Vec<bool> = level.iter().map(|&level| level == u32::MAX).collect();
        let mut second = is_sink;
        queue.clear();
        queue.extend(&sinks);
        while let Some(at) = queue.pop() {
            for &(edge, to, back) in &self.beyond[self.beyond(at)] {
                if !second[to as usize] && free(&flow, edge, !back) > 0 {
                    second[to as usize] = true;
                    queue.push(to);
                }
            }
        }
        let smaller = |side: &[bool]| {
            let n = side.iter().filter(|&&second| second).count();
            n.min(side.len() - n)
        };
        let (one, other) = (smaller(&first), smaller(&second));
        let (even, side) = if one >= other { (one, first) } else { (other, second) };
        (f64::from(cut) / even as f64, side)
    }
}
