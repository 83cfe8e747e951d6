"""What the strict Content-Security-Policy would silently break in a page."""

import re
from typing import Any


def blocked_by_csp(answer: Any) -> list[str]:
    """Inline scripts, inline styles and inline handlers of a page."""
    page = answer.content.decode()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    scripts = [tag for tag in re.findall(r"<script\b[^>]*>", page) if "src=" not in tag and "json" not in tag]
    styles = re.findall(r"<style\b[^>]*>", page) + re.findall(r"<[^>]+\sstyle=[^>]*>", page)
    handlers = re.findall(r"<[a-z]+[^>]*\son[a-z]+=[^>]*>", page)
    return scripts + styles + handlers
