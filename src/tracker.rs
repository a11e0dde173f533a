//! `Tracker`: done when libzmq has let go of every frame of a message.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;

use crate::frame::Hold;

/// Done when libzmq has let go of **every** frame of a sent message.
///
/// **Released is not delivered.** Over tcp and ipc a frame is released once its bytes are in the kernel's buffers, over
/// inproc when the receiver drops it, and a message that libzmq discards (the peer is gone, the socket is closed with
/// `ZMQ_LINGER` 0) is released as well. What it is good for: knowing when memory behind a frame is free again, and
/// closing a socket no earlier than that.
///
/// Blocking code calls [`wait`](Self::wait), async code awaits the tracker. Dropping it changes nothing.
///
/// **A peer that is gone is noticed when the socket is used.** libzmq drops what was for it within the next call on the socket, not before,
/// so a thread that has the socket and only waits for a tracker may wait for ever. Give the wait a timeout and look at the socket in
/// between: `while !tracker.wait(Some(interval)) { socket.get_events()?; }`.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, SocketExt};
///
/// let context = zmq::Context::new();
/// let (tx, rx) = (context.socket(zmq::PAIR)?, context.socket(zmq::PAIR)?);
/// rx.bind("inproc://tracked")?;
/// tx.connect("inproc://tracked")?;
///
/// let tracker = tx.send_obj_tracked(&Buffer::from_vec(vec![1_u8; 100_000]))?;
/// let received: Buffer = rx.recv_obj()?;
/// assert!(!tracker.is_done()); // over inproc the receiver holds the sender's memory
/// drop(received);
/// assert!(tracker.wait(None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tracker {
    state: Arc<State>,
    /// `wait` and `poll` register one waiter, so a tracker is `Send` and not `Sync`.
    not_sync: PhantomData<Cell<()>>,
}

struct State {
    done: AtomicBool,
    waiter: AtomicWaker,
}

/// Held by every frame of the message; the last one to go says so.
struct Last(Arc<State>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Release);
        self.0.waiter.wake();
    }
}

impl Tracker {
    /// A tracker, and what every frame of its message has to hold.
    pub(crate) fn new() -> (Self, Hold) {
        let state = Arc::new(State { done: AtomicBool::new(false), waiter: AtomicWaker::new() });
        (Self { state: state.clone(), not_sync: PhantomData }, Arc::new(Last(state)))
    }

    /// Whether libzmq has let go of every frame.
    pub fn is_done(&self) -> bool {
        self.state.done.load(Ordering::Acquire)
    }

    /// Waits until libzmq has let go of every frame, or the time is up. Returns [`is_done`](Self::is_done).
    ///
    /// `None` waits for ever; `Some(Duration::ZERO)` does not wait.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        while !self.is_done() {
            self.state.waiter.register(&waker);
            if self.is_done() {
                break;
            }
            match deadline.flatten() {
                None => thread::park(),
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    None | Some(Duration::ZERO) => break,
                    Some(left) => thread::park_timeout(left),
                },
            }
        }
        self.is_done()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Tracker {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        self.state.waiter.register(context.waker());
        if self.is_done() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("is_done", &self.is_done()).finish()
    }
}
