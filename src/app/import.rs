//! Imports: a file becomes rows, rows become a plan, a plan becomes one transaction.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::{App, resolve_refs, roads::Survey};
use crate::{
    error::{Code, Error, Result},
    exchange::{Action, Crs, Lookup, Options, Plan, Read, Row, csv, geojson, grid, import, osm, spreadsheet},
    model::{Deleted, Draft, Exclusion, Feature, LayerRole, Role, Value, Values, Viewer, layer::system},
    world::{Question, World, nearest::Place},
};

/// What can be read, as names of files end.
pub const FORMATS: &str = "xlsx, xls, csv, geojson, tif, asc, osm.pbf, osm";

/// How long a start waits for the demo county's roads to be in use.
const ROADS_WAIT: Duration = Duration::from_secs(20);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Spreadsheet,
    GeoJson,
    Osm(crate::osm::Coding),
    Grid(grid::Coding),
}

impl Format {
    /// By the file's name.
    ///
    /// # Errors
    /// [`Code::UnsupportedMedia`] with what can be read.
    pub fn of(name: &str) -> Result<Format> {
        let lower = name.to_lowercase();
        Ok(match lower.rsplit('.').next().unwrap_or_default() {
            "csv" | "tsv" | "txt" => Format::Csv,
            "xlsx" | "xlsm" | "xls" => Format::Spreadsheet,
            "geojson" | "json" | "geojsonl" | "ndjson" => Format::GeoJson,
            "tif" | "tiff" => Format::Grid(grid::Coding::GeoTiff),
            "asc" => Format::Grid(grid::Coding::Ascii),
            "pbf" => Format::Osm(crate::osm::Coding::Pbf),
            "osm" => Format::Osm(crate::osm::Coding::Xml),
            other => return Err(Error::new(Code::UnsupportedMedia, "file", other, FORMATS)),
        })
    }
}

/// How to import.
#[derive(Clone, Debug)]
pub struct Request {
    /// Not needed for an OSM extract, which fills several.
    pub layer: Option<String>,
    pub format: Format,
    pub crs: Crs,
    pub dry_run: bool,
    pub allow_new: bool,
    /// Good rows go in though others are refused.
    pub partial: bool,
    /// Rows whose code was deleted are created anew.
    pub revive: bool,
}

impl App {
    /// Plans an import and, unless it is a dry run or rows were refused, commits it, all layers in one transaction.
    /// Answers `{committed, layers: {layer: plan}}`.
    ///
    /// # Errors
    /// What concerns the whole file; what concerns a row is in the plan.
    pub async fn import(&self, request: &Request, bytes: &[u8], viewer: &Viewer) -> Result<Json> {
        let world = self.live.world_owned();
        let read = tokio::task::block_in_place(|| self.read(&world, request, bytes))?;
        let options = Options { allow_new: request.allow_new, partial: request.partial, district: self.district.clone() };
        let mut plans = Vec::with_capacity(read.len());
        for (n, read) in read {
            let deleted = if request.revive { HashMap::new() } else { self.deleted(&world, n, &read.rows).await? };
            plans.push((n, tokio::task::block_in_place(|| self.plan_layer(&world, n, read, deleted, &options, viewer))));
        }
        // What is referred to comes before what refers to it.
        let order = self.catalog.creation_order();
        plans.sort_by_key(|(n, _)| order.iter().position(|at| at == n));
        let refused = plans.iter().any(|(_, plan)| plan.count(Action::Refuse) > 0);
        let commit = !request.dry_run && (!refused || request.partial);
        let mut layers = serde_json::Map::new();
        let mut writes = Vec::new();
        for (n, plan) in plans {
            layers.insert(self.catalog.layers[n].id.clone(), plan.to_json());
            writes.extend(plan.writes);
        }
        let seq = if commit && !writes.is_empty() { self.write(writes, viewer).await?.seq } else { world.seq };
        Ok(json!({ "committed": commit, "seq": seq, "layers": layers }))
    }

