//! From survey to network: what may be driven, how fast, and which turns may be taken.

use std::collections::BTreeSet;

use biaotu::{
    error::Code,
    exchange::{Crs, lines},
    osm::Coding,
    roads::{Arc, Built, Cost, Dijkstra, Line, Point, Profile, build, from_lines, from_osm, network::span_m, survey::Survey, tags},
};

use crate::support::{Random, ascii::Drawing};

fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn profile(name: &str) -> Profile {
    Profile::built_in().unwrap().into_iter().find(|profile| profile.name == name).unwrap()
}

/// What holds of whatever is built.
fn check(built: &Built) {
    let network = &built.network;
    assert_eq!(network.shape.len(), network.node_ids.len());
    for (i, road) in network.roads.iter().enumerate() {
        assert_ne!(road.from, road.to, "a road that ends where it begins");
        let shape = network.shape(i);
        assert!(shape.len() >= 2);
        assert_eq!((shape[0], shape[shape.len() - 1]), (network.junctions[road.from as usize], network.junctions[road.to as usize]));
    }
    for graph in &built.graphs {
        let turns = &graph.turns;
        assert_eq!((turns.first.len(), turns.turn_ms.len()), (turns.nodes() + 1, turns.head.len()));
        let mut seen = BTreeSet::new();
        for node in 0..turns.nodes() as u32 {
            let arc = turns.arc[node as usize];
            seen.insert(arc);
            assert!(!graph.cost[arc.index()].is_never());
            for edge in turns.edges(node) {
                let next = turns.arc[turns.head[edge] as usize];
                assert_eq!(network.head(arc), network.tail(next));
            }
        }
        let drivable = (0..network.arcs() as u32).map(Arc).filter(|arc| !graph.cost[arc.index()].is_never());
        assert!(drivable.eq(seen), "an arc without a node");
    }
}

#[test]
fn ways_are_cut_where_roads_meet() {
    let drawn = Drawing::new(
        "
a-b-c-d
  |   |
  e-f-g-h
",
    )
    .way("abcd", &[("highway", "primary"), ("name", "长街")])
    .way("befgdc", &[])
    .way("gh", &[("highway", "service")])
    .build();
    check(&drawn.built);
    let network = &drawn.built.network;
    // From b by e, f to g; the last way ends on c, so that d is met twice, c twice.
    for road in ["ab", "bc", "cd", "befg", "gd", "gh"] {
        drawn.arc(road);
    }
    assert_eq!(network.roads.len(), 7);
    assert_eq!(network.text(network.way(drawn.arc("bc")).name), "长街");
    assert!((drawn.cost("car", "befg").metres() - 300.0).abs() < 2.0);
    let lengths: f64 = network.shape(drawn.arc("befg").road()).windows(2).map(|pair| span_m(pair[0], pair[1])).sum();
    assert!((drawn.cost("car", "befg").metres() - lengths).abs() <= 0.05);
    // 25 km/h.
    assert!((drawn.cost("car", "befg").seconds() - lengths * 3.6 / 25.0).abs() < 0.01);
}

#[test]
fn a_loop_is_two_roads() {
    let drawn = Drawing::new(
        "
a-b-c
  | |
  e-d
",
    )
    .way("bcdeb", &[("junction", "roundabout")])
    .build();
    check(&drawn.built);
    assert_eq!(drawn.built.network.roads.len(), 3);
    assert!(drawn.drivable("car", "bcd") && !drawn.drivable("car", "dcb"));
    assert!(drawn.walk("car", &["ab", "bcd", "deb", "ba"]).is_some());
    // And one of a single other node.
    check(&Drawing::new("a-b-c").way("aba", &[]).build().built);
}

