"""The addresses of runs, over HTTP and over websockets."""

from django.urls import URLPattern, URLResolver, path

from runs import api, councils_api, councils_views, estimates_api, sharing, views
from runs.consumers import ThreadConsumer

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.new_thread, name="threads"),
    path("threads/<uuid:thread_id>/", views.thread_page, name="thread"),
    path("threads/new/runs/", views.start_thread, name="start-thread"),
    path("threads/<uuid:thread_id>/runs/", views.start_run, name="start-run"),
    path("threads/<uuid:thread_id>/branch/", views.branch, name="branch"),
    path("threads/<uuid:thread_id>/export.json", sharing.export_json, name="export-json"),
    path("threads/<uuid:thread_id>/export.md", sharing.export_markdown, name="export-markdown"),
    path("shared/<slug:token>/", sharing.shared, name="shared"),
    path("runs/<uuid:run_id>/turn/", views.turn, name="turn"),
    path("runs/<uuid:run_id>/edit/", views.edit_prompt, name="edit-prompt"),
    path("runs/<uuid:run_id>/regenerate/", views.regenerate, name="regenerate"),
    path("runs/<uuid:run_id>/stop/", views.stop_run, name="stop-run"),
    path("runs/<uuid:run_id>/retry/", views.try_again, name="retry-run"),
    path("runs/<uuid:run_id>/synthesize/", views.synthesize, name="synthesize-run"),
    path("generations/<uuid:generation_id>/stop/", views.stop_one, name="stop-generation"),
    path("generations/<uuid:generation_id>/retry/", views.try_one_again, name="retry-generation"),
    path("estimate/", views.estimate_page, name="estimate"),
    path("councils/", councils_views.keep, name="keep-council"),
    path("councils/<uuid:council_id>/", councils_views.change, name="change-council"),
    path("api/councils/", councils_api.CouncilsView.as_view(), name="api-councils"),
    path("api/councils/<uuid:council_id>/", councils_api.OneCouncilView.as_view(), name="api-council"),
    path("runs/<uuid:run_id>/rewrite/", views.write_again, name="rewrite-run"),
    path("generations/<uuid:generation_id>/use/", views.use_text, name="use-generation"),
    path("generations/<uuid:generation_id>/feedback/", views.judge, name="judge-generation"),
    path("api/threads/<uuid:thread_id>/runs/", api.RunsView.as_view(), name="api-runs"),
    path("api/threads/<uuid:thread_id>/export/", api.ExportView.as_view(), name="api-export"),
    path("api/threads/<uuid:thread_id>/export/markdown/", api.MarkdownView.as_view(), name="api-export-markdown"),
    path("api/runs/<uuid:run_id>/", api.OneRunView.as_view(), name="api-run"),
    path("api/runs/<uuid:run_id>/stop/", api.StopView.as_view(), name="api-stop"),
    path("api/runs/<uuid:run_id>/retry/", api.RetryView.as_view(), name="api-retry"),
    path("api/runs/<uuid:run_id>/synthesize/", api.SynthesizeView.as_view(), name="api-synthesize"),
    path(
        "api/generations/<uuid:generation_id>/stop/",
        api.StopGenerationView.as_view(),
        name="api-stop-generation",
    ),
    path(
        "api/generations/<uuid:generation_id>/retry/",
        api.RetryGenerationView.as_view(),
        name="api-retry-generation",
    ),
    path("api/runs/<uuid:run_id>/rewrite/", api.RewriteView.as_view(), name="api-rewrite"),
    path("api/generations/<uuid:generation_id>/use/", api.UseView.as_view(), name="api-use"),
    path("api/generations/<uuid:generation_id>/feedback/", api.FeedbackView.as_view(), name="api-feedback"),
    path("api/estimates/", estimates_api.EstimatesView.as_view(), name="api-estimates"),
    path("api/models/", api.ModelsView.as_view(), name="api-models"),
    path("api/token/", api.TokensView.as_view(), name="api-token"),
]
websocket_urlpatterns = [
    path("ws/threads/<uuid:thread_id>/", ThreadConsumer.as_asgi()),  # type: ignore[arg-type]  # Django types only views
]
