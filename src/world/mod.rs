//! The in-memory engine: every layer indexed in space, answering without a lock, an await or SQL.
//!
//! A [`World`] never changes. Applying changes makes another that shares all that they didn't touch, so readers keep the
//! one they took for as long as they need it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    model::{Catalog, Change, Exclusion, Feature, LayerRole, Role, Value, Viewer},
};

pub mod answer;
pub mod boxes;
pub mod dossier;
pub mod index;
pub mod mvt;
pub mod nearest;
pub mod points;
pub mod shard;
pub mod shortlist;
pub mod stats;
pub mod stock;
pub mod stored;
pub mod tile;
pub mod within;

pub use answer::{Excluded, Hit, Left, Question};
pub use index::LayerIndex;
pub use stored::Stored;

use stock::{Balance, Balances, Items};

/// Everything as of one `seq`.
#[derive(Clone, Debug)]
pub struct World {
    pub catalog: Arc<Catalog>,
    /// The last change that is in this world.
    pub seq: u64,
    /// When that change was committed, microseconds since 1970.
    pub at: i64,
    layers: Vec<Arc<LayerIndex>>,
    items: Arc<Items>,
    balances: Balances,
    /// (owner, line): the stock lines of each owner.
    lines: imbl::OrdSet<(Uuid, Uuid)>,
    /// Danger areas with their layers that are in force by their state; whether by time is asked with each question.
    dangers: Arc<Vec<(usize, Arc<Stored>)>>,
}

impl World {
    /// Builds a world from all features, by layer number.
    pub fn build(catalog: Arc<Catalog>, mut features: Vec<Vec<Feature>>, seq: u64, at: i64) -> World {
        features.resize_with(catalog.layers.len(), Vec::new);
        let mut world = World {
            layers: catalog.layers.iter().map(|layer| Arc::new(LayerIndex::empty(layer.clone()))).collect(),
            catalog: catalog.clone(),
            seq,
            at,
            items: Arc::default(),
            balances: Balances::default(),
            lines: imbl::OrdSet::new(),
            dangers: Arc::default(),
        };
        // Stock first: the depots' shards carry its sums.
        let mut order: Vec<usize> = (0..features.len()).collect();
        order.sort_by_key(|n| !catalog.layers[*n].has(LayerRole::Stock));
        for n in order {
            let index = LayerIndex::build(&catalog, catalog.layers[n].clone(), std::mem::take(&mut features[n]), &world.balances, seq);
            world.layers[n] = Arc::new(index);
            if catalog.layers[n].has(LayerRole::Stock) {
                let layer = &world.layers[n].layer;
                world.lines =
                    world.layers[n].by_id.iter().filter_map(|(id, stored)| Some((owner_of(layer, &stored.feature)?, *id))).collect();
                let owners = world.lines.iter().map(|(owner, _)| *owner).collect();
                world.recount(&owners);
            }
        }
        world.find_dangers();
        world
    }

    /// The world after some changes, given in the order of their `seq`.
    pub fn apply(&self, changes: &[Change]) -> World {
        let mut next = self.clone();
        let mut batches: BTreeMap<usize, BTreeMap<Uuid, Option<Arc<Stored>>>> = BTreeMap::new();
        let mut owners = BTreeSet::new();
        for change in changes {
            (next.seq, next.at) = (change.seq, change.at);
            let Some(layer) = self.catalog.layers.get(change.layer) else { continue };
            if layer.has(LayerRole::Stock) {
                if let Some(owner) = change.old.as_deref().and_then(|feature| owner_of(layer, feature)) {
                    next.lines.remove(&(owner, change.id));
                    owners.insert(owner);
                }
                if let Some(owner) = change.new.as_deref().and_then(|feature| owner_of(layer, feature)) {
                    next.lines.insert((owner, change.id));
                    owners.insert(owner);
                }
            }
            let stored = change.new.as_ref().map(|feature| Stored::new(&self.catalog, layer, Feature::clone(feature)));
            batches.entry(change.layer).or_default().insert(change.id, stored);
        }
        // Stock first, then the sums of its owners, then the owners' layers.
        let stock: Vec<usize> = batches.keys().copied().filter(|n| self.catalog.layers[*n].has(LayerRole::Stock)).collect();
        for n in stock {
            if let Some(batch) = batches.remove(&n) {
                Arc::make_mut(&mut next.layers[n]).apply(batch, &[], &next.balances, next.seq);
            }
        }
        next.recount(&owners);
        let owners: Vec<Uuid> = owners.into_iter().collect();
        let owning: BTreeSet<usize> = self.catalog.with_role(LayerRole::Stock).filter_map(|(_, layer)| self.owner_layer(layer)).collect();
        for n in 0..next.layers.len() {
            let batch = batches.remove(&n);
            let touched: &[Uuid] = if owning.contains(&n) { &owners } else { &[] };
            if batch.is_some() || !touched.is_empty() {
                let balances = if owning.contains(&n) { next.balances.clone() } else { Balances::default() };
                Arc::make_mut(&mut next.layers[n]).apply(batch.unwrap_or_default(), touched, &balances, next.seq);
            }
        }
        next.find_dangers();
        next
    }

