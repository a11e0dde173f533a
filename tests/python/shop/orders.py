"""Orders of what the shop has."""

import dataclasses
import datetime

from shop.goods import Item, Size


@dataclasses.dataclass(frozen=True)
class Line:
    item: Item
    count: int
    size: Size


@dataclasses.dataclass
class Order:
    id: int
    lines: list
    placed: datetime.datetime


class Basket(list):
    pass


class Ledger(dict):
    pass
