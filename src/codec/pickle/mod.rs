//! `Pickle`: what Python's `pickle.dumps` and pyzmq's `send_pyobj` write.

mod access;
mod anchor;
mod array;
mod attribute;
mod dtype;
mod form;
mod instance;
mod joblib;
mod list;
mod member;
mod mismatch;
mod number;
mod object;
#[cfg(feature = "arrow")]
mod pandas;
mod path;
mod plain;
mod read;
mod refused;
mod stamp;
mod straight;
mod time;
mod tree;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, DeserializeSeed};

use super::place::{BufferInfo, Placement, Policy};
use super::{Decode, Encode, MsgPack, check_sizes};
use crate::buffer::Buffer;
use crate::error::{Detail, Result, excerpt};
use crate::handoff::{self, Owners, Places};
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::pickle::{self, Bounds};
use crate::scratch;
use anchor::{Anchored, Message};
use mismatch::mistyped;
use refused::refused;
use tree::Tree;
use write::{Classes, Writer};

/// Python's pickle, read and never run, and written: what an unmodified Python program sends and receives.
///
/// | Python sends | Python receives | frames |
/// |---|---|---|
/// | `socket.send_pyobj(obj)`, `socket.send(pickle.dumps(obj))` | `socket.recv_pyobj()`, with [`in_band`](Self::in_band) here | the pickle; read of any protocol from 0 to 5, written of protocol 5 |
/// | `pickle.dumps(obj, protocol=5, buffer_callback=buffers.append)`, then `send_multipart([data, *buffers])` | `data, *buffers = socket.recv_multipart(copy=False)`, then `pickle.loads(data, buffers=buffers)` | the pickle, then its buffers in order |
/// | `send_zipped_pickle` of pyzmq's documentation | `recv_zipped_pickle` | the pickle as one zlib stream: `Zipped::new(Pickle::new())` |
///
/// # Reading
///
/// A pickle is a program for a machine that builds objects by importing and calling whatever it names. This reader runs
/// nothing: it notes what would be called, and a list of exact pairs of module and name says which of these it knows as
/// data. [`docs::python`](crate::docs::python) has the types that are read. Anything else is an error of kind
/// [`Peer`](crate::ErrorKind::Peer) that names module and attribute, wherever it stands in the pickle. Classes of one's own are read as
/// [named records](Self::allow).
///
/// It decodes into any serde type and into [`Value`](crate::Value). NumPy arrays are [`Array`](crate::Array)s; those that
/// came out of band are the received frames, **without copying**, and so are other out-of-band buffers as
/// [`Buffer`]s. Bytes in the pickle itself share its frame where that keeps little else alive, and else are copied once.
///
/// pandas and pyarrow objects are `Table`s where the feature `arrow` is on, their columns parts of the frames.
///
/// A [`Value`](crate::Value) keeps what serde has no word for: the [`Kind`](crate::python::Kind) of tuples, sets, dates and the
/// like, and which of its parts are one object. For every other type what is shared is decoded as often as it is named,
/// and all of it together keeps to [`Limits`]. What contains itself is refused.
///
/// # Writing
///
/// Any serde type becomes the object that Python has for it: a struct is a dict, a sequence a list, a Rust tuple or array a tuple, an
/// enum variant its name or a dict of one entry; [`docs::python`](crate::docs::python) has the whole table. What serde has no word
/// for, sets and dates and the like, is written as [`python::Kind`](crate::python::Kind) says, and structs as
/// instances of a Python class where [`write_as`](Self::write_as) says so. Names of fields and variants are written once.
///
/// An [`Array`](crate::Array) is `numpy.ndarray(shape, dtype, buffer)` to Python, which calls NumPy's public names and takes the
/// received frame as it lies: the array is a view on it (`owndata` is false), and may be written to where the frame may.
/// A [`Buffer`] with a frame of its own is a read-only `memoryview` of what `pickle.loads` was given for it (what is read-only already
/// comes as it is), and `bytes` in band. One buffer used n times is one frame. What has no object in Python is
/// an error of kind [`Caller`](crate::ErrorKind::Caller): a map as the key of a map, a table with a column that pandas has no form for,
/// elements without bytes.
///
/// # Examples
///
/// ```
/// use outband::{Array, Decode, Encode, Pickle};
///
/// let depth = Array::from_shape_vec([480, 640], vec![0.5_f32; 480 * 640])?;
/// let message = Pickle::new().encode(&("camera 3", &depth))?;
/// assert_eq!(message.buffers()[0].as_ptr(), depth.data().as_ptr()); // not copied
/// let (name, back): (String, Array) = Pickle::new().decode(message)?;
/// assert_eq!((name.as_str(), back), ("camera 3", depth));
/// # Ok::<(), outband::Error>(())
/// ```
///
/// ```
/// use outband::{Decode, Multipart, Pickle};
/// use serde::Deserialize;
///
/// #[derive(Deserialize, PartialEq, Debug)]
/// struct Reading { station: String, volts: Vec<f64>, at: (i32, u8) }
///
/// // pickle.dumps({"station": "north", "volts": [0.5], "at": (-3, 7)}, protocol=4), without its frame
/// let data = b"\x80\x04}(\x8c\x07station\x8c\x05north\x8c\x05volts]G?\xe0\0\0\0\0\0\0a\x8c\x02atJ\xfd\xff\xff\xffK\x07\x86u.";
/// let reading: Reading = Pickle::new().decode(Multipart::new(&data[..], vec![]))?;
/// assert_eq!(reading, Reading { station: "north".into(), volts: vec![0.5], at: (-3, 7) });
///
/// let attack = Multipart::new(&b"cos\nsystem\n(S'echo pwned'\ntR."[..], vec![]);
/// let error = Decode::<outband::Value>::decode(&Pickle::new(), attack).unwrap_err();
/// assert!(error.is_peer() && error.to_string().contains("system of os"));
/// # Ok::<(), outband::Error>(())
/// ```
#[doc(alias("send_pyobj", "recv_pyobj"))]
#[derive(Clone)]
pub struct Pickle {
    classes: Classes,
    policy: Policy,
    limits: Limits,
}

