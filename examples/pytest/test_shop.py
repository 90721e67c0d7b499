import potsdb
from shop import Shop


def test_orders_are_counted(tsd):
    with potsdb.Client.from_url(tsd.url) as metrics:
        shop = Shop(metrics)
        shop.order()
        shop.order()
    assert tsd.has("shop.orders", kind="web").increase == 2


def test_orders_outlive_an_outage(tsd):
    with potsdb.Client.from_url(tsd.url) as metrics:
        shop = Shop(metrics)
        with tsd.down():
            shop.order()
        shop.order()
        metrics.flush(5)
        tsd.wait_for("shop.orders", kind="web", increase=2)
    assert not tsd.refused and not tsd.collisions
