//! Time zones by name: pytz's, and those of `zoneinfo`.
//!
//! `zoneinfo` writes a zone as a call of what `getattr(ZoneInfo, "_unpickle")` is (`ZoneInfo.__reduce__` in CPython's
//! `Lib/zoneinfo/_zoneinfo.py`). `getattr` is on no list. A pickle may name it where every call of it is just this one, which is
//! read as a name for zones; any other call, or none, and the whole pickle is refused.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

#[cfg(feature = "arrow")]
use super::list::Listed;
#[cfg(feature = "arrow")]
use super::read::{Mismatch, Reader, Result};
#[cfg(feature = "arrow")]
use super::time;
use crate::pickle::{Construction, Graph, Node, NodeId, Object};

/// The globals that are `getattr`, and of which nothing is asked but the one method.
pub(super) fn methods(graph: &Graph<'_>) -> BTreeSet<usize> {
    let mut asked = BTreeMap::new();
    for object in graph.objects() {
        if let (Some(index), Node::Global { module: "builtins" | "__builtin__", name: "getattr" }) =
            (graph.global_index(object.callable), graph.node(object.callable))
        {
            *asked.entry(index).or_insert(true) &= is_method(graph, object);
        }
    }
    asked.into_iter().filter_map(|(index, is_method)| is_method.then_some(index)).collect()
}

/// Whether this is `getattr(zoneinfo.ZoneInfo, "_unpickle")`.
fn is_method(graph: &Graph<'_>, object: &Object) -> bool {
    let Node::Tuple(mut arguments) = graph.node(object.args) else { return false };
    let mut next = || arguments.next().map(|id| graph.node(id));
    let is_named = matches!(
        (next(), next(), next()),
        (Some(Node::Global { module: "zoneinfo", name: "ZoneInfo" }), Some(Node::Str("_unpickle")), None)
    );
    let is_bare = object.keywords.is_none()
        && graph.items_of(object).len() == 0
        && graph.entries_of(object).len() == 0
        && graph.states_of(object).len() == 0;
    is_named && is_bare && object.construction == Construction::Reduce
}

/// The name of a time zone: `Europe/Oslo`, `UTC`, `+05:30`.
#[cfg(feature = "arrow")]
pub(super) fn name<'g>(reader: Reader<'g>, id: NodeId) -> Result<String> {
    let odd = || Mismatch::because("a time zone in a form that it is not written in");
    let Node::Object(object) = reader.tree.node(id) else { return Err(odd()) };
    let name = match reader.tree.node(object.callable) {
        // getattr(ZoneInfo, "_unpickle")("Europe/Oslo", 1)
        Node::Object(method) => match (reader.tree.listed(method.callable), reader.tree.node(object.args)) {
            (Some(Listed::ZoneMethod), Node::Tuple(mut arguments)) if arguments.len() == 2 => arguments.next(),
            _ => None,
        },
        _ => {
            let call = reader.call(object)?;
            match (call.listed, call.name) {
                (Listed::TimeZone, _) => return time::text(reader, call),
                (Listed::Zone, "_UTC") if call.arguments.len() == 0 => return Ok("UTC".to_owned()),
                (Listed::Zone, "FixedOffset") => return fixed(reader, call.exactly::<1>()?[0]),
                // _p(zone), or with the offsets and the abbreviation of one of its periods
                (Listed::Zone, "_p") => call.argument(0).filter(|_| matches!(call.arguments.len(), 1 | 4)),
                _ => return Err(call.odd()),
            }
        }
    };
    match name.map(|id| reader.tree.node(id)) {
        Some(Node::Str(name)) if !name.is_empty() => {
            reader.tree.spend(name.len())?;
            Ok(name.to_owned())
        }
        _ => Err(odd()),
    }
}

/// `pytz.FixedOffset(minutes)`.
#[cfg(feature = "arrow")]
fn fixed(reader: Reader<'_>, minutes: NodeId) -> Result<String> {
    match reader.tree.node(minutes) {
        Node::Int(minutes) if minutes.abs() < 24 * 60 => {
            let sign = if minutes < 0 { '-' } else { '+' };
            Ok(format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60))
        }
        _ => Err(Mismatch::because("a time zone that is more than a day from UTC")),
    }
}
