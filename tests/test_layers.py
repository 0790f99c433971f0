"""The package is layered: a file imports only what stands above its own line, heavy packages have one door."""

import ast
import textwrap
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "actinic"

# Files and folders of the package, lowest first; `__init__` is the package's own list of public names.
ORDER = [
    *(
        "errors",
        "types",
        "timing",
        "writing",
        "plain",
        "config",
        "layout",
        "optics",
        "mask",
        "resist",
        "metrology",
        "forward",
        "stochastics",
        "presets",
    ),
    *("inverse", "scale", "design", "wafer", "operate", "learn", "loop", "jobs", "assistant", "interfaces", "__init__"),
]

# What may not be imported although it stands above: correction and operation of the machine do not know each other.
APART = {"operate": {"design", "scale"}}

# What may be imported by those that know less than the order would allow.
KNOWS_ONLY = {
    "inverse": {"errors", "types", "config"},  # no physics: it is tested on Rosenbrock's function
    "scale": {"errors", "types", "writing"},  # tiles are arrays; what is done to them is handed in
    "wafer": {"errors"},  # float64 NumPy
}

# What works on wafers, in float64, starts without JAX.
WITHOUT_JAX = (
    "wafer",
    "operate.overlay",
    "operate.sample",
    "operate.control",
    "operate.ledger",
    "operate.monitor",
    "operate.predict",
)

# Every heavy package has one door.
DOORS = {
    "dask": "scale",
    "distributed": "scale",
    "duckdb": "operate",
    "flwr": "learn",
    "fmmax": "mask",
    "mcp": "interfaces",
    "mcp_types": "interfaces",
    "openai": "assistant",
    "pydantic_ai": "assistant",
    "pypdf": "assistant",
    "klayout": "layout",  # GPL-3.0-or-later, and replaceable
    "optax": "inverse",
    "safetensors": "learn",
    "matplotlib": "interfaces",
    "rich": "interfaces",
    "typer": "interfaces",
}

MAX_LINES, MAX_ARGUMENTS = 600, 8

# Complaint: why it is allowed. One that is no longer made must be taken out.
EXCEPTIONS: dict[str, str] = {
    "jobs.finish imports interfaces.plots": "a run folder is not whole without its report",
    "jobs.finish imports interfaces.report": "as above; neither knows jobs",
    "jobs.diagnose imports interfaces.diagnosis_plots": "as above",
    "jobs.diagnose imports interfaces.report": "as above",
    "jobs.monitor imports interfaces.operation_plots": "as above",
    "jobs.monitor imports interfaces.report": "as above",
    "jobs.predict imports interfaces.operation_plots": "as above",
    "jobs.predict imports interfaces.report": "as above",
    "jobs.loop_report imports interfaces.loop_plots": "as above",
    "jobs.loop_report imports interfaces.report": "as above",
    "jobs.replay imports interfaces.control_plots": "as above",
    "jobs.replay imports interfaces.report": "as above",
    "jobs.verify imports interfaces.report": "as above, when it is asked for",
    "jobs.check_report imports interfaces.plots": "as above",
    "jobs.check_report imports interfaces.report": "as above",
    "jobs.window imports interfaces.window_plots": "as above",
    "jobs.window imports interfaces.report": "as above",
    "jobs.smo_report imports interfaces.report": "as above",
    "jobs.smo_report imports interfaces.source_plots": "as above",
    "jobs.smo_report imports interfaces.window_plots": "as above",
    "jobs.calibrate imports interfaces.residuals": "as above",
    "jobs.calibrate imports interfaces.report": "as above",
    "jobs.focus_report imports interfaces.focus_plots": "as above",
    "jobs.focus_report imports interfaces.report": "as above",
    "jobs.inspection_report imports interfaces.inspection_plots": "as above",
    "jobs.inspection_report imports interfaces.report": "as above",
    "jobs.uniformity imports interfaces.report": "as above",
    "jobs.uniformity imports interfaces.uniformity_plots": "as above",
    "jobs.wafer_fit_report imports interfaces.report": "as above",
    "jobs.wafer_fit_report imports interfaces.wafer_plots": "as above",
}


