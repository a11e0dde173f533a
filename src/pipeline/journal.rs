//! The journal: every task without an outcome, in a file that survives the dispatcher.
//!
//! One thread writes it. While it waits for the disk, further tasks gather, and the next commit has all of them: so many
//! submits share one wait.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, fs, io, mem};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::receipt::Receipt;
use super::sign::Sign;
use super::watch::Watch;
use super::worker::panic_text;
use crate::error::{Detail, Error, Result};
use crate::limits::Limits;
use crate::multipart::Multipart;

/// Tasks by id, as `Multipart::write_to` has them.
const TASKS: TableDefinition<u64, &[u8]> = TableDefinition::new("tasks");
/// The first id that was never used.
const NEXT: TableDefinition<&str, u64> = TableDefinition::new("next");

pub(super) struct Journal {
    desk: Arc<Desk>,
    settle: Arc<dyn Fn(u64) + Send + Sync>,
    thread: Option<JoinHandle<()>>,
}

/// What was on record when the journal was opened.
pub(super) struct Record {
    pub(super) tasks: Vec<(u64, Multipart)>,
    /// The first id that was never used.
    pub(super) next: u64,
}

/// What is to be written, and how far that has got.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    work: Condvar,
    durable: Sign,
}

#[derive(Default)]
struct State {
    tasks: BTreeMap<u64, Multipart>,
    settled: Vec<u64>,
    /// All tasks below are on the disk.
    durable: u64,
    is_closed: bool,
    failure: Option<String>,
}

impl Journal {
    /// Opens the file, or makes it. `fail` is called if it cannot be written to later on.
    ///
    /// What is no journal, or one that something else has damaged, is an error that names the file.
    pub(super) fn open(path: &Path, fail: impl Fn(String) + Send + 'static) -> Result<(Self, Record)> {
        // the store panics at some files that were cut short
        let opened = catch_unwind(AssertUnwindSafe(|| open(path)));
        let opened = opened.unwrap_or_else(|panic| Err(format!("it is damaged: {}", panic_text(&*panic))));
        let (database, record) = opened.map_err(|reason| {
            let reason = format!("{}: {reason}", path.display());
            Error::io("open the journal", io::Error::other(reason))
        })?;
        Ok((Self::start(database, record.next, path, fail)?, record))
    }

    /// Writes to a store in which `next` is the first id that was never used.
    fn start(database: Database, next: u64, path: &Path, fail: impl Fn(String) + Send + 'static) -> Result<Self> {
        let desk = Arc::new(Desk { state: Mutex::new(State { durable: next, ..State::default() }), ..Desk::default() });
        let thread = thread::Builder::new().name("outband journal".to_owned()).spawn({
            let (desk, path) = (desk.clone(), path.to_owned());
            move || {
                let fail = |reason: &dyn fmt::Display| {
                    let reason = format!("could not write the journal {}: {reason}", path.display());
                    desk.lock().fail(reason.clone());
                    desk.durable.notify_all();
                    fail(reason);
                };
                let _watch = Watch::new(|| fail(&"its thread panicked"));
                if let Err(error) = desk.write(&database) {
                    fail(&error);
                }
            }
        });
        let thread = thread.map_err(|error| Error::io("start a thread", error))?;
        let settle = Arc::new({
            let desk = desk.clone();
            move |task| {
                let mut state = desk.lock();
                if state.failure.is_none() {
                    state.settled.push(task);
                }
                drop(state);
                desk.work.notify_one();
            }
        });
        Ok(Self { desk, settle, thread: Some(thread) })
    }

    /// Takes a task to be written.
    pub(super) fn record(&self, task: u64, message: &Multipart) {
        let mut state = self.desk.lock();
        if state.failure.is_none() {
            state.tasks.insert(task, message.clone());
        }
        drop(state);
        self.desk.work.notify_one();
    }

    /// Waits until a task is on the disk.
    pub(super) fn wait(&self, task: u64) -> Result<()> {
        let mut state = self.desk.lock();
        while !state.has_durable(task)? {
            state = self.desk.durable.wait(state);
        }
        Ok(())
    }

    /// As [`wait`](Self::wait), in a task.
    #[cfg(feature = "tokio")]
    pub(super) async fn recorded(&self, task: u64) -> Result<()> {
        loop {
            let given = self.desk.durable.given();
            if self.desk.lock().has_durable(task)? {
                return Ok(());
            }
            given.await;
        }
    }

