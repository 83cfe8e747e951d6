"""The addresses of the conversation."""

from django.urls import URLPattern, URLResolver, path

from threads import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("threads/list/", views.thread_list, name="thread-list"),
    path("threads/<uuid:thread_id>/rename/", views.rename_thread, name="rename-thread"),
    path("threads/<uuid:thread_id>/pin/", views.pin_thread, name="pin-thread"),
    path("threads/<uuid:thread_id>/delete/", views.delete_thread, name="delete-thread"),
    path("threads/<uuid:thread_id>/restore/", views.restore_thread, name="restore-thread"),
    path("threads/<uuid:thread_id>/share/", views.share_thread, name="share-thread"),
    path("threads/<uuid:thread_id>/unshare/", views.revoke_share, name="revoke-share"),
    path("settings/", views.settings_page, name="settings"),
    path("api/threads/", api.ThreadsView.as_view(), name="api-threads"),
    path("api/threads/<uuid:thread_id>/", api.OneThreadView.as_view(), name="api-thread"),
    path("api/threads/<uuid:thread_id>/restore/", api.RestoreView.as_view(), name="api-restore"),
    path("api/threads/<uuid:thread_id>/share/", api.ShareView.as_view(), name="api-share"),
    path("api/threads/<uuid:thread_id>/messages/", api.MessagesView.as_view(), name="api-messages"),
]
