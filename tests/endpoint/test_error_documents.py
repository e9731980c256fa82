"""Errors in the query protocols can be read whatever the client has sent."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tuner.endpoint.error_documents import in_ec2, in_query


@pytest.mark.parametrize("written", [in_query, in_ec2])
@pytest.mark.parametrize("message", ['a <b> & "c"', "nul \x00 and \x1f", "half \ud800", "\uffff"])
def test_every_message_is_well_formed_xml(
    written: Callable[[str, str, str], bytes], message: str
) -> None:
    root = ElementTree.fromstring(written("Throttling", message, "id"))
    told = "".join(character if character.isprintable() else "\ufffd" for character in message)
    assert root.findtext(".//Message") == told
    assert root.findtext(".//Code") == "Throttling"
