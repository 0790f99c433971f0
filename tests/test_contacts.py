"""Dense contacts: what an attenuated mask gains over a binary one, and the side lobes that it may pay with."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from actinic import design, jobs
from actinic.interfaces.cli import app
from actinic.jobs import load_setup
from actinic.layout import boolean, contacts, lines, write_layout
from actinic.layout.polygons import Layout
from actinic.mask import AttenuatedPSM, Binary, assign_phases, transmitted
from actinic.metrology import counted
from actinic.optics import Conventional, Projector, Scanner, abbe, band
from actinic.types import Grid, double

ARF = Scanner(Projector(np.float64(193.368), np.float64(0.85)), Conventional(np.float64(0.5)))
# Small and coherent enough for four side lobes to add up amid four contacts.
COHERENT = 'process.scanner.source={kind="conventional",sigma=0.4}'
SIZE, PITCH, BIAS = 180, 460, 30
TILES = ("tiles.core_nm=2000", "tiles.halo_nm=800", "recipe.stages.3.pixel_nm=20")


def box(x0, y0, x1, y1):
    return Layout((np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]),), 1.0)


class Cell:
    """Latent image of a square array of contacts in float64, from the contact's coefficients in closed form."""

    def __init__(self, scanner, mask, size, pitch, resist=None):
        self.grid, self.size = Grid((1, 1), float(pitch)), size
        period = self.grid.period_nm
        orders = scanner.orders(period, scanner.source_points(period)[0])
        wave = [size / pitch * np.sinc(np.arange(-k, k + 1) * size / pitch) for k in orders]
        samples = abbe.aerial(scanner, transmitted(double(mask), np.outer(*wave) + 0j), self.grid)
        self.samples = samples if resist is None else double(resist).latent(samples, period)

    def __call__(self, x, y=0.0):
        return float(band.to_points(self.samples, self.grid, np.array([float(x)]), np.array([float(y)]))[0])

    def figures(self):
        """Contrast between contacts, NILS at the edge, exposure latitude in % for 10 % of CD, all at dose to size."""
        edge, high, low = self.size / 2, self(0), self(self.grid.pitch_nm / 2)
        nils = self.size * (self(edge - 0.01) - self(edge + 0.01)) / 0.02 / self(edge)
        # The dose that makes the contact 10 % wider or narrower.
        wide, narrow = (self(edge) / self(edge * share) for share in (1.1, 0.9))
        assert brentq(lambda x: self(x) - self(edge), 1, self.grid.pitch_nm / 2) == pytest.approx(edge)
        return (high - low) / (high + low), nils, 100 * (wide - narrow)


def on_size(process, mask):
    """A process whose threshold prints contacts of SIZE, drawn as such, from this mask on size at dose 1."""
    process = replace(process, mask=mask)
    cell = Cell(process.scanner, mask, SIZE + 2 * mask.bias_nm, PITCH, process.resist)
    # The threshold's own bits are float32: a nudge of 1e-7.
    return replace(process, resist=replace(process.resist, threshold=np.float32(cell(SIZE / 2)), anchor=None)), cell


# Contrast, NILS, exposure latitude: the table of docs/masks.md.
@pytest.mark.parametrize(
    ("name", "size", "pitch", "expected"),
    [
        ("krf", 180, 350, [(0.7778, 2.6016, 26.32), (0.8545, 2.8684, 29.12)]),
        ("arf", 110, 230, [(0.6976, 2.0166, 20.31), (0.8910, 2.5853, 26.20)]),
    ],
)
def test_an_attenuated_mask_beats_a_binary_one_on_dense_contacts(name, size, pitch, expected):
    scanner = load_setup("krf-dry").process.scanner if name == "krf" else ARF
    binary, attenuated = (Cell(scanner, mask, size, pitch).figures() for mask in (Binary(), AttenuatedPSM()))
    assert all(a > 1.08 * b for a, b in zip(attenuated, binary, strict=True))
    np.testing.assert_allclose([binary, attenuated], expected, rtol=1e-3)
    # Without the phase the same share of light only lowers the contrast.
    assert Cell(scanner, AttenuatedPSM(0.06, 0.0), size, pitch).figures()[0] < binary[0] - 0.1


