"""Virtual metrology on a real etcher, lots left out: against the ridge baseline, coverage, risk; other choices."""

from common import data_folder, report  # noqa: I001 sets the environment before NumPy starts

import numpy as np

from actinic.jobs import predict
from actinic.operate.predict import coverage, fit, leave_one_lot_out, model, r2, read_runs, read_values, signal_features
from actinic.operate.predict.features import Table, switched


def main() -> None:
    intervals()
    folder = data_folder()
    if folder is None:
        return
    files = folder / "bosch_etch" / "traces_5hz.npz", folder / "bosch_etch" / "depth.csv"
    found = predict(*files)
    report("etch depth", **{k: found[k] for k in ("r2", "baseline_r2", "features", "lots", "risk")})
    for spec in ((43.3, 44.7), (43.4, 44.6)):
        report("etch depth, wafers not measured", limits_um=spec, **predict(*files, spec=spec)["spec"])
    runs, names = read_runs(files[0])
    values, _ = read_values(files[1])
    measured = np.array([values[run.lot, run.place] for run in runs])
    table = signal_features(runs, names, switched(runs))
    for name, value in (("RIDGE", 0.1), ("RIDGE", 0.3), ("RIDGE", 3.0), ("GAIN", 0.02), ("GAIN", 0.1)):
        kept = getattr(model, name)
        setattr(model, name, value)
        tried, models = leave_one_lot_out(table, measured)
        *lots, whole = coverage(tried, measured, table.lots)
        report(
            "etch depth, other settings", **{name.lower(): value}, r2=r2(tried.value, measured), covered=whole.covered,
            least=min(lot.covered for lot in lots), features=[len(m.names) for m in models],
        )  # fmt: skip
        setattr(model, name, kept)


def intervals(seeds: int = 200) -> None:
    """Coverage on lots not seen, by how much of the scatter lots share; 6 lots of 10 wafers, 90 % asked."""
    for between, within in ((0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0)):
        inside = []
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            lot, place = np.repeat(np.arange(7), 10).astype(str), np.tile(np.arange(1.0, 11.0), 7)
            values = np.column_stack([place, random.standard_normal((70, 2))])
            offset = between * np.repeat(random.standard_normal(7), 10)
            measured = values @ [-0.3, 1.0, 0.5] + offset + within * random.standard_normal(70)
            table = Table(lot, place, ("wafer's place in the lot", "a", "b"), values, values[:, 1:])
            seen = lot != "6"
            learnt = fit(Table(lot[seen], place[seen], table.names, values[seen], values[seen, 1:]), measured[seen])
            found = learnt.predict(values[~seen])
            inside.append((np.abs(measured[~seen] - found.value) <= found.half).mean())
        half = 1.96 * np.std(inside) / np.sqrt(seeds)
        report("intervals for a lot not seen", between=between, within=within, covered=np.mean(inside), half=half)


if __name__ == "__main__":
    main()
