//! Who asks. Every read takes a [`Viewer`]; what is cached is keyed by its visibility class, of which there are few.

use arcstr::ArcStr;

/// The reader of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Recorded as the actor of writes.
    pub name: ArcStr,
    class: u8,
}

impl Viewer {
    /// The local administrator: sees everything.
    pub fn local_admin() -> Self {
        Viewer { name: arcstr::literal!("local"), class: 0 }
    }
    /// The visibility class: viewers of one class see the same bytes.
    pub fn class(&self) -> u8 {
        self.class
    }
}
