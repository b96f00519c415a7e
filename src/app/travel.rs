//! Where places and roads meet: who is nearest by time, what is within some minutes, how long it takes to come.

use std::sync::Arc;

use crate::{
    error::{Code, Error, Result},
    model::{Exclusion, LayerRole},
    roads::{
        Conditions, Cost, Roads, Snap,
        region::{Ask, SNAP_LIMIT_M},
    },
    world::{Excluded, Hit, Question, World, answer::Left, nearest::Place, stock::Sums, within::Reach},
};

/// A place to travel from or to, in one mode.
pub struct Travel<'a> {
    pub roads: &'a Roads,
    pub conditions: Conditions<'a>,
    place: Place,
    /// Where its road is for who leaves from there, and for who comes there.
    origin: [Snap; 2],
}

/// A found feature with its travel time.
pub struct Timed<'w> {
    pub hit: Hit<'w>,
    /// `None` where it can't be reached.
    pub cost: Option<Cost>,
    /// Where its road is; `None` where none is near.
    pub snap: Option<Snap>,
}

/// What was found by time.
pub struct TimedFound<'w> {
    pub named: Vec<Timed<'w>>,
    pub count: u64,
    pub sums: Sums,
    pub excluded: Excluded<'w>,
    /// Set where the search ended before all was looked at: nothing farther than this, metres, was.
    pub searched_m: Option<f64>,
}

/// No more features than this are asked for their travel time in one question.
const CANDIDATES_MAX: usize = 50_000;

