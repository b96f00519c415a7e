//! Costs from many places to many: the nodes above those of one side are selected once; each place of the other side climbs, and
//! sweeps down over them (Delling, Goldberg, Werneck 2011).

use super::{
    Cost, Hierarchy, Metric, Search,
    hierarchy::{BACKWARD, FORWARD},
    parallel::{share, workers},
};

/// Fewer nodes than this, swept over by all places together, aren't worth a thread.
const ALONE: usize = 200_000;

/// The least cost from each source to each target, row by row of sources; [`Cost::NEVER`] where there is no way.
///
/// A source or target is one or several nodes, each with what is to be added for it.
pub fn matrix(hierarchy: &Hierarchy, metric: &Metric, from: &[Vec<(u32, Cost)>], to: &[Vec<(u32, Cost)>]) -> Vec<Cost> {
    if from.len() <= to.len() {
        return rows(hierarchy, metric, FORWARD, from, to);
    }
    let columns = rows(hierarchy, metric, BACKWARD, to, from);
    (0..columns.len()).map(|at| columns[at % to.len() * from.len() + at / to.len()]).collect()
}

/// The least cost from one of several nodes to every node, by node.
pub fn all(hierarchy: &Hierarchy, metric: &Metric, from: &[(u32, Cost)]) -> Vec<Cost> {
    let mut memory = Memory::new(hierarchy);
    memory.sweep(hierarchy, metric, FORWARD, from, (0..hierarchy.len() as u32).rev());
    hierarchy.rank.iter().map(|&rank| memory.least[rank as usize]).collect()
}

/// The least costs between few places that climb in one half, and many that are swept down to in the other; row by row of the few.
fn rows(hierarchy: &Hierarchy, metric: &Metric, side: usize, few: &[Vec<(u32, Cost)>], many: &[Vec<(u32, Cost)>]) -> Vec<Cost> {
    let mut costs = vec![Cost::NEVER; few.len() * many.len()];
    let mut memory = vec![Memory::new(hierarchy)];
    let entries: Vec<(u32, Cost)> = many.iter().flatten().copied().collect();
    memory[0].search.begin(hierarchy, [&entries, &[]]);
    let mut selected = memory[0].search.climb.clone();
    selected.sort_unstable_by_key(|&rank| std::cmp::Reverse(rank));
    if few.len() * selected.len() > ALONE {
        memory.resize_with(workers().min(few.len()), || Memory::new(hierarchy));
    }
    let rows = few.iter().zip(costs.chunks_mut(many.len().max(1))).collect();
    share(&mut memory, rows, |(place, row), memory| {
        memory.sweep(hierarchy, metric, side, place, selected.iter().copied());
        for (place, cost) in many.iter().zip(row) {
            *cost = place.iter().fold(Cost::NEVER, |least, &(node, more)| least.min(memory.least(hierarchy, node) + more));
        }
    });
    costs
}

struct Memory {
    search: Search,
    /// By rank, where the last sweep was: the least cost.
    least: Vec<Cost>,
}

impl Memory {
    fn new(hierarchy: &Hierarchy) -> Memory {
        Memory { search: Search::new(hierarchy), least: vec![Cost::NEVER; hierarchy.len()] }
    }

    /// Climbs in one half, then takes the least costs in the other down to ranks, given from above and with all their ancestors.
    fn sweep(&mut self, hierarchy: &Hierarchy, metric: &Metric, side: usize, place: &[(u32, Cost)], ranks: impl Iterator<Item = u32>) {
        let (half, costs) = (&hierarchy.half[1 - side], &metric.cost[1 - side]);
        self.search.begin(hierarchy, if side == FORWARD { [place, &[]] } else { [&[], place] });
        self.search.ascend(hierarchy, metric, |_, _| Cost::NEVER);
        for rank in ranks {
            let arcs = half.arcs(rank);
            let climbed = self.search.reached[side][rank as usize].0;
            let ways = half.head[arcs.clone()].iter().zip(&costs[arcs]);
            self.least[rank as usize] = ways.fold(climbed, |least, (&above, &cost)| least.min(self.least[above as usize] + cost));
        }
    }

    fn least(&self, hierarchy: &Hierarchy, node: u32) -> Cost {
        hierarchy.rank.get(node as usize).map_or(Cost::NEVER, |&rank| self.least[rank as usize])
    }
}
