"""What a shop has, in all the ways in which a class can be pickled."""

import collections
import dataclasses
import enum


class Color(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@dataclasses.dataclass
class Item:
    name: str
    price: float
    color: Color


Position = collections.namedtuple("Position", "shelf place")


class Slot:
    __slots__ = ("position", "item")


class Box:
    """With a class in it."""

    class Label:
        def __init__(self, text):
            self.text = text


class Weight:
    """Says itself how it is made again."""

    def __init__(self, amount, unit):
        self.amount, self.unit = amount, unit

    def __reduce__(self):
        return Weight, (self.amount, self.unit)


class Sealed:
    """Says itself what its state is."""

    def __init__(self, code):
        self.code, self.opened = code, 0

    def __getstate__(self):
        return {"code": self.code}

    def __setstate__(self, state):
        self.__init__(**state)


class Tag:
    """Uses the form of protocol 2 in every protocol."""

    def __init__(self, text):
        self.text = text

    def __reduce_ex__(self, protocol):
        return object.__reduce_ex__(self, 2)


class Price:
    """Is made of keyword arguments, in every protocol."""

    __slots__ = ("amount", "currency")

    def __new__(cls, *, amount, currency):
        self = object.__new__(cls)
        self.amount, self.currency = amount, currency
        return self

    def __getnewargs_ex__(self):
        return (), {"amount": self.amount, "currency": self.currency}

    def __getstate__(self):
        return None

    def __reduce_ex__(self, protocol):
        return object.__reduce_ex__(self, max(protocol, 2))