impl Default for Pickle {
    fn default() -> Self {
        Self::new()
    }
}

impl Pickle {
    /// The codec with its defaults: no class of anybody's own is read.
    pub const fn new() -> Self {
        let policy = Policy::new(MsgPack::OUT_OF_BAND_FROM);
        Self { classes: Classes::new(), policy, limits: Limits::new() }
    }

    /// Reads instances of one class as records: `allow("shop.Order")` for the class `Order` of the module `shop`.
    ///
    /// The name is exact, module and qualified name as Python has them, with a dot or a colon between them. Nothing of the class is
    /// known or run:
    ///
    /// | the class is | it decodes as |
    /// |---|---|
    /// | plain, a dataclass, with `__slots__` | a map of its attributes |
    /// | a named tuple | a sequence of its fields |
    /// | an enum | the value of the member, or its name where Python wrote that; with its class by [`allow_enum`](Self::allow_enum) |
    /// | of Python's own protocol, with `__reduce__` | the arguments: one as it is, several as a sequence |
    ///
    /// Who asks for no type in particular, as [`Value`](crate::Value) does, is shown a first entry `"$class"` with the name, so
    /// that `#[serde(tag = "$class")]` tells classes apart: `shop.Order`, and with a colon where dots would not say where the module
    /// ends, `Bio.Seq:Seq`, so that it is written with the same module again. [`docs::python`](crate::docs::python) says which of
    /// these a value writes as instances again.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Decode, Multipart, Pickle};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, PartialEq, Debug)]
    /// struct Order { id: u32 }
    ///
    /// // an instance of shop.Order with the attribute id = 7
    /// let message = Multipart::new(&b"\x80\x02cshop\nOrder\n)\x81}X\x02\0\0\0idK\x07sb."[..], vec![]);
    /// let order: Order = Pickle::new().allow("shop.Order").decode(message.clone())?;
    /// assert_eq!(order, Order { id: 7 });
    ///
    /// let error = Decode::<Order>::decode(&Pickle::new(), message).unwrap_err();
    /// assert!(error.to_string().contains(r#"Pickle::allow("shop.Order")"#));
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn allow(mut self, class: impl Into<String>) -> Self {
        self.classes.allowed.insert(class.into());
        self
    }

