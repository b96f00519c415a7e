//! Guidance, OSRM's shapes and map matching, on towns drawn by hand.

use std::collections::{BTreeMap, BinaryHeap};

use biaotu::roads::{
    Arc, Cost, Network, Point, Road, Snap, TurnGraph, Way, Ways,
    closures::{Closures, Driver},
    guidance::{self, Junctions, Modifier},
    matching::{self, Fix},
    network::span_m,
    network::{Class, offset},
    osrm::{self, Annotations, Detail, Geometries, Measures, Overview, Tracepoint},
    polyline::{self, Precision},
    trip::{Leg, Scene, Track},
};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Places of a town are metres east and north of its middle.
type Place = (i32, i32);

const LON: f64 = 113.95;
const LAT: f64 = 28.61;

fn degrees((x, y): Place) -> [f64; 2] {
    // Metres of a degree here, eastward and northward.
    let (east, north) = offset(Point::new(LON, LAT - 0.005), Point::new(LON + 0.01, LAT + 0.005));
    [LON + f64::from(x) / (east * 100.0), LAT + f64::from(y) / (north * 100.0)]
}

fn point(place: Place) -> Point {
    let [lon, lat] = degrees(place);
    Point::new(lon, lat)
}

/// A network and one profile of it: ways meet where they share a place. Driving takes 0.1 s a metre; a turn 1 s.
#[derive(Default)]
struct Town {
    network: Network,
    ways: Vec<(Vec<Place>, bool)>,
    turns: TurnGraph,
    junctions: Junctions,
    cost: Vec<Cost>,
    closures: Closures,
}

fn town() -> Town {
    let mut town = Town::default();
    town.network.texts.push(String::new());
    town
}

