//! The shells, by one set of names.

use outband::{Array, Decode, Encode, Envelope, Limits, Multipart, Result, SocketExt, Tracker};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::common::Place;

/// What is run with every shell.
pub(crate) trait Test {
    fn run<S: Shell>(&self, place: &Place);
}

/// A socket, and somebody who waits for it.
pub(crate) trait Shell: Sized + Send + 'static {
    fn wrap(socket: zmq::Socket) -> Self;
    /// The socket itself.
    fn with<R>(&self, act: impl FnOnce(&zmq::Socket) -> R) -> R;

    fn send_obj<T: Serialize>(&self, value: &T) -> Result<()>;
    fn recv_obj<T: DeserializeOwned>(&self) -> Result<T>;
    fn try_send_obj<T: Serialize>(&self, value: &T) -> Result<()>;
    fn try_recv_obj<T: DeserializeOwned>(&self) -> Result<T>;
    fn send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()>;
    fn recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T>;
    fn send_json<T: Serialize>(&self, value: &T) -> Result<()>;
    fn recv_json<T: DeserializeOwned>(&self) -> Result<T>;
    fn send_array(&self, array: &Array) -> Result<()>;
    fn recv_array(&self) -> Result<Array>;
    fn send_message(&self, message: Multipart) -> Result<()>;
    fn recv_message(&self) -> Result<Multipart>;
    fn try_send_message(&self, message: Multipart) -> Result<()>;
    fn try_recv_message(&self) -> Result<Multipart>;
    fn send_obj_tracked<T: Serialize>(&self, value: &T) -> Result<Tracker>;
    fn publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()>;
    fn recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)>;
    fn publish_message(&self, topic: &str, message: Multipart) -> Result<()>;
    fn recv_topic_message(&self) -> Result<(String, Multipart)>;
    fn send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()>;
    fn recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)>;
    fn send_message_to(&self, peer: &[u8], message: Multipart) -> Result<()>;
    fn recv_message_from(&self) -> Result<(Vec<u8>, Multipart)>;
    fn send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()>;
    fn recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)>;
    fn send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()>;
    fn recv_message_via(&self) -> Result<(Envelope, Multipart)>;
    fn try_publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()>;
    fn try_recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)>;
    fn try_send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()>;
    fn try_recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)>;
    fn try_send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()>;
    fn try_recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)>;
    fn try_send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()>;
    fn try_recv_message_via(&self) -> Result<(Envelope, Multipart)>;
    fn try_send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()>;
    fn try_recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T>;
    #[cfg(feature = "zlib")]
    fn send_zipped<T: Serialize>(&self, value: &T) -> Result<()>;
    #[cfg(feature = "zlib")]
    fn recv_zipped<T: DeserializeOwned>(&self) -> Result<T>;
    fn recv_message_within(&self, limits: &Limits) -> Result<Multipart>;
    fn send_message_tracked(&self, message: Multipart) -> Result<Tracker>;
    fn publish_with<T, C: Encode<T>>(&self, codec: &C, topic: &str, value: &T) -> Result<()>;
    fn recv_topic_with<T, C: Decode<T>>(&self, codec: &C) -> Result<(String, T)>;
    fn send_with_to<T, C: Encode<T>>(&self, codec: &C, peer: &[u8], value: &T) -> Result<()>;
    fn recv_with_from<T, C: Decode<T>>(&self, codec: &C) -> Result<(Vec<u8>, T)>;
    fn send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()>;
    fn recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)>;
    fn try_send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()>;
    fn try_recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)>;
}

fn text(topic: impl AsRef<[u8]>) -> String {
    String::from_utf8(topic.as_ref().to_vec()).unwrap()
}

