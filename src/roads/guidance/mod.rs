//! Guidance: a leg told as steps, with OSRM's maneuvers and intersections.
//!
//! The leg is walked junction by junction. [`passing`] says what a driver has to be told at each, which mostly is nothing: a
//! road that obviously goes on needs no words. Roundabouts are told as a whole. At last, maneuvers that a driver feels as one,
//! as a slip road's two bends, become one.

mod junctions;
mod passing;

use std::borrow::Cow;
use std::ops::Range;

pub use junctions::{Branch, Junctions, bearing, deviation};
use passing::Passing;

use super::{
    Arc, Network, Point, Way,
    network::Class,
    snap::Snap,
    trip::{Leg, Scene, Track},
};

/// What a driver does at the start of a step. The words are OSRM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Depart,
    Arrive,
    Turn,
    NewName,
    Continue,
    Merge,
    OnRamp,
    OffRamp,
    Fork,
    EndOfRoad,
    Notification,
    Roundabout,
    Rotary,
    RoundaboutTurn,
    ExitRoundabout,
    ExitRotary,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Depart => "depart",
            Kind::Arrive => "arrive",
            Kind::Turn => "turn",
            Kind::NewName => "new name",
            Kind::Continue => "continue",
            Kind::Merge => "merge",
            Kind::OnRamp => "on ramp",
            Kind::OffRamp => "off ramp",
            Kind::Fork => "fork",
            Kind::EndOfRoad => "end of road",
            Kind::Notification => "notification",
            Kind::Roundabout => "roundabout",
            Kind::Rotary => "rotary",
            Kind::RoundaboutTurn => "roundabout turn",
            Kind::ExitRoundabout => "exit roundabout",
            Kind::ExitRotary => "exit rotary",
        }
    }
    /// Whether it may become one with the maneuver next to it.
    const fn is_turn(self) -> bool {
        use Kind::*;
        matches!(self, Turn | NewName | Continue | Merge | OnRamp | OffRamp | Fork | EndOfRoad)
    }
}

/// Which way a maneuver turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    Uturn,
    SharpRight,
    Right,
    SlightRight,
    Straight,
    SlightLeft,
    Left,
    SharpLeft,
}

impl Modifier {
    /// Of a turn by so many degrees, to the right positive.
    pub const fn of(deviation: i32) -> Modifier {
        match deviation {
            -179..-120 => Modifier::SharpLeft,
            -120..-40 => Modifier::Left,
            -40..-20 => Modifier::SlightLeft,
            -20..=20 => Modifier::Straight,
            21..=40 => Modifier::SlightRight,
            41..=120 => Modifier::Right,
            121..=179 => Modifier::SharpRight,
            _ => Modifier::Uturn,
        }
    }
    pub const fn word(self) -> &'static str {
        match self {
            Modifier::Uturn => "uturn",
            Modifier::SharpRight => "sharp right",
            Modifier::Right => "right",
            Modifier::SlightRight => "slight right",
            Modifier::Straight => "straight",
            Modifier::SlightLeft => "slight left",
            Modifier::Left => "left",
            Modifier::SharpLeft => "sharp left",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maneuver {
    pub kind: Kind,
    /// None where the place asked for is on the road itself.
    pub modifier: Option<Modifier>,
    /// Degrees clockwise from north.
    pub bearing_before: u16,
    pub bearing_after: u16,
    pub location: Point,
    /// Of a roundabout: which of its exits is taken; none where the trip ends or began on it.
    pub exit: Option<u32>,
}

/// A junction that is passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Intersection<'a> {
    pub location: Point,
    /// The roads that meet there by bearing; at the ends of a leg only the one driven.
    pub branches: Cow<'a, [Branch]>,
    /// By branch, a bit: whether it may be entered, coming from where the leg comes from.
    pub entry: u64,
    /// The branch that the leg comes by, and the one that it goes on by.
    pub inward: Option<usize>,
    pub outward: Option<usize>,
    /// The road driven from here, if any is.
    pub way: Option<&'a Way>,
}

/// A maneuver, and the driving until the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<'a> {
    pub maneuver: Maneuver,
    /// Which arcs of the leg are driven: none on arrival.
    pub arcs: Range<usize>,
    pub intersections: Vec<Intersection<'a>>,
    /// Gives the step its name, destinations and mode.
    pub way: &'a Way,
    /// The roundabout's own, where it has a name.
    pub rotary: Option<&'a Way>,
}

