//! The world against PostGIS `geography`: distances, nearest and within over points, lines and polygons, at several
//! latitudes, across the antimeridian and near the poles.

use std::{collections::BTreeMap, sync::Arc};

use biaotu::{
    model::{Catalog, Feature, Geometry, Value, Viewer, geometry::check_position, sphere},
    world::{Question, World, nearest::Place, within::Reach},
};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::support::{self, Random};

const LAYER: &str = r##"
id = "thing"
version = 1
name = { zh = "物", en = "Thing" }
group = "test"
geometry = "any"
symbol = { icon = "area", color = "#336699" }
"##;

pub fn catalog() -> Arc<Catalog> {
    Arc::new(Catalog::parse(&[("thing.toml".into(), LAYER.into())]).unwrap())
}

/// The position `distance` metres from another, on the sphere: good enough to make shapes with.
fn destination(lon: f64, lat: f64, azimuth: f64, distance: f64) -> Coord<f64> {
    let (angle, lat) = (distance / sphere::R, lat.to_radians());
    let to_lat = (lat.sin() * angle.cos() + lat.cos() * angle.sin() * azimuth.cos()).asin();
    let to_lon = lon.to_radians() + (azimuth.sin() * angle.sin() * lat.cos()).atan2(angle.cos() - lat.sin() * to_lat.sin());
    Coord { x: (to_lon.to_degrees() + 540.0).rem_euclid(360.0) - 180.0, y: to_lat.to_degrees().clamp(-90.0, 90.0) }
}

/// Somewhere: in a county, a country, on the antimeridian, near a pole or anywhere.
fn somewhere(random: &mut Random) -> (f64, f64) {
    match random.below(6) {
        0 => (random.between(113.5, 114.5), random.between(28.2, 29.0)),
        1 => (random.between(73.0, 135.0), random.between(18.0, 54.0)),
        2 => ((random.between(178.0, 182.0) + 180.0).rem_euclid(360.0) - 180.0, random.between(-60.0, 60.0)),
        3 => (random.between(-180.0, 180.0), random.between(86.0, 90.0)),
        4 => (random.between(-180.0, 180.0), random.between(-90.0, -86.0)),
        _ => (random.between(-180.0, 180.0), random.between(-1.0f64, 1.0).asin().to_degrees()),
    }
}

fn star(random: &mut Random, lon: f64, lat: f64, size: f64) -> Polygon<f64> {
    let corners = 3 + random.below(12);
    let turn = random.between(0.0, 6.0);
    let mut ring: Vec<_> = (0..corners)
        .map(|i| destination(lon, lat, -turn - std::f64::consts::TAU * i as f64 / corners as f64, size * random.between(0.4, 1.0)))
        .collect();
    ring.push(ring[0]);
    Polygon::new(LineString(ring), vec![])
}

pub fn random_geometry(random: &mut Random) -> Geometry {
    loop {
        let (lon, lat) = somewhere(random);
        let size = 10f64.powf(random.between(1.0, 5.6));
        let shape = match random.below(6) {
            0 | 1 => geo::Geometry::Point(geo::Point::new(lon, lat)),
            2 | 3 => {
                let mut at = Coord { x: lon, y: lat };
                let mut line = vec![at];
                for _ in 0..1 + random.below(8) {
                    at = destination(at.x, at.y, random.between(0.0, std::f64::consts::TAU), size * random.between(0.1, 1.0));
                    line.push(at);
                }
                geo::Geometry::LineString(LineString(line))
            }
            4 => geo::Geometry::Polygon(star(random, lon, lat, size)),
            _ => {
                let away = destination(lon, lat, random.between(0.0, std::f64::consts::TAU), size * 2.5);
                geo::Geometry::MultiPolygon(MultiPolygon(vec![star(random, lon, lat, size), star(random, away.x, away.y, size)]))
            }
        };
        // A star round a pole may fold over itself; such are refused, and another is made.
        if let Ok(geometry) = Geometry::from_geo(shape) {
            return geometry;
        }
    }
}

pub fn feature(catalog: &Catalog, n: usize, geometry: Geometry) -> Feature {
    let values = vec![Value::Null; catalog.layers[0].fields.len()];
    Feature { id: Uuid::from_u128(n as u128 + 1), version: 1, updated_at: 0, geometry: Some(geometry), values: values.into() }
}

