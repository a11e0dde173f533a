//! The architecture test: reads the sources and fails, with file and line, where one of the walls is crossed.
//!
//! A new file in `src/` needs one line in [`ROOMS`].

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;
use std::fs;
use std::path::Path;

/// Where a room stands: it may name rooms below it, and of its own floor those that it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    /// Errors.
    F0,
    /// Frames, buffers, messages, and what they need.
    F1,
    /// Codecs: values to messages and back.
    F2,
    /// Sockets.
    F3,
    /// Patterns: siblings, blind to each other.
    F4,
    /// What stands on top and sees everything.
    Top,
}
use Floor::{F0, F1, F2, F3, F4, Top};

/// A module (with all files below it), its floor, and the modules of its own floor that it may name.
type Room = (&'static str, Floor, &'static [&'static str]);

const ROOMS: &[Room] = &[
    ("error", F0, &[]),
    ("complaints", F0, &[]),
    ("limits", F1, &[]),
    ("memory", F1, &[]),
    ("fork", F1, &[]),
    ("frame", F1, &[]),
    ("element", F1, &["memory"]),
    ("handoff", F1, &["buffer"]),
    ("buffer", F1, &["element", "frame", "handoff", "memory"]),
    ("reference", F1, &["buffer"]),
    ("scratch", F1, &[]),
    ("stored", F1, &["buffer", "handoff", "reference"]),
    ("multipart", F1, &["buffer", "limits"]),
    ("pool", F1, &["buffer"]),
    ("tracker", F1, &["frame"]),
    ("compress", F2, &[]),
    ("array", F2, &[]),
    ("table", F2, &["array"]),
    ("value", F2, &["array", "codec", "python", "table"]),
    ("pickle", F2, &[]),
    ("python", F2, &[]),
    ("codec", F2, &["array", "compress", "pickle", "python", "table"]),
    ("socket", F3, &[]),
    ("pipeline", F4, &[]),
    ("feed", F4, &[]),
    ("bin", Top, &[]),
    ("docs", Top, &[]),
    ("lib", Top, &[]),
];

/// Where `unsafe` may stand, and why.
const DOORS: &[(&str, &str)] = &[
    ("src/element.rs", "plain elements are viewed as bytes and back"),
    ("src/fork.rs", "pthread_atfork and getsockopt are C's"),
    ("src/frame.rs", "a zmq::Message is built around memory of any owner"),
    ("src/frame/berths.rs", "a block that its last tenant frees, found by a pointer through C"),
    ("src/frame/in_place.rs", "a message of libzmq's is made where it stays, and dropped there"),
    ("src/frame/page.rs", "memory is written beside what was lent of it, and freed by the last who reads it"),
    ("src/frame/shared.rs", "owners of any type stand behind their counts, and the last of their users drops them"),
    ("src/frame/shelf.rs", "values that are shared one by one, in a block that the last of them frees"),
    ("src/memory.rs", "mallopt and mallinfo2 are C's"),
];

/// The only file that names `zmq_sys`.
const FRAME: &str = "src/frame.rs";

/// The most lines that a file has before its tests.
const MAX_LINES: usize = 400;

/// How many lines a file has before its tests: a module of them or what only they use, at its end, or a file that is nothing else.
/// What stands further in, a field or a function for tests or the name of a file of them, ends nothing.
fn lines_before_tests(text: &str) -> usize {
    let is_named = |line: &str| line.starts_with("mod ") && line.ends_with(';');
    let mut lines = text.lines().peekable();
    let mut before = |line: &str| {
        let is_next_named = lines.next().is_some() && lines.peek().is_some_and(|next| is_named(next));
        let begins = ["#[cfg(test)]", "#[cfg(all(test, "].iter().any(|start| line.starts_with(start)) && !is_next_named;
        !begins && !line.starts_with("#![cfg(test)]")
    };
    text.lines().take_while(|line| before(line)).count()
}

#[test]
fn the_walls_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| -> Vec<(String, String)> {
        let mut found = Vec::new();
        collect(&root.join(folder), folder, &mut found);
        found
    };
    let sources = files("src");
    assert!(sources.len() > 20, "only {} sources were found", sources.len());
    let mut broken: Vec<Breach> = sources.iter().flat_map(|(path, text)| check_source(path, text)).collect();
    broken.extend(check_tables(&sources));
    for folder in ["src", "tests", "examples", "benches"] {
        broken.extend(files(folder).iter().flat_map(|(path, text)| check_honesty(path, text)));
    }
    let report: String = broken.iter().map(|breach| format!("\n  {breach}")).collect();
    assert!(broken.is_empty(), "the walls are crossed:{report}");
}

/// The examples that are read first, one for each pattern, fit on a screen or two.
#[test]
fn the_first_examples_are_short() {
    for name in ["pub_sub", "request_reply", "push_pull", "selective_placement"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
        let lines = fs::read_to_string(path).unwrap().lines().count();
        assert!(lines < 80, "examples/{name}.rs has {lines} lines");
    }
}

/// Whoever builds this crate or its tests needs no `protoc`: nothing in the lock file is known to start one while it is built, and the
/// crate has no build script that could.
#[test]
fn nothing_that_is_built_asks_for_protoc() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let locked: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(locked.contains(&"prost"), "the lock file is not read as it should be");
    for builder in
        ["prost-build", "tonic-build", "tonic-prost-build", "protobuf-codegen", "protobuf-src", "protoc-bin-vendored"]
    {
        assert!(!locked.contains(&builder), "{builder} needs protoc, or brings one");
    }
    assert!(
        !root.join("build.rs").exists() && !fs::read_to_string(root.join("Cargo.toml")).unwrap().contains("\nbuild =")
    );
}