#[test]
fn oneways_in_every_spelling() {
    let both = [true, true];
    let (forward, backward, neither) = ([true, false], [false, true], [false, false]);
    // Tags, then what a car and a fire engine may.
    type Case = (&'static [(&'static str, &'static str)], [bool; 2], [bool; 2]);
    let cases: [Case; 19] = [
        (&[], both, both),
        (&[("oneway", "yes")], forward, both),
        (&[("oneway", "1")], forward, both),
        (&[("oneway", "true")], forward, both),
        (&[("oneway", "-1")], backward, both),
        (&[("oneway", "reverse")], backward, both),
        (&[("oneway", "no")], both, both),
        (&[("oneway", "perhaps")], both, both),
        (&[("oneway", "reversible")], neither, both),
        (&[("oneway", "alternating")], neither, both),
        (&[("junction", "roundabout")], forward, forward),
        (&[("junction", "circular")], forward, forward),
        (&[("junction", "roundabout"), ("oneway", "-1")], backward, backward),
        (&[("junction", "roundabout"), ("oneway", "no")], both, both),
        (&[("highway", "motorway")], forward, forward),
        (&[("highway", "motorway"), ("oneway", "no")], both, both),
        (&[("highway", "motorway_link")], both, both),
        (&[("oneway", "yes"), ("oneway:motor_vehicle", "no")], both, both),
        (&[("oneway:motorcar", "-1")], backward, both),
    ];
    for (given, car, emergency) in cases {
        let way = tags(&[given, &[("highway", "residential")]].concat());
        let may = |name| profile(name).way(&way).kmh.map(|kmh| kmh > 0.0);
        assert_eq!(may("car"), car, "{given:?}");
        assert_eq!(may("emergency"), emergency, "{given:?}");
        if !given.contains(&("highway", "motorway")) && !given.contains(&("highway", "motorway_link")) {
            assert_eq!(may("foot"), both, "{given:?}");
        }
    }
    let oneway = tags(&[("highway", "residential"), ("oneway", "yes")]);
    let [with, against] = profile("emergency").way(&oneway).kmh;
    assert!(against < 0.5 * with);
    let footway = tags(&[("highway", "footway"), ("oneway", "yes"), ("oneway:foot", "yes")]);
    assert_eq!(profile("foot").way(&footway).kmh, [5.0, 0.0]);
}

#[test]
fn access_by_profile() {
    // Tags; then car, truck, emergency, foot: (-) no, (d) for those who begin or end there, (+) yes.
    let cases = [
        ("highway=residential", "++++"),
        ("highway=motorway", "+++-"),
        ("highway=trunk", "+++-"),
        ("highway=trunk sidewalk=both", "++++"),
        ("highway=footway", "---+"),
        ("highway=footway access=yes", "---+"),
        ("highway=footway motor_vehicle=yes", "++-+"),
        ("highway=steps", "---+"),
        ("highway=cycleway", "----"),
        ("highway=cycleway foot=designated", "---+"),
        ("highway=pedestrian", "--++"),
        ("highway=pedestrian area=yes", "---+"),
        ("highway=track", "--++"),
        ("highway=track access=yes", "++++"),
        ("highway=track motor_vehicle=agricultural", "--++"),
        ("highway=service access=private", "dd+d"),
        ("highway=service access=private foot=yes", "dd++"),
        ("highway=service access=no", "--+-"),
        ("highway=service access=no motor_vehicle=yes", "+++-"),
        ("highway=service motor_vehicle=agricultural;destination", "dd++"),
        ("highway=residential motor_vehicle=destination", "dd++"),
        ("highway=residential hgv=no", "+-++"),
        ("highway=residential vehicle=no motorcar=yes", "+-++"),
        ("highway=residential emergency=no", "++-+"),
        ("highway=service service=emergency_access", "--++"),
        ("highway=construction", "----"),
        ("highway=residential construction=yes", "----"),
        ("highway=residential construction=minor", "++++"),
        ("highway=proposed", "----"),
        ("highway=residential impassable=yes", "----"),
        ("highway=residential smoothness=impassable", "---+"),
        ("highway=residential maxheight=3.5", "+-++"),
        ("highway=residential maxheight=3.1", "+--+"),
        ("highway=residential maxheight=1.9", "---+"),
        ("highway=residential maxheight=default", "++++"),
        ("highway=residential maxweight=7.5", "+--+"),
        ("highway=residential maxweight=20_t", "+-++"),
        ("highway=residential maxaxleload=8", "+--+"),
        ("highway=residential maxlength=11.5", "+-++"),
        ("highway=residential maxlength=12", "++++"),
        ("highway=residential hazmat=no", "+-++"),
        ("highway=residential width=2.2", "+--+"),
        ("highway=residential narrow=yes", "+--+"),
        ("railway=rail", "----"),
        ("man_made=pier", "---+"),
        ("route=ferry", "++++"),
        ("route=ferry motor_vehicle=no", "--++"),
    ];
    let profiles = Profile::built_in().unwrap();
    for (way, expected) in cases {
        let way: Vec<_> = way.split(' ').map(|tag| tag.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.replace('_', " "))).collect();
        // Keys and values of OSM have underscores; units have spaces.
        let way = way.into_iter().map(|(k, v): (String, String)| (k, if v.ends_with(" t") { v } else { v.replace(' ', "_") })).collect();
        let mark = |profile: &Profile| match profile.way(&way) {
            passage if !passage.drivable() => '-',
            passage if passage.destination[0] => 'd',
            _ => '+',
        };
        assert_eq!(profiles.iter().map(mark).collect::<String>(), expected, "{way:?}");
    }
}

#[test]
fn speeds() {
    let car = |pairs: &[(&str, &str)]| profile("car").way(&tags(pairs)).kmh;
    let limit = |text: &str| car(&[("highway", "primary"), ("maxspeed", text)])[0] / 0.8;
    let cases = [
        ("50", 50.0),
        ("50 km/h", 50.0),
        ("30 mph", 48.28),
        ("30mph", 48.28),
        ("10 knots", 18.52),
        ("walk", 7.0),
        ("none", 140.0),
        ("CN:urban", 50.0),
        ("DE:rural", 100.0),
        ("XX:rural", 90.0),
        ("RO:motorway", 130.0),
        ("UK:nsl_single", 96.54),
        ("60;80", 60.0),
        // Not known: the class's 65 km/h.
        ("signals", 81.25),
        ("variable", 81.25),
        ("0", 81.25),
        ("-5", 81.25),
        ("", 81.25),
        ("1e999", 1.0),
    ];
    for (text, kmh) in cases {
        assert!((limit(text) - kmh).abs() < 0.01, "{text}: {}", limit(text));
    }
    let road = ("highway", "secondary");
    assert_eq!(car(&[road, ("maxspeed:forward", "50"), ("maxspeed:backward", "30")]), [40.0, 24.0]);
    assert_eq!(car(&[road, ("maxspeed", "50"), ("maxspeed:backward", "30")]), [40.0, 24.0]);
    assert_eq!(car(&[road, ("maxspeed:conditional", "30 @ (22:00-06:00)"), ("maxspeed:lanes", "30|30")]), [55.0, 55.0]);
    assert_eq!(car(&[road, ("maxspeed", "100"), ("surface", "gravel")]), [40.0, 40.0]);
    assert_eq!(car(&[road, ("surface", "asphalt"), ("tracktype", "grade5"), ("smoothness", "bad")]), [20.0, 20.0]);
    let truck = |pairs: &[(&str, &str)]| profile("truck").way(&tags(pairs)).kmh[0];
    assert_eq!(truck(&[("highway", "motorway"), ("maxspeed", "130")]), 80.0);
    assert_eq!(truck(&[("highway", "motorway"), ("maxspeed", "130"), ("maxspeed:hgv", "80")]), 60.0);
    assert_eq!(truck(&[("highway", "service"), ("service", "alley")]), 6.0);
}

