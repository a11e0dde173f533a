//! `Outcome`: what became of a task. Each task has exactly one.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::receipt::Receipt;
use crate::codec::{Decode, MsgPack};
use crate::error::{Escaped, Result};
use crate::multipart::Multipart;

/// Names a task: what [`submit`](super::Dispatcher::submit) returned.
///
/// Ids count up in the order of submission. With a journal they go on counting after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(super) u64);

impl TaskId {
    /// The id as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of a task: exactly one for each task, while the dispatcher lives.
///
/// With a journal a task stays on record until its outcome is dropped: what the program does with an outcome, it does
/// before it lets go of it. An outcome that is dropped by a panic does not count.
#[derive(Debug)]
pub struct Outcome {
    pub(super) task: TaskId,
    pub(super) attempts: u32,
    pub(super) ending: Ending,
    #[allow(dead_code, reason = "held for its Drop")]
    pub(super) receipt: Option<Receipt>,
}

/// The ways in which a task can end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// A handler returned this.
    Done(Multipart),
    /// It failed as often as it may, or a handler rejected it: a dead letter.
    Dead(DeadLetter),
    /// [`cancel`](super::Dispatcher::cancel) came before a result.
    Cancelled,
}

/// A task that was given up, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The task as it was submitted.
    pub message: Multipart,
    /// What went wrong, one for each attempt, first to last; of more than 16 the last 16.
    pub failures: Vec<Failed>,
}

/// One attempt that went wrong. Both are as they came: what is printed goes through `Display`, which has escapes for what would end
/// the line, act on a terminal or turn the text around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The name of the worker.
    pub worker: Arc<str>,
    /// What it said, or what was seen of it.
    pub reason: String,
}

impl Outcome {
    /// The task.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// How many attempts it took.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How it ended.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The result, undecoded; `None` of a task that has none.
    pub fn result(&self) -> Option<&Multipart> {
        match &self.ending {
            Ending::Done(message) => Some(message),
            _ => None,
        }
    }

    /// The dead letter of a task that was given up.
    pub fn dead_letter(&self) -> Option<&DeadLetter> {
        match &self.ending {
            Ending::Dead(letter) => Some(letter),
            _ => None,
        }
    }

    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.ending == Ending::Cancelled
    }

    /// The result, decoded with the default codec. Its buffers are the received frames.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the task has no result: the text says what became of it. What decoding returns.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        self.decode_with(&MsgPack::new())
    }

    /// The result, decoded with any codec.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_with<T, C: Decode<T>>(&self, codec: &C) -> Result<T> {
        match &self.ending {
            Ending::Done(message) => codec.decode(message.clone()),
            ending => Err(crate::error::Detail::NoResult { task: self.task.0, why: ending.to_string() }.into()),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(message) => write!(f, "done: {message:?}"),
            Self::Dead(letter) => letter.fmt(f),
            Self::Cancelled => f.write_str("it was cancelled"),
        }
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was given up")?;
        // not how many: the first of many are not kept
        self.failures.last().map_or(Ok(()), |last| write!(f, " after it had failed on {last}"))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a worker's own words
        write!(Escaped(f), "{}: {}", self.worker, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_words_act_on_no_terminal() {
        let failed = Failed { worker: Arc::from("w\x1b[2J"), reason: "no\nroom \u{202e}".to_owned() };
        let printed = r"w\u{1b}[2J: no\nroom \u{202e}";
        assert_eq!(failed.to_string(), printed);
        let letter = DeadLetter { message: Multipart::new(vec![1], vec![]), failures: vec![failed] };
        let ending = Ending::Dead(letter);
        assert_eq!(ending.to_string(), format!("it was given up after it had failed on {printed}"));
        let outcome = Outcome { task: TaskId(1), attempts: 1, ending, receipt: None };
        let error = outcome.decode::<u32>().map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|text| text.ends_with(printed)), "{error:?}");
    }
}
