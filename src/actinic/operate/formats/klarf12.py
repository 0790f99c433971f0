"""KLARF 1.2 (and 1.1) read: flat statements that end in a semicolon, lengths in um, areas in um2.

`DefectRecordSpec` names the columns of the `DefectList` statements after it. A list may be split, each part after the
`TiffFileName` of its pictures. A row begins a line. An `IMAGELIST` holds its own count and so many pairs.
"""

from collections.abc import Sequence

from .columns import check, defect, other
from .defects import Defect, InspectedWafer, Inspection, Test
from .times import time
from .tokens import Faulty, Token, lines, scaled, tokens, whole

UM = 1000  # nm
IMAGES = ("IMAGECOUNT", "IMAGELIST")
# Told from the defects when a file is written.
_DERIVED = {"summaryspec", "summarylist", "fileversion", "sampletype"}
_BOTH = ("die_origin_nm", "centre_nm")  # of the wafer, or before the first for all


def read_klarf12(text: str) -> Inspection:
    """The inspection in a file's text. Faulty, with the line, where it breaks the format."""
    reader = _Reader()
    statement: list[Token] = []
    ended = 0
    for token in tokens(text, nested=False):
        if ended:
            raise Faulty(token.line, f"{token.text!r} after EndOfFile")
        if token.kind != "mark":
            statement.append(token)
        elif statement:
            key, *rest = statement
            statement = []
            if key.text.lower() == "endoffile":
                ended = key.line
            else:
                reader.take(key, rest)
    if not ended:
        raise Faulty(len(lines(text)), "the file ends without EndOfFile; it seems cut off")
    return reader.inspection(ended)


class _Reader:
    """The state between statements: what the file, and the wafer at hand, have told so far."""

    def __init__(self):
        self.fields, self.wafers, self.wafer = {}, [], {}
        self.columns: list[str] = []
        self.picture, self.ignored = "", {}

    def take(self, key: Token, rest: Sequence[Token]) -> None:
        name = key.text.lower()
        match name:
            case _ if key.kind == "quoted":
                raise Faulty(key.line, f"a statement cannot begin with {key.text!r}; is a semicolon missing?")
            case "waferid":
                self.close()
                self.wafer = {"id": _one(key, rest).text, "line": key.line, "tests": [], "defects": None}
            case "slot":
                self._open(key)["slot"] = whole(_one(key, rest))
            case "dieorigin" | "samplecenterlocation":
                (self.wafer or self.fields)[_BOTH[name == "samplecenterlocation"]] = _pair(key, rest)
            case "inspectiontest":
                self._open(key)["tests"].append({"number": whole(_one(key, rest[:1]))})
            case "areapertest":
                self._test(key)["area_nm2"] = scaled(_one(key, rest), UM**2)
            case "sampletestplan":
                self._test(key)["plan"] = tuple((whole(x), whole(y)) for x, y in _counted(key, rest, 2))
            case "defectrecordspec":
                self._spec(key, [name for (name,) in _counted(key, rest, 1)])
            case "defectlist":
                self._list(key, rest)
            case "tifffilename":
                self.picture = _one(key, rest).text
            case _ if name in _HEADER:
                self.fields |= _HEADER[name](key, rest)
            case _ if name not in _DERIVED:
                self.ignored[key.text] = None

    def _open(self, key: Token) -> dict:
        if not self.wafer:
            raise Faulty(key.line, f"{key.text} before any WaferID")
        return self.wafer

    def _test(self, key: Token) -> dict:
        tests = self._open(key)["tests"]
        if not tests:
            raise Faulty(key.line, f"{key.text} before any InspectionTest")
        return tests[-1]

    def _spec(self, key: Token, names: Sequence[Token]) -> None:
        self.columns = [name.text.upper() for name in names]
        check(self.columns, key.line)
        if "IMAGELIST" in self.columns and self.columns[-2:] != list(IMAGES):
            raise Faulty(key.line, "IMAGELIST must be the last column, right after IMAGECOUNT")

    def _list(self, key: Token, rest: Sequence[Token]) -> None:
        wafer = self._open(key)
        if not self.columns:
            raise Faulty(key.line, "DefectList before any DefectRecordSpec")
        if wafer.setdefault("columns", self.columns) != self.columns:
            raise Faulty(key.line, "DefectRecordSpec changes within one wafer")
        if wafer["defects"] is None:
            wafer["defects"] = []
        place = 0
        while place < len(rest):
            row, place = self._row(rest, place)
            wafer["defects"].append(row)

    def _row(self, rest: Sequence[Token], place: int) -> tuple[Defect, int]:
        """One defect and the place after it. What follows begins a line, or else values are missing or too many."""
        start, names = rest[place].line, [c for c in self.columns if c not in IMAGES or "IMAGELIST" not in self.columns]
        after = place + len(names)
        cells = dict(zip(names, rest[place:after], strict=False))
        images: Sequence[Token] = []
        if "IMAGELIST" in self.columns and after + 1 < len(rest):
            pairs = max(whole(rest[after + 1]), 0)
            images = rest[after : after + 2 + 2 * pairs]
            after += 2 + 2 * pairs
        elif "IMAGELIST" in self.columns:
            after = len(rest) + 1
        if after > len(rest) or (after < len(rest) and not rest[after].first):
            raise Faulty(start, f"this defect has other than the {len(self.columns)} values of DefectRecordSpec")
        said = " ".join(token.text for token in images)
        return defect(cells, UM, "" if set(said) <= {"0", " "} else said, self.picture), after

    def close(self) -> None:
        """End the wafer at hand. One without a list of defects would pass for clean: it is refused instead."""
        wafer, self.wafer = self.wafer, {}
        if not wafer:
            return
        line = wafer.pop("line")
        if wafer["defects"] is None:
            raise Faulty(line, f"wafer {wafer['id']!r} has no DefectList")
        wafer = {key: self.fields[key] for key in _BOTH if key in self.fields} | wafer
        wafer["tests"] = tuple(Test(**test) for test in wafer["tests"])
        wafer["columns"] = other(wafer["columns"])
        wafer["defects"] = tuple(wafer["defects"])
        self.wafers.append(InspectedWafer(**wafer))

    def inspection(self, line: int) -> Inspection:
        self.close()
        for key, name in (("lot", "LotID"), ("die_pitch_nm", "DiePitch")):
            if key not in self.fields:
                raise Faulty(line, f"the file has no {name}")
        if not self.wafers:
            raise Faulty(line, "the file has no WaferID")
        fields = {key: value for key, value in self.fields.items() if key not in _BOTH}
        return Inspection(wafers=tuple(self.wafers), ignored=tuple(self.ignored), **fields)


