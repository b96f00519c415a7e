//! Answers in the shape of OSRM's HTTP API v1, written straight to the response.
//!
//! Numbers are decimal fractions of whole numbers: times in tenths of a second, lengths in decimetres, positions in 1e-6 degrees.
//! A step's time is the difference of two rounded sums, so that the steps' times add up to the leg's in the answer too.

use super::{
    Cost, Network, Point, Way,
    guidance::{self, Intersection, Step},
    network::{Class, span_m},
    polyline::{self, Precision},
    simplify::outstanding,
    snap::Snap,
    trip::{Leg, Scene, Track},
};

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Geometries {
    #[default]
    Polyline,
    Polyline6,
    Geojson,
}

impl Geometries {
    pub fn parse(text: &str) -> Option<Geometries> {
        Some(match text {
            "polyline" => Geometries::Polyline,
            "polyline6" => Geometries::Polyline6,
            "geojson" => Geometries::Geojson,
            _ => return None,
        })
    }
}

/// How much of a route's line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overview {
    #[default]
    Simplified,
    Full,
    No,
}

impl Overview {
    pub fn parse(text: &str) -> Option<Overview> {
        Some(match text {
            "simplified" => Overview::Simplified,
            "full" => Overview::Full,
            "false" => Overview::No,
            _ => return None,
        })
    }
}

/// Which annotations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    pub nodes: bool,
    pub datasources: bool,
    pub weight: bool,
    pub duration: bool,
    pub distance: bool,
    pub speed: bool,
}

impl Annotations {
    const ALL: Annotations = Annotations { nodes: true, datasources: true, weight: true, duration: true, distance: true, speed: true };

    /// `true`, `false`, or names parted by commas.
    pub fn parse(text: &str) -> Option<Annotations> {
        let mut asked = Annotations::default();
        match text {
            "true" => return Some(Annotations::ALL),
            "false" => return Some(asked),
            _ => {}
        }
        for name in text.split(',') {
            *match name {
                "nodes" => &mut asked.nodes,
                "datasources" => &mut asked.datasources,
                "weight" => &mut asked.weight,
                "duration" => &mut asked.duration,
                "distance" => &mut asked.distance,
                "speed" => &mut asked.speed,
                _ => return None,
            } = true;
        }
        Some(asked)
    }
}

/// What of a route is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub geometries: Geometries,
    pub overview: Overview,
    pub steps: bool,
    pub annotations: Annotations,
}

/// A place of a trace that was matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracepoint {
    pub snap: Snap,
    /// Which matching, and which of its waypoints.
    pub matching: usize,
    pub waypoint: usize,
    /// How many other roads it could have been matched to.
    pub alternatives: usize,
}

