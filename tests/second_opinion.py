"""Imaging the plain way, on the full pixel grid; shares no pupil, frequency or source code with Actinic.

Every source point: the FFT of the whole mask, times the pupil at every frequency of the grid, back by a whole
inverse FFT, squared, summed. Slow on purpose. Tests and benchmarks hold the band-limited code against it.
"""

from math import cos, hypot, pi, sin, sqrt

import jax
import jax.numpy as jnp
import numpy as np

# Fringe Zernike polynomials written out in r and phi.
ZERNIKES = {
    "Z2": lambda r, t: r * np.cos(t),
    "Z3": lambda r, t: r * np.sin(t),
    "Z4": lambda r, t: 2 * r**2 - 1,
    "Z5": lambda r, t: r**2 * np.cos(2 * t),
    "Z6": lambda r, t: r**2 * np.sin(2 * t),
    "Z7": lambda r, t: (3 * r**3 - 2 * r) * np.cos(t),
    "Z8": lambda r, t: (3 * r**3 - 2 * r) * np.sin(t),
    "Z9": lambda r, t: 6 * r**4 - 6 * r**2 + 1,
    "Z10": lambda r, t: r**3 * np.cos(3 * t),
    "Z11": lambda r, t: r**3 * np.sin(3 * t),
    "Z12": lambda r, t: (4 * r**4 - 3 * r**2) * np.cos(2 * t),
    "Z13": lambda r, t: (4 * r**4 - 3 * r**2) * np.sin(2 * t),
    "Z14": lambda r, t: (10 * r**5 - 12 * r**3 + 3 * r) * np.cos(t),
    "Z15": lambda r, t: (10 * r**5 - 12 * r**3 + 3 * r) * np.sin(t),
    "Z16": lambda r, t: 20 * r**6 - 30 * r**4 + 12 * r**2 - 1,
    "Z25": lambda r, t: 70 * r**8 - 140 * r**6 + 90 * r**4 - 20 * r**2 + 1,
    "Z36": lambda r, t: 252 * r**10 - 630 * r**8 + 560 * r**6 - 210 * r**4 + 30 * r**2 - 1,
    "Z37": lambda r, t: 924 * r**12 - 2772 * r**10 + 3150 * r**8 - 1680 * r**6 + 420 * r**4 - 42 * r**2 + 1,
}


def source_points(spacing, sigma_out, sigma_in=0.0, poles=0, first_deg=0.0, opening_deg=0.0):
    """Points (n, 2) and weights (n,) of a disc, ring or ring segments on a square lattice; weights sum to 1.

    A cell that an edge cuts counts with the share inside, taken linear in the distance from the edge.
    """
    found = []
    reach = int(sigma_out / spacing) + 3
    for j in range(-reach, reach + 1):
        for i in range(-reach, reach + 1):
            x, y = i * spacing, j * spacing
            r = hypot(x, y)
            if r > 1 + 1e-9:
                continue
            share = min(1.0, max(0.0, 0.5 + (sigma_out - r) / spacing))
            if sigma_in:
                share -= min(1.0, max(0.0, 0.5 + (sigma_in - r) / spacing))
            if poles:
                best = 0.0
                for pole in range(poles):
                    axis = (first_deg + 360.0 * pole / poles) * pi / 180
                    along, across = x * cos(axis) + y * sin(axis), abs(y * cos(axis) - x * sin(axis))
                    half = opening_deg * pi / 360
                    # Distance inside the ray that bounds the wedge; behind it nothing counts.
                    inside = (along * sin(half) - across * cos(half)) if along > 0 else -r
                    best = max(best, min(1.0, max(0.0, 0.5 + inside / spacing)))
                share *= best
            if share > 1e-9:
                found.append((x, y, share))
    table = np.array(found)
    return table[:, :2], table[:, 2] / table[:, 2].sum()


def pupil(fx, fy, wavelength, na, index=1.0, focus=0.0, zernikes=None):
    """Complex pupil at frequencies in 1/nm; Zernikes in nm of optical path."""
    r = np.sqrt(fx**2 + fy**2) * wavelength / na
    t = np.arctan2(fy, fx)
    passes = r <= 1 + 5e-10
    cosine = np.sqrt(np.maximum(1 - (np.minimum(r, 1) * na / index) ** 2, 0))
    path = focus * index * (cosine - 1)
    for name, nm in (zernikes or {}).items():
        path = path + nm * ZERNIKES[name](r, t)
    return np.where(passes, np.exp(2j * pi * path / wavelength), 0)


