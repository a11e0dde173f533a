//! The async shell beside the blocking one, in turn, in one run: objects per second each way, and ping-pongs.
//!
//! `cargo bench --features tokio --bench async_socket`; with `-- quick`, `-- tcp`, `-- ping` and the like for a part. "Send" has an
//! `AsyncSocket` only at the sending end, "receive" only at the receiving end, "both" at both, each in a runtime of the
//! end's own thread; "tasks" has both ends as tasks of one runtime with two workers. A ratio is how many times as fast
//! that is as waiting on threads: the median over rounds in which the shells take turns.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

mod rig;

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use outband::{AsyncSocket, Buffer, SocketExt};
use rig::{Moves, Rounds, human};
use tokio::runtime::{Builder, Runtime};

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let only = |name: &str| words.iter().any(|word| word == name);
    let named = ["inproc", "ipc", "tcp"].into_iter().any(only);
    let transports: Vec<_> = ["inproc", "ipc", "tcp"].into_iter().filter(|name| !named || only(name)).collect();
    let (rounds, time) = if only("quick") { (5, Duration::from_millis(60)) } else { (31, Duration::from_millis(80)) };

    if !only("ping") {
        println!("| transport | object | blocking | send | receive | both | tasks |");
        println!("|---|---|---:|---:|---:|---:|---:|");
        for transport in &transports {
            for bytes in [64, 64 << 10, 1 << 20] {
                row(transport, bytes, rounds, time);
            }
        }
        println!();
    }
    println!("| ping-pongs | count | per second | median | 99.9 % | longest |");
    println!("|---|---:|---:|---:|---:|---:|");
    for transport in transports {
        ping_pong(transport, if only("quick") { 20_000 } else { 1_000_000 });
    }
}

fn row(transport: &str, bytes: usize, rounds: usize, time: Duration) {
    let shells = [
        [Shell::Blocking, Shell::Blocking],
        [Shell::Async, Shell::Blocking],
        [Shell::Blocking, Shell::Async],
        [Shell::Async, Shell::Async],
        [Shell::Task, Shell::Task],
    ];
    let lines = shells.map(|[sends, receives]| Line::new(transport, bytes, sends, receives));
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
    /// A task of a runtime with several threads.
    Task,
}

/// A socket and who waits for it.
enum End {
    Blocking(zmq::Socket),
    Async(Runtime, Arc<AsyncSocket>),
    Task(Runtime, Arc<AsyncSocket>),
}

impl End {
    fn new(shell: Shell, socket: zmq::Socket) -> Self {
        let runtime = match shell {
            Shell::Blocking => return Self::Blocking(socket),
            Shell::Async => Builder::new_current_thread().enable_all().build().unwrap(),
            Shell::Task => Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        };
        let socket = runtime.block_on(async { Arc::new(AsyncSocket::new(socket).unwrap()) });
        if shell == Shell::Async { Self::Async(runtime, socket) } else { Self::Task(runtime, socket) }
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
    fn new(transport: &str, bytes: usize, sends: Shell, receives: Shell) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (sender, receiver) = pair(transport, &directory);
        let object = (123_456, Buffer::from_vec(vec![1_u8; bytes]));
        // at most about 256 MiB under way
        let mark = if transport == "inproc" { 1000 } else { ((256 << 20) / bytes).clamp(2, 1000) as i32 };
        for socket in [&sender, &receiver] {
            socket.set_sndhwm(mark).unwrap();
            socket.set_rcvhwm(mark).unwrap();
        }
        let sender = End::new(sends, sender);
        let receiver = thread::spawn(move || End::new(receives, receiver).receive(bytes));
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
}
