//! `SocketExt`: what `zmq::Socket` can do with objects, on the calling thread.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::envelope::{Envelope, Open};
use super::guard::Wait;
use super::send;
use super::transfer::{encode_and_send, encode_and_send_via, encode_and_track, send_owned, send_tracked, send_via};
use super::transfer::{receive, receive_and_decode, receive_value};
use crate::array::Array;
#[cfg(feature = "zlib")]
use crate::codec::Zipped;
use crate::codec::{Decode, Encode, HeadedArray, Json, MsgPack};
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::tracker::Tracker;

/// Sends and receives objects on a `zmq::Socket`.
///
/// | pattern | send | receive |
/// |---|---|---|
/// | PAIR, PUSH/PULL, REQ/REP, DEALER | [`send_obj`](Self::send_obj) | [`recv_obj`](Self::recv_obj) |
/// | PUB/SUB, XPUB/XSUB | [`publish_obj`](Self::publish_obj) | [`recv_topic_obj`](Self::recv_topic_obj) |
/// | ROUTER | [`send_obj_to`](Self::send_obj_to) | [`recv_obj_from`](Self::recv_obj_from) |
/// | ROUTER or DEALER facing REQ or REP | [`send_obj_via`](Self::send_obj_via) | [`recv_obj_via`](Self::recv_obj_via) |
/// | any of these, another codec | [`send_with`](Self::send_with), `publish_with`, `send_with_to`, `send_with_via` | [`recv_with`](Self::recv_with), `recv_topic_with`, `recv_with_from`, `recv_with_via` |
/// | any, JSON as pyzmq has it | [`send_json`](Self::send_json), or `send_with(&Json::new(), ...)` and its kin | [`recv_json`](Self::recv_json), or `recv_with(&Json::new())` and its kin |
/// | any, Python's pickles | `send_with(&Pickle::new().in_band(), ...)` for `recv_pyobj` | `recv_with(&Pickle::new())` from `send_pyobj`: [`Pickle`](crate::Pickle) |
/// | any, undecoded | [`send_message`](Self::send_message) | [`recv_message`](Self::recv_message) |
///
/// **A send is all or nothing.** Either every frame of a message is with libzmq for one peer, or none is: when a peer dies
/// between two frames, what was sent is abandoned and the message goes out whole to the next peer. A failed
/// [`send_message`](Self::send_message) gives the message back. What no sender can see is a message that libzmq lost with the connection, or
/// tore as a third peer died ([`docs::delivery`](crate::docs::delivery)): only an answer from the other end rules that out.
///
/// **A failed receive loses nothing else.** A message that is malformed or over a limit is taken off the socket whole,
/// and the next one is untouched. A REP that refuses a request still owes an answer: it is its turn to send.
///
/// **Waiting.** All functions but the `try_` ones wait as long as `ZMQ_SNDTIMEO` and `ZMQ_RCVTIMEO` say (libzmq's default is for ever), and signals
/// do not cut that short. A `try_` function never waits; for a routing id and another codec take [`try_send_with_via`](Self::try_send_with_via).
///
/// **Errors** of every function here: kind `Transport` for libzmq's own; kind `Timeout`; kind `Caller` for a socket that
/// cannot do this (its type, `ZMQ_CONFLATE`, a fork). Sending adds what [`Encode::encode`] returns, receiving what
/// [`Decode::decode`] returns and kind `Limits`.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, SocketExt};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Frame { camera: u32, pixels: Buffer }
///
/// let context = zmq::Context::new();
/// let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
/// rx.bind("inproc://frames")?;
/// tx.connect("inproc://frames")?;
///
/// let pixels = Buffer::from_vec(vec![0_u8; 1920 * 1080]);
/// tx.send_obj(&Frame { camera: 3, pixels: pixels.clone() })?;
/// let frame: Frame = rx.recv_obj()?;
/// assert_eq!(frame.pixels.as_ptr(), pixels.as_ptr()); // over inproc the very same memory
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SocketExt {
    /// The socket underneath: all that a wrapper of `zmq::Socket` has to say to get the rest.
    fn as_zmq(&self) -> &zmq::Socket;

    /// Sends a value with the default codec.
    fn send_obj<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&MsgPack::new(), value)
    }

    /// Receives a value with the default codec.
    fn recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_with(&MsgPack::new())
    }

    /// Sends a value with the default codec, or fails at once with kind `Timeout`.
    fn try_send_obj<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.try_send_with(&MsgPack::new(), value)
    }

    /// Receives a value with the default codec, or fails at once with kind `Timeout`.
    fn try_recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        self.try_recv_with(&MsgPack::new())
    }

    /// Sends a value with any codec.
    fn send_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        encode_and_send(self.as_zmq(), codec, value, &[], Wait::AsTheSocketSays)
    }

    /// Receives a value with any codec.
    fn recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        receive_value(self.as_zmq(), codec, Wait::AsTheSocketSays)
    }

    /// Sends a value with any codec, or fails at once with kind `Timeout`.
    fn try_send_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        encode_and_send(self.as_zmq(), codec, value, &[], Wait::Never)
    }

    /// Receives a value with any codec, or fails at once with kind `Timeout`.
    fn try_recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        receive_value(self.as_zmq(), codec, Wait::Never)
    }

    /// Sends a value as pyzmq's `send_json` does: see [`Json`].
    fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&Json::new(), value)
    }

    /// Receives a value that pyzmq's `send_json` sent: see [`Json`].
    fn recv_json<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_with(&Json::new())
    }

    /// Sends an array as `send_array` of the pyzmq documentation does: a JSON header, then the elements. See
    /// [`HeadedArray`], which also goes to the other methods that take a codec.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, SocketExt};
    ///
    /// let context = zmq::Context::new();
    /// let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
    /// rx.bind("inproc://arrays")?;
    /// tx.connect("inproc://arrays")?;
    ///
    /// let array = Array::from_shape_vec([10, 1000], vec![1.5_f32; 10_000])?;
    /// tx.send_array(&array)?;
    /// assert_eq!(rx.recv_array()?.data().as_ptr(), array.data().as_ptr()); // the very same memory
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn send_array(&self, array: &Array) -> Result<()> {
        self.send_with(&HeadedArray::new(), array)
    }

    /// Receives an array that [`send_array`](Self::send_array) or its like in Python sent.
    fn recv_array(&self) -> Result<Array> {
        self.recv_with(&HeadedArray::new())
    }

    /// Sends a value as one frame, a zlib stream of MessagePack: see [`Zipped`].
    /// In Python that is `socket.send(zlib.compress(msgpack.packb(value)))`.
    #[cfg(feature = "zlib")]
    fn send_zipped<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&Zipped::default(), value)
    }

    /// Receives a value that [`send_zipped`](Self::send_zipped) sent.
    /// In Python that is `msgpack.unpackb(zlib.decompress(socket.recv()))`.
    #[cfg(feature = "zlib")]
    fn recv_zipped<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_with(&Zipped::default())
    }

    /// Sends a message. A failed send gives the message back: [`Error::into_message`](crate::Error::into_message).
    fn send_message(&self, message: Multipart) -> Result<()> {
        send_owned(self.as_zmq(), message, &[], Wait::AsTheSocketSays)
    }

    /// Receives a message without decoding it, within the default [`Limits`].
    fn recv_message(&self) -> Result<Multipart> {
        self.recv_message_within(&Limits::default())
    }

    /// Receives a message without decoding it, within limits of the caller's.
    fn recv_message_within(&self, limits: &Limits) -> Result<Multipart> {
        receive(self.as_zmq(), limits, Wait::AsTheSocketSays, Open::None).map(|(_, message)| message)
    }

    /// Sends a message, or fails at once with kind `Timeout` and gives it back.
    fn try_send_message(&self, message: Multipart) -> Result<()> {
        send_owned(self.as_zmq(), message, &[], Wait::Never)
    }

    /// Receives a message without decoding it, or fails at once with kind `Timeout`.
    fn try_recv_message(&self) -> Result<Multipart> {
        receive(self.as_zmq(), &Limits::default(), Wait::Never, Open::None).map(|(_, message)| message)
    }

    /// Sends a value and tells when libzmq has let go of every frame of it: see [`Tracker`].
    fn send_obj_tracked<T: Serialize + ?Sized>(&self, value: &T) -> Result<Tracker> {
        encode_and_track(self.as_zmq(), &MsgPack::new(), value)
    }

    /// Sends a message and tells when libzmq has let go of every frame of it. A failed send gives the message back.
    fn send_message_tracked(&self, message: Multipart) -> Result<Tracker> {
        send_tracked(self.as_zmq(), message)
    }

    /// Publishes a value under a topic: the topic is the first frame, which subscriptions match by prefix.
    ///
    /// A PUB socket drops messages for a subscriber at its high-water mark, and sends none to one that is still
    /// connecting; nobody is told. An empty topic reaches subscribers of everything.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::SocketExt;
    ///
    /// let context = zmq::Context::new();
    /// let (tx, rx) = (context.socket(zmq::XPUB)?, context.socket(zmq::SUB)?);
    /// tx.bind("inproc://weather")?;
    /// rx.connect("inproc://weather")?;
    /// rx.set_subscribe(b"weather.")?;
    /// tx.recv_message()?; // an XPUB hears of subscriptions: the subscriber is there
    ///
    /// tx.publish_obj("weather.oslo", &-3.5)?;
    /// let (topic, degrees): (_, f64) = rx.recv_topic_obj()?;
    /// assert_eq!((&topic[..], degrees), (&b"weather.oslo"[..], -3.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn publish_obj<T: Serialize + ?Sized>(&self, topic: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.publish_with(&MsgPack::new(), topic, value)
    }

    /// Publishes a value under a topic with any codec.
    fn publish_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, topic: impl AsRef<[u8]>, value: &T) -> Result<()> {
        encode_and_send(self.as_zmq(), codec, value, &[topic.as_ref()], Wait::AsTheSocketSays)
    }

    /// Receives a topic and a value that [`publish_obj`](Self::publish_obj) sent.
    fn recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        self.recv_topic_with(&MsgPack::new())
    }

    /// Receives a topic and a value with any codec.
    fn recv_topic_with<T, C: Decode<T>>(&self, codec: &C) -> Result<(Bytes, T)> {
        let (envelope, value) = receive_and_decode(self.as_zmq(), codec, Wait::AsTheSocketSays, Open::Topic)?;
        Ok((envelope.into_peer(), value))
    }

    /// Receives a topic and a value, or fails at once with kind `Timeout`.
    fn try_recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        let (envelope, value) = receive_and_decode(self.as_zmq(), &MsgPack::new(), Wait::Never, Open::Topic)?;
        Ok((envelope.into_peer(), value))
    }

    /// Publishes a value under a topic, or fails at once with kind `Timeout`: on an XPUB with `ZMQ_XPUB_NODROP`.
    fn try_publish_obj<T: Serialize + ?Sized>(&self, topic: impl AsRef<[u8]>, value: &T) -> Result<()> {
        encode_and_send(self.as_zmq(), &MsgPack::new(), value, &[topic.as_ref()], Wait::Never)
    }

    /// Publishes a message under a topic. A failed send gives the message back.
    fn publish_message(&self, topic: impl AsRef<[u8]>, message: Multipart) -> Result<()> {
        send_owned(self.as_zmq(), message, &[topic.as_ref()], Wait::AsTheSocketSays)
    }

    /// Receives a topic and a message without decoding it.
    fn recv_topic_message(&self) -> Result<(Bytes, Multipart)> {
        let received = receive(self.as_zmq(), &Limits::default(), Wait::AsTheSocketSays, Open::Topic)?;
        Ok((received.0.into_peer(), received.1))
    }

    /// Sends a value from a ROUTER to one peer, named by its routing id.
    ///
    /// Sets `ZMQ_ROUTER_MANDATORY`, so that a peer that is not connected is an error
    /// ([`is_unreachable`](crate::Error::is_unreachable)) and one at its high-water mark is waited for; without it libzmq
    /// drops the message and says nothing. For a peer that is a REQ socket see [`send_obj_via`](Self::send_obj_via).
    fn send_obj_to<T: Serialize + ?Sized>(&self, peer: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.send_with_to(&MsgPack::new(), peer, value)
    }

    /// Sends a value from a ROUTER to one peer with any codec.
    fn send_with_to<T: ?Sized, C: Encode<T>>(&self, codec: &C, peer: impl AsRef<[u8]>, value: &T) -> Result<()> {
        send::check_routes(self.as_zmq())?;
        encode_and_send(self.as_zmq(), codec, value, &[peer.as_ref()], Wait::AsTheSocketSays)
    }

    /// Receives a routing id and a value on a ROUTER. To answer a REQ take [`recv_obj_via`](Self::recv_obj_via): this forgets the delimiter.
    fn recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        self.recv_with_from(&MsgPack::new())
    }

    /// Receives a peer's routing id and a value on a ROUTER with any codec.
    fn recv_with_from<T, C: Decode<T>>(&self, codec: &C) -> Result<(Bytes, T)> {
        let (envelope, value) = self.recv_with_via(codec)?;
        Ok((envelope.into_peer(), value))
    }

    /// Sends a value from a ROUTER to one peer, or fails at once with kind `Timeout`.
    fn try_send_obj_to<T: Serialize + ?Sized>(&self, peer: impl AsRef<[u8]>, value: &T) -> Result<()> {
        send::check_routes(self.as_zmq())?;
        encode_and_send(self.as_zmq(), &MsgPack::new(), value, &[peer.as_ref()], Wait::Never)
    }

    /// Receives a peer's routing id and a value on a ROUTER, or fails at once with kind `Timeout`.
    fn try_recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        let (envelope, value) = self.try_recv_with_via(&MsgPack::new())?;
        Ok((envelope.into_peer(), value))
    }

    /// Sends a message from a ROUTER to one peer, as [`send_obj_to`](Self::send_obj_to). A failed send gives the message
    /// back.
    fn send_message_to(&self, peer: impl AsRef<[u8]>, message: Multipart) -> Result<()> {
        match send::check_routes(self.as_zmq()) {
            Ok(()) => send_owned(self.as_zmq(), message, &[peer.as_ref()], Wait::AsTheSocketSays),
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }

    /// Receives a peer's routing id and a message on a ROUTER without decoding it.
    fn recv_message_from(&self) -> Result<(Bytes, Multipart)> {
        let (envelope, message) = self.recv_message_via()?;
        Ok((envelope.into_peer(), message))
    }

    /// Sends a value in an [`Envelope`]: back the way a request came, or in one that was made by hand.
    ///
    /// # Examples
    ///
    /// A ROUTER answers a REQ:
    ///
    /// ```
    /// use outband::SocketExt;
    ///
    /// let context = zmq::Context::new();
    /// let (client, server) = (context.socket(zmq::REQ)?, context.socket(zmq::ROUTER)?);
    /// server.bind("inproc://sums")?;
    /// client.connect("inproc://sums")?;
    ///
    /// client.send_obj(&[1, 2, 3])?;
    /// let (envelope, numbers): (_, Vec<i32>) = server.recv_obj_via()?;
    /// server.send_obj_via(&envelope, &numbers.iter().sum::<i32>())?;
    /// assert_eq!(client.recv_obj::<i32>()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn send_obj_via<T: Serialize + ?Sized>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        self.send_with_via(&MsgPack::new(), envelope, value)
    }

    /// Sends a value in an [`Envelope`] with any codec.
    fn send_with_via<T: ?Sized, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
        encode_and_send_via(self.as_zmq(), codec, value, envelope, Wait::AsTheSocketSays)
    }

    /// Receives a value and the [`Envelope`] it came in, on a ROUTER or DEALER.
    fn recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        self.recv_with_via(&MsgPack::new())
    }

    /// Receives a value and the [`Envelope`] it came in with any codec.
    fn recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        receive_and_decode(self.as_zmq(), codec, Wait::AsTheSocketSays, Open::Routed)
    }

    /// Sends a value in an [`Envelope`], or fails at once with kind `Timeout`.
    fn try_send_obj_via<T: Serialize + ?Sized>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        self.try_send_with_via(&MsgPack::new(), envelope, value)
    }

    /// Sends a value in an [`Envelope`] with any codec, or fails at once with kind `Timeout`.
    fn try_send_with_via<T: ?Sized, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
        encode_and_send_via(self.as_zmq(), codec, value, envelope, Wait::Never)
    }

    /// Receives a value and the [`Envelope`] it came in, or fails at once with kind `Timeout`.
    fn try_recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        self.try_recv_with_via(&MsgPack::new())
    }

    /// Receives a value and the [`Envelope`] it came in with any codec, or fails at once with kind `Timeout`.
    fn try_recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        receive_and_decode(self.as_zmq(), codec, Wait::Never, Open::Routed)
    }

    /// Sends a message in an [`Envelope`]. A failed send gives the message back.
    fn send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        send_via(self.as_zmq(), message, envelope, Wait::AsTheSocketSays)
    }

    /// Receives a message and the [`Envelope`] it came in, on a ROUTER or DEALER, without decoding it.
    fn recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        receive(self.as_zmq(), &Limits::default(), Wait::AsTheSocketSays, Open::Routed)
    }

    /// Sends a message in an [`Envelope`], or fails at once with kind `Timeout` and gives it back.
    fn try_send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        send_via(self.as_zmq(), message, envelope, Wait::Never)
    }

    /// Receives a message and the [`Envelope`] it came in, or fails at once with kind `Timeout`.
    fn try_recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        receive(self.as_zmq(), &Limits::default(), Wait::Never, Open::Routed)
    }
}

impl SocketExt for zmq::Socket {
    fn as_zmq(&self) -> &zmq::Socket {
        self
    }
}
