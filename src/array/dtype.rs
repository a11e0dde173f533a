//! `DType`: what one element of an array is.

use std::sync::Arc;

use super::record::{Field, Record};
use super::time::TimeStep;
use crate::error::{Detail, Error, Result};

/// The most bytes that one element may have: NumPy's own limit, the largest C `int`.
const MAX_ITEM: usize = i32::MAX as usize;

/// What one element of an array is: NumPy's dtype.
///
/// It has the text of NumPy's array interface (`dtype.str`, and `dtype.descr` for records), both ways:
/// [`Display`](std::fmt::Display) writes it, [`FromStr`](std::str::FromStr) reads it, and reads NumPy's names too.
///
/// | Rust | dtype | NumPy's name |
/// |---|---|---|
/// | 8-bit truth value | `\|b1` | `bool` |
/// | `i8`, `i16`, `i32`, `i64` | `\|i1`, `<i2`, `<i4`, `<i8` | `int8` ... `int64` |
/// | `u8`, `u16`, `u32`, `u64` | `\|u1`, `<u2`, `<u4`, `<u8` | `uint8` ... `uint64` |
/// | `half::f16`, `f32`, `f64` | `<f2`, `<f4`, `<f8` | `float16` ... `float64` |
/// | `half::bf16` | `bfloat16` | `bfloat16` of the package ml_dtypes |
/// | `Complex<f32>`, `Complex<f64>` | `<c8`, `<c16` | `complex64`, `complex128` |
/// | `i64` since 1970, `i64` | `<M8[ns]`, `<m8[ns]`, any unit | `datetime64[ns]`, `timedelta64[ns]` |
/// | bytes, padded with zeros | `\|S5` | `\|S5` |
/// | UTF-32 text, padded with zeros | `<U7` | `<U7` |
/// | bytes of no known meaning | `\|V8` | `\|V8` |
/// | a `#[repr(C)]` struct | a list of fields | the list as text |
///
/// `>` instead of `<` is big-endian. The specification:
/// <https://numpy.org/doc/stable/reference/arrays.interface.html>.
///
/// # Examples
///
/// ```
/// use outband::DType;
/// use outband::array::{ByteOrder, Kind};
///
/// let dtype: DType = ">f8".parse()?;
/// assert_eq!(dtype.kind(), &Kind::F64);
/// assert_eq!(dtype.byte_order(), Some(ByteOrder::Big));
/// assert_eq!(dtype.item_len(), 8);
/// assert_eq!("float64".parse::<DType>()?, DType::F64);
/// assert_eq!(DType::F64.to_string(), "<f8");
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DType {
    kind: Kind,
    /// `Little` where it makes no difference, so that equality means what it says.
    order: ByteOrder,
}

/// The kinds of elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A truth value in one byte: zero is false.
    Bool,
    /// A signed integer of 1 byte.
    I8,
    /// A signed integer of 2 bytes.
    I16,
    /// A signed integer of 4 bytes.
    I32,
    /// A signed integer of 8 bytes.
    I64,
    /// An unsigned integer of 1 byte.
    U8,
    /// An unsigned integer of 2 bytes.
    U16,
    /// An unsigned integer of 4 bytes.
    U32,
    /// An unsigned integer of 8 bytes.
    U64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32 (bfloat16); only little-endian has a name.
    BF16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// Two binary32, real and imaginary: 8 bytes.
    Complex64,
    /// Two binary64, real and imaginary: 16 bytes.
    Complex128,
    /// A point in time: steps since 1970-01-01T00:00, in 8 bytes; `i64::MIN` is "not a time".
    DateTime(TimeStep),
    /// A span of time: steps, in 8 bytes; `i64::MIN` is "not a time".
    TimeDelta(TimeStep),
    /// So many bytes, shorter ones padded with zeros at the end.
    Bytes(usize),
    /// So many code points of 4 bytes each (UTF-32), shorter texts padded with zeros at the end.
    Text(usize),
    /// So many bytes of no known meaning.
    Opaque(usize),
    /// Named fields.
    Record(Arc<Record>),
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least significant: `<`, which is what every supported target has in memory.
    Little,
    /// The most significant: `>`.
    Big,
}

