//! What pickles may name, once more than in the reader, and pickles that name something.

#![allow(dead_code, reason = "each test uses a part")]

use crate::random::Random;

/// All that the list has, once more: nothing gets on it in passing.
pub(crate) const LISTED: &[(&str, &[&str])] = &[
    (
        "builtins",
        &[
            "Ellipsis",
            "bool",
            "bytearray",
            "bytes",
            "complex",
            "dict",
            "float",
            "frozenset",
            "int",
            "list",
            "object",
            "range",
            "set",
            "slice",
            "str",
            "tuple",
        ],
    ),
    (
        "__builtin__",
        &[
            "Ellipsis",
            "bool",
            "bytearray",
            "bytes",
            "complex",
            "dict",
            "float",
            "frozenset",
            "int",
            "list",
            "long",
            "object",
            "set",
            "slice",
            "tuple",
            "unicode",
            "xrange",
        ],
    ),
    ("_codecs", &["encode"]),
    ("collections", &["Counter", "OrderedDict", "defaultdict", "deque"]),
    ("copy_reg", &["__newobj__", "__newobj_ex__", "_reconstructor"]),
    ("copyreg", &["__newobj__", "__newobj_ex__", "_reconstructor"]),
    ("datetime", &["date", "datetime", "time", "timedelta", "timezone"]),
    ("decimal", &["Decimal"]),
    ("fractions", &["Fraction"]),
    ("joblib.numpy_pickle", &["NumpyArrayWrapper"]),
    ("ml_dtypes", &["bfloat16"]),
    ("numpy", &["dtype", "memmap", "ndarray", "recarray", "record"]),
    ("numpy._core._internal", &["_convert_to_stringdtype_kwargs"]),
    ("numpy._core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy._core.numeric", &["_frombuffer"]),
    ("numpy.core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy.core.numeric", &["_frombuffer"]),
    ("numpy.rec", &["recarray"]),
    ("pathlib", &["Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"]),
    ("pathlib._local", &["Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"]),
    ("uuid", &["UUID"]),
    (
        "pandas",
        &[
            "ArrowDtype",
            "BooleanDtype",
            "Categorical",
            "Categorical.from_codes",
            "CategoricalDtype",
            "CategoricalIndex",
            "DataFrame",
            "DatetimeIndex",
            "DatetimeIndex.tz_convert",
            "DatetimeIndex.tz_localize",
            "DatetimeTZDtype",
            "Float32Dtype",
            "Float64Dtype",
            "Index",
            "Int16Dtype",
            "Int32Dtype",
            "Int64Dtype",
            "Int8Dtype",
            "MultiIndex",
            "MultiIndex.from_arrays",
            "NA",
            "RangeIndex",
            "Series",
            "StringDtype",
            "TimedeltaIndex",
            "UInt16Dtype",
            "UInt32Dtype",
            "UInt64Dtype",
            "UInt8Dtype",
            "array",
        ],
    ),
    ("pandas._libs.arrays", &["__pyx_unpickle_NDArrayBacked"]),
    ("pandas._libs.internals", &["_unpickle_block"]),
    ("pandas._libs.missing", &["NA"]),
    ("pandas._libs.tslibs.nattype", &["__nat_unpickle", "_nat_unpickle"]),
    ("pandas._libs.tslibs.timedeltas", &["_timedelta_unpickle"]),
    ("pandas._libs.tslibs.timestamps", &["_unpickle_timestamp"]),
    (
        "pandas._libs.tslibs.offsets",
        &[
            "BQuarterBegin",
            "BQuarterEnd",
            "BYearBegin",
            "BYearEnd",
            "BusinessDay",
            "BusinessMonthBegin",
            "BusinessMonthEnd",
            "Day",
            "Hour",
            "Micro",
            "Milli",
            "Minute",
            "MonthBegin",
            "MonthEnd",
            "Nano",
            "QuarterBegin",
            "QuarterEnd",
            "Second",
            "SemiMonthBegin",
            "SemiMonthEnd",
            "Week",
            "YearBegin",
            "YearEnd",
        ],
    ),
    (
        "pandas.arrays",
        &[
            "ArrowExtensionArray",
            "ArrowStringArray",
            "BooleanArray",
            "DatetimeArray",
            "FloatingArray",
            "IntegerArray",
            "NumpyExtensionArray",
            "StringArray",
            "TimedeltaArray",
        ],
    ),
    ("pandas.core.arrays.arrow.array", &["ArrowExtensionArray"]),
    ("pandas.core.arrays.arrow.dtype", &["ArrowDtype"]),
    ("pandas.core.arrays.boolean", &["BooleanArray", "BooleanDtype"]),
    ("pandas.core.arrays.categorical", &["Categorical"]),
    ("pandas.core.arrays.datetimes", &["DatetimeArray"]),
    ("pandas.core.arrays.floating", &["Float32Dtype", "Float64Dtype", "FloatingArray"]),
    (
        "pandas.core.arrays.integer",
        &[
            "Int16Dtype",
            "Int32Dtype",
            "Int64Dtype",
            "Int8Dtype",
            "IntegerArray",
            "UInt16Dtype",
            "UInt32Dtype",
            "UInt64Dtype",
            "UInt8Dtype",
        ],
    ),
    ("pandas.core.arrays.numpy_", &["NumpyExtensionArray"]),
    ("pandas.core.arrays.string_", &["StringArray", "StringArrayNumpySemantics", "StringDtype"]),
    ("pandas.core.arrays.string_arrow", &["ArrowStringArray", "ArrowStringArrayNumpySemantics"]),
    ("pandas.core.arrays.timedeltas", &["TimedeltaArray"]),
    ("pandas.core.dtypes.dtypes", &["ArrowDtype", "CategoricalDtype", "DatetimeTZDtype", "NumpyEADtype"]),
    ("pandas.core.frame", &["DataFrame"]),
    ("pandas.core.indexes.base", &["Index", "_new_Index"]),
    ("pandas.core.indexes.category", &["CategoricalIndex"]),
    ("pandas.core.indexes.datetimes", &["DatetimeIndex", "_new_DatetimeIndex"]),
    ("pandas.core.indexes.multi", &["MultiIndex"]),
    ("pandas.core.indexes.numeric", &["Float64Index", "Int64Index", "UInt64Index"]),
    ("pandas.core.indexes.range", &["RangeIndex"]),
    ("pandas.core.indexes.timedeltas", &["TimedeltaIndex", "_new_TimedeltaIndex"]),
    ("pandas.core.internals.managers", &["BlockManager", "SingleBlockManager"]),
    ("pandas.core.series", &["Series"]),
    (
        "pyarrow.lib",
        &[
            "_reconstruct_record_batch",
            "_reconstruct_table",
            "_restore_array",
            "binary",
            "chunked_array",
            "decimal128",
            "decimal256",
            "decimal32",
            "decimal64",
            "dictionary",
            "field",
            "large_list",
            "large_list_view",
            "list_",
            "list_view",
            "map_",
            "py_buffer",
            "run_end_encoded",
            "schema",
            "struct",
            "timestamp",
            "type_for_alias",
            "union",
        ],
    ),
    ("pytz", &["FixedOffset", "_UTC", "_p"]),
    ("zoneinfo", &["ZoneInfo"]),
];

