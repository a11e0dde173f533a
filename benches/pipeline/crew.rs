//! Worker processes.

use std::process::{Child, Command, Stdio};

use outband::Buffer;
use outband::pipeline::{Task, Worker, WorkerOptions};
use serde::{Deserialize, Serialize};

/// Set in a process that is a worker: where its dispatcher is.
const WORKS_FOR: &str = "OUTBAND_BENCH_WORKS_FOR";
/// Set in a worker that outlives its dispatcher.
const STAYS: &str = "OUTBAND_BENCH_STAYS";

#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) payload: Buffer,
}

/// What a worker makes of a job: its number, the length of the payload, and the sum of some bytes of it.
pub(crate) type Done = (u64, u64, u64);

impl Job {
    /// With memory of its own, which says which job it is.
    pub(crate) fn new(number: u64, bytes: usize) -> Self {
        Self { number, payload: Buffer::from_vec(vec![number as u8; bytes]) }
    }

    fn done(&self) -> Done {
        let sum = self.payload.iter().step_by(STRIDE).map(|&byte| u64::from(byte)).sum();
        (self.number, self.payload.len() as u64, sum)
    }
}

/// Each so many-th byte is added up.
const STRIDE: usize = 1009;

/// What a worker has to make of a job.
pub(crate) fn expected(number: u64, bytes: usize) -> Done {
    (number, bytes as u64, bytes.div_ceil(STRIDE) as u64 * u64::from(number as u8))
}

pub(crate) fn work_if_worker() {
    let Ok(endpoint) = std::env::var(WORKS_FOR) else { return };
    let mut options = WorkerOptions::new().threads(1).in_flight(256);
    if std::env::var_os(STAYS).is_none() {
        options = options.ends_with_dispatcher();
    }
    let worker = Worker::connect(&zmq::Context::new(), &endpoint, options).unwrap();
    worker.run(|task: Task<Job>| Ok(task.done())).unwrap();
    std::process::exit(0);
}

/// A worker, killed when it is dropped.
pub(crate) struct Hand(Child);

impl Hand {
    pub(crate) fn employ(endpoint: &str) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).env(WORKS_FOR, endpoint))
    }

    #[cfg_attr(not(feature = "journal"), expect(dead_code, reason = "only a journal outlives its dispatcher"))]
    pub(crate) fn employ_for_good(endpoint: &str) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).env(WORKS_FOR, endpoint).env(STAYS, "1"))
    }

    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    pub(crate) fn wait(&mut self) {
        self.0.wait().unwrap();
    }

    /// Sends a signal: `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let mut command = Command::new("sh"); // which has it built in, where there is no program of that name
        assert!(command.args(["-c", &format!("kill -{name} {}", self.0.id())]).status().unwrap().success());
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
