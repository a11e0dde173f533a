//! Choosing per buffer whether it travels in band or out of band.
//!
//! The same effect as pyfory's selective `buffer_callback`, where `True` means in band and `False` out of band: there
//! the second, the fourth ... buffer goes out of band, and so it does here.

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;

use outband::{Buffer, Decode, Encode, MsgPack, Placement, SocketExt, memory};

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let data = vec![
        Buffer::from_vec((0..1000).map(f64::from).collect()), // 8 000 bytes
        Buffer::from_vec((0..2000).map(f64::from).collect()), // 16 000 bytes
    ];

    // the callback decides alone; buffer.default_placement() is what the threshold would say, buffer.len() the size
    let even_ones = MsgPack::new().placement(|buffer| match (buffer.index() + 1) % 2 {
        0 => Placement::OutOfBand,
        _ => Placement::InBand,
    });
    let before = memory::copied_bytes();
    let message = even_ones.encode(&data)?;
    writeln!(io::stdout(), "metadata: {} bytes, of which the first buffer is 8000", message.metadata().len())?;
    writeln!(io::stdout(), "buffers:  {:?}", message.buffers())?;
    assert_eq!(message.buffers(), &data[1..]);
    assert_eq!(message.buffers()[0].as_ptr(), data[1].as_ptr()); // not copied
    assert_eq!(memory::copied_bytes() - before, 8000); // what in band costs

    // no receiver needs to know what was chosen
    let back: Vec<Buffer> = MsgPack::new().decode(message)?;
    assert_eq!(back, data);
    assert_eq!(back[1].try_cast::<f64>()?[1999], 1999.0);

    // the threshold alone: nothing in band, everything in band
    assert_eq!(MsgPack::new().out_of_band_from(0).encode(&data)?.buffers().len(), 2);
    assert_eq!(MsgPack::new().out_of_band_from(usize::MAX).encode(&data)?.buffers().len(), 0);

    // and the same on a socket
    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PAIR)?, context.socket(zmq::PAIR)?);
    rx.set_rcvtimeo(10_000)?;
    rx.bind("inproc://selective")?;
    tx.connect("inproc://selective")?;
    tx.send_with(&even_ones, &data)?;
    assert_eq!(rx.recv_obj::<Vec<Buffer>>()?, data);
    writeln!(io::stdout(), "sent and received: the same")?;
    Ok(())
}
