"""Long lists, a page at a time."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

Row = TypeVar("Row", bound=Model)

PAGE_PARAMETERS = [
    OpenApiParameter("page", int, description="The first page is 1."),
    OpenApiParameter("page_size", int, description="50 rows a page, or as many as this says up to 200."),
]


class Pages(PageNumberPagination):
    """50 rows a page, 200 at the most."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    invalid_page_message = gettext_lazy("There is no such page. Begin with page=1.")  # type: ignore[assignment]  # DRF formats either


def paged(request: Request, rows: QuerySet[Row], show: Callable[[Iterable[Row]], list[Any]]) -> Response:
    """The page of ``rows`` that the request asks for, each as ``show`` shows it."""
    pages = Pages()
    return pages.get_paginated_response(show(pages.paginate_queryset(rows, request) or []))
