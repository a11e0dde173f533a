//! Real pyarrow and pandas read the tables that Rust writes and write what Rust reads, with thirty lines of plain Python.

#![cfg(feature = "arrow")]

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{Array, DictionaryArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, IntervalUnit};
use outband::{SocketExt, Table};
use serde::{Deserialize, Serialize};

use crate::batches::{batch, types};
use crate::python::Script;
use crate::random::Random;

#[derive(Serialize, Deserialize)]
struct Named {
    name: String,
    table: Option<Table>,
}

/// A batch with what a data frame often has.
fn frame() -> RecordBatch {
    let rows = 5000_i64;
    let when = TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row * 1_000_000));
    let unit: DictionaryArray<Int8Type> = (0..rows).map(|row| ["V", "mV"][row as usize % 2]).collect();
    RecordBatch::try_from_iter([
        ("volts", Arc::new(Float64Array::from(vec![0.5; rows as usize])) as _),
        ("count", Arc::new(Float64Array::from_iter((0..rows).map(|row| (row % 3 > 0).then_some(row as f64)))) as _),
        ("when", Arc::new(when.with_timezone("Europe/Oslo")) as _),
        ("unit", Arc::new(unit) as _),
        (
            "text",
            Arc::new(arrow_array::StringArray::from_iter_values((0..rows).map(|row| format!("{}", row % 10)))) as _,
        ),
    ])
    .unwrap()
}

#[test]
fn pyarrow_and_pandas_read_and_write_tables() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PAIR).unwrap();
    socket.set_sndtimeo(60_000).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_linger(0).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let script = Script::start("tables.py", &[&socket.get_last_endpoint().unwrap().unwrap()]);

    // what Python makes
    let mut seen = 0;
    loop {
        let named: Named = socket.recv_obj().unwrap();
        let Some(table) = &named.table else { break };
        for array in table.batch().columns() {
            array.to_data().validate_full().unwrap();
        }
        seen += 1;
        socket.send_obj(&named).unwrap();
    }
    assert!(seen > 300, "only {seen} tables");

    // what Rust makes, sliced anywhere
    let mut random = Random::seeded(31);
    let give = |name: &str, batch: RecordBatch| {
        let sent = Named { name: name.to_owned(), table: Some(Table::from(batch)) };
        socket.send_obj(&sent).unwrap();
        let back: Named = socket.recv_obj().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back.table, sent.table, "{name}");
    };
    give("frame", frame());
    for data_type in types().iter().filter(|data_type| is_known(data_type)) {
        for rows in [0, 3, 2000] {
            let batch = batch(&mut random, std::slice::from_ref(data_type), rows);
            give(&format!("{rows} rows of {data_type}"), batch);
        }
    }
    let end = Named { name: "end".to_owned(), table: Some(Table::from(frame().slice(0, 0))) };
    socket.send_obj(&end).unwrap();
    script.finish();
}

/// Whether pyarrow has this type: it has neither of the older intervals.
fn is_known(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime))
}
