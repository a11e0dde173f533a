//! What one follower was told of one stream, and the promise that is checked with it.

#![cfg(test)]

use std::time::Duration;

use super::super::source::Source;

/// What a follower was told of one stream.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) epoch: u64,
    pub(super) next: u64,
    /// The epochs that it was told of before, and the number that came next of each.
    former: Vec<(u64, u64)>,
}

impl Ledger {
    pub(super) fn new(epoch: u64, next: u64) -> Self {
        Self { epoch, next, former: Vec::new() }
    }

    /// Numbers follow each other: these are the next ones.
    pub(super) fn take(&mut self, epoch: u64, from: u64, to: u64) {
        assert_eq!((self.epoch, self.next), (epoch, from));
        assert!(from <= to);
        self.next = to + 1;
    }

    /// Another epoch begins, or goes on where it was left.
    pub(super) fn turn_to(&mut self, epoch: u64, previous: u64, from: Option<u64>) {
        assert_eq!(self.epoch, previous);
        let at = self.former.iter().position(|&(former, _)| former == epoch);
        let left = at.map(|at| self.former.swap_remove(at).1);
        assert_eq!(left, from, "epoch {epoch} begins again, or goes on elsewhere");
        self.former.push((self.epoch, self.next));
        (self.epoch, self.next) = (epoch, from.unwrap_or(1));
    }
}

/// What was published, by epoch and stream: the last number of each stream that had begun.
#[derive(Default)]
pub(super) struct Published(Vec<(u64, [Option<u64>; STREAMS])>);

/// The most streams.
pub(super) const STREAMS: usize = 3;

impl Published {
    pub(super) fn note(&mut self, epoch: u64, stream: usize, last: u64) {
        if self.0.last().is_none_or(|&(latest, _)| latest != epoch) {
            self.0.push((epoch, [None; STREAMS]));
        }
        let streams = &mut self.0.last_mut().expect("invariant: just pushed").1;
        streams[stream] = streams[stream].max(Some(last));
    }

    /// The last number of what was really published.
    pub(super) fn last(&self, epoch: u64, stream: usize) -> u64 {
        let found = self.0.iter().rev().find(|&&(other, _)| other == epoch);
        found.and_then(|(_, streams)| streams[stream]).expect("nobody tells of what was never published")
    }

    /// Whether a higher epoch came before this one: a clock was set back.
    pub(super) fn has_higher(&self, epoch: u64) -> bool {
        self.0.iter().any(|&(other, _)| other > epoch)
    }
}

/// What a check compares with.
pub(super) struct Truth<'w> {
    pub(super) now: Duration,
    /// The publisher, while it lives.
    pub(super) source: Option<&'w Source>,
    pub(super) published: &'w Published,
}

/// The length of what says which message this is.
pub(super) const SIGNED: usize = 17;

/// What is published under a number.
pub(super) fn signature(epoch: u64, stream: usize, number: u64) -> [u8; SIGNED] {
    let mut bytes = [stream as u8; SIGNED];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The index of a stream by its name or topic: its digit.
pub(super) fn index(name: &[u8]) -> usize {
    usize::from(name[2] - b'0')
}
