"""Which settings a set of gauges tells apart: designs that do and do not, moves that go unseen, algebra."""

import numpy as np
import pytest

import calibration_draws as made
import printed_gauges
from actinic.operate.calibration import Free, Problem, scenes
from actinic.operate.calibration.identify import correlation, inseparable

THRESHOLD, DIFFUSION = made.RESIST + "threshold", made.RESIST + "diffusion_nm"
SIGMA, NA, Z4 = made.SOURCE + "sigma_out", made.LENS + "na", made.LENS + "zernikes_nm.Z4"
DOSE, FOCUS = "dose_scale", "focus_offset_nm"

# Structures, focus settings and doses of a design, what is free, and the sets that must be named.
SMALL, ONE, FAR = ((340, 170), (480, 180)), ((340, 170),), ((340, 170), (1000, 200))
THROUGH, DOSES = (-150.0, 0.0, 150.0), (0.9, 1.0, 1.1)
DESIGNS = {
    "dose is threshold, Z4 is focus": (
        (SMALL, (-160.0, 60.0, 200.0), (0.96, 1.04)),
        (THRESHOLD, Z4, DOSE, FOCUS, DIFFUSION, SIGMA),
        [(THRESHOLD, DOSE), (Z4, FOCUS)],
    ),
    "the same of many pitches": (
        (made.DENSE, (-200.0, 0.0, 200.0), (0.95, 1.05)),
        (THRESHOLD, Z4, DOSE, FOCUS),
        [(THRESHOLD, DOSE), (Z4, FOCUS)],
    ),
    "aperture and source at one pitch": ((ONE, THROUGH, (1.0,)), (NA, SIGMA), [(NA, SIGMA)]),
    "aperture and source at two": ((FAR, THROUGH, (1.0,)), (NA, SIGMA), []),
    "three for two, no pair of them": (
        (ONE, THROUGH, (0.96, 1.04)),
        (NA, SIGMA, THRESHOLD),
        [(NA, SIGMA, THRESHOLD)],
    ),
    "diffusion and focus at one focus": ((ONE, (120.0,), DOSES), (DIFFUSION, FOCUS), [(DIFFUSION, FOCUS)]),
    "diffusion and focus through focus": ((ONE, THROUGH, DOSES), (DIFFUSION, FOCUS), []),
    "the same at one focus, many pitches": ((made.DENSE, (120.0,), DOSES), (DIFFUSION, FOCUS), []),
    "three numbers from two": ((ONE, (0.0,), DOSES), (DIFFUSION, THRESHOLD, SIGMA), [(DIFFUSION, THRESHOLD, SIGMA)]),
    "all of the benchmark": (
        (made.DENSE, (-200.0, 0.0, 200.0), (0.95, 1.05)),
        tuple(f.name for f in made.FREE),
        [],
    ),
}


def problem(structures, focuses, doses, names, **state):
    wanted, machine = made.measurements(structures, focuses, doses), made.machine(**state)
    return Problem(wanted, scenes(wanted, machine.process), machine, [Free(name) for name in names])


@pytest.mark.parametrize("design", DESIGNS)
def test_what_a_design_tells_apart(design):
    structures, names, expected = DESIGNS[design]
    one = problem(*structures, names, Z9=2.0)
    rows = one.derivative(one.start)
    found = inseparable(names, rows)
    assert [s.names for s in found] == expected
    for s in found:
        for move, seen in zip(s.moves, s.seen, strict=True):
            # The largest alone is worth a standard deviation, all together next to nothing.
            size = rows[:, [names.index(name) for name in s.names]] * move
            alone, together = np.sqrt((size**2).mean(0)), np.sqrt((size.sum(1) ** 2).mean())
            assert alone.max() == pytest.approx(1.0) and together == pytest.approx(seen, abs=5e-3) and seen < 0.21


def test_what_goes_unseen_goes_unseen():
    """Prints of a machine moved along what is said to be unseen, by another code."""
    names, (structures, *_) = (NA, SIGMA, THRESHOLD), DESIGNS["three for two, no pair of them"]
    one, wanted = problem(*structures, names), made.measurements(*structures)
    [found] = inseparable(names, one.derivative(one.start))
    widths = [printed_gauges.widths(made.machine(), wanted)]
    for k in (None, 0, 1, 2):
        at = [v + (m if k in (None, n) else 0) for n, (v, m) in enumerate(zip(one.start, found.moves[0], strict=True))]
        moved = made.machine(**{name.rpartition(".")[2]: v for name, v in zip(names, at, strict=True)})
        widths.append(printed_gauges.widths(moved, wanted) - widths[0])
    together, *alone = (float(np.sqrt((w**2).mean())) for w in widths[1:])
    assert max(alone) > 0.9 and together < 0.2


def test_three_that_do_the_same():
    """No pair of them is correlated by more than a half, and nothing of them is known but their sum."""
    rng = np.random.default_rng(3)
    a, b, c = rng.normal(size=(3, 60))
    rows = np.stack([a, 2 * a, b, -a, c], 1)
    [found] = inseparable("uvwxy", rows)
    assert found.names == ("u", "v", "x") and len(found.moves) == 2 and abs(found.correlation) < 0.6
    np.testing.assert_allclose(rows[:, [0, 1, 3]] @ np.array(found.moves).T, 0, atol=1e-9)
    assert inseparable("uvwxy", rows[:3])[0].names == ("u", "v", "x")


def test_sets_by_their_correlation():
    rng = np.random.default_rng(0)
    a, b, c, d = rng.normal(size=(4, 50))
    rows = np.stack([a, a + 1e-3 * b, c, 1e6 * d, c + d], 1)
    found = inseparable("abcde", rows)
    assert {s.names for s in found} == {("a", "b"), ("c", "d", "e")}
    inverse = np.linalg.inv(rows[:, :3].T @ rows[:, :3])
    scale = np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(correlation(rows[:, :3]), inverse / np.outer(scale, scale), atol=1e-6)
    assert inseparable("xyz", np.stack([a, b, 0 * a], 1)) == []
    # Two alone: one's error is five times smaller with the other known.
    for share, told in ((0.979, 0), (0.981, 1)):
        u, v = np.linalg.qr(np.stack([a, b], 1))[0].T
        assert len(inseparable("uv", np.stack([u, share * u + np.sqrt(1 - share**2) * v], 1))) == told
