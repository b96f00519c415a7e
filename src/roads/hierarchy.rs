//! The shortcuts of a turn graph, whatever its arcs cost: a directed customizable contraction hierarchy.
//!
//! Nodes are contracted by rank. Contracting `u` puts an arc from each later node that leads to `u` to each later node that `u`
//! leads to, so a cheapest path exists that first climbs and then descends, under any metric (Dibbelt, Strasser, Wagner 2014).
//! Most turns can't be driven backwards, so the two directions are kept apart, and arcs that no metric could ever use aren't there.

use std::ops::Range;

use super::TurnGraph;
use crate::error::{Code, Error, Result};

/// Of a trip as driven, or of the same against its direction: index of the two halves of a [`Hierarchy`].
pub const FORWARD: usize = 0;
pub const BACKWARD: usize = 1;

/// No node, no arc.
pub const NONE: u32 = u32::MAX;

/// One direction of a hierarchy: arcs from nodes to nodes of higher rank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Half {
    /// By rank: where its arcs begin in `head`; one more at the end.
    pub first: Vec<u32>,
    /// By arc: the rank that it climbs to; ascending for each node.
    pub head: Vec<u32>,
    /// By rank: where it begins in `lower`; one more at the end.
    pub lower_first: Vec<u32>,
    /// Where the arcs that climb to a node come from, ascending.
    pub lower: Vec<u32>,
    /// By index into `lower`: which arc of the lower node it is, 255 for all from there on.
    pub nth: Vec<u8>,
}

impl Half {
    /// The arcs of a rank.
    pub fn arcs(&self, rank: u32) -> Range<usize> {
        self.first[rank as usize] as usize..self.first[rank as usize + 1] as usize
    }
    pub fn heads(&self, rank: u32) -> &[u32] {
        &self.head[self.arcs(rank)]
    }
    /// The arcs that climb to a rank: indices into `lower`.
    pub fn below(&self, rank: u32) -> Range<usize> {
        self.lower_first[rank as usize] as usize..self.lower_first[rank as usize + 1] as usize
    }
    /// Where the arcs that climb to a rank come from.
    pub fn lower(&self, rank: u32) -> &[u32] {
        &self.lower[self.below(rank)]
    }
    /// The arc that an index into `lower` stands for, given where it climbs to.
    pub fn arc_below(&self, index: usize, head: u32) -> usize {
        let arcs = self.arcs(self.lower[index]);
        let arc = arcs.start + usize::from(self.nth[index]);
        if self.nth[index] < u8::MAX { arc } else { arc + self.head[arc..arcs.end].partition_point(|&at| at < head) }
    }
    /// The arc between two ranks.
    pub fn arc(&self, rank: u32, head: u32) -> Option<usize> {
        self.heads(rank).binary_search(&head).ok().map(|at| self.arcs(rank).start + at)
    }
}

/// What a profile's shortcuts are; what they cost is a [`super::Metric`].
///
/// Ranks are a post-order of the elimination tree: the nodes below a node are the ranks just before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hierarchy {
    /// By rank: its node.
    pub node: Vec<u32>,
    /// By node: its rank.
    pub rank: Vec<u32>,
    /// By rank: the next in the elimination tree, through which all its ways up go; [`NONE`] for a root.
    pub parent: Vec<u32>,
    /// `FORWARD`: arcs as driven, climbing. `BACKWARD`: arcs driven from the higher to the lower node.
    pub half: [Half; 2],
    /// By edge of the turn graph: its arc, in the half that `rank` of its ends tells; [`NONE`] for an edge from a node to itself.
    pub edge: Vec<u32>,
    /// All ranks, ascending.
    pub cells: Vec<Cell>,
}

/// Some nodes that a search from above may pass by as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    pub part: Part,
    /// The ranks above a whole subtree from which its nodes are driven to, each once.
    pub gates: Vec<u32>,
}

/// Consecutive ranks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub ranks: Range<u32>,
    /// Whether it is a subtree of the elimination tree; otherwise it is some nodes above such.
    pub whole: bool,
}

/// Nodes above subtrees that are a part together: their arcs take in what is below all of them side by side.
const BLOCK: u32 = 32;
/// The arcs of a cell, at most.
const CELL_ARCS: usize = 2_000;

