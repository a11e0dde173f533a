"""Tables of pyarrow and pandas: every type, slices, and the memory they lie in."""

from __future__ import annotations

import datetime
import decimal
import pathlib
import subprocess
import sys

import msgpack
import pandas as pd
import pyarrow as pa
import pytest

import outband

DAY = datetime.datetime(2026, 11, 21, 4, 30, tzinfo=datetime.timezone.utc)

COLUMNS = [
    pa.array([1, None, 3]),
    pa.array([1.5, None, float("nan")], pa.float32()),
    pa.array([True, False, None]),
    pa.array(["a", None, "søppel"]),
    pa.array(["a", None, "b" * 100], pa.large_string()),
    pa.array(["a", None, "b" * 100], pa.string_view()),
    pa.array([b"a", None, b""]),
    pa.array([b"ab", None, b"cd"], pa.binary(2)),
    pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")]),
    pa.array([DAY, None, DAY], pa.timestamp("us", "Europe/Oslo")),
    pa.array([datetime.date(2026, 1, 1), None, datetime.date(1900, 1, 1)]),
    pa.array([datetime.timedelta(seconds=5), None, datetime.timedelta()]),
    pa.array(["x", None, "x"]).dictionary_encode(),
    pa.array([[1, 2], None, []]),
    pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2)),
    pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    pa.array([None, None, None]),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.type))
def test_columns_round_trip_whole_and_sliced(column: pa.Array) -> None:
    for array in (column, column[1:], column[:0]):
        table = pa.table({"column": array})
        back = outband.loads(outband.dumps({"nested": [table]}))["nested"][0]
        assert str(back.to_pylist()) == str(table.to_pylist())
        assert back.schema.equals(table.schema, check_metadata=True)


def test_the_schema_is_in_band_however_long_it_is() -> None:
    wide = pa.table({f"column {at:04}": [at] for at in range(300)})
    assert len(wide.schema.serialize()) > outband.OUT_OF_BAND_FROM
    for frames in (outband.dumps(wide), outband.dumps(wide, out_of_band_from=1, compression="zlib")):
        metadata = msgpack.unpackb(frames[0])
        assert metadata["$table"] == wide.schema.serialize().to_pybytes()
        assert outband.loads(frames).equals(wide)


def test_buffers_are_the_tables_own_and_arrive_in_place() -> None:
    table = pa.table({"numbers": pa.array(range(100_000)), "text": pa.array(["row"] * 100_000)})
    frames = outband.dumps(table)
    assert len(frames) == 1 + 3
    assert pa.py_buffer(frames[1]).address == table["numbers"].chunk(0).buffers()[1].address
    back = outband.loads(frames)
    assert back.equals(table)
    assert back["numbers"].chunk(0).buffers()[1].address == pa.py_buffer(frames[1]).address


def test_a_pandas_frame_comes_back_equal() -> None:
    frame = pd.DataFrame(
        {"a": range(3), "b": [0.5, None, 2.0], "c": ["x", "y", None], "d": pd.Categorical(["u", "v", "u"])},
        index=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["one", "two"]),
    )
    frame["e"] = pd.date_range("2026-01-01", periods=3, tz="Europe/Oslo")
    pd.testing.assert_frame_equal(outband.loads(outband.dumps(frame)).to_pandas(), frame)


UNION = [pa.field("n", pa.int64()), pa.field("t", pa.string())]


@pytest.mark.parametrize(
    "kind",
    [
        *(column.type for column in COLUMNS),
        pa.sparse_union(UNION),
        pa.dense_union(UNION),
        pa.sparse_union([]),
        pa.list_(pa.run_end_encoded(pa.int16(), pa.dictionary(pa.int8(), pa.list_(pa.dense_union(UNION))))),
        pa.list_(pa.field("item", pa.int8(), nullable=False), 3),
        pa.struct([pa.field("a", pa.uuid(), nullable=False)]),
        pa.large_list_view(pa.binary_view()),
        pa.month_day_nano_interval(),
    ],
    ids=str,
)
def test_a_table_without_rows_may_have_columns_of_every_type(kind: pa.DataType) -> None:
    schema = pa.schema([pa.field("a", kind, metadata={"b": "c"})], {"d": "e"})
    back = outband.loads(outband.dumps(pa.Table.from_batches([], schema)))
    assert back.num_rows == 0 and back.schema.equals(schema, check_metadata=True)


