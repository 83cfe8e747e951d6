"""How static files are stored."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise ships no types
    """Names with a hash in them, also where one ES module imports another: a browser may keep every file for ever."""

    support_js_module_import_aggregation = True
