"""Grading a cohort: many people's submissions in, marks out.

The road: `intake` recognises what people handed in (`archives` unpacks it, `roster` says who they are), `ledger` holds
it and every result durably, `coordinator` grades what the ledger lacks (with `pool` on this machine, with `cluster` on
many), and `gradebook` writes the marks from the ledger alone.
"""
