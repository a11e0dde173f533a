//! The one method that a pickle may ask `getattr` for: that which makes a time zone of `zoneinfo`.
//!
//! `zoneinfo` writes a zone as a call of what `getattr(ZoneInfo, "_unpickle")` is (`ZoneInfo.__reduce__` in CPython's
//! `Lib/zoneinfo/_zoneinfo.py`). `getattr` is on no list. A pickle may name it where every call of it is just this one, which is
//! read as a name for zones (`pandas::zone`); any other call, or none, and the whole pickle is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::pickle::{Construction, Graph, Node, Object};

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
