//! What a table remembers of how it came, for the codec that read it to write it alike again. This room refuses to know what that is.

use std::any::Any;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};

use super::column::Columns;

/// What a codec keeps of a table that it has read.
pub(crate) type Memory = Arc<dyn Any + Send + Sync>;

thread_local! {
    /// What is kept of the table whose columns are being shown.
    /// Never dropped: who decodes while the thread ends needs it still, and nothing is left in it.
    static ARRIVING: ManuallyDrop<RefCell<Option<Memory>>> = const { ManuallyDrop::new(RefCell::new(None)) };
}

/// Runs `show`, which shows the columns of a table, with what is kept of it at hand.
pub(crate) fn arriving_with<R>(memory: Option<Memory>, show: impl FnOnce() -> R) -> R {
    struct Restore(Option<Memory>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ours = ARRIVING.with(|place| place.replace(self.0.take()));
            // dropped after the borrow has ended: an owner's `Drop` may come back here
            drop(ours);
        }
    }
    let _restore = Restore(ARRIVING.with(|place| place.replace(memory)));
    show()
}

/// Columns, and what is kept of them. Behind serde's buffering of untagged types nothing is.
pub(super) struct Arrived {
    pub(super) columns: Columns,
    pub(super) memory: Option<Memory>,
}

impl<'de> Deserialize<'de> for Arrived {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let memory = ARRIVING.with(|place| place.borrow_mut().take());
        Columns::deserialize(deserializer).map(|columns| Self { columns, memory })
    }
}
