from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoint.neighbours.neighbour_server import Neighbours, serving


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    pytest.importorskip("moto.moto_server.werkzeug_app", reason="moto[server] is not installed")
    with serving(tmp_path_factory.mktemp("neighbours")) as found:
        yield found
