//! Arrays over sockets: with everything else in an object, and with the header of the pyzmq documentation.

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;

use outband::{Array, Buffer, DType, SocketExt, memory};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Scan {
    station: String,
    depth: Array,
    times: Array,
    crop: Array,
    background: Array,
}

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PAIR)?, context.socket(zmq::PAIR)?);
    rx.set_rcvtimeo(10_000)?;
    rx.bind("tcp://127.0.0.1:*")?;
    tx.connect(&rx.get_last_endpoint()?.map_err(|_| "the endpoint is no text")?)?;

    // a vector becomes an array, and a buffer that a camera filled is seen as one: nothing is copied
    let depth = Array::from_shape_vec([480, 640], (0..480 * 640).map(|at| at as f32 / 2.0).collect())?;
    let times = Array::from_vec((0..480).map(|row| 1_700_000_000_000 + 10 * row).collect::<Vec<i64>>());
    let camera = Buffer::from_vec(vec![200_u8; 1080 * 1920]);
    let background = Array::from_strided(DType::U8, [1080, 1920], &[0, 1], 0, &camera)?; // one row, repeated
    writeln!(io::stdout(), "copied so far: {} bytes", memory::copied_bytes())?;

    // a crop has gaps between its rows: copied once, to be without them
    let crop = Array::from_strided(DType::U8, [100, 200], &[1920, 1], 300 * 1920 + 400, &camera)?;
    writeln!(io::stdout(), "copied for the crop: {} bytes", memory::copied_bytes())?;

    let scan = Scan { station: "north".into(), depth, times: times.with_dtype("<M8[ms]".parse()?)?, crop, background };
    let before = memory::copied_bytes();
    tx.send_obj(&scan)?;
    let received: Scan = rx.recv_obj()?;
    writeln!(
        io::stdout(),
        "\nfrom {}, {} bytes copied on the way (short arrays travel in band):",
        received.station,
        memory::copied_bytes() - before
    )?;
    for array in [&received.depth, &received.times, &received.crop, &received.background] {
        writeln!(io::stdout(), "  {array}")?;
        writeln!(io::stdout(), "    {} bytes for {} of elements", array.data().len(), array.byte_len())?;
    }
    assert_eq!(received.depth, scan.depth);
    let row: f32 = received.depth.as_slice::<f32>()?[..640].iter().sum();
    writeln!(io::stdout(), "the first row of depth sums up to {row}")?;

    // what send_array and recv_array of the pyzmq documentation speak
    tx.send_array(&scan.depth)?;
    let message = rx.recv_message()?;
    writeln!(io::stdout(), "\nheader: {}", String::from_utf8_lossy(message.metadata()))?;
    tx.send_message(message)?;
    writeln!(io::stdout(), "array:  {}", rx.recv_array()?)?;
    Ok(())
}
