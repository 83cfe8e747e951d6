class CannotRun(Exception):
    """A sentence that says why ``make run`` cannot start and what to do."""
