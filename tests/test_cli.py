import json
import math
import os
import stat
import subprocess
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinic import errors
from actinic.interfaces.cli import reference
from actinic.interfaces.cli.app import ALL_NOTES, main, set_environment
from actinic.plain import to_json

ROOT = Path(__file__).parents[1]
CORRECT = ["correct", "chip.oas", "--layer", "67/20", "--out", "run"]
MASK = {
    "verdict": "in spec",
    "in_spec": True,
    "area_um2": 400.0,
    "mean_abs_epe_nm": np.float32(1.5),
    "epe_3sigma_nm": 4.25,
    "max_epe_nm": math.inf,
    "gauges": np.int64(5712),
    "uncorrected": {"mean_abs_epe_nm": 10.5, "epe_3sigma_nm": 30.0, "max_epe_nm": 60.0, "gauges": 5712},
    "pv_band_nm": math.nan,
    "rule_violations": 0,
    "cpu_s": 9.4,
    "wall_s": 8.1,
    "compile_s": 3.2,
    "mask": Path("run/mask.oas"),
    "run": "run",
}
FITTED = {
    "verdict": "Calibrated: 180 gauges, rms 2.47 nm before, 0.76 nm after.",
    "in_spec": True,
    "settings": [
        {"name": "process.scanner.projector.zernikes_nm.Z9", "start": 0.0, "value": 3.953853, "standard_error": 0.53,
         "low_95": 2.9123, "high_95": 4.99541, "at_bound": False, "prior": None},
        {"name": "dose_scale", "start": 1.0, "value": np.float64(1.01), "standard_error": math.inf,
         "low_95": -math.inf, "high_95": math.inf, "at_bound": False, "prior": [1.0, 0.01]},
    ],
    "warnings": ["process.resist.threshold and dose_scale cannot be told apart by these gauges (correlation +1.0000)"],
    "rms_before_nm": 2.47, "rms_after_nm": 0.76, "held_out_rms_nm": 0.81, "chi_square": 159.8,
    "degrees_of_freedom": 174, "gauges": 180, "outliers": [{"gauge": "a"}], "not_printed": [], "rejected": [{}],
    "calibrated": "run/calibrated.toml", "run": "run",
}  # fmt: skip
CLIP = {"clip": "M1_test1", "l2": 26001.0, "pvb": 38999.0, "epe15": 1, "min_width_nm": 40.0, "shots": 120, "cpu_s": 1.9}
SCORES = {"dialect": "O", "setting": "fast", "clips": [CLIP], "mean": CLIP | {"clip": "mean"}, "compile_s": 4.0}
EDGES = {
    **{"sigma_nm": 1.0, "sigma_95_nm": [0.9, 1.1], "xi_nm": 20.0, "xi_95_nm": [15.0, 25.0], "hurst": 0.5},
    **{"hurst_95": [0.4, 0.6], "noise_nm": 0.3, "noise_95_nm": [0.29, 0.31], "edges": 26, "flags": []},
}
ROUGH = {"verdict": "Unbiased LER.", "given": True, **EDGES, "width": {"mean_nm": 22.0, **EDGES}}
SIDE = {"verdict": "Out of spec", "in_spec": True, "best_focus_nm": 0.0, "best_dose": None, "gauges": 8, "wall_s": 2.5}
SIDE |= {"dof_nm": {"ellipse": {"5": 388.0, "10": 0.0}}, "el_percent": {"rectangle": 4.0}, "run": "run"}
SIDE |= {"required": {"dof_nm": 300.0}, "limiting": {"low_dose": "line 290 at 41.630 31.973", "high_dose": "space"}}
WINDOW = SIDE | {"uncorrected": SIDE}
SETS = [{"name": "iccad13", "present": False, "what": "ten clips", "licence": "MIT", "origin": "x", "used_for": "y"}]


@dataclass(frozen=True)
class Sweep:
    focus: str | None = None
    dose: str | None = None
    tolerance_percent: float = 10.0
    dof_nm: float | None = None
    most: int = 100