    /// Reads the members of an enum with their class: `allow_enum("shop.Colour")`, where [`allow`](Self::allow) reads their values.
    ///
    /// In a [`Value`](crate::Value) a member is of the kind [`Member`](crate::python::Kind::Member), and written again it is that member.
    /// Written is what Python itself writes, a call of the class with the value; so name enums alone. A type is shown what it is with `allow`.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Decode, Encode, Multipart, Pickle, Value};
    ///
    /// let codec = Pickle::new().allow_enum("shop.Colour");
    /// let red = Multipart::new(&b"\x80\x02cshop\nColour\nK\x07\x85R."[..], vec![]); // shop.Colour(7)
    /// let value: Value = codec.decode(red.clone())?;
    /// assert_eq!(value.to_string(), r#"shop.Colour("value": 7)"#);
    /// assert_eq!(Decode::<u8>::decode(&codec, codec.encode(&value)?)?, 7);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn allow_enum(mut self, class: impl Into<String>) -> Self {
        let class = class.into();
        self.classes.allowed.insert(class.clone());
        self.classes.enums.insert(class);
        self
    }

    /// Writes structs of one name as instances of a class: `write_as("Order", "shop.Order")` for the struct `Order` and the class
    /// `Order` of the module `shop`.
    ///
    /// The name of the struct is serde's: `#[serde(rename)]` changes it. In Python the class is imported and
    /// an instance of it made without calling its `__init__`; the fields become its attributes, or go to its
    /// `__setstate__`, as for an instance that Python pickled. That suits plain classes and dataclasses, frozen ones too, and not those with
    /// `__slots__`. Reading them back takes [`allow`](Self::allow).
    ///
    /// The module is what comes before the first part with a capital, or before the last dot: `shop.Outer.Inner` is
    /// `Outer.Inner` of `shop`. Where that is wrong a colon says it: `shop.Outer:inner`.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Decode, Encode, Pickle};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, PartialEq, Debug)]
    /// struct Order { id: u32 }
    ///
    /// let codec = Pickle::new().write_as("Order", "shop.Order").allow("shop.Order");
    /// let message = codec.encode(&Order { id: 7 })?;
    /// let order: Order = codec.decode(message)?;
    /// assert_eq!(order, Order { id: 7 });
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn write_as(mut self, name: impl Into<String>, class: impl Into<String>) -> Self {
        self.classes.structs.insert(name.into(), class.into());
        self
    }

    /// Sets from how many bytes on a [`Buffer`] gets a frame of its own; 0 for all. Arrays have one however short they are, as in
    /// Python.
    pub fn out_of_band_from(mut self, len: usize) -> Self {
        self.policy.out_of_band_from = len;
        self
    }

    /// Decides for each buffer and array where it goes, [`InBand`](Placement::InBand) or
    /// [`OutOfBand`](Placement::OutOfBand): Python would not decompress it. Called once per buffer, in order of serialization.
    pub fn placement(mut self, decide: impl Fn(&BufferInfo) -> Placement + Send + Sync + 'static) -> Self {
        self.policy.callback = Some(Arc::new(decide));
        self
    }

    /// Writes everything into one frame: what `recv_pyobj` and `pickle.loads(socket.recv())` take. Buffers and arrays are
    /// copied into it.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Encode, Pickle};
    ///
    /// let array = Array::from_vec(vec![0.5_f64; 1000]);
    /// assert_eq!(Pickle::new().encode(&array)?.buffers().len(), 1);
    /// assert_eq!(Pickle::new().in_band().encode(&array)?.buffers().len(), 0);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn in_band(self) -> Self {
        self.placement(|_| Placement::InBand)
    }

    /// Sets what a message may cost.
    ///
    /// [`Limits::metadata_bytes`] bounds the pickle, and again what is made of it: a byte for each object, and the bytes of text
    /// and bytes, as often as they are decoded. [`Limits::depth`] bounds its nesting. Encoding keeps to them as well, so
    /// that nothing is sent that a receiver with the same limits refuses.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decodes **without copying**: `&'de str` and `&'de [u8]`, as keys of maps too, point into the pickle and its frames, `Cow`
    /// borrows where `#[serde(borrow)]` says so, and [`Buffer`] fields share them.
    ///
    /// What is not in the message as it is has nothing to point to, and is an error of kind [`Peer`](crate::ErrorKind::Peer) in a
    /// `&'de str`, and a copy in a `Cow`: dates and other objects that decode as text, and what protocol 0 escapes.
    ///
    /// # Errors
    ///
    /// As [`Decode::decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use outband::{Encode, Pickle};
    ///
    /// let message = Pickle::new().encode(&HashMap::from([("volts", 230), ("hertz", 50)]))?;
    /// let readings: HashMap<&str, u32> = Pickle::new().decode_ref(&message)?;
    /// assert_eq!(readings["volts"], 230);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn decode_ref<'de, T: Deserialize<'de>>(&self, message: &'de Multipart) -> Result<T> {
        let (data, frames) = (message.metadata(), message.buffers());
        check_sizes(&self.limits, data.len() as u64, frames)?;
        let owners = Owners::of_pickle(Rc::new(message.clone().into_parts()), self.limits.max_total());
        handoff::with_owners(owners, || {
            let anchored = || {
                let message = &Message::new(data, frames);
                self.build_from_graph(data, frames, Anchored { message, inner: PhantomData })
            };
            self.build_straight(data, frames).map_or_else(anchored, Ok)
        })
    }

    fn build<T: DeserializeOwned>(&self, data: &[u8], frames: &[Buffer]) -> Result<T> {
        let from_graph = || self.build_from_graph(data, frames, PhantomData);
        self.build_straight(data, frames).map_or_else(from_graph, Ok)
    }

    /// Builds what is plain data; `None` for anything else, and where anything is wrong.
    fn build_straight<'de, T: Deserialize<'de>>(&self, data: &'de [u8], frames: &[Buffer]) -> Option<T> {
        if frames.is_empty() { straight::decode(data, &self.limits) } else { None }
    }

    fn build_from_graph<T, S>(&self, data: &[u8], frames: &[Buffer], seed: S) -> Result<T>
    where
        S: for<'g> DeserializeSeed<'g, Value = T> + Copy,
    {
        let most = self.limits.max_metadata();
        let bounds = Bounds { nodes: most.saturating_add(8), memo: most };
        let graph = pickle::read(data, frames.len(), &bounds, &joblib::INSETS).map_err(|error| refused(error, data))?;
        let tree = Tree::new(&graph, frames, &self.limits, &self.classes)?;
        seed.deserialize(tree.root()).map_err(|mismatch| {
            let reason = excerpt(mismatch);
            match (tree.failure(), handoff::overdrawn()) {
                (Some(failure), _) => failure,
                (None, Some((limit, name))) => Detail::RepeatedTooLong { limit, name }.into(),
                (None, None) => {
                    // what the first value had is gone
                    handoff::start_over();
                    mistyped(&tree, seed, reason)
                }
            }
        })
    }
}

