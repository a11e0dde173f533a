//! Feeds between hosts: network namespaces joined by a cable that loses, delays, and is pulled out.
//!
//! Loss is nftables' `numgen random`: packets are really dropped as they arrive. Delay is netem's where the kernel has it, and else
//! that of the queue before a narrow cable (tbf), which drops what does not fit.
//!
//! A program of its own (`harness = false`), because it starts itself for every role. It takes root, `ip`, `tc` and `nft`;
//! without these it says that it was not run, and fails where `CI` is set: there they are installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/feed.rs"]
mod feed;

use std::env;
use std::process::{self, Command, Stdio};

use feed::{Sink, Source};

type Test = fn(&Hosts);

fn main() {
    feed::play_a_role();
    let tests: [(&str, Test); 3] = [
        ("every_message_comes_through_a_network_that_loses_and_delays", lossy),
        ("what_is_published_while_the_cable_is_out_is_told_when_it_is_in_again", unplugged),
        ("whatever_the_network_does_every_number_is_told_once", anything),
    ];
    println!("\nrunning {} tests", tests.len());
    let mut passed = 0;
    for (name, test) in tests {
        match Hosts::new() {
            Ok(hosts) => {
                test(&hosts);
                passed += 1;
                println!("test {name} ... ok (delay: {:?})", hosts.delay);
            }
            Err(reason) => {
                println!("test {name} ... NOT RUN");
                eprintln!("\nNOT RUN: feeds between hosts: {name}. It takes root, ip, tc and nft: {reason}\n");
                assert!(env::var_os("CI").is_none(), "what this takes is there where CI is set");
            }
        }
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; {} ignored\n", tests.len() - passed);
}

/// Two hosts and the cable between them.
struct Hosts {
    names: [String; 2],
    delay: Delay,
}

/// What delays packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delay {
    Netem,
    /// The queue before a narrow cable.
    Tbf,
}

const ADDRESSES: [&str; 2] = ["10.91.7.1", "10.91.7.2"];

impl Hosts {
    fn new() -> Result<Self, String> {
        let names = ["a", "b"].map(|host| format!("outband-{host}-{}", process::id()));
        let [a, b] = names.clone();
        let mut hosts = Self { names, delay: Delay::Netem };
        for name in [&a, &b] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        ip(&["-n", &a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &b])?;
        for (name, address) in [&a, &b].into_iter().zip(ADDRESSES) {
            ip(&["-n", name, "addr", "add", &format!("{address}/24"), "dev", "cable"])?;
            ip(&["-n", name, "link", "set", "cable", "up"])?;
        }
        hosts.lose(0)?;
        if hosts.slow(true).is_err() {
            hosts.delay = Delay::Tbf;
            hosts.slow(true)?;
        }
        hosts.slow(false)?;
        Ok(hosts)
    }

    /// Loses so many packets of a hundred, both ways.
    fn lose(&self, percent: u32) -> Result<(), String> {
        for name in &self.names {
            let nft = |words: &str| {
                let within = ["netns", "exec", name, "nft"];
                ip(&within.into_iter().chain(words.split(' ')).collect::<Vec<_>>())
            };
            nft("add table inet cable")?;
            nft("flush table inet cable")?;
            nft("add chain inet cable arriving { type filter hook input priority 0 ; }")?;
            nft(&format!("add rule inet cable arriving numgen random mod 100 < {percent} drop"))?;
        }
        Ok(())
    }

    /// Delays packets by a few milliseconds.
    fn slow(&self, slow: bool) -> Result<(), String> {
        for name in &self.names {
            let tc = |words: &str| {
                let within = ["-n", name, "qdisc"];
                run("tc", &within.into_iter().chain(words.split(' ')).collect::<Vec<_>>())
            };
            if slow {
                tc(match self.delay {
                    Delay::Netem => "replace dev cable root netem delay 5ms 2ms",
                    Delay::Tbf => "replace dev cable root tbf rate 60mbit burst 16kb latency 30ms",
                })?;
            } else {
                tc("del dev cable root")?;
            }
        }
        Ok(())
    }

    fn plug(&self, state: &str) {
        ip(&["-n", &self.names[1], "link", "set", "cable", state]).unwrap();
    }

    /// A publisher on the first host.
    fn source(&self) -> Source {
        let endpoint = format!("tcp://{}:*", ADDRESSES[0]);
        Source::start(&["ip", "netns", "exec", &self.names[0]], &endpoint, &endpoint, 2)
    }

    /// A subscriber on the second host.
    fn sink(&self, source: &Source, start: &str) -> Sink {
        let mut sink = Sink::start(&["ip", "netns", "exec", &self.names[1]], source, start);
        sink.joined();
        sink
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    run("ip", words)
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = ran.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {}: {}", words.join(" "), said.trim())) }
}

fn lossy(hosts: &Hosts) {
    let mut source = hosts.source();
    let sinks = [hosts.sink(&source, "now"), hosts.sink(&source, "now")];
    hosts.lose(3).unwrap();
    hosts.slow(true).unwrap();
    for _ in 0..10 {
        source.publish(1000);
    }
    for told in sinks.map(|sink| sink.finish(&source)) {
        assert_eq!((told.delivered, told.resets), (10_000, 0), "{told:?}");
    }
}

fn unplugged(hosts: &Hosts) {
    let mut source = hosts.source();
    let sink = hosts.sink(&source, "now");
    source.publish(1000);
    hosts.plug("down");
    source.publish(15_000);
    hosts.plug("up");
    source.publish(1000);
    let told = sink.finish(&source);
    assert_eq!((told.delivered, told.resets), (17_000, 0), "{told:?}");
    assert!(told.recovered > 0, "the queues held it all: {told:?}");
}

fn anything(hosts: &Hosts) {
    let mut source = hosts.source();
    let mut sinks = vec![hosts.sink(&source, "now"), hosts.sink(&source, "now")];
    for (percent, slow) in [(5, false), (0, true), (1, true)] {
        hosts.lose(percent).unwrap();
        if slow {
            hosts.slow(true).unwrap();
        }
        source.publish(4000);
        hosts.plug("down");
        source.publish(6000);
        hosts.plug("up");
        sinks.push(hosts.sink(&source, "all"));
    }
    source.begin(100_000);
    source.kill_and_restart();
    source.publish(2000);
    for sink in sinks {
        let told = sink.finish(&source);
        assert!(told.delivered >= 2000 && told.resets == 2, "{told:?}");
    }
}
