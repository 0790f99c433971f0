"""Gauge files: what is read, in which units, what is refused and why, and that what is written reads the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinic.errors import ConfigError, InputError
from actinic.operate.calibration import Cut, Lines, Measurement, read_gauges, to_csv, to_gg

CSV = """# lines of one wafer
Gauge Name, Target CD, measured_cd_nm, sigma, focus_um, dose, Kind, cd, pitch, axis
a, 170, 168.5, 0.8, -0.15, 0.97, line, 170, 340,
a, , 171.5, 0.8, 0, , space, 170, 340, X
b, 170, n/a, 0.8, 0, 1, line, 170, 340, y
c, 170, 168, 0.8, 0, 1, hole, 170, 340, y
d, 170, 168, 0.8, 0, 25, line, 170, 340, y
e, 170, 168, 0.8, 0, 1, line, 340, 340, y
f, 170, 168, , 0, 1, line, 170, 340, y
g, 170, 16b8, 0.8, 0, 1, line, 170, 340, y
h, 170, 168, 0, 0, 1, line, 170, 340, y
i, 170, -2, 0.8, 0, 1, line, 170, 340, y
j, 170, 168, 0.8, 0, 1, line, , 340, y
k, 170, 168
l, 170, inf, 0.8, 0, 1, line, 170, 340, y
m, 170, 168, 0.8, 0, 1, line, 170, 340, z
"""

# The column names met in practice; the values are made up.
GG = """gauge\ttype\ttone_sgn\tbase_x\tbase_y\thead_x\thead_y\tplot_CD\tdraw_CD\twafer_CD\tcost_wt\trange_min
S_1\t1D\t1.0\t4000\t800\t4680\t800\t340\t170\t165.2\t1\t-2
S_2\t1D\t-1\t4000\t800\t4000\t1480\t340\t170\t171.9\t0.5\tNA
S_3\t2D\t1\t4000\t800\t4680\t800\t340\t170\t0\t1\t-2
S_4\t2D\t1\t4000\t800\t4680\t800\t340\t170\t165.2\t-1\t-2
S_5\t2D\t1\t4000\t800\t4000\t800\t340\t170\t165.2\t1\t-2
"""

CONTOUR = "name;kind;x_um;y_um;sigma_nm\np1;contour;1.5;-0.25;1\np2;edge;1.6;-0.25;1\n"


def written(tmp_path, text, name="gauges.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_good_rows_are_read_and_bad_ones_told(tmp_path):
    good, bad = read_gauges(written(tmp_path, CSV))
    assert good == [
        Measurement("a", "line", Lines(170.0, 340.0), 168.5, 0.8, 1.0, -150.0, 0.97, 170.0, 340.0, 3),
        Measurement("a", "space", Lines(170.0, 340.0, "x"), 171.5, 0.8, 1.0, 0.0, 1.0, 170.0, 340.0, 4),
    ]
    reasons = {r.name: (r.row, r.reason) for r in bad}
    assert [r.row for r in bad] == sorted(r.row for r in bad)
    expected = {
        "b": "not measured", "c": "kind 'hole' is none of line", "d": "dose 25 is out of range; it is relative",
        "e": "cd 340 is not smaller than pitch 340", "f": "no sigma, where other rows have one",
        "g": "measured '16b8' is not a number", "h": "sigma is 0", "i": "a width must be positive",
        "j": "give cd and pitch, or x0 and y0", "k": "give cd and pitch", "l": "measured inf is out of range",
        "m": "axis 'z' is neither x nor y",
    }  # fmt: skip
    assert reasons.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in reasons[name][1]
    assert reasons["b"][0] == 5 and reasons["m"][0] == 16


def test_gg_tables_of_opc_tools(tmp_path):
    good, bad = read_gauges(written(tmp_path, GG, "gauges.gg"), coordinate_nm=0.25)
    assert good == [
        Measurement("S_1", "line", Cut(1000.0, 200.0, 1170.0, 200.0), 165.2, None, 1.0, 0.0, 1.0, 170.0, 340.0, 2),
        Measurement("S_2", "space", Cut(1000.0, 200.0, 1000.0, 370.0), 171.9, None, 0.5, 0.0, 1.0, 170.0, 340.0, 3),
    ]
    assert [(r.row, r.reason.split(":")[0]) for r in bad[:2]] == [(4, "measured 0 nm"), (5, "weight -1")]
    assert bad[2].row == 6 and bad[2].reason.startswith("the cut must be longer than 0 and at most 20000 nm")
    text = to_gg(good, [166.0, 171.0])
    again, none = read_gauges(written(tmp_path, text, "again.gg"))
    assert not none
    assert [(m.site, m.kind, m.value_nm, m.weight, m.plot_nm) for m in again] == [
        (m.site, m.kind, m.value_nm, m.weight, m.plot_nm) for m in good
    ]
    assert text.splitlines()[1].split("\t")[-2:] == ["166", "0.8"]
    with pytest.raises(InputError, match="only widths on layout cuts"):
        to_gg([Measurement("a", "line", Lines(1.0, 2.0), 1.0)], [1.0])


def test_points_of_a_contour(tmp_path):
    good, bad = read_gauges(written(tmp_path, CONTOUR))
    assert not bad and good[0] == Measurement("p1", "edge", Cut(1500.0, -250.0), 0.0, 1.0, row=2)
    assert good[0].site.middle_nm == (1500.0, -250.0) and good[0].site.length_nm == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("name,cd,pitch\na,1,2\n", "it lacks measured_nm"),
        ("name,measured,cd\na,1,2\n", "it lacks cd_nm and pitch_nm, or x0_nm"),
        ("S_1\t1D\t1.0\t4000\t800\n", "the first line must name the columns"),
        ("measured,cd,pitch\n", "there is only a header"),
        ("measured,cd,pitch\nx,170,340\n", "no row can be used .line 2: measured 'x' is not a number"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_gauges(written(tmp_path, text))
    with pytest.raises(ConfigError, match="above 0"):
        read_gauges(written(tmp_path, text), coordinate_nm=0.0)
    with pytest.raises(InputError, match="cannot be read"):
        read_gauges(tmp_path / "absent.csv")


lengths = st.floats(1.0, 9999.0).map(lambda v: float(f"{v:.8g}"))
lines = st.builds(lambda cd, space, axis: Lines(cd, cd + space, axis), lengths, lengths, st.sampled_from("xy"))
cuts = st.builds(lambda x, y, length: Cut(x, y, x + length, y), lengths, lengths, lengths)


@given(
    st.lists(
        st.builds(
            Measurement,
            name=st.sampled_from(["a", "b, c", 'd "e"']),
            kind=st.sampled_from(["line", "space"]),
            site=st.one_of(lines, cuts),
            value_nm=lengths,
            sigma_nm=lengths,
            weight=lengths,
            focus_nm=st.floats(-5000, 5000).map(lambda v: float(f"{v:.8g}")),
            dose=st.floats(0.1, 9.0).map(lambda v: float(f"{v:.8g}")),
            target_nm=lengths,
            plot_nm=lengths,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_reads_the_same(tmp_path_factory, measurements):
    path = tmp_path_factory.mktemp("gauges") / "again.csv"
    path.write_text(to_csv(measurements, state=["outlier"] * len(measurements)))
    again, bad = read_gauges(path)
    assert not bad and len(again) == len(measurements)
    for one, other in zip(measurements, again, strict=True):
        assert (one.name, one.kind, one.focus_nm, one.dose) == (other.name, other.kind, other.focus_nm, other.dose)
        for key in ("value_nm", "sigma_nm", "weight", "target_nm", "plot_nm"):
            assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-9)
        assert type(one.site) is type(other.site)
        assert all(
            getattr(one.site, k) == pytest.approx(getattr(other.site, k), rel=1e-9)
            for k in ("cd_nm", "pitch_nm", "x0_nm", "y0_nm", "x1_nm", "y1_nm")
            if hasattr(one.site, k)
        )
