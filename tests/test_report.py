"""Plots of a verification and the HTML report, on a small analytic image."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import _pylab_helpers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from actinic.errors import InputError
from actinic.interfaces import plots
from actinic.interfaces.report import Report, write_report
from actinic.layout import Layout, rings
from actinic.metrology import EDGE, LINE_END, Defect, Gauges, gauges, summary
from actinic.types import Grid, Image

WINDOW = (1000.0, 2000.0, 2200.0, 2800.0)
MAPS = [plots.print_map, plots.band_map, plots.epe_map]

# A frame with a hole; the hull reaches beyond the window on the left.
FRAME = Layout(
    rings(
        [
            [(900, 2100), (1800, 2100), (1800, 2700), (900, 2700)],
            [(1200, 2250), (1200, 2550), (1600, 2550), (1600, 2250)],
        ]
    ),
    1.0,
)


def verification(**changes):
    """A print whose edge x = 1803 nm is a plane wave's, and whose EPE is told."""
    grid = Grid((80, 120), 10.0, WINDOW[:2])
    latent = jnp.asarray(np.broadcast_to(0.5 + (1803.0 - grid.x_nm) / 2000.0, grid.shape), jnp.float32)
    found = gauges(FRAME, WINDOW, corner_nm=50.0)
    epe = np.linspace(-4.0, 6.0, len(found))
    failed = np.zeros(len(found), bool)
    fields = dict(
        target=FRAME,
        mask=FRAME.moved(5, 0),
        window_nm=WINDOW,
        gauges=found,
        epe_nm=epe,
        failed=failed,
        summary=summary(epe, failed, found.kind),
        latent=Image(latent, grid, "latent"),
        threshold=0.5,
        printed_above=True,
        outer=np.asarray(latent > 0.49),
        inner=np.asarray(latent > 0.51),
        pv_band_nm=40.0,
        defects=[],
    )
    return SimpleNamespace(**{**fields, **changes})


def with_errors(epe, kind=None, failed=None):
    """A verification with these errors at gauges along y = 2100 nm."""
    epe = np.asarray(epe, np.float64)
    x = np.linspace(1100.0, 1700.0, epe.size)
    kind = np.full(epe.size, EDGE, np.int8) if kind is None else np.asarray(kind, np.int8)
    failed = np.zeros(epe.size, bool) if failed is None else np.asarray(failed, bool)
    at = Gauges(x, np.full_like(x, 2100.0), np.zeros_like(x), np.full_like(x, -1.0), kind)
    return verification(gauges=at, epe_nm=epe, failed=failed, summary=summary(epe, failed, kind))


def nothing():
    """A window without polygons, gauges or print."""
    empty, none = Layout((), 1.0), np.zeros(0)
    grid = Grid((80, 120), 10.0, WINDOW[:2])
    found = gauges(empty, WINDOW, corner_nm=50.0)
    return verification(
        target=empty,
        mask=empty,
        gauges=found,
        epe_nm=none,
        failed=none > 0,
        summary=summary(none, none > 0, found.kind),
        latent=Image(jnp.zeros(grid.shape), grid, "latent"),
    )


def lines_of(ax, color):
    """Segments in nm of the line collections drawn in one colour."""
    found = [c for c in ax.collections if isinstance(c, LineCollection) and len(c.get_colors()) == 1]
    return [1000 * s for c in found if to_rgb(c.get_colors()[0]) == to_rgb(color) for s in c.get_segments()]


