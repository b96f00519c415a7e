//! Turn restrictions: relations of OSM become sequences of arcs that may not be driven, and those an automaton that spots them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Arc, Profile, survey::Relation, tags::values};
use crate::osm::{Kind, tag};

/// The tags of restrictions that matter to some profile.
pub fn keys(profiles: &[Profile]) -> BTreeSet<String> {
    let own = profiles.iter().flat_map(|profile| &profile.restrictions.keys);
    let own = own.flat_map(|key| [format!("restriction:{key}"), format!("restriction:{key}:conditional")]);
    own.chain(["type", "restriction", "restriction:conditional", "except", "day_on", "hour_on"].map(str::to_owned)).collect()
}

/// What became of a profile's restrictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub used: usize,
    /// For others, or this profile is excepted.
    pub not_concerned: usize,
    /// Holding at times only: ignored.
    pub conditional: usize,
    /// Neither `no_…` nor `only_…`: ignored.
    pub unknown: usize,
    /// Members are missing, aren't in the extract or don't meet; or they can't be driven anyway.
    pub incomplete: usize,
    /// A way goes on through the via node, so it isn't clear which part is meant: ignored.
    pub ambiguous: usize,
}

/// The network as restrictions see it.
pub struct Ground<'a> {
    /// By way of OSM: its roads in the way's order.
    pub roads: &'a HashMap<i64, Vec<u32>>,
    pub tail: &'a dyn Fn(Arc) -> u32,
    /// By node of OSM: its junction.
    pub junctions: &'a HashMap<i64, u32>,
    /// The arcs that leave a junction.
    pub leaving: &'a dyn Fn(u32) -> &'a [Arc],
    pub drivable: &'a dyn Fn(Arc) -> bool,
}

enum Outcome {
    NotConcerned,
    Conditional,
    Unknown,
    Incomplete,
    Ambiguous,
}

/// The sequences of arcs that a profile may not drive.
pub fn forbidden(profile: &Profile, relations: &[Relation], ground: &Ground) -> (Vec<Vec<Arc>>, Counts) {
    let (mut found, mut counts) = (vec![], Counts::default());
    for relation in relations {
        match sequences(profile, relation, ground) {
            Ok(sequences) => {
                counts.used += 1;
                found.extend(sequences);
            }
            Err(outcome) => {
                *match outcome {
                    Outcome::NotConcerned => &mut counts.not_concerned,
                    Outcome::Conditional => &mut counts.conditional,
                    Outcome::Unknown => &mut counts.unknown,
                    Outcome::Incomplete => &mut counts.incomplete,
                    Outcome::Ambiguous => &mut counts.ambiguous,
                } += 1;
            }
        }
    }
    (found, counts)
}

fn sequences(profile: &Profile, relation: &Relation, ground: &Ground) -> Result<Vec<Vec<Arc>>, Outcome> {
    let keys = &profile.restrictions.keys;
    let given = |key: &str| tag(&relation.tags, key);
    let general = || profile.restrictions.obey.then(|| given("restriction")).flatten();
    let Some(kind) = keys.iter().find_map(|key| given(&format!("restriction:{key}"))).or_else(general) else {
        let own = keys.iter().any(|key| given(&format!("restriction:{key}:conditional")).is_some());
        let conditional = own || profile.restrictions.obey && given("restriction:conditional").is_some();
        return Err(if conditional { Outcome::Conditional } else { Outcome::NotConcerned });
    };
    if given("except").is_some_and(|except| values(except).any(|mode| keys.iter().any(|key| key == mode))) {
        return Err(Outcome::NotConcerned);
    }
    if given("day_on").is_some() || given("hour_on").is_some() {
        return Err(Outcome::Conditional);
    }
    let only = kind.starts_with("only_");
    if !only && !kind.starts_with("no_") {
        return Err(Outcome::Unknown);
    }
    let ways = |role: &str| -> Vec<i64> {
        let members = relation.members.iter().filter(|member| member.kind == Kind::Way && member.role == role);
        members.map(|member| member.id).collect()
    };
    let via_nodes = relation.members.iter().filter(|member| member.kind == Kind::Node && member.role == "via");
    let (from, to, via_ways, via_nodes) = (ways("from"), ways("to"), ways("via"), via_nodes.map(|node| node.id).collect::<Vec<_>>());
    let arcs = |way: &i64| {
        let roads = ground.roads.get(way).into_iter().flatten();
        roads.flat_map(|road| [Arc::new(*road as usize, false), Arc::new(*road as usize, true)]).filter(|arc| (ground.drivable)(*arc))
    };
    let (head, tail) = (|arc: Arc| (ground.tail)(arc.reverse()), ground.tail);
    // Each way from a `from` over the vias: all arcs before the last turn.
    let mut before: Vec<Vec<Arc>> = vec![];
    match (&via_nodes[..], &via_ways[..]) {
        ([node], []) => {
            let junction = *ground.junctions.get(node).ok_or(Outcome::Incomplete)?;
            before.extend(from.iter().flat_map(arcs).filter(|arc| head(*arc) == junction).map(|arc| vec![arc]));
        }
        ([], [_, ..]) => {
            for arc in from.iter().flat_map(arcs) {
                before.extend(over(arc, &via_ways, ground));
            }
        }
        _ => return Err(Outcome::Incomplete),
    }
    let u_turn = kind == "no_u_turn" && from == to && via_ways.is_empty();
    let (mut found, mut meets) = (vec![], false);
    for before in &before {
        let Some(last) = before.last() else { continue };
        let at = head(*last);
        let targets: Vec<Arc> = match u_turn {
            true => vec![last.reverse()],
            false => to.iter().flat_map(arcs).filter(|arc| tail(*arc) == at).collect(),
        };
        if !u_turn && targets.len() > to.len() {
            return Err(Outcome::Ambiguous);
        }
        if !targets.is_empty() {
            meets = true;
            let bad = (ground.leaving)(at).iter().filter(|arc| targets.contains(arc) != only);
            found.extend(bad.map(|arc| [&before[..], &[*arc]].concat()));
        }
    }
    match meets {
        false => Err(Outcome::Incomplete),
        true if !u_turn && before.len() > from.len() => Err(Outcome::Ambiguous),
        true => Ok(found),
    }
}

