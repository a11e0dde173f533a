//! NumPy's texts for dtypes: the type strings of the array interface, and the names that `str(dtype)` gives.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::descr;
use super::dtype::{ByteOrder, DType, Kind, misfit};
use super::literal::Literal;
use super::record::Field;
use super::time::TimeStep;
use crate::error::{Error, Escaped, Result, excerpt, is_acting};

/// The longest text of a dtype that is no record: `datetime64[2147483647generic]` is far shorter.
const LONGEST: usize = 64;

/// How strict to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Type strings as the wire has them: with the byte order where there is one.
    Wire,
    /// All that NumPy writes for the supported dtypes and most of what it reads: names, `=`, no byte order for this
    /// machine's.
    NumPy,
}

/// Reads type strings (`<f8`, `|S5`, `>M8[ns]`), NumPy's names (`float64`, `datetime64[ns]`) and records as the text of
/// a Python list (`[('x', '<f8'), ('y', '<f8', (3,))]`) or of the dictionary that NumPy prints for gaps, whose fields may come in any
/// order and are taken in that of their offsets.
impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // as a `recarray` says its dtype
        let record = text.strip_prefix("(numpy.record, ").and_then(|record| record.strip_suffix(')'));
        let text = record.unwrap_or(text);
        if text.trim_start().starts_with(['[', '{']) {
            let literal = Literal::parse(text).map_err(|reason| unknown(text, &reason))?;
            return descr::read(&literal, Dialect::NumPy);
        }
        parse(text, Dialect::NumPy)
    }
}

/// Reads a dtype that is no record.
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<DType> {
    if let Some(dtype) = common(text.as_bytes()) {
        return Ok(dtype);
    }
    if text.len() > LONGEST {
        return Err(unknown(text, &format!("its {} bytes are too long", text.len())));
    }
    match (text, dialect) {
        ("bfloat16", _) => return Ok(DType::BF16),
        (_, Dialect::NumPy) => {
            if let Some(dtype) = named(text) {
                return Ok(dtype);
            }
        }
        (_, Dialect::Wire) => {}
    }
    let mark = text.bytes().next().filter(|first| b"<>|=".contains(first));
    let code = &text[usize::from(mark.is_some())..];
    if code.starts_with('O') {
        return Err(unknown(text, "Python objects have no bytes that another process could read"));
    }
    let code = match (code, dialect) {
        // so it stands in records
        ("S", Dialect::NumPy) => "S0",
        ("U", Dialect::NumPy) => "U0",
        ("V", Dialect::NumPy) => "V0",
        _ => code,
    };
    let kind = kind(code).ok_or_else(|| unknown(text, why_none(code)))?;
    let dtype = DType::new(kind)?;
    match (mark, dialect) {
        (Some(b'>'), _) => dtype.with_byte_order(ByteOrder::Big),
        (Some(b'<'), _) => Ok(dtype),
        (Some(b'|'), _) if dtype.byte_order().is_none() => Ok(dtype),
        (Some(b'=') | None, Dialect::NumPy) => Ok(dtype),
        _ => Err(unknown(text, "it does not begin with its byte order, < or > or | for none")),
    }
}

/// The little-endian numbers that most arrays hold.
#[inline]
pub(super) fn common(text: &[u8]) -> Option<DType> {
    Some(match text {
        b"<f8" => DType::F64,
        b"<f4" => DType::F32,
        b"|u1" => DType::U8,
        b"<i8" => DType::I64,
        b"<i4" => DType::I32,
        b"<i2" => DType::I16,
        b"<u2" => DType::U16,
        b"<u4" => DType::U32,
        b"<u8" => DType::U64,
        _ => return None,
    })
}

fn unknown(text: &str, why: &str) -> Error {
    // short, so that the reason is not what gets cut off
    let shown = &text[..text.floor_char_boundary(LONGEST)];
    let more = if shown.len() < text.len() { "…" } else { "" };
    misfit(format!("{shown:?}{more} is no dtype that can be sent: {}", excerpt(why)))
}

