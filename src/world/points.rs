//! The points of a shard in blocks of neighbours, laid out for scanning: a block is passed over, taken whole or looked at
//! point by point, and only a point that is wanted costs a look at its feature.

use std::{ops::Range, sync::Arc};

use super::{
    shard::partition,
    stock::{Balance, Balances, Sums},
    stored::Stored,
};
use crate::model::{
    Exclusion,
    sphere::{Bounds, V3},
};

/// Points in a block: few enough to scan, enough to be worth a box.
pub const BLOCK: usize = 32;

/// What some points amount to, where a question leaves out whatever has a reason to be.
#[derive(Clone, Debug)]
pub struct Summary {
    pub bounds: Bounds,
    /// How many have no reason to be left out.
    pub clean: u32,
    /// How many are left out, by their first reason.
    pub left: [u32; Exclusion::ALL.len()],
    /// Hazards that any of them is unsafe for.
    pub unsafe_for: u32,
    /// The stock of those that are clean, in [`Points::sums`].
    sums: Range<u32>,
}

#[derive(Debug)]
pub struct Points {
    /// ECEF metres, by axis.
    at: [Vec<f64>; 3],
    /// [`Stored::excluded`] and [`Stored::unsafe_for`] of each.
    pub excluded: Vec<u8>,
    pub unsafe_for: Vec<u32>,
    /// All but the last hold [`BLOCK`] points.
    pub blocks: Vec<Summary>,
    /// All points together.
    pub whole: Summary,
    /// Balances of point `i` are `balances[starts[i]..starts[i + 1]]`; empty in layers that own no stock.
    starts: Vec<u32>,
    balances: Vec<Balance>,
    /// The balances of summaries, added up by item.
    sums: Vec<Balance>,
}

impl Points {
    /// Orders points into blocks: returns them, and their features in that order.
    pub fn build(mut placed: Vec<(V3, Arc<Stored>)>, stock: &Balances) -> (Points, Vec<Arc<Stored>>) {
        let n = placed.len();
        partition(&mut placed, BLOCK);
        let at = [0, 1, 2].map(|axis| placed.iter().map(|(at, _)| at[axis]).collect());
        let mut points = Points {
            at,
            excluded: placed.iter().map(|(_, stored)| stored.excluded()).collect(),
            unsafe_for: placed.iter().map(|(_, stored)| stored.unsafe_for()).collect(),
            blocks: Vec::with_capacity(n.div_ceil(BLOCK)),
            whole: Summary { bounds: Bounds::EMPTY, clean: 0, left: [0; _], unsafe_for: 0, sums: 0..0 },
            starts: vec![],
            balances: vec![],
            sums: vec![],
        };
        if !stock.is_empty() {
            points.starts.reserve_exact(n + 1);
            for (_, stored) in &placed {
                points.starts.push(points.balances.len() as u32);
                points.balances.extend_from_slice(stock.of(&stored.feature.id));
            }
            points.starts.push(points.balances.len() as u32);
            points.balances.shrink_to_fit();
        }
        for first in (0..n).step_by(BLOCK) {
            let block = points.summarise(first..(first + BLOCK).min(n));
            points.blocks.push(block);
        }
        points.whole = points.summarise(0..n);
        points.sums.shrink_to_fit();
        (points, placed.into_iter().map(|(_, stored)| stored).collect())
    }

    fn summarise(&mut self, range: Range<usize>) -> Summary {
        let mut summary = Summary { bounds: Bounds::EMPTY, clean: 0, left: [0; _], unsafe_for: 0, sums: 0..0 };
        let mut sums = Sums::default();
        for i in range {
            let at = [0, 1, 2].map(|axis| self.at[axis][i]);
            summary.bounds.join(Bounds::at(at));
            summary.unsafe_for |= self.unsafe_for[i];
            match Exclusion::first(self.excluded[i]) {
                Some(reason) => summary.left[reason as usize] += 1,
                None => {
                    summary.clean += 1;
                    sums.add(self.balances(i));
                }
            }
        }
        let from = self.sums.len() as u32;
        self.sums.extend(sums.balances());
        Summary { sums: from..self.sums.len() as u32, ..summary }
    }

    /// The points of a block, as positions in the shard's features.
    pub fn of_block(&self, block: usize) -> Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.excluded.len())
    }

    /// Squared chords from a position to the points of a block.
    pub fn chords2(&self, block: usize, p: V3) -> impl Iterator<Item = (usize, f64)> {
        let range = self.of_block(block);
        let mut chords2 = [0.0; BLOCK];
        let [x, y, z] = [0, 1, 2].map(|axis| &self.at[axis][range.clone()]);
        for (((chord2, x), y), z) in chords2.iter_mut().zip(x).zip(y).zip(z) {
            *chord2 = (x - p[0]) * (x - p[0]) + (y - p[1]) * (y - p[1]) + (z - p[2]) * (z - p[2]);
        }
        range.zip(chords2)
    }

    /// The points inside a box.
    pub fn inside(&self, bounds: Bounds) -> impl Iterator<Item = usize> {
        let meeting = self.blocks.iter().enumerate().filter(move |(_, block)| block.bounds.meets(&bounds));
        meeting.flat_map(|(block, _)| self.of_block(block)).filter(move |i| {
            let at = [0, 1, 2].map(|axis| self.at[axis][*i]);
            Bounds::at(at).meets(&bounds)
        })
    }

    pub fn balances(&self, i: usize) -> &[Balance] {
        match self.starts.get(i..i + 2) {
            Some([from, to]) => &self.balances[*from as usize..*to as usize],
            _ => &[],
        }
    }
    pub fn sums(&self, summary: &Summary) -> &[Balance] {
        &self.sums[summary.sums.start as usize..summary.sums.end as usize]
    }
}
