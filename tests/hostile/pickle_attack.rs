//! What CPython's own tests of its unpickler refuse, told anew for this reader, and attacks on memory and stack.
//!
//! Every refusal is of kind `Peer` or `Limits` and names byte and opcode where it is the pickle that is at fault. Everything
//! runs on a stack of 512 KiB and is measured by an allocator that counts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use outband::{Array, Buffer, Decode, Error, Limits, Multipart, Pickle, Value};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::attack::{Attack, LIMIT, MOST, check, codec};
use crate::counting::measure;
use crate::seen::Seen;
use crate::stack::on_a_small_stack;
use crate::{attack, pickles};

fn message(data: &[u8]) -> Multipart {
    Multipart::new(data.to_vec(), vec![])
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T, Error> {
    codec().decode(message(data))
}

/// The refusal of a pickle, the same whether its value is looked at or not, in little memory.
fn refusal(data: &[u8]) -> Error {
    let shown = data.escape_ascii().to_string();
    let (looked, usage) = measure(|| read::<Value>(data).map(drop));
    let looked = looked.expect_err(&shown);
    check(&looked);
    assert!(usage.peak <= 8192 + 128 * data.len(), "{shown:.80}: {usage:?}");
    let ignored = read::<IgnoredAny>(data).map(drop).expect_err(&shown);
    assert_eq!((looked.kind(), looked.to_string()), (ignored.kind(), ignored.to_string()), "{shown:.80}");
    looked
}

/// Refused where this opcode stands.
fn refused_at(data: &[u8], at: usize, opcode: &str) {
    let error = refusal(data);
    let place = format!("at byte {at} ({opcode})");
    let shown = data.escape_ascii();
    assert!(error.is_peer() && error.to_string().contains(&place), "{shown}: {error}, and not {place}");
}

const GLOBAL: &[u8] = b"cbuiltins\nlist\n";
const OBJECT: &[u8] = b"cbuiltins\nlist\n)R";

/// One value of each kind.
const VALUES: [(&str, &[u8]); 13] = [
    ("none", b"N"),
    ("integer", b"K\x01"),
    ("float", b"G?\xe0\0\0\0\0\0\0"),
    ("text", b"\x8c\x01a"),
    ("bytes", b"C\x01a"),
    ("bytearray", b"\x96\x01\0\0\0\0\0\0\0a"),
    ("tuple", b")"),
    ("list", b"]"),
    ("dict", b"}"),
    ("set", b"\x8f"),
    ("frozenset", b"(\x91"),
    ("global", GLOBAL),
    ("object", OBJECT),
];

/// An opcode with its argument, its name, and what it takes from the stack: the kinds that each operand may have.
struct Taking {
    opcode: &'static [u8],
    name: &'static str,
    operands: &'static [&'static [&'static str]],
    /// Whether it takes a mark and what is above it as well.
    marked: bool,
}

const ANY: &[&str] = &[];

/// Every opcode that takes something from the stack.
const TAKING: [Taking; 31] = [
    Taking { opcode: b".", name: "STOP", operands: &[ANY], marked: false },
    Taking { opcode: b"0", name: "POP", operands: &[ANY], marked: false },
    Taking { opcode: b"2", name: "DUP", operands: &[ANY], marked: false },
    Taking { opcode: b"\x85", name: "TUPLE1", operands: &[ANY], marked: false },
    Taking { opcode: b"\x86", name: "TUPLE2", operands: &[ANY, ANY], marked: false },
    Taking { opcode: b"\x87", name: "TUPLE3", operands: &[ANY, ANY, ANY], marked: false },
    Taking { opcode: b"a", name: "APPEND", operands: &[&["list", "object"], ANY], marked: false },
    Taking { opcode: b"s", name: "SETITEM", operands: &[&["dict", "object"], ANY, ANY], marked: false },
    Taking { opcode: b"b", name: "BUILD", operands: &[&["object"], ANY], marked: false },
    Taking { opcode: b"R", name: "REDUCE", operands: &[&["global", "object"], &["tuple"]], marked: false },
    Taking { opcode: b"\x81", name: "NEWOBJ", operands: &[&["global", "object"], &["tuple"]], marked: false },
    Taking {
        opcode: b"\x92",
        name: "NEWOBJ_EX",
        operands: &[&["global", "object"], &["tuple"], &["dict"]],
        marked: false,
    },
    Taking { opcode: b"\x93", name: "STACK_GLOBAL", operands: &[&["text"], &["text"]], marked: false },
    Taking { opcode: b"\x94", name: "MEMOIZE", operands: &[ANY], marked: false },
    Taking { opcode: b"p7\n", name: "PUT", operands: &[ANY], marked: false },
    Taking { opcode: b"q\x07", name: "BINPUT", operands: &[ANY], marked: false },
    Taking { opcode: b"r\x07\0\0\0", name: "LONG_BINPUT", operands: &[ANY], marked: false },
    Taking { opcode: b"Q", name: "BINPERSID", operands: &[ANY], marked: false },
    Taking { opcode: b"\x98", name: "READONLY_BUFFER", operands: &[&["bytes"]], marked: false },
    Taking { opcode: b"1", name: "POP_MARK", operands: &[], marked: true },
    Taking { opcode: b"t", name: "TUPLE", operands: &[], marked: true },
    Taking { opcode: b"l", name: "LIST", operands: &[], marked: true },
    Taking { opcode: b"d", name: "DICT", operands: &[], marked: true },
    Taking { opcode: b"\x91", name: "FROZENSET", operands: &[], marked: true },
    Taking { opcode: b"e", name: "APPENDS", operands: &[&["list", "object"]], marked: true },
    Taking { opcode: b"u", name: "SETITEMS", operands: &[&["dict", "object"]], marked: true },
    Taking { opcode: b"\x90", name: "ADDITEMS", operands: &[&["set", "object"]], marked: true },
    Taking { opcode: b"ibuiltins\nlist\n", name: "INST", operands: &[], marked: true },
    Taking { opcode: b"o", name: "OBJ", operands: &[], marked: true },
    // the mark itself is there, and the class is not
    Taking { opcode: b"(o", name: "OBJ", operands: &[], marked: false },
    Taking { opcode: b"(\x82\x01", name: "EXT1", operands: &[], marked: false },
];

fn value(kind: &str) -> &'static [u8] {
    VALUES.iter().find(|(name, _)| *name == kind).unwrap().1
}

impl Taking {
    /// A value that each operand may be, the lowest first.
    fn valid(&self) -> Vec<&'static [u8]> {
        self.operands.iter().map(|kinds| kinds.first().map_or(&b"N"[..], |kind| value(kind))).collect()
    }

    /// Values, a mark where the opcode takes one, the opcode, STOP; and where the opcode stands.
    fn after(&self, values: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut data = values.concat();
        data.extend(if self.marked { &b"("[..] } else { b"" });
        let at = data.len() + usize::from(self.opcode.starts_with(b"("));
        data.extend(self.opcode);
        data.push(b'.');
        (data, at)
    }
}

