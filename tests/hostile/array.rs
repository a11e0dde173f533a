//! Forged arrays are refused with an error that says which number is wrong, whatever they claim; what is accepted can be
//! printed and read without a panic.

use outband::{
    Array, Buffer, DType, Decode, Encode, Error, ErrorKind, HeadedArray, Limits, MsgPack, Multipart, Order,
    from_multipart, to_multipart,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::counting::measure;
use crate::random::Random;

/// What a refusal may take for a moment, beyond the message.
const SMALL: usize = 64 << 10;

/// An array as anybody may write it.
#[derive(Serialize)]
struct Forged {
    #[serde(rename = "$array")]
    dtype: Value,
    shape: Value,
    order: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Value>,
    data: Buffer,
}

fn forged(dtype: impl Into<Value>, shape: Value, len: usize) -> Forged {
    Forged { dtype: dtype.into(), shape, order: "C".into(), base: None, data: Buffer::from(vec![7; len]) }
}

/// Decodes what must be refused; says why it was.
fn refused(forged: &Forged) -> Error {
    let message = MsgPack::new().out_of_band_from(0).encode(&("before", forged)).unwrap();
    let (result, usage) = measure(|| from_multipart::<(String, Array)>(message.clone()));
    let error = result.expect_err("a forged array was accepted");
    assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
    let text = error.to_string();
    assert!(text.len() < 1000 && !text.ends_with('.'), "{text}");
    assert!(usage.peak < SMALL + 4 * message.metadata().len(), "{usage:?} for {text}");
    error
}

fn refused_with(forged: &Forged, why: &str) {
    let text = refused(forged).to_string();
    assert!(text.contains(why), "{text}: not {why}");
    assert!(text.contains("[1]"), "{text}: no path");
}

#[test]
fn shapes_that_lie_are_refused() {
    refused_with(&forged("<f8", json!([2, 2]), 31), "shape (2, 2) of <f8 takes 32 bytes, and there are 31");
    refused_with(&forged("<f8", json!([2, 2]), 33), "and there are 33");
    refused_with(&forged("<f8", json!([0]), 8), "takes 0 bytes, and there are 8");
    refused_with(&forged("<f8", json!([]), 0), "takes 8 bytes, and there are 0");
    refused_with(&forged("<f8", json!([u64::MAX]), 8), "overflows");
    refused_with(&forged("<f8", json!([1_u64 << 61]), 0), "overflows");
    refused_with(&forged("|u1", json!([1_u64 << 63]), 0), "overflows");
    refused_with(&forged("|u1", json!([1_u64 << 32, 1_u64 << 32]), 0), "overflows");
    refused_with(&forged("|u1", json!([1_u64 << 32, 1_u64 << 32, 0]), 0), "overflows");
    // elements that take no bytes, and of which a short message says that there are many
    for dtype in ["|V0", "|S0", "<U0"] {
        refused_with(
            &forged(dtype, json!([1_u64 << 62]), 0),
            "4611686018427387904 elements without bytes, the limit is 16777216",
        );
        refused_with(&forged(dtype, json!([4097, 4096]), 0), "16781312 elements without bytes");
    }
    refused_with(&forged("|V0", json!([1_u64 << 32, 1_u64 << 32]), 0), "overflows");
    refused_with(&forged("|u1", json!([1_u64 << 40]), 100), "takes 1099511627776 bytes, and there are 100");
    refused_with(&forged("|u1", json!(vec![1; 65]), 1), "more than 64 axes");
    refused_with(&forged("|u1", json!(vec![1; 100_000]), 1), "more than 64 axes");
    refused_with(&forged("|u1", json!([-1]), 1), "-1");
    refused_with(&forged("|u1", json!([1.0]), 1), "1.0");
    refused_with(&forged("|u1", json!("1"), 1), "a shape");
    refused_with(&forged("|u1", json!([[1]]), 1), "sequence");
    refused_with(&Forged { order: "K".into(), ..forged("|u1", json!([1]), 1) }, "K");
    refused_with(&Forged { order: json!(1), ..forged("|u1", json!([1]), 1) }, "order");
    // a list of axes has each of them once
    for order in [json!([]), json!([0]), json!([0, 0]), json!([0, 2]), json!([1, 0, 2]), json!([0, u64::MAX])] {
        refused_with(&Forged { order, ..forged("|u1", json!([2, 3]), 6) }, "are not its 2 axes, each once");
    }
    refused_with(&Forged { order: json!([0, -1]), ..forged("|u1", json!([2, 3]), 6) }, "invalid value");
    refused_with(&Forged { order: json!(vec![0; 65]), ..forged("|u1", json!([1]), 1) }, "more than 64 axes");
    from_multipart::<Array>(to_multipart(&forged("|u1", json!(vec![1; 64]), 1)).unwrap()).unwrap();
}

#[test]
fn broadcasts_that_do_not_fit_are_refused() {
    let broadcast = |base: Value, shape: Value, len| Forged { base: Some(base), ..forged("<u2", shape, len) };
    let misfits = [
        broadcast(json!([2]), json!([4]), 4),
        broadcast(json!([4]), json!([1, 4]), 8),
        broadcast(json!([1, 4]), json!([4]), 8),
        broadcast(json!([0]), json!([4]), 0),
        broadcast(json!([]), json!([4]), 2),
    ];
    for misfit in &misfits {
        refused_with(misfit, "does not broadcast to");
    }
    refused_with(&broadcast(json!([1, 4]), json!([9, 4]), 72), "shape (1, 4) of <u2 takes 8 bytes, and there are 72");
    refused_with(&broadcast(json!([1]), json!([1_u64 << 63]), 2), "overflows");
    // 8 EiB of 2 bytes is an array; copying it out is an error and no crash
    let huge = broadcast(json!([1]), json!([1_u64 << 61]), 2);
    let huge: Array = from_multipart(to_multipart(&huge).unwrap()).unwrap();
    assert!(huge.to_string().len() < 200, "{huge}");
    for error in [huge.to_contiguous().unwrap_err(), huge.to_vec::<u16>().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.to_string().contains("4611686018427387904"), "{error}");
    }
}

