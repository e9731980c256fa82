"""Who may call: the same user from this machine, or whoever signs with a key that is known."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

from tuner.endpoint.answers import Refused
from tuner.endpoint.incoming import Incoming

PEER_UID = "amtlocal.peer_uid"
"""Where the server puts the user at the other end of the connection, None if unknown."""

OUR_PAGES = "/_tuner/"

Admit = Callable[[Incoming], None]
"""Raises Refused for a request that is not to be served. Nothing was looked at before."""

_HOST = re.compile(
    r"(?P<name>\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::(?P<port>\d{1,5}))?", re.ASCII
)


def loopback_policy(uid: int, addresses: Iterable[str] = ()) -> Admit:
    """Serve the user `uid` on this machine, without a signature.

    `addresses` are further ones that we listen on. A page of another site that the user's
    browser shows reaches this port too, as that user; it is told by its Host (which it cannot
    choose, but for a name that resolves to us), Origin and Sec-Fetch-Site.
    """
    names = frozenset(address.lower() for address in addresses)

    def admit(incoming: Incoming) -> None:
        if incoming.environ.get(PEER_UID) != uid:
            raise Refused("AccessDenied", "Only the user who runs this server may call it.")
        refuse_foreign_host(incoming, names)
        refuse_foreign_page(incoming)

    return admit


def refuse_foreign_host(incoming: Incoming, names: frozenset[str] = frozenset()) -> None:
    """Raises Refused unless the Host is a loopback one, or one of `names`."""
    host = _HOST.fullmatch(str(incoming.environ.get("HTTP_HOST", "")))
    if host is None or not _is_ours(host["name"].lower(), names):
        raise Refused("AccessDenied", "The Host of the request is no name of this server.")


def refuse_foreign_page(incoming: Incoming) -> None:
    """Raises Refused for what a page of another origin makes a browser send. A link to one of
    our pages may be followed from anywhere: looking at them changes nothing."""
    environ = incoming.environ
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{environ.get('HTTP_HOST')}":
        raise Refused("AccessDenied", "The Origin of the request is no page of this server.")
    if environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):
        return
    follows_link = (
        environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and incoming.method == "GET"
        and incoming.path.startswith(OUR_PAGES)
    )
    if not follows_link:
        raise Refused("AccessDenied", "The request comes from a page of another site.")


def _is_ours(name: str, names: frozenset[str]) -> bool:
    if name in names or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
