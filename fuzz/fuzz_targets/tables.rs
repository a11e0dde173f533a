//! Frames as tables: what arrives is a batch that Arrow finds valid, every value of it can be looked at, and it leaves as the same rows.

#![no_main]

use arrow_array::Array;
use libfuzzer_sys::fuzz_target;
use outband::{Decode, Encode, Json, Limits, MsgPack, Multipart, Pickle, Table, Value, from_multipart, to_multipart};
use outband_fuzz::check::{decoded, refused};
use outband_fuzz::input;

fuzz_target!(|data: &[u8]| {
    let (flags, message) = input::message(data);
    let codec = MsgPack::new().limits(limits());
    // as a value it remembers how it came
    let value: Option<Value> = decoded(&codec, &message, most(&message));
    if let Some(value) = &value {
        let again = to_multipart(value).unwrap_or_else(|error| panic!("{error}"));
        let back: Value = from_multipart(again.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
        assert!(to_multipart(&back).is_ok_and(|twice| twice == again), "{value}");
    }
    let Some(table) = decoded::<Table, _>(&codec, &message, most(&message)) else { return };
    assert!(value.is_some_and(|value| value.as_table().is_some_and(|other| same(other, &table))));
    for column in table.batch().columns() {
        column.to_data().validate_full().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(column.logical_null_count(), column.logical_nulls().map_or(0, |nulls| nulls.null_count()));
    }
    let _ = format!("{table} {table:?} {table:#?}");
    // what has no bytes may have any number of rows
    if table.rows() > 10_000 {
        return;
    }
    comes_back(&MsgPack::new(), &table, &table);
    comes_back(&MsgPack::new().out_of_band_from(1), &table, &table);
    let from = usize::from(flags >> 1) % (table.rows() + 1);
    let slice = table.slice(from, (table.rows() - from).div_ceil(2));
    comes_back(&MsgPack::new().out_of_band_from(1), &slice, &slice);
    if let Ok(text) = Json::new().buffers_in_band().encode(&slice) {
        let _ = Decode::<Table>::decode(&Json::new(), text).map_err(|error| refused(&error));
    }
    if let Ok(pickle) = Pickle::new().encode(&table) {
        let back: Table = Pickle::new().decode(pickle).unwrap_or_else(|error| panic!("{error}: {table}"));
        assert_eq!(back.rows(), table.rows());
        let once = Pickle::new().encode(&back).unwrap_or_else(|error| panic!("{error}"));
        let twice: Table = Pickle::new().decode(once).unwrap_or_else(|error| panic!("{error}"));
        assert!(same(&twice, &back), "{back}\n{twice}");
    }
});

fn comes_back(codec: &MsgPack, table: &Table, rows: &Table) {
    let message = codec.encode(table).unwrap_or_else(|error| panic!("{error}"));
    let back: Table = codec.decode(message).unwrap_or_else(|error| panic!("{error}: {table}"));
    assert!(same(&back, rows), "{rows}\nis not\n{back}");
}

/// Arrow compares floats by their bits.
fn same(a: &Table, b: &Table) -> bool {
    a == b
}

fn limits() -> Limits {
    Limits::new().metadata_bytes(1 << 20).total_bytes(8 << 20).decompressed_bytes(1 << 20).frames(1000)
}

/// As a `Value` says, and two copies of everything where no frame lies as its elements need it.
fn most(message: &Multipart) -> usize {
    (1 << 20) + 160 * message.metadata().len() + 4 * message.total_len() + (1 << 20)
}
