//! What no pickle may be instead.

use crate::codec::likeness::{Likeness, is_zlib};
use crate::error::{Detail, Error};

/// The error for what is no pickle, with what it may be instead.
#[cold]
pub(super) fn refused(error: Error, data: &[u8]) -> Error {
    match packed_by(data) {
        Some(packing) => Detail::PickleCompressed { packing }.into(),
        None if error.is_peer() => {
            let likeness = Likeness::of(data).filter(|&like| !matches!(like, Likeness::Pickle | Likeness::Zlib));
            error.hinting(likeness.map(Likeness::hint))
        }
        None => error,
    }
}

/// What compressed a file of joblib or pandas: asked when it has failed as a pickle.
#[cold]
fn packed_by(data: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
    ];
    // the length of its dictionary, which is 64 KiB at least
    let is_lzma = |head: &[u8; 5]| matches!(head, [b']', 0, 0, low, high] if (low, high) != (&0, &0));
    // in the head of its first file
    if data.get(257..262) == Some(b"ustar") {
        return Some("tar");
    }
    // with the window that everybody takes; other headers begin as opcodes do
    if data.first() == Some(&0x78) && is_zlib(data) {
        return Some("zlib");
    }
    if data.first_chunk().is_some_and(is_lzma) {
        return Some("lzma");
    }
    BEGINNINGS.into_iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, packing)| packing)
}
