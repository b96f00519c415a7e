//! From places to trips: what leaves a place, what reaches it, and the search between.

use super::{
    Arc, Cost, Metric,
    closures::Closures,
    isochrone::Reached,
    matrix::matrix,
    region::Mode,
    search::{Meeting, Route},
    snap::{Snap, Ways},
    trip::Leg,
    view::Conditions,
};

/// A trip between two places, and what closures did to it. Closures are named by their place in the list of those in force.
#[derive(Debug)]
pub struct Trip {
    /// `None` where one can't be reached from the other.
    pub leg: Option<Leg>,
    /// What it would cost if nothing were closed.
    pub free: Option<Cost>,
    /// Closures on the way that would be driven if nothing were closed, where that isn't the way driven.
    pub avoided: Vec<usize>,
    /// Closures that the trip begins in.
    pub inside: Vec<usize>,
}

/// A free trip beside what it costs now: its pieces that cost more or, where there are none, the trip.
struct Beside {
    cost: Cost,
    dearer: Vec<(Arc, f64, f64)>,
    leg: Option<Leg>,
}

impl Trip {
    /// What closures cost it, seconds; `None` where they cut it off.
    pub fn extra_s(&self) -> Option<f64> {
        self.leg.as_ref().zip(self.free).map(|(leg, free)| leg.cost.seconds() - free.seconds())
    }
}

/// Costs to search on: those with the closures in force, or those of free roads.
#[derive(Clone, Copy)]
struct Ground<'a> {
    mode: &'a Mode,
    costs: &'a [Cost],
    closures: Option<&'a Closures>,
}

/// A turn out of the arc that a trip begins on: the node that it leads to, what it costs to be there, and the node left.
struct Start {
    node: u32,
    cost: Cost,
    left: u32,
}