def amplitude_spectrum(coverage, pitch, around=0.0, inside=1.0):
    """FFT of a mask of pixel averages, with the averaging over the pixel undone."""
    ny, nx = coverage.shape
    fy, fx = np.meshgrid(np.fft.fftfreq(ny, pitch), np.fft.fftfreq(nx, pitch), indexing="ij")
    covered = np.fft.fft2(coverage.astype(np.float64))
    for f in (fx, fy):
        angle = pi * f * pitch
        covered *= np.where(angle == 0, 1.0, angle / np.where(angle == 0, 1.0, np.sin(angle)))
    spectrum = covered * (inside - around)
    spectrum[0, 0] += around * nx * ny
    return spectrum


def shifted_pupils(shape, pitch, points, wavelength, na, index=1.0, focus=0.0, zernikes=None):
    """For every source point the pupil on the full frequency grid, complex128."""
    fy, fx = np.meshgrid(np.fft.fftfreq(shape[0], pitch), np.fft.fftfreq(shape[1], pitch), indexing="ij")
    for sx, sy in points:
        yield pupil(fx + sx * na / wavelength, fy + sy * na / wavelength, wavelength, na, index, focus, zernikes)


def clear_field(points, weights):
    """Share of the source that passes the lens without a mask."""
    return sum(w for (x, y), w in zip(points, weights, strict=True) if sqrt(x * x + y * y) <= 1 + 5e-10)


def abbe(coverage, pitch, points, weights, lens, around=0.0, inside=1.0):
    """Intensity at the pixel centres [y, x], float64; `lens` holds the arguments of `pupil` after the frequencies."""
    spectrum = amplitude_spectrum(coverage, pitch, around, inside)
    total = np.zeros(coverage.shape)
    for weight, p in zip(weights, shifted_pupils(coverage.shape, pitch, points, **lens), strict=True):
        total += weight * np.abs(np.fft.ifft2(spectrum * p)) ** 2
    return total / clear_field(points, weights)


