"""The table that `send_frame` and its peers send: two categorical tags, a value, a timestamp."""

import numpy
import pandas


def frame(points: int) -> pandas.DataFrame:
    chosen = numpy.random.default_rng(1)
    paths = [f"/path/{n}" for n in range(50)]
    return pandas.DataFrame(
        {
            "path": pandas.Categorical.from_codes(chosen.integers(0, 50, points), paths),
            "dc": pandas.Categorical.from_codes(chosen.integers(0, 3, points), ["eu", "us", "ap"]),
            "latency": numpy.arange(points) * 1e-6,
            "time": pandas.to_datetime(1_600_000_000 + numpy.arange(points), unit="s"),
        }
    )
