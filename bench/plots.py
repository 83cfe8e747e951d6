"""The curves of ``make bench-scale`` as one picture. Alone needs matplotlib (``bench/requirements.txt``)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import pyplot

from bench.figures import Row
from bench.viewers import Held

if TYPE_CHECKING:
    from bench.scale import Streams

mpl.use("agg")
SOON = 100
"""Milliseconds: later than this and one sees text come in jumps."""


def draw(
    path: Path,
    models: Sequence[tuple[int, Row]],
    streams: "Sequence[Streams]",
    viewers: Sequence[Sequence[Held]],
    messages: Sequence[tuple[int, float, int]],
) -> None:
    """Four small pictures in one file."""
    figure, ((first, second), (third, fourth)) = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")

    first.plot([count for count, _ in models], [row.cpu * 1000 for _, row in models], "o-")
    first.set(title="CPU of a run", xlabel="models", ylabel="ms", ylim=0)

    for wire in dict.fromkeys(each.wire for each in streams):
        of_wire = [each for each in streams if each.wire == wire]
        label = {"mock": "OpenAI's wire", "anthropic": "Anthropic's wire"}.get(wire, wire)
        second.plot([each.streams for each in of_wire], [each.p99 * 1000 for each in of_wire], "o-", label=label)
    second.axhline(SOON, color="grey", linestyle=":")
    second.set(
        title="One worker holds so many: added to a piece, p99",
        xlabel="streams of 50 pieces a second",
        ylabel="ms",
        ylim=0,
    )
    second.legend()

    for held in viewers:
        label = f"{held[0].sockets:,} sockets, {held[0].threads:,} threads"
        third.plot([each.delivered for each in held], [each.p99 * 1000 for each in held], "o-", label=label)
    third.axhline(SOON, color="grey", linestyle=":")
    third.set(title="One web process: delay of a frame, p99", xlabel="frames a second", ylabel="ms", ylim=(0, 3 * SOON))
    third.legend()

    fourth.plot([count for count, _, _ in messages], [page for _, page, _ in messages], "o-")
    fourth.set(title="To open a thread", xlabel="messages", ylabel="ms", xscale="log", ylim=0)

    for axes in (first, second, third, fourth):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
