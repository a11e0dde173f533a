//! The reader: a serde deserializer over the graph, with no tree of values between them.
//!
//! Everything is borrowed for `'g`: text and bytes from the pickle, out-of-band bytes from the frames, so that a
//! [`Buffer`](crate::buffer::Buffer) finds its owner by address (see `handoff`). Recursion is bounded by the depth that is
//! left, and what is walked is paid for (see `tree`), so what is shared a million times is not decoded a million times.

use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Elements, Entries, Fields, Parts, UnitVariant, Variant};
use super::form::Form;
use super::list::{Listed, Pandas};
use super::member;
use super::mismatch::{Mismatch, Result};
use super::number;
#[cfg(feature = "arrow")]
use super::pandas;
use super::tree::Tree;
use crate::memory;
use crate::pickle::{Items, Node, NodeId};
use crate::python::arrive;

/// One node, to be shown to a visitor.
#[derive(Clone, Copy)]
pub(super) struct Reader<'g> {
    pub(super) tree: &'g Tree<'g>,
    pub(super) id: NodeId,
    /// How many containers may still be within each other.
    pub(super) depth: usize,
}

/// No name of what is not there has more bytes, nor has that of its module.
const LONGEST: usize = 64;

/// How a visitor wants to see what can be shown in more than one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Anything,
    Sequence,
    /// A map or a struct of a known type: it has no use for the name of a class.
    Map,
}

impl<'g> Reader<'g> {
    pub(super) fn new(tree: &'g Tree<'g>, id: NodeId, depth: usize) -> Self {
        Self { tree, id, depth }
    }

    /// Another node at the same depth: a part of what Python calls to make this one.
    pub(super) fn at(self, id: NodeId) -> Self {
        Self { id, ..self }
    }

    /// The reader for what this one contains.
    #[inline]
    pub(super) fn inside(self) -> Result<Self> {
        match self.depth.checked_sub(1) {
            Some(depth) => {
                self.tree.objects().reach(depth);
                Ok(Self { depth, ..self })
            }
            None => Err(self.tree.too_deep()),
        }
    }

