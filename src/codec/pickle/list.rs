//! The list of all that a pickle may name: pairs of module and name, compared whole.
//!
//! Everything else is refused with both in the error. What is listed is no code that is run but a form in which data
//! lies: see `form`.

/// What a global stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// A class of the user's, by its number in the order of [`Pickle::allow`](super::Pickle::allow)'s names.
    Allowed,
    /// `bfloat16` of ml_dtypes, which the dtype of an array names as a type.
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
    /// An array as `joblib.dump` writes it.
    Joblib,
    List,
    /// `numpy.memmap`: an array of a file, which it is as an array of its own.
    MemMap,
    NdArray,
    /// `copyreg.__newobj__`: an instance whose class hands out the form of protocol 2 in protocols 0 and 1.
    NewObj,
    /// `copyreg.__newobj_ex__`: the same, with keyword arguments.
    NewObjEx,
    /// `pandas.NaT`.
    NotATime,
    /// `object`, the base in the state of a plain instance of protocols 0 and 1.
    Object,
    OrderedDict,
    Pandas(Pandas),
    /// A `timedelta` of pandas.
    PandasDelta,
    PosixPath,
    PyArrow(PyArrow),
    Range,
    Reconstruct,
    /// `numpy.record`, which the dtype of a `recarray` names as a type.
    Record,
    RecArray,
    /// `copyreg._reconstructor`: a plain instance of protocols 0 and 1.
    Reconstructor,
    Scalar,
    Set,
    Slice,
    Time,
    TimeDelta,
    /// A `datetime` of pandas.
    Timestamp,
    TimeZone,
    /// What makes NumPy's dtype of texts, `StringDType`.
    Texts,
    Tuple,
    Uuid,
    WindowsPath,
    /// A time zone of pytz.
    Zone,
    /// `zoneinfo.ZoneInfo`.
    ZoneInfo,
    /// `getattr` where all that is asked of it is the method that makes a zone, or members of enums. It is not on the list: see
    /// `attribute`.
    Attribute,
    /// `_operator.or_` where all that it joins are members of flags. It is not on the list either.
    Flags,
}

/// What pandas names. Where pandas 2 and 3 differ, it is in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pandas {
    Frame,
    Series,
    /// The class of an index of one level, whatever is in it.
    Index,
    RangeIndex,
    MultiIndex,
    NewIndex,
    Blocks,
    SingleBlock,
    Block,
    /// What an array of dates or categories is made of.
    Backed,
    Datetimes,
    Timedeltas,
    Categorical,
    Strings,
    /// An array of NumPy's.
    Wrapped,
    /// Numbers or truth values with a mask.
    Masked,
    ArrowStrings,
    ArrowValues,
    ZonedDtype,
    CategoricalDtype,
    ArrowDtype,
    StringDtype,
    /// What this crate writes and pandas does not, methods of classes among it: see `pandas::written`.
    MadeArray,
    FromArrays,
    FromCodes,
    ToZone,
    InZone,
    /// Dtypes that follow from the array, and frequencies, which Arrow has no place for: named and not read.
    Ignored,
    /// `pandas.NA`.
    Missing,
}

/// What pyarrow names: types under the names of the functions that make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PyArrow {
    Array,
    Chunked,
    Batch,
    Table,
    Schema,
    Field,
    Buffer,
    Alias,
    Timestamp,
    Decimal,
    List,
    LargeList,
    ListView,
    LargeListView,
    Struct,
    Dictionary,
    Map,
    Binary,
    RunEndEncoded,
    Union,
}

