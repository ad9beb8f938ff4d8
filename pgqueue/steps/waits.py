"""How a run ends that waits for a signal."""


class Waits(BaseException):
    """Raised by `ctx.wait_for` when the signal has not come: the run ends here, and the job runs again when it comes.

    It is no Exception, so that `except Exception` in a handler does not stop it.

    Attributes:
        signal: the name of the signal.
        until: until when the job waits, as ISO text; None = without limit.
    """

    def __init__(self, signal: str, until: str | None) -> None:
        self.signal, self.until = signal, until
        super().__init__(f"the job waits for signal {signal!r}")


def waits_of(error: BaseException) -> Waits | None:
    """The wait for which a run has ended; None if it has ended for another reason.

    In a group of errors (`asyncio.TaskGroup`) all must be waits: another error is a failure.
    """
    if isinstance(error, Waits):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    waits = [waits_of(one) for one in error.exceptions]
    return waits[0] if all(waits) else None