def test_a_table_without_rows_keeps_its_dictionaries_and_its_unions() -> None:
    frame = pd.DataFrame({"a": pd.Categorical([], categories=["x", "y"]), "b": pd.Categorical([], ["z"], ordered=True)})
    pd.testing.assert_frame_equal(outband.loads(outband.dumps(frame)).to_pandas(), frame)
    codes = pa.array(["x" * 10_000, "y"] * 1000).dictionary_encode()
    for table in (pa.table({"a": codes, "u": pa.concat_arrays([SPARSE] * 1000)}), pa.table({"u": SPARSE, "d": DENSE})):
        for none in (table[:0], table[1:1], pa.concat_tables([table[:0], table[1:1]])):
            back = outband.loads(outband.dumps(none))
            assert back.num_rows == 0 and back.schema.equals(none.schema)
            assert "a" not in back.column_names or back["a"].chunk(0).dictionary.equals(codes.dictionary)


class Halves(pa.Table):
    """A table that stays in two parts, as pyarrow leaves one of 2 GiB of text."""

    def __init__(self) -> None:
        pass

    def combine_chunks(self, memory_pool: object = None) -> pa.Table:
        return pa.table({"few": [1, 2], "much": pa.chunked_array([["a"], ["b"]])})


def test_more_text_than_a_column_holds_is_refused_and_not_cut() -> None:
    with pytest.raises(outband.CallerError, match="column much is more .* 2 GiB: cast it to large_string, or send parts of the table"):
        outband.dumps(Halves())


class Metres(pa.ExtensionType):
    """A type that is written in Python: it has no hash."""

    def __init__(self, scale: int = 1) -> None:
        self.scale = scale
        super().__init__(pa.int64(), "outband.tests.metres")

    def __arrow_ext_serialize__(self) -> bytes:
        return str(self.scale).encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Metres:
        return cls(int(serialized))


def test_a_type_that_is_written_in_python_arrives_as_it_was_sent() -> None:
    numbers = pa.array(range(3))
    deep = pa.StructArray.from_arrays([pa.ExtensionArray.from_storage(Metres(), numbers)], ["depth"])
    columns = {"m": pa.ExtensionArray.from_storage(Metres(), numbers), "again": numbers, "deep": deep}
    table = pa.table({**columns, "km": pa.ExtensionArray.from_storage(Metres(1000), numbers)})
    pa.register_extension_type(Metres())
    try:
        back = outband.loads(outband.dumps(table))
    finally:
        pa.unregister_extension_type("outband.tests.metres")
    assert back.equals(table) and back.schema.field("km").type.scale == 1000
    # where nobody knows the type, the values are what they were stored as
    assert outband.loads(outband.dumps(table)).to_pydict() == table.to_pydict()


def test_a_frame_of_pandas_says_which_package_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    with pytest.raises(outband.CallerError, match="this message takes the package pyarrow, which is not installed"):
        outband.dumps(frame)


def test_several_chunks_become_one_batch() -> None:
    table = pa.concat_tables([pa.table({"a": [1, 2]}), pa.table({"a": [3]})])
    assert outband.loads(outband.dumps(table)).to_pydict() == {"a": [1, 2, 3]}
    assert outband.loads(outband.dumps(table.schema.empty_table())).num_rows == 0


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_table_that_does_not_add_up_is_refused(at: int) -> None:
    table = pa.table({"text": pa.array(["row"] * 4000)})
    metadata, offsets, values = outband.dumps(table)
    lies = [
        {"$table": b"no schema", "rows": 1, "columns": []},
        {"$table": table.schema.serialize().to_pybytes(), "rows": 1, "columns": []},
        {"$table": table.schema.serialize().to_pybytes(), "rows": 2, "columns": [[2, 0, [None, bytes(12), b"\xff"], []]]},
    ]
    with pytest.raises(outband.PeerError, match="this is no table|no table"):
        value = lies[at]
        if at == 2:
            value["columns"][0][2][1] = b"\0\0\0\0\x05\0\0\0\x01\0\0\0"
        outband.loads(sent(value))


