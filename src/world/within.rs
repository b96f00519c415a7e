//! Everything within a radius of a place or inside an area: counted and summed in full, the nearest named.

use std::collections::BinaryHeap;

use super::{
    Excluded, Hit, Left, Question, World,
    answer::{Gate, Verdict},
    nearest::Place,
    shard::Shard,
    stock::Sums,
    stored::Stored,
};
use crate::model::{Geometry, sphere};

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    Radius { place: Place, radius_m: f64 },
    Area(&'a Geometry),
}

/// What was found in one layer.
#[derive(Debug, Default)]
pub struct Found<'w> {
    /// How many match, whatever the limit.
    pub count: u64,
    pub sums: Sums,
    /// The nearest, at most `limit`.
    pub hits: Vec<Hit<'w>>,
    pub excluded: Excluded,
}

struct Far<'w>(Hit<'w>);

impl Ord for Far<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.distance_m.total_cmp(&other.0.distance_m).then_with(|| self.0.stored.feature.id.cmp(&other.0.stored.feature.id))
    }
}
impl PartialOrd for Far<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Far<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Far<'_> {}

/// What is being gathered.
struct Gather<'w, 'g> {
    gate: Gate<'g>,
    layer: usize,
    limit: usize,
    sum: bool,
    nearest: BinaryHeap<Far<'w>>,
    found: Found<'w>,
}

impl<'w> Gather<'w, '_> {
    /// Takes a candidate whose distance fits. `distance` is worked out only for those that are named.
    fn take(&mut self, shard: &'w Shard, local: u32, flags: Option<(u8, u32)>, distance: impl Fn(&Stored) -> f64) {
        let stored = &shard.features[local as usize];
        let verdict = match flags {
            Some((excluded, unsafe_for)) if self.gate.is_flags_only() => self.gate.glance(excluded, unsafe_for),
            _ => self.gate.judge(stored),
        };
        match verdict {
            Verdict::Skip => {}
            // Where nothing is named, what is left out is only counted.
            Verdict::Leave(reason) if self.limit == 0 => self.found.excluded.counts[reason as usize] += 1,
            Verdict::Leave(reason) => {
                self.found.excluded.add(Left { id: stored.feature.id, layer: self.layer, reason, distance_m: distance(stored) });
            }
            Verdict::Take => {
                self.found.count += 1;
                if self.sum {
                    self.found.sums.add(shard.balances(local));
                }
                if self.limit > 0 {
                    self.name(stored, distance(stored));
                }
            }
        }
    }

    fn name(&mut self, stored: &'w Stored, distance_m: f64) {
        if self.nearest.len() == self.limit && self.nearest.peek().is_some_and(|worst| distance_m > worst.0.distance_m) {
            return;
        }
        self.nearest.push(Far(Hit { stored, layer: self.layer, distance_m }));
        if self.nearest.len() > self.limit {
            self.nearest.pop();
        }
    }
}

impl World {
    /// What of a layer is in reach: all counted (and, where `sum`, their stock added up), the nearest `limit` named.
    /// Distances are to the place asked about, or to the middle of the area.
    pub fn within(&self, layer: usize, reach: Reach<'_>, limit: usize, sum: bool, question: Question<'_>) -> Found<'_> {
        let gate = Gate::new(self, self.layer(layer), question);
        let mut gather = Gather { gate, layer, limit, sum, nearest: BinaryHeap::new(), found: Found::default() };
        match reach {
            Reach::Radius { place, radius_m } => self.gather_radius(&mut gather, place, radius_m),
            Reach::Area(area) => self.gather_area(&mut gather, area),
        }
        let mut found = gather.found;
        found.hits = gather.nearest.into_sorted_vec().into_iter().map(|far| far.0).collect();
        found.excluded.trim();
        // What is named of those left out is what would have been named itself.
        found.excluded.nearest.truncate(limit);
        found
    }

    fn gather_radius<'w>(&'w self, gather: &mut Gather<'w, '_>, place: Place, radius_m: f64) {
        // Chords decide all but those at the very edge, which Karney's geodesic does.
        let (inner, outer) = sphere::chord_bounds(radius_m);
        let (inner2, outer2) = (inner * inner, outer * outer);
        for (shard, shard_d2) in self.layer(gather.layer).shards_from(place.ecef) {
            if shard_d2 > outer2 {
                break;
            }
            for entry in shard.points.locate_within_distance(place.ecef, outer2) {
                let d2 = sphere::distance2(entry.at, place.ecef);
                let exact =
                    |stored: &Stored| stored.feature.geometry.as_ref().map_or(f64::INFINITY, |g| g.distance_m(place.lon, place.lat));
                if d2 > inner2 && exact(&shard.features[entry.local as usize]) > radius_m {
                    continue;
                }
                let short = d2 <= sphere::CHORD_EXACT * sphere::CHORD_EXACT;
                gather.take(shard, entry.local, Some((entry.excluded, entry.unsafe_for)), |stored| {
                    if short { sphere::arc_of_chord(d2.sqrt()) } else { exact(stored) }
                });
            }
            for entry in shard.shapes.locate_within_distance(place.ecef, outer2) {
                let Some(geometry) = &shard.features[entry.local as usize].feature.geometry else { continue };
                let distance_m = geometry.distance_m(place.lon, place.lat);
                if distance_m <= radius_m {
                    gather.take(shard, entry.local, None, |_| distance_m);
                }
            }
        }
    }

    fn gather_area<'w>(&'w self, gather: &mut Gather<'w, '_>, area: &Geometry) {
        let (min, max) = area.ecef_box();
        let (lon, lat) = area.anchor();
        for (shard, local) in self.layer(gather.layer).candidates(min, max) {
            let Some(geometry) = &shard.features[local as usize].feature.geometry else { continue };
            if area.intersects(geometry) {
                gather.take(shard, local, None, |_| geometry.distance_m(lon, lat));
            }
        }
    }
}
