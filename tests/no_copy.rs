//! Nothing is copied: by pointer identity, by counting what Rust allocates, and by the memory of whole processes.
//!
//! The binary has an allocator that counts. libzmq's own memory comes from C's `malloc` and is not counted: what shows here
//! is what this crate does. The counts are the process's, so the tests take turns.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use outband::{
    Array, Buffer, BufferPool, DType, Decode, Encode, HeadedArray, Json, Limits, MsgPack, Multipart, Order, Pickle,
    SocketExt, Value, from_multipart, from_multipart_ref, memory, to_multipart,
};
use serde::{Deserialize, Serialize};

#[cfg(feature = "protobuf")]
use outband::Protobuf;

/// The system's allocator, counting.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);
static LARGE: AtomicUsize = AtomicUsize::new(0);
/// An address, and how often memory was freed that it lies in.
static WATCHED: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

/// From here on an allocation counts as a large one.
const LARGE_FROM: usize = 64 << 10;

fn count(size: usize) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(size, Ordering::Relaxed);
    LARGEST.fetch_max(size, Ordering::Relaxed);
    if size >= LARGE_FROM {
        LARGE.fetch_add(size, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged
#[allow(unsafe_code, reason = "an allocator is an unsafe trait")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps alloc's contract
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps alloc_zeroed's contract
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps realloc's contract
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WATCHED.load(Ordering::Relaxed).wrapping_sub(block.addr()) < layout.size() {
            FREED.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps dealloc's contract
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What Rust code of this process allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allocated {
    calls: usize,
    bytes: usize,
    largest: usize,
    /// The sum of those of at least [`LARGE_FROM`] bytes.
    large: usize,
}

fn allocated_in<R>(run: impl FnOnce() -> R) -> (Allocated, R) {
    let read = || [&CALLS, &BYTES, &LARGE].map(|counter| counter.load(Ordering::SeqCst));
    LARGEST.store(0, Ordering::SeqCst);
    let before = read();
    let result = run();
    let after = read();
    let [calls, bytes, large] = std::array::from_fn(|index| after[index] - before[index]);
    (Allocated { calls, bytes, largest: LARGEST.load(Ordering::SeqCst), large }, result)
}

/// One test at a time: the counts are the process's. One that failed does not keep the others from running.
fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// How long anything here may take before the test fails instead of hanging.
const PATIENCE: i32 = 120_000;

fn pair(context: &zmq::Context, endpoint: &str) -> (zmq::Socket, zmq::Socket) {
    let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    for socket in [&tx, &rx] {
        socket.set_sndtimeo(PATIENCE).unwrap();
        socket.set_rcvtimeo(PATIENCE).unwrap();
        socket.set_linger(PATIENCE).unwrap();
    }
    rx.bind(endpoint).unwrap();
    tx.connect(&rx.get_last_endpoint().unwrap().unwrap()).unwrap();
    (tx, rx)
}

/// An ipc endpoint that goes away with the folder.
fn ipc() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}", folder.path().join("socket").display());
    (folder, endpoint)
}

#[derive(Serialize, Deserialize)]
struct Object {
    name: String,
    pixels: Buffer,
}

const MIB: usize = 1 << 20;
const PAYLOAD: usize = 256 * MIB;

fn object() -> Object {
    Object { name: "large".into(), pixels: Buffer::from_vec(vec![7_u8; PAYLOAD]) }
}

#[test]
fn over_inproc_the_receiver_holds_the_senders_memory() {
    let _turn = my_turn();
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "inproc://same");
    let sent = object();
    let copied = memory::copied_bytes();
    let (allocated, received) = allocated_in(|| {
        tx.send_obj(&sent).unwrap();
        rx.recv_obj::<Object>().unwrap()
    });
    assert_eq!(received.pixels.as_ptr(), sent.pixels.as_ptr());
    assert_eq!(received.pixels.len(), PAYLOAD);
    assert_eq!(memory::copied_bytes() - copied, 0);
    assert_eq!(allocated.large, 0, "{allocated:?}");
    drop(sent);
    assert_eq!((received.name.as_str(), received.pixels[PAYLOAD - 1]), ("large", 7));
}

/// Sends 256 MiB from one thread to another, and counts on both.
fn moves_without_copying(endpoint: &str) {
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, endpoint);
    let sent = object();
    let (allocated, received) = allocated_in(|| {
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let tx = tx;
                tx.send_obj(&sent).unwrap();
                memory::copied_bytes()
            });
            let received: Object = rx.recv_obj().unwrap();
            assert_eq!(sender.join().unwrap(), 0);
            received
        })
    });
    println!("256 MiB over {endpoint}: {allocated:?}");
    assert_eq!(received.pixels.len(), PAYLOAD);
    assert_eq!(received.pixels, sent.pixels);
    assert!(allocated.largest < LARGE_FROM, "{allocated:?}");
    assert_eq!(allocated.large, 0, "{allocated:?}");
}

#[test]
fn over_tcp_neither_side_copies_or_allocates_the_payload() {
    let _turn = my_turn();
    let copied = memory::copied_bytes();
    moves_without_copying("tcp://127.0.0.1:*");
    assert_eq!(memory::copied_bytes() - copied, 0);
}

#[test]
fn over_ipc_neither_side_copies_or_allocates_the_payload() {
    let _turn = my_turn();
    let copied = memory::copied_bytes();
    let (_folder, endpoint) = ipc();
    moves_without_copying(&endpoint);
    assert_eq!(memory::copied_bytes() - copied, 0);
}

/// A vector with room to spare.
fn spare<T: Clone>(element: T, len: usize) -> Vec<T> {
    let mut elements = Vec::with_capacity(2 * len);
    elements.resize(len, element);
    assert!(elements.capacity() > len);
    elements
}

/// What is behind an address.
fn at(bytes: &[u8]) -> (usize, usize) {
    (bytes.as_ptr().addr(), bytes.len())
}

const LEN: usize = 100_000;

fn received_frame() -> zmq::Message {
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "tcp://127.0.0.1:*");
    tx.send(vec![1_u8; LEN], 0).unwrap();
    rx.recv_msg(0).unwrap()
}