def forged(schema: pa.Schema, rows: object, columns: object) -> list:
    return sent({"$table": schema.serialize().to_pybytes(), "rows": rows, "columns": columns})


def sent(table: dict) -> list:
    """The frames of a table that nobody would send: ``dumps`` refuses a dict that says it is one."""
    (marker, schema), *rest = table.items()
    metadata, *frames = outband.dumps(dict(rest))
    return [bytes([metadata[0] + 1]) + msgpack.packb(marker) + msgpack.packb(schema) + metadata[1:], *frames]


NUMBERS = pa.schema([("a", pa.int64())])
CODES = pa.schema([("a", pa.dictionary(pa.int32(), pa.string()))])
WORDS = [1, 0, [None, bytes(4) + b"\1\0\0\0", b"x"], []]


@pytest.mark.parametrize(
    "frames",
    [
        forged(NUMBERS, 1, [[1, 0, [None, bytes(8)], [], WORDS]]),
        forged(NUMBERS, 1, [[1, 0, [None, bytes(8)], [WORDS]]]),
        forged(NUMBERS, 1, [[1, 0, [None, bytes(8)], [], WORDS, WORDS]]),
        forged(NUMBERS, 1, [[1, 0, [None, bytes(8)]]]),
        forged(NUMBERS, 1, [[1, -1, [None, bytes(8)], []]]),
        forged(NUMBERS, 1, [[1, 1, [None, bytes(8)], []]]),
        forged(NUMBERS, 1, [[1, 0, [None, None], []]]),
        forged(NUMBERS, 1, [[1, 0, [None, "12345678"], []]]),
        forged(pa.schema([pa.field("a", pa.int64(), nullable=False)]), 1, [[1, 1, [b"\0", bytes(8)], []]]),
        forged(NUMBERS, 1.0, [[1, 0, [None, bytes(8)], []]]),
        forged(NUMBERS, -1, [[-1, 0, [None, b""], []]]),
        forged(NUMBERS, 1 << 60, [[1 << 60, 0, [None, b""], []]]),
        forged(NUMBERS, 1, {"a": 1}),
        forged(NUMBERS, 1, [None]),
        forged(CODES, 1, [[1, 0, [None, bytes(4)], []]]),
        # indices that reach far beyond their buffer: nothing may look at them
        forged(CODES, 1 << 40, [[1 << 40, 0, [None, bytes(4)], [], WORDS]]),
        forged(CODES, 1, [[1, 0, [None, b"\7\0\0\0"], [], WORDS]]),
        forged(pa.schema([("a", pa.null())]), 1 << 60, [[1 << 60, 1 << 60, [None], []]]),
        forged(pa.schema([("a", pa.struct([("b", pa.int64())]))]), 1, [[1, 0, [None], []]]),
        forged(pa.schema([("a", pa.list_(pa.int64()))]), 1, [[1, 0, [None, bytes(8)], [[9, 0, [None, bytes(8)], []]]]]),
        [b"\x84" + outband.dumps(pa.table({"a": [1]}))[0][1:] + b"\xa4rows\x01"],
    ],
)
def test_tables_that_rust_refuses_are_refused(frames: list) -> None:
    with pytest.raises(outband.PeerError):
        outband.loads(frames)


FULL = pa.field("b", pa.int64(), nullable=False)


