//! The k nearest: shards and blocks by rising lower bound, exact distances only of those that may be named.

use super::{
    Excluded, Hit, Question, World,
    answer::{Gate, Left, Verdict},
    points::Points,
    shard::Shard,
    shortlist::{Candidate, Shortlist},
    stored::Stored,
};
use crate::model::{Exclusion, sphere, sphere::V3};

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
    /// Metres to a point feature, given the squared chord to it.
    pub fn distance_m(&self, stored: &Stored, chord2: f64) -> f64 {
        if chord2 <= sphere::CHORD_EXACT * sphere::CHORD_EXACT {
            return sphere::arc_of_chord(chord2.sqrt());
        }
        self.geodesic_m(stored)
    }
    /// Metres to a feature by Karney's geodesic.
    pub fn geodesic_m(&self, stored: &Stored) -> f64 {
        stored.feature.geometry.as_ref().map_or(f64::INFINITY, |geometry| geometry.distance_m(self.lon, self.lat))
    }
}

/// What is being looked for.
struct Search<'w, 'g> {
    place: Place,
    gate: Gate<'g>,
    named: Shortlist<'w>,
    left: Vec<Candidate<'w>>,
}

impl World {
    /// The `k` nearest features of a layer that pass the question, nearest first, ties by id; and those nearer than the
    /// last that were left out.
    pub fn nearest(&self, layer: usize, place: Place, k: usize, question: Question<'_>) -> (Vec<Hit<'_>>, Excluded<'_>) {
        let index = self.layer(layer);
        let gate = Gate::new(self, index, question);
        let mut search = Search { place, gate, named: Shortlist::new(place, k), left: Vec::new() };
        for (shard, shard_d2) in index.shards_from(place.ecef) {
            if shard_d2 > search.named.bound2() {
                break;
            }
            search.points(shard);
            search.shapes(shard);
        }
        let hits: Vec<_> =
            search.named.finish().into_iter().map(|(distance_m, found)| Hit { stored: found.stored, layer, distance_m }).collect();
        // Only those count that would have been in the answer.
        let last = if hits.len() == k { hits.last().map_or(0.0, |hit| hit.distance_m) } else { f64::INFINITY };
        let mut excluded = Excluded::default();
        for one in search.left {
            let distance_m = one.distance_m(place);
            if let Some(reason) = one.reason.filter(|_| distance_m <= last) {
                excluded.add(Left { stored: one.stored, layer, reason, distance_m });
            }
        }
        excluded.trim();
        (hits, excluded)
    }
}

impl<'w> Search<'w, '_> {
    fn points(&mut self, shard: &'w Shard) {
        let points = &shard.points;
        // The blocks' lower bounds; the nearest is taken again and again, until none can hold anything nearer.
        const MOST: usize = super::shard::SHARD_MAX / super::points::BLOCK + 1;
        let mut bounds2 = [f64::INFINITY; MOST];
        for (bound2, block) in bounds2.iter_mut().zip(&points.blocks) {
            *bound2 = block.bounds.nearest2(self.place.ecef);
        }
        let bounds2 = &mut bounds2[..points.blocks.len().min(MOST)];
        while let Some((block, bound2)) = bounds2.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) {
            if bound2 > self.named.bound2() || bound2 == f64::INFINITY {
                break;
            }
            bounds2[block] = f64::INFINITY;
            self.block(shard, points, block);
        }
    }

    fn block(&mut self, shard: &'w Shard, points: &Points, block: usize) {
        for (i, chord2) in points.chords2(block, self.place.ecef) {
            if chord2 > self.named.bound2() {
                continue;
            }
            let verdict = self.gate.verdict(points.excluded[i], points.unsafe_for[i], || &shard.features[i]);
            self.settle(verdict, |reason| Candidate::point(&shard.features[i], chord2, reason));
        }
    }

    fn shapes(&mut self, shard: &'w Shard) {
        for (entry, d2) in shard.shapes.nearest_neighbor_iter_with_distance_2(self.place.ecef) {
            if d2 > self.named.bound2() {
                break;
            }
            let stored: &Stored = &shard.features[entry.local as usize];
            let Some(geometry) = &stored.feature.geometry else { continue };
            let (place, verdict) = (self.place, self.gate.judge(stored));
            self.settle(verdict, |reason| Candidate::shape(stored, geometry.distance_m(place.lon, place.lat), reason));
        }
    }

    fn settle(&mut self, verdict: Verdict, candidate: impl Fn(Option<Exclusion>) -> Candidate<'w>) {
        match verdict {
            Verdict::Take => self.named.offer(candidate(None)),
            Verdict::Skip => {}
            Verdict::Leave(reason) => self.left.push(candidate(Some(reason))),
        }
    }
}
