//! Texts that are no JSON, or too much of it, for the `Json` codec.

use std::collections::BTreeMap;

use outband::{Buffer, Decode, ErrorKind, Json, Multipart};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::counting::{Usage, measure};
use crate::json_types::{Everything, Loose, Shape, everything, read, text};
use crate::random::Random;
use crate::stack::on_a_small_stack;

/// Reads into every kind of type; an error is a typed one with a short text. Returns whether any type took it.
fn attempt(bytes: &[u8], worst: &mut Usage) -> bool {
    fn one<T: DeserializeOwned>(bytes: &[u8], worst: &mut Usage) -> bool {
        let (result, usage) = measure(|| Json::new().decode_frame(bytes).map(drop_value::<T>));
        *worst = worst.max(usage);
        if let Err(error) = &result {
            assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
            assert!(error.to_string().len() < 1000, "{error}");
        }
        result.is_ok()
    }
    fn drop_value<T>(_value: T) {}
    let taken = [
        one::<Value>(bytes, worst),
        one::<IgnoredAny>(bytes, worst),
        one::<Everything>(bytes, worst),
        one::<Vec<Shape>>(bytes, worst),
        one::<Loose>(bytes, worst),
        one::<Buffer>(bytes, worst),
        one::<BTreeMap<i8, Vec<u8>>>(bytes, worst),
    ];
    taken.contains(&true)
}

#[test]
fn every_truncation_and_many_mutations_end_in_a_typed_error_or_a_value() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(0x7e57);
        let whole = text(&everything()).into_bytes();
        let mut worst = Usage::default();
        for end in 0..whole.len() {
            assert!(!attempt(&whole[..end], &mut worst), "{end} of {} bytes", whole.len());
        }
        assert!(attempt(&whole, &mut worst));
        let interesting = b"[]{}\",:\\ue+-.0NIntf\x00\x1f\xff\xc3 ";
        for _ in 0..6_000 {
            let mut mutated = whole.clone();
            for _ in 0..=random.below(3) {
                let (at, byte) = (random.below(mutated.len()), interesting[random.below(interesting.len())]);
                match random.below(3) {
                    0 => mutated[at] = byte,
                    1 => mutated.insert(at, byte),
                    _ => drop(mutated.remove(at)),
                }
            }
            let ours = attempt(&mutated, &mut worst);
            // the grammar is serde_json's, with three words more, and numbers of any size
            let strict = serde_json::from_slice::<Value>(&mutated);
            if strict.is_ok() {
                assert!(ours, "{}", mutated.escape_ascii());
            }
        }
        println!("{worst:?}");
        assert!(worst.peak < 1 << 20, "{worst:?}");
    });
}

#[test]
fn an_error_does_not_repeat_a_peers_megabyte() {
    on_a_small_stack(|| {
        // a byte that is six in a text that is shown as it is written in a program
        let text = "\x7f".repeat(4 << 20);
        for json in [format!("\"{text}\""), format!("{{\"{text}\":1}}"), format!("[{{\"a\":\"{text}\"}}]")] {
            let message = Multipart::new(json.into_bytes(), vec![]);
            let (error, usage) = measure(|| Decode::<u32>::decode(&Json::new(), message.clone()).unwrap_err());
            assert!(error.to_string().len() < 1000, "{error}");
            assert!(usage.peak < 64 << 10, "{usage:?}");
            let decode = || Decode::<Vec<BTreeMap<String, u8>>>::decode(&Json::new(), message).unwrap_err();
            let (error, usage) = measure(decode);
            assert!(error.to_string().len() < 1000, "{error}");
            assert!(usage.peak < 3 * (4 << 20), "{usage:?}");
        }
    });
}

#[test]
fn nesting_is_refused_before_anything_recurses() {
    on_a_small_stack(|| {
        let mut worst = Usage::default();
        for deep in ["[", "{\"a\":", "[{\"\":", "{\"Circle\":"] {
            assert!(!attempt(deep.repeat(100_000).as_bytes(), &mut worst));
        }
        let at = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let error = read::<Value>(at(65)).unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("byte 64"), "{error}");
        read::<Value>(at(64)).unwrap();
        assert!(worst.peak < 64 << 10, "{worst:?}");
    });
}
