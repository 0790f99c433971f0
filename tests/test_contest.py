"""Contest scores: published reference values, and the checkers' rules one by one."""

import numpy as np
import pytest

from actinic.errors import InputError
from actinic.layout import glp
from actinic.metrology import epe_neuralilt, epe_openilt, l2, pvb

# L2, PVB and OpenILT EPE count of clips 1..10 for mask = target, boundary-inclusive targets.
UNCORRECTED = [
    (116184, 45874, 86),
    (117801, 37036, 84),
    (160846, 32646, 125),
    (84037, 101, 64),
    (117516, 59188, 71),
    (110523, 50684, 66),
    (103219, 54316, 71),
    (55012, 19084, 37),
    (120211, 60796, 66),
    (41291, 15039, 26),
]


def image(mask, kernels, scale):
    """Aerial image float64: intensity summed on 128 x 128, which holds it, then interpolated exactly."""
    n, m, k = len(mask), 128, kernels.shape[-1] // 2
    order = np.arange(-k, k + 1)
    spectrum = np.fft.fft2(mask)[np.ix_(order, order)] / n**2
    fields = np.zeros((len(kernels), m, m), complex)
    fields[:, order[:, None], order] = kernels * spectrum
    fields = np.fft.ifft2(fields, norm="forward")
    total = np.fft.fft2((scale[:, None, None] * np.abs(fields) ** 2).sum(0), norm="forward")
    order = np.arange(-2 * k, 2 * k + 1)
    wide = np.zeros((n, n // 2 + 1), complex)
    wide[np.ix_(order, order[2 * k :])] = total[np.ix_(order, order[2 * k :])]
    return np.fft.irfft2(wide, s=(n, n), norm="forward")


@pytest.mark.published
def test_uncorrected_masks_score_as_published(data):
    with np.load(data / "iccad13" / "iccad13_kernels.npz") as file:
        focus, defocus, s0, s1 = (
            file[name].astype(kind)
            for name, kind in (
                ("focus", complex),
                ("defocus", complex),
                ("scale_focus", float),
                ("scale_defocus", float),
            )
        )
    for clip, expected in enumerate(UNCORRECTED, 1):
        target = glp.target(glp.read_glp(data / "iccad13" / "glp" / f"M1_test{clip}.glp"), "O")
        sharp, blurred = image(target, focus, s0), image(target, defocus, s1)
        nominal, outer, inner = sharp >= 0.225, sharp * 1.02**2 >= 0.225, blurred * 0.98**2 >= 0.225
        assert (l2(nominal, target), pvb(outer, inner), epe_openilt(target, nominal)) == expected, f"clip {clip}"


def box(*extents, shape=(400, 400)):
    mask = np.zeros(shape, bool)
    for y0, y1, x0, x1 in extents:
        mask[y0:y1, x0:x1] = True
    return mask


BAR = (100, 301, 150, 231)  # rows 100..300 (run 200), columns 150..230 (run 80)


def test_counts_of_pixels():
    a, b = box((0, 10, 0, 10)), box((5, 10, 0, 12))
    assert l2(a, b) == pvb(b, a) == 50 + 10
    with pytest.raises(InputError, match="one shape"):
        l2(a, b[:-1])


def test_openilt_counts_every_site_on_both_sides():
    target = box(BAR)
    assert epe_openilt(target, target) == 0
    # Upright runs: rows 140, 180, 220, 260 of both sides; level runs: one site each. No print: inner only.
    assert epe_openilt(target, ~box()) == 2 * 4 + 2
    assert epe_openilt(target, box()) == 2 * 4 + 2
    assert epe_openilt(target, ~target) == 2 * (2 * 4 + 2)


@pytest.mark.parametrize("tolerance", [3, 5, 15])
def test_openilt_tolerance(tolerance):
    target = box(BAR)
    for grow, bad in ((tolerance - 1, False), (tolerance, True)):
        assert (epe_openilt(target, box((100, 301, 150 - grow, 231)), tolerance) > 0) == bad
    for shrink, bad in ((tolerance, False), (tolerance + 1, True)):
        assert (epe_openilt(target, box((100, 301, 150 + shrink, 231)), tolerance) > 0) == bad


def test_openilt_sides_at_a_run_of_exactly_81_pixels():
    # Up to 81 pixels have one site, 82 have two 40 from either end.
    assert epe_openilt(box((100, 180, 100, 180)), box()) == 4
    assert epe_openilt(box((100, 181, 100, 181)), box()) == 4
    assert epe_openilt(box((100, 182, 100, 182)), box()) == 8


def test_openilt_holes_are_checked():
    ring = box((50, 350, 50, 350)) & ~box((150, 250, 150, 250))
    assert epe_openilt(ring, ring) == 0
    # Inside the hole a print 15 px beyond its edges fails at every site there.
    filled = epe_openilt(ring, box((50, 350, 50, 350)))
    assert filled > 0 and epe_openilt(ring, ring | box((165, 235, 165, 235))) == 0


def test_neuralilt_counts_sites_once():
    target = box(BAR)
    assert epe_neuralilt(target, target) == 0
    # Upright edges of 200 pixels: 140, 180, 220, 260; level edges of 80: the middle.
    assert epe_neuralilt(target, box()) == epe_neuralilt(target, ~target) == 2 * 4 + 2
    assert epe_neuralilt(box((100, 182, 100, 182)), box()) == 8


@pytest.mark.parametrize("tolerance", [3, 5, 15])
def test_neuralilt_tolerance_is_one_more(tolerance):
    target = box(BAR)
    for grow, bad in ((tolerance, False), (tolerance + 1, True)):
        assert (epe_neuralilt(target, box((100, 301, 150 - grow, 231)), tolerance) > 0) == bad
        assert (epe_neuralilt(target, box((100, 301 + grow, 150, 231)), tolerance) > 0) == bad
    for shrink, bad in ((tolerance + 1, False), (tolerance + 2, True)):
        assert (epe_neuralilt(target, box((100, 301, 150 + shrink, 231)), tolerance) > 0) == bad


def test_neuralilt_walks_concave_corners_as_the_original():
    # Of the two edges at the concave corner of an L the one that ends there takes the corner's pixel.
    shape = box((100, 200, 100, 302), (200, 302, 100, 200))
    sites = epe_neuralilt(shape, box())
    # Left and top are 201 long with five sites each; the ends 99 and the inner edges 101 and 102: two each.
    assert sites == 5 + 5 + 2 + 2 + 2 + 2
    # The edge at row 199 is walked to +x and starts after the corner: its sites are columns 240 and 261.
    assert epe_neuralilt(shape, shape ^ box((183, 184, 240, 241))) == 1
    assert epe_neuralilt(shape, shape ^ box((183, 184, 239, 240))) == 0
    # The one at column 199 is walked to -y and ends on the corner: rows 239 and 261.
    assert epe_neuralilt(shape, shape ^ box((239, 240, 183, 184))) == 1
    assert epe_neuralilt(shape, shape ^ box((240, 241, 183, 184))) == 0
    # Mirrored, the edge at row 199 is walked from column 100 and ends on the corner at 202: sites 140 and 162.
    mirrored = box((100, 200, 100, 302), (200, 302, 202, 302))
    assert epe_neuralilt(mirrored, mirrored ^ box((183, 184, 162, 163))) == 1
    assert epe_neuralilt(mirrored, mirrored ^ box((183, 184, 161, 162))) == 0


def test_edges_in_one_line_are_separate():
    pair = box((100, 160, 150, 231), (200, 260, 150, 231))
    assert epe_neuralilt(pair, box()) == epe_openilt(pair, box()) == 8


def test_openilt_joins_runs_of_neighbouring_scan_columns_as_the_original():
    # The first box ends at row 149, the second begins at row 150: one run of 100 rows with a site at row 159 of the
    # first box's right side, where the target itself is a violation both inside and outside.
    target = box((100, 150, 100, 150), (150, 200, 160, 210))
    assert epe_openilt(target, target) == 2
    assert epe_neuralilt(target, target) == 0


def test_checks_wrap_round_the_tile():
    edge = box((100, 301, 0, 81))
    assert epe_openilt(edge, edge | box((100, 301, 385, 386))) == 4
    assert epe_neuralilt(edge, edge | box((100, 301, 384, 385))) == 4


def test_empty_targets():
    assert epe_openilt(box(), ~box()) == epe_neuralilt(box(), ~box()) == 0
