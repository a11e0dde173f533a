//! The `Pickle` codec: what pickles decode to, what is refused, and that nothing but the listed is ever read.

use std::collections::{BTreeMap, HashMap};

use outband::{Array, Buffer, Decode, Encode, Error, Limits, Multipart, Pickle, Result, Value};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::globals::{LISTED, around, global};
use crate::pickles;
use crate::random::Random;

fn message(data: &[u8]) -> Multipart {
    Multipart::new(data.to_vec(), vec![])
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T> {
    Pickle::new().decode(message(data))
}

fn refusal<T: DeserializeOwned>(data: &[u8]) -> Error {
    read::<T>(data).map(drop).unwrap_err()
}

#[test]
fn golden_pickles_of_every_type_are_what_they_were() {
    let golden = pickles::of_types();
    assert!(golden.len() > 250, "{}", golden.len());
    for pickles::Golden { name, message, expected, .. } in golden {
        let shown = pickles::shown(&pickles::allowing(), message.clone());
        let shown = shown.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = match &*name {
            "array permuted axes, 5" | "array permuted axes, out of band" => {
                assert_eq!(pickles::in_c_order(&shown, &[1, 0, 2]), expected, "{name}");
                shown.clone()
            }
            _ => expected,
        };
        assert_eq!(shown, expected, "{name}");
        let value: Value = pickles::allowing().decode(message).unwrap();
        // to a codec that does not know Python it is the same, but for what is a sequence or a map as one asks
        if !name.starts_with("range") && !name.starts_with("slice") {
            assert_eq!(value.to_object::<Value>().unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn what_numpy_1_calls_its_functions_is_read_as_well() {
    let mut renamed = 0;
    for pickles::Golden { name, message, expected, .. } in pickles::of_types() {
        // protocol 2 has names in lines of their own, and no lengths before them
        let data = message.metadata().escape_ascii().to_string();
        if !name.ends_with(", 2") || !data.contains("cnumpy._core.") {
            continue;
        }
        let mut data = Vec::new();
        for part in message.metadata().split_inclusive(|&byte| byte == b'\n') {
            match part.strip_suffix(b"cnumpy._core.multiarray\n") {
                Some(before) => data.extend([before, b"cnumpy.core.multiarray\n"].concat()),
                None => data.extend(part),
            }
        }
        assert!(data.len() < message.metadata().len(), "{name}");
        let shown = pickles::shown(&Pickle::new(), Multipart::new(data, vec![]));
        assert_eq!(shown.unwrap_or_else(|error| panic!("{name}: {error}")), expected, "{name}");
        renamed += 1;
    }
    assert!(renamed > 20, "{renamed}");
}

#[test]
fn golden_pickles_of_all_opcodes_are_values_or_refused_by_name() {
    let mut values: HashMap<String, Value> = HashMap::new();
    for (name, message) in pickles::of_opcodes() {
        let refused = match name.split_once('-').unwrap() {
            ("recursive", _) => Some("contains itself"),
            ("persistent", _) => Some("persistent id"),
            ("builtin", _) => Some("asks for print of "),
            ("hand", "inst" | "obj" | "newobj-ex") => Some(r#"Pickle::allow("shop.Order")"#),
            _ => None,
        };
        match (refused, Decode::<Value>::decode(&Pickle::new(), message)) {
            (Some(refused), Err(error)) => {
                assert!(error.is_peer() && error.to_string().contains(refused), "{name}: {error}");
            }
            (None, Ok(value)) => {
                let (kind, _) = name.split_once('-').unwrap();
                // each value in every protocol: one is as the other
                if kind != "hand" {
                    assert_eq!(*values.entry(kind.to_owned()).or_insert_with(|| value.clone()), value, "{name}");
                }
            }
            (_, result) => panic!("{name}: {result:?}"),
        }
    }
    assert_eq!(values["deque"].to_string(), "deque([1, 2])");
    assert_eq!(values["datetime"].to_string(), "datetime(2024-06-07T01:02:03.000004)");
    assert_eq!(values["uuid"].as_str(), Some("00000010-0000-0000-0000-000000000000"));
    let random = pickles::random();
    assert_eq!(random.len(), 240);
    for pickle in random {
        Decode::<Value>::decode(&Pickle::new(), pickle).unwrap();
    }
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Order {
    id: u32,
    lines: Vec<Order>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(tag = "$class")]
enum Message {
    #[serde(rename = "shop.Order")]
    Order { id: u32 },
    #[serde(rename = "shop.Refund")]
    Refund { amount: f64 },
}

#[derive(Deserialize, PartialEq, Debug)]
enum Shape {
    Empty,
    Circle(f64),
    Line { from: (i8, i8), to: [i8; 2] },
}

#[test]
fn pickles_decode_into_types() {
    // instances of two classes, as protocol 2 writes them
    let order = b"cshop\nOrder\n)\x81}X\x02\0\0\0idK\x07sb";
    let refund = b"cshop\nRefund\n)\x81}X\x06\0\0\0amountG?\xe0\0\0\0\0\0\0sb";
    let both = [&b"]("[..], order, refund, b"e."].concat();
    let codec = Pickle::new().allow("shop.Order").allow("shop.Refund");
    let messages: Vec<Message> = codec.decode(message(&both)).unwrap();
    assert_eq!(messages, [Message::Order { id: 7 }, Message::Refund { amount: 0.5 }]);

    let golden = pickles::of_types();
    let named = |wanted: &str| golden.iter().find(|golden| golden.name == wanted).unwrap().message.clone();
    let order: Order = pickles::allowing().decode(named("dataclass, 0")).unwrap();
    assert_eq!(order, Order { id: 7, lines: vec![Order { id: 8, lines: vec![] }] });

    // enums: a text, or a dict of one entry
    let shapes = b"](X\x05\0\0\0Empty}X\x06\0\0\0CircleG?\xe0\0\0\0\0\0\0s\
                   }X\x04\0\0\0Line}(X\x04\0\0\0fromK\x01K\x02\x86X\x02\0\0\0toK\x03K\x04\x86use.";
    let line = Shape::Line { from: (1, 2), to: [3, 4] };
    assert_eq!(read::<Vec<Shape>>(shapes).unwrap(), [Shape::Empty, Shape::Circle(0.5), line]);

    // integers of any length, in fields that hold them
    let big = named("big, 0");
    assert_eq!(Decode::<(u128, String, f64)>::decode(&Pickle::new(), big.clone()).unwrap().0, 1 << 64);
    let floats: [f64; 3] = Pickle::new().decode(big).unwrap();
    assert_eq!(floats[2], 1e100);
    let keys: BTreeMap<i64, Option<String>> = read(b"}(K\x05NJ\xff\xff\xff\xffX\x01\0\0\0xu.").unwrap();
    assert_eq!(keys, BTreeMap::from([(5, None), (-1, Some("x".into()))]));

    // numbers that Python writes as text, in fields for numbers
    assert_eq!(Decode::<[f64; 2]>::decode(&Pickle::new(), named("decimal, 5")).unwrap(), [1.5, f64::NEG_INFINITY]);
    assert_eq!(Decode::<[f64; 2]>::decode(&Pickle::new(), named("timedelta, 5")).unwrap(), [86_400.5, -1.0]);
    // a range as a tuple or a struct
    #[derive(Deserialize)]
    struct Range {
        start: i32,
        stop: i32,
        step: i32,
    }
    let range: Range = Pickle::new().decode(named("range, 0")).unwrap();
    assert_eq!((range.start, range.stop, range.step), (1, 9, 2));
    assert_eq!(Decode::<(i32, i32, i32)>::decode(&Pickle::new(), named("range, 0")).unwrap(), (1, 9, 2));
    // bytes as a buffer, as a list, and as what serde buffers in between
    assert_eq!(read::<Buffer>(b"C\x03abc.").unwrap(), Buffer::from(b"abc".to_vec()));
    assert_eq!(read::<Vec<u8>>(b"C\x03abc.").unwrap(), b"abc");
    // text of Python 2 that is none
    assert_eq!(read::<Buffer>(b"U\x02\xff\xfe.").unwrap(), Buffer::from(vec![0xff, 0xfe]));
    assert_eq!(read::<String>(b"U\x02ab.").unwrap(), "ab");
}

#[test]
fn an_instance_is_written_with_the_module_that_it_was_read_with() {
    let ask =
        |module: &str, name: &str| [format!("c{module}\n{name}\n").as_bytes(), b")\x81}X\x02\0\0\0idK\x07sb."].concat();
    for (allowed, module, name, class) in [
        ("shop.Order", "shop", "Order", "shop.Order"),
        ("shop.Outer.Inner", "shop", "Outer.Inner", "shop.Outer.Inner"),
        // a module with a capital, and a class without one in a class
        ("Bio.Seq.Seq", "Bio.Seq", "Seq", "Bio.Seq:Seq"),
        ("Bio.Seq:Seq", "Bio.Seq", "Seq", "Bio.Seq:Seq"),
        ("shop.outer.inner", "shop", "outer.inner", "shop:outer.inner"),
        ("shop:Order", "shop", "Order", "shop.Order"),
    ] {
        let codec = Pickle::new().allow(allowed);
        let data: Vec<u8> = ask(module, name);
        let value: Value = codec.decode(message(&data)).unwrap();
        assert_eq!(value.as_map().unwrap()[0].1.as_str(), Some(class), "{allowed}");
        let written = codec.encode(&value).unwrap();
        let global = |text: &str| [&[0x8c, text.len() as u8][..], text.as_bytes()].concat();
        let wanted = [global(module), global(name)].concat();
        let found = written.metadata().windows(wanted.len()).any(|part| part == wanted);
        assert!(found, "{allowed}: {}", written.metadata().escape_ascii());
        assert_eq!(Decode::<Value>::decode(&codec, written).unwrap(), value);
    }
    // a colon says where the module ends
    let error = Decode::<Value>::decode(&Pickle::new().allow("Bio:Seq.Seq"), message(&ask("Bio.Seq", "Seq")));
    assert!(error.unwrap_err().is_peer());
}

#[test]
fn an_instance_is_the_same_in_every_form_that_python_writes() {
    let codec = Pickle::new().allow("shop.Order");
    let state = b"}X\x02\0\0\0idK\x07sX\x05\0\0\0lines]sb.";
    for made in [
        &b"cshop\nOrder\n)\x81"[..],
        b"cshop\nOrder\n)}\x92",
        b"ccopyreg\n__newobj__\n(cshop\nOrder\ntR",
        b"ccopy_reg\n__newobj__\n(cshop\nOrder\ntR",
        b"ccopyreg\n__newobj_ex__\n(cshop\nOrder\n)}tR",
        b"ccopy_reg\n_reconstructor\n(cshop\nOrder\nc__builtin__\nobject\nNtR",
        b"(ishop\nOrder\n",
        b"(cshop\nOrder\no",
    ] {
        let data = [made, state].concat();
        let order: Order = codec.decode(message(&data)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(order, Order { id: 7, lines: vec![] }, "{}", made.escape_ascii());
        let error = refusal::<Order>(&data);
        assert!(error.to_string().contains(r#"Pickle::allow("shop.Order")"#), "{error}");
    }
    let keywords = b"}X\x02\0\0\0idK\x07sX\x05\0\0\0lines]s";
    for (before, after) in
        [(&b"cshop\nOrder\n)"[..], &b"\x92."[..]), (b"ccopyreg\n__newobj_ex__\n(cshop\nOrder\n)", b"tR.")]
    {
        let order: Order = codec.decode(message(&[before, keywords, after].concat())).unwrap();
        assert_eq!(order, Order { id: 7, lines: vec![] });
    }
    // of a class that is listed and not allowed, of none, called as nobody calls it
    for odd in [
        &b"ccopyreg\n__newobj__\n(cbuiltins\nlist\ntR."[..],
        b"ccopyreg\n__newobj__\n(ccopyreg\n__newobj__\ntR.",
        b"ccopyreg\n__newobj__\n)R.",
        b"ccopyreg\n__newobj__\n(NtR.",
        b"ccopyreg\n__newobj__\n(cshop\nOrder\nt\x81.",
        b"ccopyreg\n__newobj__\n(cshop\nOrder\nt}\x92.",
        b"ccopyreg\n__newobj_ex__\n(cshop\nOrder\n)tR.",
        b"ccopyreg\n__newobj_ex__\n(cshop\nOrder\n]}tR.",
        b"ccopyreg\n__newobj_ex__\n(cshop\nOrder\n)NtR.",
        b"ccopyreg\n__newobj_ex__\n(cbuiltins\ndict\n)}tR.",
    ] {
        let error = Decode::<Value>::decode(&codec, message(odd)).unwrap_err();
        assert!(error.is_peer() && error.to_string().contains("in a form that"), "{}: {error}", odd.escape_ascii());
    }
}

#[test]
fn out_of_band_buffers_are_the_frames() {
    #[derive(Deserialize)]
    struct Two {
        first: Buffer,
        second: Buffer,
    }
    let frames = [Buffer::from_vec(vec![1_u8; 5000]), Buffer::from_vec(vec![2_u8; 5])];
    let data = b"\x80\x05}(\x8c\x05first\x97\x8c\x06second\x97\x98u.";
    let two: Two = Pickle::new().decode(Multipart::new(data.to_vec(), frames.to_vec())).unwrap();
    assert_eq!((two.first.as_ptr(), two.second.as_ptr()), (frames[0].as_ptr(), frames[1].as_ptr()));

    for (frames, expected) in [(1, "buffer frame 1 is missing"), (3, "buffer frame 2 of 3 is not referenced")] {
        let message = Multipart::new(data.to_vec(), vec![Buffer::from_vec(vec![0_u8; 9]); frames]);
        let error = Decode::<IgnoredAny>::decode(&Pickle::new(), message).unwrap_err();
        assert!(error.is_peer() && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_path() {
    let error = refusal::<HashMap<String, Vec<u8>>>(b"}X\x01\0\0\0a](K\x01M\x00\x02es.");
    assert!(error.is_peer() && error.to_string().contains("at a[1]"), "{error}");
    for (data, expected) in [
        (&b"cdatetime\ndate\n(C\x04\x07\xe8\x0d\x01tR."[..], "a date out of range"),
        (b"cdatetime\ndate\n(K\x01tR.", "bytes should be"),
        (b"cdatetime\ndate\n)R.", "date of datetime in a form that"),
        (b"cdatetime\ntimedelta\n(K\x01K\x02tR.", "timedelta of datetime in a form that"),
        (b"cbuiltins\nrange\n(K\x01tR.", "range of builtins in a form that"),
        (b"cbuiltins\nint\n(K\x01tR.", "int of builtins in a form that"),
        (b"cbuiltins\nint\n.", "int of builtins itself, which is a type and no value"),
        (b"ccollections\ndeque\n)R(N.", "marks are left"),
        (b"ccollections\ndeque\n)R)R.", "made by another call"),
        (b"cdecimal\nDecimal\n(K\x01tR.", "Decimal of decimal in a form that"),
        (b"cuuid\nUUID\n)R}b.", "UUID of uuid in a form that"),
        (b"cuuid\nUUID\n)R}X\x03\0\0\0intJ\xff\xff\xff\xffsb.", "a UUID whose int is not one of 128 bits"),
        (b"c_codecs\nencode\n(X\x04\0\0\0\xe2\x82\xac!X\x06\0\0\0latin1tR.", "encode of _codecs in a form that"),
        (b"c_codecs\nencode\n(X\x01\0\0\0aX\x05\0\0\0rot13tR.", "encode of _codecs in a form that"),
        (b"cnumpy\ndtype\n(K\x07tR.", "dtype of numpy in a form that"),
        (
            b"ccopyreg\n_reconstructor\n(cbuiltins\nlist\ncbuiltins\nobject\nNtR.",
            "_reconstructor of copyreg in a form that",
        ),
    ] {
        let error = refusal::<Value>(data);
        assert!(error.is_peer() && error.to_string().contains(expected), "{}: {error}", data.escape_ascii());
    }
}

#[test]
fn what_is_shared_is_decoded_as_often_as_named_up_to_a_limit() {
    let shared = read::<(Vec<u8>, Vec<u8>)>(b"](K\x01K\x02eq\x000h\0h\0\x86.").unwrap();
    assert_eq!(shared, (vec![1, 2], vec![1, 2]));

    // 2^40 empty tuples in 83 bytes, and a text of 1 KB 2^20 times
    let tuples = [b")".to_vec(), b"2\x86".repeat(40), b".".to_vec()].concat();
    let text = [&b"X\0\x04\0\0"[..], &[b'a'; 1024], &b"2\x86".repeat(20), b"."].concat();
    for bomb in [tuples, text] {
        let strict = Pickle::new().limits(Limits::new().metadata_bytes(100_000));
        let error = Decode::<serde_json::Value>::decode(&strict, message(&bomb)).unwrap_err();
        assert!(
            error.is_limit() && error.to_string().contains("counted as often as it is named, than the limit of 100000"),
            "{error}"
        );
        // who does not look is not bothered
        read::<IgnoredAny>(&bomb).unwrap();
    }
    let strict = Pickle::new().limits(Limits::new().metadata_bytes(100));
    let error = Decode::<Value>::decode(&strict, message(&[b'N'; 101])).unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("101 bytes"), "{error}");

    // one frame a thousand times: shared by buffers, and bounded where it is copied
    let frame = Buffer::from_vec(vec![7_u8; 1 << 20]);
    let data = [&b"(\x97\x94"[..], &b"h\0".repeat(999), b"t."].concat();
    let named = Multipart::new(data, vec![frame.clone()]);
    let codec = Pickle::new().limits(Limits::new().total_bytes(64 << 20));
    let buffers: Vec<Buffer> = codec.decode(named.clone()).unwrap();
    assert!(buffers.len() == 1000 && buffers.iter().all(|buffer| buffer.as_ptr() == frame.as_ptr()));
    let error = Decode::<Vec<serde_bytes::ByteBuf>>::decode(&codec, named).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

#[test]
fn cycles_and_depth_are_told_apart() {
    for recursive in [&b"]2a."[..], b"}q\0K\x01h\0s.", b"]q\0}K\x01h\0sa.", b"]q\0(h\0ta."] {
        let error = refusal::<Value>(recursive);
        assert!(error.is_peer() && error.to_string().contains("contains itself, which no tree can hold"), "{error}");
    }

    let nested = |depth: usize| [b"]".repeat(depth), b"a".repeat(depth - 1), b".".to_vec()].concat();
    read::<Value>(&nested(64)).unwrap();
    let error = refusal::<Value>(&nested(65));
    assert!(error.is_limit() && error.to_string().contains("deeper than the limit of 64"), "{error}");
}

/// What would be of use to an attacker, and what looks like something listed.
const UNLISTED: &[(&str, &str)] = &[
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("builtins", "type"),
    ("builtins", "range.__init__"),
    ("__builtin__", "eval"),
    ("__builtin__", "apply"),
    ("importlib", "import_module"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("copyreg", "__newobj"),
    ("copyreg", "__newobj__.__globals__"),
    ("copyreg", "pickle"),
    ("copyreg", "add_extension"),
    ("copyreg", "_reconstructor.__globals__"),
    ("numpy", "core.multiarray._reconstruct"),
    ("numpy", "load"),
    ("numpy.testing._private.utils", "runstring"),
    ("pandas", "eval"),
    ("pandas", "read_pickle"),
    ("pandas.arrays", "PeriodArray"),
    ("pandas.core.computation.eval", "eval"),
    ("pandas._libs.internals", "_unpickle_block.__class__"),
    ("pyarrow.lib", "foreign_buffer"),
    ("pyarrow.lib", "memory_map"),
    ("zoneinfo", "ZoneInfo._unpickle"),
    ("zoneinfo", "ZoneInfo.from_file"),
    ("collections", "abc"),
    ("collections.deque", ""),
    ("", "os.system"),
    ("", ""),
    ("BUILTINS", "range"),
    ("builtins\u{200b}", "range"),
    ("shop", "Order"),
    ("shop.Order", ""),
];

#[test]
fn the_list_is_what_was_audited() {
    let source = include_str!("../../src/codec/pickle/list.rs");
    let (_, table) = source.split_once("pub(super) const LIST").unwrap();
    let (table, _) = table.split_once("];").unwrap();
    let mut pairs: Vec<_> = table.lines().filter_map(|line| line.trim().strip_prefix("(\"")).collect();
    pairs.sort_unstable();
    let mut audited: Vec<_> = LISTED
        .iter()
        .flat_map(|(module, names)| names.iter().map(move |name| format!("{module}\", \"{name}\", ")))
        .collect();
    audited.sort_unstable();
    assert_eq!(pairs.len(), audited.len());
    for (pair, audited) in pairs.iter().zip(&audited) {
        assert!(pair.starts_with(audited), "{pair} is not {audited}");
    }
}

#[test]
fn no_sequence_of_opcodes_reaches_what_is_not_listed() {
    let mut random = Random::seeded(0x1db7_10c5);
    for round in 0..30_000 {
        let (module, name) = UNLISTED[random.below(UNLISTED.len())];
        let unlisted = global(module, name, &mut random);
        // itself, or called with an argument in each of the ways in which Python calls
        let inner = match random.below(5) {
            0 => unlisted,
            1 => [&unlisted[..], b"X\x02\0\0\0id\x85R"].concat(),
            2 => [&unlisted[..], b"X\x02\0\0\0id\x85\x81"].concat(),
            3 => [&b"("[..], &unlisted, b"X\x02\0\0\0ido"].concat(),
            _ => [&unlisted[..], b")}\x92}b"].concat(),
        };
        let data = [around(inner, &mut random), b".".to_vec()].concat();
        let result = if round % 2 == 0 { read::<Value>(&data).map(drop) } else { read::<IgnoredAny>(&data).map(drop) };
        let error = result.expect_err(&data.escape_ascii().to_string());
        assert!(error.is_peer(), "{error}");
        let expected =
            format!("the pickle asks for {name} of {module}, which is not read").replace('\u{200b}', r"\u{200b}");
        assert!(error.to_string().contains(&expected), "{}: {error}", data.escape_ascii());
    }
    // what is listed, with anything as arguments, is a value or an error
    let mut outcomes = [0, 0];
    for _ in 0..30_000 {
        let inner = [&b"N"[..], b"K\x03", b"C\x02ab", b"X\x01\0\0\0a", b"](K\x01K\x02e", b"}", b"G?\xe0\0\0\0\0\0\0"];
        let data = [around(inner[random.below(inner.len())].to_vec(), &mut random), b".".to_vec()].concat();
        match read::<Value>(&data) {
            Ok(_) => outcomes[0] += 1,
            Err(error) => {
                assert!(error.is_peer() || error.is_limit(), "{error}");
                outcomes[1] += 1;
            }
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes.iter().all(|&count| count > 1000), "{outcomes:?}");
}

#[cfg(not(feature = "arrow"))]
#[test]
fn a_data_frame_names_the_feature_that_reads_it() {
    let error = refusal::<Value>(b"\x80\x02cpandas\nDataFrame\n)\x81}b.");
    assert!(
        error.to_string().contains("DataFrame of pandas") && error.to_string().contains("outband/arrow"),
        "{error}"
    );
}

#[test]
fn arrays_from_a_pickle_fit_what_they_say_or_are_refused() {
    let golden = pickles::of_types();
    let named = |wanted: &str| golden.iter().find(|golden| golden.name == wanted).unwrap().message.clone();
    let whole = named("array float64, out of band");
    let short = Buffer::from(whole.buffers()[0][..8].to_vec());
    let message = Multipart::new(whole.metadata().clone(), vec![short]);
    let error = Decode::<HashMap<String, Array>>::decode(&Pickle::new(), message).unwrap_err();
    assert!(error.is_peer() && error.to_string().contains("takes 48 bytes, and there are 8"), "{error}");
}

#[test]
fn fields_are_found_by_name_in_any_order_and_however_often() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Six {
        a: u32,
        bb: u32,
        ccc: u32,
        dddd: u32,
        e: u32,
        ff: u32,
    }
    let mut random = Random::seeded(20_261_121);
    let names = ["a", "bb", "ccc", "dddd", "e", "ff"];
    // names in the memo in half of the records, and written anew in the others
    let mut data = b"\x80\x05](".to_vec();
    for name in names {
        data.extend([b"\x8c", &[name.len() as u8][..], name.as_bytes(), b"\x940"].concat());
    }
    let mut expected = Vec::new();
    for record in 0..500_u32 {
        let mut order = [0, 1, 2, 3, 4, 5];
        for at in 1..order.len() {
            order.swap(at, random.below(at + 1));
        }
        data.extend(b"}(");
        for field in order {
            match random.below(2) {
                0 => data.extend([b'h', field as u8]),
                _ => data.extend([b"\x8c", &[names[field].len() as u8][..], names[field].as_bytes()].concat()),
            }
            data.extend([&b"M"[..], &(record as u16 + 1000 * field as u16).to_le_bytes()].concat());
        }
        data.push(b'u');
        let [a, bb, ccc, dddd, e, ff] = [0, 1, 2, 3, 4, 5].map(|field| record + 1000 * field);
        expected.push(Six { a, bb, ccc, dddd, e, ff });
    }
    data.extend(b"e.");
    assert_eq!(read::<Vec<Six>>(&data).unwrap(), expected);
}

#[test]
fn a_message_sees_nothing_of_the_one_before() {
    let list = |len: usize| [&b"]("[..], &b"]\x8c\x01aa".repeat(len), b"e."].concat();
    for len in [10, 3, 0, 20_000, 1, 60_000, 2] {
        assert_eq!(read::<Vec<Vec<String>>>(&list(len)).unwrap(), vec![vec!["a".to_owned()]; len], "{len}");
        // ends in the middle
        let long = list(len);
        assert!(refusal::<Value>(&long[..long.len() - 1]).is_peer());
    }
}
