//! Turns at a pair of sockets: one end sends so many objects by one of several means, the other receives them.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use outband::SocketExt;
use serde::{Deserialize, Serialize};

/// What the sender announces.
#[derive(Serialize, Deserialize)]
struct Turn {
    means: usize,
    count: u64,
}

/// What a turn took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) time: Duration,
    /// Page faults of the receiver's process.
    pub(crate) faults: u64,
}

/// Page faults of a receiver, and the objects that it received.
#[derive(Debug, Default)]
pub(crate) struct Faults(Cell<(u64, u64)>);

impl Faults {
    /// Adds those of a turn of `count` objects, and returns its time.
    pub(crate) fn add(&self, took: Took, count: u64) -> Duration {
        let (faults, objects) = self.0.get();
        self.0.set((faults + took.faults, objects + count));
        took.time
    }

    pub(crate) fn per_object(&self) -> f64 {
        let (faults, objects) = self.0.get();
        faults as f64 / objects.max(1) as f64
    }
}

/// Announces `count` objects of one means, sends them once the receiver is ready, and waits until it has them all: the clock runs
/// from the first frame to that answer.
pub(crate) fn lead(socket: &zmq::Socket, means: usize, count: u64, send: impl FnOnce()) -> Took {
    socket.send_obj(&Some(Turn { means, count })).unwrap();
    socket.recv_obj::<()>().unwrap(); // it is ready
    let started = Instant::now();
    send();
    socket.recv_obj::<()>().unwrap(); // it has them all
    Took { time: started.elapsed(), faults: socket.recv_obj().unwrap() }
}

/// Ends what [`follow`] does at the other end.
pub(crate) fn end(socket: &zmq::Socket) {
    socket.send_obj(&None::<Turn>).unwrap();
}

/// Receives what is announced, each object by a call with the number of its means.
pub(crate) fn follow(socket: &zmq::Socket, receive: impl Fn(usize)) {
    while let Some(turn) = socket.recv_obj::<Option<Turn>>().unwrap() {
        let before = page_faults();
        socket.send_obj(&()).unwrap();
        (0..turn.count).for_each(|_| receive(turn.means));
        socket.send_obj(&()).unwrap();
        socket.send_obj(&(page_faults() - before)).unwrap();
    }
}

/// The page faults of this process that needed no disk: proc_pid_stat(5), field 10; 0 where there is no such file.
fn page_faults() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the name of the program, in parentheses, may hold spaces
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(7).map_or(0, |field| field.parse().unwrap())
}
