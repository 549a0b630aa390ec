"""The trusted side of a sandbox: takes a job, runs the grader's checks against student processes, reports events.

Read `__main__` first (job in, events out), then `plugin` (how pytest runs the checks), then `world` (who owns time),
`node` (one student process) and `spawner` (where it comes from).
"""
