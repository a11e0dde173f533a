//! A way to a TCP endpoint that can die as the way to a host that vanishes: its connections stay, and nothing comes out of them. New ones
//! are as good as ever.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The way, with the endpoint to connect to.
pub(crate) struct Way {
    pub(crate) endpoint: String,
    /// As many connections as this are dead, the first ones.
    dead: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

impl Way {
    /// A way to `endpoint`, `tcp://` and all.
    pub(crate) fn to(endpoint: &str) -> Self {
        let to = endpoint.strip_prefix("tcp://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let way = Self { endpoint, dead: Arc::default(), made: Arc::default() };
        let (dead, made) = (way.dead.clone(), way.made.clone());
        thread::spawn(move || {
            for from in listener.incoming() {
                let (from, to) = (from.unwrap(), TcpStream::connect(&to).unwrap());
                let number = made.fetch_add(1, Ordering::SeqCst);
                for (from, to) in [(from.try_clone().unwrap(), to.try_clone().unwrap()), (to, from)] {
                    let dead = dead.clone();
                    thread::spawn(move || carry(from, to, || number < dead.load(Ordering::SeqCst)));
                }
            }
        });
        way
    }

    /// Lets the first connections die, so many of them, whether they were made already or not.
    pub(crate) fn kill(&self, connections: usize) {
        self.dead.store(connections, Ordering::SeqCst);
    }

    /// How many connections there were.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_dead: impl Fn() -> bool) {
    let mut bytes = [0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        // what a dead way carries is gone, and neither end is told
        if !is_dead() && to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    if !is_dead() {
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}