#[test]
fn values_that_are_not_there_are_missed_by_every_opcode() {
    on_a_small_stack(|| {
        let mut cases = 0;
        for taking in &TAKING {
            let valid = taking.valid();
            for missing in 1..=valid.len() {
                let (data, at) = taking.after(&valid[missing..]);
                refused_at(&data, at, taking.name);
                cases += 1;
            }
            // as many as it takes, and some of them are below a mark, which POP takes away
            for hidden in (1..=valid.len()).filter(|_| taking.name != "POP") {
                let mut values = valid.clone();
                values.insert(hidden, b"(");
                let (data, at) = taking.after(&values);
                refused_at(&data, at, taking.name);
                cases += 1;
            }
            if taking.marked {
                let data = [&valid.concat(), taking.opcode, b"."].concat();
                refused_at(&data, data.len() - 1 - taking.opcode.len(), taking.name);
                cases += 1;
            }
            if taking.opcode.starts_with(b"(") {
                let (data, at) = taking.after(&[]);
                refused_at(&data, at, taking.name);
                cases += 1;
            }
        }
        assert!(cases > 70, "{cases}");
    });
}

#[test]
fn values_of_the_wrong_kind_are_refused_by_every_opcode() {
    on_a_small_stack(|| {
        let mut cases = 0;
        for taking in &TAKING {
            for (place, kinds) in taking.operands.iter().enumerate().filter(|(_, kinds)| !kinds.is_empty()) {
                for (_, wrong) in VALUES.iter().filter(|(kind, _)| !kinds.contains(kind)) {
                    let mut values = taking.valid();
                    values[place] = wrong;
                    let (data, at) = taking.after(&values);
                    refused_at(&data, at, taking.name);
                    cases += 1;
                }
            }
        }
        // a key without a value, beside the dict and in one opcode with it
        refused_at(b"}(Nu.", 3, "SETITEMS");
        refused_at(b"}(NNNu.", 5, "SETITEMS");
        refused_at(b"(Nd.", 2, "DICT");
        refused_at(b"(NNNd.", 4, "DICT");
        // what is above the mark of OBJ is no class
        for (kind, wrong) in VALUES.iter().filter(|(kind, _)| !["global", "object"].contains(kind)) {
            let data = [&b"("[..], wrong, b"o."].concat();
            refused_at(&data, data.len() - 2, "OBJ");
            assert!(!kind.is_empty());
            cases += 1;
        }
        assert!(cases > 150, "{cases}");
    });
}

#[test]
fn marks_and_values_that_are_left_are_refused() {
    for (data, at) in [(&b"NN."[..], 2), (b"(N.", 2), (b"((N.", 3), (b"(NN.", 3), (b"N(.", 2), (b"]](ee.", 4)] {
        let name = if data[at] == b'.' { "STOP" } else { "APPENDS" };
        refused_at(data, at, name);
    }
    for trailing in [&b"."[..], b"N", b"\0", b"N.", b"\n", b"\x80\x04N."] {
        refused_at(&[b"N.", trailing].concat(), 1, "STOP");
    }
    assert_eq!(read::<Value>(b"(0N.").unwrap(), Value::Nil, "a mark that was taken away is not left");
}

#[test]
fn what_is_no_opcode_is_named_by_its_byte() {
    on_a_small_stack(|| {
        let known: Vec<u8> =
            b"(.012FIJKLMNPQRSTUVXabcd}eghijl]opqrst)uGBC".iter().copied().chain(0x80..=0x98).collect();
        assert_eq!(known.len(), 68);
        for byte in 0..=u8::MAX {
            // with nothing after it, with too little, and with enough for any argument of a fixed length
            for rest in [&b""[..], b".", b"\n.", b"\0\0\0\0\0\0\0\0.", b"\xff\xff\xff\xff\xff\xff\xff\xff."] {
                for before in [&b""[..], b"N", b"]", b"(", b"}NN"] {
                    let data = [before, &[byte], rest].concat();
                    match read::<Value>(&data) {
                        Err(error) => check(&error),
                        Ok(_) => assert!(known.contains(&byte), "{}", data.escape_ascii()),
                    }
                    if !known.contains(&byte) {
                        refused_at(&data, before.len(), "unknown opcode");
                        assert!(refusal(&data).to_string().contains(&format!("0x{byte:02x} is no opcode")));
                    }
                }
            }
        }
        for version in 6..=u8::MAX {
            refused_at(&[0x80, version, b'N', b'.'], 0, "PROTO");
        }
    });
}

/// The opcodes with a length before their content: opcode, name, how many bytes the length has.
const WITH_LENGTH: [(u8, &str, usize); 12] = [
    (b'U', "SHORT_BINSTRING", 1),
    (b'T', "BINSTRING", 4),
    (0x8c, "SHORT_BINUNICODE", 1),
    (b'X', "BINUNICODE", 4),
    (0x8d, "BINUNICODE8", 8),
    (b'C', "SHORT_BINBYTES", 1),
    (b'B', "BINBYTES", 4),
    (0x8e, "BINBYTES8", 8),
    (0x96, "BYTEARRAY8", 8),
    (0x8a, "LONG1", 1),
    (0x8b, "LONG4", 4),
    (0x95, "FRAME", 8),
];

