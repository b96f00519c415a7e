//! Lines with fewer positions.

/// Douglas and Peucker's algorithm with a stack of its own, so that no line is too long for the thread's: which positions lie
/// further than the tolerance from the line through those that are kept.
pub fn outstanding(line: &[(f64, f64)], tolerance: f64) -> Vec<bool> {
    let mut kept = vec![false; line.len()];
    for end in [0, line.len() - 1] {
        kept[end] = true;
    }
    let mut spans = vec![(0, line.len() - 1)];
    while let Some((start, end)) = spans.pop() {
        let (a, b) = (line[start], line[end]);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let inverse = 1.0 / (dx * dx + dy * dy).max(f64::MIN_POSITIVE);
        let (mut furthest, mut most) = (start, tolerance * tolerance);
        for (i, position) in line.iter().enumerate().take(end).skip(start + 1) {
            let (x, y) = (position.0 - a.0, position.1 - a.1);
            let along = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
            let (x, y) = (x - along * dx, y - along * dy);
            let square = x * x + y * y;
            if square > most {
                (furthest, most) = (i, square);
            }
        }
        if furthest > start {
            kept[furthest] = true;
            spans.extend([(start, furthest), (furthest, end)]);
        }
    }
    kept
}
