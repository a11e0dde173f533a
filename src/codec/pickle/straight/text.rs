//! Text as a `String` of its own.

use std::array;

/// As many bytes of text as `len` says, at the beginning of `after`, as a `String`; `None` where they are not UTF-8.
///
/// Who fills a map hashes a key as soon as it is made. A processor reads what it has just written without waiting only where one
/// write covers all of the read; else it waits until the cache has all that was written up to there, the entry before it too, which went to a
/// table that is larger than the caches. `memcpy` writes 9 bytes as two words that overlap, and every such key waits. So a short
/// text is written in words that do not, the last one filled up with zeros, and that takes up no more of most allocators' memory.
#[inline]
pub(super) fn owned(after: &[u8], len: usize) -> Option<String> {
    let short = match len {
        1..=8 => in_words::<1>(after, len),
        9..=16 => in_words::<2>(after, len),
        17..=24 => in_words::<3>(after, len),
        25..=32 => in_words::<4>(after, len),
        _ => None,
    };
    short.or_else(|| str::from_utf8(after.get(..len)?).ok().map(str::to_owned))
}

/// Text that ends in the last of so many words; `None` also where the pickle ends before that word.
#[inline]
fn in_words<const WORDS: usize>(after: &[u8], len: usize) -> Option<String> {
    let (words, _) = after.get(..WORDS * WORD)?.as_chunks::<WORD>();
    let mut words: [[u8; WORD]; WORDS] = array::from_fn(|at| words[at]);
    let last = words.last_mut()?;
    *last = (u64::from_le_bytes(*last) & u64::MAX >> (8 * (WORDS * WORD - len))).to_le_bytes();
    let mut bytes = Vec::with_capacity(WORDS * WORD);
    bytes.extend_from_slice(words.as_flattened());
    let mut text = String::from_utf8(bytes).ok()?;
    text.truncate(len);
    Some(text)
}

/// The bytes of a word.
const WORD: usize = 8;
