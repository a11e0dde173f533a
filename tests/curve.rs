//! Objects over CURVE where libzmq has it, and what a build without it says.
//!
//! The libzmq that the `zmq` crate builds has no CURVE; the system's has. The README says how to link that one. With
//! `OUTBAND_CURVE` set, one without CURVE fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use outband::{Buffer, SocketExt};

const PATIENCE: i32 = 30_000;
/// How long a message may take that never comes.
const SHORT: i32 = 500;

fn socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_sndtimeo(PATIENCE).unwrap();
    socket.set_rcvtimeo(PATIENCE).unwrap();
    // to peers only with which the handshake has ended well
    socket.set_immediate(true).unwrap();
    socket
}

/// A client with keys of its own, for the server with this public key.
fn client(context: &zmq::Context, endpoint: &str, server: &[u8]) -> zmq::Socket {
    let socket = socket(context, zmq::PUSH);
    let keys = zmq::CurveKeyPair::new().unwrap();
    socket.set_curve_serverkey(server).unwrap();
    socket.set_curve_publickey(&keys.public_key).unwrap();
    socket.set_curve_secretkey(&keys.secret_key).unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

#[test]
fn objects_travel_encrypted_or_the_build_says_that_it_cannot() {
    let context = zmq::Context::new();
    let server = socket(&context, zmq::PULL);
    if zmq::has("curve") != Some(true) {
        assert!(std::env::var_os("OUTBAND_CURVE").is_none(), "this is to be a libzmq with CURVE, and it has none");
        assert_eq!(server.set_curve_server(true), Err(zmq::Error::EINVAL));
        return;
    }
    let keys = zmq::CurveKeyPair::new().unwrap();
    server.set_curve_server(true).unwrap();
    server.set_curve_secretkey(&keys.secret_key).unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = server.get_last_endpoint().unwrap().unwrap();

    // who takes another server for this one, and who encrypts nothing, are not heard
    let deceived = client(&context, &endpoint, &zmq::CurveKeyPair::new().unwrap().public_key);
    let plain = socket(&context, zmq::PUSH);
    plain.connect(&endpoint).unwrap();
    for socket in [&deceived, &plain] {
        socket.set_sndtimeo(SHORT).unwrap();
        assert!(socket.send_obj(&"no").unwrap_err().is_timeout());
    }

    let object = ("north".to_owned(), Buffer::from_vec(vec![0.5_f64; 100_000]));
    let trusted = client(&context, &endpoint, &keys.public_key);
    trusted.send_obj(&object).unwrap();
    assert_eq!(server.recv_obj::<(String, Buffer)>().unwrap(), object);
}
