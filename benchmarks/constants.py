"""What optical constants that nobody measured for this are worth: how far they move the ArF presets' anchor line.

At the preset's own threshold and dose, its dense line is printed with one constant changed, by as much as tables or
suppliers differ; and at the dose that prints it on size again, equal lines and spaces at one and a half its pitch.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

from dataclasses import replace

from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.operate import Free, Lines, Machine, Measurement, Problem, scenes
from actinic.optics import Layer, Substrate
from actinic.types import double

PRESETS = ("arf-dry", "arf-immersion")


def changes(process) -> dict:
    """The process with one constant changed, by what was changed."""
    film = process.film
    resist, barc = film.layers
    kept = {"resist": (1.70, 0.03), "BARC": (1.80, 0.50)}

    def layered(**changed):
        made = [
            Layer(layer.thickness_nm, *changed.get(layer.material, kept[layer.material])) for layer in (resist, barc)
        ]
        return replace(process, film=replace(film, layers=tuple(made)))

    found = {
        "nothing": layered(),
        "Si of Franta 2017, 0.911 + 2.638i": replace(
            process, film=replace(film, substrate=Substrate(0.91137, 2.63815))
        ),
        "resist n + 0.02": layered(resist=(1.72, 0.03)),
        "resist k - 0.01": layered(resist=(1.70, 0.02)),
        "BARC n - 0.1": layered(BARC=(1.70, 0.50)),
        "BARC k - 0.2": layered(BARC=(1.80, 0.30)),
    }
    lens = process.scanner.projector
    if float(lens.immersion_index) > 1:
        for name, index in (("water at 21.5 C, 1.43656", 1.43656), ("water n + 0.0003", 1.43699)):
            scanner = replace(process.scanner, projector=replace(lens, immersion_index=index))
            found[name] = replace(process, scanner=scanner)
    return found


def main() -> None:
    for preset in PRESETS:
        process = anchored(load_setup(preset).process)
        line = double(process.resist.anchor)
        cd, pitch, focus = float(line.cd_nm), float(line.pitch_nm), float(line.focus_nm)
        places = Lines(cd, pitch), Lines(0.75 * pitch, 1.5 * pitch)
        wanted = [Measurement("anchor", "line", place, cd, 1.0, focus_nm=focus) for place in places]
        before = None
        for name, changed in changes(process).items():
            machine = double(Machine(changed))
            one = Problem(wanted, scenes(wanted, machine.process), machine, [Free("dose_scale", 0.3, 3.0)])
            widths = one.predict(one.start)
            dose = one.start
            for _ in range(6):  # Newton, to print on size
                dose = dose - (one.predict(dose)[0] - cd) / one.derivative(dose)[0]
            resized = one.predict(dose)
            before = before if before is not None else (widths, float(dose[0]), resized)
            report(
                f"{preset}: {name}",
                width_nm=float(widths[0] - before[0][0]),
                dose_percent=100 * (float(dose[0]) / before[1] - 1),
                wider_pitch_nm=float(resized[1] - before[2][1]),
            )


if __name__ == "__main__":
    main()
