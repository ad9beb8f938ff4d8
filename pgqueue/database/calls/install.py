"""What holds for all of an install: its version, its channels, its upkeep; see sql/functions/common and upkeep."""

from ..call import ALWAYS, Call, one_value

# Payloads on the workers' channel, where all others are queues.
RESULTS_WANTED = "!results"  # of ask_results
CANCEL_WANTED = "!cancel"  # of cancel_workflow


def installed_version() -> Call[str]:
    """The version of pgqueue that the schema is of."""
    return Call("select {schema}.installed_version()", (), one_value, repeat_within=ALWAYS)


def channel() -> Call[str]:
    """The channel that wake-ups of this install arrive on."""
    return Call("select {schema}.channel()", (), one_value, repeat_within=ALWAYS)


def done_channel() -> Call[str]:
    """The channel that ids of jobs that are over arrive on."""
    return Call("select {schema}.channel() || '_done'", (), one_value, repeat_within=ALWAYS)


def maintain_if_due() -> Call[float]:
    """Partitions and pruning, unless another worker has done it. Returns the seconds until the next call."""
    return Call("select {schema}.maintain_if_due()", (), one_value)
