"""A program that counts."""

import potsdb


class Shop:
    def __init__(self, metrics: potsdb.Client) -> None:
        self._orders = metrics.counter("shop.orders", kind="web")

    def order(self) -> None:
        self._orders.add()
