//! The bytes of a pickle, written forward: opcodes of protocol 5, with numbers and lengths in their shortest form.
//!
//! All of it lies in one frame, whose length is filled in at the end (PEP 3154); a pickle of fewer than four bytes has
//! none, as CPython writes it.

use super::opcode as op;

/// What comes before the first opcode of a value: `PROTO 5`, `FRAME` and eight bytes.
const HEAD: [u8; 11] = [op::PROTO, 5, op::FRAME, 0, 0, 0, 0, 0, 0, 0, 0];
/// Where the frame's opcode stands in it.
const FRAME: usize = 2;
/// The shortest pickle that gets a frame, with its `STOP`.
const FRAMED_FROM: usize = 4;

/// A pickle that is being written.
pub(crate) struct Output<'w> {
    out: &'w mut Vec<u8>,
    start: usize,
    /// How many entries the memo has.
    memo: u32,
}

/// An entry of the memo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memoized(u32);

impl<'w> Output<'w> {
    /// A pickle that is appended to `out`.
    pub(crate) fn new(out: &'w mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&HEAD);
        Self { out, start, memo: 0 }
    }

    /// Ends the pickle; returns its length.
    pub(crate) fn finish(self) -> usize {
        self.out.push(op::STOP);
        let (frame, value) = (self.start + FRAME, self.start + HEAD.len());
        let len = self.out.len() - value;
        match len >= FRAMED_FROM {
            true => self.out[frame + 1..value].copy_from_slice(&(len as u64).to_le_bytes()),
            false => drop(self.out.drain(frame..value)),
        }
        self.out.len() - self.start
    }

    /// How long it is by now.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// An opcode without an argument.
    #[inline]
    pub(crate) fn op(&mut self, opcode: u8) {
        self.out.push(opcode);
    }

    /// Several of them.
    #[inline]
    pub(crate) fn ops(&mut self, opcodes: &[u8]) {
        self.out.extend_from_slice(opcodes);
    }

    #[inline]
    pub(crate) fn bool(&mut self, value: bool) {
        self.op(if value { op::NEWTRUE } else { op::NEWFALSE });
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) {
        let [a, b, c, d, ..] = value.to_le_bytes();
        match value {
            0..=0xff => self.ops(&[op::BININT1, a]),
            0x100..=0xffff => self.ops(&[op::BININT2, a, b]),
            -0x8000_0000..=0x7fff_ffff => self.ops(&[op::BININT, a, b, c, d]),
            _ => self.long(&value.to_le_bytes()),
        }
    }

