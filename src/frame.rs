//! Frames: any owner of bytes becomes a `zmq::Message`, and a received one becomes [`Bytes`].
//!
//! The only file that names `zmq_sys`. What it rests on:
//!
//! * `zmq::Message` has exactly one field, a `zmq_msg_t`. Equal size and alignment, asserted below at compile time,
//!   put that field at offset 0.
//! * libzmq calls the free function given to `zmq_msg_init_data` exactly once, on whatever thread lets go last. So the
//!   owner is `Send`, and [`release`] neither unwinds nor locks.

#![allow(unsafe_code, reason = "building a zmq::Message around memory of any owner needs zmq_msg_init_data")]

mod berths;
mod in_place;
mod named;
mod page;
mod shared;
mod shelf;
mod short;

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop, MaybeUninit, align_of, size_of};
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use zmq_sys::{zmq_msg_t, zmq_pollitem_t};

pub(crate) use in_place::InPlace;
use named::error_of;
pub(crate) use named::uninterrupted;
pub(crate) use page::Page;
use shared::drop_quietly;
pub(crate) use shared::{Shared, Slot};
use shelf::Shelf;

const _: () = assert!(size_of::<zmq::Message>() == size_of::<zmq_msg_t>());
const _: () = assert!(align_of::<zmq::Message>() == align_of::<zmq_msg_t>());

/// The size in bytes of libzmq's receive arena (`in_batch_size`, `config.hpp`).
///
/// A frame that arrives over a wire and fits in what is left of the arena is a slice of it, and pins it: 8 KiB of data,
/// and counters that are set aside and hardly touched. Any longer frame has memory of its own.
pub(crate) const RECEIVE_ARENA: usize = 8192;

/// Up to here a frame that nobody else holds is copied into libzmq's own memory: cheaper than handing over an owner.
const COPY_UP_TO: usize = 512;

/// Dropped together with the frame's owner: when the last clone is gone, libzmq has let go of all frames that hold one.
pub(crate) type Hold = Arc<dyn Any + Send + Sync>;

/// Gives `bytes` to a new message without copying. libzmq drops the owner when it is done with the frame.
#[inline]
pub(crate) fn lend(bytes: Shared, hold: Option<Hold>) -> zmq::Message {
    if hold.is_some() {
        return lend_held(Box::new(Held { bytes, hold }));
    }
    // SAFETY: the bytes are valid for as long as there is a user of them, who ends in `let_go`.
    unsafe { lent(bytes.as_ptr(), bytes.len(), let_go, bytes.into_raw()) }
}

fn lend_held(held: Box<Held>) -> zmq::Message {
    // SAFETY: the bytes are valid for as long as `held` lives, which is until `release` frees it.
    unsafe { lent(held.bytes.as_ptr(), held.bytes.len(), release, Box::into_raw(held).cast()) }
}

/// A message of memory that is not libzmq's.
///
/// # Safety
///
/// `data` is valid for `len` bytes until `release` was called with `owner`, once, on any thread.
#[inline]
unsafe fn lent(data: *const u8, len: usize, release: Release, owner: *mut c_void) -> zmq::Message {
    let mut raw = zmq_msg_t::default();
    // SAFETY: as the caller promises.
    unsafe { init_lent(&mut raw, data, len, release, owner) };
    // SAFETY: just initialised, and not used again.
    unsafe { wrap(raw) }
}

/// Makes a message of memory that is not libzmq's, and that it only reads. One part of it writes: the sending end of a WebSocket masks
/// messages where they lie, but for those that others share (`ws_encoder_t::size_ready`). A message that was copied counts as shared from
/// then on, also where the copy is gone.
///
/// # Safety
///
/// As for [`lent`]; and `raw` is no message yet.
#[inline]
unsafe fn init_lent(raw: &mut zmq_msg_t, data: *const u8, len: usize, release: Release, owner: *mut c_void) {
    // SAFETY: `raw` is no message yet, and libzmq calls `release` once.
    let status = unsafe { zmq_sys::zmq_msg_init_data(raw, data.cast_mut().cast(), len, Some(release), owner) };
    // zmq_msg_init_data(3): the only failure is ENOMEM, for a control block of 40 bytes
    assert_eq!(status, 0, "invariant: libzmq has memory for a message header");
    let mut copy = zmq_msg_t::default();
    // SAFETY: it is no message yet. zmq_msg_init(3) always succeeds.
    unsafe { zmq_sys::zmq_msg_init(&raw mut copy) };
    // SAFETY: both are messages, for which zmq_msg_copy(3) does not fail.
    unsafe { zmq_sys::zmq_msg_copy(&raw mut copy, raw) };
    // SAFETY: it is a message, and not used again; the other one has the bytes still.
    unsafe { zmq_sys::zmq_msg_close(&raw mut copy) };
}

