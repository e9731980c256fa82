"""The home's own access key, with which requests to it can be signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from tuner.domain.jobs import AttemptKey

_FILE = "access-key.json"
_OF_JOB = re.compile(r"AMTJOB(\d{10})(\d{4})", re.ASCII)
_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class AccessKey:
    access_key_id: str
    secret_access_key: str

    def on_wire(self) -> dict[str, str]:
        return {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
        }


def access_key(home: Path) -> AccessKey:
    """The key of a home, minted at the first call. Whoever calls holds the home's lock."""
    path = home / _FILE
    if not path.exists():
        identity = "AMTLOCAL" + "".join(secrets.choice(_LETTERS) for _ in range(12))
        key = AccessKey(identity, secrets.token_urlsafe(30))
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(key.on_wire(), stream)
        scratch.replace(path)
    document = json.loads(path.read_bytes())
    return AccessKey(document["AccessKeyId"], document["SecretAccessKey"])


def key_of_job(home: AccessKey, key: AttemptKey) -> AccessKey:
    """The key of one attempt of a training job; it follows from the home's own."""
    identity = f"AMTJOB{key.job_id:010}{key.attempt:04}"
    mark = hmac.digest(home.secret_access_key.encode(), identity.encode(), hashlib.sha256)
    return AccessKey(identity, base64.urlsafe_b64encode(mark)[:40].decode())


def attempt_of(access_key_id: str) -> AttemptKey | None:
    """Whose key it would be; None for one that is no job's."""
    found = _OF_JOB.fullmatch(access_key_id)
    return AttemptKey(int(found[1]), int(found[2])) if found else None
