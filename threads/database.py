"""How it shows that the database did not answer."""

from django.db import InterfaceError, OperationalError

AWAY = (OperationalError, InterfaceError)