impl Hierarchy {
    /// Of a turn graph, contracted in the given order of its nodes.
    pub fn new(graph: &TurnGraph, order: &[u32]) -> Result<Hierarchy> {
        let n = graph.nodes();
        let mut rank = vec![NONE; n];
        for (at, &node) in (0..).zip(order) {
            match rank.get_mut(node as usize) {
                Some(rank) if *rank == NONE => *rank = at,
                _ => return Err(Error::new(Code::InvalidFile, "order", node, "each node once")),
            }
        }
        if order.len() != n {
            return Err(Error::new(Code::InvalidFile, "order", order.len(), n));
        }
        let parent = elimination_tree(graph, order, &rank);
        let (renumbered, parent) = post_order(&parent);
        let mut node = vec![0; n];
        for rank in &mut rank {
            *rank = renumbered[*rank as usize];
        }
        (0..).zip(&rank).for_each(|(at, &rank)| node[rank as usize] = at);
        let mut half = contract(graph, &node, &rank)?;
        let [forward, backward] = &mut half;
        std::thread::scope(|scope| {
            scope.spawn(|| list_lower(forward));
            list_lower(backward);
        });
        let mut edge = vec![NONE; graph.head.len()];
        for from in 0..n as u32 {
            for at in graph.edges(from) {
                let [from, to] = [rank[from as usize], rank[graph.head[at] as usize]];
                let half = &half[usize::from(to < from)];
                edge[at] = half.arc(from.min(to), from.max(to)).map_or(NONE, |arc| arc as u32);
            }
        }
        let mut hierarchy = Hierarchy { node, rank, parent, half, edge, cells: vec![] };
        hierarchy.cells = hierarchy.parts(CELL_ARCS).into_iter().map(|part| hierarchy.cell(part)).collect();
        Ok(hierarchy)
    }
    /// How many nodes.
    pub fn len(&self) -> usize {
        self.node.len()
    }
    pub fn is_empty(&self) -> bool {
        self.node.is_empty()
    }
    /// From a rank up to its root, itself included.
    pub fn ancestors(&self, rank: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(rank), |&at| Some(self.parent[at as usize]).filter(|&at| at != NONE))
    }
    /// All ranks, as subtrees of at most `limit` arcs each and blocks of nodes above them.
    pub fn parts(&self, limit: usize) -> Vec<Part> {
        let n = self.len() as u32;
        let mut begin: Vec<u32> = (0..n).collect();
        for at in 0..n as usize {
            if let Some(up) = begin.get(self.parent[at] as usize) {
                begin[self.parent[at] as usize] = begin[at].min(*up);
            }
        }
        let arcs =
            |start: u32, end: u32| -> u32 { self.half.iter().map(|half| half.first[end as usize] - half.first[start as usize]).sum() };
        let mut parts: Vec<Part> = vec![];
        let mut at = 0;
        while at < n {
            let fits = |up: &u32| begin[*up as usize] == at && arcs(at, up + 1) as usize <= limit;
            let top = self.ancestors(at).take_while(fits).last();
            match (top, parts.last_mut()) {
                (None, Some(part)) if !part.whole && part.ranks.len() < BLOCK as usize => part.ranks.end += 1,
                (None, _) => parts.push(Part { ranks: at..at + 1, whole: false }),
                (Some(top), _) => parts.push(Part { ranks: at..top + 1, whole: true }),
            }
            at = parts.last().map_or(n, |part| part.ranks.end);
        }
        parts
    }

    fn cell(&self, part: Part) -> Cell {
        let mut gates = vec![];
        if part.whole {
            let above = part.ranks.clone().flat_map(|at| self.half[BACKWARD].heads(at)).filter(|above| **above >= part.ranks.end);
            gates.extend(above);
            gates.sort_unstable();
            gates.dedup();
        }
        Cell { part, gates }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let half = |half: &Half| 4 * (half.first.len() + half.head.len() + half.lower_first.len() + half.lower.len()) + half.nth.len();
        4 * (self.node.len() + self.rank.len() + self.parent.len() + self.edge.len()) + self.half.iter().map(half).sum::<usize>()
    }
}

/// Sums up counts: where each begins, if they lie one after the other, and where the last ends.
fn offsets(counts: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut offsets = vec![0];
    offsets.extend(counts.scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    }));
    offsets
}

/// Numbers grouped by a key below `n`: where each group begins, and all groups in the order in which they were given.
fn group<T: Copy + Default>(n: usize, items: impl Iterator<Item = (u32, T)> + Clone) -> (Vec<u32>, Vec<T>) {
    let mut count = vec![0u32; n];
    items.clone().for_each(|(key, _)| count[key as usize] += 1);
    let first = offsets(count.iter().copied());
    let mut next = first.clone();
    let mut grouped = vec![T::default(); first[n] as usize];
    for (key, item) in items {
        let at = &mut next[key as usize];
        grouped[*at as usize] = item;
        *at += 1;
    }
    (first, grouped)
}

