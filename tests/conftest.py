"""What all tests share."""

import signal

import pytest
from hypothesis import settings

# A run in the background of a script has Ctrl-C ignored, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example may wait for the engine to compile, and machines differ: no example is judged by its time.
settings.register_profile("convcli", deadline=None)
settings.load_profile("convcli")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What starts a cluster is slow, so that -m "not slow" leaves it out too."""
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker("slow")
