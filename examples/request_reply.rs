//! Request and reply: one server, a strict client (REQ), and one that has many requests under way (DEALER).
//!
//! The server is a ROUTER. It answers whoever asked, in the envelope that the request came in, in any order.

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use ending::Result;
use outband::{Buffer, SocketExt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Request {
    Mean { id: u32, samples: Buffer },
    Stop,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    id: u32,
    mean: Result<f64, String>,
}

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<()> {
    let context = zmq::Context::new();
    let server = context.socket(zmq::ROUTER)?;
    server.set_rcvtimeo(10_000)?;
    server.bind("tcp://127.0.0.1:*")?;
    let address = server.get_last_endpoint()?.map_err(|_| "the address is no text")?;
    let serving = thread::spawn(move || serve(&server));

    let strict = context.socket(zmq::REQ)?;
    strict.set_rcvtimeo(10_000)?;
    strict.connect(&address)?;
    strict.send_obj(&Request::Mean { id: 0, samples: Buffer::from_vec(vec![1.0, 2.0, 6.0]) })?;
    let reply: Reply = strict.recv_obj()?;
    writeln!(io::stdout(), "REQ:    mean {:?}", reply.mean)?;
    assert_eq!(reply.mean, Ok(3.0));

    let eager = context.socket(zmq::DEALER)?;
    eager.set_rcvtimeo(10_000)?;
    eager.connect(&address)?;
    for id in 1..=8 {
        eager.send_obj(&Request::Mean { id, samples: Buffer::from_vec(vec![f64::from(id); 100_000]) })?;
    }
    eager.send_obj(&Request::Mean { id: 9, samples: Buffer::copy_from_slice(b"no doubles") })?;
    for _ in 1..=9 {
        let reply: Reply = eager.recv_obj()?;
        writeln!(io::stdout(), "DEALER: request {}: {:?}", reply.id, reply.mean)?;
        assert!(if reply.id == 9 { reply.mean.is_err() } else { reply.mean == Ok(f64::from(reply.id)) });
    }
    eager.send_obj(&Request::Stop)?;
    let answered = serving.join().expect("no panic")?;
    assert_eq!(answered, 10);
    Ok(writeln!(io::stdout(), "the server answered {answered} requests")?)
}

fn serve(server: &zmq::Socket) -> Result<u32> {
    let mut answered = 0;
    loop {
        let (envelope, request) = server.recv_obj_via()?;
        let Request::Mean { id, samples } = request else { return Ok(answered) };
        let mean = samples.to_aligned(8).try_cast::<f64>().map(mean).map_err(|error| error.to_string());
        server.send_obj_via(&envelope, &Reply { id, mean })?;
        answered += 1;
    }
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}
