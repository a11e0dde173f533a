"""The dangers of `pickle.loads`, for real: each is loaded in a process of its own, and does what docs/python.md says of it.

    python tests/python/dangers.py ENDPOINT

A request is a row of the page: its first and its second column. The answer is what of the pickles says what the reader is to do with
them, and the pickles. What they run leaves a file; memory and time of the processor are limited.
"""

import pathlib
import pickle
import resource
import signal
import struct
import subprocess
import sys
import tempfile

GIBIBYTE = 1 << 30

FOLDER = tempfile.TemporaryDirectory()

#: What a pickle that runs something leaves behind.
TRACE = pathlib.Path(FOLDER.name) / "trace"

SHOP = f"""
import pathlib
trace = pathlib.Path({str(TRACE)!r})
trace.write_text("imported")

class Order:
    def __setstate__(self, state):
        trace.write_text(trace.read_text() + " and built")
        vars(self).update(state)
"""


def load(*lines, data, limit=None, **more):
    """What `pickle.loads` and the lines after it print in a process of its own: the name of an exception, if one is raised."""
    program = f"""
import copyreg, io, pickle, resource, sys
sys.path.insert(0, {str(TRACE.parent)!r})
data = sys.stdin.buffer.read()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
limit = {limit!r}
if limit:
    resource.setrlimit(*limit)
try:
{"".join(f"    {line}" + chr(10) for line in lines or ["value = pickle.loads(data)"])}
except Exception as error:
    print(type(error).__name__)
"""
    run = subprocess.run([sys.executable, "-I", "-B", "-c", program], input=data, stdout=subprocess.PIPE, timeout=300, **more)
    return run.returncode, run.stdout.decode().strip()