impl Town {
    fn text(&mut self, text: &str) -> u32 {
        let known = self.network.texts.iter().position(|known| known == text);
        known.unwrap_or_else(|| {
            self.network.texts.push(text.to_owned());
            self.network.texts.len() - 1
        }) as u32
    }
    /// `name` may be followed by a number, as `Main St/G56`.
    fn way(mut self, name: &str, class: Class, places: &[Place], change: impl FnOnce(&mut Way)) -> Town {
        let (name, number) = name.split_once('/').unwrap_or((name, ""));
        let (name, number) = (self.text(name), self.text(number));
        let id = self.ways.len() as i64 + 1;
        let mut way = Way { name, number, ..Way::new(id, class) };
        change(&mut way);
        self.network.ways.push(way);
        self.ways.push((places.to_vec(), way.roundabout));
        self
    }
    fn street(self, name: &str, places: &[Place]) -> Town {
        self.way(name, Class::Residential, places, |_| {})
    }
    fn oneway(mut self) -> Town {
        self.ways.last_mut().unwrap().1 = true;
        self
    }
    fn built(mut self) -> Town {
        let mut uses: BTreeMap<Place, u32> = BTreeMap::new();
        for (places, _) in &self.ways {
            for (i, place) in places.iter().enumerate() {
                *uses.entry(*place).or_default() += if i == 0 || i + 1 == places.len() { 2 } else { 1 };
            }
        }
        let mut numbers: BTreeMap<Place, u32> = BTreeMap::new();
        let mut oneways = vec![];
        for (way, (places, oneway)) in self.ways.iter().enumerate() {
            let mut start = 0;
            for i in 1..places.len() {
                if uses[&places[i]] < 2 {
                    continue;
                }
                let mut junction = |place: Place| {
                    let next = numbers.len() as u32;
                    *numbers.entry(place).or_insert_with(|| {
                        self.network.junctions.push(point(place));
                        next
                    })
                };
                let (from, to) = (junction(places[start]), junction(places[i]));
                let shape = self.network.shape.len() as u32;
                let line: Vec<Point> = places[start..=i].iter().map(|place| point(*place)).collect();
                let length: f64 = line.windows(2).map(|pair| span_m(pair[0], pair[1])).sum();
                self.network.node_ids.extend(places[start..=i].iter().map(|(x, y)| i64::from(x + 5000) * 10_000 + i64::from(y + 5000)));
                self.network.shape.extend(line);
                self.network.roads.push(Road { from, to, way: way as u32, shape, dm: (length * 10.0).round() as u32 });
                oneways.push(*oneway);
                start = i;
            }
        }
        let arcs: Vec<Arc> = (0..self.network.arcs() as u32).map(Arc).collect();
        self.cost = arcs
            .iter()
            .map(|arc| {
                let dm = self.network.roads[arc.road()].dm;
                if arc.is_backward() && oneways[arc.road()] { Cost::NEVER } else { Cost::new(dm * 10, dm) }
            })
            .collect();
        let nodes: Vec<Arc> = arcs.into_iter().filter(|arc| !self.cost[arc.index()].is_never()).collect();
        self.turns.arc = nodes.clone();
        self.turns.first.push(0);
        for from in &nodes {
            let on: Vec<u32> =
                (0..nodes.len() as u32).filter(|to| self.network.tail(nodes[*to as usize]) == self.network.head(*from)).collect();
            let is_end = on.iter().all(|to| nodes[*to as usize] == from.reverse());
            for to in on {
                if nodes[to as usize] != from.reverse() || is_end {
                    self.turns.head.push(to);
                    self.turns.turn_ms.push(1000);
                    self.turns.surcharge.push(0);
                }
            }
            self.turns.first.push(self.turns.head.len() as u32);
        }
        self.junctions = Junctions::new(&self.network, &self.turns);
        self
    }
    fn scene(&self) -> Scene<'_> {
        Scene {
            network: &self.network,
            turns: &self.turns,
            junctions: &self.junctions,
            cost: &self.cost,
            free: &self.cost,
            closures: &self.closures,
            driver: Driver { profile: "car", emergency: false },
            mode: "driving",
        }
    }
    /// The nearest roads, nearest first: all of them looked at.
    fn snaps(&self, asked: [f64; 2]) -> Vec<Snap> {
        let mut snaps: Vec<Snap> = (0..self.network.roads.len())
            .map(|road| {
                let shape = self.network.shape(road);
                let whole: f64 = shape.windows(2).map(|pair| span_m(pair[0], pair[1])).sum();
                let (mut best, mut before) = (None::<(f64, f64, [f64; 2])>, 0.0);
                for pair in shape.windows(2) {
                    let [(ax, ay), (bx, by)] = [pair[0].degrees(), pair[1].degrees()];
                    for t in (0..=200).map(|t| f64::from(t) / 200.0) {
                        let (x, y) = (ax + (bx - ax) * t, ay + (by - ay) * t);
                        let distance = span_m(Point::new(x, y), Point::new(asked[0], asked[1]));
                        if best.is_none_or(|best| distance < best.0) {
                            best = Some((distance, (before + span_m(pair[0], pair[1]) * t) / whole, [x, y]));
                        }
                    }
                    before += span_m(pair[0], pair[1]);
                }
                let (distance_m, at, [lon, lat]) = best.unwrap();
                Snap { road: road as u32, at: at.clamp(0.0, 1.0), lon, lat, asked, distance_m, ways: Ways::BOTH }
            })
            .collect();
        snaps.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
        snaps
    }
    fn snap(&self, place: Place) -> Snap {
        self.snaps(degrees(place))[0]
    }
    /// The fastest leg, by a search of all nodes.
    fn leg(&self, from: Snap, to: Snap) -> Option<Leg> {
        let scene = self.scene();
        let on = |snap: &Snap| -> Vec<u32> {
            (0..self.turns.nodes() as u32).filter(|node| scene.arc(*node).road() as u32 == snap.road).collect()
        };
        let leg = |nodes: Vec<u32>| {
            let leg = Leg { from, to, nodes, cost: Cost::ZERO };
            let cost = scene.cost(&leg);
            Leg { cost, ..leg }
        };
        let mut found: Vec<Leg> = vec![];
        let mut heap = BinaryHeap::new();
        for node in on(&from) {
            if from.road == to.road && from.along(scene.arc(node)) <= to.along(scene.arc(node)) {
                found.push(leg(vec![node]));
            }
            heap.push((std::cmp::Reverse(Cost::ZERO), vec![node]));
        }
        let mut seen = vec![false; self.turns.nodes()];
        while let Some((std::cmp::Reverse(cost), path)) = heap.pop() {
            let node = *path.last().unwrap();
            if path.len() > 1 && scene.arc(node).road() as u32 == to.road {
                found.push(leg(path.clone()));
            }
            if path.len() > 1 && std::mem::replace(&mut seen[node as usize], true) {
                continue;
            }
            for edge in self.turns.edges(node) {
                let mut arc = self.turns.cost(node, edge, &self.cost);
                if path.len() == 1 {
                    let whole = self.cost[scene.arc(node).index()];
                    arc = from.beyond(scene.arc(node), whole) + self.turns.turn(edge);
                }
                let next: Vec<u32> = path.iter().copied().chain([self.turns.head[edge]]).collect();
                heap.push((std::cmp::Reverse(cost + arc), next));
            }
        }
        found.into_iter().min_by_key(|leg| leg.cost)
    }
    fn json(&self, legs: &[Leg], detail: &Detail) -> Json {
        let waypoints: Vec<Snap> = legs.iter().map(|leg| leg.from).chain(legs.last().map(|leg| leg.to)).collect();
        let mut out = vec![];
        osrm::route(&self.scene(), &[legs.to_vec()], &waypoints, detail, &mut out);
        serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
    }
    /// What a driver is told, as `turn left Main St`.
    fn told(&self, from: Place, to: Place) -> Vec<String> {
        let leg = self.leg(self.snap(from), self.snap(to)).expect("there is a way");
        let detail = Detail { steps: true, ..Detail::default() };
        let json = self.json(&[leg], &detail);
        let steps = json["routes"][0]["legs"][0]["steps"].as_array().unwrap();
        let words = steps.iter().map(|step| {
            let maneuver = &step["maneuver"];
            let exit = maneuver["exit"].as_u64().map(|exit| exit.to_string()).unwrap_or_default();
            let words = [&maneuver["type"], &maneuver["modifier"], &step["name"]].map(|word| word.as_str().unwrap_or_default().to_owned());
            let [kind, modifier, name] = words;
            [kind, exit, modifier, name].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        });
        words.collect()
    }
}

