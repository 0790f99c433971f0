"""Uniformity split by source: against a model of known sizes, a balanced study's mean squares, and published data."""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from actinic.errors import InputError
from actinic.interfaces.cli.app import main
from actinic.metrology.variance import Component, Study
from actinic.operate.uniformity import BOTH, LOCAL, METROLOGY, _difference, uniformity
from actinic.operate.widths import Widths

SIZES = {"lot": 0.8, "wafer": 0.5, "wafer map": 0.4, "field": 0.3, "slit": 0.6, "scan": 0.3, "field map": 0.15}


def widths(seed=0, lots=6, wafers=2, side=4, per_axis=4, repeats=2, keep=0.85, local=0.2, metrology=0.3, sigma=np.nan):
    """Fields of side x side on each wafer with the effects of SIZES."""
    random = np.random.default_rng(seed)
    lot, wafer, column, row, x, y, _ = (
        a.ravel() for a in np.indices((lots, wafers, side, side, per_axis, per_axis, repeats))
    )
    draw = random.standard_normal
    cd = 50 + SIZES["lot"] * draw(lots)[lot] + SIZES["wafer"] * draw((lots, wafers))[lot, wafer]
    cd = cd + SIZES["wafer map"] * draw((side, side))[column, row]
    cd = cd + SIZES["field"] * draw((lots, wafers, side, side))[lot, wafer, column, row]
    cd = cd + SIZES["slit"] * draw(per_axis)[x] + SIZES["scan"] * draw(per_axis)[y]
    cd = cd + SIZES["field map"] * draw((per_axis, per_axis))[x, y]
    cd = cd + local * draw((lots, wafers, side, side, per_axis, per_axis))[lot, wafer, column, row, x, y]
    cd = cd + metrology * draw(lot.size)
    some = random.random(lot.size) < keep
    parts = (lot.astype(str), wafer.astype(str), column, row, np.full(lot.size, "F"), 6.0 * x - 9, 8.0 * y - 12, cd,
             np.full(lot.size, sigma), np.arange(lot.size))  # fmt: skip
    return Widths(*parts)[some]


def test_known_sizes_are_found():
    found = uniformity(widths(), "F")
    truth = SIZES | {LOCAL: 0.2, METROLOGY: 0.3}
    assert [part.name for part in found.parts] == list(truth)
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    inside = [part.low_nm <= truth[part.name] <= part.high_nm for part in found.parts]
    assert sum(inside) >= 8, [(p.name, p.low_nm, p.high_nm) for p in found.parts]
    for name, rel in (("field", 0.15), (LOCAL, 0.2), (METROLOGY, 0.05)):
        assert found.part(name).sigma_nm == pytest.approx(truth[name], rel=rel)
    profile = dict(zip(*found.slit, strict=True))
    assert len(profile) == 4 and abs(sum(profile.values())) < 0.05
    assert found.total_nm**2 == pytest.approx(sum(p.sigma_nm**2 for p in found.parts))


def test_a_balanced_set_is_the_mean_squares():
    some = widths(seed=3, lots=12, wafers=3, side=1, per_axis=2, repeats=1, keep=1.0)
    flat = Widths(*(some.lot, some.wafer, some.field_column, some.field_row, some.feature, 0 * some.x_mm,
                    0.3 * np.arange(len(some)) - 20, some.cd_nm, some.sigma_nm, some.line))  # fmt: skip
    found = uniformity(flat, "F")
    study = Study(some.cd_nm, {"lot": some.lot, "wafer": some.wafer}, ("lot", "lot:wafer")).anova()
    assert [p.name for p in found.parts][:2] == ["lot", "wafer"] and BOTH in [p.name for p in found.parts]
    assert [found.part(n).sigma_nm ** 2 for n in ("lot", "wafer")] == pytest.approx(
        [c.variance for c in study[:2]], rel=0.05
    )


def test_what_cannot_be_told_is_said():
    one = widths(lots=1, wafers=1, repeats=1, keep=1.0)
    found = uniformity(one, "F")
    assert [p.name for p in found.parts] == ["wafer map", "slit", "scan", "field map", BOTH]
    assert any(note.startswith("lot: there is only one") for note in found.notes)
    assert any(note.startswith("field: the same groups as wafer map") for note in found.notes)
    stated = uniformity(widths(lots=2, repeats=1, keep=1.0, sigma=0.3), "F")
    assert stated.part(METROLOGY).sigma_nm == pytest.approx(0.3) and stated.part(METROLOGY).low_nm is None
    assert stated.part(LOCAL).sigma_nm == pytest.approx(0.2, rel=0.2)
    toomuch = uniformity(widths(lots=2, repeats=1, keep=1.0, sigma=0.6), "F")
    assert toomuch.part(LOCAL).sigma_nm == 0 and any("look at sigma_nm" in note for note in toomuch.notes)
    with pytest.raises(InputError, match="too few"):
        uniformity(one[:5], "F")