    /// Fills an empty store with the fictional demo county, and builds that county's roads where the store has none; one that has
    /// anything else in it is left as it is.
    ///
    /// # Errors
    /// A file of the demo that doesn't import, which is a fault of ours.
    pub async fn fill_demo(&self) -> Result<()> {
        let mut viewer = Viewer::local_admin();
        viewer.name = arcstr::literal!("demo");
        if self.live.world().layers().all(|index| index.by_id.is_empty()) {
            self.fill_layers(&viewer).await?;
            tracing::info!("filled with the fictional demo county / 已写入虚构演示县");
        }
        if self.is_demo() && self.live.roads().is_none() {
            let file = demo_file("demo/road.geojson").ok_or_else(|| Error::internal("the demo county's roads are not built in"))?;
            let mut news = self.live.subscribe();
            self.build_roads(Survey::GeoJson(Crs::Wgs84), file, false, &viewer).await?;
            // Whoever is served after this is served with roads.
            let used = async { while self.live.roads().is_none() && !matches!(news.recv().await, Err(RecvError::Closed)) {} };
            if tokio::time::timeout(ROADS_WAIT, used).await.is_err() {
                tracing::warn!("the demo county's roads aren't in use yet");
            }
        }
        Ok(())
    }

    async fn fill_layers(&self, viewer: &Viewer) -> Result<()> {
        // Depots before their stock.
        let mut files: Vec<String> =
            crate::config::Data::iter().filter(|path| path.starts_with("demo/")).map(|path| path.to_string()).collect();
        files.sort_by_key(|path| (path.ends_with(".csv"), path.clone()));
        for path in files {
            let Some((layer, _)) = path.trim_start_matches("demo/").split_once('.') else { continue };
            let (Ok(_), Some(file)) = (self.catalog.layer(layer), crate::config::Data::get(&path)) else { continue };
            let request = Request {
                layer: Some(layer.into()),
                format: Format::of(&path)?,
                crs: Crs::Wgs84,
                dry_run: false,
                allow_new: true,
                partial: false,
                revive: true,
            };
            let report = self.import(&request, &file.data, viewer).await?;
            if report["committed"] != true {
                return Err(Error::internal(format!("{path}: {report}")));
            }
        }
        Ok(())
    }

    /// Whether the demo county is what the store holds.
    fn is_demo(&self) -> bool {
        let world = self.live.world();
        let demo = Value::Text("demo".into());
        let mut cells = self.catalog.with_role(LayerRole::Grid).flat_map(|(n, _)| world.layer(n).by_id.values());
        cells.any(|cell| cell.feature.values[system::SOURCE] == demo)
    }

    /// The demo county's rivers, names and roads, if that county is what the store holds.
    pub fn demo_ground(&self) -> Option<Vec<u8>> {
        let read = |path: &str| serde_json::from_slice::<Json>(&demo_file(path)?).ok();
        if !self.is_demo() {
            return None;
        }
        let (mut ground, mut roads) = (read("demo/terrain.geojson")?, read("demo/road.geojson")?);
        ground["features"].as_array_mut()?.append(roads["features"].as_array_mut()?);
        serde_json::to_vec(&ground).ok()
    }

    /// What a file says of each layer.
    fn read(&self, world: &World, request: &Request, bytes: &[u8]) -> Result<Vec<(usize, Read)>> {
        if let Format::Osm(coding) = request.format {
            let rules = crate::config::Data::get("rules/osm.toml").ok_or_else(|| Error::internal("the OSM rules are not built in"))?;
            let rows = osm::read(&self.catalog, &String::from_utf8_lossy(&rules.data), coding, bytes)?;
            return Ok(rows.into_iter().map(|(n, rows)| (n, Read { rows, ..Read::default() })).collect());
        }
        let name = request.layer.as_deref().unwrap_or_default();
        let (asked, _) = self.catalog.layer(name)?;
        // A list of stock is a list of openings: balances are never written.
        let stock = self.catalog.layers[asked].has(LayerRole::Stock);
        let ledger = self.catalog.with_role(LayerRole::Ledger).next().map(|(n, _)| n);
        let n = if stock { ledger.unwrap_or(asked) } else { asked };
        let layer = &self.catalog.layers[n];
        let people = grid::people_field(layer);
        let coding = match request.format {
            Format::Grid(coding) => Some(coding),
            Format::Csv => (people.is_some() && grid::is_xyz(bytes)).then_some(grid::Coding::Xyz),
            _ => None,
        };
        if let Some(coding) = coding {
            let at = people.ok_or_else(|| {
                let layers: Vec<_> = self.catalog.with_role(LayerRole::Population).map(|(_, layer)| layer.id.as_str()).collect();
                Error::new(
                    Code::InvalidParameter,
                    "layer",
                    name,
                    format!("a layer for a population grid / 人口图层: {}", layers.join(", ")),
                )
            })?;
            let codes = world.layer(n).by_id.values().filter_map(|stored| stored.feature.values[system::CODE].as_str());
            return Ok(vec![(n, grid::read(layer, at, (coding, bytes), request.crs, self.district.as_ref(), codes)?)]);
        }
        let mut read = match request.format {
            Format::Csv => csv::read(layer, bytes, request.crs)?,
            Format::Spreadsheet => spreadsheet::read(layer, bytes, request.crs)?,
            _ => Read { rows: geojson::read(layer, bytes, request.crs)?, ..Read::default() },
        };
        if stock && let Some(kind) = layer.role(Role::MovementKind) {
            for draft in read.rows.iter_mut().filter_map(|row| row.draft.as_mut().ok()) {
                if !draft.values.iter().any(|(at, _)| *at == kind) {
                    draft.values.push((kind, Value::Text("opening".into())));
                }
            }
        }
        Ok(vec![(n, read)])
    }

