"""Making and reading keys of the REST API: `pgq_<id>_<secret>`. The secret is made here, and never reaches the database."""

import hashlib
import re
import secrets
import string
from datetime import datetime
from typing import NamedTuple

from ..database.call import Call
from ..database.calls.keys import KeySpec, create_key

ROLES = ("viewer", "producer", "worker", "operator", "admin")
_ID = string.ascii_lowercase + string.digits
_SHAPE = re.compile(r"pgq_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


class NewKey(NamedTuple):
    """A key that was made.

    Attributes:
        id: its public part.
        text: the key itself. It is shown once.
        store: the call that stores it; returns when it expires.
    """

    id: str
    text: str
    store: Call[datetime | None]


def new_key(spec: KeySpec) -> NewKey:
    """Make a key of 32 random bytes."""
    id, secret = "".join(secrets.choice(_ID) for _ in range(12)), secrets.token_urlsafe(32)
    return NewKey(id, f"pgq_{id}_{secret}", create_key(id, digest(secret), spec))


def read_key(text: str) -> tuple[str, str] | None:
    """The public part and the secret of a key; None if the text is none."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest(secret: str) -> bytes:
    """What is stored of a secret. No slow hash is needed: nobody guesses 32 random bytes."""
    return hashlib.sha256(secret.encode()).digest()
