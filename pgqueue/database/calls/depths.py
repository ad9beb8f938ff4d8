"""Figures of live jobs; see sql/functions/depths."""

from ..call import WHOLE, Call, one_value


def sweep_depths() -> Call[float | None]:
    """Count the live jobs, if that is due. Returns in how many seconds to call it again; None: the install is small."""
    return Call("select {schema}.sweep_depths()", (), one_value, within=WHOLE)
