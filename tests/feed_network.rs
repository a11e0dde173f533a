//! Feeds between hosts: network namespaces joined by a cable that loses, delays, and is pulled out.
//!
//! A program of its own (`harness = false`), because it starts itself for every role. It takes root, `ip`, `tc`, and `nft` where the
//! kernel has no netem; without these it says that it was not run, and fails where `CI` is set: there they are installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/feed.rs"]
mod feed;
#[path = "support/hosts.rs"]
mod hosts;

use std::env;

use feed::{Sink, Source};
use hosts::{Hosts, Way};

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
        match Hosts::new(1) {
            Ok(hosts) => {
                test(&hosts);
                passed += 1;
                println!("test {name} ... ok ({})", hosts.means().words());
            }
            Err(reason) => {
                println!("test {name} ... NOT RUN");
                eprintln!(
                    "\nNOT RUN: feeds between hosts: {name}. It takes root, ip, tc, and netem or nft: {reason}\n"
                );
                assert!(env::var_os("CI").is_none(), "what this takes is there where CI is set");
            }
        }
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; {} ignored\n", tests.len() - passed);
}

/// Publishes on the first host.
fn source(hosts: &Hosts) -> Source {
    let endpoint = format!("tcp://{}:*", hosts.address(1));
    Source::start(&hosts.within(0), &endpoint, &endpoint, 2)
}

/// Subscribes on the other one.
fn sink(hosts: &Hosts, source: &Source, start: &str) -> Sink {
    let mut sink = Sink::start(&hosts.within(1), source, start);
    sink.joined();
    sink
}

fn lossy(hosts: &Hosts) {
    let mut source = source(hosts);
    let sinks = [sink(hosts, &source, "now"), sink(hosts, &source, "now")];
    hosts.lose(1, Way::Both, 3);
    hosts.slow(1);
    for _ in 0..10 {
        source.publish(1000);
    }
    for told in sinks.map(|sink| sink.finish(&source)) {
        assert_eq!((told.delivered, told.resets), (10_000, 0), "{told:?}");
    }
}

fn unplugged(hosts: &Hosts) {
    let mut source = source(hosts);
    let sink = sink(hosts, &source, "now");
    source.publish(1000);
    hosts.unplug(1);
    source.publish(15_000);
    hosts.plug(1);
    source.publish(1000);
    let told = sink.finish(&source);
    assert_eq!((told.delivered, told.resets), (17_000, 0), "{told:?}");
    assert!(told.recovered > 0, "the queues held it all: {told:?}");
}

fn anything(hosts: &Hosts) {
    let mut source = source(hosts);
    let mut sinks = vec![sink(hosts, &source, "now"), sink(hosts, &source, "now")];
    for (percent, slow) in [(5, false), (0, true), (1, true)] {
        hosts.lose(1, Way::Both, percent);
        if slow {
            hosts.slow(1);
        }
        source.publish(4000);
        hosts.unplug(1);
        source.publish(6000);
        hosts.plug(1);
        sinks.push(sink(hosts, &source, "all"));
    }
    source.begin(100_000);
    source.kill_and_restart();
    source.publish(2000);
    for sink in sinks {
        let told = sink.finish(&source);
        assert!(told.delivered >= 2000 && told.resets == 2, "{told:?}");
    }
}
