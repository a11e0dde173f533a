//! The machine against pickles that CPython made, and against what nobody would make.
//!
//! The golden pickles and what each is are made by `tests/python/make_pickles.py`, which also sees to it that they have every
//! opcode of `pickletools` but the extension codes.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::graph::Items;
use super::{Bounds, Construction, Graph, Insets, Node, NodeId, opcode};
use crate::error::{Error, ErrorKind, Result};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pickle")
}

/// Name, pickle, number of buffers, and what it is, as text.
fn golden() -> Vec<(String, Vec<u8>, usize, String)> {
    let index = fs::read_to_string(folder().join("index.txt")).unwrap();
    let line = |line: &str| {
        let mut parts = line.splitn(3, ' ').map(str::to_owned);
        let (name, buffers, expected) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let pickle = fs::read(folder().join(format!("{name}.pickle"))).unwrap();
        (name, pickle, buffers.parse().unwrap(), expected)
    };
    index.lines().map(line).collect()
}

/// Reads a pickle with nothing between its opcodes.
fn read<'p>(pickle: &'p [u8], buffers: usize, bounds: &Bounds) -> Result<Graph<'p>> {
    static NONE: Insets = Insets { class: ("", ""), after: |_, _, _| Ok(None) };
    super::read(pickle, buffers, bounds, &NONE)
}

fn open(pickle: &[u8]) -> Result<Graph<'_>> {
    read(pickle, 0, &Bounds::default())
}

fn refusal(pickle: &[u8]) -> Error {
    let error = open(pickle).map(drop).unwrap_err();
    check(&error);
    error
}

/// What every refusal promises.
fn check(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
    let text = error.to_string();
    assert!(text.len() < 300 && !text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text}");
}