@dataclass(frozen=True)
class Beyond:
    cover: tuple[str, ...] = ()
    end_cap: tuple[str, ...] = ()
    against: Path | None = None
    margin_nm: float = 0.1
    report: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class Work:
    layout: Path
    layer: str = ""
    optics: str = "krf-dry"
    window: str | None = None
    cell: str | None = None
    settings: tuple[str, ...] = ()
    mask_type: str | None = None
    phase_layer: str | None = None
    resist: str | None = None
    method: str = "ilt"
    mask_model: str | None = None


RUNNING = {
    "run": "run", "state": "running", "total": 4000, "done": 1000, "computed": 300, "reused": 699, "failed": 1,
    "failures": [{"index": 7, "where": "tile 7, 1,2 um", "error": "NumericalError: no print", "attempts": 3}],
    "error": "", "workers": 2, "rate_per_s": 2.5, "started": "2026-01-02T03:04:05+00:00",
    "session_started": "2026-01-02T03:04:05+00:00", "last_sign_of_life": "2026-01-02T03:10:45+00:00",
    "expected_end": "2026-01-02T03:30:45+00:00", "left_s": 1200.0, "session_s": 400.0, "sessions": 1,
    "computed_in_all_sessions": 300, "host": "node7", "pid": 4711, "verdict": None,
}  # fmt: skip


@dataclass(frozen=True)
class GaugeFile:
    file: Path
    optics: str = "krf-dry"
    settings: tuple[str, ...] = ()
    layout: Path | None = None
    layer: str = ""
    cell: str | None = None
    coordinate_nm: float = 1.0


@dataclass(frozen=True)
class Wanted:
    free: tuple[str, ...]
    priors: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    robust: bool = False
    hold_out: float = 0.2


TIMES = {"1": 7200.0, "100": 80.0, "10000": 9.0}
PLANNED = {
    "area_um2": 1600.0,
    "blocks": 16,
    "unique_blocks": 9,
    "correct_cpu_s": 60.0,
    "verify_cpu_s": 30.0,
    "core_hours": 0.025,
    "memory_gib_per_process": 0.8,
    "wall_s": TIMES,
    "field": {"size_mm": [26.0, 33.0], "assumed": "none of it the same", "core_hours": 13406.0, "wall_s": TIMES},
}


@dataclass(frozen=True)
class Elsewhere:
    cluster: str | None = None
    reuse: Path | None = None
    keep_nm: float | None = None


@dataclass(frozen=True)
class Etched:
    table: Path
    hold: bool = False


class Jobs(types.ModuleType):
    """Stands in for `actinic.jobs`: remembers its calls, answers with what it was told to."""

    Work, Sweep, GaugeFile, Wanted, Beyond = Work, Sweep, GaugeFile, Wanted, Beyond
    Elsewhere, Etched = Elsewhere, Etched

    def __init__(self):
        super().__init__("actinic.jobs")
        self.calls = []
        self.answers = {
            **dict.fromkeys(("correct", "demo", "verify"), MASK),
            **dict.fromkeys(("score", "bench"), SCORES),
            "window": WINDOW,
            "calibrate": FITTED,
            "expose": {"corner": "nominal", "drawn_area_um2": 1.5, "intensity_max": 1.25, "grid": [2, np.int32(3)]},
            "data_sets": SETS,
            "roughness": ROUGH,
            "status": RUNNING,
            "plan": PLANNED,
            "doctor": {"checks": [{"name": "data", "ok": True, "value": "here", "advice": ""}]},
            "schema": {"type": "object"},
        }
        for name in self.answers:
            setattr(self, name, lambda *args, _name=name, **kwargs: self._call(_name, args, kwargs))

    def _call(self, name, args, kwargs):
        self.calls.append((name, args, kwargs))
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            return answer(*args, **kwargs)
        return answer


