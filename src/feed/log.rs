//! `Log`: short texts one after the other, in blocks. They leave in the order in which they came.

use std::collections::VecDeque;
use std::mem;

/// Short texts one after the other, none of them empty.
///
/// A text of its own in the heap is fetched from far when it leaves a cache of megabytes, and costs two calls of the
/// allocator and a count. These lie where the processor expects them, and leave a block at a time.
#[derive(Debug, Default)]
pub(super) struct Log {
    blocks: VecDeque<Vec<u8>>,
    /// Which block the first one is: of more than there are at a time, they are counted around.
    first: u32,
    /// The length of all texts.
    len: usize,
    /// A block to use again.
    spare: Vec<u8>,
}

/// Where a text lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
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
/// nothing where there is no text.
const BLOCK: usize = 16 << 10;
const _: () = assert!(
    BLOCK <= u16::MAX as usize && SHORT <= BLOCK,
    "a place has 16 bits for where a text lies and how long it is"
);

impl Log {
    /// Copies a text to the end.
    pub(super) fn push(&mut self, text: &[u8]) -> Place {
        if self.blocks.back().is_none_or(|block| block.capacity() - block.len() < text.len()) {
            let len = self.len.min(BLOCK).max(text.len());
            let spare = mem::take(&mut self.spare);
            self.blocks.push_back(if spare.capacity() >= len { spare } else { Vec::with_capacity(len) });
        }
        let block = self.first.wrapping_add(self.blocks.len() as u32 - 1);
        let last = self.blocks.back_mut().expect("invariant: there is a block that has room for the text");
        let place = Place { block, at: last.len() as u16, len: text.len() as u16 };
        last.extend_from_slice(text);
        self.len += text.len();
        place
    }

    /// The text at a place that has not left.
    pub(super) fn text(&self, place: Place) -> &[u8] {
        let block = self.blocks.get(place.block.wrapping_sub(self.first) as usize);
        block.and_then(|block| block.get(place.at.into()..)?.get(..place.len())).unwrap_or_default()
    }

    /// Lets the first text go.
    pub(super) fn pop(&mut self, place: Place) {
        self.len -= place.len();
        let Some(block) = self.blocks.front() else { return };
        if usize::from(place.at) + place.len() == block.len() {
            self.first = self.first.wrapping_add(1);
            if let Some(mut block) = self.blocks.pop_front() {
                block.clear();
                self.spare = block;
            }
        }
        if self.spare.capacity() > self.len {
            self.spare = Vec::new();
        }
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
                log.pop(place);
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
                places.pop_front().iter().for_each(|&(_, place)| log.pop(place));
            }
            assert!(places.iter().all(|&(number, place)| log.text(place) == text(number)));
        }
        assert!(log.first < 1000, "it has gone around");
    }

    fn taken(log: &Log) -> usize {
        log.blocks.iter().chain([&log.spare]).map(Vec::capacity).sum()
    }

    #[test]
    fn blocks_are_bounded_by_the_texts() {
        let (mut log, mut places) = (Log::default(), VecDeque::new());
        for number in 1..10_000 {
            places.push_back(log.push(&text(number)));
            if number > 300 {
                places.pop_front().iter().for_each(|&place| log.pop(place));
            }
            let taken = taken(&log);
            assert!(taken <= log.len * 9 / 8 + 2 * BLOCK.min(log.len), "{taken} for {}", log.len);
        }
        places.iter().for_each(|&place| log.pop(place));
        assert_eq!((log.len, log.blocks.len()), (0, 0));
    }

    #[test]
    fn blocks_go_with_the_texts() {
        for (most, left) in [(1, 0), (10, 0), (300, 0), (300, 1), (300, 20)] {
            let (mut log, mut places) = (Log::default(), VecDeque::new());
            (0..most).for_each(|number| places.push_back(log.push(&text(number))));
            for number in 0.. {
                // two leave for each one that comes
                (0..2).filter_map(|_| places.pop_front()).for_each(|place| log.pop(place));
                let (taken, len) = (taken(&log), log.len);
                assert!(taken <= len * 9 / 8 + 2 * BLOCK + BLOCK.min(len), "{taken} for {len}");
                assert!(log.spare.capacity() <= len, "{} to use again for {len}", log.spare.capacity());
                if places.len() <= left {
                    break;
                }
                places.push_back(log.push(&text(number)));
            }
            places.iter().for_each(|&place| log.pop(place));
            assert_eq!((log.len, taken(&log)), (0, 0));
        }
    }
}
