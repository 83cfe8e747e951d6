"""Clients of the REST API, for unit tests."""

import json
from typing import Any

from django.test import Client


class Api:
    """Somebody who sends JSON by token or by session."""

    def __init__(self, user: Any = None, **headers: str) -> None:
        self.client = Client(headers=headers, enforce_csrf_checks=False)
        if user is not None:
            self.client.force_login(user)

    def send(self, method: str, path: str, body: Any = None, *, raw: bytes | str | None = None, **options: Any) -> Any:
        """One request; ``raw`` is a body that is sent as it is."""
        data = raw if raw is not None else "" if body is None else json.dumps(body)
        options.setdefault("content_type", "application/json")
        return self.client.generic(method, path, data, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.send("POST", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.send("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.send("DELETE", path, **options)


def refusal(answer: Any) -> tuple[int, str, str]:
    """Status, code and sentence of an answer that says no, in the one form that all of them have."""
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) <= {"code", "message", "fields"}
    assert error["message"].endswith((".", "?")), error["message"]
    return answer.status_code, error["code"], error["message"]
