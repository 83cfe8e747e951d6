"""From growing texts to the channel: whole, in order, and in few round trips."""

import asyncio
import json
from uuid import UUID, uuid4

import msgpack
import pytest
import redis

from runs.events import GenerationDelta, stream_name
from threads import channel, live
from threads.channel import encode, group_name, wire
from threads.connections import async_client
from threads.events import ThreadUpdated
from threads.replies import Batches
from workers import pushing
from workers.pushing import GrowingText


@pytest.fixture
async def listen():
    """Subscribe to a thread's group past the channel layer; the frames that came within a while."""
    subscriptions = []

    async def start(thread_id):
        pubsub = async_client().pubsub()
        subscriptions.append(pubsub)
        await pubsub.subscribe(f"polyphony__group__{group_name(thread_id)}")
        await pubsub.get_message(timeout=1)

        async def frames(count):
            got = []
            async with asyncio.timeout(3):
                while len(got) < count:
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                    if message:
                        got.append(said(msgpack.unpackb(message["data"])["text"]))
            return got

        return frames

    yield start
    for pubsub in subscriptions:
        await pubsub.aclose()
    await async_client().aclose()


def said(text):
    """A frame or several, with their names: bare ones among them are deltas."""
    whole = json.loads(text)
    frames = [
        each
        if isinstance(each, dict)
        else {"type": "generation.delta", "name": each[0], "offset": each[1], "text": each[2]}
        for each in (whole if isinstance(whole, list) else [whole])
    ]
    return frames[0] if len(frames) == 1 else frames


def word(title):
    return ThreadUpdated(thread={"id": "t", "title": title, "tip": None})


def text_of(thread_id=None):
    return GrowingText(thread_id or uuid4(), uuid4(), uuid4(), 1)


@pytest.fixture
def gathering(monkeypatch):
    """Pieces are gathered for as long as if a thousand texts were open."""
    monkeypatch.setattr(pushing, "FLUSH_SECONDS_A_TEXT", 1)


async def test_the_first_piece_leaves_at_once_and_later_ones_gather(listen, settings, gathering):
    settings.FLUSH_SECONDS = 0.2
    text = text_of()
    text.begin()
    frames = await listen(text.thread_id)
    text.append("a")
    [first] = await frames(1)
    for piece in "bcd":
        text.append(piece)
        await asyncio.sleep(0)
    [second] = await frames(1)
    assert (first["text"], second["text"]) == ("a", "bcd")


async def test_offsets_count_utf16_units(listen, settings):
    settings.FLUSH_SECONDS = 0.01
    text = text_of()
    frames = await listen(text.thread_id)
    got = []
    for piece in ("😀", "é", "𝄞𝄞", "z"):
        text.append(piece)
        got += await frames(1)
    assert [frame["offset"] for frame in got] == [0, 2, 3, 7]
    assert {frame["name"] for frame in got} == {stream_name(UUID(text.generation_id), 1)}


async def test_thoughts_leave_under_a_word_of_their_own_with_offsets_of_their_own(listen, settings):
    settings.FLUSH_SECONDS = 0.01
    text = text_of()
    frames = await listen(text.thread_id)
    text.think("😀")
    [first] = await frames(1)
    text.think("hm")
    text.append("Yes.")
    [[second, third]] = await frames(1)
    words = [(frame["type"], frame["offset"], frame["text"]) for frame in (first, second, third)]
    assert words == [
        ("generation.reasoning", 0, "😀"),
        ("generation.reasoning", 2, "hm"),
        ("generation.delta", 0, "Yes."),
    ]
    assert (text.so_far(), text.thoughts_so_far()) == ("Yes.", "😀hm")
    key = live.reasoning_key(text.generation_id, 1)
    assert await asyncio.to_thread(live.read, {key: ""}) == {key: "😀hm"}


