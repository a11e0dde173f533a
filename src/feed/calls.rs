//! Who has come: subscriptions that wait to be told of their streams. No socket and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// The subscriptions that wait, none of them within another: so, however many come, a walk over all of them visits each stream once
/// at most.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: BTreeSet<Box<[u8]>>,
    walk: Option<Walk>,
    /// Those of the next walk.
    next: BTreeSet<Box<[u8]>>,
}

/// The subscription whose streams are visited, and the topic with which or after which that goes on.
#[derive(Debug)]
struct Walk {
    prefix: Box<[u8]>,
    from: Bound<Arc<[u8]>>,
}

/// So many subscriptions wait at most; where there are more, it is as if one to everything had come.
const MOST: usize = 1024;

impl Calls {
    /// Takes a subscription in.
    pub(super) fn push(&mut self, prefix: &[u8]) {
        if self.next.len() >= MOST {
            self.next.clear();
            self.next.insert(Box::default());
        }
        // of what lies between a prefix and what begins with it, everything begins with it
        let before = self.next.range::<[u8], _>((Bound::Unbounded, Bound::Included(prefix))).next_back();
        if before.is_some_and(|before| prefix.starts_with(before)) {
            return;
        }
        while let Some(within) = self.next.range::<[u8], _>((Bound::Excluded(prefix), Bound::Unbounded)).next()
            && within.starts_with(prefix)
        {
            let within = within.clone();
            self.next.remove(&within);
        }
        self.next.insert(prefix.into());
    }

    /// Whether a walk is under way.
    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some() || !self.waiting.is_empty()
    }

    /// Begins a walk over the streams of all subscriptions that have come since the last one began.
    pub(super) fn begin(&mut self) {
        self.waiting = std::mem::take(&mut self.next);
    }

    /// Visits up to so many streams, and subscriptions, of the walk.
    pub(super) fn visit(&mut self, streams: &BTreeMap<Arc<[u8]>, usize>, most: usize, mut visit: impl FnMut(usize)) {
        let mut visited = 0;
        while visited < most {
            let next =
                || self.waiting.pop_first().map(|prefix| Walk { from: Bound::Included(Arc::from(&*prefix)), prefix });
            let Some(mut walk) = self.walk.take().or_else(next) else { return };
            visited += 1;
            let from = (walk.from.clone(), Bound::Unbounded);
            for (topic, &stream) in streams.range(from).take_while(|(topic, _)| topic.starts_with(&walk.prefix)) {
                if visited == most {
                    self.walk = Some(walk);
                    return;
                }
                visit(stream);
                visited += 1;
                walk.from = Bound::Excluded(topic.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(topics: &[&str]) -> BTreeMap<Arc<[u8]>, usize> {
        topics.iter().enumerate().map(|(index, topic)| (topic.as_bytes().into(), index)).collect()
    }

    /// The streams of one walk, and how many turns of `most` it took.
    fn walk(calls: &mut Calls, streams: &BTreeMap<Arc<[u8]>, usize>, most: usize) -> (Vec<usize>, usize) {
        let (mut all, mut turns) = (Vec::new(), 0);
        calls.begin();
        while calls.is_walking() {
            let before = all.len();
            calls.visit(streams, most, |stream| all.push(stream));
            assert!(all.len() - before <= most);
            turns += 1;
        }
        all.sort_unstable();
        (all, turns)
    }

    #[test]
    fn every_stream_that_a_subscription_matches_is_visited() {
        let streams = streams(&["a/1", "a/2", "a", "ab", "b", "c/1"]);
        let mut calls = Calls::default();
        for (prefixes, matching) in [
            (&["a/"][..], &[0, 1][..]),
            (&["a"], &[0, 1, 2, 3]),
            (&["a/1", "c", "d"], &[0, 5]),
            (&["ab", "a/2", "a/"], &[0, 1, 3]),
            (&["", "a"], &[0, 1, 2, 3, 4, 5]),
            (&[], &[]),
        ] {
            for most in [1, 2, 3, 100] {
                prefixes.iter().for_each(|prefix| calls.push(prefix.as_bytes()));
                assert_eq!(walk(&mut calls, &streams, most + 1).0, matching, "{prefixes:?}");
            }
        }
    }

    #[test]
    fn a_flood_of_subscriptions_is_one_walk_in_small_turns() {
        let names: Vec<String> = (0..10_000).map(|index| format!("s/{index}")).collect();
        let streams = streams(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut calls = Calls::default();
        for number in 0..100_000 {
            let prefix = &names[number % names.len()];
            calls.push(&prefix.as_bytes()[..number % (prefix.len() + 1)]);
        }
        let (all, turns) = walk(&mut calls, &streams, 1000);
        assert!(all.iter().copied().eq(0..10_000), "each once");
        assert!(turns <= 12, "{turns}");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut calls = Calls::default();
        for number in 0..10 * MOST {
            calls.push(format!("{number:08}").as_bytes());
            assert!(calls.next.len() <= MOST);
        }
        assert_eq!(walk(&mut calls, &streams(&["x"]), 10).0, [0], "everybody is called");
    }
}
