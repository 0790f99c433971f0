"""Files of arrays by name."""

import zipfile
from pathlib import Path

import numpy as np

from ..errors import InputError


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; InputError where it is none, or holds Python objects."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path}: is not a .npz file of plain arrays") from None
