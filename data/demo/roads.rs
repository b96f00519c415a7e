//! The county's roads: main roads along points set by hand, streets as uneven grids, lanes to whatever lies apart.

use std::{collections::HashMap, f64::consts::TAU, fmt::Write};

use super::{P, Random, s};

/// Millionths of a degree, as the file has them: what is equal here is one junction there.
type Q = (i64, i64);

fn q(p: P) -> Q {
    ((p.0 * 1e6).round() as i64, (p.1 * 1e6).round() as i64)
}

fn p(q: Q) -> P {
    (q.0 as f64 / 1e6, q.1 as f64 / 1e6)
}

/// Metres of a degree of longitude here, and of latitude.
const M: P = (97_600.0, 111_195.0);

fn metres(a: P, b: P) -> f64 {
    ((b.0 - a.0) * M.0).hypot((b.1 - a.1) * M.1)
}

fn shift(at: P, east: f64, north: f64) -> P {
    (at.0 + east / M.0, at.1 + north / M.1)
}

/// Shares of two stretches where they cross or touch.
fn crossing(a: P, b: P, c: P, d: P) -> Option<(f64, f64)> {
    if a.0.max(b.0) < c.0.min(d.0) || c.0.max(d.0) < a.0.min(b.0) || a.1.max(b.1) < c.1.min(d.1) || c.1.max(d.1) < a.1.min(b.1) {
        return None;
    }
    let (r, e) = ((b.0 - a.0, b.1 - a.1), (d.0 - c.0, d.1 - c.1));
    let across = r.0 * e.1 - r.1 * e.0;
    if across.abs() < 1e-18 {
        return None;
    }
    let (t, u) = (((c.0 - a.0) * e.1 - (c.1 - a.1) * e.0) / across, ((c.0 - a.0) * r.1 - (c.1 - a.1) * r.0) / across);
    ((0.0..=1.0).contains(&t) && (0.0..=1.0).contains(&u)).then_some((t, u))
}

/// The nearest place on a stretch.
fn nearest_on(a: P, b: P, at: P) -> P {
    let (v, w) = (((b.0 - a.0) * M.0, (b.1 - a.1) * M.1), ((at.0 - a.0) * M.0, (at.1 - a.1) * M.1));
    let length2 = v.0 * v.0 + v.1 * v.1;
    let t = if length2 > 0.0 { ((v.0 * w.0 + v.1 * w.1) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1))
}

type Tags = Vec<(&'static str, String)>;

fn tags(list: &[(&'static str, &str)]) -> Tags {
    list.iter().map(|(key, value)| (*key, s(value))).collect()
}

#[derive(Clone)]
struct Way {
    points: Vec<Q>,
    name: String,
    class: &'static str,
    tags: Tags,
    /// Whether it meets the ways that it crosses.
    at_grade: bool,
    /// Whether lanes may begin on it.
    is_joined: bool,
}

/// What lies in the way.
pub struct Ground<'a> {
    pub rivers: &'a [(&'static str, Vec<P>)],
    pub lake: &'a [P],
}

impl Ground<'_> {
    fn crossings<'g>(&'g self, a: P, b: P) -> impl Iterator<Item = (&'g str, f64)> + 'g {
        let along = move |(name, line): &'g (&'static str, Vec<P>)| {
            line.windows(2).filter_map(move |pair| crossing(a, b, pair[0], pair[1])).map(move |(t, _)| (*name, t))
        };
        self.rivers.iter().flat_map(along)
    }
    fn is_dry(&self, line: &[P]) -> bool {
        line.windows(2).all(|pair| self.crossings(pair[0], pair[1]).next().is_none()) && !self.is_in_lake(line)
    }
    /// Dry but for streams.
    fn is_fordable(&self, line: &[P]) -> bool {
        line.windows(2).all(|pair| self.crossings(pair[0], pair[1]).all(|(name, _)| name != "云溪河")) && !self.is_in_lake(line)
    }
    fn is_in_lake(&self, line: &[P]) -> bool {
        let shore = |i: usize| (self.lake[i], self.lake[(i + 1) % self.lake.len()]);
        line.windows(2).any(|pair| (0..self.lake.len()).map(shore).any(|(c, d)| crossing(pair[0], pair[1], c, d).is_some()))
    }
}