/// Makes the message that carries a metadata or envelope frame: short ones are copied, long ones lent.
pub(crate) fn carry(bytes: &Bytes) -> zmq::Message {
    if bytes.len() <= COPY_UP_TO { copied(bytes) } else { lend(bytes.clone().into(), None) }
}

/// Copies `bytes` into a new message.
pub(crate) fn copied(bytes: &[u8]) -> zmq::Message {
    let mut raw = zmq_msg_t::default();
    init_copied(&mut raw, bytes);
    // SAFETY: just initialised, and not used again.
    unsafe { wrap(raw) }
}

/// Makes a message, where none is yet, of a copy of `bytes`: on a page, or in memory of libzmq's, with half the calls into it that
/// `zmq::Message::from` takes.
#[inline]
fn init_copied(raw: &mut zmq_msg_t, bytes: &[u8]) {
    if let Some(bytes) = short::on_page(bytes) {
        let (data, len) = (bytes.as_ptr().cast_mut().cast(), bytes.len());
        // SAFETY: `raw` is no message yet; nobody else looks at these bytes of the page, which are valid until `let_go`, called once.
        let status = unsafe { zmq_sys::zmq_msg_init_data(raw, data, len, Some(let_go), bytes.into_raw()) };
        assert_eq!(status, 0, "invariant: libzmq has memory for a message header");
        return;
    }
    // SAFETY: `raw` is no message yet.
    let status = unsafe { zmq_sys::zmq_msg_init_size(raw, bytes.len()) };
    assert_eq!(status, 0, "libzmq has no memory for a message of {} bytes", bytes.len());
    // SAFETY: the message was just initialised.
    let data = unsafe { zmq_sys::zmq_msg_data(raw) };
    // SAFETY: the message has room for exactly `bytes.len()` bytes, in memory that nothing else refers to.
    unsafe { data.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// The `zmq::Message` that owns a message of libzmq's. libzmq moves messages as bytes itself (`msg_t::move`).
///
/// # Safety
///
/// `raw` was initialised by one of libzmq's `zmq_msg_init` functions, and nobody uses it again.
#[inline]
unsafe fn wrap(raw: zmq_msg_t) -> zmq::Message {
    // SAFETY: `raw` becomes the only field of `zmq::Message` (asserted at the top of this file). All its bytes are
    // initialised, because it was made of zeros.
    unsafe { mem::transmute::<zmq_msg_t, zmq::Message>(raw) }
}

const _: () = assert!(size_of::<zmq::PollItem<'static>>() == size_of::<zmq_pollitem_t>());
const _: () = assert!(align_of::<zmq::PollItem<'static>>() == align_of::<zmq_pollitem_t>());

/// A socket as libzmq knows it: what sends and receives the many frames of a message, with no more of libzmq's calls than it takes.
#[derive(Clone, Copy)]
pub(crate) struct Handle<'s> {
    raw: *mut c_void,
    socket: PhantomData<&'s zmq::Socket>,
}

impl<'s> Handle<'s> {
    #[inline]
    pub(crate) fn of(socket: &'s zmq::Socket) -> Self {
        let item = socket.as_poll_item(zmq::POLLIN);
        // SAFETY: a `PollItem` is `repr(C)` and passed to zmq_poll(3) as what it becomes here; equal size and alignment are asserted above.
        let item = unsafe { mem::transmute::<zmq::PollItem<'s>, zmq_pollitem_t>(item) };
        Self { raw: item.socket, socket: PhantomData }
    }

    /// Sends a frame, which is gone also where that fails.
    #[inline]
    pub(crate) fn send(self, message: zmq::Message, flags: i32) -> Result<(), zmq::Error> {
        let mut message = ManuallyDrop::new(message);
        // SAFETY: message and socket are valid, and the message is used by nobody else.
        if unsafe { zmq_sys::zmq_msg_send((&raw mut message).cast(), self.raw, flags) } >= 0 {
            // zmq_msg_send(3): a message that was sent is empty, and need not be closed
            return Ok(());
        }
        // before anyone is let go of, who may have an errno of their own
        let errno = errno();
        drop(ManuallyDrop::into_inner(message));
        Err(error_of(errno))
    }

    /// Lends bytes to a new message as [`lend`] does, and sends it; with `ZMQ_DONTWAIT`, also where signals interrupt that.
    #[inline]
    pub(crate) fn lend(self, bytes: Shared, flags: i32) -> Result<(), zmq::Error> {
        self.send_made(flags, |raw| {
            // SAFETY: as in the function `lend`; and `raw` is no message yet.
            unsafe { init_lent(raw, bytes.as_ptr(), bytes.len(), let_go, bytes.into_raw()) };
        })
    }

    /// Copies bytes into a new message, and sends it; with `ZMQ_DONTWAIT`, also where signals interrupt that.
    #[inline]
    pub(crate) fn copy(self, bytes: &[u8], flags: i32) -> Result<(), zmq::Error> {
        self.send_made(flags, |raw| init_copied(raw, bytes))
    }

    /// Sends a message from where it is made. (One that was made in small steps is not moved at once: the move waits for all of them.)
    #[inline]
    fn send_made(self, flags: i32, make: impl FnOnce(&mut zmq_msg_t)) -> Result<(), zmq::Error> {
        let mut raw = zmq_msg_t::default();
        make(&mut raw);
        let sent = uninterrupted(|| {
            // SAFETY: message and socket are valid, and the message is used by nobody else. It is as it was where it was not sent.
            let len = unsafe { zmq_sys::zmq_msg_send(&raw mut raw, self.raw, flags) };
            if len >= 0 { Ok(()) } else { Err(error_of(errno())) }
        });
        if sent.is_err() {
            // SAFETY: it is a message, as `make` makes one, and not used again: it was not sent.
            drop(unsafe { wrap(raw) });
        }
        sent
    }

    /// Receives a frame in the place of another; its length.
    #[inline]
    pub(crate) fn receive(self, message: &mut zmq::Message, flags: i32) -> Result<usize, zmq::Error> {
        // SAFETY: message and socket are valid, and the message is used by nobody else.
        match unsafe { zmq_sys::zmq_msg_recv(ptr::from_mut(message).cast(), self.raw, flags) } {
            // also where it is longer
            i32::MAX => Ok(message.len()),
            len @ 0.. => Ok(len as usize),
            _ => Err(error_of(errno())),
        }
    }
}

#[cold]
fn errno() -> i32 {
    // SAFETY: it takes nothing and reads this thread's errno.
    unsafe { zmq_sys::zmq_errno() }
}

thread_local! {
    /// The address of the owner that [`was_swallowed`] watches; null when none is, or when it was released.
    static WATCHED: Cell<*const Held> = const { Cell::new(ptr::null()) };
}

/// Lends `bytes` and tells whether `send` let go of them **before it returned, on this thread**.
///
/// A libzmq socket that takes a frame keeps it until an I/O thread or the receiver is done with it. One that accepts a
/// frame only to drop it, because the peer that had the frames before it is gone, frees it within the call.
pub(crate) fn was_swallowed<R>(bytes: Shared, hold: Option<Hold>, send: impl FnOnce(zmq::Message) -> R) -> (bool, R) {
    let held = Box::new(Held { bytes, hold });
    let address = &raw const *held;
    let message = lend_held(held);
    let outer = WATCHED.replace(address);
    let sent = send(message);
    // another frame may be released during the call (a pipe that ends), whose owner may send as well when it is dropped; and this one
    // on another thread right after it
    (WATCHED.replace(outer).is_null(), sent)
}

/// Takes a received message as bytes without copying, or, where it may sit in the receive arena, copies it out.
pub(crate) fn detach(message: zmq::Message) -> Bytes {
    if message.len() > RECEIVE_ARENA { adopt(message) } else { Bytes::copy_from_slice(&message) }
}

/// Takes a message as bytes without copying, wherever it lies.
pub(crate) fn adopt(message: zmq::Message) -> Bytes {
    Bytes::from_owner(Received(message))
}

/// As [`adopt`], for a buffer.
pub(crate) fn share(message: zmq::Message) -> Shared {
    Shared::from_owner(Received(message))
}

/// Takes a message out of its place, and leaves an empty one there.
#[inline]
pub(crate) fn take(message: &mut zmq::Message) -> zmq::Message {
    let place = ptr::from_mut(message);
    // SAFETY: the place is valid, and gets another message before anyone looks at it.
    let taken = unsafe { place.read() };
    // SAFETY: what is in the place was moved out of it. zmq_msg_init(3) always succeeds.
    unsafe { zmq_sys::zmq_msg_init(place.cast()) };
    taken
}

/// Takes the received frames of one message without copying, wherever they lie: of many, all but the first few are received side by
/// side, where they stay.
pub(crate) struct Adopter {
    adopted: usize,
    shelf: Shelf<Received>,
    /// The length of the frame that was received onto the shelf, and not adopted yet.
    len: usize,
}

/// So many frames have a box each.
const BOXED: usize = 3;

impl Adopter {
    pub(crate) const fn new() -> Self {
        Self { adopted: 0, shelf: Shelf::new(), len: 0 }
    }

    /// Whether the next frame is to be [received](Self::receive) here.
    #[inline]
    pub(crate) fn receives(&self) -> bool {
        self.adopted >= BOXED
    }

    /// Takes a message out of its place, and leaves an empty one there.
    #[inline]
    pub(crate) fn adopt(&mut self, message: &mut zmq::Message) -> Shared {
        self.adopted += 1;
        Shared::from_owner(Received(take(message)))
    }

    /// Receives a frame in the place of one that was not adopted; its length, and whether others follow.
    #[inline]
    pub(crate) fn receive(&mut self, handle: Handle<'_>, flags: i32) -> Result<(usize, bool), zmq::Error> {
        // SAFETY: `nothing` makes one.
        let Received(message) = unsafe { self.shelf.value(Received::nothing) };
        self.len = 0;
        self.len = handle.receive(message, flags)?;
        Ok((self.len, message.get_more()))
    }

    /// The frame that was received last, which the next one takes the place of.
    pub(crate) fn received(&mut self) -> &[u8] {
        // SAFETY: as in `receive`.
        &unsafe { self.shelf.value(Received::nothing) }.0
    }

    /// Shares the frame that was received last; nothing where that was done.
    #[inline]
    pub(crate) fn adopt_received(&mut self) -> Shared {
        let len = mem::take(&mut self.len);
        // SAFETY: `receive` says how long it is; or 0, where it failed.
        self.shelf.share(|Received(message)| unsafe { begin(message, len) }).unwrap_or_default()
    }
}

/// So many bytes of a message. (To ask it how many there are takes as long again.)
///
/// # Safety
///
/// There are as many.
#[inline]
unsafe fn begin(message: &zmq::Message, len: usize) -> &[u8] {
    // SAFETY: the message is valid, and not changed: zmq_msg_data(3).
    let data = unsafe { zmq_sys::zmq_msg_data(ptr::from_ref(message).cast_mut().cast()) };
    // SAFETY: the message has so many bytes, says the caller, and they stay where they are as long as it does.
    unsafe { std::slice::from_raw_parts(data.cast(), len) }
}

/// What a lent frame keeps alive. Fields are dropped in order: the bytes are free before anyone hears of it.
struct Held {
    bytes: Shared,
    #[expect(dead_code, reason = "held for its Drop")]
    hold: Option<Hold>,
}

/// A free function of libzmq's: zmq_msg_init_data(3).
type Release = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// The free function of a frame that is a user of its bytes. Runs on any thread.
unsafe extern "C" fn let_go(_data: *mut c_void, owner: *mut c_void) {
    // SAFETY: it is that of `lend`, and libzmq calls a free function once. An owner whose `Drop` panics must not unwind into C.
    drop_quietly(unsafe { Shared::from_raw(owner) });
}

/// The free function of a frame that keeps more than its bytes, or is watched. Runs on any thread.
unsafe extern "C" fn release(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is what `lend` made with `Box::into_raw`, and libzmq calls a free function once.
    let held = unsafe { Box::from_raw(hint.cast::<Held>()) };
    if WATCHED.try_with(|watched| ptr::eq(watched.get(), &raw const *held)) == Ok(true) {
        WATCHED.set(ptr::null());
    }
    // an owner whose `Drop` panics must not unwind into C
    drop_quietly(held);
}

pub(crate) struct Received(zmq::Message);

impl Received {
    /// Puts an empty message there. (One that was made elsewhere is not moved at once: the move waits for the small steps it was made in.)
    #[inline]
    fn nothing(place: &mut MaybeUninit<Self>) {
        let place = place.as_mut_ptr().cast::<zmq_msg_t>();
        // SAFETY: the place is that of a message, the only field of both types (asserted at the top of this file), and nothing is read.
        unsafe { place.write(zmq_msg_t::default()) };
        // SAFETY: as above; it is no message yet. zmq_msg_init(3) always succeeds.
        unsafe { zmq_sys::zmq_msg_init(place) };
    }
}

const _: () = assert!(size_of::<Received>() == size_of::<zmq_msg_t>());

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