/// The answer of `/route`: the best route first.
pub fn route(scene: &Scene<'_>, routes: &[Vec<Leg>], waypoints: &[Snap], detail: &Detail, out: &mut Vec<u8>) {
    text(out, r#"{"code":"Ok","routes":"#);
    list(out, routes, |out, legs| write_route(scene, legs, detail, None, out));
    text(out, r#","waypoints":"#);
    list(out, waypoints, |out, snap| write_waypoint(scene.network, snap, out));
    text(out, "}");
}

/// The answer of `/match`: each matching's legs and confidence, and by place of the trace where it was matched, if it was.
pub fn matching(scene: &Scene<'_>, matchings: &[(Vec<Leg>, f64)], tracepoints: &[Option<Tracepoint>], detail: &Detail, out: &mut Vec<u8>) {
    text(out, r#"{"code":"Ok","matchings":"#);
    list(out, matchings, |out, (legs, confidence)| write_route(scene, legs, detail, Some(*confidence), out));
    text(out, r#","tracepoints":"#);
    list(out, tracepoints, |out, place| match place {
        None => text(out, "null"),
        Some(place) => {
            text(out, r#"{"alternatives_count":"#);
            whole(out, place.alternatives as i64);
            text(out, r#","waypoint_index":"#);
            whole(out, place.waypoint as i64);
            text(out, r#","matchings_index":"#);
            whole(out, place.matching as i64);
            text(out, ",");
            write_place(scene.network, &place.snap, out);
            text(out, "}");
        }
    });
    text(out, "}");
}

/// The answer of `/nearest`, nearest first.
pub fn nearest(network: &Network, snaps: &[Snap], out: &mut Vec<u8>) {
    text(out, r#"{"code":"Ok","waypoints":"#);
    list(out, snaps, |out, snap| {
        let range = network.range(snap.road as usize);
        let after = snap.vertex(network);
        let ids = [after.saturating_sub(1).max(range.start), after].map(|vertex| network.node_ids.get(vertex).copied().unwrap_or(0));
        text(out, r#"{"nodes":"#);
        list(out, &ids, |out, id| whole(out, *id));
        text(out, ",");
        write_place(network, snap, out);
        text(out, "}");
    });
    text(out, "}");
}

/// What of a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    pub durations: bool,
    pub distances: bool,
}

/// The answer of `/table`: `costs` row by row, a row of `columns` for each source; [`Cost::NEVER`] becomes null.
pub fn table(
    network: &Network,
    (sources, destinations): (&[Snap], &[Snap]),
    costs: &[Cost],
    columns: usize,
    measures: Measures,
    out: &mut Vec<u8>,
) {
    out.reserve(costs.len() * 8 * (usize::from(measures.durations) + usize::from(measures.distances)));
    text(out, r#"{"code":"Ok""#);
    let mut matrix = |name: &str, tenths: fn(Cost) -> i64| {
        text(out, name);
        let rows: Vec<&[Cost]> = costs.chunks(columns.max(1)).collect();
        list(out, &rows, |out, row| {
            list(out, row, |out, cost| if cost.is_never() { text(out, "null") } else { decimal(out, tenths(*cost), 1) });
        });
    };
    if measures.distances {
        matrix(r#","distances":"#, |cost| i64::from(cost.dm()));
    }
    if measures.durations {
        matrix(r#","durations":"#, tenths);
    }
    text(out, r#","destinations":"#);
    list(out, destinations, |out, snap| write_waypoint(network, snap, out));
    text(out, r#","sources":"#);
    list(out, sources, |out, snap| write_waypoint(network, snap, out));
    text(out, "}");
}

/// An error's answer, as `NoRoute`.
pub fn error(code: &str, message: &str, out: &mut Vec<u8>) {
    text(out, r#"{"code":"#);
    quoted(out, code);
    text(out, r#","message":"#);
    quoted(out, message);
    text(out, "}");
}

/// Tenths of a second of driving, rounded.
const fn tenths(cost: Cost) -> i64 {
    (cost.driven().ms() as i64 + 50) / 100
}

fn write_waypoint(network: &Network, snap: &Snap, out: &mut Vec<u8>) {
    text(out, "{");
    write_place(network, snap, out);
    text(out, "}");
}

/// The fields that all kinds of waypoint have.
fn write_place(network: &Network, snap: &Snap, out: &mut Vec<u8>) {
    text(out, r#""distance":"#);
    decimal(out, (snap.distance_m * 1e6).round() as i64, 6);
    text(out, r#","name":"#);
    quoted(out, network.text(network.ways[network.roads[snap.road as usize].way as usize].name));
    text(out, r#","location":"#);
    location(out, snap.point());
}

fn write_route(scene: &Scene<'_>, legs: &[Leg], detail: &Detail, confidence: Option<f64>, out: &mut Vec<u8>) {
    text(out, "{");
    if let Some(confidence) = confidence {
        text(out, r#""confidence":"#);
        decimal(out, (confidence * 1e6).round() as i64, 6);
        text(out, ",");
    }
    text(out, r#""legs":"#);
    let needs_track = detail.steps || detail.overview != Overview::No || detail.annotations != Annotations::default();
    let (mut line, mut sum) = (vec![], (0, 0));
    list(out, legs, |out, leg| {
        let track = if needs_track { Track::new(scene, leg) } else { Track::default() };
        sum = (sum.0 + tenths(leg.cost), sum.1 + i64::from(leg.cost.dm()));
        write_leg(scene, leg, &track, detail, out);
        // A leg begins where the one before it ended.
        let begun = usize::from(!line.is_empty() && line.last() == track.positions.first());
        line.extend_from_slice(track.positions.get(begun..).unwrap_or_default());
    });
    text(out, r#","weight_name":"duration","#);
    match detail.overview {
        Overview::No => {}
        Overview::Full => {
            text(out, r#""geometry":"#);
            geometry(out, &line, detail.geometries);
            text(out, ",");
        }
        Overview::Simplified => {
            text(out, r#""geometry":"#);
            geometry(out, &simplified(&line), detail.geometries);
            text(out, ",");
        }
    }
    measures(out, sum.0, sum.1);
    text(out, "}");
}

/// Weight, duration and distance: the weight is the duration.
fn measures(out: &mut Vec<u8>, tenths: i64, dm: i64) {
    for (name, value) in [(r#""weight":"#, tenths), (r#","duration":"#, tenths), (r#","distance":"#, dm)] {
        text(out, name);
        decimal(out, value, 1);
    }
}

fn write_leg(scene: &Scene<'_>, leg: &Leg, track: &Track, detail: &Detail, out: &mut Vec<u8>) {
    let steps = if detail.steps { guidance::steps(scene, leg, track) } else { vec![] };
    text(out, r#"{"steps":"#);
    list(out, &steps, |out, step| write_step(scene, step, track, detail, out));
    text(out, ",");
    if detail.annotations != Annotations::default() {
        write_annotation(scene, leg, track, &detail.annotations, out);
        text(out, ",");
    }
    text(out, r#""summary":"#);
    quoted(out, &summary(scene.network, &steps, track));
    text(out, ",");
    measures(out, tenths(leg.cost), i64::from(leg.cost.dm()));
    text(out, "}");
}

/// The two streets that a leg follows longest, in the order of driving.
fn summary(network: &Network, steps: &[Step<'_>], track: &Track) -> String {
    let mut streets: Vec<(&str, u32)> = vec![];
    for step in steps {
        let street = [step.way.name, step.way.number].map(|text| network.text(text)).into_iter().find(|text| !text.is_empty());
        let Some(street) = street else { continue };
        let dm = track.cost(step.arcs.clone()).dm();
        match streets.iter_mut().find(|(known, _)| *known == street) {
            Some((_, sum)) => *sum += dm,
            None if dm > 0 => streets.push((street, dm)),
            None => {}
        }
    }
    let mut lengths: Vec<u32> = streets.iter().map(|(_, dm)| *dm).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let least = lengths.get(1).copied().unwrap_or(0);
    streets.iter().filter(|(_, dm)| *dm >= least).take(2).map(|(street, _)| *street).collect::<Vec<_>>().join(", ")
}

fn write_step(scene: &Scene<'_>, step: &Step<'_>, track: &Track, detail: &Detail, out: &mut Vec<u8>) {
    let (network, maneuver, way) = (scene.network, &step.maneuver, step.way);
    let (start, end) = (track.reach[step.arcs.start], track.reach[step.arcs.end]);
    text(out, r#"{"geometry":"#);
    match track.line(step.arcs.clone()) {
        // An arrival's line has two ends all the same.
        &[only] => geometry(out, &[only, only], detail.geometries),
        line => geometry(out, line, detail.geometries),
    }
    text(out, r#","maneuver":{"#);
    if let Some(exit) = maneuver.exit {
        text(out, r#""exit":"#);
        whole(out, i64::from(exit));
        text(out, ",");
    }
    text(out, r#""bearing_after":"#);
    whole(out, i64::from(maneuver.bearing_after));
    text(out, r#","bearing_before":"#);
    whole(out, i64::from(maneuver.bearing_before));
    text(out, r#","location":"#);
    location(out, maneuver.location);
    if let Some(modifier) = maneuver.modifier {
        text(out, r#","modifier":""#);
        text(out, modifier.word());
        text(out, r#"""#);
    }
    text(out, r#","type":""#);
    text(out, maneuver.kind.word());
    text(out, r#""},"mode":"#);
    quoted(out, if way.class == Class::Ferry { "ferry" } else { scene.mode });
    text(out, if way.left_hand { r#","driving_side":"left""# } else { r#","driving_side":"right""# });
    text(out, r#","name":"#);
    quoted(out, network.text(way.name));
    if let Some(rotary) = step.rotary.filter(|rotary| rotary.name != 0) {
        text(out, r#","rotary_name":"#);
        quoted(out, network.text(rotary.name));
    }
    for (name, value) in [(r#","ref":"#, way.number), (r#","destinations":"#, way.destinations)] {
        if value != 0 {
            text(out, name);
            quoted(out, network.text(value));
        }
    }
    text(out, r#","intersections":"#);
    list(out, &step.intersections, |out, intersection| write_intersection(intersection, out));
    text(out, ",");
    measures(out, tenths(end) - tenths(start), i64::from(end.minus(start).dm()));
    text(out, "}");
}

fn write_intersection(intersection: &Intersection<'_>, out: &mut Vec<u8>) {
    text(out, "{");
    if let Some(outward) = intersection.outward {
        text(out, r#""out":"#);
        whole(out, outward as i64);
        text(out, ",");
    }
    if let Some(inward) = intersection.inward {
        text(out, r#""in":"#);
        whole(out, inward as i64);
        text(out, ",");
    }
    if let Some(way) = intersection.way {
        let classes = classes(way);
        if !classes.is_empty() {
            text(out, r#""classes":"#);
            list(out, &classes, |out, class| quoted(out, class));
            text(out, ",");
        }
    }
    text(out, r#""entry":"#);
    let mut bits = intersection.entry;
    list(out, &intersection.branches, |out, _| {
        text(out, if bits & 1 == 1 { "true" } else { "false" });
        bits >>= 1;
    });
    text(out, r#","bearings":"#);
    list(out, &intersection.branches, |out, branch| whole(out, i64::from(branch.bearing)));
    text(out, r#","location":"#);
    location(out, intersection.location);
    text(out, "}");
}

fn classes(way: &Way) -> Vec<&'static str> {
    let known = [
        (way.toll, "toll"),
        (way.class == Class::Ferry, "ferry"),
        (way.class == Class::Motorway, "motorway"),
        (way.tunnel, "tunnel"),
        (way.bridge, "bridge"),
        (way.ford, "ford"),
    ];
    known.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

/// By segment of the leg's line. Turns take time at a position, not on a segment: it isn't in here.
fn write_annotation(scene: &Scene<'_>, leg: &Leg, track: &Track, asked: &Annotations, out: &mut Vec<u8>) {
    // Millimetres and milliseconds by segment; an arc's time is spread by length.
    let lengths: Vec<f64> = track.positions.windows(2).map(|pair| span_m(pair[0], pair[1])).collect();
    let mut pieces: Vec<(i64, i64)> = Vec::with_capacity(lengths.len());
    for (i, ends) in track.first.windows(2).enumerate() {
        let lengths = &lengths[ends[0] as usize..ends[1] as usize];
        let turn = if i == 0 { Cost::ZERO } else { scene.turn(leg.nodes[i - 1], leg.nodes[i]) };
        let cost = track.cost(i..i + 1).minus(turn);
        let total: f64 = lengths.iter().sum();
        let (mut driven, mut last) = (0.0, (0, 0));
        for (k, length) in lengths.iter().enumerate() {
            driven += length;
            // Rounded sums, so that the segments add up to the arc.
            let share = if k + 1 == lengths.len() || total == 0.0 { 1.0 } else { driven / total };
            let sum = ((f64::from(cost.dm()) * 100.0 * share).round() as i64, (f64::from(cost.ms()) * share).round() as i64);
            pieces.push((sum.0 - last.0, sum.1 - last.1));
            last = sum;
        }
    }
    text(out, r#""annotation":{"#);
    let mut parted = false;
    let mut field = |out: &mut Vec<u8>, name: &str| {
        if parted {
            text(out, ",");
        }
        parted = true;
        quoted(out, name);
        text(out, ":");
    };
    if asked.speed {
        field(out, "speed");
        list(out, &pieces, |out, (mm, ms)| decimal(out, if *ms > 0 { (*mm * 10 + *ms / 2) / *ms } else { 0 }, 1));
    }
    if asked.datasources {
        field(out, "metadata");
        text(out, r#"{"datasource_names":["profile"]}"#);
    }
    if asked.nodes {
        field(out, "nodes");
        let id = |vertex: &u32| scene.network.node_ids.get(*vertex as usize).copied().unwrap_or(0);
        list(out, &track.vertices, |out, vertex| whole(out, id(vertex)));
    }
    if asked.datasources {
        field(out, "datasources");
        list(out, &pieces, |out, _| text(out, "0"));
    }
    for (is_asked, name) in [(asked.weight, "weight"), (asked.duration, "duration")] {
        if is_asked {
            field(out, name);
            list(out, &pieces, |out, (_, ms)| decimal(out, *ms, 3));
        }
    }
    if asked.distance {
        field(out, "distance");
        list(out, &pieces, |out, (mm, _)| decimal(out, *mm, 3));
    }
    text(out, "}");
}

fn geometry(out: &mut Vec<u8>, positions: &[Point], geometries: Geometries) {
    let precision = match geometries {
        Geometries::Polyline => Precision::Five,
        Geometries::Polyline6 => Precision::Six,
        Geometries::Geojson => {
            text(out, r#"{"coordinates":"#);
            list(out, positions, |out, position| location(out, *position));
            return text(out, r#","type":"LineString"}"#);
        }
    };
    text(out, "\"");
    polyline::write(positions.iter().copied(), precision, out);
    text(out, "\"");
}

/// A line without what can't be seen at the closest zoom that shows all of it: two pixels of a screen of 1,024.
fn simplified(line: &[Point]) -> Vec<Point> {
    const SCREEN_PIXELS: f64 = 1024.0;
    const WORLD: f64 = 360.0 * 1e7;
    let Some(first) = line.first() else { return vec![] };
    // A plane in 1e-7 degrees of latitude, with one scale for the whole line: what is seen doesn't depend on it.
    let narrow = (f64::from(first.lat) / 1e7).to_radians().cos();
    let plane: Vec<(f64, f64)> = line.iter().map(|position| (f64::from(position.lon) * narrow, f64::from(position.lat))).collect();
    let span = |along: fn(&(f64, f64)) -> f64| {
        let (least, most) = plane.iter().map(along).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        most - least
    };
    let extent = span(|position| position.0).max(span(|position| position.1)).max(1.0);
    // Tiles of 256 pixels: zoom 0 shows the world in one.
    let zoom = (WORLD / extent * SCREEN_PIXELS / 256.0).log2().floor().clamp(0.0, 18.0);
    let tolerance = 2.0 * WORLD / 256.0 / zoom.exp2();
    let kept = outstanding(&plane, tolerance);
    line.iter().zip(kept).filter(|(_, kept)| *kept).map(|(position, _)| *position).collect()
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    // Writing to memory doesn't fail.
    let _ = serde_json::to_writer(out, text);
}

/// A JSON array.
pub fn list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn whole(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A decimal fraction with that many places at most, as 12.5 of 125 and 12 of 120.
fn decimal(out: &mut Vec<u8>, value: i64, places: u32) {
    if value < 0 {
        out.push(b'-');
    }
    let (value, scale) = (value.unsigned_abs(), 10_u64.pow(places));
    out.extend_from_slice(itoa::Buffer::new().format(value / scale).as_bytes());
    let mut part = value % scale;
    if part == 0 {
        return;
    }
    let mut digits = [b'.'; 8];
    let end = 1 + places as usize;
    for digit in digits[1..end].iter_mut().rev() {
        *digit = b'0' + (part % 10) as u8;
        part /= 10;
    }
    let zeros = digits[1..end].iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..end - zeros]);
}

/// `[longitude,latitude]` with six decimals, as OSRM keeps them.
pub fn location(out: &mut Vec<u8>, position: Point) {
    let micro = |value: i32| (i64::from(value) + 5 * i64::from(value.signum())) / 10;
    out.push(b'[');
    decimal(out, micro(position.lon), 6);
    out.push(b',');
    decimal(out, micro(position.lat), 6);
    out.push(b']');
}
