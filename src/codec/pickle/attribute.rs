//! The two things that a pickle may ask `getattr` for, and the members of flags that it may join with `or_`.
//!
//! `zoneinfo` writes a zone as a call of what `getattr(ZoneInfo, "_unpickle")` is (`ZoneInfo.__reduce__` in CPython's
//! `Lib/zoneinfo/_zoneinfo.py`). Some versions of CPython, 3.11.2 for one, write the member of an enum as
//! `getattr(Color, "RED")` and several flags as `or_(getattr(Level, "HIGH"), getattr(Level, "LOW"))` (`Enum.__reduce_ex__`
//! and `Flag.__reduce_ex__` in their `Lib/enum.py`), where others write `Color("red")` and `Level(3)`.
//!
//! Neither function is on any list. A pickle may name one where every call of it is just one of these, which is read as a
//! name; any other call, or none, and the whole pickle is refused.

use std::collections::BTreeMap;

use super::form::{Call, Form};
use super::list::{self, Listed};
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::error::excerpt;
use crate::pickle::{Construction, Graph, Node, NodeId, Object};

/// The longest name of a class, its module or its member that is asked for.
const LONGEST: usize = 512;

/// The globals that are one of the two functions, and of which nothing is asked but this.
pub(super) fn harmless(graph: &Graph<'_>) -> BTreeMap<usize, Listed> {
    let mut asked = BTreeMap::new();
    for object in graph.objects() {
        let Some(index) = graph.global_index(object.callable) else { continue };
        let Some(function) = function(graph, object.callable) else { continue };
        let (_, is_harmless) = asked.entry(index).or_insert((function, true));
        *is_harmless = *is_harmless && is_bare(graph, object) && is_asked_well(graph, object, function);
    }
    asked.into_iter().filter_map(|(index, (function, is_harmless))| is_harmless.then_some((index, function))).collect()
}

/// Which of the two functions a node is.
fn function(graph: &Graph<'_>, id: NodeId) -> Option<Listed> {
    match graph.short(id, LONGEST)? {
        Node::Global { module: "builtins" | "__builtin__", name: "getattr" } => Some(Listed::Attribute),
        Node::Global { module: "_operator", name: "or_" } => Some(Listed::Flags),
        _ => None,
    }
}

/// Whether nothing is done to what a call returns.
fn is_bare(graph: &Graph<'_>, object: &Object) -> bool {
    object.keywords.is_none()
        && object.construction == Construction::Reduce
        && graph.items_of(object).len() == 0
        && graph.entries_of(object).len() == 0
        && graph.states_of(object).len() == 0
}

fn is_asked_well(graph: &Graph<'_>, object: &Object, function: Listed) -> bool {
    let Node::Tuple(mut arguments) = graph.node(object.args) else { return false };
    let (Some(one), Some(other), None) = (arguments.next(), arguments.next(), arguments.next()) else { return false };
    let is_made_by = |id, functions: &[Listed]| match graph.short(id, LONGEST) {
        Some(Node::Object(made)) => self::function(graph, made.callable).is_some_and(|made| functions.contains(&made)),
        _ => false,
    };
    if function == Listed::Flags {
        return is_made_by(one, &[Listed::Attribute, Listed::Flags]) && is_made_by(other, &[Listed::Attribute]);
    }
    match (graph.short(one, LONGEST), graph.short(other, LONGEST)) {
        (Some(Node::Global { module: "zoneinfo", name: "ZoneInfo" }), Some(Node::Str("_unpickle"))) => true,
        // a class that is refused by its own name where the user does not allow it
        (Some(Node::Global { module, name }), Some(Node::Str(member))) => {
            list::find(module, name).is_none() && self::function(graph, one).is_none() && is_member(member)
        }
        _ => false,
    }
}

/// Whether a member of an enum may have this name.
pub(super) fn is_member(name: &str) -> bool {
    !name.is_empty() && !name.starts_with("__") && !name.contains('.')
}