impl<T: Serialize + ?Sized> Encode<T> for Pickle {
    fn encode(&self, value: &T) -> Result<Multipart> {
        scratch::with(|data| {
            let frames = self.encode_into(value, data)?;
            Ok(Multipart::new(scratch::freeze(data), frames))
        })
    }

    fn encode_into(&self, value: &T, data: &mut Vec<u8>) -> Result<Vec<Buffer>> {
        let mut writer = Writer::new(data, &self.policy, &self.classes, &self.limits);
        if let Err(error) = value.serialize(&mut writer) {
            // which is why no more was written
            self.limits.check_metadata(writer.least_len())?;
            return Err(error.into_error(&self.limits));
        }
        let written = writer.finish();
        check_sizes(&self.limits, written.whole_len, &written.frames)?;
        Ok(written.frames)
    }

    fn encode_in_band(&self, value: &T) -> Result<Multipart> {
        self.clone().in_band().encode(value)
    }
}

impl<T: DeserializeOwned> Decode<T> for Pickle {
    fn decode(&self, message: Multipart) -> Result<T> {
        let (data, frames) = message.into_parts();
        check_sizes(&self.limits, data.len() as u64, &frames)?;
        let shared = Rc::new((data, frames));
        let owners = Owners::of_pickle(shared.clone(), self.limits.max_total());
        handoff::with_owners(owners, || self.build(&shared.0, &shared.1))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn decode_frame(&self, data: &[u8]) -> Result<T> {
        self.limits.check_metadata(data.len() as u64)?;
        // there are no frames to share; bytes are copied out
        handoff::without_frames(Places::Forgotten, || self.build(data, &[]))
    }
}

impl fmt::Debug for Pickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pickle")
            .field("classes", &self.classes)
            .field("out_of_band_from", &self.policy.out_of_band_from)
            .field("placement", &self.policy.callback.as_ref().map(|_| "callback"))
            .field("limits", &self.limits)
            .finish()
    }
}
