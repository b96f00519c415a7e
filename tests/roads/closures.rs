//! Closures on a town of straight streets: what they cut, who may leave, and that hierarchies, pending or not, agree with Dijkstra.

use std::sync::Arc as Shared;

use biaotu::{
    model::{
        Geometry,
        layer::{RoadBlock, Vertical},
    },
    roads::{
        Closure, Line, Profile, Region, Roads, Snap, Survey,
        build::from_lines,
        region::{self, Ask},
        router::Trip,
        trip::Track,
    },
};
use serde_json::json;

use crate::support::{Random, soak};

/// The town's south-west corner, degrees, and the distance of its streets.
const WEST: f64 = 113.95;
const SOUTH: f64 = 28.60;
const BLOCK: f64 = 0.002;
const STREETS: usize = 9;

fn at(x: f64, y: f64) -> (f64, f64) {
    (WEST + x * BLOCK, SOUTH + y * BLOCK)
}

/// Streets both ways, one a fast road, some oneways.
fn town() -> Roads {
    let mut lines = Vec::new();
    for n in 0..STREETS {
        for along in [true, false] {
            let place = |k: usize| if along { at(k as f64, n as f64) } else { at(n as f64, k as f64) };
            let class = if n == 4 { "primary" } else { "residential" };
            let mut tags = vec![
                ("highway".to_owned(), class.to_owned()),
                ("name".to_owned(), format!("{}{n}", if along { "东西街" } else { "南北街" })),
            ];
            if n % 4 == 3 {
                tags.push(("oneway".into(), "yes".into()));
            }
            lines.push(Line { coordinates: (0..STREETS).map(place).collect(), tags });
        }
    }
    let built = from_lines(&Profile::built_in().unwrap(), lines).unwrap();
    let orders = region::orders(&built, |_| Ok(())).unwrap();
    let packed = region::pack(&built, &orders).unwrap();
    Roads::new(Shared::new(Region::read(&packed).unwrap()), 0)
}

fn closure(id: usize, kind: RoadBlock, geometry: serde_json::Value) -> Closure {
    Closure {
        layer: "closure".into(),
        id: id.to_string(),
        name: format!("管制{id}"),
        kind,
        speed_kmh: 10.0,
        exempt: vec![],
        vertical: Vertical::All,
        geometry: Geometry::from_geojson(&geometry).unwrap(),
    }
}

/// A square from one corner to the opposite, in blocks of the town.
fn square(x: f64, y: f64, to_x: f64, to_y: f64) -> serde_json::Value {
    let corners = [(x, y), (to_x, y), (to_x, to_y), (x, to_y), (x, y)].map(|(x, y)| at(x, y));
    json!({ "type": "Polygon", "coordinates": [corners.map(|(lon, lat)| [lon, lat])] })
}

fn mode(roads: &Roads, name: &str) -> usize {
    roads.region.modes.iter().position(|mode| mode.profile.name == name).unwrap()
}

fn snap(roads: &Roads, profile: &str, place: (f64, f64)) -> Snap {
    let mode = &roads.region.modes[mode(roads, profile)];
    roads.region.snap(mode, &[Ask::new(place.0, place.1)], false)[0].unwrap()
}

fn trip(roads: &Roads, profile: &str, from: (f64, f64), to: (f64, f64)) -> Trip {
    roads.conditions(mode(roads, profile)).trip(&snap(roads, profile, from), &snap(roads, profile, to))
}

/// Every metre or so of a trip, and which way it goes.
fn driven(roads: &Roads, profile: &str, trip: &Trip) -> Vec<(f64, f64)> {
    let conditions = roads.conditions(mode(roads, profile));
    let scene = conditions.scene();
    let leg = trip.leg.as_ref().unwrap();
    assert_eq!(scene.cost(leg), leg.cost, "what is told adds up to what was found");
    let line: Vec<_> = Track::new(&scene, leg).positions.iter().map(|point| point.degrees()).collect();
    let between = |pair: &[(f64, f64)]| {
        let (a, b) = (pair[0], pair[1]);
        (0..=100).map(move |k| (a.0 + (b.0 - a.0) * f64::from(k) / 100.0, a.1 + (b.1 - a.1) * f64::from(k) / 100.0)).collect::<Vec<_>>()
    };
    line.windows(2).flat_map(between).collect()
}

