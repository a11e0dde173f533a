//! pyzmq's own `recv_pyobj` and `recv_multipart` at the other end: what is written is the object that Python makes itself.

use std::collections::BTreeMap;

use outband::array::{ByteOrder, Field};
use outband::python::Kind;
use outband::{Array, Buffer, DType, Encode, Order, Pickle, SocketExt, Value};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::python::{Packages, Script};

/// A socket that the script receives from: how to read a message and what it should be, then the message.
struct Peer {
    socket: zmq::Socket,
    script: Script,
    in_band: Pickle,
    out_of_band: Pickle,
}

impl Peer {
    fn start(what: &str) -> Self {
        Self::start_with(Packages::Current, what)
    }

    fn start_with(packages: Packages, what: &str) -> Self {
        let socket = zmq::Context::new().socket(zmq::PUSH).unwrap();
        socket.set_sndtimeo(60_000).unwrap();
        socket.set_linger(60_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let (_, port) = endpoint.rsplit_once(':').unwrap();
        let codec = || {
            Pickle::new()
                .allow("__main__.Order")
                .write_as("Bill", "__main__.Order")
                .write_as("Deep", "__main__.Outer.Inner")
        };
        Self {
            script: Script::start_with(packages, "written.py", &[port, what]),
            socket,
            in_band: codec().in_band(),
            out_of_band: codec().out_of_band_from(0),
        }
    }

    /// Sends a value that the script knows under this name, in one frame and in several.
    fn send<T: Serialize + ?Sized>(&self, name: &str, value: &T) {
        self.announce(name, "pyobj");
        // to `recv_pyobj`, and once more to look into
        for _ in 0..2 {
            self.socket.send_with(&self.in_band, value).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let message = self.out_of_band.encode(value).unwrap();
        self.announce(name, &message.buffers().len().to_string());
        self.socket.send_message(message).unwrap();
    }

    fn announce(&self, name: &str, how: &str) {
        self.socket.send_multipart([name, how], 0).unwrap();
    }

    /// Waits until the script has compared all it knows.
    fn finish(self) {
        self.announce("end", "");
        self.script.finish();
    }
}

#[derive(Serialize)]
struct Line<'a> {
    id: u32,
    lines: Vec<Line<'a>>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Bill {
    id: u32,
    paid: Vec<Bill>,
}

#[derive(Serialize)]
struct Deep {
    deep: bool,
}

#[derive(Serialize)]
struct One {
    only: f32,
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Pair(i8, char);

#[derive(Serialize)]
enum Event {
    Start,
    Step(u8),
    Move(u8, u8),
    Set { x: u8, y: u8 },
}

/// A sequence of no known length.
struct Unknown(usize);

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        (0..self.0).try_for_each(|element| seq.serialize_element(&element))?;
        seq.end()
    }
}

/// A value as an object of Python's own.
struct Python<T>(Kind, T);

impl<T: Serialize> Serialize for Python<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(self.0.newtype_name(), &self.1)
    }
}