impl Shell for zmq::Socket {
    fn wrap(socket: zmq::Socket) -> Self {
        socket
    }
    fn with<R>(&self, act: impl FnOnce(&zmq::Socket) -> R) -> R {
        act(self)
    }
    fn send_obj<T: Serialize>(&self, value: &T) -> Result<()> {
        SocketExt::send_obj(self, value)
    }
    fn recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        SocketExt::recv_obj(self)
    }
    fn try_send_obj<T: Serialize>(&self, value: &T) -> Result<()> {
        SocketExt::try_send_obj(self, value)
    }
    fn try_recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
        SocketExt::try_recv_obj(self)
    }
    fn send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        SocketExt::send_with(self, codec, value)
    }
    fn recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        SocketExt::recv_with(self, codec)
    }
    fn send_json<T: Serialize>(&self, value: &T) -> Result<()> {
        SocketExt::send_json(self, value)
    }
    fn recv_json<T: DeserializeOwned>(&self) -> Result<T> {
        SocketExt::recv_json(self)
    }
    fn send_array(&self, array: &Array) -> Result<()> {
        SocketExt::send_array(self, array)
    }
    fn recv_array(&self) -> Result<Array> {
        SocketExt::recv_array(self)
    }
    fn send_message(&self, message: Multipart) -> Result<()> {
        SocketExt::send_message(self, message)
    }
    fn recv_message(&self) -> Result<Multipart> {
        SocketExt::recv_message(self)
    }
    fn try_send_message(&self, message: Multipart) -> Result<()> {
        SocketExt::try_send_message(self, message)
    }
    fn try_recv_message(&self) -> Result<Multipart> {
        SocketExt::try_recv_message(self)
    }
    fn send_obj_tracked<T: Serialize>(&self, value: &T) -> Result<Tracker> {
        SocketExt::send_obj_tracked(self, value)
    }
    fn publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()> {
        SocketExt::publish_obj(self, topic, value)
    }
    fn recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)> {
        SocketExt::recv_topic_obj(self).map(|(topic, value)| (text(topic), value))
    }
    fn publish_message(&self, topic: &str, message: Multipart) -> Result<()> {
        SocketExt::publish_message(self, topic, message)
    }
    fn recv_topic_message(&self) -> Result<(String, Multipart)> {
        SocketExt::recv_topic_message(self).map(|(topic, message)| (text(topic), message))
    }
    fn send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()> {
        SocketExt::send_obj_to(self, peer, value)
    }
    fn recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)> {
        SocketExt::recv_obj_from(self).map(|(peer, value)| (peer.to_vec(), value))
    }
    fn send_message_to(&self, peer: &[u8], message: Multipart) -> Result<()> {
        SocketExt::send_message_to(self, peer, message)
    }
    fn recv_message_from(&self) -> Result<(Vec<u8>, Multipart)> {
        SocketExt::recv_message_from(self).map(|(peer, message)| (peer.to_vec(), message))
    }
    fn send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        SocketExt::send_obj_via(self, envelope, value)
    }
    fn recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        SocketExt::recv_obj_via(self)
    }
    fn send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        SocketExt::send_message_via(self, envelope, message)
    }
    fn recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        SocketExt::recv_message_via(self)
    }
    fn try_publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()> {
        SocketExt::try_publish_obj(self, topic, value)
    }
    fn try_recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)> {
        SocketExt::try_recv_topic_obj(self).map(|(topic, value)| (text(topic), value))
    }
    fn try_send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()> {
        SocketExt::try_send_obj_to(self, peer, value)
    }
    fn try_recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)> {
        SocketExt::try_recv_obj_from(self).map(|(peer, value)| (peer.to_vec(), value))
    }
    fn try_send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()> {
        SocketExt::try_send_obj_via(self, envelope, value)
    }
    fn try_recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
        SocketExt::try_recv_obj_via(self)
    }
    fn try_send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
        SocketExt::try_send_message_via(self, envelope, message)
    }
    fn try_recv_message_via(&self) -> Result<(Envelope, Multipart)> {
        SocketExt::try_recv_message_via(self)
    }
    fn try_send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
        SocketExt::try_send_with(self, codec, value)
    }
    fn try_recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        SocketExt::try_recv_with(self, codec)
    }
    #[cfg(feature = "zlib")]
    fn send_zipped<T: Serialize>(&self, value: &T) -> Result<()> {
        SocketExt::send_zipped(self, value)
    }
    #[cfg(feature = "zlib")]
    fn recv_zipped<T: DeserializeOwned>(&self) -> Result<T> {
        SocketExt::recv_zipped(self)
    }
    fn recv_message_within(&self, limits: &Limits) -> Result<Multipart> {
        SocketExt::recv_message_within(self, limits)
    }
    fn send_message_tracked(&self, message: Multipart) -> Result<Tracker> {
        SocketExt::send_message_tracked(self, message)
    }
    fn publish_with<T, C: Encode<T>>(&self, codec: &C, topic: &str, value: &T) -> Result<()> {
        SocketExt::publish_with(self, codec, topic, value)
    }
    fn recv_topic_with<T, C: Decode<T>>(&self, codec: &C) -> Result<(String, T)> {
        SocketExt::recv_topic_with(self, codec).map(|(topic, value)| (text(topic), value))
    }
    fn send_with_to<T, C: Encode<T>>(&self, codec: &C, peer: &[u8], value: &T) -> Result<()> {
        SocketExt::send_with_to(self, codec, peer, value)
    }
    fn recv_with_from<T, C: Decode<T>>(&self, codec: &C) -> Result<(Vec<u8>, T)> {
        SocketExt::recv_with_from(self, codec).map(|(peer, value)| (peer.to_vec(), value))
    }
    fn send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
        SocketExt::send_with_via(self, codec, envelope, value)
    }
    fn recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        SocketExt::recv_with_via(self, codec)
    }
    fn try_send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
        SocketExt::try_send_with_via(self, codec, envelope, value)
    }
    fn try_recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
        SocketExt::try_recv_with_via(self, codec)
    }
}

