//! This machine's telemetry as a feed: per-core load, memory, disks, and the process table as arrays.
//!
//! ```text
//! cargo run --example feed_telemetry                             four seconds, watched by a process of its own
//! cargo run --example feed_telemetry -- --seconds 3600           prints its two endpoints: watch from elsewhere as well
//! cargo run --example feed_telemetry -- --watch LIVE RECOVERY
//! ```
//!
//! Who comes late begins with the last value of each stream; who is stopped for a while (Ctrl-Z) is told everything when it
//! goes on, as far as the publisher's cache has it, and of the rest how much it was.

use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use outband::Array;
use outband::feed::{Event, Publisher, Start, Subscriber, SubscriberOptions};
use serde::{Deserialize, Serialize};
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
    /// The publisher ends.
    Goodbye,
}

const INTERVAL: Duration = Duration::from_millis(250);

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => publish(Duration::from_secs(4)),
        ["--seconds", seconds] => publish(Duration::from_secs(seconds.parse()?)),
        ["--watch", live, recovery] => watch(live, recovery),
        _ => Err("usage: feed_telemetry [--seconds N | --watch LIVE RECOVERY]".into()),
    }
}

fn publish(time: Duration) -> Result<()> {
    let context = zmq::Context::new();
    let publisher = Publisher::bind(&context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")?;
    let endpoints = [publisher.endpoint(), publisher.recovery_endpoint()];
    println!("publishing; from elsewhere: feed_telemetry --watch {} {}", endpoints[0], endpoints[1]);
    let mut watcher = Command::new(env::current_exe()?).arg("--watch").args(endpoints).spawn()?;

    let (mut system, mut disks) = (System::new()?, Disks::new_with_refreshed_list()?);
    let started = Instant::now();
    while started.elapsed() < time {
        let next = Instant::now() + INTERVAL;
        system.refresh_cpu_usage();
        system.refresh_memory();
        system.refresh_processes(ProcessesToUpdate::All, true);
        disks.refresh(true);
        publisher.publish("host/cores", &cores(&system))?;
        publisher.publish("host/memory", &memory(&system))?;
        publisher.publish("host/disks", &space(&disks))?;
        publisher.publish("host/processes", &processes(&system)?)?;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    publisher.publish("host/goodbye", &Telemetry::Goodbye)?;
    let ended = watcher.wait()?;
    println!("published {} messages", publisher.statistics().published);
    if ended.success() { Ok(()) } else { Err("the watcher failed".into()) }
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

/// Prints every event in one line.
fn watch(live: &str, recovery: &str) -> Result<()> {
    let context = zmq::Context::new();
    let options = SubscriberOptions::new().start(Start::Last(1));
    let mut subscriber = Subscriber::connect_with(&context, live, recovery, options)?;
    subscriber.subscribe("host/")?;
    loop {
        match subscriber.recv::<Telemetry>()? {
            Event::Data { value: Telemetry::Goodbye, .. } => break,
            Event::Data { stream, number, value, .. } => println!("{stream:>15} {number:>4}  {}", line(&value)?),
            Event::Gap { stream, from, to, why, .. } => println!("{stream:>15} {from} to {to} are lost: {why}"),
            Event::Reset { stream, .. } => println!("{stream:>15} begins anew"),
            Event::Stale { stream, silent } => println!("{stream:>15} silent for {silent:.1?}"),
            _ => {}
        }
    }
    let names: Vec<_> = subscriber.streams().cloned().collect();
    for name in names {
        if let Some(counted) = subscriber.statistics(&name) {
            println!(
                "{name:>15} {} delivered, {} recovered, {} lost",
                counted.delivered, counted.recovered, counted.lost
            );
        }
    }
    Ok(())
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