fn number(id: Uuid) -> usize {
    id.as_u128() as usize - 1
}

/// Metres by which an answer about shapes may differ from PostGIS: 10 mm/km + 1 mm.
fn tolerance(distance: f64) -> f64 {
    distance * 1e-5 + 1e-3
}

struct Oracle {
    connection: PgConnection,
}

impl Oracle {
    async fn with(geometries: &[Geometry]) -> Oracle {
        let mut connection = PgConnection::connect(&support::postgres_url()).await.expect("PostgreSQL for tests");
        sqlx::query("CREATE EXTENSION IF NOT EXISTS postgis").execute(&mut connection).await.unwrap();
        sqlx::query("CREATE TEMP TABLE thing (n bigint, g geography)").execute(&mut connection).await.unwrap();
        let texts: Vec<String> = geometries
            .iter()
            .map(|geometry| {
                let mut out = vec![];
                geometry.write_geojson(&mut out);
                String::from_utf8(out).unwrap()
            })
            .collect();
        sqlx::query("INSERT INTO thing SELECT n - 1, ST_GeomFromGeoJSON(g)::geography FROM unnest($1::text[]) WITH ORDINALITY AS t(g, n)")
            .bind(texts)
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query("CREATE INDEX ON thing USING gist (g)").execute(&mut connection).await.unwrap();
        sqlx::query("ANALYZE thing").execute(&mut connection).await.unwrap();
        Oracle { connection }
    }

    /// For each place the `k` nearest: (number, metres).
    async fn nearest(&mut self, places: &[(f64, f64)], k: i64) -> Vec<Vec<(usize, f64)>> {
        // <-> orders geography by distance on the sphere, up to 0.6 % off: take more, and order those by the spheroid.
        let sql = "SELECT q.i, x.n, x.d FROM unnest($1::float8[], $2::float8[]) WITH ORDINALITY AS q(lon, lat, i)
             CROSS JOIN LATERAL (SELECT n, ST_Distance(g, ST_MakePoint(q.lon, q.lat)::geography) AS d FROM thing
                                 ORDER BY g <-> ST_MakePoint(q.lon, q.lat)::geography LIMIT $3 + 30) x ORDER BY q.i, x.d";
        let mut found = self.rows(sql, places, Some(k), None).await;
        found.iter_mut().for_each(|nearest| nearest.truncate(k as usize));
        found
    }

    /// For each place what is within its radius.
    async fn within(&mut self, places: &[(f64, f64)], radii: &[f64]) -> Vec<Vec<(usize, f64)>> {
        let sql = "SELECT q.i, t.n, ST_Distance(t.g, ST_MakePoint(q.lon, q.lat)::geography) AS d
             FROM unnest($1::float8[], $2::float8[], $3::float8[]) WITH ORDINALITY AS q(lon, lat, r, i)
             JOIN thing t ON ST_DWithin(t.g, ST_MakePoint(q.lon, q.lat)::geography, q.r) ORDER BY q.i";
        self.rows(sql, places, None, Some(radii)).await
    }

