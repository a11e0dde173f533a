//! Messages that begin with where they go: a topic, a routing id, an envelope.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AsyncSocket;
use crate::codec::{Decode, Encode, MsgPack};
use crate::error::Result;
use crate::limits::Limits;
use crate::multipart::Multipart;
use crate::socket::envelope::{Envelope, Open};
use crate::socket::send;

/// Topics: PUB and SUB.
impl AsyncSocket {
    /// Publishes a value under a topic: the topic is the first frame, which subscriptions match by prefix.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::AsyncSocket;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = zmq::Context::new();
    /// let (tx, rx) = (context.socket(zmq::XPUB)?, context.socket(zmq::SUB)?);
    /// tx.bind("inproc://weather-async")?;
    /// rx.connect("inproc://weather-async")?;
    /// rx.set_subscribe(b"weather.")?;
    /// let (tx, rx) = (AsyncSocket::new(tx)?, AsyncSocket::new(rx)?);
    /// tx.recv_message().await?; // an XPUB hears of subscriptions: the subscriber is there
    ///
    /// tx.publish_obj("weather.oslo", &-3.5).await?;
    /// let (topic, degrees): (_, f64) = rx.recv_topic_obj().await?;
    /// assert_eq!((&topic[..], degrees), (&b"weather.oslo"[..], -3.5));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish_obj<T: Serialize + ?Sized>(&self, topic: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.publish_with(&MsgPack::new(), topic, value).await
    }

    /// Publishes a value under a topic with any codec.
    pub async fn publish_with<T: ?Sized, C: Encode<T>>(
        &self,
        codec: &C,
        topic: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<()> {
        self.encode_and_send(codec, value, &[topic.as_ref()]).await
    }

    /// Receives a topic and a value that [`publish_obj`](Self::publish_obj) sent.
    pub async fn recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        self.recv_topic_with(&MsgPack::new()).await
    }

    /// Receives a topic and a value with any codec.
    pub async fn recv_topic_with<T, C: Decode<T>>(&self, codec: &C) -> Result<(Bytes, T)> {
        self.receive_and_decode(codec, Open::Topic, |place, value| (place.take_envelope().into_peer(), value)).await
    }

    /// Receives a topic and a value, or fails at once with kind `Timeout`.
    pub fn try_recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        let (envelope, value) = self.try_receive_and_decode(&MsgPack::new(), Open::Topic)?;
        Ok((envelope.into_peer(), value))
    }

    /// Publishes a value under a topic, or fails at once with kind `Timeout`: on an XPUB with `ZMQ_XPUB_NODROP`.
    pub fn try_publish_obj<T: Serialize + ?Sized>(&self, topic: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.encode_and_send_now(&MsgPack::new(), value, &[topic.as_ref()])
    }

    /// Publishes a message under a topic. A failed send gives the message back.
    pub async fn publish_message(&self, topic: impl AsRef<[u8]>, message: Multipart) -> Result<()> {
        self.send_owned(message, &[topic.as_ref()]).await
    }

    /// Receives a topic and a message without decoding it.
    pub async fn recv_topic_message(&self) -> Result<(Bytes, Multipart)> {
        let (envelope, message) = self.receive(&Limits::default(), Open::Topic).await?;
        Ok((envelope.into_peer(), message))
    }
}

/// Peers and envelopes: ROUTER, and DEALER facing REP.
impl AsyncSocket {
    /// Sends a value from a ROUTER to one peer, named by its routing id, as
    /// [`SocketExt::send_obj_to`](crate::SocketExt::send_obj_to).
    pub async fn send_obj_to<T: Serialize + ?Sized>(&self, peer: impl AsRef<[u8]>, value: &T) -> Result<()> {
        self.send_with_to(&MsgPack::new(), peer, value).await
    }

    /// Sends a value from a ROUTER to one peer with any codec.
    pub async fn send_with_to<T: ?Sized, C: Encode<T>>(
        &self,
        codec: &C,
        peer: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<()> {
        send::check_routes(&self.lock().socket)?;
        self.encode_and_send(codec, value, &[peer.as_ref()]).await
    }

    /// Receives a peer's routing id and a value on a ROUTER, with or without an empty delimiter frame between them. To answer a REQ take
    /// [`recv_obj_via`](Self::recv_obj_via): this forgets the delimiter.
    pub async fn recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        self.recv_with_from(&MsgPack::new()).await
    }

