//! Names that come again: each field and variant is written once, and then named by its entry in the memo.
//!
//! Records come in rows, so the name after a name is nearly always the one that followed it last time: that is tried
//! first, by address.

use std::collections::HashMap;
use std::ptr;

use crate::pickle::Memoized;

/// From how many names on they are looked up by their hash.
const MANY: usize = 32;

/// No name.
const NONE: usize = usize::MAX;

pub(super) struct Names {
    seen: Vec<Name>,
    /// The index of each in `seen`; made when there are many.
    by_text: HashMap<&'static str, usize>,
    last: usize,
    /// Which one is expected.
    next: usize,
}

struct Name {
    text: &'static str,
    entry: Memoized,
    /// Which one followed it last time.
    then: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { seen: Vec::new(), by_text: HashMap::new(), last: NONE, next: NONE }
    }
}

impl Names {
    /// The memo's entry of a name that was written before.
    #[inline]
    pub(super) fn find(&mut self, text: &'static str) -> Option<Memoized> {
        match self.seen.get(self.next) {
            Some(name) if ptr::eq(name.text, text) => {
                (self.last, self.next) = (self.next, name.then);
                Some(name.entry)
            }
            _ => self.search(text),
        }
    }

    #[inline(never)]
    fn search(&mut self, text: &'static str) -> Option<Memoized> {
        let found = match self.seen.len() {
            ..MANY => self.seen.iter().position(|name| name.text == text),
            _ => self.by_text.get(text).copied(),
        }?;
        self.follow(found);
        Some(self.seen[found].entry)
    }

    /// Notes a name that was written for the first time.
    pub(super) fn insert(&mut self, text: &'static str, entry: Memoized) {
        let index = self.seen.len();
        self.seen.push(Name { text, entry, then: NONE });
        match self.seen.len() {
            ..MANY => {}
            MANY => self.by_text.extend(self.seen.iter().map(|name| name.text).zip(0..)),
            _ => drop(self.by_text.insert(text, index)),
        }
        self.follow(index);
    }

    fn follow(&mut self, index: usize) {
        if let Some(last) = self.seen.get_mut(self.last) {
            last.then = index;
        }
        (self.last, self.next) = (index, self.seen[index].then);
    }
}

#[cfg(test)]
mod tests {
    use super::{MANY, Names};
    use crate::pickle::Output;

    #[test]
    fn every_name_is_found_in_any_order_and_by_its_text() {
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes);
        let mut names = Names::default();
        let all: Vec<&'static str> = (0..3 * MANY).map(|index| &*format!("name {index}").leak()).collect();
        let mut entries = Vec::new();
        for (index, &name) in all.iter().enumerate() {
            assert_eq!(names.find(name), None);
            entries.push(out.memoize());
            names.insert(name, entries[index]);
            for step in [1, 2, 5] {
                for at in (0..=index).step_by(step) {
                    let elsewhere: &'static str = all[at].to_owned().leak();
                    assert_eq!(names.find(all[at]), Some(entries[at]));
                    assert_eq!(names.find(elsewhere), Some(entries[at]));
                }
            }
        }
        assert_eq!(names.find("name"), None);
    }
}