    /// Which codes of the rows belonged to features that were deleted.
    async fn deleted(&self, world: &World, n: usize, rows: &[Row]) -> Result<HashMap<String, Deleted>> {
        let values = rows.iter().filter_map(|row| row.draft.as_ref().ok()).flat_map(|draft| &draft.values);
        let codes = values.filter(|(at, _)| *at == system::CODE).filter_map(|(_, code)| code.as_str());
        let codes: Vec<String> = codes.filter(|code| world.by_code(n, code).is_none()).map(str::to_owned).collect();
        if codes.is_empty() {
            return Ok(HashMap::new());
        }
        let deleted = self.store.deleted_codes(n, &codes).await?;
        Ok(deleted.into_iter().map(|one| (one.code.clone(), one)).collect())
    }

    fn plan_layer(
        &self,
        world: &World,
        n: usize,
        read: Read,
        deleted: HashMap<String, Deleted>,
        options: &Options,
        viewer: &Viewer,
    ) -> Plan {
        let layer = &self.catalog.layers[n];
        let fields = import::key_fields(layer);
        let key_of = |values: &Values| fields.iter().map(|at| values[*at].to_text()).collect::<Vec<_>>();
        let keys = if fields.is_empty() {
            HashMap::new()
        } else {
            let features = world.layer(n).by_id.values().filter(|stored| import::keyed(layer, &stored.feature.values));
            features.map(|stored| (key_of(&stored.feature.values), stored.feature.id)).collect()
        };
        import::plan(n, layer, read, &WorldLookup { world, n, keys, deleted, viewer }, options)
    }
}

fn demo_file(path: &str) -> Option<Vec<u8>> {
    crate::config::Data::get(path).map(|file| file.data.into_owned())
}

/// The present state, as the planner asks for it.
struct WorldLookup<'w> {
    world: &'w World,
    n: usize,
    keys: HashMap<Vec<String>, Uuid>,
    deleted: HashMap<String, Deleted>,
    viewer: &'w Viewer,
}

impl Lookup for WorldLookup<'_> {
    fn by_id(&self, id: &Uuid) -> Option<Arc<Feature>> {
        self.world.get(self.n, id).map(|stored| Arc::new(stored.feature.clone()))
    }
    fn by_code(&self, code: &str) -> Option<Arc<Feature>> {
        self.world.by_code(self.n, code).map(|stored| Arc::new(stored.feature.clone()))
    }
    fn deleted(&self, code: &str) -> Option<&Deleted> {
        self.deleted.get(code)
    }
    fn by_key(&self, key: &[Value]) -> Option<Arc<Feature>> {
        let key: Vec<String> = key.iter().map(Value::to_text).collect();
        self.by_id(self.keys.get(&key)?)
    }
    fn resolve(&self, draft: Draft) -> Result<Draft> {
        resolve_refs(self.world, &self.world.catalog.layers[self.n], draft)
    }
    fn near(&self, lon: f64, lat: f64, metres: f64) -> Option<Arc<Feature>> {
        let include = Exclusion::ALL.iter().fold(0, |bits, exclusion| bits | exclusion.bit());
        let question = Question { viewer: self.viewer, now: 0, filter: None, hazard: None, include, inside: None };
        let (hits, _) = self.world.nearest(self.n, Place::new(lon, lat), 1, question);
        hits.first().filter(|hit| hit.distance_m < metres).map(|hit| Arc::new(hit.stored.feature.clone()))
    }
}
