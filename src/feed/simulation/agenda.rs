//! What is going to happen, and when.

#![cfg(test)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by the millisecond in which they happen, and within one in the order in which they were planned.
pub(super) struct Agenda<E> {
    /// The millisecond, the number of the plan and the place of the event, in one number.
    order: BinaryHeap<Reverse<u64>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    planned: u64,
}

const PLACE_BITS: u32 = 16;
const PLAN_BITS: u32 = 28;

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { order: BinaryHeap::with_capacity(64), events: Vec::with_capacity(64), free: Vec::new(), planned: 0 }
    }

    pub(super) fn plan(&mut self, when: u64, event: E) {
        let place = self.free.pop().unwrap_or(self.events.len());
        if place == self.events.len() {
            self.events.push(None);
        }
        self.events[place] = Some(event);
        self.planned += 1;
        assert!(place < 1 << PLACE_BITS && self.planned < 1 << PLAN_BITS, "the agenda is too long");
        self.order.push(Reverse((when << PLAN_BITS | self.planned) << PLACE_BITS | place as u64));
    }

    pub(super) fn next(&mut self) -> Option<(u64, E)> {
        let Reverse(first) = self.order.pop()?;
        let place = (first & ((1 << PLACE_BITS) - 1)) as usize;
        self.free.push(place);
        let event = self.events[place].take().expect("invariant: what is in the order is there");
        Some((first >> (PLACE_BITS + PLAN_BITS), event))
    }
}
