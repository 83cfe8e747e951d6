"""A local server that speaks both vendors' wires and misbehaves on request.

It answers ``POST /v1/chat/completions`` (openai, compatible) and ``POST /v1/messages`` (anthropic). In a test::

    async with WireServer() as wire:
        Reach(name="OpenAI", kind="openai", base_url=wire.openai_url, api_key="sk-…")
        Reach(name="Anthropic", kind="anthropic", base_url=wire.anthropic_url, api_key="sk-…")
        wire.requests("ok")[0].body

From a shell ``python -m tests.wire --port 0`` prints the port. ``GET /requests`` tells what was asked (``?model=…``,
``?token=…``; with bodies, headers and keys if ``content=yes``), ``DELETE /requests`` forgets it.

What is answered is chosen by the *model name*. Whatever follows an ``@`` only tells models apart: ``ok@a``, ``ok@b``.

Answers
    ok                 a text with emoji and astral characters, at once (``answer_text`` gives it)
    ok-20x10ms         20 pieces ``[0]😀 [1]😀 …``, 10 ms apart (``paced_text`` gives it)
    count-20x10ms      the same with the number of this request for this model before it: ``[1:0]😀 …``
    tell-20x10ms       20 pieces that say where they come from (``telling.py``); ``tell-20x10ms-breaks-1`` breaks off in
                       the middle of the first answer to each prompt
    echo               the JSON of the turns that were sent, as ``[{"role": …, "content": …}, …]``
    big-200kb          a text of that size
    reasoning          thinks aloud, then answers as ``ok``
    says               the words between ``<<<`` and ``>>>`` in the prompt
    thinks             thinks them aloud, then answers as ``ok``; ``thinks-slowly`` does so in pieces, 100 ms apart
    refusal            declines, with a text
    filtered           stopped by the vendor's filter, without a text
    length             cut by its limit of tokens
    tool-calls         calls a tool though none was given; ``tool-calls-text`` says something first
    stop-empty         ends well without having said anything
    usage-missing      never says what it cost
    finish-twice       two finish markers
    after-finish       text after the finish marker
    empty-choices      events that carry nothing, between the others
    surrogates         a pair of surrogates cut in two, then a lone one
    nul                NUL in the text
    split-utf8         every byte in a chunk of its own
    crlf, cr           other line ends
    pings              keep-alives between the pieces
    gzip               a compressed stream
    reset-after-finish the connection is reset after the finish marker
    held-open          the connection stays open after the last event

Failures before the answer
    status-401         that status, with a vendor's body; any number
    status-429-retry-7 and its Retry-After; ``status-429-retry-date`` is an HTTP date 30 s ahead
    quota              no credit left
    too-long           the prompt exceeds the context
    redirect           302 to another path that would answer
    no-content-204     204
    html-200           a web page
    json-error-200     a JSON error in a 200; ``json-error-200-overloaded`` and the other kinds of ``errors.py``
    empty-200          no byte
    reset              the connection is reset at once
    slow-headers       1 s until the headers; ``slow-headers-300ms``
    only-drafts        answers as ``ok`` unless it is given drafts to write from: then 401
    fail-2-then-ok     500 for the first two requests of this model (of each key), then ``ok``
    no-stream-options  refuses requests with that field, else ``ok``
    wants-completion-tokens  refuses ``max_tokens``, else ``ok``

Failures within the answer
    reset-mid          the connection is reset after three pieces
    cut-chunked        it is closed after three pieces, inside the chunked encoding
    cut                a clean end without a finish marker
    cut-in-json        a clean end inside a line
    bad-sse            a line that is no JSON
    bad-utf8           bytes that are no UTF-8
    error-event        an error event (overloaded) after three pieces; ``error-event-rate-limit`` and the other kinds
    endless-line       bytes without a line end, until the client leaves
    silent             headers, then nothing
    silent-mid         three pieces, then nothing
    drip               only keep-alive comments
"""

from tests.wire.answers import answer_text, paced_text
from tests.wire.errors import BODY_CANARY
from tests.wire.server import WireServer

__all__ = ["BODY_CANARY", "WireServer", "answer_text", "paced_text"]
