from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from runs import actions
from runs.models import Generation, MultiModelRun
from tests.admin import blocked_by_csp
from tests.runs.rows import (
    THREE,
    answering,
    candidates,
    change,
    claimed,
    completed,
    counts,
    failed,
    fresh,
    started,
    synthesis,
)

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")
RUNS = "/admin/runs/multimodelrun/"
HOSTILE = "<script>alert(1)</script><img src=//evil>"


@pytest.fixture
def admin(bob: Any) -> Client:
    bob.is_staff = bob.is_superuser = True
    bob.save()
    client = Client()
    client.force_login(bob)
    return client


def act(client: Client, action: str, *runs: MultiModelRun) -> Any:
    return client.post(RUNS, {"action": action, "_selected_action": [run.pk for run in runs]}, follow=True)


def test_a_run_shows_everything_about_its_generations(admin: Client, ada: Any) -> None:
    run = completed(ada)
    change(synthesis(run), sent_prompt=[{"role": "system", "content": "Weigh them."}], error_message="An error.")
    change(candidates(run)[0], reasoning="Let me see.")
    answer = admin.get(f"{RUNS}{run.pk}/change/")
    page = answer.content.decode()
    made = synthesis(run)
    for shown in (
        "Why?", "In short: because.", "Because.", "swift:two", "From every model", "Completed", "Weigh them.",
        "An error.", "Let me see.", str(made.shuffle_seed), str(candidates(run)[1].pk), "0.25", "0.000020",
    ):  # fmt: skip
        assert shown in page, shown
    for candidate in candidates(run):
        assert f'href="/admin/threads/thread/{candidate.thread_id}/change/"' in page


def test_hostile_texts_are_shown_as_texts(admin: Client, ada: Any) -> None:
    run = started(ada, prompt=HOSTILE)
    change(run, error_message=HOSTILE, error_code="x")
    change(
        candidates(run)[0],
        text=HOSTILE,
        reasoning=HOSTILE,
        error_message=HOSTILE,
        sent_prompt=[{"role": HOSTILE, "content": HOSTILE}],
        labels={HOSTILE: HOSTILE},
        model_id=HOSTILE,
    )
    for address in (RUNS, f"{RUNS}{run.pk}/change/"):
        answer = admin.get(address)
        assert answer.status_code == 200
        assert HOSTILE not in answer.content.decode()
        assert blocked_by_csp(answer) == []


@pytest.mark.parametrize("prompt", [None, [], [{}], [{"role": "user"}], ["text"], {"role": "user"}, "text", 7])
def test_a_prompt_of_an_unknown_form_is_shown_all_the_same(admin: Client, ada: Any, prompt: Any) -> None:
    run = started(ada)
    change(candidates(run)[0], sent_prompt=prompt)
    assert admin.get(f"{RUNS}{run.pk}/change/").status_code == 200


def test_a_lease_is_shown_while_a_worker_holds_it(admin: Client, ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    assert str(held.owner) in admin.get(f"{RUNS}{run.pk}/change/").content.decode()


@pytest.mark.parametrize("page", ["add/", "{id}/delete/", "{id}/change/"])
def test_nothing_can_be_added_changed_or_deleted(admin: Client, ada: Any, page: str) -> None:
    run = completed(ada)
    before = counts()
    assert admin.post(RUNS + page.format(id=run.pk), {"status": "failed", "post": "yes"}).status_code == 403
    assert act(admin, "delete_selected", run).status_code == 200
    assert (counts(), fresh(run).status) == (before, "completed")


def test_retry_begins_failed_runs_again_and_says_how_many(admin: Client, ada: Any) -> None:
    first, second, done = failed(ada), failed(ada), completed(ada)
    page = act(admin, "retry", first, second, done).content.decode()
    assert "Retried 2 of 3 runs; the others were not in a state for it." in page
    assert [fresh(run).status for run in (first, second, done)] == ["queued", "queued", "completed"]


def test_retry_leaves_a_run_whose_thread_is_busy(admin: Client, ada: Any) -> None:
    run = failed(ada)
    started(ada, thread=run.thread)
    assert "Retried 0 of 1 runs" in act(admin, "retry", run).content.decode()
    assert fresh(run).status == "failed"


def test_stop_ends_active_runs_and_says_how_many(admin: Client, ada: Any) -> None:
    queued, done = started(ada), completed(ada)
    streaming = answering(ada)
    claimed(candidates(streaming)[0])
    assert "Stopped 2 of 3 runs" in act(admin, "stop", queued, done, streaming).content.decode()
    assert (fresh(queued).status, fresh(done).status) == ("cancelled", "completed")
    assert fresh(streaming).cancel_requested_at is not None


def test_those_who_may_only_look_cannot_retry_or_stop(client: Client, ada: Any, bob: Any) -> None:
    run = started(ada)
    bob.is_staff = True
    bob.save()
    client.force_login(bob)
    assert client.get(RUNS).status_code == 403
    bob.user_permissions.add(*Permission.objects.filter(codename__in=["view_multimodelrun", "view_generation"]))
    assert client.get(RUNS).status_code == 200
    assert client.get(f"{RUNS}{run.pk}/change/").status_code == 200
    act(client, "stop", run)
    assert fresh(run).status == "queued"


def test_strangers_are_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(RUNS).status_code == 302


@pytest.mark.parametrize(
    "query",
    [
        "q=ada",
        "q=Why",
        "q=%00",
        "status__exact=failed",
        "status__exact=x",
        "outcome__exact=",
        "generations__feedback__verdict__exact=up",
        "p=9999",
        "o=-1.2",
    ],
)
def test_searches_and_filters_answer(admin: Client, ada: Any, query: str) -> None:
    completed(ada)
    assert admin.get(f"{RUNS}?{query}", follow=True).status_code == 200


def test_runs_are_found_by_what_people_think_of_their_texts(admin: Client, ada: Any) -> None:
    liked, other = completed(ada), completed(ada)
    actions.give_feedback(ada, synthesis(liked).pk, "up")
    page = admin.get(f"{RUNS}?generations__feedback__verdict__exact=up").content.decode()
    assert str(liked.pk)[:8] in page
    assert str(other.pk)[:8] not in page


def test_feedback_is_listed_and_filtered(admin: Client, ada: Any) -> None:
    run = completed(ada)
    actions.give_feedback(ada, synthesis(run).pk, "down")
    actions.give_feedback(ada, candidates(run)[1].pk, "up")
    for query, models in (("", 2), ("?verdict__exact=up", 1), ("?generation__kind__exact=synthesis", 1), ("?q=ada", 2)):
        page = admin.get(f"/admin/runs/feedback/{query}").content.decode()
        assert page.count('class="field-author"') == models


def test_an_id_that_is_none_leads_back_to_the_list(admin: Client) -> None:
    for row in ("x", "1", "00000000-0000-4000-8000-000000000000"):
        assert admin.get(f"{RUNS}{row}/change/").status_code == 302


def test_a_list_takes_a_constant_number_of_queries(admin: Client, ada: Any, django_assert_max_num_queries: Any) -> None:
    run = completed(ada)
    for _ in range(15):
        run = started(ada, THREE, thread=run.thread)
        actions.request_cancel(run.pk)
    with django_assert_max_num_queries(7):
        admin.get(RUNS)


def test_a_run_takes_a_constant_number_of_queries(admin: Client, ada: Any, django_assert_max_num_queries: Any) -> None:
    run = started(ada, (THREE * 3)[:8])
    assert Generation.objects.count() == 8
    with django_assert_max_num_queries(7):
        admin.get(f"{RUNS}{run.pk}/change/")