/// The steps of a leg: `depart` first, `arrive` last.
pub fn steps<'a>(scene: &Scene<'a>, leg: &Leg, track: &Track) -> Vec<Step<'a>> {
    if leg.nodes.is_empty() {
        return vec![];
    }
    let mut steps = Walk { scene: *scene, leg, track }.steps();
    join(&mut steps, scene.network, track);
    steps
}

/// Whether two ways are one street to a driver: by name, else by number, else since neither has any.
fn is_same_street(network: &Network, a: &Way, b: &Way) -> bool {
    // A name that only grows, as by "East", isn't news.
    let grows = |short: &str, long: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.starts_with(' '))
            || long.strip_suffix(short).is_some_and(|rest| rest.ends_with(' '))
    };
    let [a_name, b_name, a_number, b_number] = [a.name, b.name, a.number, b.number].map(|text| network.text(text));
    match (a.name != 0 && b.name != 0, a.number != 0 && b.number != 0) {
        (true, _) => a_name == b_name || grows(a_name, b_name) || grows(b_name, a_name),
        // Roads may have several, as "A1;E15".
        (false, true) => a_number.split(';').any(|number| b_number.split(';').any(|other| number.trim() == other.trim())),
        (false, false) => !is_named(a) && !is_named(b),
    }
}

fn is_named(way: &Way) -> bool {
    way.name != 0 || way.number != 0
}

struct Walk<'a, 'l> {
    scene: Scene<'a>,
    leg: &'l Leg,
    track: &'l Track,
}

