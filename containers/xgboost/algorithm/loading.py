"""xgboost, loaded without what it does not need to train.

`import xgboost` imports scikit-learn, pandas and a plotting module when they are there, only to
offer its scikit-learn interface: about a second per training job. xgboost treats all of them as
optional, so they are made unavailable while it is imported; results do not depend on them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

_OPTIONAL = frozenset({"sklearn", "pandas", "xgboost.plotting", "charset_normalizer"})


class _Unavailable:
    """A finder that answers before all others that the optional modules are not installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name in _OPTIONAL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def load_xgboost() -> ModuleType:
    """The xgboost package; raises ImportError when it is not installed."""
    finder = _Unavailable()
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    try:
        import xgboost
    finally:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]
    return xgboost
