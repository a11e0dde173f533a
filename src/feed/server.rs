//! The publisher's own thread: heartbeats, and answers to who missed something.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::warn;

use super::desk::{Answer, Desk};
use super::header::{MAX_HEADER, Request};
use super::publisher::{Live, Shared};
use crate::error::{Detail, Error, Result};
use crate::frame;
use crate::socket::{Arrival, send_front, send_parts};

/// How often subscriptions are looked at, in milliseconds.
const TICK: i64 = 20;

/// How soon they are looked at again where more wait.
const SOON: Duration = Duration::from_millis(1);

/// What is done at most before the lock is given back, and other things have their turn.
const HEARTBEATS: usize = 64;
const SUBSCRIPTIONS: usize = 256;
const REQUESTS: usize = 64;

/// Serves until the publisher is dropped or the context is terminated.
pub(super) fn serve(shared: &Shared, recovery: &zmq::Socket, mut desk: Desk) {
    let (mut rounds, mut wait) = (0_u64, TICK);
    while !shared.stop.load(Ordering::Relaxed) {
        rounds += 1;
        match recovery.poll(zmq::POLLIN, wait) {
            Ok(_) | Err(zmq::Error::EINTR) => {}
            Err(error) => return warn!(target: "outband", %error, "the feed's recovery has ended"),
        }
        wait = match round(shared, recovery, &mut desk, rounds) {
            Ok(_) if !desk.is_idle() => 0,
            Ok(pause) => (pause.as_micros().div_ceil(1000) as i64).min(TICK),
            Err(error) if error.is_terminated() => return,
            Err(error) => {
                warn!(target: "outband", %error, "the feed goes on after an error");
                TICK
            }
        };
    }
    farewell(&mut shared.live());
}

/// Does some of what there is to do; returns how long there is no heartbeat to send.
fn round(shared: &Shared, recovery: &zmq::Socket, desk: &mut Desk, rounds: u64) -> Result<Duration> {
    let (mut asked, mut refused, mut space) = (0, 0, zmq::Message::new());
    for _ in 0..REQUESTS {
        let Some(mut arrival) = Arrival::on(recovery, &mut space)? else { break };
        asked += 1;
        refused += match take(&mut arrival, desk) {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(error) if error.is_peer() => 1,
            Err(error) => return Err(error),
        };
    }
    let (answers, pause) = {
        let mut live = shared.live();
        if rounds.is_multiple_of(64) {
            live.clock.adjust();
        }
        live.statistics.requests += asked;
        live.statistics.refused += refused;
        let heard = speak(&mut live)?;
        let (now, time) = live.clock.now();
        let answers = desk.slice(&live.source, time);
        live.statistics.recovered += answers.iter().filter(|answer| answer.message.is_some()).count() as u64;
        let pause = live.source.beat_at().saturating_sub(now);
        (answers, if heard == SUBSCRIPTIONS { pause.min(SOON) } else { pause })
    };
    // of one request, so of one peer
    for answer in answers {
        if send(recovery, &answer).is_err() {
            // gone, or it does not read what it asked for
            desk.forget(&answer.peer);
            break;
        }
    }
    Ok(pause)
}

/// Takes a request off the socket: routing id, header, stream, ranges.
fn take(arrival: &mut Arrival<'_>, desk: &mut Desk) -> Result<bool> {
    let short = || Error::from(Detail::BadFeedHeader { reason: "is not all of a request" });
    let mut frame = || arrival.frame()?.ok_or_else(short);
    let (peer, header, name, ranges) = (frame()?, frame()?, frame()?, frame()?);
    let request = Request::read(&header, &ranges)?;
    let name = std::str::from_utf8(&name).map_err(|_| Detail::BadFeedTopic { reason: "is not UTF-8" })?;
    Ok(desk.ask(frame::detach(peer), name, request))
}

fn send(recovery: &zmq::Socket, answer: &Answer) -> Result<()> {
    let mut space = [0; MAX_HEADER];
    let header = answer.header.write(&mut space);
    match &answer.message {
        Some(message) => send_parts(recovery, zmq::ROUTER, &[&answer.peer, header], message),
        None => send_front(recovery, zmq::ROUTER, &[&answer.peer, header]),
    }
}

/// Hears who has come, and sends the heartbeats that are due; returns how many have come or gone.
fn speak(live: &mut Live) -> Result<usize> {
    let (now, time) = live.clock.now();
    live.source.expire(now);
    let (mut space, mut heard) = (zmq::Message::new(), 0);
    while heard < SUBSCRIPTIONS
        && let Some(mut arrival) = Arrival::on(&live.socket, &mut space)?
    {
        heard += 1;
        // a subscription is a 1 and what topics begin with; everything else is not for us
        if let Some(frame) = arrival.frame()?
            && let [1, prefix @ ..] = &frame[..]
        {
            live.source.call(prefix);
        }
    }
    for (topic, header) in live.source.heartbeats(now, time, HEARTBEATS) {
        match live.beat(&topic, header) {
            Ok(()) => live.statistics.heartbeats += 1,
            // over a socket that may not drop: who has no room for this one holds up no other
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(heard)
}

/// The last number of each stream, for who lost what came right before the end.
fn farewell(live: &mut Live) {
    let time = live.clock.now().1;
    for (topic, header) in live.source.farewell(time) {
        if live.beat(&topic, header).is_err_and(|error| !error.is_timeout()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::feed::PublisherOptions;
    use crate::feed::cache::Fresh;

    /// What stands between two slices of an answer is a turn of everybody else: the lock is free, and who has asked meanwhile is heard.
    #[test]
    fn a_round_is_one_slice_for_one_peer() {
        let context = zmq::Context::new();
        let socket = |kind| context.socket(kind).unwrap();
        let (live, recovery) = (socket(zmq::XPUB), socket(zmq::ROUTER));
        recovery.bind("inproc://recovery").unwrap();
        let options = PublisherOptions::new().epoch(7);
        let (shared, mut desk) = (Shared::new(live, &options), Desk::new(options.grants));
        let index = shared.live().source.stream("a").unwrap();
        for number in 1..=1000 {
            shared.live().source.commit(Duration::ZERO, index, number, Fresh::Frame(&[1; 1000]));
        }
        let ask = || {
            let peer = socket(zmq::DEALER);
            peer.connect("inproc://recovery").unwrap();
            let (header, ranges) =
                Request { epoch: 7, id: 1, messages: 512, bytes: 1 << 30, ranges: vec![(1, 1000)] }.write();
            peer.send_multipart([&header[..], b"a", &ranges], 0).unwrap();
            peer
        };
        let received = |peer: &zmq::Socket| std::iter::from_fn(|| peer.recv_multipart(zmq::DONTWAIT).ok()).count();
        let one_round = |desk: &mut Desk| {
            round(&shared, &recovery, desk, 1).unwrap();
            shared.live.try_lock().unwrap().statistics.recovered
        };
        let greedy = ask();
        assert_eq!([one_round(&mut desk), one_round(&mut desk)], [32, 64]);
        assert_eq!(received(&greedy), 64);
        let other = ask();
        assert_eq!([one_round(&mut desk), one_round(&mut desk)], [96, 128]);
        assert_eq!((received(&greedy), received(&other)), (32, 32));
    }
}
