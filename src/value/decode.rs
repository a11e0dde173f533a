//! Values from any self-describing deserializer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

#[cfg(feature = "arrow")]
use super::TABLE;
use super::{ARRAY, Value};
use crate::array;
use crate::handoff;
use crate::memory;
use crate::python::arrive::{self, Told};
use crate::stored;
#[cfg(feature = "arrow")]
use crate::table;

/// The most elements that are set aside on the word of a length.
const MOST_AT_ONCE: usize = 4096;

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let question = arrive::ask();
        let value = deserializer.deserialize_any(ValueVisitor)?;
        match question.answer() {
            None => Ok(value),
            Some(told) => named(value, told).map_err(de::Error::custom),
        }
    }
}

/// What a decoder of Python's objects says that a value is.
fn named(value: Value, told: Told) -> Result<Value, &'static str> {
    let (kind, place) = match told {
        Told::New { kind, place } => (kind, place),
        Told::Known(owner) => {
            return owner.downcast().map(Value::Shared).map_err(|_| "an object that is no value");
        }
    };
    let value = match kind {
        Some(kind) => Value::Python(kind, Box::new(value)),
        None => value,
    };
    let Some(place) = place else { return Ok(value) };
    let shared = Arc::new(value);
    place.set(shared.clone()).map_err(|_| "an object that was there before")?;
    Ok(Value::Shared(shared))
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f32<E: de::Error>(self, value: f32) -> Result<Value, E> {
        Ok(Value::F32(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::F64(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        // out of band when it is a frame; else a part of the metadata, shared where that keeps little alive
        Ok(match handoff::frame_of(bytes) {
            Some(buffer) => Value::Buffer(stored::as_it_came(buffer)),
            None => Value::Bytes(in_band(bytes)),
        })
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        arrive::stop_asking();
        deserializer.deserialize_any(ExtVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        arrive::stop_asking();
        let mut elements = Vec::with_capacity(sequence.size_hint().unwrap_or(0).min(MOST_AT_ONCE));
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(Value::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let are_entries = arrive::are_entries();
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MOST_AT_ONCE));
        while let Some(key) = map.next_key::<Value>()? {
            match key.as_str().filter(|_| entries.is_empty() && !are_entries) {
                Some(ARRAY) => {
                    let whole = Resumed { first: Some(ARRAY), rest: map };
                    return array::noting_place(whole).map(Value::from).map_err(|why| marked(ARRAY, &why));
                }
                #[cfg(feature = "arrow")]
                Some(TABLE) => {
                    let whole = Resumed { first: Some(TABLE), rest: map };
                    return table::keeping(whole).map(Value::from).map_err(|why| marked(TABLE, &why));
                }
                _ => entries.push((key, map.next_value()?)),
            }
        }
        Ok(Value::Map(entries))
    }
}

/// Says why a map was taken for something else.
#[cold]
fn marked<E: de::Error>(marker: &str, why: &E) -> E {
    E::custom(format_args!("{why}, in a map whose first key is {marker:?}, which says that it is an array or a table"))
}

fn in_band(bytes: &[u8]) -> Bytes {
    handoff::owner_of(bytes).map(Bytes::from).unwrap_or_else(|| {
        memory::count_copy(bytes.len());
        Bytes::copy_from_slice(bytes)
    })
}

/// A map whose first key was read already.
struct Resumed<A> {
    first: Option<&'static str>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Resumed<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => seed.deserialize(BorrowedStrDeserializer::new(first)).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

/// The type and the payload of an extension value.
struct ExtVisitor;

impl<'de> Visitor<'de> for ExtVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type and the payload of an extension value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Value, A::Error> {
        let missing = || de::Error::custom("an extension value without a type or a payload");
        let kind = parts.next_element::<i8>()?.ok_or_else(missing)?;
        match parts.next_element::<Value>()? {
            Some(Value::Bytes(payload)) => Ok(Value::Ext(kind, payload)),
            _ => Err(missing()),
        }
    }
}
