//! Points and spans of time, as ISO 8601 has them: what `isoformat()` gives in Python.
//!
//! Python writes a date as 4 bytes (year in two, month, day), a time as 6 (hour, minute, second, microsecond in three), a
//! datetime as both after each other, numbers big-endian: `datetime.__reduce__` in CPython's `Lib/_pydatetime.py`. A zone by name
//! is written after them in brackets, as RFC 9557 has it.

use std::fmt;

use super::attribute;
use super::form::Call;
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use crate::pickle::{Node, NodeId};

/// A `timedelta`, or a `Timedelta` of pandas: nanoseconds, of which Python holds whole thousands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(i128);

pub(super) const SECOND: i128 = 1_000_000;
const NANOS: u128 = 1000 * SECOND as u128;
/// Up to here every whole number is a float.
const EXACT: u128 = 1 << f64::MANTISSA_DIGITS;
pub(super) const DAY: i128 = 86_400 * SECOND;
pub(super) const MOST_DAYS: i64 = 999_999_999;

impl Span {
    pub(super) fn of_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    fn of_micros(micros: i128) -> Self {
        Self(1000 * micros)
    }

    /// The float that is nearest, as `total_seconds()` has it.
    pub(super) fn seconds(self) -> f64 {
        match self.micros() {
            // both are exact, so that only the quotient is rounded
            Some(micros) if micros.unsigned_abs() <= EXACT => micros as f64 / SECOND as f64,
            _ => {
                let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
                let (seconds, nanos) = (size / NANOS, size % NANOS);
                format!("{sign}{seconds}.{nanos:09}").parse().expect("invariant: these are the digits of a float")
            }
        }
    }

    /// Microseconds, where that is all there is.
    pub(super) fn micros(self) -> Option<i128> {
        (self.0 % 1000 == 0).then_some(self.0 / 1000)
    }
}