def keys_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def pixel(ax, x_nm, y_nm):
    """Colour 0..1 of the drawn figure at a place of the axes."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    shown = np.asarray(canvas.buffer_rgba())
    column, row = ax.transData.transform((x_nm / 1000, y_nm / 1000))
    return shown[int(shown.shape[0] - row), int(column), :3] / 255


@pytest.mark.parametrize("draw", MAPS)
def test_maps_are_in_um_to_scale_with_y_up(draw):
    ax = draw(verification())
    assert (*ax.get_xlim(), *ax.get_ylim()) == pytest.approx((1.0, 2.2, 2.0, 2.8))
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (µm)", "y (µm)")
    zoomed = draw(verification(), window_nm=(1100.0, 2100.0, 1300.0, 2400.0))
    assert (*zoomed.get_xlim(), *zoomed.get_ylim()) == pytest.approx((1.1, 1.3, 2.1, 2.4))


@pytest.mark.parametrize("draw", [*MAPS, plots.epe_histogram])
def test_given_axes_are_drawn_on_and_no_global_figure_is_made(draw):
    axes = Figure().subplots(1, 2)
    assert draw(verification(), ax=axes[1]) is axes[1]
    assert axes[1].has_data() and not axes[0].has_data()
    draw(verification())
    assert _pylab_helpers.Gcf.get_all_fig_managers() == []


@pytest.mark.parametrize("draw", [*MAPS, plots.epe_histogram])
def test_all_that_is_written_fits_on_the_figure(draw):
    lost = with_errors([-100.0, -53.17, 2.0], failed=[True, False, False])
    figure = draw(lost).figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    assert (box.min >= 0).all() and (box.max <= figure.get_size_inches()).all()


@pytest.mark.parametrize("draw", [*MAPS, plots.epe_histogram])
def test_an_empty_window_can_be_drawn(draw):
    FigureCanvasAgg(draw(nothing()).figure).draw()


def test_printed_contour_is_where_the_image_takes_the_threshold():
    v = verification()
    (line,) = lines_of(plots.print_map(v), plots.PRINTED)
    assert line[:, 0] == pytest.approx(1803.0, abs=1e-3)
    assert (line[:, 1].min(), line[:, 1].max()) == pytest.approx((2005.0, 2795.0))
    assert plots.plot_data(v)["printed_nm"] == pytest.approx(line)


def test_print_map_outlines_target_and_mask():
    ax = plots.print_map(verification())
    for color, shift in ((plots.INK, 0), (plots.MASK, 5)):
        drawn = lines_of(ax, color)
        for line, ring in zip(drawn, FRAME.contours, strict=True):
            assert line == pytest.approx(np.vstack([ring, ring[:1]]) + (shift, 0.0))
    assert keys_of(ax) == ["target", "mask", "printed"]


def test_only_polygons_that_touch_the_window_are_drawn():
    ax = plots.print_map(verification(), window_nm=(1900.0, 2000.0, 2200.0, 2300.0))
    assert lines_of(ax, plots.INK) == []


@pytest.mark.parametrize("draw", [plots.band_map, plots.epe_map])
def test_holes_of_the_target_stay_open(draw):
    v = verification(outer=np.zeros((80, 120), bool))
    assert pixel(draw(v), 1400.0, 2400.0) == pytest.approx((1, 1, 1))
    assert pixel(draw(v), 1500.0, 2650.0) == pytest.approx(to_rgb(plots.FILL), abs=0.01)


def test_rings_stand_at_defects():
    lobes = [Defect("side lobe", (1200.0, 2100.0, 1240.0, 2180.0), 900.0, ("nominal",)),
             Defect("bridge", (5000.0, 0.0, 5010.0, 10.0), 100.0, ("nominal",))]  # fmt: skip
    ax = plots.band_map(verification(defects=lobes))
    (rings,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert rings.get_xydata() == pytest.approx(np.array([[1.22, 2.14]]))
    assert keys_of(ax)[-1] == "defects (2)"
    assert plots.plot_data(verification(defects=lobes))["defects_nm"].tolist() == [[1220, 2140], [5005, 5]]


def test_band_is_filled_between_outer_and_inner():
    ax = plots.band_map(verification(target=FRAME.moved(0, 5000)))
    assert pixel(ax, 1795.0, 2400.0) == pytest.approx(to_rgb(plots.BAND), abs=0.02)
    assert pixel(ax, 1500.0, 2400.0) == pytest.approx((1, 1, 1))
    assert "process band, 40.0 nm" in keys_of(ax)


@given(
    place=st.tuples(st.integers(2, 117), st.integers(2, 77)),
    repeat=st.sampled_from([1, 10]),
    cut=st.floats(0.0, 3.0),
)
def test_an_image_stands_where_its_grid_says(place, repeat, cut):
    """One bright patch keeps its centre when the image is cut to a window and averaged for display."""
    column, row = place
    values = np.kron(np.eye(1, 120, column) * np.eye(80, 1, -row), np.ones((repeat, repeat)))
    grid = Grid(values.shape, 10.0 / repeat, WINDOW[:2])
    x, y = 1005.0 + 10 * column, 2005.0 + 10 * row
    window = (x - 5 - 5 * cut, y - 5 - 2 * cut, x + 5 + cut, y + 5 + 4 * cut)
    ax = plots._map_axes(None, window)
    shade = plots._image(ax, values, grid, window)
    shown = np.asarray(shade.get_array())
    assert max(shown.shape) <= plots._MOST_PIXELS
    x0, x1, y0, y1 = (1000 * side for side in shade.get_extent())
    across = x0 + (np.arange(shown.shape[1]) + 0.5) * (x1 - x0) / shown.shape[1]
    up = y0 + (np.arange(shown.shape[0]) + 0.5) * (y1 - y0) / shown.shape[0]
    centre = (shown.sum(0) @ across / shown.sum(), shown.sum(1) @ up / shown.sum())
    assert centre == pytest.approx((x, y), abs=1e-6)
    assert shade.origin == "lower"


def test_a_large_image_is_averaged_so_that_thin_bands_survive():
    values = np.zeros((3000, 3000))
    values[:, 1501] = 1.0
    window = (0.0, 0.0, 30000.0, 30000.0)
    shade = plots._image(plots._map_axes(None, window), values, Grid((3000, 3000), 10.0), window)
    shown = np.asarray(shade.get_array())
    assert shown.shape == (1000, 1000)
    assert (shown.sum(axis=1) == pytest.approx(1 / 3)) and (shown > 0).any(axis=0).sum() == 1


def test_gauges_are_coloured_by_signed_error_around_zero():
    ax = plots.epe_map(with_errors([3.0, -8.0, 0.0]))
    (pieces,) = (c for c in ax.collections if c.get_array() is not None)
    assert list(pieces.get_array()) == [0.0, 3.0, -8.0]  # the largest on top
    middles = [1000 * s.mean(axis=0) for s in pieces.get_segments()]
    assert middles == [pytest.approx((x, 2100.0)) for x in (1700.0, 1100.0, 1400.0)]
    along = [1000 * (s[1] - s[0]) for s in pieces.get_segments()]
    assert np.abs(along) == pytest.approx(np.tile([10.0, 0.0], (3, 1)))
    assert pieces.norm.vmin == -pieces.norm.vmax == -8.0
    red, green, blue = pieces.cmap(pieces.norm(0.0))[:3]
    assert max(red, green, blue) - min(red, green, blue) < 0.03
    outside, inside = pieces.cmap(pieces.norm(4.0)), pieces.cmap(pieces.norm(-4.0))
    assert outside[0] > outside[2] and inside[2] > inside[0]
    assert "largest, −8.00 nm" in keys_of(ax)


def test_failed_gauges_are_crossed_and_do_not_stretch_the_colours():
    ax = plots.epe_map(with_errors([100.0, 2.0, -100.0], failed=[True, False, True]))
    (cross,) = (line for line in ax.lines if line.get_marker() == "x")
    assert sorted(1000 * cross.get_xdata()) == pytest.approx([1100.0, 1700.0])
    assert ax.collections[0].norm.vmax == 2.0
    assert keys_of(ax) == ["target", "failed (2)", "largest, +2.00 nm"]


def test_histogram_holds_every_edge_gauge_and_no_line_end():
    kinds = [EDGE] * 4 + [LINE_END] * 2
    after = with_errors([-1.0, 0.0, 1.0, 100.0, 50.0, 50.0], kinds, [False, False, False, True, False, False])
    before = with_errors([-9.0, 9.0, 9.0, 9.0, 50.0, 50.0], kinds)
    ax = plots.epe_histogram(after, before)
    heights = [_steps(patch) for patch in ax.patches]
    assert [h.sum() for h in heights] == [4, 4]
    assert ax.get_xlim() == (-9.0, 9.0)
    assert heights[1][-1] == 1, "the failed gauge is in the end bin"
    assert heights[1][plots._BINS // 2] == 1, "one bin is centred on zero"
    s = after.summary
    assert keys_of(ax) == [
        "before: mean +4.50 nm, 3σ 23.38 nm",
        f"after: mean +{s.mean_nm:.2f} nm, 3σ {s.three_sigma_nm:.2f} nm, 1 failed",
    ]
    assert "nm" in ax.get_xlabel()


def _steps(patch):
    """Counts out of a histogram's outline: the height over the middle of each bin."""
    points = patch.get_path().vertices
    edges = np.unique(points[:, 0])
    middle = 0.5 * (edges[1:] + edges[:-1])
    half = points[: 2 * len(edges)]
    return np.array([half[np.flatnonzero(half[:, 0] <= m)[-1], 1] for m in middle])


