//! NumPy itself reads the arrays that Rust sends and sends those that Rust reads: on our wire, and as the pyzmq
//! documentation does.

use std::collections::BTreeMap;

use outband::array::{Field, Kind};
use outband::{Array, Buffer, DType, MsgPack, Order, SocketExt, memory};
use serde::Deserialize;

use crate::python::Script;

const NUMBERS: [&str; 17] = [
    "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "M8[ns]", "M8[25us]", "M8[D]", "M8", "m8[ns]",
    "m8[7h]",
];

/// A small number as an element, little-endian.
fn element(dtype: &DType, number: u8) -> Vec<u8> {
    // binary16 of 0 to 5
    const HALVES: [u16; 6] = [0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500];
    match dtype.kind() {
        Kind::Bool => vec![u8::from(number != 0)],
        Kind::F16 => HALVES[usize::from(number)].to_le_bytes().to_vec(),
        Kind::F32 => f32::from(number).to_le_bytes().to_vec(),
        Kind::F64 => f64::from(number).to_le_bytes().to_vec(),
        Kind::Complex64 => [f32::from(number).to_le_bytes(), [0; 4]].concat(),
        Kind::Complex128 => [f64::from(number).to_le_bytes(), [0; 8]].concat(),
        _ => (0..dtype.item_len()).map(|at| if at == 0 { number } else { 0 }).collect(),
    }
}

/// The numbers from 0 to 5, one after the other.
fn numbers(dtype: &DType) -> Buffer {
    let turned = |number| match (dtype.is_native(), dtype.kind()) {
        (true, _) => element(dtype, number),
        (false, Kind::Complex64 | Kind::Complex128) => {
            let element = element(dtype, number);
            element.chunks(element.len() / 2).flat_map(|part| part.iter().rev()).copied().collect()
        }
        _ => element(dtype, number).into_iter().rev().collect(),
    };
    Buffer::from((0..6).flat_map(turned).collect::<Vec<u8>>())
}

fn dtype(text: &str) -> DType {
    text.parse().unwrap()
}

fn bytes(text: &str, shape: &[usize], order: Order, data: impl Into<Vec<u8>>) -> Array {
    Array::new(dtype(text), shape, order, Buffer::from(data.into())).unwrap()
}

/// The arrays by name; tests/python/arrays.py has the same.
fn cases() -> BTreeMap<String, Array> {
    let mut made = BTreeMap::new();
    let plain = ["|b1", "|i1", "|u1"].map(str::to_owned);
    let codes = NUMBERS.iter().flat_map(|number| ["<", ">"].map(|order| format!("{order}{number}")));
    for code in plain.into_iter().chain(codes) {
        let dtype = dtype(&code);
        for order in [Order::C, Order::F] {
            let array = Array::new(dtype.clone(), [2, 3], order, numbers(&dtype)).unwrap();
            made.insert(format!("{code} {order}"), array);
        }
    }
    let codes = ['a', '\0', '\0', 'ß', 'c', '\0', '語', '🦀', 'x'].map(u32::from);
    let mut insert = |name: &str, array| assert!(made.insert(name.to_owned(), array).is_none());
    insert("|S3", bytes("|S3", &[3], Order::C, *b"a\0\0bc\0def"));
    insert("<U3", bytes("<U3", &[3], Order::C, codes.map(u32::to_le_bytes).concat()));
    insert(">U3", bytes(">U3", &[3], Order::C, codes.map(u32::to_be_bytes).concat()));
    insert("|V2", bytes("|V2", &[2], Order::C, [1, 2, 3, 0]));
    insert("number", Array::from_shape_vec([], vec![1.5]).unwrap());
    insert("empty", Array::from_shape_vec([3, 0], Vec::<f32>::new()).unwrap());
    let cube = Buffer::from_vec((0..24_i16).collect());
    insert("cube F", Array::new(DType::I16, [2, 3, 4], Order::F, cube).unwrap());
    let cube = Buffer::from_vec((0..24_i16).collect());
    insert("cube turned", Array::from_strided(DType::I16, [4, 2, 3], &[2, 24, 8], 0, &cube).unwrap());
    insert("record", record());
    let packed = DType::record([("it's", DType::I32), ("b", dtype(">f8"))]).unwrap();
    let rows = [(1_i32, 2.5_f64), (3, 4.5)];
    let rows: Vec<u8> = rows.iter().flat_map(|(a, b)| [&a.to_le_bytes()[..], &b.to_be_bytes()].concat()).collect();
    insert("packed", Array::new(packed, [2], Order::C, Buffer::from(rows)).unwrap());
    made
}

/// Records with a title, gaps, records within, and text.
fn record() -> Array {
    let inner = DType::record([("x", DType::F32), ("y", dtype(">f4"))]).unwrap();
    let outer = DType::record([
        Field::new("id", DType::U8).with_title("the id"),
        Field::padding(3),
        Field::new("at", inner).with_shape([2]),
        Field::new("name", dtype("<U2")),
        Field::padding(4),
    ])
    .unwrap();
    let row = |id: u8, points: [[f32; 2]; 2], name: [char; 2]| -> Vec<u8> {
        let points = points.iter().flat_map(|[x, y]| [x.to_le_bytes(), y.to_be_bytes()].concat());
        let name = name.iter().flat_map(|&c| u32::from(c).to_le_bytes());
        [id, 0, 0, 0].into_iter().chain(points).chain(name).chain([0; 4]).collect()
    };
    let rows = [row(7, [[1.0, 5.0], [2.0, 6.0]], ['a', 'b']), row(8, [[3.0, 7.0], [4.0, 8.0]], ['語', '\0'])];
    Array::new(outer, [2], Order::C, Buffer::from(rows.concat())).unwrap()
}

