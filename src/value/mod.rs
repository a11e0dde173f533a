//! Values without a schema: what a message holds, for who does not know its type.
//!
//! This room knows what can stand in a message. It refuses to know how it is written there: a [`Value`] goes through
//! any codec like every other type.

mod decode;
mod encode;
mod print;
mod same;

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::array::Array;
use crate::buffer::Buffer;
use crate::codec::{Decode, Encode, MsgPack};
use crate::error::Result;
use crate::python::Kind;
#[cfg(feature = "arrow")]
use crate::table::Table;

/// Whatever a message holds: decoded without a schema, printed, and encoded to the same message again.
///
/// Decodes from every message of the default codec, and from other self-describing ones. What stood in the metadata is
/// copied out of it or shares it; buffers are the received frames, **without copying**. A value takes up to 80 bytes for
/// each byte of metadata, and up to twice as much while it is decoded (40 for each of a million `nil`s, and room for as
/// many more), so strangers' messages want a tighter [`Limits::metadata_bytes`](crate::Limits::metadata_bytes) than the default.
///
/// **The same message again.** Encoding a decoded value makes the same frames: integers, text and containers have one form,
/// entries keep their order, what was in band stays in band and what had a frame of its own has one, however short, also of an
/// [`Array`] and of a `Table`, whose schema and buffers are those that came. Frames come in the order in which they are first named. (Of a
/// message that was put together by hand, several frames without bytes that lie at one address become one.) What was compressed goes
/// again in the frame in which it came, without compressing it again, as long as it is all of what that held: a part of a buffer is sent as
/// it is. A codec that says more decides anew: one with a [`compression`](MsgPack::compression) compresses by that whatever it sends, and a
/// [`placement`](MsgPack::placement) callback has the last word. To pass on messages as they are, take them undecoded:
/// [`recv_message`](crate::SocketExt::recv_message), [`send_message`](crate::SocketExt::send_message).
///
/// **Memory.** So a value holds compressed buffers twice, the frame and what it was decompressed to, until its last part is dropped; also what
/// is taken out of it does (a [`Buffer`], an [`Array`]'s data). Types of one's own hold what was decompressed and nothing else, and so does what
/// [`to_object`](Self::to_object) makes, which may be a `Value` again.
///
/// **Python's objects.** Decoded from a pickle, a value says what serde has no word for: a tuple, a set or a `datetime` is
/// [`Python`](Self::Python) with its [`Kind`], and an object that stands in several places is [`Shared`](Self::Shared) by them. Encoded as a
/// pickle, they are the same objects again. Every other codec writes what they hold, at every place; the methods below and
/// [`plain`](Self::plain) look through to it. serde's own buffering (`flatten`, `untagged`) loses both.
///
/// **What a map cannot begin with.** A map whose first key is the text `"$array"`, or with feature `arrow` `"$table"`, is how messages say that they hold
/// an array or a table. So [`MsgPack`] and [`Json`](crate::Json) refuse to write such a [`Map`](Self::Map), wherever it is in the value, as
/// nobody would read it as one; in any place but the first these are keys like others. A pickle holds it as it is.
///
/// Two values are equal where kinds and contents are, whether they share or not.
///
/// `Display` and `Debug` show types, shapes, lengths and the first elements, and never more than 8000 bytes; `{:#}` spreads lists and maps over lines.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, Value};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Image { name: &'static str, width: u16, pixels: Buffer }
///
/// let image = Image { name: "dot", width: 200, pixels: Buffer::from_vec(vec![7_u8; 40_000]) };
/// let message = outband::to_multipart(&image)?;
///
/// let value: Value = outband::from_multipart(message.clone())?;
/// assert_eq!(value.get("width").and_then(Value::as_u64), Some(200));
/// assert_eq!(value.to_string(), r#"{"name": "dot", "width": 200, "pixels": Buffer(40000 bytes: 07 07 07 07 07 07 07 07 ...)}"#);
/// assert!(outband::to_multipart(&value)? == message);
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// `nil`: `()`, `None`, Python's `None`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that an `i64` holds.
    Int(i64),
    /// A larger integer, never one that an `i64` holds: `Value::from(u64)` sees to that.
    UInt(u64),
    /// A 32-bit float.
    F32(f32),
    /// A 64-bit float.
    F64(f64),
    /// Text.
    Text(String),
    /// Bytes that stand in the metadata.
    Bytes(Bytes),
    /// Bytes in a frame of their own.
    Buffer(Buffer),
    /// A sequence.
    List(Vec<Value>),
    /// A map or a struct: entries in the order in which they came, of which keys may be anything.
    Map(Vec<(Value, Value)>),
    /// An array.
    Array(Box<Array>),
    /// A table.
    #[cfg(feature = "arrow")]
    Table(Box<Table>),
    /// An extension value of an application's own: its MessagePack type and its payload.
    Ext(i8, Bytes),
    /// A Python object of this kind, and what it holds.
    Python(Kind, Box<Value>),
    /// A value that stands in several places.
    ///
    /// A few of these stand for more than any memory holds: `a = (); a = (a, a)` forty times over. Comparing, printing and dropping
    /// them is as quick as they are small, and this crate's codecs give up at their [`Limits`](crate::Limits). Other
    /// serializers write all of it out.
    Shared(Arc<Value>),
}