@pytest.mark.parametrize(
    "kind, column",
    [
        (pa.struct([FULL]), [1, 0, [None], [[1, 1, [b"\0", bytes(8)], []]]]),
        (pa.list_(FULL), [1, 0, [None, bytes(4) + b"\1\0\0\0"], [[1, 1, [b"\0", bytes(8)], []]]]),
        (pa.list_(FULL, 1), [1, 0, [None], [[1, 1, [b"\0", bytes(8)], []]]]),
        (pa.list_(pa.struct([FULL])), [1, 0, [None, bytes(4) + b"\1\0\0\0"], [[1, 0, [None], [[1, 1, [b"\0", bytes(8)], []]]]]]),
    ],
    ids=str,
)
def test_nulls_within_a_column_where_there_are_none_are_refused(kind: pa.DataType, column: list) -> None:
    with pytest.raises(outband.PeerError, match="field b is not nullable"):
        outband.loads(forged(pa.schema([("a", kind)]), 1, [column]))


def test_nulls_within_a_null_are_none() -> None:
    column = [1, 1, [b"\0"], [[1, 1, [b"\0", bytes(8)], []]]]
    for kind in (pa.struct([FULL]), pa.list_(FULL, 1)):
        assert outband.loads(forged(pa.schema([("a", kind)]), 1, [column])).to_pydict() == {"a": [None]}


def test_a_big_endian_table_is_refused() -> None:
    schema = bytearray(NUMBERS.serialize().to_pybytes())
    root = 8 + int.from_bytes(schema[8:12], "little")
    entry = root - int.from_bytes(schema[root : root + 4], "little", signed=True) + 8
    header = root + int.from_bytes(schema[entry : entry + 2], "little")
    header += int.from_bytes(schema[header : header + 4], "little")
    entry = header - int.from_bytes(schema[header : header + 4], "little", signed=True) + 4
    assert schema[entry : entry + 2] == b"\0\0", "the byte order is not there, as it is little"
    schema[entry] = 4  # where something is that is not zero
    assert pa.ipc.read_schema(pa.py_buffer(bytes(schema))).field("a").type == pa.int64()
    with pytest.raises(outband.PeerError, match="big-endian"):
        outband.loads(sent({"$table": bytes(schema), "rows": 1, "columns": [[1, 0, [None, bytes(8)], []]]}))


def test_a_table_has_no_more_parts_than_in_rust() -> None:
    most = 1 << 16
    for columns, buffers, what in ((most, 1, None), (most + 1, 1, "columns"), (1, most, None), (1, most + 1, "buffers")):
        kind = pa.null() if buffers == 1 else pa.string_view()
        schema = pa.schema([(str(number), kind) for number in range(columns)])
        frames = forged(schema, 0, [[0, 0, [None] * buffers, []]] * columns)
        if what is None:
            assert outband.loads(frames).num_columns == columns
        else:
            with pytest.raises(outband.PeerError, match=f"more {what} than the limit of {most}"):
                outband.loads(frames)


def test_columns_that_share_a_buffer_are_not_looked_through_for_ever() -> None:
    words = pa.array(["x" * 1000] * 10_000)
    # the same column under many names is one, and a column that shares its text with others is not
    again = [pa.array([None] * index + [True] * (10_000 - index), pa.bool_()) for index in range(1, 61)]
    nulls = [pa.Array.from_buffers(pa.string(), 10_000, [each.buffers()[0], *words.buffers()[1:]], index) for index, each in enumerate(again, 1)]
    assert outband.loads(outband.dumps(pa.table({str(number): words for number in range(60)}))).num_columns == 60
    assert outband.loads(outband.dumps(pa.table({str(number): nulls[number] for number in range(20)}))).num_columns == 20
    with pytest.raises(outband.LimitError, match="looked through"):
        outband.loads(outband.dumps(pa.table({str(number): nulls[number] for number in range(60)})))
    numbers = pa.array(range(1_000_000))
    assert outband.loads(outband.dumps(pa.table({str(number): numbers for number in range(60)}))).num_columns == 60
    view = (1 << 20).to_bytes(4, "little") + b"xxxx" + bytes(8)
    schema = pa.schema([("a", pa.string_view())])
    with pytest.raises(outband.LimitError, match="looked through"):
        outband.loads(forged(schema, 2000, [[2000, 0, [None, view * 2000, b"x" * (1 << 20)], []]]))


