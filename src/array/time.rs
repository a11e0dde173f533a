//! Units of time, and points in time as text.

use std::fmt;

/// The step that points and spans of time are counted in: so many of a unit, as in `[25us]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeStep {
    count: u32,
    unit: TimeUnit,
}

/// NumPy's units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeUnit {
    /// None said: NumPy's generic unit.
    Generic,
    /// `Y`.
    Year,
    /// `M`.
    Month,
    /// `W`: 7 days.
    Week,
    /// `D`.
    Day,
    /// `h`.
    Hour,
    /// `m`.
    Minute,
    /// `s`.
    Second,
    /// `ms`: 10^-3 s.
    Millisecond,
    /// `us`: 10^-6 s.
    Microsecond,
    /// `ns`: 10^-9 s.
    Nanosecond,
    /// `ps`: 10^-12 s.
    Picosecond,
    /// `fs`: 10^-15 s.
    Femtosecond,
    /// `as`: 10^-18 s.
    Attosecond,
}

impl TimeUnit {
    const NAMED: [Self; 13] = [
        Self::Year,
        Self::Month,
        Self::Week,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::Millisecond,
        Self::Microsecond,
        Self::Nanosecond,
        Self::Picosecond,
        Self::Femtosecond,
        Self::Attosecond,
    ];

    /// Its name in NumPy; empty for the generic one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "",
            Self::Year => "Y",
            Self::Month => "M",
            Self::Week => "W",
            Self::Day => "D",
            Self::Hour => "h",
            Self::Minute => "m",
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "us",
            Self::Nanosecond => "ns",
            Self::Picosecond => "ps",
            Self::Femtosecond => "fs",
            Self::Attosecond => "as",
        }
    }

    /// How many decimal digits of a second it resolves.
    fn digits(self) -> u32 {
        match self {
            Self::Millisecond => 3,
            Self::Microsecond => 6,
            Self::Nanosecond => 9,
            Self::Picosecond => 12,
            Self::Femtosecond => 15,
            Self::Attosecond => 18,
            _ => 0,
        }
    }
}

impl From<TimeUnit> for TimeStep {
    fn from(unit: TimeUnit) -> Self {
        Self { count: 1, unit }
    }
}

impl TimeStep {
    /// Steps of `count` units; `None` for 0, for more than 2 147 483 647, and for several of the generic unit.
    pub fn new(count: u32, unit: TimeUnit) -> Option<Self> {
        let valid = (1..=i32::MAX as u32).contains(&count) && (unit != TimeUnit::Generic || count == 1);
        valid.then_some(Self { count, unit })
    }

    /// How many units one step is.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The unit.
    pub fn unit(self) -> TimeUnit {
        self.unit
    }

    /// Reads what follows the 8 of `M8` or `m8`: nothing, or a unit in brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(TimeUnit::Generic.into());
        }
        let step = text.strip_prefix('[')?.strip_suffix(']')?;
        let digits = step.find(|c: char| !c.is_ascii_digit())?;
        let (count, name) = step.split_at(digits);
        let count = if count.is_empty() { 1 } else { count.parse().ok()? };
        let unit = TimeUnit::NAMED.into_iter().find(|unit| unit.name() == name)?;
        Self::new(count, unit)
    }

    /// Writes a span of time: `75 us`.
    pub(super) fn write_span(self, f: &mut impl fmt::Write, steps: i64) -> fmt::Result {
        match self.unit {
            _ if steps == i64::MIN => f.write_str("NaT"),
            TimeUnit::Generic => write!(f, "{steps}"),
            unit => write!(f, "{} {}", i128::from(steps) * i128::from(self.count), unit.name()),
        }
    }

    /// Writes a point in time as ISO 8601 has it, as far as the unit resolves it: `1970-01-01T00:00:00.000`.
    pub(super) fn write_point(self, f: &mut impl fmt::Write, steps: i64) -> fmt::Result {
        let units = i128::from(steps) * i128::from(self.count);
        match self.unit {
            _ if steps == i64::MIN => f.write_str("NaT"),
            TimeUnit::Generic => write!(f, "{steps}"),
            TimeUnit::Year => write!(f, "{:04}", 1970 + units),
            TimeUnit::Month => write!(f, "{:04}-{:02}", 1970 + units.div_euclid(12), units.rem_euclid(12) + 1),
            TimeUnit::Week => write_date(f, units * 7),
            TimeUnit::Day => write_date(f, units),
            TimeUnit::Hour => write_clock(f, units * 3600, 1),
            TimeUnit::Minute => write_clock(f, units * 60, 2),
            unit => {
                let in_second = 10_i128.pow(unit.digits());
                write_clock(f, units.div_euclid(in_second), 3)?;
                match unit.digits() as usize {
                    0 => Ok(()),
                    digits => write!(f, ".{:0digits$}", units.rem_euclid(in_second)),
                }
            }
        }
    }
}

