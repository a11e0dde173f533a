"""Prints module and name of everything that this Python's standard library has, one pair on a line."""

import importlib
import pkgutil
import sys
import warnings

warnings.simplefilter("ignore")

#: Importing these does something: opens a browser, prints, runs a program, draws.
LEFT_OUT = {"antigravity", "this", "idlelib", "turtledemo", "tkinter", "turtle", "test", "lib2to3", "ensurepip", "distutils"}


def modules():
    for name in sorted(sys.stdlib_module_names - LEFT_OUT):
        yield name
        try:
            path = getattr(importlib.import_module(name), "__path__", [])
        except BaseException:
            continue
        for module in pkgutil.iter_modules(path):
            if not module.name.startswith("__") and name != "encodings":
                yield f"{name}.{module.name}"


pairs = set()
for module in modules():
    try:
        found = importlib.import_module(module)
    except BaseException:
        continue  # of another system
    pairs.update(f"{module} {name}" for name in dir(found))
print("\n".join(sorted(pairs)))
print(flush=True)
