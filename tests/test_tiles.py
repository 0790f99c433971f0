"""Tiling is pure geometry: cores cover the window once, weights add up, nothing depends on where the window is."""

import functools
import importlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinic.errors import NumericalError, WorkerLost
from actinic.scale import pool, split, stitch

module = importlib.import_module("actinic.scale.pool")  # the package gives this name to the function
SIZES = st.floats(100, 30_000)


@given(SIZES, SIZES, st.sampled_from([5.0, 20.0, 25.0]), st.floats(500, 5000), st.floats(0, 1500), st.integers(1, 4))
def test_cores_cover_the_window_once(width, height, pixel, core, halo, multiple):
    tiling = split((-40.0, 25.0, -40.0 + width, 25.0 + height), pixel, core, halo, multiple)
    rows, columns = tiling.count
    tiles = tiling.tiles
    assert len(tiles) == rows * columns
    assert {tile.grid.shape for tile in tiles} == {tiles[0].grid.shape}
    x0, y0, x1, y1 = tiles[0].core_nm[0], tiles[0].core_nm[1], tiles[-1].core_nm[2], tiles[-1].core_nm[3]
    assert (x0, y0) == (-40.0, 25.0)
    assert x1 >= -40.0 + width - 1e-6 and y1 >= 25.0 + height - 1e-6
    # No tile is superfluous and none has a core wider than asked, but for rounding up to pixels.
    unit = pixel * multiple
    assert x1 - (width - 40.0) < columns * unit + 1e-6 and y1 - (height + 25.0) < rows * unit + 1e-6
    assert all(px * pixel <= core + unit for px in tiling.core_px)
    assert tiling.halo_px * pixel >= halo - 1e-6
    for left, right in pairwise(tiles[:columns]):
        assert left.core_nm[2] == pytest.approx(right.core_nm[0])


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.integers(0, 20))
def test_stitching_pieces_of_one_field_gives_it_back(rows, columns, core, blend):
    tiling = split((0.0, 0.0, columns * core * 10.0, rows * core * 10.0), 10.0, core * 10.0, 50.0)
    field = np.random.default_rng(1).normal(size=tiling.whole.shape).astype(np.float32)
    pieces = []
    for tile in tiling.tiles:
        x, y = (round((o - w) / 10) for o, w in zip(tile.grid.origin_nm, tiling.whole.origin_nm, strict=True))
        pieces.append(field[y : y + tile.grid.shape[0], x : x + tile.grid.shape[1]])
    np.testing.assert_allclose(stitch(tiling, pieces, blend), field, rtol=2e-5, atol=2e-6)


def test_a_blended_seam_passes_evenly_and_cores_stay_their_own():
    tiling = split((0.0, 0.0, 400.0, 100.0), 10.0, 200.0, 50.0)
    left, right = (
        np.full(tile.grid.shape, value, np.float32) for tile, value in zip(tiling.tiles, (0, 1), strict=True)
    )
    row = stitch(tiling, [left, right], 3)[10]
    seam = tiling.halo_px + tiling.core_px[1]
    assert (row[: seam - 3] == 0).all() and (row[seam + 3 :] == 1).all()
    assert np.all(np.diff(row[seam - 3 : seam + 3]) > 0)
    assert row[seam - 1] + row[seam] == pytest.approx(1)
    abrupt = stitch(tiling, [left, right], 0)[10]
    assert (abrupt[:seam] == 0).all() and (abrupt[seam:] == 1).all()


def _square(x):
    return x * x


def _fail(x):
    raise ValueError(f"task {x}")


@pytest.fixture(scope="module")
def crew():
    """Two workers that nothing happens to."""
    with pool(2) as spread:
        yield spread


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_errors_come_back(workers):
    with pool(workers) as spread:
        assert spread.workers == workers
        assert list(spread(_square, range(5))) == [0, 1, 4, 9, 16]
        assert list(spread(_square, range(2))) == [0, 1]
        with pytest.raises(ValueError, match="task 0"):
            list(spread(_fail, range(3)))


def _die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def _die_within_the_answer(task):
    number, go = task
    if number == 1:
        while not go.exists():
            time.sleep(0.01)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return bytes(10_000_000)  # more than a pipe holds
    return number


def test_a_task_that_kills_its_workers_is_given_up():
    before = set(multiprocessing.active_children())
    with pytest.raises(WorkerLost, match=r"worker process died \(SIGKILL\) 3 times"), pool(2) as spread:
        list(spread(_die, [0]))
    assert set(multiprocessing.active_children()) == before


def test_a_worker_that_dies_within_its_answer_is_replaced(tmp_path):
    go, lengths = tmp_path / "go", []
    with pool(2) as spread:
        before = set(multiprocessing.active_children())
        for answer in spread(_die_within_the_answer, [(0, go), (1, go)]):
            lengths.append(answer if answer == 0 else len(answer))
            go.touch()
            while lengths == [0] and before == set(multiprocessing.active_children()):  # nobody listens to the other
                time.sleep(0.01)
        assert len(multiprocessing.active_children()) == 2
    assert lengths == [0, 10_000_000]


