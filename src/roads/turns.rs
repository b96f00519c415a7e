//! What one profile may drive, as a graph of turns.

use serde::{Deserialize, Serialize};

use super::{Arc, Cost};

/// The edge-based graph of a profile: a node is an arc about to be driven, an edge a turn from one arc into the next.
///
/// An edge `u -> v` costs driving `u`'s arc and then the turn. So a forbidden turn is an edge that isn't there. A restriction over
/// several ways is kept by more than one node for the same arc, one of them meaning "having come from there". The first node of an arc
/// is that of who begins there; who arrives may do so at any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnGraph {
    /// By node: its arc. Nodes of one arc needn't be neighbours.
    pub arc: Vec<Arc>,
    /// By node: where its edges begin in `head`, `turn_ms` and `surcharge`; one more at the end.
    pub first: Vec<u32>,
    /// By edge: the node that it leads to.
    pub head: Vec<u32>,
    /// By edge: what the turn itself takes, milliseconds.
    pub turn_ms: Vec<u32>,
    /// By edge: minutes to be added where the turn ends driving through what is for those who begin or end there.
    pub surcharge: Vec<u8>,
}

impl TurnGraph {
    pub fn nodes(&self) -> usize {
        self.arc.len()
    }
    /// The edges of a node: indices into `head`, `turn_ms` and `surcharge`.
    pub fn edges(&self, node: u32) -> std::ops::Range<usize> {
        self.first[node as usize] as usize..self.first[node as usize + 1] as usize
    }
    /// What the turn of an edge costs.
    pub fn turn(&self, edge: usize) -> Cost {
        Cost::surcharged(self.turn_ms[edge], self.surcharge[edge].into())
    }
    /// What an edge costs, given what each arc costs to drive.
    pub fn cost(&self, node: u32, edge: usize, arcs: &[Cost]) -> Cost {
        let arc = arcs[self.arc[node as usize].index()];
        if arc.is_never() { Cost::NEVER } else { arc + self.turn(edge) }
    }
}
