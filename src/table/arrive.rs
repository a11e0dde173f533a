//! Columns into Arrow arrays: the received buffers in place, and everything validated before there is an array.
//!
//! Arrow's own validation (`ArrayDataBuilder::build`) does most of it. It panics, or allocates on the word of a length,
//! for a few inputs that no builder makes; these are refused here before.

use std::fmt;
use std::sync::LazyLock;

use arrow_array::types::{BinaryType, ByteArrayType, LargeBinaryType, LargeUtf8Type, Utf8Type};
use arrow_array::{GenericByteArray, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer as ArrowBuffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer,
};
use arrow_data::{ArrayData, ArrayDataBuilder, BufferSpec, MAX_INLINE_VIEW_LEN, layout};
use arrow_schema::{DataType, Field, SchemaRef};
use bytes::Bytes;

use super::column::{Column, Columns, Slot};
use super::masked;
use super::schema::said;
use super::sound::{self, Sound};
use crate::buffer::Buffer;
use crate::error::excerpt;
use crate::handoff;

/// The most rows of a column: more than memory has bytes, and few enough that no length in bits overflows.
///
/// A column without buffers (nulls, structs without fields, runs) may be that long.
pub(super) const MAX_ROWS: u64 = 1 << 48;

/// Up to this many bits a null bitmap may be expanded over the values of fixed-size lists that have no bytes of their own.
pub(super) const FREE_BITS: usize = 1 << 20;

/// The batch of a schema and columns, and whether null rows had to become something else for it.
///
/// # Errors
///
/// A text that says what does not fit, and names the column.
pub(super) fn batch(schema: SchemaRef, rows: u64, columns: Columns) -> Result<(RecordBatch, bool), String> {
    let (fields, columns) = (schema.fields(), columns.0);
    if fields.len() != columns.len() {
        return Err(format!("the schema has {} fields and the table {} columns", fields.len(), columns.len()));
    }
    let rows = checked_rows(rows)?;
    let bytes = columns.iter().map(sound::bytes).fold(0, usize::saturating_add);
    let mut sound = Sound::default();
    let column = |(column, field): (Column, &Field)| {
        let path = Path { parent: None, name: field.name() };
        if column.len != rows as u64 {
            return Err(path.says(format_args!("{} rows, and the table has {rows}", column.len)));
        }
        known(column, field.data_type(), &path, &mut sound).map(|(data, _)| make_array(data))
    };
    let columns = columns.into_iter().zip(fields.iter().map(AsRef::as_ref)).map(column);
    let columns = handoff::bounded(bytes, || columns.collect::<Result<_, _>>())?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options).map_err(said)?;
    Ok((batch, sound.is_masked))
}

/// The array of one column that is in no table yet.
///
/// # Errors
///
/// A text that says what does not fit.
pub(super) fn data(column: Column, data_type: &DataType) -> Result<ArrayData, String> {
    piece(column, data_type, &mut Sound::default())
}

/// The same of one of several.
pub(super) fn piece(column: Column, data_type: &DataType, sound: &mut Sound) -> Result<ArrayData, String> {
    known(column, data_type, &Path { parent: None, name: "in pieces" }, sound).map(|(data, _)| data)
}

/// The array of a column, which may have been validated before, and how many bytes its buffers have.
fn known(
    column: Column,
    data_type: &DataType,
    path: &Path<'_>,
    sound: &mut Sound,
) -> Result<(ArrayData, usize), String> {
    let Some(key) = sound.key(&column, data_type) else { return array(column, data_type, path, sound) };
    if let Some(known) = sound.get(&key) {
        return Ok(known);
    }
    let found = array(column, data_type, path, sound)?;
    sound.insert(key, found.clone());
    Ok(found)
}

/// Pays for bytes that are about to be looked through.
fn pay(bytes: usize) -> Result<(), String> {
    handoff::working(bytes)
        .map_err(|limit| format!("buffers that columns share would be looked through to more than {limit} bytes"))
}

