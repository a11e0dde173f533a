//! An audit of what a pickle may name: nothing but the listed pairs, however it is named and whatever is around it.
//!
//! And random programs for the machine, compared with what CPython makes of them where they name nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};

use outband::{Decode, Encode, Error, Limits, MsgPack, Multipart, Pickle, Result, Value};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::attack::{Attack, LIMIT, check};
use crate::globals::{LISTED, around, is_listed, text};
use crate::pickles;
use crate::programs::{Globals, Program, program};
use crate::python::Script;
use crate::random::Random;
use crate::seen::Seen;
use crate::stack::on_a_small_stack;

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T> {
    Pickle::new().decode(Multipart::new(data.to_vec(), vec![]))
}

/// The same program ten times as often where the code is fast.
const TIMES: usize = if cfg!(debug_assertions) { 1 } else { 10 };

/// The two texts for `STACK_GLOBAL`.
fn operands(module: &str, name: &str, random: &mut Random) -> Vec<u8> {
    let long = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let longer = |text: &str| [&b"\x8d"[..], &(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let short = |part: &str| if part.len() < 256 { text(part) } else { long(part) };
    match random.below(5) {
        0 => [short(module), short(name)].concat(),
        1 => [long(module), longer(name)].concat(),
        // from the memo, and with something else in between
        2 => [short(name), b"q\x200".to_vec(), longer(module), b"h\x20".to_vec()].concat(),
        3 => [short(module), b"q\x210h\x21".to_vec(), short(name)].concat(),
        _ => [short(module), short(name), b"N0".to_vec()].concat(),
    }
}

/// All ways in which a pickle names something and has it called.
fn asking(module: &str, name: &str, random: &mut Random) -> Vec<u8> {
    let lines = !module.contains('\n') && !name.contains('\n');
    let by_line = format!("{module}\n{name}\n").into_bytes();
    let global = match lines && random.below(2) == 0 {
        true => [b"c", &by_line[..]].concat(),
        false => [&operands(module, name, random)[..], b"\x93"].concat(),
    };
    let argument = text("id");
    match random.below(16) {
        0 | 1 => global,
        2 => [&global[..], &argument, b"\x85R"].concat(),
        3 => [&global[..], b")R"].concat(),
        4 => [&global[..], &argument, b"\x85\x81"].concat(),
        5 => [&global[..], b")}\x92"].concat(),
        6 => [&global[..], b")}", &text("a"), b"K\x01s\x92"].concat(),
        7 => [b"(", &global[..], &argument, b"o"].concat(),
        8 if lines => [b"(", &argument[..], b"i", &by_line].concat(),
        9 => [&global[..], b")R}", &text("__class__"), b"Nsb"].concat(),
        10 => [&global[..], b")\x81N}", &text("__dict__"), b"Ns\x86b"].concat(),
        11 => [&global[..], b")R", &argument, b"a"].concat(),
        12 => [b"ccopyreg\n__newobj__\n", &global[..], b"\x85R"].concat(),
        13 => [b"ccopyreg\n_reconstructor\n(", &global[..], b"cbuiltins\nobject\nNtR"].concat(),
        14 => [b"ccollections\ndefaultdict\n", &global[..], b"\x85R"].concat(),
        _ => [&global[..], b")R)R"].concat(),
    }
}

/// Refused with both names, whoever looks.
fn refused(module: &str, name: &str, data: &[u8]) {
    let shown = || data.escape_ascii().to_string();
    for result in [read::<Value>(data).map(drop), read::<IgnoredAny>(data).map(drop), read::<Vec<u8>>(data).map(drop)] {
        let error = result.expect_err(&shown());
        let text = error.to_string();
        let short = |name: &str| name.chars().take(20).map(in_an_error).collect::<String>();
        let expected = format!("the pickle asks for {}", short(name));
        assert!(error.is_peer() && text.starts_with(&expected) && text.contains(&short(module)), "{}: {text}", shown());
        assert!(text.len() < 1024, "{text}");
    }
}

/// A character of a name as errors have it: what would act on a line or a terminal is escaped.
fn in_an_error(char: char) -> String {
    match char {
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            char.escape_default().to_string()
        }
        char if char.is_control() => char.escape_default().to_string(),
        char => char.to_string(),
    }
}

/// Every pair of module and name that this Python's standard library has.
fn of_the_standard_library() -> Vec<(String, String)> {
    let mut script = Script::start("names.py", &[]);
    let mut pairs = Vec::new();
    loop {
        let line = script.line();
        let Some((module, name)) = line.split_once(' ') else { break };
        pairs.push((module.to_owned(), name.to_owned()));
    }
    script.finish();
    pairs
}

#[test]
fn of_the_standard_library_only_the_listed_names_are_read() {
    let pairs = of_the_standard_library();
    assert!(pairs.len() > 10_000, "{}", pairs.len());
    let mut random = Random::seeded(0x5eed_0001);
    let (mut listed, mut unlisted) = (BTreeSet::new(), 0);
    for (module, name) in &pairs {
        if is_listed(module, name) {
            listed.insert(format!("{module}.{name}"));
            let error = read::<Value>(&[&asking(module, name, &mut random)[..], b"."].concat()).err();
            assert!(error.is_none_or(|error| !error.to_string().contains("asks for")), "{module}.{name}");
            continue;
        }
        let inner = asking(module, name, &mut random);
        refused(module, name, &[around(inner, &mut random), b".".to_vec()].concat());
        unlisted += 1;
    }
    println!("{unlisted} pairs refused; read: {listed:?}");
    assert!(unlisted > 10_000 && (30..70).contains(&listed.len()), "{unlisted}, {}", listed.len());
    // attributes of what is listed, and of what is not
    for (module, names) in LISTED {
        for name in *names {
            for attribute in
                ["__class__", "__init__", "__globals__", "__dict__", "__reduce_ex__", "__subclasses__", "mro"]
            {
                let dotted = format!("{name}.{attribute}");
                let inner = asking(module, &dotted, &mut random);
                refused(module, &dotted, &[around(inner, &mut random), b".".to_vec()].concat());
            }
        }
    }
}

/// Names that look like this one and are others.
fn lookalikes(module: &str, name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let other = |part: &str| -> Vec<String> {
        let homoglyphs = [
            ('a', 'а'),
            ('e', 'е'),
            ('o', 'о'),
            ('c', 'с'),
            ('i', 'і'),
            ('_', '＿'),
            ('l', 'ｌ'),
            ('n', 'ո'),
            ('d', 'ԁ'),
        ];
        let swapped = homoglyphs
            .iter()
            .filter(|(one, _)| part.contains(*one))
            .map(|(one, two)| part.replace(*one, &two.to_string()));
        let marks = [
            "\0", " ", "\t", "\r", "\n", "\u{200b}", "\u{200d}", "\u{feff}", "\u{ad}", "\u{301}", "\u{202e}", ".", "'",
            ";", "\u{a0}",
        ];
        let marked = marks.iter().flat_map(|mark| [format!("{part}{mark}"), format!("{mark}{part}")]);
        let cased = [part.to_uppercase(), part.to_lowercase(), part[..1].to_uppercase() + &part[1..]];
        let cut = [part[1..].to_owned(), part[..part.len() - 1].to_owned(), part.repeat(2), String::new()];
        let fullwidth = part.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
        swapped.chain(marked).chain(cased).chain(cut).chain([fullwidth, format!("{part}\0.{part}")]).collect()
    };
    found.extend(other(module).into_iter().map(|module| (module, name.to_owned())));
    found.extend(other(name).into_iter().map(|name| (module.to_owned(), name)));
    // the dots elsewhere
    let whole = format!("{module}.{name}");
    for (at, _) in whole.match_indices('.') {
        found.push((whole[..at].to_owned(), whole[at + 1..].to_owned()));
    }
    found.push((String::new(), whole.clone()));
    found.push((whole, String::new()));
    found.push((name.to_owned(), module.to_owned()));
    found.push((module.to_owned(), format!("{module}.{name}")));
    found.push((module.to_owned(), "x".repeat(5000)));
    found.push((format!("{module}{}", " ".repeat(5000)), name.to_owned()));
    found.retain(|(module, name)| !is_listed(module, name));
    found
}

#[test]
fn what_looks_like_something_listed_is_something_else() {
    let mut random = Random::seeded(0x5eed_0002);
    let mut count = 0;
    for (module, names) in LISTED {
        for name in *names {
            for (module, name) in lookalikes(module, name) {
                let inner = asking(&module, &name, &mut random);
                refused(&module, &name, &[&inner[..], b"."].concat());
                count += 1;
            }
        }
    }
    assert!(count > 4000, "{count}");
}

#[test]
fn one_allowed_class_allows_no_other() {
    let codec = Pickle::new().allow("shop.orders.Order").allow("shop.orders.Outer.Inner");
    let ask = |module: &str, name: &str| {
        let data = [&text(module)[..], &text(name), b"\x93)\x81."].concat();
        Decode::<IgnoredAny>::decode(&codec, Multipart::new(data, vec![])).err()
    };
    for (module, name) in [("shop.orders", "Order"), ("shop.orders", "Outer.Inner")] {
        assert!(ask(module, name).is_none());
        for (module, name) in lookalikes(module, name) {
            // the same name with its dots elsewhere is a record of the same name
            if format!("{module}.{name}") == "shop.orders.Order"
                || format!("{module}.{name}") == "shop.orders.Outer.Inner"
            {
                continue;
            }
            if module.len() > 255 || name.len() > 255 {
                continue;
            }
            let error: Error = ask(&module, &name).unwrap_or_else(|| panic!("{module:?} {name:?}"));
            assert!(error.is_peer() && error.to_string().contains("asks for"), "{error}");
        }
    }
    for (module, name) in [
        ("shop.orders", "Outer"),
        ("shop", "orders"),
        ("os", "system"),
        ("shop.orders", "Order.pay"),
        ("shop", "Order"),
    ] {
        assert!(ask(module, name).is_some());
    }
}

/// What is named beside what is listed.
const UNLISTED: [(&str, &str); 6] = [
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("functools", "partial"),
    ("numpy", "load"),
    ("shop", "Order"),
];

#[test]
fn random_programs_end_in_a_value_or_a_typed_error_in_little_memory() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(0x5eed_0003);
        let codec = Pickle::new().limits(Limits::new().metadata_bytes(LIMIT));
        let (mut attack, mut by_name) = (Attack::default(), 0);
        for _ in 0..20_000 * TIMES {
            let Program { data, named } = program(&mut random, Globals::Any, &UNLISTED);
            let message = Multipart::new(data.clone(), vec![]);
            let looked = attack.decode_as::<Value>(&codec, &message);
            let ignored = attack.decode_as::<IgnoredAny>(&codec, &message);
            // 80 bytes for each byte, and what a text of an error and the first of each vector take
            let peak = attack.worst.peak;
            assert!(peak <= 16_384 + 128 * LIMIT.min(8 * data.len().max(256)), "{}: {peak}", data.escape_ascii());
            let text = |error: &Option<Error>| error.as_ref().map_or(String::new(), Error::to_string);
            if text(&looked).contains("asks for") {
                assert_eq!(text(&looked), text(&ignored));
                by_name += 1;
            }
            // whatever is read names nothing but what is listed
            if looked.is_none() || ignored.is_none() {
                let other = named.iter().find(|(module, name)| !is_listed(module, name));
                assert_eq!(other, None, "{}", data.escape_ascii());
            }
        }
        println!("{attack:?}, {by_name} by name");
        let most = 20_000 * TIMES;
        assert!(
            attack.accepted > most / 5 && attack.refused > most / 5 && by_name > most / 20,
            "{attack:?}, {by_name}"
        );
    });
}

