//! Hosts in network namespaces, each joined to the first by a cable that loses, delays, and is pulled out.
//!
//! Takes root, `ip`, `tc` and `nft`. Loss is nftables' `numgen random`: packets are really dropped as they arrive. Delay is netem's
//! where the kernel has that module, and else that of the queue before a narrow cable (tbf), which drops what does not fit.

#![allow(dead_code, reason = "each test uses a part")]

use std::mem::ManuallyDrop;
use std::process::{self, Command, Stdio};

/// A star of hosts, removed when it is dropped.
pub(crate) struct Hosts {
    /// That of the first host, and then of those around it.
    names: Vec<String>,
    delay: Delay,
}

/// What delays packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
    Netem,
    /// The queue before a narrow cable.
    Tbf,
}

impl Delay {
    fn words(self) -> &'static str {
        match self {
            Self::Netem => "root netem delay 20ms 10ms",
            Self::Tbf => "root tbf rate 40mbit burst 16kb latency 50ms",
        }
    }
}

/// Which packets of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the first host.
    Out,
    /// To the first host.
    In,
    Both,
}

impl Hosts {
    /// A host in the middle and `around` others; or why there can be none.
    pub(crate) fn new(around: usize) -> Result<Self, String> {
        let mut hosts = Self { names: Vec::new(), delay: Delay::Netem };
        for host in 0..=around {
            let name = format!("outband-{}-{host}", process::id());
            ip(&["netns", "add", &name])?;
            hosts.names.push(name.clone());
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            if host > 0 {
                let (centre, near, far) = (&hosts.names[0], format!("cable{host}"), "cable");
                ip(&["-n", centre, "link", "add", &near, "type", "veth", "peer", "name", far, "netns", &name])?;
                ip(&["-n", centre, "addr", "add", &format!("10.92.{host}.1/24"), "dev", &near])?;
                ip(&["-n", centre, "link", "set", &near, "up"])?;
                ip(&["-n", &name, "addr", "add", &format!("10.92.{host}.2/24"), "dev", far])?;
                ip(&["-n", &name, "link", "set", far, "up"])?;
            }
        }
        // so that what is missing is found out before anything is tested
        for host in 1..=around {
            hosts.try_lose(host, Way::Both, 0)?;
            if hosts.try_slow(host).is_err() {
                hosts.delay = Delay::Tbf;
                hosts.try_slow(host)?;
            }
            hosts.try_unslow(host)?;
        }
        Ok(hosts)
    }

    /// Those that another process has made.
    pub(crate) fn of(names: &str) -> Borrowed {
        let (delay, names) = names.split_once(' ').unwrap();
        let delay = if delay == "Netem" { Delay::Netem } else { Delay::Tbf };
        Borrowed(ManuallyDrop::new(Self { names: names.split(' ').map(str::to_owned).collect(), delay }))
    }

    /// For [`of`](Self::of).
    pub(crate) fn names(&self) -> String {
        format!("{:?} {}", self.delay, self.names.join(" "))
    }

    /// How packets are delayed here.
    pub(crate) fn delay(&self) -> Delay {
        self.delay
    }

    /// The address of the first host, as another one sees it.
    pub(crate) fn address(&self, host: usize) -> String {
        format!("10.92.{host}.1")
    }

    /// A command that runs on a host.
    pub(crate) fn on(&self, host: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[host]]).arg(program);
        command
    }

    /// Loses so many packets of a hundred on the cable of a host.
    pub(crate) fn lose(&self, host: usize, way: Way, percent: u32) {
        self.try_lose(host, way, percent).unwrap();
    }

    fn try_lose(&self, host: usize, way: Way, percent: u32) -> Result<(), String> {
        let (near, far) = (format!("cable{host}"), "cable".to_owned());
        for (at, end, device) in [(0, Way::In, near), (host, Way::Out, far)] {
            let nft = |words: &str| {
                let within = ["netns", "exec", &self.names[at], "nft"];
                ip(&within.into_iter().chain(words.split_whitespace()).collect::<Vec<_>>())
            };
            let percent = if way == end || way == Way::Both { percent } else { 0 };
            nft(&format!("add table inet {device}"))?;
            nft(&format!("flush table inet {device}"))?;
            nft(&format!("add chain inet {device} arriving {{ type filter hook input priority 0 ; }}"))?;
            let which = if percent >= 100 { String::new() } else { format!("numgen random mod 100 < {percent}") };
            nft(&format!("add rule inet {device} arriving iifname {device} {which} drop"))?;
        }
        Ok(())
    }

    /// Delays packets on the cable of a host, both ways.
    pub(crate) fn slow(&self, host: usize) {
        self.try_slow(host).unwrap();
    }

    fn try_slow(&self, host: usize) -> Result<(), String> {
        self.each_end(host, |tc| tc("replace", self.delay.words()))
    }

    /// Delays them no more.
    pub(crate) fn unslow(&self, host: usize) {
        self.try_unslow(host).unwrap();
    }

    fn try_unslow(&self, host: usize) -> Result<(), String> {
        self.each_end(host, |tc| tc("del", "root"))
    }

    /// Carries five megabytes in a second on the cable of a host, each way.
    #[allow(dead_code, reason = "not every test has large messages")]
    pub(crate) fn narrow(&self, host: usize) {
        self.each_end(host, |tc| tc("replace", "root tbf rate 40mbit burst 64kb limit 512kb")).unwrap();
    }

    fn each_end(
        &self,
        host: usize,
        act: impl Fn(&dyn Fn(&str, &str) -> Result<(), String>) -> Result<(), String>,
    ) -> Result<(), String> {
        for (at, device) in [(0, format!("cable{host}")), (host, "cable".to_owned())] {
            act(&|verb, words| {
                let within = ["-n", &self.names[at], "qdisc", verb, "dev", &device];
                run("tc", &within.into_iter().chain(words.split(' ')).collect::<Vec<_>>())
            })?;
        }
        Ok(())
    }

    /// Pulls a host's cable out.
    pub(crate) fn unplug(&self, host: usize) {
        ip(&["-n", &self.names[host], "link", "set", "cable", "down"]).unwrap();
    }

    pub(crate) fn plug(&self, host: usize) {
        ip(&["-n", &self.names[host], "link", "set", "cable", "up"]).unwrap();
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Hosts that somebody else removes.
pub(crate) struct Borrowed(ManuallyDrop<Hosts>);

impl std::ops::Deref for Borrowed {
    type Target = Hosts;

    fn deref(&self) -> &Hosts {
        &self.0
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
