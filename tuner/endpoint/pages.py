"""Our own pages, below /_tuner/, which is no bucket's name."""

from __future__ import annotations

import html
import json
from importlib.metadata import version

from tuner.endpoint.answers import Answer, Refused, bytes_answer
from tuner.endpoint.guard import OUR_PAGES
from tuner.endpoint.incoming import Incoming
from tuner.endpoint.s3.request import bucket_of_host

_POLICY = (
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)  # fmt: skip
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Amtlocal</title></head>
<body>
<h1>Amtlocal</h1>
<p>This is the AWS endpoint of a local SageMaker: account {account}, region {region},
version {version}.</p>
<ul>
<li>SageMaker: tuning and training jobs, their tags, Search</li>
<li>CloudWatch Logs and CloudWatch: what training jobs print, and their metrics</li>
<li>S3: durable buckets and objects</li>
<li>STS, IAM and other neighbours, as far as training programs need them</li>
</ul>
<p><code>eval "$(tuner env)"</code> points a shell at it. <a href="/_tuner/health">Health</a></p>
</body>
</html>
"""


def is_ours(incoming: Incoming) -> bool:
    """Whether the request is for a page, or for `/` from somebody who looks for one."""
    if bucket_of_host(str(incoming.environ.get("HTTP_HOST", ""))):
        return False
    if (incoming.path + "/").startswith(OUR_PAGES):
        return True
    accepts_html = "text/html" in str(incoming.environ.get("HTTP_ACCEPT", ""))
    return (
        incoming.path == "/"
        and incoming.method == "GET"
        and accepts_html
        and not incoming.query
        and not incoming.access_key
    )


def page(incoming: Incoming, account: str, region: str) -> Answer:
    """Raises Refused."""
    if incoming.method not in ("GET", "HEAD"):
        raise Refused(
            "MethodNotAllowed", "The specified method is not allowed against this resource.", 405
        )
    if incoming.path in ("/", OUR_PAGES.rstrip("/")):
        return bytes_answer(302, "text/plain", b"", ("Location", OUR_PAGES), *_POLICY)
    facts = {"version": version("amtlocal"), "account": account, "region": region}
    if incoming.path == f"{OUR_PAGES}health":
        body = json.dumps({"status": "ok"} | facts).encode()
        answer = bytes_answer(200, "application/json", body, *_POLICY)
    elif incoming.path == OUR_PAGES:
        text = _PAGE.format(**{name: html.escape(fact) for name, fact in facts.items()})
        answer = bytes_answer(200, "text/html; charset=utf-8", text.encode(), *_POLICY)
    else:
        raise Refused("NoSuchKey", "There is no such page.", 404)
    return Answer(answer.status, answer.headers, [] if incoming.method == "HEAD" else answer.body)
