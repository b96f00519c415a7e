//! The hierarchy against Dijkstra's algorithm: on random turn graphs and generated towns, through closings and openings.

use biaotu::roads::{Arc, Cost, Dijkstra, Hierarchy, Metric, Route, Search, Sweep, TurnGraph, matrix, order};

use super::generate::{Town, town};
use crate::support::{self, Random};

/// Any turn graph: parallel edges, loops, several nodes of one arc, nodes without edges; and costs that are often zero or never.
fn random_graph(random: &mut Random) -> (TurnGraph, Vec<Cost>) {
    let nodes = 1 + random.below(40);
    let arcs = 1 + random.below(nodes + 10);
    let degree = 1 + random.below(4);
    let mut graph = TurnGraph { first: vec![0], ..TurnGraph::default() };
    for _ in 0..nodes {
        graph.arc.push(Arc(random.below(arcs) as u32));
        for _ in 0..random.below(degree + 1) {
            graph.head.push(random.below(nodes) as u32);
            graph.turn_ms.push(random.below(3) as u32);
            graph.surcharge.push(random.below(20) as u8 / 19);
        }
        graph.first.push(graph.head.len() as u32);
    }
    let costs = (0..arcs).map(|_| random_cost(random)).collect();
    (graph, costs)
}

fn random_cost(random: &mut Random) -> Cost {
    match random.below(8) {
        0 => Cost::NEVER,
        1 => Cost::ZERO,
        2 => Cost::new(1, 0),
        _ => Cost::new(random.below(20) as u32, random.below(20) as u32),
    }
}

fn shuffled(random: &mut Random, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    (1..n).for_each(|at| order.swap(at, random.below(at + 1)));
    order
}

fn a_town(random: &mut Random, side: usize) -> Town {
    town(side, &mut || random.between(0.0, 1.0))
}

/// Up to three nodes, now and then one that isn't there.
fn ends(random: &mut Random, graph: &TurnGraph) -> Vec<(u32, Cost)> {
    (0..1 + random.below(3)).map(|_| (random.below(graph.nodes() + 1) as u32, Cost::new(random.below(3) as u32 * 1000, 7))).collect()
}

/// A path leads from one end to the other, over the cheapest edges, for exactly its cost.
fn check_path(graph: &TurnGraph, costs: &[Cost], from: &[(u32, Cost)], to: &[(u32, Cost)], route: &Route) {
    let end = |ends: &[(u32, Cost)], node: u32| ends.iter().filter(|end| end.0 == node).map(|end| end.1).min();
    let (first, last) = (route.path[0], *route.path.last().unwrap());
    let mut cost = end(from, first).expect("begins at a source") + end(to, last).expect("ends at a target");
    for step in route.path.windows(2) {
        let edges = graph.edges(step[0]).filter(|&edge| graph.head[edge] == step[1]);
        cost = cost + edges.map(|edge| graph.cost(step[0], edge, costs)).min().expect("an edge of the graph");
    }
    assert_eq!(cost, route.cost, "{:?}", route.path);
}

/// Routes, one-to-all and matrices on a metric are what Dijkstra's algorithm finds.
fn check(random: &mut Random, graph: &TurnGraph, costs: &[Cost], hierarchy: &Hierarchy, metric: &Metric, rounds: usize) {
    let (mut search, mut oracle, mut memories) = (Search::new(hierarchy), Dijkstra::default(), vec![Sweep::new(hierarchy)]);
    for _ in 0..rounds {
        let (from, to) = (ends(random, graph), ends(random, graph));
        let expected = oracle.route(graph, costs, &from, &to);
        let route = search.route(hierarchy, metric, &from, &to);
        assert_eq!(route.as_ref().map(|route| route.cost), expected.as_ref().map(|route| route.cost), "{from:?} {to:?}");
        for route in route.iter().chain(&expected) {
            check_path(graph, costs, &from, &to, route);
        }
        let least = expected.map_or(Cost::NEVER, |route| route.cost);
        assert_eq!(search.cost(hierarchy, metric, &from, &to), least);
        let meetings = search.meetings(hierarchy, metric, &from, &to, |least| least + Cost::new(9, 0));
        assert_eq!(meetings.first().map_or(Cost::NEVER, |meeting| meeting.cost), least);
        for meeting in meetings {
            let way = search.way(hierarchy, metric, meeting).unwrap();
            assert!(way.cost == meeting.cost && way.cost <= least + Cost::new(9, 0));
            check_path(graph, costs, &from, &to, &way);
        }
        // Within any limit: that of some node that is reached at all.
        let everywhere = oracle.reach(graph, costs, &from, Cost::new(1 << 29, 0));
        let limit = everywhere.get(random.below(everywhere.len().max(1))).map_or(Cost::ZERO, |(_, cost)| cost.driven());
        let mut expected: Vec<_> = everywhere.into_iter().filter(|(_, cost)| cost.driven() <= limit).collect();
        let mut reached = memories[0].reach(hierarchy, metric, &from, limit);
        expected.sort_unstable();
        reached.sort_unstable();
        assert_eq!(reached, expected);
    }
    let [from, to] = [0, 0].map(|_| (0..random.below(12)).map(|_| ends(random, graph)).collect::<Vec<_>>());
    let expected: Vec<Cost> = from.iter().flat_map(|from| oracle.many(graph, costs, from, &to)).collect();
    assert_eq!(matrix(hierarchy, metric, &mut memories, &from, &to), expected);
}

