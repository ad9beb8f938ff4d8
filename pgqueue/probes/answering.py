"""Answers for worker processes while they run: probes where they are wanted, and systemd where it asks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .address import Address
from .seen import LIVE_WITHIN, Look
from .systemd import of_environment


@contextmanager
def answering(look: Look, address: Address | None, lease: float) -> Iterator[None]:
    """Answer for these processes.

    Args:
        look: says which there are; called in any thread.
        address: where to serve probes; None = nowhere.
        lease: seconds; of the worker.

    Raises:
        ConfigurationError: nothing can listen at the address.
    """
    within = max(LIVE_WITHIN, 3 * lease)
    with ExitStack() as stack:
        if address is not None:
            from .server import Probes  # here, because most workers need no server

            stack.enter_context(Probes(address, look, within))
        if (systemd := of_environment(look, within)) is not None:
            stack.enter_context(systemd)
        yield
