//! A feature as the world keeps it: with its text, and what questions ask of it, worked out once a version.

use std::sync::Arc;

use crate::model::{Catalog, Exclusion, Feature, Layer, Viewer};

/// One feature version, prepared.
#[derive(Debug)]
pub struct Stored {
    pub feature: Feature,
    /// The GeoJSON members of the feature without the braces; see [`Feature::write_fragment`].
    fragment: Box<[u8]>,
    /// Bits of [`Exclusion::bit`] that hold whatever the hazard is.
    excluded: u8,
    /// Bits of [`Catalog::hazard_bit`]: the hazards for which the `unsafe` rule holds.
    unsafe_for: u32,
}

impl Stored {
    pub fn new(catalog: &Catalog, layer: &Layer, mut feature: Feature) -> Arc<Stored> {
        // They come in the store's order; questions read them in that of the map.
        feature.values = feature.values.moved();
        // Written to a scratch and copied at its exact size: a million shrunk buffers would leave a million holes.
        thread_local!(static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
        let fragment = SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            feature.write_fragment(layer, scratch);
            Box::from(scratch.as_slice())
        });
        let (mut excluded, mut unsafe_for) = (0, 0);
        for (exclusion, rule) in &layer.exclude_rules {
            if rule.uses_hazard() {
                for (bit, hazard) in catalog.hazards.iter().enumerate() {
                    if rule.matches(&feature, Some(&hazard.value)) {
                        unsafe_for |= 1 << bit;
                    }
                }
            } else if rule.matches(&feature, None) {
                excluded |= exclusion.bit();
            }
        }
        Arc::new(Stored { feature, fragment, excluded, unsafe_for })
    }

    /// The feature's text for a viewer.
    pub fn fragment(&self, _viewer: &Viewer) -> &[u8] {
        // One visibility class yet; others will be written on demand from the same feature.
        &self.fragment
    }
    pub fn excluded(&self) -> u8 {
        self.excluded
    }
    pub fn unsafe_for(&self) -> u32 {
        self.unsafe_for
    }
    pub fn is(&self, exclusion: Exclusion) -> bool {
        self.excluded & exclusion.bit() != 0
    }
}
