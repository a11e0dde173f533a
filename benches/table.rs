//! What it costs to turn a record batch into a message and back, beside Arrow's own stream format.
//!
//! `cargo bench --features arrow --bench table`. 20 columns of a million rows, in one process and in turn: the figures are
//! those of the codecs alone, with no socket between. The fastest of many rounds counts, which is what the code costs when
//! nothing else runs.

#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use outband::{Buffer, Multipart, Table, from_multipart, memory, to_multipart};

const ROWS: i64 = 1_000_000;

/// A column of one kind: of a million rows, every third kind of column with nulls.
fn column(kind: usize) -> ArrayRef {
    let rows = 0..ROWS;
    let valid = |row: &i64| row % 10 > 0;
    match kind {
        0 => Arc::new(Int64Array::from_iter_values(rows)),
        1 => Arc::new(Float64Array::from_iter(rows.map(|row| valid(&row).then_some(row as f64 * 0.5)))),
        2 => {
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.map(|row| row * 1_000_000)).with_timezone("UTC"))
        }
        3 => Arc::new(BooleanArray::from_iter(rows.map(|row| valid(&row).then_some(row % 2 == 0)))),
        4 => Arc::new(Int32Array::from_iter(rows.map(|row| valid(&row).then_some(row as i32)))),
        5 => Arc::new(Float32Array::from_iter_values(rows.map(|row| row as f32))),
        // longer than the twelve bytes that lie in a view
        7 => Arc::new(StringViewArray::from_iter(
            rows.map(|row| valid(&row).then(|| format!("reading of sensor {}", row % 5000))),
        )),
        _ => Arc::new(StringArray::from_iter(rows.map(|row| valid(&row).then(|| format!("sensor {}", row % 5000))))),
    }
}

fn batch(kinds: impl IntoIterator<Item = usize>) -> RecordBatch {
    let columns = kinds.into_iter().enumerate().map(|(index, kind)| (format!("column {index}"), column(kind)));
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Bytes as Arrow counts them.
fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum()
}

/// The fastest of many runs, after some that warm up.
fn fastest<R>(mut run: impl FnMut() -> R) -> Duration {
    let (begun, mut best, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < 5 || begun.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        let result = black_box(run());
        best = best.min(start.elapsed());
        drop(result);
        runs += 1;
    }
    best
}

fn write_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn read_stream(stream: &[u8]) -> RecordBatch {
    StreamReader::try_new(Cursor::new(stream), None).unwrap().next().unwrap().unwrap()
}

/// The message as it would arrive: frames 8 bytes past a multiple of 16, as libzmq's are.
fn arrived(message: &Multipart) -> Multipart {
    let frame = |buffer: &Buffer| {
        let mut block = vec![0_u8; 24 + buffer.len()];
        let skip = block.as_ptr().align_offset(16) + 8;
        block[skip..skip + buffer.len()].copy_from_slice(buffer);
        Buffer::from(block).slice(skip..skip + buffer.len())
    };
    Multipart::new(message.metadata().clone(), message.buffers().iter().map(frame).collect())
}

fn row(what: &str, bytes: usize, ours: Duration, theirs: Duration) {
    let speed = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e9;
    println!(
        "| {what} | {:.3} ms | {:.1} GB/s | {:.1} ms | {:.2} GB/s | {:.1} |",
        ours.as_secs_f64() * 1e3,
        speed(ours),
        theirs.as_secs_f64() * 1e3,
        speed(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

fn main() {
    let sets = [
        ("20 columns, 2 of text", batch((0..20).map(|index| if index % 10 == 9 { 6 } else { index % 6 }))),
        ("20 columns, no text", batch((0..20).map(|index| index % 6))),
        ("4 columns of text", batch([6; 4])),
        ("4 columns of text as views", batch([7; 4])),
    ];
    println!("{ROWS} rows; `Table` beside arrow-ipc's StreamWriter and StreamReader");
    for (what, batch) in sets {
        let size = bytes(&batch);
        let table = Table::from(batch.clone());
        let (message, stream) = (to_multipart(&table).unwrap(), write_stream(&batch));
        let message = arrived(&message);
        assert_eq!(from_multipart::<Table>(message.clone()).unwrap(), table);
        assert_eq!(read_stream(&stream), batch);

        let copied = memory::copied_bytes();
        from_multipart::<Table>(to_multipart(&table).unwrap()).unwrap();
        let copied = memory::copied_bytes() - copied;
        println!(
            "\n{what}: {:.1} MB in {} frames, {copied} bytes copied\n",
            size as f64 / 1e6,
            message.buffers().len()
        );
        println!("| | Table | | arrow-ipc | | times as fast |\n|---|---:|---:|---:|---:|---:|");
        let encode = fastest(|| to_multipart(&table).unwrap());
        let decode = fastest(|| from_multipart::<Table>(message.clone()).unwrap());
        let write = fastest(|| write_stream(&batch));
        let read = fastest(|| read_stream(&stream));
        row("encode", size, encode, write);
        row("decode", size, decode, read);
        row("encode and decode", size, encode + decode, write + read);
    }
}
