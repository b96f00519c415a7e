//! Costs from many places to many: the nodes above those of one side are selected once; each place of the other side climbs, and
//! sweeps down over them (Delling, Goldberg, Werneck 2011). What is within reach of one is found by the same sweep over those cells of
//! the roads that it gets into.

use std::ops::Range;

use super::{
    Cost, Hierarchy, Metric, Search,
    hierarchy::{BACKWARD, FORWARD},
    parallel::{share, workers},
};

/// Fewer nodes than this, swept over by all places together, aren't worth a thread.
const ALONE: usize = 200_000;

/// The least cost from each source to each target, row by row of sources; [`Cost::NEVER`] where there is no way.
///
/// A source or target is one or several nodes, each with what is to be added for it. More memories are made where more workers help.
pub fn matrix(
    hierarchy: &Hierarchy,
    metric: &Metric,
    memories: &mut Vec<Sweep>,
    from: &[Vec<(u32, Cost)>],
    to: &[Vec<(u32, Cost)>],
) -> Vec<Cost> {
    if from.len() <= to.len() {
        return rows(hierarchy, metric, memories, FORWARD, from, to);
    }
    let columns = rows(hierarchy, metric, memories, BACKWARD, to, from);
    (0..columns.len()).map(|at| columns[at % to.len() * from.len() + at / to.len()]).collect()
}

/// The least costs between few places that climb in one half, and many that are swept down to in the other; row by row of the few.
fn rows(
    hierarchy: &Hierarchy,
    metric: &Metric,
    memories: &mut Vec<Sweep>,
    side: usize,
    few: &[Vec<(u32, Cost)>],
    many: &[Vec<(u32, Cost)>],
) -> Vec<Cost> {
    let mut costs = vec![Cost::NEVER; few.len() * many.len()];
    if memories.is_empty() {
        memories.push(Sweep::new(hierarchy));
    }
    let entries: Vec<(u32, Cost)> = many.iter().flatten().copied().collect();
    memories[0].search.begin(hierarchy, [&entries, &[]]);
    let mut selected = memories[0].search.climb.clone();
    selected.sort_unstable_by_key(|&rank| std::cmp::Reverse(rank));
    let helpers = if few.len() * selected.len() > ALONE { workers().min(few.len()) } else { 1 };
    memories.resize_with(helpers.max(memories.len()), || Sweep::new(hierarchy));
    let rows = few.iter().zip(costs.chunks_mut(many.len().max(1))).collect();
    share(&mut memories[..helpers], rows, |(place, row), memory| {
        memory.climb(hierarchy, metric, side, place);
        memory.descend(hierarchy, metric, side, selected.iter().copied(), |_, _| {});
        for (place, cost) in many.iter().zip(row) {
            let least = |node: u32| hierarchy.rank.get(node as usize).map_or(Cost::NEVER, |&rank| memory.least[rank as usize]);
            *cost = place.iter().fold(Cost::NEVER, |sum, &(node, more)| sum.min(least(node) + more));
        }
    });
    costs
}

/// Memory for sweeps on one hierarchy, used again from one to the next.
pub struct Sweep {
    search: Search,
    /// By rank, where the last sweep was: the least cost.
    least: Vec<Cost>,
}

impl Sweep {
    pub fn new(hierarchy: &Hierarchy) -> Sweep {
        Sweep { search: Search::new(hierarchy), least: vec![Cost::NEVER; hierarchy.len()] }
    }

    /// All nodes that are driven to within `limit`, surcharges apart, from one of several; in no particular order.
    pub fn reach(&mut self, hierarchy: &Hierarchy, metric: &Metric, from: &[(u32, Cost)], limit: Cost) -> Vec<(u32, Cost)> {
        let mut reached = vec![];
        self.climb(hierarchy, metric, FORWARD, from);
        for cell in hierarchy.cells.iter().rev() {
            let Range { start, end } = cell.part.ranks;
            let entered = || cell.gates.iter().any(|gate| self.least[*gate as usize].driven() <= limit);
            if cell.part.whole && !self.search.climbed(end - 1) && !entered() {
                continue;
            }
            self.descend(hierarchy, metric, FORWARD, (start..end).rev(), |rank, cost| {
                if cost.driven() <= limit {
                    reached.push((hierarchy.node[rank as usize], cost));
                }
            });
        }
        reached
    }

    /// Climbs in one half.
    fn climb(&mut self, hierarchy: &Hierarchy, metric: &Metric, side: usize, place: &[(u32, Cost)]) {
        self.search.begin(hierarchy, if side == FORWARD { [place, &[]] } else { [&[], place] });
        self.search.ascend(hierarchy, metric, |_, _| Cost::NEVER);
    }

    /// Takes the least costs down to ranks in the other half, given from above; all ranks that lead to them were there before.
    fn descend(
        &mut self,
        hierarchy: &Hierarchy,
        metric: &Metric,
        side: usize,
        ranks: impl Iterator<Item = u32>,
        mut found: impl FnMut(u32, Cost),
    ) {
        let (half, costs) = (&hierarchy.half[1 - side], &metric.cost[1 - side]);
        let (climbed, least) = (&self.search.reached[side], &mut self.least);
        for rank in ranks {
            let arcs = half.arcs(rank);
            let ways = half.head[arcs.clone()].iter().zip(&costs[arcs]);
            let cost = ways.fold(climbed[rank as usize].0, |sum, (&above, &cost)| sum.min(least[above as usize] + cost));
            least[rank as usize] = cost;
            found(rank, cost);
        }
    }
}