@pytest.fixture
def jobs(monkeypatch, tmp_path):
    fake = Jobs()
    import actinic

    monkeypatch.setitem(sys.modules, "actinic.jobs", fake)
    monkeypatch.setattr(actinic, "jobs", fake, raising=False)
    # `main` sets variables for JAX: undo that, and keep the cache out of the home of whoever tests.
    monkeypatch.setattr(os, "environ", os.environ.copy() | {"ACTINIC_CACHE": str(tmp_path / "cache")})
    monkeypatch.delenv("ACTINIC_DEBUG", raising=False)
    return fake


VERBS = {
    "correct": CORRECT,
    "demo": ["demo"],
    "verify": ["verify", "chip.oas", "mask.oas"],
    "window": ["window", "chip.oas", "--out", "run"],
    "expose": ["expose", "chip.oas"],
    "status": ["status", "run"],
    "roughness": ["roughness", "edges.csv", "--step", "1"],
    "calibrate": ["calibrate", "gauges.csv", "--free", "dose_scale", "--out", "run"],
    "score": ["score", "iccad13", "masks"],
    "bench": ["bench", "iccad13", "--out", "masks"],
    "data_sets": ["data", "list"],
    "doctor": ["doctor"],
    "schema": ["schema"],
}


@pytest.mark.parametrize("name", VERBS)
def test_json_is_the_only_thing_on_stdout(jobs, capsys, name):
    answer = jobs.answers[name]
    jobs.answers[name] = lambda *args, **kwargs: print("a library talks") or answer
    assert main([*VERBS[name], "--json"]) == errors.DONE
    out, err = capsys.readouterr()
    document = json.loads(out, parse_constant=pytest.fail)
    assert document == json.loads(to_json(answer)), "what the job returned, whole"
    assert "a library talks" in err and len(err.splitlines()) > 1, "people's text stays readable"


@pytest.mark.parametrize("name", VERBS)
def test_people_read_stdout(jobs, capsys, name):
    assert main(VERBS[name]) == errors.DONE
    out, err = capsys.readouterr()
    assert out.strip() and not err
    assert max(map(len, out.splitlines())) <= 80


