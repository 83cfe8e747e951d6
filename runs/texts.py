"""The sentences that scripts say.

They stand in the page as one block of JSON, in its language; ``threads/texts.js`` gives them to the modules by these
names. A name in braces is filled in by the script.
"""

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "offline": _("The server cannot be reached. Your text is kept; send it again."),
    "signedOut": _("You are signed out. Sign in in another tab, then send again."),
    "stale": _("This page is out of date. Copy your text, reload the page and send again."),
    "gone": _("This thread is no more. Open a new one."),
    "tooLarge": _("The prompt is too large. Shorten it."),
    "broken": _("Something broke on the server. Your text is kept; send it again."),
    "final": _("The final answer is complete."),
    "failed": _("The run failed. There is no final answer."),
    "stopped": _("Stopped."),
    "synthesizing": _("The master writes the final answer."),
    "tooLong": _("{length} of at most {limit} characters. Shorten it."),
    "copied": _("Copied"),
    "draft": _("Draft"),
    "disagreements": _("Where they disagree"),
    "leftOut": _("What was left out"),
    "unsaved": _("This could not be done: the server cannot be reached. Try again."),
}