const ALL: Detail = Detail {
    geometries: Geometries::Geojson,
    overview: Overview::Full,
    steps: true,
    annotations: Annotations { nodes: true, datasources: true, weight: true, duration: true, distance: true, speed: true },
};

fn crossing() -> Town {
    town().street("East St", &[(-300, 0), (0, 0), (300, 0)]).street("North St", &[(0, -300), (0, 0), (0, 300)]).built()
}

#[test]
fn a_crossing_is_told_only_if_one_turns() {
    let town = crossing();
    assert_eq!(town.told((-200, 0), (200, 0)), ["depart East St", "arrive East St"]);
    assert_eq!(town.told((-200, 0), (0, 200)), ["depart East St", "turn left North St", "arrive North St"]);
    assert_eq!(town.told((-200, 0), (0, -200)), ["depart East St", "turn right North St", "arrive North St"]);
}

#[test]
fn the_side_of_the_road_is_told_if_the_place_lies_off_it() {
    let town = crossing();
    assert_eq!(town.told((-200, 20), (200, -20)), ["depart left East St", "arrive right East St"]);
    assert_eq!(town.told((-200, -20), (200, 20)), ["depart right East St", "arrive left East St"]);
}

#[test]
fn a_bend_is_no_turn_and_a_name_is_told_when_it_changes() {
    let town = town()
        .street("First", &[(0, 0), (200, 0), (400, 0)])
        .street("Second", &[(400, 0), (600, 20), (600, 300)])
        .street("", &[(600, 300), (600, 500)])
        .street("Second", &[(600, 500), (600, 700)])
        .built();
    assert_eq!(town.told((50, 0), (600, 650)), ["depart First", "new name straight Second", "arrive Second"]);
}

#[test]
fn minor_branches_do_not_make_a_turn_of_a_bend() {
    let town = town()
        .way("Main", Class::Secondary, &[(0, 0), (200, 0), (350, 100)], |_| {})
        .way("", Class::Service, &[(200, 0), (400, 0)], |_| {})
        .built();
    assert_eq!(town.told((50, 0), (340, 95)), ["depart Main", "arrive Main"]);
    assert_eq!(town.told((50, 0), (350, 0)), ["depart Main", "turn straight", "arrive"]);
}

#[test]
fn a_street_that_turns_is_continued() {
    let town = town()
        .street("Main", &[(0, 0), (200, 0), (200, 200)])
        .street("Other", &[(200, 0), (400, 0)])
        .street("Third", &[(200, 0), (200, -200)])
        .built();
    assert_eq!(town.told((50, 0), (200, 150)), ["depart Main", "continue left Main", "arrive Main"]);
    assert_eq!(town.told((50, 0), (350, 0)), ["depart Main", "turn straight Other", "arrive Other"]);
}

#[test]
fn a_fork_and_the_end_of_a_road() {
    let town = town()
        .street("Stem", &[(0, -300), (0, 0)])
        .street("West", &[(0, 0), (-100, 200)])
        .street("East", &[(0, 0), (100, 200)])
        .street("Top", &[(-500, 200), (-100, 200), (100, 200), (500, 200)])
        .built();
    assert_eq!(town.told((0, -200), (-60, 120)), ["depart Stem", "fork slight left West", "arrive West"]);
    assert_eq!(town.told((0, -200), (60, 120)), ["depart Stem", "fork slight right East", "arrive East"]);
    let town = self::town().street("Stem", &[(0, -300), (0, 0)]).street("Top", &[(-300, 0), (0, 0), (300, 0)]).built();
    assert_eq!(town.told((0, -200), (-200, 0)), ["depart Stem", "end of road left Top", "arrive Top"]);
    assert_eq!(town.told((0, -200), (200, 0)), ["depart Stem", "end of road right Top", "arrive Top"]);
    assert_eq!(town.told((-200, 0), (200, 0)), ["depart Top", "arrive Top"]);
}

#[test]
fn ramps_and_merges() {
    let link = |way: &mut Way| way.link = true;
    let town = town()
        .way("/G56", Class::Motorway, &[(-1000, 0), (0, 0), (500, 0), (1500, 0)], |_| {})
        .oneway()
        .way("", Class::Motorway, &[(0, 0), (150, -30), (250, -200)], link)
        .oneway()
        .way("", Class::Motorway, &[(250, -200), (350, -30), (500, 0)], link)
        .oneway()
        .street("Cross", &[(0, -200), (250, -200), (500, -200)])
        .built();
    assert_eq!(town.told((-500, 0), (1000, 0)), ["depart", "arrive"]);
    assert_eq!(town.told((-500, 0), (450, -200)), ["depart", "off ramp slight right", "turn left Cross", "arrive Cross"]);
    assert_eq!(town.told((50, -200), (1000, 0)), ["depart Cross", "on ramp left", "merge slight left", "arrive"]);
}

