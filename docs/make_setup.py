"""The tables of docs/setup.md, from the JSON Schema; after a change: python docs/make_setup.py"""

from collections.abc import Iterator
from pathlib import Path

from actinic.jobs import schema

PAGE = Path(__file__).with_name("setup.md")
START, END = "<!-- tables: written by docs/make_setup.py -->\n", "<!-- end of tables -->\n"

# Units that names end in, the longer ones first.
UNITS = {
    "nm2_s": "nm2/s",
    "nm_s": "nm/s",
    "per_s": "1/s",
    "per_um": "1/um",
    "per_nm3": "1/nm3",
    "nm2": "nm2",
    "nm": "nm",
    "um": "um",
    "mm": "mm",
    "deg": "deg",
    "s": "s",
}

MEANING = {
    "process.scanner (scanner).kind": "Source and lens; the image is computed from them.",
    "process.scanner.projector.wavelength_nm": "Vacuum wavelength.",
    "process.scanner.projector.na": "Numerical aperture on the wafer side; below `immersion_index`.",
    "process.scanner.projector.immersion_index": "Refractive index in which focus is counted: 1 dry.",
    "process.scanner.projector.zernikes_nm": "Fringe Zernikes `Z1` to `Z37`, optical path.",
    "process.scanner.source (conventional).sigma": "Radius of the disc.",
    "process.scanner.source (conventional).kind": "A uniform disc.",
    "process.scanner.source (annular).sigma_in": "Inner radius.",
    "process.scanner.source (annular).sigma_out": "Outer radius.",
    "process.scanner.source (annular).kind": "A uniform ring.",
    "process.scanner.source (dipole).sigma_in": "Inner radius.",
    "process.scanner.source (dipole).sigma_out": "Outer radius.",
    "process.scanner.source (dipole).opening_deg": "Full opening angle of a pole.",
    "process.scanner.source (dipole).rotation_deg": "Angle of the first pole, counter-clockwise from +x.",
    "process.scanner.source (dipole).kind": "Two ring segments, opposite each other.",
    "process.scanner.source (quasar).sigma_in": "Inner radius.",
    "process.scanner.source (quasar).sigma_out": "Outer radius.",
    "process.scanner.source (quasar).opening_deg": "Full opening angle of a pole.",
    "process.scanner.source (quasar).rotation_deg": "Angle of the first pole, counter-clockwise from +x.",
    "process.scanner.source (quasar).kind": "Four ring segments, 90 degrees apart.",
    "process.scanner.source (freeform).file": (
        "CSV of rows `sigma_x, sigma_y, intensity` on a square lattice; each row is a uniformly bright square pixel. "
        "A relative path counts from the setup file's folder, and where nothing is there from the current one."
    ),
    "process.scanner.source (freeform).kind": "A pixelated source.",
    "process.scanner (scanner).polarisation": (
        "Of the light on the mask: TE across each source point's radius, TM along it. None: scalar imaging."
    ),
    "process.scanner.projector.reduction": "Mask length over wafer length, for the radiometric factor.",
    "process.scanner.projector.jones.retardance_nm": (
        "Optical path of one state of polarisation less that of its opposite, over the pupil: a table of Fringe "
        "Zernikes for each of `xy`, `45`, `circular` (docs/vector.md)."
    ),
    "process.scanner.projector.jones.diattenuation": (
        "Logarithm of the ratio of the same states' intensities, in the same form."
    ),
    "process.scanner.projector.reduction_y": "The same along y, of an anamorphic lens; none: as `reduction`.",
    "process.scanner.projector.obscuration": "Radius of the pupil's dark centre, 1 at its rim.",
    "process.scanner.projector.chief_ray.angle_deg": "Slant of the chief ray on a reflecting mask, towards +y.",
    "process.scanner.projector.chief_ray.slit_mm": "Place along the slit, at the wafer; it turns the chief ray.",
    "process.scanner.projector.chief_ray.ring_mm": "Radius of the ring that the slit is a part of, at the wafer.",
    "process.scanner.flare.tis": "Total integrated scatter: share of the light that is scattered.",
    "process.scanner.flare.density": "Mean brightness of the surroundings that it comes from, clear field 1.",
    "process.scanner.flare.power": "The scatter falls as 1 / r to this power.",
    "process.scanner.flare.inner_um": "Radius from which on it falls.",
    "process.scanner.flare.outer_um": "Radius at which it ends.",
    "process.scanner (kernels).kind": "Optics known only as coherent systems in a file.",
    "process.scanner (kernels).file": "An .npz file with `<set>` and `scale_<set>` for each set, in `ACTINIC_DATA`.",
    "process.scanner (kernels).period_nm": "Period of the square tile that the kernels belong to.",
    "process.scanner (kernels).dots": "Point samples of the mask a period.",
    "process.scanner (kernels).sets": "Names of the kernel sets.",
    "process.scanner (kernels).focus_nm": "Focus of each set, in the same order.",
    "process.mask (binary).drawn": "What the drawn polygons are on the mask. `clear`: they print where it is bright.",
    "process.mask (binary).bias_nm": "How far each polygon edge moves outwards between data and mask, wafer scale.",
    "process.mask (binary).corner_radius_nm": "Radius of the mask's corners, wafer scale; 0: sharp.",
    "process.mask (binary).kind": "Transmission 1 and 0.",
    "process.mask (attpsm).transmission": "Intensity transmission of the absorber.",
    "process.mask (attpsm).phase_deg": "Phase of the absorber against the clear part.",
    "process.mask (attpsm).drawn": "What the drawn polygons are on the mask, as for `binary`.",
    "process.mask (attpsm).bias_nm": "As for `binary`.",
    "process.mask (attpsm).corner_radius_nm": "As for `binary`.",
    "process.mask (attpsm).kind": "Attenuated phase-shift mask.",
    "process.mask (altpsm).transmission": "Intensity transmission of the shifted openings.",
    "process.mask (altpsm).phase_deg": "Phase of the shifted openings against the others.",
    "process.mask (altpsm).drawn": (
        "`clear`: the layers are the openings without and with the shift; `dark`: the chrome and the shifted glass."
    ),
    "process.mask (altpsm).bias_nm": "As for `binary`, in each layer.",
    "process.mask (altpsm).corner_radius_nm": "As for `binary`, in each layer.",
    "process.mask (altpsm).neighbour_nm": (
        "Openings nearer than this get opposite phases where phases are assigned; none: wavelength / NA."
    ),
    "process.mask (altpsm).kind": "Alternating phase-shift mask.",
    "process.mask (reflective).model": (
        "How the mask's topography counts: `thin`, not at all; `fast`, by filters; `rigorous`, solved (docs/euv.md)."
    ),
    "process.mask (reflective).drawn": "What the drawn polygons are on the mask, as for `binary`: clear, the mirror.",
    "process.mask (reflective).bias_nm": "As for `binary`.",
    "process.mask (reflective).corner_radius_nm": "As for `binary`.",
    "process.mask (reflective).kind": "An absorber on a multilayer mirror.",
    "process.mask.absorber.thickness_nm": "Thickness on the mask. The first layer is the topmost.",
    "process.mask.absorber.n": "Refractive index. Give this or a material.",
    "process.mask.absorber.k": "Extinction coefficient; none: 0.",
    "process.mask.absorber.material": "A name in the table of optical constants.",
    "process.mask.mirror.periods": "How often the period repeats.",
    "process.mask.mirror.period.thickness_nm": "Thickness; the period's first layer is its topmost.",
    "process.mask.mirror.period.n": "As for the absorber.",
    "process.mask.mirror.period.k": "As for the absorber.",
    "process.mask.mirror.period.material": "As for the absorber.",
    "process.mask.mirror.cap.thickness_nm": "Thickness of a layer above all periods.",
    "process.mask.mirror.cap.n": "As for the absorber.",
    "process.mask.mirror.cap.k": "As for the absorber.",
    "process.mask.mirror.cap.material": "As for the absorber.",
    "process.mask.mirror.substrate.n": "As for the absorber.",
    "process.mask.mirror.substrate.k": "As for the absorber.",
    "process.mask.mirror.substrate.material": "As for the absorber.",
    "process.resist (threshold).diffusion_nm": "Standard deviation of the intensity's Gaussian blur; none: no blur.",
    "process.resist (threshold).threshold": "Intensity at the printed edge at dose 1, clear field = 1; or an anchor.",
    "process.resist (threshold).tone": "Which part of the resist stays. Recorded; it moves no printed edge.",
    "process.resist (threshold).kind": "Blur and one threshold.",
    "process.resist (compact).diffusion_nm": "Standard deviation s of the blur that gives A.",
    "process.resist (compact).density_nm": "Standard deviation of the wider blur that gives G.",
    "process.resist (compact).slope": "Coefficient of s^2 abs(grad A)^2.",
    "process.resist (compact).curvature": "Coefficient of s^2 lap A.",
    "process.resist (compact).density": "Coefficient of G.",
    "process.resist (compact).threshold": "What A and its terms are at the printed edge; or an anchor.",
    "process.resist (compact).tone": "As for `threshold`.",
    "process.resist (compact).kind": "Blur, terms of slope, curvature and surroundings, one threshold.",
    "process.resist (chemistry).c_cm2_mj": "Dill's C: acid = 1 - exp(-C exposure).",
    "process.resist (chemistry).quencher": "Base before the bake, relative to the acid generator.",
    "process.resist (chemistry).electrons_nm": (
        "Standard deviation of how far electrons carry the light's effect; none: not at all."
    ),
    "process.resist (chemistry).dose_mj_cm2": "Exposure of a clear field at dose 1; or an anchor.",
    "process.resist (chemistry).pitch_nm": "Largest pitch of the samples that are baked.",
    "process.resist (chemistry).tone": "As for `threshold`.",
    "process.resist (chemistry).kind": "Exposure, bake and development.",
    "process.resist.bake.time_s": "Time of the post-exposure bake.",
    "process.resist.bake.acid_nm2_s": "Diffusivity of the acid: alone it would spread by sigma = sqrt(2 D t).",
    "process.resist.bake.quencher_nm2_s": "Diffusivity of the quencher.",
    "process.resist.bake.neutralisation_per_s": "Rate k_q at which acid and quencher, relative to the generator, meet.",
    "process.resist.bake.deprotection_per_s": "Rate k of dm/dt = -k h^n m.",
    "process.resist.bake.order": "Its order n in the acid h.",
    "process.resist.bake.steps": "Sub-steps of the bake.",
    "process.resist.development.r_max_nm_s": "Mack's rate where all protection is gone, above r_min.",
    "process.resist.development.r_min_nm_s": "Rate where nothing is deprotected.",
    "process.resist.development.n": "Mack's selectivity.",
    "process.resist.development.m_th": "Protected share at which the rate is steepest.",
    "process.resist.development.time_s": "Time of development.",
    "process.resist.development.thickness_nm": "Thickness of the resist.",
    "process.resist.anchor.cd_nm": "Width of the dense line that prints on size at dose 1.",
    "process.resist.anchor.pitch_nm": "Its pitch.",
    "process.resist.anchor.focus_nm": "Focus at which it prints on size.",
    "process.noise.absorption_per_um": "Napierian absorption of the resist: 1 - exp(-a D) of the photons are absorbed.",
    "process.noise.generators_per_nm3": "Number density of acid generators; of quencher that times `resist.quencher`.",
    "process.noise.dose_mj_cm2": "Exposure of a clear field at dose 1, of a resist that has none of its own.",
    "process.noise.thickness_nm": "Thickness of a resist that has none of its own.",
    "process.film.layers.thickness_nm": "Thickness. The first layer is the resist, the next lies below it.",
    "process.film.layers.n": "Refractive index at the wavelength. Give this or a material.",
    "process.film.layers.k": "Extinction coefficient; none: 0.",
    "process.film.layers.material": "A name in the table of optical constants (docs/vector.md).",
    "process.film.substrate.n": "Refractive index. Give this or a material.",
    "process.film.substrate.k": "Extinction coefficient; none: 0.",
    "process.film.substrate.material": "A name in the table of optical constants.",
    "process.film.depth_nm": "Where in the resist the image is taken, below its top; or the average over the resist.",
    "process.film.nodes": "Depths of the average; none: 8 for each period of the standing wave.",
    "process.corners.name": "For messages and `--corner`.",
    "process.corners.dose": "Relative dose: a factor on the intensity (with `kernels`: on the amplitude).",
    "process.corners.focus_nm": "Defocus, positive with the wafer away from the lens.",
    "process.corners.mask_bias_nm": (
        "How far every mask edge stands out at this corner. Counts in `actinic smo`; what prints one mask refuses it."
    ),
    "process.corners.weight": "Probability but for a common factor. Counts in `actinic smo` with a `--tail` above 0.",
    "recipe.area": "Weight of the area where the nominal print misses the target.",
    "recipe.band": "Weight of the area where the corners' prints disagree.",
    "recipe.edge": "Cost in nm2 of one nm of edge per `edge_tolerance` that its image is off, far out.",
    "recipe.edge_tolerance": "Relative deviation from the threshold where that cost turns from quadratic to linear.",
    "recipe.edge_saturates": "Whether that cost levels off at `edge` per nm instead of growing on.",
    "recipe.limit": "Cost in nm2 of one nm of edge per `edge_tolerance` by which the print misses `limit_nm`.",
    "recipe.limit_nm": "Distance from an edge within which it should print.",
    "recipe.rules": "Cost per nm2 of undoing what the mask rules changed, in ruled stages.",
    "recipe.print_pixel_nm": "Pixel on which prints are compared with the target; none: the mask's.",
    "recipe.edge_step_nm": "Distance of the sites where the edge cost is taken.",
    "recipe.blur_nm": "Standard deviation of the blur of the level set; 0: none.",
    "recipe.background": "Level set outside the target at the start; near 0 lets assist features grow.",
    "recipe.leading": "Coherent systems a focus that are imaged at every step.",
    "recipe.refresh": "Steps between two evaluations of all other systems.",
    "recipe.floor": "Adam's epsilon, added to the root of the second moment; keeps dead parameters still.",
    "recipe.stages.pixel_nm": "Pixel of the mask.",
    "recipe.stages.steps": "Adam steps, done in runs of `refresh`, the last one whole.",
    "recipe.stages.step": "Step size.",
    "recipe.stages.mask_steepness": "Slope of the sigmoid from level set to opening.",
    "recipe.stages.print_steepness": "Slope of the sigmoid from image less threshold to print.",
    "recipe.stages.sharp": "Pixels hold the area that the polygon will have in them (see docs/ilt.md).",
    "recipe.stages.ruled": "The stage begins with the mask repaired to `limits`.",
    "limits.width_nm": "Smallest width of open parts.",
    "limits.space_nm": "Smallest width of opaque parts.",
    "limits.area_nm2": "Smallest open component and smallest hole; smaller ones are left out of the mask.",
    "limits.grid_nm": "Manufacturing grid. Recorded; vertices are put on the layout's database unit.",
    "limits.jog_nm": "Shortest edge. Inverse lithography knows none; `opc.limits` needs it.",
    "tiles.core_nm": "Largest core of a tile.",
    "tiles.halo_nm": "Surroundings computed with a core.",
    "opc.site_nm": "Distance of the points along the target that are looked at.",
    "opc.most_nm": "Farthest that an edge goes from where it was drawn or put in.",
    "opc.step_nm": "Farthest that an edge goes in one step.",
    "opc.gain_nm3": "Squared error that a jogged piece must take away, nm2 times nm of edge.",
    "opc.answer_nm": "Reach of an edge on the image in the solver; twice it around a window is corrected too.",
    "opc.rounds": "How often jogs are put in.",
    "opc.steps": "Steps of all edges after each time, and before the first.",
    "opc.leading": "Coherent systems that make the image.",
    "opc.ambit_nm": "Where their kernels end: nothing farther away is felt.",
    "opc.block_nm": "Largest block that is corrected on its own.",
    "opc.context_nm": "Surroundings that are corrected with a block, and thrown away.",
    "opc.answering": "Coherent systems that tell how the image answers to an edge.",
    "opc.limits.width_nm": "Smallest width of what is drawn on the mask, Euclidean; kept.",
    "opc.limits.space_nm": "Smallest space and notch; kept.",
    "opc.limits.area_nm2": "Smallest component and hole; counted, not enforced.",
    "opc.limits.grid_nm": "Manufacturing grid; every position is on it.",
    "opc.limits.jog_nm": "Shortest edge, jogs included; kept. Required here.",
    "spec.mean_abs_epe_nm": "Largest mean absolute EPE that is in spec.",
    "spec.max_abs_epe_nm": "Largest absolute EPE that is in spec, and the limit above which a gauge is a hotspot.",
    "spec.max_pv_band_nm": "How far an edge may move over the corners; none: twice `max_abs_epe_nm`, hotspots only.",
    "spec.min_print_cd_nm": "Least printed width of a line at every corner; none: 0.8 of what is drawn.",
    "spec.min_print_space_nm": "Least printed width of a space at every corner; none: 0.8 of what is drawn.",
}  # fmt: skip


