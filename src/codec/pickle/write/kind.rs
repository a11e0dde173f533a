//! Python's own kinds of objects that are text to serde.

use std::fmt::Display;

use serde::ser::{Error as _, Serialize};

use super::{Next, Writer, time};
use crate::codec::pickle::attribute::is_zone;
use crate::codec::pickle::number;
use crate::codec::unserializable::{Result, Unserializable};
use crate::error::excerpt;
use crate::handoff;
use crate::pickle::opcode as op;
use crate::python::Kind;

#[cold]
pub(super) fn misfit(kind: Kind, what: impl Display) -> Unserializable {
    Unserializable::custom(format_args!("{what} where the content of a Python {kind:?} should be"))
}

impl Writer<'_> {
    /// An object of this kind, with this content.
    #[cold]
    pub(super) fn kind<T: Serialize + ?Sized>(&mut self, kind: Kind, content: &T) -> Result<()> {
        self.plain("an object of Python's own")?;
        self.next = Next::Kind(kind);
        content.serialize(&mut *self)?;
        match self.take_next() {
            Next::Kind(_) => Err(misfit(kind, "something else")),
            _ => Ok(()),
        }
    }

    /// The object that a text stands for.
    #[cold]
    pub(super) fn kind_of_text(&mut self, kind: Kind, text: &str) -> Result<()> {
        self.next = Next::Value;
        let written = match kind {
            Kind::Int => self.digits(text),
            Kind::Ellipsis => (text == "Ellipsis").then(|| self.global("builtins", "Ellipsis")),
            Kind::DateTime => self.moment("datetime", time::datetime(text)),
            Kind::Date => self.moment("date", time::date(text).map(|date| (date, None))),
            Kind::Time => self.moment("time", time::time(text)),
            Kind::TimeDelta => time::span(text).map(|micros| self.span(micros)),
            Kind::TimeZone => time::zone(text).map(|zone| self.zone(zone)),
            Kind::ZoneInfo => is_zone(text).then(|| self.zone(time::Zone::Named(text))),
            Kind::Decimal if is_decimal(text) => self.called("decimal", "Decimal", text),
            Kind::Decimal => None,
            Kind::Fraction => self.fraction(text),
            Kind::Uuid => uuid(text).map(|value| self.uuid(value)),
            Kind::PosixPath => self.called("pathlib", "PurePosixPath", text),
            Kind::WindowsPath => self.called("pathlib", "PureWindowsPath", text),
            _ => return Err(misfit(kind, "a text")),
        };
        written.ok_or_else(|| misfit(kind, format_args!("the text {:?}", excerpt(text))))
    }

    /// The bytes of a `bytearray`.
    pub(super) fn kind_of_bytes(&mut self, kind: Kind, bytes: &[u8]) -> Result<()> {
        self.next = Next::Value;
        match kind {
            Kind::ByteArray => {
                self.unhashable("a bytearray")?;
                self.out.byte_array(bytes);
                Ok(())
            }
            _ => Err(misfit(kind, "bytes")),
        }
    }

    /// A buffer where the content of an object is expected: a `bytearray` has its bytes in band, as Python's own do.
    #[cold]
    pub(super) fn kind_of_buffer<T: Serialize + ?Sized>(&mut self, content: &T) -> Result<()> {
        handoff::take_bytes(|| content.serialize(&mut *self))
    }

    /// `module.name(text)`.
    fn called(&mut self, module: &'static str, name: &'static str, text: &str) -> Option<()> {
        self.global(module, name);
        self.out.text(text);
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        Some(())
    }

    fn digits(&mut self, text: &str) -> Option<()> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        // the standard library's own parser takes nothing else
        match digits.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse::<i128>()) {
            Some(Ok(value)) => self.out.wide(value),
            _ => self.out.long(&number::bytes(text)?),
        }
        Some(())
    }

    /// `Fraction(1, 3)`: `1/3`, or a whole number.
    fn fraction(&mut self, text: &str) -> Option<()> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        if denominator.bytes().all(|digit| digit == b'0') {
            return None;
        }
        self.global("fractions", "Fraction");
        self.digits(numerator)?;
        self.digits(denominator)?;
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Some(())
    }

    /// As `UUID` pickles itself: an instance with its `int`.
    fn uuid(&mut self, value: u128) {
        self.global("uuid", "UUID");
        self.out.ops(&[op::EMPTY_TUPLE, op::NEWOBJ, op::EMPTY_DICT]);
        self.out.text("int");
        self.out.unsigned(value);
        self.out.ops(&[op::SETITEM, op::BUILD]);
    }

    /// A date, a time, or both: packed, and with the offset of its zone.
    fn moment(&mut self, name: &'static str, parsed: Option<(Vec<u8>, Option<time::Zone<'_>>)>) -> Option<()> {
        let (packed, zone) = parsed?;
        self.global("datetime", name);
        self.out.bytes(&packed);
        match zone {
            None => self.out.op(op::TUPLE1),
            Some(zone) => {
                self.zone(zone);
                self.out.op(op::TUPLE2);
            }
        }
        self.out.op(op::REDUCE);
        Some(())
    }

    /// `timezone(timedelta(...))`, `ZoneInfo("Europe/Oslo")`.
    fn zone(&mut self, zone: time::Zone<'_>) {
        match zone {
            time::Zone::Offset(micros) => {
                self.global("datetime", "timezone");
                self.span(micros);
            }
            time::Zone::Named(name) => {
                self.global("zoneinfo", "ZoneInfo");
                self.out.text(name);
            }
        }
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
    }

    /// `timedelta(days, seconds, microseconds)`.
    fn span(&mut self, micros: i128) {
        self.global("datetime", "timedelta");
        for part in time::parts(micros) {
            self.out.wide(part);
        }
        self.out.ops(&[op::TUPLE3, op::REDUCE]);
    }
}

