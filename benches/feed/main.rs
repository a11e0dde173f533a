//! What a feed costs beside plain PUB/SUB, and what it delivers while its processes are stopped and killed.
//!
//! `cargo bench --bench feed`; with `-- speed` or `-- faults` one of the two, with `-- quick` less of it, and with lengths in
//! bytes, as in `-- speed 64 1024`, only these. The receiver keeps freed pages (`memory::keep_freed_pages`), with `fresh` it does not. The simulation is a test: see `src/feed/simulation`.
//!
//! `valgrind --tool=callgrind --separate-threads=yes target/release/deps/feed-... alone Feed 64 10000` counts the instructions of
//! `send_one` and `receive_one`, also of `Plain` and the other means; and what is not of them, by the difference of two counts.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod faults;
#[path = "../../tests/support/feed.rs"]
mod feed;
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "../rig/mod.rs"]
mod rig;
mod speed;

use std::env;
use std::time::Duration;

const LOOPBACK: &str = "tcp://127.0.0.1:*";

fn main() {
    feed::play_a_role();
    speed::receive_if_child();
    let words: Vec<String> = env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let lengths: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let quick = has("quick");
    if has("alone") {
        return speed::alone(&words[1], lengths[0], lengths[1]);
    }
    if !has("faults") {
        let lengths = if lengths.is_empty() { &[64, 1 << 10, 16 << 10, 64 << 10, 1 << 20][..] } else { &lengths };
        let (starts, seconds) = if quick { (2, 0.5) } else { (5, 2.0) };
        let pages = if has("fresh") { speed::Pages::Fresh } else { speed::Pages::Kept };
        speed::table(lengths, starts, seconds, Duration::from_millis(10), pages);
    }
    if !has("speed") {
        faults::stalled(if quick { 3 } else { 15 });
        faults::faults(if quick { 2 } else { 10 });
    }
}
