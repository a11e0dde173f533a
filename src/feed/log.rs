//! `Log`: short texts one after the other, in blocks. They leave in the order in which they came.

use std::collections::VecDeque;

use crate::frame::{Page, Shared};

/// Short texts one after the other, none of them empty.
///
/// A text of its own in the heap is fetched from far when it leaves a cache of megabytes, and costs two calls of the
/// allocator and a count. These lie where the processor expects them, and leave a block at a time. A text that is lent is sent from
/// where it lies; its block is written again only when nobody reads of it any more.
#[derive(Debug, Default)]
pub(super) struct Log {
    blocks: VecDeque<Block>,
    /// Which block the first one is: of more than there are at a time, they are counted around.
    first: u32,
    /// The length of all texts.
    len: usize,
    /// The length of all that was given up, and lies in blocks beside texts.
    given_up: usize,
    /// A block to use again.
    spare: Option<Page>,
}

#[derive(Debug)]
struct Block {
    page: Page,
    /// How many of its texts have not left.
    texts: u32,
    /// How long those are that were given up.
    given_up: u32,
}

/// Where a text lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    block: u32,
    at: u16,
    len: u16,
}

impl Place {
    pub(super) fn len(self) -> usize {
        self.len.into()
    }
}

/// The longest text.
pub(super) const SHORT: usize = 2 << 10;

/// The size of blocks where there are texts enough to fill them. Others are as long as all texts before together, so that
/// few texts take few bytes.
///
/// Beside the texts, and the ends of blocks that the next text was too long for, a log takes what has left of its first
/// block, what is free in its last one, and a spare one, which is never longer than all texts: three blocks at most, and
/// nothing where there is no text. Blocks that have left while texts of theirs are lent are [`Away`](super::away::Away).
const BLOCK: usize = 16 << 10;
const _: () = assert!(
    BLOCK <= u16::MAX as usize && SHORT <= BLOCK,
    "a place has 16 bits for where a text lies and how long it is"
);

impl Log {
    /// Copies a text to the end.
    pub(super) fn push(&mut self, text: &[u8]) -> Place {
        let place = self.write(text);
        self.keep(place);
        place
    }

    /// Copies a text to where [`keep`](Self::keep) makes it the last one.
    pub(super) fn write(&mut self, text: &[u8]) -> Place {
        let len = text.len();
        if self.blocks.back().is_none_or(|block| block.page.room() < len) {
            self.drop_unused();
            let least = self.len.min(BLOCK).max(len);
            let spare = self.spare.take().filter(|spare| spare.capacity() >= least);
            let page = spare.unwrap_or_else(|| Page::with_capacity(least));
            self.blocks.push_back(Block { page, texts: 0, given_up: 0 });
        }
        let block = self.first.wrapping_add(self.blocks.len() as u32 - 1);
        let at = self.blocks.back_mut().and_then(|last| last.page.write(text));
        let at = at.expect("invariant: there is a block that has room for the text");
        Place { block, at: at as u16, len: len as u16 }
    }

    /// Has the text that was written last be the last one of the log.
    pub(super) fn keep(&mut self, place: Place) {
        self.len += place.len();
        if let Some(last) = self.blocks.back_mut() {
            last.texts += 1;
        }
    }

    /// Gives up what was written last and not kept.
    pub(super) fn withdraw(&mut self, place: Place) {
        if let Some(last) = self.blocks.back_mut() {
            last.given_up += u32::from(place.len);
            self.given_up += place.len();
        }
        self.drop_unused();
    }

    /// Whether more lies in it that was given up than texts.
    pub(super) fn is_wasteful(&self) -> bool {
        self.given_up > self.len
    }

    /// Drops the last block where nothing in it was kept.
    fn drop_unused(&mut self) {
        if let Some(unused) = self.blocks.pop_back_if(|last| last.texts == 0) {
            self.given_up -= unused.given_up as usize;
        }
    }

    /// Lends a text.
    pub(super) fn lend(&mut self, place: Place) -> Option<Shared> {
        let block = self.blocks.get_mut(place.block.wrapping_sub(self.first) as usize)?;
        block.page.share(place.at.into(), place.len())
    }

    /// The text at a place that has not left.
    pub(super) fn text(&self, place: Place) -> &[u8] {
        let block = self.blocks.get(place.block.wrapping_sub(self.first) as usize);
        block.and_then(|block| block.page.text(place.at.into(), place.len())).unwrap_or_default()
    }

