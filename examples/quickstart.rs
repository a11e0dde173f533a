//! Moves real files between two processes as objects, over loopback tcp, and proves that they arrived.
//!
//! ```text
//! cargo run --release --example quickstart                  this program's own file and the sources of outband
//! cargo run --release --example quickstart -- PATH ...      files, and directories with all files below them
//! ```
//!
//! It starts itself twice, as a receiver and as a sender, which talk like this until every batch is through:
//!
//! ```text
//!   sender                                receiver
//!     Batch { files, job_bytes }  --->      starts the clock
//!     File, File, File ...        --->      keeps them; the last one stops the clock
//!                                 <---    ()             they have arrived
//!     hashes what it has mapped             hashes what it received
//!     [[u8; 32], ...]             --->      compares
//!                                 <---    [name, ...]    of the files that differ: none
//! ```

#[path = "shared/ending.rs"]
mod ending;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use memmap2::Mmap;
use outband::{Buffer, MsgPack, SocketExt, memory};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// One file as an object: `content` travels as a frame of its own, everything else in the metadata frame.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    /// Seconds since 1970.
    modified: i64,
    mode: u32,
    content: Buffer,
}

/// How many files follow. Both sides hold no more than one batch at a time; an empty one ends the job.
#[derive(Serialize, Deserialize)]
struct Batch {
    files: usize,
    job_bytes: u64,
}

/// What one side moved in band (files under 8 KiB: a part of the metadata) and out of band (a frame each).
#[derive(Serialize, Deserialize, Default)]
struct Report {
    in_band: Count,
    out_of_band: Count,
    unread: usize,
}

#[derive(Serialize, Deserialize, Default)]
struct Count {
    files: usize,
    bytes: u64,
    /// How many bytes outband itself copied, as it says.
    copied: u64,
}

/// Tells a child process what it is; a sender finds the receiver's address in it.
const ROLE: &str = "OUTBAND_QUICKSTART_ROLE";
const BATCH_BYTES: u64 = 64 << 20;
/// Linux allows a process some 65 000 mappings.
const BATCH_FILES: usize = 10_000;

fn main() -> ExitCode {
    let done = match env::var(ROLE) {
        Err(_) => start_both(),
        Ok(role) if role == "receiver" => receive(),
        Ok(address) => send(&address, env::args_os().skip(1).map(PathBuf::from).collect()),
    };
    ending::of(done)
}

fn start_both() -> Result<()> {
    let this = env::current_exe()?;
    let mut receiver = Command::new(&this).env(ROLE, "receiver").stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(receiver.stdout.take().ok_or("the receiver has no output")?);
    let mut address = String::new();
    output.read_line(&mut address)?;
    let sender = Command::new(&this).args(env::args_os().skip(1)).env(ROLE, address.trim()).spawn()?;

    let (mut running, mut failed) = (vec![("sender", sender), ("receiver", receiver)], None);
    while let Some((name, mut child)) = running.pop() {
        match child.try_wait()? {
            // the other one failed, and this one would wait for it
            None if failed.is_some() => child.kill().and_then(|()| child.wait()).map(drop)?,
            None => running.insert(0, (name, child)),
            Some(status) if status.success() => {}
            Some(status) => failed = failed.or(Some(format!("the {name} failed ({status})"))),
        }
        thread::sleep(Duration::from_millis(2));
    }
    io::copy(&mut output, &mut io::stdout())?;
    failed.map_or(Ok(()), |reason| Err(reason.into()))
}

fn send(address: &str, mut paths: Vec<PathBuf>) -> Result<()> {
    let context = zmq::Context::new();
    let socket = bounded(context.socket(zmq::DEALER)?)?;
    socket.connect(address)?;

    if paths.is_empty() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        paths = ["src", "examples", "tests", "Cargo.toml"].map(|name| home.join(name)).into();
        paths.push(env::current_exe()?);
    }
    let mut report = Report::default();
    let files = find_files(paths, &mut report);
    if files.is_empty() {
        return Err("there is nothing to send".into());
    }
    let job_bytes = files.iter().map(|(_, len)| len).sum();

    let mut files = files.into_iter().peekable();
    while files.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some((path, len)) = files.next_if(|_| bytes < BATCH_BYTES && batch.len() < BATCH_FILES) {
            bytes += len;
            File::open(&path).map_or_else(|error| report.leave_out(&path, &error), |file| batch.push(file));
        }
        if batch.is_empty() {
            continue; // none of them could be read
        }
        socket.send_obj(&Batch { files: batch.len(), job_bytes })?;
        for file in &batch {
            let before = memory::copied_bytes();
            socket.send_obj(file)?;
            report.count(file, memory::copied_bytes() - before);
        }
        let () = socket.recv_obj()?;
        let hashes: Vec<[u8; 32]> = batch.iter().map(|file| Sha256::digest(&file.content).into()).collect();
        socket.send_obj(&hashes)?;
        let differing: Vec<String> = socket.recv_obj()?;
        if !differing.is_empty() {
            return Err(format!("not the same at the far end: {}", differing.join(", ")).into());
        }
    }
    socket.send_obj(&Batch { files: 0, job_bytes })?;
    socket.send_obj(&report)?;
    Ok(socket.recv_obj()?) // ZeroMQ tells no sender that anything was delivered: this answer does
}

