"""Who may call: users of the machine, and pages in a browser."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoint.endpoint_server import Neighbours, endpoint, serving
from tests.service.service_home import Home
from tuner.endpoint import peers
from tuner.endpoint.guard import loopback_policy
from tuner.endpoint.peers import uid_of_peer

NOBODY = 65534
# Sends a request and, told so, closes without reading the answer.
CALLER = """
import encodings.idna, os, socket, sys  # what he may not read later
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
connection.sendall(sys.argv[2].encode().replace(b"|", b"\\r\\n"))
if sys.argv[3] == "leave":
    connection.close()
    sys.exit()
print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
"""


@pytest.fixture(scope="module")
def statuses() -> list[int]:
    return []


@pytest.fixture(scope="module")
def port(home: Home, statuses: list[int]) -> Iterator[int]:
    policy = loopback_policy(os.geteuid(), addresses=["192.0.2.1"])
    app = endpoint(home.service, policy, Neighbours(), lambda it: statuses.append(it.status))
    with serving(app) as port:
        yield port


def ask(port: int, path: str = "/_tuner/health", method: str = "GET", **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    body = response.read()
    if response.status == 403 and method != "HEAD":
        assert b"<Code>AccessDenied</Code>" in body
    for name, _ in response.getheaders():
        assert not name.lower().startswith("access-control-")
    connection.close()
    return response.status


# ---- users -----------------------------------------------------------------------------------


def as_nobody(port: int, request: str, then: str = "read") -> str:
    if os.geteuid() != 0:
        pytest.skip("needs root: another user is to call")
    return subprocess.run(
        [sys.executable, "-c", CALLER.format(nobody=NOBODY), str(port), request, then],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


@pytest.mark.parametrize(
    "request_line", ["GET /_tuner/health", "GET /", "GET /bucket/key", "DELETE /bucket"]
)
def test_another_user_is_refused_whatever_he_asks(port: int, request_line: str) -> None:
    answer = as_nobody(port, f"{request_line} HTTP/1.1|Host: localhost|Connection: close||")
    assert answer.startswith("HTTP/1.1 403 ")
    assert "<Code>AccessDenied</Code>" in answer


def test_another_user_is_refused_in_the_shape_of_his_protocol(port: int) -> None:
    answer = as_nobody(
        port,
        "POST / HTTP/1.1|Host: localhost|Connection: close|X-Amz-Target: SageMaker.ListModels|"
        "Content-Type: application/x-amz-json-1.1|Content-Length: 2||{}",
    )
    assert answer.startswith("HTTP/1.1 403 ")
    assert '"__type": "AccessDenied"' in answer


def test_another_user_who_leaves_at_once_is_nobody_rather_than_root() -> None:
    """The kernel says of a socket whose owner has closed it that it is root's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        as_nobody(listening.getsockname()[1], "GET / HTTP/1.1||", "leave")
        connection, _ = listening.accept()
        with connection:
            assert uid_of_peer(connection) is None


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listening = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip("needs ipv6: the machine has no such loopback address")
    with listening, socket.create_connection(listening.getsockname()[:2]) as client:
        server, _ = listening.accept()
        with server:
            yield client, server


Pair = tuple[socket.socket, socket.socket]


def test_the_kernel_tells_the_user_of_a_peer(pair: Pair) -> None:
    client, server = pair
    assert uid_of_peer(server) == os.geteuid()
    client.shutdown(socket.SHUT_WR)  # as a client that waits for an answer may
    assert uid_of_peer(server) == os.geteuid()
    client.close()
    assert uid_of_peer(server) is None


def test_the_tables_tell_it_where_the_kernel_does_not_answer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = pair

    def unknown(*addresses: Any) -> None:
        raise OSError("Protocol not supported")

    monkeypatch.setattr(peers, "_asked", unknown)
    assert uid_of_peer(server) == os.geteuid()
    client.close()
    assert uid_of_peer(server) is None


def test_a_client_of_both_families_is_told(pair: Pair) -> None:
    """Its socket is one of IPv6, connected to a mapped address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        try:
            client = socket.create_connection(("::ffff:127.0.0.1", port), timeout=10)
        except OSError:
            pytest.skip("needs ipv6: the machine has no such sockets")
        server, _ = listening.accept()
        with client, server:
            assert uid_of_peer(server) == os.geteuid()


def test_where_nobody_tells_the_user_nobody_is_served(home: Home) -> None:
    policy = loopback_policy(os.geteuid() + 1)
    with serving(endpoint(home.service, policy, Neighbours())) as port:
        assert ask(port) == 403


# ---- pages in a browser ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "[::1]", "bucket.localhost",
     "my.bucket.localhost", "192.0.2.1"],
)  # fmt: skip
def test_our_names_are_served(port: int, host: str) -> None:
    assert ask(port, Host=host) != 403
    assert ask(port, Host=f"{host}:{port}") != 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost",
     "192.0.2.7", "", "localhost:port", "localhost@evil", "[::1", "[::ffff:192.0.2.7]",
     "2130706433", "localhost/", "localhost, evil"],
)  # fmt: skip
def test_a_name_that_only_resolves_to_us_is_refused(port: int, host: str) -> None:
    assert ask(port, Host=host) == 403


def test_a_request_without_host_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /_tuner/health HTTP/1.0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.0 403 ")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate",
         "Sec_Fetch_Dest": "iframe"},
    ],
)  # fmt: skip
def test_a_page_of_another_site_is_refused(
    port: int, method: str, headers: dict[str, str]
) -> None:
    assert ask(port, method=method, **headers) == 403


def test_our_own_pages_may_call(port: int) -> None:
    ours = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert ask(port, **ours) == 200
    assert ask(port, Sec_Fetch_Site="none") == 200


def test_a_link_to_our_pages_may_be_followed_and_to_nothing_else(port: int) -> None:
    followed = {
        "Sec_Fetch_Site": "cross-site",
        "Sec_Fetch_Mode": "navigate",
        "Sec_Fetch_Dest": "document",
    }
    assert ask(port, "/_tuner/", **followed) == 200
    assert ask(port, "/_tuner/", "POST", **followed) == 403
    assert ask(port, "/bucket/page.html", **followed) == 403


def simple_requests() -> Iterator[Any]:
    """What a page of any site can make a browser send without asking, by an old browser that
    does not say where it comes from."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        for body in ("{}", "Action=CreateUser&UserName=evil&Version=2010-05-08"):
            yield pytest.param(kind, body, id=f"{kind} {body[:8]}")


@pytest.mark.parametrize(("kind", "body"), [*simple_requests()])
def test_a_form_of_another_site_changes_nothing(port: int, kind: str, body: str) -> None:
    for path in ("/", "/?Action=CreateUser", "/?X-Amz-Target=SageMaker.StopTrainingJob", "/b"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", path, body, {"Content-Type": kind})
        response = connection.getresponse()
        assert response.status in (400, 403)
        code = re.search(rb"<Code>(\w+)</Code>", response.read())
        assert code is not None
        assert code[1] in (b"NotImplemented", b"MissingAuthenticationToken")
        connection.close()
