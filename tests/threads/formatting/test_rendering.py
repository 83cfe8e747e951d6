"""What a block looks like, and what never comes out of one."""

import itertools
import time

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.formatting import render, split
from threads.formatting.code import LANGUAGES, highlight

TAGS = {
    "p",
    "br",
    "hr",
    "h4",
    "h5",
    "h6",
    "strong",
    "em",
    "del",
    "code",
    "pre",
    "span",
    "div",
    "a",
    "blockquote",
    "ul",
    "ol",
    "li",
    "input",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
} | {
    "math",
    "mrow",
    "mi",
    "mn",
    "mo",
    "mtext",
    "mspace",
    "msup",
    "msub",
    "msubsup",
    "mfrac",
    "msqrt",
    "mroot",
    "mover",
    "munder",
    "munderover",
    "mtable",
    "mtr",
    "mtd",
    "mpadded",
    "mphantom",
    "menclose",
    "mstyle",
    "mmultiscripts",
    "mprescripts",
    "merror",
}
HOSTILE = [
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<svg onload=hit()><script>hit()</script></svg>",
    "<svg><animate onbegin=hit() attributeName=x></svg>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=hit()></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=hit()&gt;'>",
    "<!-- comment --><!--> <script>hit()</script> -->",
    "<a href='javascript:hit()'>x",
    "<iframe srcdoc='<script>hit()</script>'>",
    "<style>@import 'http://evil.test/'</style><link rel=stylesheet href=http://evil.test/>",
    "<base href=http://evil.test/><form action=http://evil.test/><button>",
    "</div></article><script>hit()</script>",
    "[x](javascript:hit())",
    "[x](JaVaScRiPt:hit())",
    "[x](java\tscript:hit())",
    "[x](java&#10;script:hit())",
    "[x](&#106;avascript:hit())",
    "[x](\x01javascript:hit())",
    "[x](vbscript:hit())",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd) [y](/sign-out/) [z](//evil.test/) [q](?delete)",
    "<javascript:hit()> <data:text/html,x>",
    "[x]: javascript:hit()\n\n[x] [y][x]",
    "[x]: javascript:hit()\n[x]",
    "![alt](http://evil.test/i.png) ![](http://evil.test/j.png \"a\"onerror=hit())",
    "![a](javascript:hit()) [![b](http://evil.test/k)](http://evil.test/)",
    "![\"><script>hit()</script>](http://evil.test/\"onload=hit())",
    "[x](http://a/ 'title\" onclick=hit() ')",
    "```\"><script>hit()</script>\n<script>hit()</script>\n```",
    "```html\n<script>hit()</script>\n```",
    "````\n```\n<script>hit()</script>\n```\n````",
    "```js onclick=hit()\nhit()\n```",
    "`<script>hit()</script>` ``<img src=x onerror=hit()>``",
    "&lt;script&gt;hit()&lt;/script&gt; &#60;img src=x onerror=hit()&#62;",
    "$\\text{<img src=x onerror=hit()>}$ $\\href{javascript:hit()}{x}$ $<script>hit()</script>$",
    "$$\\color{red\" onclick=\"hit()}{x}$$ $$\\style{background:url(http://evil.test)}{x}$$",
    "\\[\\class{x}{<script>}\\] \\(\\unicode{60}script\\unicode{62}\\)",
    "$\\begin{array}{c}</math><img src=x onerror=hit()>\\end{array}$",
    "| <script>hit()</script> | [x](javascript:hit()) |\n|---|---|\n| <img src=x onerror=hit()> | $<b>$ |",
    "- [x] <input type=text onfocus=hit() autofocus>",
    "> <script>\n> hit()\n> </script>",
    "http://evil.test/\"onmouseover=hit() www.evil.test/<script> a@b.c\"onclick=hit()",
    "a\u0000<scr\u0000ipt>hit()</script>",
    "<scr<script>ipt>hit()</scr</script>ipt>",
    "<a\nhref=x\nonclick=hit()>",
    "<img src=x onerror=hit()",
]  # fmt: skip


def rendered(text, *, whole=True):
    return "".join(render(block) for block in split(text, whole=whole)[0])


