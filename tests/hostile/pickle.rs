//! Hostile pickles end in a typed error or in a value: never in a panic, an abort or a large allocation.
//!
//! Everything here runs on a stack of 512 KiB and is measured by an allocator that counts.

use outband::{Decode, Multipart, Value};
use serde::Deserialize;

use crate::attack::{Attack, codec};
use crate::pickles;
use crate::random::Random;
use crate::stack::on_a_small_stack;

fn golden() -> Vec<Multipart> {
    let types = pickles::of_types().into_iter().map(|golden| golden.message);
    let programs = ["program.bin", "program-3.11.2.bin"].into_iter().flat_map(pickles::of_golden);
    let program = programs.map(|golden| golden.message);
    let joblib = ["joblib-1.1.bin", "joblib-1.6.bin"].into_iter().flat_map(pickles::of_golden);
    let joblib = joblib.map(|golden| golden.message);
    let opcodes = pickles::of_opcodes().into_iter().map(|(_, message)| message);
    let short = types.chain(program).chain(joblib).chain(opcodes).filter(|message| message.metadata().len() < 1000);
    let objects = include_bytes!("../golden/pickle/joblib-frame.bin");
    short.chain(frames()).chain([Multipart::new(&objects[..], vec![])]).collect()
}

/// Some of pandas and pyarrow, which are longer: those that are out of band.
fn frames() -> impl Iterator<Item = Multipart> {
    let files = if cfg!(feature = "arrow") { &["frames-2.bin", "frames-3.bin"][..] } else { &[] };
    let golden = files.iter().flat_map(|file| pickles::of_golden(file));
    golden.filter(|golden| golden.name.ends_with("out of band")).map(|golden| golden.message).step_by(3)
}

#[test]
fn every_truncation_is_refused() {
    on_a_small_stack(|| {
        let (mut attack, codec) = (Attack::default(), codec());
        for message in golden() {
            for end in 0..message.metadata().len() {
                let cut = Multipart::new(message.metadata().slice(..end), message.buffers().to_vec());
                attack.decode_as::<Value>(&codec, &cut);
            }
        }
        assert_eq!(attack.accepted, 0);
        attack.finish();
    });
}

#[test]
fn so_is_every_truncation_of_every_type_in_every_protocol_of_both_numpys() {
    on_a_small_stack(|| {
        let (mut attack, codec) = (Attack::default(), pickles::allowing());
        for golden in ["types-1-3.bin", "types-numpy-1.bin"].into_iter().flat_map(pickles::of_golden) {
            let message = golden.message;
            for end in 0..message.metadata().len() {
                let cut = Multipart::new(message.metadata().slice(..end), message.buffers().to_vec());
                attack.decode_as::<Value>(&codec, &cut);
            }
            attack.decode_as::<Value>(&codec, &message);
        }
        assert!(attack.accepted > 500, "{attack:?}: the whole ones");
        attack.finish();
    });
}

#[test]
fn mutations_end_in_a_typed_error_or_a_value() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(20_240_607);
        let (mut attack, codec, golden) = (Attack::default(), codec(), golden());
        for message in &golden {
            for _ in 0..40 {
                let mut data = message.metadata().to_vec();
                for _ in 0..=random.below(3) {
                    let (at, byte) = (random.below(data.len()), random.below(256) as u8);
                    match random.below(4) {
                        0 => data[at] = byte,
                        1 => data[at] ^= 1 << (byte & 7),
                        2 => data.insert(at, byte),
                        _ => data.truncate(data.len().max(2) - 1),
                    }
                }
                // a part of another pickle, whose memo entries mean something else here
                if random.below(4) == 0 {
                    let other = golden[random.below(golden.len())].metadata();
                    let (from, at) = (random.below(other.len()), random.below(data.len()));
                    let part = other[from..].iter().take(1 + random.below(40)).copied();
                    data.splice(at..at, part);
                }
                attack.decode(&codec, &Multipart::new(data, message.buffers().to_vec()));
            }
        }
        assert!(attack.refused > 10_000 && attack.accepted > 500, "{attack:?}");
        attack.finish();
    });
}