    async fn distances(&mut self, pairs: &[(usize, (f64, f64))]) -> Vec<f64> {
        let sql = "SELECT ST_Distance(t.g, ST_MakePoint(q.lon, q.lat)::geography) AS d
             FROM unnest($1::float8[], $2::float8[], $3::int8[]) WITH ORDINALITY AS q(lon, lat, n, i) JOIN thing t ON t.n = q.n ORDER BY q.i";
        let rows = sqlx::query(sql)
            .bind(pairs.iter().map(|pair| pair.1.0).collect::<Vec<_>>())
            .bind(pairs.iter().map(|pair| pair.1.1).collect::<Vec<_>>())
            .bind(pairs.iter().map(|pair| pair.0 as i64).collect::<Vec<_>>())
            .fetch_all(&mut self.connection)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn rows(&mut self, sql: &'static str, places: &[(f64, f64)], k: Option<i64>, radii: Option<&[f64]>) -> Vec<Vec<(usize, f64)>> {
        let query = sqlx::query(sql)
            .bind(places.iter().map(|place| place.0).collect::<Vec<_>>())
            .bind(places.iter().map(|place| place.1).collect::<Vec<_>>());
        let query = match (k, radii) {
            (Some(k), _) => query.bind(k),
            (_, radii) => query.bind(radii.unwrap_or_default().to_vec()),
        };
        let mut found = vec![vec![]; places.len()];
        for row in query.fetch_all(&mut self.connection).await.unwrap() {
            found[row.get::<i64, _>(0) as usize - 1].push((row.get::<i64, _>(1) as usize, row.get(2)));
        }
        found
    }
}

fn question<'a>(viewer: &'a Viewer, inside: Option<&'a Geometry>) -> Question<'a> {
    Question { viewer, now: 0, filter: None, hazard: None, include: 0, inside }
}

#[tokio::test(flavor = "multi_thread")]
async fn distances_nearest_and_within_agree_with_postgis_geography() {
    let mut random = Random::seeded("world against postgis");
    let catalog = catalog();
    let geometries: Vec<_> = (0..1_500).map(|_| random_geometry(&mut random)).collect();
    let mut oracle = Oracle::with(&geometries).await;
    let features = geometries.iter().cloned().enumerate().map(|(n, geometry)| feature(&catalog, n, geometry)).collect();
    let world = World::build(catalog, vec![features], 1, 0);
    let viewer = Viewer::local_admin();

    let queries = if support::soak() { 40_000 } else { 4_000 };
    let places: Vec<_> = (0..queries)
        .map(|_| match random.below(2) {
            0 => somewhere(&mut random),
            _ => {
                let (lon, lat) = geometries[random.below(geometries.len())].anchor();
                let near = destination(lon, lat, random.between(0.0, std::f64::consts::TAU), 10f64.powf(random.between(0.0, 6.0)));
                (near.x, near.y)
            }
        })
        .filter(|(lon, lat)| check_position(*lon, *lat).is_ok())
        .collect();

    // Distances of random pairs.
    let pairs: Vec<_> = places.iter().map(|place| (random.below(geometries.len()), *place)).collect();
    for ((n, (lon, lat)), theirs) in pairs.iter().zip(oracle.distances(&pairs).await) {
        let ours = geometries[*n].distance_m(*lon, *lat);
        // Points are promised to 1 mm/km, and get it everywhere.
        let allowed = if matches!(geometries[*n], Geometry::Point { .. }) { theirs * 1e-6 + 1e-4 } else { tolerance(theirs) };
        assert!((ours - theirs).abs() <= allowed, "{:?} from {lon},{lat}: {ours} here, {theirs} in PostGIS", geometries[*n].to_geo());
    }

    // The nearest five.
    for (place, theirs) in places.iter().zip(oracle.nearest(&places, 5).await) {
        let (ours, _) = world.nearest(0, Place::new(place.0, place.1), 5, question(&viewer, None));
        assert_eq!(ours.len(), 5);
        for (hit, (_, theirs)) in ours.iter().zip(&theirs) {
            assert!((hit.distance_m - theirs).abs() <= tolerance(*theirs), "from {place:?}: {} here, {theirs} in PostGIS", hit.distance_m);
        }
    }

    // Everything within a radius; what only one of the two finds must stand at the very edge.
    let radii: Vec<_> = places.iter().map(|_| 10f64.powf(random.between(0.0, 6.5))).collect();
    for ((place, radius), theirs) in places.iter().zip(&radii).zip(oracle.within(&places, &radii).await) {
        let reach = Reach::Radius { place: Place::new(place.0, place.1), radius_m: *radius };
        let found = world.within(0, reach, usize::MAX, false, question(&viewer, None));
        assert_eq!(found.count as usize, found.hits.len());
        let ours: BTreeMap<usize, f64> = found.hits.iter().map(|hit| (number(hit.stored.feature.id), hit.distance_m)).collect();
        let theirs: BTreeMap<usize, f64> = theirs.into_iter().collect();
        for (n, distance) in
            ours.iter().filter(|(n, _)| !theirs.contains_key(n)).chain(theirs.iter().filter(|(n, _)| !ours.contains_key(n)))
        {
            assert!((distance - radius).abs() <= 2.0 * tolerance(*radius), "{n} at {distance} for radius {radius} from {place:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_finds_what_postgis_finds() {
    let mut random = Random::seeded("areas against postgis");
    let catalog = catalog();
    let geometries: Vec<_> = (0..800).map(|_| random_geometry(&mut random)).collect();
    let mut oracle = Oracle::with(&geometries).await;
    let features = geometries.iter().cloned().enumerate().map(|(n, geometry)| feature(&catalog, n, geometry)).collect();
    let world = World::build(catalog, vec![features], 1, 0);
    let viewer = Viewer::local_admin();
    for _ in 0..if support::soak() { 2_000 } else { 200 } {
        let (lon, lat) = geometries[random.below(geometries.len())].anchor();
        let size = 10f64.powf(random.between(2.0, 6.0));
        let Ok(area) = Geometry::from_geo(geo::Geometry::Polygon(star(&mut random, lon, lat, size))) else { continue };
        let found = world.within(0, Reach::Area(&area), usize::MAX, false, question(&viewer, None));
        let ours: std::collections::BTreeSet<usize> = found.hits.iter().map(|hit| number(hit.stored.feature.id)).collect();
        let mut text = vec![];
        area.write_geojson(&mut text);
        let rows = sqlx::query("SELECT n, ST_Distance(g, ST_GeomFromGeoJSON($1)::geography) AS d FROM thing")
            .bind(String::from_utf8(text).unwrap())
            .fetch_all(&mut oracle.connection)
            .await
            .unwrap();
        for row in rows {
            let (n, distance) = (row.get::<i64, _>(0) as usize, row.get::<f64, _>(1));
            // Touching is decided to a centimetre.
            if ours.contains(&n) {
                assert!(distance <= 0.01, "{n} found at {distance} m from {:?}", area.to_geo());
            } else {
                assert!(distance > 0.0, "{n} missed: {:?} in {:?}", geometries[n].to_geo(), area.to_geo());
            }
        }
    }
}

/// Blocks, summaries and shortlists against looking at every feature, as a slow oracle.
#[test]
fn shortcuts_agree_with_looking_at_each_feature() {
    use biaotu::model::{Exclusion, LayerRole, Role};
    let mut random = Random::seeded("world shortcuts");
    let catalog = Arc::new(Catalog::parse(&biaotu::config::built_in()).unwrap());
    let number_of = |id: &str| catalog.layer(id).unwrap().0;
    let (depot, shelter, stock) = (number_of("supply_depot"), number_of("shelter"), number_of("stock"));
    let text = |text: &str| Value::Text(text.into());
    let mut features: Vec<Vec<Feature>> = vec![vec![]; catalog.layers.len()];
    let towns: Vec<_> = (0..12).map(|_| (somewhere(&mut random), 10f64.powf(random.between(2.0, 4.5)))).collect();
    for n in 0..16_000 {
        let layer = if n % 2 == 0 { depot } else { shelter };
        let definition = &catalog.layers[layer];
        let (town, spread) = towns[random.below(towns.len())];
        // Some stand at the very same place.
        let away = if random.below(20) == 0 { 0.0 } else { spread * random.between(0.0, 1.0).powi(2) };
        let at = destination(town.0, town.1, random.between(0.0, std::f64::consts::TAU), away);
        let mut values = vec![Value::Null; definition.fields.len()];
        let mut set = |key: &str, value: Value| {
            if let Some((at, _)) = definition.field(key) {
                values[at] = value;
            }
        };
        set("verified", Value::Bool(random.below(10) > 0));
        set("state", text(if random.below(20) > 0 { "open" } else { "closed" }));
        set("capacity", Value::Int(100));
        set("occupied", Value::Int(if random.below(9) == 0 { 100 } else { 5 }));
        if random.below(300) == 0 {
            set("unsafe_for", Value::List(Arc::new(vec!["flood".into()])));
        }
        let id = Uuid::from_u128(n as u128 + 1);
        features[layer].push(Feature {
            id,
            version: 1,
            updated_at: 0,
            geometry: Some(Geometry::point(at.x, at.y).unwrap()),
            values: values.into(),
        });
        if layer == depot && random.below(3) == 0 {
            let definition = &catalog.layers[stock];
            let mut values = vec![Value::Null; definition.fields.len()];
            let mut set = |role, value| values[definition.role(role).unwrap()] = value;
            set(Role::StockOf, text(&id.to_string()));
            set(Role::ItemCode, text(["A", "B", "C"][random.below(3)]));
            set(Role::Unit, text(["吨", "条"][random.below(2)]));
            set(Role::OnHand, Value::Num(random.below(500) as f64));
            set(Role::Reserved, Value::Num(random.below(5) as f64));
            features[stock].push(Feature {
                id: Uuid::from_u128(1 << 90 | n as u128),
                version: 1,
                updated_at: 0,
                geometry: None,
                values: values.into(),
            });
        }
    }
    assert!(catalog.layers[stock].has(LayerRole::Stock));
    let world = World::build(catalog.clone(), features.clone(), 1, 0);
    let lines = features[stock].clone();
    let viewer = Viewer::local_admin();
    for turn in 0..if support::soak() { 3_000 } else { 300 } {
        let layer = [depot, shelter][turn % 2];
        let (town, spread) = towns[random.below(towns.len())];
        let at = destination(town.0, town.1, random.between(0.0, std::f64::consts::TAU), spread * random.between(0.0, 1.5));
        let radius_m = 10f64.powf(random.between(1.0, 7.0));
        let include = [0, 0, 0, Exclusion::Closed.bit(), Exclusion::Unverified.bit() | Exclusion::Full.bit()][random.below(5)];
        let hazard = [None, Some("flood")][random.below(2)];
        let question = Question { viewer: &viewer, now: 0, filter: None, hazard, include, inside: None };
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for stored in world.layer(layer).by_id.values() {
            let distance = stored.feature.geometry.as_ref().unwrap().distance_m(at.x, at.y);
            let unsafe_here = hazard.and_then(|kind| catalog.hazard_bit(kind)).is_some_and(|bit| stored.unsafe_for() & bit != 0);
            let reasons = stored.excluded() & !include | if unsafe_here { Exclusion::Unsafe.bit() & !include } else { 0 };
            match Exclusion::ALL.into_iter().find(|reason| stored.excluded() & !include & reason.bit() != 0) {
                _ if reasons == 0 => taken.push((distance, stored.feature.id)),
                Some(reason) => left.push((distance, reason)),
                None => left.push((distance, Exclusion::Unsafe)),
            }
        }
        taken.sort_by(|a, b| a.partial_cmp(b).unwrap());
        left.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Distances derived from chords differ by 0.1 mm/km; what stands at the very edge isn't asked about.
        let near = |a: f64, b: f64| (a - b).abs() <= b * 1.1e-7 + 1e-6;
        let same = |ours: &[f64], theirs: &[f64]| {
            assert_eq!(ours.len(), theirs.len(), "turn {turn}");
            assert!(ours.iter().zip(theirs).all(|(a, b)| near(*a, *b)), "turn {turn}: {ours:?} against {theirs:?}");
        };
        let place = Place::new(at.x, at.y);

        let k = 1 + random.below(40);
        let (hits, excluded) = world.nearest(layer, place, k, question);
        same(&hits.iter().map(|hit| hit.distance_m).collect::<Vec<_>>(), &taken.iter().take(k).map(|(d, _)| *d).collect::<Vec<_>>());
        let last = taken.get(k - 1).map_or(f64::INFINITY, |(d, _)| *d);
        if !left.iter().any(|(d, _)| near(*d, last)) {
            assert_eq!(excluded.counts.iter().sum::<u64>() as usize, left.iter().filter(|(d, _)| *d <= last).count());
        }

        if taken.iter().map(|(d, _)| d).chain(left.iter().map(|(d, _)| d)).any(|d| near(*d, radius_m)) {
            continue;
        }
        let limit = [0, 7, 100, usize::MAX][random.below(4)];
        let found = world.within(layer, Reach::Radius { place, radius_m }, limit, true, question);
        taken.retain(|(d, _)| *d <= radius_m);
        left.retain(|(d, _)| *d <= radius_m);
        assert_eq!(found.count as usize, taken.len(), "turn {turn}");
        for reason in Exclusion::ALL {
            let theirs = left.iter().filter(|(_, why)| *why == reason).count();
            assert_eq!(found.excluded.counts[reason as usize] as usize, theirs, "turn {turn}: {}", reason.word());
        }
        same(
            &found.hits.iter().map(|hit| hit.distance_m).collect::<Vec<_>>(),
            &taken.iter().take(limit).map(|(d, _)| *d).collect::<Vec<_>>(),
        );
        let last = if limit <= taken.len() { limit.checked_sub(1).map_or(-1.0, |at| taken[at].0) } else { f64::INFINITY };
        if !left.iter().any(|(d, _)| near(*d, last)) {
            let named: Vec<f64> = left.iter().map(|(d, _)| *d).filter(|d| *d <= last).take(limit.min(100)).collect();
            same(&found.excluded.nearest.iter().map(|left| left.distance_m).collect::<Vec<_>>(), &named);
        }
        let mut sums: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
        let definition = &catalog.layers[stock];
        let role = |feature: &Feature, role| feature.values[definition.role(role).unwrap()].to_text();
        let ids: std::collections::HashSet<Uuid> = taken.iter().map(|(_, id)| *id).collect();
        for line in lines.iter().filter(|line| ids.contains(&role(line, Role::StockOf).parse().unwrap())) {
            let sum = sums.entry((role(line, Role::ItemCode), role(line, Role::Unit))).or_default();
            sum.0 += role(line, Role::OnHand).parse::<f64>().unwrap();
            sum.1 += role(line, Role::Reserved).parse::<f64>().unwrap();
        }
        let ours = found.sums.to_json(world.items());
        for ((item, unit), (on_hand, reserved)) in &sums {
            assert_eq!(ours[item][unit]["on_hand"].as_f64(), Some(*on_hand), "turn {turn}: {item} {unit}");
            assert_eq!(ours[item][unit]["reserved"].as_f64(), Some(*reserved), "turn {turn}: {item} {unit}");
        }
        assert_eq!(ours.as_object().unwrap().values().map(|units| units.as_object().unwrap().len()).sum::<usize>(), sums.len());
    }
}

#[test]
fn changes_in_any_order_leave_the_world_that_a_fresh_build_gives() {
    use biaotu::model::Change;
    let mut random = Random::seeded("world changes");
    let catalog = catalog();
    let mut kept: BTreeMap<Uuid, Feature> = BTreeMap::new();
    let mut world = World::build(catalog.clone(), vec![vec![]], 0, 0);
    let mut seq = 0;
    for _ in 0..60 {
        let mut changes = Vec::new();
        let mut batch: BTreeMap<Uuid, Feature> = kept.clone();
        for _ in 0..1 + random.below(400) {
            seq += 1;
            let n = random.below(5_000);
            let id = Uuid::from_u128(n as u128 + 1);
            let old = batch.get(&id).cloned().map(Arc::new);
            let new = match random.below(4) {
                0 => None,
                1 => Some(Feature { geometry: None, ..feature(&catalog, n, random_geometry(&mut random)) }),
                _ => Some(feature(&catalog, n, random_geometry(&mut random))),
            };
            if old.is_none() && new.is_none() {
                continue;
            }
            match &new {
                Some(feature) => drop(batch.insert(id, feature.clone())),
                None => drop(batch.remove(&id)),
            }
            changes.push(Change { seq, at: 0, actor: "test".into(), layer: 0, id, old, new: new.map(Arc::new) });
        }
        let before = world.clone();
        let count_before = before.layer(0).by_id.len();
        world = world.apply(&changes);
        kept = batch;
        // A reader's world stays what it was.
        assert_eq!(before.layer(0).by_id.len(), count_before);
    }
    let fresh = World::build(catalog, vec![kept.into_values().collect()], seq, 0);
    let viewer = Viewer::local_admin();
    assert_eq!(world.layer(0).by_id.len(), fresh.layer(0).by_id.len());
    for _ in 0..500 {
        let (lon, lat) = somewhere(&mut random);
        let ids = |world: &World| -> Vec<Uuid> {
            world.nearest(0, Place::new(lon, lat), 20, question(&viewer, None)).0.iter().map(|hit| hit.stored.feature.id).collect()
        };
        assert_eq!(ids(&world), ids(&fresh));
    }
}
