//! Elements of an extract in the PBF coding.

use std::{
    collections::HashSet,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
};

use osmpbf::{BlobDecode, BlobReader, RelMemberType};

use super::{Element, Kind, Member, Tags, invalid};
use crate::error::{Code, Error, Result};

/// An honest extract holds no more than this many elements and bytes of text for each of its own bytes.
const UNPACKED_MAX: usize = 32;
/// What even the smallest file may unpack to.
const UNPACKED_MIN: usize = 1 << 26;

/// No block of an honest extract has more texts, groups and elements than this; 8,000 elements are usual.
const MESSAGES_MAX: usize = 1 << 20;

/// Checks each block before the reader takes it whole: an empty message is two bytes of a block, and a hundred in memory.
///
/// # Errors
/// A file that isn't PBF to its end, or a block beyond the limits.
pub fn check(bytes: &[u8]) -> Result<()> {
    let cut = || invalid("cut off / 文件不完整");
    let mut rest = bytes;
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (header, after) = after.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or_else(cut)?;
        let (mut data, mut size) = (false, 0);
        fields(header, &mut |field, content| {
            match (field, content) {
                (1, Content::Bytes(kind)) => data = kind == b"OSMData",
                (3, Content::Number(number)) => size = usize::try_from(number).unwrap_or(usize::MAX),
                _ => {}
            }
            Ok(())
        })?;
        let (blob, after) = after.split_at_checked(size).ok_or_else(cut)?;
        fields(blob, &mut |field, content| match (field, content) {
            (1, Content::Bytes(raw)) => check_block(raw, data),
            (3, Content::Bytes(packed)) => {
                let (most, mut block) = (osmpbf::MAX_BLOB_MESSAGE_SIZE, Vec::new());
                flate2::read::ZlibDecoder::new(packed).take(most).read_to_end(&mut block).map_err(invalid)?;
                if block.len() as u64 == most {
                    return Err(Error::new(Code::TooLarge, "file", "a block, unpacked / 数据块解压后", format!("{most} B")));
                }
                check_block(&block, data)
            }
            _ => Ok(()),
        })?;
        rest = after;
    }
    Ok(())
}

/// Counts the messages of a block: its texts and groups, and the elements of the groups.
fn check_block(block: &[u8], data: bool) -> Result<()> {
    let mut messages = 0;
    let mut count = || {
        messages += 1;
        if messages <= MESSAGES_MAX {
            return Ok(());
        }
        Err(Error::new(Code::TooLarge, "file", "elements and texts of a block / 数据块中的要素与文本", MESSAGES_MAX))
    };
    fields(block, &mut |field, content| match content {
        Content::Bytes(part) => {
            count()?;
            if data && matches!(field, 1 | 2) { fields(part, &mut |_, _| count()) } else { Ok(()) }
        }
        Content::Number(_) => Ok(()),
    })
}

enum Content<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a protobuf message, one after the other.
fn fields<'b>(mut rest: &'b [u8], take: &mut dyn FnMut(u64, Content<'b>) -> Result<()>) -> Result<()> {
    let broken = || invalid("no protobuf / 非 protobuf 数据");
    while !rest.is_empty() {
        let key = varint(&mut rest).ok_or_else(broken)?;
        let content = match key & 7 {
            0 => Content::Number(varint(&mut rest).ok_or_else(broken)?),
            wire @ (1 | 2 | 5) => {
                let size = match wire {
                    1 => 8,
                    2 => varint(&mut rest).ok_or_else(broken)?,
                    _ => 4,
                };
                let (bytes, after) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size)).ok_or_else(broken)?;
                rest = after;
                Content::Bytes(bytes)
            }
            _ => return Err(broken()),
        };
        take(key >> 3, content)?;
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

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
                Kind::Node => {
                    for node in group.nodes().filter(|node| node.info().visible()) {
                        unpacked += 1;
                        take(place(node.id(), node.nano_lon(), node.nano_lat(), asked(node.tags(), keys)))?;
                    }
                    for node in group.dense_nodes().filter(|node| node.info().is_none_or(|info| info.visible())) {
                        unpacked += 1;
                        take(place(node.id(), node.nano_lon(), node.nano_lat(), asked(node.tags(), keys)))?;
                    }
                }
                Kind::Way => {
                    for way in group.ways().filter(|way| way.info().visible()) {
                        let nodes: Vec<i64> = way.refs().collect();
                        unpacked += 1 + nodes.len();
                        take(Element::Way { id: way.id(), nodes, tags: asked(way.tags(), keys) })?;
                    }
                }
                Kind::Relation => {
                    for relation in group.relations().filter(|relation| relation.info().visible()) {
                        let members = relation.members().map(member).collect::<Result<Vec<Member>>>()?;
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

fn member(member: osmpbf::RelMember) -> Result<Member> {
    let kind = match member.member_type {
        RelMemberType::Node => Kind::Node,
        RelMemberType::Way => Kind::Way,
        RelMemberType::Relation => Kind::Relation,
    };
    Ok(Member { kind, id: member.member_id, role: member.role().map_err(invalid)?.to_owned() })
}

/// Nanodegrees are whole numbers, so this is the same number as the decimal of the XML coding reads to.
fn place(id: i64, lon: i64, lat: i64, tags: Tags) -> Element {
    Element::Node { id, lon: lon as f64 / 1e9, lat: lat as f64 / 1e9, tags }
}

fn asked<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>, keys: &HashSet<&str>) -> Tags {
    tags.filter(|(key, _)| keys.contains(key)).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