/// The ends of a town's main streets: north, east, south, west.
type Gates = [P; 4];
const N: usize = 0;
const E: usize = 1;
const S: usize = 2;
const W: usize = 3;

pub struct Roads<'a> {
    pub ground: Ground<'a>,
    pub random: Random,
    ways: Vec<Way>,
}

impl<'a> Roads<'a> {
    pub fn new(ground: Ground<'a>, random: Random) -> Roads<'a> {
        Roads { ground, random, ways: vec![] }
    }

    fn add(&mut self, points: &[P], name: &str, class: &'static str, tags: Tags) -> &mut Way {
        let mut points: Vec<Q> = points.iter().map(|at| q(*at)).collect();
        points.dedup();
        let apart = class.starts_with("motorway");
        self.ways.push(Way { points, name: name.to_owned(), class, tags, at_grade: !apart, is_joined: !apart });
        self.ways.last_mut().expect("it was just added")
    }

    /// A line that bends through points, and a little between them.
    fn bend(&mut self, through: &[P]) -> Vec<P> {
        let at = |i: usize| through[i.min(through.len() - 1)];
        let mut line = vec![through[0]];
        for i in 0..through.len() - 1 {
            let (before, from, to, after) = (at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2));
            let length = metres(from, to);
            let n = (length / 260.0).ceil().clamp(1.0, 40.0) as usize;
            let (sway, waves) = (self.random.between(-1.0, 1.0) * (length * 0.02).min(90.0), 1.0 + self.random.below(3) as f64);
            let side = ((from.1 - to.1) * M.1 / length.max(1.0), (to.0 - from.0) * M.0 / length.max(1.0));
            for k in 1..=n {
                let t = k as f64 / n as f64;
                let curve = |a: f64, b: f64, c: f64, d: f64| {
                    0.5 * (2.0 * b + (c - a) * t + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t + (3.0 * b - a - 3.0 * c + d) * t * t * t)
                };
                let on = (curve(before.0, from.0, to.0, after.0), curve(before.1, from.1, to.1, after.1));
                let off = if k == n { 0.0 } else { sway * (t * waves * TAU / 2.0).sin() };
                line.push(if k == n { to } else { shift(on, side.0 * off, side.1 * off) });
            }
        }
        line
    }

    fn road(&mut self, through: &[P], name: &str, class: &'static str, reference: &str) {
        let line = self.bend(through);
        let limit = match class {
            "trunk" => "80",
            "primary" => "70",
            "secondary" => "60",
            _ => "40",
        };
        // People walk along the national road here.
        let mut more = tags(&[("ref", reference), ("maxspeed", limit), ("surface", "asphalt")]);
        if class == "trunk" {
            more.extend(tags(&[("foot", "yes")]));
        }
        self.add(&line, name, class, more);
    }

    /// Streets as an uneven grid; the middle ones are the main streets, of which the ends are answered.
    fn streets(&mut self, middle: P, (rows, columns): (usize, usize), step: f64, names: [&[&str]; 2], class: &'static str) -> Gates {
        let turn = self.random.between(-0.16, 0.16);
        let main = [rows / 2, columns / 2];
        let mut at = vec![vec![middle; columns]; rows];
        // Rows and columns lie unevenly, and corners a little off.
        let spaced = |random: &mut Random, n: usize| -> Vec<f64> {
            let line: Vec<f64> = (0..n).map(|i| (i as f64 + random.between(-0.22, 0.22)) * step).collect();
            line.iter().map(|x| x - line[n / 2]).collect()
        };
        let (ys, xs) = (spaced(&mut self.random, rows), spaced(&mut self.random, columns));
        for (r, y) in ys.iter().enumerate() {
            for (c, x) in xs.iter().enumerate() {
                let loose = if r == main[0] && c == main[1] { 0.0 } else { step * 0.07 };
                let (x, y) = (x + self.random.between(-loose, loose), y + self.random.between(-loose, loose));
                at[r][c] = shift(middle, x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos());
            }
        }
        for (way, count) in [(0, rows), (1, columns)] {
            for n in 0..count {
                let line: Vec<P> = if way == 0 { at[n].clone() } else { at.iter().map(|row| row[n]).collect() };
                let is_main = n == main[way];
                // One more street of a large town has a bridge.
                let has_bridges = is_main || (way == 0 && rows > 6 && n == 1);
                let mut run = vec![line[0]];
                let name = names[way][n];
                let finish = |roads: &mut Self, run: &mut Vec<P>| {
                    if run.len() > 1 {
                        let oneway = rows > 6 && way == 1 && [main[1] - 2, main[1] - 1].contains(&n);
                        let mut more = tags(&[("maxspeed", if is_main { "40" } else { "30" }), ("surface", "asphalt")]);
                        if oneway {
                            more.extend(tags(&[("oneway", if n % 2 == 0 { "yes" } else { "-1" })]));
                        }
                        roads.add(run, name, if is_main { class } else { "residential" }, more);
                    }
                    run.clear();
                };
                for pair in line.windows(2) {
                    let gone = !is_main && self.random.unit() < 0.07 && (way == 0 || ![main[1] - 2, main[1] - 1].contains(&n));
                    if gone || (!has_bridges && !self.ground.is_dry(pair)) {
                        finish(self, &mut run);
                    }
                    run.push(pair[1]);
                }
                finish(self, &mut run);
            }
        }
        [at[rows - 1][main[1]], at[main[0]][columns - 1], at[0][main[1]], at[main[0]][0]]
    }

