//! Publish and subscribe: topics, and a subscriber that comes late and knows it.
//!
//! A PUB socket sends nothing to a subscriber that is not there yet, and tells nobody. Two things make that honest: the
//! publisher is an XPUB, which receives every subscription as a message and so knows who is there before it begins. And
//! every object has a number, so that a subscriber knows how many it missed.

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use ending::Result;
use outband::{Buffer, SocketExt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Radar {
    number: u64,
    echoes: Buffer,
}
const IMAGES: u64 = 10;

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<()> {
    let context = zmq::Context::new();
    let publisher = context.socket(zmq::XPUB)?;
    publisher.set_xpub_verbose(true)?; // also tells of a subscription that somebody else has already
    publisher.set_rcvtimeo(10_000)?;
    publisher.bind("tcp://127.0.0.1:*")?;
    let address = publisher.get_last_endpoint()?.map_err(|_| "the address is no text")?;

    let mut watching = Vec::new();
    for (topic, numbers) in [("radar.", 0..4), ("radar.south", 4..IMAGES)] {
        let (context, address) = (context.clone(), address.clone());
        watching.push(thread::spawn(move || watch(&context, &address, topic)));
        let event = publisher.recv_message()?; // a subscription is a message of one frame: a 1, then the topic
        writeln!(io::stdout(), "publisher: subscription {:?}", event.metadata())?;
        assert_eq!(event.metadata()[0], 1, "somebody left");
        for number in numbers {
            for station in ["radar.north", "radar.south"] {
                let echoes = Buffer::from_vec(vec![number as f32; 256 * 256]);
                publisher.publish_obj(station, &Radar { number, echoes })?;
            }
        }
    }

    let counts = watching.into_iter().map(|watcher| watcher.join().expect("no panic")).collect::<Result<Vec<_>>>()?;
    let [early, late] = counts[..] else { unreachable!("two were started") };
    writeln!(io::stdout(), "received and missed: {early:?} early, both stations; {late:?} late, one station")?;
    assert_eq!((early, late), ((20, 0), (6, 4)));
    Ok(())
}

/// Counts what was received, and what was published before that and missed.
fn watch(context: &zmq::Context, address: &str, topic: &str) -> Result<(u64, u64)> {
    let socket = context.socket(zmq::SUB)?;
    socket.set_rcvtimeo(10_000)?;
    socket.set_subscribe(topic.as_bytes())?;
    socket.connect(address)?;
    let (mut received, mut missed) = (0, None);
    loop {
        let (station, radar): (_, Radar) = socket.recv_topic_obj()?;
        missed.get_or_insert(radar.number);
        assert_eq!(radar.echoes.try_cast::<f32>()?[0], radar.number as f32); // a view of the received frame
        received += 1;
        if radar.number + 1 == IMAGES && &station[..] == b"radar.south" {
            return Ok((received, missed.unwrap_or_default()));
        }
    }
}