impl<'a> Walk<'a, '_> {
    fn arc(&self, i: usize) -> Arc {
        self.scene.arc(self.leg.nodes[i])
    }
    fn way(&self, i: usize) -> &'a Way {
        self.scene.network.way(self.arc(i))
    }
    /// The junction before arc `i` of the leg, which isn't its first.
    fn passing(&self, i: usize) -> Passing<'a> {
        Passing::new(&self.scene, self.leg.nodes[i - 1], self.leg.nodes[i])
    }
    fn location(&self, i: usize) -> Point {
        self.track.positions[self.track.first[i] as usize]
    }
    fn intersection(&self, i: usize, passing: &Passing<'a>) -> Intersection<'a> {
        Intersection {
            location: self.location(i),
            branches: Cow::Borrowed(passing.branches),
            entry: passing.entry,
            inward: passing.inward,
            outward: passing.outward,
            way: Some(self.way(i)),
        }
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let n = self.leg.nodes.len();
        let mut steps = vec![self.depart()];
        // The last way with a name since the step began: a gap in the names isn't a change of name.
        let mut street = self.way(0);
        let mut i = 1;
        while i < n {
            let passing = self.passing(i);
            if !self.way(i - 1).roundabout && self.way(i).roundabout {
                i = self.roundabout(i, &passing, &mut steps);
                street = steps.last().map_or(street, |step| step.way);
                continue;
            }
            let told = if self.way(i - 1).roundabout && !self.way(i).roundabout {
                Some((Kind::ExitRoundabout, Modifier::of(passing.turn)))
            } else {
                passing.told(&self.scene, street)
            };
            match told {
                Some((kind, modifier)) => {
                    steps.push(self.step(i, &passing, kind, modifier));
                    street = self.way(i);
                }
                None => self.pass(i, &passing, &mut steps),
            }
            if is_named(self.way(i)) {
                street = self.way(i);
            }
            i += 1;
        }
        let ends: Vec<usize> = steps.iter().skip(1).map(|step| step.arcs.start).chain([n]).collect();
        for (step, end) in steps.iter_mut().zip(ends) {
            step.arcs.end = end;
        }
        steps.push(self.arrive());
        steps
    }

    fn step(&self, i: usize, passing: &Passing<'a>, kind: Kind, modifier: Modifier) -> Step<'a> {
        Step {
            maneuver: Maneuver {
                kind,
                modifier: Some(modifier),
                bearing_before: passing.bearing_before,
                bearing_after: passing.bearing_after,
                location: self.location(i),
                exit: None,
            },
            arcs: i..i,
            intersections: vec![self.intersection(i, passing)],
            way: self.way(i),
            rotary: None,
        }
    }

    /// A junction without a maneuver: told among the step's intersections if anything meets there, or the road's classes change.
    fn pass(&self, i: usize, passing: &Passing<'a>, steps: &mut [Step<'a>]) {
        let classes = |way: &Way| (way.class == Class::Motorway, way.class == Class::Ferry, way.tunnel, way.toll);
        if (passing.branches.len() > 2 || classes(self.way(i - 1)) != classes(self.way(i)))
            && let Some(step) = steps.last_mut()
        {
            step.intersections.push(self.intersection(i, passing));
        }
    }

    /// The roundabout entered by arc `i`; gives the first arc that isn't told of.
    fn roundabout(&self, i: usize, passing: &Passing<'a>, steps: &mut Vec<Step<'a>>) -> usize {
        let n = self.leg.nodes.len();
        let end = (i..n).find(|k| !self.way(*k).roundabout).unwrap_or(n);
        let ring = Ring::of(&self.scene, self.arc(i));
        let way = self.way(i);
        let is_rotary = way.circular && ring.is_wide && ring.is_own;
        let mut entered = self.step(i, passing, if is_rotary { Kind::Rotary } else { Kind::Roundabout }, Modifier::of(passing.turn));
        entered.rotary = is_rotary.then_some(way);
        steps.push(entered);
        let mut exits = 0;
        for k in i + 1..end {
            let passing = self.passing(k);
            exits += passing.exits(self.scene.network);
            self.pass(k, &passing, steps);
        }
        let Some(entered) = steps.last_mut() else { return end };
        if end == n {
            return end;
        }
        let left = self.passing(end);
        let exit = exits + 1;
        entered.maneuver.exit = Some(exit);
        // The road after it is what its signs tell, so it is what the step is called.
        entered.way = self.way(end);
        let turn = deviation(passing.bearing_before, left.bearing_after);
        if ring.is_crossing {
            entered.maneuver.kind = Kind::RoundaboutTurn;
            entered.maneuver.exit = None;
            entered.maneuver.bearing_after = left.bearing_after;
            entered.maneuver.modifier = Some(if turn.abs() > 150 { Modifier::Uturn } else { Modifier::of(turn) });
            self.pass(end, &left, steps);
        } else {
            let kind = if is_rotary { Kind::ExitRotary } else { Kind::ExitRoundabout };
            let mut step = self.step(end, &left, kind, Modifier::of(left.turn));
            step.maneuver.exit = Some(exit);
            step.rotary = is_rotary.then_some(way);
            steps.push(step);
        }
        end + 1
    }

    fn depart(&self) -> Step<'a> {
        let bearing_after = self.bearing(self.track.positions.iter().copied());
        let asked = Point::new(self.leg.from.asked[0], self.leg.from.asked[1]);
        let modifier = side(&self.leg.from, bearing([asked, self.leg.from.point()]), bearing_after);
        let maneuver = Maneuver { kind: Kind::Depart, modifier, bearing_before: 0, bearing_after, location: self.location(0), exit: None };
        let way = self.way(0);
        let branch = Branch { arc: self.arc(0), bearing: bearing_after, leaves: true, arrives: true };
        let intersection = Intersection {
            location: maneuver.location,
            branches: Cow::Owned(vec![branch]),
            entry: 1,
            inward: None,
            outward: Some(0),
            way: Some(way),
        };
        Step { maneuver, arcs: 0..0, intersections: vec![intersection], way, rotary: None }
    }

    fn arrive(&self) -> Step<'a> {
        let n = self.leg.nodes.len();
        let back = (self.bearing(self.track.positions.iter().rev().copied()) + if self.is_still() { 180 } else { 0 }) % 360;
        let bearing_before = (back + 180) % 360;
        let asked = Point::new(self.leg.to.asked[0], self.leg.to.asked[1]);
        let modifier = side(&self.leg.to, bearing_before, bearing([self.leg.to.point(), asked]));
        let maneuver = Maneuver { kind: Kind::Arrive, modifier, bearing_before, bearing_after: 0, location: self.location(n), exit: None };
        let branch = Branch { arc: self.arc(n - 1).reverse(), bearing: back, leaves: true, arrives: true };
        let intersection = Intersection {
            location: maneuver.location,
            branches: Cow::Owned(vec![branch]),
            entry: 1,
            inward: Some(0),
            outward: None,
            way: None,
        };
        Step { maneuver, arcs: n..n, intersections: vec![intersection], way: self.way(n - 1), rotary: None }
    }

    /// Whether the leg goes nowhere.
    fn is_still(&self) -> bool {
        self.track.positions.windows(2).all(|pair| pair[0] == pair[1])
    }
    /// The heading of the leg at one of its ends; that of its road if it goes nowhere.
    fn bearing(&self, positions: impl Iterator<Item = Point>) -> u16 {
        if self.is_still() { bearing(self.scene.network.positions(self.arc(0))) } else { bearing(positions) }
    }
}