    pub(crate) fn wide(&mut self, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            Err(_) => self.long(&value.to_le_bytes()),
        }
    }

    pub(crate) fn unsigned(&mut self, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            // with a byte for the sign
            Err(_) => {
                let mut bytes = [0; 17];
                bytes[..16].copy_from_slice(&value.to_le_bytes());
                self.long(&bytes);
            }
        }
    }

    /// An integer of any length: little-endian, two's complement.
    pub(crate) fn long(&mut self, mut bytes: &[u8]) {
        while let [rest @ .., before, last] = bytes
            && *last == if *before < 0x80 { 0 } else { 0xff }
        {
            bytes = &bytes[..rest.len() + 1];
        }
        match u8::try_from(bytes.len()) {
            Ok(len) => self.ops(&[op::LONG1, len]),
            Err(_) => self.head(op::LONG4, &(bytes.len() as u32).to_le_bytes()),
        }
        self.ops(bytes);
    }

    #[inline]
    pub(crate) fn float(&mut self, value: f64) {
        let mut bytes = [op::BINFLOAT; 9];
        bytes[1..].copy_from_slice(&value.to_be_bytes());
        self.ops(&bytes);
    }

    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        self.counted([op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8], text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.counted([op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], bytes);
    }

    pub(crate) fn byte_array(&mut self, bytes: &[u8]) {
        self.head(op::BYTEARRAY8, &(bytes.len() as u64).to_le_bytes());
        self.ops(bytes);
    }

    /// Bytes after their length, in one byte, four or eight.
    #[inline]
    fn counted(&mut self, [short, medium, long]: [u8; 3], bytes: &[u8]) {
        let len = bytes.len();
        if let Ok(len) = u8::try_from(len) {
            // room for both at once
            self.out.reserve(2 + bytes.len());
            self.ops(&[short, len]);
        } else if let Ok(len) = u32::try_from(len) {
            self.head(medium, &len.to_le_bytes());
        } else {
            self.head(long, &(len as u64).to_le_bytes());
        }
        self.ops(bytes);
    }

    fn head(&mut self, opcode: u8, len: &[u8]) {
        self.op(opcode);
        self.ops(len);
    }

    /// Something that Python imports.
    pub(crate) fn global(&mut self, module: &str, name: &str) {
        self.text(module);
        self.text(name);
        self.op(op::STACK_GLOBAL);
    }

    /// Notes what was written last, to be named again.
    #[inline]
    pub(crate) fn memoize(&mut self) -> Memoized {
        self.op(op::MEMOIZE);
        let entry = Memoized(self.memo);
        self.memo = self.memo.checked_add(1).expect("invariant: a pickle of gigabytes of names is over every limit");
        entry
    }

    /// Names what was noted.
    #[inline]
    pub(crate) fn again(&mut self, Memoized(entry): Memoized) {
        match u8::try_from(entry) {
            Ok(entry) => self.ops(&[op::BINGET, entry]),
            Err(_) => self.head(op::LONG_BINGET, &entry.to_le_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, op};

    fn written(write: impl FnOnce(&mut Output<'_>)) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let mut output = Output::new(&mut out);
        write(&mut output);
        let len = output.finish();
        assert_eq!(&out[..6], b"before");
        assert_eq!(out.len(), 6 + len);
        out.split_off(6)
    }

    #[test]
    fn short_pickles_have_no_frame_and_others_one_around_all() {
        // pickle.dumps(None, 5), pickle.dumps(256, 5)
        assert_eq!(written(|output| output.op(op::NONE)), b"\x80\x05N.");
        assert_eq!(written(|output| output.int(256)), b"\x80\x05\x95\x04\0\0\0\0\0\0\0M\0\x01.");
        let long = written(|output| output.text(&"a".repeat(300)));
        assert_eq!(long[3..11], (long.len() as u64 - 11).to_le_bytes());
    }

    #[test]
    fn integers_take_their_shortest_form() {
        let value = |write: &dyn Fn(&mut Output<'_>)| {
            let pickle = written(write);
            let at = if pickle[2] == op::FRAME { 11 } else { 2 };
            pickle[at..pickle.len() - 1].to_vec()
        };
        for (number, expected) in [
            (0, &b"K\0"[..]),
            (255, b"K\xff"),
            (256, b"M\0\x01"),
            (65_536, b"J\0\0\x01\0"),
            (-1, b"J\xff\xff\xff\xff"),
            (i64::from(i32::MIN), b"J\0\0\0\x80"),
            (1 << 31, b"\x8a\x05\0\0\0\x80\0"),
            (-(1 << 31) - 1, b"\x8a\x05\xff\xff\xff\x7f\xff"),
            (i64::MAX, b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ] {
            assert_eq!(value(&|output| output.int(number)), expected, "{number}");
            assert_eq!(value(&|output| output.wide(number.into())), expected, "{number}");
        }
        let most = [&b"\x8a\x11"[..], &[0xff; 16], b"\0"].concat();
        assert_eq!(value(&|output| output.unsigned(u128::MAX)), most);
        assert_eq!(value(&|output| output.unsigned(1 << 63)), b"\x8a\x09\0\0\0\0\0\0\0\x80\0");
        assert_eq!(value(&|output| output.wide(i128::MIN))[..2], [op::LONG1, 16]);
    }

    #[test]
    fn the_memo_counts_from_0_and_past_a_byte() {
        let pickle = written(|output| {
            let entries: Vec<_> = (0..300).map(|_| output.memoize()).collect();
            output.again(entries[0]);
            output.again(entries[255]);
            output.again(entries[299]);
        });
        assert!(pickle.ends_with(b"h\0h\xffj\x2b\x01\0\0."), "{pickle:?}");
    }
}
