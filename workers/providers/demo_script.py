"""What the demo models say: three voices for drafts, one text for the final answer. All of it is written here."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from workers.providers.base import Turn

_DRAFT = re.compile(r"<(?:draft|candidate)[^>\s]*(?:\s[^>]*)?>")
"""The opening tag of a draft in a synthesis prompt."""

_ANDANTE = """\
This is {name}, a scripted demo without any AI: these lines were written long before you asked about {topic}, so \
please do not take them for an answer.

What happens around them is real, though. {nth} went to every model that you picked in the same moment, and each of \
them now writes a draft of its own, side by side with the others. You can read along while they grow, and a reload \
loses nothing. Once all drafts stand, the model that you chose as the master reads them and writes one final answer \
below.

| What | Real here | Scripted |
|:-----|:---------:|:--------:|
| streaming, recovery, the final call | yes | |
| every word about {topic} | | yes |

With real models you would now see several honest attempts at {topic}, with their agreements and their quarrels. For \
that, set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`, list servers of your own in `COMPATIBLE_PROVIDERS`, or run \
`make local-model` for a small real model without a key. Then start Polyphony again."""

_ALLEGRO = """\
{name} here, and one thing first: I am a scripted demo, not an AI. I can repeat {topic} from your message, but I \
know nothing about it. What I do know is what just happened:

1. You asked once. {nth} reached all the chosen models at the same time.
2. Everybody drafts. Each model streams its own answer next to the others, at its own pace.
3. The master decides. It reads the finished drafts and writes the final answer below them.

The arithmetic of it, for $n$ models that need $t_1, \\dots, t_n$ seconds and a master that needs $t_m$:

$$
T = \\max_{{i \\le n}} t_i + t_m \\quad \\text{{instead of}} \\quad \\sum_{{i=1}}^{{n}} t_i + t_m
$$

Would you like somebody who really knows about {topic}? Invite real models:

- `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` for the large hosted ones
- `COMPATIBLE_PROVIDERS` for Ollama, vLLM, llama.cpp and their like
- `make local-model` for a small real model on this machine, no key needed

Set one of them, restart, and pick it beside the prompt."""

_PRESTO = """\
Scripted demo, no AI. I am {name}, I type fast, and I understood nothing of {topic}.

> One prompt. Several drafts. One final answer.

That is the whole idea. {nth} was sent to every chosen model at once. My colleagues write beside me, each in a lane of \
its own; whoever is slow holds up nobody's text. When the last draft is done, the master merges the best of them into \
the answer below. If one model fails, the others carry on without it.

```python
drafts = await gather(*(ask(model, prompt) for model in models))  # all at once
answer = await ask(master, prompt, drafts)
```

To get **real** answers about {topic}:

- a key: `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`
- a server of yours: `COMPATIBLE_PROVIDERS`
- neither: `make local-model` fetches a small real model

Restart afterwards, choose your models, ask again."""

_SYNTHESIS = """\
This final answer belongs to the scripted demo: no AI wrote it. {name} plays the master here and was given \
{drafts} about {topic}, exactly as a real master would be. Marks such as [A] and [B] say which draft a sentence rests \
on: press one.

## What a real master does

It looks for what the drafts agree on, decides who is right where they \
contradict each other, keeps what only one of them saw, and adds what all of them missed. Then it writes one answer of \
its own, in this place.

## What you can try now

- [x] Ask
- [ ] Compare this text with the drafts above
- [ ] Choose another master, or reload the page in mid-answer: nothing is lost

## How to get real answers

Set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`, list your own servers in \
`COMPATIBLE_PROVIDERS`, or run `make local-model` for a small real model without a key.

#### Where the drafts disagree

- On how to tell it: [A] and [B] give the same facts in another order.

#### What was left out

- Anything about {topic}: no script knows it."""

_THINKING = {
    "allegro": """\
The question is about {topic}. Nothing in a script knows about that, so what would help instead? Saying plainly that \
these words were written beforehand. Then the three steps, since a new user has just seen the first of them. A list \
reads faster than a paragraph; and one formula, to show that formulas are drawn. Keep it short."""
}
"""What a demo model thinks aloud before it speaks."""

_VOICES = {"andante": _ANDANTE, "allegro": _ALLEGRO, "presto": _PRESTO}

_SMALL_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        about after again also because been before being between both can come could does doing done down each even
        ever every explain from give have having help here how into its just know like list make many more most much
        must need only other over please really same should show some such tell than that the their them then there
        these they thing things this those through under until very want was were what when where which while who
        why will with without would write you your
        """,
    )
)


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    drafts: int
    prompts: int


def script(model: str, turns: Sequence[Turn]) -> str:
    """What this demo model says to these turns: always the same to the same."""
    asked = _asked(turns)
    return _said(_SYNTHESIS if asked.drafts else _voice(model), model, asked)


def thoughts(model: str, turns: Sequence[Turn]) -> str:
    """What it thinks aloud before it says so; most models think in silence."""
    return _said(_THINKING.get(model, ""), model, _asked(turns))


def _said(text: str, model: str, asked: _Asked) -> str:
    return text.format(
        name=model.replace("-", " ").title(),
        topic=_topic(asked.question),
        drafts="one draft" if asked.drafts == 1 else f"{asked.drafts} drafts",
        nth="Your prompt" if asked.prompts < 2 else f"Prompt number {asked.prompts} of this thread",
    )


def _voice(model: str) -> str:
    voices = list(_VOICES.values())
    return _VOICES.get(model) or voices[zlib.crc32(model.encode(errors="replace")) % len(voices)]


def _asked(turns: Sequence[Turn]) -> _Asked:
    prompts = [turn.content for turn in turns if turn.role == "user"]
    last = prompts[-1] if prompts else ""
    question = _DRAFT.split(last, maxsplit=1)[0]
    return _Asked(question, len(_DRAFT.findall(last)), len(prompts))


def _topic(question: str) -> str:
    """The most telling words of a question, in its order; the longest ones, for want of understanding."""
    words = dict.fromkeys(word[:30] for word in re.findall(r"[^\W_]{3,}", question) if word.lower() not in _SMALL_WORDS)
    telling = sorted(words, key=len, reverse=True)[:3]
    *others, last = [f"“{word}”" for word in words if word in telling] or ["your question"]
    return f"{', '.join(others)} and {last}" if others else last
