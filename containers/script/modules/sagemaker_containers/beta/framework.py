"""Scripts that train and serve import these for their serving functions, which do not run here."""

from __future__ import annotations

from typing import Any

_OF_SERVING = frozenset({"content_types", "encoders", "env", "modules", "transformer", "worker"})


class _OfServing:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, member: str) -> Any:
        raise AttributeError(
            f"sagemaker_containers.beta.framework.{self._name}.{member} belongs to serving, "
            "which there is none of in a training job."
        )


def __getattr__(name: str) -> _OfServing:
    if name not in _OF_SERVING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _OfServing(name)