/// Defines the constants of the plain dtypes.
macro_rules! plain {
    ($($name:ident $kind:ident $about:literal),* $(,)?) => {
        $(#[doc = $about] pub const $name: Self = Self { kind: Kind::$kind, order: ByteOrder::Little };)*
    };
}

impl DType {
    plain! {
        BOOL Bool "`|b1`.",
        I8 I8 "`|i1`.", I16 I16 "`<i2`.", I32 I32 "`<i4`.", I64 I64 "`<i8`.",
        U8 U8 "`|u1`.", U16 U16 "`<u2`.", U32 U32 "`<u4`.", U64 U64 "`<u8`.",
        F16 F16 "`<f2`.", BF16 BF16 "`bfloat16`.", F32 F32 "`<f4`.", F64 F64 "`<f8`.",
        COMPLEX64 Complex64 "`<c8`.", COMPLEX128 Complex128 "`<c16`.",
    }

    /// A dtype of this kind, little-endian.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when an element would have more than 2 147 483 647 bytes, NumPy's limit.
    pub fn new(kind: Kind) -> Result<Self> {
        if let Kind::Text(chars) = kind {
            check_item(chars.checked_mul(4))?;
        }
        let dtype = Self { kind, order: ByteOrder::Little };
        check_item(Some(dtype.item_len()))?;
        Ok(dtype)
    }

    /// A record: fields one after the other, with [`Field::padding`] where there are gaps.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when two fields have one name or title, records nest deeper than 32, the description has more than
    /// 65 536 parts (some 21 000 fields), or an element gets too long.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::DType;
    /// use outband::array::Field;
    ///
    /// let dtype = DType::record([
    ///     Field::new("id", DType::U32),
    ///     Field::padding(4),
    ///     Field::new("position", DType::F64).with_shape([3]),
    /// ])?;
    /// assert_eq!(dtype.item_len(), 32);
    /// assert_eq!(dtype.fields()[1].offset(), 8);
    /// assert_eq!(dtype.to_string(), "[('id', '<u4'), ('', '|V4'), ('position', '<f8', (3,))]");
    /// assert_eq!(dtype, DType::record([
    ///     Field::from(("id", DType::U32)), Field::padding(4), Field::new("position", DType::F64).with_shape([3]),
    /// ])?);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn record<F: Into<Field>>(fields: impl IntoIterator<Item = F>) -> Result<Self> {
        let record = Record::new(fields.into_iter().map(Into::into))?;
        Ok(Self { kind: Kind::Record(Arc::new(record)), order: ByteOrder::Little })
    }

    /// The same with the bytes of its numbers in another order; itself where there is no such thing.
    ///
    /// Fields of records have an order of their own each, and keep it.
    ///
    /// # Errors
    ///
    /// Kind `Caller` for big-endian bfloat16, which has no name in NumPy.
    pub fn with_byte_order(mut self, order: ByteOrder) -> Result<Self> {
        if self.kind == Kind::BF16 && order == ByteOrder::Big {
            return Err(misfit("bfloat16 has no big-endian form".to_owned()));
        }
        if self.byte_order().is_some() {
            self.order = order;
        }
        Ok(self)
    }

    /// What it is, apart from the order of its bytes.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The order of the bytes of its numbers; `None` where it has none: single bytes, byte strings, records.
    pub fn byte_order(&self) -> Option<ByteOrder> {
        (self.unit_len() > 1).then_some(self.order)
    }

    /// The length of one element in bytes.
    pub fn item_len(&self) -> usize {
        match &self.kind {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 | Kind::F16 | Kind::BF16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 | Kind::Complex64 => 8,
            Kind::DateTime(_) | Kind::TimeDelta(_) => 8,
            Kind::Complex128 => 16,
            Kind::Bytes(len) | Kind::Opaque(len) => *len,
            Kind::Text(chars) => 4 * chars,
            Kind::Record(record) => record.item_len(),
        }
    }

    /// The named fields of a record, in order of their offsets; none for everything else.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Record(record) => record.fields(),
            _ => &[],
        }
    }

    /// Whether all its numbers are in the order that this machine computes with.
    pub fn is_native(&self) -> bool {
        match &self.kind {
            Kind::Record(record) => record.fields().iter().all(|field| field.dtype().is_native()),
            _ => self.byte_order() != Some(ByteOrder::Big),
        }
    }

    /// The same with all numbers in the order that this machine computes with, fields of records included.
    pub fn to_native(&self) -> Self {
        match &self.kind {
            Kind::Record(record) if !self.is_native() => {
                Self { kind: Kind::Record(Arc::new(record.to_native())), order: ByteOrder::Little }
            }
            kind => Self { kind: kind.clone(), order: ByteOrder::Little },
        }
    }

    /// The length of the numbers whose bytes have an order: half of a complex number, one code point of a text.
    pub(super) fn unit_len(&self) -> usize {
        match &self.kind {
            Kind::Complex64 | Kind::Text(_) => 4,
            Kind::Complex128 => 8,
            Kind::Bytes(_) | Kind::Opaque(_) | Kind::Record(_) => 1,
            _ => self.item_len(),
        }
    }

    /// How deep records nest.
    pub(super) fn depth(&self) -> usize {
        match &self.kind {
            Kind::Record(record) => record.depth(),
            _ => 0,
        }
    }

    /// How many values its description has.
    pub(super) fn parts(&self) -> usize {
        match &self.kind {
            Kind::Record(record) => 1 + record.parts(),
            _ => 1,
        }
    }
}

/// Refuses elements that are too long; `None` is a number that overflowed.
pub(super) fn check_item(len: Option<usize>) -> Result<usize> {
    match len {
        Some(len) if len <= MAX_ITEM => Ok(len),
        Some(len) => Err(misfit(format!("an element of {len} bytes is longer than the limit of {MAX_ITEM}"))),
        None => Err(misfit(format!("an element is longer than the limit of {MAX_ITEM} bytes"))),
    }
}

/// The error of everything in this room.
pub(super) fn misfit(reason: String) -> Error {
    Detail::ArrayMisfit { reason }.into()
}
