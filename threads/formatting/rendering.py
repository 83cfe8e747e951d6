"""One finished block as safe HTML."""

import re
from html import escape, unescape

import comrak

from threads.formatting.blocks import Block
from threads.formatting.code import highlight
from threads.formatting.gate import clean
from threads.formatting.maths import mathml

BLOCK_MAX = 20_000
"""A longer block stays plain text: some parsers need the square of its length."""
NESTING_MAX = 40
HEADINGS_BELOW = 3
"""The page has headings of its own above those of an answer."""

_EXTENSIONS = comrak.ExtensionOptions(
    table=True, strikethrough=True, autolink=True, tasklist=True, math_dollars=True, math_latex=True
)
_OPTIONS = comrak.RenderOptions(escape=True)
_DISPLAY = re.compile(r"\s*(?:\$\$((?:(?!\$\$).)+)\$\$|\\\[((?:(?!\\\]).)+)\\\])\s*", re.DOTALL)
_DEFINITION = re.compile(r"^ {0,3}(?=\[[^\]\n]+\]:)", re.MULTILINE)
# Raw HTML comes out of comrak escaped, so these tags are its own.
_CODE = re.compile(r'<pre><code(?: class="language-([^"\s]*)[^"]*")?[^>]*>(.*?)</code></pre>', re.DOTALL)
_FORMULA = re.compile(r'<span data-math-style="(inline|display)">(.*?)</span>', re.DOTALL)
_HEADING = re.compile(r"<(/?)h([1-6])>")
_IMAGE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"(?: title="[^"]*")? />')
_NESTING = re.compile(r"<(/?)(?:blockquote|ul|ol|em|strong|del)\b")


def render(block: Block) -> str:
    """The HTML of a block; where it would cost too much, its text."""
    if len(block.text) > BLOCK_MAX:
        return _plain(block.text)
    if formula := _DISPLAY.fullmatch(block.text):
        return clean(_formula(formula[1] or formula[2], display=True))
    html = comrak.markdown_to_html(_guarded(block.text), extension_options=_EXTENSIONS, render_options=_OPTIONS)
    if _too_deep(html):
        return _plain(block.text)
    return clean(_numbered(_dressed(html), block.ordinal))


def _plain(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _guarded(text: str) -> str:
    """A definition of a reference would vanish, and the references stand in blocks of their own: show it."""
    return text if text.lstrip().startswith(("```", "~~~")) else _DEFINITION.sub(lambda m: m[0] + "\\", text)


def _dressed(html: str) -> str:
    if "<pre>" in html:
        html = _CODE.sub(_code_block, html)
    if "data-math-style" in html:
        html = _FORMULA.sub(lambda m: _formula(unescape(m[2]), display=m[1] == "display"), html)
    if "<img " in html:
        html = _IMAGE.sub(lambda m: f'<a href="{m[1]}">{m[2] or m[1]}</a>', html)
    html = html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return _HEADING.sub(lambda m: f"<{m[1]}h{min(6, int(m[2]) + HEADINGS_BELOW)}>", html)


def _code_block(found: re.Match[str]) -> str:
    language, code = unescape(found[1] or ""), unescape(found[2])
    if language == "math":
        return _formula(code, display=True)
    label = escape(language[:30])
    return (
        f'<div class="code"><div class="code-language">{label}</div>'
        f'<pre dir="ltr"><code>{highlight(code, language)}</code></pre></div>'
    )


def _formula(latex: str, *, display: bool) -> str:
    html = mathml(latex, display=display)
    if html is None:
        return f'<code class="unread">{escape(latex.strip())}</code>'
    return f'<span class="formula">{html}</span>' if display else html


def _numbered(html: str, ordinal: int | None) -> str:
    return html if ordinal is None else re.sub(r"^<ol(?: start=\"\d+\")?>", f'<ol start="{ordinal}">', html)


def _too_deep(html: str) -> bool:
    depth = 0
    for tag in _NESTING.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > NESTING_MAX:
            return True
    return False
