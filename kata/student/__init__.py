"""The untrusted side of a sandbox: what runs in the processes that import and call a submission.

Read `zygote` first (where these processes come from), then `host` (what each does), `loop` and `clock` (how it
waits). Nothing here imports `kata.grading` or `kata.supervisor`, and nothing here is believed by them.
"""
