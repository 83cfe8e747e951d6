"""How often Python looks for garbage that refers to itself."""

import gc

YOUNG = 20_000
"""New objects between two looks at the young ones. Python's 700 is a look every few requests."""


def settle() -> None:
    """For a process that has loaded all it needs: what is there now stays, so it need not be looked at again and again.

    Without it each full look goes through some 400,000 objects of libraries, and stops every stream meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
