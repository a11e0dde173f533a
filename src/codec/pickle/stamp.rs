//! pandas' points and spans of time by themselves: `Timestamp`, `Timedelta`, `NaT`.
//!
//! `_unpickle_timestamp(count, None, zone, unit)` and `_timedelta_unpickle(count, unit)`, where the unit is one of NumPy's
//! `NPY_DATETIMEUNIT` and a point in a zone is counted in UTC: `pandas/_libs/tslibs/timestamps.pyx` and `timedeltas.pyx`.

use super::form::Call;
use super::list::Listed;
use super::mismatch::{Mismatch, Result};
use super::read::Reader;
use super::time::{self, Offset, Span};
use crate::pickle::{Node, NodeId};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// 0001-01-01 and 10000-01-01 in days from 1970-01-01.
const YEARS: std::ops::Range<i128> = -719_162..2_932_897;

/// Nanoseconds of a count in a unit: seconds, or thousandths of the one before.
fn nanos<'g>(reader: Reader<'g>, call: Call<'g>, count: NodeId, unit: NodeId) -> Result<i128> {
    match (reader.tree.node(count), reader.tree.node(unit)) {
        (Node::Int(count), Node::Int(unit @ 7..=10)) => Ok(i128::from(count) * 1000_i128.pow(10 - unit as u32)),
        _ => Err(call.odd()),
    }
}

/// A point in time as `isoformat()` gives it: in a zone by name as its equal in UTC.
pub(super) fn point<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<String> {
    let [count, frequency, zone, unit] = call.exactly()?;
    let (nanos, Node::None) = (nanos(reader, call, count, unit)?, reader.tree.node(frequency)) else {
        return Err(call.odd());
    };
    let offset = match reader.tree.node(zone) {
        Node::None => None,
        Node::Object(object) => match reader.call(object)? {
            zone if zone.listed == Listed::TimeZone => Some(time::zone(reader, zone)?),
            zone if matches!(zone.listed, Listed::ZoneInfo | Listed::Zone) => Some(0),
            _ => return Err(call.odd()),
        },
        _ => return Err(call.odd()),
    };
    let local = nanos + offset.unwrap_or(0) * 1000;
    let (days, clock) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    if !YEARS.contains(&days) {
        return Err(Mismatch::because("a Timestamp outside of the years 1 to 9999"));
    }
    let (year, month, day) = civil(days as i64);
    let (seconds, fraction) = (clock / SECOND, fraction(clock % SECOND));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let offset = offset.map_or(String::new(), |offset| Offset(offset).to_string());
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}"))
}

/// Digits after the second: none, six, or nine.
fn fraction(nanos: i128) -> String {
    match (nanos, nanos % 1000) {
        (0, _) => String::new(),
        (_, 0) => format!(".{:06}", nanos / 1000),
        _ => format!(".{nanos:09}"),
    }
}

/// Whether a text with such digits is one that `datetime` of Python holds: its steps are microseconds.
pub(super) fn is_whole(text: &str) -> bool {
    let digits = text.split_once('.').map_or("", |(_, after)| after);
    digits.bytes().take_while(u8::is_ascii_digit).count() <= 6
}

pub(super) fn span<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Span> {
    let [count, unit] = call.exactly()?;
    nanos(reader, call, count, unit).map(Span::of_nanos)
}

/// Year, month and day of a day counted from 1970-01-01: `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level
/// Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{YEARS, civil, fraction, is_whole};

    #[test]
    fn days_are_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (YEARS.start as i64, (1, 1, 1)),
            (YEARS.end as i64 - 1, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), expected);
        }
    }

    #[test]
    fn fractions_are_as_isoformat_has_them() {
        assert_eq!([fraction(0), fraction(1000), fraction(1)], ["", ".000001", ".000000001"]);
        assert!(is_whole("2024-01-01T00:00:00") && is_whole("T00:00:00.000001+00:00"));
        assert!(!is_whole("T00:00:00.000000001+00:00"));
    }
}