def test_a_worker_killed_before_it_begins_does_not_count(monkeypatch):
    """More kills than would give the task up, all before it is begun."""
    give, left = module._Crew._give, [4]

    def give_and_kill(crew, link, order):
        give(crew, link, order)
        if left[0]:
            left[0] -= 1
            crew._crew[link].process.kill()

    monkeypatch.setattr(module._Crew, "_give", give_and_kill)
    with pool(2) as spread:
        assert list(spread(_square, [3])) == [9] and left == [0]


def _leave(task):
    os._exit(7)


def test_workers_that_only_die_end_the_run(monkeypatch):
    monkeypatch.setattr(module, "DEATHS", 10**6)
    monkeypatch.setattr(module._Crew, "LIMIT", 1)
    with pytest.raises(NumericalError, match=r"\d worker processes died \(exit code 7\) one after the other"):
        with pool(2) as spread:
            list(spread(_leave, [0]))


def _loaded(big, x):
    return len(big) + x


class _Counted(bytes):
    pickled = 0

    def __reduce__(self):
        _Counted.pickled += 1
        return bytes, (bytes(self),)


def test_what_tasks_share_travels_once(crew):
    shared = functools.partial(_loaded, _Counted(100))
    assert list(crew(shared, range(20))) == list(range(100, 120))
    assert list(crew(_square, range(3))) == [0, 1, 4]
    assert list(crew(shared, range(2))) == [100, 101]
    assert _Counted.pickled == 2  # the other function took its place for a while


def test_tasks_are_taken_when_there_is_room(crew):
    taken = []
    results = crew(_square, (taken.append(n) or n for n in itertools.count()))
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(taken) < 5 + 64 + 2


def test_ctrl_c_while_workers_are_started_comes_after(monkeypatch):
    before = set(multiprocessing.active_children())
    hire, hired = module._Crew.hire, []

    def interrupted_hire(crew):
        signal.raise_signal(signal.SIGINT)
        hired.append(hire(crew))

    monkeypatch.setattr(module._Crew, "hire", interrupted_hire)
    # What is started in the background may have been told to ignore it.
    given = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), pool(2):
            pytest.fail("the block was entered")
        assert len(hired) == 2 and set(multiprocessing.active_children()) == before
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGINT, given)


def test_workers_do_not_hear_ctrl_c():
    with pool(2) as spread:
        first = {worker.pid for worker in multiprocessing.active_children()}
        for _ in range(2):  # while they start, then while they wait
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGINT)
            assert list(spread(_square, range(4))) == [0, 1, 4, 9]
        # Nobody had to take the place of one that heard it.
        assert {worker.pid for worker in multiprocessing.active_children()} == first


class _Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(first + second)


def _fail_strangely(x):
    raise _Unpicklable("no ", "way")


def test_an_exception_that_cannot_travel_is_told_and_maps_may_be_left_unfinished(crew):
    assert next(crew(_square, range(1, 9))) == 1
    with pytest.raises(RuntimeError, match="_Unpicklable: no way"):
        list(crew(_fail_strangely, range(1)))
    assert list(crew(_square, range(5))) == [0, 1, 4, 9, 16]


def test_maps_may_take_turns(crew):
    assert list(zip(crew(_square, range(9)), crew(_square, range(1, 10)), strict=True)) == [
        (n * n, (n + 1) ** 2) for n in range(9)
    ]


def test_cores_laid_in_their_places_are_the_window():
    tiling = split((0.0, 0.0, 700.0, 300.0), 10.0, 250.0, 50.0)
    laid = np.zeros(tiling.cores_shape)
    for number, tile in enumerate(tiling.tiles):
        laid[tiling.place(number)] += 1
        rows, columns = tiling.place(number)
        assert (columns.start * 10.0, rows.start * 10.0) == tile.core_nm[:2]
    assert (laid == 1).all() and laid.shape == (tiling.count[0] * tiling.core_px[0], 72)


def test_tiles_reach_into_the_whole_and_keep_their_place_on_coarser_pixels():
    tiling = split((0.0, 0.0, 700.0, 300.0), 10.0, 250.0, 60.0, 2)
    coarse = tiling.with_pixel(20.0)
    for one in (tiling, coarse):
        x, y = np.meshgrid(one.whole.x_nm, one.whole.y_nm)
        for number, tile in enumerate(one.tiles):
            np.testing.assert_allclose(x[one.reach(number)][0], tile.grid.x_nm)
            np.testing.assert_allclose(y[one.reach(number)][:, 0], tile.grid.y_nm)
    assert [tile.core_nm for tile in coarse.tiles] == [tile.core_nm for tile in tiling.tiles]
    with pytest.raises(ValueError, match="do not divide"):
        tiling.with_pixel(70.0)