    /// Receives a peer's routing id and a value on a ROUTER with any codec.
    pub async fn recv_with_from<T, C: Decode<T>>(&self, codec: &C) -> Result<(Bytes, T)> {
        let (envelope, value) = self.recv_with_via(codec).await?;
        Ok((envelope.into_peer(), value))
    }

    /// Sends a value from a ROUTER to one peer, or fails at once with kind `Timeout`.
    pub fn try_send_obj_to<T: Serialize + ?Sized>(&self, peer: impl AsRef<[u8]>, value: &T) -> Result<()> {
        send::check_routes(&self.lock().socket)?;
        self.encode_and_send_now(&MsgPack::new(), value, &[peer.as_ref()])
    }

    /// Receives a peer's routing id and a value on a ROUTER, or fails at once with kind `Timeout`.
    pub fn try_recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Bytes, T)> {
        let (envelope, value) = self.try_recv_obj_via()?;
        Ok((envelope.into_peer(), value))
    }

    /// Sends a message from a ROUTER to one peer. A failed send gives the message back.
    pub async fn send_message_to(&self, peer: impl AsRef<[u8]>, message: Multipart) -> Result<()> {
        let routable = send::check_routes(&self.lock().socket);
        match routable {
            Ok(()) => self.send_owned(message, &[peer.as_ref()]).await,
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }

    /// Receives a peer's routing id and a message on a ROUTER without decoding it.
    pub async fn recv_message_from(&self) -> Result<(Bytes, Multipart)> {
        let (envelope, message) = self.recv_message_via().await?;
        Ok((envelope.into_peer(), message))
    }

    /// Sends a value in an [`Envelope`]: back the way a request came, or in one that was made by hand.
    pub async fn send_obj_via<T: Serialize + ?Sized>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        self.send_with_via(&MsgPack::new(), envelope, value).await
    }

    /// Sends a value in an [`Envelope`] with any codec.
    pub async fn send_with_via<T: ?Sized, C: Encode<T>>(
        &self,
        codec: &C,
        envelope: &Envelope,
        value: &T,
    ) -> Result<()> {
        self.check_routable(envelope)?;
        self.encode_and_send(codec, value, &envelope.frames()).await
    }

    /// Receives a value and the [`Envelope`] it came in, on a ROUTER or DEALER.
    pub async fn recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        self.recv_with_via(&MsgPack::new()).await
    }

    /// Receives a value and the [`Envelope`] it came in with any codec.
    pub async fn recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        self.receive_and_decode(codec, Open::Routed, |place, value| (place.take_envelope(), value)).await
    }

    /// Sends a value in an [`Envelope`], or fails at once with kind `Timeout`.
    pub fn try_send_obj_via<T: Serialize + ?Sized>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        self.try_send_with_via(&MsgPack::new(), envelope, value)
    }

    /// Sends a value in an [`Envelope`] with any codec, or fails at once with kind `Timeout`.
    pub fn try_send_with_via<T: ?Sized, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
        self.check_routable(envelope)?;
        self.encode_and_send_now(codec, value, &envelope.frames())
    }

    /// Receives a value and the [`Envelope`] it came in, or fails at once with kind `Timeout`.
    pub fn try_recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        self.try_recv_with_via(&MsgPack::new())
    }

    /// Receives a value and the [`Envelope`] it came in with any codec, or fails at once with kind `Timeout`.
    pub fn try_recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        self.try_receive_and_decode(codec, Open::Routed)
    }

    /// Sends a message in an [`Envelope`]. A failed send gives the message back.
    pub async fn send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        match self.check_routable(envelope) {
            Ok(()) => self.send_owned(message, &envelope.frames()).await,
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }

    /// Receives a message and the [`Envelope`] it came in, on a ROUTER or DEALER, without decoding it.
    pub async fn recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        self.receive(&Limits::default(), Open::Routed).await
    }

    /// Sends a message in an [`Envelope`], or fails at once with kind `Timeout` and gives it back.
    pub fn try_send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        match self.check_routable(envelope) {
            Ok(()) => self.send_owned_now(message, &envelope.frames()),
            Err(error) => Err(error.with_payload(Box::new(message))),
        }
    }

    /// Receives a message and the [`Envelope`] it came in, or fails at once with kind `Timeout`.
    pub fn try_recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        self.try_receive(&Limits::default(), Open::Routed)
    }

    fn check_routable(&self, envelope: &Envelope) -> Result<()> {
        send::check_routable(&self.lock().socket, envelope)
    }
}
