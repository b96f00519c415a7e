//! What closes roads, and where: a closure cuts each road at its boundary, so that the parts outside stay usable.

use std::{collections::HashMap, sync::Arc as Shared};

use super::{Arc, Cost, Network, Ways, network::span_m, snap::Index};
use crate::model::{
    Feature, Geometry, Layer, Role, Value,
    layer::{RoadBlock, Vertical, system},
    sphere::{self, Frame},
};
use geo::{Coord, CoordsIter};
use rstar::{AABB, RTree, RTreeObject};

/// Something that closes roads while it is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Closure {
    /// The feature: its layer and id; empty for a what-if closure.
    pub layer: String,
    pub id: String,
    pub name: String,
    pub kind: RoadBlock,
    /// What `slow` allows.
    pub speed_kmh: f64,
    /// Profiles that it doesn't hold for.
    pub exempt: Vec<String>,
    pub vertical: Vertical,
    pub geometry: Geometry,
}

/// What `slow` allows where nothing is said.
pub const SLOW_KMH: f64 = 10.0;

/// What a closure does to one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    None,
    Closed,
    NoEntry,
    Slow(f64),
}

/// The profile that asks, as far as closures care.
#[derive(Clone, Copy, Debug)]
pub struct Driver<'a> {
    pub profile: &'a str,
    pub emergency: bool,
}

impl Closure {
    /// What a feature does to roads, if its layer does anything to them.
    pub fn of(layer: &Layer, feature: &Feature) -> Option<Closure> {
        let value = |role| layer.role(role).map(|at| &feature.values[at]);
        let word = |role| value(role).and_then(Value::as_str);
        fn read<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
            serde_json::from_value(word.into()).ok()
        }
        Some(Closure {
            layer: layer.id.clone(),
            id: feature.id.to_string(),
            name: feature.values[system::NAME].as_str().unwrap_or_default().to_owned(),
            kind: word(Role::RoadBlock).and_then(read).or(layer.blocks_roads)?,
            speed_kmh: value(Role::SpeedLimit).and_then(Value::as_f64).unwrap_or(SLOW_KMH),
            exempt: value(Role::ExemptProfiles).map(Value::words).unwrap_or_default(),
            vertical: word(Role::Vertical).and_then(read).unwrap_or_default(),
            geometry: feature.geometry.clone()?,
        })
    }

    fn effect(&self, driver: Driver<'_>) -> Effect {
        if self.exempt.iter().any(|profile| profile == driver.profile) {
            return Effect::None;
        }
        match self.kind {
            RoadBlock::EmergencyOnly if driver.emergency => Effect::None,
            RoadBlock::Slow => Effect::Slow(self.speed_kmh),
            RoadBlock::NoEntry | RoadBlock::EmergencyOnly if self.geometry.has_area() => Effect::NoEntry,
            _ => Effect::Closed,
        }
    }
}

/// The part of a road that lies in a closure: shares of its length along its shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    pub from: f64,
    pub to: f64,
    /// Whether driving forward (backward) along the road one comes in from outside at `from` (at `to`).
    enters: Ways,
}

/// A closure with the roads that it cuts.
#[derive(Debug)]
pub struct Cutting {
    pub closure: Closure,
    /// In the order of the roads' numbers.
    pub parts: Vec<(u32, Part)>,
}

/// A line across or along a road closes it where the two are as near as this; so does a place. Metres.
const BESIDE_M: f64 = 10.0;
/// A place that is beside no road closes the nearest one within this. Metres.
const PLACE_M: f64 = 50.0;

impl Cutting {
    /// Finds the roads that a closure cuts.
    pub fn new(network: &Network, index: &Index, closure: Closure) -> Cutting {
        let mut parts = cut(network, index, &closure, BESIDE_M);
        if parts.is_empty()
            && let Geometry::Point { lon, lat } = closure.geometry
            && let Some(near) = index
                .nearest(network, (lon, lat), 1, PLACE_M, |road, _| match stands(network, road, closure.vertical) {
                    true => Ways::BOTH,
                    false => Ways::NONE,
                })
                .first()
        {
            parts = cut(network, index, &closure, near.distance_m + 1.0);
        }
        Cutting { closure, parts }
    }
}