/// A conversion: what it is called, and where the bytes were before and after.
type Row = (&'static str, fn() -> ((usize, usize), (usize, usize)));

/// Every conversion that the documentation promises "without copying".
const CONVERSIONS: &[Row] = &[
    ("Pickle, an out-of-band buffer", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        let message = Multipart::new(&b"\x80\x05\x97."[..], vec![buffer.clone()]);
        (at(&buffer), at(&Decode::<Buffer>::decode(&Pickle::new(), message).unwrap()))
    }),
    ("Pickle, an array that is written and read", || {
        let array = Array::from_vec(vec![0.5_f64; LEN]);
        let message = Pickle::new().encode(&("name", &array)).unwrap();
        (at(array.data()), at(Decode::<(String, Array)>::decode(&Pickle::new(), message).unwrap().1.data()))
    }),
    ("Pickle, a buffer that is written and read", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        let message = Pickle::new().encode(&("name", &buffer)).unwrap();
        (at(&buffer), at(&Decode::<(String, Buffer)>::decode(&Pickle::new(), message).unwrap().1))
    }),
    ("Pickle, bytes that are most of the pickle", || {
        let pickle = Bytes::from([&b"B\xa0\x86\x01\0"[..], &[1; LEN], b"."].concat());
        let message = Multipart::new(pickle.clone(), vec![]);
        (at(&pickle[5..5 + LEN]), at(&Decode::<Buffer>::decode(&Pickle::new(), message).unwrap()))
    }),
    ("Value::from_object, Value::to_object", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        let value = Value::from_object(&("name", &buffer)).unwrap();
        (at(&buffer), at(&value.to_object::<(String, Buffer)>().unwrap().1))
    }),
    ("Buffer::from_vec(Vec<u8>) with spare capacity", || {
        let elements = spare(1_u8, LEN);
        (at(&elements), at(&Buffer::from_vec(elements)))
    }),
    ("Buffer::from_vec(Vec<f64>) with spare capacity", || {
        let elements = spare(1_f64, LEN);
        ((elements.as_ptr().addr(), 8 * LEN), at(&Buffer::from_vec(elements)))
    }),
    ("Buffer::from_vec(Vec<[f32; 3]>) with spare capacity", || {
        let elements = spare([1_f32; 3], LEN);
        ((elements.as_ptr().addr(), 12 * LEN), at(&Buffer::from_vec(elements)))
    }),
    ("Buffer::from(Vec<u8>) with spare capacity", || {
        let elements = spare(1_u8, LEN);
        (at(&elements), at(&Buffer::from(elements)))
    }),
    ("Buffer::from(Bytes)", || {
        let bytes = Bytes::from(vec![1; LEN]);
        (at(&bytes), at(&Buffer::from(bytes)))
    }),
    ("Buffer::from(slice of Bytes)", || {
        let bytes = Bytes::from(vec![1; LEN]).slice(3..LEN - 1);
        (at(&bytes), at(&Buffer::from(bytes)))
    }),
    ("Buffer::from_owner(slice of Bytes)", || {
        let bytes = Bytes::from(vec![1; LEN]).slice(3..LEN - 1);
        (at(&bytes), at(&Buffer::from_owner(bytes)))
    }),
    ("Buffer::from_owner(Arc<[u8]>)", || {
        let shared: Arc<[u8]> = vec![1; LEN].into();
        (at(&shared), at(&Buffer::from_owner(shared)))
    }),
    ("Buffer::from_arc(Arc<[u8]>)", || {
        let shared: Arc<[u8]> = vec![1; LEN].into();
        (at(&shared), at(&Buffer::from_arc(shared)))
    }),
    ("Buffer::from_arc(Arc<[f64]>), shared with others", || {
        let shared: Arc<[f64]> = vec![0.5; LEN].into();
        ((shared.as_ptr().addr(), 8 * LEN), at(&Buffer::from_arc(shared.clone())))
    }),
    ("Buffer::from_arc(Arc<[[u16; 3]]>)", || {
        let shared: Arc<[[u16; 3]]> = vec![[1, 2, 3]; LEN].into();
        ((shared.as_ptr().addr(), 6 * LEN), at(&Buffer::from_arc(shared)))
    }),
    ("Buffer::from_owner(mmap)", || {
        let mapped = mapped(LEN);
        (at(&mapped), at(&Buffer::from_owner(mapped)))
    }),
    ("BufferMut::freeze", || {
        let block = BufferPool::new().take(LEN);
        (at(&block), at(&block.freeze()))
    }),
    ("Buffer::from(zmq::Message)", || {
        let frame = received_frame();
        (at(&frame), at(&Buffer::from(frame)))
    }),
    ("zmq::Message::from(Buffer)", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer), at(&zmq::Message::from(buffer)))
    }),
    ("zmq::Message -> Buffer -> zmq::Message", || {
        let frame = received_frame();
        (at(&frame), at(&zmq::Message::from(Buffer::from(frame))))
    }),
    ("Buffer -> zmq::Message -> Buffer", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer), at(&Buffer::from(zmq::Message::from(buffer))))
    }),
    ("Bytes::from(Buffer)", || {
        let buffer = Buffer::from_vec(vec![1_f64; LEN]);
        (at(&buffer), at(&Bytes::from(buffer)))
    }),
    ("Buffer::clone", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer), at(&buffer.clone()))
    }),
    ("Buffer::slice", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer[5..90]), at(&buffer.slice(5..90)))
    }),
    ("Buffer::as_slice", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer), at(buffer.as_slice()))
    }),
    ("Buffer::try_cast", || {
        let buffer = Buffer::from_vec(vec![1_f64; LEN]);
        let elements = buffer.try_cast::<f64>().unwrap();
        (at(&buffer), (elements.as_ptr().addr(), size_of_val(elements)))
    }),
    ("Buffer::to_aligned where it is aligned", || {
        let buffer = Buffer::from_vec(vec![1_f64; LEN]);
        (at(&buffer), at(&buffer.to_aligned(8)))
    }),
    ("Multipart::new and into_parts", || {
        let (metadata, buffer) = (Bytes::from(vec![1; LEN]), Buffer::from_vec(vec![1_u8; LEN]));
        let before = (metadata.as_ptr(), at(&buffer));
        let (metadata, buffers) = Multipart::new(metadata, vec![buffer]).clone().into_parts();
        assert_eq!(metadata.as_ptr(), before.0);
        (before.1, at(&buffers[0]))
    }),
    ("Multipart::read_from_buffer", || {
        let mut file = Vec::new();
        Multipart::new("metadata", vec![Buffer::from_vec(vec![1_u8; LEN])]).write_to(&mut file).unwrap();
        let mut stream = Buffer::from(file);
        let start = stream.as_ptr().addr();
        let message = Multipart::read_from_buffer(&mut stream, &Limits::default()).unwrap();
        // header and metadata take 64 bytes each
        ((start + 128, LEN), at(&message.buffers()[0]))
    }),
    ("Multipart::write_to", || {
        let message = Multipart::new("metadata", vec![Buffer::from_vec(vec![1_u8; LEN])]);
        let mut sink = Longest((0, 0));
        message.write_to(&mut sink).unwrap();
        (at(&message.buffers()[0]), sink.0)
    }),
    ("Buffer::write_to", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        let mut sink = Longest((0, 0));
        buffer.write_to(&mut sink).unwrap();
        (at(&buffer), sink.0)
    }),
    ("to_multipart", || {
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&buffer), at(&to_multipart(&("name", &buffer)).unwrap().buffers()[0]))
    }),
    ("from_multipart", || {
        let message = to_multipart(&Some(Buffer::from_vec(vec![1_u8; LEN]))).unwrap();
        (at(&message.buffers()[0]), at(&from_multipart::<Option<Buffer>>(message).unwrap().unwrap()))
    }),
    ("MsgPack::decode_ref to &[u8]", || {
        let message = to_multipart(&("label", Buffer::from_vec(vec![1_u8; LEN]))).unwrap();
        let (label, bytes): (&str, &[u8]) = MsgPack::new().decode_ref(&message).unwrap();
        assert!(message.metadata().as_ptr_range().contains(&label.as_ptr()));
        (at(&message.buffers()[0]), at(bytes))
    }),
    ("Pickle::decode_ref to &[u8] and &str", || {
        let message = Pickle::new().encode(&("label", Buffer::from_vec(vec![1_u8; LEN]))).unwrap();
        let (label, bytes): (&str, &[u8]) = Pickle::new().decode_ref(&message).unwrap();
        assert!(message.metadata().as_ptr_range().contains(&label.as_ptr()));
        (at(&message.buffers()[0]), at(bytes))
    }),
    ("Json::decode_ref to &str", || {
        let text = "x".repeat(LEN);
        let message = Json::new().encode(&text).unwrap();
        let inside = (message.metadata().as_ptr().addr() + 1, LEN);
        (inside, at(Json::new().decode_ref::<&str>(&message).unwrap().as_bytes()))
    }),
    #[cfg(feature = "protobuf")]
    ("Protobuf, arriving: a field of type Bytes", || {
        let message = Protobuf::new().encode(&Blob { raw: vec![1; LEN].into() }).unwrap();
        let frame = message.metadata().as_ptr().addr();
        let blob: Blob = Protobuf::new().decode(message).unwrap();
        // a tag and a length of three bytes come first
        ((frame + 4, LEN), at(&blob.raw))
    }),
    ("from_multipart_ref to Buffer", || {
        let message = to_multipart(&Buffer::from_vec(vec![1_u8; LEN])).unwrap();
        (at(&message.buffers()[0]), at(&from_multipart_ref::<Buffer>(&message).unwrap()))
    }),
    ("from_multipart_ref to &str", || {
        let text = "x".repeat(LEN);
        let message = to_multipart(&Buffer::from(text.into_bytes())).unwrap();
        (at(&message.buffers()[0]), at(from_multipart_ref::<&str>(&message).unwrap().as_bytes()))
    }),
    ("serde_buffer Bytes, leaving", || {
        let raw = Bytes::from(vec![1; LEN]);
        (at(&raw), at(&to_multipart(&Plain { raw }).unwrap().buffers()[0]))
    }),
    ("serde_buffer Bytes, arriving", || {
        let message = to_multipart(&Plain { raw: Bytes::from(vec![1; LEN]) }).unwrap();
        (at(&message.buffers()[0]), at(&from_multipart::<Plain>(message).unwrap().raw))
    }),
    #[cfg(feature = "arrow")]
    ("Table::from(RecordBatch), RecordBatch::from(Table), Table::batch, Table::into_batch", || {
        let (batch, values) = table::of_longs();
        let table = outband::Table::from(batch);
        assert_eq!(table::first_values(table.batch()), values);
        let batch = arrow_array::RecordBatch::from(outband::Table::from(table.into_batch()));
        (values, table::first_values(&batch))
    }),
    #[cfg(feature = "arrow")]
    ("Table::new", || {
        let (batch, values) = table::of_longs();
        let table = outband::Table::new(batch.schema(), batch.columns().to_vec()).unwrap();
        (values, table::first_values(table.batch()))
    }),
    #[cfg(feature = "arrow")]
    ("Table, leaving", || {
        let (batch, values) = table::of_longs();
        (values, at(&to_multipart(&outband::Table::from(batch)).unwrap().buffers()[0]))
    }),
    #[cfg(feature = "arrow")]
    ("Table::slice, leaving", || {
        let (batch, (address, _)) = table::of_longs();
        let slice = outband::Table::from(batch).slice(11, LEN - 100);
        ((address + 8 * 11, 8 * (LEN - 100)), at(&to_multipart(&slice).unwrap().buffers()[0]))
    }),
    #[cfg(feature = "arrow")]
    ("Table, arriving", || {
        let (batch, _) = table::of_longs();
        let message = to_multipart(&outband::Table::from(batch)).unwrap();
        let frame = at(&message.buffers()[0]);
        (frame, table::first_values(from_multipart::<outband::Table>(message).unwrap().batch()))
    }),
    #[cfg(feature = "arrow")]
    ("serde_table's Field::to_tables and Field::from_tables, of a RecordBatch", || {
        let (batch, values) = table::of_longs();
        let back: table::Plain = from_multipart(to_multipart(&table::Plain { batch }).unwrap()).unwrap();
        (values, table::first_values(&back.batch))
    }),
    #[cfg(feature = "arrow")]
    ("serde_table's Field::to_tables and Field::from_tables, of an Option<RecordBatch>", || {
        let (batch, values) = table::of_longs();
        let back: table::Perhaps =
            from_multipart(to_multipart(&table::Perhaps { batch: Some(batch) }).unwrap()).unwrap();
        (values, table::first_values(&back.batch.unwrap()))
    }),
    #[cfg(feature = "arrow")]
    ("serde_table's Field::to_tables and Field::from_tables, of a Vec<RecordBatch>", || {
        let (batch, values) = table::of_longs();
        let batches = vec![table::of_longs().0, batch];
        let back: table::Several = from_multipart(to_multipart(&table::Several { batches }).unwrap()).unwrap();
        (values, table::first_values(&back.batches[1]))
    }),
    ("forwarding over inproc: in, out and in again", || {
        let context = zmq::Context::new();
        let (one, two) = (pair(&context, "inproc://one"), pair(&context, "inproc://two"));
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        one.0.send_obj(&buffer).unwrap();
        two.0.send_message(one.1.recv_message().unwrap()).unwrap();
        (at(&buffer), at(&two.1.recv_obj::<Buffer>().unwrap()))
    }),
    ("forwarding what came over tcp", || {
        let context = zmq::Context::new();
        let (one, two) = (pair(&context, "tcp://127.0.0.1:*"), pair(&context, "inproc://two"));
        one.0.send_obj(&Buffer::from_vec(vec![1_u8; LEN])).unwrap();
        let message = one.1.recv_message().unwrap();
        let before = at(&message.buffers()[0]);
        two.0.send_message(message).unwrap();
        (before, at(&two.1.recv_obj::<Buffer>().unwrap()))
    }),
    ("a failed send gives the very message back", || {
        let alone = zmq::Context::new().socket(zmq::PUSH).unwrap();
        let buffer = Buffer::from_vec(vec![1_u8; LEN]);
        let error = alone.try_send_message(Multipart::new("m", vec![buffer.clone()])).unwrap_err();
        (at(&buffer), at(&error.into_message().unwrap().buffers()[0]))
    }),
    ("Array::new and Array::into_data", || {
        let data = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&data), at(&Array::new(DType::F64, [LEN / 8], Order::C, data.clone()).unwrap().into_data()))
    }),
    ("Array::from_vec with spare capacity", || {
        let elements = spare(1_f64, LEN);
        ((elements.as_ptr().addr(), 8 * LEN), at(Array::from_vec(elements).data()))
    }),
    ("Array::from_shape_vec with spare capacity", || {
        let elements = spare(1_u16, LEN);
        let start = (elements.as_ptr().addr(), 2 * LEN);
        (start, at(Array::from_shape_vec([LEN / 100, 100], elements).unwrap().data()))
    }),
    ("Array::broadcast", || {
        let row = Buffer::from_vec(vec![1_u8; LEN]);
        (at(&row), at(Array::broadcast(DType::U8, [1, LEN], [9, LEN], Order::C, row.clone()).unwrap().data()))
    }),
    ("Array::from_strided in C order, a part", || {
        let image = Buffer::from_vec(vec![1_u8; LEN]);
        let rows = Array::from_strided(DType::U8, [10, 1, 100], &[100, 7, 1], 500, &image).unwrap();
        (at(&image[500..1500]), at(rows.data()))
    }),
    ("Array::from_strided in Fortran order", || {
        let image = Buffer::from_vec(vec![1_u8; LEN]);
        let columns = Array::from_strided(DType::U16, [100, LEN / 200], &[2, 200], 0, &image).unwrap();
        assert_eq!(columns.order(), Order::F);
        (at(&image), at(columns.data()))
    }),
    ("Array::from_strided with repeated elements", || {
        let row = Buffer::from_vec(vec![1_u8; LEN]);
        let rows = Array::from_strided(DType::U8, [1000, LEN, 3], &[0, 1, 0], 0, &row).unwrap();
        (at(&row), at(rows.data()))
    }),
    ("Array::with_dtype", || {
        let array = array();
        (at(array.data()), at(array.clone().with_dtype(DType::I64).unwrap().data()))
    }),
    ("Array::as_slice", || {
        let array = array();
        let elements = array.as_slice::<f64>().unwrap();
        (at(array.data()), (elements.as_ptr().addr(), size_of_val(elements)))
    }),
    ("Array::to_aligned, to_native, to_contiguous and to_order where it is", || {
        let array = array();
        let same = array.to_aligned(8).to_native().unwrap().to_contiguous().unwrap().to_order(Order::C).unwrap();
        (at(array.data()), at(same.data()))
    }),
    ("an Array, leaving", || {
        let array = array();
        (at(array.data()), at(&to_multipart(&[Some(&array)]).unwrap().buffers()[0]))
    }),
    ("an Array, arriving", || {
        let message = to_multipart(&array()).unwrap();
        (at(&message.buffers()[0]), at(from_multipart::<Array>(message).unwrap().data()))
    }),
    ("an Array in Fortran order, leaving and arriving", || {
        let array = Array::new(DType::F64, [100, LEN / 100], Order::F, Buffer::from_vec(vec![1.5_f64; LEN])).unwrap();
        let message = to_multipart(&("name", &array)).unwrap();
        let (_, back): (String, Array) = from_multipart(message).unwrap();
        assert_eq!(back.order(), Order::F);
        (at(array.data()), at(back.data()))
    }),
    ("an Array with its axes in another order, leaving and arriving", || {
        let image = Buffer::from_vec(vec![1_u8; LEN]);
        let planes =
            Array::from_strided(DType::U8, [5, 100, LEN / 500], &[1, LEN as isize / 100, 5], 0, &image).unwrap();
        let (_, back): (String, Array) = from_multipart(to_multipart(&("name", &planes)).unwrap()).unwrap();
        assert_eq!(back.axes(), [1, 2, 0]);
        (at(&image), at(back.data()))
    }),
    ("HeadedArray", || {
        let array = array();
        let message = HeadedArray::new().encode(&array).unwrap();
        (at(array.data()), at(HeadedArray::new().decode(message).unwrap().data()))
    }),
    ("send_array over inproc", || {
        let context = zmq::Context::new();
        let (tx, rx) = pair(&context, "inproc://array");
        let array = array();
        tx.send_array(&array).unwrap();
        (at(array.data()), at(rx.recv_array().unwrap().data()))
    }),
    #[cfg(feature = "ndarray")]
    ("Array::from(ndarray::Array<T, D>) in Fortran order", || {
        let matrix = ndarray::Array2::<f64>::ones((100, LEN / 100)).reversed_axes();
        ((matrix.as_ptr().addr(), 8 * LEN), at(Array::from(matrix).data()))
    }),
    #[cfg(feature = "ndarray")]
    ("Array::from(ArcArray<T, D>) with its axes in another order", || {
        let matrix = ndarray::ArcArray::<f64, _>::ones((10, 10, LEN / 100)).permuted_axes([1, 2, 0]);
        ((matrix.as_ptr().addr(), 8 * LEN), at(Array::from(matrix).data()))
    }),
    #[cfg(feature = "ndarray")]
    ("Array::from(ArcArray<T, D>)", || {
        let matrix = ndarray::ArcArray2::<f64>::ones((100, LEN / 100));
        ((matrix.as_ptr().addr(), 8 * LEN), at(Array::from(matrix).data()))
    }),
    #[cfg(feature = "ndarray")]
    ("Array::from(ArrayView<'static, T, D>)", || {
        static TABLE: [u64; LEN] = [1; LEN];
        ((TABLE.as_ptr().addr(), 8 * LEN), at(Array::from(ndarray::ArrayView1::from(&TABLE[..])).data()))
    }),
    #[cfg(feature = "ndarray")]
    ("Array::view and Array::view_or_copy", || {
        let array = array();
        let (view, either) = (array.view::<f64>().unwrap(), array.view_or_copy::<f64>().unwrap());
        assert_eq!(view.as_ptr(), either.as_ptr());
        (at(array.data()), (view.as_ptr().addr(), 8 * view.len()))
    }),
];