#[test]
fn texts_that_are_no_dtype_are_refused() {
    let texts = [
        "",
        "<",
        "f8",
        "=f8",
        "|f8",
        "<f",
        "<f3",
        "<f16",
        "<g8",
        "<i16",
        "<b8",
        "<u0",
        "<f08x",
        "<f+8",
        "<f-8",
        "<f 8",
        " <f8",
        "<f8 ",
        "<f8\0",
        "<F8",
        "float64",
        "<M8[",
        "<M8]",
        "<M8[]",
        "<M8[xs]",
        "<M8[0s]",
        "<M8[-1s]",
        "<M8[1]",
        "<M8[s",
        "<M8[99999999999s]",
        "<M8[2147483648s]",
        "<M4[s]",
        "|M8[s]",
        "<m8[generic]",
        "|O",
        "|O8",
        "<O8",
        "|U3",
        "U3",
        "|S-1",
        "|V99999999999999999999",
        ">bfloat16",
        "bfloat",
        "BFLOAT16",
        "ßf8",
        "<ß8",
        "[('a', '<f8')]",
        "{}",
        "?",
        "<f８",
    ];
    for text in texts {
        refused_with(&forged(text, json!([1]), 8), "is no dtype that can be sent");
        assert!(text.parse::<DType>().is_ok() || text.parse::<DType>().unwrap_err().kind() == ErrorKind::Caller);
    }
    for text in ["|S2147483648", "<U536870912", "|V18446744073709551615"] {
        refused_with(&forged(text, json!([1]), 8), "longer than the limit of 2147483647");
    }
    refused_with(&forged("<f8".repeat(1 << 20), json!([1]), 8), "too long");
    for value in [json!(8), json!(null), json!(true), json!({"a": "<f8"}), json!(1.5)] {
        refused_with(&forged(value, json!([1]), 8), "a dtype");
    }
}