def complaints(package: Path) -> list[str]:
    """Everything in a package that breaks the rules, one line each."""
    files = {_module(path, package): path for path in sorted(package.rglob("*.py"))}
    found, graph = [], {}
    for module, path in files.items():
        text = path.read_text()
        tree = ast.parse(text)
        layer = module[0] if module else "__init__"
        inside, outside = _imports(tree, module, path.name == "__init__.py", files)
        name = ".".join(module) or "__init__"
        if layer not in ORDER:
            found.append(f"{name}: {layer} has no place in ORDER")
            continue
        for target in sorted(inside):
            other = target[0] if target else "__init__"
            allowed = KNOWS_ONLY.get(layer, set(ORDER[: ORDER.index(layer)]) - APART.get(layer, set()))
            if other != layer and other not in allowed:
                found.append(f"{name} imports {'.'.join(target) or '__init__'}")
        found += [f"{name} imports {p} past its door" for p in sorted(outside) if DOORS.get(p, layer) != layer]
        # A verb imports late so that --help is fast, and its arguments are the command's options.
        if module[:2] != ("interfaces", "cli"):
            found += [f"{name}.{function} imports inside the function" for function in _local_imports(tree)]
            found += [f"{name}.{f} has {n} arguments" for f, n in _arguments(tree) if n > MAX_ARGUMENTS]
        if len(text.splitlines()) > MAX_LINES:
            found.append(f"{name} is {len(text.splitlines())} lines long")
        # A module always runs the packages it lies in; that alone is no cycle.
        graph[module] = {t for t in inside if t != module[: len(t)]}
    return found + [f"{' -> '.join('.'.join(m) for m in c)} is a cycle" for c in _cycles(graph)]


# What judges masks must not know what makes them.
JUDGES = ("design.verify", "design.images", "design.hotspots", "layout.checks", "metrology.rules", "metrology.prints")
MAKERS = {"design.ilt", "design.correct", "design.trace", "jobs.correct"}


def reached(package: Path, name: str) -> set[str]:
    """Every module that one imports, and what those import, packages' own lists left out."""
    files = {_module(path, package): path for path in sorted(package.rglob("*.py"))}
    found, todo = set(), [tuple(name.split("."))]
    while todo:
        module = todo.pop()
        path = files[module]
        inside, _ = _imports(ast.parse(path.read_text()), module, path.name == "__init__.py", files)
        new = {m for m in inside if m and m not in found and files[m].name != "__init__.py"}
        found |= new
        todo += new
    return {".".join(m) for m in found}


def _module(path: Path, package: Path) -> tuple[str, ...]:
    parts = path.relative_to(package).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imports(tree, module, is_package, files) -> tuple[set[tuple[str, ...]], set[str]]:
    """Modules of this package that are imported, and the top names of other packages."""
    inside, outside = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, *rest = alias.name.split(".")
                (inside.add(tuple(rest)) if top == "actinic" else outside.add(top))
        elif isinstance(node, ast.ImportFrom):
            names = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                base = module[: len(module) - node.level + is_package] + names
            elif names[0] == "actinic":
                base = names[1:]
            else:
                outside.add(names[0])
                continue
            # `from . import band` names a module, `from .socs import decompose` a thing in one.
            paths = ((base, (*base, alias.name)) for alias in node.names)
            inside |= {path if path in files or (not base and path[0] in ORDER) else base for base, path in paths}
    return inside, outside


def _functions(tree):
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _local_imports(tree) -> set[str]:
    return {f.name for f in _functions(tree) for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)}


