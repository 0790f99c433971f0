"""Which quantity a word of an answer means, and which a field of a result holds: the same names for both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Quantity: words that mean it, fields that hold it (of `name` or `name.part`). What stands first is looked for first.
_VOCABULARY: tuple[tuple[str, str, str], ...] = (
    ("depth of focus", r"depths? of focus|DOF", r"dof_nm(\.\w+)*|dof_cut_off"),
    ("best focus", r"best focus", r"(\w+\.)*best_focus_nm|largest\.\w+\.focus_nm"),
    ("best dose", r"best dose", r"(\w+\.)*best_dose|largest\.\w+\.dose"),
    ("dose to size", r"dose[- ]to[- ]size", r"(\w+\.)*dose_to_size"),
    ("latitude", r"exposure latitude|latitude|EL", r"(\w+\.)*el_percent(\.\w+)*"),
    ("rayleigh depth", r"rayleigh depth|rayleigh unit", r"rayleigh_depth_nm"),
    ("resolution", r"resolution", r"rayleigh_resolution_nm"),
    ("smallest pitch", r"(smallest|minimum|finest|min\.?) (\w+ )?pitch", r"smallest_(coherent_)?pitch_nm"),
    ("wavelength", r"wavelength|lambda", r"wavelength_nm"),
    ("NA", r"NA|numerical aperture", r"na"),
    ("sigma_in", r"sigma[_ ]in(ner)?|inner sigma", r"(source_)?sigma_in"),
    ("sigma_out", r"sigma[_ ]out(er)?|outer sigma", r"(source_)?sigma_out|source_sigma"),
    ("index", r"refractive index|immersion index|index", r"immersion_index"),
    ("dose slope", r"(dose sensitivity|per (%|percent|per cent) (of )?dose)", r"cd_per_dose_percent_nm"),
    ("error from mask", r"error from (the )?mask", r"error_from_mask_nm"),
    ("error from focus", r"error from (the )?focus", r"error_from_focus_nm"),
    ("error from dose", r"error from (the )?dose", r"error_from_dose_nm"),
    ("defocus", r"defocus(ed)?|focus|out of focus", r"(\w+\.)*(focus_nm|defocus_nm|focus_mean_nm)"),
    ("dose", r"dose", r"(\w+\.)*(dose|dose_mean_percent)"),
    ("MEEF", r"MEEF|mask error (enhancement )?factor", r"(\w+\.)*meef"),
    ("NILS", r"NILS|(image )?log[- ]slope", r"(\w+\.)*nils"),
    ("EPE", r"EPE|edge placement( error)?", r"(\w+\.)*\w*epe\w*"),
    ("PV band", r"PV[- ]?band|PVB|process[- ]variation band", r"(\w+\.)*pv_?band\w*"),
    ("error", r"errors?|off (by|target)|too (wide|narrow|large|small)|deviat\w+|misses", r"(\w+\.)*\w*error_nm"),
    ("target", r"target|drawn( width)?|design(ed)? width", r"(\w+\.)*(target_nm|width_nm)"),
    ("pitch", r"pitch|period", r"pitch_nm"),
    ("CD", r"CDs?|critical dimensions?|line ?widths?|widths?|prints? (at|as)|measures", r"(\w+\.)*cd_nm|mean_nm"),
    ("tolerance", r"tolerance", r"tolerance_percent|per_gauge\.\d+\.tolerance_percent"),
    ("intensity", r"intensit(y|ies)", r"intensity_(max|min)"),
    ("printed area", r"printed area", r"printed_area_um2"),
    ("drawn area", r"drawn area", r"drawn_area_um2"),
    ("threshold", r"threshold", r"threshold"),
    ("run length", r"(average )?run lengths?|ARL|false alarms?", r"arl\w*"),
    ("control limit", r"control limits?|limits?", r"limit(_sigma)?|(\w+\.)*limit"),
    ("shift", r"shift", r"shift_sigma"),
    ("probability", r"probabilit(y|ies)|likel\w+|chance|confidence", r"(\w+\.)*(probability|unknown)"),
    ("share", r"share|fraction|of the variance|part of", r"(\w+\.)*share(_percent)?"),
    ("residual", r"residuals?|left over", r"(residual|left_out_nm)(\.\w+)*|residual_rms_nm"),
    ("noise", r"noise", r"(\w+\.)*noise_nm(\.\w+)*"),
    ("roughness", r"LER|LWR|roughness", r"(width\.)?sigma_nm"),
    ("correlation length", r"correlation length", r"(\w+\.)*xi_nm"),
    ("three sigma", r"(3|three)[- ]?(sigma|σ)", r"(\w+\.)*\w*(three_sigma|3sigma|mean_3s)\w*(\.\w+)*"),
    ("coverage", r"coverage|covered", r"(\w+\.)*cover\w*"),
)  # fmt: skip
_WORDS = [
    (name, re.compile(rf"\b(?:{words})(?!\w)", 0 if words.isupper() else re.IGNORECASE))
    for name, words, _ in _VOCABULARY
]
_FIELDS = [(name, re.compile(fields)) for name, _, fields in _VOCABULARY]
# A term of an overlay model is a quantity by its own name.
_TERM = re.compile(r"\b(?:c\d_|s_)?(?:f_)?k\d{1,2}\b")
# Words that may stand for either.
ALIKE = {
    frozenset({"defocus", "depth of focus"}), frozenset({"target", "CD"}), frozenset({"best dose", "dose to size"}),
}  # fmt: skip
_STOP = {"nm", "um", "mm", "percent", "of", "in", "at", "per", "the", "max", "min", "mean", "value", "count", "left"}


@dataclass(frozen=True)
class Mention:
    """A quantity named in a text, from `start` to `end`."""

    name: str
    start: int
    end: int


def mentions(text: str) -> list[Mention]:
    """The quantities a text names, in its order; a longer name hides a shorter one inside it."""
    taken, found = [False] * len(text), []

    def take(name: str, start: int, end: int) -> None:
        if not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            found.append(Mention(name, start, end))

    for match in _TERM.finditer(text):
        take(match[0], match.start(), match.end())
    for name, words in _WORDS:
        for match in words.finditer(text):
            take(name, match.start(), match.end())
    return sorted(found, key=lambda one: one.start)


def quantity_of(field: str) -> str | None:
    """The quantity that a field such as `per_gauge.0.cd_nm` holds; None where the vocabulary has none."""
    parts = [part for part in field.split(".") if part != "arguments"]
    terms = [part for part in parts if _TERM.fullmatch(part)]
    if terms:
        return terms[-1]
    plain = ".".join(part for part in parts if not part.isdigit())
    return next(
        (name for name, fields in _FIELDS if fields.fullmatch(plain) or fields.fullmatch(plain.rpartition(".")[2])),
        None,
    )


def words_of(field: str) -> Iterator[str]:
    """The words a field's own name is made of, without units."""
    for part in field.split("."):
        yield from (word for word in part.lower().split("_") if len(word) > 2 and word not in _STOP)


def same(one: str, other: str) -> bool:
    """Whether two quantities may be named alike."""
    return one == other or frozenset({one, other}) in ALIKE
