//! What objects of pandas have in common: a state that is a dict of attributes.

use super::super::array::Data;
use super::super::form::{Call, Form};
use super::super::list::Listed;
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use crate::buffer::Buffer;
use crate::handoff;
use crate::pickle::{Items, Node, NodeId};

/// The call of an object that Python would make by one.
pub(super) fn called(reader: Reader<'_>, id: NodeId) -> Result<Call<'_>> {
    match reader.tree.node(id) {
        Node::Object(object) => reader.call(object),
        _ => Err(Mismatch::because("something else where an object of pandas or pyarrow should be")),
    }
}

/// The one state of an object.
pub(super) fn state<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<NodeId> {
    let mut states = reader.tree.graph().states_of(call.object);
    match (states.next(), states.next()) {
        (Some(state), None) => Ok(state),
        _ => Err(call.odd()),
    }
}

/// The state of an object without arguments, which is a dict.
pub(super) fn attributes<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Items<'g>> {
    match reader.tree.node(state(reader, call)?) {
        Node::Dict(entries) if call.arguments.len() == 0 => Ok(entries),
        _ => Err(call.odd()),
    }
}

/// What a dict has under a name: as in Python, the last such entry.
pub(super) fn entry<'g>(reader: Reader<'g>, mut entries: Items<'g>, name: &str) -> Result<Option<NodeId>> {
    let mut found = None;
    while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
        reader.tree.spend(1)?;
        if reader.tree.graph().is_text(key, name) {
            found = Some(value);
        }
    }
    Ok(found)
}

/// What a dict must have under a name.
pub(super) fn needed<'g>(reader: Reader<'g>, call: Call<'g>, entries: Items<'g>, name: &str) -> Result<NodeId> {
    entry(reader, entries, name)?.ok_or_else(|| call.odd())
}

/// The elements of a list or tuple.
pub(super) fn elements<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<Items<'g>> {
    match reader.tree.node(id) {
        Node::List(items) | Node::Tuple(items) => Ok(items),
        _ => Err(call.odd()),
    }
}

/// Just so many elements of a list or tuple.
pub(super) fn exactly<'g, const N: usize>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<[NodeId; N]> {
    let mut items = elements(reader, call, id)?;
    let mut ids = [id; N];
    for place in &mut ids {
        *place = items.next().ok_or_else(|| call.odd())?;
    }
    if items.len() == 0 { Ok(ids) } else { Err(call.odd()) }
}

/// A count.
pub(super) fn count(reader: Reader<'_>, call: Call<'_>, id: NodeId) -> Result<u64> {
    match reader.tree.node(id) {
        Node::Int(value) => u64::try_from(value).map_err(|_| call.odd()),
        _ => Err(call.odd()),
    }
}

/// A text.
pub(super) fn text<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<&'g str> {
    match reader.tree.node(id) {
        Node::Str(text) => Ok(text),
        _ => Err(call.odd()),
    }
}

/// Bytes as a buffer: a frame **without copying**, bytes of the pickle where that keeps little else alive.
pub(super) fn buffer<'g>(reader: Reader<'g>, data: Data<'g>) -> Result<Buffer> {
    Ok(match data {
        Data::Frame(index) => {
            let frame = reader.tree.frame(index)?;
            handoff::owner_of(frame).unwrap_or_else(|| frame.clone())
        }
        Data::InBand(bytes) => handoff::owner_of(bytes).unwrap_or_else(|| Buffer::copy_from_slice(bytes)),
        Data::Made(bytes) => Buffer::from(bytes),
    })
}

/// What serde would be shown of a part of a table that is no object of pandas or pyarrow: so a table is never looked for in a
/// table, which might be the same one.
pub(super) fn of_no_table<'g>(reader: Reader<'g>, id: NodeId) -> Result<Form<'g>> {
    match reader.tree.node(id) {
        Node::Object(object) => match reader.call(object)? {
            call if matches!(call.listed, Listed::Pandas(_) | Listed::PyArrow(_)) => Err(call.odd()),
            _ => reader.at(id).form(),
        },
        _ => reader.at(id).form(),
    }
}

/// The buffer that a node is: `PickleBuffer`, bytes, a bytearray.
pub(super) fn buffer_of(reader: Reader<'_>, id: NodeId) -> Result<Buffer> {
    match of_no_table(reader, id)? {
        Form::Frame(index) => buffer(reader, Data::Frame(index)),
        Form::Bytes(bytes) => {
            reader.tree.spend(bytes.len())?;
            buffer(reader, Data::InBand(bytes))
        }
        Form::MadeBytes(bytes) => Ok(Buffer::from(bytes)),
        _ => Err(Mismatch::because("something else where a buffer should be")),
    }
}

/// Charges a copy that is about to be made.
pub(super) fn copying(bytes: usize) -> Result<()> {
    charge(bytes)?;
    crate::memory::count_copy(bytes);
    Ok(())
}

/// The same of a copy that counts itself.
pub(super) fn charge(bytes: usize) -> Result<()> {
    handoff::copying(bytes).map_err(|_| Mismatch::because("columns that are named more than once, over the limit"))
}
