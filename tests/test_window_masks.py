"""Process windows of alternating masks: two beams in closed form, the SOCS path, and the verb."""

import dataclasses
import json

import numpy as np
import pytest

from actinic import design, layout
from actinic.forward import Corner, expose
from actinic.interfaces.cli import app
from actinic.mask import AlternatingPSM, assign_phases
from actinic.metrology import cd, find_cuts
from actinic.resist import ThresholdResist
from actinic.scale import split
from test_window_run import AREA, FOCUS, FRAME, LIMITS, three_beams

# Ten periods of the mask, twenty openings, fit into a tile and its halo.
PITCH, OPENING = 200.0, 100.0
# Half of the peak of two beams (see below), so that openings print on size.
HALF = 0.5 * 4 * (0.5 * np.sinc(0.25)) ** 2


@pytest.fixture(scope="module")
def openings():
    drawn = layout.lines(OPENING, PITCH, FRAME)
    return drawn, assign_phases(drawn, 150.0).layers, find_cuts(drawn, AREA, 0.1, **LIMITS)


def two_beams(**given):
    """A coherent process of an alternating mask whose first orders pass alone."""
    setup = three_beams()
    resist = ThresholdResist(threshold=np.float64(HALF))
    process = dataclasses.replace(setup.process, mask=AlternatingPSM(**given), resist=resist)
    return dataclasses.replace(setup, process=process)


def test_two_beams_from_the_layout(openings):
    """I = (2 a1 cos(pi x / p))^2, a1 = w/p sinc(w / 2p): the same at every focus, NILS pi, MEEF 1."""
    drawn, layers, cuts = openings
    assert cuts.line.any() and not cuts.line.all()
    [found] = design.focus_dose([layers], two_beams(), AREA, cuts, FOCUS)
    np.testing.assert_allclose(found.cd_nm([1.0]), OPENING, atol=0.1)  # the mask is a raster of 5 nm
    # A space that is 10 % too narrow leaves openings of 110 nm too.
    for limit, width in ((found.high, 110.0), (found.low, 90.0)):
        np.testing.assert_allclose(limit / found.size, 0.5 / np.cos(0.5 * np.pi * width / PITCH) ** 2, rtol=1e-6)
    assert np.ptp(found.size, axis=1).max() < 1e-9
    point = design.at_point(layers, two_beams(), AREA, cuts, 70.0, 1.0)
    np.testing.assert_allclose(point.nils, np.pi, rtol=3e-3)
    np.testing.assert_allclose(point.meef, 1.0, rtol=3e-3)
    # Drawn dark: the chrome between the openings, and the shifted glass reaching under it.
    dark = layout.boolean(layout.merged([np.array(FRAME)[[[0, 1], [2, 1], [2, 3], [0, 3]]]], 1.0), drawn, "not")
    glass, cuts = layout.sized(layers[1], 20), dataclasses.replace(cuts, line=~cuts.line)
    [other] = design.focus_dose([(dark, glass)], two_beams(drawn="dark"), AREA, cuts, FOCUS)
    np.testing.assert_allclose(other.size, found.size, rtol=1e-6)
    moved = design.at_point((dark, glass), two_beams(drawn="dark"), AREA, cuts, 70.0, 1.0)
    np.testing.assert_allclose(moved.meef, point.meef, rtol=1e-6)


def test_unequal_phases_are_those_of_an_exposure(openings):
    """A phase of 170 degrees and darker shifted glass: neighbours differ, and part further out of focus."""
    _, layers, cuts = openings
    setup = two_beams(transmission=0.8, phase_deg=170.0)
    [found] = design.focus_dose([layers], setup, AREA, cuts, FOCUS)
    tile = split(AREA, 10.0, 1600.0, 1200.0).tiles[0].grid.with_pitch(5.0)
    for place in (0, 5):
        process = dataclasses.replace(setup.process, corners=(Corner("here", 1.1, float(FOCUS[place])),))
        image = expose(process, tuple(layout.clipped(part, tile.window_nm) for part in layers), tile).latent.values
        ends = zip(cuts.start_nm, cuts.end_nm, cuts.line, strict=True)
        theirs = [cd(image, tile, HALF, start, end, bool(line)) for start, end, line in ends]
        np.testing.assert_allclose(found.cd_nm([1.1])[:, place, 0], theirs, atol=0.02)
        assert np.ptp(np.array(theirs)[cuts.line]) > 3.0
    assert np.ptp(found.cd_nm([1.1])[cuts.line], axis=1).max() > 3.0


def test_the_verb_with_an_alternating_mask(openings, tmp_path, capsys):
    """Phases assigned, given in the layout and in the mask; a conflict is out of spec."""
    drawn = layout.lines(150, 300, FRAME)
    shared = assign_phases(drawn, 300.0).layers
    parts = {(1, 0): drawn, (2, 0): shared[0], (2, 1): shared[1]}
    layout.write_layout(tmp_path / "lines.oas", parts)
    layout.write_layout(tmp_path / "mask.oas", {(1, 0): shared[0], (1, 1): shared[1]})
    (tmp_path / "cuts.csv").write_text("name,x0,y0,x1,y1,cd\na,2.88,3,3.12,3,150\nb,3.18,3,3.42,3,150\n")
    settings = (
        "tiles.core_nm=600",
        "tiles.halo_nm=600",
        'process.scanner.source={kind="conventional",sigma=0.3}',
        "process.resist.anchor.cd_nm=150",
    )
    settings += ("process.resist.anchor.pitch_nm=300", "process.resist.diffusion_nm=5")

    def said(name, *more):
        words = ["window", str(tmp_path / "lines.oas"), "--window=2.9,2.9,3.4,3.1", "--focus=-225:225:75", "--json"]
        words += ["--gauges", str(tmp_path / "cuts.csv"), "--out", str(tmp_path / name), "--mask-type=altpsm"]
        code = app.main([*words, *(f"--set={s}" for s in settings), *more])
        return code, json.loads(capsys.readouterr().out)

    code, alone = said("alone", "--layer=1/0")
    assert code == 0 and alone["in_spec"] and (alone["mask_type"], alone["phase_conflicts"]) == ("altpsm", 0)
    _, given = said("given", "--layer=2/0", "--phase-layer=2/1")
    _, judged = said("judged", "--layer=1/0", "--phase-layer=1/1", "--mask", str(tmp_path / "mask.oas"))
    for other in (given, judged, judged["uncorrected"]):
        assert other["per_gauge"] == alone["per_gauge"]
    _, binary = said("binary", "--layer=1/0", "--mask-type=binary")
    assert "phase_conflicts" not in binary
    el = [r["el_percent"]["rectangle"] for r in (binary, alone)]
    assert el[1] > 1.5 * el[0]
    # An opening across the ends of the others is near two of either phase.
    x0, y0, x1, _ = FRAME
    across = layout.merged([np.array([(x0, 3300.0), (x1, 3300.0), (x1, 3450.0), (x0, 3450.0)])], 1.0)
    below = layout.clipped(drawn, (x0, y0, x1, 3200.0))
    layout.write_layout(tmp_path / "lines.oas", {(1, 0): layout.boolean(below, across, "or")})
    code, comb = said("comb", "--layer=1/0")
    assert code == 1 and not comb["in_spec"] and comb["phase_conflicts"] > 2
    assert comb["verdict"].endswith("phase conflicts.") and not comb["verdict"].startswith("In spec")
