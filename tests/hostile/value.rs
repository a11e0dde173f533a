//! Golden messages with a byte changed, read without a schema.

use outband::{Decode, ErrorKind, Limits, MsgPack, Multipart, Value};

use crate::golden_files::golden;
#[cfg(feature = "arrow")]
use crate::golden_files::golden_in;
use crate::stack::on_a_small_stack;

#[test]
fn any_byte_may_change_and_nothing_panics_on_a_small_stack() {
    let attack = || {
        let mut refused = 0;
        let codec = MsgPack::new().limits(Limits::new().decompressed_bytes(1 << 20));
        let messages = golden().into_iter();
        #[cfg(feature = "arrow")]
        let messages = messages.chain(golden_in("tests/golden/tables"));
        for (_, message) in messages.filter(|(_, message)| message.metadata().len() < 2000) {
            let (metadata, buffers) = message.into_parts();
            for at in 0..metadata.len().min(600) {
                // a debug build takes ten times as long for each
                let flips =
                    if cfg!(debug_assertions) { &[1, 0x10, 0x80, 0xff][..] } else { &[1, 2, 0x10, 0x40, 0x80, 0xff] };
                for flip in flips {
                    let mut changed = metadata.to_vec();
                    changed[at] ^= flip;
                    match codec.decode(Multipart::new(changed, buffers.clone())) {
                        Ok(value) => drop::<Value>(value),
                        Err(error) => {
                            assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(refused > 1000, "{refused}");
    };
    on_a_small_stack(attack);
}
