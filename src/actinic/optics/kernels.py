"""Given kernels: optics known only as sets of coherent systems in a file, as in the ICCAD 2013 contest."""

from pathlib import Path
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import ConfigError, MissingError


class KernelFile(eqx.Module):
    """Kernel sets from an .npz file: for each name, `<name>` complex (kernel, fy, fx) and `scale_<name>`.

    Frequencies -k..k in units of 1 / period. `sets` names the arrays by the focus they belong to,
    `focus_nm` gives those positions in the same order. As in the contest, the dose scales the mask's
    amplitude and the mask is a bitmap of `dots` point samples a period.
    """

    file: str = eqx.field(static=True)
    period_nm: float = eqx.field(static=True)
    dots: int = eqx.field(static=True)
    sets: tuple[str, ...] = eqx.field(static=True)
    focus_nm: tuple[float, ...] = eqx.field(static=True)
    kind: Literal["kernels"] = eqx.field(static=True, default="kernels")

    def load(self, path: Path, focus_nm: float) -> np.ndarray:
        """Kernels (kernel, fy, fx) complex128 with their scales inside, for one of the file's focus positions."""
        if focus_nm not in self.focus_nm:
            known = ", ".join(f"{f:g}" for f in self.focus_nm)
            raise ConfigError(f"{self.file} has no kernels for a focus of {focus_nm:g} nm; it has {known}")
        name = self.sets[self.focus_nm.index(focus_nm)]
        try:
            with np.load(path) as arrays:
                return arrays[name].astype(complex) * np.sqrt(arrays[f"scale_{name}"].astype(float))[:, None, None]
        except FileNotFoundError:
            raise MissingError(f"kernel file {path} is absent: set ACTINIC_DATA to the folder that holds it") from None
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(f"kernel file {path}: cannot read kernels {name!r} ({error})") from None
