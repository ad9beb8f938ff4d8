"""`pgqueue agent POOL --slots K`: runs workers of a pool on this machine, as many as the pool has slots for it."""

import asyncio

from .. import logs
from ..app import PgQueue
from ..probes.answering import answering
from ..worker.early import EarlySignals
from .agent import Agent
from .options import AgentOptions, settings_of


def run_agent(options: AgentOptions) -> int:
    """Run an agent until it is stopped, or its pool is deleted.

    Returns:
        The exit code: 0; 1 if a worker had to be killed while it stopped; 2 if the pool got an app that this agent refuses;
        128 + n after a second signal n.

    Raises:
        ConfigurationError: a setting is invalid, nothing can listen where probes are wanted, or the pool has another app.
        JobNotFound: there is no such pool.
        WrongState: the pool is being deleted.
    """
    early = EarlySignals(rolls=True)
    settings = settings_of(options.given)
    logs.configure(logs.settled(settings))
    app = PgQueue(options.given.database_url, schema=options.given.schema)
    agent = Agent(options, app)
    early.go_to(agent.stop)
    try:
        with answering(agent.published, options.probes, app.settings.lease):
            return asyncio.run(agent.run())
    finally:
        app.close()
        logs.close()
