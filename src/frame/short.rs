//! Short frames: copied one after the other into pages, of which each thread has a few.
//!
//! glibc keeps freed blocks of up to 120 bytes in lists that need no lock. libzmq puts a header of 40 bytes before what it copies, and from
//! 81 bytes on that block is too long for those lists: the thread that frees it and the one that makes the next meet at the arena's lock.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::page::Page;
use super::shared::Shared;

/// The lengths of frames that are written to a page: those that libzmq's own memory costs more for, while several fit.
const ON_PAGE: RangeInclusive<usize> = 81..=240;

/// The room on a page, in bytes: a frame that waits in a queue keeps no more than this. Up to 1032 bytes glibc allocates without going
/// over all short blocks that were freed.
const ROOM: usize = 960;

/// So many pages a thread writes to in turn: where receivers keep up, the next one is free by then.
const PAGES: usize = 4;

thread_local! {
    static PAGES_OF_THREAD: RefCell<Pages> = const { RefCell::new(Pages { pages: [const { None }; PAGES], at: 0 }) };
}

struct Pages {
    pages: [Option<Page>; PAGES],
    at: usize,
}

/// Copies a frame to a page, where it is short enough and not too short; nobody else sees these bytes of the page.
#[inline]
pub(super) fn on_page(bytes: &[u8]) -> Option<Shared> {
    if !ON_PAGE.contains(&bytes.len()) {
        return None;
    }
    // a thread that is about to end has none
    PAGES_OF_THREAD.try_with(|pages| pages.borrow_mut().write(bytes)).ok().flatten()
}

impl Pages {
    fn write(&mut self, bytes: &[u8]) -> Option<Shared> {
        let page = match &mut self.pages[self.at] {
            Some(page) if page.room() >= bytes.len() => page,
            _ => self.turn(),
        };
        let at = page.write(bytes)?;
        page.share(at, bytes.len())
    }

    /// The next page, with nothing on it.
    #[inline(never)]
    fn turn(&mut self) -> &mut Page {
        self.at = (self.at + 1) % PAGES;
        let page = &mut self.pages[self.at];
        if !page.as_mut().is_some_and(Page::clear) {
            // the frames on it are still on their way, and the last of them frees it
            *page = None;
        }
        page.get_or_insert_with(|| Page::with_capacity(ROOM))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{ON_PAGE, PAGES, ROOM, on_page};

    fn frame(nth: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![nth as u8; len];
        bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
        bytes
    }

    #[test]
    fn frames_that_are_neither_short_nor_very_short_are_on_pages() {
        for len in (0..=ROOM + 1).filter(|len| !cfg!(miri) || (75..90).contains(len) || len % 60 == 0) {
            let bytes = frame(len, len);
            let copy = on_page(&bytes);
            assert_eq!(copy.is_some(), ON_PAGE.contains(&len), "{len}");
            assert!(copy.is_none_or(|copy| copy[..] == bytes[..]), "{len}");
        }
    }

    #[test]
    fn a_page_is_written_again_only_when_all_that_was_on_it_is_gone() {
        // one of every few frames waits for long, the others are gone at once
        let (up_to, times) = if cfg!(miri) { (3, 12) } else { (20, 50) };
        for every in 1..up_to {
            let mut waiting = Vec::new();
            for nth in 0..times * every {
                let bytes = frame(nth, 81 + nth % 160);
                let copy = on_page(&bytes).unwrap();
                if nth % every == 0 {
                    waiting.push((copy, bytes));
                }
            }
            assert!(waiting.len() >= times);
            // and goes on another thread
            let check =
                move || waiting.iter().for_each(|(copy, bytes)| assert_eq!(copy[..], bytes[..], "every {every}"));
            thread::spawn(check).join().unwrap();
        }
    }

    #[test]
    fn pages_are_used_again_where_nothing_waits() {
        let first = on_page(&frame(0, 240)).unwrap().as_ptr();
        let at = |nth| on_page(&frame(nth, 240)).unwrap().as_ptr();
        // of a page that is free again the beginning comes once in each round
        assert!((1..=PAGES * ROOM / 240).any(|nth| at(nth) == first), "no page came back");
        let kept = on_page(&frame(0, 240)).unwrap();
        assert!((1..=2 * PAGES * ROOM / 240).all(|nth| at(nth) != kept.as_ptr()), "a page came back too early");
    }

    #[test]
    fn frames_outlive_the_thread_that_wrote_them() {
        let bytes = frame(7, 100);
        let copy = thread::spawn(move || on_page(&frame(7, 100)).unwrap()).join().unwrap();
        assert_eq!(copy[..], bytes[..]);
    }
}
