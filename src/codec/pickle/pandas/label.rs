//! Labels: the names of columns, which in pandas may be numbers, or tuples where there are several levels.
//!
//! Arrow's names are text. They are written as pyarrow writes them, and what they were is in the metadata.

use std::fmt::Write as _;

use serde_json::{Number, Value as Json};

use super::super::form::Form;
use super::super::list::Listed;
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::super::{array, number, stamp};
use crate::pickle::{Node, NodeId};

/// A label, or the name of an index.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::codec::pickle) enum Label {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Tuple(Vec<Label>),
}

impl Label {
    pub(super) fn read(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        let one = |id| {
            reader.tree.spend(1)?;
            Ok(match reader.tree.shown(id) {
                Node::None => Self::None,
                Node::Bool(value) => Self::Bool(value),
                Node::Int(value) => Self::Int(value.into()),
                Node::Big(_) | Node::BigText(_) => match number::signed(reader.tree.node(id)) {
                    Some(value) if i64::try_from(value).is_ok() || u64::try_from(value).is_ok() => Self::Int(value),
                    _ => return Err(Mismatch::because("a name that is an integer of more than 64 bits")),
                },
                Node::Float(value) => Self::Float(value),
                Node::Str(text) => {
                    reader.tree.spend(text.len())?;
                    Self::Text(text.to_owned())
                }
                // of an index of numbers each row has a scalar for its name
                Node::Object(object) if reader.tree.listed(object.callable) == Some(Listed::Scalar) => {
                    match array::scalar(reader, reader.call(object)?)? {
                        Form::Bool(value) => Self::Bool(value),
                        Form::Int(value) => Self::Int(value.into()),
                        Form::Unsigned(value) => Self::Int(value.into()),
                        Form::Float(value) => Self::Float(value),
                        Form::Made(text) => Self::Text(text),
                        _ => return Err(odd()),
                    }
                }
                _ => return Err(odd()),
            })
        };
        match reader.tree.shown(id) {
            Node::Tuple(parts) => parts.map(one).collect::<Result<_>>().map(Self::Tuple),
            _ => one(id),
        }
    }

    /// The name of a series: of a row at a point in time it is that, which is read as text.
    pub(super) fn of_series(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        if let Node::Object(object) = reader.tree.shown(id)
            && reader.tree.listed(object.callable) == Some(Listed::Timestamp)
        {
            return stamp::point(reader, reader.call(object)?).map(Self::Text);
        }
        Self::read(reader, id)
    }

    /// As pyarrow writes it.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Text(text) => text.clone(),
            Self::Tuple(parts) => tuple(parts),
        }
    }

    /// The name of an index or of a level as the metadata has it: a tuple and what JSON has no number for as text.
    pub(super) fn titled(&self) -> Json {
        let number = match *self {
            Self::None => return Json::Null,
            Self::Bool(value) => return Json::Bool(value),
            Self::Int(value) => {
                i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
            }
            Self::Float(value) => Number::from_f64(value),
            _ => None,
        };
        number.map_or_else(|| Json::from(self.to_text()), Json::Number)
    }

    /// A label that is the same where two are equal in Python: of one kind, only zeros are with and without a sign.
    pub(super) fn without_sign(&self) -> Self {
        match self {
            Self::Float(value) => Self::Float(value + 0.0),
            Self::Tuple(parts) => Self::Tuple(parts.iter().map(Self::without_sign).collect()),
            label => label.clone(),
        }
    }

    /// A part of a label of several levels.
    pub(in crate::codec::pickle) fn part(&self, at: usize) -> Option<&Self> {
        match self {
            Self::Tuple(parts) => parts.get(at),
            _ => None,
        }
    }

    /// A text that is the same for labels which Python takes for one key of a dict: `1`, `1.0` and `True` are.
    pub(in crate::codec::pickle) fn key(&self) -> String {
        let number = |value: f64| format!("{:?}", value + 0.0);
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(value) => number(f64::from(u8::from(*value))),
            // as the float that it is equal to, if it is to one
            Self::Int(value) if (*value as f64) as i128 == *value => number(*value as f64),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => number(*value),
            Self::Text(text) => format!("{text:?}"),
            Self::Tuple(parts) => parts.iter().map(|part| part.key() + ", ").collect(),
        }
    }

    /// What it is in the metadata.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "unicode",
            Self::Tuple(_) => "tuple",
        }
    }
}

fn odd() -> Mismatch {
    Mismatch::because("a name that is neither text, a number nor a truth value")
}

/// A tuple of texts as Python prints it, which is how it is read again.
fn tuple(parts: &[Label]) -> String {
    let mut text = String::from("(");
    for (at, part) in parts.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        let part = part.to_text();
        let quote = if part.contains('\'') && !part.contains('"') { '"' } else { '\'' };
        text.push(quote);
        for char in part.chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                char if char == quote => text.extend(['\\', char]),
                // writing to a text does not fail
                char if char.is_control() => _ = write!(text, "\\x{:02x}", u32::from(char)),
                char => text.push(char),
            }
        }
        text.push(quote);
    }
    text.push_str(if parts.len() == 1 { ",)" } else { ")" });
    text
}
