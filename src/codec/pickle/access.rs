//! What serde is shown of the parts of a value: elements, entries, fields, variants.

use serde::de::value::{BorrowedBytesDeserializer, BorrowedStrDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::array::{Data, Found};
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use super::tree::Tree;
use super::write::whole;
use crate::pickle::{Items, Node, NodeId};

/// The elements of a sequence.
pub(super) struct Elements<'g> {
    inside: Reader<'g>,
    items: Items<'g>,
}

impl<'g> Elements<'g> {
    pub(super) fn new(inside: Reader<'g>, items: Items<'g>) -> Self {
        Self { inside, items }
    }

    pub(super) fn left(&self) -> usize {
        self.items.len()
    }
}

impl<'g> SeqAccess<'g> for Elements<'g> {
    type Error = Mismatch;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'g>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        self.items.next().map(|id| seed.deserialize(self.inside.at(id))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map: keys and values in turn, or values whose names are known.
pub(super) struct Entries<'g> {
    inside: Reader<'g>,
    names: &'static [&'static str],
    items: Items<'g>,
}

impl<'g> Entries<'g> {
    pub(super) fn new(inside: Reader<'g>, items: Items<'g>) -> Self {
        Self { inside, names: &[], items }
    }

    /// As many items as names.
    pub(super) fn named(inside: Reader<'g>, names: &'static [&'static str], items: Items<'g>) -> Self {
        Self { inside, names, items }
    }
}

impl<'g> MapAccess<'g> for Entries<'g> {
    type Error = Mismatch;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if let Some((&name, rest)) = self.names.split_first() {
            self.names = rest;
            self.inside.tree.spend(name.len())?;
            return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
        }
        self.items.next().map(|id| seed.deserialize(self.inside.at(id))).transpose()
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        let id = self.items.next().ok_or_else(|| Mismatch::because("a key without a value"))?;
        seed.deserialize(self.inside.at(id))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(if self.names.is_empty() { self.items.len() / 2 } else { self.names.len() })
    }
}

/// The attributes of an instance: those in its dict and those in its slots, after the name of its class.
pub(super) struct Fields<'g> {
    inside: Reader<'g>,
    /// The class, before it was shown.
    class: Option<NodeId>,
    showing_class: bool,
    parts: [Option<Items<'g>>; 2],
}

/// The name of the first entry.
pub(super) const CLASS: &str = "$class";

impl<'g> Fields<'g> {
    pub(super) fn new(inside: Reader<'g>, class: Option<NodeId>, parts: [Option<Items<'g>>; 2]) -> Self {
        Self { inside, class, showing_class: false, parts }
    }

    fn next(&mut self) -> Option<NodeId> {
        self.parts.iter_mut().flatten().find_map(Iterator::next)
    }
}

impl<'g> MapAccess<'g> for Fields<'g> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.showing_class = self.class.is_some();
        if self.showing_class {
            return seed.deserialize(BorrowedStrDeserializer::new(CLASS)).map(Some);
        }
        self.next().map(|id| seed.deserialize(self.inside.at(id))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        if let Some(class) = self.class.take() {
            let Node::Global { module, name } = self.inside.tree.node(class) else {
                return Err(Mismatch::because("an instance whose class is no class"));
            };
            self.inside.tree.spend(module.len() + name.len())?;
            return seed.deserialize(StringDeserializer::new(whole(module, name)));
        }
        let id = self.next().ok_or_else(|| Mismatch::because("an attribute without a value"))?;
        seed.deserialize(self.inside.at(id))
    }
}

/// The parts of an array, as `Array` is written in every serializer.
pub(super) struct Parts<'g> {
    tree: &'g Tree<'g>,
    array: Box<Found<'g>>,
    at: usize,
}

const PARTS: [&str; 5] = ["$array", "shape", "order", "base", "data"];

impl<'g> Parts<'g> {
    pub(super) fn new(tree: &'g Tree<'g>, array: Box<Found<'g>>) -> Self {
        Self { tree, array, at: 0 }
    }
}

impl<'g> MapAccess<'g> for Parts<'g> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'g>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.at == 3 && self.array.base.is_none() {
            self.at += 1;
        }
        let name = PARTS.get(self.at);
        name.map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'g>>(&mut self, seed: V) -> Result<V::Value> {
        self.at += 1;
        match self.at {
            1 => seed.deserialize(self.array.dtype.take()).map_err(Mismatch::custom),
            2 => seed.deserialize(SeqDeserializer::new(self.array.shape.iter().map(|&axis| axis as u64))),
            3 => match self.array.axes.take() {
                None => seed.deserialize(BorrowedStrDeserializer::new(self.array.order)),
                Some(axes) => seed.deserialize(SeqDeserializer::new(axes.into_iter().map(|axis| axis as u64))),
            },
            // an option to who reads it, which a sequence alone is not
            4 => seed.deserialize(serde_json::Value::from(self.array.base.take())).map_err(Mismatch::custom),
            _ => seed.deserialize(Payload { tree: self.tree, data: self.array.data.take() }),
        }
    }
}

/// The elements of an array, as bytes.
struct Payload<'g> {
    tree: &'g Tree<'g>,
    data: Data<'g>,
}

impl<'g> Deserializer<'g> for Payload<'g> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        match self.data {
            Data::Frame(index) => visitor.visit_borrowed_bytes(self.tree.frame(index)?),
            Data::InBand(bytes) => BorrowedBytesDeserializer::new(bytes).deserialize_bytes(visitor),
            Data::Made(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'g>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_ignored_any<V: Visitor<'g>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { <W: Visitor<'g>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

/// A variant that is its name.
pub(super) struct UnitVariant<'g>(pub(super) Reader<'g>);

impl<'g> EnumAccess<'g> for UnitVariant<'g> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'g>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(self.0)?, self))
    }
}

impl<'g> VariantAccess<'g> for UnitVariant<'g> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'g>>(self, _seed: T) -> Result<T::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a newtype variant"))
    }

    fn tuple_variant<V: Visitor<'g>>(self, _len: usize, _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a tuple variant"))
    }

    fn struct_variant<V: Visitor<'g>>(self, _fields: &'static [&'static str], _visitor: V) -> Result<V::Value> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &"a struct variant"))
    }
}

/// A variant that is the one entry of a dict.
pub(super) struct Variant<'g> {
    pub(super) name: Reader<'g>,
    pub(super) content: Reader<'g>,
}

impl<'g> EnumAccess<'g> for Variant<'g> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'g>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(self.name)?, self))
    }
}

impl<'g> VariantAccess<'g> for Variant<'g> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<()> {
        Deserialize::deserialize(self.content)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'g>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.content)
    }

    fn tuple_variant<V: Visitor<'g>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.content.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'g>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.content.deserialize_map(visitor)
    }
}
