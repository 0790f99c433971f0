"""Layouts as plain data, for stores and other processes."""

from collections.abc import Mapping

import numpy as np

from .polygons import Layout


def packed(layout: Layout) -> dict:
    """`points` int64 (n, 2), how many of them each ring has in `sizes`, and the unit."""
    points = np.concatenate(layout.contours) if layout.contours else np.zeros((0, 2), np.int64)
    sizes = np.array([len(ring) for ring in layout.contours], np.int64)
    return {"points": points, "sizes": sizes, "dbu_nm": float(layout.dbu_nm)}


def unpacked(data: Mapping) -> Layout:
    """The layout of `packed`."""
    rings = np.split(data["points"], np.cumsum(data["sizes"])[:-1]) if len(data["sizes"]) else []
    return Layout(tuple(rings), data["dbu_nm"])
