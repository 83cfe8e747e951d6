"""Open WebUI, a peer: three models side by side in one chat, and then its "merge", as its page does it.

One request asks all models, and a socket tells what they write. The page then has their answers merged, reads that from
the response, and stores it itself. What it would load besides, the list of chats above all, is left out.
"""

import asyncio
import json
import os
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import socketio

from bench.figures import Order, Watched
from bench.processes import Pinned, cpu_seconds, proportional_megabytes
from bench.targets import PATIENCE, PIECES, Refused, Target, read_stream
from tests.product import free_port, wait_for

PROMPT = "Go."

Message = dict[str, Any]
Turn = dict[str, Message]
"""A prompt and the answers to it, by id."""


class Frames(aiohttp.ClientWebSocketResponse):
    """A websocket that counts what comes over it."""

    size = 0

    async def receive(self, *arguments: Any) -> aiohttp.WSMessage:
        """The next frame."""
        message = await super().receive(*arguments)
        self.size += len(message.data) if isinstance(message.data, str | bytes) else 0
        return message


class Page:
    """What one person's open page sends, and hears over its socket."""

    def __init__(self, url: str, token: str, http: aiohttp.ClientSession) -> None:
        self.url, self.token, self.http = url, token, http
        self.heard: asyncio.Queue[tuple[float, Message]] = asyncio.Queue()
        self.socket = socketio.AsyncClient(reconnection=False, http_session=http)
        self.socket.on("events", lambda event: self.heard.put_nowait((time.monotonic(), event)))

    async def connect(self) -> str:
        """Open the socket; returns what it is called there."""
        auth = {"token": self.token}
        await self.socket.connect(self.url, auth=auth, transports=["websocket"], socketio_path="ws/socket.io")
        await self.socket.emit("user-join", {"auth": auth})
        return str(self.socket.get_sid())

    @asynccontextmanager
    async def posting(self, path: str, body: Message) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(f"{self.url}/api/{path}", json=body, headers=headers) as response:
            if response.status != 200:
                raise Refused(await response.text())
            yield response

    async def post(self, path: str, body: Message) -> Message:
        """What a request is answered with."""
        async with self.posting(path, body) as response:
            return dict(await response.json())


