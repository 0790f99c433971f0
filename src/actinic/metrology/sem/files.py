"""Pictures in files: PNG, TIFF and what else Pillow reads."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import InputError


def read_grey(path: Path | str) -> np.ndarray:
    """Grey levels [y, x] float64 as the file has them; row r of the file is y = r, colours become their luminance.

    Raises InputError for what is not a picture; only the first of several frames is read.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode in ("1", "L", "F") or picture.mode.startswith("I"):
                return np.asarray(picture, np.float64)
            return np.asarray(picture.convert("L"), np.float64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError):
            raise
        raise InputError(f"{path}: not a picture that can be read ({error}); take PNG or TIFF") from None


def grey_png(grey: np.ndarray) -> bytes:
    """A 16-bit PNG of grey levels [y, x], from their least (black) to their greatest (white)."""
    low, high = float(np.min(grey)), float(np.max(grey))
    levels = np.rint((np.asarray(grey) - low) / max(high - low, 1e-300) * 65535).astype(np.uint16)
    buffer = BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG")
    return buffer.getvalue()
