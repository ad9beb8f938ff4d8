"""What this server can do, as it is answered."""

from pydantic import BaseModel


class Capabilities(BaseModel):
    """What this server is and can do."""

    version: str
    schema_name: str
    schema_version: str
    tasks: list[str]
