"""Calibration of polarised light, films, resists that are not linear in dose, and biased masks: by other ways."""

from dataclasses import replace

import numpy as np
import pytest

import printed_gauges
from actinic.config import placed
from actinic.errors import ConfigError
from actinic.forward import Corner, anchored, prepare
from actinic.jobs import load_setup
from actinic.layout import coverage, lines
from actinic.metrology import cd
from actinic.operate.calibration import Cut, Drawn, Free, Lines, Machine, Measurement, Problem, calibrate, scenes
from actinic.operate.calibration.lines import coherence, lines_grid, lines_samples
from actinic.optics import JonesPupil, Points, abbe, band, sample
from actinic.types import Grid, double

RESIST, BAKE = "process.resist.", "process.resist.bake."


def machine(preset, resist=None, settings=()):
    return double(Machine(anchored(load_setup(preset, settings, resist=resist).process)))


def problem(wanted, machine, *names, drawn=None):
    return Problem(wanted, scenes(wanted, machine.process, drawn), machine, [Free(name) for name in names])


def gauges(structures, focuses, doses):
    sites = [Lines(cd, pitch) for cd, pitch in structures]
    return [Measurement("g", "line", s, 1.0, 0.2, focus_nm=z, dose=d) for s in sites for z in focuses for d in doses]


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(
    ("preset", "polarisation", "film", "jones"),
    [
        ("arf-immersion", "TE", True, None),
        ("arf-immersion", "TM", False, {"xy": {"Z2": 25.0}, "45": {"Z1": 15.0}}),
        ("arf-dry", "unpolarised", True, None),
        ("arf-dry", "X", True, None),
    ],
)
def test_polarised_lines_in_a_film_are_abbes(preset, polarisation, film, jones, axis):
    process = double(load_setup(preset).process)
    lens = replace(process.scanner.projector, jones=jones and double(JonesPupil(jones)))
    scanner = replace(process.scanner, projector=lens, polarisation=polarisation)
    stack = replace(process.film, nodes=4) if film else None
    structure, focus = Lines(70.0, 210.0, axis), np.array([-36.0, 40.0])
    places = np.linspace(-105, 105, 31)
    places = (places, 0 * places) if axis == "y" else (0 * places, places)
    # Another lattice of source points, one period of a tile that is as high as wide.
    points, weights = sample(scanner.source, 1 / 53)
    dense, grid = replace(scanner, source=Points(points, weights)), Grid((1, 1), 210.0, (-105.0, -105.0))
    orders = [max(k, 1) for k in dense.orders(grid.period_nm, points)]
    spectrum, order = np.zeros([2 * k + 1 for k in orders], complex), np.arange(-max(orders), max(orders) + 1)
    spectrum[orders[0]] = (np.sinc(order / 3) / 3 * (-1.0) ** order)[max(orders) - orders[1] :][: 2 * orders[1] + 1]
    for z, pairs in zip(focus, coherence(scanner, structure, focus, stack), strict=True):
        samples = lines_samples(pairs, process.mask, structure)
        found = band.to_points(samples, lines_grid(structure), *places)
        # Lines along x are those along y of a machine that is turned over; here Abbe turns its mask.
        truth = abbe.aerial(dense, spectrum if axis == "y" else spectrum.T, grid, z, stack)
        assert np.abs(found - band.to_points(truth, grid, *places)).max() < 3e-4
        assert np.ptp(found) > 0.03


def test_a_calibration_of_polarised_light_in_a_film():
    """Widths by Abbe on a raster; blind to film or polarisation, no setting would explain them."""
    start = machine("arf-immersion")
    true = placed(placed(start, RESIST + "diffusion_nm", np.float64(9.0)), "focus_offset_nm", np.float64(12.0))
    wanted = gauges(((50.0, 100.0), (60.0, 160.0)), (-90.0, -50.0, -10.0), (1.0, 1.1))
    exact = printed_gauges.widths(true, wanted)
    assert np.isfinite(exact).all()
    noise = np.random.default_rng(0).normal(0, 0.2, len(wanted))
    measured = [replace(m, value_nm=float(v)) for m, v in zip(wanted, exact + noise, strict=True)]
    found = calibrate(measured, start, [Free(RESIST + "diffusion_nm"), Free("focus_offset_nm")])
    assert np.abs((found.value - [9.0, 12.0]) / found.sigma).max() < 3.5 and found.determined
    assert found.sigma[0] < 0.5 and found.rms_nm[1] < 0.3 < found.rms_nm[0]
    scalar = replace(start.process, scanner=replace(start.process.scanner, polarisation=None), film=None)
    blind = problem(wanted, replace(start, process=scalar), "dose_scale")
    assert np.nanmax(np.abs(blind.predict(blind.start) - exact)) > 5


@pytest.mark.parametrize("kind", ["chemistry", "compact"])
def test_widths_of_resists_that_are_not_linear_in_dose(kind):
    settings = ["process.resist.quencher=0.35"] if kind == "chemistry" else ["process.resist.slope=0.1"]
    wanted = gauges(((190.0, 500.0),), (-100.0,), (0.9, 1.12))
    one = machine("krf-dry", kind, settings)
    found = problem(wanted, one, "dose_scale").predict(np.ones(1))
    for m, value in zip(wanted, found, strict=True):
        # SOCS in float32 on a tile of two periods.
        pitch = m.site.pitch_nm
        grid = Grid((8, round(pitch / 5)), 10.0)
        process = replace(one.process, corners=(Corner("c", dose=m.dose, focus_nm=m.focus_nm),))
        imaging = prepare(process, grid)
        latent = np.asarray(imaging.pixels(imaging.latent(coverage(lines(m.site.cd_nm, pitch, grid.window_nm), grid))))
        middle = pitch if lines_at_zero(m.site, grid) else pitch / 2
        ends = (middle - pitch / 2, 40.0), (middle + pitch / 2, 40.0)
        other = cd(latent[0].astype(float), grid, float(imaging.process.resist.threshold), *ends, True)
        # The lattice of source points differs (docs/calibration.md).
        assert value == pytest.approx(other, abs=0.8)
        linear = problem([replace(m, dose=1.0)], one, "dose_scale").predict(np.ones(1))[0]
        assert abs(value - linear) > 5


