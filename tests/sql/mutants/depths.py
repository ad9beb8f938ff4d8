"""Rules of the figures of live jobs."""

from .. import test_sample_depths as depths
from .mutant import Mutant

BOUNDARY = depths.a_boundary_has_what_was_live_then
ACTIVE = depths.what_is_ready_or_runs_is_counted_more_often
SHARE = depths.counting_takes_a_fiftieth_of_the_time

MUTANTS = [
    Mutant("the first in line is the last", "live_depths", r"min\(run_at\)", "max(run_at)",
           depths.the_figures_are_those_that_counting_gives),
    Mutant("figures are fresh for ever", "save_sample", r"clock_timestamp\(\) \+ .*? interval '10 s'", "'infinity'",
           depths.figures_without_a_worker_are_not_shown, (3600.0,)),
    Mutant("figures pile up", "drop_sample", r"delete from depth_sample[^;]*;", "", depths.under_a_long_snapshot_few_are_read),
    Mutant("jobs with limits are not ready", "sample_active", r"lane_id is not null group", "false group", ACTIVE),
    Mutant("suspects are not ready", "sample_active", r"rescues >= 2", "false", ACTIVE),
    Mutant("running jobs are not active", "sample_active", r"where state = 'running'", "where false", ACTIVE),
    Mutant("nobody lacks a worker", "sample_active", r"min\(b\.no_worker_for_task\)", "0", ACTIVE),
    Mutant("two count at once", "sweep_depths", r"if not try_lock\('depths'\) then", "if false then",
           depths.one_counts_at_a_time_and_nobody_waits),
    Mutant("counting takes all the time", "depth_pause", r"50 \* took", "0 * took", SHARE, (1.0, 40.0, False)),
    Mutant("a clock that is set back stops it", "count_due_in", r"when counted_at > clock_timestamp\(\)", "when false", SHARE,
           (1.0, -100.0, True)),
    Mutant("what was added since counts", "live_depths", r" filter \(where created_at < boundary\)", "", BOUNDARY),
    Mutant("what has ended since does not count", "keep_depths", r"finished_at >= boundary", "false", BOUNDARY),
    Mutant("what came and went counts", "keep_depths", r" and created_at < boundary", "", BOUNDARY),
]  # fmt: skip
