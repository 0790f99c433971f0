"""Polygons of a bitmap: the outlines of its open pixels."""

import klayout.db as db
import numpy as np

from .boolean import layout_of
from .polygons import Layout


def outlines(open_: np.ndarray, pixel: int = 1, dbu_nm: float = 1.0) -> Layout:
    """Manhattan polygons of the True pixels of a bitmap [y, x], each `pixel` database units wide."""
    steps = np.diff(np.pad(open_.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    boxes = (np.stack([starts, rows, ends, rows + 1], 1) * pixel).tolist()
    region = db.Region([db.Box(*box) for box in boxes])
    return layout_of(region, dbu_nm)