def test_histogram_alone_names_the_gauges():
    assert keys_of(plots.epe_histogram(with_errors([-0.001, 0.0]))) == ["edge gauges: mean +0.00 nm, 3σ 0.00 nm"]


SHARED = verification()


@given(st.integers(0, len(SHARED.gauges) - 1), st.floats(10.0, 3000.0))
def test_worst_window_holds_the_largest_error_and_stays_inside(worst, size):
    v = SHARED
    v = SimpleNamespace(**{**vars(v), "epe_nm": np.where(np.arange(v.epe_nm.size) == worst, -50.0, v.epe_nm)})
    x0, y0, x1, y1 = plots.worst_window(v, size)
    g = v.gauges
    assert x0 <= g.x_nm[worst] <= x1 and y0 <= g.y_nm[worst] <= y1
    tiny = 1e-9
    assert x0 >= 1000 - tiny and y0 >= 2000 - tiny and x1 <= 2200 + tiny and y1 <= 2800 + tiny
    assert (x1 - x0, y1 - y0) == pytest.approx((min(size, 1200.0), min(size, 800.0)))


def test_worst_window_without_gauges_is_the_middle():
    assert plots.worst_window(nothing(), 200.0) == (1500.0, 2300.0, 1700.0, 2500.0)


@pytest.mark.parametrize("make", [verification, nothing])
def test_plot_data_can_be_saved_and_holds_what_is_drawn(tmp_path, make):
    v = make()
    np.savez(tmp_path / "plots.npz", **plots.plot_data(v))
    with np.load(tmp_path / "plots.npz") as saved:
        data = dict(saved)
    assert data["latent"] == pytest.approx(v.latent.values)
    assert data["latent"].shape == (data["y_nm"].size, data["x_nm"].size)
    assert (data["outer"] == v.outer).all() and (data["inner"] == v.inner).all()
    assert (data["epe_nm"] == v.epe_nm).all() and (data["gauge_x_nm"] == v.gauges.x_nm).all()
    for name, layout in (("target", v.target), ("mask", v.mask)):
        assert data[f"{name}_nm"].shape == (data[f"{name}_ring"].size, 2)
        split = [data[f"{name}_nm"][data[f"{name}_ring"] == k][:-1] for k in range(len(layout.contours))]
        assert all((a == b).all() for a, b in zip(split, layout.contours, strict=True))