def socs(mask, kernels, scales, every=1):
    """The contest's sum on the full grid, float64: mask of point samples, kernels of orders -k..k of the tile.

    Of the full grid's pixels one in `every` along each axis, from the first.
    """
    ny, nx = (n // every for n in mask.shape)
    k = kernels.shape[-1] // 2
    low = (mask.shape[0] - ny) // 2, (mask.shape[1] - nx) // 2
    spectrum = np.fft.fftshift(np.fft.fft2(mask, norm="forward"))[low[0] : low[0] + ny, low[1] : low[1] + nx]
    total = np.zeros((ny, nx))
    for kernel, scale in zip(kernels, scales, strict=True):
        full = np.zeros((ny, nx), complex)
        full[ny // 2 - k : ny // 2 + k + 1, nx // 2 - k : nx // 2 + k + 1] = kernel
        total += scale * np.abs(np.fft.ifft2(np.fft.ifftshift(full * spectrum), norm="forward")) ** 2
    return total


@jax.jit
def _sum_of_squares(spectrum, factors, weights):
    def add(total, row):
        factor, weight = row
        field = jnp.fft.ifft2(spectrum * factor)
        return total + weight * (field.real**2 + field.imag**2), None

    return jax.lax.scan(add, jnp.zeros(spectrum.shape, jnp.float32), (factors, weights))[0]


def abbe_jax(coverage, pitch, points, weights, lens, around=0.0, inside=1.0):
    """`abbe` in complex64 on the device."""
    spectrum = jnp.asarray(amplitude_spectrum(np.asarray(coverage), pitch, around, inside), jnp.complex64)
    pupils = jnp.asarray(np.stack(list(shifted_pupils(coverage.shape, pitch, points, **lens))), jnp.complex64)
    return _sum_of_squares(spectrum, pupils, jnp.asarray(weights / clear_field(points, weights), jnp.float32))


@jax.jit
def socs_jax(mask, kernels, scales):
    """`socs` in complex64 on the device, differentiable in the mask [y, x] float32."""
    (ny, nx), k = mask.shape, kernels.shape[-1] // 2
    spectrum = jnp.fft.fft2(mask.astype(jnp.complex64))

    def add(total, row):
        kernel, scale = row
        full = jnp.zeros((ny, nx), jnp.complex64)
        full = full.at[ny // 2 - k : ny // 2 + k + 1, nx // 2 - k : nx // 2 + k + 1].set(kernel)
        field = jnp.fft.ifft2(jnp.fft.ifftshift(full) * spectrum)
        return total + scale * (field.real**2 + field.imag**2), None

    return jax.lax.scan(add, jnp.zeros((ny, nx), jnp.float32), (kernels, scales))[0]


def _unit_fields(fx, fy, lens, film, depth):
    """Electric field of unit s and p waves at every frequency: (3, ny, nx) each, in the medium or in a film.

    `film` lists (index, thickness) from the resist to the substrate. The field at the top comes from the
    admittance of the stack, that at a depth from the characteristic matrix (Macleod, Thin-Film Optical Filters).
    """
    wavelength, medium = lens["wavelength"], lens.get("index", 1.0)
    passes = np.hypot(fx, fy) <= lens["na"] / wavelength * (1 + 5e-10)
    sine = np.where(passes, wavelength * np.hypot(fx, fy), 0.0)
    angle = np.arctan2(fy, fx)
    cosine = np.sqrt(1 - (sine / medium) ** 2)
    lateral_s, lateral_p, vertical = np.ones(fx.shape, complex), cosine + 0j, -sine / medium + 0j
    if film:
        layers = [(complex(n), d) for n, d in film]

        def root(n):
            return np.sqrt(n * n - sine**2)

        def matrix(n, d, p):
            phase, y = 2 * pi / wavelength * root(n) * d, n * n / root(n) if p else root(n)
            return np.array([[np.cos(phase), -1j * np.sin(phase) / y], [-1j * np.sin(phase) * y, np.cos(phase)]])

        tops = []
        for p in (False, True):
            last = layers[-1][0]
            e, h = np.ones(fx.shape, complex), last**2 / root(last) if p else root(last)
            for n, d in layers[-2::-1]:
                m = matrix(n, d, p)
                e, h = m[0, 0] * e + m[0, 1] * h, m[1, 0] * e + m[1, 1] * h
            y0 = medium / cosine if p else medium * cosine
            # The lateral E that falls in is 1 for s, cos for p; incident and reflected add up to e and y0 (i - r) to h.
            scale = (cosine if p else 1.0) * 2 * y0 / (y0 * e + h)
            e, h = scale * e, scale * h
            m = matrix(layers[0][0], -depth, p)
            tops.append((m[0, 0] * e + m[0, 1] * h, m[1, 0] * e + m[1, 1] * h))
        (lateral_s, _), (lateral_p, magnetic) = tops
        # curl H: E_z = - sine H / n^2, in units where H of a wave is n.
        vertical = -sine * magnetic / layers[0][0] ** 2
    s = lateral_s * np.array([-np.sin(angle), np.cos(angle), np.zeros(fx.shape)])
    p = np.array([lateral_p * np.cos(angle), lateral_p * np.sin(angle), vertical])
    return s, p, angle, sine


def vector_abbe(coverage, pitch, points, weights, jones, lens, reduction=4.0, film=None, depth=0.0):
    """Intensity of polarised light at the pixel centres: `jones` lists for every point its Jones vectors.

    Full grid, one Jones vector, source point and component at a time. In a film, n |E|^2 over that of the medium.
    """
    spectrum = amplitude_spectrum(coverage, pitch)
    fy, fx = np.meshgrid(*(np.fft.fftfreq(n, pitch) for n in coverage.shape), indexing="ij")
    total, clear = np.zeros(coverage.shape), 0.0
    medium = lens.get("index", 1.0)
    pupils = shifted_pupils(coverage.shape, pitch, points, **lens)
    for (x, y), weight, vectors, scalar in zip(points, weights, jones, pupils, strict=True):
        gx, gy = (f + v * lens["na"] / lens["wavelength"] for f, v in ((fx, x), (fy, y)))
        s, p, angle, sine = _unit_fields(gx, gy, lens, film, depth)
        bright = np.sqrt(np.sqrt(1 - (sine / reduction) ** 2) / np.sqrt(1 - (sine / medium) ** 2))
        for jx, jy in vectors:
            amplitude = scalar * bright
            across, along = -np.sin(angle) * jx + np.cos(angle) * jy, np.cos(angle) * jx + np.sin(angle) * jy
            for component in s * across + p * along:
                total += weight * np.abs(np.fft.ifft2(spectrum * amplitude * component)) ** 2
            clear += weight * np.abs(amplitude[0, 0]) ** 2 * (abs(jx) ** 2 + abs(jy) ** 2)
    return total / clear * (complex(film[0][0]).real / medium if film else 1.0)
