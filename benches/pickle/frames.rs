//! A message of 64 arrays, received over TCP and decoded, beside the same frames received and left as they are.

use std::thread;
use std::time::Instant;

use outband::{Array, Multipart, Pickle, SocketExt};

use crate::rig::median;

/// The medians of the seconds from asking for a message to having its frames, and to having its arrays, and the median of the ratio
/// of the two.
pub(crate) fn received(arrays: &Multipart, rounds: usize) -> [f64; 3] {
    let context = zmq::Context::new();
    let sender = context.socket(zmq::PAIR).unwrap();
    sender.bind("tcp://127.0.0.1:*").unwrap();
    let receiver = context.socket(zmq::PAIR).unwrap();
    receiver.connect(&sender.get_last_endpoint().unwrap().unwrap()).unwrap();
    let message = arrays.clone();
    let answering = thread::spawn(move || {
        while sender.recv_bytes(0).unwrap() == b"more" {
            sender.send_message(message.clone()).unwrap();
        }
    });

    let frames = || {
        let started = Instant::now();
        receiver.send("more", 0).unwrap();
        let message = receiver.recv_message().unwrap();
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(message.buffers().len(), 64);
        seconds
    };
    let codec = Pickle::new();
    let decoded = || {
        let started = Instant::now();
        receiver.send("more", 0).unwrap();
        let arrays: Vec<Array> = receiver.recv_with(&codec).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!((arrays.len(), arrays[63].shape()), (64, &[128, 1024][..]));
        seconds
    };
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // each is first as often as the other
        let (first, second) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        for means in [first, second] {
            seconds[means].push(if means == 0 { frames() } else { decoded() });
        }
    }
    receiver.send("enough", 0).unwrap();
    answering.join().unwrap();
    let ratios = seconds[0].iter().zip(&seconds[1]).map(|(frames, decoded)| decoded / frames).collect();
    let [frames, decoded] = seconds;
    [median(frames), median(decoded), median(ratios)]
}