#[test]
fn lengths_that_are_not_there_cost_nothing() {
    on_a_small_stack(|| {
        for (opcode, name, width) in WITH_LENGTH {
            // a length of which bytes are missing
            for given in 0..width {
                refused_at(&[&[opcode][..], &[1, 0, 0, 0, 0, 0, 0][..given]].concat(), 0, name);
            }
            let most = u64::MAX >> (64 - 8 * width);
            for content in [0_usize, 1, 5, 100] {
                let short = [1, 2, 100].map(|more| content as u64 + more);
                let huge = [most, most - 1, most / 2, most / 2 + 1, most / 2 + 2];
                for len in short.into_iter().chain(huge).filter(|&len| len > content as u64 + 1 && len <= most) {
                    // after other values too, so that "left" is not the whole pickle
                    for before in [&b""[..], b"N0]0"] {
                        let data = [before, &[opcode], &len.to_le_bytes()[..width], &vec![b'a'; content]].concat();
                        let (error, usage) = measure(|| refusal(&data));
                        assert!(error.to_string().contains(&format!("at byte {} ({name})", before.len())), "{error}");
                        assert!(usage.largest < 8192, "{name} {len}: {usage:?}");
                    }
                }
            }
        }
        // of those that are signed, the negative ones
        for len in [i32::MIN, i32::MIN + 1, -256, -2, -1] {
            for (opcode, name) in [(b'T', "BINSTRING"), (0x8b, "LONG4")] {
                let data = [&[opcode][..], &len.to_le_bytes(), b"aaaa."].concat();
                refused_at(&data, 0, name);
                assert!(refusal(&data).to_string().contains(&format!("a length of {len}")));
            }
        }
    });
}

fn frame(len: u64) -> Vec<u8> {
    [&[0x95][..], &len.to_le_bytes()].concat()
}

#[test]
fn frames_that_do_not_fit_their_opcodes_are_refused() {
    let framed = |len: u64, content: &[u8]| [&frame(len), content].concat();
    // what the frames of a pickler never cut: an argument, a line, a text
    for (content, opcode) in [
        (&b"K\x01."[..], "BININT1"),
        (b"M\x01\0.", "BININT2"),
        (b"J\x01\0\0\0.", "BININT"),
        (b"G?\xe0\0\0\0\0\0\0.", "BINFLOAT"),
        (b"X\x02\0\0\0ab.", "BINUNICODE"),
        (b"\x8c\x02ab.", "SHORT_BINUNICODE"),
        (b"\x8e\x02\0\0\0\0\0\0\0ab.", "BINBYTES8"),
        (b"\x8a\x02\x01\x01.", "LONG1"),
        (b"I12\n.", "INT"),
        (b"F1.5\n.", "FLOAT"),
        (b"Vab\n.", "UNICODE"),
        (b"S'ab'\n.", "STRING"),
        (b"cbuiltins\nlist\n0N.", "GLOBAL"),
    ] {
        read::<Value>(&framed(content.len() as u64, content)).unwrap();
        read::<Value>(content).unwrap();
        let end = content.len() - 1;
        for len in 2..end {
            // a frame that ends between parts of an argument is where CPython reads on from the file
            match read::<Value>(&framed(len as u64, content)) {
                Err(error) => assert!(error.is_peer() && error.to_string().contains(opcode), "{len}: {error}"),
                Ok(value) => assert_eq!(value, read::<Value>(content).unwrap(), "{len}: {}", content.escape_ascii()),
            }
        }
    }
    for (data, at, opcode) in [
        (framed(1, b"K\x01K\x02."), 13, "STOP"),
        (framed(0, b""), 9, "no opcode"),
        (framed(1, b""), 0, "FRAME"),
        (framed(u64::MAX, b"N."), 0, "FRAME"),
        (framed(1 << 63, b"N."), 0, "FRAME"),
        (framed(3, b"N."), 0, "FRAME"),
        (framed(2, b"N"), 0, "FRAME"),
        // one in another, at its start, in its middle, reaching over its end
        (framed(11, &framed(2, b"N.")), 9, "FRAME"),
        (framed(12, &[&b"N"[..], &framed(2, b"0.")].concat()), 10, "FRAME"),
        (framed(10, &framed(2, b"N.")), 9, "FRAME"),
        (framed(0, &framed(1, &framed(9, b"N."))), 18, "FRAME"),
        // the length of the second one is not in the first one
        (framed(5, &framed(2, b"N.")), 9, "FRAME"),
        (b"\x95".to_vec(), 0, "FRAME"),
        (b"\x95\x01".to_vec(), 0, "FRAME"),
        // after the end
        ([&b"N."[..], &frame(0)].concat(), 1, "STOP"),
    ] {
        refused_at(&data, at, opcode);
    }
    // empty ones, one after the other, and opcodes between them
    let data = [frame(0), frame(0), frame(1), b"N0".to_vec(), frame(2), b"N.".to_vec()].concat();
    assert_eq!(read::<Value>(&data).unwrap(), Value::Nil);
}

