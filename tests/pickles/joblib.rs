//! Files of `joblib.dump`, whose arrays lie between the opcodes: golden ones of two versions, and what nobody would write.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[cfg(feature = "arrow")]
use outband::Table;
use outband::{Array, Decode, MsgPack, Multipart, Order, Pickle, Value, memory};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::pickles;
use crate::seen::Seen;

fn read<T: DeserializeOwned>(data: &[u8]) -> outband::Result<T> {
    Pickle::new().decode(Multipart::new(data.to_vec(), vec![]))
}

#[test]
fn what_joblib_dumped_is_what_it_was() {
    for (file, is_padded) in [("joblib-1.1.bin", false), ("joblib-1.6.bin", true)] {
        let golden = pickles::of_golden(file);
        for one in &golden {
            let seen: Seen =
                Pickle::new().decode(one.message.clone()).unwrap_or_else(|error| panic!("{}: {error}", one.name));
            let expected: Seen = MsgPack::new().decode(one.written.clone()).unwrap();
            assert_eq!(seen, expected, "{file}: {}", one.name);
            let names_padding = one.message.metadata().windows(15).any(|part| part == b"alignment_bytes");
            assert_eq!(names_padding, is_padded, "{file}: {}", one.name);
        }
        for protocol in 0..6 {
            let count = golden.iter().filter(|one| one.name.ends_with(&format!("protocol {protocol}"))).count();
            assert!(count >= 2, "{file} has {count} of protocol {protocol}");
        }
    }
}

#[test]
fn a_file_of_joblib_without_arrays_is_a_pickle() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Model {
        name: String,
        scores: Vec<f64>,
        when: String,
        steps: (String, String),
        classes: BTreeSet<u8>,
    }
    // joblib.dump({"name": "fit", "scores": [0.5, 0.25], "when": date(2026, 11, 21), "steps": ("scale", "fit"),
    // "classes": {1, 2}}) of joblib 1.6
    let model: Model = read(include_bytes!("../golden/pickle/joblib-plain.bin")).unwrap();
    let steps = ("scale".to_owned(), "fit".to_owned());
    let (when, classes) = ("2026-11-21".to_owned(), BTreeSet::from([1, 2]));
    assert_eq!(model, Model { name: "fit".to_owned(), scores: vec![0.5, 0.25], when, steps, classes });
}

#[test]
fn an_array_in_a_file_of_joblib_stays_where_it_lies() {
    #[derive(Deserialize)]
    struct Model {
        name: String,
        weights: Array,
    }
    // joblib.dump({"name": "fit", "weights": numpy.arange(6.0).reshape(2, 3)}) of joblib 1.6
    let model: Model = read(include_bytes!("../golden/pickle/joblib.bin")).unwrap();
    assert_eq!(model.name, "fit");
    assert_eq!((model.weights.shape(), model.weights.order()), (&[2, 3][..], Order::C));
    assert_eq!(model.weights.to_vec::<f64>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // as much as its frame is worth keeping for
    let padding = [text("numpy_array_alignment_bytes"), b"K\x10".to_vec()].concat();
    let file = [&wrapper(b"Kd\x85", &floats(0), &padding)[..], b"\x02..", &[0; 800], b"."].concat();
    let file = Multipart::new(file, vec![]);
    let (frame, copied) = (file.metadata().clone(), memory::copied_bytes());
    let array: Array = Pickle::new().decode(file).unwrap();
    assert_eq!(
        (array.data().as_ptr_range().end, memory::copied_bytes()),
        (frame[..frame.len() - 1].as_ptr_range().end, copied)
    );
}

#[cfg(feature = "arrow")]
#[test]
fn a_data_frame_in_a_file_of_joblib_is_a_table() {
    // joblib.dump(pandas.DataFrame({"city": ["Oslo", None, "Bergen"], "id": [1, 2, 3], "share": [0.5, 0.25, 0.125]})) of joblib 1.1
    // and pandas 2.2: its texts are a pickle within the pickle
    let table: Table = read(include_bytes!("../golden/pickle/joblib-frame.bin")).unwrap();
    let names: Vec<_> = table.batch().schema().fields().iter().map(|field| field.to_string()).collect();
    assert_eq!((table.batch().num_rows(), names.len()), (3, 3));
    assert!(
        names[0].contains("\"city\": nullable Utf8") && names[2].contains("\"share\": nullable Float64"),
        "{names:?}"
    );
    assert_eq!(table.batch().column(0).null_count(), 1);
}

/// `SHORT_BINUNICODE`.
fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8][..], text.as_bytes()].concat()
}

const CLASS: &[u8] = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n";

