"""`actinic expose --mask-model`: lines on a thick mask from the command line."""

import json

import numpy as np
import pytest

from actinic.interfaces.cli import app
from actinic.layout import Layout, write_layout
from actinic.mask import thick

pytest.importorskip("fmmax")


@pytest.fixture
def lines(tmp_path):
    """Openings of 18 nm at a pitch of 36, along y and along x."""
    ring = np.array([[-9, -50], [9, -50], [9, 50], [-9, 50]])
    layers = {(1, 0): Layout((ring,), 1.0), (2, 0): Layout((ring[:, ::-1][::-1],), 1.0)}
    write_layout(tmp_path / "lines.oas", layers)
    return tmp_path / "lines.oas"


def test_expose_with_thick_masks(lines, capsys):
    found = {}
    for model, layer, window in (
        ("rigorous", "1/0", "-0.018,-0.002,0.018,0.002"),
        ("rigorous", "2/0", "-0.002,-0.018,0.002,0.018"),
        ("thin", "1/0", "-0.018,-0.002,0.018,0.002"),
    ):
        words = ["expose", str(lines), "--layer", layer, "--optics", "euv-033", f"--window={window}", "--json"]
        assert app.main([*words, "--mask-model", model]) == 0
        found[model, layer] = result = json.loads(capsys.readouterr().out)
        assert result["mask_model"] == model and result["area_um2"] == pytest.approx(36 * 4e-6)
    width = {key: result["printed_area_um2"] / 4e-6 for key, result in found.items()}
    # The anchor itself prints on size; lines across the chief ray do not, their openings are shadowed.
    assert width["rigorous", "1/0"] == pytest.approx(18.0, abs=0.1)
    assert 10 < width["rigorous", "2/0"] < 17.8
    assert found["thin", "1/0"]["threshold"] != pytest.approx(found["rigorous", "1/0"]["threshold"], abs=1e-3)


def test_what_thick_masks_refuse(lines, capsys, monkeypatch, tmp_path):
    words = [str(lines), "--layer", "1/0", "--mask-model", "rigorous"]
    window = "--window=-0.018,-0.002,0.018,0.002"

    def absent(name, package):
        raise ImportError(name)

    cases = [
        (["expose", *words, "--optics", "euv-033", "--window=-0.0181,-0.002,0.018,0.002"], 2, "whole pixels of 1 nm"),
        (["expose", *words, "--optics", "euv-033", "--window=-0.1,-0.1,0.1,0.1"], 2, "modes, more than 500"),
        (["expose", *words, "--optics", "krf-dry", window], 2, "model is not a key here"),
        (["expose", *words, "--optics", "euv-033", window], 4, 'pip install "actinic[euv]"'),
    ]
    for line, code, told in cases:
        if code == 4:
            monkeypatch.setattr(thick, "import_module", absent)
        assert app.main(line) == code
        assert told in (err := capsys.readouterr().err) and len(err.splitlines()) == 1, err