#[test]
fn a_road_is_cut_at_the_boundary_and_its_outer_parts_stay_usable() {
    let free = town();
    // Between two junctions of the street y = 2.
    let roads = free.with(&[closure(1, RoadBlock::Closed, square(4.4, 1.8, 4.6, 2.2))], 1);
    for roads in [&roads, &roads.settled()] {
        let whole = trip(&free, "car", at(4.1, 2.0), at(4.9, 2.0));
        let round = trip(roads, "car", at(4.1, 2.0), at(4.9, 2.0));
        assert!(round.leg.as_ref().unwrap().cost > whole.leg.as_ref().unwrap().cost);
        assert_eq!((round.avoided.as_slice(), round.free), (&[0][..], whole.leg.map(|leg| leg.cost)));
        // Up to the boundary from either side, and not beyond.
        for (from, to) in [((4.0, 1.0), (4.35, 2.0)), ((4.65, 2.0), (5.0, 3.0)), ((4.05, 2.0), (4.35, 2.0))] {
            let (now, before) =
                (trip(roads, "car", at(from.0, from.1), at(to.0, to.1)), trip(&free, "car", at(from.0, from.1), at(to.0, to.1)));
            assert_eq!(now.leg.map(|leg| leg.cost), before.leg.map(|leg| leg.cost), "{from:?}");
        }
        let inside = trip(roads, "car", at(4.0, 1.0), at(4.5, 2.0));
        assert!(inside.leg.is_none() && inside.avoided == [0], "nobody is sent into it, and what cuts it off is named: {inside:?}");
        let out = trip(roads, "car", at(4.5, 2.0), at(4.0, 1.0));
        assert!(out.leg.is_none() && out.inside == [0]);
    }
}

#[test]
fn who_is_inside_a_no_entry_area_may_leave() {
    let free = town();
    let roads = free.with(&[closure(1, RoadBlock::NoEntry, square(2.5, 2.5, 5.5, 5.5))], 1).settled();
    let out = trip(&roads, "car", at(3.5, 4.0), at(0.5, 0.0));
    assert_eq!(out.inside, [0]);
    let path = driven(&roads, "car", &out);
    let is_inside = |(lon, lat): &(f64, f64)| {
        let (x, y) = ((lon - WEST) / BLOCK, (lat - SOUTH) / BLOCK);
        (2.5..=5.5).contains(&x) && (2.5..=5.5).contains(&y)
    };
    let left = path.iter().position(|place| !is_inside(place)).unwrap();
    assert!(left > 0 && !path[left + 1..].iter().any(is_inside), "once left it isn't entered again");
    assert!(trip(&roads, "car", at(0.5, 0.0), at(3.5, 4.0)).leg.is_none(), "nobody goes in");
    let round = trip(&roads, "car", at(0.5, 4.0), at(7.5, 4.0));
    assert!(!driven(&roads, "car", &round).iter().any(is_inside), "nobody goes through");
    // Emergency vehicles pass where only they may.
    let roads = free.with(&[closure(1, RoadBlock::EmergencyOnly, square(2.5, 2.5, 5.5, 5.5))], 1).settled();
    assert!(trip(&roads, "emergency", at(0.5, 4.0), at(3.5, 4.0)).leg.is_some());
    assert!(trip(&roads, "car", at(0.5, 4.0), at(3.5, 4.0)).leg.is_none());
}

#[test]
fn lines_places_levels_exemptions_and_slow_areas() {
    let free = town();
    let far = |roads: &Roads, profile: &str| trip(roads, profile, at(0.0, 2.5), at(8.0, 2.5)).leg.map(|leg| leg.cost);
    // A line across the whole town.
    let across = json!({ "type": "LineString", "coordinates": [at(4.5, -1.0), at(4.5, 9.0)] });
    let line = closure(1, RoadBlock::NoEntry, across);
    assert_eq!(far(&free.with(std::slice::from_ref(&line), 1).settled(), "car"), None);
    let exempt = Closure { exempt: vec!["foot".into()], ..line.clone() };
    let roads = free.with(&[exempt], 1).settled();
    assert_eq!((far(&roads, "car"), far(&roads, "foot")), (None, far(&free, "foot")));
    for (vertical, cut) in [(Vertical::Ground, true), (Vertical::Bridge, false), (Vertical::Tunnel, false)] {
        let roads = free.with(&[Closure { vertical, ..line.clone() }], 1).settled();
        assert_eq!(far(&roads, "car").is_none(), cut, "{vertical:?}");
    }
    // A place beside a street, further off than a street is wide: the nearest street is meant.
    let place = closure(1, RoadBlock::Closed, json!({ "type": "Point", "coordinates": at(4.5, 2.15) }));
    let roads = free.with(&[place], 1);
    assert_eq!(roads.closures.list()[0].parts.len(), 1);
    // Slowly through, where the way round is longer.
    let slow = closure(1, RoadBlock::Slow, square(3.9, -0.5, 4.1, 8.5));
    let roads = free.with(&[slow], 1).settled();
    let (before, now) = (far(&free, "car").unwrap(), far(&roads, "car").unwrap());
    let expected = 0.2 * BLOCK * 111_320.0 * SOUTH.to_radians().cos() / (10.0 / 3.6);
    assert!((now.seconds() - before.seconds() - expected).abs() < expected, "{before:?} {now:?} {expected}");
    assert!(now > before);
}

