//! What the shortcuts of a hierarchy cost just now.

use std::ops::Range;

use super::{
    Arc, Cost, Hierarchy, TurnGraph,
    hierarchy::{BACKWARD, FORWARD, NONE, Part},
    parallel::{join, share, workers},
};

/// A hierarchy of fewer arcs isn't worth a thread.
const ALONE: usize = 100_000;
/// How many subtrees there are for each worker at least, so that all end at about the same time.
const TASKS: usize = 16;

/// By half and arc of a [`Hierarchy`]: the cheapest way between its ends over nodes of lower rank.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub cost: [Vec<Cost>; 2],
}

impl Metric {
    /// Under the given costs by [`Arc`] of the network.
    pub fn customize(hierarchy: &Hierarchy, graph: &TurnGraph, arcs: &[Cost]) -> Metric {
        let total: usize = hierarchy.half.iter().map(|half| half.head.len()).sum();
        let workers = if total < ALONE { 1 } else { workers() };
        let half = |side| move || base(hierarchy, graph, arcs, side);
        let (forward, backward) = join(workers > 1, half(FORWARD), half(BACKWARD));
        let mut cost = [forward, backward];
        let mut scratch = vec![vec![Cost::NEVER; hierarchy.len()]; workers];
        let parts = hierarchy.parts(if workers > 1 { total / workers / TASKS } else { total });

        // Whole subtrees first, each by one worker; what lies above them waits.
        let mut subtrees = vec![];
        let mut rest = cost.each_mut().map(Vec::as_mut_slice);
        for part in &parts {
            let own = split_off(&mut rest, hierarchy, part.ranks.clone());
            if part.whole {
                subtrees.push((part.ranks.clone(), own));
            }
        }
        share(&mut scratch, subtrees, |(ranks, own), scratch| sweep(hierarchy, ranks, own, scratch));
        for Part { ranks, .. } in parts.into_iter().filter(|part| !part.whole) {
            let (below, mut own) = split(&mut cost, hierarchy, ranks.start);
            let mut rest = own.each_mut().map(|own| &mut **own);
            let nodes = ranks.clone().map(|at| (at, split_off(&mut rest, hierarchy, at..at + 1))).collect();
            share(&mut scratch, nodes, |(at, own), scratch| {
                for (side, own) in own.into_iter().enumerate() {
                    pull(hierarchy, side, at, 0..ranks.start, below, own, scratch);
                }
            });
            sweep(hierarchy, ranks, own, &mut scratch[0]);
        }
        Metric { cost }
    }

    /// As `customize`, where the costs differ from those of this metric at most on the `changed` arcs. What these can't influence
    /// isn't computed again.
    pub fn recustomize(&self, hierarchy: &Hierarchy, graph: &TurnGraph, changed: &[Arc], arcs: &[Cost]) -> Metric {
        let mut metric = self.clone();
        let mut scratch = vec![Cost::NEVER; hierarchy.len()];
        // By rank: whether an edge of the turn graph that belongs to it changed, an arc below it, and an arc of its own.
        let (mut edges, mut below, mut own) = (Bits::new(hierarchy), Bits::new(hierarchy), Bits::new(hierarchy));
        let mut is_changed = vec![false; arcs.len()];
        for arc in changed.iter().filter(|arc| arc.index() < arcs.len()) {
            is_changed[arc.index()] = true;
        }
        for node in 0..graph.nodes() as u32 {
            if is_changed[graph.arc[node as usize].index()] {
                for edge in graph.edges(node) {
                    let at = hierarchy.rank[node as usize].min(hierarchy.rank[graph.head[edge] as usize]);
                    edges.set(at);
                    below.set(at);
                }
            }
        }
        let mut next = 0;
        while let Some(at) = below.next(next) {
            next = at + 1;
            let mut differs = false;
            for side in [FORWARD, BACKWARD] {
                if edges.get(at) || self.rises(hierarchy, &mut metric, side, at, &own, &mut scratch) {
                    base_of(hierarchy, graph, arcs, &mut metric.cost[side], side, at);
                    let (below, [forward, backward]) = split(&mut metric.cost, hierarchy, at);
                    let own = if side == FORWARD { forward } else { backward };
                    let own = &mut own[..hierarchy.half[side].arcs(at).len()];
                    pull(hierarchy, side, at, 0..at, below, own, &mut scratch);
                }
                let range = hierarchy.half[side].arcs(at);
                differs |= metric.cost[side][range.clone()] != self.cost[side][range];
            }
            if differs {
                own.set(at);
                hierarchy.half.iter().flat_map(|half| half.heads(at)).for_each(|&to| below.set(to));
            }
        }
        metric
    }

    /// Takes what got cheaper below a node into its arcs. If a way that one of them may rest on got dearer, says so instead.
    fn rises(&self, hierarchy: &Hierarchy, new: &mut Metric, side: usize, at: u32, changed: &Bits, scratch: &mut [Cost]) -> bool {
        let [half, against] = [&hierarchy.half[side], &hierarchy.half[1 - side]];
        let arcs = half.arcs(at);
        for arc in arcs.clone() {
            scratch[half.head[arc] as usize] = self.cost[side][arc];
        }
        for below in against.below(at).filter(|&below| changed.get(against.lower[below])) {
            let (low, down) = (against.lower[below], against.arc_below(below, at));
            let [old_down, new_down] = [self, &*new].map(|metric| metric.cost[1 - side][down]);
            for arc in half.arcs(low).rev() {
                let to = half.head[arc];
                if to <= at {
                    break;
                }
                let [old, new] = [old_down + self.cost[side][arc], new_down + new.cost[side][arc]];
                let best = &mut scratch[to as usize];
                // Costs only fall here, so what a way of the old cost isn't above any more, it didn't decide.
                if new > old && old <= *best {
                    return true;
                }
                *best = (*best).min(new);
            }
        }
        for arc in arcs {
            new.cost[side][arc] = scratch[half.head[arc] as usize];
        }
        false
    }
}