impl File {
    fn open(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        let content = if metadata.len() == 0 {
            Buffer::new() // nothing cannot be mapped
        } else {
            // SAFETY: a mapped file must not change, and nothing here can enforce that. One that is written to while it
            // is sent may arrive half old and half new, which the hashes tell. One that is cut short ends this process
            // (libzmq aborts when it cannot read a frame), which the parent tells. Who cannot have that reads the file.
            #[allow(unsafe_code, reason = "mapping a file is unsafe, for the reason above")]
            Buffer::from_owner(unsafe { Mmap::map(&file)? })
        };
        let name = path.to_string_lossy().into_owned();
        Ok(Self { name, modified: metadata.mtime(), mode: metadata.mode(), content })
    }
}

/// All files at or below the paths, with their lengths. Links inside directories are not followed.
fn find_files(mut paths: Vec<PathBuf>, report: &mut Report) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        let looked = fs::metadata(&path).and_then(|metadata| {
            if metadata.is_dir() {
                for entry in fs::read_dir(&path)? {
                    let entry = entry?;
                    paths.extend((!entry.file_type()?.is_symlink()).then(|| entry.path()));
                }
            } else if metadata.is_file() {
                found.push((path.clone(), metadata.len()));
            } else {
                return Err(io::Error::other("neither file nor directory"));
            }
            Ok(())
        });
        looked.unwrap_or_else(|error| report.leave_out(&path, &error));
    }
    found
}

fn receive() -> Result<()> {
    // Every batch is received into the memory of the one before. The price, that a process keeps the most memory it ever
    // used, is nothing to one that ends with the job.
    let _ = memory::keep_freed_pages(); // without glibc it is only slower
    let context = zmq::Context::new();
    let socket = bounded(context.socket(zmq::DEALER)?)?;
    socket.bind("tcp://127.0.0.1:*")?;
    writeln!(io::stdout(), "{}", socket.get_last_endpoint()?.map_err(|_| "the address is no text")?)?;

    let bar = ProgressBar::new(0); // draws nothing where stderr is no terminal
    bar.set_style(ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} checked, {msg}")?);
    let (mut received, mut on_the_wire) = (Report::default(), Duration::ZERO);
    loop {
        let batch: Batch = socket.recv_obj()?;
        if batch.files == 0 {
            break;
        }
        bar.set_length(batch.job_bytes);
        bar.set_message("receiving");
        let (started, mut files) = (Instant::now(), Vec::new());
        for _ in 0..batch.files {
            let before = memory::copied_bytes();
            let file: File = socket.recv_obj()?;
            received.count(&file, memory::copied_bytes() - before);
            files.push(file);
        }
        on_the_wire += started.elapsed();
        socket.send_obj(&())?;

        bar.set_message("checking ");
        let hashes: Vec<[u8; 32]> = files.iter().map(|file| hash(&file.content, &bar)).collect();
        let theirs: Vec<[u8; 32]> = socket.recv_obj()?;
        assert_eq!(theirs.len(), files.len());
        let differing = (0..files.len()).filter(|&index| hashes[index] != theirs[index]);
        socket.send_obj(&differing.map(|index| &files[index].name[..]).collect::<Vec<_>>())?;
    }
    let sent: Report = socket.recv_obj()?;
    socket.send_obj(&())?;
    bar.finish_and_clear();
    summarize(&sent, &received, on_the_wire)
}

fn hash(content: &[u8], bar: &ProgressBar) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in content.chunks(1 << 20) {
        hash.update(part);
        bar.inc(part.len() as u64);
    }
    hash.finalize().into()
}

fn summarize(sent: &Report, received: &Report, on_the_wire: Duration) -> Result<()> {
    let (small, large) = (&received.in_band, &received.out_of_band);
    assert_eq!((sent.in_band.bytes, sent.out_of_band.bytes), (small.bytes, large.bytes));
    assert_eq!((sent.out_of_band.copied, large.copied), (0, 0), "an out-of-band buffer was copied");
    // the sender copies each small file into its metadata; the receiver copies it out of there, or shares the frame
    assert_eq!(sent.in_band.copied, small.bytes);
    assert!(small.copied <= small.bytes);

    let (files, bytes, copied) =
        (small.files + large.files, small.bytes + large.bytes, sent.in_band.copied + small.copied);
    let rate = bytes as f64 / on_the_wire.as_secs_f64() / 1e9;
    writeln!(
        io::stdout(),
        "files:       {files}, {}, every SHA-256 the same at both ends
out of band: {}, {}, bytes copied: {}
in band:     {}, {}; a copy costs less than a frame under 8 KiB, so {} were copied at both ends together
wire:        {rate:.2} GB/s, {bytes} bytes in {on_the_wire:.1?} at the receiver, from the first message of a batch to its last,
             with what it takes to read the mapped files and without hashing",
        HumanBytes(bytes),
        large.files,
        HumanBytes(large.bytes),
        sent.out_of_band.copied + large.copied,
        small.files,
        HumanBytes(small.bytes),
        HumanBytes(copied),
    )?;
    if sent.unread > 0 {
        return Err(format!("not everything was sent, paths that could not be read: {}", sent.unread).into());
    }
    Ok(())
}

impl Report {
    fn count(&mut self, file: &File, copied: u64) {
        let is_in_band = file.content.len() < MsgPack::OUT_OF_BAND_FROM;
        let count = if is_in_band { &mut self.in_band } else { &mut self.out_of_band };
        count.files += 1;
        count.bytes += file.content.len() as u64;
        count.copied += copied;
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        eprintln!("not sent: {}: {error}", path.display());
        self.unread += 1;
    }
}

/// A socket that fails when the other side falls silent, and does not hold up the end of its process.
fn bounded(socket: zmq::Socket) -> Result<zmq::Socket> {
    socket.set_rcvtimeo(120_000)?;
    socket.set_sndtimeo(120_000)?;
    socket.set_linger(5_000)?;
    Ok(socket)
}
