//! `Json`: what pyzmq's `send_json` and `recv_json` speak.

mod access;
mod float;
mod key;
mod read;
mod scan;
mod serialize;
mod string;
mod write;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

use super::likeness::Likeness;
use super::{Decode, Encode};
use crate::buffer::Buffer;
use crate::error::{Detail, Error, Result, excerpt};
use crate::handoff::{self, Places};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::scratch;
use read::Reader;
use scan::scan;
use write::{Buffers, Writer};

/// JSON in one frame: what pyzmq's `send_json` and `recv_json` exchange.
///
/// [`SocketExt::send_json`](crate::SocketExt::send_json) and [`recv_json`](crate::SocketExt::recv_json) use it; with
/// `send_with`, `publish_with` and the others it goes wherever an object goes.
///
/// **What is written** is byte for byte what Python's `json.dumps` makes of the same value: `", "` and `": "` between
/// the parts, `\uXXXX` for all that is not ASCII, floats as Python's `repr` has them (`1e+16`, `1e-05`, `1.0`), and `NaN`,
/// `Infinity` and `-Infinity` for numbers that are not finite. JSON proper has no word for these; Python writes and reads
/// them, and so nothing is lost where other writers put a silent `null`. Structs are objects in order of declaration; an
/// enum variant is its name, or an object of one entry. The key of a map that is no text becomes the text that Python makes of it:
/// `"1"`, `"true"`, `"1e+16"`, and `"null"` for `None`; a key's type reads it back (an `Option` takes any `"null"` for `None`).
///
/// **What is read** is what Python's `json.loads` reads, in UTF-8: white space anywhere, every escape, the three words
/// for numbers that are not finite, `1e400` as infinity. One thing a `str` of Python can hold and no Rust text can is
/// refused: half of a surrogate pair. Integers of more than 64 bits are exact in fields of 128 bits and floats in others.
/// Of an entry that comes twice in a map the last one counts, as in Python; a struct refuses it.
///
/// **Buffers** have no place in JSON, so a [`Buffer`] anywhere in the value is an error that says so, unless
/// [`buffers_in_band`](Self::buffers_in_band) is set.
///
/// # Examples
///
/// ```
/// use outband::{Decode, Encode, Json};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct Reading { station: String, degrees: Vec<f64>, note: Option<String> }
///
/// let reading = Reading { station: "Tromsø".into(), degrees: vec![-3.0, 1e-5, f64::INFINITY], note: None };
/// let message = Json::new().encode(&reading)?;
/// assert_eq!(
///     &message.metadata()[..],
///     br#"{"station": "Troms\u00f8", "degrees": [-3.0, 1e-05, Infinity], "note": null}"#
/// );
/// assert_eq!(Decode::<Reading>::decode(&Json::new(), message)?, reading);
/// # Ok::<(), outband::Error>(())
/// ```
///
/// On sockets:
///
/// ```
/// use outband::SocketExt;
///
/// let context = zmq::Context::new();
/// let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
/// rx.bind("inproc://json")?;
/// tx.connect("inproc://json")?;
///
/// tx.send_json(&("kelvin", 273.15))?; // in Python: socket.recv_json() == ["kelvin", 273.15]
/// let (unit, value): (String, f64) = rx.recv_json()?;
/// assert_eq!((unit.as_str(), value), ("kelvin", 273.15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Json {
    buffers_in_band: bool,
    limits: Limits,
}

impl Json {
    /// The codec with its defaults.
    pub const fn new() -> Self {
        Self { buffers_in_band: false, limits: Limits::new() }
    }