/// What the edges of the turn graph cost, on the arcs of one half.
fn base(hierarchy: &Hierarchy, graph: &TurnGraph, arcs: &[Cost], side: usize) -> Vec<Cost> {
    let mut cost = vec![Cost::NEVER; hierarchy.half[side].head.len()];
    for from in 0..graph.nodes() as u32 {
        for edge in graph.edges(from) {
            let down = hierarchy.rank[graph.head[edge] as usize] < hierarchy.rank[from as usize];
            if usize::from(down) == side && hierarchy.edge[edge] != NONE {
                let cost = &mut cost[hierarchy.edge[edge] as usize];
                *cost = (*cost).min(graph.cost(from, edge, arcs));
            }
        }
    }
    cost
}

/// The same for one node.
fn base_of(hierarchy: &Hierarchy, graph: &TurnGraph, arcs: &[Cost], cost: &mut [Cost], side: usize, at: u32) {
    let half = &hierarchy.half[side];
    cost[half.arcs(at)].fill(Cost::NEVER);
    let mut lower = |from: u32, edge: usize| {
        let cost = &mut cost[hierarchy.edge[edge] as usize];
        *cost = (*cost).min(graph.cost(from, edge, arcs));
    };
    let node = hierarchy.node[at as usize];
    if side == FORWARD {
        let up = |&edge: &usize| hierarchy.rank[graph.head[edge] as usize] > at;
        graph.edges(node).filter(up).for_each(|edge| lower(node, edge));
    } else {
        for &above in half.heads(at) {
            let from = hierarchy.node[above as usize];
            graph.edges(from).filter(|&edge| graph.head[edge] == node).for_each(|edge| lower(from, edge));
        }
    }
}

/// Takes the arcs of the next ranks off both halves.
fn split_off<'a>(rest: &mut [&'a mut [Cost]; 2], hierarchy: &Hierarchy, ranks: Range<u32>) -> [&'a mut [Cost]; 2] {
    let len = |side: usize| (hierarchy.half[side].first[ranks.end as usize] - hierarchy.half[side].first[ranks.start as usize]) as usize;
    let [forward, backward] = rest;
    [forward.split_off_mut(..len(FORWARD)).unwrap_or_default(), backward.split_off_mut(..len(BACKWARD)).unwrap_or_default()]
}

/// The arcs below a rank, and those from there on.
fn split<'a>(cost: &'a mut [Vec<Cost>; 2], hierarchy: &Hierarchy, rank: u32) -> ([&'a [Cost]; 2], [&'a mut [Cost]; 2]) {
    let mut rest = cost.each_mut().map(Vec::as_mut_slice);
    let below = split_off(&mut rest, hierarchy, 0..rank);
    (below.map(|below| &*below), rest)
}

/// Takes into the arcs of consecutive ranks what goes over these ranks.
fn sweep(hierarchy: &Hierarchy, ranks: Range<u32>, mut cost: [&mut [Cost]; 2], scratch: &mut [Cost]) {
    for at in ranks.clone() {
        let mut rest = cost.each_mut().map(|cost| &mut **cost);
        let below = split_off(&mut rest, hierarchy, ranks.start..at).map(|below| &*below);
        for (side, own) in split_off(&mut rest, hierarchy, at..at + 1).into_iter().enumerate() {
            pull(hierarchy, side, at, ranks.start..at, below, own, scratch);
        }
    }
}

/// Takes the ways over some lower nodes into the arcs of a node. `below` are the arcs from the first of these nodes on.
fn pull(hierarchy: &Hierarchy, side: usize, at: u32, lows: Range<u32>, below: [&[Cost]; 2], own: &mut [Cost], scratch: &mut [Cost]) {
    let [half, against] = [&hierarchy.half[side], &hierarchy.half[1 - side]];
    let [start, against_start] = [half, against].map(|half| half.first[lows.start as usize] as usize);
    let heads = half.heads(at);
    for (&to, &cost) in heads.iter().zip(&*own) {
        scratch[to as usize] = cost;
    }
    let skipped = against.lower(at).partition_point(|&low| low < lows.start);
    for index in against.below(at).skip(skipped) {
        let low = against.lower[index];
        if low >= lows.end {
            break;
        }
        let down = below[1 - side][against.arc_below(index, at) - against_start];
        if down.is_never() {
            continue;
        }
        let arcs = half.arcs(low);
        for (&to, &up) in half.head[arcs.clone()].iter().zip(&below[side][arcs.start - start..arcs.end - start]).rev() {
            if to <= at {
                break;
            }
            let best = &mut scratch[to as usize];
            *best = (*best).min(down + up);
        }
    }
    for (&to, cost) in heads.iter().zip(own) {
        *cost = scratch[to as usize];
    }
}

/// A set of ranks.
struct Bits(Vec<u64>);

impl Bits {
    fn new(hierarchy: &Hierarchy) -> Bits {
        Bits(vec![0; hierarchy.len().div_ceil(64)])
    }
    fn set(&mut self, at: u32) {
        self.0[at as usize / 64] |= 1 << (at % 64);
    }
    fn get(&self, at: u32) -> bool {
        self.0[at as usize / 64] >> (at % 64) & 1 == 1
    }
    /// The first that is no less than `from`.
    fn next(&self, from: u32) -> Option<u32> {
        let mut word = from as usize / 64;
        let mut bits = self.0.get(word)? & u64::MAX << (from % 64);
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(word as u32 * 64 + bits.trailing_zeros())
    }
}
