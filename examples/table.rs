//! Arrow record batches over a socket: what they become on the wire, and what was copied on the way.
//!
//! `cargo run --features arrow --example table`

#[path = "shared/ending.rs"]
mod ending;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{Array, DictionaryArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use outband::{SocketExt, Table, memory, to_multipart};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Report {
    station: String,
    readings: Table,
    /// Several batches of one table.
    history: Vec<Table>,
}

fn readings(rows: i64) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let when = TimestampMillisecondArray::from_iter_values((0..rows).map(|row| 1_700_000_000_000 + row));
    let volts = Float64Array::from_iter((0..rows).map(|row| (row % 10 > 0).then_some(row as f64 / 8.0)));
    let unit: DictionaryArray<Int8Type> = (0..rows).map(|row| ["V", "mV"][row as usize % 2]).collect();
    let note = StringArray::from_iter_values((0..rows).map(|row| format!("reading {row}")));
    RecordBatch::try_from_iter([
        ("when", Arc::new(when.with_timezone("Europe/Oslo")) as Arc<dyn Array>),
        ("volts", Arc::new(volts)),
        ("unit", Arc::new(unit)),
        ("note", Arc::new(note)),
    ])
}

fn main() -> ExitCode {
    ending::of(run())
}

fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let table = Table::from(readings(100_000)?);
    let history = vec![table.slice(0, 20_000), table.slice(20_000, 20_000)];
    let report = Report { station: "north".into(), readings: table, history };

    // a look at the message itself
    let before = memory::copied_bytes();
    let message = to_multipart(&report)?;
    writeln!(
        io::stdout(),
        "metadata: {} bytes, with the schema and what was short enough to stay",
        message.metadata().len()
    )?;
    for (index, frame) in message.buffers().iter().enumerate() {
        writeln!(io::stdout(), "frame {index:2}: {:7} bytes", frame.len())?;
    }
    writeln!(io::stdout(), "copied:   {} of {} bytes", memory::copied_bytes() - before, message.total_len())?;

    let context = zmq::Context::new();
    let (tx, rx) = (context.socket(zmq::PUSH)?, context.socket(zmq::PULL)?);
    rx.set_rcvtimeo(10_000)?;
    rx.bind("tcp://127.0.0.1:*")?;
    tx.connect(&rx.get_last_endpoint()?.map_err(|_| "an endpoint is text")?)?;

    tx.send_obj(&report)?;
    let before = memory::copied_bytes();
    let received: Report = rx.recv_obj()?;
    writeln!(
        io::stdout(),
        "\nreceived from {}, {} bytes copied:\n{}",
        received.station,
        memory::copied_bytes() - before,
        received.readings
    )?;
    writeln!(io::stdout(), "history: {:?}", received.history)?;
    assert_eq!(received.readings, report.readings);
    assert_eq!(received.history, report.history);
    Ok(())
}
