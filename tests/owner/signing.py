"""S3's old signatures in URLs, by the standard library alone: also part of programs in images."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import urllib.error
import urllib.parse
import urllib.request


def request(
    url: str, identity: str, secret: str, method: str, path: str, body: bytes | None = None
) -> int:
    """The status of the answer. Raises OSError when nobody answers."""
    expires = int(time.time()) + 60
    text = f"{method}\n\n\n{expires}\n{path}".encode()
    mark = base64.b64encode(hmac.digest(secret.encode(), text, hashlib.sha1)).decode()
    query = urllib.parse.urlencode(
        {"AWSAccessKeyId": identity, "Signature": mark, "Expires": expires}
    )
    asked = urllib.request.Request(f"{url}{path}?{query}", data=body, method=method)
    asked.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