def report(**changes):
    figure = Figure(figsize=(4, 3))
    figure.add_subplot(xlabel="x (µm)", ylabel="EPE (nm)").plot([0, 1], label="after")
    figure.axes[0].legend()
    return replace(
        Report(
            title="Window 60, 50",
            verdict="In spec",
            good=True,
            numbers=[(f"label {k}", f"{k}.5", "nm", f"before 1{k} nm") for k in range(6)],
            figures=[("The print.", figure)],
            notes=["Not calibrated."],
            configuration="[scanner]\nna = 0.7\n\n[mask]\nkind = 'binary'\n",
            provenance={"version": "1", "inputs": {"chip.oas": "sha256 ab"}, "seeds": [1, 2]},
            reproduce="actinic correct chip.oas",
        ),
        **changes,
    )


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.headings, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append((self.open[-1], data))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def written(tmp_path, **changes):
    write_report(tmp_path / "report.html", report(**changes))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_report_says_everything_in_order(tmp_path):
    page = Page(written(tmp_path))
    assert page.open == []
    assert page.headings == [
        ("h1", "Window 60, 50"),
        *[("h2", h) for h in ("Pictures", "Limits of this result", "Configuration", "How to reproduce", "Provenance")],
    ]
    text = "".join(page.text)
    said = ["In spec", "label 0", "0.5", "before 10\u00a0nm", "label 4", "The print.", "Not calibrated.", "na = 0.7"]
    places = [text.index(part) for part in [*said, "actinic correct", "inputs.chip.oas", "sha256 ab", "1, 2"]]
    assert places == sorted(places)
    assert "label 5" not in text, "five numbers are shown"
    assert "[scanner]\nna = 0.7\n\n[mask]\nkind = 'binary'" in text