/// A dtype of records in each other, two of the one below in each.
fn nested_dtype(depth: usize) -> Vec<u8> {
    let state =
        |names: &[u8]| [&b"(K\x03X\x01\0\0\0|N"[..], names, b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"].concat();
    let mut data = [&b"cnumpy\ndtype\n(X\x02\0\0\0V0I00\nI01\ntR"[..], &state(b"NN")].concat();
    for _ in 0..depth {
        // the one below is memo entry 1
        let names = b"X\x01\0\0\0aX\x01\0\0\0b\x86}(X\x01\0\0\0ah\x01K\0\x86X\x01\0\0\0bh\x01K\0\x86u";
        data = [&data, &b"q\x010cnumpy\ndtype\n(X\x02\0\0\0V0I00\nI01\ntR"[..], &state(names)].concat();
    }
    data
}

#[test]
fn what_grows_when_it_is_written_out_is_bounded() {
    on_a_small_stack(|| {
        let mut attack = Attack::default();
        let codec = codec();
        for depth in [1, 12, 31, 33, 100] {
            let array = [
                &b"}X\x05\0\0\0valuecnumpy.core.numeric\n_frombuffer\n(C\0"[..],
                &nested_dtype(depth),
                b"K\0\x85X\x01\0\0\0CtRs.",
            ];
            attack.decode(&codec, &Multipart::new(array.concat(), vec![]));
        }
        assert!(attack.accepted > 0 && attack.refused > 8, "{attack:?}");
        // integers that take long to write out, texts, arrays and instances, each named often
        let big = [&b"\x8b\xf9\x06\0\0"[..], &[0x7f; 1785]].concat();
        let text = [&b"X\xe8\x03\0\0"[..], &[b't'; 1000]].concat();
        let latin = [b"c_codecs\nencode\n(", &text[..], b"X\x06\0\0\0latin1tR"].concat();
        let order = b"c__main__\nOrder\n)\x81}X\x02\0\0\0idK\x07sb".to_vec();
        for one in [big, text, latin, order] {
            let many = [&b"("[..], &one, b"\x94", &b"h\0".repeat(20_000), b"l."].concat();
            attack.decode(&codec, &Multipart::new(many, vec![]));
        }
        // lengths that are nobody's
        for data in
            [&b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."[..], b"\x96\xff\xff\xff\xff\0\0\0\0.", b"Nr\xff\xff\xff\x7f."]
        {
            attack.decode(&codec, &Multipart::new(data.to_vec(), vec![]));
        }
        attack.finish();
    });
}

#[test]
fn the_deepest_pickle_fits_a_small_stack() {
    #[derive(Deserialize)]
    struct Deep(#[expect(dead_code, reason = "read and not looked at")] Vec<Option<Deep>>);

    on_a_small_stack(|| {
        let nested = |depth: usize| [b"]".repeat(depth), b"a".repeat(depth - 1), b".".to_vec()].concat();
        let maps = [b"}K\0".repeat(63), b"}".to_vec(), b"s".repeat(63), b".".to_vec()].concat();
        let instances = [&b"c__main__\nOrder\n)\x81}X\x02\0\0\0id"[..]; 60].concat();
        let instances = [&instances, &b"N"[..], &b"sb".repeat(60), b"."].concat();
        for data in [nested(64), maps, instances] {
            Decode::<Value>::decode(&codec(), Multipart::new(data, vec![])).unwrap();
        }
        Decode::<Deep>::decode(&codec(), Multipart::new(nested(64), vec![])).unwrap();
        for depth in [65, 1000, 30_000] {
            let error = Decode::<Deep>::decode(&codec(), Multipart::new(nested(depth), vec![])).map(drop).unwrap_err();
            assert!(error.is_limit(), "{error}");
        }
    });
}
