//! Hosts in network namespaces, each joined to the first by a cable that loses, delays, and is pulled out.
//!
//! Takes root, `ip` and `tc`. Where the kernel has netem, that loses and delays. Elsewhere it takes `nft`, too: loss is nftables'
//! `numgen random`, which drops packets as they arrive, and delay is that of the queue before a narrow cable (tbf), which drops what does
//! not fit.

#![allow(dead_code, reason = "each test uses a part")]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::process::{self, Command, Stdio};

/// A star of hosts, removed when it is dropped.
pub(crate) struct Hosts {
    /// That of the first host, and then of those around it.
    names: Vec<String>,
    means: Means,
    /// Those of the hosts around.
    cables: RefCell<Vec<Cable>>,
}

/// What loses and delays packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Netem,
    Others,
}

impl Means {
    /// For the line that a test prints.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Netem => "loss: netem, delay: netem",
            Self::Others => "loss: nftables, delay: tbf",
        }
    }
}

/// What one does to its packets.
#[derive(Clone, Copy, Default)]
struct Cable {
    /// Of a hundred that leave the first host, and of those that come to it.
    lost: [u32; 2],
    is_slow: bool,
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
        let cables = RefCell::new(vec![Cable::default(); around]);
        let mut hosts = Self { names: Vec::new(), means: Means::Netem, cables };
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
            if hosts.try_slow(host, true).is_err() {
                hosts.means = Means::Others;
                hosts.try_slow(host, true)?;
            }
            hosts.try_slow(host, false)?;
            hosts.try_lose(host, Way::Both, 0)?;
        }
        Ok(hosts)
    }

    /// Those that another process has made, and to whose cables it has done nothing.
    pub(crate) fn of(names: &str) -> Borrowed {
        let (means, names) = names.split_once(' ').unwrap();
        let means = if means == "Netem" { Means::Netem } else { Means::Others };
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let cables = RefCell::new(vec![Cable::default(); names.len() - 1]);
        Borrowed(ManuallyDrop::new(Self { names, means, cables }))
    }

    /// For [`of`](Self::of).
    pub(crate) fn names(&self) -> String {
        format!("{:?} {}", self.means, self.names.join(" "))
    }

    /// How packets are lost and delayed here.
    pub(crate) fn means(&self) -> Means {
        self.means
    }

    /// The address of the first host, as another one sees it.
    pub(crate) fn address(&self, host: usize) -> String {
        format!("10.92.{host}.1")
    }

    /// The words before a command that runs on a host.
    pub(crate) fn within(&self, host: usize) -> [&str; 4] {
        ["ip", "netns", "exec", &self.names[host]]
    }

    /// A command that runs on a host.
    pub(crate) fn on(&self, host: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let [first, rest @ ..] = self.within(host);
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }

    /// Loses so many packets of a hundred on the cable of a host.
    pub(crate) fn lose(&self, host: usize, way: Way, percent: u32) {
        self.try_lose(host, way, percent).unwrap();
    }

    fn try_lose(&self, host: usize, way: Way, percent: u32) -> Result<(), String> {
        let lost = [Way::Out, Way::In].map(|each| if way == each || way == Way::Both { percent } else { 0 });
        self.cables.borrow_mut()[host - 1].lost = lost;
        match self.means {
            Means::Netem => self.netem(host),
            Means::Others => self.nftables(host),
        }
    }

    /// Delays packets on the cable of a host, both ways.
    pub(crate) fn slow(&self, host: usize) {
        self.try_slow(host, true).unwrap();
    }

    fn try_slow(&self, host: usize, is_slow: bool) -> Result<(), String> {
        self.cables.borrow_mut()[host - 1].is_slow = is_slow;
        match self.means {
            Means::Netem => self.netem(host),
            Means::Others if is_slow => {
                self.at_both_ends(host, "replace", "root tbf rate 40mbit burst 16kb latency 50ms")
            }
            Means::Others => self.at_both_ends(host, "del", "root"),
        }
    }

    /// Carries five megabytes in a second on the cable of a host, each way, instead of whatever else it did to packets.
    pub(crate) fn narrow(&self, host: usize) {
        self.at_both_ends(host, "replace", "root tbf rate 40mbit burst 64kb limit 512kb").unwrap();
    }

    /// Those that leave an end; what is not said here is no more.
    fn netem(&self, host: usize) -> Result<(), String> {
        let Cable { lost, is_slow } = self.cables.borrow()[host - 1];
        let delay = if is_slow { " delay 20ms 10ms" } else { "" };
        for ((at, device), percent) in self.ends(host).into_iter().zip(lost) {
            self.tc(at, "replace", &device, &format!("root netem loss {percent}%{delay}"))?;
        }
        Ok(())
    }

    /// Those that arrive at the other end.
    fn nftables(&self, host: usize) -> Result<(), String> {
        let [out, back] = self.cables.borrow()[host - 1].lost;
        for ((at, device), percent) in self.ends(host).into_iter().zip([back, out]) {
            let nft = |words: &str| {
                let within = ["netns", "exec", &self.names[at], "nft"];
                ip(&within.into_iter().chain(words.split_whitespace()).collect::<Vec<_>>())
            };
            nft(&format!("add table inet {device}"))?;
            nft(&format!("flush table inet {device}"))?;
            nft(&format!("add chain inet {device} arriving {{ type filter hook input priority 0 ; }}"))?;
            let which = if percent >= 100 { String::new() } else { format!("numgen random mod 100 < {percent}") };
            nft(&format!("add rule inet {device} arriving iifname {device} {which} drop"))?;
        }
        Ok(())
    }

    fn at_both_ends(&self, host: usize, verb: &str, words: &str) -> Result<(), String> {
        self.ends(host).iter().try_for_each(|(at, device)| self.tc(*at, verb, device, words))
    }

    /// The hosts at the ends of a cable, and what it is called there.
    fn ends(&self, host: usize) -> [(usize, String); 2] {
        [(0, format!("cable{host}")), (host, "cable".to_owned())]
    }

    fn tc(&self, at: usize, verb: &str, device: &str, words: &str) -> Result<(), String> {
        let within = ["-n", &self.names[at], "qdisc", verb, "dev", device];
        run("tc", &within.into_iter().chain(words.split(' ')).collect::<Vec<_>>())
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