/// The name of a member, or those of several flags as Python joins them: `LOW|HIGH`.
pub(super) fn names<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let (mut call, mut names) = (call, String::new());
    loop {
        let [one, other] = call.exactly()?;
        reader.tree.spend(1)?;
        if call.listed == Listed::Attribute {
            let name = member(reader, call)?;
            return Ok(match names.is_empty() {
                true => Form::Text(name),
                false => Form::Made(names + name),
            });
        }
        // the flag of the lowest value stands last, and is the first of the name
        let (Node::Object(rest), Node::Object(lowest)) = (reader.tree.node(one), reader.tree.node(other)) else {
            return Err(call.odd());
        };
        let name = member(reader, reader.call(lowest)?)?;
        reader.tree.spend(1 + name.len())?;
        names.push_str(name);
        names.push('|');
        call = reader.call(rest)?;
    }
}

/// The name in `getattr(class, name)` of a class that was allowed.
fn member<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<&'g str> {
    let [class, name] = call.exactly()?;
    match (call.listed, reader.tree.listed(class), reader.tree.node(name)) {
        (Listed::Attribute, Some(Listed::Allowed), Node::Str(name)) => Ok(name),
        _ => Err(call.odd()),
    }
}

/// The class of a zone that is made as `getattr(ZoneInfo, "_unpickle")(key, from_cache)`.
pub(super) fn class_of_zone<'g>(reader: Reader<'g>, object: &'g Object) -> Result<NodeId> {
    let Node::Object(method) = reader.tree.node(object.callable) else {
        return Err(Mismatch::because("what is called is neither a function nor a class"));
    };
    let class = match (reader.tree.listed(method.callable), reader.tree.node(method.args)) {
        (Some(Listed::Attribute), Node::Tuple(mut arguments)) => arguments.next(),
        _ => None,
    };
    match (class.map(|id| (id, reader.tree.listed(id))), reader.tree.node(method.callable)) {
        (Some((class, Some(Listed::ZoneInfo))), _) => Ok(class),
        (_, Node::Global { module, name }) => Err(Mismatch::because(format_args!(
            "what {} of {} returns is called, so it is made by another call",
            excerpt(name),
            excerpt(module)
        ))),
        _ => Err(Mismatch::because("what is called is made by another call, which is made by another one")),
    }
}

/// The name of a zone: `getattr(ZoneInfo, "_unpickle")("Europe/Oslo", 1)` of Python, or `ZoneInfo("Europe/Oslo")` of this crate.
pub(super) fn zone<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<&'g str> {
    let key = match reader.tree.listed(call.object.callable) {
        Some(_) => call.exactly::<1>()?[0],
        None => call.exactly::<2>()?[0],
    };
    match reader.tree.node(key) {
        Node::Str(key) if is_zone(key) => Ok(key),
        _ => Err(call.odd()),
    }
}

/// Whether this is a name as the tz database has them: `Europe/Oslo`, `Etc/GMT+3`, and no path to somewhere else.
pub(super) fn is_zone(name: &str) -> bool {
    let is_part = |part: &str| {
        let rest = part.strip_prefix("GMT+").unwrap_or(part);
        rest.starts_with(|first: char| first.is_ascii_alphanumeric())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.len() <= 255 && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::{is_member, is_zone};

    #[test]
    fn zones_have_the_names_of_the_tz_database_and_no_others() {
        for name in
            ["UTC", "Europe/Oslo", "America/Argentina/Buenos_Aires", "Etc/GMT+3", "EST5EDT", "America/Port-au-Prince"]
        {
            assert!(is_zone(name), "{name}");
        }
        for name in [
            "",
            "/etc/localtime",
            "../x",
            "Europe/../x",
            "Europe//Oslo",
            "Europe/",
            "+05:30",
            "a]",
            "a b",
            "UTC+1",
            "1/x",
        ] {
            assert!(!is_zone(name), "{name}");
        }
    }

    #[test]
    fn members_have_names_that_python_gives_to_no_method() {
        assert!(is_member("RED") && is_member("_hidden") && is_member("søppel"));
        assert!(!is_member("") && !is_member("__class__") && !is_member("a.b"));
    }
}