/// Whether a road is on the level that a closure is about.
fn stands(network: &Network, road: u32, vertical: Vertical) -> bool {
    let way = network.way(Arc::new(road as usize, false));
    match vertical {
        Vertical::All => true,
        Vertical::Ground => !way.bridge && !way.tunnel,
        Vertical::Bridge => way.bridge,
        Vertical::Tunnel => way.tunnel,
    }
}

fn cut(network: &Network, index: &Index, closure: &Closure, beside_m: f64) -> Vec<(u32, Part)> {
    let outline = Outline::new(&closure.geometry, beside_m);
    let bounds = closure.geometry.ecef_box().padded(beside_m + 1.0);
    let mut roads: Vec<u32> = index.meeting(&bounds).filter(|road| stands(network, *road, closure.vertical)).collect();
    roads.sort_unstable();
    let mut parts = Vec::new();
    let mut course = Course::default();
    for road in roads {
        if course.set(network, road, &outline.frame) {
            parts.extend(outline.parts(&course).into_iter().map(|part| (road, part)));
        }
    }
    parts
}

/// A road on the plane of a closure.
#[derive(Default)]
struct Course {
    at: Vec<Coord>,
    /// Share of the road's length at each position.
    share: Vec<f64>,
}

impl Course {
    /// Whether the road can be seen on the plane.
    fn set(&mut self, network: &Network, road: u32, frame: &Frame) -> bool {
        self.at.clear();
        self.share.clear();
        let shape = network.shape(road as usize);
        let mut length = 0.0;
        for (i, point) in shape.iter().enumerate() {
            let (lon, lat) = point.degrees();
            let Some(at) = frame.project(sphere::unit(lon, lat)) else { return false };
            self.at.push(at);
            if i > 0 {
                length += span_m(shape[i - 1], *point);
            }
            self.share.push(length);
        }
        if length > 0.0 {
            self.share.iter_mut().for_each(|share| *share /= length);
        }
        true
    }

    fn place(&self, share: f64) -> Coord {
        let i = self.share.partition_point(|s| *s < share).clamp(1, self.at.len() - 1);
        let (a, b) = (self.share[i - 1], self.share[i]);
        let t = if b > a { ((share - a) / (b - a)).clamp(0.0, 1.0) } else { 0.0 };
        mix(self.at[i - 1], self.at[i], t)
    }
}

fn mix(a: Coord, b: Coord, t: f64) -> Coord {
    Coord { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t }
}

/// A straight edge on the plane; a place is one of no length.
#[derive(Clone, Copy)]
struct Edge {
    start: Coord,
    end: Coord,
}

impl RTreeObject for Edge {
    type Envelope = AABB<[f64; 2]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners([self.start.x, self.start.y], [self.end.x, self.end.y])
    }
}

/// The edges of a closure on its gnomonic plane, where great circles are straight. Plane units are about earth radii.
struct Outline {
    frame: Frame,
    edges: RTree<Edge>,
    has_area: bool,
    /// Half the width of a line, plane units.
    beside: f64,
    right: f64,
}

impl Outline {
    fn new(geometry: &Geometry, beside_m: f64) -> Outline {
        let frame = match geometry {
            Geometry::Point { lon, lat } => Frame::new(sphere::unit(*lon, *lat)),
            Geometry::Shape(shape) => *shape.frame(),
        };
        let project = |c: &Coord| frame.project(sphere::unit(c.x, c.y));
        let mut edges = Vec::new();
        let mut string = |line: &geo::LineString| {
            let places: Vec<Coord> = line.0.iter().filter_map(project).collect();
            edges.extend(places.windows(2).map(|pair| Edge { start: pair[0], end: pair[1] }));
        };
        let mut polygon = |polygon: &geo::Polygon| {
            string(polygon.exterior());
            polygon.interiors().iter().for_each(&mut string);
        };
        match &geometry.to_geo() {
            geo::Geometry::Polygon(one) => polygon(one),
            geo::Geometry::MultiPolygon(many) => many.0.iter().for_each(polygon),
            geo::Geometry::LineString(one) => string(one),
            geo::Geometry::MultiLineString(many) => many.0.iter().for_each(string),
            places => edges.extend(places.coords_iter().filter_map(|c| project(&c)).map(|c| Edge { start: c, end: c })),
        }
        let right = edges.iter().flat_map(|edge| [edge.start.x, edge.end.x]).fold(f64::NEG_INFINITY, f64::max);
        Outline { frame, edges: RTree::bulk_load(edges), has_area: geometry.has_area(), beside: beside_m / sphere::R, right }
    }

