//! Bytes that are no protocol buffer, or too much of one, for the `Protobuf` codec.

#![cfg(feature = "protobuf")]

use outband::{Decode, ErrorKind, Multipart, Protobuf, Result};
use prost::Message as _;

use crate::counting::{Usage, measure};
use crate::protobuf_types::{Everything, everything};
use crate::random::Random;
use crate::stack::on_a_small_stack;

fn attempt(bytes: &[u8], worst: &mut Usage) -> Result<Everything> {
    let (result, usage) =
        measure(|| Decode::<Everything>::decode(&Protobuf::new(), Multipart::new(bytes.to_vec(), vec![])));
    *worst = worst.max(usage);
    let frame: Result<Everything> = Protobuf::new().decode_frame(bytes);
    assert_eq!(frame.is_ok(), result.is_ok());
    if let Err(error) = &result {
        assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
    }
    result
}

#[test]
fn every_truncation_and_many_mutations_end_in_a_typed_error_or_a_value() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(0xb0f);
        let whole = everything(30).encode_to_vec();
        let mut worst = Usage::default();
        let mut refused = 0;
        for end in 0..whole.len() {
            refused += usize::from(attempt(&whole[..end], &mut worst).is_err());
        }
        // a message may end after any of its fields
        assert!(refused > whole.len() / 2, "{refused} of {}", whole.len());
        for _ in 0..20_000 {
            let mut mutated = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(mutated.len());
                match random.below(3) {
                    0 => mutated[at] = random.next() as u8,
                    1 => mutated.insert(at, random.next() as u8),
                    _ => drop(mutated.remove(at)),
                }
            }
            refused += usize::from(attempt(&mutated, &mut worst).is_err());
        }
        println!("{refused} refused, {worst:?}");
        assert!(refused > 1000, "{refused}");
        assert!(worst.peak < 256 << 10, "{worst:?}");
    });
}

#[test]
fn nesting_is_limited_before_the_stack_ends() {
    on_a_small_stack(|| {
        let nested = |depth: usize| {
            (0..depth).fold(Vec::new(), |inner, _| {
                let mut outer = vec![0x3a];
                prost::encode_length_delimiter(inner.len(), &mut outer).unwrap();
                outer.extend(inner);
                outer
            })
        };
        let mut worst = Usage::default();
        attempt(&nested(90), &mut worst).unwrap();
        // groups are what only unknown fields can be
        for deep in [nested(5_000), [0x9b, 0x06].repeat(50_000)] {
            let error = attempt(&deep, &mut worst).map(drop).unwrap_err();
            assert!(error.is_limit() && error.to_string().contains("limit of 100"), "{error}");
        }
        assert!(worst.peak < 256 << 10, "{worst:?}");
    });
}