/// How many bytes of a column's own Arrow looks through, its bitmap aside.
fn looked_through(
    data_type: &DataType,
    buffers: &[ArrowBuffer],
    children: &[ArrayData],
    len: usize,
    has_nulls: bool,
) -> usize {
    let all = || buffers.iter().fold(0_usize, |all, buffer| all.saturating_add(buffer.len()));
    match data_type {
        // against the bitmap of each child that has no nulls of its own
        DataType::Struct(fields) if has_nulls => fields.len().saturating_mul(len / 8),
        // each view for itself, of which many may name the same text
        DataType::Utf8View => {
            let texts = buffers[0].chunks_exact(size_of::<u128>()).take(len).map(|view| viewed(view, &buffers[1..]));
            texts.fold(buffers[0].len(), |all, len| all.saturating_add(len / VIEWED))
        }
        DataType::BinaryView => buffers[0].len(),
        DataType::RunEndEncoded(..) => children[0].buffers().first().map_or(0, ArrowBuffer::len),
        // the bitmap is expanded, a bit after the other
        DataType::FixedSizeList(field, size) if has_nulls && !field.is_nullable() => {
            len.saturating_mul(*size as usize) / BITS
        }
        DataType::Boolean | DataType::FixedSizeBinary(_) | DataType::FixedSizeList(..) => 0,
        plain if plain.is_primitive() => 0,
        _ => all(),
    }
}

/// How many bytes of views cost as much as one of others: honest tables name one text in many rows.
const VIEWED: usize = 4;

/// How many bits that are set by themselves cost as much as a byte that is read.
const BITS: usize = 4;

/// How many bytes of a buffer a view shows: none where it looks elsewhere, which ends the validation.
fn viewed(view: &[u8], buffers: &[ArrowBuffer]) -> usize {
    let part = |at: usize| view[at..].first_chunk().map_or(0, |part| u32::from_le_bytes(*part) as usize);
    let (len, buffer, offset) = (part(0), part(8), part(12));
    if len <= MAX_INLINE_VIEW_LEN as usize {
        return 0;
    }
    let is_within = buffers.get(buffer).is_some_and(|buffer| offset.saturating_add(len) <= buffer.len());
    if is_within { len } else { 0 }
}

fn checked_rows(rows: u64) -> Result<usize, String> {
    let within = usize::try_from(rows).ok().filter(|_| rows <= MAX_ROWS);
    within.ok_or_else(|| format!("{rows} rows are more than the limit of {MAX_ROWS}"))
}

/// Where a column is, from the top.
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'p str,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

impl Path<'_> {
    fn says(&self, what: impl fmt::Display) -> String {
        excerpt(format_args!("column {:.100}: {what}", excerpt(self)))
    }
}

/// The array of one column, and how many bytes its buffers have.
fn array(
    column: Column,
    data_type: &DataType,
    path: &Path<'_>,
    sound: &mut Sound,
) -> Result<(ArrayData, usize), String> {
    let len = checked_rows(column.len).map_err(|why| path.says(why))?;
    let (nulls, mut bytes) = validity(&column, len, data_type, path)?;
    let mut slots = column.buffers.into_iter().skip(1);
    let layout = layout(data_type);
    let mut buffers = Vec::with_capacity(slots.len());
    for (index, spec) in layout.buffers.iter().enumerate() {
        let slot = slots.next().ok_or_else(|| {
            path.says(format_args!("{} buffers, and {data_type} has {}", index + 1, layout.buffers.len() + 1))
        })?;
        let (width, align) = match spec {
            BufferSpec::FixedWidth { byte_width, alignment } => (*byte_width, *alignment),
            _ => (1, 1),
        };
        bytes += slot.buffer.as_ref().map_or(0, Buffer::len);
        buffers.push(aligned(slot, width, align).map_err(|why| path.says(why))?);
    }
    let rest = slots.len();
    if rest > 0 && !layout.variadic {
        return Err(path.says(format_args!("{rest} buffers more than {data_type} has")));
    }
    for slot in slots {
        bytes += slot.buffer.as_ref().map_or(0, Buffer::len);
        buffers.push(aligned(slot, 1, 1).map_err(|why| path.says(why))?);
    }
    let (children, below) = children(column.children, column.dictionary, data_type, path, sound)?;
    bytes = bytes.saturating_add(below);
    check_lists(data_type, len, nulls.is_some(), below).map_err(|why| path.says(why))?;
    pay(looked_through(data_type, &buffers, &children, len, nulls.is_some())).map_err(|why| path.says(why))?;
    let data = match data_type {
        DataType::Utf8 => text::<Utf8Type>(buffers, len, nulls),
        DataType::LargeUtf8 => text::<LargeUtf8Type>(buffers, len, nulls),
        DataType::Binary => text::<BinaryType>(buffers, len, nulls),
        DataType::LargeBinary => text::<LargeBinaryType>(buffers, len, nulls),
        DataType::Utf8View | DataType::BinaryView => views::<u128>(data_type, buffers, children, len, nulls, sound),
        DataType::ListView(_) => views::<i32>(data_type, buffers, children, len, nulls, sound),
        DataType::LargeListView(_) => views::<i64>(data_type, buffers, children, len, nulls, sound),
        _ => {
            let builder = ArrayDataBuilder::new(data_type.clone()).len(len).nulls(nulls);
            builder.buffers(buffers).child_data(children).build().map_err(said)
        }
    };
    let data = data.map_err(|why| path.says(why))?;
    Ok((data, bytes))
}