#[test]
fn plain_values_are_the_objects_that_python_has_for_them() {
    let peer = Peer::start("plain");
    peer.send("none", &((), None::<u8>, Unit));
    peer.send("booleans", &vec![true, false]);
    peer.send(
        "integers",
        &[0, -1, 255, 256, 65_535, 65_536, i64::from(i32::MIN), 1 << 31, i64::MIN, i64::MAX].to_vec(),
    );
    peer.send("unsigned", &vec![1_u64 << 63, u64::MAX]);
    peer.send("wide", &vec![i128::MIN, i128::MAX, -(1 << 64), -1, 0]);
    peer.send("unsigned wide", &vec![u128::MAX, 1 << 127, 7]);
    peer.send("floats", &vec![0.5, -0.0, 1e300, f64::INFINITY, f64::from(0.1_f32)]);
    peer.send("not a number", &f64::NAN);
    peer.send("texts", &["", "plain", "søppel €", "😀\n\\", &"long ".repeat(100)].to_vec());
    peer.send("long text", &"é".repeat(70_000));
    peer.send("char", &'ß');
    peer.send(
        "bytes",
        &Value::List(vec![
            Value::Bytes(vec![].into()),
            Value::Bytes(vec![0, 255].into()),
            Value::Bytes(vec![7; 300].into()),
        ]),
    );
    peer.send("lists", &(Vec::<u8>::new(), vec![1], vec![vec![2], vec![]], Unknown(0), Unknown(1), Unknown(3)));
    peer.send("long lists", &(vec![7_u16; 1000], vec![0_u8; 1001], Unknown(2500)));
    peer.send("tuples", &((), (1,), (1, "two"), (1, 2, 3), (1, 2, 3, 4), Pair(-1, 'p'), [0_u8; 0]));
    let map: BTreeMap<i32, &str> = [(1, "one"), (-2, "minus two")].into();
    let long: BTreeMap<u32, bool> = (0..2001).map(|key| (key, key % 2 == 0)).collect();
    peer.send("maps", &(BTreeMap::<u8, u8>::new(), map, BTreeMap::from([("only", 1)]), long));
    peer.send("keys", &BTreeMap::from([((vec![1, 2], None::<u8>), "tuple"), ((vec![], Some(1)), "empty")]));
    let order = |id, lines, note| Line { id, lines, note };
    peer.send(
        "structs",
        &order(1, vec![order(2, vec![], None), order(3, vec![order(4, vec![], Some("deep"))], None)], Some("top")),
    );
    peer.send("one field", &vec![One { only: 0.5 }, One { only: 1.5 }]);
    peer.send(
        "enums",
        &vec![Event::Start, Event::Step(1), Event::Move(2, 3), Event::Set { x: 4, y: 5 }, Event::Start, Event::Step(6)],
    );
    let entries = vec![
        (Value::Nil, Value::from(1)),
        (Value::from(2.5), Value::from(u64::MAX)),
        (Value::F32(0.25), Value::from("t")),
    ];
    peer.send(
        "values",
        &Value::List(vec![Value::Map(entries), Value::from(true), Value::from(-5), Value::Bytes(vec![1].into())]),
    );
    peer.finish();
}

#[test]
fn buffers_are_bytes_or_the_frames_themselves() {
    let peer = Peer::start("buffers");
    let buffer = Buffer::from_vec(vec![3_u8; 5000]);
    peer.send("buffer", &buffer);
    peer.send("shared", &(buffer.clone(), [buffer.slice(..), buffer.slice(1..)], buffer));
    peer.send("empty", &Buffer::new());
    peer.send("values", &Value::List(vec![Value::Buffer(vec![1, 2].into()), Value::Bytes(vec![1, 2].into())]));
    peer.send(
        "key",
        &BTreeMap::from([("b", 1)])
            .into_iter()
            .map(|(key, value)| (Bytes(key.into()), value))
            .collect::<BTreeMap<_, _>>(),
    );
    peer.finish();
}

/// A buffer that is a key.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Bytes(#[serde(serialize_with = "as_buffer")] String);

fn as_buffer<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Buffer::from(text.as_bytes().to_vec()).serialize(serializer)
}

/// An array of counting bytes, masked to what every dtype can hold.
fn counting(dtype: &DType, shape: &[usize], order: Order) -> Array {
    let len = shape.iter().product::<usize>() * dtype.item_len();
    let bytes: Vec<u8> = (0..len).map(|at| (at % 2) as u8).collect();
    Array::new(dtype.clone(), shape, order, Buffer::from(bytes)).unwrap()
}

const DTYPES: [&str; 24] = [
    "|b1",
    "|i1",
    "<i2",
    ">i2",
    "<i4",
    ">i4",
    "<i8",
    ">i8",
    "|u1",
    "<u2",
    "<u4",
    "<u8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "<c8",
    "<c16",
    "<M8[ns]",
    ">M8[25us]",
    "<m8[D]",
    "|S5",
    "|V3",
];

#[test]
fn arrays_are_numpys_on_the_received_frames() {
    arrays(Packages::Current);
}