impl Ground<'_> {
    /// What driving a part of an arc costs, given by shares in the direction of driving, whatever may be closed elsewhere on it.
    fn part(&self, arc: Arc, from: f64, to: f64) -> Cost {
        let free = self.mode.free[arc.index()];
        let driver = self.mode.driver();
        let whole = match self.closures {
            Some(closures) if !closures.open(arc, from, to, driver) => Cost::NEVER,
            Some(closures) => closures.slowed(arc, free, driver),
            None => free,
        };
        // Roads of a kind that is left out have no cost and no closure.
        let left_out = self.costs[arc.index()].is_never() && self.closures.is_none_or(|closures| closures.open(arc, 0.0, 1.0, driver));
        if whole.is_never() || left_out {
            return Cost::NEVER;
        }
        let share = |part: u32| (f64::from(part) * to).round() as u32 - (f64::from(part) * from).round() as u32;
        Cost::new(share(whole.ms()), share(whole.dm()))
    }

    fn arcs(&self, snap: &Snap) -> impl Iterator<Item = (Arc, f64)> + use<> {
        let (road, at, ways) = (snap.road as usize, snap.at, snap.ways);
        let arcs = [(ways.forward, Arc::new(road, false), at), (ways.backward, Arc::new(road, true), 1.0 - at)];
        arcs.into_iter().filter(|(open, ..)| *open).map(|(_, arc, at)| (arc, at))
    }

    /// The turns by which a trip leaves the arc that it begins on.
    fn starts(&self, from: &Snap) -> Vec<Start> {
        let mut starts = Vec::with_capacity(8);
        for (arc, at) in self.arcs(from) {
            let Some(node) = self.mode.nodes(arc).first() else { continue };
            let rest = self.part(arc, at, 1.0);
            if rest.is_never() {
                continue;
            }
            for edge in self.mode.turns.edges(*node) {
                let cost = rest + self.mode.turns.turn(edge);
                starts.push(Start { node: self.mode.turns.head[edge], cost, left: *node });
            }
        }
        starts
    }

    /// The nodes of the arcs that a trip ends on, with what is driven of them.
    fn ends(&self, to: &Snap) -> Vec<(u32, Cost)> {
        let mut ends = Vec::with_capacity(4);
        for (arc, at) in self.arcs(to) {
            let cost = self.part(arc, 0.0, at);
            if !cost.is_never() {
                ends.extend(self.mode.nodes(arc).iter().map(|node| (*node, cost)));
            }
        }
        ends
    }

    /// A trip that stays on one arc.
    fn direct(&self, from: &Snap, to: &Snap) -> Option<(u32, Cost)> {
        if from.road != to.road {
            return None;
        }
        let ahead = self.arcs(from).zip(std::iter::repeat(())).filter_map(|((arc, at), ())| {
            let (_, end) = self.arcs(to).find(|(other, _)| *other == arc)?;
            let node = *self.mode.nodes(arc).first()?;
            let cost = if at <= end { self.part(arc, at, end) } else { Cost::NEVER };
            (!cost.is_never()).then_some((node, cost))
        });
        ahead.min_by_key(|(_, cost)| *cost)
    }

    /// The fastest trip, by a hierarchy of these costs or, without one, by Dijkstra's algorithm.
    fn leg(&self, metric: Option<&Metric>, from: &Snap, to: &Snap) -> Option<Leg> {
        let (starts, ends) = (self.starts(from), self.ends(to));
        let seeds: Vec<(u32, Cost)> = starts.iter().map(|start| (start.node, start.cost)).collect();
        let found = match metric {
            Some(metric) => self.mode.search(|search| search.route(&self.mode.hierarchy, metric, &seeds, &ends)),
            None => self.mode.dijkstra(|search| search.route(&self.mode.turns, self.costs, &seeds, &ends)),
        };
        let direct = self.direct(from, to);
        let (nodes, cost) = match (found, direct) {
            (Some(route), Some((node, direct))) if direct <= route.cost => (vec![node], direct),
            (Some(Route { cost, path }), _) => {
                let first = starts.iter().filter(|start| Some(&start.node) == path.first()).min_by_key(|start| start.cost)?;
                (std::iter::once(first.left).chain(path).collect(), cost)
            }
            (None, Some((node, direct))) => (vec![node], direct),
            (None, None) => return None,
        };
        Some(Leg { from: *from, to: *to, nodes, cost })
    }

    /// What a leg's pieces cost here, those on its first and last arcs included.
    fn pieces<'l>(&self, leg: &'l Leg) -> impl Iterator<Item = (Arc, f64, f64)> + use<'l, '_> {
        let last = leg.nodes.len() - 1;
        let turns = &self.mode.turns;
        leg.nodes.iter().enumerate().map(move |(i, node)| {
            let arc = turns.arc[*node as usize];
            (arc, if i == 0 { leg.from.along(arc) } else { 0.0 }, if i == last { leg.to.along(arc) } else { 1.0 })
        })
    }
}