def test_report_stands_alone_in_one_scriptless_file(tmp_path):
    text = written(tmp_path)
    page = Page(text)
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    assert not re.search(r"https?:|url\(|@import|\son\w+=", re.sub(r'src="data:[^"]*"', "", text))
    sources = [attrs["src"] for attrs in page.all("img")]
    assert sources and all(source.startswith("data:image/") for source in sources)
    assert all(value.startswith("data:") for attrs in page.all("img") for k, value in attrs.items() if "src" in k)
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_all_text_is_escaped(tmp_path):
    evil = "<script>alert('1')</script> & \"quoted\" \ud800"
    figure = Figure()
    figure.add_subplot(xlabel=evil[:-1])  # no font draws a lone surrogate
    page = Page(
        written(
            tmp_path,
            title=evil,
            verdict=evil,
            numbers=[(evil, evil, evil, evil)],
            figures=[(evil, figure)],
            notes=[evil],
            configuration=evil,
            reproduce=evil,
            provenance={evil: {evil: evil}},
        )
    )
    assert not page.all("script")
    (image,) = page.all("img")
    seen = evil.replace("\ud800", "?")
    assert evil[:-1] in image["alt"]
    # Title twice, verdict, four in the number, caption, note, configuration, reproduce, two keys and a value.
    assert "".join(page.text).count(seen) == 14


def test_picture_tells_what_it_shows_and_its_size(tmp_path):
    (image,) = Page(written(tmp_path)).all("img")
    assert image["alt"] == "Plot of EPE (nm) over x (µm): after"
    assert (image["width"], image["height"]) == ("384", "288")


@pytest.mark.parametrize(("points", "kind", "magic"), [(2, "svg+xml", b"<?xml"), (20_000, "png", b"\x89PNG")])
def test_heavy_pictures_become_pixels(tmp_path, points, kind, magic):
    figure = Figure()
    figure.add_subplot().scatter(*np.random.default_rng(1).normal(size=(2, points)))
    (image,) = Page(written(tmp_path, figures=[("Cloud.", figure)])).all("img")
    head, data = image["src"].split(",", 1)
    assert head == f"data:image/{kind};base64"
    assert b64decode(data).startswith(magic)


def test_same_report_same_bytes(tmp_path):
    assert written(tmp_path) == written(tmp_path)


def test_bad_verdict_looks_bad_without_colour(tmp_path):
    good, bad = written(tmp_path), written(tmp_path, good=False)
    assert 'class="verdict good"' in good and "✓" in good and "✕" not in good
    assert 'class="verdict bad"' in bad and "✕" in bad and "✓" not in bad


def test_empty_parts_are_left_out(tmp_path):
    page = Page(written(tmp_path, figures=[], notes=[], configuration="", provenance={}, reproduce=" "))
    assert page.headings == [("h1", "Window 60, 50")]


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    before = written(tmp_path)

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(InputError, match=r"report\.html: cannot be written: No space left on device"):
        written(tmp_path, title="another")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere/report\.html: cannot be written: No such file"):
        write_report(tmp_path / "nowhere" / "report.html", report())


def test_a_report_can_leave_names_out(tmp_path, monkeypatch):
    """No file, folder or cell is named anywhere in it; the same name has the same alias, numbers and layers stay."""
    told = report(
        title="secret_chip.oas, layer 67/20",
        notes=["secret_chip.oas was read; TOP_SECRET has 3 cells, 67/20 and 0.25 nm."],
        tables=[("Cells of secret_chip", [["cell", "area"], ["TOP_SECRET", "3.5"]])],
        provenance={"inputs": {"layout": {"file": "secret_chip.oas", "sha256": "ab12"}}, "cell": "TOP_SECRET"},
        reproduce="actinic correct /home/fab7/secret_chip.oas --layer 67/20 --cell TOP_SECRET --out runs/second_one",
    )
    write_report(tmp_path / "told.html", told)
    monkeypatch.setenv("ACTINIC_NAMES", "omit")
    write_report(tmp_path / "omitted.html", told)
    page = (tmp_path / "omitted.html").read_text()
    for name in ("secret", "SECRET", "fab7", "second_one"):
        assert name in (tmp_path / "told.html").read_text() and name not in page, name
    assert "file-1, layer 67/20" in page and "cell-1 has 3 cells, 67/20 and 0.25 nm" in page and "ab12" in page
    assert "actinic correct file-1 --layer 67/20 --cell cell-1 --out file-2" in page


def test_columns_that_are_read_break_their_lines(tmp_path):
    rows = [["number", "value", "how"], ["gain", "1.25", "difference of two shares, <both> over the same lots"]]
    write_report(tmp_path / "report.html", report(tables=[("Where from", rows)]))
    page = (tmp_path / "report.html").read_text()
    assert '<td>1.25</td><td class="prose">difference of two shares, &lt;both&gt; over the same lots</td>' in page
    assert '<th scope="col">value</th><th scope="col" class="prose">how</th>' in page