async def test_thoughts_without_an_end_are_cut_and_this_is_said_once(listen, settings, monkeypatch):
    settings.FLUSH_SECONDS = 0.01
    monkeypatch.setattr(pushing, "REASONING_MAX_CHARS", 10)
    text = text_of()
    frames = await listen(text.thread_id)
    got = []
    for piece in ("12345", "67890", "more", "and more"):
        text.think(piece)
        await asyncio.sleep(0.03)
    text.append("Yes.")
    got = await frames(4)
    assert [(frame["text"], frame.get("shortened")) for frame in got] == [
        ("12345", False),
        ("67890", False),
        ("", True),
        ("Yes.", None),
    ]
    assert (text.thoughts_so_far(), text.shortened) == ("1234567890", True)


async def test_what_was_sent_can_be_read_by_a_late_comer(listen, settings):
    settings.FLUSH_SECONDS = 0.01
    text = text_of()
    frames = await listen(text.thread_id)
    for piece in ("one 😀 ", "two", " three"):
        text.append(piece)
        await frames(1)
    key = live.key(text.generation_id, 1)
    assert await asyncio.to_thread(live.read, {key: "one"}) == {key: "one 😀 two three"}


async def test_a_long_text_is_whole_at_any_time_and_takes_little_more_than_its_letters(settings):
    settings.FLUSH_SECONDS = 0.01
    text = text_of()
    said = ""
    for number in range(3 * pushing.LOOSE_MAX + 5):
        piece = f"{number} 😀 "
        text.append(piece)
        said += piece
        assert text.so_far() == said
    assert len(text._answer._pieces) == 3 + 5
    await async_client().aclose()


async def test_a_text_that_grows_alone_is_hardly_gathered(listen, settings):
    settings.FLUSH_SECONDS = 5
    text = text_of()
    text.begin()
    frames = await listen(text.thread_id)
    for piece in "abcd":
        text.append(piece)
        [frame] = await frames(1)
        assert frame["text"] == piece


async def test_texts_of_one_thread_leave_in_one_frame(listen, settings):
    thread = uuid4()
    texts = [text_of(thread) for _ in range(3)]
    frames = await listen(thread)
    for number, text in enumerate(texts):
        text.append(f"text {number}")
    [frame] = await frames(1)
    assert [(each["name"], each["text"]) for each in frame] == [
        (stream_name(UUID(text.generation_id), 1), f"text {number}") for number, text in enumerate(texts)
    ]


def test_a_delta_carries_little_beside_its_text():
    """A piece of 18 bytes may take two and a half times as many, with the header of its websocket frame."""
    delta = GenerationDelta(stream=stream_name(uuid4(), 1), offset=99_999, text="eighteen bytes, ok")
    assert len(encode(delta).encode()) + 2 <= 2.5 * 18


async def test_a_hidden_text_is_sent_once_it_is_shown(listen, settings):
    settings.FLUSH_SECONDS = 0.01
    text = text_of()
    text.hide()
    frames = await listen(text.thread_id)
    text.append("a")
    await asyncio.sleep(0.05)
    text.append("b")
    text._show()  # what `show` does in the loop of a worker
    [frame] = await frames(1)
    assert (frame["offset"], frame["text"]) == (0, "ab")


async def until_it_will_be_forgotten(key):
    async with asyncio.timeout(3):
        while await async_client().ttl(key) < 0:  # noqa: ASYNC110 -- Redis tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_kept_for_late_comers_is_forgotten_some_day(listen, settings):
    text = text_of()
    text.begin()
    text.append("a")
    key = live.key(text.generation_id, 1)
    await until_it_will_be_forgotten(key)
    await async_client().persist(key)  # as if Redis had lost it and the next piece had made it anew
    text.append("b")
    text.finish()
    await until_it_will_be_forgotten(key)


