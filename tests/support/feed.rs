//! A feed between real processes: a publisher and subscribers that check what they are told, started and steered from here.
//!
//! The program that uses this calls [`play_a_role`] first thing in `main`: it starts itself again for every role. Processes
//! take commands on stdin and answer on stdout.

#![allow(dead_code, reason = "each user uses a part")]

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use outband::Buffer;
use outband::feed::{Event, Lost, Publisher, PublisherOptions, Start, Subscriber, SubscriberOptions};
use serde::{Deserialize, Serialize};

const ROLE: &str = "OUTBAND_FEED_ROLE";

/// Nothing in a run that passes takes this long.
const LONG: Duration = Duration::from_secs(120);

/// What is published: a message that knows its place.
#[derive(Debug, Serialize, Deserialize)]
struct Sample {
    epoch: u64,
    number: u64,
    noise: Buffer,
}

impl Sample {
    fn new(epoch: u64, number: u64) -> Self {
        // most are short, and some have a frame of their own
        let len = if number.is_multiple_of(50) { 20_000 } else { 40 + number % 100 };
        Self { epoch, number, noise: Buffer::from_vec(vec![number as u8; len as usize]) }
    }

    fn check(&self, epoch: u64, number: u64) {
        let expected = Self::new(epoch, number);
        assert_eq!((self.epoch, self.number), (expected.epoch, expected.number), "another message than published");
        assert_eq!(self.noise, expected.noise, "a message was changed");
    }
}

/// Plays a role where this process was started for one; does not return then.
pub(crate) fn play_a_role() {
    let Ok(role) = env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    match words[..] {
        ["publisher", live, recovery, streams] => publish(live, recovery, streams.parse().unwrap()),
        ["subscriber", live, recovery, start] => subscribe(live, recovery, start),
        _ => panic!("no such role: {role}"),
    }
    std::process::exit(0);
}

fn stream(index: u64) -> String {
    format!("run/{index}")
}

fn publish(live: &str, recovery: &str, streams: u64) {
    let context = zmq::Context::new();
    let options = PublisherOptions::new()
        .heartbeat(Duration::from_millis(100))
        .cache_messages(20_000)
        .cache_bytes(16 << 20)
        .linger(Duration::ZERO);
    let started = Instant::now();
    let publisher = loop {
        // the socket of a publisher that was killed is closed by the kernel, in its own time
        match Publisher::bind_with(&context, live, recovery, options.clone()) {
            Ok(publisher) => break publisher,
            Err(error) => assert!(started.elapsed() < LONG, "{error}"),
        }
    };
    say(&format!("{} {}", publisher.endpoint(), publisher.recovery_endpoint()));
    let epoch = publisher.epoch();
    let mut last = vec![0; streams as usize];
    for index in 0..streams {
        publisher.announce(&stream(index)).unwrap();
    }
    for command in std::io::stdin().lines().map(Result::unwrap) {
        let count: u64 = command.parse().unwrap();
        for turn in 0..count {
            let index = turn % streams;
            let number = last[index as usize] + 1;
            let published = publisher.publish(&stream(index), &Sample::new(epoch, number)).unwrap();
            assert_eq!(published, number);
            last[index as usize] = number;
        }
        let last: Vec<String> = last.iter().map(u64::to_string).collect();
        say(&format!("{epoch} {} {}", peak_memory(), last.join(" ")));
    }
}

/// What one subscriber was told, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) delivered: u64,
    pub(crate) recovered: u64,
    pub(crate) evicted: u64,
    pub(crate) unanswered: u64,
    pub(crate) restarted: u64,
    pub(crate) resets: u64,
    pub(crate) stale: u64,
    pub(crate) resumed: u64,
    /// The most memory that the process had, in KiB.
    pub(crate) memory: u64,
}