def test_on_sparser_contacts_of_the_annular_source_it_loses():
    scanner = load_setup("krf-dry").process.scanner
    binary, attenuated = (Cell(scanner, mask, 180, 430).figures() for mask in (Binary(), AttenuatedPSM()))
    assert attenuated[0] < binary[0] - 0.2 and attenuated[1] < binary[1] - 0.2
    np.testing.assert_allclose([binary, attenuated], [(0.9488, 2.1756, 21.97), (0.6835, 1.8396, 18.46)], rtol=1e-3)


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """Contacts out to beyond the halo."""
    file = tmp_path_factory.mktemp("contacts") / "contacts.oas"
    drawn = contacts(SIZE, (PITCH, PITCH), (-2400.0, -2400.0, 2400.0, 2400.0))
    write_layout(file, {(1, 0): drawn})
    return file, drawn


def checked(process, target, mask, window):
    (found,) = design.verify(target, [mask], process, window, core_nm=2000.0, halo_nm=800.0)
    return found


@pytest.mark.parametrize(("half", "wide"), [(500.0, 2), (960.0, 4)])
def test_side_lobes_are_found_and_counted(chip, half, wide):
    _, drawn = chip
    process, window = load_setup("krf-dry", [COHERENT]).process, (-half, -half, half, half)
    binary, cell = on_size(process, Binary(bias_nm=BIAS))
    assert cell(PITCH / 2, PITCH / 2) < 0.1 * cell(SIZE / 2)
    assert checked(binary, drawn, drawn, window).defects == []
    attenuated, cell = on_size(process, AttenuatedPSM(0.25, bias_nm=BIAS))
    assert cell(PITCH / 2, PITCH / 2) > 1.3 * cell(SIZE / 2)
    found = checked(attenuated, drawn, drawn, window)
    assert counted(found.defects) == {
        "side_lobes": wide**2,
        "printed_assists": 0,
        "missing": 0,
        "bridges": 0,
        "opens": 0,
    }
    # They stand amid four contacts, print at every corner, most at the highest dose, and are no accident of the raster.
    middle = PITCH * (np.arange(wide) - (wide - 1) / 2)
    places = sorted(lobe.at_nm for lobe in found.defects)
    np.testing.assert_allclose(places, sorted((x, y) for x in middle for y in middle), atol=10.0)
    assert {len(lobe.corners) for lobe in found.defects} == {6}
    assert {lobe.corners[0][:9] for lobe in found.defects} == {"high dose"}
    # The contacts themselves stay on size: the rounded print's edge middle is where the gauge is.
    assert found.summary.line_end_mean_abs_nm is not None and found.summary.line_end_mean_abs_nm < 1.5
    # As wide as the closed-form image says at that corner.
    lobe, dose = found.defects[0], 1.03
    edge = brentq(lambda x: dose * cell(x, PITCH / 2) - cell(SIZE / 2), 50, PITCH / 2)
    x0, _, x1, _ = lobe.box_nm
    assert x1 - x0 == pytest.approx(2 * (PITCH / 2 - edge), abs=20.0)


def test_missing_bridged_and_printed_assists_of_real_masks(chip):
    _, drawn = chip
    process, _ = on_size(load_setup("krf-dry", [COHERENT]).process, Binary())
    window = (-690.0, -690.0, 690.0, 690.0)

    gone = boolean(drawn, box(-100, -100, 100, 100), "not")
    (missing,) = checked(process, drawn, gone, window).defects
    assert missing.kind == "missing" and missing.at_nm == (0, 0) and missing.area_nm2 == SIZE**2
    bar = boolean(drawn, box(90, -90, 370, 90), "or")
    (bridge,) = checked(process, drawn, bar, window).defects
    assert bridge.kind == "bridge" and bridge.at_nm == pytest.approx((230, 0), abs=10)
    assist = boolean(drawn, box(140, 140, 320, 320), "or")
    (printed,) = checked(process, drawn, assist, window).defects
    assert printed.kind == "printed assist" and printed.at_nm == pytest.approx((230, 230), abs=10)
    line = box(-2400, -90, 2400, 90)
    cut = boolean(line, box(-70, -90, 70, 90), "not")
    (opened,) = checked(process, line, cut, window).defects
    assert opened.kind == "open" and opened.at_nm == pytest.approx((0, 0), abs=10)


