//! The async shell beside the blocking one, in turn, in one run: objects per second each way, and ping-pongs.
//!
//! `cargo bench --features tokio --bench async_socket`; with `-- quick`, `-- ping`, `-- throughput`, `-- tcp 64KiB tasks`
//! and the like for a part. "Send" has an `AsyncSocket` only at the sending end, "receive" only at the receiving end, "both"
//! at both, each in a runtime of the end's own thread; "tasks" has both ends as tasks of one runtime with two workers. A
//! ratio is how many times as fast that is as waiting on threads: the median over rounds in which the shells take turns. With
//! `loaded` a thread that does nothing useful keeps one core busy meanwhile. It fails where a ping-pong takes a second.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod rig;

use std::env;
use std::hint;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use outband::{AsyncSocket, Buffer, SocketExt, memory};
use rig::{Moves, Rounds, human};
use tokio::runtime::{Builder, Runtime};

/// Who waits at the sending and at the receiving end, by the name of the column.
const COLUMNS: [(&str, [Shell; 2]); 4] = [
    ("send", [Shell::Async, Shell::Blocking]),
    ("receive", [Shell::Blocking, Shell::Async]),
    ("both", [Shell::Async, Shell::Async]),
    ("tasks", [Shell::Task, Shell::Task]),
];

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let only = |name: &str| words.iter().any(|word| word == name);
    let transports = chosen(["inproc", "ipc", "tcp"], &words, |name| (*name).to_owned());
    let sizes = chosen([64, 64 << 10, 1 << 20], &words, |&bytes| human(bytes).replace(' ', ""));
    let columns = chosen(COLUMNS, &words, |(name, _)| (*name).to_owned());
    // else single rows are as fast as their allocator's luck with fresh pages, which has nothing to do with who waits
    assert_eq!(memory::keep_freed_pages(), memory::Tuning::Applied);
    let (rounds, time) = if only("quick") { (5, Duration::from_millis(30)) } else { (31, Duration::from_millis(40)) };

    if only("loaded") {
        thread::spawn(|| {
            loop {
                hint::spin_loop();
            }
        });
    }
    if !only("ping") {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        println!("| transport | object | blocking | {} |", names.join(" | "));
        println!("|---|---|---:|{}", "---:|".repeat(columns.len()));
        for transport in &transports {
            sizes.iter().for_each(|&bytes| row(transport, bytes, &columns, rounds, time));
        }
        println!();
    }
    if !only("throughput") {
        println!("| ping-pongs | count | per second | median | 99.9 % | longest |");
        println!("|---|---:|---:|---:|---:|---:|");
        for transport in transports {
            ping_pong(transport, if only("quick") { 20_000 } else { 1_000_000 });
        }
    }
}

/// Those that are named among the words, or all.
fn chosen<T, const N: usize>(all: [T; N], words: &[String], name: impl Fn(&T) -> String) -> Vec<T> {
    let is_named = |one: &T| words.contains(&name(one));
    let any = all.iter().any(is_named);
    all.into_iter().filter(|one| !any || is_named(one)).collect()
}

fn row(transport: &str, bytes: usize, columns: &[(&str, [Shell; 2])], rounds: usize, time: Duration) {
    let mut lines = vec![Line::new(transport, bytes, [Shell::Blocking, Shell::Blocking])];
    lines.extend(columns.iter().map(|(_, shells)| Line::new(transport, bytes, *shells)));
    let result = Rounds::run(&lines, rounds, time);
    let ratios: Vec<_> = (1..lines.len()).map(|index| format!("{:.2}", result.ratio(index, 0))).collect();
    println!("| {transport} | {} | {:.2} µs | {} |", human(bytes), result.median(0) * 1e6, ratios.join(" | "));
}

/// Who waits for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Blocking,
    /// A runtime on the end's own thread.
    Async,
    /// A task of a runtime with two workers, which the other end is a task of as well.
    Task,
}

/// A socket and who waits for it.
enum End {
    Blocking(zmq::Socket),
    Async(Runtime, Arc<AsyncSocket>),
    Task(Arc<Runtime>, Arc<AsyncSocket>),
}

