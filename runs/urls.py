"""The addresses of runs, over HTTP and over websockets."""

from django.urls import URLPattern, URLResolver, path

from runs import api, views
from runs.consumers import ThreadConsumer

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.new_thread, name="threads"),
    path("threads/<uuid:thread_id>/", views.thread_page, name="thread"),
    path("threads/new/runs/", views.start_thread, name="start-thread"),
    path("threads/<uuid:thread_id>/runs/", views.start_run, name="start-run"),
    path("runs/<uuid:run_id>/turn/", views.turn, name="turn"),
    path("runs/<uuid:run_id>/stop/", views.stop_run, name="stop-run"),
    path("runs/<uuid:run_id>/retry/", views.try_again, name="retry-run"),
    path("api/threads/<uuid:thread_id>/runs/", api.RunsView.as_view(), name="api-runs"),
    path("api/runs/<uuid:run_id>/", api.OneRunView.as_view(), name="api-run"),
    path("api/runs/<uuid:run_id>/stop/", api.StopView.as_view(), name="api-stop"),
    path("api/models/", api.ModelsView.as_view(), name="api-models"),
    path("api/token/", api.TokensView.as_view(), name="api-token"),
]
websocket_urlpatterns = [
    path("ws/threads/<uuid:thread_id>/", ThreadConsumer.as_asgi()),  # type: ignore[arg-type]  # Django types only views
]
