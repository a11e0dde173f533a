//! WebSockets, over which libzmq masks what it sends where that lies, unless it is told that others share it.

use bytes::Bytes;
use outband::{Buffer, Multipart, SocketExt};

use crate::common::Place;

/// A PUSH that connects, which is the end that masks, and a PULL; `None` where libzmq was built without WebSockets.
fn connected(place: &Place) -> Option<(zmq::Socket, zmq::Socket)> {
    let (rx, tx) = (place.socket(zmq::PULL), place.socket(zmq::PUSH));
    match rx.bind("ws://127.0.0.1:*/x") {
        Err(zmq::Error::EPROTONOSUPPORT) => None,
        bound => {
            bound.unwrap();
            tx.connect(&rx.get_last_endpoint().unwrap().unwrap()).unwrap();
            Some((rx, tx))
        }
    }
}

#[test]
fn what_was_lent_is_as_it_was_when_it_has_arrived() {
    let place = Place::new("tcp");
    let Some((rx, tx)) = connected(&place) else { return };
    let made: Vec<u8> = (0..100_000).map(|index| index as u8).collect();
    let buffer = Buffer::from_vec(made.clone());
    // in memory that nobody may write to
    static METADATA: [u8; 10_000] = [7; 10_000];
    let message = Multipart::new(Bytes::from_static(&METADATA), vec![buffer.clone(), buffer.slice(1..90_001)]);
    for _ in 0..2 {
        tx.send_obj(&buffer).unwrap();
        assert!(rx.recv_obj::<Buffer>().unwrap()[..] == made);
        assert!(buffer[..] == made, "the buffer was written to");
        tx.send_message(message.clone()).unwrap();
        assert!(rx.recv_message().unwrap() == message);
        let tracker = tx.send_message_tracked(message.clone()).unwrap();
        assert!(rx.recv_message().unwrap() == message);
        assert!(tracker.wait(None));
        tx.send(buffer.clone(), 0).unwrap();
        assert!(rx.recv_bytes(0).unwrap() == made);
        assert!(buffer[..] == made, "the buffer was written to");
    }
}

/// Short frames lie side by side where they were copied to, and each is masked there.
#[test]
fn what_was_copied_side_by_side_arrives_as_it_was() {
    let place = Place::new("tcp");
    let Some((rx, tx)) = connected(&place) else { return };
    let made: Vec<Buffer> = (0..200_u8).map(|nth| Buffer::from(vec![nth; 85 + nth as usize % 150])).collect();
    for buffer in &made {
        tx.send_obj(buffer).unwrap();
    }
    for (nth, buffer) in made.iter().enumerate() {
        assert!(rx.recv_obj::<Buffer>().unwrap() == *buffer, "{nth}");
    }
}