def test_difference_of_variances_covers():
    """Zou and Donner's limits for what is left when metrology is taken off, on draws of both mean squares."""
    random, inside = np.random.default_rng(0), 0
    for _ in range(400):
        n, m = 60, 25
        left, less = 0.13 * random.chisquare(n) / n, 0.09 * random.chisquare(m) / m
        ends = [v * d / np.array([1.405, 0.675]) for v, d in ((left, 1), (less, 1))]
        part = Component("repeat", left, left * n / 83.298, left * n / 40.482, 1.0)
        low, high = _difference(part, less, [less * m / 40.646, less * m / 13.120])
        inside += low <= 0.04 <= high
        assert ends[0][0] < left
    assert inside / 400 == pytest.approx(0.95, abs=0.03)


def test_the_verb(tmp_path, capsys):
    some = widths(lots=2, keep=1.0)
    file, run = tmp_path / "cds.csv", tmp_path / "run"
    head = "lot,wafer,field_column,field_row,feature,x_mm,y_mm,cd_nm\n"
    rows = zip(some.lot, some.wafer, some.field_column, some.field_row, some.feature, some.x_mm, some.y_mm, some.cd_nm,
               strict=True)  # fmt: skip
    file.write_text(head + "".join(",".join(map(str, row)) + "\n" for row in rows) + "1,1,0,0,F,0,0,x\n")
    assert main(["wafer", "uniformity", str(file), "--spec", "1.0", "--out", str(run), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert not result["in_spec"] and result["rejected"] == [
        {"line": len(some) + 2, "reason": "cd_nm 'x' is not a number"}
    ]
    assert {"report.html", "parts.csv", "run.toml", "provenance.json"} <= {p.name for p in run.iterdir()}
    assert main(["wafer", "uniformity", str(file), "--spec", "9"]) == 0
    assert main(["wafer", "uniformity", str(file), "--feature", "G"]) == 2
    assert "no feature G; there are F" in capsys.readouterr().err


@pytest.mark.published
def test_line_widths_of_nist(data):
    """LITHOGRA.DAT, column 4: variances of cassettes, wafers and sites to the digits given."""
    table = np.loadtxt(data / "nist_lithography" / "LITHOGRA.DAT", skiprows=25)
    found = Study(table[:, 3], {"cassette": table[:, 0], "wafer": table[:, 1]}, ("cassette", "cassette:wafer")).reml()
    assert [round(c.variance, 4) for c in found] == [0.2645, 0.05, 0.1755]


def test_nested_oxide():
    """Oxide thickness of Littell et al. (1996), REML standard deviations of lots, wafers, sites."""
    rdata = pytest.importorskip("rdata", reason="rdata is not installed: the oxide data cannot be read")
    folders = [Path(p) / "nlme" / "data" for p in ("/usr/lib/R/library", "/usr/lib/R/site-library")]
    folder = next((f for f in folders if (f / "Rdata.rdb").is_file()), None)
    if folder is None:
        pytest.skip("r-cran-nlme is not installed: no oxide data")
    index = rdata.conversion.convert(rdata.parser.parse_data(gzip.decompress((folder / "Rdata.rdx").read_bytes())))
    at, size = (int(v) for v in index["variables"]["Oxide"])
    raw = zlib.decompress((folder / "Rdata.rdb").read_bytes()[at + 4 : at + size])
    plain = {**rdata.conversion.DEFAULT_CLASS_MAP, "nfnGroupedData": lambda value, _: value}
    table = rdata.conversion.convert(rdata.parser.parse_data(raw), constructor_dict=plain)
    factors = {name.lower(): np.asarray(table[name]).astype(str) for name in ("Lot", "Wafer")}
    found = Study(np.asarray(table["Thickness"], float), factors, ("lot", "lot:wafer")).reml()
    assert [round(c.sigma, 3) for c in found] == [11.398, 5.989, 3.545]