class OpenWebUI(Target):
    """One process over SQLite, as its ``serve`` starts it."""

    name = "Open WebUI"

    def __init__(self, program: Path, folder: Path, vendor: str) -> None:
        port = str(free_port())
        self.command = [str(program), "serve", "--host", "127.0.0.1", "--port", port]
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._environment = _environment(folder, vendor)
        self._stack = AsyncExitStack()
        self._tokens: list[str] = []
        self._open: dict[int, tuple[Page, str, str]] = {}
        """By user: the page, its session and its chat."""
        self._owners: dict[str, str] = {}
        """Of each chat, its owner's token."""

    async def start(self, users: int) -> None:
        """Start it on the first core; who signs up first is its admin, and adds the others."""
        client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), ws_response_class=Frames)
        self._http = await self._stack.enter_async_context(client)
        self.name = f"Open WebUI {await asyncio.to_thread(self._serve)} (SQLite)"
        admin = Page(self.url, "", self._http)
        admin.token = (await admin.post("v1/auths/signup", _person("admin")))["token"]
        for number in range(users):
            added = await admin.post("v1/auths/add", {**_person(f"user-{number}"), "role": "user"})
            self._tokens.append(added["token"])

    async def stop(self) -> None:
        """End it."""
        await self._stack.aclose()

    async def open(self, user: int) -> None:
        """A page with a socket, and a new chat."""
        page = Page(self.url, self._tokens[user], self._http)
        session = await page.connect()
        created = await page.post("v1/chats/new", {"chat": {"title": "New Chat", "history": {"messages": {}}}})
        self._open[user] = page, session, str(created["id"])

    async def run(self, user: int, order: Order) -> Watched:
        """Ask three models, and have their answers merged once the last has written."""
        page, session, chat = self._open.pop(user)
        self._owners[chat] = page.token
        turn = _turn(order)
        page.socket.eio.ws.size = 0
        watched = Watched(asked=time.monotonic(), synthesis=chat)
        watching = asyncio.create_task(self._watch(page, watched, turn))
        try:
            async with asyncio.timeout(PATIENCE):
                await page.post("chat/completions", _question(turn, order, chat, session))
                await watching
                await self._merge(page, watched, turn, order)
            watched.size += page.socket.eio.ws.size
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(repr(error)) from error
        finally:
            watching.cancel()
            await page.socket.disconnect()
        return watched

    async def check(self, runs: Sequence[Watched]) -> None:
        """Read every chat as a page does that is opened anew."""
        for run in runs:
            headers = {"Authorization": f"Bearer {self._owners[run.synthesis]}"}
            async with self._http.get(f"{self.url}/api/v1/chats/{run.synthesis}", headers=headers) as response:
                messages = (await response.json())["chat"]["history"]["messages"].values()
            run.stored = {each["id"]: each["content"] for each in messages if each["role"] == "assistant"}
            merged = (each["merged"]["content"] for each in messages if "merged" in each)
            run.stored[run.synthesis] = next(merged, "")  # what it did not keep has diverged

    def cpu(self) -> tuple[float, float]:
        """Its process, which also is its broker and database."""
        return cpu_seconds(self.process.pid), 0.0

    def memory(self) -> float:
        """All of it is one process."""
        return proportional_megabytes(self.process.pid)

    def _serve(self) -> str:
        """Start the process; returns its version, once it answers."""
        with Pinned.to_first(), (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self._environment, stdout=log, stderr=log
            )
        self._stack.callback(self._end)
        return wait_for(self._version, 180, what="Open WebUI")

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _version(self) -> str:
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with suppress(OSError), urlopen(f"{self.url}/api/version") as response:
            return str(json.load(response)["version"])
        return ""

    async def _watch(self, page: Page, watched: Watched, turn: Turn) -> None:
        """Hear every model to its end."""
        while not all(message.get("done", True) for message in turn.values()):
            now, event = await page.heard.get()
            watched.frames += 1
            match event["data"]:
                case {"type": "response:completion", "data": {"type": "response.output_text.delta", "delta": text}}:
                    watched.take(event["message_id"], text, now)
                case {"type": "chat:completion", "data": {"done": True, "output": output}}:
                    message, text = event["message_id"], output[0]["content"][0]["text"]
                    watched.texts[message] = watched.texts[message].rstrip()  # as it does with a text that is done
                    watched.whole(message, text, now)
                    turn[message] |= {"done": True, "output": output, "content": text}
                case {"type": "chat:message:error"} | {"data": {"error": _}}:
                    raise AssertionError(event)

    async def _merge(self, page: Page, watched: Watched, turn: Turn, order: Order) -> None:
        """Read the merged answer, and store it beside the last one that was merged."""
        *_, last = answers = [message for message in turn.values() if message["role"] == "assistant"]
        responses = [message["content"] for message in answers]
        body = {"model": order.model, "prompt": PROMPT, "responses": responses, "stream": True}
        async with page.posting("v1/tasks/moa/completions", body) as response:
            await read_stream(response, watched, watched.synthesis)
        watched.ended = time.monotonic()
        last["merged"] = {"status": True, "content": watched.texts[watched.synthesis]}
        history = {"messages": turn, "currentId": last["id"]}
        shown = [next(iter(turn.values())), last]
        chat = {"models": [order.model] * order.models, "history": history, "messages": shown, "files": []}
        await page.post(f"v1/chats/{watched.synthesis}", {"chat": chat})


def _person(name: str) -> dict[str, str]:
    return {"name": name, "email": f"{name}@example.com", "password": "of-the-benchmark"}


def _turn(order: Order) -> Turn:
    prompt, *answers = (str(uuid.uuid4()) for _ in range(1 + order.models))
    said = {"id": prompt, "parentId": None, "childrenIds": answers, "role": "user", "content": PROMPT}
    empty = {"parentId": prompt, "childrenIds": [], "role": "assistant", "content": "", "done": False}
    to_come = {each: {**empty, "id": each, "model": order.model, "modelIdx": at} for at, each in enumerate(answers)}
    return {prompt: said, **to_come}


def _question(turn: Turn, order: Order, chat: str, session: str) -> Message:
    prompt, *answers = turn.values()
    ids = [{"model_id": each["model"], "message_id": each["id"], "modelIdx": each["modelIdx"]} for each in answers]
    return {
        "stream": True,
        "model": order.model,
        "session_id": session,
        "chat_id": chat,
        "parent_id": None,
        "user_message": prompt,
        "message_ids": ids,
        "background_tasks": {},
    }


def _environment(folder: Path, vendor: str) -> dict[str, str]:
    models = [Order(pieces=pieces).model for pieces in PIECES]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "WEBUI_SECRET_KEY": "of-the-benchmark" * 2,
        "GLOBAL_LOG_LEVEL": "WARNING",
        "OFFLINE_MODE": "true",
        "ENABLE_OLLAMA_API": "false",
        "OPENAI_API_BASE_URL": f"{vendor}/v1",
        "OPENAI_API_KEY": "sk-of-the-benchmark",
        "OPENAI_API_CONFIGS": json.dumps({"0": {"model_ids": models}}),
        "BYPASS_MODEL_ACCESS_CONTROL": "true",
        "RAG_EMBEDDING_ENGINE": "openai",
        "ENABLE_MEMORIES": "false",
    }
