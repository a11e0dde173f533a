//! Messages in a file: written as they lie, mapped, and read back without copying.
//!
//! `Multipart::write_to` takes any writer: a file, a `Vec`, a `TcpStream`. `Buffer::write_to` writes one buffer alone.

#[path = "shared/ending.rs"]
mod ending;

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use memmap2::Mmap;
use outband::{Buffer, Limits, Multipart, from_multipart_ref, memory, to_multipart};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Recording {
    station: String,
    samples: Buffer,
}

/// The same, borrowed from where it lies.
#[derive(Deserialize)]
struct View<'a> {
    station: &'a str,
    samples: Buffer,
}

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut file = tempfile::tempfile()?;
    for (index, station) in ["north", "south"].into_iter().enumerate() {
        let samples = Buffer::from_vec(vec![index as f64; 1 << 20]);
        to_multipart(&Recording { station: station.into(), samples })?.write_to(&mut file)?;
    }

    let before = memory::copied_bytes();
    let map = map(&file)?;
    let address = map.as_ptr_range();
    let mut stream = Buffer::from_owner(map);
    for (index, station) in ["north", "south"].into_iter().enumerate() {
        let message = Multipart::read_from_buffer(&mut stream, &Limits::default())?;
        let view: View<'_> = from_multipart_ref(&message)?;
        assert_eq!(view.station, station);
        assert_eq!(view.samples.try_cast::<f64>()?[0], index as f64); // frames in a file are aligned to 64 bytes
        assert!(address.contains(&view.samples.as_ptr()), "the samples are the file itself");
        writeln!(io::stdout(), "{}: {} bytes, borrowed from the mapped file", view.station, view.samples.len())?;

        let mut bytes = Vec::new();
        view.samples.slice(..16).write_to(&mut bytes)?;
        assert_eq!(bytes, [(index as f64).to_le_bytes(); 2].concat());
    }
    let end = Multipart::read_from_buffer(&mut stream, &Limits::default());
    assert!(end.is_err_and(|error| error.is_end_of_stream()));
    writeln!(io::stdout(), "bytes copied: {}", memory::copied_bytes() - before)?;
    assert_eq!(memory::copied_bytes() - before, 0);
    Ok(())
}

#[allow(unsafe_code, reason = "mapping a file is unsafe: nobody may change it meanwhile")]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the file is a nameless temporary one of this process, and is not written to any more.
    unsafe { Mmap::map(file) }
}