def test_what_tables_cost_is_what_they_cost_in_rust() -> None:
    data = b"x" * (10 << 20)
    views = [(20).to_bytes(4, "little") + b"xxxx" + bytes(4) + index.to_bytes(4, "little") for index in range(60)]
    names = [str(index) for index in range(60)]
    # bytes of views are not looked at: these share 10 MiB
    columns = [[1, 0, [None, view, data], []] for view in views]
    table = outband.loads(forged(pa.schema([(name, pa.binary_view()) for name in names]), 1, columns))
    assert table.num_columns == 60
    # lists of a fixed size pay for their bitmap, which is expanded where a value may not be null
    kind = pa.list_(pa.field("item", pa.int8(), nullable=False), 1000)
    rows = 20_000
    bitmaps = [((1 << rows) - 1 - (1 << index)).to_bytes(rows // 8, "little") for index in range(100)]
    values = [rows * 1000, 0, [None, memoryview(bytes(rows * 1000))], []]
    lists = [[rows, 1, [bitmap], [values]] for bitmap in bitmaps]
    table = outband.loads(forged(pa.schema([(str(index), kind) for index in range(60)]), rows, lists[:60]))
    assert table.num_columns == 60
    with pytest.raises(outband.LimitError, match="looked through"):
        outband.loads(forged(pa.schema([(str(index), kind) for index in range(100)]), rows, lists))
    # and without values of their own they are few
    kind = pa.list_(pa.field("item", pa.binary(0), nullable=False), 1000)
    nothing = [[rows, 1, [bitmaps[0]], [[rows * 1000, 0, [None, b""], []]]]]
    with pytest.raises(outband.PeerError, match="20000 lists of 1000 values, which have 0 bytes"):
        outband.loads(forged(pa.schema([("a", kind)]), rows, nothing))


def test_a_slice_sends_only_its_rows() -> None:
    table = pa.table({"numbers": pa.array(range(100_000)), "text": pa.array(["row"] * 100_000)})
    for first in (table.slice(0, 1000), table.slice(5, 1000), table.to_batches()[0].slice(0, 1000)):
        frames = outband.dumps(first)
        assert sum(map(len, frames)) < 20_000
        assert outband.loads(frames).to_pydict() == first.to_pydict()
    nearly_all = outband.dumps(table.slice(0, 99_990))
    assert pa.py_buffer(nearly_all[1]).address == table["numbers"].chunk(0).buffers()[1].address, "as it lies"


def of_a_slice(values: pa.Array) -> pa.Array:
    """A column whose dictionary is all but the first two and the last of these."""
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2]), values[2:-1])


WORDS_WITH_NULLS = pa.array(["zero", None, "two", None, "four", "five"])


@pytest.mark.parametrize(
    "column",
    [
        of_a_slice(pa.array(["zero", "one", "two", "three", "four", "five"])),
        of_a_slice(WORDS_WITH_NULLS),
        of_a_slice(pa.array([[0], [1], [2, 2], None, [4, 4, 4], [5]])),
        of_a_slice(pa.StructArray.from_arrays([WORDS_WITH_NULLS], ["inside"])),
        pa.StructArray.from_arrays([of_a_slice(WORDS_WITH_NULLS)], ["inside"]),
        pa.ListArray.from_arrays(pa.array([0, 1, 4], pa.int32()), of_a_slice(WORDS_WITH_NULLS)),
        of_a_slice(WORDS_WITH_NULLS)[1:],
    ],
    ids=["strings", "nulls", "lists", "structs", "within a struct", "within a list", "sliced"],
)
def test_a_dictionary_that_is_a_slice_is_sent_from_where_it_begins(column: pa.Array) -> None:
    back = outband.loads(outband.dumps(pa.table({"column": column})))
    assert back["column"].to_pylist() == column.to_pylist()


