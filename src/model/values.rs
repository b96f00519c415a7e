//! The values of one feature: most fields of most rows are empty, and an empty one takes no room.

use std::ops::Index;

use arcstr::ArcStr;

use super::value::Value;

/// Values in the order of [`super::Layer::fields`].
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Bit `n` tells that field `n` has a value; the highest bit set stands one past the last field.
    given: [u64; 2],
    /// The values that are there, in order.
    packed: Box<[Value]>,
}

/// The most fields a layer may have.
pub const FIELDS_MAX: usize = 127;

impl Values {
    /// Of how many fields.
    pub fn len(&self) -> usize {
        match self.given {
            [low, 0] => 63_usize.saturating_sub(low.leading_zeros() as usize),
            [_, high] => 127 - high.leading_zeros() as usize,
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn has(&self, at: usize) -> bool {
        self.given[at / 64] & (1 << (at % 64)) != 0
    }
    /// Where field `at` is, or would be, among those that are there.
    fn rank(&self, at: usize) -> usize {
        let below = (1 << (at % 64)) - 1;
        match at / 64 {
            0 => (self.given[0] & below).count_ones() as usize,
            _ => (self.given[0].count_ones() + (self.given[1] & below).count_ones()) as usize,
        }
    }
    /// All values, null where there is none.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        (0..self.len()).map(|at| &self[at])
    }
    /// The same values in memory that is allocated now: made one after the other, those of neighbours lie together.
    pub fn moved(&self) -> Values {
        let moved = |value: &Value| match value {
            // A text that others share stays where it is.
            Value::Text(text) if ArcStr::strong_count(text) == Some(1) => Value::Text(ArcStr::from(text.as_str())),
            other => other.clone(),
        };
        Values { given: self.given, packed: self.packed.iter().map(moved).collect() }
    }
    /// Gives field `at` another value.
    pub fn set(&mut self, at: usize, value: Value) {
        let mut all: Vec<Value> = self.iter().cloned().collect();
        all[at] = value;
        *self = all.into();
    }
}

impl Index<usize> for Values {
    type Output = Value;
    fn index(&self, at: usize) -> &Value {
        static NULL: Value = Value::Null;
        debug_assert!(at < self.len());
        if self.has(at) { &self.packed[self.rank(at)] } else { &NULL }
    }
}

impl From<Vec<Value>> for Values {
    /// Takes the values of at most [`FIELDS_MAX`] fields, which the catalog sees to.
    fn from(mut all: Vec<Value>) -> Values {
        let mut given = [0; 2];
        let mut mark = |at: usize| given[at / 64] |= 1 << (at % 64);
        mark(all.len());
        all.iter().enumerate().filter(|(_, value)| !value.is_null()).for_each(|(at, _)| mark(at));
        all.retain(|value| !value.is_null());
        Values { given, packed: all.into_boxed_slice() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for len in [0, 1, 5, 63, 64, 65, FIELDS_MAX] {
            for step in 1..4 {
                let all: Vec<Value> = (0..len).map(|n| if n % step == 0 { Value::Int(n as i64) } else { Value::Null }).collect();
                let mut values = Values::from(all.clone());
                assert_eq!(values.len(), len);
                assert!(values.iter().eq(&all));
                for at in (0..len).step_by(7) {
                    values.set(at, Value::Bool(true));
                    assert_eq!(values[at], Value::Bool(true));
                    values.set(at, Value::Null);
                    assert_eq!(values[at], Value::Null);
                    values.set(at, all[at].clone());
                }
                assert_eq!(values, Values::from(all));
            }
        }
    }
}