/// Whether `decimal.Decimal` reads this: digits with a point and an exponent, an infinity, or not a number.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text).to_ascii_lowercase();
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(payload) = text.strip_prefix("nan").or_else(|| text.strip_prefix("snan")) {
        return are_digits(payload);
    }
    let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let is_number = whole.len() + fraction.len() > 0 && !exponent.is_empty();
    matches!(&*text, "inf" | "infinity") || is_number && [whole, fraction, exponent].into_iter().all(are_digits)
}

/// `12345678-9abc-def0-1234-56789abcdef0`.
fn uuid(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split('-').collect();
    let lens = parts.iter().map(|part| part.len());
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match is_hex && lens.eq([8, 4, 4, 4, 12]) {
        true => u128::from_str_radix(&parts.concat(), 16).ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_decimal, uuid};

    #[test]
    fn decimals_are_what_pythons_decimal_reads() {
        for text in ["0", "-1.50", "+.5", "5.", "1e5", "1E-5", "1.5e+300", "Infinity", "-inf", "NaN", "sNaN12", "nan"] {
            assert!(is_decimal(text), "{text}");
        }
        for text in ["", "-", ".", "1e", "e5", "1.2.3", "--1", "1 ", "0x1", "infinit", "nanx", "١", "1e5.5", "1_0"] {
            assert!(!is_decimal(text), "{text}");
        }
    }

    #[test]
    fn uuids_have_their_hyphens_in_place() {
        assert_eq!(uuid("00000000-0000-0000-0000-0000000000ff"), Some(255));
        assert_eq!(uuid("12345678-9ABC-def0-1234-56789abcdef0"), Some(0x1234_5678_9abc_def0_1234_5678_9abc_def0));
        for text in [
            "",
            "123456789abcdef0123456789abcdef0",
            "12345678-9abc-def0-1234-56789abcdefg",
            "+2345678-9abc-def0-1234-56789abcdef0",
        ] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }
}