#[test]
fn measures() {
    let metres =
        [("2.5", 2.5), ("2,5 m", 2.5), ("250 cm", 2.5), ("8'2\"", 2.4892), ("8' 2''", 2.4892), ("8 ft 2 in", 2.4892), ("8'2", 2.4892)];
    for (text, value) in metres {
        assert!(tags::metres(text).is_some_and(|read| (read - value).abs() < 1e-9), "{text}");
    }
    let tonnes = [("7.5", 7.5), ("7.5t", 7.5), ("7500 kg", 7.5), ("10 st", 9.071_847_4), ("2000 lbs", 0.907_184_74), ("12;7.5", 7.5)];
    for (text, value) in tonnes {
        assert!(tags::tonnes(text).is_some_and(|read| (read - value).abs() < 1e-9), "{text}");
    }
    for text in ["", "default", "none", "3 parsecs", "m", "'", "1.2.3", ";"] {
        assert_eq!((tags::metres(text), tags::tonnes(text)), (None, None), "{text}");
    }
    for (text, value) in [("45", 2700.0), ("01:30", 5400.0), ("1:00:30", 3630.0), ("PT1H30M", 5400.0), ("PT20M", 1200.0)] {
        assert_eq!(tags::duration(text), Some(value), "{text}");
    }
    for text in ["", "soon", "PT", "-5", "1:2:3:4", "0", "PT5X"] {
        assert_eq!(tags::duration(text), None, "{text}");
    }
}

#[test]
fn ferries_take_what_they_say() {
    // The crossing calls at c, and takes half an hour in all.
    let drawn = Drawing::new("a-b-c---d\n    |\n    e").way("bcd", &[("route", "ferry"), ("duration", "00:30")]).build();
    check(&drawn.built);
    let (first, second) = (drawn.cost("car", "bc").seconds(), drawn.cost("car", "cd").seconds());
    assert!((first + second - 1800.0).abs() < 1.0 && (second - 2.0 * first).abs() < 2.0);
    let drawn = Drawing::new("a-b-c-d").way("bc", &[("route", "ferry")]).build();
    let crossing = drawn.cost("car", "bc");
    assert!((crossing.seconds() - crossing.metres() * 3.6 / 5.0).abs() < 0.01);
    // Going aboard costs as a turn does.
    assert!(drawn.walk("car", &["ab", "bc"]) > Some(0) && drawn.walk("car", &["bc", "cd"]) > Some(0));
}

#[test]
fn barriers_block_or_delay() {
    let passes = |node: &[(&str, &str)]| {
        let drawn = Drawing::new("a-b-c\n  |\n  x").way("abc", &[]).node('b', node).build();
        check(&drawn.built);
        ["car", "emergency", "foot"].map(|profile| {
            let walk = drawn.walk(profile, &["ab", "bc"]);
            // Who can't pass turns round.
            assert!(walk.is_some() || drawn.walk(profile, &["ab", "ba"]).is_some());
            walk.map(|ms| ms / 1000)
        })
    };
    assert_eq!(passes(&[("barrier", "bollard")]), [None, None, Some(0)]);
    assert_eq!(passes(&[("barrier", "bollard"), ("bollard", "removable")]), [None, Some(30), Some(0)]);
    assert_eq!(passes(&[("barrier", "bollard"), ("bollard", "rising")]), [Some(0), Some(0), Some(0)]);
    assert_eq!(passes(&[("barrier", "chain")]), [None, Some(30), Some(5)]);
    assert_eq!(passes(&[("barrier", "gate"), ("foot", "no")]), [Some(0), Some(10), None]);
    assert_eq!(passes(&[("barrier", "gate"), ("access", "no")]), [None, Some(10), None]);
    assert_eq!(passes(&[("barrier", "swing_gate"), ("motor_vehicle", "yes")]), [Some(0), Some(10), Some(0)]);
    assert_eq!(passes(&[("barrier", "height_restrictor"), ("maxheight", "1.9")]), [None, None, Some(0)]);
    assert_eq!(passes(&[("highway", "traffic_signals")]), [Some(2), Some(2), Some(2)]);
    // Signals for one direction only.
    let drawn = Drawing::new("a-b-c").way("abc", &[]).node('b', &[("highway", "traffic_signals"), ("direction", "forward")]).build();
    assert_eq!((drawn.walk("car", &["ab", "bc"]), drawn.walk("car", &["cb", "ba"])), (Some(2000), Some(0)));
}

