//! The roads as of one moment: a region, the closures in force, and what driving costs with them.
//!
//! A closure is obeyed from the moment it is in the view: the costs of the arcs change at once. The hierarchies follow in the
//! background; until they have, what they can't answer is found by Dijkstra's algorithm on the costs themselves.

use std::sync::Arc as Shared;

use super::{
    Arc, Cost, Metric,
    closures::{Closure, Closures, Cutting},
    parallel::{share, workers},
    region::{Mode, Region},
    trip::Scene,
};

/// The roads at one moment. It never changes; another closure makes another view that shares what it doesn't touch.
#[derive(Clone)]
pub struct Roads {
    pub region: Shared<Region>,
    pub closures: Shared<Closures>,
    /// The last change of the log that is in it.
    pub seq: u64,
    states: Vec<State>,
}

/// What driving costs in one mode.
#[derive(Clone)]
struct State {
    /// By arc, closures included.
    costs: Shared<Vec<Cost>>,
    metric: Shared<Metric>,
    /// The costs that the metric was made of: others, while it is pending.
    metric_costs: Shared<Vec<Cost>>,
    /// The roads that were cut then.
    metric_cut: Shared<Closures>,
}

/// What a question is answered by: a mode with the costs, the closures and, if there is one for just these, the metric.
#[derive(Clone)]
pub struct Conditions<'a> {
    pub region: &'a Region,
    pub mode: &'a Mode,
    pub closures: Shared<Closures>,
    pub costs: Shared<Vec<Cost>>,
    pub metric: Option<Shared<Metric>>,
}

impl Roads {
    /// A region with no closures.
    pub fn new(region: Shared<Region>, seq: u64) -> Roads {
        let states = region.modes.iter().map(|mode| State {
            costs: mode.free.clone(),
            metric: mode.metric.clone(),
            metric_costs: mode.free.clone(),
            metric_cut: Shared::default(),
        });
        Roads { states: states.collect(), closures: Shared::default(), seq, region }
    }

    /// The view with other closures in force. What they cut is worked out here, so that it is obeyed at once; the hierarchies are
    /// left to [`Roads::settled`].
    pub fn with(&self, closures: &[Closure], seq: u64) -> Roads {
        let known: std::collections::HashMap<&str, &Shared<Cutting>> =
            self.closures.list().iter().map(|cutting| (cutting.closure.id.as_str(), cutting)).collect();
        let list = closures.iter().map(|closure| match known.get(closure.id.as_str()) {
            Some(same) if same.closure == *closure => Shared::clone(same),
            _ => Shared::new(Cutting::new(&self.region.network, &self.region.index, closure.clone())),
        });
        let list: Vec<Shared<Cutting>> = list.collect();
        let mut next = self.clone();
        next.seq = seq;
        let same = |(a, b): (&Shared<Cutting>, &Shared<Cutting>)| Shared::ptr_eq(a, b);
        if list.len() == self.closures.list().len() && list.iter().zip(self.closures.list()).all(same) {
            return next;
        }
        let closures = Shared::new(Closures::new(list));
        for (state, mode) in next.states.iter_mut().zip(&self.region.modes) {
            state.costs = costs(mode, &closures);
        }
        next.closures = closures;
        next
    }

    /// Whether a hierarchy doesn't know the closures in force yet.
    pub fn is_pending(&self) -> bool {
        self.states.iter().any(|state| !Shared::ptr_eq(&state.costs, &state.metric_costs))
    }

    /// The view with all hierarchies brought up to its closures; takes a while.
    pub fn settled(&self) -> Roads {
        let mut next = self.clone();
        let settle = |(state, mode): (&mut State, &Mode), (): &mut ()| {
            if Shared::ptr_eq(&state.costs, &state.metric_costs) {
                return;
            }
            if self.closures.is_empty() {
                state.metric = mode.metric.clone();
            } else {
                let roads = self.closures.roads().chain(state.metric_cut.roads());
                let mut changed: Vec<Arc> =
                    roads.flat_map(|road| [false, true].map(|backward| Arc::new(road as usize, backward))).collect();
                changed.sort_unstable();
                changed.dedup();
                changed.retain(|arc| state.costs[arc.index()] != state.metric_costs[arc.index()]);
                state.metric = Shared::new(state.metric.recustomize(&mode.hierarchy, &mode.turns, &changed, &state.costs));
            }
            state.metric_costs = state.costs.clone();
            state.metric_cut = self.closures.clone();
        };
        share(&mut vec![(); workers()], next.states.iter_mut().zip(&self.region.modes).collect(), settle);
        next
    }

