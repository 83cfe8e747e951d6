"""Every transition of runs and generations, one verb each.

A transition is one conditional UPDATE: whoever changes no row stops quietly. Nothing else decides: not the broker, not
a counter in Redis, not the order in which messages arrive. Each verb writes, then tells the thread's sockets on commit.
"""

from runs.actions.generations import (
    Claim,
    Ending,
    Failure,
    Hold,
    checkpoint,
    claim,
    complete,
    fail,
    halt,
    release,
    store_prompt,
)
from runs.actions.recovery import due, expire_leases, fail_overdue, overdue_kickoffs, stopping, unsettled
from runs.actions.runs import Superseded, request_cancel, retry, settle, stop_waiting, take_up
from runs.actions.start import KeyReused, ThreadBusy, start_run

__all__ = [
    "Claim",
    "Ending",
    "Failure",
    "Hold",
    "KeyReused",
    "Superseded",
    "ThreadBusy",
    "checkpoint",
    "claim",
    "complete",
    "due",
    "expire_leases",
    "fail",
    "fail_overdue",
    "halt",
    "overdue_kickoffs",
    "release",
    "request_cancel",
    "retry",
    "settle",
    "start_run",
    "stop_waiting",
    "stopping",
    "store_prompt",
    "take_up",
    "unsettled",
]