#[test]
fn turns_cost_by_angle() {
    let drawn = Drawing::new(
        "
  c
  |
a-b-d-f
  |
  e
",
    )
    .build();
    check(&drawn.built);
    let turn = |from, to| f64::from(drawn.walk("car", &[from, to]).unwrap()) / 1e3;
    // Right-hand traffic: the curve of a car's turns, worked out by hand.
    let curve = |degrees: f64, bias: f64| 7.5 / (1.0 + (6.5 * bias - 13.0 / bias * degrees / 180.0).exp());
    for (from, to, expected) in [("ab", "be", curve(90.0, 1.075)), ("ab", "bc", curve(90.0, 1.0 / 1.075)), ("ab", "bd", curve(0.0, 1.075))]
    {
        assert!((turn(from, to) - expected).abs() < 0.02, "{from} {to}: {} {expected}", turn(from, to));
    }
    assert!(turn("ab", "be") < turn("ab", "bc"));
    // At d two roads meet, and at f one ends; at b one doesn't turn round, but for the fire brigade.
    assert_eq!(turn("bd", "df"), 0.0);
    assert!((turn("df", "fd") - 27.4).abs() < 0.1);
    assert_eq!(drawn.walk("car", &["ab", "ba"]), None);
    assert!(drawn.walk("emergency", &["ab", "ba"]).is_some());
    // Traffic on the left: right and left change places.
    let left = Drawing::new("  c\n  |\na-b-d\n  |\n  e").way("ab", &[("driving_side", "left")]).build();
    assert!(left.walk("car", &["ab", "be"]) > left.walk("car", &["ab", "bc"]));
}

#[test]
fn nobody_drives_through_where_one_may_only_arrive() {
    let drawn = Drawing::new("a-b-c-d-e").way("bc", &[("access", "private")]).way("cd", &[("access", "destination")]).build();
    check(&drawn.built);
    let ms = |walk: &[&str]| drawn.walk("car", walk).unwrap();
    assert_eq!(ms(&["ab", "bc", "cd"]), 0);
    assert_eq!(ms(&["bc", "cd", "de"]), 0);
    assert_eq!(ms(&["ab", "bc", "cd", "de"]), 300_000);
    assert_eq!(drawn.walk("emergency", &["ab", "bc", "cd", "de"]), Some(0));
    // That is to keep trips out where there is another way; what they take is told without it.
    let graph = drawn.graph("car");
    let end = |letters: &str| [(graph.turns.arc.iter().position(|arc| *arc == drawn.arc(letters)).unwrap() as u32, Cost::ZERO)];
    let trip = Dijkstra::default().route(&graph.turns, &graph.cost, &end("ab"), &end("de")).unwrap().cost;
    let arcs = ["ab", "bc", "cd"].iter().fold(Cost::ZERO, |sum, letters| sum + drawn.cost("car", letters));
    assert_eq!((trip.surcharge(), trip.ms() - 300_000, trip.driven(), trip.dm()), (5, arcs.ms(), arcs, arcs.dm()));
    assert_eq!(trip.minus(arcs).surcharge(), 5);
}

#[test]
fn a_street_that_ends_at_a_private_drive_is_turned_round_in_before_it() {
    let drawn = Drawing::new("a-b-c").way("bc", &[("highway", "service"), ("access", "private")]).build();
    let turned = drawn.walk("car", &["ab", "ba"]).expect("it may turn round");
    assert!(turned < 60_000, "{turned}");
    // Where a street goes on, it isn't turned round in.
    assert_eq!(Drawing::new("a-b-c").way("bc", &[("highway", "service")]).build().walk("car", &["ab", "ba"]), None);
}

#[test]
fn who_leaves_a_yard_by_its_private_drive_drives_through_nothing() {
    // A ring of streets, and a yard behind a private drive: from c into the yard at d.
    let drawing = Drawing::new("a-b\n| |\nf-c-d-e").way("cd", &[("access", "private")]).way("de", &[("highway", "service")]);
    let drawn = drawing.build();
    check(&drawn.built);
    let free = |walk: &[&str]| assert!(drawn.walk("car", walk).unwrap() < 300_000, "{walk:?}");
    free(&["bc", "cd", "de"]);
    free(&["ed", "dc", "cb"]);
    // A way out behind it makes it a way through.
    let through =
        Drawing::new("a-b---g\n| |   |\nf-c-d-e").way("cd", &[("access", "private")]).way("de", &[("highway", "service")]).build();
    assert!(through.walk("car", &["bc", "cd", "de"]).unwrap() >= 300_000);
}

/// A crossing of b, with one more at c.
const CROSSING: &str = "
  n   m
  |   |
a-b---c-d
  |   |
  s   t
";