def tables() -> str:
    """One table for each part of the file, in the order of the schema."""
    whole = schema("setup")
    text, used, seen = "", set(), set()
    for path, kind, part in _parts(whole, whole, ""):
        place = f"{path} ({kind})" if kind else path
        if place in seen:  # the same table in another kind
            continue
        seen.add(place)
        rows = ["| key | value | unit | default | meaning |", "|---|---|---|---|---|"]
        for key, value in part["properties"].items():
            if _objects(whole, value):
                continue
            name = f"{place}.{key}"
            used.add(name)
            default = _default(part, key, value)
            rows.append(f"| `{key}` | {_value(value)} | {_unit(key, value)} | {default} | {MEANING[name]} |")
        if len(rows) > 2:
            title = f"`{path}`" + (f", kind `{kind}`" if kind else "")
            text += f"### {title}\n\n" + "\n".join(rows) + "\n\n"
    left = sorted(set(MEANING) - used)
    if left:
        raise KeyError(f"no such keys in the schema: {left}")
    return text


def page() -> str:
    """docs/setup.md with its tables as they should be."""
    before, _, rest = PAGE.read_text().partition(START)
    return before + START + "\n" + tables() + END + rest.partition(END)[2]


def _parts(whole: dict, node: dict, path: str) -> Iterator[tuple[str, str, dict]]:
    """Every table of the file: its path, its kind where there is a choice, and its schema."""
    for key, value in node["properties"].items():
        below = f"{path}.{key}".lstrip(".")
        parts = _objects(whole, value)
        for part in parts:
            yield below, part["properties"]["kind"]["const"] if len(parts) > 1 else "", part
            yield from _parts(whole, part, below)