    /// Lets the first text go; returns the block that leaves with it and is still lent.
    pub(super) fn pop(&mut self, place: Place) -> Option<Page> {
        self.len -= place.len();
        let mut lent = None;
        let block = self.blocks.front_mut()?;
        block.texts -= 1;
        if block.texts == 0 {
            self.first = self.first.wrapping_add(1);
            let Block { mut page, given_up, .. } = self.blocks.pop_front()?;
            self.given_up -= given_up as usize;
            if page.clear() {
                self.spare = Some(page);
            } else {
                lent = Some(page);
            }
        }
        if self.spare.as_ref().is_some_and(|spare| spare.capacity() > self.len) {
            self.spare = None;
        }
        lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> Vec<u8> {
        vec![number as u8; 1 + number * 7919 % SHORT]
    }

    #[test]
    fn texts_are_read_back_until_they_leave() {
        let (mut log, mut places) = (Log::default(), VecDeque::new());
        for number in 0..10_000 {
            places.push_back((number, log.push(&text(number))));
            while places.len() > 50 || (number % 1000 == 0 && !places.is_empty()) {
                let Some((oldest, place)) = places.pop_front() else { return };
                assert_eq!(log.text(place), text(oldest));
                assert!(log.pop(place).is_none());
            }
            assert!(places.iter().all(|&(number, place)| log.text(place) == text(number)));
        }
    }

    #[test]
    fn blocks_are_counted_around() {
        let (mut log, mut places) = (Log { first: u32::MAX - 20, ..Log::default() }, VecDeque::new());
        for number in 0..1000 {
            places.push_back((number, log.push(&text(number))));
            if number > 300 {
                places.pop_front().iter().for_each(|&(_, place)| drop(log.pop(place)));
            }
            assert!(places.iter().all(|&(number, place)| log.text(place) == text(number)));
        }
        assert!(log.first < 1000, "it has gone around");
    }

    fn taken(log: &Log) -> usize {
        log.blocks.iter().map(|block| &block.page).chain(&log.spare).map(Page::capacity).sum()
    }

    #[test]
    fn blocks_are_bounded_by_the_texts() {
        let (mut log, mut places) = (Log::default(), VecDeque::new());
        for number in 1..10_000 {
            places.push_back(log.push(&text(number)));
            if number > 300 {
                places.pop_front().iter().for_each(|&place| drop(log.pop(place)));
            }
            let taken = taken(&log);
            assert!(taken <= log.len * 9 / 8 + 2 * BLOCK.min(log.len), "{taken} for {}", log.len);
        }
        places.iter().for_each(|&place| drop(log.pop(place)));
        assert_eq!((log.len, log.blocks.len()), (0, 0));
    }

    #[test]
    fn blocks_go_with_the_texts() {
        for (most, left) in [(1, 0), (10, 0), (300, 0), (300, 1), (300, 20)] {
            let (mut log, mut places) = (Log::default(), VecDeque::new());
            (0..most).for_each(|number| places.push_back(log.push(&text(number))));
            for number in 0.. {
                // two leave for each one that comes
                (0..2).filter_map(|_| places.pop_front()).for_each(|place| drop(log.pop(place)));
                let (taken, len) = (taken(&log), log.len);
                assert!(taken <= len * 9 / 8 + 2 * BLOCK + BLOCK.min(len), "{taken} for {len}");
                let spare = log.spare.as_ref().map_or(0, Page::capacity);
                assert!(spare <= len, "{spare} to use again for {len}");
                if places.len() <= left {
                    break;
                }
                places.push_back(log.push(&text(number)));
            }
            places.iter().for_each(|&place| drop(log.pop(place)));
            assert_eq!((log.len, taken(&log)), (0, 0));
        }
    }

    #[test]
    fn what_is_lent_stays_as_it_was_however_far_the_log_goes() {
        let (mut log, mut places, mut lent, mut away) = (Log::default(), VecDeque::new(), Vec::new(), 0);
        for number in 0..2000 {
            let place = log.write(&text(number));
            if number % 7 == 0 {
                lent.push((number, log.lend(place).expect("it was just written")));
            }
            log.keep(place);
            places.push_back(place);
            if number >= 100 {
                away += places.pop_front().and_then(|place| log.pop(place)).iter().count();
            }
            if number % 500 == 499 {
                assert!(away > 0, "blocks that are lent are not written again");
                lent.drain(..).for_each(|(number, lent)| assert_eq!(lent[..], text(number)));
                (0..200).for_each(|_| places.push_back(log.push(&text(1))));
                (0..200).for_each(|_| drop(places.pop_front().map(|place| log.pop(place))));
                away = 0;
            }
        }
    }

    #[test]
    fn what_was_written_and_not_kept_leaves_nothing() {
        let mut log = Log::default();
        let place = log.write(b"never");
        let lent = log.lend(place);
        log.withdraw(place);
        assert_eq!((taken(&log), lent.as_deref()), (0, Some(&b"never"[..])));
        // and where nobody says so, its block is passed over, full or not
        let mut places = VecDeque::new();
        for number in 0..1000 {
            for _ in 0..number % 40 {
                let place = log.write(&text(number + 1));
                if number % 3 == 0 {
                    log.withdraw(place);
                }
            }
            places.push_back((number, log.push(&text(number))));
            if number > 20 {
                places.pop_front().iter().for_each(|&(_, place)| drop(log.pop(place)));
            }
            assert!(places.iter().all(|&(number, place)| log.text(place) == text(number)));
        }
        places.iter().for_each(|&(_, place)| drop(log.pop(place)));
        assert_eq!((log.len, log.given_up, taken(&log)), (0, 0, 0));
    }

    #[test]
    fn what_is_given_up_again_and_again_takes_no_more_than_the_texts() {
        let (mut log, mut places) = (Log::default(), VecDeque::new());
        for number in 1..10_000 {
            // as who lends does: not where much was given up
            for _ in 0..80 {
                if !log.is_wasteful() {
                    let place = log.write(&[1; 200]);
                    log.withdraw(place);
                }
            }
            places.push_back(log.push(&text(number)));
            if number > 300 {
                places.pop_front().iter().for_each(|&place| drop(log.pop(place)));
            }
            let taken = taken(&log);
            assert!(taken <= 2 * log.len * 9 / 8 + 2 * BLOCK.min(log.len) + SHORT, "{taken} for {}", log.len);
        }
        assert!(log.given_up > 0);
    }
}
