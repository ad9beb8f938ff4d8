"""What HTTP workers need of this process: polls, the hand-over of claimed jobs, upkeep."""