/// Strings and binaries, whose validation is most of the work in many a table: Arrow's typed arrays take less time for it
/// than its untyped ones, and panic where these do not.
fn text<T: ByteArrayType>(
    buffers: Vec<ArrowBuffer>,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayData, String> {
    let [offsets, values] = <[ArrowBuffer; 2]>::try_from(buffers).map_err(|_| "two buffers are needed".to_owned())?;
    let width = size_of::<T::Offset>();
    let offsets = if len == 0 && offsets.is_empty() {
        OffsetBuffer::new_empty()
    } else if offsets.len() / width <= len {
        return Err(format!("{} bytes of offsets for {len} rows, which take {} of {width}", offsets.len(), len + 1));
    } else {
        let offsets = ScalarBuffer::<T::Offset>::new(offsets, 0, len + 1);
        // a fold without an early end, which the compiler turns into vector instructions
        let in_order = offsets.iter().zip(&offsets[1..]).fold(true, |in_order, (start, end)| in_order & (start <= end));
        if !in_order || offsets[0].to_usize().is_none() {
            return Err("offsets that are negative or not in order".to_owned());
        }
        OffsetBuffer::new(offsets)
    };
    let array = match (GenericByteArray::<T>::try_new(offsets.clone(), values.clone(), nulls.clone()), nulls) {
        (Err(_), Some(nulls)) => {
            let values = masked::texts(&values, &offsets, &nulls)?;
            pay(values.len())?;
            GenericByteArray::<T>::try_new(offsets, values, Some(nulls))
        }
        (array, _) => array,
    };
    array.map(ArrayData::from).map_err(said)
}

/// Strings, binaries and lists as views, in which null rows may hold anything.
fn views<V: ArrowNativeType>(
    data_type: &DataType,
    mut buffers: Vec<ArrowBuffer>,
    children: Vec<ArrayData>,
    len: usize,
    nulls: Option<NullBuffer>,
    sound: &mut Sound,
) -> Result<ArrayData, String> {
    let build = |buffers, children, nulls| {
        let builder = ArrayDataBuilder::new(data_type.clone()).len(len).nulls(nulls);
        builder.buffers(buffers).child_data(children).build().map_err(said)
    };
    let Some(nulls) = nulls else { return build(buffers, children, None) };
    build(buffers.clone(), children.clone(), Some(nulls.clone())).or_else(|_| {
        sound.is_masked = true;
        // a list has an offset and a size
        let views = if children.is_empty() { 1 } else { 2 };
        for buffer in &mut buffers[..views] {
            *buffer = masked::zeros::<V>(buffer, &nulls)?;
        }
        pay(looked_through(data_type, &buffers, &children, len, true))?;
        build(buffers, children, Some(nulls))
    })
}

/// The null bitmap, counted; and its bytes.
fn validity(
    column: &Column,
    len: usize,
    data_type: &DataType,
    path: &Path<'_>,
) -> Result<(Option<NullBuffer>, usize), String> {
    let Some(slot) = column.buffers.first() else {
        return Err(path.says("no buffers, not even a place for the validity"));
    };
    let declared = column.nulls;
    let Some(bitmap) = &slot.buffer else {
        let counted = if *data_type == DataType::Null { column.len } else { 0 };
        // all of a null array is null, and writers differ in whether they say so
        if declared != counted && declared != 0 {
            return Err(path.says(format_args!("{declared} nulls, and no bitmap that says which")));
        }
        return Ok((None, 0));
    };
    if !layout(data_type).can_contain_null_mask {
        return Err(path.says(format_args!("a validity bitmap, which {data_type} does not have")));
    }
    if bitmap.len() < len.div_ceil(8) {
        return Err(path.says(format_args!("a validity bitmap of {} bytes for {len} rows", bitmap.len())));
    }
    pay(len / 8).map_err(|why| path.says(why))?;
    let nulls = NullBuffer::new(BooleanBuffer::new(ArrowBuffer::from(Bytes::from(bitmap.clone())), 0, len));
    if nulls.null_count() as u64 != declared {
        return Err(path.says(format_args!("{declared} nulls announced, and {} are there", nulls.null_count())));
    }
    Ok((Some(nulls).filter(|nulls| nulls.null_count() > 0), bitmap.len()))
}

/// The arrays below a column, and how many bytes their buffers have.
fn children(
    columns: Vec<Column>,
    dictionary: Option<Box<Column>>,
    data_type: &DataType,
    path: &Path<'_>,
    sound: &mut Sound,
) -> Result<(Vec<ArrayData>, usize), String> {
    if let DataType::Dictionary(_, values) = data_type {
        let dictionary = dictionary.filter(|_| columns.is_empty());
        let dictionary = dictionary.ok_or_else(|| path.says("a dictionary-encoded column needs a dictionary alone"))?;
        let (values, bytes) = known(*dictionary, values, &Path { parent: Some(path), name: "dictionary" }, sound)?;
        return Ok((vec![values], bytes));
    }
    if dictionary.is_some() {
        return Err(path.says(format_args!("a dictionary, which {data_type} does not have")));
    }
    let fields = fields_below(data_type);
    if fields.len() != columns.len() {
        return Err(path.says(format_args!("{} children, and {data_type} has {}", columns.len(), fields.len())));
    }
    let (mut arrays, mut bytes) = (Vec::with_capacity(fields.len()), 0_usize);
    for (column, field) in columns.into_iter().zip(fields) {
        let (data, below) = array(column, field.data_type(), &Path { parent: Some(path), name: field.name() }, sound)?;
        arrays.push(data);
        bytes = bytes.saturating_add(below);
    }
    Ok((arrays, bytes))
}

/// The fields of a nested type.
pub(crate) fn fields_below(data_type: &DataType) -> Vec<&Field> {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => vec![field],
        DataType::ListView(field) | DataType::LargeListView(field) | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.as_ref()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends, values],
        _ => Vec::new(),
    }
}