/// As ISO 8601 has it, in seconds: `PT93784.5S`, `-PT1S`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (seconds, nanos) = (self.0.abs() / (1000 * SECOND), self.0.abs() % (1000 * SECOND));
        write!(f, "{sign}PT{seconds}")?;
        if nanos > 0 {
            f.write_str(format!(".{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("S")
    }
}

/// `timedelta(days, seconds, microseconds)`.
pub(super) fn span<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Span> {
    let parts = call.exactly::<3>()?.map(|id| match reader.tree.node(id) {
        Node::Int(value) => Ok(i128::from(value)),
        _ => Err(call.odd()),
    });
    let [days, seconds, micros] = parts;
    let micros = days? * DAY + seconds? * SECOND + micros?;
    match i128::from(MOST_DAYS).checked_sub(micros.div_euclid(DAY).abs()) {
        Some(0..) => Ok(Span::of_micros(micros)),
        _ => Err(call.odd()),
    }
}

/// A date, a time, both, or a time zone, as text.
pub(super) fn text<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<String> {
    match call.listed {
        Listed::TimeZone => return zone(reader, call).map(|offset| Offset(offset).of_zone()),
        Listed::ZoneInfo => return attribute::zone(reader, call).map(str::to_owned),
        _ => {}
    }
    let most = if call.listed == Listed::Date { 1 } else { 2 };
    let [packed] = call.between(most)?;
    let packed = reader.bytes_in(packed)?;
    let text = match (call.listed, &packed[..]) {
        (Listed::Date, &[a, b, month, day]) => date(a, b, month, day),
        (Listed::Time, clock) => time(clock),
        (Listed::DateTime, &[a, b, month, day, ref clock @ ..]) => {
            date(a, b, month & 0x7f, day).zip(time_of_day(clock)).map(|(date, clock)| format!("{date}T{clock}"))
        }
        _ => None,
    };
    let text = text.ok_or_else(|| Mismatch::because(format_args!("a {} out of range", call.name)))?;
    let Some(zone) = call.argument(1) else { return Ok(text) };
    match self::moved(reader, call, zone)? {
        Moved::Nowhere => Ok(text),
        Moved::By(offset) => Ok(format!("{text}{}", Offset(offset))),
        Moved::To(_) if is_second_of_two(call.listed, &packed) => Err(Mismatch::because(format_args!(
            "a {} with fold=1 in a zone by name: which of two equal hours it is in, ISO 8601 has no text for",
            call.name
        ))),
        Moved::To(zone) => {
            reader.tree.spend(zone.len())?;
            Ok(format!("{text}[{zone}]"))
        }
    }
}

/// Whether the highest bit of the month, or of the hour where there is no date, is set.
fn is_second_of_two(listed: Listed, packed: &[u8]) -> bool {
    let at = if listed == Listed::DateTime { 2 } else { 0 };
    packed.get(at).is_some_and(|byte| byte & 0x80 != 0)
}

fn date(a: u8, b: u8, month: u8, day: u8) -> Option<String> {
    let year = u16::from_be_bytes([a, b]);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let is_date = (1..=9999).contains(&year) && (1..=days).contains(&day);
    is_date.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// Six bytes; the highest bit of the hour says which of two equal times at the end of summer time is meant.
fn time(clock: &[u8]) -> Option<String> {
    match *clock {
        [hour, minute, second, a, b, c] => time_of_day(&[hour & 0x7f, minute, second, a, b, c]),
        _ => None,
    }
}

fn time_of_day(clock: &[u8]) -> Option<String> {
    let &[hour, minute, second, a, b, c] = clock else { return None };
    let micros = u32::from_be_bytes([0, a, b, c]);
    if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// Whether these are a date as Python packs it.
pub(super) fn is_date([a, b, month, day]: [u8; 4]) -> bool {
    date(a, b, month, day).is_some()
}

/// Whether these are a time of day as Python packs it.
pub(super) fn is_time(clock: [u8; 6]) -> bool {
    time_of_day(&clock).is_some()
}

/// What the zone of a time does to it.
enum Moved<'g> {
    Nowhere,
    /// By so many microseconds.
    By(i128),
    /// By what the tz database has under this name.
    To(&'g str),
}

fn moved<'g>(reader: Reader<'g>, call: Call<'g>, zone: NodeId) -> Result<Moved<'g>> {
    match reader.tree.node(zone) {
        Node::None => Ok(Moved::Nowhere),
        Node::Object(object) => match reader.call(object)? {
            call if call.listed == Listed::ZoneInfo => attribute::zone(reader, call).map(Moved::To),
            call => self::zone(reader, call).map(Moved::By),
        },
        _ => Err(call.odd()),
    }
}

/// `timezone(timedelta)`, or with a name after it, which is left out.
pub(super) fn zone<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<i128> {
    if call.listed != Listed::TimeZone {
        return Err(call.odd());
    }
    let [offset] = call.between(2)?;
    let Node::Object(object) = reader.tree.node(offset) else { return Err(call.odd()) };
    let offset = reader.call(object)?;
    match offset.listed {
        Listed::TimeDelta => match span(reader, offset)?.micros() {
            Some(micros) if micros.abs() < DAY => Ok(micros),
            _ => Err(call.odd()),
        },
        _ => Err(call.odd()),
    }
}

/// `+01:00`, with seconds and microseconds where there are any.
pub(super) struct Offset(pub(super) i128);

impl Offset {
    /// The name of the zone that is this far from UTC.
    fn of_zone(self) -> String {
        if self.0 == 0 { "UTC".to_owned() } else { self.to_string() }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let (seconds, micros) = (self.0.abs() / SECOND, self.0.abs() % SECOND);
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 > 0 || micros > 0 {
            write!(f, ":{:02}", seconds % 60)?;
        }
        if micros > 0 {
            write!(f, ".{micros:06}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Offset, SECOND, Span, date, time};

    #[test]
    fn spans_and_offsets_are_as_iso_8601_has_them() {
        for (micros, expected) in [(0, "PT0S"), (1_500_000, "PT1.5S"), (-SECOND, "-PT1S"), (1, "PT0.000001S")] {
            assert_eq!(Span::of_micros(micros).to_string(), expected);
        }
        assert_eq!(Span::of_nanos(-1_000_000_001).to_string(), "-PT1.000000001S");
        for (seconds, expected) in [(0, "+00:00"), (-16_200, "-04:30"), (3661, "+01:01:01")] {
            assert_eq!(Offset(seconds * SECOND).to_string(), expected);
        }
    }

    #[test]
    fn seconds_are_rounded_once() {
        let micros = 3067 * DAY + 33_432 * SECOND + 123_646;
        assert_eq!(Span::of_micros(micros).seconds(), 265_022_232.123_646);
        assert_eq!(Span::of_micros(-micros).seconds(), -265_022_232.123_646);
        // more than a float has digits for
        let micros = 999_999_999 * DAY + 86_399 * SECOND + 999_999;
        assert_eq!(Span::of_micros(micros).seconds(), 8.64e13);
        assert_eq!(Span::of_nanos(265_022_232_123_646_001).seconds(), 265_022_232.123_646);
        assert_eq!(Span::of_nanos(-1).seconds(), -1e-9);
    }

    #[test]
    fn dates_and_times_are_checked() {
        assert_eq!(date(7, 0xe8, 2, 29).as_deref(), Some("2024-02-29"));
        for (a, b, month, day) in
            [(7, 0xe7, 2, 29), (0, 0, 1, 1), (0x27, 0x10, 1, 1), (7, 0xe8, 13, 1), (7, 0xe8, 1, 0)]
        {
            assert_eq!(date(a, b, month, day), None);
        }
        assert_eq!(time(&[0x80 | 23, 59, 59, 0, 0, 1]).as_deref(), Some("23:59:59.000001"));
        for clock in
            [&[24, 0, 0, 0, 0, 0][..], &[0, 60, 0, 0, 0, 0], &[0, 0, 60, 0, 0, 0], &[0, 0, 0, 15, 66, 64], &[0; 5]]
        {
            assert_eq!(time(clock), None);
        }
    }
}
