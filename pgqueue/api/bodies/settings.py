"""What holds for the whole install, as it is answered."""

from datetime import datetime

from pydantic import BaseModel, Field


class SettingsOut(BaseModel):
    """What holds for the whole install."""

    history_days: int = Field(description="finished jobs are kept so many days", examples=[7])
    dead_days: int | None = Field(description="dead letters are kept so many days; null: for ever")
    audit_days: int = Field(description="what people have done is kept so many days", examples=[365])
    metric_minute_days: int = Field(description="roll-ups of minutes are kept so many days", examples=[7])
    metric_hour_days: int = Field(description="roll-ups of hours are kept so many days; those of days for ever", examples=[90])
    max_args_bytes: int = Field(description="of the arguments of a job as JSON text")
    max_workflow_nodes: int = Field(description="of one workflow")
    log_lines: int = Field(description="of each job the last so many lines are kept")
    log_bytes: int = Field(description="of these lines")
    max_interruptions: int = Field(description="so often workers that stop may interrupt a job until it counts as a suspect")
    created_at: datetime = Field(description="when pgqueue was installed")