/// By rank: its parent in the elimination tree of the graph without directions (Liu 1986).
fn elimination_tree(graph: &TurnGraph, order: &[u32], rank: &[u32]) -> Vec<u32> {
    let n = order.len();
    let pairs = (0..n as u32).flat_map(|from| graph.edges(from).map(move |edge| (from, edge)));
    let pairs = pairs.map(|(from, edge)| [rank[from as usize], rank[graph.head[edge] as usize]]);
    let (first, lower) = group(n, pairs.map(|[one, other]| (one.max(other), one.min(other))));
    let (mut parent, mut top) = (vec![NONE; n], vec![NONE; n]);
    for at in 0..n as u32 {
        for &low in &lower[first[at as usize] as usize..first[at as usize + 1] as usize] {
            // The root of the tree that `low` is in becomes a child; the way there is shortened.
            let mut low = low;
            while low != at && low != NONE {
                let next = std::mem::replace(&mut top[low as usize], at);
                if next == NONE {
                    parent[low as usize] = at;
                }
                low = next;
            }
        }
    }
    parent
}

/// Numbers a forest whose parents come after their children such that each subtree is a range: new numbers, and parents by them.
fn post_order(parent: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let n = parent.len();
    let mut size = vec![1u32; n];
    for (at, &up) in parent.iter().enumerate() {
        if up != NONE {
            size[up as usize] += size[at];
        }
    }
    // From above, each node hands the ranges of its subtree to its children; the last child takes the end.
    let mut number = vec![0; n];
    let mut end: Vec<u32> = vec![0; n];
    let mut left = n as u32;
    for at in (0..n).rev() {
        let up = parent[at];
        let end_here = if up == NONE { &mut left } else { &mut end[up as usize] };
        number[at] = *end_here - 1;
        *end_here -= size[at];
        end[at] = number[at];
    }
    let mut renumbered = vec![NONE; n];
    for (at, &up) in parent.iter().enumerate().filter(|(_, up)| **up != NONE) {
        renumbered[number[at] as usize] = number[up as usize];
    }
    (number, renumbered)
}

/// The arcs of both halves, without `lower`.
///
/// A node's arcs follow from those of the lower nodes. Not all of these need be looked at: with the first node that `u` both leads to
/// and is led to from, later nodes get from there what they would get from `u` (symmetric pruning; Eisenstat, Liu 1992).
fn contract(graph: &TurnGraph, node: &[u32], rank: &[u32]) -> Result<[Half; 2]> {
    let n = node.len();
    let pairs = (0..n as u32).flat_map(|from| graph.edges(from).map(move |edge| (from, edge)));
    let pairs = pairs.map(|(from, edge)| [rank[from as usize], rank[graph.head[edge] as usize]]);
    let edges = [
        group(n, pairs.clone().filter(|[from, to]| from < to).map(|[from, to]| (from, to))),
        group(n, pairs.filter(|[from, to]| to < from).map(|[from, to]| (to, from))),
    ];
    let mut half = [Half::default(), Half::default()];
    half.iter_mut().for_each(|half| half.first.push(0));
    // By half and node: whose arcs it takes over, as lists of places in `taken`.
    let mut last = [vec![NONE; n], vec![NONE; n]];
    let mut taken: Vec<(u32, u32)> = vec![];
    let mut seen = [vec![NONE; n], vec![NONE; n]];
    for at in 0..n as u32 {
        for side in [FORWARD, BACKWARD] {
            let Half { first, head, .. } = &mut half[side];
            let start = head.len();
            let seen = &mut seen[side];
            let (from, to) = &edges[side];
            let mut add = |to: u32, head: &mut Vec<u32>| {
                if std::mem::replace(&mut seen[to as usize], at) != at {
                    head.push(to);
                }
            };
            to[from[at as usize] as usize..from[at as usize + 1] as usize].iter().for_each(|&to| add(to, head));
            let mut next = last[side][at as usize];
            while let Some(&(low, before)) = taken.get(next as usize) {
                for arc in (first[low as usize] as usize..first[low as usize + 1] as usize).rev() {
                    if head[arc] <= at {
                        break;
                    }
                    add(head[arc], head);
                }
                next = before;
            }
            head[start..].sort_unstable();
            let end = u32::try_from(head.len()).map_err(|_| Error::new(Code::TooLarge, "roads", head.len(), "4,294,967,295 shortcuts"))?;
            first.push(end);
        }
        let [forward, backward] = [half[FORWARD].heads(at), half[BACKWARD].heads(at)];
        let both = forward.iter().find(|to| backward.binary_search(to).is_ok()).copied().unwrap_or(NONE);
        for side in [FORWARD, BACKWARD] {
            for &to in half[1 - side].heads(at).iter().take_while(|&&to| to <= both) {
                taken.push((at, std::mem::replace(&mut last[side][to as usize], taken.len() as u32)));
            }
        }
    }
    half.iter_mut().for_each(|half| half.head.shrink_to_fit());
    Ok(half)
}

fn list_lower(half: &mut Half) {
    let n = half.first.len() - 1;
    let arcs = (0..n as u32).flat_map(|low| half.heads(low).iter().zip(0u32..).map(move |(&head, nth)| (head, (low, nth.min(255) as u8))));
    let (first, lower) = group(n, arcs);
    half.lower_first = first;
    (half.lower, half.nth) = lower.into_iter().unzip();
}
