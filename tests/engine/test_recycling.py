"""The memory of results: used again only when nobody can see it any more."""

import gc
import threading

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli import filter_image
from convcli.engine import recycling

KINDS = [np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)]
SHAPE = (1024, 1024)


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_that_nobody_holds_is_used_again():
    first = recycling.empty_result(SHAPE, KINDS[0])
    at = place(first)
    del first
    assert place(recycling.empty_result(SHAPE, KINDS[0])) == at
    assert place(recycling.empty_result((512, 512), KINDS[2])) == at


def test_a_view_or_a_buffer_holds_it():
    for hold in (lambda a: a[5:], lambda a: a.T, memoryview, lambda a: a.view(np.uint16)[::2], np.asarray, np.ravel):
        result = recycling.empty_result(SHAPE, KINDS[0])
        result[:] = 7
        held = hold(result)
        del result
        gc.collect()
        recycling.empty_result(SHAPE, KINDS[0])[:] = 9
        assert (np.asarray(held).view(np.uint8) == 7).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), st.booleans()), max_size=12))
def test_whatever_is_held_is_its_holders_own(steps):
    held = []
    for number, (kind, view, drop) in enumerate(steps):
        array = recycling.empty_result((SHAPE[0] // kind.itemsize, SHAPE[1]), kind)
        assert array.dtype == kind and array.flags.c_contiguous and array.flags.writeable
        array[:] = number
        held.append((number, array[::3, 1:] if view else array))
        del array
        if drop:
            held.pop(number % len(held))
        assert all((array == n).all() for n, array in held)


def test_small_and_very_large_results_are_numpys_own():
    for shape in ((10, 10), (1 << 15, 1 << 14)):
        assert recycling.empty_result(shape, KINDS[0]).flags.owndata


def test_no_more_waits_than_is_allowed(monkeypatch):
    monkeypatch.setattr(recycling, "_MOST", 5 << 20)
    arrays = [recycling.empty_result((n << 10, 1024), KINDS[0]) for n in (1, 2, 3, 4)]
    arrays.clear()
    assert 0 < sum(m.size for m in recycling._waiting) <= 5 << 20


def test_release_lets_go_of_what_waits_and_of_nothing_else():
    held, gone = recycling.empty_result(SHAPE, KINDS[0]), recycling.empty_result(SHAPE, KINDS[2])
    held[:] = 7
    del gone
    assert recycling._waiting
    recycling.release()
    assert not recycling._waiting
    recycling.empty_result(SHAPE, KINDS[0])[:] = 9
    assert (held == 7).all()


def test_results_of_many_threads_are_their_own():
    image = np.zeros(SHAPE, np.uint8)
    faults = []

    def work(level):
        for _ in range(10):
            result = filter_image(image + np.uint8(level), "identity", threads=1)
            if not (result == level).all():
                faults.append(level)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults
