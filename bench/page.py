"""``python -m bench.page``: what the page costs the browser. Needs chromium; ``make bench`` prints it last.

What a first visit loads; the longest task of the page's main thread while four models stream 100 tokens a second each,
at three widths; and what a page holds that stays open while its thread grows to 200 messages. It is no test: on a busy
machine the figures say more about the machine.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, BrowserContext, Page

from tests.chromium import a_visit, loaded, signed_in
from tests.product import Person, Product
from tests.wire.process import running

MODELS = ("demo:andante", "demo:allegro", "demo:presto", "demo:andante")
TOKENS_PER_SECOND = 100
PROMPT = "Show me **all** kinds of formatting."
ROUNDS = 3
LONG = 50
"""Milliseconds; a longer task is felt."""
MESSAGES = (20, 100, 200)
OBSERVE = """
window.tasks = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.tasks.push(entry.duration); })
    .observe({ type: "longtask", buffered: false });
"""


def figures() -> Iterator[str]:
    """One line for each figure, as soon as it is known."""
    with ExitStack() as stack:
        models = Path(stack.enter_context(TemporaryDirectory())) / "models.toml"
        lines = (
            f'[[models]]\nid = "{model}"\ntokens_per_second = {TOKENS_PER_SECOND}\n' for model in sorted(set(MODELS))
        )
        models.write_text("".join(lines))
        wire = stack.enter_context(running())
        provider = {"COMPATIBLE_PROVIDERS": f"wire={wire.url}/v1", "COMPATIBLE_WIRE_MODELS": "ok,ok@b"}
        browser, product, person = stack.enter_context(a_visit(MODELS_FILE=str(models), **provider))
        yield _first_visit(browser, product, person)
        for width in (1440, 820, 390):
            yield _longest_task(browser, product, person, width)
        yield from _memory(browser, product, person)


def _first_visit(browser: Browser, product: Product, person: Person) -> str:
    context = signed_in(browser, product, person)
    sizes = loaded(context.new_page(), context, "/")
    context.close()
    return f"first visit: {sum(sizes.values()) / 1024:.0f} KB in {len(sizes)} answers"


def _longest_task(browser: Browser, product: Product, person: Person, width: int) -> str:
    context = signed_in(browser, product, person, viewport={"width": width, "height": 900}, bypass_csp=True)
    page, thread = context.new_page(), person.thread()
    page.goto(f"/threads/{thread}/")
    page.evaluate(OBSERVE)
    for number in range(1, ROUNDS + 1):
        run = person.ask(PROMPT, *MODELS, thread=thread)
        person.ended(run["id"], 90)
        page.locator('[data-run][data-run-status="completed"]').nth(number - 1).wait_for()
    page.wait_for_timeout(500)
    tasks: list[float] = page.evaluate("window.tasks")
    context.close()
    longest = f"{max(tasks):.0f} ms" if tasks else f"under {LONG} ms"
    return f"{width} px: longest task {longest}, {len(tasks)} over {LONG} ms in {ROUNDS} runs of {len(MODELS)} models"


def _memory(browser: Browser, product: Product, person: Person) -> Iterator[str]:
    context = signed_in(browser, product, person)
    page, thread = context.new_page(), person.thread()
    page.goto(f"/threads/{thread}/")
    turns = 0
    for messages in MESSAGES:
        while turns < messages // 2:
            person.ended(person.ask("And?", "wire:ok", "wire:ok@b", thread=thread)["id"])
            turns += 1
        page.locator('[data-run][data-run-status="completed"]').last.wait_for()
        page.wait_for_timeout(1000)
        yield f"{messages} messages: {_held(context, page)}"
    page.reload()
    yield f"{MESSAGES[-1]} messages after a reload: {_held(context, page)}"
    context.close()


def _held(context: BrowserContext, page: Page) -> str:
    session = context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    session.detach()
    shown = page.locator("[data-run]").count()
    return f"{heap:.1f} MB of script memory, {nodes} nodes, {shown} turns on the page"


def main() -> None:
    """Print all of them."""
    for line in figures():
        print(line, flush=True)


if __name__ == "__main__":
    main()