#[test]
fn arrays_are_numpys_in_numpy_1_as_well() {
    arrays(Packages::Older);
}

fn arrays(packages: Packages) {
    let peer = Peer::start_with(packages, "arrays");
    for name in DTYPES {
        let dtype: DType = name.parse().unwrap();
        for (shape, order) in
            [(&[2, 3][..], Order::C), (&[2, 3, 2], Order::F), (&[], Order::C), (&[0, 4], Order::C), (&[5], Order::C)]
        {
            let array = counting(&dtype, shape, order);
            let layout = if order == Order::C { "C" } else { "F" };
            peer.send(&format!("{name} {shape:?} {layout}"), &array);
        }
    }
    for name in ["<U3", ">U3"] {
        let text: Vec<u32> = "en søt".chars().map(u32::from).collect();
        let dtype: DType = name.parse().unwrap();
        let swap = dtype.byte_order() == Some(ByteOrder::Big);
        let text = text.into_iter().map(|c| if swap { c.swap_bytes() } else { c }).collect();
        peer.send(&format!("text {name}"), &Array::new(dtype, [2], Order::C, Buffer::from_vec(text)).unwrap());
    }
    peer.send("generic times", &counting(&"<M8".parse().unwrap(), &[2], Order::C));
    let inner =
        DType::record([Field::new("a", DType::I8), Field::padding(2), Field::new("b", ">M8[us]".parse().unwrap())])
            .unwrap();
    let record = DType::record([
        Field::new("id", DType::U32),
        Field::padding(4),
        Field::new("at", ">f8".parse().unwrap()).with_shape([2, 2]).with_title("place"),
        Field::new("in", inner),
        Field::padding(1),
    ]);
    let record = record.unwrap();
    peer.send("records", &counting(&record, &[3], Order::C));
    peer.send("grids of records", &counting(&record, &[2, 2], Order::F));
    if matches!(packages, Packages::Current) {
        peer.send("bfloat16", &counting(&DType::BF16, &[4], Order::C));
    }
    let row = Buffer::from_vec(vec![1_i32, 2, 3]);
    peer.send("repeated rows", &Array::broadcast(DType::I32, [1, 3], [4, 3], Order::C, row.clone()).unwrap());
    peer.send("repeated columns", &Array::broadcast(DType::I32, [3, 1, 1], [3, 1, 2], Order::F, row.clone()).unwrap());
    peer.send("repeated none", &Array::broadcast(DType::I32, [1, 3], [0, 3], Order::C, row.clone()).unwrap());
    let array = Array::new(DType::I32, [3], Order::C, row.clone()).unwrap();
    peer.send("many", &(vec![array.clone(); 3], BTreeMap::from([("again", Value::from(array))]), row));
    peer.finish();
}

