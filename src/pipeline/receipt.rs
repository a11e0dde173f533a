//! `Receipt`: what an outcome holds on to while its task is on record.

#![cfg_attr(not(feature = "journal"), allow(dead_code, reason = "only a journal keeps records"))]

use std::fmt;
use std::sync::Arc;
use std::thread;

/// Dropped with the outcome: the task is dealt with. A panic is no way of dealing with it.
pub(super) struct Receipt {
    task: u64,
    settle: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Receipt {
    #[cfg(feature = "journal")]
    pub(super) fn new(task: u64, settle: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        Self { task, settle }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !thread::panicking() {
            (self.settle)(self.task);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("task", &self.task).finish()
    }
}