impl Conditions<'_> {
    fn ground(&self) -> Ground<'_> {
        Ground { mode: self.mode, costs: &self.costs, closures: Some(&self.closures) }
    }
    fn free(&self) -> Ground<'_> {
        Ground { mode: self.mode, costs: &self.mode.free, closures: None }
    }
    /// Whether these are the costs of free roads.
    fn is_free(&self) -> bool {
        std::sync::Arc::ptr_eq(&self.costs, &self.mode.free)
    }

    /// The fastest trip between two places.
    ///
    /// Closures only make roads dearer. So the fastest trip of free roads, where no closure touches it, is the fastest; and where
    /// one does, its closures are those avoided.
    pub fn trip(&self, from: &Snap, to: &Snap) -> Trip {
        let free_ground = self.free();
        if self.is_free() {
            let leg = free_ground.leg(Some(&self.mode.metric), from, to);
            return Trip { free: leg.as_ref().map(|leg| leg.cost), leg, avoided: vec![], inside: vec![] };
        }
        let (ground, driver) = (self.ground(), self.mode.driver());
        let mut trip = Trip { leg: None, free: None, avoided: vec![], inside: self.closures.holding(from.road, from.at, driver) };
        // Pieces of the free trip that cost more now.
        let dearer: Vec<(Arc, f64, f64)> = match self.beside_free(from, to) {
            Some(beside) => {
                trip.free = Some(beside.cost);
                if let Some(leg) = beside.leg {
                    trip.leg = Some(leg);
                    return trip;
                }
                beside.dearer
            }
            None => {
                let Some(free) = free_ground.leg(Some(&self.mode.metric), from, to) else { return trip };
                trip.free = Some(free.cost);
                let costs_more = |(arc, from, to): &(Arc, f64, f64)| match *from == 0.0 && *to == 1.0 {
                    true => self.costs[arc.index()] != self.mode.free[arc.index()],
                    false => ground.part(*arc, *from, *to) != free_ground.part(*arc, *from, *to),
                };
                let dearer: Vec<_> = ground.pieces(&free).filter(costs_more).collect();
                if dearer.is_empty() {
                    trip.leg = Some(free);
                    return trip;
                }
                dearer
            }
        };
        trip.leg = ground.leg(self.metric.as_deref(), from, to);
        let mut driven: Vec<Arc> = trip.leg.iter().flat_map(|leg| ground.pieces(leg).map(|(arc, ..)| arc)).collect();
        driven.sort_unstable();
        let missed = dearer.into_iter().filter(|(arc, ..)| driven.binary_search(arc).is_err());
        trip.avoided = missed.flat_map(|(arc, from, to)| self.closures.met(arc, from, to, driver)).collect();
        trip.avoided.sort_unstable();
        trip.avoided.dedup();
        trip
    }

    /// The free trip beside the costs of now, on both hierarchies; `None` without one for now, and where the trip may stay on one road.
    fn beside_free(&self, from: &Snap, to: &Snap) -> Option<Beside> {
        let metric = self.metric.as_deref().filter(|_| from.road != to.road)?;
        let (free, ground) = (self.free(), self.ground());
        let (starts, ends) = (free.starts(from), free.ends(to));
        let seeds: Vec<(u32, Cost)> = starts.iter().map(|start| (start.node, start.cost)).collect();
        let found = self.mode.search(|search| search.compared(&self.mode.hierarchy, [&self.mode.metric, metric], &seeds, &ends))?;
        let [first, last] = found.ends;
        let start = starts.iter().filter(|start| start.node == first).min_by_key(|start| start.cost)?;
        let arc = |node: u32| self.mode.turns.arc[node as usize];
        let mut dearer: Vec<(Arc, f64, f64)> = found.dearer.into_iter().map(|node| (arc(node), 0.0, 1.0)).collect();
        let parts = [(arc(start.left), from.along(arc(start.left)), 1.0), (arc(last), 0.0, to.along(arc(last)))];
        dearer.extend(parts.into_iter().filter(|(arc, from, to)| ground.part(*arc, *from, *to) != free.part(*arc, *from, *to)));
        let leg = found.way.filter(|_| dearer.is_empty()).map(|Route { cost, path }| Leg {
            from: *from,
            to: *to,
            nodes: std::iter::once(start.left).chain(path).collect(),
            cost,
        });
        Some(Beside { cost: found.cost, dearer, leg })
    }

    /// A trip by way of several places. At each it goes on in the direction in which it came, unless it may turn there or can't
    /// go on otherwise.
    pub fn trips(&self, places: &[Snap], turn_at: impl Fn(usize) -> bool) -> Vec<Trip> {
        if places.len() == 2 {
            return vec![self.trip(&places[0], &places[1])];
        }
        /// The best way to come to a place in one direction: its cost, the direction of the place before, and the trips.
        type Best = Option<(Cost, usize, Trip)>;
        let one = |snap: &Snap, way: usize| Snap { ways: snap.ways.and([FORWARD, BACKWARD][way]), ..*snap };
        let mut stages: Vec<[Best; 2]> = Vec::with_capacity(places.len());
        for (i, ends) in places.windows(2).enumerate() {
            let mut stage: [Best; 2] = [None, None];
            for (way, best) in stage.iter_mut().enumerate() {
                let to = one(&ends[1], way);
                if !to.ways.any() {
                    continue;
                }
                let mut offer = |before: Cost, past: usize, trip: Trip| {
                    let Some(leg) = &trip.leg else { return };
                    let cost = before + leg.cost;
                    if best.as_ref().is_none_or(|(known, ..)| cost < *known) {
                        *best = Some((cost, past, trip));
                    }
                };
                match stages.last() {
                    None => offer(Cost::ZERO, 0, self.trip(&ends[0], &to)),
                    Some(before) => {
                        for (past, came) in before.iter().enumerate() {
                            let Some((cost, ..)) = came else { continue };
                            let straight = self.trip(&one(&ends[0], past), &to);
                            let stuck = straight.leg.is_none();
                            offer(*cost, past, straight);
                            if stuck || turn_at(i) {
                                offer(*cost, past, self.trip(&ends[0], &to));
                            }
                        }
                    }
                }
            }
            if stage.iter().all(Option::is_none) {
                // Cut off here: what was found so far doesn't help.
                return vec![self.trip(&ends[0], &ends[1])];
            }
            stages.push(stage);
        }
        let mut trips = Vec::with_capacity(stages.len());
        let mut way = None;
        for mut stage in stages.into_iter().rev() {
            let way_here = way.unwrap_or_else(|| {
                let cost = |way: usize| stage[way].as_ref().map_or(Cost::NEVER, |(cost, ..)| *cost);
                usize::from(cost(1) < cost(0))
            });
            let Some((_, past, trip)) = stage[way_here].take() else { break };
            trips.push(trip);
            way = Some(past);
        }
        trips.reverse();
        trips
    }

    /// Other good ways than a trip that was found: little longer, and mostly elsewhere.
    pub fn alternatives(&self, from: &Snap, to: &Snap, best: &Leg, count: usize) -> Vec<Leg> {
        let Some(metric) = &self.metric else { return vec![] };
        let ground = self.ground();
        let (starts, ends) = (ground.starts(from), ground.ends(to));
        let seeds: Vec<(u32, Cost)> = starts.iter().map(|start| (start.node, start.cost)).collect();
        let bound = Cost::within((f64::from(best.cost.ms()) * (1.0 + LONGER_MAX)) as u32);
        let candidates: Vec<Leg> = self.mode.search(|search| {
            let meetings = search.meetings(&self.mode.hierarchy, metric, &seeds, &ends, |_| bound);
            let leg = |meeting: Meeting| {
                let Route { cost, path } = search.way(&self.mode.hierarchy, metric, meeting)?;
                let first = starts.iter().filter(|start| Some(&start.node) == path.first()).min_by_key(|start| start.cost)?;
                let nodes: Vec<u32> = std::iter::once(first.left).chain(path).collect();
                (cost <= bound).then_some(Leg { from: *from, to: *to, nodes, cost })
            };
            meetings.into_iter().take(VIAS_MAX).filter_map(leg).collect()
        });
        let mut found: Vec<Leg> = Vec::new();
        for leg in candidates {
            let mut once = leg.nodes.clone();
            once.sort_unstable();
            once.dedup();
            let differs = |other: &Leg| self.shared(&leg, other) <= SHARED_MAX;
            if found.len() < count && once.len() == leg.nodes.len() && differs(best) && found.iter().all(differs) && self.is_sound(&leg) {
                found.push(leg);
            }
        }
        found
    }

    /// The part of a leg's time that is spent on roads of another.
    fn shared(&self, leg: &Leg, other: &Leg) -> f64 {
        let ms = |node: &u32| match self.costs[self.mode.turns.arc[*node as usize].index()] {
            cost if cost.is_never() => 0.0,
            cost => f64::from(cost.ms()),
        };
        let theirs: std::collections::HashSet<&u32> = other.nodes.iter().collect();
        let (all, both) = leg
            .nodes
            .iter()
            .fold((0.0, 0.0), |(all, both), node| (all + ms(node), both + if theirs.contains(node) { ms(node) } else { 0.0 }));
        if all > 0.0 { both / all } else { 1.0 }
    }

    /// Whether every quarter of a leg is itself the fastest way: no detour that a driver would shake his head at.
    fn is_sound(&self, leg: &Leg) -> bool {
        let n = leg.nodes.len();
        let (Some(metric), true) = (&self.metric, n > 8) else { return true };
        let cost = |range: std::ops::Range<usize>| {
            leg.nodes[range].windows(2).fold(Cost::ZERO, |sum, pair| {
                let edge = self.mode.turns.edges(pair[0]).find(|edge| self.mode.turns.head[*edge] == pair[1]);
                sum + edge.map_or(Cost::NEVER, |edge| self.mode.turns.cost(pair[0], edge, &self.costs))
            })
        };
        let inner = 1..n - 1;
        let quarter = inner.len() / 4;
        (0..4).map(|k| inner.start + k * quarter..(inner.start + (k + 2) * quarter).min(inner.end)).filter(|range| range.len() > 1).all(
            |range| {
                let (first, last) = (leg.nodes[range.start], leg.nodes[range.end - 1]);
                let (first, last) = ([(first, Cost::ZERO)], [(last, Cost::ZERO)]);
                let fastest = self.mode.search(|search| search.cost(&self.mode.hierarchy, metric, &first, &last));
                !fastest.is_never() && fastest.ms() >= cost(range).ms()
            },
        )
    }

    /// What is reached of the arcs from a place within a limit, as far as each is open. An arc may be there more than once.
    pub fn reach(&self, from: &Snap, limit: Cost) -> Vec<Reached> {
        let (ground, driver) = (self.ground(), self.mode.driver());
        let seeds: Vec<(u32, Cost)> = ground.starts(from).iter().map(|start| (start.node, start.cost)).collect();
        let limit = Cost::within(limit.ms());
        let nodes = match &self.metric {
            Some(metric) => self.mode.sweep(|memories| memories[0].reach(&self.mode.hierarchy, metric, &seeds, limit)),
            None => {
                // What counts longer than it is driven comes later.
                let counted = Cost::within(limit.ms() + Cost::SURCHARGE_MAX * 60_000);
                let mut nodes = self.mode.dijkstra(|search| search.reach(&self.mode.turns, &self.costs, &seeds, counted));
                nodes.retain(|(_, cost)| cost.driven() <= limit);
                nodes
            }
        };
        let entered = ground.arcs(from).map(|(arc, at)| (arc, at, 0));
        let entered = entered.chain(nodes.into_iter().map(|(node, cost)| (self.mode.turns.arc[node as usize], 0.0, cost.driven().ms())));
        let driven = entered.filter_map(|(arc, from, start_ms)| {
            let [free, cost] = [self.mode.free[arc.index()], self.costs[arc.index()]];
            let (to, cost) = match cost == free {
                true => (1.0, cost),
                false => (self.closures.open_until(arc, from, driver), self.closures.slowed(arc, free, driver)),
            };
            let left_out = self.costs[arc.index()].is_never() && to == 1.0;
            let end_ms = || start_ms + (f64::from(cost.ms()) * (to - from)) as u32;
            (to > from && !cost.is_never() && !left_out).then(|| Reached { arc, from, to, start_ms, end_ms: end_ms() })
        });
        driven.collect()
    }

    /// What driving from each of some places to each of others takes, row by row; [`Cost::NEVER`] where there is no way.
    pub fn table(&self, from: &[Snap], to: &[Snap]) -> Vec<Cost> {
        let ground = self.ground();
        let sources: Vec<Vec<(u32, Cost)>> =
            from.iter().map(|snap| ground.starts(snap).iter().map(|start| (start.node, start.cost)).collect()).collect();
        let targets: Vec<Vec<(u32, Cost)>> = to.iter().map(|snap| ground.ends(snap)).collect();
        let mut costs = match &self.metric {
            Some(metric) => self.mode.sweep(|memories| matrix(&self.mode.hierarchy, metric, memories, &sources, &targets)),
            None => self
                .mode
                .dijkstra(|search| sources.iter().flat_map(|seeds| search.many(&self.mode.turns, &self.costs, seeds, &targets)).collect()),
        };
        // Trips that stay on one road: few, found by road.
        let mut by_road: std::collections::HashMap<u32, Vec<usize>> = std::collections::HashMap::new();
        to.iter().enumerate().for_each(|(n, snap)| by_road.entry(snap.road).or_default().push(n));
        for (row, source) in from.iter().enumerate() {
            for n in by_road.get(&source.road).into_iter().flatten() {
                if let Some((_, cost)) = ground.direct(source, &to[*n]) {
                    let cell = &mut costs[row * to.len() + n];
                    *cell = (*cell).min(cost);
                }
            }
        }
        costs.iter_mut().for_each(|cost| *cost = cost.driven());
        costs
    }
}

/// How much longer than the fastest another way may be, how much of it may be the same, and how many are looked at.
const LONGER_MAX: f64 = 0.25;
const SHARED_MAX: f64 = 0.75;
const VIAS_MAX: usize = 60;

const FORWARD: Ways = Ways { forward: true, backward: false };
const BACKWARD: Ways = Ways { forward: false, backward: true };