    /// Writes a [`Buffer`] as an array of its bytes, numbers from 0 to 255, instead of refusing it.
    ///
    /// Three to five times the length, and a copy at either end, which [is counted](crate::memory::copied_bytes): for a
    /// few bytes, or for a peer that has nothing but JSON. Reading needs no setting: a [`Buffer`] field takes such an array.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Buffer, Decode, Encode, Json};
    ///
    /// let key = Buffer::from_vec(vec![0_u8, 127, 255]);
    /// let error = Json::new().encode(&key).unwrap_err();
    /// assert!(error.to_string().contains("use MsgPack"));
    ///
    /// let message = Json::new().buffers_in_band().encode(&key)?;
    /// assert_eq!(&message.metadata()[..], b"[0, 127, 255]");
    /// assert_eq!(Decode::<Buffer>::decode(&Json::new(), message)?, key);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub const fn buffers_in_band(mut self) -> Self {
        self.buffers_in_band = true;
        self
    }

    /// Sets what a message may cost: the length of the JSON is [`Limits::metadata_bytes`], and arrays and objects nest as
    /// deep as [`Limits::depth`]. Encoding keeps to them as well.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decodes text **without copying**: `&'de str` fields point into the message, where it has no escapes in them, and
    /// `Cow` borrows where `#[serde(borrow)]` says so and can.
    ///
    /// Python escapes all that is not ASCII, so such text fits a `Cow<str>` and no `&str`.
    ///
    /// # Errors
    ///
    /// As [`Decode::decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Json, Multipart};
    ///
    /// let message = Multipart::new(r#"["plain", 3]"#, vec![]);
    /// let (text, number): (&str, u8) = Json::new().decode_ref(&message)?;
    /// assert_eq!((text, number), ("plain", 3));
    /// assert_eq!(text.as_ptr(), message.metadata()[2..].as_ptr());
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn decode_ref<'de, T: Deserialize<'de>>(&self, message: &'de Multipart) -> Result<T> {
        check_alone(message.buffers()).map_err(|error| refused(error, message.metadata()))?;
        self.build(message.metadata())
    }

    fn build<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T> {
        self.limits.check_metadata(bytes.len() as u64)?;
        let text = scan(bytes, self.limits.max_depth()).map_err(|error| refused(error, bytes))?;
        handoff::without_frames(Places::Forgotten, || {
            let mut reader = Reader::new(text);
            T::deserialize(&mut reader).map_err(|mismatch| mistyped::<T>(text, excerpt(mismatch)))
        })
    }
}

/// The error for what is no JSON, with what it may be instead.
#[cold]
fn refused(error: Error, bytes: &[u8]) -> Error {
    let likeness = Likeness::of(bytes).filter(|&like| error.is_peer() && like != Likeness::Json);
    error.hinting(likeness.map(Likeness::hint))
}

/// JSON is one frame.
fn check_alone(buffers: &[Buffer]) -> Result<()> {
    match buffers.len() {
        0 => Ok(()),
        more => Err(Detail::NotJson { reason: format!("{more} more frames follow the first, and JSON is one") }.into()),
    }
}

/// Decodes once more, now noting the path, to say where the value does not fit.
#[cold]
fn mistyped<'de, T: Deserialize<'de>>(text: &'de str, reason: String) -> Error {
    if scan(text.as_bytes(), PATH_DEPTH).is_err() {
        return Detail::Mistyped { path: String::new(), reason }.into();
    }
    let again: std::result::Result<T, _> = serde_path_to_error::deserialize(&mut Reader::new(text));
    let (path, reason) = match again {
        // a `Deserialize` with a memory of its own
        Ok(_) => (String::new(), reason),
        Err(error) => (excerpt(error.path()), excerpt(error.inner())),
    };
    Detail::Mistyped { path, reason }.into()
}

/// The deepest text whose errors name a path: noting it takes as much stack again per level as decoding.
const PATH_DEPTH: usize = 32;

impl<T: Serialize + ?Sized> Encode<T> for Json {
    fn encode(&self, value: &T) -> Result<Multipart> {
        scratch::with(|text| {
            let none = self.encode_into(value, text)?;
            Ok(Multipart::new(scratch::freeze(text), none))
        })
    }

    fn encode_into(&self, value: &T, metadata: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        let start = metadata.len();
        let buffers = if self.buffers_in_band { Buffers::InBand } else { Buffers::Refused };
        let mut writer = Writer::new(metadata, buffers, &self.limits);
        let written = value.serialize(&mut writer);
        if writer.is_too_deep() {
            return Err(Detail::ValueTooDeep { limit: self.limits.max_depth() }.into());
        }
        match (written, writer.wanted) {
            (Err(_), Some(wanted)) => {
                Err(Detail::MetadataTooLong { len: (wanted - start) as u64, limit: self.limits.max_metadata() }.into())
            }
            (Err(error), None) => Err(Detail::Unserializable { reason: error.to_string() }.into()),
            (Ok(()), _) => self.limits.check_metadata((metadata.len() - start) as u64).map(|()| Vec::new()),
        }
    }
}

impl<T: DeserializeOwned> Decode<T> for Json {
    fn decode(&self, message: Multipart) -> Result<T> {
        self.decode_ref(&message)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn decode_frame(&self, metadata: &[u8]) -> Result<T> {
        self.build(metadata)
    }
}

/// The text between two quotes: itself where it has no escapes, else what they stand for.
type Text<'de> = Cow<'de, str>;
