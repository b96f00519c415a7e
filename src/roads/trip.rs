//! A trip as it was found: where its ends were snapped to, what it drives, and the line and costs that follow from that.

use std::ops::Range;

use super::{
    Arc, Cost, Network, Point, Snap, TurnGraph,
    closures::{Closures, Driver},
    guidance::Junctions,
    network::span_m,
};

impl Snap {
    pub fn point(&self) -> Point {
        Point::new(self.lon, self.lat)
    }
    /// Share of an arc of this road that lies before this place when it is driven.
    pub fn along(&self, arc: Arc) -> f64 {
        let at = self.at.clamp(0.0, 1.0);
        if arc.is_backward() { 1.0 - at } else { at }
    }
    /// What driving an arc from its start to here costs, of what all of it costs.
    pub fn until(&self, arc: Arc, whole: Cost) -> Cost {
        if whole.is_never() {
            return whole;
        }
        let share = |part: u32| (f64::from(part) * self.along(arc)).round() as u32;
        Cost::new(share(whole.ms()), share(whole.dm()))
    }
    /// What driving an arc from here to its end costs: with [`Snap::until`] it adds up to the whole.
    pub fn beyond(&self, arc: Arc, whole: Cost) -> Cost {
        if whole.is_never() { whole } else { whole.minus(self.until(arc, whole)) }
    }
    /// What driving on an arc from here to a place not before it costs.
    pub fn between(&self, to: &Snap, arc: Arc, whole: Cost) -> Cost {
        if whole.is_never() { whole } else { to.until(arc, whole).minus(self.until(arc, whole)) }
    }
    /// The first position of the road's shape after this place, as an index into [`Network::shape`].
    pub fn vertex(&self, network: &Network) -> usize {
        let range = network.range(self.road as usize);
        let along = lengths(network.shape(self.road as usize).iter().copied());
        let whole = along.last().copied().unwrap_or(0.0);
        let inner = 1..range.len().saturating_sub(1).max(1);
        range.start + inner.start + along[inner].partition_point(|m| *m <= self.at * whole)
    }
}

/// By position: how far it lies along the line, metres.
fn lengths(positions: impl Iterator<Item = Point>) -> Vec<f64> {
    let (mut last, mut sum) = (None, 0.0);
    positions
        .map(|position| {
            sum += last.replace(position).map_or(0.0, |last| span_m(last, position));
            sum
        })
        .collect()
}

/// A trip from one place to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    pub from: Snap,
    pub to: Snap,
    /// The nodes of the turn graph in the order of driving, at least one: the first's arc holds `from`, the last's `to`. Nodes
    /// rather than arcs, since they know which turns are allowed having come this way.
    pub nodes: Vec<u32>,
    pub cost: Cost,
}

/// Legs between all places, joined to those between some of them: `ends` are numbers of places, the first and the last among them.
pub fn joined(legs: Vec<Leg>, ends: &[usize]) -> Vec<Leg> {
    if legs.len() + 1 == ends.len() {
        return legs;
    }
    let mut joined: Vec<Leg> = Vec::with_capacity(ends.len());
    for (n, leg) in legs.into_iter().enumerate() {
        match joined.last_mut().filter(|_| !ends.contains(&n)) {
            // Past a place on the way: it goes on on the arc on which it came, or has turned round there.
            Some(last) => {
                let onward = usize::from(last.nodes.last() == leg.nodes.first());
                last.nodes.extend_from_slice(&leg.nodes[onward..]);
                last.to = leg.to;
                last.cost = last.cost + leg.cost;
            }
            None => joined.push(leg),
        }
    }
    joined
}

/// What a trip is told by: the roads, the profile that drives them, and what driving costs just now.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub network: &'a Network,
    pub turns: &'a TurnGraph,
    pub junctions: &'a Junctions,
    /// By arc; [`Cost::NEVER`] is closed or not drivable.
    pub cost: &'a [Cost],
    /// By arc, with nothing closed; and what closes it for whom.
    pub free: &'a [Cost],
    pub closures: &'a Closures,
    pub driver: Driver<'a>,
    /// `driving` or `walking`; ferries say so themselves.
    pub mode: &'a str,
}

