"""What gauges measure, not by the calibrator's way: Abbe's sum on a 2-D raster, blur by an FFT, `metrology.cd`."""

from dataclasses import replace

import numpy as np

from actinic import layout
from actinic.mask import transmitted
from actinic.metrology import cd
from actinic.optics import Points, abbe, band
from actinic.types import Grid, double

PIXEL_NM, HEIGHT_NM = 5.0, 40.0


def image(process, lines, focus_nm, spacing=1 / 80):
    """Latent image [y, x] of lines along y over one period, pixels of 5 nm, and its grid; the process in float64."""
    scanner = process.scanner
    # A lattice that is not centred on the axis, unlike the calibrator's.
    x, y = (np.arange(-1, 1, spacing) + share * spacing for share in (0.31, 0.17))
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    weights = scanner.source.brightness(*points.T, spacing)
    points, weights = points[weights > 0], weights[weights > 0]
    dense = replace(scanner, source=Points(points, weights))
    window = (0.0, 0.0, lines.pitch_nm, HEIGHT_NM)
    grid = Grid((round(HEIGHT_NM / PIXEL_NM), round(lines.pitch_nm / PIXEL_NM)), PIXEL_NM)
    # A raster of 1 nm: its fold of high frequencies is far below that of the image's pixels.
    covered = layout.coverage(layout.lines(lines.cd_nm, lines.pitch_nm, window), grid.with_pitch(1.0)).astype(float)
    spectrum = band.mask_spectrum(covered, scanner.orders(grid.period_nm, points))
    samples = abbe.aerial(dense, transmitted(process.mask, spectrum), grid, focus_nm, process.film)
    values = band.to_pixels(samples, grid)
    f = np.fft.fftfreq(values.shape[1], PIXEL_NM)
    blur = np.exp(-2 * (np.pi * float(process.resist.diffusion_nm) * f) ** 2)
    return np.fft.ifft(np.fft.fft(values, axis=1) * blur, axis=1).real, grid


def widths(machine, measurements):
    """Widths (n,) in nm that a machine prints at every measurement of lines along y."""
    machine, images, found = double(machine), {}, []
    for m in measurements:
        key = m.site, m.focus_nm
        if key not in images:
            images[key] = image(machine.process, m.site, m.focus_nm + machine.focus_offset_nm)
        values, grid = images[key]
        middle, half = m.site.pitch_nm / 2, m.site.pitch_nm / 2 - 1
        middle = middle if m.kind == "line" else 0.0
        start, end = (middle - half, HEIGHT_NM / 2), (middle + half, HEIGHT_NM / 2)
        level = machine.process.resist.threshold / (m.dose * machine.dose_scale)
        above = machine.process.printed_above == (m.kind == "line")
        found.append(cd(values, grid, float(level), start, end, above))
    return np.array(found)
