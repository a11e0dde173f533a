//! pandas and pyarrow objects as tables: what their pickles hold, put in Arrow's layout where it is not in it already.
//!
//! This room knows how pandas 2 and 3 and pyarrow lie in a pickle. It refuses to know whether the parts fit each other:
//! lengths, offsets, UTF-8 and dictionary codes are for [`Table`](crate::Table) to check, which reads what is made here as it reads
//! every table from a stranger.
//!
//! ```text
//!   DataFrame ── blocks ──> pieces ──┐
//!             ── index ───> pieces ──┼──> frame ──> schema with pandas' metadata, columns ──> Table
//!             ── columns ─> labels ──┘
//! ```
//!
//! A block is a matrix of columns of one dtype, its rows the columns of the frame (pandas' `core/internals/blocks.py`): a
//! column is a part of its bytes and is not copied. Beside what pandas and pyarrow pickle, `written` has what this crate writes. The metadata is pyarrow's, which is described in pandas' "Developer" page
//! under "Storing pandas DataFrame objects in Apache Parquet format".

mod arrow;
mod axis;
mod block;
mod came;
mod column;
mod extension;
mod frame;
mod given;
mod index;
mod kind;
mod label;
mod labels;
mod metadata;
mod numbers;
mod object;
mod objects;
mod passed;
mod piece;
mod series;
mod shown;
mod written;
mod zone;

use super::form::{Call, Form};
use super::list::{Listed, Pandas, PyArrow};
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
pub(super) use arrow::name;
pub(super) use axis::{Axis, Kept, Level, Values};
pub(super) use came::{Bytes, Came, Mask, Missing, Origin, Part};
pub(super) use given::Given;
pub(super) use index::MAX_LEVELS;
pub(super) use label::Label;
pub(super) use metadata::{MULTI, ORIGIN};
pub(super) use shown::{Parts, Shown};

/// The table that a call of pandas or pyarrow describes.
pub(super) fn form<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Form<'g>> {
    let table = match call.listed {
        Listed::Pandas(Pandas::Frame) if call.arguments.len() > 0 => written::frame(reader, call)?,
        Listed::Pandas(Pandas::Frame) => frame::read(reader, call)?,
        Listed::Pandas(Pandas::Series) if call.arguments.len() > 0 => written::series(reader, call)?,
        Listed::Pandas(Pandas::Series) => series::read(reader, call)?,
        Listed::Pandas(
            Pandas::NewIndex | Pandas::Index | Pandas::RangeIndex | Pandas::MultiIndex | Pandas::FromArrays,
        ) => index::alone(reader)?,
        Listed::Pandas(Pandas::Backed | Pandas::Masked | Pandas::ArrowStrings | Pandas::ArrowValues) => {
            series::array(reader)?
        }
        Listed::Pandas(Pandas::MadeArray) if call.arguments.len() == 3 => written::array(reader, call)?,
        Listed::PyArrow(PyArrow::Array | PyArrow::Chunked) => arrow::alone(reader, call)?,
        Listed::PyArrow(PyArrow::Batch | PyArrow::Table) => arrow::table(reader, call)?,
        Listed::PyArrow(PyArrow::Schema) => arrow::empty(reader)?,
        // as the buffer that it is made from
        Listed::PyArrow(PyArrow::Buffer) => return Ok(Form::Same(call.exactly::<1>()?[0])),
        _ => return Err(Mismatch::because(format_args!("a {} by itself, which is no value", call.name))),
    };
    Ok(Form::Table(Box::new(table)))
}