    /// A ring to be driven anticlockwise, and where on it roads from some places end.
    fn roundabout(&mut self, middle: P, radius: f64, name: &str, from: &[P]) -> Vec<P> {
        let ring: Vec<P> =
            (0..16).map(|i| TAU * f64::from(i) / 16.0).map(|a| p(q(shift(middle, radius * a.cos(), radius * a.sin())))).collect();
        let closed: Vec<P> = ring.iter().chain(&ring[..1]).copied().collect();
        self.add(&closed, name, "primary", tags(&[("junction", "roundabout"), ("oneway", "yes"), ("maxspeed", "30")])).is_joined = false;
        let near = |to: &P| ring.iter().copied().min_by(|a, b| metres(*a, *to).total_cmp(&metres(*b, *to))).unwrap_or(middle);
        from.iter().map(near).collect()
    }

    /// The expressway: two carriageways from end to end, a diamond where it passes over a road between two points of that.
    fn expressway(&mut self, through: &[P], name: &str, reference: &str, south: P, north: P) {
        let middle = self.bend(through);
        let n = middle.len();
        let side = |by: f64| -> Vec<P> {
            let place = |i: usize| {
                if i == 0 || i + 1 == n {
                    return middle[i];
                }
                let (a, b) = (middle[i - 1], middle[i + 1]);
                let length = metres(a, b).max(1.0);
                shift(middle[i], by * (b.1 - a.1) * M.1 / length, -by * (b.0 - a.0) * M.0 / length)
            };
            (0..n).map(place).collect()
        };
        // Traffic keeps to the right.
        let (east, mut west) = (side(15.0), side(-15.0));
        let near =
            |line: &[P], lon: f64| line.iter().copied().min_by(|a, b| (a.0 - lon).abs().total_cmp(&(b.0 - lon).abs())).unwrap_or(south);
        let (left, right) = (south.0 - 0.0075, south.0 + 0.0075);
        let ramps = [
            (near(&east, left), south, "出口", "云溪"),
            (south, near(&east, right), "入口", "枫林"),
            (near(&west, right), north, "出口", "云溪"),
            (north, near(&west, left), "入口", "石桥"),
        ];
        west.reverse();
        for line in [east, west] {
            self.add(&line, name, "motorway", tags(&[("ref", reference), ("oneway", "yes"), ("maxspeed", "100"), ("surface", "asphalt")]));
        }
        for (from, to, kind, destination) in ramps {
            self.add(
                &[from, to],
                &format!("云溪互通{kind}"),
                "motorway_link",
                tags(&[("oneway", "yes"), ("maxspeed", "40"), ("destination", destination)]),
            );
        }
    }
}

