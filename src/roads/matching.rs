//! Map matching by a hidden Markov model (Newson and Krumm, 2009): which road each place of a trace was driven on.
//!
//! Places are states' observations: a road is the likelier the nearer it is, and two roads follow each other the likelier the less
//! the way by road differs from the way the bird flies. The likeliest sequence is found column by column (Viterbi).

use super::{Cost, Point, network::span_m, snap::Snap};

/// A place of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Degrees.
    pub lon: f64,
    pub lat: f64,
    /// Seconds since 1970.
    pub time: Option<i64>,
    /// Standard deviation of its position, metres; [`Fix::RADIUS_M`] if it isn't known.
    pub radius_m: f64,
}

impl Fix {
    pub const RADIUS_M: f64 = 5.0;
    /// Roads are drawn no better than this, whatever a receiver believes of itself.
    const RADIUS_LEAST_M: f64 = 3.0;

    /// How far away its road may be: 99.9 % of all positions lie within three deviations and a bit.
    pub fn reach_m(&self) -> f64 {
        3.3 * self.deviation_m() + 10.0
    }
    fn deviation_m(&self) -> f64 {
        if self.radius_m.is_finite() { self.radius_m.max(Fix::RADIUS_LEAST_M) } else { Fix::RADIUS_M }
    }
    fn metres_to(&self, other: &Fix) -> f64 {
        span_m(Point::new(self.lon, self.lat), Point::new(other.lon, other.lat))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `gaps=ignore`: a long pause doesn't end a matching.
    pub ignore_gaps: bool,
    /// Leaves out places that say nothing new, as those of a halt.
    pub tidy: bool,
}

/// A part of a trace that could be driven.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// Which places of the trace, rising.
    pub fixes: Vec<usize>,
    /// Where each of them was.
    pub snaps: Vec<Snap>,
    /// How many other candidates each of them could have had.
    pub alternatives: Vec<usize>,
    /// 0..=1.
    pub confidence: f64,
}

/// A pause longer than this may hide a detour.
const GAP_SECONDS: i64 = 60;
/// So many places in a row may be wrong before the trace is taken to be torn.
const OUTLIERS_MAX: usize = 10;
/// How much longer than the bird's way a way by road tends to be, metres.
const DETOUR_M: f64 = 10.0;
/// Nothing on roads is faster, metres a second.
const SPEED_MAX: f64 = 50.0;
/// How far a way by road is searched beyond the bird's way where there are no times.
const SEARCH_M: f64 = 2000.0;

/// One place with candidates.
struct Column {
    fix: usize,
    /// By candidate: the logarithm of its likelihood; negative infinity if nothing leads there.
    score: Vec<f64>,
    /// By candidate: which of the column before, and how far by road.
    from: Vec<Option<(usize, f64)>>,
}

/// Matches a trace. `distance` gives what driving from one candidate to each of several costs; further than the limit in metres
/// needn't be found.
pub fn trace(
    fixes: &[Fix],
    candidates: &[Vec<Snap>],
    options: Options,
    mut distance: impl FnMut(&Snap, &[Snap], f64) -> Vec<Option<Cost>>,
) -> Vec<Matching> {
    let order = kept(fixes, candidates, options.tidy);
    let mut matchings = vec![];
    let mut rest = &order[..];
    while !rest.is_empty() {
        let (columns, taken) = stretch(fixes, candidates, rest, options, &mut distance);
        matchings.extend(finished(fixes, candidates, &columns));
        rest = &rest[taken..];
    }
    matchings
}

/// The places worth matching: those that have candidates and, if asked, bring news.
fn kept(fixes: &[Fix], candidates: &[Vec<Snap>], tidy: bool) -> Vec<usize> {
    const NEAR_M: f64 = 10.0;
    const SOON_SECONDS: i64 = 5;
    let mut kept: Vec<usize> = vec![];
    for (i, (fix, near)) in fixes.iter().zip(candidates).enumerate() {
        let is_news = |last: &usize| {
            let pause = fix.time.zip(fixes[*last].time).map_or(0, |(now, then)| now.saturating_sub(then));
            fix.metres_to(&fixes[*last]) >= NEAR_M || pause > SOON_SECONDS
        };
        if !near.is_empty() && (!tidy || i + 1 == fixes.len() || kept.last().is_none_or(is_news)) {
            kept.push(i);
        }
    }
    kept
}

