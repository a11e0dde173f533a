//! This machine's telemetry as a feed: per-core load, memory, disks, and the process table as arrays.
//!
//! ```text
//! cargo run --example feed_telemetry                             four seconds, watched by a process of its own
//! cargo run --example feed_telemetry -- --seconds 3600           prints its two endpoints: follow from elsewhere as well
//! cargo run --example feed_telemetry -- follow LIVE RECOVERY [--all]
//! cargo run --example feed_telemetry -- publish LIVE RECOVERY [--keep MESSAGES]
//! cargo run --example feed_telemetry -- check LIVE RECOVERY
//! ```
//!
//! Who comes late begins with the last value of each stream (`--all`: with all that the publisher keeps); who is stopped for a
//! while (Ctrl-Z) is told everything when it goes on, as far as the publisher's cache has it, and of the rest how much it was.
//!
//! `publish` and `follow` are services: they end on SIGTERM, and `follow` when the publisher says goodbye. `check` ends well
//! when a message has arrived. `docker/` has them in containers.

#[path = "shared/ending.rs"]
mod ending;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use outband::Array;
use outband::feed::{Event, Publisher, PublisherOptions, Start, Subscriber, SubscriberOptions};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use sysinfo::{Disks, ProcessesToUpdate, System};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What is published on each stream under `host/`.
#[derive(Debug, Serialize, Deserialize)]
enum Telemetry {
    /// Per cent, one per core.
    Cores { load: Array },
    /// Bytes.
    Memory { used: u64, total: u64 },
    /// Bytes, one per mount point.
    Disks { mounted_on: Vec<String>, free: Array, total: Array },
    /// One row per process.
    Processes { names: Vec<String>, ids: Array, load: Array, memory: Array },
    /// The last message of a stream.
    Goodbye,
}

const STREAMS: [&str; 4] = ["host/cores", "host/memory", "host/disks", "host/processes"];
const INTERVAL: Duration = Duration::from_millis(250);
/// How long the publisher answers after its last message: who missed that can still ask.
const FAREWELL: Duration = Duration::from_secs(2);

const USAGE: &str = "usage: feed_telemetry [--seconds N]
       feed_telemetry publish LIVE RECOVERY [--keep MESSAGES]
       feed_telemetry follow LIVE RECOVERY [--all]
       feed_telemetry check LIVE RECOVERY";

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => demonstrate(Duration::from_secs(4)),
        ["--seconds", seconds] => demonstrate(Duration::from_secs(seconds.parse()?)),
        ["publish", live, recovery] => serve(live, recovery, PublisherOptions::new()),
        ["publish", live, recovery, "--keep", messages] => {
            serve(live, recovery, PublisherOptions::new().cache_messages(messages.parse()?))
        }
        ["follow", live, recovery] => follow(live, recovery, Start::Last(1)),
        ["follow", live, recovery, "--all"] => follow(live, recovery, Start::All),
        ["check", live, recovery] => check(live, recovery),
        ["--help"] => Ok(writeln!(io::stdout(), "{USAGE}")?),
        _ => Err(USAGE.into()),
    }
}

/// Publishes for a while, watched by a process of its own.
fn demonstrate(time: Duration) -> Result<()> {
    let context = zmq::Context::new();
    let publisher = Publisher::bind(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")?;
    let endpoints = [publisher.endpoint(), publisher.recovery_endpoint()];
    writeln!(io::stdout(), "publishing; from elsewhere: feed_telemetry follow {} {}", endpoints[0], endpoints[1])?;
    let mut follower = Command::new(env::current_exe()?).arg("follow").args(endpoints).spawn()?;
    let started = Instant::now();
    // it ends before where nobody reads what it prints
    publish(&publisher, || Ok(started.elapsed() < time && follower.try_wait()?.is_none()))?;
    let ended = follower.wait()?;
    writeln!(io::stdout(), "published {} messages", publisher.statistics().published)?;
    if ended.success() { Ok(()) } else { Err("the follower failed".into()) }
}

/// Publishes at endpoints that others know, until it is told to end.
fn serve(live: &str, recovery: &str, options: PublisherOptions) -> Result<()> {
    let told = told_to_end()?;
    let publisher = Publisher::bind_with(&zmq::Context::new(), live, recovery, options)?;
    writeln!(io::stdout(), "publishing at {} and {}", publisher.endpoint(), publisher.recovery_endpoint())?;
    let last = publish(&publisher, || Ok(!told.load(Ordering::Relaxed)))?;
    thread::sleep(FAREWELL);
    for stream in STREAMS {
        writeln!(io::stdout(), "{stream:>15} {last} published")?;
    }
    Ok(())
}

/// Set when SIGTERM or SIGINT has come.
fn told_to_end() -> Result<Arc<AtomicBool>> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, told.clone())?;
    }
    Ok(told)
}

