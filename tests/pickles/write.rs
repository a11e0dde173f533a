//! What is written as a pickle is read again, keeps to the limits, and what Python has nothing for is refused.

use std::collections::BTreeMap;
use std::fmt::Debug;

use outband::python::Kind;
use outband::{Array, Buffer, DType, Decode, Encode, Limits, Multipart, Order, Pickle, Placement, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::random::Random;

fn encode<T: Serialize + ?Sized>(value: &T) -> Multipart {
    Pickle::new().encode(value).unwrap()
}

/// Written out of band and in band, it is read as `expected`.
fn reads_as<T: Serialize + ?Sized, U: DeserializeOwned + PartialEq + Debug>(value: &T, expected: &U) {
    for codec in [Pickle::new().out_of_band_from(0), Pickle::new().in_band()] {
        let message = codec.encode(value).unwrap();
        assert_eq!(&Decode::<U>::decode(&codec, message).unwrap(), expected);
    }
}

#[test]
fn short_values_are_the_very_bytes_that_python_writes() {
    // pickle.dumps(value, 5)
    assert_eq!(&encode(&None::<u8>).metadata()[..], b"\x80\x05N.");
    assert_eq!(&encode(&true).metadata()[..], b"\x80\x05\x88.");
    assert_eq!(&encode(&7).metadata()[..], b"\x80\x05K\x07.");
    assert_eq!(&encode(&0.5).metadata()[..], b"\x80\x05\x95\x0a\0\0\0\0\0\0\0G?\xe0\0\0\0\0\0\0.");
    assert_eq!(&encode(&(1_u64 << 40)).metadata()[..], b"\x80\x05\x95\x09\0\0\0\0\0\0\0\x8a\x06\0\0\0\0\0\x01.");
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Trade {
    symbol: String,
    price: f64,
    side: Side,
    tags: BTreeMap<String, u8>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Side {
    Buy,
    Sell,
    Other { why: String },
}

fn trades(count: u32) -> Vec<Trade> {
    let side = |index| match index % 3 {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => Side::Other { why: "unknown".into() },
    };
    let trade = |index: u32| Trade {
        symbol: format!("S{index}"),
        price: f64::from(index) / 4.0,
        side: side(index),
        tags: [("lot".to_owned(), index as u8)].into(),
    };
    (0..count).map(trade).collect()
}

#[test]
fn a_name_is_written_once_and_comes_from_the_memo_after_that() {
    let message = encode(&trades(1000));
    for name in ["symbol", "price", "side", "tags", "Buy", "Sell", "Other", "why"] {
        let found = message.metadata().windows(name.len()).filter(|window| *window == name.as_bytes()).count();
        assert_eq!(found, 1, "{name}");
    }
    reads_as(&trades(1000), &trades(1000));
}

#[test]
fn what_the_limits_let_out_they_let_in() {
    let names = trades(40);
    let arrays: Vec<_> =
        DTYPES.iter().flat_map(|dtype| [sample(dtype, &[2], Order::C), sample(dtype, &[3], Order::C)]).collect();
    let record = [sample(RECORD, &[2], Order::C), sample(RECORD, &[3], Order::F)];
    fn agree<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let loose = encode(value);
        let len = loose.metadata().len();
        let (mut out, mut refused) = (0, 0);
        for bytes in (1..8 * len).step_by(7) {
            let codec = Pickle::new().limits(Limits::new().metadata_bytes(bytes));
            match codec.encode(value) {
                Ok(message) => {
                    let back: outband::Result<T> = codec.decode(message);
                    assert_eq!(&back.unwrap_or_else(|error| panic!("{bytes} of {len}: {error}")), value);
                    out += 1;
                }
                Err(error) => {
                    assert!(error.is_limit(), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(out > 0 && refused > 0, "{out} let out, {refused} refused");
    }
    agree(&names);
    agree(&arrays);
    agree(&record.to_vec());
    let many = Limits::new().frames(3);
    assert!(Pickle::new().limits(many).encode(&arrays).unwrap_err().is_limit());
    assert!(
        Pickle::new()
            .limits(Limits::new().total_bytes(9000))
            .encode(&[Array::from_vec(vec![1_u8; 9000])])
            .unwrap_err()
            .is_limit()
    );
}

const DTYPES: [&str; 12] =
    ["|b1", "|i1", ">i2", "<u4", "<i8", "<f2", ">f8", "<c16", "<M8[25us]", "|S5", "<U3", "bfloat16"];

const RECORD: &str = "[('id', '<u4'), ('', '|V4'), (('place', 'at'), '>f8', (2, 2)), ('in', [('a', '|i1'), ('', '|V2'), ('b', '>M8[us]')]), ('', '|V1')]";

fn sample(dtype: &str, shape: &[usize], order: Order) -> Array {
    let dtype: DType = dtype.parse().unwrap();
    let len = shape.iter().product::<usize>() * dtype.item_len();
    Array::new(dtype, shape, order, Buffer::from(vec![0; len])).unwrap()
}

#[test]
fn arrays_are_read_again_as_they_were() {
    let shapes: [(&[usize], Order); 9] = [
        (&[], Order::C),
        (&[0], Order::C),
        (&[3], Order::C),
        (&[2, 3], Order::C),
        (&[2, 3], Order::F),
        (&[1, 1], Order::F),
        (&[0, 2, 5], Order::F),
        (&[1, 2, 1, 3], Order::C),
        (&[2, 1, 2, 1, 2], Order::F),
    ];
    for dtype in DTYPES.into_iter().chain([RECORD, "[('', '|V4')]", "[('a', '<U0'), ('b', '|u1')]"]) {
        for (shape, order) in shapes {
            let array = sample(dtype, shape, order);
            reads_as(&array, &array);
            reads_as(&Value::from(array.clone()), &array);
        }
    }
    let mut random = Random::seeded(21);
    for _ in 0..500 {
        let shape: Vec<usize> = (0..random.below(5)).map(|_| random.below(4)).collect();
        let base: Vec<usize> = shape.iter().map(|&axis| if random.below(2) == 0 { 1 } else { axis }).collect();
        let order = if random.below(2) == 0 { Order::C } else { Order::F };
        let data = Buffer::from_vec((0..base.iter().product::<usize>() as i32).collect());
        let array = Array::broadcast(DType::I32, base, shape, order, data).unwrap();
        reads_as(&array, &array);
    }
}

#[test]
fn every_array_has_a_frame_of_its_own_and_one_used_often_has_one() {
    let (short, empty) = (Array::from_vec(vec![1_u8]), Array::from_vec(Vec::<f64>::new()));
    let message = encode(&(vec![short.clone(); 4], empty, Buffer::from(vec![1, 2])));
    let addresses: Vec<_> = message.buffers().iter().map(|buffer| (buffer.as_ptr(), buffer.len())).collect();
    assert_eq!(addresses, [(short.data().as_ptr(), 1), (addresses[1].0, 0)], "and the short buffer is in band");

    let in_band = Pickle::new().placement(|buffer| match buffer.index() {
        0 => Placement::InBand,
        _ => buffer.default_placement(),
    });
    assert_eq!(in_band.encode(&vec![short; 4]).unwrap().buffers().len(), 1);
}

#[test]
fn what_is_no_array_after_all_is_a_dict() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Array {
        data: Vec<u8>,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Table {}
    reads_as(&(Array { data: vec![1] }, Table {}), &(Array { data: vec![1] }, Table {}));

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "kind")]
    enum Tagged {
        Grid(outband::Array),
    }
    let grid = || Tagged::Grid(outband::Array::from_vec(vec![1_u16, 2]));
    reads_as(&grid(), &grid());
    let in_python: Value = Pickle::new().decode(encode(&grid())).unwrap();
    assert_eq!(in_python.get("kind").and_then(Value::as_str), Some("Grid"));
}

/// A value as an object of Python's own.
struct Python<T>(Kind, T);

impl<T: Serialize> Serialize for Python<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(self.0.newtype_name(), &self.1)
    }
}

#[test]
fn objects_of_pythons_own_are_read_as_their_content() {
    for kind in [Kind::Tuple, Kind::Set, Kind::FrozenSet, Kind::Deque] {
        reads_as(&Python(kind, [3, 4, 5]), &[3, 4, 5]);
        reads_as(&Python(kind, Vec::<u8>::new()), &Vec::<u8>::new());
    }
    let map = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    reads_as(&Python(Kind::OrderedDict, &map), &map);
    reads_as(&Python(Kind::Counter, &map), &map);
    reads_as(&Python(Kind::ByteArray, Buffer::from(vec![1, 2])), &Buffer::from(vec![1, 2]));
    reads_as(&Python(Kind::Complex, (0.5, -1.0)), &(0.5, -1.0));
    reads_as(&Python(Kind::Range, (1, 9, 2)), &(1, 9, 2));
    reads_as(&Python(Kind::Slice, (None::<u8>, Some(9), None::<u8>)), &(None::<u8>, Some(9), None::<u8>));
    for (kind, text) in [
        (Kind::Int, "-123456789012345678901234567890"),
        (Kind::Ellipsis, "Ellipsis"),
        (Kind::DateTime, "2024-06-07T01:02:03.000004+05:30"),
        (Kind::Date, "2024-06-07"),
        (Kind::Time, "01:02:03"),
        (Kind::TimeDelta, "-PT1.5S"),
        (Kind::TimeZone, "UTC"),
        (Kind::TimeZone, "-00:30"),
        (Kind::Decimal, "1.50"),
        (Kind::Fraction, "-1/3"),
        (Kind::Uuid, "12345678-9abc-def0-1234-56789abcdef0"),
        (Kind::PosixPath, "/usr/lib"),
        (Kind::WindowsPath, "C:\\a"),
    ] {
        reads_as(&Python(kind, text), &text.to_owned());
    }
}

#[test]
fn instances_are_read_as_the_structs_they_were() {
    let codec = Pickle::new().write_as("Trade", "market.Trade");
    let message = codec.encode(&trades(3)).unwrap();
    let error = Decode::<Vec<Trade>>::decode(&codec, message.clone()).unwrap_err();
    assert!(error.to_string().contains("Pickle::allow(\"market.Trade\")"), "{error}");
    let codec = codec.allow("market.Trade");
    assert_eq!(Decode::<Vec<Trade>>::decode(&codec, message).unwrap(), trades(3));
}

/// The error of a value that cannot be written.
#[track_caller]
fn refused<T: Serialize + ?Sized>(codec: &Pickle, value: &T, expected: &str) {
    let error = codec.encode(value).unwrap_err();
    assert_eq!(error.kind(), outband::ErrorKind::Caller, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    // and the next one works
    assert_eq!(codec.encode(&7).unwrap(), encode(&7));
}

#[test]
fn what_python_has_nothing_for_is_an_error_of_the_caller() {
    let codec = Pickle::new();
    refused(&codec, &Value::Ext(5, vec![1].into()), "an extension value of MessagePack");
    refused(&codec, &sample("<U0", &[3], Order::C), "whose elements have no bytes");
    #[cfg(feature = "zlib")]
    {
        let compressing = Pickle::new().placement(|_| Placement::Compressed(outband::Compression::zlib()));
        refused(&compressing, &Buffer::from(vec![1; 9000]), "to be compressed");
    }

    let keys = |key: Value| Value::Map(vec![(key, Value::Nil)]);
    refused(&codec, &keys(Value::Map(vec![])), "a map as the key of a map or in a set");
    refused(&codec, &keys(Value::List(vec![Value::Map(vec![])])), "a map as the key");
    refused(&codec, &keys(Value::from(sample("|u1", &[3], Order::C))), "an array as the key");
    refused(&codec, &Python(Kind::Set, trades(1)), "a struct as the key");
    refused(&codec, &Python(Kind::Set, [Side::Other { why: "".into() }]), "an enum variant with content as the key");
    for kind in [Kind::Set, Kind::Deque] {
        refused(&codec, &Python(Kind::FrozenSet, [Python(kind, [1])]), "which Python cannot hash");
    }
    refused(&codec, &Python(Kind::FrozenSet, [Python(Kind::ByteArray, Buffer::new())]), "a bytearray as the key");
}

#[test]
fn what_does_not_fit_its_kind_is_an_error_of_the_caller() {
    let codec = Pickle::new();
    for (kind, text) in [
        (Kind::Int, "1.5"),
        (Kind::Int, "+-1"),
        (Kind::Ellipsis, "..."),
        (Kind::DateTime, "2024-06-07"),
        (Kind::Date, "2023-02-29"),
        (Kind::Time, "24:00"),
        (Kind::TimeDelta, "1 day"),
        (Kind::TimeZone, "Europe/../Berlin"),
        (Kind::DateTime, "2024-06-07T01:02:03[Europe/../Berlin]"),
        (Kind::DateTime, "2024-06-07T01:02:03+02:00[Europe/Berlin]"),
        (Kind::Decimal, "one"),
        (Kind::Fraction, "1/0"),
        (Kind::Fraction, "1/2/3"),
        (Kind::Uuid, "12345678"),
        (Kind::Tuple, "text"),
    ] {
        refused(&codec, &Python(kind, text), &format!("where the content of a Python {kind:?} should be"));
    }
    for kind in [Kind::Int, Kind::Set, Kind::ByteArray, Kind::Instance] {
        refused(&codec, &Python(kind, 7), "something else where");
        refused(&codec, &Python(kind, trades(1)[0].clone()), "where the content of a Python");
        refused(&codec, &Python(kind, Python(Kind::Tuple, [1])), "an object of Python's own where");
    }
    for kind in [Kind::Counter, Kind::DateTime] {
        refused(&codec, &Python(kind, [1]), "a sequence where");
        refused(&codec, &Python(kind, Buffer::from(vec![1; 9000])), "bytes where");
    }
    refused(&codec, &Python(Kind::Set, BTreeMap::from([(1, 1)])), "a map where");
    refused(&codec, &Python(Kind::Set, Side::Buy), "an enum variant where");

    let instance = |class: &str| Python(Kind::Instance, BTreeMap::from([("$class".to_owned(), class.to_owned())]));
    refused(&codec, &instance("os.system"), "Pickle::allow(\"os.system\") reads and writes them");
    refused(&Pickle::new().allow("Order"), &instance("Order"), "which names no module");
    refused(&Pickle::new().write_as("Trade", "Trade"), &trades(1), "which names no module");
    refused(&codec, &Python(Kind::Instance, BTreeMap::from([("id", 1)])), "first entry is not \"$class\"");
    refused(&codec, &Python(Kind::Instance, BTreeMap::<u8, u8>::new()), "a map without entries");
}

#[test]
fn arrays_in_a_form_that_is_not_written_are_refused() {
    let numpy = |rest: &[u8]| {
        let head =
            b"\x80\x05\x8c\x05numpy\x8c\x07ndarray\x93(K\x02K\x03\x86\x8c\x05numpy\x8c\x05dtype\x93\x8c\x03<i2\x85R";
        let data = [&head[..], b"C\x0c\0\0\0\0\0\0\0\0\0\0\0\0", rest, b"tR."].concat();
        Decode::<Array>::decode(&Pickle::new(), Multipart::new(data, vec![]))
    };
    assert_eq!(numpy(b"").unwrap().shape(), [2, 3]);
    assert_eq!(numpy(b"K\0N\x8c\x01F").unwrap().order(), Order::F);
    assert_eq!(numpy(b"K\0K\x06K\x02\x86\x8c\x01C").unwrap().order(), Order::C);
    for rest in [
        &b"K\0"[..],                               // an offset alone
        b"K\x02N\x8c\x01C",                        // not from the start
        b"K\0N\x8c\x01K",                          // an order that depends
        b"K\0K\x02K\x06\x86\x8c\x01C",             // strides of another order
        b"K\0K\x06\x85\x8c\x01C",                  // too few strides
        b"K\0J\xfa\xff\xff\xffK\x02\x86\x8c\x01C", // backwards
        b"K\0K\0K\x02\x86\x8c\x01C",               // fewer elements than bytes
        b"K\0N\x8c\x01CN",                         // too many arguments
    ] {
        let error = numpy(rest).unwrap_err();
        assert!(error.is_peer(), "{}: {error}", rest.escape_ascii());
    }
}

#[test]
fn dtypes_that_come_again_are_those_that_they_were() {
    let point = DType::record([("x", DType::F32), ("y", ">i2".parse().unwrap())]).unwrap();
    let dtypes = [DType::F64, DType::I32, point, ">f8".parse().unwrap(), "<M8[us]".parse().unwrap()];
    let array = |index: usize| {
        let dtype = dtypes[index].clone();
        let data = Buffer::from_vec(vec![index as u8; 2 * dtype.item_len()]);
        Array::new(dtype, [2], Order::C, data).unwrap()
    };
    let arrays: Vec<_> = [0, 0, 1, 0, 2, 2, 3, 0, 4, 4, 1, 1, 2, 3].map(array).into();
    let message = Pickle::new().encode(&arrays).unwrap();
    assert_eq!(Decode::<Vec<Array>>::decode(&Pickle::new(), message).unwrap(), arrays);
}
