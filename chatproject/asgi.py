"""The ASGI door: HTTP goes to Django, websockets past an origin check to the consumer, which checks the session."""

import os
import warnings

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")

# WhiteNoise reads a static file in a thread; that is what Django warns of, once for each file.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

http = get_asgi_application()

# The consumers use models, so their urls can only be imported once Django is set up.
from chatproject import memory  # noqa: E402
from chatproject.kept_threads import KeptThreads  # noqa: E402
from chatproject.lifespan import lifespan  # noqa: E402
from runs.urls import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "lifespan": lifespan,
        "http": KeptThreads(http),
        "websocket": AllowedHostsOriginValidator(
            CookieMiddleware(URLRouter(websocket_urlpatterns))  # type: ignore[arg-type] # the stubs name a private type
        ),
    }
)

memory.settle()
