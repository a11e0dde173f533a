"""Writes a data frame as pandas' `to_pickle` does, into files whose names say what compresses them.

    python tests/python/to_pickle.py FOLDER ENDING...
"""

import pathlib
import sys

import pandas

folder, *endings = sys.argv[1:]
frame = pandas.DataFrame({"n": [1, 2, 3], "volts": [0.5, None, 1.5], "text": ["a", None, "søppel"]})
for ending in endings:
    frame.to_pickle(pathlib.Path(folder) / f"frame.{ending}")
