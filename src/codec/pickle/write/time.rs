//! Points and spans of time from ISO 8601, as `isoformat()` gives it in Python, to the numbers that Python packs them in.
//!
//! The other way around is `time` of the reader.

use crate::codec::pickle::attribute::is_zone;
use crate::codec::pickle::time::{DAY, MOST_DAYS, SECOND, is_date, is_time};

/// Packed, and the zone.
type Moment<'t> = (Vec<u8>, Option<Zone<'t>>);

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Zone<'t> {
    /// So many microseconds from UTC.
    Offset(i128),
    /// By the name that the tz database has for it.
    Named(&'t str),
}

/// `2024-06-07T01:02:03.000004+05:30`.
pub(super) fn datetime(text: &str) -> Option<Moment<'_>> {
    let (date, clock) = text.split_once(['T', ' '])?;
    let mut packed = self::date(date)?;
    let (clock, zone) = time(clock)?;
    packed.extend(clock);
    Some((packed, zone))
}

/// `2024-06-07`: the year in two bytes, month, day.
pub(super) fn date(text: &str) -> Option<Vec<u8>> {
    let mut scan = Scan(text);
    let (year, month, day) = (scan.number(4)?, scan.after('-')?.number(2)?, scan.after('-')?.number(2)?);
    let [.., high, low] = year.to_be_bytes();
    let packed = [high, low, month as u8, day as u8];
    (scan.is_at_end() && is_date(packed)).then(|| packed.to_vec())
}

/// `01:02:03.000004+05:30`, `01:02:03[Europe/Oslo]`: hour, minute, second, microseconds in three bytes.
pub(super) fn time(text: &str) -> Option<Moment<'_>> {
    let mut scan = Scan(text);
    let (hour, minute) = (scan.number(2)?, scan.after(':')?.number(2)?);
    let (second, micros) = scan.second()?;
    let zone = scan.zone()?;
    let [_, a, b, c] = micros.to_be_bytes();
    let packed = [hour as u8, minute as u8, second as u8, a, b, c];
    (scan.is_at_end() && is_time(packed)).then(|| (packed.to_vec(), zone))
}

/// `UTC`, `+05:30`, `Europe/Oslo`.
pub(super) fn zone(text: &str) -> Option<Zone<'_>> {
    let mut scan = Scan(if text == "UTC" { "Z" } else { text });
    match scan.offset() {
        Some(Some(offset)) if scan.is_at_end() => Some(Zone::Offset(offset)),
        _ => is_zone(text).then_some(Zone::Named(text)),
    }
}

/// `PT86400.5S`, `-PT1S`: microseconds.
pub(super) fn span(text: &str) -> Option<i128> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let seconds = rest.strip_prefix("PT")?.strip_suffix('S')?;
    let (whole, fraction) = seconds.split_once('.').map_or((seconds, None), |(whole, after)| (whole, Some(after)));
    let is_number = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    let whole: i128 = whole.parse().ok().filter(|&whole| is_number && whole <= 100_000_000_000_000)?;
    let micros = fraction.map_or(Some(0), self::micros)?;
    let span = sign * (whole * SECOND + i128::from(micros));
    (parts(span)[0].abs() <= i128::from(MOST_DAYS)).then_some(span)
}

/// Days, seconds and microseconds, of which only the days may be negative.
pub(super) fn parts(micros: i128) -> [i128; 3] {
    let rest = micros.rem_euclid(DAY);
    [micros.div_euclid(DAY), rest / SECOND, rest % SECOND]
}

/// The digits after a point: up to six.
fn micros(digits: &str) -> Option<u32> {
    let is_number = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{digits:0<6}").parse().ok()).flatten()
}

/// What is left of a text.
struct Scan<'t>(&'t str);