    pub(super) fn show<V: Visitor<'g>>(self, visitor: V, wanted: Wanted) -> Result<V::Value> {
        self.tree.spend(1)?;
        // what most nodes are
        match self.tree.shown(self.id) {
            Node::Int(value) => int(value, visitor),
            Node::Float(value) => visitor.visit_f64(value),
            Node::Str(text) => self.text(text, visitor),
            Node::None => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(value),
            Node::List(items) | Node::Tuple(items) => self.sequence(items, visitor),
            Node::Dict(items) => self.map(items, visitor),
            _ => self.show_form(self.form()?, visitor, wanted),
        }
    }

    /// An integer as most are: a small one.
    #[inline]
    fn integer<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.id.as_small() {
            Some(value) => {
                self.tree.spend(1)?;
                int(value, visitor)
            }
            None => self.show(visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn truth<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.id.as_bool() {
            Some(value) => {
                self.tree.spend(1)?;
                visitor.visit_bool(value)
            }
            None => self.show(visitor, Wanted::Anything),
        }
    }

    /// Whether this is pandas' word for what is not there.
    #[inline]
    fn is_missing(self) -> bool {
        self.tree.names_missing() && self.is_nothing()
    }

    /// Only what is listed as such is looked into: what is anything else may be long, and is read once it is shown.
    #[cold]
    fn is_nothing(self) -> bool {
        match self.tree.graph().short(self.id, LONGEST) {
            Some(Node::Global { .. }) => self.tree.listed(self.id) == Some(Listed::Pandas(Pandas::Missing)),
            Some(Node::Object(object)) => {
                self.tree.listed(object.callable) == Some(Listed::NotATime) && matches!(self.form(), Ok(Form::Unit))
            }
            _ => false,
        }
    }

    /// Text as most is: short.
    #[inline]
    fn short_text<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.tree.graph().as_short_text(self.id) {
            Some(text) => {
                self.tree.spend(1 + text.len())?;
                visitor.visit_borrowed_str(text)
            }
            None => self.show(visitor, Wanted::Anything),
        }
    }

    /// The name of a field or variant, which is nearly always one that was met before.
    #[inline]
    fn name<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.tree.name(self.id) {
            Some(name) => {
                self.tree.spend(1 + name.len())?;
                visitor.visit_borrowed_str(name)
            }
            None => self.show(visitor, Wanted::Anything),
        }
    }

    #[inline]
    fn text<V: Visitor<'g>>(self, text: &'g str, visitor: V) -> Result<V::Value> {
        self.tree.spend(text.len())?;
        visitor.visit_borrowed_str(text)
    }

    #[inline]
    fn sequence<V: Visitor<'g>>(self, items: Items<'g>, visitor: V) -> Result<V::Value> {
        let mut elements = Elements::new(self.inside()?, items);
        let value = visitor.visit_seq(&mut elements)?;
        match elements.left() {
            0 => Ok(value),
            left => Err(Mismatch::because(format_args!("{left} elements too many in a sequence of {}", items.len()))),
        }
    }

    #[inline]
    fn map<V: Visitor<'g>>(self, items: Items<'g>, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Entries::new(self.inside()?, items))
    }

    #[inline(never)]
    pub(super) fn show_form<V: Visitor<'g>>(self, form: Form<'g>, visitor: V, wanted: Wanted) -> Result<V::Value> {
        match form {
            Form::Unit => visitor.visit_unit(),
            Form::Bool(value) => visitor.visit_bool(value),
            Form::Int(value) => int(value, visitor),
            Form::Unsigned(value) => visitor.visit_u64(value),
            Form::Big(digits) => visitor.visit_string(digits),
            Form::Float(value) => visitor.visit_f64(value),
            Form::Text(text) | Form::Decimal(text) => self.text(text, visitor),
            Form::Made(text) => visitor.visit_string(text),
            Form::Span(span) => visitor.visit_string(span.to_string()),
            Form::Bytes(bytes) => self.bytes(bytes, visitor, wanted),
            Form::MadeBytes(bytes) => match wanted {
                Wanted::Sequence => one_by_one(&bytes, visitor),
                _ => visitor.visit_byte_buf(bytes),
            },
            Form::Frame(index) => self.bytes_of_frame(index, visitor, wanted),
            Form::Sequence(items) => self.sequence(items, visitor),
            Form::Map(items) => self.map(items, visitor),
            Form::Complex(parts) => visitor.visit_seq(SeqDeserializer::new(parts.into_iter())),
            Form::Parts(_, items) if wanted == Wanted::Sequence => self.sequence(items, visitor),
            Form::Parts(names, items) => visitor.visit_map(Entries::named(self.inside()?, names, items)),
            // an empty list of a class of its own, as far as anybody wrote down
            Form::Fields(_, [None, None]) if wanted == Wanted::Sequence => {
                visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<u8>()))
            }
            Form::Fields(class, fields) => {
                let class = class.filter(|_| wanted == Wanted::Anything);
                visitor.visit_map(Fields::new(self.inside()?, class, fields))
            }
            Form::Member(member) => visitor.visit_map(member::Entries::new(self.inside()?, *member)),
            // an enum's value may be an enum's
            Form::Same(id) => self.inside()?.at(id).show(visitor, wanted),
            Form::Array(array) => {
                self.inside()?;
                visitor.visit_map(Parts::new(self.tree, array))
            }
            #[cfg(feature = "arrow")]
            Form::Table(table) => {
                self.inside()?;
                visitor.visit_map(pandas::Parts::new(table))
            }
        }
    }

    fn bytes<V: Visitor<'g>>(self, bytes: &'g [u8], visitor: V, wanted: Wanted) -> Result<V::Value> {
        self.tree.spend(bytes.len())?;
        match wanted {
            Wanted::Sequence => one_by_one(bytes, visitor),
            _ => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn bytes_of_frame<V: Visitor<'g>>(self, index: usize, visitor: V, wanted: Wanted) -> Result<V::Value> {
        let frame = self.tree.frame(index)?;
        match wanted {
            Wanted::Sequence => one_by_one(frame, visitor),
            _ => visitor.visit_borrowed_bytes(frame),
        }
    }
}