/// The dtype of 8-byte floats, with these flags.
fn floats(flags: u8) -> Vec<u8> {
    [
        b"cnumpy\ndtype\n(",
        &text("f8")[..],
        b"\x89\x88tR(K\x03",
        &text("<"),
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK",
        &[flags],
        b"tb",
    ]
    .concat()
}

/// A wrapper with its state, before what lies after it.
fn wrapper(shape: &[u8], dtype: &[u8], more: &[u8]) -> Vec<u8> {
    let entries = [
        text("subclass"),
        b"cnumpy\nndarray\n".to_vec(),
        text("shape"),
        shape.to_vec(),
        text("order"),
        text("C"),
        text("dtype"),
        dtype.to_vec(),
        more.to_vec(),
    ];
    [CLASS, b")\x81}(", &entries.concat(), b"ub"].concat()
}

fn refused(data: &[u8], expected: &str) {
    for error in [read::<Value>(data).map(drop), read::<Array>(data).map(drop)] {
        let error = error.expect_err(&data.escape_ascii().to_string());
        assert!(error.is_peer() && error.to_string().contains(expected), "{}: {error}", data.escape_ascii());
    }
}

#[test]
fn every_size_is_compared_with_what_is_there() {
    let (two, padded) = (&b"K\x02\x85"[..], [text("numpy_array_alignment_bytes"), b"K\x10".to_vec()].concat());
    let bare = wrapper(two, &floats(0), b"");
    let with_padding = wrapper(two, &floats(0), &padded);
    let whole: Array = read(&[&bare[..], &[0; 16], b"."].concat()).unwrap();
    assert_eq!(whole.to_vec::<f64>().unwrap(), [0.0, 0.0]);
    let whole: Array = read(&[&with_padding[..], b"\x03...", &[0; 16], b"."].concat()).unwrap();
    assert_eq!(whole.to_vec::<f64>().unwrap(), [0.0, 0.0]);

    refused(&[&bare[..], &[0; 15]].concat(), "(BUILD): it needs 16 bytes, and 15 are left of the pickle");
    refused(&[&bare[..], &[0; 16]].concat(), "the pickle ends without STOP");
    refused(&with_padding, "it needs 1 bytes, and 0 are left of the pickle");
    refused(
        &[&with_padding[..], b"\xff", &[0xff; 17], b"."].concat(),
        "it needs 255 bytes, and 18 are left of the pickle",
    );
    refused(
        &[&with_padding[..], b"\x04", &[0xff; 17], b"."].concat(),
        "it needs 16 bytes, and 14 are left of the pickle",
    );
    // made as protocol 0 makes instances of a class of Python 2
    let inst = [b"(i", &CLASS[1..], &bare[CLASS.len() + 2..], &[0; 16], b"."].concat();
    assert_eq!(read::<Array>(&inst).unwrap().to_vec::<f64>().unwrap(), [0.0, 0.0]);
    // after a frame that is not at its end
    let framed = [b"\x80\x04\x95", &(bare.len() as u64 + 1).to_le_bytes()[..], &bare, &[0; 16], b"."].concat();
    refused(&framed, "1 bytes are left of the frame");
    for (shape, reason) in [
        (&b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"[..], "with a shape that no memory holds"),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", "with a shape that no memory holds"),
        (b"J\xff\xff\xff\xff\x85", "with a shape that no memory holds"),
        (b"G\x40\0\0\0\0\0\0\0\x85", "with a shape that no memory holds"),
        (b"J\xff\xff\xff\x7f\x85", "it needs 17179869176 bytes, and 17 are left of the pickle"),
        (b"N", "with a shape that no memory holds"),
    ] {
        refused(&[&wrapper(shape, &floats(0), b"")[..], &[0; 16], b"."].concat(), reason);
    }
    let many = [&b"("[..], &b"K\x01".repeat(65), b"t"].concat();
    refused(&[&wrapper(&many, &floats(0), b"")[..], &[0; 8], b"."].concat(), "with a shape that no memory holds");
}