#[test]
fn pending_settled_and_dijkstra_agree_and_nothing_crosses_a_closed_area() {
    let mut random = Random::seeded("closures");
    let free = town();
    let size = STREETS as f64 - 1.0;
    for round in 0..if soak() { 300 } else { 12 } {
        let mut roads = free.clone();
        for step in 0..4 {
            let closures: Vec<Closure> = (0..random.below(6))
                .map(|n| {
                    let (x, y) = (random.between(0.0, size), random.between(0.0, size));
                    let kind = [RoadBlock::Closed, RoadBlock::NoEntry, RoadBlock::EmergencyOnly, RoadBlock::Slow][random.below(4)];
                    closure(round * 100 + step * 10 + n, kind, square(x, y, x + random.between(0.1, 3.0), y + random.between(0.1, 3.0)))
                })
                .collect();
            // On whatever hierarchies the step before left: some settled, some pending.
            let pending = roads.with(&closures, step as u64);
            let settled = pending.settled();
            for profile in ["car", "emergency", "foot"] {
                let n = mode(&roads, profile);
                let mut fresh = settled.conditions(n);
                fresh.customize();
                assert_eq!(settled.conditions(n).metric, fresh.metric, "customized in part as in whole");
                for _ in 0..10 {
                    let mut place = || at(random.between(0.0, size), random.between(0.0, size));
                    let (from, to) = (snap(&roads, profile, place()), snap(&roads, profile, place()));
                    let trips = [&pending, &settled].map(|roads| roads.conditions(n).trip(&from, &to));
                    let mut by_dijkstra = settled.conditions(n);
                    by_dijkstra.metric = None;
                    let oracle = by_dijkstra.table(&[from], &[to])[0];
                    for trip in &trips {
                        let cost = trip.leg.as_ref().map(|leg| leg.cost);
                        assert_eq!(cost, (!oracle.is_never()).then_some(oracle), "{profile} {from:?} {to:?}");
                        assert!(cost.is_none() || trip.free <= cost);
                        if trip.leg.is_some() {
                            let path = driven(&settled, profile, trip);
                            for closed in closures.iter().filter(|closure| closure.kind == RoadBlock::Closed) {
                                assert!(
                                    !path.iter().any(|(lon, lat)| deep_inside(closed, *lon, *lat)),
                                    "{profile} drives through {closed:?}"
                                );
                            }
                        }
                    }
                    assert_eq!(settled.conditions(n).table(&[from], &[to])[0].min(biaotu::roads::Cost::NEVER), oracle);
                }
            }
            roads = if random.below(2) == 0 { settled } else { pending };
        }
        // With nothing closed all is as it was.
        let open = roads.with(&[], 99);
        assert!(!open.settled().is_pending());
        assert_eq!(open.settled().conditions(0).metric.unwrap(), free.conditions(0).metric.unwrap());
    }
}

/// Inside by more than a road's own precision of a centimetre or two.
fn deep_inside(closure: &Closure, lon: f64, lat: f64) -> bool {
    let eps = 1e-6;
    [(eps, 0.0), (-eps, 0.0), (0.0, eps), (0.0, -eps)].iter().all(|(dx, dy)| closure.geometry.distance_m(lon + dx, lat + dy) == 0.0)
}

