//! NumPy's dtypes as they are pickled: `dtype("f8", False, True)` and a state.
//!
//! The state is `(version, byte order, subarray, names, fields, item length, alignment, flags)`, and for points and spans of time
//! a ninth part with their unit: `arraydescr_reduce` in `numpy/_core/src/multiarray/descriptor.c`.

use std::cell::Cell;
use std::collections::HashMap;

use super::array::axes;
use super::form::Call;
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::array::{DType, Field};
use crate::pickle::{Items, Node, NodeId};

/// How deep records may nest.
const MAX_DEPTH: usize = 32;

/// The most fields of one dtype, those of its records' records included: what is shared is written out.
const MAX_FIELDS: usize = 10_000;

/// What a field costs: a name is short in a pickle that names it often, and a field is not.
const FIELD: usize = 16;

/// The dtype of an array.
pub(super) fn read<'g>(reader: Reader<'g>, id: NodeId) -> Result<DType> {
    // arrays in one message mostly have one dtype; it is paid for each time, since it may be written out each time
    if let Some((dtype, cost)) = reader.tree.known_dtype(id) {
        reader.tree.spend(cost)?;
        return Ok(dtype);
    }
    let before = reader.tree.spent();
    let dtype = read_anew(reader, id)?;
    reader.tree.know_dtype(id, &dtype, reader.tree.spent() - before);
    Ok(dtype)
}

fn read_anew<'g>(reader: Reader<'g>, id: NodeId) -> Result<DType> {
    match described(reader, id, &Room { depth: MAX_DEPTH, fields: &Cell::new(MAX_FIELDS) })? {
        (dtype, shape) if shape.is_empty() => Ok(dtype),
        _ => Err(Mismatch::because("a dtype with a shape, outside of a record")),
    }
}

/// How much of a dtype may still come.
struct Room<'r> {
    depth: usize,
    fields: &'r Cell<usize>,
}

impl Room<'_> {
    /// The room within a record or a subarray.
    fn inside(&self) -> Result<Self> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, fields: self.fields }),
            None => Err(Mismatch::because(format_args!("a dtype nested deeper than the limit of {MAX_DEPTH}"))),
        }
    }

    fn take_field(&self) -> Result<()> {
        match self.fields.get().checked_sub(1) {
            Some(left) => {
                self.fields.set(left);
                Ok(())
            }
            None => Err(Mismatch::because(format_args!("a dtype of more than {MAX_FIELDS} fields"))),
        }
    }
}

/// A dtype, and in a record its shape.
fn described<'g>(reader: Reader<'g>, id: NodeId, room: &Room<'_>) -> Result<(DType, Vec<usize>)> {
    reader.tree.spend(1)?;
    let Node::Object(object) = reader.tree.node(id) else {
        return Err(Mismatch::because("something else where a dtype should be"));
    };
    let call = reader.call(object)?;
    let mut states = reader.tree.graph().states_of(object);
    let state = match (call.listed, states.next(), states.next()) {
        (Listed::DType, Some(state), None) => reader.tree.node(state),
        (Listed::DType, None, None) => return constructed(reader, call, room).map(|dtype| (dtype, Vec::new())),
        _ => return Err(call.odd()),
    };
    let [code_id] = call.between(3)?;
    let code = match reader.tree.node(code_id) {
        Node::Str(code) => code,
        Node::OldStr(code) => std::str::from_utf8(code).map_err(|_| call.odd())?,
        // of a recarray: a record like any other
        Node::Global { .. } if reader.tree.listed(code_id) == Some(Listed::Record) => "",
        Node::Global { .. } if reader.tree.listed(code_id) == Some(Listed::BFloat16) => "bfloat16",
        _ => return Err(call.odd()),
    };
    let Node::Tuple(state) = state else { return Err(call.odd()) };
    let state = State::read(reader, call, state)?;
    if let Some(mut both) = state.subarray {
        let (Some(base), Some(shape), None) = (both.next(), both.next(), both.next()) else { return Err(call.odd()) };
        return match described(reader, base, &room.inside()?)? {
            (dtype, inner) if inner.is_empty() => Ok((dtype, axes(reader, call, shape)?)),
            _ => Err(call.odd()),
        };
    }
    let dtype = match (state.names, code) {
        (Some((names, fields)), _) => record(reader, call, names, fields, state.item, &room.inside()?)?,
        (None, "M8" | "m8") => parse(&format!("{}{code}{}", state.order, state.unit.unwrap_or_default()))?,
        // the one whose name says its byte order
        (None, "bfloat16") if matches!(state.order, "<" | "=") => DType::BF16,
        (None, code) => {
            reader.tree.spend(code.len())?;
            parse(&format!("{}{code}", state.order))?
        }
    };
    match state.item {
        Some(item) if item != dtype.item_len() => Err(Mismatch::because(format_args!(
            "a dtype {dtype} of {} bytes that says it has {item}",
            dtype.item_len()
        ))),
        _ => Ok((dtype, Vec::new())),
    }
}

