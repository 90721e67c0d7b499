"""potsdb 1.0.3 installed in the same place: two packages that own the same files.

The one that was installed last is imported, and uninstalling either takes the other's files along. When it is ours that is
imported, we can say so. When it is the old one nothing of this package runs: docs/install.md says it.

Two looks for a name cost a hundredth of an import of `importlib.metadata`. 1.0.3 of 2016 is the last of its versions.
"""

from __future__ import annotations

import os
import sys

_OTHER = "potsdb-1.0.3"


def warn() -> None:
    """Warns at the line that imports the package."""
    place = os.path.dirname(os.path.dirname(__file__))
    # As pip writes it, and as setup.py did.
    names = (f"{_OTHER}.dist-info", f"{_OTHER}-py{sys.version_info[0]}.{sys.version_info[1]}.egg-info")
    if not any(os.path.exists(os.path.join(place, name)) for name in names):
        return
    import warnings

    warnings.warn(
        f"{_OTHER} is installed in {place} beside potsdb-rs, and both have the files of the package potsdb: "
        "pip uninstall potsdb; pip install --force-reinstall potsdb-rs",
        RuntimeWarning,
        stacklevel=3,
    )
