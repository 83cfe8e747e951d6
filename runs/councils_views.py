"""The HTML door of councils. A page with its script gets the list anew; without the script it is loaded again."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from runs.actions import change_council, delete_council, save_council
from runs.choices import councils_of
from runs.forms import Question
from runs.models import Council
from threads.doors import SignedIn, is_fetch, posted


@login_required
@posted
def keep(request: SignedIn) -> HttpResponse:
    """Keep what is chosen in the composer under a name."""
    question = Question.sent(request.POST)
    try:
        council = save_council(
            request.user,
            request.POST.get("council_name", ""),
            master=question.choice.master,
            secondaries=question.choice.secondaries,
            quorum=question.quorum,
        )
    except ValidationError as refusal:
        return _councils(request, " ".join(refusal.messages))
    return _councils(request, then=f"/?council={council.pk}")


@login_required
@posted
def change(request: SignedIn, council_id: UUID) -> HttpResponse:
    """Rename a council, make it the default (or no longer), or delete it: the pressed button says which."""
    council = get_object_or_404(Council, owner_id=request.user.pk, pk=council_id)
    verb = request.POST.get("verb", "")
    try:
        if verb == "rename":
            change_council(council, name=request.POST.get("name", ""))
        elif verb == "delete":
            delete_council(council)
        else:
            change_council(council, is_default=verb == "default")
    except ValidationError as refusal:
        return _councils(request, " ".join(refusal.messages))
    except Council.DoesNotExist as gone:  # deleted while this request was on its way
        raise Http404 from gone
    return _councils(request)


def _councils(request: SignedIn, sentence: str = "", then: str = "/") -> HttpResponse:
    status = 400 if sentence else 200
    if is_fetch(request):
        context = {"councils": councils_of(request.user), "council_sentence": sentence}
        return render(request, "runs/councils.html", context, status=status)
    return render(request, "runs/refused.html", {"sentence": sentence}, status=status) if sentence else redirect(then)
