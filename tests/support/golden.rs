//! The golden messages, by the names of their files.

use std::fs::{self, File};
use std::path::PathBuf;

use outband::Multipart;

pub(crate) fn golden() -> Vec<(String, Multipart)> {
    golden_in("tests/golden")
}

pub(crate) fn golden_in(directory: &str) -> Vec<(String, Multipart)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(directory);
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "outband"));
    messages
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Multipart::read_from(&mut File::open(path).unwrap()).unwrap())
        })
        .collect()
}
