"""What this server can do, as it is answered."""

from pydantic import BaseModel, Field


class Capabilities(BaseModel):
    """What this server is and can do."""

    version: str
    schema_name: str
    schema_version: str
    is_read_only: bool = Field(
        description="nothing can be changed: the database is a replica, or the role of the server only reads"
    )
    features: list[str] = Field(description="the nouns that this version has endpoints for", examples=[["jobs", "events"]])
    tasks: list[str] = Field(description="the tasks that the server knows, whose options and type hints apply")
