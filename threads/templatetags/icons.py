"""The icons of the pages."""

from django import template
from django.template.base import Node, Parser, TextNode, Token
from django.utils.html import format_html

register = template.Library()


@register.tag
def icon(_parser: Parser, token: Token) -> Node:
    """One of those in ``threads/icons.html``; a long page holds thousands, so they are made when it is compiled."""
    _tag, name = token.split_contents()
    svg = '<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"/></svg>'
    return TextNode(format_html(svg, name.strip('"')))