/// `dtype("<f8")`, `dtype(bfloat16)`, or `dtype({"names": ..., "formats": ..., "offsets": ..., "itemsize": ...})`: what this
/// crate writes.
fn constructed<'g>(reader: Reader<'g>, call: Call<'g>, room: &Room<'_>) -> Result<DType> {
    let [description] = call.exactly()?;
    match reader.tree.node(description) {
        Node::Str(text) => {
            reader.tree.spend(text.len())?;
            parse(text)
        }
        Node::Global { .. } if reader.tree.listed(description) == Some(Listed::BFloat16) => Ok(DType::BF16),
        Node::Dict(entries) => described_record(reader, call, entries, &room.inside()?),
        _ => Err(call.odd()),
    }
}

/// A record as NumPy's constructor takes it: lists of names, dtypes, offsets and titles.
fn described_record<'g>(reader: Reader<'g>, call: Call<'g>, mut entries: Items<'g>, room: &Room<'_>) -> Result<DType> {
    let (mut lists, mut item) = ([None; 4], None);
    while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
        reader.tree.spend(1)?;
        let place = match (reader.tree.node(key), reader.tree.node(value)) {
            (Node::Str("names"), Node::List(list)) => (0, list),
            (Node::Str("formats"), Node::List(list)) => (1, list),
            (Node::Str("offsets"), Node::List(list)) => (2, list),
            (Node::Str("titles"), Node::List(list)) => (3, list),
            (Node::Str("itemsize"), Node::Int(len)) => {
                item = Some(usize::try_from(len).map_err(|_| call.odd())?);
                continue;
            }
            _ => return Err(call.odd()),
        };
        lists[place.0] = Some(place.1);
    }
    let [Some(names), Some(formats), Some(offsets), mut titles] = lists else { return Err(call.odd()) };
    let len = names.len();
    if formats.len() != len || offsets.len() != len || titles.is_some_and(|titles| titles.len() != len) {
        return Err(call.odd());
    }
    let mut laid = Vec::new();
    for ((name, format), offset) in names.zip(formats).zip(offsets) {
        let name = text(reader, call, name)?;
        let Node::Int(offset) = reader.tree.node(offset) else { return Err(call.odd()) };
        let offset = usize::try_from(offset).map_err(|_| call.odd())?;
        room.take_field()?;
        reader.tree.spend(FIELD + name.len())?;
        let (format, shape) = match reader.tree.node(format) {
            Node::Tuple(mut both) => match (both.next(), both.next(), both.next()) {
                (Some(format), Some(shape), None) => (format, axes(reader, call, shape)?),
                _ => return Err(call.odd()),
            },
            _ => (format, Vec::new()),
        };
        let (dtype, _) = described(reader, format, room)?;
        let mut field = Field::new(name, dtype).with_shape(shape);
        if let Some(title) = titles.as_mut().and_then(Iterator::next)
            && !matches!(reader.tree.node(title), Node::None)
        {
            let title = text(reader, call, title)?;
            reader.tree.spend(title.len())?;
            field = field.with_title(title);
        }
        laid.push((offset, field));
    }
    lay(call, laid, item)
}

fn parse(text: &str) -> Result<DType> {
    text.parse().map_err(|error: crate::error::Error| Mismatch::because(error))
}

/// What is of interest in the state of a dtype.
struct State<'g> {
    order: &'g str,
    subarray: Option<Items<'g>>,
    /// Names in order, and for each name its dtype and offset.
    names: Option<(Items<'g>, Items<'g>)>,
    /// The length of an element, where it does not follow from the kind.
    item: Option<usize>,
    /// As in `M8[ns]`.
    unit: Option<String>,
}