    fn parts(&self, course: &Course) -> Vec<Part> {
        if self.has_area { self.inside(course) } else { self.beside(course) }
    }

    /// By the number of edges to the right: even outside, odd inside.
    fn holds(&self, c: Coord) -> bool {
        if c.x > self.right {
            return false;
        }
        let ray = AABB::from_corners([c.x, c.y], [self.right, c.y]);
        let crossed = self.edges.locate_in_envelope_intersecting(ray).filter(|edge| {
            let (a, b) = (edge.start, edge.end);
            // An end belongs to the edge above it only, so a vertex counts once where the outline passes, twice or never where it turns.
            (a.y > c.y) != (b.y > c.y) && a.x + (b.x - a.x) * (c.y - a.y) / (b.y - a.y) > c.x
        });
        crossed.count() % 2 == 1
    }

    /// Whether a position lies on the boundary, to a tenth of a millimetre.
    fn touches(&self, c: Coord) -> bool {
        let near = 1e-4 / sphere::R;
        let around = AABB::from_corners([c.x - near, c.y - near], [c.x + near, c.y + near]);
        self.edges.locate_in_envelope_intersecting(around).any(|edge| to_segment(c, edge.start, edge.end) <= near)
    }

    fn inside(&self, course: &Course) -> Vec<Part> {
        let mut stops = vec![0.0];
        for (i, ends) in course.at.windows(2).enumerate() {
            let (a, b) = (ends[0], ends[1]);
            let along = AABB::from_corners([a.x.min(b.x), a.y.min(b.y)], [a.x.max(b.x), a.y.max(b.y)]);
            for edge in self.edges.locate_in_envelope_intersecting(along) {
                crossing(a, b, edge.start, edge.end, &mut |t| stops.push(course.share[i] + (course.share[i + 1] - course.share[i]) * t));
            }
        }
        stops.push(1.0);
        stops.sort_by(f64::total_cmp);
        let mut parts: Vec<Part> = Vec::new();
        for ends in stops.windows(2).filter(|ends| ends[1] > ends[0]) {
            if !self.holds(course.place((ends[0] + ends[1]) / 2.0)) {
                continue;
            }
            match parts.last_mut().filter(|last| last.to == ends[0]) {
                Some(last) => last.to = ends[1],
                None => parts.push(Part { from: ends[0], to: ends[1], enters: Ways::NONE }),
            }
        }
        for part in &mut parts {
            // At an end of the road the closure may begin at the junction itself.
            part.enters = Ways {
                forward: part.from > 0.0 || self.touches(course.place(0.0)),
                backward: part.to < 1.0 || self.touches(course.place(1.0)),
            };
        }
        parts
    }

    /// Where the road is nearer than `beside` to a line or place.
    fn beside(&self, course: &Course) -> Vec<Part> {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for (i, ends) in course.at.windows(2).enumerate() {
            let (a, b, d) = (ends[0], ends[1], self.beside);
            let around = AABB::from_corners([a.x.min(b.x) - d, a.y.min(b.y) - d], [a.x.max(b.x) + d, a.y.max(b.y) + d]);
            for edge in self.edges.locate_in_envelope_intersecting(around) {
                if let Some((from, to)) = near_span(a, b, edge, d) {
                    let share = |t: f64| course.share[i] + (course.share[i + 1] - course.share[i]) * t;
                    spans.push((share(from), share(to)));
                }
            }
        }
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut parts: Vec<Part> = Vec::new();
        for (from, to) in spans {
            match parts.last_mut().filter(|last| from <= last.to) {
                Some(last) => last.to = last.to.max(to),
                None => parts.push(Part { from, to, enters: Ways::BOTH }),
            }
        }
        parts
    }
}

