//! Arrays: what they hold, how they print, and that they survive every serializer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use outband::array::{ByteOrder, Field, Kind, TimeStep, TimeUnit};
use outband::{Array, Buffer, DType, Order, from_multipart, to_multipart};
use serde::{Deserialize, Serialize};

fn dtype(text: &str) -> DType {
    text.parse().unwrap()
}

#[test]
fn type_strings_are_written_as_numpy_writes_them() {
    let texts = [
        ("|b1", "bool"),
        ("|i1", "int8"),
        ("<i2", "int16"),
        ("<i4", "int32"),
        ("<i8", "int64"),
        ("|u1", "uint8"),
        ("<u2", "uint16"),
        ("<u4", "uint32"),
        ("<u8", "uint64"),
        ("<f2", "float16"),
        ("<f4", "float32"),
        ("<f8", "float64"),
        ("<c8", "complex64"),
        ("<c16", "complex128"),
        ("bfloat16", "bfloat16"),
        ("<M8[ns]", "datetime64[ns]"),
        ("<m8[25us]", "timedelta64[25us]"),
        ("<M8", "datetime64"),
        ("|S5", "|S5"),
        ("<U7", "<U7"),
        ("|V8", "|V8"),
        (">f8", ">f8"),
        (">U3", ">U3"),
        (">M8[D]", ">M8[D]"),
        (">c16", ">c16"),
        ("|S0", "|S0"),
        ("<U0", "<U0"),
    ];
    for (text, name) in texts {
        let parsed = dtype(text);
        assert_eq!((parsed.to_string().as_str(), parsed.numpy_name().as_str()), (text, name));
        assert_eq!(dtype(name), parsed);
        let again: DType = from_multipart(to_multipart(&parsed).unwrap()).unwrap();
        assert_eq!(again, parsed);
        assert_eq!(serde_json::to_value(&parsed).unwrap(), serde_json::Value::from(text));
    }
    for (text, is) in [("=f8", "<f8"), ("i4", "<i4"), ("?", "|b1"), ("S3", "|S3"), ("<u1", "|u1"), (">i1", "|i1")] {
        assert_eq!(dtype(text).to_string(), is);
    }
    assert_eq!(dtype(">f8").byte_order(), Some(ByteOrder::Big));
    assert_eq!(dtype("|S9").byte_order(), None);
    assert_eq!(dtype("<U7").item_len(), 28);
    assert_eq!(dtype("<m8[25us]").kind(), &Kind::TimeDelta(TimeStep::new(25, TimeUnit::Microsecond).unwrap()));
}

#[test]
fn records_are_written_as_numpy_describes_them() {
    let inner = DType::record([("x", DType::F32), ("y", dtype(">f4"))]).unwrap();
    let outer = DType::record([
        Field::new("id", DType::U8).with_title("the id"),
        Field::padding(3),
        Field::new("at", inner).with_shape([2, 2]),
        Field::new("it's", dtype("<U2")),
        Field::padding(1),
    ])
    .unwrap();
    assert_eq!(outer.item_len(), 1 + 3 + 32 + 8 + 1);
    let offsets: Vec<_> = outer.fields().iter().map(|field| (field.name(), field.offset())).collect();
    assert_eq!(offsets, [("id", 0), ("at", 4), ("it's", 36)]);
    let text = r#"[(('the id', 'id'), '|u1'), ('', '|V3'), ('at', [('x', '<f4'), ('y', '>f4')], (2, 2)), ("it's", '<U2'), ('', '|V1')]"#;
    assert_eq!(outer.to_string(), text);
    assert_eq!(dtype(text), outer);
    let json = serde_json::json!([
        [["the id", "id"], "|u1"],
        ["", "|V3"],
        ["at", [["x", "<f4"], ["y", ">f4"]], [2, 2]],
        ["it's", "<U2"],
        ["", "|V1"]
    ]);
    assert_eq!(serde_json::to_value(&outer).unwrap(), json);
    assert_eq!(serde_json::from_value::<DType>(json).unwrap(), outer);
    let again: DType = from_multipart(to_multipart(&outer).unwrap()).unwrap();
    assert_eq!(again, outer);
    assert!(!outer.is_native());
    assert_eq!(outer.to_native().to_string(), text.replace('>', "<"));
    // what NumPy prints where fields are aligned
    let gaps = "{'names': ['a', 'b', 'c'], 'formats': ['u1', ('<f8', (3,)), [('x', '<i4'), ('y', '<i4')]], \
                'offsets': [0, 8, 32], 'itemsize': 48, 'aligned': True}";
    assert_eq!(
        dtype(gaps).to_string(),
        "[('a', '|u1'), ('', '|V7'), ('b', '<f8', (3,)), ('c', [('x', '<i4'), ('y', '<i4')]), ('', '|V8')]"
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Named {
    name: String,
    array: Array,
    maybe: Option<Array>,
    many: Vec<Array>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    array: Array,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Array(Array),
    Other(Buffer),
}

#[test]
fn arrays_travel_in_everything_that_serde_knows() {
    let array = Array::from_shape_vec([30, 100], (0..3000).map(f64::from).collect()).unwrap();
    let row = Array::broadcast(DType::U8, [1, 3], [1000, 3], Order::C, Buffer::from_vec(vec![1_u8, 2, 3])).unwrap();
    let named = Named {
        name: "n".into(),
        array: array.clone(),
        maybe: Some(row.clone()),
        many: vec![row, array.clone(), Array::from_vec(Vec::<i8>::new())],
    };
    let message = to_multipart(&named).unwrap();
    assert_eq!(message.buffers(), [array.data().clone()]);
    assert_eq!(message.buffers()[0].as_ptr(), array.data().as_ptr());
    let back: Named = from_multipart(message).unwrap();
    assert_eq!(back, named);

    let flat = Flattened { id: 1, array: array.clone() };
    let message = to_multipart(&flat).unwrap();
    assert_eq!(message.buffers()[0].as_ptr(), array.data().as_ptr());
    let back: Flattened = from_multipart(message).unwrap();
    assert_eq!(back.array.data().as_ptr(), array.data().as_ptr());
    assert_eq!(back, flat);

    for value in [Untagged::Number(1.0), Untagged::Array(array.clone()), Untagged::Other(array.data().clone())] {
        let back: Untagged = from_multipart(to_multipart(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    let text = serde_json::to_string(&named).unwrap();
    assert_eq!(serde_json::from_str::<Named>(&text).unwrap(), named);
    let text = serde_json::to_string(&Array::from_vec(vec![1_u8, 2])).unwrap();
    assert_eq!(text, r#"{"$array":"|u1","shape":[2],"order":"C","data":[1,2]}"#);
}