async def test_texts_of_many_threads_leave_in_one_round_trip(listen, settings, monkeypatch):
    settings.FLUSH_SECONDS = 0.05
    texts = [text_of() for _ in range(20)]
    frames = [await listen(text.thread_id) for text in texts]
    batches = []
    send = Batches.send
    monkeypatch.setattr(Batches, "send", lambda self, commands: batches.append(len(commands)) or send(self, commands))
    for text in texts:
        text.append("x")
    for one in frames:
        await one(1)
    assert batches == [3 * len(texts)]  # the piece, how long it is kept, and the frame


async def test_words_of_a_thread_leave_behind_the_pieces_that_came_before_them(listen, settings, gathering):
    settings.FLUSH_SECONDS = 0.1
    text = text_of()
    text.begin()
    frames = await listen(text.thread_id)
    text.append("first")
    await frames(1)
    pusher = pushing._pusher()
    for number, piece in enumerate("ab"):
        text.append(piece)
        pusher.tell(text.thread_id, channel.publish(text.thread_id, word(f"title {number}")))
    text.append("c")
    got = [frame.get("text") or frame["thread"]["title"] for frame in await frames(5)]
    assert got == ["a", "title 0", "b", "title 1", "c"]


async def test_words_come_through_from_any_thread_while_no_text_grows(listen, monkeypatch):
    here = asyncio.get_running_loop()
    monkeypatch.setattr(pushing.loop, "call", here.call_soon_threadsafe)
    thread_id = uuid4()
    frames = await listen(thread_id)
    channel.send_through(pushing.tell)
    try:
        await asyncio.to_thread(channel.send, thread_id, word("one"), word("two"))
    finally:
        channel.send_through(None)
    [frame] = await frames(1)
    assert [each["thread"]["title"] for each in frame] == ["one", "two"]


async def test_draining_waits_for_what_is_on_its_way_and_sends_the_rest(listen, settings, monkeypatch, gathering):
    settings.FLUSH_SECONDS = 60
    text = text_of()
    text.begin()
    frames = await listen(text.thread_id)
    go_on, batches, send = asyncio.Event(), [], Batches.send

    async def slow(self, commands):
        batches.append(len(commands))
        await go_on.wait()
        await send(self, commands)

    monkeypatch.setattr(Batches, "send", slow)
    pusher = pushing._pusher()
    pusher.tell(text.thread_id, channel.publish(text.thread_id, word("one")))
    while not batches:  # noqa: ASYNC110 -- it is there in a moment
        await asyncio.sleep(0)
    pusher.tell(text.thread_id, channel.publish(text.thread_id, word("two")))
    drained = asyncio.create_task(pusher.flush())
    await asyncio.sleep(0.01)
    assert batches == [1]
    go_on.set()
    await asyncio.wait_for(drained, 5)
    assert [frame["thread"]["title"] for frame in await frames(2)] == ["one", "two"]


def test_words_that_cannot_be_sent_do_not_keep_a_worker_from_ending(monkeypatch, caplog):
    async def never():
        await asyncio.sleep(60)

    monkeypatch.setattr(pushing, "_drain", never)
    pushing.drain(0.05)
    assert "were not sent within 0.05 s" in caplog.text


async def test_with_redis_away_the_text_still_grows(settings, monkeypatch):
    settings.FLUSH_SECONDS = 0.01

    async def fail(_self, _commands):
        raise redis.ConnectionError

    monkeypatch.setattr(Batches, "send", fail)
    text = text_of()
    text.append("a")
    await asyncio.sleep(0.03)
    monkeypatch.undo()
    text.append("b")
    await asyncio.sleep(0.03)
    assert text.so_far() == "ab"
    await async_client().aclose()


def test_the_wire_form_is_that_of_the_layer():
    """What we publish ourselves is what ``group_send`` of the channel layer would."""
    name, message = wire("t", ThreadUpdated(thread={"id": "t", "title": "x"}))
    assert name == "polyphony__group__thread.t"
    assert msgpack.unpackb(message) == {
        "type": "thread.event",
        "text": '{"type":"thread.updated","thread":{"id":"t","title":"x"}}',
    }
