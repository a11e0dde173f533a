//! The filters of Blosc2 that sort the bytes or bits of elements by significance.
//!
//! ```text
//!   elements of 4 bytes        a0 a1 a2 a3  b0 b1 b2 b3  c0 c1 c2 c3  ...
//!   shuffled by bytes          a0 b0 c0 ...  a1 b1 c1 ...  a2 b2 c2 ...  a3 b3 c3 ...
//! ```
//!
//! By bits it is the same one level down: first the lowest bit of the first byte of all elements, eight to a byte. What is
//! left over, less than an element or than eight of them, stays as it is at the end.

/// Sorts the elements of `item` bytes in `plain` by bytes.
pub(super) fn by_bytes(item: usize, plain: &[u8], sorted: &mut [u8]) {
    match item {
        2 => by_bytes_of::<2>(plain, sorted),
        4 => by_bytes_of::<4>(plain, sorted),
        8 => by_bytes_of::<8>(plain, sorted),
        16 => by_bytes_of::<16>(plain, sorted),
        _ => {
            let count = plain.len() / item;
            for (index, element) in plain.chunks_exact(item).enumerate() {
                for (place, &byte) in element.iter().enumerate() {
                    sorted[place * count + index] = byte;
                }
            }
            sorted[count * item..].copy_from_slice(&plain[count * item..]);
        }
    }
}

/// Puts bytes that [`by_bytes`] sorted back in their order.
pub(super) fn undo_by_bytes(item: usize, sorted: &[u8], plain: &mut [u8]) {
    match item {
        2 => undo_by_bytes_of::<2>(sorted, plain),
        4 => undo_by_bytes_of::<4>(sorted, plain),
        8 => undo_by_bytes_of::<8>(sorted, plain),
        16 => undo_by_bytes_of::<16>(sorted, plain),
        _ => {
            let count = sorted.len() / item;
            for (index, element) in plain.chunks_exact_mut(item).enumerate() {
                for (place, byte) in element.iter_mut().enumerate() {
                    *byte = sorted[place * count + index];
                }
            }
            plain[count * item..].copy_from_slice(&sorted[count * item..]);
        }
    }
}

/// How many elements are sorted at a time: as many as bytes in a register of every processor.
const TILE: usize = 16;

fn by_bytes_of<const ITEM: usize>(plain: &[u8], sorted: &mut [u8]) {
    let (elements, tail) = plain.as_chunks::<ITEM>();
    let count = elements.len();
    let (tiles, rest) = elements.as_chunks::<TILE>();
    for (tile, at) in tiles.iter().zip((0..).step_by(TILE)) {
        for place in 0..ITEM {
            let bytes: [u8; TILE] = std::array::from_fn(|index| tile[index][place]);
            sorted[place * count + at..][..TILE].copy_from_slice(&bytes);
        }
    }
    for (element, at) in rest.iter().zip(tiles.len() * TILE..) {
        for (place, &byte) in element.iter().enumerate() {
            sorted[place * count + at] = byte;
        }
    }
    sorted[count * ITEM..].copy_from_slice(tail);
}

fn undo_by_bytes_of<const ITEM: usize>(sorted: &[u8], plain: &mut [u8]) {
    let (elements, tail) = plain.as_chunks_mut::<ITEM>();
    let count = elements.len();
    let (tiles, rest) = elements.as_chunks_mut::<TILE>();
    let done = tiles.len() * TILE;
    for (tile, at) in tiles.iter_mut().zip((0..).step_by(TILE)) {
        let lanes: [[u8; TILE]; ITEM] = std::array::from_fn(|place| {
            let mut lane = [0; TILE];
            lane.copy_from_slice(&sorted[place * count + at..][..TILE]);
            lane
        });
        *tile = std::array::from_fn(|index| std::array::from_fn(|place| lanes[place][index]));
    }
    for (element, at) in rest.iter_mut().zip(done..) {
        for (place, byte) in element.iter_mut().enumerate() {
            *byte = sorted[place * count + at];
        }
    }
    tail.copy_from_slice(&sorted[count * ITEM..]);
}

/// Sorts the elements of `item` bytes in `plain` by bits.
pub(super) fn by_bits(item: usize, plain: &[u8], sorted: &mut [u8]) {
    let rows = plain.len() / item / 8;
    for (row, group) in plain.chunks_exact(8 * item).enumerate() {
        for place in 0..item {
            let bytes = std::array::from_fn(|index| group[index * item + place]);
            for (bit, byte) in transposed(bytes).into_iter().enumerate() {
                sorted[(place * 8 + bit) * rows + row] = byte;
            }
        }
    }
    let whole = rows * 8 * item;
    sorted[whole..].copy_from_slice(&plain[whole..]);
}

/// Puts bytes that [`by_bits`] sorted back in their order.
pub(super) fn undo_by_bits(item: usize, sorted: &[u8], plain: &mut [u8]) {
    let rows = plain.len() / item / 8;
    for (row, group) in plain.chunks_exact_mut(8 * item).enumerate() {
        for place in 0..item {
            let bytes = std::array::from_fn(|bit| sorted[(place * 8 + bit) * rows + row]);
            for (index, byte) in transposed(bytes).into_iter().enumerate() {
                group[index * item + place] = byte;
            }
        }
    }
    let whole = rows * 8 * item;
    plain[whole..].copy_from_slice(&sorted[whole..]);
}

/// Eight bytes as a square of bits, reflected on its diagonal: bit `i` of byte `k` becomes bit `k` of byte `i`
/// (Hacker's Delight, section 7-3).
fn transposed(bytes: [u8; 8]) -> [u8; 8] {
    let mut square = u64::from_le_bytes(bytes);
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swapped = (square ^ square >> shift) & mask;
        square ^= swapped ^ swapped << shift;
    }
    square.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sorted_comes_back() {
        let items: &[usize] = if cfg!(miri) { &[3, 8] } else { &[1, 2, 3, 4, 5, 8, 12, 16, 17, 255] };
        for &item in items {
            for len in [0, 1, item - 1, item, 8 * item - 1, 8 * item, 16 * item + 1, 33 * item + item / 2, 1000] {
                let plain: Vec<u8> = (0..len).map(|at| (at * at + at / 3) as u8).collect();
                let (mut sorted, mut back) = (vec![0; len], vec![0; len]);
                by_bytes(item, &plain, &mut sorted);
                let count = len / item;
                for at in 0..count * item {
                    assert_eq!(sorted[at % item * count + at / item], plain[at], "{item} {len} {at}");
                }
                undo_by_bytes(item, &sorted, &mut back);
                assert_eq!(back, plain, "{item} {len}");

                by_bits(item, &plain, &mut sorted);
                let rows = count / 8;
                for bit in 0..rows * 8 * item * 8 {
                    // the element, the byte in it, and the bit in that
                    let (element, place, significance) = (bit / 8 / item, bit / 8 % item, bit % 8);
                    let there = sorted[(place * 8 + significance) * rows + element / 8] >> (element % 8) & 1;
                    assert_eq!(there, plain[bit / 8] >> significance & 1, "{item} {len} {bit}");
                }
                back.fill(0);
                undo_by_bits(item, &sorted, &mut back);
                assert_eq!(back, plain, "{item} {len}");
            }
        }
    }
}
