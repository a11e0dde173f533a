//! The sample of a frame, and its sum.

use std::sync::LazyLock;

use crc32fast::Hasher;

/// How many spots of a buffer the check reads.
const SAMPLES: usize = 4;
/// The length of each spot in bytes.
const SPOT: usize = 16;
/// The length of a sample.
const SAMPLE: usize = SAMPLES * SPOT;

/// So many frames are checked together.
pub(crate) const TOGETHER: usize = 8;

/// CRC-32 (ISO-HDLC, zlib's `crc32`) of the whole buffer when it is short, else of evenly spaced spots from its first to
/// its last bytes.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> u32 {
    if bytes.len() <= SAMPLE {
        return crc(&NEW, bytes);
    }
    let mut sample = [0; SAMPLE];
    gather(bytes, &mut sample);
    crc(&NEW, &sample)
}

/// The [`check`] of up to [`TOGETHER`] frames, each of which is told with its own.
///
/// All spots are read before the first sum is made: most are in no cache of this core, and those that are asked for one after the
/// other arrive together.
#[inline]
pub(crate) fn checks<'f, N: Copy>(names: &[N], frame: impl Fn(N) -> &'f [u8], mut tell: impl FnMut(N, u32)) {
    if let [name] = *names {
        return tell(name, check(frame(name)));
    }
    let (mut samples, mut short) = ([[0; SAMPLE]; TOGETHER], false);
    for (&name, sample) in names.iter().zip(&mut samples) {
        let bytes = frame(name);
        if bytes.len() > SAMPLE { gather(bytes, sample) } else { short = true }
    }
    let new = &*NEW;
    for (&name, sample) in names.iter().zip(&samples) {
        let whole = if short { frame(name) } else { &[] };
        let is_short = short && whole.len() <= SAMPLE;
        tell(name, crc(new, if is_short { whole } else { sample }));
    }
}

/// Reads the spots of a buffer that is longer than all of them.
#[inline]
fn gather(bytes: &[u8], sample: &mut [u8; SAMPLE]) {
    for (spot, start) in sample.chunks_exact_mut(SPOT).zip(starts(bytes.len())) {
        spot.copy_from_slice(&bytes[start..start + SPOT]);
    }
}

/// Where the spots of so many bytes begin: at `index * last / 3`, in a form in which no length overflows and that divides once.
#[inline]
fn starts(len: usize) -> [usize; SAMPLES] {
    let last = len - SPOT;
    let (third, over) = (last / 3, last % 3);
    [0, third, 2 * third + over / 2, last]
}

/// A new one asks the processor what it can do, which takes half as long as the sum.
static NEW: LazyLock<Hasher> = LazyLock::new(Hasher::new);

#[inline]
fn crc(new: &Hasher, bytes: &[u8]) -> u32 {
    let mut hasher = new.clone();
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::{SPOT, TOGETHER, check, checks, starts};

    #[test]
    fn frames_that_are_checked_together_are_checked_as_each_is_alone() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|at| (at.wrapping_mul(at) >> 5) as u8).collect();
        let lens = [0, 1, 63, 64, 65, 100, 16 << 10, 39_000];
        for count in 0..=TOGETHER {
            let names: Vec<usize> = (0..count).collect();
            for turn in 0..lens.len() {
                let frame = |name: usize| &bytes[name..name + lens[(name + turn) % lens.len()]];
                let mut told = Vec::new();
                checks(&names, frame, |name, sum| told.push((name, sum)));
                let alone: Vec<_> = names.iter().map(|&name| (name, check(frame(name)))).collect();
                assert_eq!(told, alone);
            }
        }
    }

    #[test]
    fn spots_lie_evenly() {
        for len in (65..5000).chain([usize::MAX - 2, usize::MAX - 1, usize::MAX]) {
            let last = (len - SPOT) as u128;
            assert_eq!(starts(len).map(|start| start as u128), [0, last / 3, 2 * last / 3, last], "{len}");
        }
    }

    #[test]
    fn the_check_sees_first_and_last_bytes() {
        for len in [1, 63, 64, 65, 100, 10_000] {
            let zeros = vec![0; len];
            for at in [0, len - 1] {
                let mut changed = zeros.clone();
                changed[at] = 1;
                assert_ne!(check(&zeros), check(&changed), "byte {at} of {len}");
            }
        }
    }
}