fn subscribe(live: &str, recovery: &str, start: &str) {
    let context = zmq::Context::new();
    // a publisher or a network that is away for long is no reason to give anything up
    let options = SubscriberOptions::new().recovery_attempts(1000).pending_bytes(16 << 20).start(match start {
        "all" => Start::All,
        "last" => Start::Last(10),
        _ => Start::Now,
    });
    let mut subscriber = Subscriber::connect_with(&context, live, recovery, options).unwrap();
    subscriber.subscribe("run/").unwrap();
    let (commands, received) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = commands.send(line);
        }
    });
    let mut told: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut goals: Option<Vec<(String, (u64, u64))>> = None;
    let mut summary = Summary::default();
    let mut joined = 0;
    loop {
        match received.try_recv() {
            Ok(line) => {
                let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
                let epoch = numbers.next().unwrap();
                goals =
                    Some(numbers.enumerate().map(|(index, last)| (stream(index as u64), (epoch, last + 1))).collect());
            }
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => return,
        }
        if let Some(goals) = &goals
            && goals.iter().all(|(name, goal)| told.get(name) == Some(goal))
        {
            break;
        }
        match subscriber.recv_within::<Sample>(Duration::from_millis(20)) {
            Ok(event) => hear(event, &mut told, &mut summary),
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
        if joined < told.len() {
            joined += 1;
            say("joined");
        }
    }
    let Summary { delivered, evicted, unanswered, restarted, resets, stale, resumed, .. } = summary;
    let recovered: u64 = told.keys().map(|name| subscriber.statistics(name).unwrap().recovered).sum();
    let memory = peak_memory();
    say(&format!("{delivered} {recovered} {evicted} {unanswered} {restarted} {resets} {stale} {resumed} {memory}"));
}

