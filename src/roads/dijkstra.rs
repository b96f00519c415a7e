//! Dijkstra's algorithm on a turn graph: for searches that no hierarchy serves, and to check those that one does.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Cost, TurnGraph, search::Route};

const NONE: u32 = u32::MAX;

/// Memory for searches, used again from one to the next.
#[derive(Default)]
pub struct Dijkstra {
    /// By node, where `seen` is this round: the least cost so far, and the node that it came from.
    best: Vec<(Cost, u32)>,
    seen: Vec<u32>,
    round: u32,
    queue: BinaryHeap<Reverse<(Cost, u32)>>,
}

impl Dijkstra {
    /// The cheapest way from one of several nodes to one of several, each with what is to be added for it.
    pub fn route(&mut self, graph: &TurnGraph, arcs: &[Cost], from: &[(u32, Cost)], to: &[(u32, Cost)]) -> Option<Route> {
        let mut best = (Cost::NEVER, NONE);
        self.run(graph, arcs, from, |node, cost| {
            for &(_, rest) in to.iter().filter(|(target, _)| *target == node) {
                best = best.min((cost + rest, node));
            }
            cost < best.0
        });
        if best.0.is_never() {
            return None;
        }
        let mut path = vec![best.1];
        let mut at = self.best[best.1 as usize].1;
        while at != NONE {
            path.push(at);
            at = self.best[at as usize].1;
        }
        path.reverse();
        Some(Route { cost: best.0, path })
    }

    /// The least costs to several targets; [`Cost::NEVER`] where there is no way.
    pub fn many(&mut self, graph: &TurnGraph, arcs: &[Cost], from: &[(u32, Cost)], to: &[Vec<(u32, Cost)>]) -> Vec<Cost> {
        let mut wanted: Vec<u32> = to.iter().flatten().map(|entry| entry.0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut left = wanted.len();
        self.run(graph, arcs, from, |node, _| {
            left -= usize::from(wanted.binary_search(&node).is_ok());
            left > 0
        });
        let cost = |entry: &(u32, Cost)| self.cost(entry.0) + entry.1;
        to.iter().map(|entries| entries.iter().map(cost).min().unwrap_or(Cost::NEVER).min(Cost::NEVER)).collect()
    }

    /// All nodes that cost at most `limit`, cheapest first.
    pub fn reach(&mut self, graph: &TurnGraph, arcs: &[Cost], from: &[(u32, Cost)], limit: Cost) -> Vec<(u32, Cost)> {
        let mut reached = vec![];
        self.run(graph, arcs, from, |node, cost| {
            let within = cost <= limit;
            if within {
                reached.push((node, cost));
            }
            within
        });
        reached
    }

    /// Settles nodes, cheapest first, until `settled` says no.
    fn run(&mut self, graph: &TurnGraph, arcs: &[Cost], from: &[(u32, Cost)], mut settled: impl FnMut(u32, Cost) -> bool) {
        if self.seen.len() != graph.nodes() || self.round == u32::MAX {
            *self = Dijkstra { best: vec![(Cost::NEVER, NONE); graph.nodes()], seen: vec![0; graph.nodes()], ..Dijkstra::default() };
        }
        self.round += 1;
        self.queue.clear();
        for &(node, cost) in from {
            self.relax(NONE, node, cost);
        }
        while let Some(Reverse((cost, node))) = self.queue.pop() {
            if cost != self.best[node as usize].0 {
                continue;
            }
            if !settled(node, cost) {
                return;
            }
            for edge in graph.edges(node) {
                self.relax(node, graph.head[edge], cost + graph.cost(node, edge, arcs));
            }
        }
    }

    fn relax(&mut self, from: u32, to: u32, cost: Cost) {
        if cost < self.cost(to) && (to as usize) < self.best.len() {
            self.best[to as usize] = (cost, from);
            self.seen[to as usize] = self.round;
            self.queue.push(Reverse((cost, to)));
        }
    }

    /// The least cost known to a node.
    fn cost(&self, node: u32) -> Cost {
        match self.seen.get(node as usize) {
            Some(&seen) if seen == self.round => self.best[node as usize].0,
            _ => Cost::NEVER,
        }
    }
}