#[test]
fn restrictions_of_each_kind() {
    let walk = |drawing: &Drawing, profile: &str, walk: &[&str]| {
        let drawn = drawing.build();
        check(&drawn.built);
        drawn.walk(profile, walk).is_some()
    };
    let no = Drawing::new(CROSSING).restriction("no_left_turn", "ab", "b", "bn");
    assert!(!walk(&no, "car", &["ab", "bn"]) && walk(&no, "car", &["ab", "bs"]) && walk(&no, "car", &["cb", "bn"]));
    assert!(walk(&no, "emergency", &["ab", "bn"]) && walk(&no, "foot", &["ab", "bn"]));
    let only = Drawing::new(CROSSING).restriction("only_straight_on", "ab", "b", "bc");
    assert!(walk(&only, "car", &["ab", "bc"]) && !walk(&only, "car", &["ab", "bs"]) && walk(&only, "car", &["nb", "bs"]));
    let via = Drawing::new(CROSSING).restriction("no_u_turn", "nb", "bc", "cm");
    assert!(!walk(&via, "car", &["nb", "bc", "cm"]) && walk(&via, "car", &["nb", "bc", "cd"]) && walk(&via, "car", &["ab", "bc", "cm"]));
    let only_via = Drawing::new(CROSSING).restriction("only_right_turn", "ab", "bc", "ct");
    assert!(walk(&only_via, "car", &["ab", "bc", "ct"]) && !walk(&only_via, "car", &["ab", "bc", "cd"]));
    assert!(walk(&only_via, "car", &["nb", "bc", "cd"]) && walk(&only_via, "car", &["ab", "bs"]));
    let mode = |tags: &[(&str, &str)]| Drawing::new(CROSSING).relation(tags, "ab", "b", "bn");
    let hgv = mode(&[("restriction:hgv", "no_left_turn")]);
    assert!(walk(&hgv, "car", &["ab", "bn"]) && !walk(&hgv, "truck", &["ab", "bn"]));
    let except = mode(&[("restriction", "no_left_turn"), ("except", "psv;motorcar")]);
    assert!(walk(&except, "car", &["ab", "bn"]) && !walk(&except, "truck", &["ab", "bn"]));
    let foot = mode(&[("restriction:foot", "no_left_turn")]);
    assert!(!walk(&foot, "foot", &["ab", "bn"]));
}

#[test]
fn restrictions_that_say_nothing_are_counted() {
    let counts = |drawing: Drawing| drawing.build().built.report.profiles[0].restrictions;
    let with = |tags: &[(&str, &str)]| Drawing::new(CROSSING).relation(tags, "ab", "b", "bn");
    assert_eq!(counts(with(&[("restriction", "no_left_turn")])).used, 1);
    assert_eq!(counts(with(&[("restriction:conditional", "no_left_turn @ (Mo-Fr)")])).conditional, 1);
    assert_eq!(counts(with(&[("restriction", "no_left_turn"), ("hour_on", "7")])).conditional, 1);
    assert_eq!(counts(with(&[("restriction", "give_way")])).unknown, 1);
    assert_eq!(counts(with(&[("restriction:hgv", "no_left_turn")])).not_concerned, 1);
    let between = |from, via, to| Drawing::new(CROSSING).restriction("no_left_turn", from, via, to);
    for (from, via, to) in
        [("ab", "b", "xy"), ("ab", "b", ""), ("", "b", "bn"), ("ab", "", "bn"), ("ab", "c", "cd"), ("ab", "z", "bn"), ("ab", "ct", "cd")]
    {
        assert_eq!(counts(between(from, via, to)).incomplete, 1, "{from} {via} {to}");
    }
    assert_eq!(counts(between("abc", "b", "bn").way("abc", &[])).ambiguous, 1);
}

/// Random restrictions on a grid: what the graph of turns allows is what reading letters allows.
#[test]
fn restrictions_against_reading_letters() {
    let text = "
a-b-c
| | |
d-e-f
| | |
g-h-i-j
";
    let edges = ["ab", "bc", "de", "ef", "gh", "hi", "ij", "ad", "be", "cf", "dg", "eh", "fi"];
    let near = |a: char| edges.iter().filter(move |edge| edge.contains(a)).filter_map(move |edge| edge.chars().find(|c| *c != a));
    let mut random = Random::seeded("restrictions");
    for _ in 0..if crate::support::soak() { 2000 } else { 60 } {
        let mut drawing = Drawing::new(text);
        let mut rules: Vec<(bool, String)> = vec![];
        for _ in 0..1 + random.below(5) {
            let mut path: Vec<char> = vec![char::from(b'a' + random.below(9) as u8)];
            let length = 3 + random.below(3);
            while path.len() < length {
                let last = path[path.len() - 1];
                let next: Vec<char> = near(last).filter(|next| !path.contains(next)).collect();
                let Some(next) = (!next.is_empty()).then(|| next[random.below(next.len())]) else { break };
                path.push(next);
            }
            if path.len() < 3 {
                continue;
            }
            let letters: String = path.iter().collect();
            let ways: Vec<&str> = (0..path.len() - 1).map(|i| &letters[i..i + 2]).collect();
            let via = if path.len() == 3 { letters[1..2].to_owned() } else { ways[1..ways.len() - 1].join(" ") };
            let only = random.below(3) == 0;
            drawing = drawing.restriction(if only { "only_left_turn" } else { "no_left_turn" }, ways[0], &via, ways[ways.len() - 1]);
            rules.push((only, letters));
        }
        let drawn = drawing.build();
        check(&drawn.built);
        let allowed = |walk: &str, next: char| {
            let driven = format!("{walk}{next}");
            rules.iter().all(|(only, path)| match only {
                false => !driven.ends_with(path.as_str()),
                true => !walk.ends_with(&path[..path.len() - 1]) || path.ends_with(next),
            })
        };
        for _ in 0..200 {
            let start = edges[random.below(edges.len())];
            let mut walk = start.to_owned();
            for _ in 0..8 {
                let (last, before) = (walk.chars().last().unwrap(), walk.chars().rev().nth(1).unwrap());
                let onward: Vec<char> = near(last).filter(|next| *next != before && allowed(&walk, *next)).collect();
                let may = |next: char| if next == before { onward.is_empty() && allowed(&walk, next) } else { onward.contains(&next) };
                let arcs = |walk: &str| (0..walk.len() - 1).map(|i| walk[i..i + 2].to_owned()).collect::<Vec<_>>();
                for next in near(last) {
                    let arcs = arcs(&format!("{walk}{next}"));
                    let arcs: Vec<&str> = arcs.iter().map(String::as_str).collect();
                    assert_eq!(drawn.walk("car", &arcs).is_some(), may(next), "{walk}{next} {rules:?}");
                }
                let next: Vec<char> = near(last).filter(|next| may(*next)).collect();
                if next.is_empty() {
                    break;
                }
                walk.push(next[random.below(next.len())]);
            }
        }
    }
}

