//! What a piece of a trip costs.

use std::ops::Add;

/// Milliseconds and, among trips equally fast, decimetres: one number, so that the fastest trip's length comes with it in every
/// search, and ties are broken the same way everywhere.
///
/// Of the milliseconds some minutes may be a surcharge: what keeps trips off a road where there is another way, but isn't driven. They
/// are counted in bits of their own, up to half an hour, so that what a trip takes can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Cost(u64);

impl Cost {
    pub const ZERO: Cost = Cost(0);
    /// What can't be driven. Twice of it doesn't overflow, and is no less.
    pub const NEVER: Cost = Cost(1 << 62);

    const DM_BITS: u32 = 27;
    /// The most minutes of surcharge that a cost can tell of.
    pub const SURCHARGE_MAX: u32 = (1 << (32 - Cost::DM_BITS)) - 1;

    /// Time in milliseconds (under 2³⁰, twelve days) and length in decimetres (under 2²⁷, a third round the earth).
    pub const fn new(ms: u32, dm: u32) -> Cost {
        Cost((ms as u64) << 32 | dm as u64)
    }
    /// Time in milliseconds, with a surcharge of some minutes on top.
    pub const fn surcharged(ms: u32, minutes: u32) -> Cost {
        Cost((ms as u64 + minutes as u64 * 60_000) << 32 | (minutes as u64) << Cost::DM_BITS)
    }
    /// The most that fits into some milliseconds.
    pub const fn within(ms: u32) -> Cost {
        Cost((ms as u64) << 32 | u32::MAX as u64)
    }
    pub const fn is_never(self) -> bool {
        self.0 >= Cost::NEVER.0
    }
    /// With surcharges.
    pub const fn ms(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub const fn dm(self) -> u32 {
        self.0 as u32 & ((1 << Cost::DM_BITS) - 1)
    }
    /// Minutes of the time that are surcharges.
    pub const fn surcharge(self) -> u32 {
        self.0 as u32 >> Cost::DM_BITS
    }
    /// The same without surcharges: what driving takes.
    pub const fn driven(self) -> Cost {
        if self.is_never() { self } else { Cost::new(self.ms().saturating_sub(self.surcharge() * 60_000), self.dm()) }
    }
    /// What driving takes, seconds.
    pub fn seconds(self) -> f64 {
        f64::from(self.driven().ms()) / 1e3
    }
    /// What is left without a part of it.
    pub const fn minus(self, part: Cost) -> Cost {
        Cost(self.0.saturating_sub(part.0))
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