/// Records within records, so many levels.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!("|u1"), |inner, _| json!([["f", inner]]))
}

#[test]
fn records_that_lie_are_refused() {
    let cases = [
        (json!([["a"]]), "1 parts"),
        (json!([["a", "|u1", [1], 2]]), "4 parts"),
        (json!([[]]), "0 parts"),
        (json!(["a", "b"]), "a field is not a list"),
        (json!([[1, "|u1"]]), "name is not a text"),
        (json!([[["t", "n", "x"], "|u1"]]), "a title and a name"),
        (json!([["a", 1]]), "neither a text nor a list"),
        (json!([["a", "<f3"]]), "is no dtype"),
        (json!([["a", "f8"]]), "byte order"),
        (json!([["a", "|u1", ["x"]]]), "other than unsigned numbers"),
        (json!([["a", "|u1"], ["a", "|u1"]]), "two fields have the name"),
        (json!([["", "<f8"]]), "has no name"),
        (json!([["a", "|u1", [1_u64 << 31]]]), "longer than the limit of 2147483647"),
        (json!([["a", "|u1", [1_u64 << 32, 1_u64 << 32]]]), "longer than the limit"),
        (json!([["a", "<f8", [0, u64::MAX, u64::MAX]]]), "longer than the limit"),
        (json!([["a", "|V2147483647"], ["b", "|u1"]]), "2147483648 bytes is longer"),
        (json!([["", "|V2147483647"], ["", "|V1"]]), "2147483648 bytes is longer"),
        (json!([["a", "|u1", vec![1; 65]]]), "65 axes"),
        (json!([["a", ["|u1", vec![1; 64]], [1]]]), "65 axes"),
        (json!([["a", ["|u1", [1 << 16]], [1 << 16]]]), "longer than the limit"),
        (json!([["a", ["|u1", []]]]), "a field is not a list"),
        (json!([["a", ["|u1", ["x"]]]]), "a field is not a list"),
        (json!([["a", ["|u1", [1], [1]]]]), "a field is not a list"),
        (json!([["a", [1, [1]]]]), "neither a text nor a list"),
        (json!([["a", "|S0", [(1 << 24) + 1]], ["b", "|u1"]]), "16777217 elements without bytes"),
        (json!([["a", "<U0", [1_u64 << 40, 1 << 20]], ["b", "|u1"]]), "elements without bytes, the limit is 16777216"),
    ];
    for (dtype, why) in cases {
        refused_with(&forged(dtype, json!([1]), 1), why);
    }
    let most = json!([["a", "|S0", [1 << 24]], ["b", "|u1"]]);
    assert!(
        from_multipart::<Array>(to_multipart(&forged(most, json!([1]), 1)).unwrap()).unwrap().to_string().len() < 200
    );
    // metadata of more levels is refused before it comes to arrays
    assert!(from_multipart::<Array>(to_multipart(&forged(deep(29), json!([1]), 1)).unwrap()).is_ok());
    let mut dtype = DType::U8;
    for _ in 0..32 {
        dtype = DType::record([("f", dtype)]).unwrap();
    }
    assert!(DType::record([("f", dtype.clone())]).unwrap_err().to_string().contains("deeper than the limit of 32"));
    assert_eq!(dtype.to_string().parse::<DType>().unwrap(), dtype);
    assert!(serde_json::from_value::<DType>(deep(32)).is_ok());
    assert!(serde_json::from_value::<DType>(deep(33)).unwrap_err().to_string().contains("deeper"));
    // a megabyte of empty lists would be 32 of memory
    let many = json!(vec![Value::Array(vec![]); 1 << 20]);
    let message = to_multipart(&forged(many, json!([1]), 1)).unwrap();
    let (result, usage) = measure(|| from_multipart::<Array>(message));
    assert!(result.unwrap_err().to_string().contains("more than 65536 parts"));
    assert!(usage.peak < 8 << 20, "{usage:?}");
}