fn array() -> Array {
    Array::from_shape_vec([LEN / 100, 100], vec![1.5_f64; LEN]).unwrap()
}

/// A writer that notes where the longest piece lay.
struct Longest((usize, usize));

impl std::io::Write for Longest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.0.1 {
            self.0 = at(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    #[serde(with = "outband::serde_buffer")]
    raw: Bytes,
}

#[cfg(feature = "protobuf")]
#[derive(Clone, PartialEq, prost::Message)]
struct Blob {
    #[prost(bytes = "bytes", tag = "1")]
    raw: Bytes,
}

#[test]
fn every_conversion_that_promises_it_keeps_the_memory() {
    let _turn = my_turn();
    for (name, convert) in CONVERSIONS {
        let copied = memory::copied_bytes();
        let (before, after) = convert();
        assert_eq!(after, before, "{name}");
        assert_eq!(memory::copied_bytes() - copied, 0, "{name}");
    }
}

#[test]
fn every_promise_in_the_docs_has_its_row() {
    let promised = |text: &str| {
        let (mut items, mut promise, mut owner) = (Vec::new(), false, Owner::Module);
        for line in text.lines() {
            owner = Owner::after(line).unwrap_or(owner);
            let line = line.trim();
            if let Some(doc) = line.strip_prefix("///") {
                promise |= doc.to_lowercase().contains("without copying");
            } else if !line.starts_with("#[") {
                items.extend(promise.then(|| item(line, &owner)).flatten());
                promise = false;
            }
        }
        items
    };
    let example = "/// **Without copying.**\n#[inline]\npub fn keep(self) -> X {\n/// Copies.\npub fn copy(&self) {\n\
                   /// Without copying.\nimpl From<Vec<u8>> for X {\n/// Without copying.\npub(crate) fn hidden() {\n}\n\
                   impl<T: Y> X<T> {\n    /// Without copying.\n    pub fn new() {\n    }\n    /// Without copying.\n    \
                   fn inner() {\n}\npub trait Z: Y {\n    /// Without copying.\n    fn to() -> u8;\n}\n\
                   impl Y for x::W<'_> {\n    /// Without copying.\n    pub const fn old<T>() {\n";
    assert_eq!(promised(example), ["keep", "X::from(Vec<u8>)", "X::new", "Z::to", "W::old"]);
    assert!(names("Table::new and Table::slice, leaving", "Table::new") && names("at X::new(u8)", "X::new"));
    assert!(!names("Multitable::new, Table::new_with", "Table::new") && !names("VeryTable::new", "Table::new"));

    let mut found = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if BUILT_WITHOUT.iter().any(|(file, without)| *without && path.ends_with(file)) {
                continue;
            }
            for item in promised(&fs::read_to_string(&path).unwrap()) {
                let has_row = CONVERSIONS.iter().any(|(name, _)| names(name, &item));
                assert!(has_row, "{}: {item} promises not to copy and has no row in CONVERSIONS", path.display());
                found += 1;
            }
        }
    }
    assert!(found >= 10, "only {found} promises were found");
}