/// Matches places from the first as far as one can follow another; gives also how many of them are done with.
fn stretch(
    fixes: &[Fix],
    candidates: &[Vec<Snap>],
    order: &[usize],
    options: Options,
    distance: &mut impl FnMut(&Snap, &[Snap], f64) -> Vec<Option<Cost>>,
) -> (Vec<Column>, usize) {
    let emissions = |fix: usize| -> Vec<f64> { candidates[fix].iter().map(|snap| emission(&fixes[fix], snap)).collect() };
    let start = emissions(order[0]);
    let mut last = Column { fix: order[0], from: vec![None; start.len()], score: start };
    let mut columns = vec![];
    // Places that couldn't be reached since: outliers if the trace goes on beyond them, else the start of its next part.
    let mut lost = 0;
    for (i, fix) in order.iter().copied().enumerate().skip(1) {
        let pause = fixes[fix].time.zip(fixes[last.fix].time).map(|(now, then)| now.saturating_sub(then));
        if lost >= OUTLIERS_MAX || !options.ignore_gaps && pause.is_some_and(|pause| pause > GAP_SECONDS) {
            columns.push(last);
            return (columns, i - lost);
        }
        let next = follow(fixes, candidates, &last, fix, emissions(fix), distance);
        if next.score.iter().any(|score| score.is_finite()) {
            columns.push(std::mem::replace(&mut last, next));
            lost = 0;
        } else {
            lost += 1;
        }
    }
    columns.push(last);
    (columns, order.len() - lost)
}

/// The column of a place, reached from another.
fn follow(
    fixes: &[Fix],
    candidates: &[Vec<Snap>],
    last: &Column,
    fix: usize,
    emission: Vec<f64>,
    distance: &mut impl FnMut(&Snap, &[Snap], f64) -> Vec<Option<Cost>>,
) -> Column {
    let (here, before) = (&fixes[fix], &fixes[last.fix]);
    let direct = before.metres_to(here);
    let slack = 2.0 * (here.deviation_m() + before.deviation_m());
    let limit = match here.time.zip(before.time) {
        Some((now, then)) => (now.saturating_sub(then).max(1) as f64 * SPEED_MAX).max(direct) + slack,
        None => direct + SEARCH_M,
    };
    let mut column = Column { fix, score: vec![f64::NEG_INFINITY; emission.len()], from: vec![None; emission.len()] };
    for (i, from) in candidates[last.fix].iter().enumerate().filter(|(i, _)| last.score[*i].is_finite()) {
        let costs = distance(from, &candidates[fix], limit);
        for (j, to) in candidates[fix].iter().enumerate() {
            let driven = costs.get(j).copied().flatten().filter(|cost| !cost.is_never()).map(Cost::metres);
            // Noise moves a slow vehicle backwards: it stood still, rather than go round the block.
            let apart = span_m(from.point(), to.point());
            let driven = if from.road == to.road && apart <= slack { Some(driven.unwrap_or(apart).min(apart)) } else { driven };
            let Some(driven) = driven.filter(|driven| *driven <= limit) else { continue };
            let score = last.score[i] + emission[j] - (driven - direct).abs() / DETOUR_M - DETOUR_M.ln();
            if score > column.score[j] {
                (column.score[j], column.from[j]) = (score, Some((i, driven)));
            }
        }
    }
    column
}

/// The logarithm of how likely a receiver on a road reports a place.
fn emission(fix: &Fix, snap: &Snap) -> f64 {
    let deviation = fix.deviation_m();
    -0.5 * (snap.distance_m / deviation).powi(2) - (deviation * std::f64::consts::TAU.sqrt()).ln()
}

/// The likeliest sequence through columns; none where there is but one place.
fn finished(fixes: &[Fix], candidates: &[Vec<Snap>], columns: &[Column]) -> Option<Matching> {
    let last = columns.last().filter(|_| columns.len() > 1)?;
    let mut chosen = (0..last.score.len()).max_by(|a, b| last.score[*a].total_cmp(&last.score[*b]))?;
    let (mut snaps, mut driven, mut direct) = (vec![], 0.0, 0.0);
    for (k, column) in columns.iter().enumerate().rev() {
        snaps.push(candidates[column.fix][chosen]);
        if let Some((from, metres)) = column.from[chosen] {
            driven += metres;
            direct += fixes[columns[k - 1].fix].metres_to(&fixes[column.fix]);
            chosen = from;
        }
    }
    snaps.reverse();
    let alive = |column: &Column| column.score.iter().filter(|score| score.is_finite()).count();
    // By how much the roads explain the places: near them, and no longer than the trace itself.
    let misfit = columns.iter().zip(&snaps).map(|(column, snap)| snap.distance_m / fixes[column.fix].deviation_m());
    let misfit = misfit.map(|m| m * m).sum::<f64>() / columns.len() as f64;
    let detour = (driven - direct).abs() / direct.max(DETOUR_M);
    Some(Matching {
        fixes: columns.iter().map(|column| column.fix).collect(),
        snaps,
        alternatives: columns.iter().map(|column| alive(column).saturating_sub(1)).collect(),
        confidence: (-0.1 * misfit - detour).exp(),
    })
}
