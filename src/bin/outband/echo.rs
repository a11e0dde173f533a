//! `outband echo`: sends every message back, decoded and encoded again.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueEnum};
use outband::{
    Buffer, BufferInfo, Decode, Encode, Envelope, Json, MsgPack, Multipart, Pickle, Placement, SocketExt, Value,
};
use tracing::{info, warn};

use crate::Fallible;
use crate::complaints::Complaints;
use crate::endpoint::{self, Bound};
use crate::stop::Stop;

/// Send every message back to the REQ or DEALER it came from, decoded and encoded again.
///
/// A message that does not decode is answered with an empty frame and a frame with the error's text. The first line on
/// stdout is the endpoint; stderr has a line for each such message, ten in five seconds at most, and then how many more there were.
/// SIGINT or SIGTERM ends it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where to listen, say tcp://127.0.0.1:5555 or tcp://127.0.0.1:* for any free port
    #[arg(long, value_name = "ENDPOINT")]
    bind: String,
    /// What the messages are written in
    #[arg(long, value_enum, default_value_t = Format::Msgpack)]
    format: Format,
    /// A class whose instances are read from pickles and written again, say shop.Order; may be given more than once
    #[arg(long, value_name = "CLASS")]
    allow: Vec<String>,
    /// An enum whose members are read from pickles and written again, say shop.Colour; may be given more than once
    #[arg(long, value_name = "ENUM")]
    allow_enum: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// This library's default
    Msgpack,
    /// What pyzmq's send_json and recv_json speak
    Json,
    /// What pyzmq's send_pyobj and recv_pyobj speak, and pickle.dumps with a buffer_callback
    Pickle,
}

impl Arguments {
    /// Decodes a message to a value, and encodes that.
    fn again(&self, message: Multipart) -> outband::Result<Multipart> {
        fn through<C: Decode<Value> + Encode<Value>>(codec: &C, message: Multipart) -> outband::Result<Multipart> {
            codec.encode(&codec.decode(message)?)
        }
        match self.format {
            Format::Msgpack => through(&MsgPack::new(), message),
            Format::Json => through(&Json::new(), message),
            Format::Pickle => {
                // in as many frames as it came in: a recv_pyobj takes no more than one
                let frames = Frames::of(message.buffers());
                let codec = self.allow.iter().fold(Pickle::new(), Pickle::allow);
                let codec = self.allow_enum.iter().fold(codec, Pickle::allow_enum);
                let codec = codec.placement(move |buffer| match frames.hold(buffer) {
                    true => Placement::OutOfBand,
                    false => Placement::InBand,
                });
                through(&codec, message)
            }
        }
    }
}

/// Where the frames of a message lie.
struct Frames {
    /// From where to where, in order of their addresses.
    ranges: Vec<Range<usize>>,
    /// How many more without bytes there are: one of them is like another.
    empty: AtomicUsize,
}

impl Frames {
    fn of(buffers: &[Buffer]) -> Self {
        let range = |buffer: &Buffer| buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
        let mut ranges: Vec<_> = buffers.iter().filter(|buffer| !buffer.is_empty()).map(range).collect();
        ranges.sort_by_key(|range| range.start);
        let empty = buffers.iter().filter(|buffer| buffer.is_empty()).count();
        Self { ranges, empty: AtomicUsize::new(empty) }
    }

    /// Whether a buffer is one of them, also copied, or a part of one, say a column of a data frame; as many without bytes as came.
    fn hold(&self, buffer: &BufferInfo) -> bool {
        if buffer.is_empty() {
            let less = |empty: usize| empty.checked_sub(1);
            return self.empty.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        }
        let after = self.ranges.partition_point(|range| range.start <= buffer.address());
        let is_within = after.checked_sub(1).is_some_and(|at| self.ranges[at].contains(&buffer.address()));
        is_within || buffer.came_out_of_band()
    }
}

/// How long what was answered may still take to leave when this ends, in milliseconds.
const LINGER: i32 = 1000;
/// How long a peer that does not read its answers may keep the others waiting, once, in milliseconds.
const PATIENCE: i32 = 1000;
/// How many such peers are remembered before all of them are forgotten.
const MOST_SLOW: usize = 10_000;