/// Files of features, and whether this binary is without them: their rows are missing as well.
const BUILT_WITHOUT: &[(&str, bool)] = &[
    ("array/nd.rs", cfg!(not(feature = "ndarray"))),
    ("table/mod.rs", cfg!(not(feature = "arrow"))),
    ("table/serde_table.rs", cfg!(not(feature = "arrow"))),
    ("codec/protobuf.rs", cfg!(not(feature = "protobuf"))),
];

/// Whether the name of a row has an item in it, as a whole.
fn names(row: &str, item: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    row.match_indices(item).any(|(at, _)| !row[..at].ends_with(goes_on) && !row[at + item.len()..].starts_with(goes_on))
}

/// Whose functions are in a part of a file.
enum Owner {
    Module,
    Type(String),
    /// Its functions need no `pub`.
    Trait(String),
}

impl Owner {
    /// After a line of code, where that changes it.
    fn after(line: &str) -> Option<Self> {
        let name = |path: &str| {
            let path = path.split(['<', '{', ':']).next().unwrap_or_default();
            path.split_whitespace().next().unwrap_or_default().to_owned()
        };
        if let Some(rest) = line.strip_prefix("impl") {
            // what is generic comes first
            let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest };
            let owner = rest.split_once(" for ").map_or(rest, |(_, owner)| owner);
            return Some(Self::Type(name(owner.rsplit_once("::").map_or(owner, |(_, name)| name))));
        }
        if let Some(rest) = line.strip_prefix("pub trait ") {
            return Some(Self::Trait(name(rest)));
        }
        line.starts_with('}').then_some(Self::Module)
    }
}