impl<'g> State<'g> {
    fn read(reader: Reader<'g>, call: Call<'g>, mut state: Items<'g>) -> Result<Self> {
        let node = |id: Option<NodeId>| id.map(|id| reader.tree.node(id)).ok_or_else(|| call.odd());
        if !(8..=9).contains(&state.len()) || !matches!(node(state.next())?, Node::Int(3 | 4)) {
            return Err(call.odd());
        }
        let order = match node(state.next())? {
            Node::Str(order @ ("<" | ">" | "|" | "=")) => order,
            Node::OldStr(b"<") => "<",
            Node::OldStr(b">") => ">",
            Node::OldStr(b"|") => "|",
            _ => return Err(call.odd()),
        };
        let subarray = match node(state.next())? {
            Node::Tuple(both) => Some(both),
            Node::None => None,
            _ => return Err(call.odd()),
        };
        let names = match (node(state.next())?, node(state.next())?) {
            (Node::Tuple(names), Node::Dict(fields)) => Some((names, fields)),
            (Node::None, Node::None) => None,
            _ => return Err(call.odd()),
        };
        let item = match node(state.next())? {
            Node::Int(-1) => None,
            Node::Int(item) => Some(usize::try_from(item).map_err(|_| call.odd())?),
            _ => return Err(call.odd()),
        };
        let unit = state.nth(2).map(|id| unit(reader, call, id)).transpose()?.flatten();
        Ok(Self { order, subarray, names, item, unit })
    }
}

/// `(metadata, (unit, count, 1, 1))`: the unit of a step of time and how many of them it has, as `[25us]`.
fn unit<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<Option<String>> {
    let Node::Tuple(mut both) = reader.tree.node(id) else { return Ok(None) };
    let Some(Node::Tuple(mut step)) = both.nth(1).map(|id| reader.tree.node(id)) else { return Err(call.odd()) };
    let (Some(unit), Some(count), Some(divisor)) = (step.next(), step.next(), step.next()) else {
        return Err(call.odd());
    };
    let unit = match reader.tree.node(unit) {
        Node::Str(unit) => unit.to_owned(),
        _ => String::from_utf8(reader.bytes_in(unit)?.into_owned()).map_err(|_| call.odd())?,
    };
    reader.tree.spend(unit.len())?;
    match (reader.tree.node(count), reader.tree.node(divisor)) {
        (Node::Int(1), Node::Int(1)) if unit == "generic" => Ok(None),
        (Node::Int(1), Node::Int(1)) => Ok(Some(format!("[{unit}]"))),
        (Node::Int(count), Node::Int(1)) => Ok(Some(format!("[{count}{unit}]"))),
        _ => Err(call.odd()),
    }
}

/// A record: its fields in order of their offsets, with gaps.
fn record<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    names: Items<'g>,
    mut fields: Items<'g>,
    item: Option<usize>,
    room: &Room<'_>,
) -> Result<DType> {
    let text = |id| text(reader, call, id);
    let mut places = HashMap::new();
    while let (Some(name), Some(place)) = (fields.next(), fields.next()) {
        let name = text(name)?;
        reader.tree.spend(1 + name.len())?;
        places.insert(name, place);
    }
    let mut laid = Vec::new();
    for name in names {
        let name = text(name)?;
        room.take_field()?;
        reader.tree.spend(FIELD + name.len())?;
        let place = places.get(name).map(|&place| reader.tree.node(place));
        let Some(Node::Tuple(mut place)) = place else { return Err(call.odd()) };
        let (Some(dtype), Some(offset)) = (place.next(), place.next()) else { return Err(call.odd()) };
        let Node::Int(offset) = reader.tree.node(offset) else { return Err(call.odd()) };
        let offset = usize::try_from(offset).map_err(|_| call.odd())?;
        let (dtype, shape) = described(reader, dtype, room)?;
        let mut field = Field::new(name, dtype).with_shape(shape);
        if let Some(title) = place.next() {
            let title = text(title)?;
            reader.tree.spend(title.len())?;
            field = field.with_title(title);
        }
        laid.push((offset, field));
    }
    lay(call, laid, item)
}

fn text<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<&'g str> {
    match reader.tree.node(id) {
        Node::Str(text) => Ok(text),
        Node::OldStr(text) => std::str::from_utf8(text).map_err(|_| call.odd()),
        _ => Err(call.odd()),
    }
}

/// A record of fields at these offsets.
fn lay(call: Call<'_>, mut laid: Vec<(usize, Field)>, item: Option<usize>) -> Result<DType> {
    laid.sort_by_key(|&(offset, _)| offset);
    let mut padded = Vec::with_capacity(2 * laid.len() + 1);
    let mut at = 0_usize;
    for (offset, field) in laid {
        let gap = offset.checked_sub(at);
        let gap = gap.ok_or_else(|| Mismatch::because("a record of fields that overlap"))?;
        padded.push(Field::padding(gap));
        // the length of a field is that of a record of it alone
        let len = DType::record([field.clone()]).map_err(Mismatch::because)?.item_len();
        at = offset.checked_add(len).ok_or_else(|| call.odd())?;
        padded.push(field);
    }
    if let Some(gap) = item.and_then(|item| item.checked_sub(at)) {
        padded.push(Field::padding(gap));
    }
    DType::record(padded).map_err(Mismatch::because)
}