/// A roundabout with roads to the four winds, their names at the far ends; traffic keeps right.
fn circle(radius: i32, circular: bool, name: &str) -> Town {
    let place = |k: i32| {
        let angle = f64::from(k) * std::f64::consts::TAU / 16.0;
        ((angle.cos() * f64::from(radius)).round() as i32, (angle.sin() * f64::from(radius)).round() as i32)
    };
    let ring: Vec<Place> = (0..=16).map(|k| place(k % 16)).collect();
    town()
        .way(name, Class::Secondary, &ring, |way| {
            way.roundabout = true;
            way.circular = circular;
        })
        .street("East", &[place(0), (300, 0)])
        .street("North", &[place(4), (0, 300)])
        .street("West", &[place(8), (-300, 0)])
        .street("South", &[place(12), (0, -300)])
        .built()
}

#[test]
fn roundabouts_count_their_exits() {
    let town = circle(25, false, "");
    for (exit, to, name) in [(1, (250, 0), "East"), (2, (0, 250), "North"), (3, (-250, 0), "West")] {
        let told = town.told((0, -250), to);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "depart South");
        assert!(told[1].starts_with(&format!("roundabout {exit} ")) && told[1].ends_with(name), "{told:?}");
        assert!(told[2].starts_with(&format!("exit roundabout {exit} ")) && told[2].ends_with(name), "{told:?}");
        assert_eq!(told[3], format!("arrive {name}"));
    }
    // Ending and beginning on it: there is no exit to count.
    let told = town.told((0, -250), (10, 23));
    assert!(told.len() == 3 && told[1].starts_with("roundabout ") && !told[1].contains(char::is_numeric), "{told:?}");
    let told = town.told((23, 10), (-250, 0));
    assert!(told.len() == 3 && told[1].starts_with("exit roundabout ") && told[1].ends_with("West"), "{told:?}");
}

#[test]
fn rotaries_have_names_and_small_roundabouts_are_turns() {
    let town = circle(60, true, "Star Place");
    let leg = town.leg(town.snap((0, -250)), town.snap((-250, 0))).unwrap();
    let steps = &town.json(&[leg], &ALL)["routes"][0]["legs"][0]["steps"];
    assert_eq!(steps[1]["maneuver"]["type"], "rotary");
    assert_eq!(steps[1]["rotary_name"], "Star Place");
    assert_eq!(steps[1]["name"], "West");
    assert_eq!(steps[2]["maneuver"]["type"], "exit rotary");
    let town = circle(8, false, "");
    assert_eq!(town.told((0, -250), (-250, 0)), ["depart South", "roundabout turn left West", "arrive West"]);
    assert_eq!(town.told((0, -250), (0, 250)), ["depart South", "roundabout turn straight North", "arrive North"]);
    assert_eq!(town.told((0, -250), (250, 0)), ["depart South", "roundabout turn right East", "arrive East"]);
}

#[test]
fn a_ring_called_like_its_street_is_no_rotary() {
    let town = circle(60, true, "West");
    let told = town.told((0, -250), (-250, 0));
    assert!(told[1].starts_with("roundabout 3 "), "{told:?}");
}

#[test]
fn a_closed_road_may_not_be_entered_and_is_no_choice() {
    let mut town =
        town().street("Stem", &[(0, -300), (0, 0)]).street("West", &[(0, 0), (-100, 200)]).street("East", &[(0, 0), (100, 200)]).built();
    assert_eq!(town.told((0, -200), (-60, 120)), ["depart Stem", "fork slight left West", "arrive West"]);
    let closed = town.snap((60, 120)).road as usize;
    for backward in [false, true] {
        town.cost[Arc::new(closed, backward).index()] = Cost::NEVER;
    }
    assert_eq!(town.told((0, -200), (-60, 120)), ["depart Stem", "new name slight left West", "arrive West"]);
    let leg = town.leg(town.snap((0, -200)), town.snap((-60, 120))).unwrap();
    let intersection = &town.json(&[leg], &ALL)["routes"][0]["legs"][0]["steps"][1]["intersections"][0];
    // East, south where one comes from, west.
    assert_eq!(intersection["bearings"], serde_json::json!([27, 180, 333]));
    assert_eq!(intersection["entry"], serde_json::json!([false, false, true]));
    assert_eq!((&intersection["in"], &intersection["out"]), (&1.into(), &2.into()));
}

#[test]
fn a_ferry_is_another_mode() {
    let town = town()
        .street("Quay", &[(0, 0), (200, 0)])
        .way("Crossing", Class::Ferry, &[(200, 0), (900, 0)], |_| {})
        .street("Pier", &[(900, 0), (1200, 0)])
        .built();
    assert_eq!(
        town.told((50, 0), (1100, 0)),
        ["depart Quay", "notification straight Crossing", "notification straight Pier", "arrive Pier"]
    );
    let leg = town.leg(town.snap((50, 0)), town.snap((1100, 0))).unwrap();
    let steps = &town.json(&[leg], &ALL)["routes"][0]["legs"][0]["steps"];
    assert_eq!([0, 1, 2].map(|i| steps[i]["mode"].as_str().unwrap()), ["driving", "ferry", "driving"]);
    assert_eq!(steps[1]["intersections"][0]["classes"], serde_json::json!(["ferry"]));
}