#[test]
fn changed_messages_are_refused_or_valid() {
    let record: DType =
        "[('a', '>f4'), ('', '|V2'), ('b', [('c', '<U2'), ('d', '>M8[ns]', (2,))]), ('e', '|S3')]".parse().unwrap();
    let bytes = Buffer::from((0..6 * record.item_len()).map(|at| at as u8).collect::<Vec<u8>>());
    let arrays = [
        Array::new(record, [2, 3], Order::F, bytes).unwrap(),
        Array::from_shape_vec([4, 2], vec![1.5_f64; 8]).unwrap(),
        Array::broadcast(DType::I16, [1, 3], [5, 3], Order::C, Buffer::from(vec![1; 6])).unwrap(),
    ];
    let mut random = Random::seeded(11);
    let (mut accepted, mut broken) = (0, 0);
    for array in arrays {
        let message = MsgPack::new().out_of_band_from(usize::MAX).encode(&array).unwrap();
        // a debug build takes ten times as long for each
        for _ in 0..if cfg!(debug_assertions) { 20_000 } else { 40_000 } {
            let mut metadata = message.metadata().to_vec();
            for _ in 0..1 + random.below(3) {
                let at = random.below(metadata.len());
                metadata[at] = match random.below(4) {
                    0 => random.next() as u8,
                    1 => metadata[at].wrapping_add(1),
                    2 => metadata[random.below(metadata.len())],
                    _ => b"<>|=[]'bBSUVMm0123456789"[random.below(24)],
                };
            }
            let (result, usage) = measure(|| from_multipart::<Array>(Multipart::new(metadata, vec![])));
            assert!(usage.peak < SMALL, "{usage:?}");
            match result {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
                    broken += 1;
                }
                Ok(array) => {
                    accepted += 1;
                    assert!(format!("{array} {array:?}").len() < 1500);
                    assert_eq!(array.strides().len(), array.ndim());
                    array.to_native().unwrap();
                    if array.byte_len() < 1 << 20 {
                        let whole = array.to_contiguous().unwrap().to_order(Order::C).unwrap();
                        assert_eq!(whole.data().len(), array.byte_len());
                        let _ = (array.to_vec::<f64>(), array.as_slice::<i16>());
                    }
                    let again: Array = from_multipart(to_multipart(&array).unwrap()).unwrap();
                    assert_eq!(again, array);
                }
            }
        }
    }
    assert!(accepted > 1000 && broken > 1000, "{accepted} accepted, {broken} broken");
}

