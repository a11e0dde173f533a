//! Bytes as a stream of messages: read from a reader and from a buffer alike, within the limits, and written as the same messages.

#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use outband::{Buffer, Limits, Multipart};
use outband_fuzz::check::refused;
use outband_fuzz::counting::measure;
use outband_fuzz::input::flags;

/// A few bytes at a time.
struct Dribble<'d>(&'d [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = to.len().min(self.1).min(self.0.len());
        to[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

const TOTAL: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let (step, data) = flags(data);
    let limits = Limits::new().total_bytes(TOTAL).metadata_bytes(1 << 18).frames(1000);
    let (mut reader, mut dribble) = (data, Dribble(data, 1 + usize::from(step)));
    let mut mapped = Buffer::copy_from_slice(data);
    loop {
        let before = mapped.clone();
        let (read, peak) = measure(|| Multipart::read_from_within(&mut reader, &limits));
        assert!(peak as u64 <= 2 * TOTAL, "{peak} bytes");
        let slowly = Multipart::read_from_within(&mut dribble, &limits);
        let (borrowed, peak) = measure(|| Multipart::read_from_buffer(&mut mapped, &limits));
        assert!(peak <= (1 << 18), "{peak} bytes");
        let (read, slowly, borrowed) = match (read, slowly, borrowed) {
            (Ok(read), Ok(slowly), Ok(borrowed)) => (read, slowly, borrowed),
            (Err(read), Err(slowly), Err(borrowed)) => {
                assert_eq!(read.to_string(), slowly.to_string());
                assert_eq!(read.is_end_of_stream(), borrowed.is_end_of_stream());
                assert_eq!(read.kind(), borrowed.kind());
                refused(&read);
                refused(&borrowed);
                assert!(mapped == before);
                return;
            }
            others => panic!("{others:?}"),
        };
        assert!(read == slowly && read == borrowed);
        assert!(read.total_len() as u64 <= TOTAL);
        let mut written = Vec::new();
        read.write_to(&mut written).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(written.len(), before.len() - mapped.len());
        let again = Multipart::read_from_within(&mut &written[..], &limits);
        assert!(again.is_ok_and(|again| again == read));
    }
});
