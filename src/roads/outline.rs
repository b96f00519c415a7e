//! Cells of a grid, and the outlines of areas made of them.

use geo::{BoundingRect, Contains, Coord, LineString, MultiPolygon, Polygon};

use super::simplify::outstanding;

/// Which cells of a grid are in an area. Those at the rim of the grid aren't.
pub struct Mask {
    size: [usize; 2],
    /// Words of 64 cells in a row.
    words: usize,
    cells: Vec<u64>,
}

/// How far an outline is moved to make it simpler, in cells.
const SIMPLER_CELLS: f64 = 0.25;
/// Gaps in an area that are narrower than so many cells aren't told.
const NARROW_CELLS: f64 = 4.0;
/// How far outlines of a grown mask go beyond what touched it, at most: from a corner of a touched cell to the farthest of the cells
/// about it, whose corners are cut; and half of a gap that isn't told.
pub const FARTHEST_CELLS: f64 = 2.5 + SIMPLER_CELLS + NARROW_CELLS / 2.0;

impl Mask {
    /// With no cell in it. Columns and rows.
    pub fn new(size: [usize; 2]) -> Mask {
        let words = size[0].div_ceil(64);
        Mask { size, words, cells: vec![0; words * size[1]] }
    }

    /// Takes in cells along a line, given in cells: those of its positions, and of others that it crosses at least one beside them.
    pub fn touch_line(&mut self, line: impl Iterator<Item = [f64; 2]>) {
        let mut last: Option<[f64; 2]> = None;
        for at in line {
            let before = last.replace(at).unwrap_or(at);
            let along = [at[0] - before[0], at[1] - before[1]];
            let steps = (along[0].abs().max(along[1].abs()) * 2.0) as u32;
            for step in 1..=steps {
                let share = f64::from(step) / f64::from(steps + 1);
                self.touch([before[0] + along[0] * share, before[1] + along[1] * share]);
            }
            self.touch(at);
        }
    }

    fn touch(&mut self, [x, y]: [f64; 2]) {
        let (x, y) = (x as u32 as usize, y as u32 as usize);
        self.cells[y * self.words + x / 64] |= 1 << (x % 64);
    }

    fn holds(&self, x: usize, y: usize) -> bool {
        self.cells[y * self.words + x / 64] >> (x % 64) & 1 == 1
    }

    /// With all cells about those that are in it: eight about each.
    pub fn grown(&self) -> Mask {
        let n = self.words;
        let beside = |at: usize| {
            let row = at / n * n;
            let cells = self.cells[at];
            let before = if at > row { self.cells[at - 1] >> 63 } else { 0 };
            let after = if at + 1 < row + n { self.cells[at + 1] << 63 } else { 0 };
            cells | cells << 1 | before | cells >> 1 | after
        };
        let wide: Vec<u64> = (0..self.cells.len()).map(beside).collect();
        let above = |at: usize| wide.get(at + n).copied().unwrap_or(0);
        let below = |at: usize| if at >= n { wide[at - n] } else { 0 };
        Mask { size: self.size, words: n, cells: (0..wide.len()).map(|at| wide[at] | above(at) | below(at)).collect() }
    }

    /// The area's outlines in cells, with their corners cut.
    pub fn outlines(&self) -> MultiPolygon {
        let (mut areas, mut gaps) = (vec![], vec![]);
        for ring in self.rings() {
            if ring.lines().map(|edge| edge.determinant()).sum::<f64>() > 0.0 {
                areas.push(Polygon::new(simple(&ring), vec![]));
            } else if ring.bounding_rect().is_some_and(|bounds| bounds.width().max(bounds.height()) >= NARROW_CELLS) {
                gaps.push(ring);
            }
        }
        let bounds: Vec<_> = areas.iter().map(BoundingRect::bounding_rect).collect();
        for gap in gaps {
            let Some(at) = gap.0.first().copied() else { continue };
            // Of areas that lie in each other's gaps the smallest has it.
            let around = (0..areas.len()).filter(|n| bounds[*n].is_some_and(|bounds| bounds.contains(&at)) && areas[*n].contains(&at));
            let smallest = around.min_by(|a, b| {
                let width = |n: usize| bounds[n].map_or(f64::INFINITY, |bounds| bounds.width());
                width(*a).total_cmp(&width(*b))
            });
            if let Some(n) = smallest {
                areas[n].interiors_push(simple(&gap));
            }
        }
        MultiPolygon(areas)
    }

    /// All boundaries, with the area to their left: through the middles of the cells' edges.
    fn rings(&self) -> Vec<LineString> {
        // Lower edges of cells that bound the area: each ring has one at least, and runs east there.
        let lower = |at: usize| self.cells[at] & !if at >= self.words { self.cells[at - self.words] } else { 0 };
        let mut left: Vec<u64> = (0..self.cells.len()).map(lower).collect();
        let mut rings = vec![];
        for word in 0..left.len() {
            while left[word] != 0 {
                let start = [word % self.words * 64 + left[word].trailing_zeros() as usize, word / self.words];
                rings.push(self.ring(start, &mut left));
            }
        }
        rings
    }