/// Arrow multiplies rows by the length of fixed-size lists, and expands a null bitmap over that many values.
fn check_lists(data_type: &DataType, rows: usize, has_nulls: bool, bytes_below: usize) -> Result<(), String> {
    let DataType::FixedSizeList(field, size) = data_type else { return Ok(()) };
    let values = usize::try_from(*size).ok().and_then(|size| rows.checked_mul(size));
    let values = values.filter(|&values| values as u64 <= MAX_ROWS);
    let values =
        values.ok_or_else(|| format!("{rows} lists of {size} values are more than the limit of {MAX_ROWS}"))?;
    let expanded = if has_nulls && !field.is_nullable() { values } else { 0 };
    if expanded > bytes_below.saturating_mul(8).max(FREE_BITS) {
        return Err(format!("{rows} lists of {size} values, which have {bytes_below} bytes"));
    }
    Ok(())
}

/// A buffer of elements of `width` bytes **without copying** where it is aligned, else one counted copy.
fn aligned(slot: Slot, width: usize, align: usize) -> Result<ArrowBuffer, String> {
    let mut buffer = slot.buffer.unwrap_or_default();
    let rest = buffer.len().checked_rem(width).unwrap_or(0);
    if rest > 0 {
        // padding that is no whole element, which Arrow takes for a mistake of its own and panics
        buffer = buffer.slice(..buffer.len() - rest);
    }
    if buffer.is_empty() {
        // nothing lies anywhere, and Arrow wants it aligned all the same; views may have many of these, of a byte of metadata each
        static NOTHING: LazyLock<ArrowBuffer> = LazyLock::new(|| MutableBuffer::new(0).into());
        return Ok(NOTHING.clone());
    }
    if !buffer.as_ptr().addr().is_multiple_of(align) {
        handoff::copying(buffer.len())
            .map_err(|limit| format!("buffers that are not aligned would be copied to more than {limit} bytes"))?;
    }
    Ok(ArrowBuffer::from(Bytes::from(buffer.to_aligned(align))))
}
