"""The addresses of the conversation."""

from django.urls import URLPattern, URLResolver, path

from threads import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("threads/<uuid:thread_id>/rename/", views.rename_thread, name="rename-thread"),
    path("threads/<uuid:thread_id>/delete/", views.delete_thread, name="delete-thread"),
    path("api/threads/", api.ThreadsView.as_view(), name="api-threads"),
    path("api/threads/<uuid:thread_id>/", api.OneThreadView.as_view(), name="api-thread"),
    path("api/threads/<uuid:thread_id>/messages/", api.MessagesView.as_view(), name="api-messages"),
]