/// `[25us]`, `[ns]`, nothing for the generic unit.
impl fmt::Display for TimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.unit, self.count) {
            (TimeUnit::Generic, _) => Ok(()),
            (unit, 1) => write!(f, "[{}]", unit.name()),
            (unit, count) => write!(f, "[{count}{}]", unit.name()),
        }
    }
}

/// Date and the first `parts` of hour, minute and second.
fn write_clock(f: &mut impl fmt::Write, seconds: i128, parts: usize) -> fmt::Result {
    const DAY: i128 = 86_400;
    write_date(f, seconds.div_euclid(DAY))?;
    let second = seconds.rem_euclid(DAY);
    let clock = [second / 3600, second / 60 % 60, second % 60];
    for (part, mark) in clock.iter().zip(['T', ':', ':']).take(parts) {
        write!(f, "{mark}{part:02}")?;
    }
    Ok(())
}

/// The Gregorian date so many days after 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years have 146 097 days.
/// See Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`:
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn write_date(f: &mut impl fmt::Write, days: i128) -> fmt::Result {
    const DAYS_OF_400_YEARS: i128 = 146_097;
    let since_march_0000 = days + 719_468;
    let era = since_march_0000.div_euclid(DAYS_OF_400_YEARS);
    let day = since_march_0000.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    write!(f, "{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: &str, steps: i64) -> String {
        let mut text = String::new();
        TimeStep::parse(step).unwrap().write_point(&mut text, steps).unwrap();
        text
    }

    #[test]
    fn points_in_time_read_as_numpy_prints_them() {
        // what numpy.datetime64(steps, unit) prints, version 2.4
        assert_eq!(point("[ns]", 1_700_000_000_123_456_789), "2023-11-14T22:13:20.123456789");
        assert_eq!(point("[ns]", -1), "1969-12-31T23:59:59.999999999");
        assert_eq!(point("[25us]", 4), "1970-01-01T00:00:00.000100");
        assert_eq!(point("[D]", 11_016), "2000-02-29");
        assert_eq!(point("[D]", -719_529), "-001-12-31");
        assert_eq!(point("[W]", 1), "1970-01-08");
        assert_eq!(point("[M]", -1), "1969-12");
        assert_eq!(point("[Y]", 54), "2024");
        assert_eq!(point("[h]", 25), "1970-01-02T01");
        assert_eq!(point("[m]", 61), "1970-01-01T01:01");
        assert_eq!(point("[s]", 0), "1970-01-01T00:00:00");
        assert_eq!(point("[as]", 1), "1970-01-01T00:00:00.000000000000000001");
        assert_eq!(point("[ns]", i64::MIN), "NaT");
        assert_eq!(point("", 7), "7");
    }

    #[test]
    fn every_value_of_every_unit_has_a_text() {
        for unit in TimeUnit::NAMED {
            let step = TimeStep::new(i32::MAX as u32, unit).unwrap();
            for steps in [i64::MIN + 1, -1, 0, i64::MAX] {
                let mut text = String::new();
                step.write_point(&mut text, steps).unwrap();
                step.write_span(&mut text, steps).unwrap();
                assert!(text.len() > 4, "{text}");
            }
        }
    }
}
