"""The store of measurements: good rows kept, bad ones told, nothing twice, nothing lost, whatever happens."""

import base64
import gzip
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import ConfigError, InputError
from actinic.operate.store import Rejected, Wanted, export, ingest, invalidate, lots, marks, reinstate
from actinic.operate.store.check import check, places
from actinic.operate.store.tables import read_table
from actinic.wafer import COLUMNS

HEADER = ",".join(COLUMNS)
ROW = "L1,W1,1,0,-1,26.5,-3.25,0.5,-3.25,1.5,-2.25,0.9"


def written(tmp_path, text, name="marks.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(*rows, header=HEADER):
    return "\n".join([header, *rows, ""])


def with_(**cells):
    """ROW with other cells, by column."""
    values = dict(zip(COLUMNS, ROW.split(","), strict=True)) | cells
    return ",".join(values.values())


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.duckdb"


def test_rows_come_back_as_they_were(tmp_path, store):
    extra = ",target_dx_nm,tis_x_nm,scan,tool,time,comment"
    rows = [f"{ROW},0.5,-0.1,down,T 1,2026-01-02T03:04:05.25+01:00,x", f"{with_(wafer='W2', quality='')},,,,,,y"]
    result = ingest(written(tmp_path, table(*rows, header=HEADER + extra)), store)
    assert (result.rows, result.added, result.repeated, result.rejected, result.ignored) == (2, 2, 0, (), ("comment",))
    found = marks(store)
    assert found.lot.tolist() == ["L1", "L1"] and found.wafer.tolist() == ["W1", "W2"] and found.chuck[0] == "1"
    for name, value in (
        ("X_mm", 26.5),
        ("Y_mm", -3.25),
        ("x_mm", 0.5),
        ("y_mm", -3.25),
        ("dx_nm", 1.5),
        ("dy_nm", -2.25),
    ):
        assert getattr(found, name).dtype == np.float64 and getattr(found, name)[0] == value, name
    assert found.quality.tolist() == [0.9, 1.0] and found.field_row.tolist() == [-1, -1]
    assert found.target_dx_nm.tolist() == [0.5, 0.0] and found.target_dy_nm is None
    assert found.scan.tolist() == [-1, 0] and found.tool.tolist() == ["T 1", ""]
    assert found.time[0] == np.datetime64("2026-01-02T02:04:05.250") and np.isnat(found.time[1])
    assert found.line.tolist() == [2, 3] and found.reticle is None


REASONS = {
    with_(lot=""): "lot is missing",
    with_(lot=" "): "lot is missing",
    with_(wafer="W\x07"): "wafer 'W\\x07' is no name",
    with_(X_mm="nan"): "X_mm nan is not a number",
    with_(Y_mm=""): "Y_mm is missing",
    with_(x_mm="-inf"): "x_mm -inf is not a number",
    with_(X_mm="26500"): "X_mm 26500 is outside a 300 mm wafer; it is in mm",
    with_(X_mm="140", Y_mm="140"): "X_mm and Y_mm lie outside a 300 mm wafer",
    with_(y_mm="3250"): "y_mm 3250 is outside a field",
    with_(dx_nm="1,5".replace(",", ".") + "x"): "dx_nm '1.5x' is not a number",
    with_(dx_nm="1_5"): "dx_nm '1_5' is not a number",
    with_(dy_nm="inf"): "dy_nm inf is not a number",
    with_(dy_nm="1e6"): "dy_nm 1e6 is no overlay; it is in nm",
    with_(dx_nm="", dy_nm="nan"): "neither dx_nm nor dy_nm is given",
    with_(quality="90"): "quality 90 is no quality",
    with_(field_row="0.5"): "field_row 0.5 is not a whole number",
    ROW + ",1": "13 cells, where the header has 12",
    ROW.rpartition(",")[0]: "11 cells, where the header has 12",
    with_(lot='"L1'): "quotation marks that do not match",
    with_(lot='"L"1"'): "quotation marks that do not match",
    with_(lot="L\udcff1"): "not UTF-8",
    "hello": "1 cells, where the header has 12",
}


def test_bad_rows_are_told_and_all_others_kept(tmp_path, store):
    rows = [part for n, row in enumerate(REASONS) for part in ("", "# a remark", row, with_(wafer=f"W{n}"))]
    text = table(*rows).encode(errors="surrogateescape")
    result = ingest(written(tmp_path, text), store)
    assert (result.rows, result.added) == (2 * len(REASONS), len(REASONS))
    for n, ((line, reason), expected) in enumerate(zip(result.rejected, REASONS.values(), strict=True)):
        assert line == 4 * n + 4 and expected in reason and "\n" not in reason, (line, reason, expected)
    assert sorted(marks(store).wafer) == sorted(f"W{n}" for n in range(len(REASONS)))


def test_one_axis_alone_is_a_measurement(tmp_path, store):
    ingest(written(tmp_path, table(with_(dx_nm=""), with_(wafer="W2", dy_nm="NaN"))), store)
    found = marks(store)
    assert np.isnan(found.dx_nm).tolist() == [True, False] and np.isnan(found.dy_nm).tolist() == [False, True]


GOOD = table(ROW, with_(wafer="W2"))
WAYS = {
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "CRLF": GOOD.replace("\n", "\r\n").encode(),
    "no last line end": GOOD.rstrip("\n").encode(),
    "semicolons": GOOD.replace(",", ";").encode(),
    "tabs": GOOD.replace(",", "\t").encode(),
    "spaces": GOOD.replace(",", " , ").encode(),
    "quoted": GOOD.replace("L1", '"L1"').replace("lot", '"lot"').encode(),
    "other order": "\n".join(",".join(line.split(",")[::-1]) for line in GOOD.splitlines()).encode(),
    "spelled out": GOOD.replace("X_mm", "wafer_x_mm").replace("y_mm", "field_y_mm", 1).encode(),
    "loose names": GOOD.replace("field_column", "Field Column").replace("lot", "LOT ID").encode(),
    "gzip": gzip.compress(GOOD.encode()),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_make_of_csv_reads_the_same(tmp_path, store, way):
    result = ingest(written(tmp_path, WAYS[way]), store)
    assert (result.added, result.rejected) == (2, ())
    ingest(written(tmp_path, GOOD, "plain.csv"), store)
    assert len(marks(store, Wanted(versions=True))) == 2, "the plain file must hold the same rows"


def test_a_comma_within_quotation_marks_is_no_separator(tmp_path, store):
    ingest(written(tmp_path, table(with_(lot='"L,1"'), with_(lot='"say ""so"""'))), store)
    assert marks(store).lot.tolist() == ["L,1", 'say "so"']


REFUSED = {
    "empty": (b"", "the file is empty"),
    "only empty lines": (b"\n\n# x\n", "the file is empty"),
    "only a header": (HEADER.encode(), "no row can be used (there is only a header)"),
    "no header": (table(header=ROW).encode(), "the first line must name the columns; it lacks lot, wafer"),
    "a column missing": (GOOD.replace("dy_nm", "dy_um", 1).encode(), "it lacks dy_nm (not dy_um)"),
    "a column twice": (GOOD.replace("quality", "lot", 1).encode(), "the header names lot twice"),
    "both spellings": (GOOD.replace("quality", "wafer_x_mm", 1).encode(), "the header names X_mm twice"),
    "no good row": (table(with_(X_mm="x")).encode(), "no row can be used (line 2: X_mm 'x' is not a number)"),
    "UTF-16": (GOOD.encode("utf-16"), "the file is UTF-16; save it as CSV in UTF-8"),
    "a workbook": (b"PK\x03\x04" + b"\0" * 99, "an Excel workbook; save it as CSV"),
    "a header of bytes": (b"\xff\xfdlot,wafer\n", "line 1: the header is not UTF-8"),
    "gzip cut off": (gzip.compress(GOOD.encode() * 50)[:-20], "cannot be read"),
    "gzip damaged": (gzip.compress(GOOD.encode())[:30] + b"x" * 40, "cannot be read"),
    "Parquet damaged": (b"PAR1" + b"x" * 40, "this Parquet file cannot be read"),
    "no lines": (b"x" * (9 << 20), "line 1 is longer than 8 MiB: this is no CSV"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_table_leaves_nothing(tmp_path, store, name):
    content, message = REFUSED[name]
    with pytest.raises(InputError) as caught:
        ingest(written(tmp_path, content), store)
    assert message in str(caught.value) and "\n" not in str(caught.value) and "marks.csv" in str(caught.value)
    assert not store.exists() or not lots(store)


def test_a_file_that_is_not_there(tmp_path, store):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        ingest(tmp_path / "absent.csv", store)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        ingest(tmp_path, store)
    with pytest.raises(InputError, match="there is no such store"):
        marks(store)


# Two rows, X_mm beside x_mm, written by another library (Arrow): SQL would take both for one column.
ARROW = zlib.decompress(
    base64.b85decode(
        "c-jka3^EjD5LFR1(-CC>GT21fWEdD2G`8yhRS=rUz`z9LurPv1A43R9oa%5x2nkfABWj1KT5KasH6sHAz-Yoc7_jNk!J;FVfx!Z*g^@wlf"
        "QeY6f7pYm25Sdmb+9<VXcFxJ(q!2oBdUj~gRc;xgPC#GOc2;fwAmN-Lud}7-TwjV{s;DiUE}cC=UbdR8-pl|<Qr243AW<ojMUsjQ7Hyd9#"
        "tj@=A8TzRR$lBJ}{rPJTWb`2qwY;5=qV|P0og}dD1ddb5i1y^K(jb^B_W;5TT;{at2W@AfF{7J~tQ2j6^Ui5X?$AlQpFxJ`c{WgtOTTOA~"
        "W4ODZ8Yu#{xxrmBkg^a#o5fPF2-A}J$zM~y*7lt)sPjX@IZ2~i#~7BMfe7&Q)08BtKGWMZ%p<B(*NRAXQP>OoQs@giJ(3QqMbQ1##d0ILrY"
        "OHn((h|r*kML9|s!F4TR!mkSvj8H8>Y8}itv~WSRfI}K?!7W0nBav0_V<Dir0$KGURsyOkkyW>`;a3fbb+B?Lu@JRaXv&$G(3Mxhl!IN)j"
        "^A`x+Cey;1AoYalNa1IZJbzKBle43j75z@>=Gw~hC)GNQDJFniEeU1fo@_EFv1kdQj3Z+^Yavp%=8TO3?=UXvkozcVG=U~LjbS}007^8*}?"
    )
)


def test_parquet_of_another_library(tmp_path, store):
    result = ingest(written(tmp_path, ARROW, "marks.parquet"), store)
    assert (result.added, result.rejected) == (2, ())
    found = marks(store)
    assert found.X_mm.tolist() == [1.5, 27.5] and found.x_mm.tolist() == [1.5, 1.5]
    assert found.dx_nm[0] == 0.1 and np.isnan(found.dx_nm[1]) and found.time[0] == np.datetime64("2026-01-02T03:04:05")


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_what_is_exported_is_what_is_there(tmp_path, store, name):
    rng = np.random.default_rng(3)
    rows = [
        with_(
            wafer=f"W{n % 5}",
            x_mm=f"{n / 8}",
            dx_nm=repr(float(rng.normal() * 10.0 ** rng.integers(-9, 4))),
            lot='"a,""b"',
        )
        + f",{'T' if n % 2 else ''},2026-01-0{1 + n % 9}"
        for n in range(40)
    ]
    ingest(written(tmp_path, table(*rows, header=HEADER + ",tool,time")), store)
    assert export(store, tmp_path / name) == 40
    again = ingest(tmp_path / name, store)
    assert (again.added, again.repeated, again.ignored) == (0, 40, ())
    other = tmp_path / "other.duckdb"
    ingest(tmp_path / name, other)
    a, b = marks(store), marks(other)
    for column in ("lot", "wafer", "x_mm", "dx_nm", "dy_nm", "tool", "time"):
        assert getattr(a, column).tolist() == getattr(b, column).tolist(), column


def test_export_knows_its_formats(tmp_path, store):
    ingest(written(tmp_path, GOOD), store)
    with pytest.raises(ConfigError, match=r"written as \.parquet"):
        export(store, tmp_path / "marks.xlsx")
    assert export(store, tmp_path / "it's.csv", Wanted(wafer="W2")) == 1
    assert (tmp_path / "it's.csv").read_text().splitlines()[0] == HEADER


def test_nothing_comes_in_twice(tmp_path, store):
    file = written(tmp_path, GOOD)
    assert ingest(file, store).added == 2
    again = ingest(file, store)
    assert (again.known, again.rows, again.added, again.repeated) == (True, 2, 0, 2)
    # Another file with a row of the first, a new one, and that new one again.
    more = ingest(written(tmp_path, table(ROW, with_(wafer="W3"), with_(wafer="W3")), "more.csv"), store)
    assert (more.known, more.added, more.repeated, more.remeasured) == (False, 1, 2, 0)
    assert len(marks(store, Wanted(versions=True))) == 3


def test_a_known_file_tells_its_rejected_rows_again(tmp_path, store):
    file = written(tmp_path, table(ROW, "hello"))
    first, again = ingest(file, store), ingest(file, store)
    assert first.rejected == again.rejected == (Rejected(3, "1 cells, where the header has 12"),)


def timed(dx, when):
    return f"{with_(dx_nm=str(dx))},{when}"


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_the_latest_measurement_counts_in_whatever_order_they_arrive(tmp_path, store, order):
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    told = []
    for day in order:
        file = written(tmp_path, table(timed(day, days[day]), header=HEADER + ",time"), f"{day}.csv")
        result = ingest(file, store)
        told.append((result.added, result.remeasured, result.older))
    assert told[0] == (1, 0, 0) and all(added == 1 and again == 1 for added, again, _ in told[1:])
    # The clock went back where a file is older than what was there.
    assert [older for *_, older in told] == [int(n > 0 and order[n] < max(order[:n])) for n in range(3)]
    assert marks(store).dx_nm.tolist() == [2.0]
    assert sorted(marks(store, Wanted(versions=True)).dx_nm) == [0.0, 1.0, 2.0]
    # A time that leaves the current version out does not bring an old one back.
    assert len(marks(store, Wanted(until=datetime(2026, 1, 3)))) == 0
    assert len(marks(store, Wanted(since=datetime(2026, 1, 3, 1, tzinfo=UTC)))) == 0
    assert len(marks(store, Wanted(since=datetime(2026, 1, 3)))) == 1


def test_without_times_the_last_to_arrive_counts(tmp_path, store):
    for n, dx in enumerate(("1", "2")):
        ingest(written(tmp_path, table(with_(dx_nm=dx)), f"{n}.csv"), store)
    assert marks(store).dx_nm.tolist() == [2.0]


def test_marks_of_another_layer_or_place_are_other_marks(tmp_path, store):
    rows = [f"{ROW},M1", f"{ROW},M2", f"{with_(x_mm='0.75')},M1", f"{with_(field_column='1')},M1"]
    ingest(written(tmp_path, table(*rows, header=HEADER + ",layer")), store)
    assert len(marks(store)) == 4 and len(marks(store, Wanted(layer="M2"))) == 1
    with pytest.raises(ConfigError, match="no time lies"):
        marks(store, Wanted(since=datetime(2026, 1, 2), until=datetime(2026, 1, 1)))


def test_an_invalid_lot_is_kept_but_left_out(tmp_path, store):
    ingest(written(tmp_path, table(ROW, with_(lot="L2"))), store)
    invalidate(store, "L1", "wrong recipe")
    assert marks(store).lot.tolist() == ["L2"]
    assert marks(store, Wanted(invalid=True)).lot.tolist() == ["L1", "L2"]
    assert [(lot.lot, lot.wafers, lot.marks, lot.invalid) for lot in lots(store)] == [
        ("L1", 1, 1, "wrong recipe"),
        ("L2", 1, 1, None),
    ]
    ingest(written(tmp_path, table(with_(wafer="W9")), "late.csv"), store)
    assert marks(store).lot.tolist() == ["L2"], "what comes later of an invalid lot is invalid too"
    reinstate(store, "L1", "it was right")
    assert marks(store).lot.tolist() == ["L1", "L1", "L2"] and lots(store)[0].invalid is None
    for lot, reason, message in (("L9", "x", "there is no lot 'L9'"), ("L1", " ", "say why")):
        with pytest.raises(InputError, match=message):
            invalidate(store, lot, reason)
    with pytest.raises(InputError, match="no such store"):
        invalidate(tmp_path / "none.duckdb", "L1", "x")
    assert not (tmp_path / "none.duckdb").exists()


def test_a_file_that_is_no_store_is_refused(tmp_path, store):
    store.write_bytes(b"hello" * 4000)
    with pytest.raises(InputError, match=r"no store|cannot be opened"):
        marks(store)
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE a (b INTEGER)")
    with pytest.raises(InputError, match="no store of measurements"):
        ingest(written(tmp_path, GOOD), other)
    ingest(written(tmp_path, GOOD), tmp_path / "new.duckdb")
    with duckdb.connect(str(tmp_path / "new.duckdb")) as connection:
        connection.execute("UPDATE store SET version = 99")
    with pytest.raises(InputError, match="version 99"):
        marks(tmp_path / "new.duckdb")


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="cannot be made"):
        ingest(written(tmp_path, GOOD), tmp_path / "absent" / "store.duckdb")
    assert [p.name for p in tmp_path.iterdir()] == ["marks.csv"]


def test_an_error_in_mid_write_takes_all_back(tmp_path, store, monkeypatch):
    ingest(written(tmp_path, GOOD), store)

    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("actinic.operate.store.ingest"), "_insert_rejected", fails)
    with pytest.raises(KeyboardInterrupt):
        ingest(written(tmp_path, table(with_(lot="L5"), "hello"), "bad.csv"), store)
    assert [lot.lot for lot in lots(store)] == ["L1"]


CHILD = """
import sys
from actinic.operate.store import ingest
print("go", flush=True)
print(ingest(*sys.argv[1:3], float(sys.argv[3])).added)
"""


def child(file, store, wait_s=30.0):
    words = [sys.executable, "-c", CHILD, str(file), str(store), str(wait_s)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def many(tmp_path, lot, wafers=6):
    """A file of a lot with 3000 marks a wafer."""
    rows = [
        with_(lot=lot, wafer=f"W{wafer}", x_mm=f"{n / 200}", dx_nm=f"{n % 97 / 7:.3f}")
        for wafer in range(wafers)
        for n in range(3000)
    ]
    return written(tmp_path, table(*rows), f"{lot}.csv")


def test_a_kill_at_any_moment_leaves_the_store_whole(tmp_path, store):
    ingest(written(tmp_path, GOOD), store)
    files = [many(tmp_path, f"K{n}") for n in range(4)]
    rng = random.Random(5)
    for file in files:
        process = child(file, store)
        assert process.stdout.readline() == "go\n"
        time.sleep(rng.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = {lot.lot: lot.marks for lot in lots(store)}
        assert found.pop("L1") == 2
        assert set(found.values()) <= {18000}, "a lot is there as a whole or not at all"
    # The copy, with its log, is what a machine without power would find; every file can go in again.
    shutil.copytree(tmp_path, tmp_path / "copy")
    for file in files:
        ingest(file, tmp_path / "copy" / "store.duckdb")
    assert sum(lot.marks for lot in lots(tmp_path / "copy" / "store.duckdb")) == 2 + 4 * 18000


def test_a_log_cut_off_loses_only_what_was_not_done(tmp_path, store):
    """A process that dies before its last write is at rest leaves a log that ends anywhere."""
    ingest(written(tmp_path, GOOD), store)
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=_leave_log, args=(str(written(tmp_path, table(with_(lot="L7")), "b.csv")), str(store))
    )
    process.start()
    process.join()
    log = store.with_name(store.name + ".wal")
    whole, before = log.read_bytes(), store.read_bytes()
    assert len(whole) > 100
    for cut in (len(whole), len(whole) - 1, len(whole) // 2, 40):
        store.write_bytes(before)
        log.write_bytes(whole[:cut])
        assert [lot.lot for lot in lots(store)] == (["L1", "L7"] if cut == len(whole) else ["L1"]), cut


def _leave_log(file, store):
    """Commit, and die before the log is worked into the file."""
    duckdb.DuckDBPyConnection.close = lambda self: os._exit(0)  # type: ignore[method-assign]
    ingest(file, store)


def test_two_at_once_both_get_in(tmp_path, store):
    files = [many(tmp_path, lot) for lot in ("A", "B", "C")]
    processes = [child(file, store) for file in files]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.split() == ["go", "18000"]
    assert [(lot.lot, lot.marks) for lot in lots(store)] == [("A", 18000), ("B", 18000), ("C", 18000)]


def test_who_waits_too_long_is_refused_in_one_line(tmp_path, store):
    ingest(written(tmp_path, GOOD), store)
    holder = duckdb.connect(str(store))
    process = child(written(tmp_path, table(with_(lot="L2")), "b.csv"), store, 0.2)
    _, err = process.communicate(timeout=60)
    holder.close()
    last = err.strip().splitlines()[-1]
    assert process.returncode == 1 and "another process has the store open; waited 0.2 s, try again" in last
    assert [lot.lot for lot in lots(store)] == ["L1"]


cells = st.sampled_from(
    ["", "0", "1", "-2.5", "nan", "inf", "1e999", "x", '"', "1,2", "\t", "L", "\x00", "1_0", "26500", "é"]
)


@settings(max_examples=200)
@given(rows=st.lists(st.lists(cells, min_size=10, max_size=14), max_size=6), junk=st.binary(max_size=20))
def test_any_table_is_read_row_by_row(tmp_path_factory, rows, junk):
    lines = table(ROW, *(",".join(row) for row in rows)).encode() + junk
    file = written(tmp_path_factory.mktemp("fuzz"), lines)
    header, blocks = read_table(file)
    good, bad = [], []
    for block in blocks:
        columns, at, rejected = check(block, places(header, file))
        good += at.tolist()
        bad += [row.line for row in rejected]
        assert np.isfinite(columns["X_mm"]).all() and (np.hypot(columns["X_mm"], columns["Y_mm"]) <= 150).all()
        assert (
            np.isfinite(columns["quality"]).all()
            and not (np.isnan(columns["dx_nm"]) & np.isnan(columns["dy_nm"])).any()
        )
    told = [n for n, line in enumerate(lines.split(b"\n"), 1) if line.strip() and line[:1] != b"#"]
    assert sorted(good + bad) == told[1:], "every row is kept or told, once"
    assert good[0] == 2