impl End {
    fn new(shell: Shell, workers: &Arc<Runtime>, socket: zmq::Socket) -> Self {
        let within =
            |runtime: &Runtime, socket| runtime.block_on(async { Arc::new(AsyncSocket::new(socket).unwrap()) });
        match shell {
            Shell::Blocking => Self::Blocking(socket),
            Shell::Async => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                let socket = within(&runtime, socket);
                Self::Async(runtime, socket)
            }
            Shell::Task => Self::Task(workers.clone(), within(workers, socket)),
        }
    }

    /// Says how many come, waits until the receiver is ready, sends them, and waits until it has them all.
    fn send(&self, object: &(u64, Buffer), count: u64) -> Duration {
        async fn send(socket: &AsyncSocket, object: &(u64, Buffer), count: u64) -> Duration {
            socket.send_obj(&count).await.unwrap();
            socket.recv_obj::<()>().await.unwrap();
            let started = Instant::now();
            for _ in 0..count {
                socket.send_obj(object).await.unwrap();
            }
            if count > 0 {
                socket.recv_obj::<()>().await.unwrap();
            }
            started.elapsed()
        }
        match self {
            Self::Blocking(socket) => {
                socket.send_obj(&count).unwrap();
                socket.recv_obj::<()>().unwrap();
                let started = Instant::now();
                (0..count).for_each(|_| socket.send_obj(object).unwrap());
                if count > 0 {
                    socket.recv_obj::<()>().unwrap();
                }
                started.elapsed()
            }
            Self::Async(runtime, socket) => runtime.block_on(send(socket, object, count)),
            Self::Task(runtime, socket) => {
                let (socket, object) = (socket.clone(), object.clone());
                runtime.block_on(runtime.spawn(async move { send(&socket, &object, count).await })).unwrap()
            }
        }
    }

    /// Receives until none are announced.
    fn receive(self, bytes: usize) {
        async fn receive(socket: &AsyncSocket, bytes: usize) {
            loop {
                let count: u64 = socket.recv_obj().await.unwrap();
                socket.send_obj(&()).await.unwrap();
                for _ in 0..count {
                    assert_eq!(socket.recv_obj::<(u64, Buffer)>().await.unwrap().1.len(), bytes);
                }
                if count == 0 {
                    return;
                }
                socket.send_obj(&()).await.unwrap();
            }
        }
        match self {
            Self::Blocking(socket) => loop {
                let count: u64 = socket.recv_obj().unwrap();
                socket.send_obj(&()).unwrap();
                for _ in 0..count {
                    assert_eq!(socket.recv_obj::<(u64, Buffer)>().unwrap().1.len(), bytes);
                }
                if count == 0 {
                    return;
                }
                socket.send_obj(&()).unwrap();
            },
            Self::Async(runtime, socket) => runtime.block_on(receive(&socket, bytes)),
            Self::Task(runtime, socket) => {
                runtime.block_on(runtime.spawn(async move { receive(&socket, bytes).await })).unwrap();
            }
        }
    }
}

/// A sender, and a receiver on a thread of its own.
struct Line {
    sender: End,
    object: (u64, Buffer),
    receiver: Option<thread::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Line {
    fn new(transport: &str, bytes: usize, [sends, receives]: [Shell; 2]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (sender, receiver) = pair(transport, &directory);
        let object = (123_456, Buffer::from_vec(vec![1_u8; bytes]));
        // at most about 256 MiB under way
        let mark = if transport == "inproc" { 1000 } else { ((256 << 20) / bytes).clamp(2, 1000) as i32 };
        for socket in [&sender, &receiver] {
            socket.set_sndhwm(mark).unwrap();
            socket.set_rcvhwm(mark).unwrap();
        }
        let workers = Arc::new(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
        let sender = End::new(sends, &workers, sender);
        let receiver = thread::spawn(move || End::new(receives, &workers, receiver).receive(bytes));
        Self { sender, object, receiver: Some(receiver), _directory: directory }
    }
}

impl Moves for Line {
    fn run(&self, count: u64) -> Duration {
        self.sender.send(&self.object, count)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.sender.send(&self.object, 0);
        self.receiver.take().unwrap().join().unwrap();
    }
}

fn pair(transport: &str, directory: &tempfile::TempDir) -> (zmq::Socket, zmq::Socket) {
    let context = zmq::Context::new();
    let (bound, connected) = (context.socket(zmq::PAIR).unwrap(), context.socket(zmq::PAIR).unwrap());
    bound
        .bind(&match transport {
            "tcp" => "tcp://127.0.0.1:*".to_owned(),
            "ipc" => format!("ipc://{}/bench", directory.path().display()),
            _ => "inproc://bench".to_owned(),
        })
        .unwrap();
    connected.connect(&bound.get_last_endpoint().unwrap().unwrap()).unwrap();
    (bound, connected)
}

/// What no ping-pong takes.
const STALL: Duration = Duration::from_secs(1);

fn ping_pong(transport: &str, count: usize) {
    let directory = tempfile::tempdir().unwrap();
    let (left, right) = pair(transport, &directory);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut times = runtime.block_on(async {
        let (left, right) = (AsyncSocket::new(left).unwrap(), AsyncSocket::new(right).unwrap());
        let pong = tokio::spawn(async move {
            for _ in 0..count {
                let ball: u64 = right.recv_obj().await.unwrap();
                right.send_obj(&(ball + 1)).await.unwrap();
            }
            right
        });
        let ping = tokio::spawn(async move {
            let (mut ball, mut times) = (0_u64, Vec::with_capacity(count));
            for _ in 0..count {
                let started = Instant::now();
                left.send_obj(&ball).await.unwrap();
                ball = left.recv_obj().await.unwrap();
                times.push(started.elapsed());
            }
            assert_eq!(ball, count as u64);
            times
        });
        let times = ping.await.unwrap();
        pong.await.unwrap();
        times
    });
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    println!(
        "| {transport} | {count} | {:.0} | {:.1?} | {:.1?} | {:.1?} |",
        count as f64 / total.as_secs_f64(),
        times[count / 2],
        times[count - count / 1000],
        times[count - 1],
    );
    assert!(times[count - 1] < STALL, "over {transport} one of {count} ping-pongs took {:?}", times[count - 1]);
}
