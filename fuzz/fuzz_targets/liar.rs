//! Any calls of serde at all, also those that no sound `Serialize` makes: refused, or a message that decodes.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outband::{Buffer, Decode, Encode, Json, Limits, MsgPack, Pickle, Value};
use outband_fuzz::check::comes_back;
use serde::de::IgnoredAny;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};

/// A name that somebody has given to a type, also one that this crate gives to its own.
const NAMES: [&str; 12] = [
    "Array",
    "Table",
    "$array",
    "$table",
    "$class",
    "a",
    "outband::python::Tuple",
    "outband::python::Complex",
    "outband::python::DateTime",
    "outband::python::Int",
    "outband::python::Instance",
    "_ExtStruct",
];

#[derive(Arbitrary, Debug)]
enum Liar {
    Unit,
    None,
    Bool(bool),
    Int(i64),
    Wide(u128),
    Float(f32),
    Double(f64),
    Char(char),
    Text(String),
    Name(u8),
    Bytes(Vec<u8>),
    Buffer(Vec<u8>),
    Some(Box<Liar>),
    UnitStruct(u8),
    UnitVariant(u8, u8),
    Newtype(u8, Box<Liar>),
    NewtypeVariant(u8, Box<Liar>),
    Sequence(Option<u8>, Vec<Liar>),
    Tuple(u8, Vec<Liar>),
    TupleVariant(u8, Vec<Liar>),
    Map(Option<u8>, Vec<Part>),
    Struct(u8, u8, Vec<(u8, Liar)>),
    StructVariant(u8, Vec<(u8, Liar)>),
    /// Serializes the one, and says that it is the other.
    Twice(Box<Liar>, Box<Liar>),
    Fails,
}

#[derive(Arbitrary, Debug)]
enum Part {
    Entry(Liar, Liar),
    Key(Liar),
    Value(Liar),
}

fn name(number: u8) -> &'static str {
    NAMES[usize::from(number) % NAMES.len()]
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit => serializer.serialize_unit(),
            Self::None => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Wide(value) => serializer.serialize_u128(*value),
            Self::Float(value) => serializer.serialize_f32(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Name(value) => serializer.serialize_str(name(*value)),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Buffer(value) => Buffer::copy_from_slice(value).serialize(serializer),
            Self::Some(value) => serializer.serialize_some(value),
            Self::UnitStruct(of) => serializer.serialize_unit_struct(name(*of)),
            Self::UnitVariant(of, variant) => serializer.serialize_unit_variant(name(*of), 0, name(*variant)),
            Self::Newtype(of, value) => serializer.serialize_newtype_struct(name(*of), value),
            Self::NewtypeVariant(variant, value) => {
                serializer.serialize_newtype_variant("Liar", 0, name(*variant), value)
            }
            Self::Sequence(len, values) => {
                let mut sequence = serializer.serialize_seq(len.map(usize::from))?;
                values.iter().try_for_each(|value| sequence.serialize_element(value))?;
                sequence.end()
            }
            Self::Tuple(len, values) => {
                let mut tuple = serializer.serialize_tuple((*len).into())?;
                values.iter().try_for_each(|value| tuple.serialize_element(value))?;
                tuple.end()
            }
            Self::TupleVariant(len, values) => {
                let mut tuple = serializer.serialize_tuple_variant("Liar", 0, name(*len), (*len).into())?;
                values.iter().try_for_each(|value| tuple.serialize_field(value))?;
                tuple.end()
            }
            Self::Map(len, parts) => {
                let mut map = serializer.serialize_map(len.map(usize::from))?;
                parts.iter().try_for_each(|part| match part {
                    Part::Entry(key, value) => map.serialize_entry(key, value),
                    Part::Key(key) => map.serialize_key(key),
                    Part::Value(value) => map.serialize_value(value),
                })?;
                map.end()
            }
            Self::Struct(of, len, fields) => {
                let mut fields_of = serializer.serialize_struct(name(*of), (*len).into())?;
                fields.iter().try_for_each(|(field, value)| fields_of.serialize_field(name(*field), value))?;
                fields_of.end()
            }
            Self::StructVariant(len, fields) => {
                let mut fields_of = serializer.serialize_struct_variant("Liar", 0, name(*len), (*len).into())?;
                fields.iter().try_for_each(|(field, value)| fields_of.serialize_field(name(*field), value))?;
                fields_of.end()
            }
            Self::Twice(first, second) => {
                // a message within a message leaves nothing behind
                let _ = MsgPack::new().out_of_band_from(0).encode(first);
                second.serialize(serializer)
            }
            Self::Fails => Err(serde::ser::Error::custom("it fails")),
        }
    }
}

fuzz_target!(|liar: Liar| {
    let deep = Limits::new().depth(Limits::MAX_DEPTH);
    for codec in [MsgPack::new(), MsgPack::new().out_of_band_from(1)] {
        decodes(&codec.clone().limits(deep), &codec.limits(deep).encode(&liar));
    }
    decodes(&Json::new().limits(deep), &Json::new().buffers_in_band().limits(deep).encode(&liar));
    for codec in [Pickle::new(), Pickle::new().out_of_band_from(1), Pickle::new().in_band()] {
        decodes(&codec.clone().limits(deep), &codec.limits(deep).encode(&liar));
    }
});

fn decodes<C>(codec: &C, message: &outband::Result<outband::Multipart>)
where
    C: Decode<IgnoredAny> + Decode<Value> + Encode<Value>,
{
    let Ok(message) = message else { return };
    let passed: outband::Result<IgnoredAny> = codec.decode(message.clone());
    assert!(passed.is_ok(), "{passed:?} {:x?}", message.metadata());
    // what looks like an array or a table and is none is no value
    if let Ok(value) = Decode::<Value>::decode(codec, message.clone())
        && codec.encode(&value).is_ok()
    {
        comes_back(codec, &value);
    }
}
