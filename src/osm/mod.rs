//! OpenStreetMap extracts: their elements, one kind at a time, from either coding.
//!
//! A reader that needs several kinds reads the extract several times, relations, then ways, then nodes: each reading knows what
//! the one before it wants, so only that is kept, however large the extract is.

mod pbf;
mod xml;

use std::collections::HashSet;

use crate::error::{Code, Error, Result};

/// How an extract is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Pbf,
    Xml,
}

/// A kind of element, and of a relation's member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Node,
    Way,
    Relation,
}

/// The tags that were asked for.
pub type Tags = Vec<(String, String)>;

/// The value of a tag.
pub fn tag<'t>(tags: &'t Tags, key: &str) -> Option<&'t str> {
    tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// Degrees.
    Node {
        id: i64,
        lon: f64,
        lat: f64,
        tags: Tags,
    },
    Way {
        id: i64,
        nodes: Vec<i64>,
        tags: Tags,
    },
    Relation {
        id: i64,
        members: Vec<Member>,
        tags: Tags,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub kind: Kind,
    pub id: i64,
    pub role: String,
}

/// An extract that was checked, and can be read as often as need be.
#[derive(Clone, Copy)]
pub struct Extract<'b> {
    coding: Coding,
    bytes: &'b [u8],
}

impl<'b> Extract<'b> {
    /// # Errors
    /// [`Code::InvalidFile`] or [`Code::TooLarge`] for a PBF that is cut off or unpacks beyond reason. XML shows it when read.
    pub fn new(coding: Coding, bytes: &'b [u8]) -> Result<Extract<'b>> {
        if coding == Coding::Pbf {
            pbf::check(bytes)?;
        }
        Ok(Extract { coding, bytes })
    }

    /// Hands on each element of one kind, with those of its tags that are asked for.
    ///
    /// # Errors
    /// What `take` says; [`Code::InvalidFile`] and [`Code::TooLarge`] for the file.
    pub fn each(&self, kind: Kind, keys: &HashSet<&str>, take: &mut dyn FnMut(Element) -> Result<()>) -> Result<()> {
        match self.coding {
            Coding::Pbf => pbf::each(self.bytes, kind, keys, take),
            Coding::Xml => xml::each(self.bytes, kind, keys, take),
        }
    }
}

/// A file that can't be read as an extract.
pub fn invalid(error: impl ToString) -> Error {
    Error::new(Code::InvalidFile, "file", error, "a whole .osm.pbf or .osm extract / 完整的 .osm.pbf 或 .osm 文件")
}
