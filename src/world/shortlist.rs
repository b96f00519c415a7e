//! The nearest few of many: candidates come by their chord, and exact distances are worked out only for those that may be named.

use super::{nearest::Place, stored::Stored};
use crate::model::{Exclusion, sphere};

/// Something that may be named.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'w> {
    pub stored: &'w Stored,
    /// Squared chord of the distance, metres.
    pub chord2: f64,
    /// The distance where it is known already, as of shapes.
    pub distance_m: Option<f64>,
    /// Why it is left out.
    pub reason: Option<Exclusion>,
}

impl<'w> Candidate<'w> {
    pub fn point(stored: &'w Stored, chord2: f64, reason: Option<Exclusion>) -> Candidate<'w> {
        Candidate { stored, chord2, distance_m: None, reason }
    }
    pub fn shape(stored: &'w Stored, distance_m: f64, reason: Option<Exclusion>) -> Candidate<'w> {
        let chord = sphere::chord_of_arc(distance_m);
        Candidate { stored, chord2: chord * chord, distance_m: Some(distance_m), reason }
    }
    /// Metres from the place that the candidate was offered for.
    pub fn distance_m(&self, place: Place) -> f64 {
        self.distance_m.unwrap_or_else(|| place.distance_m(self.stored, self.chord2))
    }
}

/// Keeps the nearest `limit` of what is offered.
#[derive(Debug)]
pub struct Shortlist<'w> {
    place: Place,
    limit: usize,
    found: Vec<Candidate<'w>>,
    /// Pruned when it grows to this.
    prune_at: usize,
    /// What lies beyond this squared chord can't be among the nearest any more.
    bound2: f64,
}

impl<'w> Shortlist<'w> {
    pub fn new(place: Place, limit: usize) -> Shortlist<'w> {
        let bound2 = if limit == 0 { f64::NEG_INFINITY } else { f64::INFINITY };
        let prune_at = Self::room(limit);
        Shortlist { place, limit, found: Vec::with_capacity(prune_at.min(4_096)), prune_at, bound2 }
    }

    /// How many are kept before the farthest are dropped.
    fn room(limit: usize) -> usize {
        limit.saturating_mul(2).saturating_add(32)
    }

    pub fn bound2(&self) -> f64 {
        self.bound2
    }

    pub fn offer(&mut self, candidate: Candidate<'w>) {
        if candidate.chord2 > self.bound2 {
            return;
        }
        self.found.push(candidate);
        if self.found.len() >= self.prune_at {
            self.prune();
            // Many at one distance stay all: the next pruning is put off, lest each offer cost one.
            self.prune_at = Self::room(self.limit).max(2 * self.found.len());
        }
    }

    fn prune(&mut self) {
        if self.found.len() > self.limit && self.limit > 0 {
            let (_, last, _) = self.found.select_nth_unstable_by(self.limit - 1, |a, b| a.chord2.total_cmp(&b.chord2));
            self.bound2 = sphere::surely_beyond2(last.chord2);
            self.found.retain(|candidate| candidate.chord2 <= self.bound2);
        }
    }

    /// The nearest, with their distances, nearest first, ties by id.
    pub fn finish(mut self) -> Vec<(f64, Candidate<'w>)> {
        self.prune();
        let mut sorted: Vec<_> = self.found.iter().map(|candidate| (candidate.distance_m(self.place), *candidate)).collect();
        sorted.sort_unstable_by(|(a, first), (b, second)| {
            a.total_cmp(b).then_with(|| first.stored.feature.id.cmp(&second.stored.feature.id))
        });
        sorted.truncate(self.limit);
        sorted
    }
}