fn collect(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &name, found);
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// A rule that was broken, and where.
#[derive(Debug, PartialEq)]
struct Breach {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// All rules for a file of `src/`.
fn check_source(path: &str, text: &str) -> Vec<Breach> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    found.extend(check_floors(ROOMS, path, &tokens));
    found.extend(check_doors(path, &tokens));
    found.extend(check_globs(path, &tokens));
    let lines = lines_before_tests(text);
    if lines > MAX_LINES {
        found.push((MAX_LINES + 1, format!("{lines} lines before the tests, {MAX_LINES} is the most: two ideas?")));
    }
    let breach = |(line, what)| Breach { path: path.to_owned(), line, what };
    found.into_iter().map(breach).collect()
}

/// A line and what is wrong there.
type Finding = (usize, String);

/// No module names a higher floor, or one of its own floor that it is not said to know.
fn check_floors(rooms: &[Room], path: &str, tokens: &[Token]) -> Vec<Finding> {
    let module = module_of(path);
    let Some(&(own, floor, siblings)) = room_of(rooms, &module) else {
        return vec![(1, "this module stands on no floor: give it a line in ROOMS of tests/fence.rs".to_owned())];
    };
    if floor == Top {
        return Vec::new();
    }
    let mut found = Vec::new();
    for Named { line, path: named } in crate_paths(&module, tokens) {
        let shown = format!("crate::{}", named.join("::"));
        match room_of(rooms, &named) {
            None | Some(&(_, Top, _)) => {
                found.push((line, format!("{own} names {shown}: say which module that is, not the crate's root")));
            }
            Some(&(other, _, _)) if other == own => {}
            Some(&(_, other, _)) if other > floor => {
                found.push((line, format!("{own} on {floor:?} names {shown} on {other:?}: names only go down")));
            }
            Some(&(other, level, _)) if level == floor && !siblings.contains(&other) => {
                found.push((line, format!("{own} names {shown}, which it must not know")));
            }
            Some(_) => {}
        }
    }
    found
}

/// The module path of a file: `src/codec/mod.rs` is `codec`, `src/codec/scan.rs` is `codec::scan`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The room that a module path lies in: the longest one that is a prefix of it.
fn room_of<'r>(rooms: &'r [Room], path: &[String]) -> Option<&'r Room> {
    let is_prefix = |room: &&Room| {
        let mut parts = path.iter();
        room.0.split('/').all(|part| parts.next().is_some_and(|given| given == part))
    };
    rooms.iter().filter(is_prefix).max_by_key(|room| room.0.len())
}