/// Writes a program and what it was read as, or why not.
fn record(out: &mut impl Write, data: &[u8]) {
    let codec = Pickle::new().limits(Limits::new().metadata_bytes(LIMIT));
    let result: Result<Seen> = codec.decode(Multipart::new(data.to_vec(), vec![]));
    let (is_value, text) = match result {
        Ok(seen) => (1, MsgPack::new().encode(&seen).unwrap().into_parts().0.to_vec()),
        Err(error) => {
            check(&error);
            (0, error.to_string().into_bytes())
        }
    };
    for part in [data, &[is_value], &text] {
        out.write_all(&(part.len() as u32).to_le_bytes()).unwrap();
        out.write_all(part).unwrap();
    }
}

#[test]
fn random_programs_that_name_nothing_are_what_cpython_makes_of_them() {
    let mut random = Random::seeded(0x5eed_0004);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("programs");
    let mut out = BufWriter::new(File::create(&path).unwrap());
    let count = 10_000 * TIMES;
    for _ in 0..count {
        record(&mut out, &program(&mut random, Globals::None, &UNLISTED).data);
    }
    let golden = pickles::random().into_iter().map(|message| message.metadata().to_vec());
    golden.for_each(|data| record(&mut out, &data));
    out.into_inner().unwrap().sync_all().unwrap();
    let mut script = Script::start("programs.py", &[path.to_str().unwrap()]);
    let line = script.line();
    script.finish();
    println!("{line}");
    let counts: Vec<usize> = line.split(' ').map(|part| part.parse().unwrap()).collect();
    let [equal, both_refuse, only_python, only_rust] = counts[..] else { panic!("{line}") };
    assert_eq!(equal + both_refuse + only_python + only_rust, count + 240);
    assert!(equal > count / 3 && both_refuse > 0, "{line}");
    // what one of them alone reads is named in the script, and is not much
    assert!(only_python < count / 3 && only_rust < count / 3, "{line}");
}