def lines_at_zero(site, grid) -> bool:
    return bool(coverage(lines(site.cd_nm, site.pitch_nm, grid.window_nm), grid)[0, 0] > 0.5)


def test_derivatives_of_a_chemical_resist():
    names = (BAKE + "acid_nm2_s", RESIST + "quencher", RESIST + "c_cm2_mj", RESIST + "dose_mj_cm2", "dose_scale")
    one = problem(gauges(((180.0, 400.0),), (0.0, 120.0), (0.92, 1.08)), machine("krf-dry", "chemistry"), *names)
    p = one.start
    exact = one.derivative(p)
    for k, share in enumerate((1e-2, 1e-2, 1e-3, 1e-3, 1e-3)):
        step = share * p[k] * np.eye(len(p))[k]
        found = (one.predict(p + step) - one.predict(p - step)) / (2 * share * p[k])
        np.testing.assert_allclose(exact[:, k], found, rtol=1e-2, atol=1e-2 * np.abs(found).max())
    # Only their product counts: exposure times its constant.
    np.testing.assert_allclose(exact[:, 2] * p[2], exact[:, 3] * p[3], rtol=1e-3)


def test_acid_parameters_are_found_again():
    coarse = ("process.resist.pitch_nm=10", "process.resist.bake.steps=8")
    start = machine("krf-dry", "chemistry", coarse)
    true = placed(placed(start, BAKE + "acid_nm2_s", np.float64(7.0)), RESIST + "quencher", np.float64(0.25))
    names = (BAKE + "acid_nm2_s", RESIST + "quencher", RESIST + "dose_mj_cm2", RESIST + "c_cm2_mj")
    wanted = gauges(((170.0, 340.0), (180.0, 600.0)), (0.0, 150.0), (0.9, 1.1))
    exact = problem(wanted, true, "dose_scale").predict(np.ones(1))
    noise = np.random.default_rng(1).normal(0, 0.2, len(wanted))
    measured = [replace(m, value_nm=float(v)) for m, v in zip(wanted, exact + noise, strict=True)]
    found = calibrate(measured, start, [Free(name) for name in names[:2]])
    assert np.abs((found.value - [7.0, 0.25]) / found.sigma).max() < 3.5
    assert found.sigma[0] < 1.0 and found.rms_nm[1] < 0.25 < found.rms_nm[0]
    both = calibrate(measured, start, [Free(name) for name in names[2:]])
    assert [s.names for s in both.sets] == [names[2:]] and not both.determined


def test_mask_bias_widens_lines_and_cuts():
    wanted = gauges(((170.0, 340.0),), (0.0,), (1.0,))
    biased, wider = machine("krf-dry", settings=["process.mask.bias_nm=6"]), machine("krf-dry")
    biased = replace(biased, process=replace(biased.process, resist=wider.process.resist))
    drawn = [replace(m, site=Lines(182.0, 340.0)) for m in wanted]
    one, other = (problem(w, m, "dose_scale").predict(np.ones(1)) for w, m in ((wanted, biased), (drawn, wider)))
    assert one == pytest.approx(other, abs=1e-9)
    window = (-2040.0, -2040.0, 2040.0, 2040.0)
    at = [replace(m, site=Cut(-100.0, 0.0, 100.0, 0.0)) for m in wanted]
    cuts = [
        problem(at, m, "dose_scale", drawn=Drawn(lines(w, 340, window), 600.0)).predict(np.ones(1))[0]
        for m, w in ((biased, 170), (wider, 182))
    ]
    assert cuts[0] == pytest.approx(cuts[1], abs=1e-3) and cuts[0] == pytest.approx(one[0], abs=1.0)


def test_alternating_masks_are_refused():
    with pytest.raises(ConfigError, match="alternating"):
        Machine(load_setup("krf-dry", mask_type="altpsm").process)


def test_cuts_in_a_film_are_lines_in_a_film():
    one, site = machine("arf-immersion"), Lines(60.0, 160.0)
    wanted = gauges(((60.0, 160.0),), (-36.0,), (1.2,))
    at = [replace(m, site=Cut(-40.0, 0.0, 40.0, 0.0)) for m in wanted]
    drawn = Drawn(lines(site.cd_nm, site.pitch_nm, (-1600.0, -1600.0, 1600.0, 1600.0)), 600.0)
    cut = problem(at, one, "dose_scale", drawn=drawn)
    line = problem(wanted, one, "dose_scale").predict(np.ones(1))[0]
    assert cut.predict(np.ones(1))[0] == pytest.approx(line, abs=1.0)
    bare = placed_film(one, None)
    assert abs(problem(at, bare, "dose_scale", drawn=drawn).predict(np.ones(1))[0] - line) > 5


def placed_film(one, film):
    return replace(one, process=replace(one.process, film=film))