    /// The state of a later view, with the hierarchies of this one where they are for the same costs or nearer to them.
    pub fn adopt(&self, settled: &Roads) -> Roads {
        let mut next = self.clone();
        if Shared::ptr_eq(&self.region, &settled.region) {
            for (state, done) in next.states.iter_mut().zip(&settled.states) {
                (state.metric, state.metric_costs, state.metric_cut) =
                    (done.metric.clone(), done.metric_costs.clone(), done.metric_cut.clone());
            }
        }
        next
    }

    /// What questions in a mode are answered by just now.
    pub fn conditions(&self, mode: usize) -> Conditions<'_> {
        let state = &self.states[mode];
        let fresh = Shared::ptr_eq(&state.costs, &state.metric_costs);
        Conditions {
            region: &self.region,
            mode: &self.region.modes[mode],
            closures: self.closures.clone(),
            costs: state.costs.clone(),
            metric: fresh.then(|| state.metric.clone()),
        }
    }

    /// What questions in a mode are answered by if nothing were closed.
    pub fn free(&self, mode: usize) -> Conditions<'_> {
        let mode = &self.region.modes[mode];
        Conditions { region: &self.region, mode, closures: Shared::default(), costs: mode.free.clone(), metric: Some(mode.metric.clone()) }
    }

    /// What questions in a mode are answered by if closures are added and others, given by id, lifted.
    pub fn what_if(&self, mode: usize, add: &[Closure], lift: &[String]) -> Conditions<'_> {
        let kept = self.closures.list().iter().filter(|cutting| !lift.contains(&cutting.closure.id)).cloned();
        let cutting = |closure: &Closure| Shared::new(Cutting::new(&self.region.network, &self.region.index, closure.clone()));
        let added = add.iter().map(cutting);
        let closures = Shared::new(Closures::new(kept.chain(added).collect()));
        let mode = &self.region.modes[mode];
        Conditions { region: &self.region, mode, costs: costs(mode, &closures), closures, metric: None }
    }
}

/// What arcs cost with closures in force.
fn costs(mode: &Mode, closures: &Closures) -> Shared<Vec<Cost>> {
    if closures.is_empty() {
        return mode.free.clone();
    }
    let mut costs = Vec::clone(&mode.free);
    let driver = mode.driver();
    for road in closures.roads() {
        for arc in [false, true].map(|backward| Arc::new(road as usize, backward)) {
            let cost = &mut costs[arc.index()];
            if !cost.is_never() {
                *cost = if closures.open(arc, 0.0, 1.0, driver) { closures.slowed(arc, *cost, driver) } else { Cost::NEVER };
            }
        }
    }
    Shared::new(costs)
}

impl Conditions<'_> {
    /// What trips under these conditions are told by.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            network: &self.region.network,
            turns: &self.mode.turns,
            junctions: &self.mode.junctions,
            cost: &self.costs,
            free: &self.mode.free,
            closures: &self.closures,
            driver: self.mode.driver(),
            mode: self.mode.profile.mode.name(),
        }
    }

    /// Makes a hierarchy for these costs: pays where many trips are asked for at once.
    pub fn customize(&mut self) {
        self.metric = Some(Shared::new(Metric::customize(&self.mode.hierarchy, &self.mode.turns, &self.costs)));
    }

    /// The conditions without roads of some kinds; answered without a hierarchy.
    pub fn without(mut self, left_out: impl Fn(&super::Way) -> bool) -> Self {
        let network = &self.region.network;
        let costs = Shared::make_mut(&mut self.costs);
        for (arc, cost) in costs.iter_mut().enumerate() {
            if left_out(network.way(Arc(arc as u32))) {
                *cost = Cost::NEVER;
            }
        }
        self.metric = None;
        self
    }
}
