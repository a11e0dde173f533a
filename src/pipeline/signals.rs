//! SIGTERM and SIGINT as something that a poll can wait for.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use signal_hook::{SigId, flag, low_level};

use crate::error::{Error, Result};

const SIGNALS: [i32; 2] = [SIGTERM, SIGINT];

/// Readable from the first SIGTERM or SIGINT on, which do not end the process while one of these lives. When none does, they
/// do what they did before: a handler that the program had is called all the time, and the default, which does not come back by itself
/// once it was replaced, is stood in for.
#[derive(Debug)]
pub(super) struct Signals {
    reader: UnixStream,
    registered: Vec<SigId>,
}

/// All that listen in this process.
struct Listeners {
    many: usize,
    /// Whether signals do what they do by default; none before the first has listened.
    is_default: Option<Arc<AtomicBool>>,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { many: 0, is_default: None });

impl Listeners {
    fn lock() -> MutexGuard<'static, Self> {
        // nothing here panics halfway
        LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, which `register`s what it does. What a signal does by default comes before that in the order in which a signal's actions
    /// run: whoever hears of it may let go of the last listener while they are still running.
    fn add<R>(&mut self, register: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let is_default = match &self.is_default {
            Some(is_default) => is_default,
            None => {
                let is_default = Arc::new(AtomicBool::new(true));
                for signal in SIGNALS.into_iter().filter(|&signal| has_default(signal)) {
                    flag::register_conditional_default(signal, is_default.clone())?;
                }
                self.is_default.insert(is_default)
            }
        };
        let registered = register()?;
        self.many += 1;
        is_default.store(false, Ordering::SeqCst);
        Ok(registered)
    }

    fn remove(&mut self) {
        self.many -= 1;
        if let Some(is_default) = self.is_default.as_ref().filter(|_| self.many == 0) {
            is_default.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether a signal does what it does by default: neither is there a handler, nor is it ignored. The system says so in the file of
/// proc_pid_status(5); where there is none it is taken to be so.
fn has_default(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut masks = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    !masks.any(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let listen = || {
            let (reader, writer) = UnixStream::pair()?;
            let register = |signal| pipe::register(signal, writer.try_clone()?);
            let registered = Listeners::lock().add(|| SIGNALS.into_iter().map(register).collect())?;
            Ok(Self { reader, registered })
        };
        listen().map_err(|error: io::Error| Error::io("listen for signals", error))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        Listeners::lock().remove();
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}
