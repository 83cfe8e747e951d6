from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from tests.api import Api
from tests.runs.rows import THREE, completed
from tests.runs.test_ownership import ADDRESSES

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    from drf_spectacular.generators import SchemaGenerator

    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def test_the_schema_of_the_api_is_made_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate")
    assert "openapi: 3.1" in capsys.readouterr().out


def test_every_address_is_described(described: dict[str, Any]) -> None:
    api = {"/" + route.replace("<uuid:", "{").replace(">", "}") for route in ADDRESSES if route.startswith("api/")}
    assert api < set(described["paths"])
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (path, method)
            assert "default" in operation["responses"], (path, method)


def test_every_answer_is_as_the_schema_says(ada: Any, described: dict[str, Any]) -> None:
    run, api = completed(ada), Api(ada)
    threads, run_address = "/api/threads/", "/api/runs/{run_id}/"
    body = {"prompt": "And?", "master": THREE[0]}
    answers = [
        ("get", threads, api.get(threads)),
        ("post", threads, api.post(threads, {})),
        ("get", threads + "{thread_id}/", api.get(f"{threads}{run.thread_id}/")),
        ("patch", threads + "{thread_id}/", api.patch(f"{threads}{run.thread_id}/", {"title": "x"})),
        ("get", threads + "{thread_id}/messages/", api.get(f"{threads}{run.thread_id}/messages/")),
        ("get", threads + "{thread_id}/runs/", api.get(f"{threads}{run.thread_id}/runs/")),
        ("post", threads + "{thread_id}/runs/", api.post(f"{threads}{run.thread_id}/runs/", body)),
        ("get", run_address, api.get(f"/api/runs/{run.pk}/")),
        ("post", run_address + "stop/", api.post(f"/api/runs/{run.pk}/stop/")),
        ("get", "/api/models/", api.get("/api/models/")),
        ("get", threads, Api().get(threads)),
        ("patch", threads + "{thread_id}/", api.patch(f"{threads}{run.thread_id}/", {"a": 1})),
    ]
    for method, path, answer in answers:
        responses = described["paths"][path][method]["responses"]
        response = responses[str(answer.status_code) if answer.status_code < 400 else "default"]
        schema = {**response["content"]["application/json"]["schema"], "components": described["components"]}
        Draft202012Validator(schema).validate(answer.json())
