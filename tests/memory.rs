//! Freed pages are kept when that was asked for, only then, and only where the allocator is glibc's.
//!
//! `mallopt` is for a whole process and cannot be undone, so each case runs in a process of its own.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use outband::memory::{self, Tuning};
use outband::{Buffer, BufferPool, SocketExt, from_multipart, to_multipart};

/// Longer than glibc's own threshold for mapping a block can ever grow (32 MiB).
const LARGE: usize = 64 << 20;

/// By how much glibc's mapped bytes grow with a fresh large block.
fn freshly_mapped() -> usize {
    let before = mapped_bytes();
    let block = black_box(Vec::<u8>::with_capacity(LARGE));
    let after = mapped_bytes();
    drop(block);
    after - before
}

fn mapped_bytes() -> usize {
    // SAFETY: mallinfo2 takes no arguments and only reads glibc's own accounts
    #[allow(unsafe_code, reason = "what malloc did is known to C only")]
    unsafe {
        libc::mallinfo2().hblkhd
    }
}

/// Runs one of the tests below in a process of its own, and returns what it printed.
fn alone(test: &str, preload: Option<&OsStr>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env("OUTBAND_ALONE", "1");
    match preload {
        Some(library) => command.env("LD_PRELOAD", library),
        None => command.env_remove("LD_PRELOAD"),
    };
    let output = command.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "{printed}");
    printed
}

fn is_alone() -> bool {
    std::env::var_os("OUTBAND_ALONE").is_some()
}

#[test]
fn child_keeps_pages() {
    if !is_alone() {
        return;
    }
    assert!(freshly_mapped() >= LARGE, "glibc maps a large block by itself");
    assert_eq!(memory::keep_freed_pages(), Tuning::Applied);
    // the harness gave this thread an arena of its own before; those that start from here on, as libzmq's do with the
    // next context, share the one heap that grows
    thread::spawn(|| {
        assert_eq!(freshly_mapped(), 0, "a large block comes from the heap now");
        let first = filled();
        let faults = page_faults();
        let second = filled();
        let faults = page_faults() - faults;
        println!("filling {} MiB again took {faults} page faults", LARGE >> 20);
        assert_eq!(first, second, "the freed block is the next one");
        assert!(faults < LARGE / 4096 / 10, "its pages are still there, yet {faults} faulted");
    })
    .join()
    .unwrap();
    assert_eq!(memory::keep_freed_pages(), Tuning::Applied, "asking twice is harmless");
}

/// Where a fresh large block was, after every page of it was written.
fn filled() -> usize {
    let mut block = Vec::with_capacity(LARGE);
    block.resize(LARGE, 1_u8);
    black_box(&block).as_ptr().addr()
}

/// The minor page faults of this process so far.
fn page_faults() -> usize {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // the fields after the command's name, which is in parentheses; minor faults are the tenth of all
    stat.rsplit(')').next().unwrap().split_whitespace().nth(7).unwrap().parse().unwrap()
}

#[test]
fn freed_pages_are_kept_under_glibc() {
    print!("{}", alone("child_keeps_pages", None));
}

#[test]
fn child_never_asks() {
    if !is_alone() {
        return;
    }
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    rx.set_rcvtimeo(60_000).unwrap();
    rx.bind("tcp://127.0.0.1:*").unwrap();
    tx.connect(&rx.get_last_endpoint().unwrap().unwrap()).unwrap();
    let buffer = BufferPool::new().take(1 << 20).freeze();
    let message = to_multipart(&buffer).unwrap();
    assert_eq!(from_multipart::<Buffer>(message.clone()).unwrap(), buffer);
    tx.send_message(message).unwrap();
    assert_eq!(rx.recv_obj::<Buffer>().unwrap(), buffer);
    assert!(freshly_mapped() >= LARGE, "a large block is still mapped");
}

#[test]
fn nothing_is_tuned_unless_asked() {
    alone("child_never_asks", None);
}

#[test]
fn child_finds_another_allocator() {
    if !is_alone() {
        return;
    }
    let mapped = mapped_bytes();
    for _ in 0..10 {
        assert_eq!(memory::keep_freed_pages(), Tuning::NotGlibc);
    }
    assert_eq!((freshly_mapped(), mapped_bytes()), (0, mapped), "glibc's malloc is not in use");
    println!("under another allocator");
}

/// A jemalloc that is installed, as Debian's `libjemalloc2` does.
fn jemalloc() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.map(|folder| folder.join("libjemalloc.so.2")).find(|library| library.exists())
}

#[test]
fn another_allocator_is_recognized_and_left_alone() {
    let Some(library) = jemalloc() else {
        println!("skipped: no libjemalloc.so.2 under /usr/lib (apt-get install libjemalloc2)");
        return;
    };
    let printed = alone("child_finds_another_allocator", Some(library.as_os_str()));
    assert!(printed.contains("under another allocator"), "{printed}");
}