/// Publishes on every stream at every interval; returns how many messages each has.
fn publish(publisher: &Publisher, mut goes_on: impl FnMut() -> Result<bool>) -> Result<u64> {
    let (mut system, mut disks) = (System::new()?, Disks::new_with_refreshed_list()?);
    while goes_on()? {
        let next = Instant::now() + INTERVAL;
        system.refresh_cpu_usage();
        system.refresh_memory();
        system.refresh_processes(ProcessesToUpdate::All, true);
        disks.refresh(true);
        let now = [cores(&system), memory(&system), space(&disks), processes(&system)?];
        for (stream, telemetry) in STREAMS.iter().zip(&now) {
            publisher.publish(stream, telemetry)?;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let mut last = 0;
    for stream in STREAMS {
        last = publisher.publish(stream, &Telemetry::Goodbye)?;
    }
    Ok(last)
}

fn cores(system: &System) -> Telemetry {
    let load: Vec<f32> = system.cpus().iter().map(|core| core.usage()).collect();
    Telemetry::Cores { load: Array::from_vec(load) }
}

fn memory(system: &System) -> Telemetry {
    Telemetry::Memory { used: system.used_memory(), total: system.total_memory() }
}

fn space(disks: &Disks) -> Telemetry {
    Telemetry::Disks {
        mounted_on: disks.iter().map(|disk| disk.mount_point().display().to_string()).collect(),
        free: Array::from_vec(disks.iter().map(|disk| disk.available_space()).collect::<Vec<u64>>()),
        total: Array::from_vec(disks.iter().map(|disk| disk.total_space()).collect::<Vec<u64>>()),
    }
}

fn processes(system: &System) -> Result<Telemetry> {
    let mut table: Vec<_> = system.processes().iter().collect();
    table.sort_by(|one, other| other.1.cpu_usage().total_cmp(&one.1.cpu_usage()));
    Ok(Telemetry::Processes {
        names: table.iter().map(|(_, process)| process.name().to_string_lossy().into_owned()).collect(),
        ids: Array::from_vec(table.iter().map(|(id, _)| id.as_u32()).collect::<Vec<u32>>()),
        load: Array::from_vec(table.iter().map(|(_, process)| process.cpu_usage()).collect::<Vec<f32>>()),
        memory: Array::from_vec(table.iter().map(|(_, process)| process.memory()).collect::<Vec<u64>>()),
    })
}

/// Prints every event in one line, until each stream has ended.
fn follow(live: &str, recovery: &str, start: Start) -> Result<()> {
    let told = told_to_end()?;
    let options = SubscriberOptions::new().start(start);
    let mut subscriber = Subscriber::connect_with(&zmq::Context::new(), live, recovery, options)?;
    subscriber.subscribe("host/")?;
    let (mut out, mut ended) = (io::stdout(), BTreeSet::new());
    while ended.len() < STREAMS.len() && !told.load(Ordering::Relaxed) {
        match subscriber.recv_within::<Telemetry>(INTERVAL) {
            Ok(Event::Joined { stream, from, .. }) => writeln!(out, "{:>15} begins with {from}", shown(&stream))?,
            Ok(Event::Data { stream, number, value, .. }) => {
                writeln!(out, "{:>15} {number:>4}  {}", shown(&stream), shown(line(&value)?))?;
                if matches!(value, Telemetry::Goodbye) {
                    ended.insert(stream);
                }
            }
            Ok(Event::Gap { stream, from, to, why, .. }) => {
                writeln!(out, "{:>15} {from} to {to} are lost: {why}", shown(&stream))?
            }
            Ok(Event::Reset { stream, .. }) => writeln!(out, "{:>15} begins anew", shown(&stream))?,
            Ok(Event::Stale { stream, silent }) => writeln!(out, "{:>15} silent for {silent:.1?}", shown(&stream))?,
            Ok(Event::Resumed { stream }) => writeln!(out, "{:>15} is heard of again", shown(&stream))?,
            Ok(other) => writeln!(out, "{other:?}")?,
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let names: Vec<_> = subscriber.streams().cloned().collect();
    for name in names {
        if let Some(counted) = subscriber.statistics(&name) {
            writeln!(
                io::stdout(),
                "{:>15} {} delivered, {} recovered, {} lost",
                shown(&name),
                counted.delivered,
                counted.recovered,
                counted.lost
            )?;
        }
    }
    Ok(())
}

/// Whether a message arrives, and soon: for a supervisor that wants to know how the publisher is.
fn check(live: &str, recovery: &str) -> Result<()> {
    let options = SubscriberOptions::new().start(Start::Last(1));
    let mut subscriber = Subscriber::connect_with(&zmq::Context::new(), live, recovery, options)?;
    subscriber.subscribe(STREAMS[0])?;
    let until = Instant::now() + FAREWELL;
    while !matches!(
        subscriber.recv_within::<Telemetry>(until.saturating_duration_since(Instant::now()))?,
        Event::Data { .. }
    ) {}
    Ok(())
}

/// What others have named, without what a terminal would take for a command.
fn shown(text: impl Display) -> String {
    let (mut shown, text) = (String::new(), text.to_string());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn line(telemetry: &Telemetry) -> Result<String> {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    Ok(match telemetry {
        Telemetry::Cores { load } => {
            let bars: Vec<String> = load.to_vec::<f32>()?.iter().map(|load| format!("{load:>5.1} %")).collect();
            bars.join(" ")
        }
        Telemetry::Memory { used, total } => format!("{:.2} of {:.2} GiB", gib(*used), gib(*total)),
        Telemetry::Disks { mounted_on, free, total } => {
            let sizes = free.to_vec::<u64>()?.into_iter().zip(total.to_vec::<u64>()?);
            let disks = mounted_on.iter().zip(sizes);
            let disks =
                disks.map(|(name, (free, total))| format!("{name} {:.0} of {:.0} GiB free", gib(free), gib(total)));
            disks.take(3).collect::<Vec<_>>().join(", ")
        }
        Telemetry::Processes { names, load, memory, .. } => {
            let all = memory.to_vec::<u64>()?.iter().sum();
            let busiest = names.first().map_or("nobody", String::as_str);
            let load = load.to_vec::<f32>()?.first().copied().unwrap_or_default();
            format!("{} processes, {:.1} GiB; busiest is {busiest} with {load:.0} %", names.len(), gib(all))
        }
        Telemetry::Goodbye => "goodbye".to_owned(),
    })
}
