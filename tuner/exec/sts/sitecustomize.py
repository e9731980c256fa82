"""Send the SageMaker SDKs' own STS clients where AWS_ENDPOINT_URL points.

Both SDKs pass `endpoint_url="https://sts.REGION.amazonaws.com"` themselves, which outranks the
variable (`sts_regional_endpoint` in the SDK's sources). Python imports this file at its start
when its directory is on PYTHONPATH; it runs in the program's own environment, in any Python from
3.8 up, and needs nothing but the standard library. It then runs the `sitecustomize` that Python
would have imported without it.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import os
import re
import sys
from typing import Any, Callable  # noqa: UP035 - as Python 3.8 has it

_STS = re.compile(r"https://sts[a-z0-9.-]*\.(amazonaws\.com(\.cn)?|api\.aws)/?")


def detoured(create_client: Callable[..., Any]) -> Callable[..., Any]:
    """botocore's `Session.create_client`, deaf to AWS's own addresses of STS."""

    @functools.wraps(create_client)
    def create(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        address = kwargs.get("endpoint_url") or ""
        elsewhere = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_STS")
        if service_name == "sts" and elsewhere and _STS.fullmatch(address):
            kwargs["endpoint_url"] = None
        return create_client(self, service_name, *args, **kwargs)

    return create


class _Finder:
    """Finds `botocore.session` as others would, and has it changed once it is imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "botocore.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            module.Session.create_client = detoured(module.Session.create_client)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _run_the_next() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    path = [entry for entry in sys.path if os.path.abspath(entry) != here]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec(__name__, path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    if os.environ.get("AWS_ENDPOINT_URL"):
        sys.meta_path.insert(0, _Finder())
    _run_the_next()