fn line(coordinates: &[(f64, f64)], pairs: &[(&str, &str)]) -> Line {
    Line { coordinates: coordinates.to_vec(), tags: tags(pairs) }
}

#[test]
fn lines_join_at_vertices_and_near_ends() {
    let profiles = Profile::built_in().unwrap();
    let road = [("highway", "tertiary"), ("name", "县道")];
    let near = 5e-6;
    let built = from_lines(
        &profiles,
        vec![
            line(&[(113.95, 28.61), (113.96, 28.61), (113.97, 28.61)], &road),
            // Half a metre from the first one's end, and from its middle vertex exactly.
            line(&[(113.97 + near, 28.61), (113.98, 28.61)], &road),
            line(&[(113.96, 28.61), (113.96, 28.62)], &road),
            // Crosses without a vertex; ends three metres off.
            line(&[(113.955, 28.60), (113.955, 28.62)], &road),
            line(&[(113.95, 28.61003), (113.95, 28.62)], &road),
        ],
    )
    .unwrap();
    check(&built);
    assert_eq!((built.network.roads.len(), built.network.junctions.len()), (6, 9));
    assert!(built.network.node_ids.iter().all(|id| *id == 0));
    let reach = |junction: Point| built.network.junctions.iter().position(|known| *known == junction).unwrap() as u32;
    let leaving = |at| built.network.roads.iter().filter(|road| road.from == at || road.to == at).count();
    assert_eq!(leaving(reach(Point::new(113.96, 28.61))), 3);
    let bad = from_lines(&profiles, vec![line(&[(113.95, f64::NAN), (1.0, 2.0)], &road)]).unwrap_err();
    assert_eq!(bad.code, Code::InvalidGeometry);
    for none in [vec![], vec![line(&[(113.95, 28.61)], &road)], vec![line(&[(113.95, 28.61), (113.96, 28.61)], &[])]] {
        assert_eq!(from_lines(&profiles, none).unwrap_err().code, Code::InvalidFile);
    }
}

#[test]
fn an_extract_is_cut_at_its_edge() {
    let node = |id: u32, lon: f64| format!(r#"<node id="{id}" lon="{lon}" lat="28.61"/>"#);
    let xml = format!(
        r#"<osm version="0.6">{}{}{}{}<way id="7"><nd ref="1"/><nd ref="2"/><nd ref="9"/><nd ref="3"/><nd ref="4"/><nd ref="4"/><tag k="highway" v="primary"/><tag k="ref" v="G56;S1"/></way><relation id="8"><member type="way" ref="7" role="from"/><member type="node" ref="2" role="via"/><member type="way" ref="7" role="to"/><tag k="type" v="restriction"/><tag k="restriction" v="no_u_turn"/></relation></osm>"#,
        node(1, 113.95),
        node(2, 113.951),
        node(3, 113.952),
        node(4, 113.953)
    );
    let profiles = Profile::built_in().unwrap();
    let built = from_osm(&profiles, Coding::Xml, xml.as_bytes()).unwrap();
    check(&built);
    assert_eq!((built.report.roads, built.report.cut_ways, built.report.relations), (2, 1, 1));
    assert_eq!(built.report.profiles[0].restrictions.used, 1);
    assert_eq!(built.network.text(built.network.ways[0].number), "G56; S1");
    let mut ids = built.network.node_ids.clone();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4]);
    // Cut off anywhere it is refused.
    for end in (1..xml.len() - 1).step_by(7) {
        assert_eq!(from_osm(&profiles, Coding::Xml, &xml.as_bytes()[..end]).unwrap_err().code, Code::InvalidFile);
    }
    let empty = from_osm(&profiles, Coding::Xml, b"<osm/>").unwrap_err();
    assert_eq!(empty.code, Code::InvalidFile);
    // A header blob of PBF, in part.
    let pbf = b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18\x12\x0a\x10\x22\x0eOsmSchema-V0.6";
    for end in 1..pbf.len() {
        assert_eq!(from_osm(&profiles, Coding::Pbf, &pbf[..end]).unwrap_err().code, Code::InvalidFile, "{end}");
    }
    let whole = from_osm(&profiles, Coding::Pbf, pbf).unwrap_err();
    assert!(whole.value.contains("no roads"), "{whole}");
}

