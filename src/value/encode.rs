//! Values into any serializer: each variant as what it came from.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Value, is_marked};
use crate::handoff::{self, Place};
#[cfg(feature = "arrow")]
use crate::table::AsItCame;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Buffer(buffer) => handoff::placed(Place::OutOfBand, || buffer.serialize(serializer)),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Map(entries) if is_marked(entries) => {
                serializer.serialize_newtype_struct(handoff::MARKED, &Entries(entries))
            }
            Self::Map(entries) => Entries(entries).serialize(serializer),
            Self::Array(array) => match array.came() {
                Some(place) => handoff::placed(place, || match array.as_it_lay() {
                    Some(array) => array.serialize(serializer),
                    None => array.serialize(serializer),
                }),
                None => array.serialize(serializer),
            },
            #[cfg(feature = "arrow")]
            Self::Table(table) => AsItCame(table).serialize(serializer),
            Self::Python(kind, value) => serializer.serialize_newtype_struct(kind.newtype_name(), &**value),
            Self::Shared(value) => {
                handoff::shared(value.clone(), || serializer.serialize_newtype_struct(handoff::SHARED, &Content(value)))
            }
            Self::Ext(kind, payload) => {
                serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(kind, Payload(payload)))
            }
        }
    }
}

/// A map, whatever its keys are.
struct Entries<'a>(&'a [(Value, Value)]);

impl Serialize for Entries<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// What a value holds that stands in several places.
struct Content<'a>(&'a Value);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // whoever did not ask for the owner will not take it for that of something in here
        drop(handoff::owner_of_shared());
        self.0.serialize(serializer)
    }
}

/// The payload of an extension value, which is bytes and not a sequence of them.
struct Payload<'a>(&'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
