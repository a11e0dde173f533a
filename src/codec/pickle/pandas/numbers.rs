//! NumPy arrays as columns: numbers, truth values, points and spans of time.

use arrow_schema::{DataType, TimeUnit as ArrowUnit};

use super::super::array::{Data, Found, axes};
use super::super::dtype;
use super::super::form::{Call, Form};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::came::{Bytes, Mask};
use super::object::{buffer, charge, copying, of_no_table};
use super::piece::{Nulls, Piece, packed};
use crate::array::{ByteOrder, DType, Kind, TimeStep, TimeUnit};
use crate::buffer::Buffer;
use crate::handoff::{self, Place};
use crate::pickle::{Node, NodeId};
use crate::table::MAX_PARTS;

/// A matrix whose rows are columns of a frame, or one column.
pub(super) struct Numbers {
    dtype: DType,
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Whether the elements of a row of the matrix lie apart from each other.
    is_scattered: bool,
    data: Buffer,
    came: How,
    /// Whether they were copied from where they came.
    is_moved: bool,
}

/// How the elements came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    InFrame,
    /// In a pickle whose writer had no choice.
    Anyhow,
    /// In the pickle, where the writer had the choice.
    InBand,
}

impl Numbers {
    pub(super) fn read(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        match of_no_table(reader, id)? {
            Form::Array(found) => Self::of(reader, *found),
            _ => Err(Mismatch::because("something else where an array should be")),
        }
    }

