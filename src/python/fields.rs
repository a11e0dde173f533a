//! Kinds for the fields of types: a function for each, and a wrapper for what is no field.

use serde::ser::{Serialize, Serializer};

use super::Kind;

/// A value that is an object of this kind in Python.
///
/// What the value serializes as has to be what the [`Kind`] says; a codec that writes the object refuses any other.
///
/// # Examples
///
/// ```
/// use outband::python::{As, Kind};
///
/// let pair = As(Kind::Tuple, ["north", "south"]);
/// let message = outband::to_multipart(&pair)?;
/// assert_eq!(message, outband::to_multipart(&["north", "south"])?); // MessagePack has no tuples
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct As<T>(pub Kind, pub T);

impl<T: Serialize> Serialize for As<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(self.0.newtype_name(), &self.1)
    }
}

/// For `serialize_with`: a sequence, as `tuple` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn tuple<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Tuple, value).serialize(serializer)
}

/// For `serialize_with`: a sequence, as `set` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn set<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Set, value).serialize(serializer)
}

/// For `serialize_with`: a sequence, as `frozenset` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn frozenset<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::FrozenSet, value).serialize(serializer)
}

/// For `serialize_with`: a sequence, as `collections.deque` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn deque<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Deque, value).serialize(serializer)
}

/// For `serialize_with`: a map, as `collections.OrderedDict` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn ordered_dict<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::OrderedDict, value).serialize(serializer)
}

/// For `serialize_with`: a map, as `collections.Counter` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn counter<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Counter, value).serialize(serializer)
}

/// For `serialize_with`: bytes, as `bytearray` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn bytearray<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::ByteArray, value).serialize(serializer)
}

/// For `serialize_with`: a pair of the real and the imaginary part, as `complex` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn complex<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Complex, value).serialize(serializer)
}

/// For `serialize_with`: decimal digits, as `int` of any length of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn int<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Int, value).serialize(serializer)
}

/// For `serialize_with`: a sequence of start, stop and step, as `range` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn range<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Range, value).serialize(serializer)
}

/// For `serialize_with`: a sequence of start, stop and step, as `slice` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn slice<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Slice, value).serialize(serializer)
}

/// For `serialize_with`: text like `2026-11-21T09:00:00.5+01:00`, as `datetime.datetime` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn datetime<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::DateTime, value).serialize(serializer)
}

/// For `serialize_with`: text like `2026-11-21`, as `datetime.date` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn date<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Date, value).serialize(serializer)
}

/// For `serialize_with`: text like `09:00:00`, as `datetime.time` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn time<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Time, value).serialize(serializer)
}

/// For `serialize_with`: text like `PT86400.5S`, as `datetime.timedelta` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn timedelta<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::TimeDelta, value).serialize(serializer)
}

/// For `serialize_with`: text like `UTC` or `+05:30`, as `datetime.timezone` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn timezone<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::TimeZone, value).serialize(serializer)
}

/// For `serialize_with`: text like `1.50`, as `decimal.Decimal` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn decimal<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Decimal, value).serialize(serializer)
}

/// For `serialize_with`: text like `1/3`, as `fractions.Fraction` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn fraction<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Fraction, value).serialize(serializer)
}

/// For `serialize_with`: text with hyphens, as `uuid.UUID` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn uuid<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::Uuid, value).serialize(serializer)
}

/// For `serialize_with`: text, as `pathlib.PurePosixPath` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn posix_path<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::PosixPath, value).serialize(serializer)
}

/// For `serialize_with`: text, as `pathlib.PureWindowsPath` of Python.
///
/// # Errors
///
/// As the serializer has them.
pub fn windows_path<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    As(Kind::WindowsPath, value).serialize(serializer)
}