/// Writes a graph as `make_pickles.py` writes the value; what comes again is the number it had the first time.
fn text(graph: &Graph<'_>) -> String {
    let mut out = String::new();
    write(graph, graph.root(), &mut HashMap::new(), &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An integer in two's complement as hexadecimal digits.
fn big(bytes: &[u8]) -> String {
    let negative = bytes.last().unwrap() & 0x80 != 0;
    let mut carry = true;
    let mut magnitude = bytes.to_vec();
    if negative {
        for byte in &mut magnitude {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    magnitude.reverse();
    format!("big:{}{}", if negative { "-" } else { "" }, hex(&magnitude).trim_start_matches('0'))
}

/// An integer in decimal as hexadecimal digits.
fn big_text(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let mut nibbles = vec![0_u32];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for nibble in &mut nibbles {
            carry += *nibble * 10;
            *nibble = carry % 16;
            carry /= 16;
        }
        while carry > 0 {
            nibbles.push(carry % 16);
            carry /= 16;
        }
    }
    let hex: String = nibbles.iter().rev().map(|&nibble| char::from_digit(nibble, 16).unwrap()).collect();
    format!("big:{sign}{}", hex.trim_start_matches('0'))
}

fn write(graph: &Graph<'_>, id: NodeId, known: &mut HashMap<NodeId, usize>, out: &mut String) {
    let node = graph.node(id);
    let is_container = match node {
        Node::Tuple(items) => items.len() > 0,
        Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::FrozenSet(_) | Node::Object(_) => true,
        _ => false,
    };
    if is_container {
        let next = known.len();
        if let Some(number) = known.get(&id) {
            out.push_str(&format!("@{number}"));
            return;
        }
        known.insert(id, next);
    }
    match node {
        Node::None => out.push_str("None"),
        Node::Bool(value) => out.push_str(if value { "True" } else { "False" }),
        Node::Int(value) => out.push_str(&value.to_string()),
        Node::Big(bytes) => out.push_str(&big(bytes)),
        Node::BigText(text) => out.push_str(&big_text(text)),
        Node::Float(value) => out.push_str(&format!("f:{:016x}", value.to_bits())),
        Node::Bytes(bytes) => out.push_str(&format!("b:{}", hex(bytes))),
        Node::ByteArray(bytes) => out.push_str(&format!("ba:{}", hex(bytes))),
        Node::Str(text) if text.len() > 1000 => out.push_str(&format!("s*{}", text.len())),
        Node::Str(text) => out.push_str(&format!("s:{}", hex(text.as_bytes()))),
        Node::OldStr(bytes) => out.push_str(&format!("old:{}", hex(bytes))),
        Node::Tuple(items) => list(graph, items, "(", ")", known, out),
        Node::List(items) => list(graph, items, "[", "]", known, out),
        Node::Set(items) => sorted(graph, items, "set<", known, out),
        Node::FrozenSet(items) => sorted(graph, items, "frozenset<", known, out),
        Node::Dict(items) => entries(graph, items, known, out),
        Node::Global { module, name } => out.push_str(&format!("{module} {name}")),
        Node::Persistent(id) => {
            out.push_str("persistent ");
            write(graph, id, known, out);
        }
        Node::Buffer { index, readonly } => {
            out.push_str(&format!("{} {index}", if readonly { "readonly" } else { "buffer" }));
        }
        Node::Object(object) => {
            match object.construction {
                Construction::Reduce => {}
                Construction::New => out.push_str("new "),
                Construction::Instance => out.push_str("instance "),
            }
            write(graph, object.callable, known, out);
            write(graph, object.args, known, out);
            if let Some(keywords) = object.keywords {
                out.push_str("**");
                write(graph, keywords, known, out);
            }
            if graph.items_of(object).len() > 0 {
                out.push_str("items");
                list(graph, graph.items_of(object), "[", "]", known, out);
            }
            if graph.entries_of(object).len() > 0 {
                out.push_str("entries");
                entries(graph, graph.entries_of(object), known, out);
            }
            for state in graph.states_of(object) {
                out.push_str("state");
                write(graph, state, known, out);
            }
        }
    }
}

type Known = HashMap<NodeId, usize>;

fn list(graph: &Graph<'_>, items: Items<'_>, start: &str, end: &str, known: &mut Known, out: &mut String) {
    out.push_str(start);
    for (index, item) in items.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        write(graph, item, known, out);
    }
    out.push_str(end);
}

fn sorted(graph: &Graph<'_>, items: Items<'_>, start: &str, known: &mut Known, out: &mut String) {
    let mut members: Vec<String> = items
        .map(|item| {
            let mut member = String::new();
            write(graph, item, known, &mut member);
            member
        })
        .collect();
    members.sort();
    out.push_str(&format!("{start}{}>", members.join(",")));
}

fn entries(graph: &Graph<'_>, mut items: Items<'_>, known: &mut Known, out: &mut String) {
    out.push('{');
    let mut first = true;
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        out.push_str(if first { "" } else { "," });
        first = false;
        write(graph, key, known, out);
        out.push('=');
        write(graph, value, known, out);
    }
    out.push('}');
}

#[test]
fn every_golden_pickle_is_what_python_made() {
    let golden = golden();
    assert!(golden.len() > 60, "{}", golden.len());
    for (name, pickle, buffers, expected) in golden {
        let graph = read(&pickle, buffers, &Bounds::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(text(&graph), expected, "{name}");
    }
}

#[test]
fn random_values_of_every_protocol_are_what_python_made() {
    let random = fs::read(folder().join("random.bin")).unwrap();
    let mut rest = &random[..];
    let mut count = 0;
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(*rest[at..].first_chunk().unwrap()) as usize;
        let (pickle, expected) = (number(0), number(4));
        let (this, after) = rest[8..].split_at(pickle + expected);
        let graph = open(&this[..pickle]).unwrap();
        assert_eq!(text(&graph).as_bytes(), &this[pickle..], "value {count}");
        rest = after;
        count += 1;
    }
    assert!(count >= 200, "{count}");
}

#[test]
fn every_truncation_and_many_mutations_end_in_a_typed_error_or_a_graph() {
    let small = |run: fn()| thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
    small(|| {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let (mut refused, mut accepted) = (0, 0);
        for (name, pickle, buffers, _) in golden().into_iter().filter(|(_, pickle, ..)| pickle.len() < 1000) {
            for end in 0..pickle.len() {
                check(&read(&pickle[..end], buffers, &Bounds::default()).map(drop).expect_err(&name));
            }
            for _ in 0..100 {
                let mut mutated = pickle.clone();
                for _ in 0..=random(3) {
                    let (at, byte) = (random(mutated.len()), random(256) as u8);
                    let byte = if random(2) == 0 { opcode::ALL[random(opcode::ALL.len())] } else { byte };
                    match random(3) {
                        0 => mutated[at] = byte,
                        1 => mutated.insert(at, byte),
                        _ => drop(mutated.remove(at)),
                    }
                    if mutated.is_empty() {
                        mutated.push(byte);
                    }
                }
                match read(&mutated, buffers, &Bounds::default()) {
                    Ok(graph) => {
                        accepted += 1;
                        let _ = graph.height();
                        assert!(graph.len() <= 8 + 5 * mutated.len());
                    }
                    Err(error) => {
                        refused += 1;
                        check(&error);
                    }
                }
            }
        }
        println!("{refused} refused, {accepted} accepted");
        assert!(refused > 2_000 && accepted > 200);
    });
}

#[test]
fn what_is_not_well_formed_is_refused_with_byte_and_opcode() {
    for (pickle, expected) in [
        (&b""[..], "byte 0 (no opcode): the pickle ends without STOP"),
        (b"N", "byte 1 (no opcode)"),
        (b".", "byte 0 (STOP): it takes more values than the 0 on the stack"),
        (b"NN.", "byte 2 (STOP): 1 values and 0 marks are left"),
        (b"(N.", "byte 2 (STOP): 0 values and 1 marks are left on the stack"),
        (b"N.N", "byte 1 (STOP): 1 bytes follow"),
        (b"\xff.", "byte 0 (unknown opcode): 0xff is no opcode"),
        (b"\x80\x06N.", "byte 0 (PROTO): protocol 6"),
        (b"t.", "byte 0 (TUPLE): there is no mark"),
        (b"N(\x85.", "byte 2 (TUPLE1): it takes more values than the 0 above the last mark"),
        (b"](a.", "byte 2 (APPEND)"),
        (b"(e.", "byte 1 (APPENDS)"),
        (b"](N(e.", "byte 4 (APPENDS): elements are for a list"),
        (b"}(Ne.", "elements are for a list"),
        (b"](NNu.", "entries are for a dict"),
        (b"}(Nu.", "byte 3 (SETITEMS): a key without a value"),
        (b"(Nd.", "byte 2 (DICT): a key without a value"),
        (b"}Ns.", "byte 2 (SETITEM)"),
        (b"](N\x90.", "members are for a set"),
        (b"N)R.", "byte 2 (REDUCE): what is called is neither a global nor an object"),
        (b"ca\nb\nNR.", "byte 6 (REDUCE): the arguments are no tuple"),
        (b"ca\nb\n)N\x92.", "the keyword arguments are no dict"),
        (b"NNb.", "a state is for an object"),
        (b"NN\x93.", "module and name have to be text"),
        (b"(o.", "there is no class after the mark"),
        (b"o.", "byte 0 (OBJ): there is no mark"),
        (b"ca\n", "byte 0 (GLOBAL): the line does not end"),
        (b"c\xff\nb\n.", "the text is not UTF-8"),
        (b"X\x03\0\0\0\xed\xa0\x80.", "byte 0 (BINUNICODE): the text is not UTF-8"),
        (b"X\xff\xff\xff\xffa.", "it needs 4294967295 bytes, and 2 are left of the pickle"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "and 2 are left of the pickle"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fa.", "it needs 9223372036854775807 bytes"),
        (b"\x96\0\0\0\0\0\0\0\x80a.", "it needs 9223372036854775808 bytes"),
        (b"T\xff\xff\xff\xffa.", "byte 0 (BINSTRING): a length of -1"),
        (b"\x8b\xff\xff\xff\xff.", "byte 0 (LONG4): a length of -1"),
        (b"\x8a\x05ab.", "byte 0 (LONG1): it needs 5 bytes"),
        (b"Iabc\n.", "byte 0 (INT): the line is no integer"),
        (b"L\n.", "byte 0 (LONG): the line is no integer"),
        (b"Fx\n.", "byte 0 (FLOAT): the line is no float"),
        (b"Sabc\n.", "byte 0 (STRING): the line is no string in quotes"),
        (b"V\\ud800\n.", "byte 0 (UNICODE): the line is no Unicode text"),
        (b"h\0.", "byte 0 (BINGET): there is no memo entry 0"),
        (b"g-1\n.", "the line is no number of a memo entry"),
        (b"\x94.", "byte 0 (MEMOIZE): it takes more"),
        (b"(\x94.", "above the last mark"),
        (b"q\0.", "byte 0 (BINPUT)"),
        (b"0.", "byte 0 (POP): it takes more"),
        (b"2.", "byte 0 (DUP): it takes more"),
        (b"N\x98.", "byte 1 (READONLY_BUFFER): there is no buffer"),
        (b"\x82\x01.", "byte 0 (EXT1): extension codes"),
        (b"\x83\x01\0.", "byte 0 (EXT2)"),
        (b"\x84\x01\0\0\0.", "byte 0 (EXT4)"),
        (b"\x95\x09\0\0\0\0\0\0\0N.", "byte 0 (FRAME): a frame of 9 bytes, and 2 are left"),
        (b"\x95\x02\0\0\0\0\0\0\0K\x01\x95", "byte 11 (FRAME)"),
        (b"\x95\x02\0\0\0\0\0\0\0M\x01\0.", "byte 9 (BININT2): it needs 2 bytes, and 1 are left of the frame"),
        (b"\x95\x0b\0\0\0\0\0\0\0N\x95\0\0\0\0\0\0\0\0.", "byte 10 (FRAME): a frame begins before"),
        (b"\x97.", "buffer frame 0 is missing"),
    ] {
        let error = refusal(pickle);
        assert!(error.to_string().contains(expected), "{}: {error}", pickle.escape_ascii());
    }
}

#[test]
fn buffers_are_named_in_order_and_all_of_them() {
    let pickle = b"\x97\x97\x98\x86.";
    let graph = read(pickle, 2, &Bounds::default()).unwrap();
    assert_eq!(text(&graph), "(buffer 0,readonly 1)");
    let missing = read(pickle, 1, &Bounds::default()).map(drop).unwrap_err();
    assert!(missing.is_peer() && missing.to_string().contains("buffer frame 1 is missing"), "{missing}");
    let unused = read(pickle, 3, &Bounds::default()).map(drop).unwrap_err();
    assert!(unused.is_peer() && unused.to_string().contains("buffer frame 2 of 3 is not referenced"), "{unused}");
}

#[test]
fn attacks_cost_no_more_than_their_length() {
    // CPython 3.11 sets aside 4.1 GiB for these nine bytes
    let graph = open(b"Nr\xff\xff\xff\x7f.").unwrap();
    assert_eq!(text(&graph), "None");
    assert!(open(b"Np99999999999999999999\n.").is_err());
    assert_eq!(text(&open(b"Np18446744073709551615\n.").unwrap()), "None");

    // 2^60 elements when expanded, 60 tuples as a graph
    let mut bomb = b")".to_vec();
    bomb.extend(b"2\x86".repeat(60));
    bomb.push(b'.');
    let graph = open(&bomb).unwrap();
    assert_eq!(graph.height(), Some(61));
    bomb.pop();
    bomb.extend(b"2\x86".repeat(60));
    bomb.push(b'.');
    assert_eq!(open(&bomb).unwrap().height(), Some(121));

    // nesting recurses nowhere, neither with marks nor without
    let on_a_small_stack = thread::Builder::new().stack_size(128 << 10).spawn(|| {
        let deep = [&b")"[..], &b"\x85".repeat(1_000_000), b"."].concat();
        let graph = open(&deep).unwrap();
        assert_eq!(graph.height(), Some(254));
        let deep = [b"(".repeat(1_000_000), b"t".repeat(1_000_000), b".".to_vec()].concat();
        assert_eq!(open(&deep).unwrap().height(), Some(254));
    });
    on_a_small_stack.unwrap().join().unwrap();

    // what contains itself has no height, whatever it is
    for recursive in [&b"]2a."[..], b"}2Ns.".as_ref(), b"ca\nb\n)R2b.", b"](h\0e.".as_ref(), b"]q\0h\0\x85a."] {
        match open(recursive) {
            Ok(graph) => assert_eq!(graph.height(), None, "{}", recursive.escape_ascii()),
            Err(error) => check(&error),
        }
    }

    let strict = Bounds { nodes: 100, memo: 10 };
    let error = read(&[b"]".repeat(200), b".".to_vec()].concat(), 0, &strict).map(drop).unwrap_err();
    assert!(
        error.is_limit() && error.to_string().contains("more objects than the limit of 100 (metadata_bytes)"),
        "{error}"
    );
    let error = read(&[b"N".to_vec(), b"\x94".repeat(11), b".".to_vec()].concat(), 0, &strict).map(drop).unwrap_err();
    assert!(
        error.is_limit()
            && error.to_string().contains("more objects kept to be named again than the limit of 10 (metadata_bytes)"),
        "{error}"
    );
}

#[test]
fn strings_are_borrowed_from_the_pickle() {
    let pickle = b"\x80\x04\x8c\x05plain.";
    let graph = open(pickle).unwrap();
    let Node::Str(text) = graph.node(graph.root()) else { panic!("a text") };
    assert_eq!(text.as_ptr(), pickle[4..].as_ptr());
}

#[test]
fn what_an_opcode_says_by_itself_takes_no_node() {
    let leaves =
        [&b"G?\xe0\0\0\0\0\0\0"[..], b"\x8c\x02ab", b"X\x02\0\0\0ab", b"C\x02ab", b"J\xff\xff\xff\x7f", b"F1.5\n"];
    let pickle = [&b"("[..], &leaves.concat().repeat(100), b"t."].concat();
    assert_eq!(open(&pickle).unwrap().len(), 5);
}

#[test]
fn a_container_that_grows_in_pieces_has_all_of_them_in_order() {
    // two lists and a dict, each of which gets elements when the others have had some
    let turn = |number: u8| [b"h\0K", &[number][..], b"ah\x01K", &[number], b"ah\x02K", &[number], b"Ns"].concat();
    let turns: Vec<u8> = (0..40).flat_map(turn).collect();
    // what was got stays on the stack until the mark below it is popped
    let pickle = [&b"(]q\0]q\x01}q\x02("[..], &turns, b"1t."].concat();
    let graph = open(&pickle).unwrap();
    let Node::Tuple(mut all) = graph.node(graph.root()) else { panic!("a tuple") };
    let numbers = |items: Items<'_>| -> Vec<i64> { items.filter_map(NodeId::as_small).collect() };
    for _ in 0..2 {
        let Some(Node::List(items)) = all.next().map(|id| graph.node(id)) else { panic!("a list") };
        assert_eq!((items.len(), numbers(items)), (40, (0..40).collect()));
        assert_eq!(items.skip(7).len(), 33);
    }
    let Some(Node::Dict(items)) = all.next().map(|id| graph.node(id)) else { panic!("a dict") };
    assert_eq!((items.len(), numbers(items)), (80, (0..40).collect()));
}

#[test]
fn small_integers_take_no_node() {
    let pickle = [&b"("[..], &b"K\x07J\xff\xff\xff\xff".repeat(100), b"t."].concat();
    let graph = open(&pickle).unwrap();
    assert_eq!(graph.len(), 5);
    let edges = [1 << 29, (1 << 29) - 1, -(1 << 29), -(1 << 29) - 1];
    for value in [0, 1, -1, (1 << 30) - 1, -(1 << 30), i32::MAX, i32::MIN, 1 << 30].into_iter().chain(edges) {
        let pickle = [b"J", &i32::to_le_bytes(value)[..], b"."].concat();
        let graph = open(&pickle).unwrap();
        assert!(matches!(graph.node(graph.root()), Node::Int(read) if read == i64::from(value)), "{value}");
    }
}

#[test]
fn opcodes_are_told_apart_by_name() {
    let names: HashSet<_> = opcode::ALL.iter().map(|&code| opcode::name(code)).collect();
    assert_eq!((names.len(), opcode::ALL.len()), (68, 68));
}