#[test]
fn whatever_the_tags_say_something_is_built() {
    let keys = [
        "highway",
        "oneway",
        "maxspeed",
        "maxspeed:forward",
        "access",
        "motor_vehicle",
        "junction",
        "route",
        "duration",
        "maxheight",
        "maxweight",
        "width",
        "surface",
        "service",
        "area",
        "destination",
        "ref",
        "barrier",
        "bollard",
        "direction",
        "restriction",
        "except",
    ];
    let words = [
        "yes",
        "no",
        "residential",
        "motorway",
        "ferry",
        "roundabout",
        "-1",
        "reversible",
        "99999999999999999999",
        "1e400",
        "50 mph",
        "'",
        "7'",
        "",
        ";",
        ";;",
        ":",
        "CN:",
        ":urban",
        "PT",
        "PT9",
        "PT1é",
        "é'é",
        "private",
        "bollard",
        "gate",
        "forward",
        "12:",
        "only_",
        "no_",
        "道路",
        "0.0.0",
        ",",
        ".",
        "NaN",
        "inf",
        "-",
        "traffic_signals",
    ];
    let mut random = Random::seeded("garbage");
    for _ in 0..if crate::support::soak() { 20_000 } else { 500 } {
        let mut pick = |keep: &[(&'static str, &'static str)]| {
            let some = (0..random.below(6)).map(|_| (keys[random.below(keys.len())], words[random.below(words.len())]));
            some.collect::<Vec<_>>().into_iter().chain(keep.iter().copied()).collect::<Vec<_>>()
        };
        let drawn = Drawing::new(CROSSING)
            .way("abcd", &pick(&[("highway", "residential")]))
            .way("nbs", &pick(&[]))
            .way("bnb", &pick(&[]))
            .node('b', &pick(&[]))
            .node('d', &pick(&[]))
            .relation(&pick(&[("restriction", "no_entry")]), "nbs", "b", "abcd")
            .build();
        check(&drawn.built);
    }
}

#[test]
fn profiles_that_are_wrong_say_where() {
    let car = std::fs::read_to_string("data/profiles/car.toml").unwrap();
    let parse = |text: String| Profile::parse(&[("car".into(), car.clone()), ("own".into(), text)]);
    assert_eq!(
        parse("base = \"car\"\n[speed.highway]\nmotorway = 60".into()).unwrap()[1].way(&tags(&[("highway", "motorway")])).kmh,
        [60.0, 0.0]
    );
    for (text, what) in [
        ("base = \"car\"\nspede = 1", "spede"),
        ("base = \"car\"\n[speed]\nhighways = {}", "highways"),
        ("base = \"car\"\n[speed.highway]\nmotorway = -1", "speed.motorway"),
        ("base = \"car\"\n[speed.highway]\nmotorway = nan", "speed.motorway"),
        ("base = \"car\"\n[turn]\nbias = 0", "turn.bias"),
        ("base = \"bus\"", "base"),
        ("base = \"own\"", "base"),
        ("mode = \"flying\"", "flying"),
        ("mode = ", "own.toml"),
        ("", "missing"),
    ] {
        let error = parse(text.into()).unwrap_err();
        assert_eq!(error.code, Code::InvalidDefinition);
        let said = error.to_string();
        assert!(said.contains("profiles/own.toml") && said.contains(what), "{text}: {said}");
    }
}

#[test]
fn the_same_survey_builds_the_same() {
    let survey: Survey = Drawing::new(CROSSING).restriction("no_u_turn", "nb", "bc", "cm").way("ab", &[("access", "private")]).survey();
    let profiles = Profile::built_in().unwrap();
    let built = build::from_survey(&profiles, &survey).unwrap();
    assert_eq!(built, build::from_survey(&profiles, &survey).unwrap());
    let kept: Built = serde_json::from_str(&serde_json::to_string(&built).unwrap()).unwrap();
    assert_eq!(kept, built);
}

#[test]
fn neighbours_in_memory_are_neighbours_in_space() {
    let step = 0.001;
    let place = |x: i32, y: i32| (113.95 + f64::from(x) * step, 28.61 + f64::from(y) * step);
    let road = [("highway", "residential")];
    let along = (0..40).flat_map(|i| {
        let (east, north): (Vec<_>, Vec<_>) = (0..40).map(|j| (place(j, i), place(i, j))).unzip();
        [line(&east, &road), line(&north, &road)]
    });
    let built = from_lines(&Profile::built_in().unwrap(), along.collect()).unwrap();
    check(&built);
    assert_eq!((built.network.junctions.len(), built.network.roads.len()), (1600, 2 * 40 * 39));
    let spread = |points: &[Point]| {
        let of = |axis: fn(&Point) -> i32| points.iter().map(axis).max().unwrap() - points.iter().map(axis).min().unwrap();
        f64::from(of(|point| point.lon).max(of(|point| point.lat))) / 1e7 / step
    };
    // Row by row it would be 40 on average; squares of 64 are 8 wide.
    let mean = |points: &[Point]| points.windows(64).map(spread).sum::<f64>() / points.len() as f64;
    assert!(mean(&built.network.junctions) < 16.0);
    let roads: Vec<Point> = built.network.roads.iter().map(|road| built.network.junctions[road.from as usize]).collect();
    assert!(mean(&roads) < 12.0);
}

