//! Stock in memory: the balances that belong to each depot, by item and unit, never added across units.

use std::{collections::HashMap, sync::Arc};

use arcstr::ArcStr;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// What is there of one item in one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// Number of the (item, unit) pair in [`Items`].
    pub item: u32,
    pub on_hand: f64,
    pub reserved: f64,
}

/// The pairs of item code and unit that occur; numbers are never reused.
#[derive(Clone, Debug, Default)]
pub struct Items {
    pairs: Vec<(ArcStr, ArcStr)>,
    numbers: HashMap<(ArcStr, ArcStr), u32>,
}

impl Items {
    pub fn number(&mut self, code: &ArcStr, unit: &ArcStr) -> u32 {
        let pairs = &mut self.pairs;
        *self.numbers.entry((code.clone(), unit.clone())).or_insert_with(|| {
            pairs.push((code.clone(), unit.clone()));
            pairs.len() as u32 - 1
        })
    }
    pub fn get(&self, code: &ArcStr, unit: &ArcStr) -> Option<u32> {
        self.numbers.get(&(code.clone(), unit.clone())).copied()
    }
}

/// Balances by owner.
#[derive(Clone, Debug, Default)]
pub struct Balances {
    by_owner: imbl::OrdMap<Uuid, Arc<[Balance]>>,
}

impl Balances {
    pub fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }
    pub fn of(&self, owner: &Uuid) -> &[Balance] {
        self.by_owner.get(owner).map_or(&[], |balances| balances)
    }
    pub fn set(&mut self, owner: Uuid, balances: Vec<Balance>) {
        if balances.is_empty() {
            self.by_owner.remove(&owner);
        } else {
            self.by_owner.insert(owner, balances.into());
        }
    }
}

/// Adds up balances; a dense table, since a district stocks hundreds of items, not millions.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    totals: Vec<Option<(f64, f64)>>,
}

impl Sums {
    pub fn add(&mut self, balances: &[Balance]) {
        for balance in balances {
            let at = balance.item as usize;
            if at >= self.totals.len() {
                self.totals.resize(at + 1, None);
            }
            let (on_hand, reserved) = self.totals[at].get_or_insert((0.0, 0.0));
            *on_hand += balance.on_hand;
            *reserved += balance.reserved;
        }
    }

    /// What was added up, by item.
    pub fn balances(&self) -> impl Iterator<Item = Balance> {
        let items = self.totals.iter().enumerate();
        items.filter_map(|(item, total)| total.map(|(on_hand, reserved)| Balance { item: item as u32, on_hand, reserved }))
    }

    /// Adds what another gathered.
    pub fn join(&mut self, other: &Sums) {
        other.balances().for_each(|balance| self.add(&[balance]));
    }

    /// `{ITEM_CODE: {UNIT: {free, on_hand, reserved}}}`.
    pub fn to_json(&self, items: &Items) -> Json {
        let mut sums = serde_json::Map::new();
        for ((code, unit), total) in items.pairs.iter().zip(&self.totals) {
            if let Some((on_hand, reserved)) = total {
                let (on_hand, reserved) = (tidy(*on_hand), tidy(*reserved));
                let units = sums.entry(code.to_string()).or_insert_with(|| json!({}));
                units[unit.as_str()] = json!({ "free": tidy(on_hand - reserved), "on_hand": on_hand, "reserved": reserved });
            }
        }
        Json::Object(sums)
    }
}

/// Drops what adding doubles leaves behind: quantities are kept to a millionth of a unit.
pub fn tidy(x: f64) -> f64 {
    let rounded = (x * 1e6).round() / 1e6;
    if x.abs() < 1e9 { rounded } else { x }
}
