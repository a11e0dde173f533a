//! Values that stand in several places: written once, and then named by their entry in the memo.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Next, Writer};
use crate::codec::unserializable::{Result, Unserializable};
use crate::handoff::{self, SharedOwner};
use crate::pickle::Memoized;
use crate::python::Kind;

/// What was written of the values that may come again.
#[derive(Default)]
pub(super) struct Shared(HashMap<Written, Object>);

/// A value by its address, whether it was to be hashed, and what it was announced to be: each may make it something else.
type Written = (usize, bool, Option<Kind>);

struct Object {
    entry: Memoized,
    /// How many containers are within each other in it.
    height: usize,
    /// Whether it is the same where it is to be hashed and where not.
    is_same: bool,
    /// Kept, so that the address stays its own.
    _owner: SharedOwner,
}

impl Writer<'_> {
    /// A value that stands in several places: whole at the first.
    pub(super) fn shared<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let Some(owner) = handoff::owner_of_shared() else { return value.serialize(self) };
        let kind = match self.next {
            Next::Kind(kind) => Some(kind),
            _ => None,
        };
        let written = (Arc::as_ptr(&owner).addr(), self.in_key, kind);
        if let Some(&Object { entry, height, is_same, .. }) = self.shared.0.get(&written) {
            self.unhashed += u64::from(!is_same);
            let left = self.depth.checked_sub(height).ok_or_else(Unserializable::too_deep)?;
            self.least_depth = self.least_depth.min(left);
            self.next = Next::Value;
            self.out.again(entry);
            return Ok(());
        }
        let unhashed = self.unhashed;
        let outside = std::mem::replace(&mut self.least_depth, self.depth);
        value.serialize(&mut *self)?;
        let height = self.depth - self.least_depth;
        self.least_depth = self.least_depth.min(outside);
        let entry = self.out.memoize();
        let is_same = self.unhashed == unhashed;
        if is_same {
            let other = (written.0, !written.1, kind);
            self.shared.0.insert(other, Object { entry, height, is_same, _owner: owner.clone() });
        }
        self.shared.0.insert(written, Object { entry, height, is_same, _owner: owner });
        Ok(())
    }
}
