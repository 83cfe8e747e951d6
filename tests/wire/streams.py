"""The behaviours that are one stream of frames, well or badly formed."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator

from tests.wire import answers
from tests.wire.behaviours import Call, opening, streams, whole


@streams(r"(ok|count)-\d+x\d+ms")
async def paced(call: Call) -> AsyncIterator[bytes]:
    _, pause = answers.pace(call.name)
    start = time.monotonic()
    pieces = answers.paced_pieces(call.name, call.number if call.name.startswith("count") else 0)
    yield call.wire.start()
    for index, piece in enumerate(pieces):
        await asyncio.sleep(start + index * pause - time.monotonic())
        yield call.wire.text(piece)
    yield call.wire.finish("stop") + call.wire.usage() + call.wire.end()


@streams(r"tell-\d+x\d+ms(-breaks-\d+)?")
async def tell(call: Call) -> AsyncIterator[bytes]:
    number, pause = answers.pace(call.name)
    breaks = int(call.name.partition("-breaks-")[2] or 0)
    start = time.monotonic()
    pieces = call.source.pieces(number)
    if call.source.request <= breaks:
        pieces = pieces[: number // 2]
    yield call.wire.start()
    for index, piece in enumerate(pieces):
        await asyncio.sleep(start + index * pause - time.monotonic())
        yield call.wire.text(piece)
    if len(pieces) == number:
        yield call.wire.finish("stop") + call.wire.usage() + call.wire.end()


@streams("echo")
async def echo(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, [answers.echoed(call.body)]):
        yield frame


@streams(r"big-\d+kb")
async def big(call: Call) -> AsyncIterator[bytes]:
    size = int(call.name.removeprefix("big-").removesuffix("kb"))
    for frame in whole(call, ["0123456789abcde\n" * 64] * size):
        yield frame


@streams("reasoning")
async def reasoning(call: Call) -> AsyncIterator[bytes]:
    start, *rest = whole(call, answers.answer_pieces(call.model))
    yield start
    for piece in ("First, ", "a thought 😀."):
        yield call.wire.reasoning(piece)
    for frame in rest:
        yield frame


@streams("(says|thinks)(-slowly)?")
async def says(call: Call) -> AsyncIterator[bytes]:
    told = re.search(r"<<<(.*?)>>>", str(call.body["messages"][-1]["content"]), re.DOTALL)
    text = told[1] if told else "Nothing."
    pause = 0.1 if call.name.endswith("slowly") else 0
    thinks = call.name.startswith("thinks")
    start, *rest = whole(call, answers.answer_pieces(call.model) if thinks else [text])
    yield start
    if thinks:
        for piece in re.findall(r"(?s).{1,40}", text):
            await asyncio.sleep(pause)
            yield call.wire.reasoning(piece)
    for frame in rest:
        yield frame


@streams("refusal")
async def refusal(call: Call) -> AsyncIterator[bytes]:
    yield call.wire.start()
    for piece in ("I cannot ", "help with that."):
        yield call.wire.refusal(piece)
    yield call.wire.finish("refusal") + call.wire.usage() + call.wire.end()


@streams("length|filtered|stop-empty|tool-calls(-text)?")
async def other_ends(call: Call) -> AsyncIterator[bytes]:
    has_text = call.name in {"length", "tool-calls-text"}
    pieces = answers.answer_pieces(call.model) if has_text else []
    reason = {"length": "length", "filtered": "filtered", "stop-empty": "stop"}.get(call.name, "tool")
    for frame in whole(call, pieces, reason):
        yield frame


@streams("usage-missing")
async def usage_missing(call: Call) -> AsyncIterator[bytes]:
    for piece in answers.answer_pieces(call.model):
        yield call.wire.text(piece)
    yield call.wire.finish("stop") + call.wire.end()


@streams("finish-twice")
async def finish_twice(call: Call) -> AsyncIterator[bytes]:
    *frames, usage, end = whole(call, answers.answer_pieces(call.model))
    for frame in (*frames, call.wire.finish("length"), usage, end, end):
        yield frame


@streams("after-finish")
async def after_finish(call: Call) -> AsyncIterator[bytes]:
    *frames, usage, end = whole(call, answers.answer_pieces(call.model))
    for frame in (*frames, call.wire.text("too late"), usage, end, call.wire.text("much too late")):
        yield frame


@streams("empty-choices")
async def empty_choices(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, answers.answer_pieces(call.model)):
        yield call.wire.nothing() + frame


@streams("surrogates")
async def surrogates(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, ["pair \ud83d", "\ude00, lone \ud83d", " and \ude00 and last \ud83d"]):
        yield frame


@streams("nul")
async def nul(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, ["a\0b", "\0", "c"]):
        yield frame


@streams("split-utf8|crlf|cr")
async def other_bytes(call: Call) -> AsyncIterator[bytes]:
    # Characters as themselves instead of JSON's escapes, so that there is something to split.
    raw = b"".join(whole(call, answers.answer_pieces(call.model)))
    for escaped in sorted({piece for piece in answers.answer_pieces(call.model) if not piece.isascii()}):
        raw = raw.replace(json.dumps(escaped).encode(), json.dumps(escaped, ensure_ascii=False).encode())
    if call.name == "split-utf8":
        for byte in raw:
            yield bytes([byte])
    else:
        yield raw.replace(b"\n", b"\r\n" if call.name == "crlf" else b"\r")


@streams("pings")
async def pings(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, answers.answer_pieces(call.model)):
        yield call.wire.ping()
        yield frame


@streams("cut")
async def cut(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame


@streams("cut-in-json")
async def cut_in_json(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame
    yield call.wire.text("unfinished")[:-8]


@streams("bad-sse")
async def bad_json(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame
    yield b'event: content_block_delta\ndata: {"choices": nonsense\n\n'
    yield call.wire.finish("stop") + call.wire.end()


@streams("bad-utf8")
async def bad_utf8(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame
    yield call.wire.text("broken").replace(b"broken", b"bro\xff\xfeken")
    yield call.wire.finish("stop") + call.wire.end()


@streams(r"error-event(-.+)?")
async def error_event(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame
    yield call.wire.error_event(call.name.removeprefix("error-event").removeprefix("-") or "overloaded")


@streams("endless-line")
async def endless_line(call: Call) -> AsyncIterator[bytes]:
    yield call.wire.start() + b"data: "
    while True:
        yield b"x" * 65536


@streams("silent")
async def silent(_call: Call) -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@streams("silent-mid")
async def silent_mid(call: Call) -> AsyncIterator[bytes]:
    for frame in opening(call):
        yield frame
    await asyncio.Event().wait()


@streams("held-open")
async def held_open(call: Call) -> AsyncIterator[bytes]:
    for frame in whole(call, answers.answer_pieces(call.model)):
        yield frame
    await asyncio.Event().wait()


@streams("drip")
async def drip(_call: Call) -> AsyncIterator[bytes]:
    while True:
        yield b": keep-alive\n\n"
        await asyncio.sleep(0.05)
