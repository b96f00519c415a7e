//! One junction passed: what a driver has to be told there, if anything.

use super::{
    super::{Arc, Network, Way, network::Class, trip::Scene},
    Branch, Kind, Modifier, deviation, is_named, is_same_street,
};

/// A junction between two arcs of a leg.
pub struct Passing<'a> {
    pub branches: &'a [Branch],
    /// By branch, a bit: whether it may be entered, having come by the first arc.
    pub entry: u64,
    pub inward: Option<usize>,
    pub outward: Option<usize>,
    pub bearing_before: u16,
    pub bearing_after: u16,
    /// How far is turned, to the right positive.
    pub turn: i32,
    before: Arc,
    after: Arc,
}

/// Degrees within which a road may be said to go on.
const AHEAD: i32 = 60;

impl<'a> Passing<'a> {
    pub fn new(scene: &Scene<'a>, from: u32, to: u32) -> Passing<'a> {
        let (before, after) = (scene.arc(from), scene.arc(to));
        let branches = scene.junctions.at(scene.network.tail(after));
        let place = |arc: Arc| branches.iter().position(|branch| branch.arc == arc);
        let (inward, outward) = (place(before.reverse()), place(after));
        let bit = |i: Option<usize>| i.and_then(|i| 1_u64.checked_shl(i as u32)).unwrap_or(0);
        let mut entry = bit(outward);
        for edge in scene.turns.edges(from) {
            let arc = scene.arc(scene.turns.head[edge]);
            if !scene.cost[arc.index()].is_never() {
                entry |= bit(place(arc));
            }
        }
        let bearing = |i: Option<usize>| i.map_or(0, |i| branches[i].bearing);
        let (bearing_before, bearing_after) = ((bearing(inward) + 180) % 360, bearing(outward));
        let turn = if after == before.reverse() { 180 } else { deviation(bearing_before, bearing_after) };
        Passing { branches, entry, inward, outward, bearing_before, bearing_after, turn, before, after }
    }

    /// How many ways out of a roundabout there are here.
    pub fn exits(&self, network: &Network) -> u32 {
        self.branches.iter().filter(|branch| branch.leaves && !network.way(branch.arc).roundabout).count() as u32
    }

    /// The other branches that may be entered, but for turning back: which way each turns, and what it is.
    fn others(&self, network: &'a Network) -> impl Iterator<Item = (i32, &'a Way)> + Clone {
        let choices = self.branches.iter().enumerate().filter(|(i, _)| {
            Some(*i) != self.inward && Some(*i) != self.outward && self.entry.checked_shr(*i as u32).is_some_and(|bits| bits & 1 == 1)
        });
        choices.map(move |(_, branch)| (deviation(self.bearing_before, branch.bearing), network.way(branch.arc)))
    }

    /// The maneuver to tell, where `street` is what the driver believes to be on.
    pub fn told(&self, scene: &Scene<'a>, street: &Way) -> Option<(Kind, Modifier)> {
        let network = scene.network;
        let (before, after) = (network.way(self.before), network.way(self.after));
        let modifier = Modifier::of(self.turn);
        let is_same = is_same_street(network, street, after);
        let told = self.turning(network, street, before, after, modifier).or_else(|| {
            // News only if there is a name to tell.
            (is_named(after) && !is_same).then_some((Kind::NewName, modifier))
        });
        let is_boarding = (before.class == Class::Ferry) != (after.class == Class::Ferry);
        match told {
            None | Some((Kind::NewName, _)) if is_boarding => Some((Kind::Notification, modifier)),
            told => told,
        }
    }

    /// A maneuver that needs the driver's hands; none where the road just goes on.
    fn turning(&self, network: &'a Network, street: &Way, before: &Way, after: &Way, modifier: Modifier) -> Option<(Kind, Modifier)> {
        let is_kept = is_named(after) && is_same_street(network, street, after);
        let on_kept = |modifier| Some((if is_kept { Kind::Continue } else { Kind::Turn }, modifier));
        if self.after == self.before.reverse() {
            return on_kept(Modifier::Uturn);
        }
        let is_ramp = |way: &Way| way.link && way.class <= Class::Trunk;
        let is_highway = |way: &Way| !way.link && way.class <= Class::Trunk;
        if is_ramp(after) && !is_ramp(before) {
            return Some((if is_highway(before) { Kind::OffRamp } else { Kind::OnRamp }, self.beside(modifier, network)));
        }
        let others = self.others(network);
        // In towns, where nobody drives fast, it is a bend.
        let is_fast = is_ramp(before) || is_highway(after);
        if is_fast && before.link && !after.link && others.clone().next().is_none() && self.turn.abs() < AHEAD {
            return self.merged(network).map(|modifier| (Kind::Merge, modifier));
        }
        // A bend, whatever its angle.
        if self.branches.len() == 2 {
            return None;
        }
        let rivals: Vec<(i32, &Way)> = others.filter(|(turn, way)| self.is_rival(network, before, after, *turn, way)).collect();
        if self.turn.abs() < AHEAD && rivals.is_empty() {
            return None;
        }
        if let Some(modifier) = self.fork(after, &rivals) {
            return Some((Kind::Fork, modifier));
        }
        if self.is_end_of_road() {
            return Some((Kind::EndOfRoad, modifier));
        }
        if is_kept && modifier == Modifier::Straight { None } else { on_kept(modifier) }
    }

    /// Whether a driver might take that branch for the road's going on rather than the one driven.
    fn is_rival(&self, network: &Network, before: &Way, after: &Way, turn: i32, other: &Way) -> bool {
        let is_street = |way: &Way| is_named(way) && is_same_street(network, before, way);
        let rank = |way: &Way| way.class as i32;
        if is_street(other) && !is_street(after) && turn.abs() < 100 {
            return true;
        }
        let is_minor = |way: &Way| way.class >= Class::Service;
        let is_lesser = (is_minor(other) && !is_minor(after))
            || (other.link && !after.link)
            || (rank(other) > rank(after) + 1 && rank(after) <= rank(before))
            || (is_street(after) && !is_street(other) && rank(other) > rank(after));
        !is_lesser && !is_clearer(self.turn, turn)
    }

    /// Which side of a fork is taken, if the rivals make one: roads of about the same standing, none plainly straighter.
    fn fork(&self, after: &Way, rivals: &[(i32, &Way)]) -> Option<Modifier> {
        const SPREAD: i32 = 50;
        const STANDING: i32 = 2;
        let is_alike = |way: &Way| way.link == after.link && (way.class as i32 - after.class as i32).abs() <= STANDING;
        let is_ahead = |turn: i32| turn.abs() <= SPREAD;
        let tines: Vec<i32> = rivals.iter().filter(|(turn, way)| is_ahead(*turn) && is_alike(way)).map(|(turn, _)| *turn).collect();
        if tines.is_empty() || !is_ahead(self.turn) || rivals.iter().any(|(turn, _)| is_clearer(*turn, self.turn)) {
            return None;
        }
        Some(self.among(&tines))
    }

    /// On which side of others that lie ahead the road taken is.
    fn among(&self, others: &[i32]) -> Modifier {
        match (others.iter().any(|turn| *turn < self.turn), others.iter().any(|turn| *turn >= self.turn)) {
            (true, false) => Modifier::SlightRight,
            (false, true) => Modifier::SlightLeft,
            _ => Modifier::Straight,
        }
    }

    /// A ramp hardly turns where it begins, but it lies on one side of the road that it leaves.
    fn beside(&self, modifier: Modifier, network: &'a Network) -> Modifier {
        let ahead: Vec<i32> = self.others(network).map(|(turn, _)| turn).filter(|turn| turn.abs() < AHEAD).collect();
        if modifier == Modifier::Straight { self.among(&ahead) } else { modifier }
    }

    /// Whether the road ends in another that crosses its end, both ways aside.
    fn is_end_of_road(&self) -> bool {
        let aside = |branch: &Branch| deviation(self.bearing_before, branch.bearing);
        let sides: Vec<i32> =
            self.branches.iter().enumerate().filter(|(i, _)| Some(*i) != self.inward).map(|(_, branch)| aside(branch)).collect();
        matches!(sides[..], [a, b] if a.signum() != b.signum() && [a, b].iter().all(|turn| (40..=140).contains(&turn.abs())))
    }

    /// To which side a link joins a road that comes from behind, if one does.
    fn merged(&self, network: &Network) -> Option<Modifier> {
        let back = (self.bearing_before + 180) % 360;
        let through = self.branches.iter().enumerate().find(|(i, branch)| {
            let heading = (branch.bearing + 180) % 360;
            Some(*i) != self.inward
                && Some(*i) != self.outward
                && branch.arrives
                && !network.way(branch.arc).link
                && deviation(heading, self.bearing_after).abs() < 45
        });
        // Seen from the junction, what comes clockwise of our tail is on our left.
        through.map(|(_, branch)| if deviation(back, branch.bearing) >= 0 { Modifier::SlightLeft } else { Modifier::SlightRight })
    }
}

/// Whether a road turning by `a` is plainly straighter than one turning by `b`.
const fn is_clearer(a: i32, b: i32) -> bool {
    b.abs() >= 2 * a.abs() && b.abs() - a.abs() >= 20
}