    fn of<'g>(reader: Reader<'g>, found: Found<'g>) -> Result<Self> {
        let Found { dtype, shape, order, axes, data, base, is_chosen } = found;
        if base.is_some() || axes.is_some() {
            return Err(Mismatch::because(
                "an array that repeats its elements or has its axes in another order, as a column",
            ));
        }
        let dtype: DType = serde_json::from_value(dtype).map_err(Mismatch::because)?;
        let (columns, rows) = match shape[..] {
            [rows] => (1, rows),
            [columns, rows] => (columns, rows),
            _ => return Err(Mismatch::because(format_args!("an array of {} axes as a column", shape.len()))),
        };
        if columns > MAX_PARTS {
            return Err(Mismatch::because(format_args!("{columns} columns are more than the limit of {MAX_PARTS}")));
        }
        let came = match data {
            Data::Frame(_) => How::InFrame,
            _ if is_chosen || reader.tree.has_frames() => How::InBand,
            _ => How::Anyhow,
        };
        let data = buffer(reader, data)?;
        let needed = columns.checked_mul(rows).and_then(|all| all.checked_mul(dtype.item_len()));
        if needed != Some(data.len()) {
            return Err(Mismatch::because(format_args!(
                "an array of {columns} by {rows} elements of {} bytes that has {} bytes",
                dtype.item_len(),
                data.len()
            )));
        }
        let is_scattered = order == "F" && columns > 1 && rows > 1;
        Ok(Self { dtype, columns, rows, is_scattered, data, came, is_moved: false })
    }

    /// One column of them all.
    pub(super) fn single(self) -> Result<Self> {
        match self.columns {
            1 => Ok(self),
            more => Err(Mismatch::because(format_args!("an array of {more} columns where one should be"))),
        }
    }

    /// The same with each column in one piece: **without copying** but for a matrix in Fortran order, or one that is not aligned,
    /// which are one counted copy.
    /// That they lie side by side is noted.
    pub(super) fn laid_out(mut self) -> Result<Self> {
        if self.is_scattered {
            let item = self.dtype.item_len();
            copying(self.data.len())?;
            let mut bytes = Vec::with_capacity(self.data.len());
            for column in 0..self.columns {
                for row in 0..self.rows {
                    bytes.extend_from_slice(&self.data[(row * self.columns + column) * item..][..item]);
                }
            }
            self.data = Buffer::from(bytes);
            (self.is_scattered, self.is_moved) = (false, true);
        }
        if self.columns > 1 && !self.data.is_empty() {
            // once, and not once for each column
            let align = self.dtype.item_len().next_power_of_two();
            if !self.data.as_ptr().addr().is_multiple_of(align) {
                charge(self.data.len())?;
                self.data = self.data.to_aligned(align);
                self.is_moved = true;
            }
            handoff::note_block(&self.data);
        }
        Ok(self)
    }

    /// The bytes of one column **without copying**.
    fn bytes(&self, column: usize) -> Result<Buffer> {
        if self.is_scattered {
            return Err(Mismatch::because("a matrix in Fortran order where one column should be"));
        }
        let len = self.rows * self.dtype.item_len();
        Ok(self.data.slice(column * len..(column + 1) * len))
    }

    /// The columns of an array of two axes as `DataFrame` takes it: a row after the other in C order, a column in Fortran order.
    pub(super) fn of_columns(reader: Reader<'_>, id: NodeId) -> Result<Self> {
        let Form::Array(mut found) = of_no_table(reader, id)? else {
            return Err(Mismatch::because("something else where an array should be"));
        };
        if found.shape.len() != 2 || found.order != "F" {
            return Err(Mismatch::because(
                "an array of the columns of a frame that is not of two axes in Fortran order",
            ));
        }
        found.shape.reverse();
        found.order = "C";
        Self::of(reader, *found)?.laid_out()
    }

    /// `ndarray(rows, dtype, buffer, offset)`: a column that is a part of a block.
    pub(super) fn of_part<'g>(reader: Reader<'g>, call: Call<'g>, parts: [NodeId; 4]) -> Result<Self> {
        let [shape, dtype, block, offset] = parts;
        let dtype = dtype::read(reader, dtype)?;
        if matches!(dtype.kind(), Kind::DateTime(_) | Kind::TimeDelta(_)) {
            return Err(call.odd());
        }
        let shape = axes(reader, call, shape)?;
        let (&[rows], Node::Int(start)) = (&shape[..], reader.tree.node(offset)) else {
            return Err(call.odd());
        };
        let (whole, frame) = match reader.tree.node(block) {
            Node::Buffer { index, .. } => (None, Some(buffer(reader, Data::Frame(index))?)),
            Node::ByteArray(bytes) => (Some(bytes), None),
            _ => return Err(call.odd()),
        };
        let have = whole.map_or(0, <[u8]>::len) + frame.as_ref().map_or(0, Buffer::len);
        let len = rows.checked_mul(dtype.item_len());
        let range = usize::try_from(start).ok().zip(len).and_then(|(start, len)| Some(start..start.checked_add(len)?));
        let range = range.filter(|range| range.end <= have).ok_or_else(|| {
            Mismatch::because(format_args!(
                "a column of {rows} elements from byte {start} on in a block of {have} bytes"
            ))
        })?;
        let came = match frame {
            Some(_) => How::InFrame,
            None if reader.tree.has_frames() => How::InBand,
            None => How::Anyhow,
        };
        let data = match (whole, frame) {
            (_, Some(frame)) => {
                handoff::note_block(&frame);
                frame.slice(range)
            }
            (bytes, None) => {
                let bytes = &bytes.unwrap_or_default()[range];
                reader.tree.spend(bytes.len())?;
                buffer(reader, Data::InBand(bytes))?
            }
        };
        Ok(Self { dtype, columns: 1, rows, is_scattered: false, data, came, is_moved: false })
    }

    /// One column, in a time zone where its dtype says so.
    pub(super) fn piece(&self, column: usize, zone: Option<&str>) -> Result<Piece> {
        let mut piece = self.values(column, zone)?;
        match self.came {
            How::InBand => piece.part.get_or_insert_default().place = Some(Place::InBand),
            How::InFrame if self.is_moved || self.is_to_move(column)? => {
                piece.part.get_or_insert_default().place = Some(Place::Frame);
            }
            _ => {}
        }
        match self.came {
            How::InFrame if *self.kind() == Kind::Bool && Bytes::are_true_or_false(&self.bytes(column)?) => {
                let bytes = Bytes { block: self.data.clone(), start: column * self.rows };
                piece.part.get_or_insert_default().truths = Some(bytes);
            }
            _ => {}
        }
        Ok(piece)
    }

    /// Whether a column lies where Arrow's Rust has none of its elements.
    fn is_to_move(&self, column: usize) -> Result<bool> {
        let align = self.dtype.item_len().next_power_of_two();
        Ok(!self.bytes(column)?.as_ptr().addr().is_multiple_of(align))
    }

    fn values(&self, column: usize, zone: Option<&str>) -> Result<Piece> {
        let dtype = &self.dtype;
        if dtype.byte_order() == Some(ByteOrder::Big) {
            return Err(Mismatch::because(format_args!("elements of dtype {dtype}, big-endian, which Arrow is not")));
        }
        let data_type = match dtype.kind() {
            Kind::Bool => {
                let bytes = self.bytes(column)?;
                let (rows, bits, _) = packed(bytes.iter().map(|&byte| byte != 0))?;
                return Ok(Piece::new(DataType::Boolean, rows, vec![Buffer::from(bits)]).with_dtype("bool"));
            }
            Kind::DateTime(step) => {
                let unit = unit(*step, dtype)?;
                let piece = self.time(column, DataType::Timestamp(unit, zone.map(Into::into)))?;
                return Ok(piece.with_dtype(format!("datetime64[{}]", step.unit().name())));
            }
            Kind::TimeDelta(step) => {
                let piece = self.time(column, DataType::Duration(unit(*step, dtype)?))?;
                return Ok(piece.with_dtype(format!("timedelta64[{}]", step.unit().name())));
            }
            _ => self.data_type()?,
        };
        let piece = Piece::new(data_type, self.rows, vec![self.bytes(column)?]);
        Ok(piece.with_dtype(self.name()))
    }

    /// The type of plain numbers.
    pub(super) fn data_type(&self) -> Result<DataType> {
        Ok(match self.dtype.kind() {
            Kind::I8 => DataType::Int8,
            Kind::I16 => DataType::Int16,
            Kind::I32 => DataType::Int32,
            Kind::I64 => DataType::Int64,
            Kind::U8 => DataType::UInt8,
            Kind::U16 => DataType::UInt16,
            Kind::U32 => DataType::UInt32,
            Kind::U64 => DataType::UInt64,
            Kind::F16 => DataType::Float16,
            Kind::F32 => DataType::Float32,
            Kind::F64 => DataType::Float64,
            _ => {
                let dtype = crate::error::excerpt(&self.dtype);
                return Err(Mismatch::because(format_args!("elements of dtype {dtype}, for which Arrow has no type")));
            }
        })
    }

    /// NumPy's name of plain numbers.
    pub(super) fn name(&self) -> &'static str {
        match self.dtype.kind() {
            Kind::I8 => "int8",
            Kind::I16 => "int16",
            Kind::I32 => "int32",
            Kind::I64 => "int64",
            Kind::U8 => "uint8",
            Kind::U16 => "uint16",
            Kind::U32 => "uint32",
            Kind::U64 => "uint64",
            Kind::F16 => "float16",
            Kind::F32 => "float32",
            Kind::F64 => "float64",
            _ => "bool",
        }
    }

    /// Points or spans of time: "not a time" is a null.
    fn time(&self, column: usize, data_type: DataType) -> Result<Piece> {
        let bytes = self.bytes(column)?;
        let not_a_time = i64::MIN.to_le_bytes();
        let values = || bytes.chunks_exact(8).map(|value| value == not_a_time);
        let nulls = Nulls::looked_for(values(), 8)?;
        Ok(Piece::new(data_type, self.rows, vec![bytes]).with_nulls(nulls))
    }

    /// The values of one column of integers.
    pub(super) fn integers(&self, column: usize) -> Result<impl ExactSizeIterator<Item = i64> + Clone + use<>> {
        let item = self.dtype.item_len();
        let is_signed = match (self.dtype.kind(), self.dtype.is_native()) {
            (Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64, true) => true,
            (Kind::U8 | Kind::U16 | Kind::U32, true) => false,
            _ => {
                let dtype = crate::error::excerpt(&self.dtype);
                return Err(Mismatch::because(format_args!("numbers of dtype {dtype} where integers should be")));
            }
        };
        let bytes = self.bytes(column)?;
        Ok((0..self.rows).map(move |row| {
            let value = &bytes[row * item..][..item];
            let fill = if is_signed && value[item - 1] >= 0x80 { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..item].copy_from_slice(value);
            i64::from_le_bytes(wide)
        }))
    }

    /// Codes as they came: their dtype, their bytes and where they go. `None` for what is none of pandas' codes.
    pub(super) fn codes(&self) -> Result<Option<(&'static str, Buffer, Place)>> {
        let dtype = match self.dtype.kind() {
            Kind::I8 => "|i1",
            Kind::I16 => "<i2",
            Kind::I32 => "<i4",
            Kind::I64 => "<i8",
            _ => return Ok(None),
        };
        let place = if self.came == How::InBand { Place::InBand } else { Place::OutOfBand };
        let are_codes = self.dtype.is_native() && self.integers(0)?.all(|code| code >= -1);
        Ok(if are_codes { Some((dtype, self.bytes(0)?, place)) } else { None })
    }

    /// Whether they have a frame.
    pub(super) fn is_in_frame(&self) -> bool {
        self.came == How::InFrame
    }

    /// The frame that they are.
    pub(super) fn frame(&self) -> Option<Buffer> {
        self.is_in_frame().then(|| self.data.clone())
    }

    /// The values of a column of truth values, or of 64-bit floats, as they are needed for names.
    pub(super) fn kind(&self) -> &Kind {
        self.dtype.kind()
    }

    pub(super) fn item_len(&self) -> usize {
        self.dtype.item_len()
    }

    /// The bytes of a mask: a byte for each row.
    pub(super) fn mask(&self) -> Result<(Buffer, Mask)> {
        match self.dtype.kind() {
            Kind::Bool if self.columns == 1 => {
                let bytes = self.bytes(0)?;
                let mask = match self.came {
                    How::InFrame if Bytes::are_true_or_false(&bytes) => Mask::Bytes(bytes.clone()),
                    How::InBand => Mask::InBand,
                    _ => Mask::Unknown,
                };
                Ok((bytes, mask))
            }
            _ => Err(Mismatch::because("a mask that is no array of truth values")),
        }
    }
}

fn unit(step: TimeStep, dtype: &DType) -> Result<ArrowUnit> {
    match (step.count(), step.unit()) {
        (1, TimeUnit::Second) => Ok(ArrowUnit::Second),
        (1, TimeUnit::Millisecond) => Ok(ArrowUnit::Millisecond),
        (1, TimeUnit::Microsecond) => Ok(ArrowUnit::Microsecond),
        (1, TimeUnit::Nanosecond) => Ok(ArrowUnit::Nanosecond),
        _ => Err(Mismatch::because(format_args!("times of dtype {dtype}, for which Arrow has no unit"))),
    }
}
