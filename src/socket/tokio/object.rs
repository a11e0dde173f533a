//! Objects, in any codec.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AsyncSocket;
use crate::array::Array;
#[cfg(feature = "zlib")]
use crate::codec::Zipped;
use crate::codec::{Decode, Encode, HeadedArray, Json, MsgPack};
use crate::error::Result;
use crate::socket::envelope::Open;
use crate::socket::guard::{self, Direction};
use crate::socket::trace::Watch;
use crate::tracker::Tracker;

/// Objects.
impl AsyncSocket {
    /// Sends a value with the default codec.
    pub async fn send_obj<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&MsgPack::new(), value).await
    }

    /// Receives a value with the default codec.
    pub async fn recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        self.receive_and_decode(&MsgPack::new(), Open::None, |_, value| value).await
    }

    /// Sends a value with the default codec, or fails at once with kind `Timeout`.
    pub fn try_send_obj<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.try_send_with(&MsgPack::new(), value)
    }

    /// Receives a value with the default codec, or fails at once with kind `Timeout`.
    pub fn try_recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        self.try_recv_with(&MsgPack::new())
    }

    /// Sends a value with any codec.
    pub async fn send_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        self.encode_and_send(codec, value, &[]).await
    }

    /// Receives a value with any codec.
    pub async fn recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        self.receive_and_decode(codec, Open::None, |_, value| value).await
    }

    /// Sends a value with any codec, or fails at once with kind `Timeout`.
    pub fn try_send_with<T: ?Sized, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        self.encode_and_send_now(codec, value, &[])
    }

    /// Receives a value with any codec, or fails at once with kind `Timeout`.
    pub fn try_recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        self.try_receive_and_decode(codec, Open::None).map(|(_, value)| value)
    }

    /// Sends a value and tells when libzmq has let go of every frame of it: see [`Tracker`], which is a future.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{AsyncSocket, Buffer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = zmq::Context::new();
    /// let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
    /// rx.bind("inproc://tracked-async")?;
    /// tx.connect("inproc://tracked-async")?;
    /// let (tx, rx) = (AsyncSocket::new(tx)?, AsyncSocket::new(rx)?);
    ///
    /// let tracker = tx.send_obj_tracked(&Buffer::from_vec(vec![1_u8; 100_000])).await?;
    /// let received: Buffer = rx.recv_obj().await?;
    /// assert!(!tracker.is_done()); // over inproc the receiver holds the sender's memory
    /// drop(received);
    /// tracker.await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_obj_tracked<T: Serialize + ?Sized>(&self, value: &T) -> Result<Tracker> {
        let watch = Watch::start();
        self.track(MsgPack::new().encode(value)?, watch).await
    }

    /// Sends a value as pyzmq's `send_json` does: see [`Json`].
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&Json::new(), value).await
    }

    /// Receives a value that pyzmq's `send_json` sent: see [`Json`].
    pub async fn recv_json<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_with(&Json::new()).await
    }

    /// Sends an array as `send_array` of the pyzmq documentation does: see [`HeadedArray`].
    pub async fn send_array(&self, array: &Array) -> Result<()> {
        self.send_with(&HeadedArray::new(), array).await
    }

    /// Receives an array that [`send_array`](Self::send_array) or its like in Python sent.
    pub async fn recv_array(&self) -> Result<Array> {
        self.recv_with(&HeadedArray::new()).await
    }

    /// Sends a value as one frame, a zlib stream of MessagePack: see [`Zipped`].
    #[cfg(feature = "zlib")]
    pub async fn send_zipped<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_with(&Zipped::default(), value).await
    }

    /// Receives a value that [`send_zipped`](Self::send_zipped) sent.
    #[cfg(feature = "zlib")]
    pub async fn recv_zipped<T: DeserializeOwned>(&self) -> Result<T> {
        self.recv_with(&Zipped::default()).await
    }

    /// Encodes a value and sends it, or fails at once.
    pub(super) fn encode_and_send_now<T: ?Sized, C: Encode<T>>(
        &self,
        codec: &C,
        value: &T,
        envelope: &[&[u8]],
    ) -> Result<()> {
        match self.encode_and_try(codec, value, envelope, &Watch::start())? {
            None => Ok(()),
            Some(_) => Err(guard::would_block(Direction::Send)),
        }
    }
}
