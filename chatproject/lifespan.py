"""What a web process does beside answering: it sweeps too, so that runs end also while no worker does."""

import threading
from typing import Any

from django.conf import settings

from runs.sweeping import Sweeper

SELDOM = 2
"""Workers sweep every ``SWEEP_SECONDS``; a web process has pages to answer, and looks this many times less often.

At its deadline a run may need two sweeps, and 30 s after it must have ended.
"""


async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
    """From the start of the server to its end (the ASGI specification's lifespan protocol)."""
    sweeper = Sweeper(settings.SWEEP_SECONDS * SELDOM)
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            threading.Thread(target=sweeper.sweep_until_stopped, name="sweeper", daemon=True).start()
            await send({"type": "lifespan.startup.complete"})
        else:
            sweeper.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
