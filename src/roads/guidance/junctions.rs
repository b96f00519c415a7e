//! What meets at each junction, as one profile sees it: the roads leaving it in compass order.

use super::super::{Arc, Network, Point, TurnGraph, network::offset};

/// A road seen from a junction that it ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Away from the junction.
    pub arc: Arc,
    /// Degrees clockwise from north, away from the junction: 0..360.
    pub bearing: u16,
    /// Whether the profile drives it away from the junction.
    pub leaves: bool,
    /// Whether the profile drives it towards the junction.
    pub arrives: bool,
}

/// By junction: its branches.
#[derive(Clone, Debug, Default)]
pub struct Junctions {
    first: Vec<u32>,
    branches: Vec<Branch>,
}

impl Junctions {
    pub fn new(network: &Network, turns: &TurnGraph) -> Junctions {
        let mut drivable = vec![false; network.arcs()];
        for arc in &turns.arc {
            drivable[arc.index()] = true;
        }
        let used = |arc: &Arc| drivable[arc.index()] || drivable[arc.reverse().index()];
        let arcs = || (0..network.arcs() as u32).map(Arc).filter(used);
        let mut first = vec![0; network.junctions.len() + 1];
        for arc in arcs() {
            first[network.tail(arc) as usize + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        let mut next = first.clone();
        let none = Branch { arc: Arc(0), bearing: 0, leaves: false, arrives: false };
        let mut branches = vec![none; first.last().map_or(0, |last| *last as usize)];
        for arc in arcs() {
            let slot = &mut next[network.tail(arc) as usize];
            let bearing = bearing(network.positions(arc));
            let (leaves, arrives) = (drivable[arc.index()], drivable[arc.reverse().index()]);
            branches[*slot as usize] = Branch { arc, bearing, leaves, arrives };
            *slot += 1;
        }
        for junction in first.windows(2) {
            branches[junction[0] as usize..junction[1] as usize].sort_unstable_by_key(|branch| (branch.bearing, branch.arc));
        }
        Junctions { first, branches }
    }

    /// The roads at a junction, by bearing.
    pub fn at(&self, junction: u32) -> &[Branch] {
        &self.branches[self.first[junction as usize] as usize..self.first[junction as usize + 1] as usize]
    }
}

/// Where a line heads at its start, degrees clockwise from north: judged over its first metres, since surveyors bend roads into
/// their junctions.
pub fn bearing(positions: impl IntoIterator<Item = Point>) -> u16 {
    const METRES: f64 = 10.0;
    let mut positions = positions.into_iter();
    let Some(start) = positions.next() else { return 0 };
    let (mut last, mut driven) = ((0.0, 0.0), 0.0);
    for position in positions {
        let (east, north) = offset(start, position);
        let step = f64::hypot(east - last.0, north - last.1);
        if driven + step >= METRES {
            let share = (METRES - driven) / step;
            last = (last.0 + (east - last.0) * share, last.1 + (north - last.1) * share);
            break;
        }
        driven += step;
        last = (east, north);
    }
    (last.0.atan2(last.1).to_degrees().round() as i32).rem_euclid(360) as u16
}

/// How far a heading turns to become another: -179..=180 degrees, to the right positive.
pub fn deviation(from: u16, to: u16) -> i32 {
    let turn = (i32::from(to) - i32::from(from)).rem_euclid(360);
    if turn > 180 { turn - 360 } else { turn }
}
