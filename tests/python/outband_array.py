"""Arrays on the wire in a few lines of Python: what a peer without our crate reads and writes."""

import numpy as np
from numpy.lib.format import descr_to_dtype
from outband_wire import reference


def descr(described):
    """The lists of the wire as the tuples that NumPy wants."""
    if isinstance(described, str):
        return described
    return [(tuple(name) if isinstance(name, list) else name, descr(dtype), *map(tuple, shape)) for name, dtype, *shape in described]


def from_wire(value):
    """The array of a decoded value, without copying."""
    held, order = value.get("base", value["shape"]), value["order"]
    axes = {"C": [*range(len(held))], "F": [*range(len(held))][::-1]}.get(str(order), order)
    array = np.ndarray([held[axis] for axis in axes], descr_to_dtype(descr(value["$array"])), value["data"])
    return np.broadcast_to(array.transpose(np.argsort(axes)), value["shape"])


def to_wire(array, frames):
    """What stands in the metadata for an array; its elements are appended to the frames."""
    # its axes, the slowest first
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    order = "F" if array.flags.f_contiguous else axes
    order = "C" if array.flags.c_contiguous else order
    frames.append(array.transpose(axes).tobytes() if order is axes else array.tobytes(order))
    dtype = array.dtype
    return {
        "$array": dtype.descr if dtype.names else dtype.str,
        "shape": array.shape,
        "order": order,
        "data": reference(len(frames) - 1, frames[-1]),
    }
