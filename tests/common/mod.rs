//! What the socket tests share: connected sockets that cannot hang.

#![allow(unreachable_pub, reason = "a module of every test file")]
#![allow(dead_code, reason = "every test file uses a part of this")]

use std::sync::atomic::{AtomicUsize, Ordering};

/// Milliseconds that nothing in a passing test ever takes.
pub const LONG: i32 = 60_000;

pub const TRANSPORTS: [&str; 3] = ["inproc", "ipc", "tcp"];

/// A context and where sockets of it meet.
pub struct Place {
    pub context: zmq::Context,
    pub transport: &'static str,
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new(transport: &'static str) -> Self {
        Self { context: zmq::Context::new(), transport, directory: tempfile::tempdir().unwrap() }
    }

    /// A socket that gives up after [`LONG`] and does not linger.
    pub fn socket(&self, kind: zmq::SocketType) -> zmq::Socket {
        let socket = self.context.socket(kind).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_sndtimeo(LONG).unwrap();
        socket.set_rcvtimeo(LONG).unwrap();
        socket
    }

    /// Where `ipc` sockets of this place are.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// An address to bind to, which is nobody else's.
    pub fn address(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.transport {
            "tcp" => "tcp://127.0.0.1:*".to_owned(),
            "ipc" => format!("ipc://{}/{number}", self.directory.path().display()),
            _ => format!("inproc://{number}"),
        }
    }

    /// Binds to an address of its own; where to connect to.
    pub fn bind(&self, socket: &zmq::Socket) -> String {
        socket.bind(&self.address()).unwrap();
        socket.get_last_endpoint().unwrap().unwrap()
    }

    /// The first binds, the second connects.
    pub fn connected(&self, bound: zmq::SocketType, connected: zmq::SocketType) -> (zmq::Socket, zmq::Socket) {
        let (bound, connected) = (self.socket(bound), self.socket(connected));
        connected.connect(&self.bind(&bound)).unwrap();
        (bound, connected)
    }
}
