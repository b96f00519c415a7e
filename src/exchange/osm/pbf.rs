//! Elements of an extract in the PBF coding.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use osmpbf::{BlobDecode, BlobReader, RelMemberType};

use super::{Element, Kind, Member, Tags, invalid};
use crate::error::{Code, Error, Result};

/// An honest extract holds no more than this many elements and bytes of text for each of its own bytes.
const UNPACKED_MAX: usize = 32;
/// What even the smallest file may unpack to.
const UNPACKED_MIN: usize = 1 << 26;

/// Hands on each element of one kind, with those of its tags that are asked for.
pub fn each(bytes: &[u8], kind: Kind, keys: &HashSet<&str>, take: &mut dyn FnMut(Element) -> Result<()>) -> Result<()> {
    // The reader adds up differences unchecked, so a hostile file can make it overflow.
    let read = catch_unwind(AssertUnwindSafe(|| blobs(bytes, kind, keys, take)));
    read.unwrap_or_else(|_| Err(invalid("numbers beyond all bounds / 数值溢出")))
}

fn blobs(bytes: &[u8], kind: Kind, keys: &HashSet<&str>, take: &mut dyn FnMut(Element) -> Result<()>) -> Result<()> {
    let most = bytes.len().saturating_mul(UNPACKED_MAX).max(UNPACKED_MIN);
    let mut unpacked = 0_usize;
    for blob in BlobReader::new(bytes) {
        let blob = blob.map_err(invalid)?;
        let BlobDecode::OsmData(block) = blob.decode().map_err(invalid)? else { continue };
        unpacked += block.raw_stringtable().iter().map(Vec::len).sum::<usize>();
        for group in block.groups() {
            match kind {
                Kind::Nodes => {
                    for node in group.nodes().filter(|node| node.info().visible()) {
                        unpacked += 1;
                        take(place(node.id(), node.nano_lon(), node.nano_lat(), asked(node.tags(), keys)))?;
                    }
                    for node in group.dense_nodes().filter(|node| node.info().is_none_or(|info| info.visible())) {
                        unpacked += 1;
                        take(place(node.id(), node.nano_lon(), node.nano_lat(), asked(node.tags(), keys)))?;
                    }
                }
                Kind::Ways => {
                    for way in group.ways().filter(|way| way.info().visible()) {
                        let nodes: Vec<i64> = way.refs().collect();
                        unpacked += 1 + nodes.len();
                        take(Element::Way { id: way.id(), nodes, tags: asked(way.tags(), keys) })?;
                    }
                }
                Kind::Relations => {
                    for relation in group.relations().filter(|relation| relation.info().visible()) {
                        let ways = relation.members().filter(|member| member.member_type == RelMemberType::Way);
                        let inner = |member: &osmpbf::RelMember| member.role().is_ok_and(|role| role == "inner");
                        let members: Vec<Member> = ways.map(|member| Member { way: member.member_id, inner: inner(&member) }).collect();
                        unpacked += 1 + members.len();
                        take(Element::Relation { id: relation.id(), members, tags: asked(relation.tags(), keys) })?;
                    }
                }
            }
        }
        if unpacked > most {
            let what = format!("more than {UNPACKED_MAX} times its size, unpacked / 解压后超出正常比例");
            return Err(Error::new(Code::TooLarge, "file", what, format!("{UNPACKED_MAX}×")));
        }
    }
    Ok(())
}

/// Nanodegrees are whole numbers, so this is the same number as the decimal of the XML coding reads to.
fn place(id: i64, lon: i64, lat: i64, tags: Tags) -> Element {
    Element::Node { id, lon: lon as f64 / 1e9, lat: lat as f64 / 1e9, tags }
}

fn asked<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>, keys: &HashSet<&str>) -> Tags {
    tags.filter(|(key, _)| keys.contains(key)).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