#[test]
fn lines_that_are_no_number_or_text_are_refused() {
    let integers = [
        "",
        "-",
        "+",
        "+1",
        "--1",
        "1-",
        "x",
        "1x",
        "0x10",
        "0o7",
        "0b1",
        "017",
        "-017",
        "-0",
        "000",
        "1_000",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "1\0",
        "\0",
        "１",
        "٣",
        "inf",
        "None",
        "True",
        "1L L",
        "LL",
        "\r",
        "1\r",
        "\u{feff}1",
    ];
    let floats = [
        "", "-", ".", "e5", "1e", "1.5.2", "0x1p3", "1_0.0", " 1.5", "1.5 ", "1e999", "-1e999", "1\0", "None", "1,5",
        "infinite", "１.5",
    ];
    let numbers = [
        "",
        "-1",
        "-0",
        "x",
        "1.0",
        "0x1",
        " 1",
        "1 ",
        "1_0",
        "18446744073709551616",
        "99999999999999999999999999",
        "\0",
    ];
    let strings = [
        "", "'", "\"", "''x", "x''", "'abc", "abc'", "'abc\"", "abc", "b'abc'", "'\\'", "'\\x'", "'\\x4'", "'\\xg0'",
        " 'a'", "'a' ",
    ];
    let unicodes = [
        "\\u",
        "\\u1",
        "\\u12g4",
        "\\u 123",
        "\\U0001f60",
        "\\U00110000",
        "\\Uffffffff",
        "\\ud800",
        "\\udfff",
        "\\ud83d\\ude00",
        "\\U0000d800",
    ];
    let bad: [(u8, &str, &[&str]); 8] = [
        (b'I', "INT", &integers),
        (b'L', "LONG", &integers),
        (b'F', "FLOAT", &floats),
        (b'g', "GET", &numbers),
        (b'p', "PUT", &numbers),
        (b'S', "STRING", &strings),
        (b'V', "UNICODE", &unicodes),
        (b'I', "INT", &["5L", "L"]),
    ];
    for (opcode, name, lines) in bad {
        for line in lines {
            let before: &[u8] = if name == "PUT" { b"N" } else { b"" };
            let data = [before, &[opcode], line.as_bytes(), b"\n."].concat();
            refused_at(&data, before.len(), name);
        }
    }
    // bytes that are no UTF-8, and lines that do not end
    for (opcode, name) in
        [(b'I', "INT"), (b'L', "LONG"), (b'F', "FLOAT"), (b'S', "STRING"), (b'g', "GET"), (b'P', "PERSID")]
    {
        refused_at(&[&[opcode][..], b"\xff\xfe\n."].concat(), 0, name);
    }
    for (opcode, name) in [
        (b'I', "INT"),
        (b'L', "LONG"),
        (b'F', "FLOAT"),
        (b'S', "STRING"),
        (b'V', "UNICODE"),
        (b'g', "GET"),
        (b'P', "PERSID"),
    ] {
        for rest in [&b""[..], b"1", b"'a'", b"\r", b"1.", b"\xff"] {
            refused_at(&[&[opcode], rest].concat(), 0, name);
        }
    }
    for (opcode, name) in [(b'c', "GLOBAL"), (b'i', "INST")] {
        for rest in [
            &b""[..],
            b"builtins",
            b"builtins\n",
            b"builtins\nlist",
            b"\n",
            b"\xff\nlist\n.",
            b"builtins\n\xff\n.",
            b"\xed\xa0\x80\na\n.",
        ] {
            refused_at(&[b"(", &[opcode][..], rest].concat(), 1, name);
        }
    }
    // what both of CPython's readers take as the same
    for (data, expected) in [
        (&b"I00\n."[..], Value::Bool(false)),
        (b"I01\n.", Value::Bool(true)),
        (b"I0\n.", Value::Int(0)),
        (b"I-5\n.", Value::Int(-5)),
        (b"L5L\n.", Value::Int(5)),
        (b"L-5\n.", Value::Int(-5)),
        (b"F-inf\n.", Value::F64(f64::NEG_INFINITY)),
        (b"F1e308\n.", Value::F64(1e308)),
    ] {
        assert_eq!(read::<Value>(data).unwrap(), expected, "{}", data.escape_ascii());
    }
    assert_eq!(read::<u64>(b"Np007\n0g7\n0I7\n.").unwrap(), 7);
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let bad: [&[u8]; 10] = [
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"a\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xc3",
        b"\xfe",
    ];
    for text in bad {
        refused_at(&[&[0x8c, text.len() as u8][..], text, b"."].concat(), 0, "SHORT_BINUNICODE");
        refused_at(&[&b"X"[..], &(text.len() as u32).to_le_bytes(), text, b"."].concat(), 0, "BINUNICODE");
        refused_at(&[&b"\x8d"[..], &(text.len() as u64).to_le_bytes(), text, b"."].concat(), 0, "BINUNICODE8");
    }
}

/// A value in each of the places that a pickle has for one; the pickle without STOP.
fn places(inner: &[u8]) -> Vec<Vec<u8>> {
    [
        [inner, b""].concat(),
        [inner, b"0N"].concat(),
        [b"(", inner, b"1N"].concat(),
        [b"]", inner, b"a"].concat(),
        [b"](", inner, b"e"].concat(),
        [inner, b"\x85"].concat(),
        [b"}", inner, b"Ns"].concat(),
        [b"}N", inner, b"s"].concat(),
        [b"\x8f(", inner, b"\x90"].concat(),
        [b"(", inner, b"\x91"].concat(),
        [inner, b"\x940N"].concat(),
        [inner, b"q\x05\x85h\x05\x86"].concat(),
        [GLOBAL, inner, b"\x85R"].concat(),
        [OBJECT, inner, b"a"].concat(),
        [OBJECT, inner, b"b"].concat(),
        [GLOBAL, b")}K\x01", inner, b"s\x92"].concat(),
        [b"(", GLOBAL, inner, b"o"].concat(),
        [b"(", inner, b"ibuiltins\nlist\n"].concat(),
    ]
    .to_vec()
}

#[test]
fn persistent_ids_and_extension_codes_are_refused_wherever_they_stand() {
    for (inner, name) in [
        (&b"Pid\n"[..], "PERSID"),
        (b"P\n", "PERSID"),
        (b"NQ", "BINPERSID"),
        (b"\x8c\x02idQ", "BINPERSID"),
        (b"NQQ", "BINPERSID"),
        (b"]Q", "BINPERSID"),
        (b"\x82\0", "EXT1"),
        (b"\x82\x01", "EXT1"),
        (b"\x82\xff", "EXT1"),
        (b"\x83\0\0", "EXT2"),
        (b"\x83\xff\xff", "EXT2"),
        (b"\x84\0\0\0\0", "EXT4"),
        (b"\x84\x01\0\0\0", "EXT4"),
        (b"\x84\xff\xff\xff\x7f", "EXT4"),
        (b"\x84\xff\xff\xff\xff", "EXT4"),
    ] {
        for place in places(inner) {
            let error = refusal(&[&place[..], b"."].concat());
            let text = error.to_string();
            assert!(error.is_peer() && text.contains(&format!("({name})")), "{}: {text}", place.escape_ascii());
            let reason = if name.starts_with("EXT") { "extension codes" } else { "persistent id" };
            assert!(text.contains(reason), "{text}");
        }
    }
}