impl<'a> Travel<'a> {
    /// # Errors
    /// [`Code::InvalidParameter`] for an unknown profile, or a place that no road of it is near; [`Code::NotFound`] with no roads at all.
    pub fn new(roads: &'a Option<Arc<Roads>>, profile: &str, place: Place) -> Result<Travel<'a>> {
        let Some(roads) = roads else {
            return Err(Error::new(Code::NotFound, "roads", "", "a network, by biaotu roads build region.osm.pbf / 请先构建路网"));
        };
        let region = &roads.region;
        let mode = region.mode(profile).ok_or_else(|| Error::new(Code::InvalidParameter, "profile", profile, region.profiles()))?;
        let mut conditions = roads.conditions(mode);
        if conditions.metric.is_none() {
            // Many are asked at once: a hierarchy for just these closures pays.
            conditions.customize();
        }
        let no_road = || {
            let expected = format!("a place within {SNAP_LIMIT_M} m of a road for {profile} / 附近 {SNAP_LIMIT_M} 米内有道路的位置");
            Error::new(Code::InvalidParameter, "point", format!("{},{}", place.lon, place.lat), expected)
        };
        let at = |leaves| snap(&conditions, (place.lon, place.lat), leaves).ok_or_else(no_road);
        let origin = [at(true)?, at(false)?];
        Ok(Travel { roads, conditions, place, origin })
    }

    /// How far the place itself is from its road, metres.
    pub fn snap_m(&self) -> f64 {
        self.origin[0].distance_m
    }

    /// Closures that the trip begins in, or ends in where others come.
    pub fn inside(&self) -> Vec<usize> {
        let mut inside: Vec<usize> = self
            .origin
            .iter()
            .flat_map(|snap| self.conditions.closures.holding(snap.road, snap.at, self.conditions.mode.driver()))
            .collect();
        inside.sort_unstable();
        inside.dedup();
        inside
    }

    /// Travel times of features of one layer: from them where they are who comes, else to them.
    pub fn times<'w>(&self, world: &World, hits: Vec<Hit<'w>>) -> Vec<Timed<'w>> {
        let snap = |hit: &Hit<'_>| snap(&self.conditions, hit.stored.feature.geometry.as_ref()?.anchor(), comes_here(world, hit));
        let mut timed: Vec<Timed<'w>> = hits.into_iter().map(|hit| Timed { snap: snap(&hit), hit, cost: None }).collect();
        for comes in [false, true] {
            let group = || (0..timed.len()).filter(|n| timed[*n].snap.is_some() && comes_here(world, &timed[*n].hit) == comes);
            let places: Vec<(usize, Snap)> = group().filter_map(|n| Some((n, timed[n].snap?))).collect();
            let snaps: Vec<Snap> = places.iter().map(|(_, snap)| *snap).collect();
            let origin = [self.origin[usize::from(comes)]];
            let costs = if comes { self.conditions.table(&snaps, &origin) } else { self.conditions.table(&origin, &snaps) };
            for ((n, _), cost) in places.into_iter().zip(costs) {
                timed[n].cost = (!cost.is_never()).then_some(cost);
            }
        }
        timed
    }

    /// The straight line that nobody exceeds in a time, snapping at both ends included; metres.
    fn farthest_m(&self, ms: u32) -> f64 {
        f64::from(ms) * self.conditions.mode.fastest + 2.0 * SNAP_LIMIT_M
    }

    /// The `k` soonest features of a layer; and those left out that would have been among them.
    pub fn nearest<'w>(&self, world: &'w World, layer: usize, k: usize, question: Question<'_>) -> TimedFound<'w> {
        let mut most = (4 * k).max(64);
        loop {
            let (hits, excluded) = world.nearest(layer, self.place, most, question);
            let (all, last_m) = (hits.len() < most, hits.last().map_or(0.0, |hit| hit.distance_m));
            let mut timed = self.times(world, hits);
            timed.sort_by_key(|one| (one.cost.is_none(), one.cost, one.hit.stored.feature.id));
            let kth = timed.get(k - 1).and_then(|one| one.cost);
            let settled = kth.is_some_and(|cost| self.farthest_m(cost.ms()) <= last_m);
            if !all && !settled && most < CANDIDATES_MAX {
                most *= 4;
                continue;
            }
            let mut found = self.found(world, timed, excluded, kth.map_or(u32::MAX, Cost::ms), k, question.include);
            found.searched_m = (!all && !settled).then_some(last_m);
            return found;
        }
    }

    /// What of a layer is within a time; the soonest `limit` named.
    ///
    /// # Errors
    /// [`Code::TooLarge`] where more features would have to be asked than one answer can.
    pub fn within<'w>(&self, world: &'w World, layer: usize, time: Cost, limit: usize, question: Question<'_>) -> Result<TimedFound<'w>> {
        let reach = Reach::Radius { place: self.place, radius_m: self.farthest_m(time.ms()) };
        let found = world.within(layer, reach, CANDIDATES_MAX + 1, false, question);
        if found.hits.len() > CANDIDATES_MAX {
            return Err(Error::new(
                Code::TooLarge,
                "minutes",
                format!("{} features", found.count),
                format!("fewer minutes, or a filter: at most {CANDIDATES_MAX} features / 请缩短时间或加筛选"),
            ));
        }
        let mut timed = self.times(world, found.hits);
        timed.sort_by_key(|one| (one.cost.is_none(), one.cost, one.hit.stored.feature.id));
        let (soon, late): (Vec<_>, Vec<_>) = timed.into_iter().partition(|one| one.cost.is_some_and(|cost| cost.ms() <= time.ms()));
        let (count, mut sums) = (soon.len() as u64, Sums::default());
        soon.iter().for_each(|one| sums.add(world.stock_of(&one.hit.stored.feature.id)));
        // Of what isn't reached in time, only what can't be reached at all is told.
        let unreachable = late.into_iter().filter(|one| one.cost.is_none());
        let timed = soon.into_iter().chain(unreachable).collect();
        let mut found = self.found(world, timed, found.excluded, time.ms(), limit, question.include);
        (found.count, found.sums) = (count, sums);
        Ok(found)
    }

    /// Parts what was found, the soonest first, into what is named and what is left out: for being unreachable or, where it would have
    /// been there within `ms`, for its state.
    fn found<'w>(&self, world: &World, timed: Vec<Timed<'w>>, left: Excluded<'w>, ms: u32, limit: usize, include: u8) -> TimedFound<'w> {
        let asked_for = include & Exclusion::Unreachable.bit() != 0;
        let (mut named, unreachable): (Vec<_>, Vec<_>) = timed.into_iter().partition(|one| one.cost.is_some());
        named.truncate(limit);
        let farthest = if named.len() == limit { named.iter().map(|one| one.hit.distance_m).fold(0.0, f64::max) } else { f64::INFINITY };
        let mut excluded = Excluded::default();
        for one in unreachable {
            if asked_for && named.len() < limit {
                named.push(one);
            } else if !asked_for && one.hit.distance_m <= farthest {
                excluded.add(Left {
                    stored: one.hit.stored,
                    layer: one.hit.layer,
                    reason: Exclusion::Unreachable,
                    distance_m: one.hit.distance_m,
                });
            }
        }
        let hits = left.nearest.iter().map(|left| Hit { stored: left.stored, layer: left.layer, distance_m: left.distance_m });
        for (one, left) in self.times(world, hits.collect()).into_iter().zip(&left.nearest) {
            if one.cost.is_some_and(|cost| cost.ms() <= ms) {
                excluded.add(*left);
            }
        }
        excluded.trim();
        TimedFound { count: named.len() as u64, named, sums: Sums::default(), excluded, searched_m: None }
    }

    /// Closures that the ways to some features avoid, or that cut them off: as positions in the list, with the seconds that are lost.
    pub fn closures(&self, world: &World, timed: &[Timed<'_>]) -> Vec<(usize, Option<f64>)> {
        let mut met = std::collections::BTreeMap::new();
        if self.conditions.closures.is_empty() {
            return vec![];
        }
        for one in timed.iter().take(TOLD_MAX) {
            let Some(snap) = &one.snap else { continue };
            let [leave, arrive] = &self.origin;
            let (from, to) = if comes_here(world, &one.hit) { (snap, arrive) } else { (leave, snap) };
            let trip = self.conditions.trip(from, to);
            let extra = trip.extra_s();
            for n in trip.avoided {
                let known: &mut Option<f64> = met.entry(n).or_insert(extra);
                // The worst that it does to any of them.
                *known = known.zip(extra).map(|(known, extra)| known.max(extra));
            }
        }
        met.into_iter().collect()
    }
}

/// The road of a place that a trip leaves from, or else comes to: as a route between the two has it.
fn snap(conditions: &Conditions<'_>, (lon, lat): (f64, f64), leaves: bool) -> Option<Snap> {
    let ask = Ask { leaves, enters: !leaves, ..Ask::new(lon, lat) };
    conditions.region.snap(conditions.mode, &[ask], false).pop().flatten()
}

/// Ways that are looked at for what closures do to them.
const TOLD_MAX: usize = 20;

/// Whether a feature is one that comes to where it is needed.
fn comes_here(world: &World, hit: &Hit<'_>) -> bool {
    world.catalog.layers[hit.layer].has(LayerRole::Responder)
}
