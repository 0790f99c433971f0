"""Diffraction by lines the plain way: NumPy, electric fields, a matrix exponential for each layer.

Shares no code with Actinic or fmmax. Moharam and Gaylord's modes with Li's inverse rule, in Rumpf's notation, whose
time is exp(+i omega t): everything is conjugated on the way in and out. Films below by characteristic matrices.
"""

import numpy as np


def toeplitz(value_in, value_out, width, period, n):
    """Of a value inside a stretch of a width centred in the period, another outside."""
    m = np.arange(-2 * n, 2 * n + 1)
    harmonics = (value_in - value_out) * width / period * np.sinc(m * width / period) + value_out * (m == 0)
    i = np.arange(2 * n + 1)
    return harmonics[i[:, None] - i[None] + 2 * n]


def slab(matrices, thickness, free):
    (direct, inverse, kx, ky), (w0, v0) = matrices, free
    one = np.eye(len(kx))
    e_inv = np.linalg.inv(direct)
    p = np.block([[kx @ e_inv @ ky, one - kx @ e_inv @ kx], [ky @ e_inv @ ky - one, -ky @ e_inv @ kx]])
    q = np.block([[kx @ ky, direct - kx @ kx], [ky @ ky - np.linalg.inv(inverse), -ky @ kx]])
    squares, w = np.linalg.eig(p @ q)
    root = np.sqrt(squares)
    root = np.where(root.real < 0, -root, root)
    v = q @ w / root
    x = np.diag(np.exp(-root * thickness))
    a = np.linalg.solve(w, w0) + np.linalg.solve(v, v0)
    b = np.linalg.solve(w, w0) - np.linalg.solve(v, v0)
    ab = np.linalg.solve(a, x @ b)
    top = a - x @ b @ ab
    r = np.linalg.solve(top, x @ b @ np.linalg.solve(a, x @ a) - b)
    t = np.linalg.solve(top, x @ (a - b @ np.linalg.solve(a, b)))
    return r, t, t, r


def star(first, second):
    a11, a12, a21, a22 = first
    b11, b12, b21, b22 = second
    one = np.eye(len(a11))
    d, f = np.linalg.inv(one - b11 @ a22), np.linalg.inv(one - a22 @ b11)
    return a11 + a12 @ d @ b11 @ a21, a12 @ d @ b12, b21 @ f @ a21, b22 + b21 @ f @ a22 @ b12


def flat(film, wavelength, sine, wave):
    """Reflection of lateral E by flat layers, exp(-i omega t)."""
    q = [np.sqrt(n**2 - sine**2 + 0j) for n in (1.0, *film[1])]
    admittance = [c if wave == "s" else n**2 / c for n, c in zip((1.0, *film[1]), q, strict=True)]
    field = np.array([1.0, admittance[-1]])
    for thickness, c, y in zip(film[0][-2::-1], q[-2:0:-1], admittance[-2:0:-1], strict=True):
        phase = 2 * np.pi / wavelength * c * thickness
        step = np.array([[np.cos(phase), -1j * np.sin(phase) / y], [-1j * y * np.sin(phase), np.cos(phase)]])
        field = step @ field
        field /= abs(field[0])
    return (admittance[0] * field[0] - field[1]) / (admittance[0] * field[0] + field[1])


def reflected(layers, film, opening, period, wavelength, direction, n):
    """Lateral E (2, order, 2) reflected for lateral E along x and along y; lines along y, the opening in the middle.

    `layers` are (thickness, index) of the absorber, `film` (thicknesses, indices) of flat layers below it, the last one
    without end. `direction` (x, y) are the sines of the light that falls in.
    """
    m = np.arange(-n, n + 1)
    sx = direction[0] + m * wavelength / period
    kx, ky = np.diag(sx).astype(complex), direction[1] * np.eye(2 * n + 1, dtype=complex)
    s2 = sx**2 + direction[1] ** 2
    kz = np.conj(np.sqrt(1 - s2 + 0j))
    one = np.eye(2 * n + 1)
    q0 = np.block([[kx @ ky, one - kx @ kx], [ky @ ky - one, -ky @ kx]])
    w0, v0 = np.eye(4 * n + 2, dtype=complex), q0 / np.concatenate([1j * kz, 1j * kz])
    k0 = 2 * np.pi / wavelength
    whole = None
    for thickness, index in layers:
        inside, outside = 1.0, np.conj(index) ** 2
        direct = toeplitz(inside, outside, opening, period, n)
        inverse = toeplitz(1 / inside, 1 / outside, opening, period, n)
        one_slab = slab((direct, inverse, kx, ky), k0 * thickness, (w0, v0))
        whole = one_slab if whole is None else star(whole, one_slab)
    mirror = np.zeros((4 * n + 2,) * 2, complex)
    for i, size in enumerate(np.sqrt(s2)):
        rs, rp = (flat(film, wavelength, size, wave) for wave in "sp")
        ux, uy = (sx[i] / size, direction[1] / size) if size else (1.0, 0.0)
        along, across = np.conj(rp), np.conj(rs)
        j = i + 2 * n + 1
        mirror[i, i] = ux**2 * along + uy**2 * across
        mirror[j, j] = uy**2 * along + ux**2 * across
        mirror[i, j] = mirror[j, i] = ux * uy * (along - across)
    r11, r12, r21, r22 = whole
    back = r11 + r12 @ mirror @ np.linalg.solve(np.eye(4 * n + 2) - r22 @ mirror, r21)
    found = np.stack([back[:, n], back[:, 3 * n + 1]], -1)
    return np.conj(found.reshape(2, 2 * n + 1, 2))