/// The peers that were waited for in vain: their answers are dropped until one is taken at once.
#[derive(Default)]
struct Slow(HashSet<Vec<u8>>);

impl Slow {
    /// Sends an answer, to one of them without waiting.
    fn send(&mut self, socket: &zmq::Socket, envelope: &Envelope, message: Multipart) -> outband::Result<()> {
        let peer = peer_of(envelope).unwrap_or_default();
        if self.0.contains(peer) {
            socket.try_send_message_via(envelope, message)?;
            self.0.remove(peer);
            return Ok(());
        }
        socket.send_message_via(envelope, message).inspect_err(|error| {
            if error.is_timeout() {
                // a line for each PATIENCE at most
                warn!(peer = %peer.escape_ascii(), "waited in vain: this peer's answers are dropped until it takes one at once");
                if self.0.len() == MOST_SLOW {
                    self.0.clear();
                }
                self.0.insert(peer.to_vec());
            }
        })
    }
}

fn peer_of(envelope: &Envelope) -> Option<&[u8]> {
    envelope.peer().map(|peer| &peer[..])
}

pub(crate) fn run(arguments: &Arguments) -> Fallible<()> {
    let stop = Stop::listen()?;
    let context = zmq::Context::new();
    let socket = context.socket(zmq::ROUTER)?;
    socket.set_linger(LINGER)?;
    socket.set_sndtimeo(PATIENCE)?;
    // libzmq has them off
    socket.set_ipv6(arguments.bind.contains("//["))?;
    let refused = |error: &dyn Display| format!("could not listen on {}: {error}", arguments.bind);
    endpoint::check(&arguments.bind).map_err(|error| refused(&error))?;
    socket.bind(&arguments.bind).map_err(|error| refused(&error))?;
    let endpoint = socket.get_last_endpoint()?.map_err(|_| "the endpoint is no text")?;
    let _bound = Bound::at(&arguments.bind, &endpoint);
    writeln!(io::stdout(), "{endpoint}")?;
    io::stdout().flush()?;

    let (mut answered, mut refused, mut slow) = (0_u64, 0_u64, Slow::default());
    let mut complaints = Complaints::new("were refused or not answered");
    loop {
        let mut items = [socket.as_poll_item(zmq::POLLIN), zmq::PollItem::from_fd(stop.fd(), zmq::POLLIN)];
        // rounded up: what is told is told in one go
        let wait = complaints.wait().map_or(-1, |wait| wait.as_millis() as i64 + 1);
        match zmq::poll(&mut items, wait) {
            Ok(_) | Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        complaints.tell_in_time();
        if items[1].is_readable() {
            complaints.tell();
            info!(answered, refused, "stopped");
            return Ok(());
        }
        if !items[0].is_readable() {
            continue;
        }
        match answer(&socket, arguments, &mut slow, &mut complaints) {
            Ok(true) => answered += 1,
            Ok(false) => refused += 1,
            Err(error) => complaints.warn(None, "not answered", error),
        }
    }
}

/// Receives a message and answers it; tells whether it was one.
fn answer(
    socket: &zmq::Socket,
    arguments: &Arguments,
    slow: &mut Slow,
    complaints: &mut Complaints,
) -> outband::Result<bool> {
    let (envelope, message) = socket.recv_message_via()?;
    match arguments.again(message) {
        Ok(message) => slow.send(socket, &envelope, message).map(|()| true),
        Err(error) => {
            complaints.warn(peer_of(&envelope), "refused", &error);
            if let Err(error) = complain(socket, &envelope, &error.to_string()) {
                complaints.warn(peer_of(&envelope), "the error was not answered", error);
            }
            Ok(false)
        }
    }
}

/// Answers with an empty frame and a text, which no message begins with.
fn complain(socket: &zmq::Socket, envelope: &Envelope, text: &str) -> zmq::Result<()> {
    let delimiter = if envelope.has_delimiter() { Some(&b""[..]) } else { None };
    let frames = peer_of(envelope).into_iter().chain(delimiter).chain([&b""[..], text.as_bytes()]);
    socket.send_multipart(frames, zmq::DONTWAIT)
}
