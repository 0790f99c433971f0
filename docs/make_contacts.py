"""docs/contacts.png: side lobes of an attenuated mask, and none of a binary one.

After a change: python docs/make_contacts.py
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from actinic import design, jobs
from actinic.design import Verification
from actinic.interfaces import plots
from actinic.layout import contacts
from actinic.metrology import spline

OUT = Path(__file__).with_name("contacts.png")
SIZE, PITCH, BIAS = 180, 460, 30
WINDOW = (-690.0, -690.0, 690.0, 690.0)
SOURCE = 'process.scanner.source={kind="conventional",sigma=0.4}'


def on_size(mask_type: str) -> Verification:
    """The contacts through one mask, the threshold being that at which the middle one prints on size."""
    setup = jobs.load_setup("krf-dry", [SOURCE, f"process.mask.bias_nm={BIAS}"], mask_type)
    drawn = contacts(SIZE, (PITCH, PITCH), (-2760.0, -2760.0, 2760.0, 2760.0))

    def verified(process):
        [found] = design.verify(drawn, [drawn], process, WINDOW, pitch_nm=5.0, core_nm=2000.0, halo_nm=800.0)
        return found

    latent = verified(setup.process).latent
    edge = spline(latent.values, latent.grid)(np.array([SIZE / 2]), np.array([0.0]))[0]
    resist = replace(setup.process.resist, threshold=np.float32(edge), anchor=None)
    return verified(replace(setup.process, resist=resist))


def main() -> None:
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    for axes, (mask_type, title) in zip(
        figure.subplots(1, 2),
        (("binary", "binary: no side lobe"), ("attpsm:25%", "attenuated, 25 %: {} side lobes")),
        strict=True,
    ):
        found = on_size(mask_type)
        plots.print_map(found, ax=axes).set_title(title.format(len(found.defects)), fontsize=10, pad=26)
    figure.savefig(OUT, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
