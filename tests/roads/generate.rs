//! Road networks out of thin air: a grid with lakes and gaps, one-way streets, streets and trunk roads, turn costs and restrictions.

use biaotu::roads::{Arc, Cost, Network, Point, Road, TurnGraph, Way, network::Class};

pub struct Town {
    pub network: Network,
    pub graph: TurnGraph,
    /// By arc.
    pub costs: Vec<Cost>,
}

/// A town of `side` × `side` junctions at most, out of numbers from 0 to 1.
pub fn town(side: usize, unit: &mut impl FnMut() -> f64) -> Town {
    let lakes: Vec<[f64; 3]> =
        (0..side / 6).map(|_| [unit() * side as f64, unit() * side as f64, unit() * unit() * 0.06 * side as f64]).collect();
    let wet = |x: usize, y: usize| lakes.iter().any(|lake| (x as f64 - lake[0]).hypot(y as f64 - lake[1]) < lake[2]);
    let mut network = Network { ways: vec![WAY], texts: vec![String::new()], ..Network::default() };
    for at in 0..side * side {
        let [x, y] = [at % side, at / side].map(|at| (at as f64 + 0.6 * (unit() - 0.5)) * 0.001);
        network.junctions.push(Point::new(114.0 + x, 28.0 + y));
    }
    let (mut costs, mut open) = (vec![], vec![]);
    for at in 0..side * side {
        for (step, line, end) in [(1, at / side, at % side), (side, at % side, at / side)] {
            let speed = if line.is_multiple_of(32) {
                22.0
            } else if line.is_multiple_of(8) {
                14.0
            } else {
                8.0
            };
            if end + 1 == side || wet(at % side, at / side) || wet((at + step) % side, (at + step) / side) || speed < 9.0 && unit() < 0.25 {
                continue;
            }
            let dm = 800 + (400.0 * unit()) as u32;
            network.roads.push(Road { from: at as u32, to: (at + step) as u32, way: 0, shape: network.shape.len() as u32, dm });
            network.shape.extend([network.junctions[at], network.junctions[at + step]]);
            let cost = Cost::new((f64::from(dm) * 100.0 / speed) as u32, dm);
            let oneway = unit();
            open.extend([oneway > 0.1, !(0.1..=0.2).contains(&oneway)]);
            costs.extend([cost, cost]);
        }
    }
    let graph = turns(&network, &open, unit);
    Town { network, graph, costs }
}

const WAY: Way = Way::new(1, Class::Residential);

/// Turns from every open arc into those after it; one arc in fifty has two nodes, and another choice of turns from the second.
fn turns(network: &Network, open: &[bool], unit: &mut impl FnMut() -> f64) -> TurnGraph {
    let mut graph = TurnGraph::default();
    let mut leaving = vec![vec![]; network.junctions.len()];
    for arc in (0..network.arcs() as u32).filter(|&arc| open[arc as usize]).map(Arc) {
        for _ in 0..1 + usize::from(unit() < 0.02) {
            leaving[network.tail(arc) as usize].push(graph.arc.len() as u32);
            graph.arc.push(arc);
        }
    }
    graph.first.push(0);
    for node in 0..graph.nodes() {
        let arc = graph.arc[node];
        let exits = &leaving[network.head(arc) as usize];
        for &next in exits {
            let back = graph.arc[next as usize] == arc.reverse();
            if back && exits.len() > 1 && unit() < 0.9 || unit() < 0.02 {
                continue;
            }
            graph.head.push(next);
            graph.surcharge.push(0);
            graph.turn_ms.push(if back { 20_000 } else { (8.0 * unit() * unit()) as u32 * 1000 });
        }
        graph.first.push(graph.head.len() as u32);
    }
    graph
}
