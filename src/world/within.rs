//! Everything within a radius of a place or inside an area: counted and summed in full, the nearest named.

use super::{
    Excluded, Hit, Question, World,
    answer::{Gate, Left, Verdict},
    nearest::Place,
    points::{BLOCK, Points, Summary},
    shard::{SHARD_MAX, Shard},
    shortlist::{Candidate, Shortlist},
    stock::Sums,
};
use crate::model::{Exclusion, Geometry, sphere};

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    Radius { place: Place, radius_m: f64 },
    Area(&'a Geometry),
}

impl Reach<'_> {
    /// What distances are measured from: the place asked about, or the middle of the area.
    fn origin(&self) -> Place {
        match self {
            Reach::Radius { place, .. } => *place,
            Reach::Area(area) => {
                let (lon, lat) = area.anchor();
                Place::new(lon, lat)
            }
        }
    }
}

/// What was found in one layer.
#[derive(Debug, Default)]
pub struct Found<'w> {
    /// How many match, whatever the limit.
    pub count: u64,
    pub sums: Sums,
    /// The nearest, at most `limit`.
    pub hits: Vec<Hit<'w>>,
    pub excluded: Excluded<'w>,
}

/// What is being gathered.
struct Gather<'w, 'g> {
    gate: Gate<'g>,
    origin: Place,
    sum: bool,
    named: Shortlist<'w>,
    left: Shortlist<'w>,
    count: u64,
    left_counts: [u64; Exclusion::ALL.len()],
    sums: Sums,
}

impl World {
    /// What of a layer is in reach: all counted (and, where `sum`, their stock added up), the nearest `limit` named, with
    /// those left out that would have been named among them.
    pub fn within(&self, layer: usize, reach: Reach<'_>, limit: usize, sum: bool, question: Question<'_>) -> Found<'_> {
        let origin = reach.origin();
        let mut gather = Gather {
            gate: Gate::new(self, self.layer(layer), question),
            origin,
            sum,
            named: Shortlist::new(origin, limit),
            left: Shortlist::new(origin, limit.min(Excluded::NAMED_MAX)),
            count: 0,
            left_counts: [0; _],
            sums: Sums::default(),
        };
        match reach {
            Reach::Radius { place, radius_m } => self.gather_radius(layer, &mut gather, place, radius_m),
            Reach::Area(area) => self.gather_area(layer, &mut gather, area),
        }
        let hits: Vec<_> =
            gather.named.finish().into_iter().map(|(distance_m, found)| Hit { stored: found.stored, layer, distance_m }).collect();
        let left = gather
            .left
            .finish()
            .into_iter()
            .filter_map(|(distance_m, one)| Some(Left { stored: one.stored, layer, reason: one.reason?, distance_m }));
        let mut excluded = Excluded { nearest: left.collect(), counts: gather.left_counts };
        excluded.would_be_among(&hits, limit);
        Found { count: gather.count, sums: gather.sums, hits, excluded }
    }

    fn gather_radius<'w>(&'w self, layer: usize, gather: &mut Gather<'w, '_>, place: Place, radius_m: f64) {
        // Chords decide all but those at the very edge, which Karney's geodesic does.
        let (inner, outer) = sphere::chord_bounds(radius_m);
        let (inner2, outer2) = (inner * inner, outer * outer);
        let mut near: Vec<(usize, f64)> = Vec::with_capacity(SHARD_MAX / BLOCK + 1);
        for (shard, shard_d2) in self.layer(layer).shards_from(place.ecef) {
            if shard_d2 > outer2 {
                break;
            }
            let points = &shard.points;
            if !gather.add_whole(points, &points.whole, inner2) {
                // Nearest first: once enough are named, what is farther need only be counted.
                let bounds2 = points.blocks.iter().map(|block| block.bounds.nearest2(place.ecef));
                near.extend(bounds2.enumerate().filter(|(_, bound2)| *bound2 <= outer2));
                near.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
                for (n, _) in near.drain(..) {
                    if !gather.add_whole(points, &points.blocks[n], inner2) {
                        gather.scan(shard, n, inner2, outer2, radius_m);
                    }
                }
            }
            for entry in shard.shapes.locate_within_distance(place.ecef, outer2) {
                let stored = &shard.features[entry.local as usize];
                let Some(geometry) = &stored.feature.geometry else { continue };
                let distance_m = geometry.distance_m(place.lon, place.lat);
                if distance_m <= radius_m {
                    let verdict = gather.gate.judge(stored);
                    gather.take(shard, entry.local as usize, verdict, |reason| Candidate::shape(stored, distance_m, reason));
                }
            }
        }
    }

    fn gather_area<'w>(&'w self, layer: usize, gather: &mut Gather<'w, '_>, area: &Geometry) {
        let origin = gather.origin;
        for (shard, local) in self.layer(layer).candidates(area.ecef_box()) {
            let stored = &shard.features[local];
            let Some(geometry) = &stored.feature.geometry else { continue };
            if area.intersects(geometry) {
                let verdict = gather.gate.judge(stored);
                gather.take(shard, local, verdict, |reason| match geometry {
                    Geometry::Point { lon, lat } => {
                        Candidate::point(stored, sphere::distance2(sphere::ecef(*lon, *lat), origin.ecef), reason)
                    }
                    Geometry::Shape(_) => Candidate::shape(stored, geometry.distance_m(origin.lon, origin.lat), reason),
                });
            }
        }
    }
}

impl<'w> Gather<'w, '_> {
    /// Counts a group of points as a whole, where all of it is in reach and none of it would be named.
    fn add_whole(&mut self, points: &Points, group: &Summary, inner2: f64) -> bool {
        let at = self.origin.ecef;
        if group.bounds.farthest2(at) > inner2 || group.bounds.nearest2(at) <= self.named.bound2() || !self.gate.trusts(group) {
            return false;
        }
        self.count += u64::from(group.clean);
        for (count, left) in self.left_counts.iter_mut().zip(group.left) {
            *count += u64::from(left);
        }
        if self.sum {
            self.sums.add(points.sums(group));
        }
        true
    }

    /// Takes the points of a block that are in reach.
    fn scan(&mut self, shard: &'w Shard, block: usize, inner2: f64, outer2: f64, radius_m: f64) {
        let points = &shard.points;
        for (i, chord2) in points.chords2(block, self.origin.ecef) {
            if chord2 > outer2 {
                continue;
            }
            if chord2 > inner2 && self.origin.geodesic_m(&shard.features[i]) > radius_m {
                continue;
            }
            let verdict = self.gate.verdict(points.excluded[i], points.unsafe_for[i], || &shard.features[i]);
            self.take(shard, i, verdict, |reason| Candidate::point(&shard.features[i], chord2, reason));
        }
    }

    fn take(&mut self, shard: &'w Shard, local: usize, verdict: Verdict, candidate: impl Fn(Option<Exclusion>) -> Candidate<'w>) {
        match verdict {
            Verdict::Skip => {}
            Verdict::Leave(reason) => {
                self.left_counts[reason as usize] += 1;
                if self.names() {
                    let candidate = candidate(Some(reason));
                    if candidate.chord2 <= self.named.bound2() {
                        self.left.offer(candidate);
                    }
                }
            }
            Verdict::Take => {
                self.count += 1;
                if self.sum {
                    self.sums.add(shard.points.balances(local));
                }
                if self.names() {
                    self.named.offer(candidate(None));
                }
            }
        }
    }

    /// Whether anything is named at all.
    fn names(&self) -> bool {
        self.named.bound2() >= 0.0
    }
}