    /// The ring that begins with a cell's lower edge. What it has of such edges is taken off `left`.
    fn ring(&self, start: [usize; 2], left: &mut [u64]) -> LineString {
        let mut ring: Vec<Coord> = vec![];
        let (mut at, mut direction, mut turned) = (start, EAST, true);
        loop {
            let [x, y] = at;
            if direction == EAST {
                left[y * self.words + x / 64] &= !(1 << (x % 64));
            }
            let [dx, dy] = STEPS[direction];
            let next = [x.wrapping_add_signed(dx), y.wrapping_add_signed(dy)];
            // Beyond the next corner: the cell to the left, and that to the right. Where two touch in a corner they are kept apart.
            let [ahead_left, ahead_right] = AHEAD[direction].map(|[dx, dy]| self.holds(next[0].wrapping_sub(dx), next[1].wrapping_sub(dy)));
            let after = match (ahead_left, ahead_right) {
                (false, _) => (direction + 1) % 4,
                (true, false) => direction,
                (true, true) => (direction + 3) % 4,
            };
            let turns = after != direction;
            if turned || turns {
                ring.push(Coord { x: x as f64 + dx as f64 / 2.0, y: y as f64 + dy as f64 / 2.0 });
            }
            (at, direction, turned) = (next, after, turns);
            if at == start && direction == EAST {
                break;
            }
        }
        ring.push(ring[0]);
        LineString(ring)
    }
}

/// A ring without what is within [`SIMPLER_CELLS`] of the rest.
fn simple(ring: &LineString) -> LineString {
    let line: Vec<(f64, f64)> = ring.0.iter().map(|at| at.x_y()).collect();
    ring.0.iter().zip(outstanding(&line, SIMPLER_CELLS)).filter(|(_, kept)| *kept).map(|(at, _)| *at).collect()
}

/// Directions, each a quarter to the left of the one before.
const EAST: usize = 0;
const STEPS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];
/// By direction: the cells beyond a corner, to the left and to the right, as columns and rows before the corner's own cell.
const AHEAD: [[[usize; 2]; 2]; 4] = [[[0, 0], [0, 1]], [[1, 0], [0, 0]], [[1, 1], [1, 0]], [[0, 1], [1, 1]]];

#[cfg(test)]
mod tests {
    use geo::{Contains, Validation};

    use super::*;

    /// Gaps of a mask: cells that aren't in it, joined over edges and corners, but for those round it.
    fn gaps(mask: &Mask) -> Vec<Vec<(usize, usize)>> {
        let [width, height] = mask.size;
        let mut seen = vec![false; width * height];
        let mut gaps = vec![];
        for start in 0..width * height {
            let (mut gap, mut next) = (vec![], vec![start]);
            while let Some(at) = next.pop() {
                let (x, y) = (at % width, at / width);
                if !mask.holds(x, y) && !std::mem::replace(&mut seen[at], true) {
                    gap.push((x, y));
                    let beside = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
                    next.extend(beside(y, height).flat_map(|y| beside(x, width).map(move |x| y * width + x)));
                }
            }
            if !gap.is_empty() {
                gaps.push(gap);
            }
        }
        gaps.split_off(1)
    }

    #[test]
    fn outlines_hold_the_cells_of_a_mask_and_no_others() {
        let mut seed = 7_u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for round in 0..300 {
            let size = [70 + round % 60, 12];
            let mut mask = Mask::new(size);
            let share = 1 + random(9);
            for (x, y) in (1..size[1] - 1).flat_map(|y| (1..size[0] - 1).map(move |x| (x, y))) {
                if random(10) < share {
                    mask.touch([x as f64 + 0.3, y as f64 + 0.9]);
                }
            }
            let area = mask.outlines();
            assert!(area.0.iter().all(Validation::is_valid));
            let holds = |x: usize, y: usize| area.contains(&Coord { x: x as f64 + 0.5, y: y as f64 + 0.5 });
            let narrow: Vec<(usize, usize)> = gaps(&mask)
                .into_iter()
                .filter(|gap| {
                    let span = |of: fn(&(usize, usize)) -> usize| gap.iter().map(of).max().unwrap() - gap.iter().map(of).min().unwrap() + 1;
                    (span(|at| at.0).max(span(|at| at.1)) as f64) < NARROW_CELLS
                })
                .flatten()
                .collect();
            for (x, y) in (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| (x, y))) {
                assert_eq!(holds(x, y), mask.holds(x, y) || narrow.contains(&(x, y)), "{x} {y} in round {round}");
            }
            // Grown: as if each cell were nine.
            let grown = mask.grown();
            for (x, y) in (1..size[1] - 1).flat_map(|y| (1..size[0] - 1).map(move |x| (x, y))) {
                let near = (y - 1..=y + 1).any(|y| (x - 1..=x + 1).any(|x| mask.holds(x, y)));
                assert_eq!(grown.holds(x, y), near, "{x} {y} in round {round}");
            }
        }
    }
}
