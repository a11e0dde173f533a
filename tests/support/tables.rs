//! Where the buffers of tables are.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray,
};
use arrow_data::ArrayData;
use outband::{SocketExt, Table, memory};
use serde::{Deserialize, Serialize};

use super::{LEN, MsgPack, at, from_multipart, my_turn, pair, to_multipart};

#[derive(Serialize, Deserialize)]
pub(crate) struct Plain {
    #[serde(with = "outband::serde_table")]
    pub(crate) batch: RecordBatch,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Perhaps {
    #[serde(with = "outband::serde_table")]
    pub(crate) batch: Option<RecordBatch>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Several {
    #[serde(with = "outband::serde_table")]
    pub(crate) batches: Vec<RecordBatch>,
}

/// A batch of one column of integers, and where they are.
pub(crate) fn of_longs() -> (RecordBatch, (usize, usize)) {
    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![7; LEN])) as ArrayRef)]).unwrap();
    let values = first_values(&batch);
    (batch, values)
}

pub(crate) fn first_values(batch: &RecordBatch) -> (usize, usize) {
    at(&batch.column(0).to_data().buffers()[0])
}

/// Where all buffers of a batch are, the short ones left out.
fn all_buffers(batch: &RecordBatch) -> Vec<(usize, usize)> {
    fn collect(data: &ArrayData, found: &mut Vec<(usize, usize)>) {
        found.extend(data.nulls().map(|nulls| at(nulls.buffer())));
        found.extend(data.buffers().iter().map(|buffer| at(buffer)));
        data.child_data().iter().for_each(|child| collect(child, found));
    }
    let mut found = Vec::new();
    batch.columns().iter().for_each(|column| collect(&column.to_data(), &mut found));
    found.retain(|&(_, len)| len >= MsgPack::OUT_OF_BAND_FROM);
    found
}

const ROWS: i64 = 100_000;

/// 20 columns; those of 16-byte elements where Rust allocates them, which is aligned.
fn twenty_columns() -> RecordBatch {
    let columns = (0..20).map(|index| {
        let rows = 0..ROWS;
        let column: ArrayRef = match index % 7 {
            0 => Arc::new(Int64Array::from_iter(rows.map(|row| (row % 3 > 0).then_some(row)))),
            1 => Arc::new(Float64Array::from_iter_values(rows.map(|row| row as f64))),
            2 => Arc::new(BooleanArray::from_iter(rows.map(|row| (row % 3 > 0).then_some(row % 2 == 0)))),
            3 => Arc::new(StringArray::from_iter_values(rows.map(|row| row.to_string()))),
            4 => Arc::new(LargeStringArray::from_iter(rows.map(|row| (row % 3 > 0).then(|| row.to_string())))),
            5 => {
                let lists = rows.map(|row| (row % 3 > 0).then_some([Some(row as i32), None]));
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
            }
            _ => {
                let words: Vec<_> = rows.map(|row| format!("a word of some length {}", row % 3000)).collect();
                Arc::new(words.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
            }
        };
        (format!("column {index}"), column)
    });
    // arrow's builders leave room behind the last element, which does not travel
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    from_multipart::<Table>(to_multipart(&Table::from(batch)).unwrap()).unwrap().into_batch()
}

#[test]
fn every_buffer_of_a_table_is_where_the_sender_has_it() {
    let _turn = my_turn();
    let batch = twenty_columns();
    let buffers = all_buffers(&batch);
    assert!(buffers.len() > 40, "only {} buffers", buffers.len());
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "inproc://table");
    let copied = memory::copied_bytes();
    tx.send_obj(&Table::from(batch.clone())).unwrap();
    let received: Table = rx.recv_obj().unwrap();
    assert_eq!(memory::copied_bytes() - copied, 0);
    assert_eq!(all_buffers(received.batch()), buffers);
    assert_eq!(received.batch(), &batch);
}

#[test]
fn over_tcp_a_table_is_copied_only_where_its_elements_are_not_aligned() {
    let _turn = my_turn();
    let context = zmq::Context::new();
    let (tx, rx) = pair(&context, "tcp://127.0.0.1:*");
    let copied = |batch: RecordBatch| {
        let table = Table::from(batch);
        tx.send_obj(&table).unwrap();
        let before = memory::copied_bytes();
        assert_eq!(rx.recv_obj::<Table>().unwrap(), table);
        memory::copied_bytes() - before
    };
    assert_eq!(copied(twenty_columns()), 0);

    let wide = Decimal128Array::from_iter_values((0..ROWS).map(i128::from));
    let mut views = StringViewBuilder::new();
    (0..ROWS).for_each(|row| views.append_value(row.to_string()));
    let columns: [(_, ArrayRef); 2] = [("decimals", Arc::new(wide)), ("views", Arc::new(views.finish()))];
    // frames of this length lie at 8 modulo 16 with glibc, and elsewhere nowhere worse
    let bytes = copied(RecordBatch::try_from_iter(columns).unwrap());
    let one = 16 * ROWS as u64;
    assert!([0, one, 2 * one].contains(&bytes), "{bytes} bytes copied");
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        assert_eq!(bytes, 2 * one);
    }
}
