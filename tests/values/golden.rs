//! The wire stays as it is: the messages under `tests/golden/` decode to the same values for ever, and the same values
//! encode to the same bytes.
//!
//! Each `NAME.outband` file is one message as `Multipart::write_to` writes it, and `README.md` beside them lists them with
//! their metadata in hex. **Files are only added.** To write the files of new values (an existing file is left alone):
//!
//! ```text
//! OUTBAND_WRITE_GOLDEN=1 cargo test --test values golden::
//! ```

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::fs::{self, File};
use std::path::PathBuf;

use outband::{Buffer, Decode, Encode, Limits, MsgPack, Multipart, memory};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::values;
use crate::values::Visit;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Whether this run adds files; never by itself.
fn writing() -> bool {
    std::env::var_os("OUTBAND_WRITE_GOLDEN").is_some_and(|value| value == "1")
}

#[test]
fn golden_messages_decode_and_encode_as_ever() {
    struct Compare {
        seen: BTreeSet<String>,
    }

    impl Visit for Compare {
        fn visit<T>(&mut self, name: &'static str, _about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let file = format!("{name}.outband");
            let path = directory().join(&file);
            assert!(self.seen.insert(file), "{name} is there twice");
            let encoded = codec.encode(&value).unwrap();
            if writing() && !path.exists() {
                encoded.write_to(&mut File::create_new(&path).unwrap()).unwrap();
            }
            let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));

            let mut stream = &golden[..];
            let read = Multipart::read_from(&mut stream).unwrap();
            assert!(stream.is_empty(), "{name}: the file holds more than one message");
            assert_eq!(read.metadata(), encoded.metadata(), "{name}: the metadata changed");
            assert_eq!(read.buffers(), encoded.buffers(), "{name}: the frames changed");
            let mut again = Vec::new();
            encoded.write_to(&mut again).unwrap();
            assert!(again == golden, "{name}: the stream form changed");

            let copied = memory::copied_bytes();
            let mut mapped = Buffer::from(golden);
            assert_eq!(Multipart::read_from_buffer(&mut mapped, &Limits::default()).unwrap(), read, "{name}");
            assert_eq!(memory::copied_bytes(), copied, "{name}");
            assert_eq!(Decode::<T>::decode(&codec, read.clone()).unwrap(), value, "{name}");
            // which codec wrote a message is nothing that its reader has to know
            assert_eq!(outband::from_multipart::<T>(read).unwrap(), value, "{name}");
        }
    }

    let mut compare = Compare { seen: BTreeSet::new() };
    values::each(&mut compare);
    let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_ours = |file: &String| file.ends_with(".outband") && !COMPRESSED.contains(&file.as_str());
    let files: BTreeSet<_> = entries.filter(is_ours).collect();
    assert_eq!(files, compare.seen, "a golden file without its value, or a value without its file");
}

#[test]
fn the_index_lists_every_message() {
    struct Index(String);

    impl Visit for Index {
        fn visit<T>(&mut self, name: &'static str, about: &'static str, codec: MsgPack, value: T)
        where
            T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
        {
            let message = codec.encode(&value).unwrap();
            let mut frames: Vec<_> = message.buffers().iter().take(8).map(|frame| frame.len().to_string()).collect();
            if message.buffers().len() > 8 {
                frames.push(format!("... {} in all", message.buffers().len()));
            }
            let frames = if frames.is_empty() { "none".to_owned() } else { frames.join(", ") };
            write!(self.0, "\n## {name}\n\n{about}\n\nframes: {frames}\n\n```text\n").unwrap();
            for row in message.metadata().chunks(32).take(16) {
                let row: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(self.0, "{}", row.join(" ")).unwrap();
            }
            match message.metadata().len().checked_sub(32 * 16) {
                Some(more @ 1..) => writeln!(self.0, "... and {more} bytes more\n```").unwrap(),
                _ => writeln!(self.0, "```").unwrap(),
            }
        }
    }

    let mut index = Index(INTRODUCTION.to_owned());
    values::each(&mut index);
    let path = directory().join("README.md");
    if writing() {
        fs::write(&path, &index.0).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == index.0,
        "tests/golden/README.md is not what tests/values/golden.rs writes"
    );
}

/// Messages with a compressed buffer, which `tests/values/compression_golden.rs` checks: another version of a compressor may write
/// other bytes.
const COMPRESSED: [&str; 5] =
    ["zlib.outband", "lz4.outband", "zstd.outband", "blosc2.outband", "blosc2_python.outband"];

const INTRODUCTION: &str = "\
# Golden messages

One message per file, as `Multipart::write_to` writes it (`docs/wire.md`, \"In a byte stream\"). They decode to the values in
`values.rs` for ever: files are added, never changed. `tests/values/golden.rs` checks them and says how to add one.

`zlib.outband`, `lz4.outband`, `zstd.outband`, `blosc2.outband` and `blosc2_python.outband` hold one compressed buffer each and
are pinned in one direction: they decode to the value in `tests/values/compression_golden.rs` for ever.

Below, for each: what it is, the lengths of its buffer frames in bytes, and its metadata frame in hex.
";
