//! Columns in pieces, as pyarrow and pandas pickle them: windows of longer ones, several after each other, rows picked by
//! number.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer as ArrowBuffer, ScalarBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_data::{ArrayData, BufferSpec, layout};
use arrow_schema::DataType;
use bytes::Bytes;

use super::arrive::{self, FREE_BITS, MAX_ROWS};
use super::column::Column;
use super::leave;
use super::schema::said;
use super::sound::Sound;
use crate::handoff;
use crate::memory;

/// The rows from `offset` on, as many as the column says it has; its buffers hold those before as well. The nulls are
/// counted; whether null rows had to become something else is said. **Without copying**, but for bitmaps that begin within a byte.
///
/// # Errors
///
/// A text that says what does not fit.
pub(crate) fn window(mut column: Column, data_type: &DataType, offset: u64) -> Result<(Column, bool), String> {
    let end = column.len.checked_add(offset).filter(|&end| end <= MAX_ROWS);
    let end =
        end.ok_or_else(|| format!("{} rows from {offset} on are more than the limit of {MAX_ROWS}", column.len))?;
    let rows = column.len as usize;
    column.len = end;
    column.nulls = nulls(&column);
    if offset == 0 {
        return Ok((column, false));
    }
    let mut sound = Sound::default();
    let data = arrive::piece(column, data_type, &mut sound)?.slice(offset as usize, rows);
    Ok((leave::column(&data, 0..rows), sound.is_masked))
}

/// The null bits of a bitmap that is long enough; what is not is found out when there is an array.
fn nulls(column: &Column) -> u64 {
    let bitmap = column.buffers.first().and_then(|slot| slot.buffer.as_ref());
    let rows = column.len as usize;
    bitmap.filter(|bitmap| bitmap.len() >= rows.div_ceil(8)).map_or(0, |bitmap| {
        let bits = BooleanBuffer::new(ArrowBuffer::from(Bytes::from(bitmap.clone())), 0, rows);
        (rows - bits.count_set_bits()) as u64
    })
}

/// Columns of one type after each other: one as it is, several copied. Whether null rows had to become something else is said.
///
/// # Errors
///
/// A text that says what does not fit.
pub(crate) fn joined(mut columns: Vec<Column>, data_type: &DataType) -> Result<(Column, bool), String> {
    match columns.len() {
        0 => return Ok((leave::column(&ArrayData::new_empty(data_type), 0..0), false)),
        1 => return Ok((columns.remove(0), false)),
        _ => {}
    }
    let mut sound = Sound::default();
    let parts = columns.into_iter().map(|column| arrive::piece(column, data_type, &mut sound));
    let mut parts: Vec<_> = parts.collect::<Result<_, _>>()?;
    if let DataType::Dictionary(..) = data_type {
        parts = of_one_dictionary(parts)?;
    }
    let rows = parts.iter().fold(0_u64, |rows, part| rows.saturating_add(part.len() as u64));
    let bytes = parts.iter().map(|part| match data_type {
        // one dictionary stays as it is
        DataType::Dictionary(..) => part.buffers()[0].len(),
        _ => part.get_buffer_memory_size(),
    });
    let bytes = bytes.fold(0, usize::saturating_add);
    // rows that have no bytes get some, where others have nulls
    if rows > MAX_ROWS || (rows as usize > FREE_BITS && rows as usize / 8 > bytes) {
        return Err(format!("chunks of {rows} rows and {bytes} bytes together"));
    }
    working(bytes)?;
    copying(bytes)?;
    let mut whole = MutableArrayData::try_new(parts.iter().collect(), false, rows as usize).map_err(said)?;
    for (index, part) in parts.iter().enumerate() {
        whole.try_extend(index, 0, part.len()).map_err(said)?;
    }
    Ok((leave::column(&whole.freeze(), 0..rows as usize), sound.is_masked))
}

/// Chunks that have equal dictionaries, with the first one in all of them: values that stand there twice are no categories.
fn of_one_dictionary(mut parts: Vec<ArrayData>) -> Result<Vec<ArrayData>, String> {
    let first = parts[0].child_data()[0].clone();
    for part in &mut parts[1..] {
        let own = &part.child_data()[0];
        // chunks of one column nearly always name the same memory
        if own.ptr_eq(&first) {
            continue;
        }
        working(own.get_buffer_memory_size().saturating_add(part.get_buffer_memory_size()))?;
        if *own != first {
            return Err("chunks with different dictionaries, which pyarrow's unify_dictionaries() makes one".to_owned());
        }
        let shared = part.clone().into_builder().child_data(vec![first.clone()]).build();
        *part = shared.map_err(said)?;
    }
    Ok(parts)
}