/// Why a code is none of those that are read.
fn why_none(code: &str) -> &'static str {
    match code {
        "g" | "f16" | "f12" | "longdouble" | "float128" => {
            "a longdouble has another form on another machine, send it with .astype(\"f8\")"
        }
        "G" | "c32" | "c24" | "clongdouble" | "complex256" => {
            "a clongdouble has another form on another machine, send it with .astype(\"c16\")"
        }
        _ => "no such type",
    }
}

/// A letter and a number, as in `f8`.
fn kind(code: &str) -> Option<Kind> {
    let letter = code.bytes().next()?;
    // none where the letter is more than a byte long
    let rest = code.get(1..)?;
    match letter {
        b'?' if rest.is_empty() => return Some(Kind::Bool),
        b'M' => return Some(Kind::DateTime(TimeStep::parse(rest.strip_prefix('8')?)?)),
        b'm' => return Some(Kind::TimeDelta(TimeStep::parse(rest.strip_prefix('8')?)?)),
        _ => {}
    }
    Some(match (letter, number(rest)?) {
        (b'b', 1) => Kind::Bool,
        (b'i', 1) => Kind::I8,
        (b'i', 2) => Kind::I16,
        (b'i', 4) => Kind::I32,
        (b'i', 8) => Kind::I64,
        (b'u', 1) => Kind::U8,
        (b'u', 2) => Kind::U16,
        (b'u', 4) => Kind::U32,
        (b'u', 8) => Kind::U64,
        (b'f', 2) => Kind::F16,
        (b'f', 4) => Kind::F32,
        (b'f', 8) => Kind::F64,
        (b'c', 8) => Kind::Complex64,
        (b'c', 16) => Kind::Complex128,
        (b'S', len) => Kind::Bytes(len),
        (b'U', len) => Kind::Text(len),
        (b'V', len) => Kind::Opaque(len),
        _ => return None,
    })
}

/// A number of decimal digits and nothing else.
fn number(digits: &str) -> Option<usize> {
    let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|&digit| digit <= 9).map(usize::from);
    let (&first, rest) = digits.as_bytes().split_first()?;
    rest.iter().try_fold(digit(first)?, |number, &byte| number.checked_mul(10)?.checked_add(digit(byte)?))
}

/// NumPy's names of the plain dtypes.
const NAMES: [(&str, DType); 15] = [
    ("bool", DType::BOOL),
    ("int8", DType::I8),
    ("int16", DType::I16),
    ("int32", DType::I32),
    ("int64", DType::I64),
    ("uint8", DType::U8),
    ("uint16", DType::U16),
    ("uint32", DType::U32),
    ("uint64", DType::U64),
    ("float16", DType::F16),
    ("float32", DType::F32),
    ("float64", DType::F64),
    ("complex64", DType::COMPLEX64),
    ("complex128", DType::COMPLEX128),
    ("bfloat16", DType::BF16),
];

fn named(text: &str) -> Option<DType> {
    if let Some((_, dtype)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(dtype.clone());
    }
    let step = |name: &str| TimeStep::parse(text.strip_prefix(name)?);
    let kind = step("datetime64").map(Kind::DateTime).or_else(|| step("timedelta64").map(Kind::TimeDelta))?;
    DType::new(kind).ok()
}

impl DType {
    /// NumPy's `str(dtype)`: `float64`, `datetime64[ns]`, and the type string where NumPy has no name.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::DType;
    ///
    /// assert_eq!(DType::F64.numpy_name(), "float64");
    /// assert_eq!(">f8".parse::<DType>()?.numpy_name(), ">f8");
    /// assert_eq!("<M8[ns]".parse::<DType>()?.numpy_name(), "datetime64[ns]");
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn numpy_name(&self) -> String {
        if let Some((name, _)) = NAMES.iter().find(|(_, dtype)| dtype == self) {
            return (*name).to_owned();
        }
        match self.kind() {
            Kind::DateTime(step) if self.is_native() => format!("datetime64{step}"),
            Kind::TimeDelta(step) if self.is_native() => format!("timedelta64{step}"),
            _ => self.to_string(),
        }
    }