impl<'t> Scan<'t> {
    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Just so many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()
    }

    fn after(&mut self, mark: char) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(self)
    }

    /// `:03.000004`, where there is any of it.
    fn second(&mut self) -> Option<(u32, u32)> {
        if !self.0.starts_with(':') {
            return Some((0, 0));
        }
        let second = self.after(':')?.number(2)?;
        if self.0.starts_with('.') {
            let digits = self.after('.')?.0;
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            self.0 = &digits[end..];
            return Some((second, micros(&digits[..end])?));
        }
        Some((second, 0))
    }

    /// An offset, `[Europe/Oslo]`, or nothing.
    fn zone(&mut self) -> Option<Option<Zone<'t>>> {
        match self.0.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => {
                self.0 = "";
                is_zone(name).then_some(Some(Zone::Named(name)))
            }
            None => Some(self.offset()?.map(Zone::Offset)),
        }
    }

    /// `Z`, `+05:30`, `-00:00:01.000001`, or nothing.
    fn offset(&mut self) -> Option<Option<i128>> {
        let sign = match self.0.chars().next() {
            None => return Some(None),
            Some('Z') => {
                self.after('Z')?;
                return Some(Some(0));
            }
            Some('+') => 1,
            Some('-') => -1,
            Some(_) => return None,
        };
        self.0 = &self.0[1..];
        let (hour, minute) = (self.number(2)?, self.after(':')?.number(2)?);
        let (second, micros) = self.second()?;
        let seconds = i128::from(hour * 3600 + minute * 60 + second);
        let is_offset = hour < 24 && minute < 60 && second < 60;
        is_offset.then(|| Some(sign * (seconds * SECOND + i128::from(micros))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Zone, date, datetime, parts, span, time, zone};

    #[test]
    fn what_isoformat_gives_is_packed_as_python_packs_it() {
        let packed = vec![7, 0xe8, 6, 7, 1, 2, 3, 0, 0, 4];
        assert_eq!(datetime("2024-06-07T01:02:03.000004"), Some((packed.clone(), None)));
        assert_eq!(
            datetime("2024-06-07 01:02:03.000004+05:30"),
            Some((packed.clone(), Some(Zone::Offset(19_800_000_000))))
        );
        let oslo = Some(Zone::Named("Europe/Oslo"));
        assert_eq!(datetime("2024-06-07T01:02:03.000004[Europe/Oslo]"), Some((packed, oslo)));
        assert_eq!(time("23:59"), Some((vec![23, 59, 0, 0, 0, 0], None)));
        assert_eq!(time("23:59:59.5Z"), Some((vec![23, 59, 59, 7, 0xa1, 0x20], Some(Zone::Offset(0)))));
        assert_eq!(date("0001-01-01"), Some(vec![0, 1, 1, 1]));
        assert_eq!(zone("UTC"), Some(Zone::Offset(0)));
        assert_eq!(zone("Europe/Oslo"), oslo);
        assert_eq!(zone("-00:00:01.000001"), Some(Zone::Offset(-1_000_001)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "2024-02-30", "2023-02-29", "0000-01-01", "2024-1-1", "+024-01-01", "2024-01-01x", "2024-13-01"]
        {
            assert_eq!(date(text), None, "{text}");
        }
        for text in [
            "",
            "1:02",
            "24:00",
            "00:60",
            "00:00:60",
            "00:00:00.",
            "00:00:00.1234567",
            "00:00+1",
            "00:00+24:00",
            "00:00x",
            "é:00",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        for text in ["2024-06-07", "2024-06-07T", "T01:02", "2024-06-07T01:02T"] {
            assert_eq!(datetime(text), None, "{text}");
        }
        for text in ["", "+", "UTC+1", "05:30", "+05"] {
            assert_eq!(zone(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_days_seconds_and_microseconds() {
        for (text, expected) in [
            ("PT0S", [0, 0, 0]),
            ("PT86400.5S", [1, 0, 500_000]),
            ("-PT1S", [-1, 86_399, 0]),
            ("-PT0.000001S", [-1, 86_399, 999_999]),
            ("PT86399999999999.999999S", [999_999_999, 86_399, 999_999]),
            ("-PT86399999913600S", [-999_999_999, 0, 0]),
        ] {
            assert_eq!(span(text).map(parts), Some(expected), "{text}");
        }
        for text in
            ["", "PT", "PTS", "PT1", "P1D", "PT1.S", "PT.5S", "PT+1S", "PT86400000000000S", "-PT86399999913600.000001S"]
        {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
