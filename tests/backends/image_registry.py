"""A registry on loopback that has one image, which is new each time.

An engine takes the host `localhost:PORT` for a registry without TLS.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance.backends.docker_stage import BASE, build, client

PAYLOAD = 4_000_000
"""Bytes of the layer that no engine has seen."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_PIECES = 8
_TOLD_EVERY = 0.12
"""Seconds; an engine tells of a layer at most ten times in one."""
_SHELL = f"""
FROM {BASE} AS base
RUN mkdir /shell && cp --parents -L $(ldd /bin/sh | grep -o '/[^ ]*') /bin/sh /shell
FROM scratch
COPY --from=base /shell /
"""
_PATH = re.compile(r"/v2/amtlocal-test/(?P<kind>manifests|blobs)/(?P<reference>[\w.:-]+)")


def _piece(content: bytes, index: int) -> bytes:
    ends = [len(content) * part // _PIECES for part in (index, index + 1)]
    return content[slice(*ends)]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """`image` runs `script` by /bin/sh. Until it is `free` the answer with its newest layer goes
    slowly, and stops halfway."""

    def __init__(self, script: str) -> None:
        self.free = threading.Event()
        layers = [*_shell(), _layer({"train": script.encode(), "payload": os.urandom(PAYLOAD)})]
        config = json.dumps(
            {
                "architecture": client().images.get(BASE).attrs["Architecture"],
                "os": "linux",
                "config": {"Entrypoint": ["/bin/sh", "/train"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
                "history": [{"created_by": "a test"} for _ in layers],
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor("application/vnd.docker.container.image.v1+json", config),
                "layers": [
                    _descriptor("application/vnd.docker.image.rootfs.diff.tar", layer)
                    for layer in layers
                ],
            }
        ).encode()
        self.blobs = {_digest(content): content for content in (config, *layers)}
        self.newest = _digest(layers[-1])
        self.layers = len(layers)
        self.image = ""


def _descriptor(media_type: str, content: bytes) -> Mapping[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _shell() -> list[bytes]:
    """The layers of an image with nothing but a shell."""
    saved = io.BytesIO(b"".join(client().images.get(build(_SHELL)).save()))
    with tarfile.open(fileobj=saved) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        (image,) = json.loads(content("manifest.json"))
        return [content(name) for name in image["Layers"]]


def _layer(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@contextlib.contextmanager
def serving(script: str) -> Iterator[Registry]:
    """At the end the engine has nothing of the image any more."""
    registry = Registry(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            found = _PATH.fullmatch(self.path)
            status, kind, content = 404, "application/json", b"{}"
            if self.path == "/v2/":
                status = 200
            elif found is not None and found["kind"] == "manifests":
                status, kind, content = 200, MANIFEST, registry.manifest
            elif found is not None and found["reference"] in registry.blobs:
                status, kind = 200, "application/octet-stream"
                content = registry.blobs[found["reference"]]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if self.command == "GET":
                newest = _digest(content) == registry.newest
                for index in range(_PIECES):
                    if newest:
                        registry.free.wait(None if index == _PIECES // 2 else _TOLD_EVERY)
                    self.wfile.write(_piece(content, index))

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="registry")
    thread.start()
    registry.image = f"localhost:{server.server_port}/amtlocal-test:new"
    try:
        yield registry
    finally:
        registry.free.set()
        server.shutdown()
        thread.join()
        server.server_close()
        with contextlib.suppress(Exception):
            client().images.remove(registry.image, force=True)
