//! Leaves: nodes that are read where their opcode stands.
//!
//! The machine has read each of them before: its length, text in UTF-8, digits. So there is nothing left to refuse.

use std::borrow::Cow;
use std::str;

use super::number::{NodeId, Place};
use super::{Graph, Node, Slot};
use crate::pickle::{opcode as op, text};

/// Why nothing here fails.
const READ: &str = "invariant: the machine has read this opcode";

impl<'p> Graph<'p> {
    /// What the opcode at a place says.
    #[inline]
    pub(super) fn leaf(&self, at: usize) -> Node<'p> {
        let (&opcode, after) = self.pickle[at..].split_first().expect(READ);
        match opcode {
            op::SHORT_BINUNICODE => Node::Str(short_text(after)),
            op::BINFLOAT => Node::Float(float(after)),
            _ => other(opcode, after),
        }
    }

    /// The text that a node is, where it is one of up to 255 bytes as protocol 4 writes it.
    #[inline]
    pub(crate) fn as_short_text(&self, id: NodeId) -> Option<&'p str> {
        match id.place() {
            Place::Leaf(at) if self.pickle[at] == op::SHORT_BINUNICODE => Some(short_text(&self.pickle[at + 1..])),
            _ => None,
        }
    }

    /// What a node is, where its text, bytes or digits are no more than `most` bytes: who is asked again and again about what a
    /// pickle names in two bytes must not read a long one each time.
    pub(crate) fn short(&self, id: NodeId, most: usize) -> Option<Node<'_>> {
        self.is_within(id, most).then(|| self.node(id))
    }

    /// Whether a node is this text, which is told from their lengths where those differ.
    pub(crate) fn is_text(&self, id: NodeId, wanted: &str) -> bool {
        self.is_within(id, wanted.len()) && matches!(self.node(id), Node::Str(text) if text == wanted)
    }

    /// Whether a node is text, which is not read.
    pub(in crate::pickle) fn is_any_text(&self, id: NodeId) -> bool {
        match id.place() {
            Place::Leaf(at) => {
                matches!(self.pickle[at], op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 | op::UNICODE)
            }
            Place::Slot(index) => matches!(self.store.slots[index], Slot::Line(_) | Slot::OwnedStr(_)),
            Place::Small(_) => false,
        }
    }

    fn is_within(&self, id: NodeId, most: usize) -> bool {
        match id.place() {
            Place::Small(_) => true,
            Place::Leaf(at) => is_leaf_within(self.pickle[at], &self.pickle[at + 1..], most),
            Place::Slot(index) => match self.store.slots[index] {
                Slot::Line(span) | Slot::Inset(span) => span.len as usize <= most,
                Slot::OwnedStr(index) => self.texts[index as usize].len() <= most,
                Slot::OwnedOldStr(index) => self.old_texts[index as usize].len() <= most,
                Slot::Global(index) => {
                    let (module, name) = self.store.globals[index as usize];
                    self.is_within(module, most) && self.is_within(name, most)
                }
                _ => true,
            },
        }
    }

    /// The float that a node is, where it is one in binary.
    #[inline]
    pub(crate) fn as_float(&self, id: NodeId) -> Option<f64> {
        match id.place() {
            Place::Leaf(at) if self.pickle[at] == op::BINFLOAT => Some(float(&self.pickle[at + 1..])),
            _ => None,
        }
    }
}

fn is_leaf_within(opcode: u8, after: &[u8], most: usize) -> bool {
    fn is_within<const N: usize>(after: &[u8], most: usize) -> bool {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(after.first_chunk::<N>().expect(READ));
        u64::from_le_bytes(wide) <= most as u64
    }
    match opcode {
        op::SHORT_BINUNICODE | op::SHORT_BINBYTES | op::SHORT_BINSTRING | op::LONG1 => is_within::<1>(after, most),
        op::BINUNICODE | op::BINBYTES | op::BINSTRING | op::LONG4 => is_within::<4>(after, most),
        op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => is_within::<8>(after, most),
        // with quotes or an `L`
        op::UNICODE | op::STRING | op::INT | op::LONG | op::FLOAT => {
            after.iter().take(most + 3).any(|&byte| byte == b'\n')
        }
        _ => true,
    }
}

#[inline]
fn short_text(after: &[u8]) -> &str {
    let (&len, bytes) = after.split_first().expect(READ);
    utf8(&bytes[..len.into()])
}

#[inline]
fn utf8(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect(READ)
}

#[inline]
fn float(after: &[u8]) -> f64 {
    f64::from_be_bytes(*after.first_chunk().expect(READ))
}

/// What is met less often.
#[inline(never)]
fn other(opcode: u8, after: &[u8]) -> Node<'_> {
    match opcode {
        op::BININT => Node::Int(i32::from_le_bytes(*after.first_chunk().expect(READ)).into()),
        op::BINUNICODE => Node::Str(utf8(counted::<4>(after))),
        op::BINUNICODE8 => Node::Str(utf8(counted::<8>(after))),
        op::UNICODE => Node::Str(utf8(line(after))),
        op::SHORT_BINBYTES => Node::Bytes(counted::<1>(after)),
        op::BINBYTES => Node::Bytes(counted::<4>(after)),
        op::BINBYTES8 => Node::Bytes(counted::<8>(after)),
        op::BYTEARRAY8 => Node::ByteArray(counted::<8>(after)),
        op::SHORT_BINSTRING => Node::OldStr(counted::<1>(after)),
        op::BINSTRING => Node::OldStr(counted::<4>(after)),
        op::STRING => match text::quoted(line(after)) {
            Some(Cow::Borrowed(bytes)) => Node::OldStr(bytes),
            _ => unreachable!("{READ}"),
        },
        op::LONG1 => long(counted::<1>(after)),
        op::LONG4 => long(counted::<4>(after)),
        op::INT => decimal(line(after)),
        op::LONG => decimal(text::without_l(line(after))),
        op::FLOAT => Node::Float(utf8(line(after)).parse().expect(READ)),
        _ => unreachable!("{READ}"),
    }
}

/// As many bytes as a length of `N` bytes before them says.
fn counted<const N: usize>(after: &[u8]) -> &[u8] {
    let (len, bytes) = after.split_first_chunk::<N>().expect(READ);
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(len);
    &bytes[..u64::from_le_bytes(wide) as usize]
}

fn line(after: &[u8]) -> &[u8] {
    after.split(|&byte| byte == b'\n').next().expect(READ)
}

/// An integer in two's complement, little-endian.
fn long(bytes: &[u8]) -> Node<'_> {
    match text::long(bytes) {
        Some(value) => Node::Int(value),
        None => Node::Big(bytes),
    }
}

fn decimal(digits: &[u8]) -> Node<'_> {
    let digits = utf8(digits);
    digits.parse().map_or(Node::BigText(digits), Node::Int)
}
