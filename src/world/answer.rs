//! What a question asks for, and what an answer says about what it left out.

use serde_json::{Value as Json, json};

use super::{LayerIndex, Stored, World, points::Summary};
use crate::model::{Exclusion, Filter, Geometry, LayerRole, Viewer, layer::system};

/// The conditions of a spatial question, whatever its shape.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub viewer: &'a Viewer,
    /// The moment that the answer is for, microseconds since 1970.
    pub now: i64,
    pub filter: Option<&'a Filter>,
    /// The hazard that `unsafe` is judged by; with none, only danger areas in force are.
    pub hazard: Option<&'a str>,
    /// Bits of [`Exclusion::bit`] that are not to be left out.
    pub include: u8,
    /// Only what meets this geometry.
    pub inside: Option<&'a Geometry>,
}

/// One thing that was found.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'w> {
    pub stored: &'w Stored,
    pub layer: usize,
    pub distance_m: f64,
}

/// One thing that would have been in the answer, and why it isn't.
#[derive(Clone, Copy, Debug)]
pub struct Left<'w> {
    pub stored: &'w Stored,
    pub layer: usize,
    pub reason: Exclusion,
    pub distance_m: f64,
}

/// What was left out: the nearest by name, all by number.
#[derive(Clone, Debug, Default)]
pub struct Excluded<'w> {
    pub nearest: Vec<Left<'w>>,
    pub counts: [u64; Exclusion::ALL.len()],
}

impl<'w> Excluded<'w> {
    /// How many are named.
    pub const NAMED_MAX: usize = 100;

    pub fn add(&mut self, left: Left<'w>) {
        self.counts[left.reason as usize] += 1;
        self.nearest.push(left);
        if self.nearest.len() >= 4 * Self::NAMED_MAX {
            self.trim();
        }
    }
    /// Sorts by distance and keeps the nearest.
    pub fn trim(&mut self) {
        self.nearest.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then_with(|| a.stored.feature.id.cmp(&b.stored.feature.id)));
        self.nearest.truncate(Self::NAMED_MAX);
    }
    /// Keeps the names of those that would have been among `hits`: where there are `limit` of them, none beyond the last.
    pub fn would_be_among(&mut self, hits: &[Hit<'_>], limit: usize) {
        if hits.len() == limit {
            let last = hits.last().map_or(f64::NEG_INFINITY, |hit| hit.distance_m);
            self.nearest.retain(|left| left.distance_m <= last);
        }
    }
    pub fn join(&mut self, other: Excluded<'w>) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.nearest.extend(other.nearest);
        self.trim();
    }
    /// `[{id, layer, reason, name, distance_m}]`, written straight to the answer: there may be a hundred.
    pub fn write_list(&self, world: &World, out: &mut Vec<u8>) {
        // All are found before the first is written, so that the misses of the cache overlap.
        let named = |left: &Left<'w>| (left.stored.feature.id, left.stored.feature.values[system::NAME].as_str());
        let found: Vec<_> = self.nearest.iter().map(named).collect();
        let mut id_text = uuid::Uuid::encode_buffer();
        for (i, (left, (id, name))) in self.nearest.iter().zip(found).enumerate() {
            out.extend_from_slice(if i > 0 { b",{\"id\":\"" } else { b"[{\"id\":\"" });
            out.extend_from_slice(id.as_hyphenated().encode_lower(&mut id_text).as_bytes());
            out.extend_from_slice(b"\",\"layer\":\"");
            out.extend_from_slice(world.catalog.layers[left.layer].id.as_bytes());
            out.extend_from_slice(b"\",\"reason\":\"");
            out.extend_from_slice(left.reason.word().as_bytes());
            out.extend_from_slice(b"\",\"name\":");
            // Writing to memory doesn't fail.
            let _ = serde_json::to_writer(&mut *out, &name);
            out.extend_from_slice(b",\"distance_m\":");
            write_metres(left.distance_m, out);
            out.push(b'}');
        }
        out.extend_from_slice(if self.nearest.is_empty() { b"[]" } else { b"]" });
    }
    /// `{closed: n, …}`, only what occurs.
    pub fn counts_json(&self) -> Json {
        let counts = Exclusion::ALL.iter().zip(self.counts).filter(|(_, n)| *n > 0);
        Json::Object(counts.map(|(reason, n)| (reason.word().to_owned(), json!(n))).collect())
    }
}