def _arguments(tree):
    """Public functions, and public methods of public classes, with their number of arguments."""
    private = {id(n) for c in ast.walk(tree) if isinstance(c, ast.ClassDef) and c.name[0] == "_" for n in ast.walk(c)}
    for function in _functions(tree):
        if function.name[0] != "_" and id(function) not in private:
            spec = function.args
            names = [a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
            yield function.name, len([n for n in names if n not in ("self", "cls")])


def _cycles(graph) -> list[list[tuple[str, ...]]]:
    found, done, path = [], set(), []

    def visit(module):
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            path.append(module)
            for other in sorted(graph.get(module, ())):
                visit(other)
            done.add(path.pop())

    for module in sorted(graph):
        visit(module)
    return found


def test_package_keeps_its_layers():
    found = complaints(PACKAGE)
    assert [c for c in found if c not in EXCEPTIONS] == []
    assert [c for c in EXCEPTIONS if c not in found] == [], "exceptions that are no longer needed"


@pytest.mark.parametrize("judge", JUDGES)
def test_verification_does_not_know_the_optimiser(judge):
    assert not reached(PACKAGE, judge) & MAKERS


def test_a_judge_that_knew_a_maker_would_be_found(tmp_path):
    (tmp_path / "design").mkdir()
    for name, text in {"verify": "from .images import a", "images": "from .ilt import b", "ilt": ""}.items():
        (tmp_path / "design" / f"{name}.py").write_text(text)
    assert reached(tmp_path, "design.verify") == {"design.images", "design.ilt"}
    assert not _imported("jobs.verify") & MAKERS, "the verb takes what both verbs need from a third file"


def test_the_check_of_patterns_is_not_known_to_their_maker():
    assert not reached(PACKAGE, "learn.patterns") & {"layout.checks", "metrology.rules"}


def test_controllers_know_nothing_of_the_twin_they_are_tried_on():
    files = {".".join(_module(path, PACKAGE)) for path in PACKAGE.rglob("*.py")}
    for name in files:
        if name.startswith("operate"):
            assert not {m for m in reached(PACKAGE, name) if m.startswith("wafer.twin")}, name


def test_wafers_need_no_jax():
    files = {".".join(_module(path, PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    for name in files:
        if name.startswith(WITHOUT_JAX):
            for module in {name, "operate", "config"} | reached(PACKAGE, name):
                tree = ast.parse(files[module].read_text())
                for node in ast.walk(tree):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                        heavy = {n.split(".")[0] for n in names} & {"jax", "equinox", "jaxtyping"}
                        assert not heavy, f"{name} imports {heavy} by way of {module}"


def _imported(name: str) -> set[str]:
    files = {_module(path, PACKAGE): path for path in PACKAGE.rglob("*.py")}
    module = tuple(name.split("."))
    return {".".join(m) for m in _imports(ast.parse(files[module].read_text()), module, False, files)[0]}


def test_every_part_is_looked_at():
    assert {"errors", "types", "config", "layout", "optics", "forward"} <= {
        p.relative_to(PACKAGE).with_suffix("").parts[0] for p in PACKAGE.rglob("*.py")
    }


@pytest.mark.parametrize(
    ("file", "code", "complaint"),
    [
        ("errors.py", "from .types import Grid", "errors imports types"),
        ("layout/a.py", "from ..optics.pupil import zernike", "layout.a imports optics.pupil"),
        ("layout/a.py", "from ..optics import pupil", "layout.a imports optics.pupil"),
        ("layout/a.py", "from actinic.optics import pupil", "layout.a imports optics.pupil"),
        ("layout/a.py", "import actinic.optics.pupil", "layout.a imports optics.pupil"),
        ("mask.py", "from . import resist", "mask imports resist"),
        ("forward.py", "from . import jobs", "forward imports jobs"),
        ("optics/socs.py", "from ..forward import expose", "optics.socs imports forward"),
        ("mask.py", "from actinic import expose", "mask imports __init__"),
        ("inverse/fit.py", "from ..optics import pupil", "inverse.fit imports optics.pupil"),
        ("scale/tiles.py", "from ..layout import Layout", "scale.tiles imports layout"),
        ("operate/fit.py", "from ..design import correct", "operate.fit imports design"),
        ("design/fit.py", "from ..operate import calibrate", "design.fit imports operate"),
        ("optics/io.py", "import klayout.db as db", "optics.io imports klayout past its door"),
        ("optics/io.py", "from klayout import db", "optics.io imports klayout past its door"),
        ("forward.py", "def run():\n    import numpy", "forward.run imports inside the function"),
        ("magic.py", "x = 1", "magic: magic has no place in ORDER"),
        ("mask.py", "def f(a, b, c, d, e, f, g, h, *, i): ...", "mask.f has 9 arguments"),
        ("mask.py", "class A:\n    def f(self, a, b, c, d, e, f, g, h, i): ...", "mask.f has 9 arguments"),
        ("mask.py", "x = 1\n" * 601, "mask is 601 lines long"),
        (
            "optics/pupil.py",
            "from .socs import kernels",
            "optics.socs -> optics.pupil -> optics.socs is a cycle",
        ),
    ],
)
def test_each_rule_can_fail(tmp_path, file, code, complaint):
    tree = {
        "__init__.py": "from .forward import expose as expose",
        "resist.py": "",
        "optics/__init__.py": "from .socs import kernels as kernels",
        "optics/pupil.py": "",
        "optics/socs.py": "from ..errors import E\nfrom . import pupil",
        "layout/io.py": "import klayout.db as db",
        "forward.py": "from .optics import kernels, pupil",
        "interfaces/cli/expose.py": "def expose(a, b, c, d, e, f, g, h, i):\n    from ...forward import expose",
    }
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    assert complaints(tmp_path) == []
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(code)
    assert complaint in complaints(tmp_path)
