//! The k nearest: shards and entries by rising lower bound, exact distances as they come up.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    Excluded, Hit, Left, Question, World,
    answer::{Gate, Verdict},
    shard::Shard,
    stored::Stored,
};
use crate::model::{sphere, sphere::V3};

/// A place that is asked about, prepared.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub lon: f64,
    pub lat: f64,
    pub ecef: V3,
}

impl Place {
    /// A position in degrees, already checked.
    pub fn new(lon: f64, lat: f64) -> Place {
        Place { lon, lat, ecef: sphere::ecef(lon, lat) }
    }
    /// Metres to a feature, given the squared chord to it where it is a point.
    fn distance_m(&self, stored: &Stored, chord2: Option<f64>) -> f64 {
        match (chord2, &stored.feature.geometry) {
            (Some(chord2), _) if chord2 <= sphere::CHORD_EXACT * sphere::CHORD_EXACT => sphere::arc_of_chord(chord2.sqrt()),
            (_, Some(geometry)) => geometry.distance_m(self.lon, self.lat),
            (_, None) => f64::INFINITY,
        }
    }
}

struct Candidate<'w> {
    distance_m: f64,
    stored: &'w Stored,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance_m.total_cmp(&other.distance_m).then_with(|| self.stored.feature.id.cmp(&other.stored.feature.id))
    }
}
impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Candidate<'_> {}

/// The best k so far.
struct Best<'w> {
    k: usize,
    heap: BinaryHeap<Candidate<'w>>,
    /// Squared chord beyond which nothing can enter: the geodesic is never shorter than the chord.
    bound2: f64,
}

impl<'w> Best<'w> {
    fn offer(&mut self, distance_m: f64, stored: &'w Stored) {
        self.heap.push(Candidate { distance_m, stored });
        if self.heap.len() > self.k {
            self.heap.pop();
        }
        if self.heap.len() == self.k {
            self.bound2 = self.heap.peek().map_or(0.0, |worst| worst.distance_m * worst.distance_m);
        }
    }
}

impl World {
    /// The `k` nearest features of a layer that pass the question, nearest first, ties by id; and those nearer than the
    /// last that were left out.
    pub fn nearest(&self, layer: usize, place: Place, k: usize, question: Question<'_>) -> (Vec<Hit<'_>>, Excluded) {
        let index = self.layer(layer);
        let gate = Gate::new(self, index, question);
        let mut excluded = Excluded::default();
        if k == 0 {
            return (vec![], excluded);
        }
        let mut best = Best { k, heap: BinaryHeap::with_capacity(k.min(10_000) + 1), bound2: f64::INFINITY };
        let mut left: Vec<Left> = Vec::new();
        for (shard, shard_d2) in index.shards_from(place.ecef) {
            if shard_d2 > best.bound2 {
                break;
            }
            nearest_points(shard, place, &gate, layer, &mut best, &mut left);
            nearest_shapes(shard, place, &gate, layer, &mut best, &mut left);
        }
        let hits: Vec<_> = best
            .heap
            .into_sorted_vec()
            .into_iter()
            .map(|found| Hit { stored: found.stored, layer, distance_m: found.distance_m })
            .collect();
        let last = if hits.len() == k { hits.last().map_or(0.0, |hit| hit.distance_m) } else { f64::INFINITY };
        for one in left.into_iter().filter(|one| one.distance_m <= last) {
            excluded.add(one);
        }
        excluded.trim();
        (hits, excluded)
    }
}

fn nearest_points<'w>(shard: &'w Shard, place: Place, gate: &Gate<'_>, layer: usize, best: &mut Best<'w>, left: &mut Vec<Left>) {
    for (entry, d2) in shard.points.nearest_neighbor_iter_with_distance_2(place.ecef) {
        if d2 > best.bound2 {
            break;
        }
        let glance = gate.glance(entry.excluded, entry.unsafe_for);
        let stored = &shard.features[entry.local as usize];
        let verdict = if gate.is_flags_only() { glance } else { gate.judge(stored) };
        match verdict {
            Verdict::Take => best.offer(place.distance_m(stored, Some(d2)), stored),
            Verdict::Skip => {}
            Verdict::Leave(reason) => {
                left.push(Left { id: stored.feature.id, layer, reason, distance_m: place.distance_m(stored, Some(d2)) })
            }
        }
    }
}

fn nearest_shapes<'w>(shard: &'w Shard, place: Place, gate: &Gate<'_>, layer: usize, best: &mut Best<'w>, left: &mut Vec<Left>) {
    for (entry, d2) in shard.shapes.nearest_neighbor_iter_with_distance_2(place.ecef) {
        if d2 > best.bound2 {
            break;
        }
        let stored = &shard.features[entry.local as usize];
        match gate.judge(stored) {
            Verdict::Take => best.offer(place.distance_m(stored, None), stored),
            Verdict::Skip => {}
            Verdict::Leave(reason) => left.push(Left { id: stored.feature.id, layer, reason, distance_m: place.distance_m(stored, None) }),
        }
    }
}