    pub fn layer(&self, n: usize) -> &LayerIndex {
        &self.layers[n]
    }
    pub fn layers(&self) -> impl Iterator<Item = &LayerIndex> {
        self.layers.iter().map(|layer| &**layer)
    }
    /// A layer by its id, with its number.
    pub fn find_layer(&self, id: &str) -> Result<(usize, &LayerIndex)> {
        let (n, _) = self.catalog.layer(id)?;
        Ok((n, &self.layers[n]))
    }
    pub fn get(&self, layer: usize, id: &Uuid) -> Option<&Arc<Stored>> {
        self.layers[layer].by_id.get(id)
    }
    pub fn by_code(&self, layer: usize, code: &str) -> Option<&Arc<Stored>> {
        let id = self.layers[layer].by_code.get(&arcstr::ArcStr::from(code))?;
        self.get(layer, id)
    }
    /// A feature by its id or its code.
    pub fn find(&self, _viewer: &Viewer, layer: usize, id_or_code: &str) -> Result<&Arc<Stored>> {
        let found = match Uuid::parse_str(id_or_code) {
            Ok(id) => self.get(layer, &id),
            Err(_) => self.by_code(layer, id_or_code),
        };
        let name = &self.catalog.layers[layer].id;
        found.ok_or_else(|| Error::new(Code::NotFound, name.as_str(), id_or_code, "an id or a code / id 或编码"))
    }
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// The stock of a feature.
    pub fn stock_of(&self, owner: &Uuid) -> &[Balance] {
        self.balances.of(owner)
    }

    /// The layer that a stock layer's lines belong to.
    fn owner_layer(&self, stock: &crate::model::Layer) -> Option<usize> {
        let field = &stock.fields[stock.role(Role::StockOf)?];
        match &field.kind {
            crate::model::FieldType::Ref { to } => self.catalog.layer(to).ok().map(|(n, _)| n),
            _ => None,
        }
    }

    /// Adds up the stock lines of some owners anew.
    fn recount(&mut self, owners: &BTreeSet<Uuid>) {
        if owners.is_empty() {
            return;
        }
        let mut items = Items::clone(&self.items);
        for (n, layer) in self.catalog.with_role(LayerRole::Stock) {
            let roles = [Role::ItemCode, Role::Unit, Role::OnHand, Role::Reserved].map(|role| layer.role(role));
            let [Some(item), Some(unit), Some(on_hand), Some(reserved)] = roles else { continue };
            for owner in owners {
                let mut totals: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
                for (_, line) in self.lines.range((*owner, Uuid::nil())..=(*owner, Uuid::max())) {
                    let Some(stored) = self.layers[n].by_id.get(line) else { continue };
                    let values = &stored.feature.values;
                    let (Value::Text(item), Value::Text(unit)) = (&values[item], &values[unit]) else { continue };
                    let total = totals.entry(items.number(item, unit)).or_default();
                    total.0 += values[on_hand].as_f64().unwrap_or(0.0);
                    total.1 += values[reserved].as_f64().unwrap_or(0.0);
                }
                let balances = totals.into_iter().map(|(item, (on_hand, reserved))| Balance { item, on_hand, reserved }).collect();
                self.balances.set(*owner, balances);
            }
        }
        self.items = Arc::new(items);
    }

    fn find_dangers(&mut self) {
        let areas =
            self.catalog.with_role(LayerRole::DangerArea).flat_map(|(n, _)| self.layers[n].by_id.values().map(move |stored| (n, stored)));
        self.dangers = Arc::new(areas.filter(|(_, stored)| !stored.is(Exclusion::Closed)).map(|(n, stored)| (n, stored.clone())).collect());
    }

    /// Danger areas in force at a moment, microseconds since 1970.
    pub fn dangers_at(&self, now: i64) -> impl Iterator<Item = &Arc<Stored>> {
        self.dangers.iter().filter(move |(n, stored)| in_force(&self.catalog.layers[*n], stored, now)).map(|(_, stored)| stored)
    }
}

impl World {
    /// What blocks roads at a moment, microseconds since 1970: features of layers that say so, not closed by their own rule.
    pub fn road_blocks(&self, now: i64) -> impl Iterator<Item = (&crate::model::Layer, &Arc<Stored>)> {
        self.blocking().filter(move |(layer, stored)| in_force(layer, stored, now))
    }

    /// When one of them begins or ends next; never where none does.
    pub fn next_due(&self, now: i64) -> i64 {
        let times = self.blocking().flat_map(|(layer, stored)| [Role::ValidFrom, Role::ValidTo].map(|role| time_of(layer, stored, role)));
        times.flatten().filter(|at| *at > now).min().unwrap_or(i64::MAX)
    }

    fn blocking(&self) -> impl Iterator<Item = (&crate::model::Layer, &Arc<Stored>)> {
        let layers = self.catalog.layers.iter().enumerate().filter(|(_, layer)| layer.blocks_roads.is_some());
        layers.flat_map(|(n, layer)| {
            let in_use = self.layers[n].by_id.values().filter(|stored| !stored.is(Exclusion::Closed));
            in_use.map(move |stored| (&**layer, stored))
        })
    }
}

fn time_of(layer: &crate::model::Layer, stored: &Stored, role: Role) -> Option<i64> {
    match layer.role(role).map(|at| &stored.feature.values[at]) {
        Some(Value::Time(micros)) => Some(*micros),
        _ => None,
    }
}

/// Whether a feature's validity period, if its layer has one, holds a moment.
fn in_force(layer: &crate::model::Layer, stored: &Stored, now: i64) -> bool {
    let time = |role| time_of(layer, stored, role);
    time(Role::ValidFrom).is_none_or(|from| from <= now) && time(Role::ValidTo).is_none_or(|to| now < to)
}

fn owner_of(layer: &crate::model::Layer, feature: &Feature) -> Option<Uuid> {
    Uuid::parse_str(feature.values[layer.role(Role::StockOf)?].as_str()?).ok()
}

/// The JSON of a time kept as microseconds since 1970.
pub fn time_json(micros: i64) -> Json {
    Value::Time(micros).to_json()
}