def test_categories_of_pandas_that_are_a_slice_stay_what_they_are() -> None:
    categories = pd.Index(["zero", "one", "two", "three", "four"])[2:]
    frame = pd.DataFrame({"a": pd.Categorical.from_codes([0, 1, 2, 0], categories=categories)})
    pd.testing.assert_frame_equal(outband.loads(outband.dumps(frame)).to_pandas(), frame)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_tables_are_refused_or_loaded_and_never_crash(seed: int, tmp_path: pathlib.Path) -> None:
    program, last = pathlib.Path(__file__).with_name("damage.py"), tmp_path / "last"
    command = [sys.executable, "-B", "-X", "faulthandler", str(program), str(seed), "1000", str(last)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, f"seed {seed}: {child.stderr}\n{last.read_bytes()!r}"


def damaged(array: pa.Array, *changes: tuple) -> list:
    """The message of a table of this column, in which what is at some path is another."""
    table = msgpack.unpackb(outband.dumps(pa.table({"u": array}), out_of_band_from=1 << 30)[0])
    for path, value in changes:
        part = table["columns"][0]
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
    return [msgpack.packb(table)]


SPARSE = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
DENSE = pa.UnionArray.from_dense(
    pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])]
)
MAP = pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32()))


@pytest.mark.parametrize(
    "frames",
    [
        damaged(pa.array(["a" * 20, None], pa.string_view()), ((2, 1), None)),
        damaged(pa.array([b"a" * 20, None], pa.binary_view()), ((2, 1), None)),
        damaged(pa.array(["a" * 20, None], pa.string_view()), ((2, 1), bytes(16))),
        damaged(SPARSE, ((2, 0), b"\3")),
        damaged(SPARSE, ((2, 1), None)),
        damaged(DENSE, ((2, 0), b"\3")),
        damaged(DENSE, ((2, 1), None)),
        damaged(DENSE, ((2, 2), None)),
        damaged(DENSE, ((2, 2), bytes(4))),
        damaged(MAP, ((3, 0, 1), 1), ((3, 0, 2), [b"\0"])),
        damaged(MAP, ((3, 0, 3, 0, 1), 1), ((3, 0, 3, 0, 2, 0), b"\0")),
        damaged(pa.array([[1]], pa.list_view(pa.int8())), ((2, 2), None)),
        damaged(pa.nulls(2), ((2, 0), b"\0")),
        # null counts that are not those of the bitmap
        damaged(pa.array([1, None]), ((1,), 0)),
        damaged(pa.array([1, None]), ((1,), 2)),
        damaged(pa.array([1, 2]), ((1,), 1)),
        damaged(pa.array([[1, None]]), ((3, 0, 1), 0)),
        damaged(pa.array(["a", None]).dictionary_encode(), ((1,), 0)),
    ],
)
def test_what_pyarrow_takes_on_trust_is_refused(frames: list) -> None:
    with pytest.raises(outband.PeerError):
        outband.loads(frames)


def test_lists_of_no_values_take_no_buffer() -> None:
    lists = pa.array([[], []], pa.list_(pa.int8(), 0))
    back = outband.loads(damaged(lists, ((3, 0, 2, 1), None)))
    assert outband.loads(outband.dumps(back)).to_pydict() == {"u": [[], []]}


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct([("QQQQ", pa.int64())]),
        pa.list_(pa.struct([("QQQQ", pa.int64())])),
        pa.dictionary(pa.int8(), pa.struct([("QQQQ", pa.int64())])),
        pa.timestamp("us", "QQQQ"),
    ],
    ids=str,
)
def test_texts_of_a_schema_are_utf_8(kind: pa.DataType) -> None:
    schema = pa.schema([("a", kind)]).serialize().to_pybytes().replace(b"QQQQ", b"Q\xff\xfeQ")
    with pytest.raises(outband.PeerError, match="utf-8"):
        outband.loads([msgpack.packb({"$table": schema, "rows": 0, "columns": []})])


