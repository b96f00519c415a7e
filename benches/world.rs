//! The in-memory engine at a million clustered points over 73–135° E, 18–54° N: `cargo bench --bench world`.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use biaotu::{
    model::{Catalog, Change, Feature, Geometry, Value, Viewer, layer::system},
    world::{Question, World, boxes::LonLatBox, nearest::Place, tile::TilePlace, within::Reach},
};
use criterion::{Criterion, criterion_group, criterion_main};
use uuid::Uuid;

#[path = "support/random.rs"]
mod random;
use random::Random;

// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POINTS: usize = 1_000_000;

/// Clusters as towns have them: the median place has some 900 neighbours within 10 km.
fn places(random: &mut Random, n: usize) -> Vec<(f64, f64)> {
    let towns: Vec<_> =
        (0..400).map(|_| (73.0 + 62.0 * random.unit(), 18.0 + 36.0 * random.unit(), 0.03 + 0.15 * random.unit() * random.unit())).collect();
    (0..n)
        .map(|_| {
            let town = towns[(random.unit() * towns.len() as f64) as usize];
            ((town.0 + town.2 * random.normal()).clamp(73.0, 135.0), (town.1 + town.2 * random.normal()).clamp(18.0, 54.0))
        })
        .collect()
}

/// The built-in definitions; depots and, for each, three stock lines.
fn world(random: &mut Random) -> (World, Vec<(f64, f64)>) {
    let catalog = Arc::new(Catalog::parse(&biaotu::config::built_in()).expect("the built-in definitions"));
    let (depot, layer) = catalog.layer("supply_depot").map(|(n, layer)| (n, layer.clone())).expect("supply_depot");
    let (stock, stock_layer) = catalog.layer("stock").map(|(n, layer)| (n, layer.clone())).expect("stock");
    let places = places(random, POINTS);
    let text = |text: &str| Value::Text(text.into());
    let shared = [text("bench"), text("990000000000")];
    let items: Vec<_> = (0..11).map(|i| (text(&format!("30101{i:02}")), text(["件", "吨", "条"][i % 3]))).collect();
    let mut features: Vec<Vec<Feature>> = vec![vec![]; catalog.layers.len()];
    for (n, (lon, lat)) in places.iter().enumerate() {
        let id = Uuid::from_u128(n as u128 + 1);
        let mut values = vec![Value::Null; layer.fields.len()];
        values[system::CODE] = text(&format!("D{n:07}"));
        values[system::NAME] = text(&format!("储备点 {n}"));
        values[system::SOURCE] = shared[0].clone();
        values[system::AREA_CODE] = shared[1].clone();
        values[system::VERIFIED] = Value::Bool(random.unit() > 0.1);
        features[depot].push(Feature {
            id,
            version: 1,
            updated_at: 0,
            geometry: Some(Geometry::Point { lon: *lon, lat: *lat }),
            values: values.into(),
        });
        if n % 10 == 0 {
            for _ in 0..3 {
                let (item, unit) = &items[(random.unit() * items.len() as f64) as usize];
                let mut values = vec![Value::Null; stock_layer.fields.len()];
                let mut set = |role, value: Value| {
                    if let Some(at) = stock_layer.role(role) {
                        values[at] = value;
                    }
                };
                set(biaotu::model::Role::StockOf, Value::Text(id.to_string().into()));
                set(biaotu::model::Role::ItemCode, item.clone());
                set(biaotu::model::Role::Unit, unit.clone());
                set(biaotu::model::Role::OnHand, Value::Num((random.unit() * 1_000.0).round()));
                set(biaotu::model::Role::Reserved, Value::Num(0.0));
                let id = Uuid::from_u128(1 << 64 | features[stock].len() as u128);
                features[stock].push(Feature { id, version: 1, updated_at: 0, geometry: None, values: values.into() });
            }
        }
    }
    let before = resident();
    let text_bytes: usize = features
        .iter()
        .zip(&catalog.layers)
        .flat_map(|(features, layer)| features.iter().step_by(97).map(move |feature| (feature, layer)))
        .map(|(feature, layer)| {
            let mut out = vec![];
            feature.write_fragment(layer, &mut out);
            out.len()
        })
        .sum::<usize>()
        * 97;
    let count: usize = features.iter().map(Vec::len).sum();
    let started = Instant::now();
    let world = World::build(catalog, features, 1, 0);
    let seconds = started.elapsed().as_secs_f64();
    // The allocator gives back what was only needed meanwhile a second later.
    std::thread::sleep(Duration::from_secs(2));
    drop(black_box((0..1_000).map(|n| vec![0_u8; n * 64]).collect::<Vec<_>>()));
    println!("build: {seconds:.2} s for {count} features, {:.0} a second", count as f64 / seconds);
    println!(
        "memory: {:.0} bytes a feature in all ({:.0} of it grew in the build), of which {:.0} are its text",
        resident() / count as f64,
        (resident() - before) / count as f64,
        text_bytes as f64 / count as f64
    );
    (world, places)
}