#[test]
fn turning_back_at_a_dead_end_and_over_a_dual_carriageway() {
    let town = crossing();
    // By way of the road's end, since nothing else leads back.
    let scene = town.scene();
    let node = |from: Place, to: Place| {
        (0..town.turns.nodes() as u32)
            .find(|node| {
                let ends: Vec<Point> = town.network.positions(scene.arc(*node)).collect();
                ends[0] == point(from) && ends[ends.len() - 1] == point(to)
            })
            .unwrap()
    };
    let nodes = vec![node((0, 0), (300, 0)), node((300, 0), (0, 0))];
    let leg = Leg { from: town.snap((200, 0)), to: town.snap((100, 0)), nodes, cost: Cost::ZERO };
    let track = Track::new(&scene, &leg);
    let steps = guidance::steps(&scene, &leg, &track);
    assert_eq!(steps.len(), 3);
    assert_eq!((steps[1].maneuver.kind.word(), steps[1].maneuver.modifier), ("continue", Some(Modifier::Uturn)));

    let dual = self::town()
        .way("Avenue", Class::Primary, &[(-400, 0), (0, 0), (400, 0)], |_| {})
        .oneway()
        .way("Avenue", Class::Primary, &[(400, 20), (0, 20), (-400, 20)], |_| {})
        .oneway()
        .street("Side", &[(0, -300), (0, 0), (0, 20), (0, 300)])
        .built();
    assert_eq!(dual.told((-300, 0), (-300, 20)), ["depart Avenue", "continue uturn Avenue", "arrive Avenue"]);
    assert_eq!(dual.told((0, -200), (-300, 20)), ["depart Side", "turn left Avenue", "arrive Avenue"]);
}

#[test]
fn a_slip_road_is_part_of_its_turn() {
    let link = |way: &mut Way| way.link = true;
    let town = town()
        .way("Avenue", Class::Primary, &[(-400, 0), (-60, 0), (0, 0), (400, 0)], |_| {})
        .way("Street", Class::Primary, &[(0, 300), (0, 0), (0, -60), (0, -400)], |_| {})
        .way("", Class::Primary, &[(-60, 0), (-20, -15), (0, -60)], link)
        .oneway()
        .built();
    assert_eq!(town.told((-300, 0), (0, -300)), ["depart Avenue", "turn right Street", "arrive Street"]);
}

#[test]
fn a_trip_to_where_one_is() {
    let town = crossing();
    let here = town.snap((-120, 0));
    let leg = town.leg(here, here).unwrap();
    let json = town.json(&[leg], &ALL);
    let route = &json["routes"][0];
    assert_eq!((route["distance"].as_f64(), route["duration"].as_f64()), (Some(0.0), Some(0.0)));
    let steps = route["legs"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["geometry"]["coordinates"].as_array().unwrap().len(), 2);
    assert_eq!(steps[0]["maneuver"]["bearing_after"], 90);
    assert_eq!(steps[1]["maneuver"]["bearing_before"], 90);
}

#[test]
fn polylines_are_the_known_ones_and_come_back() {
    let line = [Point::new(-120.2, 38.5), Point::new(-120.95, 40.7), Point::new(-126.453, 43.252)];
    let mut out = vec![];
    polyline::write(line, Precision::Five, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "_p~iF~ps|U_ulLnnqC_mqNvxq`@");
    assert_eq!(polyline::decode("_p~iF~ps|U_ulLnnqC_mqNvxq`@", Precision::Five).unwrap(), line);
    assert_eq!(polyline::decode("", Precision::Five), Some(vec![]));
    for wrong in ["_p~iF", "_p~iF~ps|U_", "\u{7f}?", " ?", "~~~~~~~~~~~~", "ä", "_ibE_seK_seK"] {
        assert_eq!(polyline::decode(wrong, Precision::Six).filter(|line| line.len() != 1), None, "{wrong}");
    }
}

#[test]
fn tables_nearest_and_matches_are_json() {
    let town = crossing();
    let (a, b) = (town.snap((-200, 0)), town.snap((0, 200)));
    let mut out = vec![];
    let costs = [Cost::ZERO, Cost::new(40_060, 4003), Cost::NEVER, Cost::ZERO];
    osrm::table(&town.network, (&[a, b], &[a, b]), &costs, 2, Measures { durations: true, distances: true }, &mut out);
    let json: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["durations"], serde_json::json!([[0, 40.1], [null, 0]]));
    assert_eq!(json["distances"], serde_json::json!([[0, 400.3], [null, 0]]));
    assert_eq!(json["sources"][0]["name"], "East St");

    let mut out = vec![];
    osrm::nearest(&town.network, &[a], &mut out);
    let json: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["waypoints"][0]["nodes"], serde_json::json!([47_005_000, 50_005_000]));

    let mut out = vec![];
    let place = Tracepoint { snap: a, matching: 0, waypoint: 0, alternatives: 2 };
    let leg = town.leg(a, b).unwrap();
    osrm::matching(&town.scene(), &[(vec![leg], 0.5)], &[Some(place), None], &ALL, &mut out);
    let json: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["matchings"][0]["confidence"], 0.5);
    assert_eq!(json["tracepoints"][0]["alternatives_count"], 2);
    assert!(json["tracepoints"][1].is_null());

    let mut out = vec![];
    osrm::error("NoRoute", "a \"wall\"", &mut out);
    assert_eq!(serde_json::from_slice::<Json>(&out).unwrap()["message"], "a \"wall\"");
}

