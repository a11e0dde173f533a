//! What null rows hold. Arrow's format leaves that open: "the content of the corresponding memory space can be arbitrary"
//! (<https://arrow.apache.org/docs/format/Columnar.html>, variable-size binary layouts). Its Rust arrays lend such values to whoever asks
//! for them, and so check them as all others. Where that fails, null rows get values that fail nowhere. (Of list views the format says that
//! null rows are within bounds too; pyarrow makes others all the same, and passes them on.)

use arrow_buffer::{ArrowNativeType, Buffer as ArrowBuffer, NullBuffer};

use crate::handoff;
use crate::memory;

/// The rows that are null.
fn rows(nulls: &NullBuffer) -> Vec<usize> {
    (!nulls.inner()).set_indices().collect()
}

/// Charges and counts a copy.
fn copying(bytes: usize) -> Result<(), String> {
    handoff::copying(bytes)
        .map_err(|limit| format!("buffers with something in null rows would be copied to more than {limit} bytes"))?;
    memory::count_copy(bytes);
    Ok(())
}

/// Views, or the offsets or sizes of lists, of which those of null rows are zeros: a counted copy.
///
/// # Errors
///
/// A text that says that it would be a copy too many.
pub(super) fn zeros<V: ArrowNativeType>(values: &ArrowBuffer, nulls: &NullBuffer) -> Result<ArrowBuffer, String> {
    copying(values.len())?;
    let mut masked = values.typed_data::<V>().to_vec();
    for row in rows(nulls) {
        if let Some(value) = masked.get_mut(row) {
            *value = V::default();
        }
    }
    Ok(ArrowBuffer::from_vec(masked))
}

/// Texts, of which those of null rows are zeros, as long as they were: a counted copy. The offsets are in order.
///
/// # Errors
///
/// A text that says that it would be a copy too many.
pub(super) fn texts<O: ArrowNativeType>(
    values: &ArrowBuffer,
    offsets: &[O],
    nulls: &NullBuffer,
) -> Result<ArrowBuffer, String> {
    copying(values.len())?;
    let mut masked = values.to_vec();
    for row in rows(nulls) {
        if let Some(text) = masked.get_mut(offsets[row].as_usize()..offsets[row + 1].as_usize()) {
            text.fill(0);
        }
    }
    Ok(ArrowBuffer::from_vec(masked))
}
