"""Threads of a team: each on cores of its own while it works, and none left behind."""

import os
from threading import Barrier, get_native_id

import pytest

from hwsim.kernels import threads
from hwsim.kernels.threads import Team

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
needs_cores = pytest.mark.skipif(len(CORES) < 2, reason="needs a system that places threads, and two cores")


def everyone(team, act):
    """Results of `act` in each of the threads, which wait for each other."""
    barrier, found = Barrier(team.size + 1), {}

    def work():
        barrier.wait(10)
        found[get_native_id()] = act()
        barrier.wait(10)

    team.run(work)
    return found


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_thread_works_and_the_same_ones_again(size):
    team = Team(size)
    first, second = (everyone(team, lambda: 1) for _ in range(2))
    assert len(first) == size + 1
    assert first.keys() == second.keys() == {get_native_id(), *team.ids}


@needs_cores
def test_threads_have_cores_of_their_own_and_the_caller_has_all_again():
    team = Team(1)
    everyone(team, lambda: 1)
    found = everyone(team, lambda: os.sched_getaffinity(0))
    one, other = found.values()
    assert one
    assert other
    assert not one & other
    assert one | other == set(CORES)
    assert os.sched_getaffinity(0) == set(CORES)


@needs_cores
def test_a_caller_that_may_use_some_cores_shares_those():
    """More threads than cores are not placed, and a placement of before is undone."""
    team = Team(1)
    for _ in range(2):
        everyone(team, lambda: 1)
    os.sched_setaffinity(0, {CORES[1]})
    try:
        assert [*everyone(team, lambda: os.sched_getaffinity(0)).values()] == [{CORES[1]}] * 2
        assert os.sched_getaffinity(0) == {CORES[1]}
    finally:
        os.sched_setaffinity(0, CORES)


@needs_cores
def test_a_thread_that_starts_late_inherits_all_cores():
    """Short work: no second thread is started while the first one is idle."""
    team, size = Team(len(CORES)), len(CORES) + 1
    for _ in range(6):
        team.run(lambda: None)
    assert len(everyone(team, lambda: 1)) == size
    assert [*everyone(team, lambda: os.sched_getaffinity(0)).values()] == [set(CORES)] * size


def test_cores_are_dealt_from_the_one_the_thread_is_on(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 4, 5}, raising=False)
    monkeypatch.setattr(threads, "_core_number", lambda: lambda: 2)
    placed = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda *a: placed.append(a), raising=False)
    with threads._apart([77], 1):
        assert placed == [(77, [4, 0]), (0, [2, 5, 1])]
    assert placed[2:] == [(0, [2, 4, 5, 0, 1])]
    placed.clear()
    with threads._apart([77], 2):  # of two, one has started
        assert placed == [(77, [2, 4, 5, 0, 1])]
    assert len(placed) == 1


def test_where_the_system_refuses_or_says_nothing_it_works_all_the_same(monkeypatch):
    def refuses(*_):
        raise PermissionError

    with monkeypatch.context() as m:
        m.setattr(os, "sched_setaffinity", refuses, raising=False)
        assert len(everyone(Team(2), lambda: 1)) == 3
    monkeypatch.setattr(threads, "_core_number", lambda: None)
    assert threads._cores() == []
    assert len(everyone(Team(2), lambda: 1)) == 3


@pytest.mark.parametrize("mine", [False, True])
def test_an_error_is_raised_when_all_are_done(mine):
    team, main, done = Team(1), get_native_id(), []
    barrier = Barrier(2)

    def work():
        barrier.wait(10)
        if (get_native_id() == main) == mine:
            raise KeyError("culprit")
        done.append(1)

    with pytest.raises(KeyError, match="culprit"):
        team.run(work)
    assert done == [1]
    if CORES:
        assert sorted(os.sched_getaffinity(0)) == CORES