use Listed::{
    BFloat16, ByteArray, Bytes, Complex, Counter, DType, Date, DateTime, Decimal, DefaultDict, Deque, Dict, Ellipsis,
    Encode, Fraction, FromBuffer, FrozenSet, Joblib, List, MemMap, NdArray, NewObj, NewObjEx, NotATime, Object,
    OrderedDict, PandasDelta, PosixPath, Range, RecArray, Reconstruct, Reconstructor, Record, Scalar, Set, Slice,
    Texts, Time, TimeDelta, TimeZone, Timestamp, Tuple, Type, Uuid, WindowsPath, Zone, ZoneInfo,
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
    ("__builtin__", "long", Type),
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
    ("joblib.numpy_pickle", "NumpyArrayWrapper", Joblib),
    ("ml_dtypes", "bfloat16", BFloat16),
    ("numpy", "dtype", DType),
    ("numpy", "memmap", MemMap),
    ("numpy", "ndarray", NdArray),
    ("numpy", "recarray", RecArray),
    ("numpy", "record", Record),
    ("numpy._core._internal", "_convert_to_stringdtype_kwargs", Texts),
    ("numpy._core.multiarray", "_reconstruct", Reconstruct),
    ("numpy._core.multiarray", "scalar", Scalar),
    ("numpy._core.numeric", "_frombuffer", FromBuffer),
    ("numpy.core.multiarray", "_reconstruct", Reconstruct),
    ("numpy.core.multiarray", "scalar", Scalar),
    ("numpy.core.numeric", "_frombuffer", FromBuffer),
    ("numpy.rec", "recarray", RecArray),
    ("pandas", "ArrowDtype", Listed::Pandas(Pandas::ArrowDtype)),
    ("pandas", "BooleanDtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Categorical", Listed::Pandas(Pandas::Categorical)),
    ("pandas", "Categorical.from_codes", Listed::Pandas(Pandas::FromCodes)),
    ("pandas", "CategoricalDtype", Listed::Pandas(Pandas::CategoricalDtype)),
    ("pandas", "CategoricalIndex", Listed::Pandas(Pandas::Index)),
    ("pandas", "DataFrame", Listed::Pandas(Pandas::Frame)),
    ("pandas", "DatetimeIndex", Listed::Pandas(Pandas::Index)),
    ("pandas", "DatetimeIndex.tz_convert", Listed::Pandas(Pandas::ToZone)),
    ("pandas", "DatetimeIndex.tz_localize", Listed::Pandas(Pandas::InZone)),
    ("pandas", "DatetimeTZDtype", Listed::Pandas(Pandas::ZonedDtype)),
    ("pandas", "Float32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Float64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Index", Listed::Pandas(Pandas::Index)),
    ("pandas", "Int16Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Int32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Int64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "Int8Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "MultiIndex", Listed::Pandas(Pandas::MultiIndex)),
    ("pandas", "MultiIndex.from_arrays", Listed::Pandas(Pandas::FromArrays)),
    ("pandas", "NA", Listed::Pandas(Pandas::Missing)),
    ("pandas", "RangeIndex", Listed::Pandas(Pandas::RangeIndex)),
    ("pandas", "Series", Listed::Pandas(Pandas::Series)),
    ("pandas", "StringDtype", Listed::Pandas(Pandas::StringDtype)),
    ("pandas", "TimedeltaIndex", Listed::Pandas(Pandas::Index)),
    ("pandas", "UInt16Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "UInt32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "UInt64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "UInt8Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas", "array", Listed::Pandas(Pandas::MadeArray)),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", Listed::Pandas(Pandas::Backed)),
    ("pandas._libs.internals", "_unpickle_block", Listed::Pandas(Pandas::Block)),
    ("pandas._libs.missing", "NA", Listed::Pandas(Pandas::Missing)),
    ("pandas._libs.tslibs.nattype", "__nat_unpickle", NotATime),
    ("pandas._libs.tslibs.nattype", "_nat_unpickle", NotATime),
    ("pandas._libs.tslibs.offsets", "BQuarterBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BQuarterEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BYearBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BYearEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BusinessDay", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BusinessMonthBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "BusinessMonthEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Day", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Hour", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Micro", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Milli", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Minute", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "MonthBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "MonthEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Nano", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "QuarterBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "QuarterEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Second", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "SemiMonthBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "SemiMonthEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "Week", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "YearBegin", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.offsets", "YearEnd", Listed::Pandas(Pandas::Ignored)),
    ("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle", PandasDelta),
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp", Timestamp),
    ("pandas.arrays", "ArrowExtensionArray", Listed::Pandas(Pandas::ArrowValues)),
    ("pandas.arrays", "ArrowStringArray", Listed::Pandas(Pandas::ArrowStrings)),
    ("pandas.arrays", "BooleanArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.arrays", "DatetimeArray", Listed::Pandas(Pandas::Datetimes)),
    ("pandas.arrays", "FloatingArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.arrays", "IntegerArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.arrays", "NumpyExtensionArray", Listed::Pandas(Pandas::Wrapped)),
    ("pandas.arrays", "StringArray", Listed::Pandas(Pandas::Strings)),
    ("pandas.arrays", "TimedeltaArray", Listed::Pandas(Pandas::Timedeltas)),
    ("pandas.core.arrays.arrow.array", "ArrowExtensionArray", Listed::Pandas(Pandas::ArrowValues)),
    ("pandas.core.arrays.arrow.dtype", "ArrowDtype", Listed::Pandas(Pandas::ArrowDtype)),
    ("pandas.core.arrays.boolean", "BooleanArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.core.arrays.boolean", "BooleanDtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.categorical", "Categorical", Listed::Pandas(Pandas::Categorical)),
    ("pandas.core.arrays.datetimes", "DatetimeArray", Listed::Pandas(Pandas::Datetimes)),
    ("pandas.core.arrays.floating", "Float32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.floating", "Float64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.floating", "FloatingArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.core.arrays.integer", "Int16Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "Int32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "Int64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "Int8Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "IntegerArray", Listed::Pandas(Pandas::Masked)),
    ("pandas.core.arrays.integer", "UInt16Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "UInt32Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "UInt64Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.integer", "UInt8Dtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.arrays.numpy_", "NumpyExtensionArray", Listed::Pandas(Pandas::Wrapped)),
    ("pandas.core.arrays.string_", "StringArray", Listed::Pandas(Pandas::Strings)),
    ("pandas.core.arrays.string_", "StringArrayNumpySemantics", Listed::Pandas(Pandas::Strings)),
    ("pandas.core.arrays.string_", "StringDtype", Listed::Pandas(Pandas::StringDtype)),
    ("pandas.core.arrays.string_arrow", "ArrowStringArray", Listed::Pandas(Pandas::ArrowStrings)),
    ("pandas.core.arrays.string_arrow", "ArrowStringArrayNumpySemantics", Listed::Pandas(Pandas::ArrowStrings)),
    ("pandas.core.arrays.timedeltas", "TimedeltaArray", Listed::Pandas(Pandas::Timedeltas)),
    ("pandas.core.dtypes.dtypes", "ArrowDtype", Listed::Pandas(Pandas::ArrowDtype)),
    ("pandas.core.dtypes.dtypes", "CategoricalDtype", Listed::Pandas(Pandas::CategoricalDtype)),
    ("pandas.core.dtypes.dtypes", "DatetimeTZDtype", Listed::Pandas(Pandas::ZonedDtype)),
    ("pandas.core.dtypes.dtypes", "NumpyEADtype", Listed::Pandas(Pandas::Ignored)),
    ("pandas.core.frame", "DataFrame", Listed::Pandas(Pandas::Frame)),
    ("pandas.core.indexes.base", "Index", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.base", "_new_Index", Listed::Pandas(Pandas::NewIndex)),
    ("pandas.core.indexes.category", "CategoricalIndex", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.datetimes", "DatetimeIndex", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.datetimes", "_new_DatetimeIndex", Listed::Pandas(Pandas::NewIndex)),
    ("pandas.core.indexes.multi", "MultiIndex", Listed::Pandas(Pandas::MultiIndex)),
    ("pandas.core.indexes.numeric", "Float64Index", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.numeric", "Int64Index", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.numeric", "UInt64Index", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.range", "RangeIndex", Listed::Pandas(Pandas::RangeIndex)),
    ("pandas.core.indexes.timedeltas", "TimedeltaIndex", Listed::Pandas(Pandas::Index)),
    ("pandas.core.indexes.timedeltas", "_new_TimedeltaIndex", Listed::Pandas(Pandas::NewIndex)),
    ("pandas.core.internals.managers", "BlockManager", Listed::Pandas(Pandas::Blocks)),
    ("pandas.core.internals.managers", "SingleBlockManager", Listed::Pandas(Pandas::SingleBlock)),
    ("pandas.core.series", "Series", Listed::Pandas(Pandas::Series)),
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
    ("pyarrow.lib", "_reconstruct_record_batch", Listed::PyArrow(PyArrow::Batch)),
    ("pyarrow.lib", "_reconstruct_table", Listed::PyArrow(PyArrow::Table)),
    ("pyarrow.lib", "_restore_array", Listed::PyArrow(PyArrow::Array)),
    ("pyarrow.lib", "binary", Listed::PyArrow(PyArrow::Binary)),
    ("pyarrow.lib", "chunked_array", Listed::PyArrow(PyArrow::Chunked)),
    ("pyarrow.lib", "decimal128", Listed::PyArrow(PyArrow::Decimal)),
    ("pyarrow.lib", "decimal256", Listed::PyArrow(PyArrow::Decimal)),
    ("pyarrow.lib", "decimal32", Listed::PyArrow(PyArrow::Decimal)),
    ("pyarrow.lib", "decimal64", Listed::PyArrow(PyArrow::Decimal)),
    ("pyarrow.lib", "dictionary", Listed::PyArrow(PyArrow::Dictionary)),
    ("pyarrow.lib", "field", Listed::PyArrow(PyArrow::Field)),
    ("pyarrow.lib", "large_list", Listed::PyArrow(PyArrow::LargeList)),
    ("pyarrow.lib", "large_list_view", Listed::PyArrow(PyArrow::LargeListView)),
    ("pyarrow.lib", "list_", Listed::PyArrow(PyArrow::List)),
    ("pyarrow.lib", "list_view", Listed::PyArrow(PyArrow::ListView)),
    ("pyarrow.lib", "map_", Listed::PyArrow(PyArrow::Map)),
    ("pyarrow.lib", "py_buffer", Listed::PyArrow(PyArrow::Buffer)),
    ("pyarrow.lib", "run_end_encoded", Listed::PyArrow(PyArrow::RunEndEncoded)),
    ("pyarrow.lib", "schema", Listed::PyArrow(PyArrow::Schema)),
    ("pyarrow.lib", "struct", Listed::PyArrow(PyArrow::Struct)),
    ("pyarrow.lib", "timestamp", Listed::PyArrow(PyArrow::Timestamp)),
    ("pyarrow.lib", "type_for_alias", Listed::PyArrow(PyArrow::Alias)),
    ("pyarrow.lib", "union", Listed::PyArrow(PyArrow::Union)),
    ("pytz", "FixedOffset", Zone),
    ("pytz", "_UTC", Zone),
    ("pytz", "_p", Zone),
    ("uuid", "UUID", Uuid),
    ("zoneinfo", "ZoneInfo", ZoneInfo),
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
