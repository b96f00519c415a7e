//! The app: the store and the live view; the only place where the parts meet.

pub mod import;
pub mod roads;
pub mod travel;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    live::Live,
    model::{Catalog, Committed, Draft, Feature, FieldType, Geometry, Layer, LayerRole, Value, Viewer, Write},
    store::Store,
    world::{Stored, World},
};

/// How long a writer waits for its own write to become visible.
const VISIBLE: Duration = Duration::from_secs(10);

/// How long who lost a race waits to be shown what won.
const LOST_RACE: Duration = Duration::from_secs(1);

pub struct App {
    pub catalog: Arc<Catalog>,
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    /// The bureau's district, where one is set: imports warn about points outside.
    pub district: Option<Geometry>,
    tasks: [tokio::task::AbortHandle; 2],
}

/// What a write left behind.
pub struct Written {
    pub id: Uuid,
    pub version: i64,
    pub seq: u64,
}

impl App {
    /// Loads the world from the store and begins to follow it.
    pub async fn start(catalog: Arc<Catalog>, store: Arc<dyn Store>, district: Option<Geometry>) -> Result<Arc<App>> {
        let live = Live::load(&*store, catalog.clone()).await?;
        let tasks = [
            tokio::spawn(live.clone().follow(store.clone())).abort_handle(),
            tokio::spawn(live.clone().keep_roads(store.clone())).abort_handle(),
        ];
        Ok(Arc::new(App { catalog, store, live, district, tasks }))
    }

    /// Stops following, then closes the store; what is committed stays.
    pub async fn close(&self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
        self.store.close().await;
    }

    /// Commits writes and waits until the view includes them, so that a writer reads its own write.
    pub async fn write(&self, writes: Vec<Write>, viewer: &Viewer) -> Result<Committed> {
        let count = writes.len() as u64;
        let committed = self.store.write(writes, &viewer.name).await?;
        metrics::counter!("biaotu_writes_total").increment(count);
        if tokio::time::timeout(VISIBLE, self.live.reached(committed.seq)).await.is_err() {
            // The write is committed and stays so; only its visibility is late, which every answer says by its age.
            tracing::warn!(seq = committed.seq, "a write isn't visible yet");
        }
        Ok(committed)
    }

    /// Creates one feature.
    ///
    /// # Errors
    /// What the definition forbids; [`Code::DuplicateCode`], [`Code::Overdraw`] and the like from the store.
    pub async fn create(&self, layer: usize, draft: Draft, viewer: &Viewer) -> Result<Written> {
        let definition = &self.catalog.layers[layer];
        if definition.has(LayerRole::Stock) {
            return Err(balances_read_only(definition));
        }
        let draft = resolve_refs(&self.live.world(), definition, draft)?;
        let feature = draft.create(definition, Uuid::now_v7())?;
        if let Some(workflow) = &definition.workflow {
            workflow.check_start(definition, &feature)?;
        }
        let id = feature.id;
        self.write_one(Write::Create { layer, feature }, id, viewer).await
    }

    /// Changes what the draft names.
    pub async fn update(&self, layer: usize, id: Uuid, draft: Draft, if_version: Option<i64>, viewer: &Viewer) -> Result<Written> {
        let definition = &self.catalog.layers[layer];
        if definition.has(LayerRole::Ledger) {
            return Err(append_only(definition));
        }
        let (set, if_version) = {
            let world = self.live.world();
            let set = resolve_refs(&world, definition, draft)?;
            let current = &self.current(&world, layer, id)?.feature;
            let next = set.apply(definition, current)?;
            match &definition.workflow {
                Some(workflow) => {
                    workflow.check_step(definition, current, &next, false)?;
                    // The step was judged by the state seen here, so it is taken from no other.
                    (set, if_version.or(Some(current.version)))
                }
                None => (set, if_version),
            }
        };
        self.write_one(Write::Update { layer, id, if_version, set }, id, viewer).await
    }

    /// Replaces everything that a client may write.
    pub async fn replace(&self, layer: usize, id: Uuid, draft: Draft, if_version: Option<i64>, viewer: &Viewer) -> Result<Written> {
        let draft = draft.replace(&self.catalog.layers[layer])?;
        self.update(layer, id, draft, if_version, viewer).await
    }

    pub async fn delete(&self, layer: usize, id: Uuid, if_version: Option<i64>, viewer: &Viewer) -> Result<Written> {
        let definition = &self.catalog.layers[layer];
        if definition.has(LayerRole::Ledger) {
            return Err(append_only(definition));
        }
        if definition.has(LayerRole::Stock) {
            return Err(balances_read_only(definition));
        }
        let current = self.current(&self.live.world(), layer, id)?.feature.clone();
        let mut if_version = if_version;
        if let Some(workflow) = &definition.workflow {
            workflow.check_delete(definition, &current)?;
            if_version = if_version.or(Some(current.version));
        }
        self.write_one(Write::Delete { layer, id, if_version }, id, viewer).await
    }

    fn current<'w>(&self, world: &'w World, layer: usize, id: Uuid) -> Result<&'w Arc<Stored>> {
        let name = self.catalog.layers[layer].id.as_str();
        world.get(layer, &id).ok_or_else(|| Error::new(Code::NotFound, name, id, "an id of this layer / 本图层的 id"))
    }

    async fn write_one(&self, write: Write, id: Uuid, viewer: &Viewer) -> Result<Written> {
        let layer = match &write {
            Write::Create { layer, .. } | Write::Update { layer, .. } | Write::Delete { layer, .. } => *layer,
        };
        let committed = match self.write(vec![write], viewer).await {
            Err(error) if error.code == Code::VersionMismatch => {
                // Whoever lost the race gets the state that won, which the view may be about to learn of.
                if let Ok(head) = self.store.head().await {
                    let _late = tokio::time::timeout(LOST_RACE, self.live.reached(head)).await;
                }
                let world = self.live.world();
                return Err(match world.get(layer, &id) {
                    Some(stored) => error.with_details(feature_json(stored, viewer)),
                    None => error,
                });
            }
            other => other?,
        };
        Ok(Written { id, version: committed.versions[0], seq: committed.seq })
    }
}

fn append_only(layer: &Layer) -> Error {
    Error::new(Code::ReadOnly, layer.id.as_str(), "", "Its rows are never changed; add a row that corrects / 流水不可更改,请追加更正记录")
}
fn balances_read_only(layer: &Layer) -> Error {
    Error::new(Code::ReadOnly, layer.id.as_str(), "", "Balances come from ledger rows; post a movement / 库存由流水生成,请登记出入库")
}

/// A stored feature as a JSON object.
pub fn feature_json(stored: &Stored, viewer: &Viewer) -> serde_json::Value {
    let mut text = vec![b'{'];
    text.extend_from_slice(stored.fragment(viewer));
    text.push(b'}');
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Turns references given by code into ids.
///
/// # Errors
/// [`Code::InvalidReference`] where nothing has that id or code.
pub fn resolve_refs(world: &World, layer: &Layer, mut draft: Draft) -> Result<Draft> {
    for (at, value) in &mut draft.values {
        let field = &layer.fields[*at];
        let (FieldType::Ref { to }, Value::Text(text)) = (&field.kind, &*value) else { continue };
        let (target, _) = world.catalog.layer(to)?;
        let found = match Uuid::parse_str(text) {
            Ok(id) => world.get(target, &id),
            Err(_) => world.by_code(target, text),
        };
        let found: &Feature = &found.ok_or_else(|| Error::new(Code::InvalidReference, field.key.as_str(), text, to))?.feature;
        *value = Value::Text(found.id.to_string().into());
    }
    Ok(draft)
}