/// How [`CONVERSIONS`] calls the public function or conversion that a line of code begins.
fn item(line: &str, owner: &Owner) -> Option<String> {
    let conversion =
        line.strip_prefix("impl From<").or_else(|| Some(line.strip_prefix("impl<")?.split_once("> From<")?.1));
    if let Some(conversion) = conversion {
        let (from, into) = conversion.split_once("> for ")?;
        return Some(format!("{}::from({from})", into.trim_end_matches(" {")));
    }
    let function = match owner {
        Owner::Trait(_) => line,
        _ => line.strip_prefix("pub ")?,
    };
    let name = function.trim_start_matches("const ").strip_prefix("fn ")?.split(['(', '<']).next()?;
    Some(match owner {
        Owner::Module => name.to_owned(),
        Owner::Type(owner) | Owner::Trait(owner) => format!("{owner}::{name}"),
    })
}

#[test]
fn what_says_that_it_copies_is_counted() {
    let _turn = my_turn();
    let counted = |run: &dyn Fn()| {
        let before = memory::copied_bytes();
        run();
        memory::copied_bytes() - before
    };
    let buffer = Buffer::from_vec(vec![0_u64; 100]);
    assert_eq!(counted(&|| drop(Buffer::copy_from_slice(&buffer))), 800);
    assert_eq!(counted(&|| drop(buffer.slice(1..).to_aligned(8))), 799);
    assert_eq!(counted(&|| drop(to_multipart(&buffer).unwrap())), 800, "in band");

    let columns = Array::new(">u8".parse().unwrap(), [10, 10], Order::F, buffer.clone()).unwrap();
    assert_eq!(counted(&|| drop(columns.to_native().unwrap())), 800);
    assert_eq!(counted(&|| drop(columns.to_order(Order::C).unwrap())), 800);
    assert_eq!(counted(&|| drop(columns.to_vec::<u64>().unwrap())), 800);
    assert_eq!(counted(&|| drop(HeadedArray::new().encode(&columns).unwrap())), 800);
    let rows = Array::broadcast(DType::U64, [1, 100], [5, 100], Order::C, buffer.clone()).unwrap();
    assert_eq!(counted(&|| drop(rows.to_contiguous().unwrap())), 4000);
    assert_eq!(counted(&|| drop(rows.to_vec::<u64>().unwrap())), 4000);
    let strided = || Array::from_strided(DType::U64, [50], &[16], 0, &buffer).unwrap();
    assert_eq!(counted(&|| drop(strided())), 400);
    let odd = Array::new(DType::U64, [99], Order::C, buffer.slice(1..793)).unwrap();
    assert_eq!(counted(&|| drop(odd.to_aligned(8))), 792);
    #[cfg(feature = "ndarray")]
    {
        assert_eq!(counted(&|| drop(odd.to_ndarray::<u64>().unwrap())), 792);
        assert_eq!(counted(&|| drop(columns.to_ndarray::<u64>().unwrap())), 800);
        assert_eq!(counted(&|| drop(columns.view_or_copy::<u64>().unwrap())), 800);
        assert_eq!(counted(&|| drop(rows.to_ndarray::<u64>().unwrap())), 4000);
    }
}

