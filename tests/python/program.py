"""Keeps pickles of objects of a program of two modules, in every protocol, as pickled.py keeps them.

    python tests/python/program.py tests/golden/pickle/program.bin
"""

import datetime
import pickle
import struct
import sys

import msgpack

from shop import goods, orders

placed = datetime.datetime(2024, 6, 7, 1, 2, 3)
item = goods.Item("cup", 2.5, goods.Color.RED)
slot = goods.Slot()
slot.position, slot.item = goods.Position(3, 4), item
order = orders.Order(7, [orders.Line(item, 2, goods.Size.LARGE)], placed)

def read(member):
    """What the member of an enum decodes to: its value, or its name where this Python writes that, as 3.11.2 does."""
    return member.name if b"getattr" in pickle.dumps(member) else member.value


ITEM = {"$class": "shop.goods.Item", "name": "cup", "price": 2.5, "color": read(goods.Color.RED)}
LINE = {"$class": "shop.orders.Line", "item": ITEM, "count": 2, "size": read(goods.Size.LARGE)}

# name, object, what it decodes to, the protocols that write it as something that can be read
CASES = [
    ("enums", [goods.Color.RED, goods.Size.SMALL], [read(goods.Color.RED), read(goods.Size.SMALL)], range(6)),
    ("dataclass", item, ITEM, range(6)),
    ("named tuple", goods.Position(1, 2), [1, 2], range(6)),
    # Python itself refuses slots before protocol 2
    ("slots", slot, {"$class": "shop.goods.Slot", "position": [3, 4], "item": ITEM}, range(2, 6)),
    # before protocol 4 a class in another one is a call of getattr
    ("nested class", goods.Box.Label("tea"), {"$class": "shop.goods.Box.Label", "text": "tea"}, range(4, 6)),
    ("reduce", goods.Weight(2.5, "kg"), [2.5, "kg"], range(6)),
    ("state", goods.Sealed("1234"), {"$class": "shop.goods.Sealed", "code": "1234"}, range(6)),
    ("newobj", goods.Tag("new"), {"$class": "shop.goods.Tag", "text": "new"}, range(6)),
    # protocols 2 and 3 write functools.partial and getattr for it
    (
        "newobj_ex",
        goods.Price(amount=3, currency="NOK"),
        {"$class": "shop.goods.Price", "amount": 3, "currency": "NOK"},
        (0, 1, 4, 5),
    ),
    ("list subclass", orders.Basket([item, None]), [ITEM, None], range(6)),
    ("dict subclass", orders.Ledger(a=item), {"$class": "shop.orders.Ledger", "a": ITEM}, range(6)),
    (
        "both modules",
        {"orders": [order]},
        {"orders": [{"$class": "shop.orders.Order", "id": 7, "lines": [LINE], "placed": placed.isoformat()}]},
        range(6),
    ),
]


def write(stream, *parts):
    stream.write(struct.pack("<I", len(parts)))
    for part in parts:
        stream.write(struct.pack("<I", len(part)) + part)


with open(sys.argv[1], "wb") as stream:
    for name, value, expected, protocols in CASES:
        for protocol in range(6):
            try:
                data = pickle.dumps(value, protocol)
            except TypeError:
                continue
            wanted = msgpack.packb(expected if protocol in protocols else "refused")
            write(stream, f"{name}, {protocol}".encode(), wanted, data)
print("kept", flush=True)