    /// What takes a task off the record when it is dropped.
    pub(super) fn receipt(&self, task: u64) -> Receipt {
        Receipt::new(task, self.settle.clone())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.desk.lock().is_closed = true;
        self.desk.work.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    /// Nothing will be written any more.
    fn fail(&mut self, reason: String) {
        self.failure = Some(reason);
        self.tasks.clear();
        self.settled.clear();
    }

    fn has_durable(&self, task: u64) -> Result<bool> {
        match &self.failure {
            Some(reason) if self.durable <= task => Err(Detail::DispatcherFailed { reason: reason.clone() }.into()),
            _ => Ok(self.durable > task),
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing here panics halfway
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, database: &Database) -> Result<(), redb::Error> {
        loop {
            let mut state = self.lock();
            while state.tasks.is_empty() && state.settled.is_empty() {
                if state.is_closed {
                    return Ok(());
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let (tasks, settled) = (mem::take(&mut state.tasks), mem::take(&mut state.settled));
            drop(state);
            let next = tasks.last_key_value().map(|(&task, _)| task + 1);
            commit(database, &tasks, &settled, next)?;
            if let Some(next) = next {
                self.lock().durable = next;
                self.durable.notify_all();
            }
        }
    }
}

fn commit(
    database: &Database,
    tasks: &BTreeMap<u64, Multipart>,
    settled: &[u64],
    next: Option<u64>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TASKS)?;
        let mut bytes = Vec::new();
        for (&task, message) in tasks {
            bytes.clear();
            message.write_to(&mut bytes)?;
            table.insert(task, bytes.as_slice())?;
        }
        for &task in settled {
            table.remove(task)?;
        }
        if let Some(next) = next {
            transaction.open_table(NEXT)?.insert("task", next)?;
        }
    }
    // redb waits for the disk here, unless it is told otherwise
    transaction.commit()?;
    Ok(())
}

/// Opens the file and reads what is in it.
fn open(path: &Path) -> Result<(Database, Record), String> {
    let database = database(path)?;
    let tasks = read(&database).map_err(|error| error.to_string())?;
    let tasks = tasks.into_iter().collect::<Result<Vec<_>>>().map_err(|error| error.to_string())?;
    let next = read_next(&database).map_err(|error| error.to_string())?;
    let next = tasks.last().map_or(1, |(task, _)| task.saturating_add(1)).max(next);
    Ok((database, Record { tasks, next }))
}

/// Opens the file, or makes it: under a name that nobody else has, and it comes to its place when it is whole and on the disk. Whoever is
/// killed at that, or has no more disk, leaves nothing that the next one would take for a damaged journal.
fn database(path: &Path) -> Result<Database, String> {
    let open = || Database::create(path).map_err(|error| error.to_string());
    // a link is followed, wherever it leads
    if path.symlink_metadata().is_ok() {
        return open();
    }
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{:016x}.new", super::dispatcher::draw()));
    let new = Path::new(&new);
    let text = |error: io::Error| error.to_string();
    let file = File::options().read(true).write(true).create_new(true).open(new).map_err(text)?;
    let made = Database::builder().create_file(file).map_err(|error| error.to_string());
    // unlike a rename this never takes the place of what another one has put there
    let link = || fs::hard_link(new, path);
    // where there are no links, nobody else may be there
    let place =
        || link().or_else(|error| if path.symlink_metadata().is_ok() { Err(error) } else { fs::rename(new, path) });
    let placed = made.and_then(|made| place().map(|()| made).map_err(text));
    let _ = fs::remove_file(new);
    match placed {
        Err(_) if path.symlink_metadata().is_ok() => open(),
        Err(reason) => Err(reason),
        Ok(made) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map(|()| made).map_err(text)
        }
    }
}

fn read(database: &Database) -> Result<Vec<Result<(u64, Multipart)>>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(TASKS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut tasks = Vec::new();
    for entry in table.iter()? {
        let (task, bytes) = entry?;
        // what was submitted was within the limits of whoever submitted it
        let limits = Limits::new().frames(usize::MAX).metadata_bytes(usize::MAX).total_bytes(u64::MAX);
        let message = Multipart::read_from_within(&mut bytes.value(), &limits);
        tasks.push(message.map(|message| (task.value(), message)));
    }
    Ok(tasks)
}

fn read_next(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(NEXT) {
        Ok(table) => Ok(table.get("task")?.map_or(1, |next| next.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::options::DispatcherOptions;
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn tasks_that_the_store_could_not_take_are_refused_before_there_is_any() {
        let options = DispatcherOptions::new().task_bytes((2 << 30) + 1);
        assert!(options.check().is_ok());
        let error = options.clone().journal("tasks").check().unwrap_err();
        assert!(error.kind() == ErrorKind::Caller && error.to_string().contains("2 GiB"), "{error}");
        assert!(options.task_bytes(2 << 30).journal("tasks").check().is_ok());
    }

    /// A disk whose power fails: of what was written it keeps what it had when it was last told to.
    #[derive(Clone, Debug, Default)]
    struct Disk(Arc<(Mutex<Platter>, Condvar)>);

    #[derive(Debug, Default)]
    struct Platter {
        written: Vec<u8>,
        kept: Vec<u8>,
        /// Whoever tells it to keep what was written waits.
        is_held: bool,
        has_waiting: bool,
        has_acknowledged: bool,
    }

    impl Disk {
        fn platter(&self) -> MutexGuard<'_, Platter> {
            self.0.0.lock().unwrap()
        }

        fn change(&self, change: impl FnOnce(&mut Platter)) {
            change(&mut self.platter());
            self.0.1.notify_all();
        }

        fn wait_while(&self, waits: impl Fn(&Platter) -> bool) -> MutexGuard<'_, Platter> {
            self.0.1.wait_while(self.platter(), |platter| waits(platter)).unwrap()
        }
    }

    impl redb::StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            Ok(self.platter().written.len() as u64)
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            out.copy_from_slice(&self.platter().written[offset as usize..][..out.len()]);
            Ok(())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.platter().written.resize(len as usize, 0);
            Ok(())
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.platter().written[offset as usize..][..data.len()].copy_from_slice(data);
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            self.change(|platter| platter.has_waiting = true);
            let mut platter = self.wait_while(|platter| platter.is_held);
            platter.has_waiting = false;
            platter.kept = platter.written.clone();
            Ok(())
        }
    }