def test_arguments_arrive(jobs):
    line = [
        *("correct", "chip.oas", "--layer", "67/20", "--optics", "mine.toml", "--window", "-40,-30,60,50"),
        *("--cell", "A b", "--set", "mask.drawn=dark", "--set", "resist.diffusion_nm=20", "--workers", "3"),
        *("--out", "run", "--force"),
    ]
    assert main(line) == errors.DONE
    [(_, (work, out), given)] = jobs.calls
    settings = ("mask.drawn=dark", "resist.diffusion_nm=20")
    assert work == Work(Path("chip.oas"), "67/20", "mine.toml", "-40,-30,60,50", "A b", settings)
    assert out == Path("run") and given["workers"] == 3 and given["force"] is True
    assert given["etched"] is None and given["elsewhere"] == Elsewhere()
    assert given["command"].startswith("actinic correct chip.oas") and "'A b'" in given["command"]
    given["progress"]("tile", 1, 2)

    jobs.calls.clear()
    main(["expose", "a.gds", "--corner", "nominal", "--dose", "1.03", "--focus-nm", "-150", "--save", "a.npz",
          "--resist", "compact"])  # fmt: skip
    more = "--cover 66/44:5 --cover 67/44 --end-cap 65/20 --against b.oas --margin-nm 0.2 --report r.html"
    main(["verify", "a.gds", "m.oas", "--mask-layer", "1/0", "--lyrdb", "a.lyrdb", *more.split()])
    main(["score", "iccad13", "masks", "--dialect", "D"])
    main(["bench", "iccad13", "--dialect", "N", "--setting", "fast", "--out", "masks"])
    main(["schema", "correct"])
    mask = ["--mask-type", "altpsm", "--phase-layer", "1/1"]
    main(["verify", "a.gds", "m.oas", *mask, "--retarget", "etch.csv", "--retarget-hold"])
    (_, (work, _), given) = jobs.calls.pop()
    assert (work.mask_type, work.phase_layer) == ("altpsm", "1/1")
    assert (given["retarget"], given["hold"]) == (Path("etch.csv"), True)
    far = ["--method", "opc", "--cluster", "local:2", "--reuse", "before", "--keep", "1.5"]
    main(["correct", "a.gds", "--out", "run", *mask[:2], "--retarget", "etch.csv", *far])
    (_, (work, _), given) = jobs.calls.pop()
    assert (work.mask_type, work.method) == ("altpsm", "opc") and given["etched"] == Etched(Path("etch.csv"))
    assert given["elsewhere"] == Elsewhere("local:2", Path("before"), 1.5)
    main(["roughness", "a.png", "--step", "0.8", "--blur", "1", "--dark", "--detrend", "mean"])
    taken = {"step_nm": 0.8, "blur_nm": 1.0, "pairs": False, "dark_lines": True, "detrend": "mean"}
    main("window a.gds --mask m.oas --gauges g.csv --focus -300:300:50 --dof 90 --out r".split())
    main(
        "calibrate g.gg --free a.b,c --free d --prior c=1:0.1 --bound d=0:2 --robust --hold-out 0 --layout c.oas "
        "--layer 1/0 --coordinate-nm 0.25 --optics mine.toml --set e=1 --out run --force".split()
    )
    expose, verify, score, bench, schema, rough, window, calibrate = jobs.calls
    assert rough == ("roughness", (Path("a.png"),), taken)
    data = GaugeFile(Path("g.gg"), "mine.toml", ("e=1",), Path("c.oas"), "1/0", None, 0.25)
    assert calibrate[1] == (data, Wanted(("a.b,c", "d"), ("c=1:0.1",), ("d=0:2",), True, 0.0), Path("run"))
    assert calibrate[2]["force"] is True and calibrate[2]["command"].startswith("actinic calibrate g.gg")
    nominal = {"corner": "nominal", "dose": 1.03, "focus_nm": -150.0, "save": Path("a.npz"), "force": False}
    assert expose == ("expose", (Work(Path("a.gds"), resist="compact"),), nominal)
    markers = {"mask_layer": "1/0", "lyrdb": Path("a.lyrdb"), "retarget": None, "hold": False, "force": False}
    beyond = verify[2].pop("beyond")
    assert verify == ("verify", (Work(Path("a.gds")), Path("m.oas")), markers)
    assert beyond.command.startswith("actinic verify a.gds")
    assert replace(beyond, command="") == Beyond(("66/44:5", "67/44"), ("65/20",), Path("b.oas"), 0.2, Path("r.html"))
    assert score[1] == ("iccad13", Path("masks")) and score[2]["dialect"] == "D"
    assert bench[1] == ("iccad13",) and bench[2]["dialect"] == "N" and bench[2]["out"] == Path("masks")
    assert schema[1] == ("correct",)
    assert window[1] == (Work(Path("a.gds")), Path("r"), Sweep("-300:300:50", None, 10.0, 90.0, 100))
    assert window[2]["mask"] == Path("m.oas") and window[2]["gauges"] == Path("g.csv") and window[2]["force"] is False


def test_plan_tells_window_and_field(jobs, capsys):
    assert main(["plan", "chip.oas", "--layer", "67/20"]) == errors.DONE
    [(_, (work,), _)] = jobs.calls
    assert work.method == "opc"
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["on", "1", "cores", "2.0", "h", "2.0", "h"] in lines
    assert ["together", "0.025", "core-h", "13,406", "core-h"] in lines
    assert "Assumed of the field: none of it the same." in " ".join(lines[-1])