#[test]
fn buffers_that_are_not_there_and_those_that_are_no_buffers_are_refused() {
    let with = |data: &[u8], frames: usize| {
        let buffers = (0..frames).map(|index| Buffer::from(vec![index as u8; 3])).collect();
        Multipart::new(data.to_vec(), buffers)
    };
    for (named, frames) in [(1, 0), (2, 1), (3, 0), (0, 1), (1, 2), (0, 100), (100, 99), (99, 100)] {
        let data = [&b"("[..], &b"\x97".repeat(named), b"t."].concat();
        for looked in [true, false] {
            let error = match looked {
                true => Decode::<Value>::decode(&codec(), with(&data, frames)).map(drop).unwrap_err(),
                false => Decode::<IgnoredAny>::decode(&codec(), with(&data, frames)).map(drop).unwrap_err(),
            };
            let expected = match named > frames {
                true => format!("buffer frame {frames} is missing: the message has {frames}"),
                false => format!("buffer frame {named} of {frames} is not referenced"),
            };
            assert!(error.is_peer() && error.to_string().contains(&expected), "{error}");
        }
    }
    // thrown away is referenced, as it is for Python
    Decode::<Value>::decode(&codec(), with(b"\x970N.", 1)).unwrap();
    for (kind, data) in VALUES.iter().filter(|(kind, _)| *kind != "bytes") {
        let data = [data, &b"\x98."[..]].concat();
        assert!(!kind.is_empty());
        refused_at(&data, data.len() - 2, "READONLY_BUFFER");
    }
    let read_only = Decode::<Buffer>::decode(&codec(), with(b"\x97\x98\x98.", 1)).unwrap();
    assert_eq!(read_only, Buffer::from(vec![0; 3]));
}

#[test]
fn memo_entries_cost_what_they_hold() {
    on_a_small_stack(|| {
        // CPython 3.11 sets aside gigabytes for the first of these
        for data in [
            &b"Nr\xff\xff\xff\x7f."[..],
            b"Nr\0\0\0\x80.",
            b"Nr\xff\xff\xff\xff.",
            b"Np2147483648\n.",
            b"Np4294967296\n.",
            b"Np18446744073709551615\n.",
            b"Nr\xff\xff\xff\x7f0j\xff\xff\xff\x7f.",
            b"Np18446744073709551615\n0g18446744073709551615\n.",
            b"Nr\xff\xff\xff\x7f\x94\x94h\x01h\x02\x87\x850N.",
        ] {
            let (value, usage) = measure(|| read::<Value>(data).unwrap());
            assert_eq!(value, Value::Nil);
            assert!(usage.peak < 8192, "{usage:?}");
        }
        // as many as fit, in orders that make gaps and fill them
        for order in [|index: u32| index, |index: u32| u32::MAX - index, |index: u32| index.wrapping_mul(0x9e37_79b9)] {
            let puts: Vec<u8> =
                (0..13_000).flat_map(|index| [&b"r"[..], &order(index).to_le_bytes()].concat()).collect();
            let gets = [&b"j"[..], &order(12_999).to_le_bytes()].concat();
            let data = [&b"N"[..], &puts, b"0", &gets, b"."].concat();
            assert!(data.len() < LIMIT);
            let (value, usage) = measure(|| read::<Value>(&data).unwrap());
            assert!(value.is_nil() && usage.peak <= MOST / 4, "{usage:?}");
        }
        for (data, at, name) in [
            (&b"h\0."[..], 0, "BINGET"),
            (b"j\0\0\0\0.", 0, "LONG_BINGET"),
            (b"Nr\xff\xff\xff\x7f0j\xfe\xff\xff\x7f.", 7, "LONG_BINGET"),
            (b"g18446744073709551615\n.", 0, "GET"),
            (b"N\x940h\x01.", 3, "BINGET"),
        ] {
            refused_at(data, at, name);
            assert!(refusal(data).to_string().contains("there is no memo entry"));
        }
    });
}

/// `open` so many times, a value, and `close` as often.
fn nested(times: usize, first: &[u8], open: &[u8], value: &[u8], close: &[u8]) -> Vec<u8> {
    [first, &open.repeat(times), value, &close.repeat(times), b"."].concat()
}

const MILLION: usize = 1_000_000;
const MANY: usize = 100_000;

