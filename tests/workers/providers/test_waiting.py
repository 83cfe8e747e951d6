from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from workers.providers.waiting import retry_after


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), (" 0.5 ", 0.5), ("0", 0), ("1e3", 1000)])
def test_it_reads_seconds(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}) == seconds


@pytest.mark.parametrize(
    "value", ["", "-1", "nan", "inf", "-inf", "soon", "1e999", "Mon, 99 Foo 2026 99:99:99 GMT", "Mon, 1", "٣ Jan"]
)
def test_it_ignores_nonsense(value: str) -> None:
    assert retry_after({"retry-after": value}) is None


def test_it_reads_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert 28 <= (retry_after({"retry-after": format_datetime(later, usegmt=True)}) or 0) <= 30


def test_a_date_that_has_passed_is_no_answer() -> None:
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) is None
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}) is None


def test_without_a_header_nothing_is_asked() -> None:
    assert retry_after({}) is None