def test_verify_reports_side_lobes(chip, tmp_path, capsys):
    file, _ = chip
    process = load_setup("krf-dry", [COHERENT]).process
    words = ["verify", str(file), str(file), "--layer", "1/0", "--window=-0.5,-0.5,0.5,0.5", "--json"]
    words += [f"--set={s}" for s in (*TILES, COHERENT, f"process.mask.bias_nm={BIAS}")]
    for text, mask, lobes in (
        ("attpsm:25%", AttenuatedPSM(0.25, bias_nm=BIAS), 4),
        ("binary", Binary(bias_nm=BIAS), 0),
    ):
        threshold = float(on_size(process, mask)[0].resist.threshold)
        marks = tmp_path / f"{lobes}.lyrdb"
        given = [f"--mask-type={text}", f"--set=process.resist.threshold={threshold}", f"--lyrdb={marks}"]
        code = app.main([*words, *given])
        result = json.loads(capsys.readouterr().out)
        assert result["side_lobes"] == lobes == len(result["defects"])
        assert code == (1 if lobes else 0) and result["in_spec"] is (not lobes)
        assert result["mask_type"] == ("attpsm:25%:180" if lobes else "binary") and result["mask_bias_nm"] == BIAS
        assert marks.read_text().count("<item>") == result["hotspots"] == lobes
        assert ("side lobe" in marks.read_text()) is bool(lobes)
        for defect in result["defects"]:
            assert defect["kind"] == "side lobe" and abs(defect["at_nm"][0]) == pytest.approx(PITCH / 2, abs=10)