/// The invariant.
fn hear(event: Event<Sample>, told: &mut BTreeMap<String, (u64, u64)>, summary: &mut Summary) {
    match event {
        Event::Joined { stream, epoch, from } => {
            assert!(told.insert(stream.to_string(), (epoch, from)).is_none(), "{stream} is joined twice");
        }
        Event::Data { stream, epoch, number, value, .. } => {
            let at = told.get_mut(&*stream).unwrap();
            assert_eq!(*at, (epoch, number), "{stream}");
            value.check(epoch, number);
            at.1 += 1;
            summary.delivered += 1;
        }
        Event::Gap { stream, epoch, from, to, why } => {
            let at = told.get_mut(&*stream).unwrap();
            assert_eq!(*at, (epoch, from), "{stream}");
            assert!(from <= to);
            at.1 = to + 1;
            let lost = to + 1 - from;
            match why {
                Lost::Evicted => summary.evicted += lost,
                Lost::Unanswered => summary.unanswered += lost,
                Lost::Restarted => summary.restarted += lost,
                why => panic!("{why}"),
            }
        }
        Event::Reset { stream, epoch, previous } => {
            let at = told.get_mut(&*stream).unwrap();
            assert_eq!(at.0, previous, "{stream}");
            assert_ne!(epoch, previous);
            *at = (epoch, 1);
            summary.resets += 1;
        }
        Event::Stale { .. } => {
            summary.stale += 1;
            say("stale");
        }
        Event::Resumed { .. } => {
            summary.resumed += 1;
            say("resumed");
        }
        event => panic!("{event:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// The most memory that this process had, in KiB (`VmHWM`, proc(5)).
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A process in a role. Killed when it is dropped.
pub(crate) struct Peer {
    child: Child,
    commands: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts this program again in a role; `within` are words before it, such as `ip netns exec`.
    fn start(role: &str, within: &[&str]) -> Self {
        let program = env::current_exe().unwrap();
        let mut command = match within {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        let mut child =
            command.env(ROLE, role).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process starts");
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { commands: child.stdin.take(), child, lines }
    }

    fn command(&mut self, line: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the process ended: see its message above");
        line.trim().to_owned()
    }

    /// Sends a signal: `STOP`, `CONT`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        // the shell's own: a small machine has no program of that name
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A publisher's process, which can be killed and started again.
pub(crate) struct Source {
    peer: Peer,
    within: Vec<String>,
    streams: u64,
    pub(crate) live: String,
    pub(crate) recovery: String,
    /// Epoch and last numbers.
    at: Option<String>,
    /// The most memory that it had, in KiB.
    pub(crate) memory: u64,
    pub(crate) published: u64,
}

impl Source {
    pub(crate) fn start(within: &[&str], live: &str, recovery: &str, streams: u64) -> Self {
        let mut peer = Peer::start(&format!("publisher {live} {recovery} {streams}"), within);
        let line = peer.line();
        let (live, recovery) = line.split_once(' ').unwrap();
        let within = within.iter().map(|word| word.to_string()).collect();
        let (live, recovery) = (live.to_owned(), recovery.to_owned());
        Self { peer, within, streams, live, recovery, at: None, memory: 0, published: 0 }
    }

    /// Where it publishes.
    pub(crate) fn live(&self) -> &str {
        &self.live
    }

    /// Publishes so many messages, as fast as it can.
    pub(crate) fn publish(&mut self, messages: u64) {
        self.begin(messages);
        self.end();
        self.published += messages;
    }

    /// Lets it publish, without waiting for the end.
    pub(crate) fn begin(&mut self, messages: u64) {
        self.peer.command(&messages.to_string());
    }

    /// Waits until it has published what it was let.
    pub(crate) fn end(&mut self) {
        let line = self.peer.line();
        let mut words = line.splitn(3, ' ');
        let (epoch, memory, last) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        self.memory = self.memory.max(memory.parse().unwrap());
        self.at = Some(format!("{epoch} {last}"));
    }

    /// Sends a signal: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        self.peer.signal(name);
    }

    /// What the subscribers of everything that was published wait for: the epoch, and the last number of each stream.
    pub(crate) fn goal(&self) -> &str {
        self.at.as_ref().expect("something was published")
    }

    /// Kills it, whatever it does, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.peer.signal("KILL");
        self.peer.child.wait().unwrap();
        let within: Vec<&str> = self.within.iter().map(String::as_str).collect();
        let (memory, published) = (self.memory, self.published);
        *self = Self::start(&within, &self.live, &self.recovery, self.streams);
        (self.memory, self.published) = (memory, published);
    }
}

/// What a subscriber's process says on the way.
const WORDS: [&str; 3] = ["joined", "stale", "resumed"];

/// A subscriber's process.
pub(crate) struct Sink {
    pub(crate) peer: Peer,
    streams: u64,
}

impl Sink {
    pub(crate) fn start(within: &[&str], source: &Source, start: &str) -> Self {
        let peer = Peer::start(&format!("subscriber {} {} {start}", source.live, source.recovery), within);
        Self { peer, streams: source.streams }
    }

    /// One that listens at an endpoint of its own, and recovers from the source.
    pub(crate) fn start_at(live: &str, source: &Source, start: &str) -> Self {
        let peer = Peer::start(&format!("subscriber {live} {} {start}", source.recovery), &[]);
        Self { peer, streams: source.streams }
    }

    /// Waits until it has joined every stream.
    pub(crate) fn joined(&mut self) {
        (0..self.streams).for_each(|_| self.says("joined"));
    }

    /// Waits until it says a word.
    pub(crate) fn says(&mut self, word: &str) {
        loop {
            let line = self.peer.line();
            if line == word {
                return;
            }
            assert!(WORDS.contains(&line.as_str()), "{line}");
        }
    }

    /// Waits until it has been told of everything that was published, and returns what it was told.
    pub(crate) fn finish(mut self, source: &Source) -> Summary {
        self.peer.command(source.goal());
        let mut line = self.peer.line();
        while WORDS.contains(&line.as_str()) {
            line = self.peer.line();
        }
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [delivered, recovered, evicted, unanswered, restarted, resets, stale, resumed, memory] = numbers[..] else {
            panic!("{line}")
        };
        Summary { delivered, recovered, evicted, unanswered, restarted, resets, stale, resumed, memory }
    }
}
