//! What is subscribed to.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::start::Start;

/// Where streams begin, by what their topics begin with.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<Box<[u8]>, Start>);

impl Subscriptions {
    /// Takes a subscription in, or where its streams begin from now on; returns whether it is new.
    pub(super) fn insert(&mut self, prefix: &[u8], start: Start) -> bool {
        self.0.insert(prefix.into(), start).is_none()
    }

    /// Ends a subscription; `false` where there is none.
    pub(super) fn remove(&mut self, prefix: &[u8]) -> bool {
        self.0.remove(prefix).is_some()
    }

    /// Where a stream begins: the longest of the subscriptions that match says so.
    pub(super) fn start_of(&self, topic: &[u8]) -> Option<Start> {
        let mut most = topic;
        loop {
            // of what lies between a prefix and what begins with it, everything begins with it
            let before = (Bound::Unbounded, Bound::Included(most));
            let (prefix, start) = self.0.range::<[u8], _>(before).next_back()?;
            let common = prefix.iter().zip(most).take_while(|(left, right)| left == right).count();
            if common == prefix.len() {
                return Some(*start);
            }
            most = &most[..common];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_subscription_that_matches_says_where_a_stream_begins() {
        let prefixes = [&b""[..], b"a/", b"a/b/", b"a/b/c\0", b"a/b/d/", b"a/bb\0", b"a\0", b"b/"];
        let topics =
            [&b"a/b/c\0"[..], b"a/b/cc\0", b"a/b/e/f\0", b"a/b/d/e\0", b"a/bb\0", b"a/c\0", b"a\0", b"c\0", b"a/\0"];
        for chosen in 0..1_usize << prefixes.len() {
            let mut subscriptions = Subscriptions::default();
            let is_chosen = |index: &usize| chosen >> index & 1 == 1;
            for index in (0..prefixes.len()).filter(is_chosen) {
                assert!(subscriptions.insert(prefixes[index], Start::Now));
                assert!(!subscriptions.insert(prefixes[index], Start::Last(index as u64)));
            }
            for topic in topics {
                let matching =
                    (0..prefixes.len()).filter(is_chosen).filter(|&index| topic.starts_with(prefixes[index]));
                let longest = matching.max_by_key(|&index| prefixes[index].len());
                assert_eq!(subscriptions.start_of(topic), longest.map(|index| Start::Last(index as u64)));
            }
        }
    }
}
