//! Everything about one place in one answer: who is responsible, who and what is in reach, what the weather is.

use std::sync::Arc;

use super::{
    Hit, Question, Stored, World,
    nearest::Place,
    within::{Found, Reach},
};
use crate::model::{GeometryKind, LayerRole, Role};

/// What is known about a place.
pub struct Dossier<'w> {
    /// Responsibility areas that hold the place, the deepest first.
    pub responsible: Vec<&'w Arc<Stored>>,
    /// Danger areas in force that hold the place.
    pub dangers: Vec<&'w Arc<Stored>>,
    /// The nearest weather station's observation, however far.
    pub weather: Option<Hit<'w>>,
    /// Layers of people in reach: how many places, and how many people live or work there.
    pub people: Vec<(usize, u64, f64)>,
    /// Every other layer with something in reach.
    pub layers: Vec<(usize, Found<'w>)>,
}

impl World {
    /// Gathers a place's dossier: of each layer all in reach counted and summed, the nearest `limit` named.
    pub fn dossier(&self, place: Place, radius_m: f64, limit: usize, question: Question<'_>) -> Dossier<'_> {
        let reach = Reach::Radius { place, radius_m };
        let mut dossier = Dossier {
            responsible: self.responsible(place.lon, place.lat),
            dangers: self
                .dangers_at(question.now)
                .filter(|stored| stored.feature.geometry.as_ref().is_some_and(|area| area.distance_m(place.lon, place.lat) == 0.0))
                .collect(),
            weather: None,
            people: vec![],
            layers: vec![],
        };
        for (n, layer) in self.catalog.layers.iter().enumerate() {
            if layer.geometry == GeometryKind::None || layer.has(LayerRole::Grid) {
                continue;
            }
            if layer.has(LayerRole::Weather) {
                let (hits, _) = self.nearest(n, place, 1, question);
                dossier.weather = dossier.weather.or(hits.into_iter().next());
                continue;
            }
            if let Some(people) = layer.role(Role::People)
                && layer.has(LayerRole::Population)
            {
                let found = self.within(n, reach, usize::MAX, false, question);
                let total = found.hits.iter().filter_map(|hit| hit.stored.feature.values[people].as_f64()).sum::<f64>() + 0.0;
                dossier.people.push((n, found.count, total));
                continue;
            }
            let found = self.within(n, reach, limit, true, question);
            if found.count > 0 || found.excluded.counts.iter().any(|n| *n > 0) {
                dossier.layers.push((n, found));
            }
        }
        dossier
    }
}
