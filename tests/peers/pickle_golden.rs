//! Golden pickles of every type in every protocol, of NumPy 1 and 2, and of a program of two modules.
//!
//! `tests/golden/pickle/README.md` says how they were made.

use std::collections::BTreeSet;

#[cfg(feature = "arrow")]
use outband::Table;
use outband::{Decode, MsgPack, Pickle};

use crate::pickles::Golden;
use crate::python::python;
use crate::seen::Seen;
use crate::{pickles, python};

/// What each is and what it should be, both as they are shown to who asks for nothing in particular.
fn check(codec: &Pickle, golden: &Golden) {
    let seen: Seen = codec.decode(golden.message.clone()).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    let expected: Seen = MsgPack::new().decode(golden.written.clone()).unwrap();
    assert_eq!(seen, expected, "{}", golden.name);
}

/// How many there are of each protocol, which is the last part of a name.
fn count(golden: &[Golden], protocol: &str) -> usize {
    golden.iter().filter(|golden| golden.name.ends_with(protocol)).count()
}

#[test]
fn every_type_in_every_protocol_is_what_it_was() {
    for (file, protocols) in [
        ("types-1-3.bin", &[", 1", ", 3", "out of band"][..]),
        ("types-numpy-1.bin", &[", 0", ", 1", ", 2", ", 3", ", 4", ", 5", "out of band"]),
    ] {
        let golden = pickles::of_golden(file);
        for protocol in protocols {
            assert!(count(&golden, protocol) > 60, "{file} has {} of {protocol}", count(&golden, protocol));
        }
        for one in &golden {
            // what NumPy 2 sends out of band is left as it lies, and NumPy 1 copies it itself
            if file == "types-1-3.bin" && one.name == "array permuted axes, out of band" {
                let shown = pickles::shown(&pickles::allowing(), one.message.clone()).unwrap();
                assert_eq!(pickles::in_c_order(&shown, &[1, 0, 2]), one.expected, "{}", one.name);
            } else {
                check(&pickles::allowing(), one);
            }
        }
    }
    // the names differ, and the arrays do not
    let data: Vec<u8> =
        pickles::of_golden("types-numpy-1.bin").iter().flat_map(|one| one.message.metadata().to_vec()).collect();
    let has = |name: &[u8]| data.windows(name.len()).any(|part| part == name);
    assert!(has(b"numpy.core.multiarray") && has(b"numpy.core.numeric") && !has(b"numpy._core"));
}

const CLASSES: [&str; 13] = [
    "shop.goods.Box.Label",
    "shop.goods.Color",
    "shop.goods.Item",
    "shop.goods.Position",
    "shop.goods.Price",
    "shop.goods.Sealed",
    "shop.goods.Size",
    "shop.goods.Slot",
    "shop.goods.Tag",
    "shop.goods.Weight",
    "shop.orders.Basket",
    "shop.orders.Ledger",
    "shop.orders.Line",
];
const ORDER: &str = "shop.orders.Order";

fn allowing<'c>(classes: impl IntoIterator<Item = &'c str>) -> Pickle {
    classes.into_iter().fold(Pickle::new(), Pickle::allow)
}

fn check_program(golden: &[Golden]) {
    let all = || CLASSES.into_iter().chain([ORDER]);
    let mut refused_without = BTreeSet::new();
    let mut read = 0;
    for one in golden {
        let refused = |codec: &Pickle, expected: &str| {
            let error = Decode::<Seen>::decode(codec, one.message.clone()).map(drop).unwrap_err();
            assert!(error.is_peer() && error.to_string().contains(expected), "{}: {error}", one.name);
        };
        let expected: Seen = MsgPack::new().decode(one.written.clone()).unwrap();
        if expected == Seen::Text("refused".into()) {
            // protocols that write these as calls of getattr and partial
            refused(&allowing(all()), "the pickle asks for");
            continue;
        }
        check(&allowing(all()), one);
        read += 1;
        // each class that is missing is named, and no other one stands in for it
        refused(&Pickle::new(), "Pickle::allow(\"shop.");
        for missing in all() {
            let codec = allowing(all().filter(|class| *class != missing));
            match Decode::<Seen>::decode(&codec, one.message.clone()) {
                Ok(seen) => assert_eq!(seen, expected, "{}", one.name),
                Err(_) => {
                    refused(&codec, &format!("Pickle::allow(\"{missing}\")"));
                    refused_without.insert(missing);
                }
            }
        }
        // a module or a prefix is no class
        refused(
            &allowing(["shop", "shop.goods", "shop.orders", "shop.", "shop.*", "*", "shop.orders.Order.", "Order"]),
            "Pickle::allow(",
        );
    }
    assert!(read > 60, "{read}");
    assert_eq!(refused_without, all().collect(), "each class is in one of them");
}

#[test]
fn a_program_of_two_modules_is_read_with_its_exact_names_and_refused_without() {
    for file in ["program.bin", "program-3.11.2.bin"] {
        let golden = pickles::of_golden(file);
        check_program(&golden);
        for protocol in 0..6 {
            assert!(count(&golden, &format!(", {protocol}")) >= 10);
        }
        // of the two, one writes the members of enums by their names
        let names_members = |golden: &Golden| {
            golden.name.starts_with("enums") && golden.message.metadata().windows(7).any(|part| part == b"getattr")
        };
        assert_eq!(
            golden.iter().filter(|golden| names_members(golden)).count(),
            if file == "program.bin" { 0 } else { 6 }
        );
    }
}

#[cfg(feature = "arrow")]
#[test]
fn objects_of_pandas_and_pyarrow_are_the_tables_that_they_were() {
    for file in ["frames-2.bin", "frames-3.bin"] {
        let golden = pickles::of_golden(file);
        for one in &golden {
            let table: Table =
                Pickle::new().decode(one.message.clone()).unwrap_or_else(|why| panic!("{}: {why}", one.name));
            let expected: Table = MsgPack::new().decode(one.written.clone()).unwrap();
            assert_eq!(table, expected, "{file}: {}", one.name);
        }
        assert!(count(&golden, "out of band") > 80, "{file} has {}", count(&golden, "out of band"));
        for protocol in 0..6 {
            let count = count(&golden, &format!("protocol {protocol}"));
            assert!(count >= 5, "{file} has {count} of protocol {protocol}");
        }
    }
}

/// They name what a series is called, its Arrow arrays and indexes of numbers in another way.
#[cfg(feature = "arrow")]
#[test]
fn so_are_those_of_the_first_pandas_2_and_the_last_pandas_1() {
    for file in ["frames-2.0.bin", "frames-1.5.bin"] {
        let golden = pickles::of_golden(file);
        for one in &golden {
            let table: Table =
                Pickle::new().decode(one.message.clone()).unwrap_or_else(|why| panic!("{file}: {}: {why}", one.name));
            let expected: Table = MsgPack::new().decode(one.written.clone()).unwrap();
            assert_eq!(table, expected, "{file}: {}", one.name);
        }
        for kind in ["series int64", "series Arrow", "column Arrow", "index alone"] {
            assert!(golden.iter().any(|one| one.name.starts_with(kind)), "{file} has no {kind}");
        }
    }
}

#[test]
fn the_same_program_is_read_as_the_python_here_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.bin");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/program.py");
    python::run(std::process::Command::new(python()).args(["-B", script]).arg(&path));
    check_program(&pickles::of_file(&path));
}
