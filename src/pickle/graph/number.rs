//! Numbers of nodes.

/// The number of a node.
///
/// Most nodes need no slot in the graph: a small integer is its number, and what an opcode says by itself (text, floats, bytes)
/// is found again where that opcode stands in the pickle.
///
/// ```text
///   1aaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa   a leaf: the place of its opcode
///   01vv vvvv vvvv vvvv vvvv vvvv vvvv vvvv   an integer of 30 bits
///   00ss ssss ssss ssss ssss ssss ssss ssss   a slot
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(u32);

const LEAF: u32 = 1 << 31;
const SMALL: u32 = 1 << 30;

/// Where a node is to be found.
pub(super) enum Place {
    Leaf(usize),
    Small(i64),
    Slot(usize),
}

impl NodeId {
    pub(in crate::pickle) const NONE: Self = Self(0);
    pub(in crate::pickle) const FALSE: Self = Self(1);
    pub(in crate::pickle) const TRUE: Self = Self(2);
    pub(in crate::pickle) const EMPTY_TUPLE: Self = Self(3);

    /// The most slots and the longest pickle that have numbers.
    pub(in crate::pickle) const MAX_SLOTS: usize = SMALL as usize;
    pub(in crate::pickle) const MAX_PICKLE: usize = LEAF as usize - 16;

    /// An integer of up to 30 bits.
    #[inline]
    pub(in crate::pickle) fn small(value: i64) -> Option<Self> {
        const HALF: i64 = SMALL as i64 / 2;
        (-HALF..HALF).contains(&value).then_some(Self(value as u32 & (SMALL - 1) | SMALL))
    }

    /// What the opcode at this place says.
    #[inline]
    pub(in crate::pickle) fn leaf(at: usize) -> Self {
        Self(at as u32 | LEAF)
    }

    #[inline]
    pub(super) fn slot(index: usize) -> Self {
        Self(index as u32)
    }

    #[inline]
    pub(super) fn place(self) -> Place {
        match self.0 {
            leaf @ LEAF.. => Place::Leaf((leaf & !LEAF) as usize),
            small @ SMALL.. => Place::Small(i64::from((small << 2) as i32 >> 2)),
            slot => Place::Slot(slot as usize),
        }
    }

    /// The index of its slot, if it has one.
    #[inline]
    pub(super) fn index(self) -> Option<usize> {
        (self.0 < SMALL).then_some(self.0 as usize)
    }

    /// No node of any graph.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);

    /// A number that is as likely to differ in its lower bits as in any from those of other nodes.
    #[inline]
    pub(crate) fn scattered(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b1) >> 24) as usize
    }

    /// Whether it is Python's `None`.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The truth value that it is, if it is one.
    #[inline]
    pub(crate) fn as_bool(self) -> Option<bool> {
        (self == Self::TRUE || self == Self::FALSE).then_some(self == Self::TRUE)
    }

    /// The integer that it is, if it is one of up to 30 bits.
    #[inline]
    pub(crate) fn as_small(self) -> Option<i64> {
        match self.place() {
            Place::Small(value) => Some(value),
            _ => None,
        }
    }
}