/// Checks what holds for any leg of any network.
fn check(town: &Town, legs: &[Leg]) -> Result<(), TestCaseError> {
    let json = town.json(legs, &ALL);
    let route = &json["routes"][0];
    let tenths = |value: &Json| (value.as_f64().unwrap() * 10.0).round() as i64;
    let places = |value: &Json| value.as_array().unwrap().clone();
    let sum = |items: &Json, name: &str| items.as_array().unwrap().iter().map(|item| tenths(&item[name])).sum::<i64>();
    prop_assert_eq!(tenths(&route["duration"]), sum(&route["legs"], "duration"));
    for (json, leg) in route["legs"].as_array().unwrap().iter().zip(legs) {
        prop_assert_eq!(tenths(&json["distance"]), i64::from(leg.cost.dm()));
        for name in ["duration", "distance", "weight"] {
            prop_assert_eq!(tenths(&json[name]), sum(&json["steps"], name));
        }
        let steps = json["steps"].as_array().unwrap();
        prop_assert_eq!(&steps[0]["maneuver"]["type"], "depart");
        let last = steps.last().unwrap();
        prop_assert_eq!(&last["maneuver"]["type"], "arrive");
        prop_assert_eq!(tenths(&last["distance"]), 0);
        let still = places(&last["geometry"]["coordinates"]);
        prop_assert!(still.len() == 2 && still[0] == still[1]);
        let mut line: Vec<Json> = vec![];
        for (i, step) in steps.iter().enumerate() {
            let geometry = places(&step["geometry"]["coordinates"]);
            prop_assert!(geometry.len() >= 2);
            if let Some(end) = line.last() {
                prop_assert_eq!(end, &geometry[0]);
                line.pop();
            }
            prop_assert_eq!(&geometry[0], &step["maneuver"]["location"]);
            line.extend(geometry);
            let intersections = places(&step["intersections"]);
            prop_assert_eq!(&intersections[0]["location"], &step["maneuver"]["location"]);
            for (k, intersection) in intersections.iter().enumerate() {
                let bearings: Vec<u64> = places(&intersection["bearings"]).iter().map(|b| b.as_u64().unwrap()).collect();
                let entry: Vec<bool> = places(&intersection["entry"]).iter().map(|b| b.as_bool().unwrap()).collect();
                prop_assert!(bearings.is_sorted() && bearings.iter().all(|bearing| *bearing < 360) && entry.len() == bearings.len());
                let [inward, outward] = ["in", "out"].map(|name| intersection[name].as_u64().map(|i| i as usize));
                prop_assert_eq!(inward.is_none(), i == 0 && k == 0);
                prop_assert_eq!(outward.is_none(), i + 1 == steps.len());
                prop_assert!(inward.is_none_or(|i| i < bearings.len()) && outward.is_none_or(|i| i < bearings.len() && entry[i]));
            }
        }
        // The last step's line stands still.
        line.pop();
        let annotation = &json["annotation"];
        let segments = line.len() - 1;
        for name in ["duration", "distance", "weight", "speed", "datasources"] {
            prop_assert_eq!(annotation[name].as_array().unwrap().len(), segments);
        }
        prop_assert_eq!(annotation["nodes"].as_array().unwrap().len(), segments + 1);
        let driven: f64 = places(&annotation["distance"]).iter().map(|value| value.as_f64().unwrap()).sum();
        prop_assert!((driven - leg.cost.metres()).abs() < 0.01);
        let turning = (leg.nodes.len() - 1) as f64;
        let timed: f64 = places(&annotation["duration"]).iter().map(|value| value.as_f64().unwrap()).sum();
        prop_assert!((timed + turning - leg.cost.seconds()).abs() < 0.01);
    }
    // The line's length is the distance told, but for rounding at each road.
    let line = places(&route["geometry"]["coordinates"]);
    let at = |place: &Json| Point::new(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
    let length: f64 = line.windows(2).map(|pair| span_m(at(&pair[0]), at(&pair[1]))).sum();
    prop_assert!((length - route["distance"].as_f64().unwrap()).abs() < 0.3 * line.len() as f64);
    // Other forms say the same.
    let encoded = town.json(legs, &Detail { geometries: Geometries::Polyline6, ..ALL });
    let decoded = polyline::decode(encoded["routes"][0]["geometry"].as_str().unwrap(), Precision::Six).unwrap();
    prop_assert_eq!(decoded, line.iter().map(at).collect::<Vec<_>>());
    let simple = town.json(legs, &Detail { overview: Overview::Simplified, ..ALL });
    let simple = places(&simple["routes"][0]["geometry"]["coordinates"]);
    prop_assert!(simple.len() <= line.len() && simple.first() == line.first() && simple.last() == line.last());
    Ok(())
}

/// A grid of streets of all kinds, some one-way, some bent.
fn grid(kinds: &[(u8, u8, bool)]) -> Town {
    const SIDE: i32 = 4;
    let classes = [Class::Motorway, Class::Trunk, Class::Primary, Class::Residential, Class::Service, Class::Ferry];
    let mut town = town();
    let mut kinds = kinds.iter().cycle();
    for (dx, dy) in [(1, 0), (0, 1), (1, 1)] {
        for x in 0..SIDE {
            for y in 0..SIDE {
                let (class, name, oneway) = *kinds.next().unwrap();
                if x + dx >= SIDE || y + dy >= SIDE || (dx + dy == 2 && class % 3 > 0) {
                    continue;
                }
                let (a, b) = ((x * 100, y * 100 + x), ((x + dx) * 100, (y + dy) * 100 + x + dx));
                let middle = ((a.0 + b.0) / 2 + i32::from(name), (a.1 + b.1) / 2 - i32::from(class));
                town = town.way(["", "A", "B", "C/7", "/7;8"][name as usize % 5], classes[class as usize % 6], &[a, middle, b], |way| {
                    way.link = class % 4 == 1;
                    way.roundabout = name % 9 == 8;
                    way.circular = name % 2 == 0;
                    way.tunnel = class % 5 == 2;
                });
                if oneway {
                    town = town.oneway();
                }
            }
        }
    }
    town.built()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("BIAOTU_SOAK").is_some() { 3000 } else { 60 }))]

    #[test]
    fn whatever_is_driven_adds_up(
        kinds in prop::collection::vec((0_u8..30, 0_u8..30, prop::bool::weighted(0.3)), 48),
        trips in prop::collection::vec(((0..320, 0..320), (0..320, 0..320)), 5),
    ) {
        let town = grid(&kinds);
        for (from, to) in trips {
            let (a, b) = (town.snap(from), town.snap(to));
            if let Some(there) = town.leg(a, b) {
                match town.leg(b, a) {
                    Some(back) => check(&town, &[there, back])?,
                    None => check(&town, &[there])?,
                }
            }
        }
    }

    #[test]
    fn any_trace_is_matched_in_order_and_once(
        places in prop::collection::vec((-250..250, -250..250, 0_i64..90, 0.0_f64..60.0), 0..25),
        options in (any::<bool>(), any::<bool>()),
    ) {
        let town = ladder();
        let mut now = 0;
        let fixes: Vec<Fix> = places
            .into_iter()
            .map(|(x, y, pause, radius_m)| {
                now += pause;
                let [lon, lat] = degrees((x, y / 10));
                Fix { lon, lat, time: Some(now), radius_m }
            })
            .collect();
        let matchings = matched(&town, &fixes, matching::Options { ignore_gaps: options.0, tidy: options.1 });
        let order: Vec<usize> = matchings.iter().flat_map(|matching| matching.fixes.clone()).collect();
        prop_assert!(order.is_sorted_by(|a, b| a < b) && order.last().is_none_or(|last| *last < fixes.len()));
        for matching in matchings {
            prop_assert!(matching.fixes.len() > 1 && (0.0..=1.0).contains(&matching.confidence));
            prop_assert!(matching.snaps.len() == matching.fixes.len() && matching.alternatives.len() == matching.fixes.len());
            for (fix, snap) in matching.fixes.iter().zip(&matching.snaps) {
                prop_assert_eq!(snap.asked, [fixes[*fix].lon, fixes[*fix].lat]);
            }
        }
    }

    #[test]
    fn random_polylines_come_back(line in prop::collection::vec((-180_000_000_i32..=180_000_000, -90_000_000_i32..=90_000_000), 0..50)) {
        let line: Vec<Point> = line.into_iter().map(|(lon, lat)| Point { lon: lon * 10, lat: lat * 10 }).collect();
        let mut out = vec![b'"'];
        polyline::write(line.iter().copied(), Precision::Six, &mut out);
        out.push(b'"');
        let text: String = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(polyline::decode(&text, Precision::Six).unwrap(), line);
    }

    #[test]
    fn no_polyline_panics(text in "\\PC*") {
        let _ = polyline::decode(&text, Precision::Five);
    }
}

