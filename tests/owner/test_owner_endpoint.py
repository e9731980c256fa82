"""What the owner makes of a request that comes by TCP."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import Home
from tuner.endpoint.guard import PEER_UID
from tuner.owner.endpoint import Endpoint
from tuner.owner.gate import Gate
from tuner.owner.keys import AccessKey


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.close()


def test_clients_are_told_to_ask_again_when_the_owner_is_ending(home: Home) -> None:
    gate = Gate()

    def call(target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        with gate:
            return {}

    scope = "key/20261121/us-east-1/sagemaker/aws4_request"
    request: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-amz-json-1.1",
        "HTTP_HOST": "localhost",
        "HTTP_X_AMZ_TARGET": "SageMaker.ListTrainingJobs",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=h, Signature=s",
        PEER_UID: os.getuid(),
    }
    app = Endpoint(home.service, call, AccessKey("key", "secret")).app(authenticate=False)
    statuses: list[str] = []

    def answer() -> Any:
        environ = {**request, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        return json.loads(b"".join(app(environ, lambda status, headers: statuses.append(status))))

    assert answer() == {}
    gate.shut()
    assert answer()["__type"] == "ThrottlingException"
    assert statuses == ["200 OK", "400 Bad Request"]