/// `unsafe` and what opens a door to it stand only in the files that are doors; `zmq_sys` in one file.
fn check_doors(path: &str, tokens: &[Token]) -> Vec<Finding> {
    let is_door = DOORS.iter().any(|&(door, _)| door == path);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let what = match token.text.as_str() {
            "unsafe" if !is_door => "unsafe outside the doors of tests/fence.rs",
            "unsafe_code" if !is_door => "a door to unsafe that tests/fence.rs does not know",
            "unsafe_code" if tokens.get(at + 2).is_none_or(|next| next.text != "reason") => "a door needs a reason",
            "zmq_sys" if path != FRAME => "only src/frame.rs names zmq_sys",
            _ => continue,
        };
        found.push((token.line, what.to_owned()));
    }
    found
}

/// What a module offers is listed: no glob re-exports, no prelude.
fn check_globs(path: &str, tokens: &[Token]) -> Vec<Finding> {
    let mut found = Vec::new();
    if path.ends_with("/prelude.rs") || path.contains("/prelude/") {
        found.push((1, "no prelude: names are imported one by one".to_owned()));
    }
    for (at, token) in tokens.iter().enumerate() {
        let next = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text.as_str());
        if token.text == "mod" && next(1) == "prelude" {
            found.push((token.line, "no prelude: names are imported one by one".to_owned()));
        }
        if token.text == "pub" {
            let mut rest = tokens[at + 1..].iter().skip_while(|token| is_visibility(&token.text));
            let statement = rest.by_ref().take_while(|token| token.text != ";");
            let statement: Vec<_> = statement.map(|token| token.text.as_str()).collect();
            if statement.first() == Some(&"use") && statement.contains(&"*") {
                found.push((token.line, "no glob re-exports: list the names".to_owned()));
            }
        }
    }
    found
}

/// Whether this is a part of `(crate)`, `(super)` or `(in path)` after `pub`.
fn is_visibility(text: &str) -> bool {
    matches!(text, "(" | ")" | "crate" | "super" | "self" | "in")
}

/// The tables name what is there and nothing else.
fn check_tables(sources: &[(String, String)]) -> Vec<Breach> {
    let breach = |what| Breach { path: "tests/fence.rs".to_owned(), line: 1, what };
    let mut found = Vec::new();
    for (room, _, siblings) in ROOMS {
        let exists =
            sources.iter().any(|(path, _)| room_of(ROOMS, &module_of(path)).is_some_and(|(name, ..)| name == room));
        if !exists {
            found.push(breach(format!("ROOMS lists {room}, which is not there")));
        }
        for sibling in siblings.iter().filter(|sibling| !ROOMS.iter().any(|(name, ..)| name == *sibling)) {
            found.push(breach(format!("ROOMS lets {room} know {sibling}, which is no room")));
        }
    }
    for (door, reason) in DOORS {
        let open = sources.iter().any(|(path, text)| path == door && tokens(text).iter().any(|t| t.text == "unsafe"));
        if !open || reason.is_empty() {
            found.push(breach(format!("DOORS lists {door}, which has no unsafe or no reason")));
        }
    }
    found
}

/// Nothing is left for later, no test is skipped, and none sleeps where it should wait for something.
fn check_honesty(path: &str, text: &str) -> Vec<Breach> {
    let tokens = tokens(text);
    let mut found: Vec<Finding> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        let before = at.checked_sub(1).map_or("", |before| tokens[before].text.as_str());
        match (before, token.text.as_str(), next) {
            (_, "todo" | "unimplemented", "!") => found.push((token.line, format!("{}! is left", token.text))),
            ("[" | ",", "ignore", "]" | "=" | ")") => found.push((token.line, "a test is ignored".to_owned())),
            _ => {}
        }
    }
    let tests = lines_before_tests(text);
    let is_test = |line: usize| path.starts_with("tests/") || line > tests;
    for Named { line, path: named } in paths(&tokens) {
        if named.ends_with(&["thread".to_owned(), "sleep".to_owned()]) && is_test(line) {
            found.push((line, "a test sleeps: wait for what it waits for".to_owned()));
        }
    }
    let breach = |(line, what)| Breach { path: path.to_owned(), line, what };
    found.into_iter().map(breach).collect()
}