def assert_harmless(html):
    tree = html5lib.parseFragment(html, namespaceHTMLElements=False)
    for element in tree.iter():
        if element.tag == "DOCUMENT_FRAGMENT":
            continue
        assert isinstance(element.tag, str), "a comment"
        tag = element.tag.removeprefix("{http://www.w3.org/1998/Math/MathML}")
        assert tag in TAGS, tag
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("style", "src", "srcset", "srcdoc", "id", "name", "action", "formaction", "background")
            if name == "href":
                assert tag == "a"
                assert value.lower().startswith(("http://", "https://", "mailto:")), value
        if tag == "a":
            assert element.attrib["rel"] == "noopener noreferrer"
        if tag == "input":
            assert element.attrib["type"] == "checkbox"
            assert "disabled" in element.attrib


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_harmless_wherever_it_is_cut(text):
    assert_harmless(rendered(text))
    for end in range(len(text)):
        assert_harmless(rendered(text[:end]))


@pytest.mark.parametrize(
    "frame", ["- {}", "> {}", "1. a\n\n   {}", "| {} |\n|---|", "**{}**", "[{}](http://a.test)", "${}$"]
)
def test_hostile_text_is_harmless_within_every_construct(frame):
    for text in HOSTILE:
        assert_harmless(rendered(frame.format(text)))


@given(
    st.lists(
        st.sampled_from([*"<>\"'&`$*_[]()!|\\\n -:/=#", *HOSTILE, "script", "onerror=", "svg", "math"]), max_size=25
    )
)
def test_no_mixture_is_harmful(pieces):
    assert_harmless(rendered("".join(pieces)))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Title\n", "<h4>Title</h4>"),
        ("~~no~~ **yes**", "<p><del>no</del> <strong>yes</strong></p>"),
        ("see https://example.org/a", 'href="https://example.org/a" target="_blank" rel="noopener noreferrer"'),
        ("![A cat](https://example.org/cat.png)", '<a href="https://example.org/cat.png" target="_blank" rel="noopener noreferrer">A cat</a>'),  # noqa: E501
        ("- [x] done", 'checked=""'),
        ("| a | b |\n|:-|-:|\n| 1 | 2 |", '<th align="right">b</th>'),
        ("4. a\n4. b", '<ol start="5">'),
        ("[1]: https://example.org", "[1]: "),
        ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
        ("It costs $5 and $6.", "It costs $5 and $6."),
        ("$\\frac{1}{2}$", "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        ("\\(x^2\\)", "<msup><mi>x</mi><mn>2</mn></msup>"),
        ("\\[\nx\n- y\n\\]", '<span class="formula"><math display="block"><mrow><mi>x</mi><mo>−</mo><mi>y</mi></mrow></math></span>'),  # noqa: E501
        ("$$\\begin{aligned}a&=b\\end{aligned}$$", '<mtd columnalign="right">'),
        ("$\\text{<img src=x>} < 1$", "<mtext>\\lt"),
        ("$\\left( x$", "<code class=\"unread\">\\left( x</code>"),
        ("```python\ndef f(): pass\n```", '<span class="k">def </span><span class="nf">f</span>'),
        ("```unheard-of\na < b\n```", "a &lt; b"),
        ("```\nnever closed", "never closed"),
    ],
)  # fmt: skip
def test_it_looks_as_written(text, html):
    assert html in rendered(text)


def test_code_keeps_every_character():
    code = '\n\n  if a < b && c:\n\treturn "x" # é 😀\n\n'
    for language in sorted(LANGUAGES):
        tree = html5lib.parseFragment(f"<p>{highlight(code, language)}</p>")
        assert "".join(tree.itertext()) == code, language


@pytest.mark.parametrize(
    "text",
    ["> " * 5000 + "x", "- " * 5000 + "x", "[" * 19000, "*a " * 6000, "\\(" * 9000, "$" + "(" * 1900 + "$",
     "$" + "\\left(" * 300 + "$", "$" + "{" * 1900 + "}" * 40 + "$", "*a _b " * 3000, "&" * 19000, "a\n" * 9000,
     "```java\n" + "\n" * 7000 + "```", "```make\n" + "a" * 7000 + "```", "x " * 500_000, "|a" * 5000 + "\n" + "|-" * 5000],  # noqa: E501
)  # fmt: skip
def test_no_text_holds_up_who_renders_it(text):
    begun = time.process_time()
    rendered(text)
    assert time.process_time() - begun < 2


def test_every_language_is_quick_with_whatever_repeats():
    seeds = ['"', "'", "`", "(", "{", "<", "/*", "a", "a ", "0", "#", "<a ", "${", "=", "@", "\\", "a.", "[a", "--"]
    for language, seed in itertools.product(sorted(LANGUAGES), seeds):
        begun = time.process_time()
        highlight((seed * 400)[:400] + "\n", language)
        assert time.process_time() - begun < 0.5, (language, seed)
