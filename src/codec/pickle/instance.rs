//! Instances of classes that were allowed: records of what Python wrote of them. And `UUID`, which is written like one.
//!
//! An instance is a class, arguments for `__new__`, a state (its `__dict__`, with `__slots__` a pair of that and a dict of
//! the slots), and for subclasses of list and dict their elements or entries: Python's `object.__reduce_ex__`.

use super::form::{Call, Form};
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::plain;
use super::read::Reader;
use crate::pickle::{Construction, Graph, Items, Node, NodeId, Object};

/// Whether one of a graph's globals is used as a class: it has a class's name, or what is made of it is made as no function makes it.
#[cold]
pub(super) fn is_class(graph: &Graph<'_>, global: usize) -> bool {
    let is_it = |id| graph.global_index(id) == Some(global);
    let has_name =
        |(_, name): (&str, &str)| name.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_uppercase));
    let makes = |object: &Object| match (graph.short(object.callable, 64), graph.node(object.args)) {
        (Some(Node::Global { module: "copyreg" | "copy_reg", .. }), Node::Tuple(mut arguments)) => {
            arguments.next().is_some_and(is_it)
        }
        _ => is_it(object.callable) && object.construction == Construction::New,
    };
    graph.globals().nth(global).is_some_and(has_name) || graph.objects().any(makes)
}

/// What serde is shown of an instance.
pub(super) fn form<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let (class, origin) = class(reader, call)?;
    let graph = reader.tree.graph();
    let mut states = graph.states_of(call.object);
    let state = states.next();
    if states.len() > 0 {
        return Err(mixed("more than one state"));
    }
    let (items, entries) = (graph.items_of(call.object), graph.entries_of(call.object));
    let is_bare = state.is_none() && items.len() == 0 && entries.len() == 0;
    let arguments = match origin {
        Origin::Arguments(arguments) => arguments,
        Origin::Elements(elements) if is_bare => return Ok(Form::Sequence(elements)),
        Origin::Entries(entries) if is_bare => return Ok(Form::Fields(Some(class), [Some(entries), None])),
        _ => return Err(mixed("more than elements or entries")),
    };
    if reader.tree.listed(class) == Some(Listed::Uuid) {
        return match state.filter(|_| arguments.len() == 0) {
            Some(state) => uuid(reader, call, state),
            None => Err(call.odd()),
        };
    }
    let keywords = match keywords(call).map(|id| reader.tree.node(id)) {
        Some(Node::Dict(items)) => Some(items).filter(|items| items.len() > 0),
        Some(_) => return Err(call.odd()),
        None => None,
    };
    match (arguments.len(), state, items.len(), entries.len(), keywords) {
        (_, None, 0, 0, None) => given(call, class, arguments),
        (0, Some(state), 0, 0, None) => attributes(reader, call, class, state),
        (0, None, _, 0, None) => Ok(Form::Sequence(items)),
        (0, None, 0, _, None) => Ok(Form::Fields(Some(class), [Some(entries), None])),
        (0, None, 0, 0, Some(keywords)) => Ok(Form::Fields(Some(class), [Some(keywords), None])),
        _ => Err(mixed("two of arguments, attributes, elements and entries")),
    }
}

#[cold]
fn mixed(what: &str) -> Mismatch {
    Mismatch::because(format_args!("an instance with {what}, which is no record"))
}

/// What an instance is made from.
enum Origin<'g> {
    Arguments(Items<'g>),
    /// Of a subclass of list or tuple.
    Elements(Items<'g>),
    /// Of a subclass of dict.
    Entries(Items<'g>),
}

/// The class, and what its instance is made from: of `_reconstructor(class, base, value)` a value of the base, of
/// `__newobj__(class, ...)` and `__newobj_ex__(class, arguments, keywords)` what NEWOBJ and NEWOBJ_EX have on the stack.
fn class<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<(NodeId, Origin<'g>)> {
    if matches!(call.listed, Listed::Allowed | Listed::Uuid) {
        return Ok((call.object.callable, Origin::Arguments(call.arguments)));
    }
    let class = call.argument(0).filter(|_| call.object.construction == Construction::Reduce);
    let class = class.ok_or_else(|| call.odd())?;
    if !matches!(reader.tree.listed(class), Some(Listed::Allowed | Listed::Uuid)) {
        return Err(call.odd());
    }
    match call.listed {
        Listed::NewObj => {
            let mut arguments = call.arguments;
            arguments.next();
            return Ok((class, Origin::Arguments(arguments)));
        }
        Listed::NewObjEx => {
            let [_, arguments, _] = call.exactly()?;
            let Node::Tuple(arguments) = reader.tree.node(arguments) else { return Err(call.odd()) };
            return Ok((class, Origin::Arguments(arguments)));
        }
        _ => {}
    }
    let [_, base, value] = call.exactly()?;
    let origin = match (reader.tree.listed(base), reader.tree.node(value)) {
        (Some(Listed::Object), Node::None) => {
            let mut none = call.arguments;
            none.by_ref().for_each(drop);
            Origin::Arguments(none)
        }
        (Some(Listed::Tuple), Node::Tuple(items)) | (Some(Listed::List), Node::List(items)) => Origin::Elements(items),
        (Some(Listed::Dict), Node::Dict(items)) => Origin::Entries(items),
        _ => return Err(call.odd()),
    };
    Ok((class, origin))
}

/// The keyword arguments: a dict, if anybody wrote it.
fn keywords(call: Call<'_>) -> Option<NodeId> {
    match call.listed {
        Listed::NewObjEx => call.argument(2),
        _ => call.object.keywords,
    }
}

/// An instance that is its arguments: an enum's value, a named tuple's fields.
fn given<'g>(call: Call<'g>, class: NodeId, arguments: Items<'g>) -> Result<Form<'g>> {
    match (call.object.construction, arguments.len()) {
        (_, 0) => Ok(Form::Fields(Some(class), [None, None])),
        (Construction::Reduce, 1) if call.listed == Listed::Allowed => Ok(Form::Same(call.exactly::<1>()?[0])),
        _ => Ok(Form::Sequence(arguments)),
    }
}

fn attributes<'g>(reader: Reader<'g>, call: Call<'g>, class: NodeId, state: NodeId) -> Result<Form<'g>> {
    let part = |id| match reader.tree.node(id) {
        Node::Dict(items) => Ok(Some(items)),
        Node::None => Ok(None),
        _ => Err(call.odd()),
    };
    match reader.tree.node(state) {
        Node::Tuple(mut both) => match (both.next(), both.next(), both.next()) {
            (Some(dict), Some(slots), None) => Ok(Form::Fields(Some(class), [part(dict)?, part(slots)?])),
            _ => Err(call.odd()),
        },
        // the values of a frozen dataclass with slots, in order
        Node::List(values) => Ok(Form::Sequence(values)),
        _ => Ok(Form::Fields(Some(class), [part(state)?, None])),
    }
}

/// The `int` in the state of a `UUID`.
fn uuid<'g>(reader: Reader<'g>, call: Call<'g>, state: NodeId) -> Result<Form<'g>> {
    let Node::Dict(mut entries) = reader.tree.node(state) else { return Err(call.odd()) };
    while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
        reader.tree.spend(1)?;
        if reader.tree.graph().is_text(name, "int") {
            return plain::uuid(reader.tree.node(value)).map(Form::Made);
        }
    }
    Err(call.odd())
}