/// A path that the code names.
#[derive(Debug, PartialEq)]
struct Named {
    line: usize,
    path: Vec<String>,
}

/// Every path in a token list, `use` trees taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = tokens[at].is_name() && (at == 0 || tokens[at - 1].text != "::");
        at = if starts { path_tree(tokens, at, &[], &mut found) } else { at + 1 };
    }
    found
}

/// Reads one path that starts at `at`; returns where it ends.
fn path_tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
    let line = tokens[at].line;
    let mut path = prefix.to_vec();
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = if text(at) == "," { at + 1 } else { path_tree(tokens, at, &path, found) };
                }
                return at + 1;
            }
            name => path.push(name.to_owned()),
        }
        if text(at + 1) != "::" || !(tokens.get(at + 2).is_some_and(Token::is_name) || "{*".contains(text(at + 2))) {
            break;
        }
        at += 2;
    }
    found.push(Named { line, path });
    at += 1;
    if text(at) == "as" { at + 2 } else { at }
}

/// Every path that begins at the crate's root, `super` resolved; `module` is the file's own.
fn crate_paths(module: &[String], tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    for (at, named) in inline_modules(tokens).into_iter().zip(0..).filter_map(|(depth, at)| {
        let starts = tokens[at].is_name() && (at == 0 || tokens[at - 1].text != "::");
        let follows = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        (starts && follows && matches!(tokens[at].text.as_str(), "crate" | "super" | "self")).then_some((depth, at))
    }) {
        let mut trees = Vec::new();
        path_tree(tokens, named, &[], &mut trees);
        for tree in trees {
            // a file that is the root of the crate has no name of its own, every other one its path, and inline
            // modules are one level deeper
            let mut here = module.to_vec();
            here.resize(module.len() + at, String::new());
            let mut rest = &tree.path[..];
            loop {
                match rest.first().map(String::as_str) {
                    Some("crate") => here.clear(),
                    Some("super") => drop(here.pop()),
                    Some("self") => {}
                    _ => break,
                }
                rest = &rest[1..];
            }
            here.extend(rest.iter().filter(|part| *part != "*").cloned());
            found.push(Named { line: tree.line, path: here });
        }
    }
    found
}

/// How many inline modules each token lies in.
fn inline_modules(tokens: &[Token]) -> Vec<usize> {
    let (mut open, mut modules) = (0, Vec::new());
    let mut depths = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2].text == "mod" {
                    modules.push(open);
                }
                open += 1;
            }
            "}" => {
                open -= 1;
                modules.pop_if(|module| *module == open);
            }
            _ => {}
        }
        depths.push(modules.len());
    }
    depths
}

/// A word, `::`, or one other character of code.
#[derive(Debug, PartialEq)]
struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Takes code apart; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = match skipped(rest) {
            Some(len) => len,
            None if first.is_whitespace() => first.len_utf8(),
            None => {
                let len = if word > 0 {
                    word
                } else if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                found.push(Token { line, text: rest[..len].to_owned() });
                len
            }
        };
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    found
}

