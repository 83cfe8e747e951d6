"""The last gate: whatever the renderers before it did, only this passes."""

import nh3

_MATHML = frozenset(
    [
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
    ]
)
_TAGS = frozenset(
    [
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
    ]
)
_SPAN_CLASSES = frozenset(["k", "s", "c", "m", "nf", "nc", "nb", "nt", "na", "nd", "o", "gi", "gd", "gh", "formula"])
_MATHML_ATTRIBUTES = {
    "displaystyle",
    "scriptlevel",
    "display",
    "stretchy",
    "fence",
    "separator",
    "form",
    "lspace",
    "rspace",
    "minsize",
    "maxsize",
    "symmetric",
    "largeop",
    "movablelimits",
    "mathvariant",
    "accent",
    "accentunder",
    "width",
    "height",
    "depth",
    "linethickness",
    "notation",
    "columnalign",
    "columnspan",
    "rowspan",
}
_ALIGNMENT = {"align": {"left", "right", "center"}}

_cleaner = nh3.Cleaner(
    tags=set(_TAGS | _MATHML),
    attributes={
        "a": {"href", "title"},
        "ol": {"start"},
        "input": {"checked"},
        **dict.fromkeys(_MATHML, _MATHML_ATTRIBUTES),
    },
    tag_attribute_values={
        "th": _ALIGNMENT,
        "td": _ALIGNMENT,
        "pre": {"dir": {"ltr"}},
    },
    set_tag_attribute_values={
        "a": {"target": "_blank"},
        "input": {"type": "checkbox", "disabled": ""},
        "pre": {"tabindex": "0"},
    },
    allowed_classes={
        "span": set(_SPAN_CLASSES),
        "div": {"code", "code-language", "wide"},
        "code": {"unread"},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer",
)


def clean(html: str) -> str:
    """HTML without anything that could act, load or lead elsewhere than a link says."""
    return _cleaner.clean(html)
