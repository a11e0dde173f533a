//! Arrays of Python objects: text, bytes and truth values are read, all of one kind in a column, and nothing else.

use std::borrow::Cow;

use arrow_schema::DataType;

use super::super::array::axes;
use super::super::list::{Listed, Pandas};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::came::Missing;
use super::object::{called, copying, state};
use super::piece::{Nulls, Piece, packed};
use crate::buffer::Buffer;
use crate::pickle::{Items, Node, NodeId};

/// A matrix of objects whose rows are columns of a frame, or one column.
#[derive(Clone, Copy)]
pub(super) struct Objects<'g> {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// All of them, column after column of the frame.
    items: Items<'g>,
}

impl<'g> Objects<'g> {
    /// The objects of an array; `None` for one of anything else.
    ///
    /// Its data is a list where that of other arrays is bytes: `_reconstruct(ndarray, (0,), b"b")` with the state
    /// `(1, shape, dtype, is_fortran, list)`. The list is in C order whatever `is_fortran` says.
    pub(super) fn read(reader: Reader<'g>, id: NodeId) -> Result<Option<Self>> {
        let call = called(reader, id)?;
        if call.listed != Listed::Reconstruct {
            return Ok(None);
        }
        let Node::Tuple(mut parts) = reader.tree.node(state(reader, call)?) else { return Err(call.odd()) };
        let (shape, list) = (parts.nth(1), parts.nth(2));
        let (Some(shape), Some(Node::List(items))) = (shape, list.map(|id| reader.tree.node(id))) else {
            return Ok(None);
        };
        let (columns, rows) = match axes(reader, call, shape)?[..] {
            [rows] => (1, rows),
            [columns, rows] => (columns, rows),
            _ => return Err(call.odd()),
        };
        if columns > crate::table::MAX_PARTS || columns.checked_mul(rows) != Some(items.len()) {
            let len = items.len();
            return Err(Mismatch::because(format_args!("an array of {columns} by {rows} objects that has {len}")));
        }
        Ok(Some(Self { columns, rows, items }))
    }

    /// One column of objects, as a list has them.
    pub(super) fn of(items: Items<'g>) -> Self {
        Self { columns: 1, rows: items.len(), items }
    }

    /// The one column, of whatever kind it is.
    pub(super) fn piece(self, reader: Reader<'g>) -> Result<Piece> {
        only(self.pieces(reader)?)
    }

    /// The one column, of text even where all of it is missing.
    pub(super) fn text(self, reader: Reader<'g>) -> Result<Piece> {
        only(self.texts(reader)?)
    }

    /// The objects of all columns in turn.
    pub(super) fn items(&self) -> Items<'g> {
        self.items
    }

    /// The columns, in order, of whatever kind each is.
    pub(super) fn pieces(self, reader: Reader<'g>) -> Result<Vec<std::result::Result<Piece, String>>> {
        self.of_kind(reader, Kind::Nothing)
    }

    /// The columns, in order, of text even where all of it is missing.
    pub(super) fn texts(self, reader: Reader<'g>) -> Result<Vec<std::result::Result<Piece, String>>> {
        self.of_kind(reader, Kind::Text)
    }

    fn of_kind(self, reader: Reader<'g>, first: Kind) -> Result<Vec<std::result::Result<Piece, String>>> {
        let mut items = self.items;
        let mut pieces = Vec::new();
        for _ in 0..self.columns {
            reader.tree.spend(PIECE)?;
            let mut kind = first;
            let column = items;
            let mut odd = None;
            let mut missing = None;
            let mut left = items.by_ref().take(self.rows);
            for id in left.by_ref() {
                let value = Value::of(reader, id);
                // before all of them are looked at once more
                reader.tree.spend(1 + value.len())?;
                if let Value::Missing(new) = value {
                    missing = Some(if missing.is_none_or(|known| known == new) { new } else { Missing::None });
                }
                odd = kind.meet(value).err();
                if odd.is_some() {
                    break;
                }
            }
            left.for_each(drop);
            pieces.push(match odd {
                Some(why) => Err(why),
                None => {
                    let column = Column { reader, items: column, left: self.rows };
                    let mut piece = piece(kind, column, missing.is_some())?;
                    // text has one word for it
                    if let (Kind::Nothing, Some(missing @ (Missing::NaN | Missing::NA))) = (first, missing) {
                        piece.part.get_or_insert_default().missing = missing;
                    }
                    Ok(piece)
                }
            });
        }
        Ok(pieces)
    }
}

/// The one column of them.
pub(super) fn only(mut pieces: Vec<std::result::Result<Piece, String>>) -> Result<Piece> {
    match pieces.pop() {
        Some(piece) if pieces.is_empty() => piece.map_err(Mismatch::because),
        _ => Err(Mismatch::because("a matrix where one column should be")),
    }
}

/// What a column costs, however few rows it has.
pub(super) const PIECE: usize = 64;