pub(crate) fn is_listed(module: &str, name: &str) -> bool {
    LISTED.iter().any(|(listed, names)| *listed == module && names.contains(&name))
}

/// `SHORT_BINUNICODE`.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8][..], text.as_bytes()].concat()
}

pub(crate) fn global(module: &str, name: &str, random: &mut Random) -> Vec<u8> {
    match random.below(2) {
        0 => format!("c{module}\n{name}\n").into_bytes(),
        _ => [text(module), text(name), vec![0x93]].concat(),
    }
}

/// A sequence of opcodes that leaves one value on the stack, with this in the middle of it.
pub(crate) fn around(inner: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let mut data = inner;
    for _ in 0..random.below(5) {
        let (module, names) = LISTED[random.below(LISTED.len())];
        let listed = global(module, names[random.below(names.len())], random);
        data = match random.below(11) {
            0 => [&data[..], b"0N"].concat(),                         // thrown away
            1 => [&data[..], b"q\x09h\x09\x86"].concat(),             // memoized
            2 => [&b"}"[..], &data, b"K\x01s"].concat(),              // a key
            3 => [&b"}K\x01"[..], &data, b"s"].concat(),              // a value
            4 => [&listed[..], &data, b"\x85R"].concat(),             // an argument
            5 => [&listed[..], b")\x81", &data, b"b"].concat(),       // a state
            6 => [&listed[..], b")R(", &data, b"e"].concat(),         // an element
            7 => [&listed[..], b")R", &data, b"Ns"].concat(),         // an entry
            8 => [&b"("[..], &listed, &data, b"o"].concat(),          // an argument of Python 2
            9 => [&listed[..], b")}K\x01", &data, b"s\x92"].concat(), // a keyword argument
            _ => [&b"]"[..], &data, b"a"].concat(),
        };
    }
    data
}
