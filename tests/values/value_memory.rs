//! What a value takes, held against what its documentation says: so many bytes for each byte of metadata, whatever that says.

use outband::{Array, Encode, MsgPack, Multipart, Placement, Value, from_multipart};

use crate::counting::measure;
#[cfg(feature = "arrow")]
use crate::forged;

/// Up to so many bytes for each byte of metadata, ...
const KEPT: usize = 80;

/// ... and up to twice as many while it is decoded.
const PEAK: usize = 160;

fn holds(name: &str, metadata: Vec<u8>) {
    let len = metadata.len();
    assert!(len > 30_000, "{name}: {len} bytes");
    let (value, usage) = measure(|| from_multipart::<Value>(Multipart::new(metadata, vec![])).unwrap());
    let (kept, peak) = (usage.kept as f64 / len as f64, usage.peak as f64 / len as f64);
    println!("{name}: {kept:.1} kept, {peak:.1} at most, for each byte of metadata");
    assert!(kept <= KEPT as f64 && peak <= PEAK as f64, "{name}: {usage:?} for {len} bytes");
    drop(value);
}

/// So many times the same value, in a list.
fn list_of(value: &[u8], count: u32) -> Vec<u8> {
    [&[0xdd], &count.to_be_bytes()[..], &value.repeat(count as usize)].concat()
}

#[test]
fn a_value_takes_no_more_for_each_byte_of_metadata_than_it_says() {
    let count = (1 << 20) + 1;
    holds("nil", list_of(&[0xc0], count));
    holds("no elements", list_of(&[0x90], count));
    holds("no entries", list_of(&[0x80], count));
    holds("one element", list_of(&[0x91, 0xc0], count));
    holds("three elements", list_of(&[0x93, 0xc0, 0xc0, 0xc0], count / 4));
    holds("one entry", list_of(&[0x81, 0xc0, 0xc0], count));
    holds("texts", list_of(b"\xa1a", count));
    holds("bytes", list_of(&[0xc4, 1, 7], count));
    holds("no bytes", list_of(&[0xc4, 0], count));
    holds("extension values", list_of(&[0xd4, 7, 7], count));
    for shape in [vec![0], vec![1], vec![1; 20]] {
        let array = Array::from_shape_vec(shape, Vec::<u8>::new())
            .unwrap_or_else(|_| Array::from_shape_vec(vec![1; 20], vec![7_u8]).unwrap());
        let in_band = MsgPack::new().placement(|_| Placement::InBand).encode(&array).unwrap();
        holds("arrays", list_of(in_band.metadata(), 100_000));
    }
}

#[cfg(feature = "arrow")]
#[test]
fn a_table_of_a_value_takes_no_more_for_each_byte_of_metadata_than_it_says() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, StringViewArray, StructArray, new_empty_array};
    use arrow_schema::{DataType, Field};
    use outband::{Buffer, Table, to_multipart};

    let holds_of = |name: &str, array: ArrayRef, count, change: &dyn Fn(&mut forged::Column)| {
        let batch = RecordBatch::try_from_iter([("it", array)]).unwrap();
        let mut table: forged::Wire = from_multipart(to_multipart(&Table::from(batch)).unwrap()).unwrap();
        change(&mut table.columns[0]);
        let codec = MsgPack::new().placement(|_| Placement::InBand);
        holds(name, list_of(codec.encode(&table).unwrap().metadata(), count));
    };
    let views = || Arc::new(StringViewArray::from(vec!["short"; 1]));
    let with = |buffer: Option<Buffer>, buffers: usize| {
        move |column: &mut forged::Column| column.buffers().extend(vec![buffer.clone(); buffers])
    };
    // a few more than there is room for in a list that has grown so far
    for (buffers, count) in [(32_780, 1), (65_000, 1), (65_000, 10)] {
        holds_of("no buffers", views(), count, &with(None, buffers));
        holds_of("empty buffers", views(), count, &with(Some(Buffer::new()), buffers));
        holds_of("short buffers", views(), count, &with(Some(Buffer::from(vec![7])), buffers));
    }
    let fields: Vec<_> = (0..20_000).map(|_| Field::new("", DataType::Int8, true)).collect();
    let children = new_empty_array(&DataType::Struct(fields.into()));
    holds_of("children", Arc::new(StructArray::from(children.to_data())), 1, &|_| ());
    holds_of("columns", new_empty_array(&DataType::Int8), 3000, &|_| ());
}
