//! Values that may stand in several places, and who keeps them.

use std::any::Any;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// The newtype name that tells a codec that a value follows which may stand in other places as well.
pub(crate) const SHARED: &str = "outband::Shared";

/// Who keeps a value that stands in several places.
pub(crate) type SharedOwner = Arc<dyn Any + Send + Sync>;

thread_local! {
    /// Never dropped: who encodes while the thread ends needs it still, and nothing is left in it.
    static SHARED_OWNER: ManuallyDrop<Cell<Option<SharedOwner>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

/// Runs `serialize`, which serializes a newtype struct named [`SHARED`], with who owns its content at hand.
pub(crate) fn shared<R>(owner: SharedOwner, serialize: impl FnOnce() -> R) -> R {
    struct Restore(Option<SharedOwner>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SHARED_OWNER.with(|place| place.set(self.0.take()));
        }
    }
    let _restore = Restore(SHARED_OWNER.with(|place| place.replace(Some(owner))));
    serialize()
}

/// Who owns the content of the newtype struct named [`SHARED`] that is about to be serialized.
///
/// Two that are one have one address. It stays theirs as long as the owner is kept, so a codec that compares addresses keeps the
/// owners as long.
pub(crate) fn owner_of_shared() -> Option<SharedOwner> {
    SHARED_OWNER.with(|place| place.take())
}

#[cfg(test)]
mod tests {
    use super::{SharedOwner, owner_of_shared, shared};
    use std::sync::Arc;

    #[test]
    fn owners_of_shared_values_nest_and_leave_nothing_behind() {
        let (outer, inner): (SharedOwner, SharedOwner) = (Arc::new(1), Arc::new(2));
        let is = |owner: &SharedOwner| owner_of_shared().is_some_and(|found| Arc::ptr_eq(&found, owner));
        shared(outer.clone(), || {
            shared(inner.clone(), || assert!(is(&inner) && owner_of_shared().is_none()));
            assert!(is(&outer));
        });
        shared(outer.clone(), || ()); // nobody asks
        let panics = std::panic::catch_unwind(|| shared(Arc::new(3), || panic!("in the middle")));
        assert!(panics.is_err() && owner_of_shared().is_none());
        assert_eq!((Arc::strong_count(&outer), Arc::strong_count(&inner)), (1, 1));
    }
}