@pytest.mark.parametrize("where", ["name", "key", "value", "of a field"])
def test_names_and_metadata_of_a_schema_are_utf_8(where: str) -> None:
    field = pa.field("QQQQ" if where == "name" else "a", pa.int64(), metadata={"b": "QQQQ"} if "of" in where else None)
    schema = pa.schema([field], {"QQQQ" if where == "key" else "c": "QQQQ" if where == "value" else "d"})
    empty = msgpack.unpackb(outband.dumps(schema.empty_table())[0])
    empty["$table"] = empty["$table"].replace(b"QQQQ", b"Q\xff\xfeQ")
    with pytest.raises(outband.PeerError, match="utf-8"):
        outband.loads([msgpack.packb(empty)])


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1j]}),
        pd.DataFrame({"a": [1, "x"]}),
        pa.table({"u": SPARSE}).slice(1),
        pa.table({"u": pa.concat_arrays([DENSE, DENSE])}).slice(1, 2),
    ],
    ids=["complex", "mixed", "sparse union", "dense union"],
)
def test_a_table_that_cannot_be_sent_is_the_callers_error(table: object) -> None:
    try:
        back = outband.loads(outband.dumps(table))
    except outband.CallerError:
        return
    assert isinstance(table, pa.Table) and back.to_pydict() == table.to_pydict()


@pytest.mark.parametrize("encoding", [None, "zlib", "lz4", "zstd", "blosc2"])
def test_tables_arrive_read_only(encoding: str | None) -> None:
    frames = [bytearray(frame) for frame in outband.dumps(pd.DataFrame({"x": range(5000), "y": 1.5}), compression=encoding)]
    back = outband.loads(frames, encodings=["zlib", "lz4", "zstd", "blosc2"])
    for column in back.columns:
        assert not any(buffer.is_mutable for buffer in column.chunk(0).buffers() if buffer)
        assert not column.chunk(0).to_numpy().flags.writeable


def test_a_table_without_columns_keeps_its_rows() -> None:
    for rows in (0, 5, 1 << 40):
        # what pyarrow does with the metadata of such a Table forgets its rows
        nulls = pa.Array.from_buffers(pa.null(), rows, [None])
        batch = pa.RecordBatch.from_arrays([nulls], ["gone"]).select([]).replace_schema_metadata({"why": "kept"})
        table = pa.Table.from_batches([batch])
        assert table.num_rows == rows
        back = outband.loads(outband.dumps(table))
        assert (back.num_rows, back.num_columns, back.schema.metadata) == (rows, 0, {b"why": b"kept"})
    assert outband.loads(outband.dumps(pd.DataFrame(index=["a", "b"]))).to_pandas().index.tolist() == ["a", "b"]


@pytest.mark.parametrize("version", ["14.0.0", "9.1.2", "19.0.0", "19.0"])
def test_a_pyarrow_that_is_too_old_is_not_asked(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"volts": [1.5]})
    frames = outband.dumps(table)
    monkeypatch.setattr(pa, "__version__", version)
    monkeypatch.setattr(pa.ipc, "read_schema", None)
    for call in (lambda: outband.dumps(table), lambda: outband.loads(frames)):
        with pytest.raises(outband.CallerError, match=f"tables take pyarrow 19.0.1 or later, and this is {version}"):
            call()


@pytest.mark.parametrize("version", ["19.0.1", "20.0.0.dev35+g1", "101.0"])
def test_a_pyarrow_that_is_new_enough_is_asked(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pa, "__version__", version)
    assert outband.loads(outband.dumps(pa.table({"volts": [1.5]}))).to_pydict() == {"volts": [1.5]}


def test_the_oldest_pyarrow_is_the_one_that_is_promised() -> None:
    promised = (pathlib.Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert f'"pyarrow>={".".join(map(str, outband._table.OLDEST))}"' in promised