#[test]
fn headers_that_lie_are_refused() {
    let decode = |header: &[u8], frames: Vec<Buffer>| {
        let message = Multipart::new(header.to_vec(), frames);
        let (result, usage) = measure(|| HeadedArray::new().decode(message));
        assert!(usage.peak < 4 << 20, "{usage:?}");
        let error = result.expect_err("a forged header was accepted");
        assert_eq!(error.kind(), ErrorKind::Peer);
        let text = error.to_string();
        assert!(text.starts_with("the message is no array") && text.len() < 1000, "{text}");
        text
    };
    let one = || vec![Buffer::from(vec![0; 8])];
    let said = |dtype: &str| serde_json::to_vec(&json!({ "dtype": dtype, "shape": [1] })).unwrap();
    assert!(decode(&said("float64"), vec![]).contains("0 frames follow the header"));
    assert!(decode(&said("float64"), [one(), one()].concat()).contains("2 frames follow"));
    assert!(decode(&said("float32"), one()).contains("takes 4 bytes, and there are 8"));
    assert!(decode(&said("object"), one()).contains("is no dtype"));
    assert!(decode(&said("|O"), one()).contains("Python objects"));
    assert!(decode(&said("float128"), one()).contains("is no dtype"));
    assert!(decode(b"", one()).contains("EOF"));
    assert!(decode(b"[1", one()).contains("line 1"));
    assert!(decode(br#"{"dtype": "float64"}"#, one()).contains("shape"));
    assert!(decode(br#"{"dtype": "float64", "shape": [-1]}"#, one()).contains("-1"));
    assert!(decode(br#"{"dtype": "float64", "shape": [4611686018427387904, 4]}"#, one()).contains("overflows"));
    assert!(decode(&said(&"x".repeat(2 << 20)), one()).contains("the limit is 1048576"));
    assert!(decode(&said(&"x".repeat(1 << 19)), one()).contains("too long"));
    let lists = [
        "[",
        "[(",
        "[('a'",
        "[('a',",
        "[('a', '<f8'",
        "[('a', '<f8')",
        "[('a', '<f8')] x",
        "[('a' '<f8')]",
        "[__import__('os')]",
        "[('a', '<f8' * 9)]",
        "['a\\q']",
        "['\\ud800']",
        "[('a', 99999999999999999999)]",
        "[('a', -1)]",
        "{",
        "{'names'",
        "{1: 2}",
        "{'names': []}",
        "{'names': ['a'], 'formats': [], 'offsets': [], 'itemsize': 0}",
        "{'names': ['a'], 'formats': ['u1'], 'offsets': [1], 'itemsize': 1}",
        "{'names': ['a', 'b'], 'formats': ['<f8', 'u1'], 'offsets': [0, 4], 'itemsize': 8}",
        "{'names': ['a'], 'formats': ['u1'], 'offsets': [18446744073709551615], 'itemsize': 18446744073709551615}",
        "{'names': ['a'], 'formats': ['u1'], 'offsets': [0]}",
    ];
    for list in lists {
        decode(&said(list), one());
    }
    assert!(decode(&said(&"[".repeat(100_000)), one()).contains("too deep"));
    assert!(decode(&said(&format!("[{}]", "(),".repeat(100_000))), one()).contains("more than 65536 parts"));
    // and the same reader takes what is right
    for right in [
        "float64",
        "[('a', '<f8')]",
        "datetime64[ns]",
        "{'names': ['a'], 'formats': ['u1'], 'offsets': [7], 'itemsize': 8}",
    ] {
        assert_eq!(HeadedArray::new().decode(Multipart::new(said(right), one())).unwrap().len(), 1);
    }
}

#[test]
fn limits_of_headed_arrays_hold_both_ways() {
    let array = Array::from_vec(vec![0_u8; 1000]);
    let message = HeadedArray::new().encode(&array).unwrap();
    for limits in [Limits::new().metadata_bytes(10), Limits::new().total_bytes(1000)] {
        let codec = HeadedArray::new().limits(limits);
        assert_eq!(codec.encode(&array).unwrap_err().kind(), ErrorKind::Limits);
        assert_eq!(codec.decode(message.clone()).unwrap_err().kind(), ErrorKind::Limits);
    }
    // nor are elements copied out for a message that nobody takes
    for (codec, len) in
        [(HeadedArray::new(), 1 << 40), (HeadedArray::new().limits(Limits::new().total_bytes(1 << 20)), 1 << 24)]
    {
        let array = Array::broadcast(DType::U8, [1], [len], Order::C, Buffer::from(vec![7])).unwrap();
        let (encoded, usage) = measure(|| codec.encode(&array));
        assert_eq!(encoded.unwrap_err().kind(), ErrorKind::Limits);
        assert!(usage.peak < SMALL, "{usage:?}");
    }
    // a header that no receiver reads is not sent
    let dtype = DType::record([("x".repeat(1 << 20), DType::U8)]).unwrap();
    let error = HeadedArray::new().encode(&array.with_dtype(dtype).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller);
    assert!(error.to_string().contains("read no more than 1048576"), "{error}");
}