#[test]
fn an_isochrone_holds_what_is_reached_and_little_else() {
    use biaotu::roads::{Cost, isochrone::isochrones};
    let free = town();
    for roads in [free.clone(), free.with(&[closure(1, RoadBlock::Closed, square(2.5, 2.5, 5.5, 3.5))], 1).settled()] {
        let conditions = roads.conditions(mode(&roads, "car"));
        let from = snap(&roads, "car", at(4.0, 1.0));
        let limits = [Cost::new(60_000, 0), Cost::new(120_000, 0)];
        let areas = isochrones(&conditions, &from, &limits);
        for (area, limit) in areas.iter().zip(limits) {
            assert!(!area.area.0.is_empty());
            for polygon in &area.area.0 {
                assert!(geo::Winding::is_ccw(polygon.exterior()) && polygon.interiors().iter().all(geo::Winding::is_cw));
                assert!(geo::Validation::is_valid(polygon));
            }
            let holds = |(lon, lat): (f64, f64)| geo::Contains::contains(&area.area, &geo::Point::new(lon, lat));
            // Places all over the streets: those reached are in it, those not reached only near one that is.
            let mut reached = vec![];
            let mut others = vec![];
            for street in 0..STREETS {
                for k in 0..(STREETS - 1) * 20 {
                    let along = k as f64 / 20.0 + 0.013;
                    for place in [at(along, street as f64), at(street as f64, along)] {
                        let to = snap(&roads, "car", place);
                        let cost = conditions.table(&[from], &[to])[0];
                        if cost.ms() <= limit.ms() { reached.push(place) } else { others.push(place) }
                    }
                }
            }
            assert!(!reached.is_empty() && !others.is_empty());
            for place in &reached {
                assert!(holds(*place), "{place:?} is reached within {limit:?}");
            }
            let metres = |a: (f64, f64), b: (f64, f64)| biaotu::model::sphere::geodesic_m(a, b);
            for place in others.iter().filter(|place| holds(**place)) {
                let near = reached.iter().map(|other| metres(*place, *other)).fold(f64::INFINITY, f64::min);
                // Between two of the places looked at are 10 m.
                assert!(near <= area.margin_m + 11.0, "{place:?} is {near} m from what is reached");
            }
        }
    }
}

#[test]
fn surveys_that_hold_no_roads_are_refused() {
    let profiles = Profile::built_in().unwrap();
    assert!(from_lines(&profiles, vec![]).is_err());
    assert!(from_lines(&profiles, vec![Line { coordinates: vec![at(0.0, 0.0), at(1.0, 0.0)], tags: vec![] }]).is_err());
    assert!(biaotu::roads::build::from_survey(&profiles, &Survey::default()).is_err());
    assert!(Region::read(b"something else").is_err());
}

#[test]
fn the_nearest_roads_are_those_that_a_look_at_all_of_them_finds() {
    let mut random = Random::seeded("the_nearest_roads_are_those_that_a_look_at_all_of_them_finds");
    let roads = town();
    let region = &roads.region;
    let lines: Vec<Geometry> = (0..region.network.roads.len())
        .map(|road| {
            let line = region.network.shape(road).iter().map(|point| point.degrees()).collect::<geo::LineString>();
            Geometry::from_geo(geo::Geometry::LineString(line)).unwrap()
        })
        .collect();
    for round in 0..if crate::support::soak() { 20_000 } else { 500 } {
        // In the town, about it, and far from it.
        let spread = [8.0, 60.0, 4_000.0][round % 3];
        let mut unit = || spread * (random.below(1_000_000) as f64 / 1e6 - 0.4);
        let (lon, lat) = at(unit(), unit());
        let (count, limit) = (1 + random.below(6), [20.0, 100.0, 1_000.0, 50_000.0, f64::INFINITY][random.below(5)]);
        let mut all: Vec<f64> = lines.iter().map(|line| line.distance_m(lon, lat)).collect();
        all.sort_by(f64::total_cmp);
        let expected: Vec<f64> = all.into_iter().take(count).take_while(|d| *d <= limit).collect();
        let found = region.index.nearest(&region.network, (lon, lat), count, limit, |_, _| biaotu::roads::Ways::BOTH);
        let found: Vec<f64> = found.iter().map(|snap| snap.distance_m).collect();
        assert_eq!(found.len(), expected.len(), "{lon},{lat} {count} {limit}: {found:?} {expected:?}");
        for (one, other) in found.iter().zip(&expected) {
            assert!((one - other).abs() <= 0.02 + 1e-5 * other, "{lon},{lat} {count} {limit}: {found:?} {expected:?}");
        }
    }
}