impl Roads<'_> {
    /// The roads between the towns, and their streets.
    pub fn plan(&mut self, towns: &[(&str, P)]) {
        const SEAT: [[&str; 9]; 2] = [
            ["南环路", "滨河路", "文昌街", "东风路", "云溪大道", "解放路", "建设路", "学府路", "北环路"],
            ["西环路", "环翠路", "桂花路", "新华路", "人民路", "劳动路", "青年路", "松涛路", "东环路"],
        ];
        const SMALL: [[&str; 5]; 2] = [["南街", "下街", "正街", "上街", "北街"], ["西巷", "老街", "新街", "学堂路", "东巷"]];
        let mut gates: Vec<Gates> = vec![];
        for (n, (town, at)) in towns.iter().enumerate() {
            if n == 0 {
                gates.push(self.streets(*at, (9, 9), 255.0, [&SEAT[0], &SEAT[1]], "primary"));
                continue;
            }
            let stem: String = town.chars().take(2).collect();
            let named = |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("{stem}{name}")).collect() };
            let (rows, columns) = (named(&SMALL[0]), named(&SMALL[1]));
            let (rows, columns): (Vec<&str>, Vec<&str>) =
                (rows.iter().map(String::as_str).collect(), columns.iter().map(String::as_str).collect());
            gates.push(self.streets(*at, (5, 5), 165.0, [&rows, &columns], "tertiary"));
        }
        let [seat, shiqiao, fenglin, baisha, changling, liutang, qingfeng, dayuan] = gates[..] else { return };

        let (ring, south, north) = ((113.9460, 28.6410), (113.9440, 28.6590), (113.9432, 28.6650));
        let at = self.roundabout(ring, 28.0, "城北环岛", &[seat[N], south, (113.985, 28.652)]);
        self.road(&[seat[N], (113.9482, 28.6350), at[0]], "人民北路", "primary", "S907");
        self.road(
            &[at[1], (113.9445, 28.6500), south, north, (113.9350, 28.6900), (113.9310, 28.7300), dayuan[S]],
            "云大公路",
            "primary",
            "S907",
        );
        self.road(&[dayuan[N], (113.9420, 28.7950), (113.9450, 28.8220)], "云大公路", "primary", "S907");
        let bank = (113.9430, 28.5560);
        self.road(&[seat[S], (113.9470, 28.5950), (113.9450, 28.5790), bank], "云柳公路", "primary", "S907");
        self.road(&[bank, (113.9250, 28.5300), (113.9110, 28.5020), liutang[E]], "云柳公路", "primary", "S907");
        self.road(&[liutang[S], (113.9040, 28.4500), (113.9100, 28.4205)], "云柳公路", "primary", "S907");

        self.road(&[(113.7350, 28.7250), (113.7800, 28.7150), shiqiao[W]], "石云公路", "trunk", "G998");
        self.road(&[shiqiao[E], (113.8620, 28.6870), (113.9000, 28.6500), (113.9220, 28.6280), seat[W]], "石云公路", "trunk", "G998");
        self.road(&[seat[E], (113.9880, 28.6240), (114.0080, 28.6200), (114.0400, 28.6060), changling[W]], "云长公路", "trunk", "G998");
        self.road(&[changling[E], (114.1600, 28.6060), (114.2050, 28.6110)], "云长公路", "trunk", "G998");

        let east_end = (114.0620, 28.7120);
        self.road(&[at[2], (113.9850, 28.6520), (114.0300, 28.6900), east_end, fenglin[S]], "云枫公路", "secondary", "X001");
        self.road(&[fenglin[N], (114.0900, 28.7600), (114.1050, 28.7820)], "云枫公路", "secondary", "X001");
        // A road on the levee, two hundred metres from the river, from bridge to bridge.
        let mut levee: Vec<P> = self.ground.rivers[0].1[9..18].iter().map(|at| shift(*at, 0.0, 240.0)).collect();
        levee.push((113.9060, 28.6010));
        self.road(&levee, "云溪河堤防路", "unclassified", "");
        let west_end = (113.8180, 28.6720);
        self.road(&[shiqiao[S], west_end, (113.8120, 28.6350), levee[0], (113.8030, 28.5750), baisha[N]], "石白公路", "secondary", "X002");
        self.road(&[baisha[S], (113.7700, 28.5370), (113.7350, 28.5350)], "石白公路", "secondary", "X002");
        let fork = (113.8700, 28.5760);
        self.road(&[seat[W], (113.9220, 28.6080), (113.9060, 28.6010), (113.9030, 28.5860), fork], "云白老路", "tertiary", "X003");
        self.road(&[fork, (113.8350, 28.5620), baisha[E]], "云白老路", "tertiary", "X003");
        self.road(&[bank, (113.9750, 28.5400), (114.0200, 28.5120), qingfeng[W]], "云青公路", "secondary", "X004");
        self.road(&[qingfeng[E], (114.0780, 28.5050), (114.0950, 28.5450), changling[S]], "青长公路", "tertiary", "X005");
        self.road(&[fork, (113.8730, 28.5300), (113.8800, 28.5000), liutang[W]], "白柳公路", "tertiary", "X006");
        self.road(&[liutang[E], (113.9500, 28.4740), (114.0050, 28.4780), qingfeng[W]], "柳青公路", "tertiary", "X007");
        let portals = [(113.9960, 28.7660), (114.0210, 28.7560)];
        self.road(&[dayuan[E], (113.9750, 28.7740), portals[0]], "大枫公路", "tertiary", "X008");
        let tunnel = tags(&[("ref", "X008"), ("tunnel", "yes"), ("maxspeed", "40"), ("surface", "asphalt")]);
        let tunnel = self.add(&portals, "青岭隧道", "tertiary", tunnel);
        (tunnel.at_grade, tunnel.is_joined) = (false, false);
        self.road(&[portals[1], (114.0430, 28.7450), fenglin[W]], "大枫公路", "tertiary", "X008");
        self.road(&[shiqiao[N], (113.8450, 28.7350), (113.8800, 28.7560), (113.9100, 28.7630), dayuan[W]], "石大公路", "tertiary", "X009");

        let ends = [(113.8270, 28.6690), (114.0770, 28.7000)];
        let line =
            [ends[0], (113.8800, 28.6600), (113.9200, 28.6620), (113.9436, 28.6620), (113.9680, 28.6620), (114.0300, 28.6730), ends[1]];
        self.expressway(&line, "溪江高速", "S98", south, north);
        self.road(&[ends[0], west_end], "石桥连接线", "primary", "");
        self.road(&[ends[1], east_end], "枫林连接线", "primary", "");
    }

    /// How far a place is from a road that is driven on, metres.
    fn apart(&self, at: P) -> f64 {
        self.stretches(at, 2_000.0).first().map_or(f64::INFINITY, |(away, ..)| *away)
    }

    /// Places on ways that lanes may begin on, the nearest to `at` first: how far, the way, the stretch, the place.
    fn stretches(&self, at: P, within: f64) -> Vec<(f64, usize, usize, P)> {
        let mut found = vec![];
        for (w, way) in self.ways.iter().enumerate().filter(|(_, way)| way.is_joined && !matches!(way.class, "track" | "path" | "footway"))
        {
            for (i, pair) in way.points.windows(2).enumerate() {
                let on = nearest_on(p(pair[0]), p(pair[1]), at);
                let away = metres(on, at);
                if away <= within {
                    found.push((away, w, i, on));
                }
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }

    /// Leads a lane to a place, from the nearest road on the same bank.
    pub fn lead_to(&mut self, at: P, beyond: f64, name: &str, class: &'static str, more: Tags) {
        if self.apart(at) <= beyond {
            return;
        }
        let near = self.stretches(at, 12_000.0);
        let dry = near.iter().find(|(.., on)| self.ground.is_dry(&[*on, at]));
        let Some((_, w, i, on)) = dry.or_else(|| near.iter().find(|(.., on)| self.ground.is_fordable(&[*on, at]))).copied() else { return };
        // At a corner, where there is one.
        let way = &mut self.ways[w];
        let from = match [way.points[i], way.points[i + 1]].into_iter().find(|end| metres(p(*end), on) < 45.0) {
            Some(corner) => p(corner),
            None => {
                way.points.insert(i + 1, q(on));
                p(q(on))
            }
        };
        self.lane(from, at, name, class, more);
    }

    fn lane(&mut self, from: P, to: P, name: &str, class: &'static str, more: Tags) {
        let bent = self.bend(&[from, to]);
        let line = if self.ground.is_dry(&bent) { bent } else { vec![from, to] };
        self.add(&line, name, class, more);
    }

    /// Beyond every seventh hamlet a forest track, beyond others a footpath.
    pub fn wild(&mut self, hamlet: P, n: usize) {
        let (class, more) = match n % 14 {
            0 => ("track", tags(&[("surface", "ground"), ("tracktype", "grade3")])),
            7 => ("path", tags(&[("surface", "ground")])),
            _ => return,
        };
        let Some((_, w, i, _)) = self.stretches(hamlet, 400.0).first().copied() else { return };
        let (from, a) = (p(self.ways[w].points[i]), self.random.between(0.0, TAU));
        let length = self.random.between(500.0, 1_300.0);
        let to = shift(from, length * a.cos(), length * a.sin());
        if self.ground.is_dry(&[from, to]) {
            self.lane(from, to, "", class, more);
        }
    }

    /// Another way between two villages, if nothing lies between them.
    pub fn link(&mut self, a: P, b: P, name: &str, reference: &str) {
        if self.ground.is_dry(&[a, b]) {
            self.lane(a, b, name, "unclassified", tags(&[("ref", reference), ("surface", "concrete")]));
        }
    }
}

/// Stretches over water, and over other roads, metres to either side.
const RIVER: f64 = 75.0;
const STREAM: f64 = 18.0;

impl Roads<'_> {
    /// Ways that cross at grade get a point in common.
    fn meet(&mut self) {
        let mut added: Vec<Vec<(usize, f64, Q)>> = vec![vec![]; self.ways.len()];
        for i in 0..self.ways.len() {
            for j in 0..i {
                let (a, b) = (&self.ways[i], &self.ways[j]);
                if !a.at_grade || !b.at_grade {
                    continue;
                }
                for (m, first) in a.points.windows(2).enumerate() {
                    for (n, second) in b.points.windows(2).enumerate() {
                        let (e, f, g, h) = (p(first[0]), p(first[1]), p(second[0]), p(second[1]));
                        let Some((t, u)) = crossing(e, f, g, h) else { continue };
                        let on = (e.0 + t * (f.0 - e.0), e.1 + t * (f.1 - e.1));
                        // A corner close by is the crossing.
                        let near = |ends: [Q; 2]| ends.into_iter().find(|end| metres(p(*end), on) < 6.0);
                        let place = near([first[0], first[1]]).or(near([second[0], second[1]])).unwrap_or(q(on));
                        added[i].push((m, t, place));
                        added[j].push((n, u, place));
                    }
                }
            }
        }
        for (way, mut added) in self.ways.iter_mut().zip(added) {
            added.sort_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).expect("shares are numbers"));
            let mut points = vec![];
            for (i, point) in way.points.iter().enumerate() {
                points.push(*point);
                points.extend(
                    added.iter().filter(|(at, ..)| *at == i).map(|(.., place)| *place).filter(|place| Some(place) != way.points.get(i + 1)),
                );
            }
            points.dedup();
            way.points = points;
        }
    }

    /// Leaves out what isn't joined to the rest.
    fn prune(&mut self) {
        let mut group: HashMap<Q, usize> = HashMap::new();
        let mut of: Vec<usize> = (0..self.ways.len()).collect();
        fn root(of: &mut [usize], mut i: usize) -> usize {
            while of[i] != i {
                of[i] = of[of[i]];
                i = of[i];
            }
            i
        }
        for (w, way) in self.ways.iter().enumerate() {
            for point in &way.points {
                let other = *group.entry(*point).or_insert(w);
                let (a, b) = (root(&mut of, w), root(&mut of, other));
                of[a] = b;
            }
        }
        let roots: Vec<usize> = (0..of.len()).map(|w| root(&mut of, w)).collect();
        let mut size = vec![0; of.len()];
        roots.iter().for_each(|root| size[*root] += 1);
        let largest = (0..size.len()).max_by_key(|root| size[*root]);
        let mut at = roots.iter();
        self.ways.retain(|_| at.next() == largest.as_ref());
    }

    /// Parts a way into what lies on the ground and what is a bridge.
    fn bridged(&self, way: &Way, is_junction: impl Fn(&Q) -> bool) -> Vec<Way> {
        let mut along = vec![0.0];
        for pair in way.points.windows(2) {
            along.push(along[along.len() - 1] + metres(p(pair[0]), p(pair[1])));
        }
        let whole = along[along.len() - 1];
        let mut spans: Vec<(f64, f64, bool)> = vec![];
        for (i, pair) in way.points.windows(2).enumerate() {
            let (a, b) = (p(pair[0]), p(pair[1]));
            let water = self.ground.crossings(a, b).map(|(name, t)| (t, name == "云溪河"));
            // The expressway passes over other roads.
            let under =
                self.ways.iter().filter(|other| way.class == "motorway" && other.at_grade).flat_map(|other| other.points.windows(2));
            let under = under.filter_map(|other| crossing(a, b, p(other[0]), p(other[1]))).map(|(t, _)| (t, false));
            let is_end = |t: f64| way.class == "motorway" && (t == 0.0 || t == 1.0);
            for (t, is_river) in water.chain(under).filter(|(t, _)| !is_end(*t)) {
                let (s, half) = (along[i] + t * (along[i + 1] - along[i]), if is_river { RIVER } else { STREAM });
                // It ends at junctions.
                let junctions = || way.points.iter().zip(&along).filter(|(point, _)| is_junction(point)).map(|(_, at)| *at);
                let low = junctions().filter(|at| *at < s).fold((s - half).max(0.0), f64::max);
                let high = junctions().filter(|at| *at > s).fold((s + half).min(whole), f64::min);
                spans.push((low, high, is_river));
            }
        }
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64, bool)> = vec![];
        for (low, high, is_river) in spans {
            match merged.last_mut() {
                Some(last) if low <= last.1 + 1.0 => *last = (last.0, last.1.max(high), last.2 || is_river),
                _ => merged.push((low, high, is_river)),
            }
        }
        let part = |from: f64, to: f64| -> Vec<Q> {
            let at = |s: f64| {
                let i = along.partition_point(|at| *at <= s).clamp(1, along.len() - 1);
                let t = (s - along[i - 1]) / (along[i] - along[i - 1]).max(1e-9);
                let (a, b) = (p(way.points[i - 1]), p(way.points[i]));
                q((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)))
            };
            let inner = way.points.iter().zip(&along).filter(|(_, s)| **s > from + 0.3 && **s < to - 0.3).map(|(point, _)| *point);
            let mut points: Vec<Q> = std::iter::once(at(from)).chain(inner).chain([at(to)]).collect();
            points.dedup();
            points
        };
        let (mut parts, mut done) = (vec![], 0.0);
        for (low, high, is_river) in merged {
            parts.push(Way { points: part(done, low), ..way.clone() });
            let mut bridge = Way { points: part(low, high), ..way.clone() };
            bridge.tags.extend(tags(&[("bridge", "yes"), ("layer", "1")]));
            if is_river {
                // The old one bears little.
                let (name, most) = match way.name.as_str() {
                    "云柳公路" => ("云溪大桥", None),
                    "石白公路" => ("白沙大桥", None),
                    "云长公路" => ("长岭大桥", None),
                    "云白老路" => ("云溪老桥", Some("8")),
                    other => (other, Some("8")),
                };
                bridge.name = name.to_owned();
                bridge.tags.extend(most.map(|most| ("maxweight", s(most))));
            }
            parts.push(bridge);
            done = high;
        }
        parts.push(Way { points: part(done, whole), ..way.clone() });
        parts.retain(|part| part.points.len() > 1);
        parts
    }

    /// The roads as GeoJSON.
    pub fn finish(mut self) -> String {
        self.meet();
        self.prune();
        let mut uses: HashMap<Q, usize> = HashMap::new();
        self.ways.iter().flat_map(|way| &way.points).for_each(|point| *uses.entry(*point).or_default() += 1);
        let mut features = vec![];
        for way in self.ways.iter().flat_map(|way| self.bridged(way, |point| uses[point] > 1)) {
            let positions: Vec<String> = way.points.iter().map(|at| p(*at)).map(|at| format!("[{:.6},{:.6}]", at.0, at.1)).collect();
            let mut out = format!(
                "{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"LineString\",\"coordinates\":[{}]}},\"properties\":{{",
                positions.join(",")
            );
            let _ = write!(out, "\"class\":{}", s(way.class));
            let named = [("name", s(&way.name))];
            for (key, value) in named.iter().chain(&way.tags).filter(|(_, value)| value != "\"\"") {
                let _ = write!(out, ",\"{key}\":{value}");
            }
            features.push(out + "}}");
        }
        format!("{{\"type\":\"FeatureCollection\",\"fictional\":true,\"features\":[\n{}\n]}}\n", features.join(",\n"))
    }
}
