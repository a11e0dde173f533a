//! How arrays print: what they are and a few elements, never megabytes.

use std::fmt::{self, Write as _};

use super::Array;
use super::dtype::{ByteOrder, DType, Kind};
use super::layout::{self, Order, Tuple};
use super::record::Field;
use super::text::Quoted;
use crate::error::{Escaped, excerpt};

/// How many elements are shown at either end.
const ENDS: usize = 3;
/// How many bytes or characters are shown of one element.
const LONGEST: usize = 40;

/// `array(f8, (480, 640), C) [0.5, 1.0, 1.5, ..., 2.0, 2.5, 3.0]`: dtype, shape, order, and the first and last three
/// elements in C order.
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = excerpt(&self.dtype);
        let dtype = dtype.trim_start_matches(['<', '|']);
        // names of fields
        write!(Escaped(&mut *f), "array({dtype}, ")?;
        write!(f, "{}, ", Tuple(&self.shape))?;
        match &self.turn {
            None => write!(f, "{}", self.order)?,
            Some(_) => write!(f, "axes {}", Tuple(&self.axes()))?,
        }
        if let Some(base) = &self.base {
            write!(f, ", broadcast from {}", Tuple(base))?;
        }
        write!(Escaped(f), ") {}", excerpt(Elements(self)))
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first and last elements in brackets.
struct Elements<'a>(&'a Array);

impl fmt::Display for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(array) = self;
        let (strides, item) = (array.strides(), array.dtype.item_len());
        list(f, array.len(), |f, index| {
            let offset = layout::offset(&array.shape, &strides, index);
            element(f, &array.dtype, &array.data[offset..offset + item])
        })
    }
}

/// `[0, 1, 2, ..., 7, 8, 9]`, each written by `one`.
fn list<F: fmt::Write>(f: &mut F, len: usize, one: impl Fn(&mut F, usize) -> fmt::Result) -> fmt::Result {
    f.write_char('[')?;
    let shown = |index: usize| len <= 2 * ENDS || index < ENDS || index >= len - ENDS;
    let mut index = 0;
    while index < len {
        if index > 0 {
            f.write_str(", ")?;
        }
        if shown(index) {
            one(f, index)?;
            index += 1;
        } else {
            f.write_str("...")?;
            index = len - ENDS;
        }
    }
    f.write_char(']')
}

/// One element, as NumPy prints it.
fn element(f: &mut fmt::Formatter<'_>, dtype: &DType, bytes: &[u8]) -> fmt::Result {
    let order = dtype.byte_order().unwrap_or(ByteOrder::Little);
    match dtype.kind() {
        Kind::Bool => f.write_str(if bytes[0] != 0 { "True" } else { "False" }),
        Kind::I8 => write!(f, "{}", bytes[0] as i8),
        Kind::I16 => write!(f, "{}", number(bytes, order) as i16),
        Kind::I32 => write!(f, "{}", number(bytes, order) as i32),
        Kind::I64 => write!(f, "{}", number(bytes, order) as i64),
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => write!(f, "{}", number(bytes, order)),
        Kind::F16 => float(f, binary16(number(bytes, order) as u16)),
        Kind::BF16 => float(f, f32::from_bits((number(bytes, order) as u32) << 16)),
        Kind::F32 => float(f, f32::from_bits(number(bytes, order) as u32)),
        Kind::F64 => float(f, f64::from_bits(number(bytes, order))),
        Kind::Complex64 | Kind::Complex128 => {
            let (real, imaginary) = bytes.split_at(bytes.len() / 2);
            part(f, real, order)?;
            f.write_str(if has_minus(imaginary, order) { "" } else { "+" })?;
            part(f, imaginary, order)?;
            f.write_str("j")
        }
        Kind::DateTime(step) => step.write_point(f, number(bytes, order) as i64),
        Kind::TimeDelta(step) => step.write_span(f, number(bytes, order) as i64),
        Kind::Bytes(_) => byte_string(f, without_end_zeros(bytes)),
        Kind::Opaque(_) => byte_string(f, bytes),
        Kind::Text(_) => text(f, bytes, order),
        Kind::Record(record) => {
            f.write_str("(")?;
            for (at, field) in record.fields().iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                value(f, field, &bytes[field.offset()..])?;
            }
            f.write_str(")")
        }
    }
}

/// The value of one field: an element, or the first and last of several.
fn value(f: &mut fmt::Formatter<'_>, field: &Field, bytes: &[u8]) -> fmt::Result {
    let (dtype, shape) = (field.dtype(), field.shape());
    let item = dtype.item_len();
    if shape.is_empty() {
        return element(f, dtype, &bytes[..item]);
    }
    let strides = layout::strides(shape, Order::C, item);
    list(f, layout::count(shape).unwrap_or(0), |f, index| {
        let offset = layout::offset(shape, &strides, index);
        element(f, dtype, &bytes[offset..offset + item])
    })
}

/// Up to 8 bytes as an unsigned number.
fn number(bytes: &[u8], order: ByteOrder) -> u64 {
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, append),
        ByteOrder::Big => bytes.iter().fold(0, append),
    }
}

/// Half of a complex number.
fn part(f: &mut fmt::Formatter<'_>, bytes: &[u8], order: ByteOrder) -> fmt::Result {
    match bytes.len() {
        4 => float(f, f32::from_bits(number(bytes, order) as u32)),
        _ => float(f, f64::from_bits(number(bytes, order))),
    }
}

/// Whether a float is printed with a minus, which what is not a number has none of.
fn has_minus(bytes: &[u8], order: ByteOrder) -> bool {
    let value = match bytes.len() {
        4 => f32::from_bits(number(bytes, order) as u32).into(),
        _ => f64::from_bits(number(bytes, order)),
    };
    value.is_sign_negative() && !value.is_nan()
}

/// A float with the digits that its own precision has; `nan` and `inf` as NumPy says them.
fn float<T: fmt::Debug + Into<f64> + Copy>(f: &mut fmt::Formatter<'_>, value: T) -> fmt::Result {
    if value.into().is_nan() { f.write_str("nan") } else { write!(f, "{value:?}") }
}

/// IEEE 754 binary16: a sign, 5 bits of exponent, 10 bits of fraction.
fn binary16(bits: u16) -> f32 {
    let (exponent, fraction) = (bits >> 10 & 0x1f, f32::from(bits & 0x3ff) / 1024.0);
    let size = match exponent {
        0 => fraction * 2_f32.powi(-14),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1.0 + fraction) * 2_f32.powi(i32::from(exponent) - 15),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// `b'abc\x00'`.
fn byte_string(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let shown = &bytes[..bytes.len().min(LONGEST)];
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    write!(f, "b'{}{more}'", shown.escape_ascii())
}

/// A text of code points of 4 bytes each.
fn text(f: &mut fmt::Formatter<'_>, bytes: &[u8], order: ByteOrder) -> fmt::Result {
    let mut codes = bytes.chunks_exact(4);
    let mut shown = String::new();
    for code in codes.by_ref().take(LONGEST) {
        shown.push(char::from_u32(number(code, order) as u32).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let cut = codes.any(|code| code != [0; 4]);
    if cut {
        shown.push_str("...");
    }
    write!(f, "{}", Quoted(shown.trim_end_matches('\0')))
}

/// Byte strings are padded with zeros, which are no part of them.
fn without_end_zeros(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..len]
}