def test_a_six_percent_mask_prints_side_lobes_where_light_is_coherent(tmp_path, capsys):
    """Contacts of 160 nm on 400 nm, sigma 0.3, dose to size, by the command line: amid each four stands one."""
    source, pitch, size = COHERENT.replace("0.4", "0.3"), 400, 160
    process = load_setup("krf-dry", [source]).process
    write_layout(tmp_path / "c.oas", {(1, 0): contacts(size, (pitch, pitch), (-1600.0, -1600.0, 1600.0, 1600.0))})
    for text, mask, lobes in (("attpsm:6%", AttenuatedPSM(), 4), ("binary", Binary(), 0)):
        cell = Cell(process.scanner, mask, size, pitch, process.resist)
        # How bright the lobe is against what prints, in closed form.
        assert cell(pitch / 2, pitch / 2) / cell(size / 2) == pytest.approx(2.739 if lobes else 0.225, abs=2e-3)
        settings = (*TILES, source, f"process.resist.threshold={cell(size / 2)}")
        words = [
            "verify",
            str(tmp_path / "c.oas"),
            str(tmp_path / "c.oas"),
            "--layer=1/0",
            "--window=-0.4,-0.4,0.4,0.4",
        ]
        code = app.main([*words, f"--mask-type={text}", *(f"--set={s}" for s in settings), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert code == (1 if lobes else 0) and found["side_lobes"] == len(found["defects"]) == lobes
        places = sorted(defect["at_nm"] for defect in found["defects"])
        corners = [[-200, -200], [-200, 200], [200, -200], [200, 200]] if lobes else []
        assert len(places) == len(corners) and np.allclose(places, corners, atol=10.0)


def test_an_alternating_mask_through_the_verbs(tmp_path, capsys):
    """Openings of 150 nm on 300 nm: phases assigned, then given as a layer, then with a conflict."""
    drawn = lines(150, 300, (-2000.0, -2000.0, 2000.0, 2000.0))
    shared = assign_phases(drawn, 300.0)
    file = tmp_path / "lines.oas"
    write_layout(file, {(1, 0): drawn, (2, 0): shared.layers[0], (2, 1): shared.layers[1]})
    window = ("--window=-0.6,-0.6,0.6,0.6", *(f"--set={s}" for s in (*TILES, COHERENT)), "--json")

    def said(*words):
        code = app.main([*words, *window])
        return code, json.loads(capsys.readouterr().out)

    code, alone = said("expose", str(file), "--layer=1/0", "--mask-type=altpsm")
    assert (code, alone["mask_type"], alone["phase_conflicts"]) == (0, "altpsm", 0)
    _, given = said("expose", str(file), "--layer=2/0", "--phase-layer=2/1", "--mask-type=altpsm")
    assert given["intensity_max"] == pytest.approx(alone["intensity_max"], abs=1e-6)
    assert given["drawn_area_um2"] == pytest.approx(alone["drawn_area_um2"])
    _, binary = said("expose", str(file), "--layer=1/0")
    assert binary["mask_type"] == "binary"
    dark = [r["intensity_min"] / r["intensity_max"] for r in (alone, binary)]
    assert dark[0] < 0.02 and dark[1] > 0.3
    anchor = ("--set=process.resist.anchor.cd_nm=150", "--set=process.resist.anchor.pitch_nm=300")
    code, checked = said("verify", str(file), str(file), "--layer=1/0", "--mask-type=altpsm", *anchor)
    assert code == 0 and checked["in_spec"] and checked["max_epe_nm"] < 1.0 and checked["phase_conflicts"] == 0
    # An opening across the ends of the others is near two of either phase.
    below = boolean(drawn, box(-2000, -2000, 2000, 0), "and")
    write_layout(tmp_path / "comb.oas", {(1, 0): boolean(below, box(-2000, 150, 2000, 300), "or")})
    marks, comb = tmp_path / "comb.lyrdb", str(tmp_path / "comb.oas")
    code, checked = said("verify", comb, comb, "--layer=1/0", "--mask-type=altpsm", f"--lyrdb={marks}", *anchor)
    assert code == 1 and not checked["in_spec"]
    assert checked["phase_conflicts"] == len(checked["phase_conflict_boxes_nm"]) >= 5
    assert marks.read_text().count("neighbours of one phase") == checked["phase_conflicts"]
    _, exposed = said("expose", comb, "--layer=1/0", "--mask-type=altpsm")
    assert exposed["phase_conflicts"] > 0


BAD = [
    ("attpsm:60", "transmission between 0% and 100%"),
    ("attpsm:6%:x", "phase from -360 to 360"),
    ("alt", "write binary, attpsm"),
]


@pytest.mark.parametrize(("text", "told"), BAD)
@pytest.mark.parametrize("verb", ["expose", "verify", "correct"])
def test_a_bad_mask_type_is_one_line_and_code_2(chip, tmp_path, capsys, verb, text, told):
    file = str(chip[0])
    more = {"expose": [], "verify": [file], "correct": ["--out", str(tmp_path / "run")]}[verb]
    assert app.main([verb, file, *more, "--layer", "1/0", "--mask-type", text]) == 2
    out, err = capsys.readouterr()
    assert told in err and text in err and len(err.splitlines()) == 1 and not out
    assert not (tmp_path / "run").exists()


def test_layers_that_do_not_fit_the_mask_type(chip, tmp_path, capsys):
    file = str(chip[0])
    for words, told in (
        (["expose", file, "--layer", "1/0", "--phase-layer", "2/0"], "2/0"),
        (["expose", file, "--layer", "1/0", "--phase-layer", "1/0"], "belongs to an alternating mask"),
        (["expose", file, "--layer", "1/0", "--mask-type", "altpsm", "--phase-layer", "1/0"], "two phases overlap"),
        (["expose", file, "--layer", "1/0", "--mask-type=altpsm", "--set=process.mask.drawn=dark"], "--phase-layer"),
        (["correct", file, "--layer", "1/0", "--mask-type=altpsm", "--out", str(tmp_path / "run")], "not altpsm"),
    ):
        assert app.main([*words, "--window=-0.5,-0.5,0.5,0.5"]) == 2
        assert told in (err := capsys.readouterr().err) and len(err.splitlines()) == 1


def test_the_mask_of_the_preset_keeps_its_polarity_and_making():
    mask = load_setup("krf-dry", ["process.mask.corner_radius_nm=15"], "attpsm:8%:175").process.mask
    assert (mask.drawn, mask.corner_radius_nm) == ("clear", 15.0)
    assert jobs.work.mask_figures(load_setup("krf-dry", mask_type="attpsm:8%:175").process) == {
        "mask_type": "attpsm:8%:175", "mask_drawn": "clear", "mask_bias_nm": 0.0, "mask_corner_radius_nm": 0.0,
    }  # fmt: skip