impl<'a> Scene<'a> {
    pub fn arc(&self, node: u32) -> Arc {
        self.turns.arc[node as usize]
    }
    /// What the turn between two nodes takes.
    pub(super) fn turn(&self, from: u32, to: u32) -> Cost {
        let edge = self.turns.edges(from).find(|edge| self.turns.head[*edge] == to);
        edge.map_or(Cost::ZERO, |edge| self.turns.turn(edge))
    }
    /// What a leg costs, added up piece by piece.
    pub fn cost(&self, leg: &Leg) -> Cost {
        let turns = leg.nodes.windows(2).map(|pair| self.turn(pair[0], pair[1]));
        (0..leg.nodes.len()).map(|i| self.piece(leg, i)).chain(turns).fold(Cost::ZERO, |sum, cost| sum + cost)
    }
    /// What is driven of a leg's arc, without turns.
    fn piece(&self, leg: &Leg, i: usize) -> Cost {
        let arc = self.arc(leg.nodes[i]);
        let whole = match self.cost[arc.index()] {
            // Closed elsewhere on it: the part that is driven is open.
            cost if cost.is_never() => self.closures.slowed(arc, self.free[arc.index()], self.driver),
            cost => cost,
        };
        match (i == 0, i + 1 == leg.nodes.len()) {
            (true, true) => leg.from.between(&leg.to, arc, whole),
            (true, false) => leg.from.beyond(arc, whole),
            (false, true) => leg.to.until(arc, whole),
            (false, false) => whole,
        }
    }
}

/// A leg's line, and what it costs to come how far.
#[derive(Clone, Debug, Default)]
pub struct Track {
    pub positions: Vec<Point>,
    /// By position: its index in the network's shape; at the snapped ends, that of the position driven from or to.
    pub vertices: Vec<u32>,
    /// By arc: where it begins in `positions`; one more for the end of the last. Each arc has at least one segment.
    pub first: Vec<u32>,
    /// By arc: the cost until its start, before the turn into it; one more for the whole.
    pub reach: Vec<Cost>,
}

impl Track {
    pub fn new(scene: &Scene<'_>, leg: &Leg) -> Track {
        let n = leg.nodes.len();
        let mut track = Track {
            positions: Vec::with_capacity(n * 4),
            vertices: Vec::with_capacity(n * 4),
            first: Vec::with_capacity(n + 1),
            reach: Vec::with_capacity(n + 1),
        };
        let mut reach = Cost::ZERO;
        for (i, node) in leg.nodes.iter().enumerate() {
            let arc = scene.arc(*node);
            track.reach.push(reach);
            track.push(scene.network, arc, (i == 0).then_some(&leg.from), (i + 1 == n).then_some(&leg.to));
            if i > 0 {
                reach = reach + scene.turn(leg.nodes[i - 1], *node);
            }
            reach = reach + scene.piece(leg, i);
        }
        track.first.push(track.positions.len().saturating_sub(1) as u32);
        track.reach.push(reach);
        track
    }

    /// The cost of the arcs `arcs`, turns into them included.
    pub fn cost(&self, arcs: Range<usize>) -> Cost {
        self.reach[arcs.end].minus(self.reach[arcs.start])
    }
    /// The positions of the arcs `arcs`.
    pub fn line(&self, arcs: Range<usize>) -> &[Point] {
        &self.positions[self.first[arcs.start] as usize..=self.first[arcs.end] as usize]
    }

    /// Appends an arc, from a place on it or its start, to a place on it or its end.
    fn push(&mut self, network: &Network, arc: Arc, from: Option<&Snap>, to: Option<&Snap>) {
        let range = network.range(arc.road());
        let vertex = |i: usize| if arc.is_backward() { range.end - 1 - i } else { range.start + i };
        let last = range.len() - 1;
        // The positions strictly between the two places.
        let mut inner = 1..last;
        if from.is_some() || to.is_some() {
            let along = lengths(network.positions(arc));
            let sum = along[last];
            if let Some(from) = from {
                inner.start = along[..last].partition_point(|m| *m <= from.along(arc) * sum).max(1);
            }
            if let Some(to) = to {
                inner.end = along[..last].partition_point(|m| *m < to.along(arc) * sum).max(inner.start);
            }
        }
        if let Some(from) = from {
            self.positions.push(from.point());
            self.vertices.push(vertex(inner.start - 1) as u32);
        }
        self.first.push(self.positions.len().saturating_sub(1) as u32);
        for i in inner.clone() {
            self.positions.push(network.shape[vertex(i)]);
            self.vertices.push(vertex(i) as u32);
        }
        match to {
            Some(to) => {
                self.positions.push(to.point());
                self.vertices.push(vertex(inner.end) as u32);
            }
            None => {
                self.positions.push(network.shape[vertex(last)]);
                self.vertices.push(vertex(last) as u32);
            }
        }
    }
}
