"""pandas' columns as they lie, for `send_frame`.

By itself pandas makes an Arrow table of all its columns, and looks through every number for nulls. Here only the columns that
are sent are taken, and numbers are left as they are: NaN is no value to `send_frame` either way. What has to be converted,
column or table, is left to PyArrow and pandas.

Called by the extension module (`frame.rs`), on the thread that sends.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def lean(table: Any, columns: list[str]) -> Any:
    """The table itself, or one of these columns of it with nothing copied."""
    pandas: Any = sys.modules.get("pandas")
    if type(table) is not getattr(pandas, "DataFrame", None):
        return table
    try:
        pyarrow = import_module("pyarrow")
    except ImportError:
        # pandas says what is missing.
        return table
    series = {}
    for name in columns:
        # Of two columns of one name it is a table, and what is no column may be the index.
        column = table[name] if name in table.columns else None
        if not isinstance(column, pandas.Series):
            return table
        series[name] = column
    arrays = [_array(pandas, pyarrow, column) for column in series.values()]
    return pyarrow.Table.from_arrays(arrays, list(series))


def _array(pandas: Any, pyarrow: Any, column: Any) -> Any:
    values = column.array
    if isinstance(values, pandas.Categorical):
        codes = values.codes
        # Nulls are codes below zero.
        if len(codes) and codes.min() >= 0:
            strings = pyarrow.array(values.categories, from_pandas=True)
            return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes), strings, safe=False)
    elif isinstance(values, pandas.arrays.DatetimeArray):
        instants = values.asi8
        # And nulls are the least of all numbers.
        if len(instants) and instants.min() != pandas.NaT.value:
            return pyarrow.array(instants).view(pyarrow.timestamp(values.unit))
    elif isinstance(values, pandas.arrays.NumpyExtensionArray) and column.dtype.kind in "iuf":
        return pyarrow.array(column.to_numpy(), from_pandas=False)
    return pyarrow.array(column, from_pandas=True)