def _objects(whole: dict, value: dict) -> list[dict]:
    """The tables that a key may hold."""
    choices = [value, value.get("items", {}), *value.get("oneOf", []), *value.get("anyOf", [])]
    return [whole["$defs"][c["$ref"].rpartition("/")[2]] for c in choices if "$ref" in c]


def _number(value: dict) -> dict:
    """What carries type and bounds: the value itself, what is not null of it, or what a list or table holds."""
    for choice in value.get("anyOf", []):
        if choice.get("type") != "null":
            return choice
    inner = value.get("items") or value.get("additionalProperties")
    return _number(inner) if isinstance(inner, dict) else value


def _value(value: dict) -> str:
    choices = [choice for choice in value.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) > 1:
        return " or ".join(map(_value, choices))
    inner = value.get("items") or value.get("additionalProperties")
    if isinstance(inner, dict):
        return {"array": "list: ", "object": "table: "}[value["type"]] + _value(inner)
    number = _number(value)
    if "const" in number:
        return f'`"{number["const"]}"`'
    if "enum" in number:
        return " or ".join(f'`"{word}"`' for word in number["enum"])
    signs = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
    bounds = ", ".join(f"{sign} {number[name]:g}" for name, sign in signs if name in number)
    kind = {"boolean": "true or false", "string": "text", "integer": "whole number"}.get(number["type"], number["type"])
    return " ".join(filter(None, (kind, bounds)))


def _unit(key: str, value: dict) -> str:
    stated = _number(value).get("unit", "")
    return stated or next((unit for end, unit in UNITS.items() if key.endswith(f"_{end}")), "")


def _default(part: dict, key: str, value: dict) -> str:
    if key in part.get("required", []):
        return "required"
    default = value.get("default")
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int | float):
        return f"{default:g}"
    return "none" if default is None else f'`"{default}"`'


if __name__ == "__main__":
    PAGE.write_text(page())