/// A trace along places, one fix each 20 m and 2 s, off by some metres to either side.
fn trace(along: &[Place], noise: f64) -> Vec<Fix> {
    let mut fixes = vec![];
    for pair in along.windows(2) {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let steps = (f64::from(dx * dx + dy * dy).sqrt() / 20.0) as i32;
        for k in 0..steps {
            let i = fixes.len() as f64;
            let off = ((i * 2.4).sin() * noise, (i * 1.7).cos() * noise);
            let [lon, lat] =
                degrees((pair[0].0 + dx * k / steps + off.0.round() as i32, pair[0].1 + dy * k / steps + off.1.round() as i32));
            fixes.push(Fix { lon, lat, time: Some(1000 + 2 * fixes.len() as i64), radius_m: 5.0 });
        }
    }
    fixes
}

fn matched(town: &Town, fixes: &[Fix], options: matching::Options) -> Vec<matching::Matching> {
    let near = |fix: &Fix| {
        let mut snaps = town.snaps([fix.lon, fix.lat]);
        snaps.retain(|snap| snap.distance_m <= fix.reach_m());
        snaps
    };
    let candidates: Vec<Vec<Snap>> = fixes.iter().map(near).collect();
    let distance = |from: &Snap, to: &[Snap], _: f64| to.iter().map(|to| town.leg(*from, *to).map(|leg| leg.cost)).collect();
    matching::trace(fixes, &candidates, options, distance)
}

