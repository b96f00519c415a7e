//! Which turns a profile may take, and what they cost: the network expanded to a graph of arcs and turns.

use std::collections::HashMap;

use super::{
    Arc, Cost, Network, Profile, TurnGraph,
    network::{Class, bearing, span_m},
    profile::{Hindrance, UTurns},
    restrictions::{Automaton, State},
};

/// The arcs that leave each junction.
pub struct Star {
    first: Vec<u32>,
    arcs: Vec<Arc>,
}

impl Star {
    pub fn new(network: &Network) -> Star {
        let mut arcs: Vec<Arc> = (0..network.arcs() as u32).map(Arc).collect();
        arcs.sort_by_key(|arc| network.tail(*arc));
        let mut first = vec![0; network.junctions.len() + 1];
        arcs.iter().for_each(|arc| first[network.tail(*arc) as usize + 1] += 1);
        (1..first.len()).for_each(|i| first[i] += first[i - 1]);
        Star { first, arcs }
    }

    pub fn leaving(&self, junction: u32) -> &[Arc] {
        &self.arcs[self.first[junction as usize] as usize..self.first[junction as usize + 1] as usize]
    }
}

/// How far along a road one looks for its direction, metres: beyond how a survey draws a junction's middle.
const LOOK: f64 = 10.0;

/// By arc: where it heads for as it leaves its junction, degrees clockwise from north.
pub fn headings(network: &Network) -> Vec<f32> {
    let heading = |arc: Arc| {
        let mut positions = network.positions(arc);
        let Some(start) = positions.next() else { return 0.0 };
        let (mut driven, mut end) = (0.0, start);
        for next in positions {
            driven += span_m(end, next);
            end = next;
            if driven >= LOOK {
                break;
            }
        }
        bearing(start, end) as f32
    };
    (0..network.arcs() as u32).map(|arc| heading(Arc(arc))).collect()
}

/// What a profile's turns depend on.
pub struct Terms<'a> {
    pub profile: &'a Profile,
    pub network: &'a Network,
    pub star: &'a Star,
    /// By arc, as by [`headings`].
    pub headings: &'a [f32],
    /// By arc.
    pub cost: &'a [Cost],
    /// By arc: whether it is only for those who begin or end there.
    pub destination: &'a [bool],
    /// By junction.
    pub hindrances: &'a [Hindrance],
    pub forbidden: &'a [Vec<Arc>],
}

/// A node: an arc, and what matters of how one came there.
///
/// Inside is a stretch for those who begin or end there, entered from without: driving on to the other side of it costs extra.
/// Who begins there isn't inside, and leaves freely.
type Node = (Arc, bool, State);

impl Terms<'_> {
    pub fn expand(&self) -> TurnGraph {
        let automaton = Automaton::new(self.forbidden);
        let mut graph = TurnGraph::default();
        // Each arc's own node is that of who begins there; the others are found as they are reached.
        let mut nodes: Vec<Node> = vec![];
        let mut own = vec![u32::MAX; self.cost.len()];
        for arc in (0..self.cost.len() as u32).map(Arc).filter(|arc| !self.cost[arc.index()].is_never()) {
            own[arc.index()] = nodes.len() as u32;
            nodes.push((arc, false, automaton.drive(0, arc)));
        }
        let mut others: HashMap<Node, u32> = HashMap::new();
        let roads: Vec<u32> = (0..self.network.junctions.len() as u32).map(|junction| self.roads(junction)).collect();
        let mut at = 0;
        while let Some(&(arc, inside, state)) = nodes.get(at) {
            graph.arc.push(arc);
            graph.first.push(graph.head.len() as u32);
            let junction = self.network.head(arc);
            let hindrance = self.hindrances[junction as usize];
            let open = |next: &Arc| !self.cost[next.index()].is_never() && !automaton.forbids(state, *next);
            let mut turn = |next: Arc| {
                let (from, to) = (self.destination[arc.index()], self.destination[next.index()]);
                let node = (next, to && (inside || !from), automaton.drive(state, next));
                let first = own[next.index()];
                let head = if nodes[first as usize] == node {
                    first
                } else {
                    *others.entry(node).or_insert_with(|| {
                        nodes.push(node);
                        nodes.len() as u32 - 1
                    })
                };
                let ms = self.turn_ms(arc, next, roads[junction as usize]) + hindrance.delay_ms[arc.index() & 1];
                graph.head.push(head);
                graph.turn_ms.push(ms);
                graph.surcharge.push(if from && inside && !to { self.profile.surcharge() } else { 0 });
            };
            let back = arc.reverse();
            let mut dead_end = true;
            if !hindrance.blocked {
                for next in self.star.leaving(junction).iter().filter(|next| **next != back && open(next)) {
                    // Into somebody's yard isn't a way on.
                    dead_end &= self.destination[next.index()] && !self.destination[arc.index()];
                    turn(*next);
                }
            }
            if (dead_end || self.profile.turn.u_turns == UTurns::Everywhere) && open(&back) {
                turn(back);
            }
            at += 1;
        }
        graph.first.push(graph.head.len() as u32);
        graph
    }

    /// How many roads that can be driven either way meet at a junction.
    fn roads(&self, junction: u32) -> u32 {
        let drivable = |arc: &&Arc| !self.cost[arc.index()].is_never() || !self.cost[arc.reverse().index()].is_never();
        self.star.leaving(junction).iter().filter(drivable).count() as u32
    }

    fn turn_ms(&self, from: Arc, to: Arc, roads: u32) -> u32 {
        let (a, b) = (self.network.way(from), self.network.way(to));
        let u_turn = to == from.reverse();
        if roads <= 2 && !u_turn && (a.class == Class::Ferry) == (b.class == Class::Ferry) {
            return 0;
        }
        // Half a turn more than from where one comes is straight on.
        let turned = f64::from(self.headings[to.index()] - self.headings[from.reverse().index()]);
        let degrees = turned.rem_euclid(360.0) - 180.0;
        self.profile.turn_ms(if u_turn { 180.0 } else { degrees }, a.left_hand, u_turn)
    }
}