/// A file of `len` bytes, none of them zero, and mapped.
fn mapped(len: usize) -> memmap2::Mmap {
    let mut file = tempfile::tempfile().unwrap();
    let chunk = vec![3; len.min(MIB)];
    for start in (0..len).step_by(chunk.len()) {
        std::io::Write::write_all(&mut file, &chunk[..chunk.len().min(len - start)]).unwrap();
    }
    map(&file)
}

fn map(file: &File) -> memmap2::Mmap {
    // SAFETY: nobody else has the temporary file, so it does not change under the map
    #[allow(unsafe_code, reason = "a file is mapped, which is sound as long as nobody changes it")]
    unsafe {
        memmap2::Mmap::map(file).unwrap()
    }
}

/// Says on which thread it was dropped.
struct Reports<B> {
    bytes: B,
    dropped: mpsc::Sender<thread::ThreadId>,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Reports<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl<B> Drop for Reports<B> {
    fn drop(&mut self) {
        let _ = self.dropped.send(thread::current().id());
    }
}

/// Runs `use_it` with a buffer of an owner that reports; where it was dropped, which has to be once.
fn dropped_once(len: usize, use_it: impl FnOnce(Buffer)) -> thread::ThreadId {
    memory_dropped_once(vec![1; len], use_it)
}

fn memory_dropped_once<B>(bytes: B, use_it: impl FnOnce(Buffer)) -> thread::ThreadId
where
    B: AsRef<[u8]> + Send + 'static,
{
    let (dropped, drops) = mpsc::channel();
    use_it(Buffer::from_owner(Reports { bytes, dropped }));
    let thread = drops.recv_timeout(Duration::from_millis(PATIENCE as u64)).expect("the owner was never dropped");
    // the owner held the only sender, so a second drop would have to show up before the end of the channel
    assert_eq!(drops.recv(), Err(mpsc::RecvError), "the owner was dropped twice");
    thread
}

#[test]
fn an_owner_is_dropped_once_by_whoever_lets_go_last() {
    let _turn = my_turn();
    let here = thread::current().id();
    assert_eq!(dropped_once(LEN, drop), here);
    assert_eq!(dropped_once(LEN, |buffer| drop(zmq::Message::from(buffer))), here, "a message that is never sent");
    assert_eq!(dropped_once(LEN, |buffer| drop(to_multipart(&[buffer.clone(), buffer]).unwrap())), here);
    for endpoint in ["inproc://drop", "tcp://127.0.0.1:*"] {
        let context = zmq::Context::new();
        let (tx, rx) = pair(&context, endpoint);
        dropped_once(LEN, |buffer| {
            tx.send_obj(&buffer).unwrap();
            drop(buffer);
            assert_eq!(rx.recv_obj::<Buffer>().unwrap().len(), LEN);
        });
        let thread = dropped_once(LEN, |buffer| {
            // nothing of it stays here, which might be what is dropped last
            tx.send(zmq::Message::from(buffer), 0).unwrap();
            assert_eq!(rx.recv_msg(0).unwrap().len(), LEN);
        });
        // inproc: the receiver drops the sender's memory; tcp: an I/O thread does
        assert_eq!(thread == here, endpoint.starts_with("inproc"), "{endpoint}");
    }
}

/// Sends a buffer, receives it, and returns when libzmq has let go of it.
fn travel(endpoint: &str, buffer: Buffer) {
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, endpoint);
    let tracker = tx.send_message_tracked(Multipart::new("m", vec![buffer])).unwrap();
    drop(rx.recv_message().unwrap());
    assert!(tracker.wait(Some(Duration::from_millis(PATIENCE as u64))));
}