def test_summary_is_verdict_numbers_files(jobs, capsys):
    main(CORRECT)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "in spec"
    number_lines = [line.split() for line in lines[3:8]]
    assert number_lines[0] == ["mean", "|EPE|", "10.50", "->", "1.50", "nm"]
    assert number_lines[2] == ["max", "|EPE|", "60.00", "->", "-", "nm"]
    assert number_lines[4] == ["mask", "rule", "violations", "0"]
    arrows = [line.index("->") for line in lines[3:6]]
    assert len(set(arrows)) == 1
    files = [line.split() for line in lines[-3:]]
    assert files == [["mask", "run/mask.oas"], ["run", "run"], ["report", "run/report.html"]]


@pytest.mark.parametrize("verb", ["correct", "demo", "verify", "window", "calibrate"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_out_of_spec_is_1(jobs, capsys, verb, flags):
    jobs.answers[verb] = jobs.answers[verb] | {"in_spec": False, "verdict": "out of spec"}
    assert main(VERBS[verb] + flags) == errors.OUT_OF_SPEC
    assert "out of spec" in "".join(capsys.readouterr())


def test_doctor_says_what_is_missing(jobs, capsys):
    jobs.answers["doctor"] = {"checks": [{"name": "data", "ok": False, "value": "absent", "advice": "set IT"}]}
    assert main(["doctor"]) == errors.MISSING
    assert "data: set IT" in capsys.readouterr().out


def test_flagged_roughness_is_1(jobs, capsys):
    flag = {"name": "drift", "why": "the edges bend"}
    jobs.answers["roughness"] = ROUGH | {"given": False, "flags": [flag], "verdict": "No roughness given."}
    assert main(VERBS["roughness"]) == errors.OUT_OF_SPEC
    out = capsys.readouterr().out
    assert out.startswith("No roughness given.") and "26 widths" in out and "26 edges" not in out
    jobs.answers["roughness"] = ROUGH | {"width": ROUGH["width"] | {"flags": [flag]}}
    assert main(VERBS["roughness"]) == errors.DONE
    assert "No width roughness:\nthe edges bend" in capsys.readouterr().out


class Wall(Exception):
    def __str__(self):
        return "first line\n" + "and much more\n" * 100


FAILURES = [
    (errors.ConfigError("a.toml: na is wrong\na.toml: sigma is wrong"), 2, ["a.toml: na is", "a.toml: sigma is"]),
    (errors.InputError("chip.oas: no layer 1/0"), 2, ["chip.oas: no layer 1/0"]),
    (errors.NumericalError("tile 3 diverged"), 3, ["tile 3 diverged"]),
    (errors.MissingError("iccad13: set ACTINIC_DATA"), 4, ["iccad13: set ACTINIC_DATA"]),
    (ModuleNotFoundError("No module named 'flwr'", name="flwr"), 4, ["'flwr'", "actinic[all]"]),
    (ImportError("cannot import name 'x'", name="actinic.jobs"), 3, ["ImportError: cannot import name 'x'"]),
    (OSError(28, "No space left on device", "run/mask.oas"), 2, ["run/mask.oas: No space left on device"]),
    (BrokenPipeError(32, "Broken pipe"), 2, ["Broken pipe"]),  # of a job, while stdout is well
    (MemoryError(), 3, ["out of memory"]),
    (ValueError("bad\nthing"), 3, ["ValueError: bad thing", "--debug"]),
    (AssertionError(), 3, ["unexpected AssertionError (", "--debug"]),
    (Wall(), 3, ["Wall: first line", "--debug"]),
    (KeyboardInterrupt(), 130, ["interrupted"]),
]


@pytest.mark.parametrize(("error", "code", "said"), FAILURES, ids=lambda value: type(value).__name__)
def test_every_failure_is_a_line_and_a_code(jobs, capsys, error, code, said):
    jobs.answers["correct"] = error
    assert main(CORRECT) == code
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(str(error).splitlines()) if isinstance(error, errors.ConfigError) else len(lines) == 1
    assert all(line.startswith("actinic: ") and len(line) < 400 for line in lines)
    assert all(part in err for part in said) and "Traceback" not in err

    assert main([*CORRECT, "--json"]) == code
    out, again = capsys.readouterr()
    document = json.loads(out)
    assert document["exit_code"] == code and all(part in document["error"] for part in said) and again == err


def test_debug_shows_the_traceback(jobs, capsys, monkeypatch):
    jobs.answers["correct"] = ZeroDivisionError("here")
    for line in (["--debug", *CORRECT], [*CORRECT, "--debug"]):
        assert main(line) == errors.NUMERICAL
        assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ACTINIC_DEBUG", "1")
    main(CORRECT)
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ACTINIC_DEBUG", "0")
    main(CORRECT)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["corect"], "correct"),
        (["correct"], "LAYOUT"),
        (["correct", "chip.oas"], "--out"),
        ([*CORRECT, "--windw", "1"], "--windw"),
        ([*CORRECT, "--workers", "-1"], "--workers"),
        ([*CORRECT, "--workers", "many"], "--workers"),
        (["expose", "chip.oas", "--dose"], "--dose"),
        (["expose", "chip.oas", "--dose", "much"], "--dose"),
        (["score", "iccad13", "masks", "--dialect", "X"], "--dialect"),
        (["bench", "iccad13", "--out", "x", "--setting", "slow"], "--setting"),
        (["data"], "command"),
    ],
)
def test_wrong_usage_is_one_line_and_2(jobs, capsys, line, said):
    assert main(line) == errors.USAGE
    out, err = capsys.readouterr()
    assert not out and not jobs.calls
    assert err.startswith("actinic: ") and said in err and "--help" in err and len(err.splitlines()) == 1
    assert main([*line, "--json"]) == errors.USAGE
    assert json.loads(capsys.readouterr().out)["exit_code"] == errors.USAGE


