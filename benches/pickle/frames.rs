//! A message of 64 arrays over TCP: received and decoded, and encoded and sent, beside the same frames left as they are.

use std::thread;
use std::time::Instant;

use outband::{Array, Multipart, Pickle, SocketExt};

use crate::rig::paired::median;

/// Two ends of a connection.
fn pair() -> [zmq::Socket; 2] {
    let context = zmq::Context::new();
    let [one, other] = [(), ()].map(|()| context.socket(zmq::PAIR).unwrap());
    one.bind("tcp://127.0.0.1:*").unwrap();
    other.connect(&one.get_last_endpoint().unwrap().unwrap()).unwrap();
    [one, other]
}

/// The medians of the seconds that two ways take, and the median of the ratio of the second to the first.
fn compared(rounds: usize, ways: [&dyn Fn(); 2]) -> [f64; 3] {
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // each is first as often as the other
        for way in [round % 2, 1 - round % 2] {
            let started = Instant::now();
            ways[way]();
            seconds[way].push(started.elapsed().as_secs_f64());
        }
    }
    let ratios = seconds[0].iter().zip(&seconds[1]).map(|(frames, arrays)| arrays / frames).collect();
    let [frames, arrays] = seconds;
    [median(frames), median(arrays), median(ratios)]
}

/// From asking for a message to having its frames, and to having its arrays.
pub(crate) fn received(arrays: &Multipart, rounds: usize) -> [f64; 3] {
    let [sender, receiver] = pair();
    let message = arrays.clone();
    let answering = thread::spawn(move || {
        while sender.recv_bytes(0).unwrap() == b"more" {
            sender.send_message(message.clone()).unwrap();
        }
    });
    let frames = || {
        receiver.send("more", 0).unwrap();
        let message = receiver.recv_message().unwrap();
        assert_eq!(message.buffers().len(), 64);
    };
    let codec = Pickle::new();
    let decoded = || {
        receiver.send("more", 0).unwrap();
        let arrays: Vec<Array> = receiver.recv_with(&codec).unwrap();
        assert_eq!((arrays.len(), arrays[63].shape()), (64, &[128, 1024][..]));
    };
    let seconds = compared(rounds, [&frames, &decoded]);
    receiver.send("enough", 0).unwrap();
    answering.join().unwrap();
    seconds
}

/// From having frames, and from having arrays, to being told that the other end has them.
pub(crate) fn sent(arrays: &[Array], message: &Multipart, rounds: usize) -> [f64; 3] {
    let [sender, receiver] = pair();
    let answering = thread::spawn(move || {
        loop {
            let buffers = receiver.recv_message().unwrap().buffers().len();
            if buffers == 0 {
                return;
            }
            assert_eq!(buffers, 64);
            receiver.send("there", 0).unwrap();
        }
    });
    let there = || assert_eq!(sender.recv_bytes(0).unwrap(), b"there");
    let frames = || {
        sender.send_message(message.clone()).unwrap();
        there();
    };
    let codec = Pickle::new();
    let encoded = || {
        sender.send_with(&codec, arrays).unwrap();
        there();
    };
    let seconds = compared(rounds, [&frames, &encoded]);
    sender.send_message(Multipart::new("enough", vec![])).unwrap();
    answering.join().unwrap();
    seconds
}
