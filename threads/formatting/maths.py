"""LaTeX formulas as MathML."""

from latex2mathml.converter import convert

FORMULA_MAX = 2000
"""Characters; the converter needs a tenth of a second for the worst of that length."""
_SAID_OTHERWISE = {
    # The converter leaves the words of a formula as they are, and no tag of theirs may come out of it.
    "<": r"\lt ",
    ">": r"\gt ",
    # It knows an alignment by one of its names only.
    "{aligned}": "{split}",
}


def mathml(latex: str, *, display: bool) -> str | None:
    """A formula, or nothing where the converter does not know how."""
    latex = latex.strip()
    if not latex or len(latex) > FORMULA_MAX:
        return None
    for written, meant in _SAID_OTHERWISE.items():
        latex = latex.replace(written, meant)
    try:
        return convert(latex, display="block" if display else "inline")
    except Exception:  # noqa: BLE001 -- it raises whatever comes, StopIteration and RecursionError among it
        return None
