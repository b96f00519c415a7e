//! What a piece of a trip costs.

use std::ops::Add;

/// Milliseconds and, among trips equally fast, decimetres: one number, so that the fastest trip's length comes with it in every
/// search, and ties are broken the same way everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Cost(u64);

impl Cost {
    pub const ZERO: Cost = Cost(0);
    /// What can't be driven. Twice of it doesn't overflow, and is no less.
    pub const NEVER: Cost = Cost(1 << 62);

    /// Time in milliseconds (under 2³⁰, twelve days) and length in decimetres.
    pub const fn new(ms: u32, dm: u32) -> Cost {
        Cost((ms as u64) << 32 | dm as u64)
    }
    pub const fn is_never(self) -> bool {
        self.0 >= Cost::NEVER.0
    }
    pub const fn ms(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub const fn dm(self) -> u32 {
        self.0 as u32
    }
    pub fn seconds(self) -> f64 {
        f64::from(self.ms()) / 1e3
    }
    pub fn metres(self) -> f64 {
        f64::from(self.dm()) / 10.0
    }
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost(self.0.wrapping_add(other.0))
    }
}

impl std::fmt::Debug for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_never() { f.write_str("never") } else { write!(f, "{} s {} m", self.seconds(), self.metres()) }
    }
}
