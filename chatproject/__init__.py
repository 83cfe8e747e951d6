"""Wiring: settings, urls, asgi, celery, and ``make run``. No other package imports it."""
