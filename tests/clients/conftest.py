from __future__ import annotations

from collections.abc import Iterator

import pytest
from client_environments import Serving, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A home of this module's own, served on a free port. The programs tune with SkoptGP too."""
    pytest.importorskip("skopt", reason="needs skopt: pip install 'amtlocal[skopt]'")
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served
