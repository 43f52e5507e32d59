"""What all tests share."""

import signal

from hypothesis import settings

# A run in the background of a script has Ctrl-C ignored, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example may wait for the engine to compile, and machines differ: no example is judged by its time.
settings.register_profile("convcli", deadline=None)
settings.load_profile("convcli")
