"""Rules of a workflow as a picture: which nodes are one box."""

from .. import test_workflow_shape as shape
from .mutant import Mutant

MUTANTS = [
    Mutant("five are one box", "alike_nodes", r"n\.size > 5", "n.size > 4", shape.test_more_than_five_alike_are_one_box),
    Mutant("conditions do not matter", "alike_nodes", r"e\.parent_id, ' \|\| seed \|\| '",
           "e.parent_id, 0", shape.test_what_differs_is_no_part_of_a_box,
           (shape.of("parse", "x", {"node": "fetch", "when": "finished"}),)),
    Mutant("tasks do not matter", "alike_nodes", r", u\.task\)", ")",
           shape.test_what_differs_is_no_part_of_a_box, (shape.of("other", "x", "fetch"),)),
    Mutant("children do not matter", "alike_nodes", r"b\.hash, a\.edges, b\.edges", "a.edges",
           shape.test_what_has_other_children_is_no_part_of_a_box),
    Mutant("depths of tasks do not matter", "boxes_by_depth", r"partition by u\.task, u\.depth", "partition by u.depth / 2",
           shape.test_too_many_boxes_become_one_for_each_task_and_depth),
    Mutant("there may be more boxes", "boxes_by_depth", r"/ most \+ 1", "/ most",
           shape.test_a_long_chain_becomes_few_boxes_one_behind_the_other),
    Mutant("a depth is that of the shortest way", "node_depths", r"depths\[above\[i\]\] >= depths\[below\[i\]\]",
           "depths[below[i]] = 0", shape.test_depths_are_those_of_the_longest_way_in_whatever_order_nodes_were_added,
           ([3, 5, 1, 4, 2],)),
    Mutant("any number of nodes", "workflow_shape", r"cardinality\(ids\) > 50000", "false",
           shape.test_a_workflow_that_is_too_large_is_refused),
    Mutant("a live job is ready", "workflow_shape", r"coalesce\(j\.state::text, u\.state::text\)",
           "case when j.state is null then u.state::text else 'ready' end", shape.test_a_box_counts_its_nodes_by_state),
]  # fmt: skip
