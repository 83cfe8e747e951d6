"""What each model name does. A behaviour is looked up by the start of the name; the package's docstring lists them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.wire import answers
from tests.wire.dialects import Dialect
from tests.wire.errors import BODY_CANARY, kind_of_status
from tests.wire.telling import Source


@dataclass
class Call:
    """One request, as a behaviour sees it."""

    http: web.Request
    wire: Dialect
    body: dict[str, Any]
    number: int
    """1 for the first request of this model with this key."""
    key: str
    source: Source
    """What the answer is for, by the words of the prompt."""

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def name(self) -> str:
        """The model's name without what only tells models apart."""
        return self.model.partition("@")[0]


Behaviour = Callable[[Call], Awaitable[web.StreamResponse]]
Frames = Callable[[Call], AsyncIterator[bytes]]
_BEHAVIOURS: list[tuple[re.Pattern[str], Behaviour]] = []


def find(name: str) -> Behaviour | None:
    """The behaviour of this model name."""
    return next((behaviour for pattern, behaviour in _BEHAVIOURS if pattern.fullmatch(name)), None)


def behaves(pattern: str) -> Callable[[Behaviour], Behaviour]:
    """Register the behaviour of model names of this form."""

    def register(behaviour: Behaviour) -> Behaviour:
        _BEHAVIOURS.append((re.compile(pattern), behaviour))
        return behaviour

    return register


def streams(pattern: str) -> Callable[[Frames], Frames]:
    """Register what model names of this form stream."""

    def register(frames: Frames) -> Frames:
        async def behaviour(call: Call) -> web.StreamResponse:
            response = await open_stream(call)
            async for frame in frames(call):
                await response.write(frame)
            await response.write_eof()
            return response

        behaves(pattern)(behaviour)
        return frames

    return register


async def open_stream(call: Call, *, compressed: bool = False) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    if compressed:
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(call.http)
    return response


def whole(call: Call, pieces: list[str], reason: str = "stop") -> list[bytes]:
    """A well-behaved stream of these pieces."""
    wire = call.wire
    return [wire.start(), *map(wire.text, pieces), wire.finish(reason), wire.usage(), wire.end()]


def opening(call: Call) -> list[bytes]:
    """The first three pieces of an answer that will not come to its end."""
    return [call.wire.start(), *map(call.wire.text, answers.answer_pieces(call.model)[:3])]


def refuse(call: Call, status: int, kind: str, message: str = "It failed.", **headers: str) -> web.Response:
    # As a real vendor does, the body repeats a part of what was sent.
    body = call.wire.error(kind, f"{message} You sent {call.key}.")
    return web.json_response(body, status=status, headers=headers)


@behaves(r"status-(\d+)(-retry-.+)?")
async def status(call: Call) -> web.StreamResponse:
    name, _, retry = call.name.partition("-retry-")
    code = int(name.removeprefix("status-"))
    headers = {"Retry-After": _retry_after(retry)} if retry else {}
    return refuse(call, code, kind_of_status(code), **headers)


def _retry_after(value: str) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True) if value == "date" else value


@behaves("quota")
async def quota(call: Call) -> web.StreamResponse:
    if call.wire.name == "openai":
        return refuse(call, 429, "quota")
    return refuse(call, 400, "invalid", "Your credit balance is too low to access the Anthropic API.")


@behaves("too-long")
async def too_long(call: Call) -> web.StreamResponse:
    if call.wire.name == "openai":
        return refuse(call, 400, "too-long")
    return refuse(call, 400, "invalid", "prompt is too long: 210000 tokens > 200000 maximum.")


@behaves("redirect")
async def redirect(call: Call) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/elsewhere" + call.http.path})


@behaves("no-content-204")
async def no_content(_call: Call) -> web.StreamResponse:
    return web.Response(status=204)


@behaves("empty-200")
async def empty(_call: Call) -> web.StreamResponse:
    return web.Response(content_type="text/event-stream")


@behaves("html-200")
async def html(_call: Call) -> web.StreamResponse:
    return web.Response(
        text=f"<!doctype html>\n<title>Sign in</title>\n<p>{BODY_CANARY}</p>\n", content_type="text/html"
    )


@behaves(r"json-error-200(-.+)?")
async def json_error(call: Call) -> web.StreamResponse:
    return refuse(call, 200, call.name.removeprefix("json-error-200").removeprefix("-") or "server")


@behaves("reset")
async def reset(call: Call) -> web.StreamResponse:
    _transport(call).abort()
    return web.Response()


@behaves(r"slow-headers(-\d+ms)?")
async def slow_headers(call: Call) -> web.StreamResponse:
    wait = call.name.removeprefix("slow-headers").strip("-ms") or "1000"
    await asyncio.sleep(int(wait) / 1000)
    return await answer(call)


@behaves(r"fail-\d+-then-ok")
async def fail_then_answer(call: Call) -> web.StreamResponse:
    failures = int(call.name.split("-")[1])
    return refuse(call, 500, "server") if call.number <= failures else await answer(call)


@behaves("only-drafts")
async def only_drafts(call: Call) -> web.StreamResponse:
    given_drafts = "<draft-" in str(call.body["messages"][-1]["content"])
    return refuse(call, 401, kind_of_status(401)) if given_drafts else await answer(call)


@behaves("no-stream-options")
async def no_stream_options(call: Call) -> web.StreamResponse:
    if "stream_options" in call.body:
        return refuse(call, 422, "invalid", "stream_options: extra inputs are not permitted.")
    return await answer(call)


@behaves("wants-completion-tokens")
async def wants_completion_tokens(call: Call) -> web.StreamResponse:
    if "max_tokens" in call.body:
        return refuse(call, 400, "invalid", "'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
    return await answer(call)


@behaves("ok")
async def answer(call: Call) -> web.StreamResponse:
    response = await open_stream(call)
    for frame in whole(call, answers.answer_pieces(call.model)):
        await response.write(frame)
    await response.write_eof()
    return response


@behaves("gzip")
async def compressed(call: Call) -> web.StreamResponse:
    response = await open_stream(call, compressed=True)
    for frame in whole(call, answers.answer_pieces(call.model)):
        await response.write(frame)
    await response.write_eof()
    return response


@behaves(r"reset-mid|reset-after-finish|cut-chunked")
async def break_off(call: Call) -> web.StreamResponse:
    response = await open_stream(call)
    *finished, _usage, _end = whole(call, answers.answer_pieces(call.model))
    for frame in finished if call.name == "reset-after-finish" else opening(call):
        await response.write(frame)
    # Let the pieces arrive: a reset overtakes what is still under way.
    await asyncio.sleep(0.05)
    transport = _transport(call)
    transport.close() if call.name == "cut-chunked" else transport.abort()
    return response


def _transport(call: Call) -> asyncio.Transport:
    transport = call.http.transport
    assert isinstance(transport, asyncio.Transport)
    return transport


def known_names() -> str:
    """The forms of all model names, for a message to a person."""
    return json.dumps([pattern.pattern for pattern, _ in _BEHAVIOURS])
