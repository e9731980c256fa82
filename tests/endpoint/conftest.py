from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.service_home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("endpoint"))
    yield made
    made.close()
