//! Cheapest ways on a hierarchy: both ends climb the elimination tree, and meet.

use super::{
    Cost, Hierarchy, Metric,
    hierarchy::{BACKWARD, FORWARD, NONE},
};

/// A way: what it costs, and the nodes of the turn graph in the order in which they are driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub cost: Cost,
    pub path: Vec<u32>,
}

/// The cheapest way under one metric beside another: what it costs, its first and its last node, the nodes whose arcs cost more under the
/// other, and the way under the other if there are none.
pub struct Compared {
    pub cost: Cost,
    pub ends: [u32; 2],
    pub dearer: Vec<u32>,
    pub way: Option<Route>,
}

/// A node at which both ends of a search meet, and what the way over it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meeting {
    pub cost: Cost,
    pub(super) rank: u32,
}

/// Memory for searches on one hierarchy, used again from one to the next.
pub struct Search {
    /// By half and rank: the least cost of climbing there, and the rank before. Untouched but by the ranks of `climb`.
    pub(super) reached: [Vec<(Cost, u32)>; 2],
    /// By rank: whether it is among `climb`.
    seen: Vec<bool>,
    /// The ancestors of all ends, path by path, each until it meets one before; and where each path begins.
    pub(super) climb: Vec<u32>,
    paths: Vec<usize>,
    /// Arcs to be unpacked: from rank, to rank, cost.
    stack: Vec<(u32, u32, Cost)>,
}

const UNREACHED: (Cost, u32) = (Cost::NEVER, NONE);

impl Search {
    pub fn new(hierarchy: &Hierarchy) -> Search {
        let n = hierarchy.len();
        Search { reached: [vec![UNREACHED; n], vec![UNREACHED; n]], seen: vec![false; n], climb: vec![], paths: vec![], stack: vec![] }
    }

    /// The cheapest way from one of several nodes to one of several, each with what is to be added for it.
    pub fn route(&mut self, hierarchy: &Hierarchy, metric: &Metric, from: &[(u32, Cost)], to: &[(u32, Cost)]) -> Option<Route> {
        let best = self.meet(hierarchy, metric, from, to);
        self.way(hierarchy, metric, best)
    }

    /// What the cheapest way costs; [`Cost::NEVER`] where there is none.
    pub fn cost(&mut self, hierarchy: &Hierarchy, metric: &Metric, from: &[(u32, Cost)], to: &[(u32, Cost)]) -> Cost {
        self.meet(hierarchy, metric, from, to).cost
    }

    /// Where both ends meet for at most `limit` of the least cost, cheapest first: what alternatives are made of. Several may stand
    /// for the same way.
    pub fn meetings(
        &mut self,
        hierarchy: &Hierarchy,
        metric: &Metric,
        from: &[(u32, Cost)],
        to: &[(u32, Cost)],
        limit: impl Fn(Cost) -> Cost,
    ) -> Vec<Meeting> {
        self.begin(hierarchy, [from, to]);
        let (mut least, mut meetings) = (Cost::NEVER, vec![]);
        self.ascend(hierarchy, metric, |rank, cost| {
            meetings.push(Meeting { cost, rank });
            least = least.min(cost);
            limit(least)
        });
        meetings.retain(|meeting| meeting.cost <= limit(least));
        meetings.sort_unstable();
        meetings
    }

    /// Climbs from both ends, and says where they meet best.
    fn meet(&mut self, hierarchy: &Hierarchy, metric: &Metric, from: &[(u32, Cost)], to: &[(u32, Cost)]) -> Meeting {
        self.begin(hierarchy, [from, to]);
        let mut best = Meeting { cost: Cost::NEVER, rank: NONE };
        self.ascend(hierarchy, metric, |rank, cost| {
            best = best.min(Meeting { cost, rank });
            best.cost
        });
        best
    }

    /// Forgets the search before, and puts down the ends of another.
    pub(super) fn begin(&mut self, hierarchy: &Hierarchy, ends: [&[(u32, Cost)]; 2]) {
        for at in self.climb.drain(..) {
            self.seen[at as usize] = false;
            self.reached[FORWARD][at as usize] = UNREACHED;
            self.reached[BACKWARD][at as usize] = UNREACHED;
        }
        self.paths.clear();
        for (reached, ends) in self.reached.iter_mut().zip(ends) {
            for &(node, cost) in ends {
                let Some(&rank) = hierarchy.rank.get(node as usize) else { continue };
                self.paths.push(self.climb.len());
                self.climb.extend(hierarchy.ancestors(rank).take_while(|&at| !std::mem::replace(&mut self.seen[at as usize], true)));
                let reached = &mut reached[rank as usize];
                *reached = (*reached).min((cost, NONE));
            }
        }
    }

    /// Whether the search climbs over a rank.
    pub(super) fn climbed(&self, rank: u32) -> bool {
        self.seen[rank as usize]
    }