/// Rows by their numbers, `None` for a null: copied.
///
/// # Errors
///
/// A text that says what does not fit.
pub(crate) fn picked(
    values: &ArrayRef,
    rows: impl ExactSizeIterator<Item = Option<usize>> + Clone,
) -> Result<Column, String> {
    let data = values.to_data();
    let len = data.len();
    if let Some(outside) = rows.clone().flatten().find(|&row| row >= len) {
        return Err(format!("row {outside} of {len}"));
    }
    copying(cost(&data, rows.clone())?)?;
    let parts = vec![&data];
    let mut picked = MutableArrayData::try_new(parts, true, rows.len()).map_err(said)?;
    let count = rows.len();
    let mut run = 0..0;
    for row in rows {
        match row {
            Some(row) if row == run.end && !run.is_empty() => run.end += 1,
            row => {
                picked.try_extend(0, run.start, run.end).map_err(said)?;
                run = row.map_or(0..0, |row| row..row + 1);
                if row.is_none() {
                    picked.try_extend_nulls(1).map_err(said)?;
                }
            }
        }
    }
    picked.try_extend(0, run.start, run.end).map_err(said)?;
    Ok(leave::column(&picked.freeze(), 0..count))
}

/// How many bytes picked rows have.
fn cost(data: &ArrayData, rows: impl ExactSizeIterator<Item = Option<usize>>) -> Result<usize, String> {
    fn texts<O: ArrowNativeType>(data: &ArrayData, rows: impl Iterator<Item = Option<usize>>) -> usize {
        if data.is_empty() {
            return 0;
        }
        let offsets = ScalarBuffer::<O>::new(data.buffers()[0].clone(), data.offset(), data.len() + 1);
        let len = |row: usize| size_of::<O>() + offsets[row + 1].as_usize() - offsets[row].as_usize();
        rows.map(|row| row.map_or(size_of::<O>(), len)).fold(0, usize::saturating_add)
    }
    let count = rows.len();
    match data.data_type() {
        DataType::Utf8 | DataType::Binary => Ok(texts::<i32>(data, rows)),
        DataType::LargeUtf8 | DataType::LargeBinary => Ok(texts::<i64>(data, rows)),
        DataType::Boolean | DataType::Null => Ok(count / 8),
        data_type => match layout(data_type).buffers[..] {
            [BufferSpec::FixedWidth { byte_width, .. }] => Ok(count.saturating_mul(byte_width)),
            _ => Err(format!("rows of {data_type} cannot be picked by number")),
        },
    }
}

/// Charges what is looked through or joined.
fn working(bytes: usize) -> Result<(), String> {
    handoff::working(bytes)
        .map_err(|limit| format!("buffers that chunks share would be joined to more than {limit} bytes"))
}

/// Charges and counts a copy.
fn copying(bytes: usize) -> Result<(), String> {
    handoff::copying(bytes).map_err(|limit| format!("it would be copied to more than {limit} bytes"))?;
    memory::count_copy(bytes);
    Ok(())
}

/// The texts of a column of text, as they are needed for names.
///
/// # Errors
///
/// A text that says what does not fit.
pub(crate) fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, String> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(owned).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(owned).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(owned).collect(),
        other => return Err(format!("{other} is no text")),
    })
}

/// The array of a column that is in no table, validated.
///
/// # Errors
///
/// A text that says what does not fit.
pub(crate) fn array(column: Column, data_type: &DataType) -> Result<ArrayRef, String> {
    arrive::data(column, data_type).map(make_array)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow_schema::DataType;

    use super::super::column::{Column, Slot};
    use super::{array, joined, picked, texts, window};
    use crate::buffer::Buffer;

    /// Letters, of which the second one is null.
    fn letters() -> Column {
        let slot = |bytes: Vec<u8>| Slot::of(Buffer::from(bytes), 1);
        let offsets = [0_i32, 1, 1, 3, 4].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let buffers = vec![slot(vec![0b1101]), slot(offsets), slot(b"accd".to_vec())];
        Column { len: 4, nulls: 1, buffers, children: vec![], dictionary: None }
    }

    fn read(column: Column) -> Vec<Option<String>> {
        texts(&array(column, &DataType::Utf8).unwrap()).unwrap()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|&text| (text != "-").then(|| text.to_owned())).collect()
    }

    #[test]
    fn a_window_has_its_rows_and_counts_their_nulls() {
        let mut column = letters();
        column.len = 2;
        let (column, _) = window(column, &DataType::Utf8, 1).unwrap();
        assert_eq!((column.len, column.nulls), (2, 1));
        assert_eq!(read(column), some(&["-", "cc"]));
        let beyond = window(letters(), &DataType::Utf8, 1).map(drop).unwrap_err();
        assert!(beyond.contains("5 rows"), "{beyond}");
        assert!(window(letters(), &DataType::Utf8, u64::MAX).is_err());
    }

    #[test]
    fn chunks_are_joined_in_order() {
        let (column, _) = joined(vec![letters(), letters()], &DataType::Utf8).unwrap();
        assert_eq!(read(column), some(&["a", "-", "cc", "d", "a", "-", "cc", "d"]));
        assert_eq!(read(joined(vec![], &DataType::Utf8).unwrap().0), some(&[]));
    }

    #[test]
    fn rows_are_picked_by_number() {
        let rows = [Some(3), None, Some(2), Some(3), Some(1)];
        let letters = array(letters(), &DataType::Utf8).unwrap();
        assert_eq!(read(picked(&letters, rows.into_iter()).unwrap()), some(&["d", "-", "cc", "d", "-"]));
        let outside = picked(&letters, [Some(4)].into_iter()).map(drop).unwrap_err();
        assert_eq!(outside, "row 4 of 4");
    }
}
