//! Roads in process: `cargo bench --bench roads` on a generated region of a million arcs, and on the extract that `ROADS=region.osm.pbf`
//! names. Prints what building, loading, asking and closing take.

use std::{
    sync::Arc as Shared,
    time::{Duration, Instant},
};

use biaotu::{
    model::{
        Geometry,
        layer::{RoadBlock, Vertical},
    },
    osm::Coding,
    roads::{
        Built, Closure, Line, Profile, Region, Roads, Snap,
        build::{from_lines, from_osm},
        region::{self, Ask},
    },
};

#[path = "support/random.rs"]
mod random;
use random::Random;

// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Towns of crooked streets with gaps and oneways, joined to their neighbours by a few roads each.
fn region_of_towns(side: usize, streets: usize) -> Vec<Line> {
    let mut random = Random(7);
    let block = 0.0012;
    let pitch = block * (streets as f64 + 12.0);
    let mut lines = Vec::new();
    let mut line = |class: &str, oneway: bool, coordinates: Vec<(f64, f64)>| {
        let mut tags = vec![("highway".to_owned(), class.to_owned())];
        if oneway {
            tags.push(("oneway".into(), "yes".into()));
        }
        lines.push(Line { coordinates, tags });
    };
    for town in 0..side * side {
        let (x0, y0) = (112.0 + (town % side) as f64 * pitch, 27.0 + (town / side) as f64 * pitch);
        let places: Vec<(f64, f64)> = (0..streets * streets)
            .map(|n| {
                let (i, j) = ((n % streets) as f64, (n / streets) as f64);
                (x0 + (i + 0.3 * random.unit()) * block, y0 + (j + 0.3 * random.unit()) * block)
            })
            .collect();
        for n in 0..streets * streets {
            let (i, j) = (n % streets, n / streets);
            for (to, fits, main) in [(n + 1, i + 1 < streets, j % 8 == 4), (n + streets, j + 1 < streets, i % 8 == 4)] {
                if fits && (main || random.unit() > 0.15) {
                    let class = if main { "secondary" } else { "residential" };
                    line(class, !main && random.unit() < 0.15, vec![places[n], places[to]]);
                }
            }
        }
        // To the towns in the east and the north.
        for k in [4, streets - 5] {
            if town % side + 1 < side {
                line("primary", false, vec![places[k * streets + streets - 1], (x0 + pitch - 6.0 * block, y0 + k as f64 * block)]);
            }
            if town / side + 1 < side {
                line("primary", false, vec![places[(streets - 1) * streets + k], (x0 + k as f64 * block, y0 + pitch - 6.0 * block)]);
            }
            // And the other half of the roads that come from the west and the south.
            if town % side > 0 {
                line("primary", false, vec![places[k * streets], (x0 - 6.0 * block, y0 + k as f64 * block)]);
            }
            if town / side > 0 {
                line("primary", false, vec![places[k], (x0 + k as f64 * block, y0 - 6.0 * block)]);
            }
        }
    }
    lines
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn measure(name: &str, built: Built, took: Duration) {
    println!("\n## {name}: {} roads; built in {took:.2?}", built.network.roads.len());
    let at = Instant::now();
    let orders = region::orders(&built, |_| Ok(())).expect("orders");
    let took = at.elapsed();
    let packed = region::pack(&built, &orders).expect("packs");
    drop((built, orders));
    println!("orders {took:.2?}; packed {:.1} MB", packed.len() as f64 / 1e6);
    let (at, before) = (Instant::now(), resident());
    let region = Region::read(&packed).expect("reads");
    println!("loaded with all hierarchies in {:.2?}; resident {:.0} MB more", at.elapsed(), resident() - before);
    let free = Roads::new(Shared::new(region), 0);
    let junctions = free.region.network.junctions.clone();
    let bounds = junctions.iter().fold([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY], |b, point| {
        let (x, y) = point.degrees();
        [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
    });
    // A tenth of either side: about a hundredth of the area, in the middle.
    let mid = |low: f64, high: f64, share: f64| low + (high - low) * share;
    let corners = [(0.45, 0.45), (0.55, 0.45), (0.55, 0.55), (0.45, 0.55), (0.45, 0.45)];
    let ring: Vec<[f64; 2]> = corners.iter().map(|(x, y)| [mid(bounds[0], bounds[2], *x), mid(bounds[1], bounds[3], *y)]).collect();
    let geometry = Geometry::from_geojson(&serde_json::json!({ "type": "Polygon", "coordinates": [ring] })).expect("a square");
    let closure = |id: usize, geometry: Geometry| Closure {
        layer: "closure".into(),
        id: id.to_string(),
        name: String::new(),
        kind: RoadBlock::Closed,
        speed_kmh: 10.0,
        exempt: vec![],
        vertical: Vertical::All,
        geometry,
    };
    let at = Instant::now();
    let pending = free.with(&[closure(0, geometry)], 1);
    let acknowledged = at.elapsed();
    let at = Instant::now();
    let closed = pending.settled();
    println!(
        "a closure over 1 % of the area: {} parts of roads cut in {acknowledged:.2?}, all hierarchies settled {:.2?} later",
        pending.closures.list()[0].parts.len(),
        at.elapsed()
    );
    // A thousand closures of a block each.
    let mut random = Random(11);
    let small = (0..1_000).map(|n| {
        let (x, y) = (mid(bounds[0], bounds[2], random.unit()), mid(bounds[1], bounds[3], random.unit()));
        let ring = [[x, y], [x + 8e-4, y], [x + 8e-4, y + 8e-4], [x, y + 8e-4], [x, y]];
        closure(n, Geometry::from_geojson(&serde_json::json!({ "type": "Polygon", "coordinates": [ring] })).expect("a square"))
    });
    let thousand = free.with(&small.collect::<Vec<_>>(), 2).settled();
    for (n, mode) in free.region.modes.iter().enumerate() {
        let mut random = Random(n as u64 + 1);
        let mut snap = || loop {
            let (x, y) = junctions[(random.unit() * junctions.len() as f64) as usize].degrees();
            if let Some(snap) = free.region.snap(mode, &[Ask::new(x + 1e-4, y)], false)[0] {
                return snap;
            }
        };
        let snaps: Vec<Snap> = (0..2_000).map(|_| snap()).collect();
        let trips = |roads: &Roads| {
            let conditions = roads.conditions(n);
            let one = |pair: &[Snap]| {
                let at = Instant::now();
                std::hint::black_box(conditions.trip(&pair[0], &pair[1]));
                at.elapsed()
            };
            snaps.chunks_exact(2).map(one).for_each(drop);
            sorted(snaps.chunks_exact(2).map(one).collect())
        };
        let (open, shut, many) = (trips(&free), trips(&closed), trips(&thousand));
        let what_if = {
            let mut conditions = closed.conditions(n);
            conditions.metric = None;
            sorted(
                snaps
                    .chunks_exact(2)
                    .take(50)
                    .map(|pair| {
                        let at = Instant::now();
                        std::hint::black_box(conditions.trip(&pair[0], &pair[1]));
                        at.elapsed()
                    })
                    .collect(),
            )
        };
        let table = |from: usize| {
            let conditions = free.conditions(n);
            sorted(
                (0..5)
                    .map(|_| {
                        let at = Instant::now();
                        std::hint::black_box(conditions.table(&snaps[..from], &snaps[1_000..]));
                        at.elapsed()
                    })
                    .collect(),
            )[2]
        };
        let at = Instant::now();
        let mut conditions = free.conditions(n);
        conditions.customize();
        let whole = at.elapsed();
        println!(
            "{}: {} arcs, {} turns, {} MB of hierarchy; trip p50 {:.1?} p99 {:.1?}; with 1 % closed p50 {:.1?}; with 1,000 closures p50 {:.1?}; without a hierarchy, where closures matter or not, p50 {:.1?}; 1 x 1,000 {:.2?}; 100 x 1,000 {:.1?}; whole customization {whole:.1?}",
            mode.profile.name,
            mode.turns.nodes(),
            mode.turns.head.len(),
            mode.hierarchy.bytes() / 1_000_000,
            open[500],
            open[990],
            shut[500],
            many[500],
            what_if[25],
            table(1),
            table(100)
        );
    }
}

fn main() {
    let profiles = Profile::built_in().expect("profiles");
    if let Some(path) = std::env::var_os("ROADS") {
        let bytes = std::fs::read(&path).expect("the extract that ROADS names");
        let at = Instant::now();
        let built = from_osm(&profiles, Coding::Pbf, &bytes).expect("an extract");
        measure(&path.to_string_lossy(), built, at.elapsed());
        return;
    }
    let at = Instant::now();
    let built = from_lines(&profiles, region_of_towns(15, 36)).expect("a region");
    measure("a generated region", built, at.elapsed());
}