/// The length of the comment, string or character that the text begins with.
fn skipped(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    // r"..", r#".."#, b"..", br"..", c".."
    let prefix = text.find(|c| !matches!(c, 'r' | 'b' | 'c')).unwrap_or(text.len());
    let hashes = bytes[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    if prefix <= 2 && text[..prefix].contains('r') && bytes.get(prefix + hashes) == Some(&b'"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix + hashes + 1;
        return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    if prefix <= 1 && bytes.get(prefix) == Some(&b'"') {
        return Some(quoted(text, prefix, '"'));
    }
    // 'a' and '\n' are characters, 'a alone is a lifetime
    let inside: Vec<char> = text.strip_prefix('\'')?.chars().take(2).collect();
    let is_char = matches!(inside[..], ['\\', _] | [_, '\'']);
    is_char.then(|| quoted(text, 0, '\''))
}

/// The length of a literal whose opening quote is at `start`.
fn quoted(text: &str, start: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text[start + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return start + 1 + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The lines that `check` finds fault with.
fn lines(found: &[Breach]) -> Vec<usize> {
    found.iter().map(|breach| breach.line).collect()
}

#[test]
fn a_floor_that_names_a_higher_one_is_found() {
    let up = check_source("src/buffer.rs", "use crate::error::Result;\nuse crate::codec::MsgPack;\n");
    assert_eq!(lines(&up), [2]);
    assert_eq!(
        up[0].to_string(),
        "src/buffer.rs:2: buffer on F1 names crate::codec::MsgPack on F2: names only go down"
    );
    assert_eq!(lines(&check_source("src/codec/scan.rs", "fn f() {\n  crate::socket::send();\n}")), [2]);
    assert_eq!(lines(&check_source("src/codec/scan.rs", "use super::super::socket::x;")), [1]);
    assert_eq!(lines(&check_source("src/frame.rs", "use super::socket;")), [1]);
    assert_eq!(
        lines(&check_source("src/error.rs", "use crate::{\n  limits,\n  codec::{self, x as y},\n};")),
        [2, 3, 3]
    );
    assert_eq!(
        lines(&check_source("src/pool.rs", "mod tests {\n use super::*;\n use super::super::codec::x;\n}")),
        [3]
    );
    assert_eq!(lines(&check_source("src/pool.rs", "use super::*;")), [1]);
}

#[test]
fn a_sibling_that_is_not_listed_is_found() {
    assert_eq!(lines(&check_source("src/limits.rs", "use crate::buffer::Buffer;")), [1]);
    assert_eq!(lines(&check_source("src/multipart.rs", "use crate::buffer::Buffer;")), []);
    assert_eq!(lines(&check_source("src/codec/place.rs", "use super::intercept::Place;\nuse crate::codec::scan;")), []);
}

#[test]
fn a_room_within_a_room_and_blind_siblings_are_told_apart() {
    let rooms: &[Room] = &[
        ("socket", F3, &[]),
        ("socket/tokio", F3, &["socket"]),
        ("feed", Floor::F4, &[]),
        ("pipeline", Floor::F4, &[]),
    ];
    let check = |path: &str, text: &str| check_floors(rooms, path, &tokens(text)).len();
    assert_eq!(check("src/socket/tokio.rs", "use super::send::Outgoing;\nuse crate::socket::guard;"), 0);
    assert_eq!(check("src/socket/send.rs", "use super::tokio::Shell;"), 1);
    assert_eq!(check("src/feed/mod.rs", "use crate::socket::SocketExt;\nuse crate::feed::state;"), 0);
    assert_eq!(check("src/feed/state.rs", "use crate::pipeline;"), 1);
    assert_eq!(check("src/pipeline.rs", "use super::feed::state;"), 1);
}

#[test]
fn a_name_at_the_crates_root_is_found() {
    assert_eq!(lines(&check_source("src/pool.rs", "use crate::SocketExt;")), [1]);
    assert_eq!(lines(&check_source("src/pool.rs", "use crate::*;")), [1]);
    assert_eq!(
        lines(&check_source("src/pool.rs", "/// [`x`](crate::SocketExt)\n// crate::socket\npub(crate) fn f() {}")),
        []
    );
    assert_eq!(lines(&check_source("src/lib.rs", "pub use socket::SocketExt;\nuse crate::codec::x;")), []);
}

#[test]
fn a_module_without_a_floor_is_found() {
    assert_eq!(lines(&check_source("src/attic.rs", "")), [1]);
    assert_eq!(lines(&check_source("src/codec/attic.rs", "")), []);
    assert!(check_tables(&[]).iter().any(|breach| breach.what.contains("ROOMS lists codec, which is not there")));
}

#[test]
fn unsafe_outside_its_doors_is_found() {
    assert_eq!(lines(&check_source("src/pool.rs", "fn f() {\n unsafe { g() }\n}")), [2]);
    assert_eq!(lines(&check_source("src/pool.rs", "#![allow(unsafe_code, reason = \"x\")]")), [1]);
    assert_eq!(lines(&check_source("src/frame.rs", "#![allow(unsafe_code)]")), [1]);
    assert_eq!(lines(&check_source("src/frame.rs", "#![allow(unsafe_code, reason = \"x\")]\nunsafe fn f() {}")), []);
    assert_eq!(lines(&check_source("src/pool.rs", "// unsafe\nconst A: &str = \"unsafe\"; /* unsafe */")), []);
    assert!(
        check_tables(&[("src/frame.rs".into(), "fn safe() {}".into())]).iter().any(|b| b.what.contains("frame.rs"))
    );
}

#[test]
fn zmq_sys_outside_frame_is_found() {
    assert_eq!(lines(&check_source("src/tracker.rs", "use std::fmt;\nuse zmq_sys::zmq_msg_t;")), [2]);
    assert_eq!(lines(&check_source("src/frame.rs", "use zmq_sys::zmq_msg_t;")), []);
}

#[test]
fn a_file_that_outgrew_its_room_is_found() {
    let long = "fn f() {}\n".repeat(MAX_LINES);
    assert_eq!(lines(&check_source("src/pool.rs", &long)), []);
    assert_eq!(lines(&check_source("src/pool.rs", &format!("{long}#[cfg(test)]\n{long}"))), []);
    assert_eq!(lines(&check_source("src/pool.rs", &format!("{long}\n"))), [MAX_LINES + 1]);
    // what is for tests and not at the end hides nothing
    for inside in ["mod x {\n    #[cfg(test)]\n    fn f() {}\n}\n", "#[cfg(test)]\nmod simulation;\n"] {
        assert_eq!(lines(&check_source("src/pool.rs", &format!("{inside}{long}"))), [MAX_LINES + 1]);
    }
}

#[test]
fn glob_re_exports_and_preludes_are_found() {
    assert_eq!(lines(&check_source("src/lib.rs", "mod a;\npub use buffer::*;")), [2]);
    assert_eq!(lines(&check_source("src/lib.rs", "pub(crate) use codec::{\n a::*,\n};")), [1]);
    assert_eq!(lines(&check_source("src/lib.rs", "pub mod prelude {}")), [1]);
    assert_eq!(lines(&check_source("src/lib.rs", "pub use buffer::Buffer;\nconst A: u32 = 2 * 3;")), []);
}

#[test]
fn what_is_left_for_later_is_found() {
    let check = |text: &str| lines(&check_honesty("tests/x.rs", text));
    assert_eq!(check("fn f() {\n todo!()\n}"), [2]);
    assert_eq!(check("fn f() { unimplemented!(\"x\") }"), [1]);
    assert_eq!(check("#[test]\n#[ignore]\nfn f() {}"), [2]);
    assert_eq!(check("#[test]\n#[ignore = \"slow\"]\nfn f() {}"), [2]);
    assert_eq!(check("#[cfg_attr(debug_assertions, ignore)]\nfn f(ignore: u8) {}"), [1]);
    assert_eq!(check("std::thread::sleep(x);\nuse std::{time, thread::{spawn, sleep}};"), [1, 2]);
    assert_eq!(check("// todo!() thread::sleep\nlet _ = \"thread::sleep\"; let ignore = [1];"), []);
    assert_eq!(
        lines(&check_honesty("src/x.rs", "thread::sleep(x);\n#[cfg(test)]\nmod t { fn f() { thread::sleep(x) } }")),
        [3]
    );
    assert_eq!(lines(&check_honesty("examples/x.rs", "thread::sleep(pace);")), []);
}

#[test]
fn code_is_told_from_text() {
    let words = |text: &str| tokens(text).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
    assert_eq!(words(r##"a("b \" c", r#"d " e"#, b"f", 'g', '\'', '"') // h"##), "a ( , , , , , )");
    assert_eq!(words("fn f<'a>(x: &'a str) /* i */ -> crate::J"), "fn f < ' a > ( x : & ' a str ) - > crate :: J");
    assert_eq!(tokens("\"one\ntwo\"\nthree")[0], Token { line: 3, text: "three".into() });
}