    /// Climbs, lower nodes first. `met` is told at which nodes both ends arrive for how much, and says what is too much to go on.
    pub(super) fn ascend(&mut self, hierarchy: &Hierarchy, metric: &Metric, mut met: impl FnMut(u32, Cost) -> Cost) {
        let mut limit = Cost::NEVER;
        let mut end = self.climb.len();
        // What lies below a path was put down after it.
        for &start in self.paths.iter().rev() {
            for &at in &self.climb[start..end] {
                let ends = [self.reached[FORWARD][at as usize].0, self.reached[BACKWARD][at as usize].0];
                if !ends[0].is_never() && !ends[1].is_never() {
                    limit = met(at, ends[0] + ends[1]);
                }
                for side in [FORWARD, BACKWARD] {
                    let here = ends[side];
                    if here >= limit {
                        continue;
                    }
                    let (half, reached) = (&hierarchy.half[side], &mut self.reached[side]);
                    let arcs = half.arcs(at);
                    for (&to, &cost) in half.head[arcs.clone()].iter().zip(&metric.cost[side][arcs]) {
                        let reached = &mut reached[to as usize];
                        let cost = here + cost;
                        if cost < reached.0 {
                            *reached = (cost, at);
                        }
                    }
                }
            }
            end = start;
        }
    }

    /// Of the cheapest way under one metric, the nodes whose arcs cost more under another of the same hierarchy; and the way under that
    /// other, where it costs no more as a whole. Only shortcuts whose costs differ are looked into.
    pub fn compared(
        &mut self,
        hierarchy: &Hierarchy,
        [free, now]: [&Metric; 2],
        from: &[(u32, Cost)],
        to: &[(u32, Cost)],
    ) -> Option<Compared> {
        let meeting = self.meet(hierarchy, free, from, to);
        if meeting.cost.is_never() {
            return None;
        }
        let (mut ends, mut dearer) = ([meeting.rank; 2], vec![]);
        self.stack.clear();
        let open = |stack: &mut Vec<(u32, u32, Cost)>, from: u32, to: u32| {
            let cost = cost_between(hierarchy, free, from, to);
            if cost_between(hierarchy, now, from, to) != cost {
                stack.push((from, to, cost));
            }
        };
        for side in [FORWARD, BACKWARD] {
            loop {
                let before = self.reached[side][ends[side] as usize].1;
                if before == NONE {
                    break;
                }
                let (from, to) = if side == FORWARD { (before, ends[side]) } else { (ends[side], before) };
                open(&mut self.stack, from, to);
                ends[side] = before;
            }
        }
        while let Some((from, to, cost)) = self.stack.pop() {
            match middle(hierarchy, free, from, to, cost) {
                Some((middle, ..)) => {
                    open(&mut self.stack, from, middle);
                    open(&mut self.stack, middle, to);
                }
                None => dearer.push(hierarchy.node[from as usize]),
            }
        }
        let way = if dearer.is_empty() { self.way(hierarchy, now, meeting) } else { None };
        Some(Compared { cost: meeting.cost, ends: ends.map(|rank| hierarchy.node[rank as usize]), dearer, way })
    }

    /// The whole way over a node at which the ends of the last search met.
    pub fn way(&mut self, hierarchy: &Hierarchy, metric: &Metric, meeting: Meeting) -> Option<Route> {
        if meeting.cost.is_never() {
            return None;
        }
        // Arcs as the stack is to give them back, the first on top.
        let mut at = meeting.rank;
        self.stack.clear();
        loop {
            let before = self.reached[BACKWARD][at as usize].1;
            if before == NONE {
                break;
            }
            self.stack.push((at, before, cost_between(hierarchy, metric, at, before)));
            at = before;
        }
        self.stack.reverse();
        at = meeting.rank;
        loop {
            let before = self.reached[FORWARD][at as usize].1;
            if before == NONE {
                break;
            }
            self.stack.push((before, at, cost_between(hierarchy, metric, before, at)));
            at = before;
        }
        let mut path = vec![hierarchy.node[at as usize]];
        while let Some((from, to, cost)) = self.stack.pop() {
            match middle(hierarchy, metric, from, to, cost) {
                Some((middle, first, second)) => {
                    self.stack.push((middle, to, second));
                    self.stack.push((from, middle, first));
                }
                None => path.push(hierarchy.node[to as usize]),
            }
        }
        Some(Route { cost: meeting.cost, path })
    }
}

/// What the arc from one rank to another costs.
fn cost_between(hierarchy: &Hierarchy, metric: &Metric, from: u32, to: u32) -> Cost {
    let side = if from < to { FORWARD } else { BACKWARD };
    hierarchy.half[side].arc(from.min(to), from.max(to)).map_or(Cost::NEVER, |arc| metric.cost[side][arc])
}

/// The lower node over which an arc of that cost goes, and the costs of the two arcs there; none for an edge of the turn graph.
fn middle(hierarchy: &Hierarchy, metric: &Metric, from: u32, to: u32, cost: Cost) -> Option<(u32, Cost, Cost)> {
    let [down, up] = [&hierarchy.half[BACKWARD], &hierarchy.half[FORWARD]];
    let (mut first, mut second) = (down.below(from), up.below(to));
    // From above, as the middle tends to be high.
    while !first.is_empty() && !second.is_empty() {
        let (one, other) = (down.lower[first.end - 1], up.lower[second.end - 1]);
        if one == other {
            let down = metric.cost[BACKWARD][down.arc_below(first.end - 1, from)];
            let up = metric.cost[FORWARD][up.arc_below(second.end - 1, to)];
            if down + up == cost {
                return Some((one, down, up));
            }
        }
        first.end -= usize::from(one >= other);
        second.end -= usize::from(other >= one);
    }
    None
}