/// Name, class, oneway, speed, and a line.
type Row<'a> = (&'a str, &'a str, bool, f64, &'a [(f64, f64)]);

/// A GeoPackage with a line layer and one of places beside it, as QGIS writes them; lines as WKB without its head.
fn a_geopackage(epsg: u32, rows: &[Row<'_>]) -> Vec<u8> {
    let file = rusqlite::Connection::open_in_memory().unwrap();
    file.execute_batch(&format!(
        "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT, organization_coordsys_id INTEGER, definition TEXT);
         INSERT INTO gpkg_spatial_ref_sys VALUES ('one', {epsg}, 'EPSG', {epsg}, '');
         CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT, srs_id INTEGER, z INTEGER, m INTEGER);
         INSERT INTO gpkg_geometry_columns VALUES ('道路', '几何', 'MULTILINESTRING', {epsg}, 0, 0), ('places', 'geom', 'POINT', {epsg}, 0, 0);
         CREATE TABLE places (fid INTEGER PRIMARY KEY, geom BLOB);
         CREATE TABLE \"道路\" (fid INTEGER PRIMARY KEY, 几何 BLOB, 名称 TEXT, 道路等级 TEXT, 单行 BOOLEAN, 限速 REAL);
         INSERT INTO \"道路\" (名称) VALUES ('not drawn yet');"
    ))
    .unwrap();
    for (name, class, oneway, speed, line) in rows {
        let mut blob = b"GP\0\x01".to_vec();
        blob.extend_from_slice(&epsg.to_le_bytes());
        // One line of a MultiLineString.
        for head in [&[5u32, 1][..], &[2, line.len() as u32]] {
            blob.push(1);
            head.iter().for_each(|word| blob.extend_from_slice(&word.to_le_bytes()));
        }
        line.iter().flat_map(|(x, y)| [x, y]).for_each(|c| blob.extend_from_slice(&c.to_le_bytes()));
        let values = rusqlite::params![blob, name, class, oneway, speed];
        file.execute("INSERT INTO \"道路\" (几何, 名称, 道路等级, 单行, 限速) VALUES (?, ?, ?, ?, ?)", values).unwrap();
    }
    file.serialize("main").unwrap().to_vec()
}

#[test]
fn a_geopackage_of_lines_is_read_in_its_own_coordinates() {
    let crs: Crs = "EPSG:4547".parse().unwrap();
    let (a, b, c) = ((495_000.0, 3_166_000.0), (496_000.0, 3_166_000.0), (496_000.0, 3_167_000.0));
    let mut bytes = a_geopackage(4547, &[("沿江路", "县道", true, 50.0, &[a, b]), ("南门街", "主干路", false, 40.0, &[b, c])]);
    // As left by a writer in WAL mode.
    bytes[18..20].fill(2);
    // What the file declares goes before what is asked.
    let read = lines::geopackage(&bytes, Crs::Wgs84).unwrap();
    assert_eq!(read[0].0, [a, b].map(|(x, y)| crs.to_wgs84(x, y).unwrap()));
    let expected = [("fid", "2"), ("name", "沿江路"), ("highway", "secondary"), ("oneway", "1"), ("maxspeed", "50")];
    assert_eq!(read[0].1, tags(&expected));
    let (packed, report) = biaotu::app::roads::Survey::GeoPackage(Crs::Wgs84).pack(&bytes, |_| Ok(())).unwrap();
    assert!(!packed.is_empty());
    let car = report.profiles.iter().find(|profile| profile.profile == "car").unwrap();
    assert_eq!((report.roads, report.junctions, car.arcs), (2, 3, 3));
    // Drawn on a shifted map, whatever the file says.
    let shifted = a_geopackage(4326, &[("沿江路", "县道", false, 50.0, &[(113.95, 28.61), (113.96, 28.61)])]);
    assert_eq!(lines::geopackage(&shifted, Crs::Gcj02).unwrap()[0].0[0], Crs::Gcj02.to_wgs84(113.95, 28.61).unwrap());
    // Swapped axes, another system, and what is no GeoPackage: refused, with the place.
    let swapped = a_geopackage(4326, &[("沿江路", "县道", false, 50.0, &[(28.61, 113.95), (28.61, 113.96)])]);
    let error = lines::geopackage(&swapped, Crs::Wgs84).unwrap_err();
    assert!(error.code == Code::SwappedAxes && error.to_string().contains("道路[2].几何"), "{error}");
    for broken in [&bytes[..bytes.len() / 3], &b"SQLite format 3"[..], b"", &shifted[..4096]] {
        assert_eq!(lines::geopackage(broken, Crs::Wgs84).map(|_| ()).unwrap_err().code, Code::InvalidFile);
    }
    // Given up half-way.
    let given_up = biaotu::app::roads::Survey::GeoPackage(Crs::Wgs84).pack(&bytes, |stage| match stage {
        biaotu::app::roads::Stage::Ordering("foot") => Err(biaotu::error::Error::internal("given up")),
        _ => Ok(()),
    });
    assert_eq!(given_up.unwrap_err().code, Code::Internal);
}