/// One object.
enum Value<'g> {
    Missing(Missing),
    Bool(bool),
    Text(&'g str),
    Bytes(Cow<'g, [u8]>),
    /// What it is instead, and how many bytes were read to tell.
    Other(&'static str, usize),
}

impl<'g> Value<'g> {
    /// How many bytes of text or bytes it has.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Other(_, len) => *len,
            _ => 0,
        }
    }

    fn of(reader: Reader<'g>, id: NodeId) -> Self {
        match reader.tree.shown(id) {
            Node::None => Self::Missing(Missing::None),
            Node::Float(value) if value.is_nan() => Self::Missing(Missing::NaN),
            Node::Global { .. } if reader.tree.listed(id) == Some(Listed::Pandas(Pandas::Missing)) => {
                Self::Missing(Missing::NA)
            }
            Node::Bool(value) => Self::Bool(value),
            Node::Str(text) => Self::Text(text),
            Node::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            // of protocols 0 to 2
            Node::Object(object)
                if matches!(reader.tree.listed(object.callable), Some(Listed::Encode | Listed::Bytes)) =>
            {
                reader.bytes_in(id).map_or(Self::Other("an object", 0), Self::Bytes)
            }
            Node::Int(_) | Node::Big(_) => Self::Other("an integer", 0),
            // lines of protocol 0, of which the end is looked for
            Node::BigText(digits) => Self::Other("an integer", digits.len()),
            Node::OldStr(bytes) => Self::Other("an object", bytes.len()),
            Node::Float(_) => Self::Other("a float", 0),
            Node::List(_) | Node::Tuple(_) => Self::Other("a sequence", 0),
            Node::Dict(_) => Self::Other("a dict", 0),
            _ => Self::Other("an object", 0),
        }
    }
}

/// What the objects of a column are, as far as they were looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Bool,
    Text,
    Bytes,
}

impl Kind {
    fn meet(&mut self, value: Value<'_>) -> std::result::Result<(), String> {
        let (new, name) = match value {
            Value::Missing(_) => return Ok(()),
            Value::Bool(_) => (Self::Bool, "a truth value"),
            Value::Text(_) => (Self::Text, "text"),
            Value::Bytes(_) => (Self::Bytes, "bytes"),
            Value::Other(what, _) => return Err(format!("{what} among its Python objects, which have no Arrow type")),
        };
        if *self != Self::Nothing && *self != new {
            return Err(format!("{name} among Python objects of another kind, which have no Arrow type together"));
        }
        *self = new;
        Ok(())
    }
}

/// A column of objects of one kind: copied.
fn piece(kind: Kind, values: Column<'_>, has_nulls: bool) -> Result<Piece> {
    let rows = values.left;
    let values = || values;
    let nulls = || match has_nulls {
        true => Nulls::of(values().map(|value| matches!(value, Value::Missing(_)))),
        false => Ok(None),
    };
    Ok(match kind {
        Kind::Nothing => Piece::new(DataType::Null, rows, Vec::new()),
        Kind::Bool => {
            let (_, bits, _) = packed(values().map(|value| matches!(value, Value::Bool(true))))?;
            Piece::new(DataType::Boolean, rows, vec![Buffer::from(bits)]).with_nulls(nulls()?)
        }
        Kind::Text | Kind::Bytes => {
            let parts = || {
                values().map(|value| match value {
                    Value::Text(text) => Cow::Borrowed(text.as_bytes()),
                    Value::Bytes(bytes) => bytes,
                    _ => Cow::default(),
                })
            };
            let len = parts().map(|part| part.len()).fold(0, usize::saturating_add);
            copying(len)?;
            let is_long = i32::try_from(len).is_err();
            let mut bytes = Vec::with_capacity(len);
            let mut offsets = Vec::with_capacity((rows + 1) * if is_long { 8 } else { 4 });
            for part in std::iter::once(Cow::default()).chain(parts()) {
                bytes.extend_from_slice(&part);
                match is_long {
                    true => offsets.extend_from_slice(&(bytes.len() as u64).to_le_bytes()),
                    false => offsets.extend_from_slice(&(bytes.len() as u32).to_le_bytes()),
                }
            }
            let data_type = match (kind, is_long) {
                (Kind::Text, false) => DataType::Utf8,
                (Kind::Text, true) => DataType::LargeUtf8,
                (_, false) => DataType::Binary,
                (_, true) => DataType::LargeBinary,
            };
            Piece::new(data_type, rows, vec![Buffer::from(offsets), Buffer::from(bytes)]).with_nulls(nulls()?)
        }
    }
    .with_dtype("object"))
}

/// The objects of one column.
#[derive(Clone, Copy)]
struct Column<'g> {
    reader: Reader<'g>,
    items: Items<'g>,
    left: usize,
}

impl<'g> Iterator for Column<'g> {
    type Item = Value<'g>;

    fn next(&mut self) -> Option<Value<'g>> {
        self.left = self.left.checked_sub(1)?;
        self.items.next().map(|id| Value::of(self.reader, id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Column<'_> {}