def test_help_and_version_need_no_jobs(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", os.environ.copy() | {"ACTINIC_CACHE": ""})
    assert main(["--version"]) == errors.DONE
    assert capsys.readouterr().out.startswith("actinic ")
    for line in ([], ["--help"], ["correct", "--help"], ["data", "list", "-h"]):
        assert main(line) == errors.DONE
        assert "Exit codes" in capsys.readouterr().out.replace("\n", " ")


def test_exit_codes_are_documented():
    codes = [errors.DONE, errors.OUT_OF_SPEC, errors.USAGE, errors.NUMERICAL, errors.MISSING, errors.INTERRUPTED]
    documented = ALL_NOTES.partition("Exit codes:")[2].split("\n")[1:-1]
    assert [int(line.split()[0]) for line in documented] == codes


def test_reference_is_up_to_date():
    """After a change: python -m actinic.interfaces.cli.reference > docs/cli.md"""
    text = reference.help_text()
    assert (ROOT / "docs" / "cli.md").read_text() == text
    for verb in VERBS.values():
        assert f"## actinic {verb[0]}" in text
    assert max(map(len, text.splitlines())) <= 96


def test_progress_only_on_a_terminal(jobs, capsys, monkeypatch):
    def work(*args, progress, **kwargs):
        progress("tiles [of 2]", 1, 2)
        progress("tiles [of 2]", 2, 2)
        return MASK

    jobs.answers["correct"] = work
    main([*CORRECT, "--json"])
    assert "tiles" not in "".join(capsys.readouterr())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    main([*CORRECT, "--json"])
    out, err = capsys.readouterr()
    assert "tiles [of 2]" in err and json.loads(out)["verdict"] == "in spec"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.floats(width=32).map(np.float32),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(values)
def test_json_is_strict(value):
    json.loads(to_json(value), parse_constant=pytest.fail)


def test_json_of_arrays_and_the_unknown():
    value = {"a": np.array([[1.5, np.nan]]), "b": np.bool_(True), "c": Path("x"), 4: np.int64(3), "d": -math.inf}
    assert json.loads(to_json(value)) == {"a": [[1.5, None]], "b": True, "c": "x", "4": 3, "d": None}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path)})
    return os.environ