/// Hands on the shares of `a`–`b` where it meets the edge `c`–`d`.
fn crossing(a: Coord, b: Coord, c: Coord, d: Coord, found: &mut impl FnMut(f64)) {
    let (ab, cd, ac) = (b - a, d - c, c - a);
    let cross = |u: Coord, v: Coord| u.x * v.y - u.y * v.x;
    let across = cross(ab, cd);
    if across == 0.0 {
        // Side by side: where they lie upon each other, the ends decide.
        let length2 = ab.x * ab.x + ab.y * ab.y;
        if length2 > 0.0 && cross(ab, ac).abs() <= 1e-16 {
            for end in [c, d] {
                let t = ((end.x - a.x) * ab.x + (end.y - a.y) * ab.y) / length2;
                if (0.0..=1.0).contains(&t) {
                    found(t);
                }
            }
        }
        return;
    }
    let (t, u) = (cross(ac, cd) / across, cross(ac, ab) / across);
    // A margin at the edge's ends: two edges meeting in a vertex mustn't both miss.
    if (0.0..=1.0).contains(&t) && (-1e-9..=1.0 + 1e-9).contains(&u) {
        found(t);
    }
}

fn to_segment(p: Coord, a: Coord, b: Coord) -> f64 {
    let (ab, ap) = (b - a, p - a);
    let length2 = ab.x * ab.x + ab.y * ab.y;
    let t = if length2 > 0.0 { ((ap.x * ab.x + ap.y * ab.y) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let off = p - mix(a, b, t);
    off.x.hypot(off.y)
}

/// The share of `a`–`b` that is within `d` of an edge. Distance to a segment is convex along a line, so that is one span.
fn near_span(a: Coord, b: Coord, edge: &Edge, d: f64) -> Option<(f64, f64)> {
    let off = |t: f64| to_segment(mix(a, b, t), edge.start, edge.end);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if off(left) <= off(right) { high = right } else { low = left }
    }
    let lowest = [0.0, (low + high) / 2.0, 1.0].into_iter().min_by(|s, t| off(*s).total_cmp(&off(*t)))?;
    if off(lowest) > d {
        return None;
    }
    let edge_of = |mut far: f64| {
        if off(far) <= d {
            return far;
        }
        let mut near = lowest;
        for _ in 0..50 {
            let middle = (near + far) / 2.0;
            if off(middle) <= d { near = middle } else { far = middle }
        }
        near
    };
    Some((edge_of(0.0), edge_of(1.0)))
}

/// All closures in force, by road.
#[derive(Clone, Debug, Default)]
pub struct Closures {
    list: Vec<Shared<Cutting>>,
    by_road: HashMap<u32, Vec<(u32, Part)>>,
    idle: Vec<u32>,
}

impl Closures {
    pub fn new(list: Vec<Shared<Cutting>>) -> Closures {
        let mut by_road: HashMap<u32, Vec<(u32, Part)>> = HashMap::new();
        for (n, cutting) in list.iter().enumerate() {
            for (road, part) in &cutting.parts {
                by_road.entry(*road).or_default().push((n as u32, *part));
            }
        }
        let is_idle = |cutting: &Cutting| cutting.parts.is_empty() && !cutting.closure.geometry.has_area();
        let idle = (0..).zip(&list).filter(|(_, cutting)| is_idle(cutting)).map(|(n, _)| n).collect();
        Closures { list, by_road, idle }
    }
    /// Lines and places that are beside no road, so that they close nothing: mostly drawn in the wrong place. An area without roads in
    /// it may be meant.
    pub fn idle(&self) -> &[u32] {
        &self.idle
    }
    pub fn list(&self) -> &[Shared<Cutting>] {
        &self.list
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// The roads that are cut.
    pub fn roads(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_road.keys().copied()
    }

    fn of(&self, road: u32) -> &[(u32, Part)] {
        self.by_road.get(&road).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether an arc can be driven from one share of it to another, in the direction of driving.
    pub fn open(&self, arc: Arc, from: f64, to: f64, driver: Driver<'_>) -> bool {
        self.of(arc.road() as u32).iter().all(|(n, part)| {
            let (begin, end) = along(arc, part);
            match self.list[*n as usize].closure.effect(driver) {
                Effect::None | Effect::Slow(_) => true,
                Effect::Closed => from >= end || to <= begin,
                Effect::NoEntry => !enters(arc, part) || from > begin || to <= begin,
            }
        })
    }

    /// How far an arc can be driven from a share of it: a share of its length.
    pub fn open_until(&self, arc: Arc, from: f64, driver: Driver<'_>) -> f64 {
        let stops = self.of(arc.road() as u32).iter().filter_map(|(n, part)| {
            let (begin, end) = along(arc, part);
            match self.list[*n as usize].closure.effect(driver) {
                Effect::Closed if end > from => Some(begin.max(from)),
                Effect::NoEntry if enters(arc, part) && begin >= from => Some(begin),
                _ => None,
            }
        });
        stops.fold(1.0, f64::min)
    }

    /// What all of an arc costs where closures allow only a low speed, given what it costs freely; what closes it isn't asked.
    pub fn slowed(&self, arc: Arc, free: Cost, driver: Driver<'_>) -> Cost {
        let slow = self.of(arc.road() as u32).iter().filter_map(|(n, part)| match self.list[*n as usize].closure.effect(driver) {
            Effect::Slow(speed) => Some((part.from, part.to, speed)),
            _ => None,
        });
        let slow: Vec<(f64, f64, f64)> = slow.collect();
        if slow.is_empty() || free.is_never() {
            return free;
        }
        let (mut ms, dm) = (f64::from(free.ms()), f64::from(free.dm()));
        let mut stops: Vec<f64> = slow.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        stops.sort_by(f64::total_cmp);
        for ends in stops.windows(2) {
            let here = slow.iter().filter(|(from, to, _)| *from <= ends[0] && ends[1] <= *to).map(|(.., speed)| *speed);
            if let Some(speed) = here.min_by(f64::total_cmp) {
                // Decimetres at kilometres an hour: 360 ms each at 1 km/h.
                ms += (ends[1] - ends[0]) * (dm * 360.0 / speed - f64::from(free.ms())).max(0.0);
            }
        }
        Cost::new((ms.round() as u32).min(MS_MAX), free.dm())
    }

    /// The closures that an arc driven from one share to another would run into or be slowed by, as positions in the list.
    pub fn met(&self, arc: Arc, from: f64, to: f64, driver: Driver<'_>) -> impl Iterator<Item = usize> + '_ {
        let met = move |n: u32, part: &Part, effect| {
            let (begin, end) = along(arc, part);
            match effect {
                Effect::None => None,
                Effect::NoEntry if !(enters(arc, part) && from <= begin && to > begin) => None,
                _ => (from < end && to > begin).then_some(n as usize),
            }
        };
        let effects: Vec<_> =
            self.of(arc.road() as u32).iter().map(|(n, part)| (*n, part, self.list[*n as usize].closure.effect(driver))).collect();
        effects.into_iter().filter_map(move |(n, part, effect)| met(n, part, effect))
    }

    /// The closures that hold a position of a road, as positions in the list.
    pub fn holding(&self, road: u32, at: f64, driver: Driver<'_>) -> Vec<usize> {
        let here = self.of(road).iter().filter(|(_, part)| part.from <= at && at <= part.to).map(|(n, _)| *n as usize);
        here.filter(|n| self.list[*n].closure.effect(driver) != Effect::None).collect()
    }
}

/// Twelve days: the most that one arc may take.
const MS_MAX: u32 = 1 << 30;

/// A part in the direction of driving.
fn along(arc: Arc, part: &Part) -> (f64, f64) {
    if arc.is_backward() { (1.0 - part.to, 1.0 - part.from) } else { (part.from, part.to) }
}
fn enters(arc: Arc, part: &Part) -> bool {
    if arc.is_backward() { part.enters.backward } else { part.enters.forward }
}
