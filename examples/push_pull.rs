//! A ventilator, some workers and a sink: PUSH deals tasks out, PULL collects what becomes of them.
//!
//! Nothing is lost here because nobody dies. When a worker does, the tasks it had are gone with every call `Ok`: PUSH
//! knows no answer. The sink's count is the only thing to believe, so this checks it.

#[path = "shared/ending.rs"]
mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use ending::Result;
use outband::{Buffer, BufferPool, SocketExt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Task {
    Invert { number: u32, pixels: Buffer },
    Stop,
}

#[derive(Serialize, Deserialize)]
struct Done {
    number: u32,
    worker: u32,
    pixels: Buffer,
}

const WORKERS: u32 = 3;
const TASKS: u32 = 60;

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<()> {
    let context = zmq::Context::new();
    let (ventilator, sink) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
    ventilator.set_sndtimeo(10_000)?;
    sink.set_rcvtimeo(10_000)?;
    ventilator.bind("inproc://tasks")?;
    sink.bind("inproc://results")?;
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let (tasks, results) = (context.socket(zmq::PULL)?, context.socket(zmq::PUSH)?);
        tasks.set_rcvtimeo(10_000)?;
        tasks.connect("inproc://tasks")?; // all are there before the first task is dealt
        results.connect("inproc://results")?;
        workers.push(thread::spawn(move || work(&tasks, &results, worker)));
    }

    let pixels = Buffer::from_vec(vec![1_u8; 640 * 480]); // one image for all tasks: a clone never copies
    for number in 0..TASKS {
        ventilator.send_obj(&Task::Invert { number, pixels: pixels.clone() })?;
    }
    let (mut by_worker, mut numbers) = (BTreeMap::new(), BTreeSet::new());
    for _ in 0..TASKS {
        let done: Done = sink.recv_obj()?;
        assert!(done.pixels.iter().all(|&pixel| pixel == 254));
        *by_worker.entry(done.worker).or_insert(0) += 1;
        numbers.insert(done.number);
    }
    (0..WORKERS).try_for_each(|_| ventilator.send_obj(&Task::Stop))?; // PUSH deals evenly: one for each
    workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))?;
    assert_eq!(numbers, BTreeSet::from_iter(0..TASKS));
    Ok(writeln!(io::stdout(), "{TASKS} images inverted, tasks by worker: {by_worker:?}")?)
}

fn work(tasks: &zmq::Socket, results: &zmq::Socket, worker: u32) -> Result<()> {
    let pool = BufferPool::new(); // when the sink drops a result, its memory comes back here
    while let Task::Invert { number, pixels } = tasks.recv_obj()? {
        let mut inverted = pool.take(pixels.len());
        inverted.iter_mut().zip(pixels.iter()).for_each(|(to, from)| *to = !from);
        results.send_obj(&Done { number, worker, pixels: inverted.freeze() })?;
    }
    Ok(())
}