#[test]
fn what_joblib_does_not_write_is_refused_by_name() {
    let two = &b"K\x02\x85"[..];
    let bare = wrapper(two, &floats(0), b"");
    let odd = "NumpyArrayWrapper of joblib.numpy_pickle in a form that it is not written in";
    refused(&[CLASS, b")\x81."].concat(), odd);
    refused(&[CLASS, b")\x81}b."].concat(), odd);
    refused(&[CLASS, b")\x81Nb."].concat(), odd);
    // a second state, an element, an entry
    refused(&[&bare[..], &[0; 16], b"Nb."].concat(), odd);
    refused(&[&bare[..], &[0; 16], b"(NNe."].concat(), odd);
    refused(&[&bare[..], &[0; 16], b"NNs."].concat(), odd);
    let many = (0..20).flat_map(|at| [text(&format!("more {at}")), b"N".to_vec()].concat()).collect::<Vec<_>>();
    refused(&[&wrapper(two, &floats(0), &many)[..], b"."].concat(), odd);
    for dtype in [&b"N"[..], b"cnumpy\ndtype\n(tR", b"cnumpy\ndtype\n)R(K\x03tb"] {
        refused(&[&wrapper(two, dtype, b"")[..], &[0; 16], b"."].concat(), "with a dtype that has no length");
    }
    let subclass = [text("subclass"), b"cnumpy\nrecarray\n".to_vec()].concat();
    refused(&[&wrapper(two, &floats(0), &subclass)[..], &[0; 16], b"."].concat(), odd);
    let matrix = [text("subclass"), b"cnumpy\nmatrix\n".to_vec()].concat();
    refused(&[&wrapper(two, &floats(0), &matrix)[..], &[0; 16], b"."].concat(), "asks for matrix of numpy");
    // a length that is not the dtype's own
    let four = [b"cnumpy\ndtype\n(", &text("f8")[..], b"\x89\x88tR(K\x03", &text("<"), b"NNNK\x04K\x04K\0tb"].concat();
    refused(&[&wrapper(two, &four, b"")[..], &[0; 8], b"."].concat(), "of 8 bytes that says it has 4");
}

#[test]
fn an_array_of_objects_is_a_pickle_within() {
    let objects = wrapper(b"K\x02\x85", &floats(1), b"");
    let list =
        &b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR(K\x01K\x02\x85N\x89](NNetb."[..];
    refused(&[&objects[..], list, b"."].concat(), "something else where a dtype should be");
    // what is within has a stack and a memo of its own, and a level of it
    refused(&[b"Nq\0", &objects[..], b"h\0..."].concat(), "there is no memo entry 0");
    refused(&[b"N", &objects[..], b"0..."].concat(), "it takes more values than the 0 on the stack");
    refused(&[b"N(", &objects[..], b"1..."].concat(), "there is no mark");
    refused(&[&objects[..], b"NN.."].concat(), "1 values and 0 marks are left on the stack");
    refused(&[&objects[..], &objects, &objects, b"N...."].concat(), "a pickle within a pickle within a pickle");
    refused(&objects, "the pickle ends without STOP");
    refused(&[&objects[..], b"N."].concat(), "the pickle ends without STOP");
    // it ends where its frame does
    refused(&[&objects[..], b"\x95\x03\0\0\0\0\0\0\0N.."].concat(), "1 bytes are left of the frame");
    refused(&[&objects[..], b"\x95\x02\0\0\0\0\0\0\0N.."].concat(), "in a form that it is not written in");
    // an importer within is named like any other
    refused(&[&objects[..], b"cos\nsystem\n.."].concat(), "asks for system of os");
    refused(&[&objects[..], b"N.."].concat(), "in a form that it is not written in");
}

#[test]
fn what_is_long_and_named_often_is_not_read_as_often() {
    let text = [b"X", &(1_u32 << 19).to_le_bytes()[..], &vec![b'k'; 1 << 19], b"q\x000"].concat();
    let axis = [b"I", &vec![b'0'; 1 << 19][..], b"1073741824\nq\x000"].concat();
    let state = [b"}(", &b"h\0N".repeat(16)[..], b"uq\x02"].concat();
    let shape = [b"(K\0", &b"h\0".repeat(63)[..], b"t"].concat();
    let shaped = wrapper(&shape, &floats(0), b"");
    let shaped = [&shaped[CLASS.len() + 2..shaped.len() - 1], b"q\x02"].concat();
    for (long, state) in [(text, state), (axis, shaped)] {
        // one object that is given its state over and over, and one object after the other
        let again = [b"h\x01)\x81", &b"h\x02b".repeat(100_000)[..], b"."].concat();
        let anew = [&b"h\x01)\x81h\x02b0".repeat(50_000)[..], b"N."].concat();
        for rest in [again, anew] {
            let started = Instant::now();
            let data = [&long[..], CLASS, b"q\x010", &state[..], b"0", &rest].concat();
            drop(read::<Value>(&data));
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        }
    }
}

#[test]
fn what_is_compressed_is_named() {
    let begun = |beginning: &[u8]| [beginning, &[0; 30]].concat();
    for (beginning, packing) in [
        (&b"\x1f\x8b\x08"[..], "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"]\0\0\x80", "lzma"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
        (&[&b"frame.pkl"[..], &[0; 248], b"ustar"].concat(), "tar"),
    ] {
        refused(&begun(beginning), &format!("begins as {packing} data does: decompress it first"));
    }
    for level in [b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"] {
        refused(&begun(level), "begins as zlib data does: Zipped::new(Pickle::new()) reads such");
    }
    refused(&begun(b"x\x00"), "0x78 is no opcode");
}