/// Two parallel streets 24 m apart, joined at both ends and in the middle.
fn ladder() -> Town {
    town()
        .street("South", &[(0, 0), (200, 0), (400, 0)])
        .street("North", &[(0, 24), (200, 24), (400, 24)])
        .street("W", &[(0, 0), (0, 24)])
        .street("M", &[(200, 0), (200, 24)])
        .street("E", &[(400, 0), (400, 24)])
        .built()
}

fn names<'t>(town: &'t Town, matching: &matching::Matching) -> Vec<&'t str> {
    let mut names: Vec<&str> = matching
        .snaps
        .iter()
        .map(|snap| town.network.text(town.network.ways[town.network.roads[snap.road as usize].way as usize].name))
        .collect();
    names.dedup();
    names
}

#[test]
fn a_noisy_trace_stays_on_its_street() {
    let town = ladder();
    let fixes = trace(&[(0, 6), (390, 6)], 8.0);
    // Places nearer to the other street are among them: else there would be nothing to see.
    let name = |snap: &Snap| town.network.text(town.network.ways[town.network.roads[snap.road as usize].way as usize].name);
    assert!(fixes.iter().any(|fix| name(&town.snaps([fix.lon, fix.lat])[0]) == "North"));
    let matchings = matched(&town, &fixes, matching::Options::default());
    assert_eq!(matchings.len(), 1);
    assert_eq!(matchings[0].fixes, (0..fixes.len()).collect::<Vec<_>>());
    let found = names(&town, &matchings[0]);
    assert!(found.iter().all(|name| ["South", "W", "M"].contains(name)) && found.contains(&"South"), "{found:?}");
    assert!(matchings[0].confidence > 0.3 && matchings[0].confidence <= 1.0, "{}", matchings[0].confidence);
}

#[test]
fn a_trace_round_corners_and_one_with_a_jump() {
    let town = crossing();
    let mut fixes = trace(&[(-200, 0), (0, 0), (0, 200)], 4.0);
    let whole = matched(&town, &fixes, matching::Options::default());
    assert_eq!((whole.len(), names(&town, &whole[0])), (1, vec!["East St", "North St"]));
    // One fix is far off: it is left out, and the rest stays together.
    [fixes[3].lon, fixes[3].lat] = degrees((-140, -150));
    let without = matched(&town, &fixes, matching::Options::default());
    assert_eq!(without.len(), 1);
    assert!(!without[0].fixes.contains(&3) && without[0].fixes.len() == fixes.len() - 1);
}

#[test]
fn a_long_pause_splits_unless_told_otherwise() {
    let town = crossing();
    let mut fixes = trace(&[(-200, 0), (200, 0)], 3.0);
    for fix in &mut fixes[10..] {
        fix.time = fix.time.map(|time| time + 100);
    }
    let split = matched(&town, &fixes, matching::Options::default());
    assert_eq!(split.iter().map(|matching| matching.fixes.len()).collect::<Vec<_>>(), [10, fixes.len() - 10]);
    assert_eq!(matched(&town, &fixes, matching::Options { ignore_gaps: true, tidy: false }).len(), 1);
}

#[test]
fn what_cannot_be_driven_on_from_begins_anew() {
    // Two islands.
    let town = town().street("A", &[(-500, 0), (-20, 0)]).street("B", &[(20, 0), (500, 0)]).built();
    let fixes = trace(&[(-300, 0), (300, 0)], 2.0);
    let matchings = matched(&town, &fixes, matching::Options::default());
    assert_eq!(matchings.len(), 2);
    assert_eq!([0, 1].map(|i| names(&town, &matchings[i])[0]), ["A", "B"]);
    assert!(matchings[0].fixes.last() < matchings[1].fixes.first());
}

#[test]
fn halts_are_tidied_and_noise_does_not_drive_backwards() {
    let town = town().street("Only", &[(0, 0), (500, 0)]).oneway().built();
    let mut fixes = trace(&[(100, 0), (140, 0)], 0.0);
    for k in 0..10 {
        let [lon, lat] = degrees((150 - k % 3 * 3, 2));
        fixes.push(Fix { lon, lat, time: Some(1004 + k as i64), radius_m: 5.0 });
    }
    fixes.extend(trace(&[(160, 0), (300, 0)], 0.0).into_iter().map(|fix| Fix { time: fix.time.map(|time| time + 100), ..fix }));
    let options = matching::Options { ignore_gaps: true, tidy: false };
    let whole = matched(&town, &fixes, options);
    assert_eq!((whole.len(), whole[0].fixes.len()), (1, fixes.len()));
    let tidied = matched(&town, &fixes, matching::Options { tidy: true, ..options });
    assert!(tidied[0].fixes.len() + 5 < fixes.len());
    // Nothing to match is no matching.
    assert!(matching::trace(&[], &[], options, |_, _, _| vec![]).is_empty());
    assert!(matching::trace(&fixes[..1], &[town.snaps([fixes[0].lon, fixes[0].lat])], options, |_, _, _| vec![]).is_empty());
}