/// From an arc over all of the ways, in the order in which they meet.
fn over(from: Arc, ways: &[i64], ground: &Ground) -> Option<Vec<Arc>> {
    let (mut sequence, mut left) = (vec![from], ways.to_vec());
    while !left.is_empty() {
        let at = (ground.tail)(sequence.last()?.reverse());
        let (i, next) = left.iter().enumerate().find_map(|(i, way)| {
            let roads = ground.roads.get(way)?;
            let forward: Vec<Arc> = roads.iter().map(|road| Arc::new(*road as usize, false)).collect();
            let backward = forward.iter().rev().map(|arc| arc.reverse()).collect();
            [forward, backward].into_iter().find(|arcs: &Vec<Arc>| continues(at, arcs, ground)).map(|arcs| (i, arcs))
        })?;
        left.remove(i);
        sequence.extend(next);
    }
    Some(sequence)
}

/// Whether arcs follow one another from a junction, and can be driven.
fn continues(mut at: u32, arcs: &[Arc], ground: &Ground) -> bool {
    arcs.iter().all(|arc| {
        let joined = (ground.tail)(*arc) == at && (ground.drivable)(*arc);
        at = (ground.tail)(arc.reverse());
        joined
    })
}

/// What has been driven, as far as it matters: the longest end of it with which a forbidden sequence begins. 0 is nothing.
pub type State = u32;

/// Spots forbidden sequences in what is driven (Aho and Corasick 1975, doi:10.1145/360825.360855).
#[derive(Debug, Default)]
pub struct Automaton {
    next: HashMap<(State, Arc), State>,
    /// By state: the state of the longest shorter end.
    shorter: Vec<State>,
    last: HashSet<(State, Arc)>,
}

impl Automaton {
    pub fn new(forbidden: &[Vec<Arc>]) -> Automaton {
        let mut automaton = Automaton { shorter: vec![0], ..Automaton::default() };
        let mut children: BTreeMap<State, Vec<(Arc, State)>> = BTreeMap::new();
        for sequence in forbidden {
            let Some((last, before)) = sequence.split_last() else { continue };
            let mut state = 0;
            for arc in before {
                state = *automaton.next.entry((state, *arc)).or_insert_with(|| {
                    let new = automaton.shorter.len() as State;
                    automaton.shorter.push(0);
                    children.entry(state).or_default().push((*arc, new));
                    new
                });
            }
            automaton.last.insert((state, *last));
        }
        // In order of length, so that what is shorter is known.
        let mut queue: VecDeque<State> = children.get(&0).into_iter().flatten().map(|(_, state)| *state).collect();
        while let Some(state) = queue.pop_front() {
            for (arc, child) in children.get(&state).into_iter().flatten() {
                automaton.shorter[*child as usize] = automaton.drive(automaton.shorter[state as usize], *arc);
                queue.push_back(*child);
            }
        }
        automaton
    }

    /// The state after one more arc.
    pub fn drive(&self, mut state: State, arc: Arc) -> State {
        loop {
            match self.next.get(&(state, arc)) {
                Some(next) => return *next,
                None if state == 0 => return 0,
                None => state = self.shorter[state as usize],
            }
        }
    }

    /// Whether an arc would complete a forbidden sequence.
    pub fn forbids(&self, mut state: State, arc: Arc) -> bool {
        while state != 0 {
            if self.last.contains(&(state, arc)) {
                return true;
            }
            state = self.shorter[state as usize];
        }
        false
    }
}
