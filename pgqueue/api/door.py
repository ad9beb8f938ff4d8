"""Who may come in: keys, roles, rates, and what a page of another site may not make a browser send."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

from ..control.keys import digest, read_key
from ..errors import ConfigurationError
from .callers.caller import Caller
from .callers.keys import Key
from .endpoint import Endpoint
from .problems import Problem
from .service import Service

Heads = dict[bytes, bytes]
REMEDY = "this needs a valid API key, as `remedy` says"
INSIDE = (
    "pgqueue.inside"  # in a scope: the caller, for whom another part of this process asks; a request from outside cannot set it
)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ONCE = frozenset({b"authorization", b"host", b"origin", b"content-type", b"content-length", b"sec-fetch-site"})
_FORWARDED = frozenset({b"forwarded", b"x-real-ip", b"via"})
_LOOPBACK_HOST = re.compile(r"(localhost|127(?:\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.I)


async def enter(service: Service, endpoint: Endpoint, request: Request) -> Caller:
    """Who calls this endpoint.

    Raises:
        Problem: without a valid key, without the role, too often, from a page of another site, or with a body that is no JSON.
    """
    inside: Caller | None = request.scope.get(INSIDE)
    if inside is not None:  # who has let it in, has counted it and seen where it comes from
        _check_allowed(endpoint, inside)
        return inside
    heads = heads_of(request)
    if request.method not in _SAFE:
        check_site(heads)
    address = address_of(request)
    caller = await caller_of(service, heads, address) if endpoint.may else Caller("anybody", "viewer", address, None, None, False)
    service.rates.count(endpoint.rate, caller.key_id or address)
    if endpoint.may:
        _check_allowed(endpoint, caller)
    _check_body(heads)
    return caller


def is_allowed(endpoint: Endpoint, caller: Caller) -> bool:
    """Whether this caller may call the endpoint at all."""
    return (not endpoint.may or caller.role in endpoint.may) and (caller.queues is None or endpoint.is_bound)


def address_of(request: Request) -> str:
    """The address of the connection."""
    return request.client.host if request.client else "local"


def _check_allowed(endpoint: Endpoint, caller: Caller) -> None:
    if is_allowed(endpoint, caller):
        return
    caller.must_be(endpoint.may or (caller.role,), f"{endpoint.method} {endpoint.path}")
    raise Problem("forbidden", f"{endpoint.method} {endpoint.path} needs a key for all queues; {caller.name} is for some")


def check_bind(host: str, has_keys: bool) -> None:
    """Refuse to serve others than this machine without keys.

    Args:
        host: the address that the server is to listen on.
        has_keys: whether the database has keys, as `has_keys()` says.

    Raises:
        ConfigurationError: the address is not one of loopback, and there are no keys.
    """
    if not has_keys and host.lower() != "localhost" and not _is_loopback(host.strip("[]")):
        raise ConfigurationError(
            f"host: {host!r} is not valid without API keys, because everybody there could do everything; "
            "make one with `pgqueue keys create --role admin`, or use 127.0.0.1"
        )


def heads_of(request: Request) -> Heads:
    """The headers by name.

    Raises:
        Problem: one that decides here is there twice, so that two readers could disagree about it.
    """
    listed: list[tuple[bytes, bytes]] = request.scope["headers"]
    heads = dict(listed)
    if request.scope.get("http_version") == "1.0":  # a proxy, such as nginx as it comes, which adds no header that says so
        heads.setdefault(b"via", b"1.0")
    if len(heads) < len(listed):
        names = [name for name, _ in listed]
        for name in _ONCE:
            if names.count(name) > 1:
                raise Problem("invalid", f"the header {name.decode()} is there twice; send it once")
    return heads


def check_site(heads: Heads) -> None:
    """Refuse what a page of another site makes a browser send. Programs send neither header."""
    origin = heads.get(b"origin")
    is_other = origin is not None and origin.lower().partition(b"://")[2] != heads.get(b"host", b"").lower()
    if is_other or heads.get(b"sec-fetch-site") == b"cross-site":
        raise Problem("forbidden", "a page of another site may not change anything; send this from a program")


def _check_body(heads: Heads) -> None:
    if heads.get(b"content-length", b"0").strip(b"0") == b"" and b"transfer-encoding" not in heads:
        return
    if heads.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise Problem("unsupported-media-type", "the body must be JSON, with the header Content-Type: application/json")


async def caller_of(service: Service, heads: Heads, address: str) -> Caller:
    """Who sends these headers from this address.

    Raises:
        Problem: there is no key among them, or none that is valid; or too many came from there that were not.
    """
    given = heads.get(b"authorization")
    if given is None:
        if not _is_local(heads, address) or await service.keys.exist():
            raise _unauthorized()
        return Caller("local", "admin", address)
    scheme, _, text = given.decode("latin-1").partition(" ")
    key = await _key(service, read_key(text.strip()) if scheme.lower() == "bearer" else None, address)
    return Caller(key.name, key.role, address, key.id, key.queues, key.may_read_arguments)


async def _key(service: Service, parts: tuple[str, str] | None, address: str) -> Key:
    """The valid key of these parts. Who sends wrong keys is refused before anybody looks for them in the database."""
    keys, rates = service.keys, service.rates
    key = None
    if parts is None:
        rates.check_wrong(address)
    else:
        id, hash = parts[0], digest(parts[1])
        key = keys.fresh(id, hash)
        if key is None and keys.was_valid(id, hash):  # whatever others send from its address
            key = await keys.find(id, hash)
        elif key is None:
            async with keys.turns:
                rates.check_wrong(address)
                key = await keys.find(id, hash)
    if key is None:
        rates.count_wrong(address)
        raise _unauthorized()
    return key


def _unauthorized() -> Problem:
    """The same for every reason, so that nobody learns whether there is such a key."""
    return Problem("unauthorized", REMEDY, {"WWW-Authenticate": "Bearer"})


def _is_local(heads: Heads, address: str) -> bool:
    """Whether a request comes from a program on this machine, and through no proxy that could have it from elsewhere."""
    if not _is_loopback(address) or _LOOPBACK_HOST.fullmatch(heads.get(b"host", b"").decode("latin-1")) is None:
        return False
    return not any(name in _FORWARDED or name.startswith(b"x-forwarded-") for name in heads)


@lru_cache(maxsize=4096)
def _is_loopback(address: str) -> bool:
    try:
        known = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return known.is_loopback
