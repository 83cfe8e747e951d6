"""Every transition of runs and generations, one verb each.

A transition is one conditional UPDATE: whoever changes no row stops quietly. Nothing else decides: not the broker, not
a counter in Redis, not the order in which messages arrive. Each verb writes, then tells the thread's sockets on commit;
only who was given a claim tells it by itself (``tell_begun``), since claims are given to many at a time.
"""

from runs.actions.admission import Overloaded, Refused, TooManyRuns, admit, may_begin
from runs.actions.answers import TooFewDrafts, rewrite, use
from runs.actions.claims import (
    NO_THOUGHTS,
    Claim,
    Hold,
    Progress,
    Prompt,
    Thoughts,
    checkpoint_all,
    claim,
    claim_all,
    tell_begun,
)
from runs.actions.councils import change_council, delete_council, save_council
from runs.actions.feedback import give_feedback
from runs.actions.gates import next_in_line
from runs.actions.generations import Ending, Failure, complete, complete_drafts, fail, halt, release
from runs.actions.joining import NoDraftYet, fallbacks, request_synthesis, settle, take_up
from runs.actions.recovery import (
    due,
    expire_leases,
    fail_overdue,
    fail_unserved,
    stopping,
    unlaunched,
    unsettled,
)
from runs.actions.retrying import Superseded, retry, retry_generation
from runs.actions.start import EVERYBODY, KeyReused, Quorum, ThreadBusy, check_choice, start_run
from runs.actions.stopping import request_cancel, stop_all, stop_generation, stop_queued
from threads.telling import tell_now, telling_later

__all__ = [
    "EVERYBODY",
    "NO_THOUGHTS",
    "Claim",
    "Ending",
    "Failure",
    "Hold",
    "KeyReused",
    "NoDraftYet",
    "Overloaded",
    "Progress",
    "Prompt",
    "Quorum",
    "Refused",
    "Superseded",
    "Thoughts",
    "ThreadBusy",
    "TooFewDrafts",
    "TooManyRuns",
    "admit",
    "change_council",
    "check_choice",
    "checkpoint_all",
    "claim",
    "claim_all",
    "complete",
    "complete_drafts",
    "delete_council",
    "due",
    "expire_leases",
    "fail",
    "fail_overdue",
    "fail_unserved",
    "fallbacks",
    "give_feedback",
    "halt",
    "may_begin",
    "next_in_line",
    "release",
    "request_cancel",
    "request_synthesis",
    "retry",
    "retry_generation",
    "rewrite",
    "save_council",
    "settle",
    "start_run",
    "stop_all",
    "stop_generation",
    "stop_queued",
    "stopping",
    "take_up",
    "tell_begun",
    "tell_now",
    "telling_later",
    "unlaunched",
    "unsettled",
    "use",
]
