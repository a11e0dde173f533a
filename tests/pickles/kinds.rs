//! What values of pickles are in Python, and what they share: kept, shown, compared, and bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use outband::python::{self, As, Kind};
use outband::{Array, Buffer, Decode, Encode, ErrorKind, Json, Limits, MsgPack, Multipart, Pickle, Value};
use serde::{Deserialize, Serialize};

use crate::counting::measure;
use crate::pickles;
use crate::random::Random;
use crate::stack::on_a_small_stack;

fn message(data: &[u8]) -> Multipart {
    Multipart::new(data.to_vec(), vec![])
}

fn read(data: &[u8]) -> Value {
    Pickle::new().decode(message(data)).unwrap_or_else(|error| panic!("{}: {error}", data.escape_ascii()))
}

fn golden(name: &str) -> Value {
    let golden = pickles::of_types().into_iter().find(|golden| golden.name == name);
    pickles::allowing().decode(golden.unwrap().message).unwrap()
}

fn of_kind(kind: Kind, value: impl Into<Value>) -> Value {
    Value::Python(kind, Box::new(value.into()))
}

fn owner(value: &Value) -> &Arc<Value> {
    let Value::Shared(owner) = value else { panic!("not shared: {value}") };
    owner
}

#[test]
fn values_are_shown_as_in_python() {
    for (name, expected) in [
        ("containers, 4", r#"[(), (1,), [2, [3]], {"a": {1: nil}}]"#),
        ("sets, 4", r#"[set(), {7}, frozenset(), frozenset(["x"])]"#),
        ("deque, 4", "[deque([1, 2]), deque([1, 2, 3]), deque()]"),
        ("ordered, 4", r#"OrderedDict({"b": 1, "a": 2})"#),
        ("counter, 4", r#"Counter({"a": 2, "b": 1})"#),
        ("defaultdict, 4", r#"{"a": [1]}"#),
        ("bytes, 5", "[Bytes(0 bytes), Bytes(3 bytes: 00 ff 80), bytearray(0 bytes), bytearray(4 bytes: 80 74 77 6f)]"),
        ("complex, 4", "complex(1.5, -2.0)"),
        ("range, 4", "range(1, 9, 2)"),
        ("slice, 4", "slice(1, nil, 2)"),
        ("ellipsis, 4", "Ellipsis"),
        ("decimal, 4", "[Decimal(1.50), Decimal(-Infinity)]"),
        ("fraction, 4", "[Fraction(1/3), Fraction(4)]"),
        ("uuid, 4", "UUID(12345678-9abc-def0-1234-56789abcdef0)"),
        ("timedelta, 4", "[timedelta(PT86400.5S), timedelta(-PT1S)]"),
        ("timezone, 4", "[timezone(UTC), timezone(+05:30)]"),
        ("date 2024-02-29, 4", "date(2024-02-29)"),
        ("time 23:59:59.999999, 4", "time(23:59:59.999999)"),
        ("dataclass, 4", r#"__main__.Order("id": 7, "lines": [__main__.Order("id": 8, "lines": [])])"#),
        ("named tuple, 4", "(1, 2.5)"),
        ("enum, 4", r#"["red", 3]"#),
    ] {
        assert_eq!(golden(name).to_string(), expected, "{name}");
    }
    assert_eq!(of_kind(Kind::DateTime, "2026-11-21T09:00:00").to_string(), "datetime(2026-11-21T09:00:00)");
    assert_eq!(of_kind(Kind::PosixPath, "/usr/my lib").to_string(), r#"PurePosixPath("/usr/my lib")"#);
    // made by hand, of what is not of that kind
    assert_eq!(of_kind(Kind::Tuple, "no tuple").to_string(), r#"tuple("no tuple")"#);
    assert_eq!(of_kind(Kind::Instance, 5).to_string(), "object(5)");
    let pretty = format!("{:#}", of_kind(Kind::Tuple, vec![Value::from(1), Value::from(2)]));
    assert_eq!(pretty, "(\n  1,\n  2\n)");
    for kind in [Kind::Tuple, Kind::Set, Kind::Deque, Kind::Int, Kind::Instance, Kind::ByteArray] {
        let long = Value::from("x".repeat(1000));
        let wide = Value::from(vec![(long.clone(), long.clone()); 1000]);
        let list = Value::from(vec![of_kind(kind, long.clone()); 1000]);
        for value in [long, wide, list] {
            let shown = of_kind(kind, value).to_string();
            assert!(shown.len() <= 8100, "{} bytes", shown.len());
        }
    }
}

#[test]
fn methods_see_through_kinds_and_sharing() {
    let inner = of_kind(Kind::DateTime, "2026-11-21");
    let shared = Value::Shared(Arc::new(Value::Shared(Arc::new(inner.clone()))));
    assert_eq!((shared.as_str(), shared.kind()), (Some("2026-11-21"), Some(Kind::DateTime)));
    assert_eq!(shared.plain(), &Value::from("2026-11-21"));
    assert_eq!((Value::Nil.kind(), Value::Nil.plain()), (None, &Value::Nil));
    let wrap = |value: Value| Value::Shared(Arc::new(of_kind(Kind::Tuple, value)));
    assert!(wrap(Value::Nil).is_nil());
    assert_eq!(wrap(Value::from(true)).as_bool(), Some(true));
    assert_eq!(wrap(Value::from(-5)).as_i64(), Some(-5));
    assert_eq!(wrap(Value::from(u64::MAX)).as_u64(), Some(u64::MAX));
    assert_eq!(wrap(Value::from(0.5)).as_f64(), Some(0.5));
    assert_eq!(wrap(Value::Bytes(vec![1].into())).as_bytes(), Some(&[1][..]));
    assert_eq!(wrap(Value::from(Array::from_vec(vec![1_u8]))).as_array().unwrap().len(), 1);
    let map = Value::from(vec![(wrap(Value::from("key")), wrap(Value::from(vec![Value::Nil])))]);
    assert_eq!(wrap(map).get("key").and_then(Value::as_list).map(<[_]>::len), Some(1));
}

#[test]
fn other_codecs_write_what_a_kind_holds() {
    let kinds = of_kind(
        Kind::Set,
        vec![
            of_kind(Kind::DateTime, "2026-11-21T09:00:00"),
            Value::Shared(Arc::new(of_kind(Kind::Tuple, vec![Value::from(1)]))),
            of_kind(Kind::OrderedDict, vec![(of_kind(Kind::Date, "2026-11-21"), of_kind(Kind::Decimal, "1.5"))]),
        ],
    );
    let plain = Value::from(vec![
        Value::from("2026-11-21T09:00:00"),
        Value::from(vec![Value::from(1)]),
        Value::from(vec![(Value::from("2026-11-21"), Value::from("1.5"))]),
    ]);
    assert_ne!(kinds, plain);
    assert_eq!(kinds.to_object::<Value>().unwrap(), plain);
    assert_eq!(MsgPack::new().encode(&kinds).unwrap(), MsgPack::new().encode(&plain).unwrap());
    assert_eq!(Json::new().encode(&kinds).unwrap(), Json::new().encode(&plain).unwrap());
    assert_eq!(rmp_serde::to_vec(&kinds).unwrap(), rmp_serde::to_vec(&plain).unwrap());
    assert_eq!(serde_json::to_string(&kinds).unwrap(), serde_json::to_string(&plain).unwrap());
    // what is out of band stays there
    let buffer = Buffer::from(vec![7_u8; 16]);
    let shared = Value::Shared(Arc::new(Value::Buffer(buffer.clone())));
    let message = MsgPack::new().encode(&vec![shared.clone(), shared]).unwrap();
    assert_eq!((message.buffers().len(), message.buffers()[0].as_ptr()), (1, buffer.as_ptr()));
}

#[test]
fn fields_of_types_have_kinds() {
    #[derive(Serialize)]
    struct Fields {
        #[serde(serialize_with = "python::datetime")]
        at: &'static str,
        #[serde(serialize_with = "python::tuple")]
        pair: Vec<As<u8>>,
        #[serde(serialize_with = "python::counter")]
        counts: BTreeMap<&'static str, u8>,
    }
    let fields =
        Fields { at: "2026-11-21", pair: vec![As(Kind::Int, 1), As(Kind::Int, 2)], counts: BTreeMap::from([("a", 1)]) };
    let plain = serde_json::json!({"at": "2026-11-21", "pair": [1, 2], "counts": {"a": 1}});
    assert_eq!(serde_json::to_value(&fields).unwrap(), plain);
    let read: serde_json::Value = MsgPack::new().decode(MsgPack::new().encode(&fields).unwrap()).unwrap();
    assert_eq!(read, plain);
}

#[test]
fn what_is_one_object_in_python_is_one_value() {
    // a = [1, 2]; (a, a)
    let pair = read(b"](K\x01K\x02eq\x000h\0h\0\x86.");
    let [first, second] = pair.as_list().unwrap() else { panic!("{pair}") };
    assert!(Arc::ptr_eq(owner(first), owner(second)));
    assert_eq!(pair.to_string(), "([1, 2], [1, 2])");
    // one that is named once is its own, also if there was an equal one
    let apart = read(b"]K\x01a]K\x01a\x86.");
    assert!(apart.as_list().unwrap().iter().all(|value| matches!(value, Value::List(_))), "{apart}");

    for (what, data, is_shared) in [
        ("an empty list, which may grow", b"]".to_vec(), true),
        ("an empty tuple", b")".to_vec(), false),
        ("a tuple", b"K\x01\x85".to_vec(), true),
        ("a dict", b"}".to_vec(), true),
        ("a set", b"\x8f".to_vec(), true),
        ("a date", b"cdatetime\ndate\n(C\x04\x07\xe8\x01\x01tR".to_vec(), true),
        ("a short text", [&b"X\x3f\0\0\0"[..], &[b'a'; 63]].concat(), false),
        ("a long text", [&b"X\x40\0\0\0"[..], &[b'a'; 64]].concat(), true),
        ("a number", b"M\xff\xff".to_vec(), false),
        ("a float", b"G?\xe0\0\0\0\0\0\0".to_vec(), false),
        ("None", b"N".to_vec(), false),
    ] {
        let both = read(&[&data[..], b"\x94h\0\x86."].concat());
        let [first, second] = both.as_list().unwrap() else { panic!("{both}") };
        match (first, second) {
            (Value::Shared(a), Value::Shared(b)) if is_shared => assert!(Arc::ptr_eq(a, b), "{what}"),
            (Value::Shared(_), _) | (_, Value::Shared(_)) => panic!("{what} is shared"),
            _ => assert!(!is_shared, "{what} is not shared"),
        }
        assert_eq!(first, second, "{what}");
        let once = read(&[&data[..], b"\x94\x85."].concat());
        assert!(!matches!(once.as_list().unwrap(), [Value::Shared(_)]), "{what} is named once");
    }

    // the same across the fields of a type, and not beyond the message
    let data = b"](K\x01eq\x000h\0h\0\x86.";
    let (a, b): (Value, Value) = Pickle::new().decode(message(data)).unwrap();
    let (c, _): (Value, Option<Value>) = Pickle::new().decode(message(data)).unwrap();
    assert!(Arc::ptr_eq(owner(&a), owner(&b)) && !Arc::ptr_eq(owner(&a), owner(&c)));
    // keys and values, attributes and values of enums
    let map = read(b"}(K\x01\x85\x94h\0u.");
    let [(key, value)] = map.as_map().unwrap() else { panic!("{map}") };
    assert!(Arc::ptr_eq(owner(key), owner(value)));
    let enums = b"cshop\nColor\n(]\x94tR\x940(h\x01h\0h\x01t.";
    let enums: Value = Pickle::new().allow("shop.Color").decode(message(enums)).unwrap();
    let [a, b, c] = enums.as_list().unwrap() else { panic!("{enums}") };
    assert!(Arc::ptr_eq(owner(a), owner(b)) && Arc::ptr_eq(owner(a), owner(c)));
}

#[test]
fn serde_s_own_buffering_shows_values_without_kinds() {
    #[derive(Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }
    // {"id": 7, "at": (1, 2), "in": (1, 2)}, of which the last two are one
    let data = b"}(X\x02\0\0\0idK\x07X\x02\0\0\0atK\x01K\x02\x86\x94X\x02\0\0\0inh\0u.";
    let flat: Flat = Pickle::new().decode(message(data)).unwrap();
    let list = Value::from(vec![Value::from(1), Value::from(2)]);
    assert_eq!((flat.id, flat.more), (7, BTreeMap::from([("at".to_owned(), list.clone()), ("in".to_owned(), list)])));
    // a type that looks at each itself
    let (text, value): (Vec<u8>, Value) = Pickle::new().decode(message(b"K\x01\x85K\x01\x85\x86.")).unwrap();
    assert_eq!((text, value.kind()), (vec![1], Some(Kind::Tuple)));
    // and nothing is told of a decoder that knows nothing
    let value: Value = serde_json::from_str("[[1]]").unwrap();
    assert_eq!(value, Value::from(vec![Value::from(vec![Value::from(1)])]));
}

#[test]
fn members_of_enums_keep_their_class_where_it_is_allowed_as_an_enum() {
    #[derive(Deserialize, PartialEq, Debug)]
    enum Colour {
        #[serde(rename = "RED")]
        Red,
    }
    let codec = Pickle::new().allow_enum("shop.Colour");
    let member = |entry: &str, content: Value| {
        of_kind(Kind::Member, vec![("$class".into(), "shop.Colour".into()), (entry.into(), content)])
    };
    // Colour(7), Colour("RED"), and what CPython 3.11.2 writes: getattr(Colour, "RED"), or_(getattr(Colour, "B"), getattr(Colour, "A"))
    let by_number = &b"\x80\x02cshop\nColour\nK\x07\x85R."[..];
    let by_text = &b"\x80\x04\x8c\x04shop\x8c\x06Colour\x93\x8c\x03RED\x85R."[..];
    let by_name = &b"\x80\x02cbuiltins\ngetattr\ncshop\nColour\nX\x03\0\0\0RED\x86R."[..];
    let flags = [
        &b"\x80\x02c_operator\nor_\ncbuiltins\ngetattr\nq\x01cshop\nColour\nq\x02X\x01\0\0\0B\x86R"[..],
        b"h\x01h\x02X\x01\0\0\0A\x86R\x86R.",
    ]
    .concat();
    for (data, expected, shown) in [
        (by_number, member("value", 7.into()), r#"shop.Colour("value": 7)"#),
        (by_text, member("value", "RED".into()), r#"shop.Colour("value": "RED")"#),
        (by_name, member("name", "RED".into()), r#"shop.Colour("name": "RED")"#),
        (&flags, member("name", "A|B".into()), r#"shop.Colour("name": "A|B")"#),
    ] {
        let value: Value = codec.decode(message(data)).unwrap();
        assert_eq!((&value, value.to_string().as_str()), (&expected, shown));
        let again = codec.encode(&value).unwrap();
        assert_eq!(Decode::<Value>::decode(&codec, again.clone()).unwrap(), value);
        // a type is shown what it was shown before
        let plain = Pickle::new().allow("shop.Colour");
        let [before, after] = [&plain, &codec].map(|codec| Decode::<Colour>::decode(codec, again.clone()).ok());
        assert_eq!((before.is_some(), before), (shown.contains("RED"), after));
        let refused = plain.encode(&value).unwrap_err().to_string();
        assert!(refused.contains(r#"a member of shop.Colour: Pickle::allow_enum("shop.Colour")"#), "{refused}");
    }
    let seven: u8 = codec.decode(message(by_number)).unwrap();
    assert_eq!((seven, read_as(&Pickle::new().allow("shop.Colour"), by_number)), (7, Value::from(7)));
    // a key, and one object in two places
    let value =
        Value::List(vec![Value::Map(vec![(member("value", 7.into()), Value::Nil)]), member("name", "RED".into())]);
    assert_eq!(Decode::<Value>::decode(&codec, codec.encode(&value).unwrap()).unwrap(), value);
    for misfit in [
        member("name", "__init__".into()),
        member("name", "RED.__init__".into()),
        member("name", "A||B".into()),
        member("name", 7.into()),
        member("else", 7.into()),
        of_kind(Kind::Member, vec![(Value::from("$class"), Value::from("shop.Colour"))]),
        of_kind(Kind::Member, vec![(Value::from("$class"), Value::from("os.system")), ("value".into(), "x".into())]),
        of_kind(Kind::Member, Vec::<Value>::new()),
    ] {
        assert_eq!(codec.encode(&misfit).unwrap_err().kind(), ErrorKind::Caller, "{misfit}");
    }
}

fn read_as(codec: &Pickle, data: &[u8]) -> Value {
    codec.decode(message(data)).unwrap()
}

#[test]
fn a_dict_is_one_whatever_its_first_key_is() {
    for marker in ["$array", "$table"] {
        let like = vec![(Value::from(marker), Value::from("<f8")), (Value::from("shape"), Value::List(vec![1.into()]))];
        let dict = Value::Map(like);
        let array = Value::from(Array::from_vec(vec![0.5_f64; 3000]));
        let shared = Arc::new(dict.clone());
        for value in [
            dict.clone(),
            Value::Map(vec![(marker.into(), dict.clone())]),
            Value::List(vec![dict.clone(), array.clone(), dict.clone()]),
            Value::Map(vec![(marker.into(), array)]),
            of_kind(Kind::OrderedDict, dict.clone()),
            Value::List(vec![Value::Shared(shared.clone()), Value::Shared(shared)]),
        ] {
            let message = Pickle::new().encode(&value).unwrap();
            let back: Value = Pickle::new().decode(message.clone()).unwrap();
            assert_eq!(back, value);
            assert_eq!(Pickle::new().encode(&back).unwrap().metadata(), message.metadata());
        }
        // elsewhere it is how an array or a table says what it is
        let is_known = marker == "$array" || cfg!(feature = "arrow");
        assert_eq!(MsgPack::new().encode(&dict).is_err(), is_known);
    }
}

/// A value with nothing shared.
fn apart(value: &Value) -> Value {
    match value {
        Value::Shared(inner) => apart(inner),
        Value::Python(kind, inner) => of_kind(*kind, apart(inner)),
        Value::List(elements) => Value::List(elements.iter().map(apart).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|(key, value)| (apart(key), apart(value))).collect()),
        plain => plain.clone(),
    }
}

/// How many objects stand in several places, and in how many places they stand.
fn owners(value: &Value) -> (usize, usize) {
    fn count(value: &Value, seen: &mut BTreeMap<*const Value, usize>) {
        match value {
            Value::Shared(owner) => {
                let places = seen.entry(Arc::as_ptr(owner)).or_default();
                *places += 1;
                if *places == 1 {
                    count(owner, seen);
                }
            }
            Value::Python(_, inner) => count(inner, seen),
            Value::List(elements) => elements.iter().for_each(|element| count(element, seen)),
            Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                count(key, seen);
                count(value, seen);
            }),
            _ => {}
        }
    }
    let mut seen = BTreeMap::new();
    count(value, &mut seen);
    // a name of something that is nowhere in the value counts in one pickle and is not in the other
    seen.retain(|_, places| *places > 1);
    (seen.len(), seen.values().sum())
}

/// A pickle of so many containers, each of some of those before it. The first three forms hash nothing.
fn random_graph(random: &mut Random, containers: usize, forms: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for index in 0..containers {
        let count = 2 * random.below(2) + random.below(2) * 2;
        let mut elements = Vec::new();
        for place in 0..count {
            let is_key = place % 2 == 0;
            match random.below(4) {
                _ if index == 0 || is_key && random.below(2) == 0 => elements.extend([b'K', random.below(256) as u8]),
                0 => elements.extend(b"N"),
                _ => elements.extend([b'h', index as u8 - 1 - random.below(index.min(3)) as u8]),
            }
        }
        let (open, close) = [
            (&b"("[..], &b"l"[..]),
            (b"(", b"t"),
            (b"ccollections\ndeque\n)R(", b"e"),
            (b"(", b"\x91"),
            (b"\x8f(", b"\x90"),
            (b"}(", b"u"),
            (b"ccollections\nOrderedDict\n)R(", b"u"),
        ][random.below(forms)];
        data.extend([open, &elements, close, b"\x940"].concat());
    }
    data.extend([b'h', containers as u8 - 1, b'h', containers as u8 - 1 - random.below(containers) as u8]);
    data.extend(b"\x86.");
    data
}

#[test]
fn random_graphs_are_what_they_are_written_out() {
    let mut random = Random::seeded(0x5a4e_d001);
    let (mut shared, mut written, mut exact) = (0, 0, 0);
    let mut last = Value::Nil;
    for round in 0..3000 {
        let forms = if round % 2 == 0 { 7 } else { 3 };
        let data = random_graph(&mut random, 9, forms);
        let value = read(&data);
        let shown = pickles::shown(&Pickle::new(), message(&data)).unwrap();
        assert_eq!(value.to_object::<Value>().unwrap(), shown, "{}", data.escape_ascii());
        let written_out = apart(&value);
        assert_eq!(value, written_out, "{}", data.escape_ascii());
        assert_eq!(written_out, value, "{}", data.escape_ascii());
        assert_eq!(value, read(&data));
        assert_eq!(value.to_string(), written_out.to_string());
        // as a pickle again: lists in sets and keys become tuples, and what Python cannot hash at all is refused
        match Pickle::new().encode(&value) {
            Ok(again) => {
                let again: Value = Pickle::new().decode(again).unwrap();
                assert_eq!(again.to_object::<Value>().unwrap(), shown, "{}", data.escape_ascii());
                if forms == 3 {
                    assert_eq!(again, value, "{}", data.escape_ascii());
                    assert_eq!(owners(&again), owners(&value), "{}", data.escape_ascii());
                    exact += 1;
                }
                written += 1;
            }
            Err(error) => assert!(forms > 3 && error.to_string().contains("cannot hash"), "{error}"),
        }
        // two are equal where they are, written out
        assert_eq!(value == last, written_out == apart(&last));
        shared += usize::from(format!("{:?}", value.as_list().unwrap()).len() > 20);
        last = value;
    }
    println!("{shared} are larger than nothing, {written} were written, {exact} came back just as they were");
    assert!(shared > 1000 && written > 1000 && exact == 1500);
}

#[test]
fn what_stands_in_several_places_is_written_once() {
    let list = Value::Shared(Arc::new(Value::from(vec![Value::from("x".repeat(1000))])));
    let encode = |value: &Value| Pickle::new().encode(value).unwrap();
    let decode = |message: Multipart| Decode::<Value>::decode(&Pickle::new(), message).unwrap();
    let thousand = Value::from(vec![list.clone(); 1000]);
    let message = encode(&thousand);
    assert!(message.metadata().len() < 4000, "{} bytes", message.metadata().len());
    let back = decode(message);
    assert_eq!(back, thousand);
    let elements = back.as_list().unwrap();
    assert!(elements.iter().all(|element| Arc::ptr_eq(owner(element), owner(&elements[0]))));

    // the same content as another kind is another object
    let inner = Value::Shared(Arc::new(Value::from(vec![Value::from(1)])));
    let kinds = Value::from(vec![
        of_kind(Kind::Tuple, inner.clone()),
        of_kind(Kind::Set, inner.clone()),
        inner.clone(),
        of_kind(Kind::Tuple, inner),
    ]);
    let back = decode(encode(&kinds));
    assert_eq!(back.to_string(), "[(1,), {1}, [1], (1,)]");

    // an address that is used again is another object
    struct Passing;
    impl Serialize for Passing {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer
                .collect_seq((0..100).map(|number| Value::Shared(Arc::new(Value::from(vec![Value::from(number)])))))
        }
    }
    let numbers: Vec<[i32; 1]> = Pickle::new().decode(Pickle::new().encode(&Passing).unwrap()).unwrap();
    assert_eq!(numbers, (0..100).map(|number| [number]).collect::<Vec<_>>());

    // also where serde takes the newtype away that says so, and keeps what is in it for later
    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        outer: Value,
        #[serde(flatten)]
        inner: Tagged,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Tagged {
        Map(BTreeMap<&'static str, Value>),
    }
    let shared = |value: Value| Value::Shared(Arc::new(value));
    let part = shared(Value::from(vec![Value::from(7)]));
    let outer = shared(Value::from(vec![(Value::from("a"), part.clone()), (Value::from("b"), part.clone())]));
    let flat = Flat { outer, inner: Tagged::Map(BTreeMap::from([("c", part)])) };
    let back: BTreeMap<String, [u8; 1]> = Pickle::new().decode(Pickle::new().encode(&flat).unwrap()).unwrap();
    assert_eq!(back, BTreeMap::from(["a", "b", "c"].map(|key| (key.to_owned(), [7]))));

    // and is no deeper anywhere than a reader takes it
    let nested = |depth: usize, inner: &Value| (0..depth).fold(inner.clone(), |inner, _| Value::from(vec![inner]));
    let deep = Value::Shared(Arc::new(nested(40, &Value::Nil)));
    decode(encode(&Value::from(vec![deep.clone(), nested(23, &deep)])));
    let error = Pickle::new().encode(&Value::from(vec![deep.clone(), nested(24, &deep)])).unwrap_err();
    assert!(error.to_string().contains("64"), "{error}");
}

/// `a = (leaf,)`, then forty times `a = (a, a)`.
fn bomb(leaf: &[u8]) -> Vec<u8> {
    [leaf, b"\x85", &b"2\x86".repeat(40), b"."].concat()
}

#[test]
fn a_few_bytes_that_stand_for_billions_are_a_small_value() {
    let data = bomb(b"K\x01");
    let strict = Pickle::new().limits(Limits::new().metadata_bytes(1000));
    let (value, usage) = measure(|| Decode::<Value>::decode(&strict, message(&data)).unwrap());
    assert!(usage.peak < 32 << 10, "{usage:?}");
    let other = read(&data);
    let (_, usage) = measure(|| {
        assert_eq!(value, other);
        assert_eq!(value, value.clone());
        assert_ne!(value, read(&bomb(b"K\x02")));
        assert_ne!(value, read(&bomb(b"K\x01\x85")));
        for shown in [value.to_string(), format!("{value:#}")] {
            assert!(shown.len() < 8100 && shown.contains("..."), "{shown}");
        }
    });
    assert!(usage.peak < 64 << 10, "{usage:?}");
    assert!(matches!(value.plain(), Value::List(_)) && value.kind() == Some(Kind::Tuple));

    // as a pickle it is as small again
    let again = Pickle::new().encode(&value).unwrap();
    assert!(again.metadata().len() < 300, "{again:?}");
    assert_eq!(Decode::<Value>::decode(&strict, again).unwrap(), value);
    // every codec that writes it out gives up at its limit
    let limits = Limits::new().metadata_bytes(1 << 20);
    for codec in [&MsgPack::new().limits(limits) as &dyn Encode<Value>, &Json::new().limits(limits)] {
        let (result, usage) = measure(|| codec.encode(&value));
        let error = result.unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("1048576"), "{error}");
        assert!(usage.peak < 8 << 20, "{usage:?}");
    }
    // as a part of something of one's own as well
    let error = MsgPack::new().limits(limits).encode(&BTreeMap::from([("in", &value)])).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

#[test]
fn long_texts_that_are_named_often_are_decoded_once() {
    let text = [&b"X\0\0\x10\0"[..], &[b'a'; 1 << 20]].concat();
    let data = [&b"("[..], &text, b"\x94", &b"h\0".repeat(9999), b"l."].concat();
    let (value, usage) = measure(|| read(&data));
    assert_eq!(value.as_list().map(<[_]>::len), Some(10_000));
    assert!(usage.peak < 4 << 20, "{usage:?}");
    let (_, usage) = measure(|| assert_eq!(value, read(&data)));
    assert!(usage.peak < 8 << 20, "{usage:?}");
    let limits = Limits::new().metadata_bytes(4 << 20);
    for codec in [&MsgPack::new().limits(limits) as &dyn Encode<Value>, &Json::new().limits(limits)] {
        let (result, usage) = measure(|| codec.encode(&value));
        assert!(result.unwrap_err().is_limit());
        assert!(usage.peak < 32 << 20, "{usage:?}");
    }
}

const NOTHING: Value = Value::List(Vec::new());

#[test]
fn equality_is_exact_and_quick_however_two_values_share() {
    // one shares every even level, the other every odd one
    let pair = |value: &Value| Value::from(vec![value.clone(), value.clone()]);
    let shared = |value: Value| Value::Shared(Arc::new(value));
    let build = |offset: usize, leaf: Value| {
        (0..60).fold(leaf, |below, level| match (level + offset) % 2 {
            0 => shared(pair(&below)),
            // two of their own that hold the same
            _ => Value::from(vec![pair(&below), pair(&below)]),
        })
    };
    let flat = |count: usize, leaf: Value| (0..count).fold(leaf, |below, _| shared(pair(&below)));
    let leaf = Value::from(1);
    assert_eq!(build(0, leaf.clone()), build(0, leaf.clone()));
    // 30 levels of one and 30 of two are 90 in all, whichever come first
    assert_eq!(build(0, leaf.clone()), flat(90, leaf.clone()));
    assert_eq!(build(0, leaf.clone()), build(1, leaf.clone()));
    assert_ne!(build(0, leaf.clone()), build(1, Value::from(2)));
    assert_ne!(build(0, leaf.clone()), flat(89, leaf.clone()));
    // no NaN is equal to itself, nor is what holds one
    let nan = flat(50, Value::F64(f64::NAN));
    assert!(nan != nan.clone() && flat(50, leaf.clone()) == flat(50, leaf));

    assert_ne!(of_kind(Kind::Tuple, NOTHING), NOTHING);
    assert_ne!(of_kind(Kind::Tuple, NOTHING), of_kind(Kind::Set, NOTHING));
    assert_eq!(of_kind(Kind::Set, NOTHING), shared(of_kind(Kind::Set, NOTHING)));
    assert_ne!(Value::from(1), Value::from(1.0));
}

#[test]
fn what_is_shared_is_no_deeper_than_the_limit_at_any_place() {
    // a = []; then a = [a] again and again, each of them an element of the list that is the pickle
    let stairs = |steps: usize| {
        let mut data = b"(]\x94".to_vec();
        for step in 0..steps {
            data.extend([&b"(j"[..], &(step as u32).to_le_bytes(), b"l\x94"].concat());
        }
        data.extend(b"l.");
        data
    };
    on_a_small_stack(move || {
        let value = read(&stairs(62));
        assert_eq!(value.as_list().map(<[_]>::len), Some(63));
        MsgPack::new().encode(&value).unwrap();
        for steps in [63, 100, 100_000] {
            let error = Decode::<Value>::decode(&Pickle::new(), message(&stairs(steps))).unwrap_err();
            assert!(error.is_limit() && error.to_string().contains("deeper than the limit of 64"), "{steps}: {error}");
        }
    });
}

#[test]
fn the_deepest_values_fit_a_small_stack() {
    // tuples, sets and instances in each other, each of them named twice
    let tuples = [b"K\x01".to_vec(), b"\x85".repeat(64), b".".to_vec()].concat();
    let shared = [&b"K\x01\x85"[..], &b"2\x86".repeat(63), b"."].concat();
    let sets = [b"\x8f(".repeat(64), b"K\x01".to_vec(), b"\x90".repeat(64), b".".to_vec()].concat();
    let instances = [b"cshop\nOrder\n)\x81}X\x01\0\0\0a".repeat(60), b"N".to_vec(), b"sb".repeat(60), b".".to_vec()];
    let members = [b"cshop\nColour\n".repeat(60), b"N".to_vec(), b"\x85R".repeat(60), b".".to_vec()].concat();
    let plain = [(tuples, false), (shared, true), (sets, false), (instances.concat(), false), (members, false)];
    for (data, is_bomb) in plain {
        on_a_small_stack(move || {
            let codec = Pickle::new().allow("shop.Order").allow_enum("shop.Colour");
            let decode = || Decode::<Value>::decode(&codec, message(&data)).unwrap();
            let value = decode();
            assert_eq!(value, decode());
            let message = message(&data);
            assert_eq!(value, codec.decode_ref(&message).unwrap());
            let limits = Limits::new().metadata_bytes(1 << 20);
            let encoded = MsgPack::new().limits(limits).encode(&value);
            assert!(encoded.is_ok() != is_bomb);
            // a set in a set is none that Python would hash
            match codec.encode(&value) {
                Ok(message) => assert_eq!(Decode::<Value>::decode(&codec, message).unwrap(), value),
                Err(error) => assert!(error.to_string().contains("cannot hash"), "{error}"),
            }
            let encoded = Json::new().limits(limits).encode(&value);
            assert!(encoded.is_ok() != is_bomb);
            assert!(value.to_string().contains(" elements"), "{value}");
        });
    }
}
