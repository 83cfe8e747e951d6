"""Every address: those of the apps, the admin, the API's schema, and the two that machines ask."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from chatproject.health import healthz, readyz
from runs.api import NothingHereView

handler500 = "chatproject.errors.server_error"

urlpatterns = [
    path("", include("threads.accounts")),
    path("", include("threads.urls")),
    path("", include("runs.urls")),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    re_path("^api/", NothingHereView.as_view(), name="api-nothing"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