    #[test]
    fn a_task_is_acknowledged_when_the_disk_keeps_it_and_not_before() {
        let disk = Disk::default();
        let database = Database::builder().create_with_backend(disk.clone()).unwrap();
        let journal = Journal::start(database, 1, Path::new("the disk"), |reason| panic!("{reason}")).unwrap();
        for task in 1..=5 {
            disk.change(|platter| (platter.is_held, platter.has_acknowledged) = (true, false));
            journal.record(task, &Multipart::new(vec![7; 1000], vec![]));
            thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    journal.wait(task).unwrap();
                    disk.change(|platter| platter.has_acknowledged = true);
                });
                drop(disk.wait_while(|platter| !platter.has_waiting && !platter.has_acknowledged));
                let is_early = journal.desk.lock().has_durable(task).unwrap();
                disk.change(|platter| platter.is_held = false);
                waiting.join().unwrap();
                assert!(!is_early, "task {task} is acknowledged while the disk is still asked to keep it");
            });
            // the power fails
            let kept = Platter { written: disk.platter().kept.clone(), ..Platter::default() };
            let disk = Disk(Arc::new((Mutex::new(kept), Condvar::new())));
            let tasks = read(&Database::builder().create_with_backend(disk).unwrap()).unwrap();
            assert_eq!(tasks.len() as u64, task, "acknowledged and not kept");
        }
    }

    #[test]
    fn a_file_that_is_no_whole_journal_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let (whole, damaged) = (directory.path().join("whole"), directory.path().join("damaged"));
        let (journal, _) = Journal::open(&whole, |_| {}).unwrap();
        (1..=20).for_each(|task| journal.record(task, &Multipart::new(vec![1; 1000], vec![])));
        journal.wait(20).unwrap();
        drop(journal);
        let bytes = std::fs::read(&whole).unwrap();
        let mut refused = 0;
        for part in 1..64 {
            std::fs::write(&damaged, &bytes[..bytes.len() * part / 64]).unwrap();
            match Journal::open(&damaged, |_| {}) {
                Ok((_, record)) => assert_eq!(record.tasks.len(), 20, "a part of it would be worse than nothing"),
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), crate::error::ErrorKind::Transport);
                    assert!(error.to_string().contains(damaged.to_str().unwrap()), "{error}");
                }
            }
        }
        assert!(refused > 32, "{refused} of 63 were refused");
        std::fs::write(&damaged, "a letter").unwrap();
        let error = Journal::open(&damaged, |_| {}).err().unwrap();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert_eq!(Journal::open(&whole, |_| {}).unwrap().1.tasks.len(), 20);
    }

    #[test]
    fn what_somebody_left_who_was_killed_while_making_one_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("journal"), directory.path().join("journal.new"));
        std::fs::write(&other, vec![0; 1 << 20]).unwrap();
        let (first, _) = Journal::open(&path, |_| {}).unwrap();
        let error = Journal::open(&path, |_| {}).err().unwrap();
        assert!(error.to_string().contains("already open"), "{error}");
        drop(first);
        assert!(Journal::open(&path, |_| {}).is_ok());
        // nothing else is there, and nobody's file was touched
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        assert_eq!(std::fs::metadata(&other).unwrap().len(), 1 << 20);
    }
}
