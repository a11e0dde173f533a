//! The list of all that a pickle may name: pairs of module and name, compared whole.
//!
//! Everything else is refused with both in the error. What is listed is no code that is run but a form in which data
//! lies: see `form`.

/// What a global stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// A class of the user's, by its number in the order of [`Pickle::allow`](super::Pickle::allow)'s names.
    Allowed,
    /// `ml_dtypes.bfloat16`, which NumPy has no name for.
    BFloat16,
    ByteArray,
    Bytes,
    Complex,
    Counter,
    Date,
    DateTime,
    Decimal,
    DefaultDict,
    Deque,
    Dict,
    DType,
    Ellipsis,
    /// `_codecs.encode`: the bytes of protocols 0 to 2, as text in Latin-1.
    Encode,
    /// A type that is named and never called: the default of a `defaultdict`.
    Type,
    Fraction,
    FromBuffer,
    FrozenSet,
    List,
    NdArray,
    /// `copyreg.__newobj__`: an instance whose class hands out the form of protocol 2 in protocols 0 and 1.
    NewObj,
    /// `copyreg.__newobj_ex__`: the same, with keyword arguments.
    NewObjEx,
    /// `object`, the base in the state of a plain instance of protocols 0 and 1.
    Object,
    OrderedDict,
    PosixPath,
    Range,
    Reconstruct,
    /// `copyreg._reconstructor`: a plain instance of protocols 0 and 1.
    Reconstructor,
    Scalar,
    Set,
    Slice,
    Time,
    TimeDelta,
    TimeZone,
    Tuple,
    Uuid,
    WindowsPath,
}

use Listed::{
    BFloat16, ByteArray, Bytes, Complex, Counter, DType, Date, DateTime, Decimal, DefaultDict, Deque, Dict, Ellipsis,
    Encode, Fraction, FromBuffer, FrozenSet, List, NdArray, NewObj, NewObjEx, Object, OrderedDict, PosixPath, Range,
    Reconstruct, Reconstructor, Scalar, Set, Slice, Time, TimeDelta, TimeZone, Tuple, Type, Uuid, WindowsPath,
};

/// Module, name, meaning; sorted, so that it can be searched.
///
/// Protocols 0 to 2 write the names of Python 2 (`__builtin__`, `copy_reg`, `xrange`), NumPy 1 and 2 differ in
/// `numpy.core` and `numpy._core`, Python 3.13 has its paths in `pathlib._local`.
pub(super) const LIST: &[(&str, &str, Listed)] = &[
    ("__builtin__", "Ellipsis", Ellipsis),
    ("__builtin__", "bool", Type),
    ("__builtin__", "bytearray", ByteArray),
    ("__builtin__", "bytes", Bytes),
    ("__builtin__", "complex", Complex),
    ("__builtin__", "dict", Dict),
    ("__builtin__", "float", Type),
    ("__builtin__", "frozenset", FrozenSet),
    ("__builtin__", "int", Type),
    ("__builtin__", "list", List),
    ("__builtin__", "object", Object),
    ("__builtin__", "set", Set),
    ("__builtin__", "slice", Slice),
    ("__builtin__", "tuple", Tuple),
    ("__builtin__", "unicode", Type),
    ("__builtin__", "xrange", Range),
    ("_codecs", "encode", Encode),
    ("builtins", "Ellipsis", Ellipsis),
    ("builtins", "bool", Type),
    ("builtins", "bytearray", ByteArray),
    ("builtins", "bytes", Bytes),
    ("builtins", "complex", Complex),
    ("builtins", "dict", Dict),
    ("builtins", "float", Type),
    ("builtins", "frozenset", FrozenSet),
    ("builtins", "int", Type),
    ("builtins", "list", List),
    ("builtins", "object", Object),
    ("builtins", "range", Range),
    ("builtins", "set", Set),
    ("builtins", "slice", Slice),
    ("builtins", "str", Type),
    ("builtins", "tuple", Tuple),
    ("collections", "Counter", Counter),
    ("collections", "OrderedDict", OrderedDict),
    ("collections", "defaultdict", DefaultDict),
    ("collections", "deque", Deque),
    ("copy_reg", "__newobj__", NewObj),
    ("copy_reg", "__newobj_ex__", NewObjEx),
    ("copy_reg", "_reconstructor", Reconstructor),
    ("copyreg", "__newobj__", NewObj),
    ("copyreg", "__newobj_ex__", NewObjEx),
    ("copyreg", "_reconstructor", Reconstructor),
    ("datetime", "date", Date),
    ("datetime", "datetime", DateTime),
    ("datetime", "time", Time),
    ("datetime", "timedelta", TimeDelta),
    ("datetime", "timezone", TimeZone),
    ("decimal", "Decimal", Decimal),
    ("fractions", "Fraction", Fraction),
    ("ml_dtypes", "bfloat16", BFloat16),
    ("numpy", "dtype", DType),
    ("numpy", "ndarray", NdArray),
    ("numpy._core.multiarray", "_reconstruct", Reconstruct),
    ("numpy._core.multiarray", "scalar", Scalar),
    ("numpy._core.numeric", "_frombuffer", FromBuffer),
    ("numpy.core.multiarray", "_reconstruct", Reconstruct),
    ("numpy.core.multiarray", "scalar", Scalar),
    ("numpy.core.numeric", "_frombuffer", FromBuffer),
    ("pathlib", "Path", PosixPath),
    ("pathlib", "PosixPath", PosixPath),
    ("pathlib", "PurePath", PosixPath),
    ("pathlib", "PurePosixPath", PosixPath),
    ("pathlib", "PureWindowsPath", WindowsPath),
    ("pathlib", "WindowsPath", WindowsPath),
    ("pathlib._local", "Path", PosixPath),
    ("pathlib._local", "PosixPath", PosixPath),
    ("pathlib._local", "PurePath", PosixPath),
    ("pathlib._local", "PurePosixPath", PosixPath),
    ("pathlib._local", "PureWindowsPath", WindowsPath),
    ("pathlib._local", "WindowsPath", WindowsPath),
    ("uuid", "UUID", Uuid),
];

/// What a pair stands for, if it is on the list.
pub(super) fn find(module: &str, name: &str) -> Option<Listed> {
    let found = LIST.binary_search_by(|entry| (entry.0, entry.1).cmp(&(module, name)));
    found.ok().map(|index| LIST[index].2)
}

#[cfg(test)]
mod tests {
    use super::{LIST, Listed, find};

    #[test]
    fn the_list_is_sorted_and_every_entry_is_found() {
        assert!(LIST.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        for &(module, name, listed) in LIST {
            assert_eq!(find(module, name), Some(listed));
        }
    }

    #[test]
    fn pairs_are_compared_whole() {
        assert_eq!(find("builtins", "range"), Some(Listed::Range));
        for (module, name) in [
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("builtins", "range.__class__"),
            ("builtins", ""),
            ("", "range"),
            ("builtins.range", ""),
            ("Builtins", "range"),
            ("builtins ", "range"),
            ("numpy", "core.multiarray._reconstruct"),
            ("numpy.core", "multiarray._reconstruct"),
            ("numpy.core.multiarray", "_reconstruct.__globals__"),
            ("os", "system"),
            ("copyreg", "__newobj"),
            ("copyreg", "pickle"),
        ] {
            assert_eq!(find(module, name), None, "{module} {name}");
        }
    }
}
