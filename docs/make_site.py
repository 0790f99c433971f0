"""The documentation as a site: the pages of this folder by task, every table of asked against measured on one page, and
the reference of the Python API from its docstrings. `python docs/make_site.py OUT` (or `make site`); needs the extra
`docs` (Sphinx, MyST), no network.
"""

import inspect
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

DOCS = Path(__file__).parent

# Where each page stands, in reading order.
GROUPS = {
    "Design a mask": ("opc", "ilt", "smo", "verify", "window", "masks"),
    "Run the fab": ("loop", "control", "overlay", "focus", "uniformity", "inspect", "store", "monitor", "predict",
                    "diagnose", "calibration", "metrology"),
    "Scale and operate": ("scale", "cluster", "airgap", "learn", "federated", "assistant"),
    "Concepts": ("conventions", "imaging", "vector", "euv", "stochastics", "resist", "presets", "setup", "truths"),
    "Reference": ("python", "cli", "data"),
    "Benchmarks": ("benchmarks",),
}  # fmt: skip
# What the API reference holds: packages whose own lists of names are public.
PACKAGES = ("", "layout", "mask", "optics", "resist", "metrology", "forward", "inverse", "scale", "design", "wafer",
            "operate.calibration", "operate.control", "operate.overlay", "operate.inspection", "loop",
            "jobs")  # fmt: skip

CONF = """
project = "Actinic"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Actinic"
myst_heading_anchors = 4
html_show_copyright = False
html_theme_options = {"source_repository": ""}
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
"""


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        for file in DOCS.iterdir():
            if file.suffix in (".md", ".png"):
                text = file.read_bytes()
                (source / file.name).write_bytes(within(text.decode()).encode() if file.suffix == ".md" else text)
        (source / "validation.md").write_text(validation())
        (source / "index.md").write_text(contents())
        (source / "api").mkdir()
        for name in PACKAGES:
            (source / "api" / f"{name or 'actinic'}.md").write_text(api(name))
        (source / "conf.py").write_text(CONF)
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", source, out]
        if subprocess.run(command).returncode:
            raise SystemExit("the site has faults, named above")
        shutil.rmtree(out / ".doctrees", ignore_errors=True)


def within(text: str) -> str:
    """A page's text with links that leave this folder as plain words: the site holds the pages only."""
    return re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", text)


def pages() -> list[str]:
    """Every page but the index, by name."""
    return sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")


def contents() -> str:
    """The first page, with the tree of all pages."""
    trees = [_tree("Validation", ["validation"])]
    for caption, names in GROUPS.items():
        trees.append(_tree(caption, [name for name in names if (DOCS / f"{name}.md").is_file()]))
    trees.append(_tree("Python API", [f"api/{name or 'actinic'}" for name in PACKAGES]))
    return within((DOCS / "index.md").read_text()) + "\n" + "\n".join(trees)


def _tree(caption: str, names) -> str:
    listed = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def validation() -> str:
    """Every table of a page that holds what was asked for against what was measured, under the page's name."""
    parts = [
        "# Validation",
        "What was asked for and what was measured, as the pages have it; each links to its page, which says how. Cite "
        "the page with the version of the package (CITATION.cff).",
    ]
    for name in pages():
        text = (DOCS / f"{name}.md").read_text()
        found = re.findall(r"^(\| *(?:asked|what|measured)[^\n]*\n\|[-| :]+\n(?:\|[^\n]*\n)+)", text, re.M | re.I)
        tables = [table for table in found if re.search(r"measured", table.split("\n")[0], re.I)]
        if tables:
            title = re.search(r"^# (.*)$", text, re.M)
            parts += [f"## {title[1] if title else name}", f"From [{name}]({name}.md).", *tables]
    # Links to places of a page itself lead to that page no more.
    return within(re.sub(r"\[([^\]]*)\]\(#[^)]*\)", r"\1", "\n\n".join(parts))) + "\n"


def api(name: str) -> str:
    """The public names of a package with signatures and docstrings."""
    module = import_module(f"actinic.{name}" if name else "actinic")
    title = module.__name__
    parts = [f"# {title}", _text(module.__doc__)]
    for public in names_of(module):
        thing = getattr(module, public)
        parts.append(f"## {public}")
        if inspect.isclass(thing) or inspect.isroutine(thing):
            parts.append(f"```python\n{'class ' if inspect.isclass(thing) else ''}{public}{_signature(thing)}\n```")
            parts.append(_text(inspect.getdoc(thing) if thing.__doc__ else ""))
            if inspect.isclass(thing):
                parts += _methods(thing)
    return "\n\n".join(part for part in parts if part) + "\n"


def names_of(module) -> list[str]:
    """What a package or module offers: the names it lists (`import Name as Name`), else those it defines."""
    file = Path(inspect.getsourcefile(module) or "")
    listed = re.findall(r"^ *from \.[\w.]* import (\w+) as \1$", file.read_text(), re.M)
    if listed:
        return sorted(set(listed))
    own = ((name, getattr(thing, "__module__", None)) for name, thing in vars(module).items() if name[0] != "_")
    return sorted(name for name, home in own if home == module.__name__)


def _methods(cls) -> list[str]:
    parts = []
    for name, thing in vars(cls).items():
        plain = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
        if name.startswith("_") or not (inspect.isfunction(plain) or isinstance(thing, property)) or not plain.__doc__:
            continue
        sign = "" if isinstance(thing, property) else _signature(plain)
        parts += [f"### {cls.__name__}.{name}", f"```python\n{name}{sign}\n```", _text(inspect.getdoc(plain))]
    return parts


def _signature(thing) -> str:
    try:
        return re.sub(r"<[^>]*>", "...", str(inspect.signature(thing)))
    except (TypeError, ValueError):
        return "(...)"


def _text(docstring: str | None) -> str:
    """A docstring as Markdown: it is written that way, but for what only looks like a heading, a link or a tag."""
    text = inspect.cleandoc(docstring or "")
    return re.sub(r"(?m)^(?! {4})(.*)$", lambda line: _safe(line[1]), text)


def _safe(line: str) -> str:
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(p if n % 2 else re.sub(r"([<>\[\]*_|#])", r"\\\1", p) for n, p in enumerate(pieces))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve())