/// Writes a distance in metres to a tenth of a millimetre, which is below what the index promises.
pub fn write_metres(metres: f64, out: &mut Vec<u8>) {
    let tenths = (metres * 1e4).round() as u64;
    let (whole, mut part) = (tenths / 10_000, tenths % 10_000);
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    let mut digits = [b'.', b'0', b'0', b'0', b'0'];
    for digit in digits[1..].iter_mut().rev() {
        *digit = b'0' + (part % 10) as u8;
        part /= 10;
    }
    let zeros = digits[2..].iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..digits.len() - zeros]);
}

/// What becomes of one candidate.
pub enum Verdict {
    Take,
    /// It doesn't match: not in the answer, not worth a word.
    Skip,
    Leave(Exclusion),
}

/// A question made ready for one layer.
pub struct Gate<'a> {
    question: Question<'a>,
    /// The bits of `excluded` that leave a feature out.
    mask: u8,
    hazard_bit: u32,
    /// Danger areas in force, where being inside one is unsafe.
    dangers: Vec<&'a Geometry>,
}

impl<'a> Gate<'a> {
    pub fn new(world: &'a World, index: &LayerIndex, question: Question<'a>) -> Gate<'a> {
        let layer = &index.layer;
        let asks_unsafe = question.include & Exclusion::Unsafe.bit() == 0;
        // Layers that have rules are what people are sent to: shelters, depots, teams.
        let recommended = !layer.exclude_rules.is_empty() && !layer.has(LayerRole::DangerArea);
        let dangers = if asks_unsafe && recommended {
            world.dangers_at(question.now).filter_map(|stored| stored.feature.geometry.as_ref()).collect()
        } else {
            vec![]
        };
        let hazard_bit = question.hazard.filter(|_| asks_unsafe).and_then(|kind| world.catalog.hazard_bit(kind)).unwrap_or(0);
        Gate { question, mask: !question.include, hazard_bit, dangers }
    }

    /// Judges by the flags alone, without touching the feature; `Take` means that [`Gate::judge`] has to be asked.
    fn glance(&self, excluded: u8, unsafe_for: u32) -> Verdict {
        match Exclusion::first(excluded & self.mask) {
            Some(reason) => Verdict::Leave(reason),
            None if unsafe_for & self.hazard_bit != 0 => Verdict::Leave(Exclusion::Unsafe),
            None => Verdict::Take,
        }
    }

    /// Whether nothing beyond the flags needs to be looked at.
    fn is_flags_only(&self) -> bool {
        self.question.filter.is_none() && self.question.inside.is_none() && self.dangers.is_empty()
    }

    /// Whether a summary of points tells how each of them would be judged.
    pub fn trusts(&self, summary: &Summary) -> bool {
        self.is_flags_only() && self.question.include == 0 && summary.unsafe_for & self.hazard_bit == 0
    }

    /// The verdict on a point: by its flags where they suffice, so that its feature isn't touched.
    pub fn verdict<'w>(&self, excluded: u8, unsafe_for: u32, stored: impl FnOnce() -> &'w Stored) -> Verdict {
        if self.is_flags_only() { self.glance(excluded, unsafe_for) } else { self.judge(stored()) }
    }

    /// The full verdict on a feature.
    pub fn judge(&self, stored: &Stored) -> Verdict {
        if self.question.filter.is_some_and(|filter| !filter.matches(&stored.feature, self.question.hazard)) {
            return Verdict::Skip;
        }
        let geometry = stored.feature.geometry.as_ref();
        if let Some(inside) = self.question.inside
            && !geometry.is_some_and(|geometry| inside.intersects(geometry))
        {
            return Verdict::Skip;
        }
        match self.glance(stored.excluded(), stored.unsafe_for()) {
            Verdict::Take if geometry.is_some_and(|geometry| self.dangers.iter().any(|area| area.intersects(geometry))) => {
                Verdict::Leave(Exclusion::Unsafe)
            }
            verdict => verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn metres_are_written_as_numbers() {
        for (metres, text) in
            [(0.0, "0.0"), (0.00004, "0.0"), (106.2902, "106.2902"), (11.5, "11.5"), (0.99996, "1.0"), (20_003_931.5, "20003931.5")]
        {
            let mut out = vec![];
            super::write_metres(metres, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
