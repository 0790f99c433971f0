"""Band-limited transforms: only the frequencies an image can hold are ever computed.

A field behind the lens holds frequencies up to NA (1 + sigma) / lambda; the summed intensity only up to
2 NA / lambda, whatever the source. So a mask gives the few Fourier coefficients the lens sees, the
intensity is summed on the smallest grid that holds it, and one real interpolation brings it to the pixels.
All three are matrix products or small FFTs, their adjoints come from `jax.grad`, and NumPy float64 arrays
go through the same lines as JAX float32 ones.
"""

import functools

import numpy as np
from scipy import fft as scipy_fft

from ..types import Grid, rectangular


def order_limit(period_nm: tuple[float, float], f_max: float) -> tuple[int, int]:
    """Highest diffraction orders (ky, kx) with |f| <= f_max on each axis."""
    height, width = (int(np.floor(f_max * extent + 1e-9)) for extent in period_nm)
    return height, width


def frequencies(period_nm: tuple[float, float], orders: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """fy (2ky+1, 1) and fx (1, 2kx+1) in 1/nm, float64, zero order in the middle."""
    fy, fx = (np.arange(-k, k + 1) / extent for k, extent in zip(orders, period_nm, strict=True))
    return fy[:, None], fx[None, :]


def image_shape(period_nm: tuple[float, float], na_over_lambda: float) -> tuple[int, int]:
    """Smallest fast FFT shape that holds an intensity of band limit 2 NA / lambda without aliasing."""
    limits = order_limit(period_nm, 2 * na_over_lambda)
    return fast_length(2 * limits[0] + 1), fast_length(2 * limits[1] + 1)


def fast_length(n: int) -> int:
    """Smallest even FFT length of at least n with no prime factor above 5."""
    return 2 * int(scipy_fft.next_fast_len(-(-n // 2), real=True))


def sample_place(n: int, dots: int | None) -> float:
    """Where in its pixel a sample stands: the centre, or for a mask made of dots the mean of its dots.

    A mask of dots (the contest's bitmap) is one of point samples at j P / dots; anything coarser averages
    dots, anything else is a mask of true polygons, whose samples are pixel averages.
    """
    return 0.5 if dots is None else 0.5 * (1 - n / dots)


@functools.lru_cache(64)
def _analysis(n: int, k: int, dots: int | None, dtype: str) -> np.ndarray:
    """Cosine and sine of the Fourier mean of n samples for orders 0..k, side by side (n, 2k + 2).

    The average over each pixel is undone, so that a polygon's coefficients do not depend on the pixel.
    """
    order = np.arange(k + 1)
    response = np.sinc(order / n) / (np.sinc(order / dots) if dots else 1)
    angle = 2 * np.pi * np.outer(np.arange(n) + sample_place(n, dots), order) / n
    return np.concatenate([np.cos(angle) / response, np.sin(angle) / response], 1).astype(dtype) / n


def mask_spectrum(coverage, orders: tuple[int, int], dots: int | None = None):
    """Complex Fourier coefficients (2ky+1, 2kx+1) of a mask [y, x] for the orders -k..k.

    F(f) = mean of M(x) exp(-2 pi i f x), x counted from the tile's corner. `coverage` holds area fractions,
    or point samples for a mask of `dots` (see `sample_place`). Real matrix products only; float64 NumPy in,
    complex128 out.
    """
    (ny, nx), (ky, kx) = coverage.shape, orders
    xp = coverage.__array_namespace__()
    dtype = str(coverage.dtype)
    rows = coverage @ _analysis(nx, kx, dots, dtype)
    both = _analysis(ny, ky, dots, dtype).T @ rows
    cc, cs = both[: ky + 1, : kx + 1], both[: ky + 1, kx + 1 :]
    sc, ss = both[ky + 1 :, : kx + 1], both[ky + 1 :, kx + 1 :]
    upper = rectangular(cc - ss, -(cs + sc))  # fy >= 0, fx >= 0
    lower = rectangular(cc + ss, sc - cs)  # fy <= 0, fx >= 0
    right = xp.concatenate([lower[:0:-1], upper], 0)
    # A real image: F(-f) is the conjugate of F(f).
    return xp.concatenate([xp.conj(right[::-1, :0:-1]), right], 1)


def fold(spectrum, shape: tuple[int, int]):
    """Centred orders [..., fy, fx] placed for an inverse FFT of `shape`; NumPy or JAX."""
    xp = spectrum.__array_namespace__()
    lead = [(0, 0)] * (spectrum.ndim - 2)
    pads = []
    for n, size in zip(shape, spectrum.shape[-2:], strict=True):
        if size > n:
            raise ValueError(f"{size} orders do not fit {n} samples")
        pads.append((n // 2 - (size - 1) // 2, n - size - (n // 2 - (size - 1) // 2)))
    return xp.fft.ifftshift(xp.pad(spectrum, lead + pads), axes=(-2, -1))


def intensity(systems, spectrum, shape: tuple[int, int]):
    """Sum over coherent systems of |inverse transform of (system x mask spectrum)|^2, real [y, x].

    `systems` is complex (kernel, fy, fx) with its weights inside, `spectrum` (fy, fx), or (kernel, fy, fx) if each sees
    another; (kernel, part, fy, fx) and (part, fy, fx) if a kernel sees a sum of parts. The samples stand at
    x = j P / n, j = 0.. (at corners, not centres).
    """
    xp = systems.__array_namespace__()
    seen = systems * (spectrum if spectrum.ndim == systems.ndim else spectrum[None])
    seen = seen if seen.ndim == 3 else seen.sum(1)
    if xp is np:
        return _intensity(seen, shape)
    fields = xp.fft.ifft2(fold(seen, shape), norm="forward")
    return (fields.real**2 + fields.imag**2).sum(0)


def _intensity(seen: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """As `intensity`, one system after another: they stay in the cache, and columns beyond the band are left out."""
    total = np.zeros(shape, seen.real.dtype)
    for one in seen:
        field = one
        for axis, n in enumerate(shape):
            field = scipy_fft.ifft(_folded(field, n, axis), axis=axis, norm="forward", overwrite_x=True)
        total += field.real**2
        total += field.imag**2
    return total


def _folded(spectrum: np.ndarray, n: int, axis: int) -> np.ndarray:
    """Centred orders along an axis placed for an inverse FFT of n samples, as `fold` does."""
    size = spectrum.shape[axis]
    if size > n:
        raise ValueError(f"{size} orders do not fit {n} samples")
    found = np.zeros([n if a == axis else m for a, m in enumerate(spectrum.shape)], spectrum.dtype)
    from_, to = np.swapaxes(spectrum, 0, axis), np.swapaxes(found, 0, axis)
    to[: size // 2 + 1], to[n - size // 2 :] = from_[size // 2 :], from_[: size // 2]
    return found


def interpolation(n: int, fractions: np.ndarray) -> np.ndarray:
    """Real float64 matrix (len(fractions), n): band-limited samples at j / n to other places of the period.

    Trigonometric interpolation, exact for signals of order below n / 2.
    """
    order = np.arange(1, (n - 1) // 2 + 1)
    there = np.exp(2j * np.pi * np.outer(fractions, order))
    here = np.exp(-2j * np.pi * np.outer(order, np.arange(n) / n))
    return (1 + 2 * (there @ here).real) / n


def to_pixels(samples, grid: Grid, dots: int | None = None, part=None):
    """Band-limited samples (see `intensity`) at the pixels [y, x] of a grid of the same period.

    `part` ((y0, y1), (x0, x1)) takes pixels y0..y1 - 1 and x0..x1 - 1 only.
    """
    uy, ux = (
        interpolation(n, (np.arange(*ends) + sample_place(pixels, dots)) / pixels).astype(samples.dtype)
        for n, pixels, ends in zip(samples.shape, grid.shape, part or [(0, n) for n in grid.shape], strict=True)
    )
    return uy @ samples @ ux.T


def to_points(samples, grid: Grid, x_nm: np.ndarray, y_nm: np.ndarray):
    """Band-limited samples at scattered points (n,) given in nm in the frame of `grid`."""
    (ny, nx), (height, width), (x0, y0) = samples.shape, grid.period_nm, grid.origin_nm
    uy = interpolation(ny, (np.asarray(y_nm) - y0) / height).astype(samples.dtype)
    ux = interpolation(nx, (np.asarray(x_nm) - x0) / width).astype(samples.dtype)
    return ((uy @ samples) * ux).sum(1)


def blurred(samples, period_nm: tuple[float, float], sigma_nm):
    """Periodic samples [y, x] after a Gaussian blur of standard deviation `sigma_nm` (differentiable in it)."""
    xp = samples.__array_namespace__()
    ny, nx = samples.shape
    fy, fx = np.fft.fftfreq(ny, period_nm[0] / ny), np.fft.rfftfreq(nx, period_nm[1] / nx)
    f2 = (fy[:, None] ** 2 + fx[None, :] ** 2).astype(samples.dtype)
    damping = xp.exp(-2 * (np.pi * sigma_nm) ** 2 * f2)
    spectrum = xp.fft.rfft2(samples)
    return xp.fft.irfft2(spectrum * damping.astype(spectrum.dtype), s=(ny, nx))