#[test]
fn memory_of_every_owner_is_freed_once_when_libzmq_lets_go_of_it() {
    let _turn = my_turn();
    type Owner = (&'static str, fn() -> Buffer);
    let owners: [Owner; 4] = [
        ("Vec<f64> with spare capacity", || Buffer::from_vec(spare(0.5, LEN))),
        ("Vec<u8> with spare capacity", || Buffer::from_vec(spare(1_u8, LEN))),
        ("Arc<[f64]>", || Buffer::from_arc(Arc::from(vec![0.5; LEN]))),
        ("a slice of Bytes", || Buffer::from(Bytes::from(vec![1; LEN]).slice(3..LEN - 1))),
    ];
    let (_folder, ipc) = ipc();
    for endpoint in ["inproc://owners", "tcp://127.0.0.1:*", &ipc] {
        for (name, buffer) in owners {
            let buffer = buffer();
            FREED.store(0, Ordering::SeqCst);
            WATCHED.store(buffer.as_ptr().addr(), Ordering::SeqCst);
            travel(endpoint, buffer.clone());
            assert_eq!(FREED.load(Ordering::SeqCst), 0, "{name} over {endpoint} while it is still held");
            travel(endpoint, buffer);
            assert_eq!(FREED.load(Ordering::SeqCst), 1, "{name} over {endpoint}");
            WATCHED.store(0, Ordering::SeqCst);
        }
        memory_dropped_once(mapped(LEN), |buffer| travel(endpoint, buffer));
    }
}

#[test]
fn an_owner_that_is_never_sent_is_dropped_once() {
    let _turn = my_turn();
    dropped_once(LEN, |buffer| {
        // no peer, so it is refused
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PUSH).unwrap();
        assert!(socket.try_send_obj(&buffer).unwrap_err().is_timeout());
        assert!(socket.try_send_message(Multipart::new("m", vec![buffer])).unwrap_err().is_timeout());
    });
    dropped_once(LEN, |buffer| {
        // accepted for a peer that is not there, and the socket is closed at once
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PUSH).unwrap();
        socket.set_linger(0).unwrap();
        socket.connect("tcp://127.0.0.1:1").unwrap();
        socket.send_obj(&buffer).unwrap();
        socket.send_obj(&(&buffer, 2)).unwrap();
    });
    dropped_once(LEN, |buffer| {
        // received by nobody
        let context = zmq::Context::new();
        let (tx, rx) = pair(&context, "inproc://unread");
        tx.set_linger(0).unwrap();
        rx.set_linger(0).unwrap();
        tx.send_obj(&buffer).unwrap();
    });
    dropped_once(LEN, |buffer| {
        // a PUB without subscribers drops it
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PUB).unwrap();
        socket.bind("inproc://void").unwrap();
        socket.publish_obj("topic", &buffer).unwrap();
    });
}

/// An owner whose `Drop` panics.
struct Panics(Vec<u8>);

impl AsRef<[u8]> for Panics {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        std::panic::panic_any(PanicsToo);
    }
}

/// What an owner panicked with, and panics as well.
struct PanicsToo;

impl Drop for PanicsToo {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("on purpose, in the drop of what an owner's Drop panicked with");
        }
    }
}

#[test]
fn an_owner_that_panics_does_not_take_libzmq_down() {
    let _turn = my_turn();
    let context = zmq::Context::new();
    let (_folder, endpoint) = ipc();
    let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    rx.set_rcvtimeo(PATIENCE).unwrap();
    tx.connect(&endpoint).unwrap();
    // before anyone receives it, so that it is libzmq's thread that lets go of it last
    let tracker = tx.send_obj_tracked(&Buffer::from_owner(Panics(vec![1; LEN]))).unwrap();
    rx.bind(&endpoint).unwrap();
    assert_eq!(rx.recv_obj::<Buffer>().unwrap().len(), LEN);
    assert!(tracker.wait(Some(Duration::from_millis(PATIENCE as u64))), "who waits for it hears of it all the same");
    tx.send_obj("next").unwrap();
    assert_eq!(rx.recv_obj::<String>().unwrap(), "next");
}

#[test]
fn received_frames_are_copied_up_to_the_arena_and_shared_beyond_it() {
    let _turn = my_turn();
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "tcp://127.0.0.1:*");
    let all_out = MsgPack::new().out_of_band_from(0);
    for len in (1..16).map(|kib| kib << 10).chain([1, 100, 8191, 8192, 8193, 16 << 10]) {
        tx.send_with(&all_out, &Buffer::from_vec(vec![1_u8; len])).unwrap();
        let before = memory::copied_bytes();
        let (allocated, received) = allocated_in(|| rx.recv_with::<Buffer, _>(&all_out).unwrap());
        let copied = (memory::copied_bytes() - before) as usize;
        assert_eq!(received.len(), len);
        assert_eq!(copied, if len <= 8192 { len } else { 0 }, "{len} bytes");
        if len > 8192 {
            assert!(allocated.largest < len, "{len} bytes: {allocated:?}");
        }
    }
}

/// A line of `/proc/self/status` in KiB.
fn status(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

const KEPT: usize = 20_000;

/// In a process of its own: keeps many small received frames and prints by how much memory grew, in KiB.
#[test]
fn child_keeps_small_frames() {
    let Ok(how) = std::env::var("OUTBAND_KEEP") else { return };
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "tcp://127.0.0.1:*");
    let all_out = MsgPack::new().out_of_band_from(0);
    let object = Buffer::from_vec(vec![5_u8; 100]);
    let receive = || match how.as_str() {
        "ours" => rx.recv_with::<Buffer, _>(&all_out).unwrap(),
        _ => {
            drop(rx.recv_msg(0).unwrap());
            Buffer::from(rx.recv_msg(0).unwrap())
        }
    };
    let mut kept = Vec::with_capacity(KEPT);
    // one at a time, as objects arrive from a sensor: each is the first thing in its arena
    let exchange = |kept: &mut Vec<Buffer>| {
        tx.send_with(&all_out, &object).unwrap();
        kept.push(receive());
    };
    exchange(&mut kept);
    let before = status("VmRSS");
    for _ in 1..KEPT {
        exchange(&mut kept);
    }
    println!("grown by {} KiB", status("VmRSS") - before);
    assert!(kept.iter().all(|buffer| *buffer == object));
}

#[test]
fn many_small_received_buffers_do_not_pin_arenas() {
    let _turn = my_turn();
    let grown = |how: &str| -> usize {
        let child = this_test_again("child_keeps_small_frames").env("OUTBAND_KEEP", how).output().unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success(), "{output}");
        let number = output.lines().find_map(|line| line.split("grown by ").nth(1)?.strip_suffix(" KiB"));
        number.unwrap().parse().unwrap()
    };
    let (ours, adopted) = (grown("ours"), grown("adopted"));
    println!("{KEPT} received buffers of 100 bytes: {ours} KiB kept by recv, {adopted} KiB when messages are adopted");
    assert!(ours * 10 < adopted, "{ours} KiB against {adopted} KiB");
    // 100 bytes, an allocation's and a Bytes' own needs
    assert!(ours * 1024 < KEPT * 400, "{ours} KiB");
}

/// This binary with one test, in a new process.
fn this_test_again(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).stdin(Stdio::null());
    command
}

/// Ends a child when the test does, however it does.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const HUGE: usize = 1 << 30;

/// In a process of its own: receives a message, drops it, answers.
#[test]
fn child_receives_a_gigabyte() {
    let Ok(endpoint) = std::env::var("OUTBAND_RECEIVE_AT") else { return };
    let context = zmq::Context::new();
    let socket = connected(&context, zmq::REP, &endpoint);
    let object: Object = socket.recv_obj().unwrap();
    socket.send_obj(&(object.pixels.len(), object.pixels[0], object.pixels[HUGE - 1])).unwrap();
}

