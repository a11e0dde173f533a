//! Which nodes are named more than once.

use super::number::Place;
use super::{Graph, NodeId};

/// The nodes that are elements of more than one container, or more than once of one.
///
/// A container that is itself nowhere in the value counts like any other: there is at most one name too many.
pub(crate) struct NamedAgain {
    /// A bit for each slot, and after these one for each place in the pickle.
    bits: Vec<u64>,
    slots: usize,
}

impl NamedAgain {
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        let Some((word, bit)) = bit(id, self.slots) else { return false };
        self.bits.get(word).is_some_and(|word| word & bit > 0)
    }
}

/// The bit of a node: its word, and which one there. Small integers have none.
fn bit(id: NodeId, slots: usize) -> Option<(usize, u64)> {
    let number = match id.place() {
        Place::Small(_) => return None,
        Place::Slot(index) => index,
        Place::Leaf(at) => slots + at,
    };
    Some((number / 64, 1 << (number % 64)))
}

impl Graph<'_> {
    /// Which nodes are named more than once, found in one pass over all elements.
    pub(crate) fn named_again(&self) -> NamedAgain {
        let slots = self.store.slots.len();
        let words = (slots + self.pickle.len()).div_ceil(64);
        let (mut once, mut again) = (vec![0_u64; words], vec![0_u64; words]);
        for &id in self.store.items.iter().chain([&self.root]) {
            if let Some((word, bit)) = bit(id, slots) {
                again[word] |= once[word] & bit;
                once[word] |= bit;
            }
        }
        NamedAgain { bits: again, slots }
    }
}
