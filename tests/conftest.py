"""What all tests share."""

from hypothesis import settings

# The first example may wait for the engine to compile, and machines differ: no example is judged by its time.
settings.register_profile("convcli", deadline=None)
settings.load_profile("convcli")