    /// The type string where it is one of a few: numbers and truth values.
    pub(super) fn fixed_text(&self) -> Option<&'static str> {
        let [little, big] = match self.kind() {
            Kind::Bool => ["|b1"; 2],
            Kind::I8 => ["|i1"; 2],
            Kind::I16 => ["<i2", ">i2"],
            Kind::I32 => ["<i4", ">i4"],
            Kind::I64 => ["<i8", ">i8"],
            Kind::U8 => ["|u1"; 2],
            Kind::U16 => ["<u2", ">u2"],
            Kind::U32 => ["<u4", ">u4"],
            Kind::U64 => ["<u8", ">u8"],
            Kind::F16 => ["<f2", ">f2"],
            Kind::BF16 => ["bfloat16"; 2],
            Kind::F32 => ["<f4", ">f4"],
            Kind::F64 => ["<f8", ">f8"],
            Kind::Complex64 => ["<c8", ">c8"],
            Kind::Complex128 => ["<c16", ">c16"],
            _ => return None,
        };
        Some(if self.byte_order() == Some(ByteOrder::Big) { big } else { little })
    }
}

/// The type string, or for a record the text of a Python list of its fields.
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.fixed_text() {
            return f.write_str(text);
        }
        let mark = if self.byte_order() == Some(ByteOrder::Big) { '>' } else { '<' };
        match self.kind() {
            // as NumPy says it, in either order
            Kind::Text(0) => f.write_str("<U0"),
            Kind::DateTime(step) => write!(f, "{mark}M8{step}"),
            Kind::TimeDelta(step) => write!(f, "{mark}m8{step}"),
            Kind::Text(chars) => write!(f, "{mark}U{chars}"),
            Kind::Bytes(len) => write!(f, "|S{len}"),
            Kind::Record(record) => {
                f.write_str("[")?;
                for (at, field) in record.padded().enumerate() {
                    write!(f, "{}{}", if at > 0 { ", " } else { "" }, Entry(&field))?;
                }
                f.write_str("]")
            }
            _ => write!(f, "|V{}", self.item_len()),
        }
    }
}

impl fmt::Debug for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaped(f), "DType({})", excerpt(self))
    }
}

/// One field as a Python tuple.
struct Entry<'f>(&'f Field);

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.0;
        if field.is_padding() {
            return write!(f, "('', '|V{}')", field.len().map_err(|_| fmt::Error)?);
        }
        f.write_str("(")?;
        match field.title() {
            Some(title) => write!(f, "({}, {})", Quoted(title), Quoted(field.name()))?,
            None => write!(f, "{}", Quoted(field.name()))?,
        }
        match field.dtype().kind() {
            Kind::Record(_) => write!(f, ", {}", field.dtype())?,
            _ => write!(f, ", '{}'", field.dtype())?,
        }
        if !field.shape().is_empty() {
            write!(f, ", {}", super::layout::Tuple(field.shape()))?;
        }
        f.write_str(")")
    }
}

/// A text as a Python literal.
pub(super) struct Quoted<'t>(pub(super) &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // as Python chooses: the other quotes where that needs no escapes
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        write!(f, "{quote}")?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c == quote => write!(f, "\\{c}")?,
                c if is_acting(c) && (c as u32) < 0x100 => write!(f, "\\x{:02x}", c as u32)?,
                c if is_acting(c) && (c as u32) < 0x10000 => write!(f, "\\u{:04x}", c as u32)?,
                c if is_acting(c) => write!(f, "\\U{:08x}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        write!(f, "{quote}")
    }
}