def _one(key: Token, rest: Sequence[Token]) -> Token:
    if len(rest) != 1:
        raise Faulty(key.line, f"{key.text} takes one value, not {len(rest)}; is a semicolon missing?")
    return rest[0]


def _counted(key: Token, rest: Sequence[Token], each: int) -> list[tuple[Token, ...]]:
    """The entries of a statement that begins with their number."""
    if not rest or whole(rest[0]) * each != len(rest) - 1:
        said = rest[0].text if rest else "nothing"
        raise Faulty(key.line, f"{key.text} states {said} entries and lists {max(len(rest) - 1, 0) / each:g}")
    return [tuple(rest[place : place + each]) for place in range(1, len(rest), each)]


def _pair(key: Token, rest: Sequence[Token]) -> tuple[float, float]:
    if len(rest) != 2:
        raise Faulty(key.line, f"{key.text} takes two numbers, not {len(rest)} values")
    return scaled(rest[0], UM), scaled(rest[1], UM)


def _recipe(key: Token, rest: Sequence[Token]) -> dict:
    when = time(key.text, key.line, rest[1:]) if rest[1:] else None
    return {"recipe": _one(key, rest[:1]).text, "recipe_time": when}


def _station(key: Token, rest: Sequence[Token]) -> dict:
    if len(rest) != 3:
        raise Faulty(key.line, f"{key.text} takes maker, model and name, not {len(rest)} values")
    return {"station": tuple(token.text for token in rest)}


def _size(key: Token, rest: Sequence[Token]) -> dict:
    """Shape 1 is round, with its diameter in mm; other shapes have none."""
    if len(rest) < 2:
        raise Faulty(key.line, f"{key.text} takes a shape and a size in mm")
    return {"diameter_mm": scaled(rest[1], 1)} if rest[0].text == "1" else {}


def _mirrored(key: Token, rest: Sequence[Token]) -> dict:
    said = _one(key, rest).text.upper()
    if said not in ("YES", "NO"):
        raise Faulty(key.line, f"{key.text} {said!r} is neither YES nor NO")
    return {"mirrored": said == "YES"}


_HEADER = {
    "lotid": lambda key, rest: {"lot": _one(key, rest).text},
    "deviceid": lambda key, rest: {"device": _one(key, rest).text},
    "stepid": lambda key, rest: {"step": _one(key, rest).text},
    "setupid": _recipe,
    "inspectionstationid": _station,
    "samplesize": _size,
    "diepitch": lambda key, rest: {"die_pitch_nm": _pair(key, rest)},
    "sampleorientationmarktype": lambda key, rest: {"mark": _one(key, rest).text},
    "orientationmarklocation": lambda key, rest: {"mark_location": _one(key, rest).text},
    "coordinatesmirrored": _mirrored,
    "filetimestamp": lambda key, rest: {"file_time": time(key.text, key.line, rest)},
    "resulttimestamp": lambda key, rest: {"result_time": time(key.text, key.line, rest)},
    "classlookup": lambda key, rest: {"classes": tuple((whole(n), name.text) for n, name in _counted(key, rest, 2))},
}