def text(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def named(module, attribute):
    return text(module) + text(attribute) + b"\x93"


def call(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def pickled(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def trace():
    """What was left behind, which is taken away."""
    left = TRACE.read_text() if TRACE.exists() else None
    TRACE.unlink(missing_ok=True)
    return left


def runs(*pickles):
    """Each of them does, and what it calls is named beside it."""
    for name, data in pickles:
        assert trace() is None
        load(data=data)
        assert trace() is not None, f"{name} is not run"
    return [part for name, data in pickles for part in (name.encode(), data)]


def callables():
    leave = f"open({str(TRACE)!r}, 'w')"
    TRACE.with_name("other").write_text("")
    return runs(
        ("system os", pickled(call(named("os", "system"), text(f"touch {TRACE}")))),
        ("exec builtins", pickled(call(named("builtins", "exec"), text(leave)))),
        ("eval builtins", pickled(call(named("builtins", "eval"), text(leave)))),
        ("open builtins", pickled(call(named("builtins", "open"), text(str(TRACE)), text("w")))),
        ("copyfile shutil", pickled(call(named("shutil", "copyfile"), text(str(TRACE.with_name("other"))), text(str(TRACE))))),
        ("run subprocess", pickled(call(named("subprocess", "run"), b"]" + text("touch") + b"a" + text(str(TRACE)) + b"a"))),
    )


def attributes():
    """From a class that everybody allows to the module in which it is."""
    getattr_ = named("builtins", "getattr")
    init = call(getattr_, named("uuid", "UUID"), text("__init__"))
    get = call(getattr_, call(getattr_, init, text("__globals__")), text("get"))
    system = call(getattr_, call(get, text("os")), text("system"))
    leave = text(f"touch {TRACE}")
    return runs(
        ("getattr builtins", pickled(call(system, leave))),
        ("os.system uuid", pickled(call(named("uuid", "os.system"), leave))),
        (
            "getattr builtins",
            pickled(call(call(getattr_, call(named("uuid", "UUID.__init__.__globals__.get"), text("os")), text("system")), leave)),
        ),
    )


def classes():
    TRACE.with_name("shop.py").write_text(SHOP)
    data = pickled(named("shop", "Order"), b")\x81}", text("id"), b"K\x07sb")
    _, printed = load("value = pickle.loads(data)", "print(type(value).__module__, value.id)", data=data)
    assert (printed, trace()) == ("shop 7", "imported and built"), printed
    return [data]


def memory():
    """CPython's of late 2025 and after have large entries elsewhere."""
    data = pickled(b"Nr\xff\xff\xff\x7f")
    assert len(data) == 9
    _, printed = load(data=data, limit=(resource.RLIMIT_AS, (4 * GIBIBYTE,) * 2))
    assert printed == "MemoryError" or not printed and sys.version_info >= (3, 13), printed
    return [data]


def lengths():
    pickles = [b"\x80\x05" + opcode + struct.pack("<Q", 1 << 62) + b"." for opcode in (b"\x8e", b"\x96")]
    for data in pickles:
        _, printed = load(data=data, limit=(resource.RLIMIT_AS, (4 * GIBIBYTE,) * 2))
        assert printed == "MemoryError" or printed == "UnpicklingError" and sys.version_info >= (3, 13), printed
    return pickles


def depth():
    million = 1_000_000
    data = pickled(b"]" * million, b"a" * (million - 1))
    loaded = "value, other = pickle.loads(data), pickle.loads(data)"
    _, printed = load(loaded, "print(len(value), len(value[0]))", data=data)
    assert printed == "1 1", printed
    for walk in ("repr(value)", "value == other"):
        _, printed = load(loaded, walk, data=data)
        assert printed == "RecursionError", (walk, printed)
    return [data]


def pairs():
    data = pickled(b")", b"2\x86" * 60)
    loaded = "value, other = pickle.loads(data), pickle.loads(data)"
    _, printed = load(loaded, "print(len(value), value[0] is value[1])", data=data, limit=(resource.RLIMIT_AS, (GIBIBYTE,) * 2))
    assert printed == "2 True", printed
    # 2**60 steps: of a processor that does not know how many there are this takes two seconds of them
    code, _ = load(loaded, "print(value == other)", data=data, limit=(resource.RLIMIT_CPU, (2, 3)))
    assert code == -signal.SIGXCPU, code
    return [data]


def hooks():
    persistent = [b"Pshop\n.", pickled(text("shop"), b"Q")]
    for data in persistent:
        _, printed = load(data=data)
        assert printed == "UnpicklingError", printed
        of_its_own = "class Own(pickle.Unpickler): persistent_load = lambda self, name: print('asked for', name)"
        _, printed = load(of_its_own, "Own(io.BytesIO(data)).load()", data=data)
        assert printed == "asked for shop", printed
    extensions = [pickled(b"\x82\x07"), pickled(b"\x83\x07\0"), pickled(b"\x84\x07\0\0\0")]
    for data in extensions:
        _, printed = load(data=data)
        assert (printed, trace()) == ("ValueError", None), printed
        _, printed = load("copyreg.add_extension('shop', 'Order', 7)", "print(pickle.loads(data).__name__)", data=data)
        assert (printed, trace()) == ("Order", "imported"), printed
    return persistent + extensions


#: By the first two columns.
ROWS = {
    ('`os.system("...")`, or any other callable', "runs it"): callables,
    ("`builtins.getattr` and what is reached by it", "runs it"): attributes,
    ("a class of the program's own", "imports its module, builds it"): classes,
    ("nine bytes that set memo entry 2³¹ - 1", "allocates gigabytes"): memory,
    ("bytes with a length of 2⁶²", "tries to allocate as much: `MemoryError`"): lengths,
    ("lists in each other, a million deep", "makes them; whatever walks them, `repr` or `==`, ends in a `RecursionError`"): depth,
    ("tuples of pairs of the one before", "shares them, and whatever walks it hangs"): pairs,
    ("persistent ids, extension codes", "calls the program's own hooks, where it has any"): hooks,
}


def main(endpoint):
    import zmq

    socket = zmq.Context.instance().socket(zmq.REP)
    socket.linger = 0
    socket.connect(endpoint)
    asked = set()
    while True:
        row = tuple(part.decode() for part in socket.recv_multipart())
        assert trace() is None, "the reader has run something"
        if row == ("",):
            break
        assert row in ROWS, f"the page has a row that is not run: {row}"
        asked.add(row)
        try:
            socket.send_multipart(ROWS[row]())
        except Exception as error:
            raise AssertionError(f"the row of {row[0]}") from error
    assert asked == set(ROWS), f"not on the page: {set(ROWS) - asked}"


if __name__ == "__main__":
    main(*sys.argv[1:])
