import aiohttp

from tests.wire import WireServer


async def test_it_tells_over_http_what_was_asked() -> None:
    async with WireServer() as wire, aiohttp.ClientSession(wire.url) as session:
        body = {"model": "ok@a", "messages": [{"role": "user", "content": "Hi"}]}
        async with session.post("/v1/messages", json=body, headers={"Authorization": "Bearer k"}) as response:
            assert "message_stop" in await response.text()
        async with session.get("/requests", params={"model": "ok@a"}) as response:
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


async def test_an_unknown_model_is_told_what_there_is() -> None:
    async with (
        WireServer() as wire,
        aiohttp.ClientSession(wire.url) as session,
        session.post("/v1/chat/completions", json={"model": "typo", "messages": []}) as response,
    ):
        assert response.status == 404
        assert "silent-mid" in await response.text()