/// In a process of its own: sends a mapped file of 1 GiB, and prints the most memory it had, in KiB.
#[test]
fn child_sends_a_gigabyte() {
    let (Ok(endpoint), Ok(file)) = (std::env::var("OUTBAND_SEND_AT"), std::env::var("OUTBAND_FILE")) else { return };
    let context = zmq::Context::new();
    let socket = connected(&context, zmq::REQ, &endpoint);
    let pixels = Buffer::from_owner(map(&File::open(file).unwrap()));
    let (allocated, ()) = allocated_in(|| socket.send_obj(&Object { name: "huge".into(), pixels }).unwrap());
    assert_eq!(socket.recv_obj::<(usize, u8, u8)>().unwrap(), (HUGE, 3, 3));
    assert_eq!(memory::copied_bytes(), 0);
    assert!(allocated.largest < LARGE_FROM, "{allocated:?}");
    println!("peak {} KiB", status("VmHWM"));
}

fn connected(context: &zmq::Context, kind: zmq::SocketType, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_sndtimeo(PATIENCE).unwrap();
    socket.set_rcvtimeo(PATIENCE).unwrap();
    socket.set_linger(PATIENCE).unwrap();
    if kind == zmq::REP {
        socket.bind(endpoint).unwrap();
    } else {
        socket.connect(endpoint).unwrap();
    }
    socket
}

/// A port of the loopback that was free a moment ago.
fn loopback() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("tcp://127.0.0.1:{port}")
}

#[test]
fn a_process_that_sends_a_mapped_gigabyte_needs_little_more_than_that() {
    let _turn = my_turn();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let chunk = vec![3; MIB];
    for _ in 0..HUGE / MIB {
        std::io::Write::write_all(&mut file, &chunk).unwrap();
    }
    let endpoint = loopback();
    let mut receiver = this_test_again("child_receives_a_gigabyte");
    let mut receiver = Reaped(receiver.env("OUTBAND_RECEIVE_AT", &endpoint).stdout(Stdio::null()).spawn().unwrap());
    let mut sender = this_test_again("child_sends_a_gigabyte");
    let sender = sender.env("OUTBAND_SEND_AT", &endpoint).env("OUTBAND_FILE", file.path()).output().unwrap();
    let output = String::from_utf8_lossy(&sender.stdout).into_owned();
    assert!(sender.status.success(), "{output}\n{}", String::from_utf8_lossy(&sender.stderr));
    assert!(receiver.0.wait().unwrap().success());
    let number = output.lines().find_map(|line| line.split("peak ").nth(1)?.strip_suffix(" KiB"));
    let peak: usize = number.unwrap().parse().unwrap();
    println!("sending a mapped GiB: the sender's peak is {} MiB", peak >> 10);
    assert!(peak > HUGE >> 10, "the file was sent from the map, so its pages were touched");
    assert!(peak <= (HUGE + 32 * MIB) >> 10, "{peak} KiB");
}

#[derive(Serialize, Deserialize)]
struct Small {
    id: u64,
    name: String,
    values: Vec<f32>,
}

/// What one call allocates once its thread is warm.
fn per_call(run: impl Fn()) -> Allocated {
    for _ in 0..10 {
        run();
    }
    let (allocated, ()) = allocated_in(run);
    allocated
}

/// In a process of its own, because the harness' other threads allocate when they please.
#[test]
fn child_counts_allocations() {
    if std::env::var("OUTBAND_COUNT").is_err() {
        return;
    }
    let small = Small { id: 7, name: "small".into(), values: vec![1.0; 20] };
    let allocated = per_call(|| drop(to_multipart(&small).unwrap()));
    println!("encoding a small object: {allocated:?}");
    // the metadata frame, and nothing else
    assert!(allocated.calls <= 2, "{allocated:?}");
    assert!(allocated.bytes <= 512, "{allocated:?}");

    let encode = |len: usize| {
        let object = Object { name: "object".into(), pixels: Buffer::from_vec(vec![0_u8; len]) };
        per_call(|| drop(to_multipart(&object).unwrap()))
    };
    let (short, long) = (encode(64 << 10), encode(64 << 20));
    println!("encoding one buffer of 64 KiB: {short:?}");
    println!("encoding one buffer of 64 MiB: {long:?}");
    // the metadata frame and the list of buffers; the length is written in two more bytes
    assert_eq!(short.calls, long.calls);
    assert!(long.calls <= 4, "{long:?}");
    assert!(long.bytes.abs_diff(short.bytes) <= 8, "{short:?} {long:?}");

    let decode = |len: usize| {
        let message = to_multipart(&Buffer::from_vec(vec![0_u8; len])).unwrap();
        per_call(|| drop(from_multipart::<Buffer>(message.clone()).unwrap()))
    };
    let (short, long) = (decode(64 << 10), decode(64 << 20));
    println!("decoding one buffer of 64 MiB: {long:?}");
    assert_eq!(short, long);

    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "inproc://count");
    let exchange = |len: usize| {
        let object = Buffer::from_vec(vec![0_u8; len]);
        per_call(|| {
            tx.send_obj(&object).unwrap();
            drop(rx.recv_obj::<Buffer>().unwrap());
        })
    };
    let (short, long) = (exchange(64 << 10), exchange(64 << 20));
    println!("encoding, sending, receiving, decoding 64 MiB: {long:?}");
    assert_eq!(short.calls, long.calls);
    assert!(long.bytes.abs_diff(short.bytes) <= 8, "{short:?} {long:?}");
    assert!(long.largest < 1024, "{long:?}");

    let codec = MsgPack::new();
    let count = |rows: usize| {
        let rows: Vec<_> = (0..rows).map(|_| Buffer::from_vec(vec![0_u8; 10_000])).collect();
        per_call(|| drop(codec.encode(&rows).unwrap())).calls
    };
    assert!(count(64) < 64, "less than one allocation per buffer: {}", count(64));
    assert!(Decode::<Buffer>::decode(&codec, codec.encode(&Buffer::new()).unwrap()).unwrap().is_empty());
}

#[test]
fn encoding_allocates_nothing_that_grows_with_the_payload() {
    let _turn = my_turn();
    let child = this_test_again("child_counts_allocations").env("OUTBAND_COUNT", "1").output().unwrap();
    let output = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    println!("{output}");
    assert!(child.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[cfg(feature = "arrow")]
#[path = "support/tables.rs"]
mod table;
