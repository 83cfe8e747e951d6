import aiohttp

from tests.wire import WireServer


async def test_it_tells_over_http_what_was_asked() -> None:
    async with WireServer() as wire, aiohttp.ClientSession(wire.url) as session:
        body = {"model": "ok@a", "messages": [{"role": "user", "content": "Hi"}]}
        async with session.post("/v1/messages", json=body, headers={"Authorization": "Bearer k"}) as response:
            assert "message_stop" in await response.text()
        async with session.get("/requests", params={"model": "ok@a", "content": "yes"}) as response:
            (asked,) = await response.json()
        assert (asked["wire"], asked["key"], asked["body"], asked["done"]) == ("anthropic", "k", body, True)
        async with session.delete("/requests") as response:
            assert response.status == 204
        assert wire.asked == []


async def test_it_counts_the_requests_of_each_key() -> None:
    async with WireServer() as wire, aiohttp.ClientSession(wire.url) as session:
        statuses = []
        for key in ("a", "a", "b", "a"):
            headers = {"Authorization": f"Bearer {key}"}
            body = {"model": "fail-2-then-ok", "messages": []}
            async with session.post("/v1/chat/completions", json=body, headers=headers) as response:
                statuses.append(response.status)
        assert statuses == [500, 500, 500, 200]


async def test_a_telling_model_says_in_each_piece_where_it_comes_from() -> None:
    async with WireServer() as wire, aiohttp.ClientSession(wire.url) as session:

        async def ask(model: str, prompt: str) -> str:
            body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
            async with session.post("/v1/chat/completions", json=body) as response:
                return (await response.text()).encode().decode("unicode_escape")

        first = await ask("tell-2x1ms@a", "Old #00000000. What is #a1b2c3d4?")
        assert "[a1b2c3d4:candidate:a:1:0/2]" in first
        assert "[a1b2c3d4:candidate:a:1:1/2]" in first
        assert "[a1b2c3d4:candidate:a:2:0/2]" in await ask("tell-2x1ms@a", "What is #a1b2c3d4?")
        drafts = '#a1b2c3d4 <draft-0123abcd id="A">[a1b2c3d4:candidate:a:1:0/2]</draft-0123abcd> #a1b2c3d4'
        assert "[a1b2c3d4:synthesis:a:1:0/2]" in await ask("tell-2x1ms@a", drafts)
        broken = await ask("tell-2x1ms-breaks-1@b", "#a1b2c3d4")
        assert ":0/2]" in broken
        assert ":1/2]" not in broken
        async with session.get("/requests", params={"token": "a1b2c3d4"}) as response:
            book = await response.json()
        assert [(asked["part"], asked["request"], "body" in asked) for asked in book] == [
            ("candidate", 1, False),
            ("candidate", 2, False),
            ("synthesis", 1, False),
            ("candidate", 1, False),
        ]


async def test_an_unknown_model_is_told_what_there_is() -> None:
    async with (
        WireServer() as wire,
        aiohttp.ClientSession(wire.url) as session,
        session.post("/v1/chat/completions", json={"model": "typo", "messages": []}) as response,
    ):
        assert response.status == 404
        assert "silent-mid" in await response.text()