/// The tile of Web Mercator that holds a position.
fn tile_at(z: u8, lon: f64, lat: f64) -> Option<TilePlace> {
    let side = f64::from(1_u32 << z);
    let y = (1.0 - lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0;
    TilePlace::new(z, ((lon + 180.0) / 360.0 * side) as u32, (y * side) as u32)
}

/// Resident memory of the process, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}

fn bench(c: &mut Criterion) {
    let mut random = Random(42);
    let (world, places) = world(&mut random);
    let (depot, _) = world.catalog.layer("supply_depot").map(|(n, layer)| (n, layer.clone())).expect("supply_depot");
    let viewer = Viewer::local_admin();
    let question = Question { viewer: &viewer, now: 0, filter: None, hazard: None, include: 0, inside: None };
    let asked: Vec<Place> = (0..4_096)
        .map(|_| places[(random.unit() * places.len() as f64) as usize])
        .map(|(lon, lat)| Place::new(lon + 0.003, lat.min(53.9) + 0.003))
        .collect();
    let mut at = 0;
    let mut next = move || {
        at = (at + 1) % 4_096;
        at
    };
    let mut hits: Vec<u64> = asked
        .iter()
        .map(|place| world.within(depot, Reach::Radius { place: *place, radius_m: 10_000.0 }, 0, false, question).count)
        .collect();
    hits.sort_unstable();
    println!("within 10 km: median {} features", hits[hits.len() / 2]);
    // Medians over many single questions, each measured by itself.
    let median = |name: &str, ask: &mut dyn FnMut(Place)| {
        let mut times: Vec<Duration> = asked
            .iter()
            .map(|place| {
                let started = Instant::now();
                ask(*place);
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{name}: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    };
    median("nearest 10", &mut |place| drop(black_box(world.nearest(depot, place, 10, question))));
    median("within 10 km, counts and sums", &mut |place| {
        drop(black_box(world.within(depot, Reach::Radius { place, radius_m: 10_000.0 }, 0, true, question)))
    });
    median("within 10 km, 100 named", &mut |place| {
        drop(black_box(world.within(depot, Reach::Radius { place, radius_m: 10_000.0 }, 100, true, question)))
    });

    // The tile that comes nearest to 10,000 points.
    let index = world.layer(depot);
    let tiles = asked.iter().flat_map(|place| (6..11).filter_map(|z| tile_at(z, place.lon, place.lat)));
    let (tile, points) =
        tiles.map(|tile| (tile, index.in_box(tile.bounds()).count())).min_by_key(|(_, points)| points.abs_diff(10_000)).expect("a tile");
    println!("tile {}/{}/{}: {points} points, {} bytes", tile.z, tile.x, tile.y, index.tile(tile).len());
    c.bench_function("tile", |b| b.iter(|| black_box(index.tile(tile))));

    c.bench_function("nearest 10", |b| b.iter(|| black_box(world.nearest(depot, asked[next()], 10, question))));
    c.bench_function("within 10 km, counts and sums", |b| {
        b.iter(|| black_box(world.within(depot, Reach::Radius { place: asked[next()], radius_m: 10_000.0 }, 0, true, question)))
    });
    c.bench_function("within 10 km, 100 named", |b| {
        b.iter(|| black_box(world.within(depot, Reach::Radius { place: asked[next()], radius_m: 10_000.0 }, 100, true, question)))
    });
    let ids: Vec<Uuid> = (0..4_096).map(|_| Uuid::from_u128((random.unit() * POINTS as f64) as u128 + 1)).collect();
    c.bench_function("apply one write and publish", |b| {
        b.iter(|| {
            let stored = world.get(depot, &ids[next()]).expect("a depot");
            let mut new = stored.feature.clone();
            new.version += 1;
            let change = Change {
                seq: 2,
                at: 0,
                actor: "bench".into(),
                layer: depot,
                id: new.id,
                old: Some(Arc::new(stored.feature.clone())),
                new: Some(Arc::new(new)),
            };
            black_box(world.apply(&[change]))
        })
    });
    c.bench_function("box of one degree", |b| {
        b.iter(|| {
            let place = asked[next()];
            let lonlat = LonLatBox { west: place.lon - 0.5, south: place.lat - 0.5, east: place.lon + 0.5, north: place.lat + 0.5 };
            black_box(world.layer(depot).in_box(lonlat).count())
        })
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(4)); targets = bench }
criterion_main!(benches);