#[test]
fn kinds_are_objects_of_pythons_own() {
    let peer = Peer::start("kinds");
    let python = |kind, text: &'static str| Python(kind, text);
    peer.send(
        "tuple",
        &(Python(Kind::Tuple, Vec::<u8>::new()), Python(Kind::Tuple, vec![1]), Python(Kind::Tuple, vec![1; 5])),
    );
    peer.send("set", &(Python(Kind::Set, vec![1]), Python(Kind::Set, Unknown(2000)), Python(Kind::Set, Unknown(0))));
    peer.send("frozenset", &(Python(Kind::FrozenSet, vec!["x", "y"]), Python(Kind::FrozenSet, Unknown(0))));
    peer.send("set of tuples", &Python(Kind::Set, vec![Python(Kind::FrozenSet, vec![vec![1, 2]])]));
    peer.send(
        "deque",
        &(Python(Kind::Deque, vec![1]), Python(Kind::Deque, Unknown(1500)), Python(Kind::Deque, Unknown(0))),
    );
    let map = BTreeMap::from([("a", 2), ("b", 1)]);
    peer.send("ordered", &(Python(Kind::OrderedDict, &map), Python(Kind::OrderedDict, BTreeMap::<u8, u8>::new())));
    peer.send("counter", &Python(Kind::Counter, &map));
    peer.send(
        "bytearray",
        &(
            Python(Kind::ByteArray, Value::Bytes(vec![1, 2].into())),
            Python(Kind::ByteArray, Buffer::from(vec![3; 9000])),
        ),
    );
    peer.send("complex", &Python(Kind::Complex, (1.5, -2.0)));
    let big = ["18446744073709551616", "-1606938044258990275541962092341162602522202993782792835301376", "-5", "0"];
    peer.send("int", &big.map(|digits| Python(Kind::Int, digits)));
    peer.send("range", &Python(Kind::Range, (1, 9, 2)));
    peer.send("slice", &Python(Kind::Slice, vec![Some(1), None, Some(2)]));
    peer.send("ellipsis", &python(Kind::Ellipsis, "Ellipsis"));
    let moments = [
        "2024-06-07T01:02:03.000004",
        "0001-01-01T00:00:00",
        "2024-06-07T01:02:03+00:00",
        "9999-12-31T23:59:59.999999-00:00:01",
    ];
    peer.send("datetime", &moments.map(|text| Python(Kind::DateTime, text)));
    peer.send("date", &python(Kind::Date, "2024-02-29"));
    peer.send("time", &["23:59:59.999999", "01:02:00+05:30"].map(|text| Python(Kind::Time, text)));
    peer.send("timedelta", &["PT86400.5S", "-PT1S", "PT0S"].map(|text| Python(Kind::TimeDelta, text)));
    peer.send("timezone", &["UTC", "+05:30", "-00:00:01"].map(|text| Python(Kind::TimeZone, text)));
    peer.send("decimal", &["1.50", "-Infinity", "1E+3"].map(|text| Python(Kind::Decimal, text)));
    peer.send("fraction", &["1/3", "-4", "6/4"].map(|text| Python(Kind::Fraction, text)));
    peer.send("uuid", &python(Kind::Uuid, "12345678-9abc-def0-1234-56789abcdef0"));
    peer.send(
        "paths",
        &(["/usr/lib", ".", "a/b"].map(|path| Python(Kind::PosixPath, path)), Python(Kind::WindowsPath, "C:\\a\\b")),
    );
    let class = |class: &str, rest: (&str, Value)| {
        Python(Kind::Instance, Value::from(vec![("$class".into(), class.into()), (rest.0.into(), rest.1)]))
    };
    peer.send("instance", &class("__main__.Order", ("id", Value::from(7))));
    peer.send("instance as key", &Python(Kind::FrozenSet, vec![class("__main__.Order", ("id", Value::List(vec![])))]));
    peer.finish();
}

#[test]
fn structs_become_instances_of_a_class_when_asked() {
    let peer = Peer::start("classes");
    peer.send("bill", &Bill { id: 1, paid: vec![Bill { id: 2, paid: vec![] }] });
    peer.send("nested class", &Deep { deep: true });
    peer.send("other structs", &One { only: 0.5 });
    peer.finish();
}

#[cfg(feature = "zlib")]
#[test]
fn zipped_pickles_go_both_ways() {
    use outband::{Decode, Multipart, Zipped};

    let codec = Zipped::new(Pickle::new());
    let rows: Vec<(u32, String, Option<f64>)> =
        (0..500).map(|row| (row, format!("row {row}"), (row % 2 == 0).then_some(0.5))).collect();
    let array = Array::from_vec((0..1000).collect::<Vec<i64>>());
    let context = zmq::Context::new();
    let socket = context.socket(zmq::REP).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let script = Script::start("written.py", &[endpoint.rsplit_once(':').unwrap().1, "zipped"]);
    let message: Multipart = socket.recv_message().unwrap();
    let (from_python, column): (Vec<(u32, String, Option<f64>)>, Array) = codec.decode(message).unwrap();
    assert_eq!((&from_python, &column), (&rows, &array));
    socket.send_with(&codec, &(rows, array)).unwrap();
    script.finish();
}
