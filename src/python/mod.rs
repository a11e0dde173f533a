//! Kinds of Python objects that serde has no word for.
//!
//! A kind travels beside serde as the name of a newtype: a codec that knows Python writes the object, and every other
//! one sees through the newtype to what it holds. A [`Value`](crate::Value) that was decoded from a pickle has the kinds of
//! what is in it. A type of one's own says the kind of a field:
//!
//! ```
//! use outband::python::{self, As, Kind};
//! use serde::Serialize;
//!
//! #[derive(Serialize)]
//! struct Reading {
//!     #[serde(serialize_with = "python::datetime")]
//!     at: String,
//!     #[serde(serialize_with = "python::set")]
//!     flags: Vec<u8>,
//!     shifts: Vec<As<&'static str>>, // a kind for each element
//! }
//!
//! let reading = Reading {
//!     at: "2026-11-21T09:00:00".into(),
//!     flags: vec![3, 5],
//!     shifts: vec![As(Kind::TimeDelta, "PT8H"), As(Kind::TimeDelta, "PT30M")],
//! };
//! // to a codec that does not know Python it is as without the kinds
//! let json = serde_json::to_string(&reading)?;
//! assert_eq!(json, r#"{"at":"2026-11-21T09:00:00","flags":[3,5],"shifts":["PT8H","PT30M"]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This room refuses to know how any codec writes them.

pub(crate) mod arrive;
mod fields;

pub use fields::{
    As, bytearray, complex, counter, date, datetime, decimal, deque, fraction, frozenset, int, ordered_dict,
    posix_path, range, set, slice, time, timedelta, timezone, tuple, uuid, windows_path,
};

/// What an object is in Python, where its content alone does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// `tuple`: a sequence.
    Tuple,
    /// `set`: a sequence.
    Set,
    /// `frozenset`: a sequence.
    FrozenSet,
    /// `collections.deque`, whose length limit is not kept: a sequence.
    Deque,
    /// `collections.OrderedDict`: a map.
    OrderedDict,
    /// `collections.Counter`: a map.
    Counter,
    /// `bytearray`: bytes.
    ByteArray,
    /// `complex`: a sequence of the real and the imaginary part.
    Complex,
    /// `int` of more than 64 bits: its decimal digits as text.
    Int,
    /// `range`: a sequence of start, stop and step.
    Range,
    /// `slice`: a sequence of start, stop and step.
    Slice,
    /// `Ellipsis`: the text `Ellipsis`.
    Ellipsis,
    /// `datetime.datetime`: text as `isoformat()` gives it.
    DateTime,
    /// `datetime.date`: text as `isoformat()` gives it.
    Date,
    /// `datetime.time`: text as `isoformat()` gives it.
    Time,
    /// `datetime.timedelta`: seconds as ISO 8601 has durations, `PT86400.5S`.
    TimeDelta,
    /// `datetime.timezone`: `UTC` or `+05:30`. A zone's name is taken for one of [`ZoneInfo`](Self::ZoneInfo).
    TimeZone,
    /// `zoneinfo.ZoneInfo`: its key, `Europe/Oslo` or `UTC`.
    ZoneInfo,
    /// `decimal.Decimal`: its digits as text.
    Decimal,
    /// `fractions.Fraction`: text, `1/3`.
    Fraction,
    /// `uuid.UUID`: text with hyphens.
    Uuid,
    /// `pathlib.PurePosixPath`: text.
    PosixPath,
    /// `pathlib.PureWindowsPath`: text.
    WindowsPath,
    /// An instance of a class: a map whose first entry is `"$class"` with the name of the class.
    Instance,
    /// An instance of a class with `__slots__`: as [`Instance`](Self::Instance).
    Slots,
    /// An instance that has no state: a map of `"$class"` alone.
    Bare,
    /// A member of an enum: a map of `"$class"` with the name of the class, and of `"value"`, or of `"name"` where Python wrote that.
    Member,
}

impl Kind {
    const NAMES: [(Self, &'static str); 27] = [
        (Self::Tuple, "outband::python::Tuple"),
        (Self::Set, "outband::python::Set"),
        (Self::FrozenSet, "outband::python::FrozenSet"),
        (Self::Deque, "outband::python::Deque"),
        (Self::OrderedDict, "outband::python::OrderedDict"),
        (Self::Counter, "outband::python::Counter"),
        (Self::ByteArray, "outband::python::ByteArray"),
        (Self::Complex, "outband::python::Complex"),
        (Self::Int, "outband::python::Int"),
        (Self::Range, "outband::python::Range"),
        (Self::Slice, "outband::python::Slice"),
        (Self::Ellipsis, "outband::python::Ellipsis"),
        (Self::DateTime, "outband::python::DateTime"),
        (Self::Date, "outband::python::Date"),
        (Self::Time, "outband::python::Time"),
        (Self::TimeDelta, "outband::python::TimeDelta"),
        (Self::TimeZone, "outband::python::TimeZone"),
        (Self::ZoneInfo, "outband::python::ZoneInfo"),
        (Self::Decimal, "outband::python::Decimal"),
        (Self::Fraction, "outband::python::Fraction"),
        (Self::Uuid, "outband::python::Uuid"),
        (Self::PosixPath, "outband::python::PosixPath"),
        (Self::WindowsPath, "outband::python::WindowsPath"),
        (Self::Instance, "outband::python::Instance"),
        (Self::Slots, "outband::python::Slots"),
        (Self::Bare, "outband::python::Bare"),
        (Self::Member, "outband::python::Member"),
    ];

    /// The name of the serde newtype that carries the kind.
    pub const fn newtype_name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The kind whose newtype has this name.
    pub fn from_newtype_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|&(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        for (kind, name) in Kind::NAMES {
            assert_eq!((kind.newtype_name(), Kind::from_newtype_name(name)), (name, Some(kind)));
        }
        assert_eq!(Kind::from_newtype_name("Tuple"), None);
    }
}