/// On which side of the road the place asked for is; none on the road itself, nor where it is too far off to say.
fn side(snap: &Snap, before: u16, after: u16) -> Option<Modifier> {
    (5.0..=300.0).contains(&snap.distance_m).then(|| Modifier::of(deviation(before, after)))
}

/// What a roundabout as a whole is like.
struct Ring {
    /// Too large to be felt as a crossing.
    is_wide: bool,
    /// Small, with few roads that lie well apart: a driver just turns there.
    is_crossing: bool,
    /// It isn't called like one of the roads that lead to it.
    is_own: bool,
}

impl Ring {
    fn of(scene: &Scene<'_>, entered: Arc) -> Ring {
        /// Circumference of a circle with a radius of 15 m, decimetres.
        const SMALL_DM: u64 = 942;
        const ARCS_MAX: usize = 64;
        let network = scene.network;
        let name = network.way(entered).name;
        let (mut arc, mut dm, mut bearings, mut closed, mut is_own) = (entered, 0, vec![], false, true);
        for _ in 0..ARCS_MAX {
            dm += u64::from(network.roads[arc.road()].dm);
            let branches = scene.junctions.at(network.head(arc));
            for branch in branches.iter().filter(|branch| !network.way(branch.arc).roundabout) {
                bearings.push(branch.bearing);
                is_own &= name == 0 || network.way(branch.arc).name != name;
            }
            let on = |branch: &&Branch| branch.leaves && branch.arc != arc.reverse() && network.way(branch.arc).roundabout;
            let Some(next) = branches.iter().find(on) else { break };
            arc = next.arc;
            if arc == entered {
                closed = true;
                break;
            }
        }
        bearings.sort_unstable();
        let around = bearings.iter().zip(bearings.iter().cycle().skip(1));
        let apart = bearings.len() > 1 && around.clone().all(|(a, b)| deviation(*a, *b).abs() >= 45);
        let is_small = closed && dm <= SMALL_DM;
        Ring { is_wide: !is_small, is_crossing: is_small && bearings.len() <= 4 && apart, is_own }
    }
}

/// Makes one of neighbouring maneuvers that a driver feels as one.
fn join(steps: &mut Vec<Step<'_>>, network: &Network, track: &Track) {
    /// Within so many decimetres, names haven't settled yet, and two bends are one.
    const NEAR_DM: u32 = 300;
    /// So long a slip road is part of its turn.
    const SLIP_DM: u32 = 1200;
    let mut i = 0;
    while i + 2 < steps.len() {
        let (this, next) = (&steps[i], &steps[i + 1]);
        let dm = track.cost(this.arcs.clone()).dm();
        let is_nameless = !is_named(this.way);
        if next.maneuver.kind == Kind::NewName && is_nameless && dm < NEAR_DM {
            absorb(steps, i);
            continue;
        }
        if i == 0 || !this.maneuver.kind.is_turn() || !next.maneuver.kind.is_turn() {
            i += 1;
            continue;
        }
        let came = steps[i - 1].way;
        let turn = deviation(this.maneuver.bearing_before, next.maneuver.bearing_after);
        let is_same = is_named(came) && is_same_street(network, came, next.way);
        let is_slip = this.way.link && this.way.class > Class::Motorway && is_nameless && dm < SLIP_DM && !next.way.link;
        // The far side of a dual carriageway is reached by two turns to the same side.
        let is_back = dm < NEAR_DM && turn.abs() > 150 && is_same;
        if !is_slip && !is_back {
            i += 1;
            continue;
        }
        absorb(steps, i);
        let modifier = if turn.abs() > 150 && is_same { Modifier::Uturn } else { Modifier::of(turn) };
        if modifier == Modifier::Straight && is_same {
            // It went round the junction, and on.
            absorb(steps, i - 1);
            i -= 1;
            continue;
        }
        let maneuver = &mut steps[i].maneuver;
        maneuver.modifier = Some(modifier);
        maneuver.kind = match modifier {
            _ if is_same => Kind::Continue,
            Modifier::Straight => Kind::NewName,
            _ => Kind::Turn,
        };
    }
}

/// Adds the next step's driving to a step, and calls it by that.
fn absorb(steps: &mut Vec<Step<'_>>, i: usize) {
    let next = steps.remove(i + 1);
    let step = &mut steps[i];
    step.arcs.end = next.arcs.end;
    step.intersections.extend(next.intersections);
    step.way = next.way;
    if step.maneuver.kind != Kind::Depart {
        step.maneuver.bearing_after = next.maneuver.bearing_after;
    }
}
