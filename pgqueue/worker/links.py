"""The links of a worker: one for each purpose, over the few connections that all of them share."""

from ..database import Connections, Link
from ..database.connections import Circuit
from ..database.link import PATIENT, URGENT
from ..database.statement import Statements


class Links:
    """Each link takes a connection for the length of a call, so an idle worker holds one, and a busy one as many as it needs.

    Args:
        url: where to connect.
        statements: the statements of the install.
        circuit: how they connect.

    Attributes:
        connections: what they share.
        claim, finish, parents: what starts and ends jobs. They wait hardly at all for a connection.
        finish_held, finish_slow: for outcomes that are blocked by a lock, and for single outcomes that take long.
        maintenance: short calls that can wait, of many loops.
        logs, alerts, doctor, figures, depths: calls that can wait and may take seconds.
    """

    def __init__(self, url: str, statements: Statements, circuit: Circuit) -> None:
        self._statements = statements
        self.connections = Connections(url, "pgqueue worker", circuit)
        self.claim, self.finish, self.parents = (self._link(name, URGENT) for name in ("claim", "finish", "parents"))
        self.finish_held, self.finish_slow = self._link("finish held"), self._link("finish slow")
        self.maintenance, self.logs = self._link("maintenance"), self._link("job log")
        self.alerts, self.doctor = self._link("alerts"), self._link("doctor")
        self.figures, self.depths = self._link("figures"), self._link("live jobs")

    def _link(self, purpose: str, patience: float = PATIENT) -> Link:
        return Link(self.connections, self._statements, purpose, patience)