impl Value {
    /// What a message of this object would hold. Buffers are shared, **without copying**, and how they came is forgotten.
    ///
    /// # Errors
    ///
    /// As [`MsgPack`]'s [`encode`](Encode::encode).
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::Value;
    ///
    /// let value = Value::from_object(&("north", [1.5, 2.5]))?;
    /// assert_eq!(value.to_string(), r#"["north", [1.5, 2.5]]"#);
    /// let (station, volts): (String, [f64; 2]) = value.to_object()?;
    /// assert_eq!((station.as_str(), volts), ("north", [1.5, 2.5]));
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn from_object<T: Serialize + ?Sized>(object: &T) -> Result<Self> {
        let codec = MsgPack::in_process();
        codec.decode(codec.encode(object)?)
    }

    /// The object of this type that a message of this value would decode to. Buffers are shared, **without copying**, and without the
    /// compressed frames in which they came.
    ///
    /// # Errors
    ///
    /// As [`MsgPack`]'s [`decode`](Decode::decode).
    pub fn to_object<T: DeserializeOwned>(&self) -> Result<T> {
        let codec = MsgPack::in_process();
        codec.decode(codec.encode(self)?)
    }

    /// The value itself, without what it is in Python and whether other places share it.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::Value;
    /// use outband::python::Kind;
    ///
    /// let pair = Value::Python(Kind::Tuple, Box::new(Value::from(vec![Value::from(1), Value::Nil])));
    /// assert!(matches!(pair.plain(), Value::List(_)));
    /// assert_eq!((pair.kind(), pair.as_list().map(<[_]>::len)), (Some(Kind::Tuple), Some(2)));
    /// assert_eq!(pair.to_string(), "(1, nil)");
    /// ```
    pub fn plain(&self) -> &Self {
        let mut value = self;
        loop {
            value = match value {
                Self::Python(_, inner) => inner,
                Self::Shared(inner) => inner,
                _ => return value,
            };
        }
    }

    /// What the value is in Python, where it was decoded from a pickle and its content does not say.
    pub fn kind(&self) -> Option<Kind> {
        let mut value = self;
        while let Self::Shared(inner) = value {
            value = inner;
        }
        match *value {
            Self::Python(kind, _) => Some(kind),
            _ => None,
        }
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self.plain(), Self::Nil)
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match *self.plain() {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, where an `i64` holds it.
    pub fn as_i64(&self) -> Option<i64> {
        match *self.plain() {
            Self::Int(value) => Some(value),
            Self::UInt(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The integer, where a `u64` holds it.
    pub fn as_u64(&self) -> Option<u64> {
        match *self.plain() {
            Self::Int(value) => value.try_into().ok(),
            Self::UInt(value) => Some(value),
            _ => None,
        }
    }

    /// The float, or the integer as one, rounded where 53 bits do not hold it.
    pub fn as_f64(&self) -> Option<f64> {
        match *self.plain() {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            Self::UInt(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self.plain() {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes, in band or out of band.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.plain() {
            Self::Bytes(bytes) => Some(bytes),
            Self::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// The elements of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self.plain() {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The entries of a map, in order.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        match self.plain() {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(&self) -> Option<&Array> {
        match self.plain() {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The table.
    #[cfg(feature = "arrow")]
    pub fn as_table(&self) -> Option<&Table> {
        match self.plain() {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What a map has under a text key: the first such entry.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }
}

/// Implements `From` for what a variant holds as it is, or converts to without loss.
macro_rules! from {
    ($($from:ty => $value:ident => $made:expr),* $(,)?) => { $(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        }
    )* };
}
from!(
    () => _nothing => Self::Nil,
    bool => value => Self::Bool(value),
    i8 => value => Self::Int(value.into()),
    i16 => value => Self::Int(value.into()),
    i32 => value => Self::Int(value.into()),
    i64 => value => Self::Int(value),
    u8 => value => Self::Int(value.into()),
    u16 => value => Self::Int(value.into()),
    u32 => value => Self::Int(value.into()),
    u64 => value => i64::try_from(value).map_or(Self::UInt(value), Self::Int),
    f32 => value => Self::F32(value),
    f64 => value => Self::F64(value),
    &str => text => Self::Text(text.to_owned()),
    String => text => Self::Text(text),
    Bytes => bytes => Self::Bytes(bytes),
    Buffer => buffer => Self::Buffer(buffer),
    Array => array => Self::Array(Box::new(array)),
    Vec<Value> => elements => Self::List(elements),
    Vec<(Value, Value)> => entries => Self::Map(entries),
);

#[cfg(feature = "arrow")]
impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Table(Box::new(table))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

/// The first key of a map that is an array.
const ARRAY: &str = "$array";
/// The first key of a map that is a table.
#[cfg(feature = "arrow")]
const TABLE: &str = "$table";

/// Whether these would be read as an array or a table.
fn is_marked(entries: &[(Value, Value)]) -> bool {
    match entries.first().and_then(|(key, _)| key.as_str()) {
        Some(ARRAY) => true,
        #[cfg(feature = "arrow")]
        Some(TABLE) => true,
        _ => false,
    }
}