def test_environment_is_set_once_and_in_private(environment, tmp_path):
    set_environment()
    folder = tmp_path / ".cache" / "actinic"
    assert environment["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "intra_op_parallelism_threads=1" in environment["XLA_FLAGS"]
    assert float(environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) == 0.2


def test_environment_of_the_user_stays(environment, tmp_path):
    theirs = {
        "XLA_FLAGS": "--mine",
        "JAX_COMPILATION_CACHE_DIR": "/mine",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "7",
    }
    environment.update(theirs)
    set_environment()
    assert {key: environment[key] for key in theirs} == theirs
    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/actinic"),
        ({"XDG_CACHE_HOME": "not/absolute"}, ".cache/actinic"),
        ({"ACTINIC_CACHE": "{}/mine", "XDG_CACHE_HOME": "{}/xdg"}, "mine"),
        ({"ACTINIC_CACHE": ""}, None),
        ({"ACTINIC_CACHE": "{}/a file/below"}, None),
    ],
)
def test_cache_folder_is_the_users_choice(environment, tmp_path, given, folder):
    (tmp_path / "a file").write_text("")
    environment.update({key: value.format(tmp_path) for key, value in given.items()})
    set_environment()
    assert environment.get("JAX_COMPILATION_CACHE_DIR") == (folder and str(tmp_path / folder))


def run(code: str, **kwargs) -> subprocess.CompletedProcess:
    """A fresh Python with the command line in it, and jobs that answer at once."""
    prelude = """
import sys, types
jobs = sys.modules["actinic.jobs"] = types.ModuleType("actinic.jobs")
jobs.schema = lambda name: {"text": "x" * 200_000}
from actinic.interfaces.cli.app import main
"""
    environment = os.environ | {"ACTINIC_CACHE": "", "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, "-c", prelude + code], text=True, env=environment, timeout=60, **kwargs)


@pytest.mark.parametrize("line", [["--help"], ["--version"], ["correct", "--help"], ["data", "list", "--help"]])
def test_help_imports_nothing_heavy(line):
    heavy = "{'jax', 'numpy', 'scipy', 'klayout', 'matplotlib', 'rich', 'equinox'}"
    done = run(f"main({line}); print(sorted({heavy} & set(sys.modules)), file=sys.stderr)", capture_output=True)
    assert done.stderr == "[]\n", "what help had to wait for"
    assert "actinic" in done.stdout


@pytest.mark.parametrize("line", [["schema"], ["schema", "--json"], ["--help"]])
def test_a_broken_pipe_is_silent(line):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(f"sys.exit(main({line}))", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.returncode == errors.DONE
    assert "actinic:" not in done.stderr and "Error" not in done.stderr


def test_an_interrupt_that_python_drops_comes_again():
    code = """
import os, signal, time
class Careless:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
def schema(name):
    Careless()
    time.sleep(20)
jobs.schema = schema
start = time.monotonic()
# Started in the background, a shell makes its programs deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
code = main(["schema"])
print(time.monotonic() - start < 15)
sys.exit(code)
"""
    done = run(code, capture_output=True)
    assert done.returncode == errors.INTERRUPTED
    assert (done.stdout, done.stderr) == ("True\n", "actinic: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("line", [["schema"], ["--help"]])
def test_a_full_disk_behind_stdout_is_one_line(line):
    with open("/dev/full", "w") as full:
        done = run(f"sys.exit(main({line}))", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == errors.USAGE
    assert done.stderr == "actinic: standard output: No space left on device\n"


def test_a_name_beyond_the_alphabet_of_stdout():
    done = run(
        "jobs.data_sets = lambda: [dict.fromkeys('name present what licence origin used_for'.split(), '\\udcff')]\n"
        "sys.exit(main(['data', 'list']))",
        capture_output=True,
    )
    assert done.returncode == errors.DONE and "\\udcff" in done.stdout