#[cfg(feature = "tokio")]
pub(crate) use on_tokio::{ManyThreads, OneThread};

#[cfg(feature = "tokio")]
mod on_tokio {
    use std::future::Future;
    use std::sync::LazyLock;

    use outband::AsyncSocket;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// A runtime of the calling thread's for every socket.
    pub(crate) struct OneThread(AsyncSocket, Runtime);

    /// One runtime of several threads for all sockets.
    pub(crate) struct ManyThreads(AsyncSocket);

    static MANY: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap());

    /// An async socket, and what runs its futures to the end.
    trait OnTokio: Sized + Send + 'static {
        fn new(socket: zmq::Socket) -> Self;
        fn socket(&self) -> &AsyncSocket;
        fn run<R>(&self, future: impl Future<Output = R>) -> R;
    }

    impl OnTokio for OneThread {
        fn new(socket: zmq::Socket) -> Self {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let socket = runtime.block_on(async { AsyncSocket::new(socket).unwrap() });
            Self(socket, runtime)
        }
        fn socket(&self) -> &AsyncSocket {
            &self.0
        }
        fn run<R>(&self, future: impl Future<Output = R>) -> R {
            self.1.block_on(future)
        }
    }

    impl OnTokio for ManyThreads {
        fn new(socket: zmq::Socket) -> Self {
            let _within = MANY.enter();
            Self(AsyncSocket::new(socket).unwrap())
        }
        fn socket(&self) -> &AsyncSocket {
            &self.0
        }
        fn run<R>(&self, future: impl Future<Output = R>) -> R {
            MANY.block_on(future)
        }
    }

    impl<S: OnTokio> Shell for S {
        fn wrap(socket: zmq::Socket) -> Self {
            S::new(socket)
        }
        fn with<R>(&self, act: impl FnOnce(&zmq::Socket) -> R) -> R {
            self.socket().with_socket(act)
        }
        fn send_obj<T: Serialize>(&self, value: &T) -> Result<()> {
            self.run(self.socket().send_obj(value))
        }
        fn recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
            self.run(self.socket().recv_obj())
        }
        fn try_send_obj<T: Serialize>(&self, value: &T) -> Result<()> {
            self.socket().try_send_obj(value)
        }
        fn try_recv_obj<T: DeserializeOwned>(&self) -> Result<T> {
            self.socket().try_recv_obj()
        }
        fn send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
            self.run(self.socket().send_with(codec, value))
        }
        fn recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
            self.run(self.socket().recv_with(codec))
        }
        fn send_json<T: Serialize>(&self, value: &T) -> Result<()> {
            self.run(self.socket().send_json(value))
        }
        fn recv_json<T: DeserializeOwned>(&self) -> Result<T> {
            self.run(self.socket().recv_json())
        }
        fn send_array(&self, array: &Array) -> Result<()> {
            self.run(self.socket().send_array(array))
        }
        fn recv_array(&self) -> Result<Array> {
            self.run(self.socket().recv_array())
        }
        fn send_message(&self, message: Multipart) -> Result<()> {
            self.run(self.socket().send_message(message))
        }
        fn recv_message(&self) -> Result<Multipart> {
            self.run(self.socket().recv_message())
        }
        fn try_send_message(&self, message: Multipart) -> Result<()> {
            self.socket().try_send_message(message)
        }
        fn try_recv_message(&self) -> Result<Multipart> {
            self.socket().try_recv_message()
        }
        fn send_obj_tracked<T: Serialize>(&self, value: &T) -> Result<Tracker> {
            self.run(self.socket().send_obj_tracked(value))
        }
        fn publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()> {
            self.run(self.socket().publish_obj(topic, value))
        }
        fn recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)> {
            self.run(self.socket().recv_topic_obj()).map(|(topic, value)| (text(topic), value))
        }
        fn publish_message(&self, topic: &str, message: Multipart) -> Result<()> {
            self.run(self.socket().publish_message(topic, message))
        }
        fn recv_topic_message(&self) -> Result<(String, Multipart)> {
            self.run(self.socket().recv_topic_message()).map(|(topic, message)| (text(topic), message))
        }
        fn send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()> {
            self.run(self.socket().send_obj_to(peer, value))
        }
        fn recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)> {
            self.run(self.socket().recv_obj_from()).map(|(peer, value)| (peer.to_vec(), value))
        }
        fn send_message_to(&self, peer: &[u8], message: Multipart) -> Result<()> {
            self.run(self.socket().send_message_to(peer, message))
        }
        fn recv_message_from(&self) -> Result<(Vec<u8>, Multipart)> {
            self.run(self.socket().recv_message_from()).map(|(peer, message)| (peer.to_vec(), message))
        }
        fn send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()> {
            self.run(self.socket().send_obj_via(envelope, value))
        }
        fn recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
            self.run(self.socket().recv_obj_via())
        }
        fn send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
            self.run(self.socket().send_message_via(envelope, message))
        }
        fn recv_message_via(&self) -> Result<(Envelope, Multipart)> {
            self.run(self.socket().recv_message_via())
        }
        fn try_publish_obj<T: Serialize>(&self, topic: &str, value: &T) -> Result<()> {
            self.socket().try_publish_obj(topic, value)
        }
        fn try_recv_topic_obj<T: DeserializeOwned>(&self) -> Result<(String, T)> {
            self.socket().try_recv_topic_obj().map(|(topic, value)| (text(topic), value))
        }
        fn try_send_obj_to<T: Serialize>(&self, peer: &[u8], value: &T) -> Result<()> {
            self.socket().try_send_obj_to(peer, value)
        }
        fn try_recv_obj_from<T: DeserializeOwned>(&self) -> Result<(Vec<u8>, T)> {
            self.socket().try_recv_obj_from().map(|(peer, value)| (peer.to_vec(), value))
        }
        fn try_send_obj_via<T: Serialize>(&self, envelope: &Envelope, value: &T) -> Result<()> {
            self.socket().try_send_obj_via(envelope, value)
        }
        fn try_recv_obj_via<T: DeserializeOwned>(&self) -> Result<(Envelope, T)> {
            self.socket().try_recv_obj_via()
        }
        fn try_send_message_via(&self, envelope: &Envelope, message: Multipart) -> Result<()> {
            self.socket().try_send_message_via(envelope, message)
        }
        fn try_recv_message_via(&self) -> Result<(Envelope, Multipart)> {
            self.socket().try_recv_message_via()
        }
        fn try_send_with<T, C: Encode<T>>(&self, codec: &C, value: &T) -> Result<()> {
            self.socket().try_send_with(codec, value)
        }
        fn try_recv_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
            self.socket().try_recv_with(codec)
        }
        #[cfg(feature = "zlib")]
        fn send_zipped<T: Serialize>(&self, value: &T) -> Result<()> {
            self.run(self.socket().send_zipped(value))
        }
        #[cfg(feature = "zlib")]
        fn recv_zipped<T: DeserializeOwned>(&self) -> Result<T> {
            self.run(self.socket().recv_zipped())
        }
        fn recv_message_within(&self, limits: &Limits) -> Result<Multipart> {
            self.run(self.socket().recv_message_within(limits))
        }
        fn send_message_tracked(&self, message: Multipart) -> Result<Tracker> {
            self.run(self.socket().send_message_tracked(message))
        }
        fn publish_with<T, C: Encode<T>>(&self, codec: &C, topic: &str, value: &T) -> Result<()> {
            self.run(self.socket().publish_with(codec, topic, value))
        }
        fn recv_topic_with<T, C: Decode<T>>(&self, codec: &C) -> Result<(String, T)> {
            self.run(self.socket().recv_topic_with(codec)).map(|(topic, value)| (text(topic), value))
        }
        fn send_with_to<T, C: Encode<T>>(&self, codec: &C, peer: &[u8], value: &T) -> Result<()> {
            self.run(self.socket().send_with_to(codec, peer, value))
        }
        fn recv_with_from<T, C: Decode<T>>(&self, codec: &C) -> Result<(Vec<u8>, T)> {
            self.run(self.socket().recv_with_from(codec)).map(|(peer, value)| (peer.to_vec(), value))
        }
        fn send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
            self.run(self.socket().send_with_via(codec, envelope, value))
        }
        fn recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
            self.run(self.socket().recv_with_via(codec))
        }
        fn try_send_with_via<T, C: Encode<T>>(&self, codec: &C, envelope: &Envelope, value: &T) -> Result<()> {
            self.socket().try_send_with_via(codec, envelope, value)
        }
        fn try_recv_with_via<T, C: Decode<T>>(&self, codec: &C) -> Result<(Envelope, T)> {
            self.socket().try_recv_with_via(codec)
        }
    }
}