#[inline]
pub(super) fn int<'g, V: Visitor<'g>>(value: i64, visitor: V) -> Result<V::Value> {
    match u64::try_from(value) {
        Ok(value) => visitor.visit_u64(value),
        Err(_) => visitor.visit_i64(value),
    }
}

pub(super) fn one_by_one<'g, V: Visitor<'g>>(bytes: &[u8], visitor: V) -> Result<V::Value> {
    memory::count_copy(bytes.len());
    let mut elements = SeqDeserializer::new(bytes.iter().copied());
    let value = visitor.visit_seq(&mut elements)?;
    elements.end().map(|()| value)
}

/// Methods that try one thing first.
macro_rules! deserialize_as {
    ($first:ident: $($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
                self.$first(visitor)
            }
        )*
    };
}

impl<'g> Deserializer<'g> for Reader<'g> {
    type Error = Mismatch;

    #[inline]
    fn deserialize_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        if arrive::is_asked() {
            return self.show_object(visitor);
        }
        self.show(visitor, Wanted::Anything)
    }

    deserialize_as! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    deserialize_as! { integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    deserialize_as! { short_text: deserialize_str deserialize_string }
    deserialize_as! { name: deserialize_identifier }
    deserialize_as! { truth: deserialize_bool }
    forward_to_deserialize_any! { <W: Visitor<'g>> char unit unit_struct }

    fn deserialize_i128<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match number::signed(self.tree.shown(self.id)) {
            Some(value) => self.tree.spend(1).and_then(|()| visitor.visit_i128(value)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match number::unsigned(self.tree.shown(self.id)) {
            Some(value) => self.tree.spend(1).and_then(|()| visitor.visit_u128(value)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_f64(visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        if let Some(value) = self.tree.graph().as_float(self.id) {
            self.tree.spend(1)?;
            return visitor.visit_f64(value);
        }
        match self.tree.shown(self.id) {
            Node::Big(_) | Node::BigText(_) | Node::Object(_) => match self.form()? {
                Form::Big(digits) => visitor.visit_f64(number::float(&digits)?),
                Form::Decimal(text) => {
                    self.tree.spend(1 + text.len())?;
                    visitor.visit_f64(number::decimal(text)?)
                }
                Form::Span(span) => visitor.visit_f64(span.seconds()),
                _ => self.deserialize_any(visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.tree.shown(self.id) {
            // which of the two it is, nobody wrote down
            Node::OldStr(bytes) => self.bytes(bytes, visitor, Wanted::Anything),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.id.is_none() || self.is_missing() {
            true => self.tree.spend(1).and_then(|()| visitor.visit_none()),
            false => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'g>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'g>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    fn deserialize_tuple_struct<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.show(visitor, Wanted::Sequence)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.show(visitor, Wanted::Map)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.show(visitor, Wanted::Map)
    }

    fn deserialize_enum<V: Visitor<'g>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let entries = match self.tree.shown(self.id) {
            Node::Dict(items) => Some(items),
            Node::Object(_) => match self.form()? {
                Form::Map(items) => Some(items),
                _ => None,
            },
            _ => None,
        };
        let Some(mut items) = entries else { return visitor.visit_enum(UnitVariant(self)) };
        match (items.len(), items.next(), items.next()) {
            (2, Some(name), Some(content)) => {
                let inside = self.inside()?;
                visitor.visit_enum(Variant { name: inside.at(name), content: inside.at(content) })
            }
            (len, ..) => Err(Mismatch::invalid_length(len / 2, &"a dict of one entry for an enum variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        self.tree.spend(1).and_then(|()| visitor.visit_unit())
    }
}
