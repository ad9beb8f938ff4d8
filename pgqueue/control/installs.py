"""The same app in another install of its database."""

from ..app import PgQueue


def in_schema(app: PgQueue, schema: str) -> PgQueue:
    """What an app declares, for the install in another schema; with connections of its own.

    Its tasks stay those of `app`: what they enqueue themselves goes there. So it is for who looks at an install, or adds jobs by
    the names of tasks, and not for workers, each of which has a process to itself.

    Args:
        app: the app.
        schema: the schema of the other install.

    Raises:
        ConfigurationError: it is no name of a schema.
    """
    other = PgQueue(schema=schema)
    other.settings = app.settings.model_copy(update={"schema_name": schema})
    other.tasks, other.parameters, other.lifespan = app.tasks, app.parameters, app.lifespan
    other.limits.declared, other.schedules.declared = app.limits.declared, app.schedules.declared
    other.enqueue_middleware, other.execution_middleware = app.enqueue_middleware, app.execution_middleware
    other.callbacks = app.callbacks
    return other
