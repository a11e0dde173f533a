//! A message for a socket that takes no more, which gives it back as it was.

use outband::{Buffer, Encode, ErrorKind, MsgPack, Multipart, Result};

/// A message of three frames.
pub(crate) fn message() -> Multipart {
    let buffer = |byte: u8| Buffer::from_vec(vec![byte; 20_000]);
    MsgPack::new().encode(&("three frames", buffer(1), buffer(2))).unwrap()
}

/// Where the frames of a message lie.
pub(crate) fn pointers(message: &Multipart) -> Vec<*const u8> {
    std::iter::once(message.metadata().as_ptr()).chain(message.buffers().iter().map(|buffer| buffer.as_ptr())).collect()
}

/// The first message that `send` gives back for want of room, not copied; and how many went before it: the socket was full, or libzmq's
/// threads had no processor for so long, and then there is room again.
pub(crate) fn given_back(send: impl Fn(Multipart) -> Result<()>) -> (Multipart, usize) {
    for ahead in 0.. {
        let message = message();
        let before = pointers(&message);
        let Err(error) = send(message) else { continue };
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let message = error.into_message().unwrap();
        assert_eq!(pointers(&message), before);
        return (message, ahead);
    }
    unreachable!("a socket takes no end of messages")
}
