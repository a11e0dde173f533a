//! What a feed delivers while its processes are stopped and killed, and what a subscriber costs that does not read.

use std::thread;
use std::time::{Duration, Instant};

use super::LOOPBACK;
use super::feed::{Sink, Source, Summary};
use super::random::Random;
use super::rig::paired::median;

/// What a subscriber that does not read costs the publisher: the rate to nobody, to one that reads, and to one that is stopped.
pub(crate) fn stalled(rounds: usize) {
    const MESSAGES: u64 = 100_000;
    let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 1);
    source.publish(MESSAGES);
    let (before, mut seconds) = (source.memory, [const { Vec::new() }; 3]);
    for _ in 0..rounds {
        seconds[0].push(timed(|| source.publish(MESSAGES)));
        let mut sink = Sink::start(&[], &source, "now");
        sink.joined();
        seconds[1].push(timed(|| source.publish(MESSAGES)));
        sink.peer.signal("STOP");
        // the queues are full from here on
        source.publish(MESSAGES);
        seconds[2].push(timed(|| source.publish(MESSAGES)));
    }
    let ratio = median(seconds[0].iter().zip(&seconds[2]).map(|(nobody, stopped)| nobody / stopped).collect());
    let [nobody, reading, stopped] = seconds.map(|seconds| MESSAGES as f64 / median(seconds));
    let grown = (source.memory - before) as f64 / 1024.0;
    println!("| published to | | |\n|---|---:|---|");
    println!("| nobody | {nobody:.0} /s | |\n| one subscriber | {reading:.0} /s | |");
    println!(
        "| one that is stopped | {stopped:.0} /s | {ratio:.2} of the rate to nobody; {grown:.1} MiB more in all |\n"
    );
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// Publishes again what is published at `live`, but for every twentieth message, which is lost: anyone, at random.
fn lossy(live: &str, mut random: Random) -> String {
    let context = zmq::Context::new();
    let (from, to) = (context.socket(zmq::SUB).unwrap(), context.socket(zmq::PUB).unwrap());
    from.connect(live).unwrap();
    from.set_subscribe(b"").unwrap();
    to.bind(LOOPBACK).unwrap();
    let endpoint = to.get_last_endpoint().unwrap().unwrap();
    thread::spawn(move || {
        loop {
            let frames = from.recv_multipart(0).unwrap();
            if random.below(20) > 0 {
                to.send_multipart(frames, 0).unwrap();
            }
        }
    });
    endpoint
}

/// Runs of more than 100 000 messages in which processes are stopped for seconds, killed, started again and started late. One
/// subscriber, and every other one that comes late, loses messages at random.
pub(crate) fn faults(runs: u64) {
    println!(
        "| run | published | kills | stops | late | delivered | recovered | evicted | unanswered | restarted | memory, MiB |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for run in 0..runs {
        let mut random = Random::seeded(1000 + run);
        let mut source = Source::start(&[], LOOPBACK, LOOPBACK, 4);
        let losing = lossy(source.live(), Random::seeded(2000 + run));
        let mut sinks: Vec<Sink> = (0..2).map(|_| Sink::start(&[], &source, "now")).collect();
        sinks.push(Sink::start_at(&losing, &source, "now"));
        sinks.iter_mut().for_each(Sink::joined);
        let (mut kills, mut stops, mut late) = (0, 0, 0);
        while source.published < 120_000 {
            let victim = random.below(sinks.len());
            match random.below(6) {
                0 => {
                    source.begin(30_000);
                    thread::sleep(Duration::from_millis(random.below(100) as u64));
                    source.kill_and_restart();
                    kills += 1;
                }
                1 | 2 => {
                    sinks[victim].peer.signal("STOP");
                    source.publish(10_000 + random.below(20_000) as u64);
                    thread::sleep(Duration::from_millis(500 + random.below(3000) as u64));
                    sinks[victim].peer.signal("CONT");
                    stops += 1;
                }
                3 => {
                    let start = ["all", "last", "now"][random.below(3)];
                    let is_losing = random.below(2) == 0;
                    let live = if is_losing { &losing } else { source.live() };
                    sinks.push(Sink::start_at(live, &source, start));
                    sinks.last_mut().unwrap().joined();
                    late += 1;
                }
                _ => source.publish(10_000),
            }
        }
        source.publish(1000);
        let (published, mut memory) = (source.published, source.memory);
        let mut all = Summary::default();
        for sink in sinks {
            let told = sink.finish(&source);
            all.delivered += told.delivered;
            all.recovered += told.recovered;
            all.evicted += told.evicted;
            all.unanswered += told.unanswered;
            all.restarted += told.restarted;
            memory = memory.max(told.memory);
        }
        let Summary { delivered, recovered, evicted, unanswered, restarted, .. } = all;
        println!(
            "| {run} | {published} | {kills} | {stops} | {late} | {delivered} | {recovered} | {evicted} | {unanswered} | \
             {restarted} | {:.0} |",
            memory as f64 / 1024.0
        );
    }
}