/// Closes and opens arcs, one or many, and checks that the metric that follows is the one that is made anew.
fn close_and_open(random: &mut Random, graph: &TurnGraph, costs: &mut [Cost], hierarchy: &Hierarchy, metric: &mut Metric, open: &[Cost]) {
    let start = random.below(costs.len());
    let many = 1 << random.below(8);
    let end = (start + 1 + random.below(many)).min(costs.len());
    let how = random.below(3);
    let changed: Vec<Arc> = (start..end).map(|arc| Arc(arc as u32)).collect();
    for arc in start..end {
        costs[arc] = match how {
            0 => Cost::NEVER,
            1 => open[arc],
            _ => random_cost(random),
        };
    }
    *metric = metric.recustomize(hierarchy, graph, &changed, costs);
    assert!(*metric == Metric::customize(hierarchy, graph, costs), "{changed:?}");
}

#[test]
fn random_graphs_are_as_dijkstra_finds_them() {
    let mut random = Random::seeded("random_graphs_are_as_dijkstra_finds_them");
    for _ in 0..if support::soak() { 100_000 } else { 600 } {
        let (graph, mut costs) = random_graph(&mut random);
        let open = costs.clone();
        let hierarchy = Hierarchy::new(&graph, &shuffled(&mut random, graph.nodes())).unwrap();
        let mut metric = Metric::customize(&hierarchy, &graph, &costs);
        for _ in 0..3 {
            check(&mut random, &graph, &costs, &hierarchy, &metric, 10);
            close_and_open(&mut random, &graph, &mut costs, &hierarchy, &mut metric, &open);
        }
    }
}

#[test]
fn towns_are_as_dijkstra_finds_them() {
    let mut random = Random::seeded("towns_are_as_dijkstra_finds_them");
    for n in 0..if support::soak() { 400 } else { 8 } {
        let mut town = a_town(&mut random, if n == 0 { 70 } else { 2 + n % 30 });
        let graph = &town.graph;
        let open = town.costs.clone();
        let hierarchy = Hierarchy::new(graph, &order(&town.network, graph)).unwrap();
        let mut metric = Metric::customize(&hierarchy, graph, &town.costs);
        for _ in 0..3 {
            check(&mut random, graph, &town.costs, &hierarchy, &metric, 10);
            close_and_open(&mut random, graph, &mut town.costs, &hierarchy, &mut metric, &open);
        }
    }
}

#[test]
fn an_order_has_every_node_once_wherever_roads_are() {
    let mut random = Random::seeded("an_order_has_every_node_once_wherever_roads_are");
    for n in 0..12 {
        let mut town = a_town(&mut random, 1 + n);
        match n % 3 {
            // All junctions at one place, or in two heaps.
            0 => town.network.junctions.iter_mut().for_each(|at| *at = biaotu::roads::Point::default()),
            1 => town.network.junctions.iter_mut().for_each(|at| at.lon = if at.lon % 2 == 0 { 0 } else { i32::MAX }),
            // A road that ends where it begins.
            _ => town.network.roads.iter_mut().step_by(5).for_each(|road| road.to = road.from),
        }
        let mut nodes = order(&town.network, &town.graph);
        assert!(Hierarchy::new(&town.graph, &nodes).is_ok());
        nodes.sort_unstable();
        assert!(nodes.into_iter().eq(0..town.graph.nodes() as u32));
    }
}

#[test]
fn an_order_that_is_none_is_refused() {
    let mut random = Random::seeded("an_order_that_is_none_is_refused");
    let town = a_town(&mut random, 5);
    let order = order(&town.network, &town.graph);
    let mut twice = order.clone();
    twice[0] = twice[1];
    let mut beyond = order.clone();
    beyond[0] = town.graph.nodes() as u32;
    for order in [&twice, &beyond, &order[1..].to_vec(), &vec![]] {
        assert!(Hierarchy::new(&town.graph, order).is_err());
    }
}

/// What makes everything after it cheap: few shortcuts, and short ways up.
#[test]
fn an_order_of_a_town_is_good() {
    let mut random = Random::seeded("an_order_of_a_town_is_good");
    let town = a_town(&mut random, 60);
    let hierarchy = Hierarchy::new(&town.graph, &order(&town.network, &town.graph)).unwrap();
    let arcs: usize = hierarchy.half.iter().map(|half| half.head.len()).sum();
    assert!(arcs < 12 * hierarchy.len(), "{arcs} arcs of {} nodes", hierarchy.len());
    let height = (0..hierarchy.len() as u32).map(|rank| hierarchy.ancestors(rank).count()).max();
    assert!(height < Some(250), "{height:?}");
}
