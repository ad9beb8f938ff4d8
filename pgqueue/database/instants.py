"""Times as claims bring them: the eight bytes of `timestamptz_send`, read only when somebody asks.

Few handlers ask when their job was due; to make two datetimes for each job would cost as much as all else that a claim brings.
"""

from datetime import UTC, datetime, timedelta

from .adapters import FIRST, LAST

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = ((time - _EPOCH) // _MICROSECOND for time in (FIRST, LAST))


def microseconds(sent: bytes) -> int:
    """Microseconds since 2000."""
    return int.from_bytes(sent, "big", signed=True)


def moment(sent: bytes) -> datetime:
    """The time, in UTC; one that Python cannot hold, such as infinity, becomes the first or last that it can hold."""
    return _EPOCH + min(max(microseconds(sent), _FIRST), _LAST) * _MICROSECOND
