"""The server itself: two doors, one book of what was asked."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.wire import behaviours, streams
from tests.wire.behaviours import Call
from tests.wire.dialects import AnthropicDialect, Dialect, OpenAIDialect
from tests.wire.telling import Source, asked_for

assert streams, "importing it registers its behaviours"


@dataclass
class Asked:
    """One request and what became of it."""

    model: str
    wire: str
    key: str
    """Empty when none was sent."""
    body: dict[str, Any]
    headers: dict[str, str]
    connection: int
    """The client's port: the same for requests that came over one connection."""
    number: int
    """1 for the first request of this model with this key."""
    source: Source
    """What it was for, by the words of the prompt."""
    done: bool = False
    """It was answered to its end, well or badly."""
    disconnected: bool = False
    """The client left before."""
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when it is one or the other."""

    def as_json(self, *, with_content: bool) -> dict[str, Any]:
        content = () if with_content else ("body", "headers", "key")
        shown = {name: value for name, value in vars(self).items() if name not in ("ended", "source", *content)}
        return shown | vars(self.source) | {"ended": self.ended.is_set()}


class WireServer:
    """Both vendors' wires on one port of this machine; see the package for the model names."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.asked: list[Asked] = []
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=0.1)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self._openai)
        app.router.add_post("/v1/messages", self._anthropic)
        app.router.add_post("/elsewhere/v1/chat/completions", self._openai)
        app.router.add_post("/elsewhere/v1/messages", self._anthropic)
        app.router.add_get("/requests", self._show)
        app.router.add_delete("/requests", self._forget)
        return app

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL for ``openai`` and ``compatible``."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for ``anthropic``."""
        return self.url

    def requests(self, model: str) -> list[Asked]:
        """What was asked of one model, oldest first."""
        return [asked for asked in self.asked if asked.model == model]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _openai(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, OpenAIDialect())

    async def _anthropic(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, AnthropicDialect())

    async def _answer(self, http: web.Request, wire: Dialect) -> web.StreamResponse:
        asked = self._note(http, wire, json.loads(await http.read()))
        call = Call(http, wire, asked.body, asked.number, asked.key, asked.source)
        behaviour = behaviours.find(call.name)
        if behaviour is None:
            asked.ended.set()
            return behaviours.refuse(call, 404, "not-found", f"Known: {behaviours.known_names()}")
        try:
            response = await behaviour(call)
            asked.done = True
        except asyncio.CancelledError:
            asked.disconnected = True
            raise
        except ConnectionError:
            asked.disconnected = True
            return web.Response()
        finally:
            asked.ended.set()
        return response

    def _note(self, http: web.Request, wire: Dialect, body: dict[str, Any]) -> Asked:
        key = http.headers.get("Authorization", "").removeprefix("Bearer ") or http.headers.get("x-api-key", "")
        port = http.transport.get_extra_info("peername")[1] if http.transport else 0
        model, (token, part) = body.get("model", ""), asked_for(body)
        source = Source(token, part, model.partition("@")[2], self._count("source", model, token, part))
        number = self._count("key", model, key)
        asked = Asked(model, wire.name, key, body, dict(http.headers), port, number, source)
        self.asked.append(asked)
        return asked

    def _count(self, *what: str) -> int:
        self._counts[what] += 1
        return self._counts[what]

    async def _show(self, http: web.Request) -> web.Response:
        model, token = http.query.get("model"), http.query.get("token")
        with_content = http.query.get("content") == "yes"
        shown = [
            asked.as_json(with_content=with_content)
            for asked in self.asked
            if model in (None, asked.model) and token in (None, asked.source.token)
        ]
        return web.json_response(shown)

    async def _forget(self, _http: web.Request) -> web.Response:
        self.asked.clear()
        self._counts.clear()
        return web.Response(status=204)