/// A socket that is connected to a script.
fn connected(context: &zmq::Context, script: &mut Script) -> zmq::Socket {
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.connect(&format!("tcp://127.0.0.1:{}", script.line())).unwrap();
    socket
}

/// Views of one memory.
#[derive(Deserialize)]
struct Views {
    memory: Buffer,
    views: BTreeMap<String, View>,
}

/// A view as the package `outband` sent it, and what NumPy says of it.
#[derive(Deserialize)]
struct View {
    array: Array,
    /// In C order.
    elements: Buffer,
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
}

#[test]
fn views_of_numpy_of_every_layout_arrive_and_return() {
    let mut script = Script::start("arrays.py", &["strided"]);
    let context = zmq::Context::new();
    let socket = connected(&context, &mut script);
    for _ in 0..12 {
        let Views { memory, views } = socket.recv_obj().unwrap();
        assert!(views.len() >= 17);
        let (mut received, mut made) = (BTreeMap::new(), BTreeMap::new());
        for (name, View { array, elements, shape, strides, offset }) in views {
            let what = format!("{name}: {} {shape:?} {strides:?}", array.dtype());
            assert_eq!(array.shape(), shape, "{what}");
            let in_order = |array: &Array| array.to_order(Order::C).unwrap().to_contiguous().unwrap().into_data();
            assert_eq!(in_order(&array), elements, "{what}");
            let (held, all) = (array.data().len(), elements.len());
            assert!(if name.starts_with("broadcast") { 4 * held < all } else { held == all }, "{what}: {held}");
            // what is made here of the same memory and strides, perhaps in the other order
            let dtype = array.dtype().clone();
            let same = Array::from_strided(dtype, shape, &strides, offset, &memory).unwrap();
            assert_eq!(in_order(&same), elements, "{what}");
            received.insert(name.clone(), array);
            made.insert(name, same);
        }
        socket.send_obj(&received).unwrap();
        socket.send_with(&MsgPack::new().out_of_band_from(0), &made).unwrap();
    }
    assert_eq!(socket.recv_bytes(0).unwrap(), b"done");
    script.finish();
}

#[test]
fn numpy_and_rust_read_each_others_arrays() {
    let mut script = Script::start("arrays.py", &[]);
    let context = zmq::Context::new();
    let socket = connected(&context, &mut script);
    let made = cases();

    let mut sent = made.clone();
    let row = Buffer::from_vec(vec![0.0, 1.0, 2.0_f64]);
    sent.insert("repeated".into(), Array::broadcast(DType::F64, [1, 3], [1000, 3], Order::C, row).unwrap());
    sent.insert("bfloat16".into(), bytes("bfloat16", &[3], Order::C, [0, 0, 0x80, 0x3f, 0x20, 0xc0]));
    socket.send_obj(&sent).unwrap();
    socket.send_with(&MsgPack::new().out_of_band_from(0), &sent).unwrap();
    let received: BTreeMap<String, Array> = socket.recv_obj().unwrap();
    assert_eq!(received.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, array) in &received {
        assert_eq!(array.dtype(), made[name].dtype(), "{name}");
        assert_eq!(array, &made[name], "{name}");
    }

    // the documentation's way; its recv_array cannot read the dtypes of records
    let plain: Vec<_> = made.iter().filter(|(_, array)| array.dtype().fields().is_empty()).collect();
    socket.send(serde_json::to_vec(&plain.iter().map(|(name, _)| name).collect::<Vec<_>>()).unwrap(), 0).unwrap();
    for (_, array) in &plain {
        socket.send_array(array).unwrap();
    }
    socket.send(serde_json::to_vec(&plain.iter().map(|(name, _)| name).collect::<Vec<_>>()).unwrap(), 0).unwrap();
    for (name, array) in plain {
        let before = memory::copied_bytes();
        socket.send_array(array).unwrap();
        let turned = if array.axes().is_sorted() { 0 } else { array.byte_len() as u64 };
        assert_eq!(memory::copied_bytes() - before, turned, "{name}");
    }
    let large = Array::from_shape_vec([100, 1000], (0..100_000).map(f64::from).collect()).unwrap();
    socket.send_array(&large).unwrap();
    let able: Vec<String> = serde_json::from_slice(&socket.recv_bytes(0).unwrap()).unwrap();
    assert!(able.len() > 25 && able.contains(&"record".to_owned()), "{able:?}");
    for _copy in [true, false] {
        for name in &able {
            assert_eq!(socket.recv_array().unwrap(), made[name], "{name}");
        }
        let before = memory::copied_bytes();
        assert_eq!(socket.recv_array().unwrap(), large);
        assert_eq!(memory::copied_bytes(), before);
    }
    // records as people make them
    let offsets: Vec<BTreeMap<String, usize>> = socket.recv_json().unwrap();
    assert_eq!(offsets.len(), 6);
    for offsets in offsets {
        let array = socket.recv_array().unwrap();
        let found: BTreeMap<_, _> =
            array.dtype().fields().iter().map(|field| (field.name().to_owned(), field.offset())).collect();
        assert_eq!(found, offsets, "{}", array.dtype());
        assert_eq!(array.data()[..], socket.recv_bytes(0).unwrap(), "{}", array.dtype());
    }
    socket.send("done", 0).unwrap();
    script.finish();
}