#[test]
fn a_million_values_in_each_other_are_too_deep_and_nothing_worse() {
    on_a_small_stack(|| {
        let order = b"cshop\nOrder\nq\x000";
        for (name, data) in [
            ("lists", nested(MILLION, b"", b"]", b"]", b"a")),
            ("lists with marks", nested(MANY, b"", b"](", b"N", b"e")),
            ("lists of marks", nested(MANY, b"", b"(", b"N", b"l")),
            ("tuples", nested(MILLION, b"", b"", b")", b"\x85")),
            ("tuples with marks", nested(MANY, b"", b"(", b"N", b"t")),
            ("dict values", nested(MILLION, b"", b"}N", b"N", b"s")),
            ("dict keys", nested(MANY, b"", b"}", b"N", b"Ns")),
            ("sets", nested(MANY, b"", b"\x8f(", b"N", b"\x90")),
            ("frozensets", nested(MANY, b"", b"(", b"N", b"\x91")),
            ("arguments", nested(MILLION, order, b"h\0", b"N", b"\x85R")),
            ("arguments of python 2", nested(MANY, order, b"(h\0", b"N", b"o")),
            ("states", nested(MANY, order, b"h\0)\x81}N", b"N", b"sb")),
            ("entries of instances", nested(MANY, order, b"h\0)\x81N", b"N", b"s")),
        ] {
            let codec = Pickle::new().allow("shop.Order");
            let (error, usage) = measure(|| Decode::<Value>::decode(&codec, message(&data)).map(drop).unwrap_err());
            check(&error);
            assert!(error.is_limit() && error.to_string().contains("limit of 64"), "{name}: {error}");
            assert!(usage.peak < 128 * data.len(), "{name}, {} bytes: {usage:?}", data.len());
            // who does not look does not walk
            Decode::<IgnoredAny>::decode(&codec, message(&data)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    });
}

#[test]
fn what_doubles_is_shared_until_it_is_written_out() {
    on_a_small_stack(|| {
        let list = b"cbuiltins\nlist\nq\0";
        // what each step makes of the one below it holds that twice
        for (name, first, double) in [
            ("tuples", &b")"[..], &b"2\x86"[..]),
            ("tuples of three", b")", b"22\x87"),
            ("marked tuples", b")", b"q\x010(h\x01h\x01t"),
            ("lists", b"]", b"q\x010]h\x01ah\x01a"),
            ("dicts", b"}", b"q\x010}K\x01h\x01sK\x02h\x01s"),
            ("dict keys", b"}", b"q\x010}h\x01h\x01s"),
            ("sets", b"\x8f", b"q\x010\x8f(h\x01h\x01\x90"),
            ("frozensets", b"(\x91", b"q\x010(h\x01h\x01\x91"),
            ("calls", &[&list[..], b"0)"].concat(), b"q\x010h\0h\x01h\x01\x86\x85R"),
            ("texts", &[&b"X\xe8\x03\0\0"[..], &[b'a'; 1000]].concat(), b"2\x86"),
            ("bytes", &[&b"B\xe8\x03\0\0"[..], &[b'a'; 1000]].concat(), b"2\x86"),
            ("integers", &[&b"\x8b\xe8\x03\0\0"[..], &[b'a'; 1000]].concat(), b"2\x86"),
        ] {
            let mut attack = Attack::default();
            for steps in [20, 40, 60] {
                let data = [first, &double.repeat(steps), b"."].concat();
                let error = attack.decode_as::<Seen>(&codec(), &message(&data));
                assert!(error.is_some_and(|error| error.is_limit()), "{name}, {steps} steps");
                // who keeps what is shared may have it, and who does not look
                attack.decode(&codec(), &message(&data));
                attack.decode_as::<IgnoredAny>(&codec(), &message(&data));
            }
            assert!(attack.accepted >= 3 && attack.worst.peak <= MOST, "{name}: {attack:?}");
        }
        // the same, a million steps
        for data in [nested(MILLION, b")", b"2\x86", b"", b""), nested(MILLION, b")", b"", b"", b"22\x87")] {
            let (result, usage) = measure(|| Decode::<Value>::decode(&Pickle::new(), message(&data)).map(drop));
            check(&result.unwrap_err());
            assert!(usage.peak < 128 * data.len(), "{usage:?}");
        }
    });
}

#[test]
fn whatever_is_named_often_keeps_to_the_limits() {
    on_a_small_stack(|| {
        const LIMIT: usize = attack::LIMIT / 4;
        let codec = codec().limits(Limits::new().metadata_bytes(LIMIT).total_bytes(1 << 20));
        let mut attack = Attack::default();
        let golden = pickles::of_types().into_iter().map(|golden| (golden.name, golden.message));
        let digits = |count: usize| "7".repeat(count);
        let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let axes = [&b"("[..], &b"K\0".repeat(64), b"t"].concat();
        let dtype =
            b"cnumpy\ndtype\n(X\x02\0\0\0f8I00\nI01\ntR(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb";
        let made = [
            (
                "fraction of long integers",
                [b"cfractions\nFraction\n(L", digits(4000).as_bytes(), b"L\nK\x03tR."].concat(),
            ),
            ("fraction of zeros", [b"cfractions\nFraction\n(L1", &[b'0'; 4200][..], b"L\nK\x03tR."].concat()),
            ("fraction as text", [b"cfractions\nFraction\n(", &text(&digits(4000))[..], b"tR."].concat()),
            ("decimal", [b"cdecimal\nDecimal\n(", &text(&digits(4000))[..], b"tR."].concat()),
            ("integer as text", [b"L", digits(4000).as_bytes(), b"L\n."].concat()),
            ("path", [&b"cpathlib\nPurePosixPath\n("[..], &text("usr").repeat(500), b"tR."].concat()),
            ("old text", [&b"U\xff"[..], &[b'a'; 255], b"."].concat()),
            ("old bytes", [&b"U\xff"[..], &[0xff; 255], b"."].concat()),
            (
                "array of 64 axes",
                [&b"cnumpy.core.numeric\n_frombuffer\n(C\0"[..], dtype, &axes, b"X\x01\0\0\0CtR."].concat(),
            ),
            ("range", b"cbuiltins\nrange\n(K\x01K\x02K\x03tR.".to_vec()),
        ];
        let made = made.into_iter().map(|(name, data)| (name.to_owned(), message(&data)));
        for (name, one) in golden.chain(made) {
            // once as it is, and then DUP: a byte for each time it is named
            let body = &one.metadata()[..one.metadata().len() - 1];
            let data = [b"(", body, &b"2".repeat(11_000), b"l."].concat();
            if data.len() > LIMIT {
                continue;
            }
            let data = match body {
                // PROTO and FRAME come first, and the mark after them
                [0x80, 4 | 5, 0x95, ..] => {
                    let (head, body) = body.split_at(11);
                    assert!(head.len() == 11);
                    [b"(", body, &b"2".repeat(11_000), b"l."].concat()
                }
                _ => data,
            };
            let many = Multipart::new(data, one.buffers().to_vec());
            let before = attack.refused;
            attack.decode_as::<Value>(&codec, &many);
            attack.decode_as::<Vec<f64>>(&codec, &many);
            attack.decode_as::<Vec<String>>(&codec, &many);
            attack.decode_as::<Vec<i128>>(&codec, &many);
            attack.decode_as::<Vec<Vec<u8>>>(&codec, &many);
            attack.decode_as::<Vec<Array>>(&codec, &many);
            let peak = attack.worst.peak;
            assert!(attack.refused > before && peak <= MOST / 4, "{name}: {attack:?}");
        }
        // a text that no limit on its own stops, in a field of a type that reads it again each time
        let decimal = [b"cdecimal\nDecimal\n(", &text(&digits(4000))[..], b"tR"].concat();
        let data = [b"(", &decimal[..], &b"2".repeat(11_000), b"l."].concat();
        assert!(Decode::<Vec<f64>>::decode(&codec, message(&data)).unwrap_err().is_limit());
    });
}

#[test]
fn what_needs_no_byte_is_paid_for_as_often_as_it_is_named() {
    type Cube<T> = Vec<Vec<Vec<T>>>;
    on_a_small_stack(|| {
        // a list of so many, a list that names that a thousand times, one that names that thirty times
        let cube = |one: &[u8], each: &[u8]| {
            let (row, plane) = (each.repeat(10_000), b"h\x01".repeat(1000));
            [one, b"q\x000](", &row, b"eq\x010](", &plane, b"eq\x020](", &b"h\x02".repeat(30), b"e."].concat()
        };
        let mut attack = Attack::default();
        let nothing = message(&cube(b"N", b"N"));
        let wide = message(&cube(b"\x8a\x09\0\0\0\0\0\0\0\0\x01", b"h\0"));
        for error in [
            attack.decode_as::<Cube<Option<f64>>>(&codec(), &nothing),
            attack.decode_as::<Cube<IgnoredAny>>(&codec(), &nothing),
            attack.decode_as::<Cube<i128>>(&codec(), &wide),
            attack.decode_as::<Cube<u128>>(&codec(), &wide),
            attack.decode_as::<Cube<Option<u128>>>(&codec(), &wide),
            attack.decode_as::<Cube<IgnoredAny>>(&codec(), &wide),
        ] {
            assert!(error.is_some_and(|error| error.is_limit()), "{attack:?}");
        }
        attack.finish();
    });
}

#[test]
fn every_opcode_that_makes_something_is_paid_for() {
    on_a_small_stack(|| {
        // a node has 24 bytes, in a vector that grows thrice that for a moment, and a value 80
        const DENSEST: usize = (3 * 24 + 80) * LIMIT;
        // the documentation of `Limits` says 50, since it depends on where in its growth a vector is
        const REFUSED: usize = 45;
        let mut attack = Attack::default();
        let list = b"cbuiltins\nlist\n";
        for (first, each) in [
            (&b""[..], &b"("[..]),
            (b"", b"]"),
            (b"", b"}"),
            (b"", b"\x8f"),
            (b"", b"N\x85"),
            (b")", b"\x85"),
            (b"", b"(t"),
            (b"", b"(l"),
            (b"", b"(d"),
            (b"", b"(\x91"),
            (b"N", b"2"),
            (b"N", b"2\x94"),
            (b"N", b"\x94"),
            (b"", b"C\0"),
            (b"", b"U\0"),
            (b"", b"\x8c\0"),
            (b"", b"L4294967296L\n"),
            (b"", b"I9999999999999999999\n"),
            (b"", b"F1\n"),
            (b"", b"V\xe9\n"),
            (b"", b"S'\\n'\n"),
            (b"", b"c\n\n"),
            (b"", b"(i\n\n"),
            (b"", b"cbuiltins\nlist\n"),
            (b"", b"P\n"),
            (b"N", b"Q"),
            (list, b")R"),
            (list, b")\x81"),
            (list, b")}\x92"),
            (list, b"q\0(h\0o0h\0"),
            (b"cbuiltins\nlist\n)R", b"Nb"),
            (b"cbuiltins\nlist\n)R", b"Na"),
            (b"cbuiltins\nlist\n)R", b"NNs"),
            (b"]q\0]q\x01", b"Na0h\0Na0h\x01"),
            (b"}", b"NNs"),
            (b"]", b"(NNNe"),
            (b"\x8f", b"(N\x90"),
            (b"N", b"0N"),
            (b"", b"(1"),
        ] {
            for end in [&b"."[..], b"0N.", b"l.", b"(t1N.", b"\x85."] {
                let room = LIMIT - first.len() - end.len() - 1;
                let data = [b"(", first, &each.repeat(room / each.len()), end].concat();
                attack.decode_as::<Value>(&codec(), &message(&data));
                attack.decode_as::<IgnoredAny>(&codec(), &message(&data));
                let shown = each.escape_ascii();
                assert!(attack.worst.peak <= DENSEST, "{shown}: {attack:?}");
                let mut refused = Attack::default();
                let error = refused.decode_as::<Vec<String>>(&codec(), &message(&data));
                assert!(error.is_none() || refused.worst.peak <= REFUSED * LIMIT, "{shown}: {refused:?}");
            }
        }
        assert!(attack.accepted > 10 && attack.refused > 200, "{attack:?}");
        println!("{attack:?}");
    });
}

#[test]
fn integers_of_megabytes_are_refused_unless_nobody_looks() {
    on_a_small_stack(|| {
        let mega = 4 << 20;
        let long = |content: Vec<u8>| [&b"\x8b"[..], &(content.len() as u32).to_le_bytes(), &content, b"."].concat();
        let line = |opcode: &[u8], digits: String, end: &[u8]| [opcode, digits.as_bytes(), end].concat();
        for data in [
            long(vec![0x7f; mega]),
            long(vec![0xff; mega]),
            long(vec![0; mega]),
            line(b"L", "9".repeat(1_000_000), b"L\n."),
            line(b"I", "9".repeat(1_000_000), b"\n."),
            line(b"I-", "9".repeat(1_000_000), b"\n."),
        ] {
            let codec = Pickle::new();
            let mut attack = Attack::default();
            for error in [
                attack.decode_as::<Value>(&codec, &message(&data)),
                attack.decode_as::<i128>(&codec, &message(&data)),
                attack.decode_as::<u64>(&codec, &message(&data)),
                attack.decode_as::<f64>(&codec, &message(&data)),
                attack.decode_as::<String>(&codec, &message(&data)),
            ] {
                let error = error.unwrap().to_string();
                assert!(error.contains("more than the 4300 digits that are written out"), "{error}");
            }
            // room for the nodes of a pickle this long, set aside at once, and no digits
            assert!(attack.worst.peak < data.len() + 8192, "{attack:?}");
            Decode::<IgnoredAny>::decode(&codec, message(&data)).unwrap();
        }
        for data in [
            line(b"L", "0".repeat(1_000_000) + "1", b"L\n."),
            line(b"I", "0".repeat(1_000_000) + "18446744073709551616", b"\n."),
            line(b"F", "9".repeat(1_000_000), b"\n."),
            // which would be read each time that it is named
            line(b"F0.", "0".repeat(1_000_000) + "1", b"\n."),
        ] {
            let error = Decode::<IgnoredAny>::decode(&Pickle::new(), message(&data)).map(drop).unwrap_err();
            assert!(error.is_peer() && error.to_string().contains("at byte 0"), "{error}");
        }
    });
}

#[test]
fn keys_that_python_would_hash_alike_are_read_in_order() {
    on_a_small_stack(|| {
        // one key a million times: a list of entries to `Value`, one entry to a map
        let data = [&b"}("[..], &b"K\0K\x01".repeat(1_000_000), b"u."].concat();
        let value: Value = Pickle::new().decode(message(&data)).unwrap();
        assert_eq!(value.as_map().unwrap().len(), 1_000_000);
        let map: HashMap<u8, u8> = Pickle::new().decode(message(&data)).unwrap();
        assert_eq!(map, HashMap::from([(0, 1)]));
        drop(value);
        // multiples of 2^61 - 1, all of which have the hash 0 in Python
        let count = 50_000_u128;
        let keys = (1..=count).flat_map(|factor| {
            let key = (factor * ((1 << 61) - 1)).to_le_bytes();
            [&b"\x8a\x10"[..], &key, b"N"].concat()
        });
        let data: Vec<u8> = b"}(".iter().copied().chain(keys).chain(*b"u.").collect();
        let map: HashMap<u128, ()> = Pickle::new().decode(message(&data)).unwrap();
        assert_eq!(map.len(), 50_000);
        assert!(map.contains_key(&(count * ((1 << 61) - 1))));
        // a set, a frozenset and a Counter of them
        for (before, after) in [(&b"\x8f("[..], &b"\x90."[..]), (b"(", b"\x91.")] {
            let keys = (1..=1000_u128)
                .flat_map(|factor| [&b"\x8a\x10"[..], &(factor * ((1 << 61) - 1)).to_le_bytes()].concat());
            let data: Vec<u8> = before.iter().copied().chain(keys).chain(after.iter().copied()).collect();
            assert_eq!(read::<Vec<u128>>(&data).unwrap().len(), 1000);
        }
    });
}

#[test]
fn a_strict_reader_is_strict_in_every_way() {
    let strict =
        |limits: Limits, data: &[u8]| Decode::<IgnoredAny>::decode(&Pickle::new().limits(limits), message(data));
    strict(Limits::new().metadata_bytes(2), b"N.").unwrap();
    for (limits, data) in [
        (Limits::new().metadata_bytes(1), &b"N."[..]),
        (Limits::new().total_bytes(1), b"N."),
        (Limits::new().metadata_bytes(0), b"N."),
    ] {
        assert!(strict(limits, data).map(drop).unwrap_err().is_limit());
    }
    let many = Multipart::new(&b"(\x97\x97\x97t."[..], vec![Buffer::from(vec![0; 8]); 3]);
    for limits in [Limits::new().frames(2), Limits::new().total_bytes(28)] {
        let error = Decode::<IgnoredAny>::decode(&Pickle::new().limits(limits), many.clone()).map(drop).unwrap_err();
        assert!(error.is_limit(), "{error}");
    }
}

#[test]
fn what_is_long_and_named_often_is_not_read_as_often() {
    let long = [b"X", &(1_u32 << 22).to_le_bytes()[..], &vec![b'k'; 1 << 22], b"q\x00"].concat();
    let class = b"0h\0h\0\x93q\x01";
    let method = b"cbuiltins\ngetattr\n(cshop\nColor\nh\0tq\x02";
    let wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\nq\x030";
    let flags = b"c_operator\nor_\nq\x010";
    for rest in [
        // as module and name, as what is called, as what getattr and or_ are asked for, as the state of an array of joblib's, as an
        // element
        b"h\0h\0\x930".repeat(100_000),
        [class, &b"h\x01)R0".repeat(100_000)[..]].concat(),
        [method, &b"cbuiltins\ngetattr\nh\x02R0".repeat(25_000)[..]].concat(),
        [flags, &b"h\x01h\0h\0\x86R0".repeat(100_000)[..]].concat(),
        [wrapper, &b"h\x03)\x81h\0b0".repeat(100_000)[..]].concat(),
        [&b"]("[..], &b"h\0".repeat(200_000), b"e"].concat(),
    ] {
        let started = Instant::now();
        let data = [&long[..], &rest, b"0N."].concat();
        let data = if rest.ends_with(b"e") { [&data[..data.len() - 3], b"\x86."].concat() } else { data };
        drop(Decode::<Value>::decode(&Pickle::new(), message(&data)));
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[test]
fn what_is_long_is_not_read_to_tell_whether_it_is_missing() {
    for missing in [&b"cpandas\nNA\n"[..], b"cpandas._libs.tslibs.nattype\n_nat_unpickle\n(NtR"] {
        for (before, after) in [(&b"X\0\0\0\x01"[..], &b"q\x00"[..]), (b"V", b"\nq\x00")] {
            let long = [before, &vec![b'k'; 1 << 24], after].concat();
            let data = [&b"]("[..], &long, missing, &b"h\0".repeat(200_000), b"e."].concat();
            let started = Instant::now();
            let all: Vec<Option<IgnoredAny>> = Pickle::new().decode(message(&data)).unwrap();
            assert_eq!((all.len(), all.iter().filter(|one| one.is_none()).count()), (200_002, 1));
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        }
    }
}

#[test]
fn a_dtype_with_a_long_code_is_paid_for_each_time_that_it_is_read() {
    let long = [b"X", &(1_u32 << 22).to_le_bytes()[..], &vec![b'k'; 1 << 22], b"q\x000"].concat();
    let f8 = b"cnumpy\ndtype\n(X\x02\0\0\0f8\x89\x88tR(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb";
    // records of one field: of two names, so that none is the dtype that was read last
    let record = |name: &[u8], at: &[u8]| {
        let name = [b"X\x01\0\0\0", name].concat();
        let fields = [&name[..], b"\x85}", &name, f8, b"K\0\x86s"].concat();
        let made = b"cnumpy\ndtype\n(h\0\x89\x88tR(K\x03X\x01\0\0\0|N";
        [&made[..], &fields, b"K\x08K\x01K\x10tbq", at, b"0"].concat()
    };
    let frombuffer = b"cnumpy._core.numeric\n_frombuffer\nq\x030](";
    let both = b"h\x03(C\0h\x01K\0\x85X\x01\0\0\0CtRh\x03(C\0h\x02K\0\x85X\x01\0\0\0CtR";
    let records = [&long[..], &record(b"a", b"\x01"), &record(b"b", b"\x02"), frombuffer].concat();
    let data = |count: usize| [&records[..], &both.repeat(count), b"e."].concat();
    assert_eq!(Decode::<Vec<Array>>::decode(&Pickle::new(), message(&data(2))).unwrap().len(), 4);
    let started = Instant::now();
    let error = Decode::<Vec<Array>>::decode(&Pickle::new(), message(&data(50_000))).map(drop).unwrap_err();
    assert!(error.is_limit(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
