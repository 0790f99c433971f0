"""The documents are true: their Python runs, their links lead somewhere, commands and tables are those of the code."""

import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import actinic
from actinic import presets
from actinic.config import dump
from actinic.interfaces.cli import reference
from actinic.interfaces.cli.app import parse
from actinic.jobs import data_sets
from actinic.loop import Scenario
from actinic.optics.materials import table

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [page for page in PAGES if page.name != "cli.md"]  # cli.md is compared with the code in test_cli
NAMES = [page.name for page in PAGES]

sys.path.insert(0, str(ROOT / "docs"))
import make_picture  # noqa: E402
import make_setup  # noqa: E402
import make_site  # noqa: E402
import make_smo  # noqa: E402
import make_window  # noqa: E402


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """Fenced blocks of a language, with the number of the line above their first."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 1, match[1]) for match in found]


def run(page: Path, folder: Path, monkeypatch) -> dict:
    """All Python of a page in one namespace; an error names the page's line."""
    monkeypatch.chdir(folder)
    names: dict = {"__name__": "documented"}
    python = blocks(page.read_text(), "python")
    assert python, f"{page.name} has no Python"
    for line, code in python:
        exec(compile("\n" * line + code, str(page), "exec"), names)
    return names


def test_readme_python(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "README.md", tmp_path, monkeypatch)
    sensitivity = names["sensitivity"]
    # The point is the middle of the line: its own pixel helps most, and left and right alike.
    assert divmod(int(sensitivity.argmax()), 100) == (50, 50)
    assert float(sensitivity[50, 47]) == pytest.approx(float(sensitivity[50, 53]), rel=1e-3)
    assert capsys.readouterr().out.startswith("(100, 100)")
    [(_, code)] = blocks((ROOT / "README.md").read_text(), "python")
    assert len(code.splitlines()) == 5


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """What docs/python.md leaves behind: its names and its folder."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        return run(ROOT / "docs" / "python.md", folder, patch), folder


def test_python_page(api):
    names, folder = api
    assert names["result"]["mask"] == str(Path("run") / "mask.oas") and (folder / "run" / "mask.oas").exists()
    assert {path.name for path in (folder / "run").iterdir()} == documented_files()


def test_store_page(tmp_path, monkeypatch):
    run(ROOT / "docs" / "store.md", tmp_path, monkeypatch)


def test_masks_page(tmp_path, monkeypatch):
    run(ROOT / "docs" / "masks.md", tmp_path, monkeypatch)


def test_vector_page(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "vector.md", tmp_path, monkeypatch)
    # The average lies between the depths; the swing curve swings.
    top, bottom = names["resolved"].max(0), names["resolved"].min(0)
    assert (bottom < names["average"]).all() and (names["average"] < top).all()
    assert names["swing"].shape == (31,) and names["swing"].max() > 1.02 * names["swing"].min()


def test_every_material_is_on_the_vector_page():
    text = (ROOT / "docs" / "vector.md").read_text().partition("## Optical constants")[2]
    for row in table():
        shown = f"{row['n']:g} + {row['k']:g}i" if row["k"] else f"{row['n']:g}"
        line = next(line for line in text.splitlines() if line.startswith(f"| {row['name']} |"))
        assert f" {shown} |" in line.replace("1.70 ", "1.7 ").replace("1.80 ", "1.8 ").replace("0.50i", "0.5i")


def test_euv_page(tmp_path, monkeypatch):
    pytest.importorskip("fmmax")
    names = run(ROOT / "docs" / "euv.md", tmp_path, monkeypatch)
    # Chrome half of the period: the zero order is near half of the amplitude that passes glass, and no evens beyond.
    zero, first, second = abs(names["orders"][0, 0, 0, 2:])
    assert 0.3 < zero < 0.8 and second < 0.3 * first


def test_metrology_page(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "metrology.md", tmp_path, monkeypatch)
    assert names["both"].edge.flags == () and names["study"].terms == ("lot", "lot:wafer")


def test_verify_page(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "docs" / "verify.md", tmp_path, monkeypatch)
    # The notch is what is worst, and all of it tells the two masks apart.
    assert abs(names["worst"]["at_nm"][0]) < 60 and "-60" not in names["worst"]["text"]
    assert names["result"]["against"]["xor_nm2"] == 120 * 80 and names["result"]["shots"] == 3
    assert (tmp_path / "verify.html").exists() and (tmp_path / "spots.lyrdb").exists()
    assert len(capsys.readouterr().out.splitlines()) == 2


def documented_files() -> set[str]:
    """The files of a run folder by the table of docs/ilt.md."""
    text = (ROOT / "docs" / "ilt.md").read_text().partition("## The run folder")[2]
    files = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
    return files - {"layout.oas"}  # `demo` adds it


def test_window_page_python(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "docs" / "window.md", tmp_path, monkeypatch)
    assert names["best"].dof_nm > 200 and len(names["point"].meef) == len(names["cuts"]) > 3
    assert capsys.readouterr().out


def test_overlay_page_python(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "docs" / "overlay.md", tmp_path, monkeypatch)
    assert names["proposed"].values["k3"] == pytest.approx(-1, abs=0.02) and not names["found"].lost
    assert 0.001 < names["matching"].chance < 1 and capsys.readouterr().out


def test_focus_page_python(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "focus.md", tmp_path, monkeypatch)
    assert names["found"].determined


def test_uniformity_page_python(tmp_path, monkeypatch):
    assert run(ROOT / "docs" / "uniformity.md", tmp_path, monkeypatch)["found"].part("lot").sigma_nm > 0.3


def test_inspect_page_python(tmp_path, monkeypatch):
    assert len(run(ROOT / "docs" / "inspect.md", tmp_path, monkeypatch)["made"]) == 10


def test_control_page_python(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "control.md", tmp_path, monkeypatch)
    assert names["proposal"].stage == "closed" and names["setpoint"] == pytest.approx(1.0, abs=0.05)


def test_monitor_page_python(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "monitor.md", tmp_path, monkeypatch)
    assert names["chart"].arl() == pytest.approx(1478.5, rel=1e-3)


def test_predict_page_python(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "predict.md", tmp_path, monkeypatch)
    assert names["model"].lots == 4 and not names["found"].known[1]


def test_diagnose_page_python(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "diagnose.md", tmp_path, monkeypatch)
    assert names["best"].events and names["best"].probability > 0.5


def test_smo_page_python(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "docs" / "smo.md", tmp_path, monkeypatch)
    assert names["found"].latitude > 0.1 and len(names["cuts"]) == 2
    assert capsys.readouterr().out


def test_scale_page_python(tmp_path, monkeypatch, capsys):
    names = run(ROOT / "docs" / "scale.md", tmp_path, monkeypatch)
    assert len(list(names["Store"](tmp_path / "store").keys())) == 3
    assert len(capsys.readouterr().out.splitlines()) == 9


def test_picture_shows_the_written_mask(api, monkeypatch):
    names, folder = api
    shutil.copy(folder / "drawn.oas", folder / "run" / "layout.oas")
    monkeypatch.chdir(folder)
    found = make_picture.verification(folder / "run")
    (folder / "run" / "layout.oas").unlink()
    assert found.summary.mean_abs_nm == pytest.approx(names["result"]["mean_abs_epe_nm"], abs=1e-6)
    axes = make_picture.picture(found, (0.2, 0.8))
    assert axes.get_xlim() == (0.2, 0.8) and axes.get_ylim() == (0.0, 1.0)
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"target", "mask", "printed"}


@pytest.mark.parametrize(
    ("name", "maker"), [("demo.png", make_picture), ("window.png", make_window), ("smo.png", make_smo)]
)
def test_pictures_are_small(name, maker):
    picture = (ROOT / "docs" / name).read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < maker.LARGEST_BYTES


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_resolve(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), f"{page.name}: {link} leads nowhere"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_paths_in_backticks_exist(page):
    paths = re.findall(r"`((?:src|docs|tests|benchmarks)/[\w./-]+)`", page.read_text())
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages


@pytest.mark.parametrize("page", WRITTEN, ids=[page.name for page in WRITTEN])
def test_documented_commands_parse(page):
    for _, code in blocks(page.read_text(), "sh"):
        for line in code.splitlines():
            words = shlex.split(line.partition(">")[0], comments=True)
            if words[:1] == ["actinic"]:
                parse(words[1:])  # raises on an unknown verb, option or choice


def test_documented_options_exist():
    known = set(re.findall(r"--[a-z][a-z-]*", reference.help_text()))
    for page in WRITTEN:
        spans = re.findall(r"`([^`\n]+)`", page.read_text())
        # What other programs are called with is theirs.
        code = " ".join(span for span in spans if not span.startswith(("pip ", "docker ", "flower-supernode ")))
        if page.name != "CHANGELOG.md":
            assert set(re.findall(r"(?<!\w)--[a-z][a-z-]*", code)) <= known, page.name


def test_every_verb_is_in_the_readme():
    groups = "data", "wafer", "audit", "federate", "train"
    verb = rf"^## (actinic (?:(?:{'|'.join(groups)}) )?\w+)$"
    verbs = set(re.findall(verb, reference.help_text(), re.MULTILINE)) - {f"actinic {group}" for group in groups}
    assert set(re.findall(r"^\| `(actinic [\w ]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)) == verbs


def test_documented_targets_are_in_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in WRITTEN:
        text = page.read_text()
        code = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        named = re.findall(r"`make ([\w-]+)`", text) + re.findall(r"^make ([\w-]+)", code, re.MULTILINE)
        assert set(named) <= targets, page.name


def test_setup_page_is_up_to_date():
    """After a change: python docs/make_setup.py"""
    assert (ROOT / "docs" / "setup.md").read_text() == make_setup.page()


def test_setup_tables_are_not_empty_words():
    tables = make_setup.tables()
    assert "| `wavelength_nm` | number > 1, < 500 | nm | required |" in tables
    assert "| `dose` | number > 0, < 10 |  | 1 |" in tables
    assert all(line.count("|") == 6 for line in tables.splitlines() if line.startswith("|"))


def test_every_preset_is_on_the_setup_page():
    text = (ROOT / "docs" / "setup.md").read_text().partition("## Presets")[2].partition("## Keys")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == presets.names()[::-1]


def test_data_sets_are_on_the_data_page():
    text = (ROOT / "docs" / "data.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [entry["name"] for entry in data_sets()]


def test_every_truth_has_its_tests():
    """The numbered rows are all there, and every test they name exists."""
    page = (ROOT / "docs" / "truths.md").read_text()
    defined = {
        name
        for file in (ROOT / "tests").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    rows = re.findall(r"^\| (\d+) \|.*$", page, re.M)
    assert sorted({int(row) for row in rows}) == [*range(1, 39), 41, 42, 43]
    for line in page.splitlines():
        named = re.findall(r"`(test_\w+)`", line)
        assert set(named) <= defined, set(named) - defined
        assert named or not re.match(r"\| \d+ \|", line), line


def test_the_scenario_on_the_loop_page_is_the_default():
    [(_, text)] = blocks((ROOT / "docs" / "loop.md").read_text(), "toml")
    default, told = dump(Scenario()), tomllib.loads(text)
    for name, value in told.items():
        for key, one in value.items() if isinstance(value, dict) else [(None, value)]:
            assert (default[name] if key is None else default[name][key]) == one, (name, key)


def test_every_page_has_one_place_on_the_site():
    placed = [name for names in make_site.GROUPS.values() for name in names]
    assert len(placed) == len(set(placed))
    assert set(make_site.pages()) <= set(placed), "give new pages a place in docs/make_site.py"


def test_the_site_gathers_what_was_asked_and_measured():
    text = make_site.validation()
    for page, cell in (("benchmarks", "any order of arrival gives the same state"), ("opc", "li1, `tt_um_CPU`")):
        if "measured" in (ROOT / "docs" / f"{page}.md").read_text().lower():
            assert f"From [{page}]({page}.md)." in text or cell not in text
    assert "any order of arrival gives the same state" in text and text.count("From [") >= 3


def test_the_reference_has_every_public_name():
    text = make_site.api("")
    for name in make_site.names_of(actinic):
        assert f"## {name}\n" in text, name
    assert "## correct" in text and "```python\ncorrect(" in text and "### Layout.moved" in text
