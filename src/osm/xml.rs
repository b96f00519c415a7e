//! Elements of an extract in the XML coding.

use std::{collections::HashSet, str::FromStr};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{Element, Kind, Member, Tags, invalid};
use crate::error::Result;

/// Hands on each element of one kind, with those of its tags that are asked for.
pub fn each(bytes: &[u8], kind: Kind, keys: &HashSet<&str>, take: &mut dyn FnMut(Element) -> Result<()>) -> Result<()> {
    let text = std::str::from_utf8(bytes).map_err(|error| invalid(format!("not UTF-8: {error}")))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let outer = match kind {
        Kind::Node => "node",
        Kind::Way => "way",
        Kind::Relation => "relation",
    };
    let (mut depth, mut ended) = (0_usize, false);
    // What is being read, at depth 1; `None` for another kind and for what was deleted.
    let mut open: Option<Element> = None;
    loop {
        let at = reader.buffer_position();
        let here = |error: &dyn std::fmt::Display| invalid(format!("at byte {at}: {error}"));
        match reader.read_event().map_err(|error| here(&error))? {
            Event::Start(tag) => {
                begin(&tag, depth, outer, kind, keys, &mut open).map_err(|error| here(&error.value))?;
                depth += 1;
            }
            Event::Empty(tag) => {
                begin(&tag, depth, outer, kind, keys, &mut open).map_err(|error| here(&error.value))?;
                if depth == 1
                    && let Some(element) = open.take()
                {
                    take(element)?;
                }
                ended |= depth == 0;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 1
                    && let Some(element) = open.take()
                {
                    take(element)?;
                }
                ended |= depth == 0;
            }
            Event::Eof if ended && depth == 0 => return Ok(()),
            Event::Eof => return Err(here(&"it ends too early / 文件不完整")),
            _ => {}
        }
    }
}

fn begin(tag: &BytesStart, depth: usize, outer: &str, kind: Kind, keys: &HashSet<&str>, open: &mut Option<Element>) -> Result<()> {
    let name = tag.name();
    match (depth, name.as_ref(), open) {
        (0, "osm", _) => {}
        (0, other, _) => return Err(invalid(format!("<{other}>, not <osm>"))),
        (1, name, open) if name == outer => {
            let gone = text(tag, "visible")?.as_deref() == Some("false") || text(tag, "action")?.as_deref() == Some("delete");
            if gone {
                return Ok(());
            }
            let id = number(tag, "id")?;
            *open = Some(match kind {
                Kind::Node => Element::Node { id, lon: number(tag, "lon")?, lat: number(tag, "lat")?, tags: vec![] },
                Kind::Way => Element::Way { id, nodes: vec![], tags: vec![] },
                Kind::Relation => Element::Relation { id, members: vec![], tags: vec![] },
            });
        }
        (2, "nd", Some(Element::Way { nodes, .. })) => nodes.push(number(tag, "ref")?),
        (2, "member", Some(Element::Relation { members, .. })) => {
            let kind = match text(tag, "type")?.as_deref() {
                Some("node") => Kind::Node,
                Some("way") => Kind::Way,
                Some("relation") => Kind::Relation,
                other => return Err(invalid(format!("a member of type {other:?}"))),
            };
            members.push(Member { kind, id: number(tag, "ref")?, role: text(tag, "role")?.unwrap_or_default() });
        }
        (2, "tag", Some(element)) => {
            let (key, value) = (text(tag, "k")?.unwrap_or_default(), text(tag, "v")?.unwrap_or_default());
            if keys.contains(key.as_str()) {
                tags_of(element).push((key, value));
            }
        }
        _ => {}
    }
    Ok(())
}

fn tags_of(element: &mut Element) -> &mut Tags {
    match element {
        Element::Node { tags, .. } | Element::Way { tags, .. } | Element::Relation { tags, .. } => tags,
    }
}

fn text(tag: &BytesStart, name: &str) -> Result<Option<String>> {
    let Some(attribute) = tag.try_get_attribute(name).map_err(invalid)? else { return Ok(None) };
    attribute.normalized_value(XmlVersion::Implicit1_0).map(|value| Some(value.into_owned())).map_err(invalid)
}

fn number<N: FromStr>(tag: &BytesStart, name: &str) -> Result<N> {
    let text = text(tag, name)?.unwrap_or_default();
    text.trim().parse().map_err(|_| invalid(format!("{name}=\"{text}\"")))
}
