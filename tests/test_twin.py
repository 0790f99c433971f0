"""The drifting twin: what each size does, and that the truth is what it says."""

import numpy as np
import pytest

from actinic.wafer.twin import MISSPECIFIED, VARIANTS, Fab, Twin, variant

STILL = dict(tool_nm=0, tool_drift_nm=0, product_nm=0, lot_nm=0, noise_nm=0, maintenance=0, lots=300)


def _exposed(twin, seed=0, setpoint=0.0):
    fab = Fab(twin, seed)
    for lot in fab.lots:
        fab.expose(lot.n, {"k1": setpoint})
    return fab


def _spread(**sizes):
    return float(_exposed(Twin(**{**STILL, **sizes})).truth().std())


def test_nothing_moves_when_all_sizes_are_zero():
    fab = _exposed(Twin(**STILL), setpoint=2.0)
    assert np.array_equal(fab.truth(), np.full((300, 1), 2.0))
    results = [r.values["k1"] for n in range(400) for r in fab.arrived(n)]
    assert len(results) == pytest.approx(150, abs=35) and set(results) == {2.0}


@pytest.mark.parametrize(
    ("sizes", "spread"),
    [
        ({"lot_nm": 2.0}, 2.0),
        ({"product_nm": 2.0, "products": 200}, 2.0),
        ({"tool_nm": 2.0, "tools": 200}, 2.0),
        ({"interaction_nm": 2.0, "tools": 20, "products": 20}, 2.0),
        ({"chuck_nm": 2.0, "chucks": 2, "tools": 100}, 2.0),
        ({"reticle_nm": 2.0, "reticles": 30}, 2.0),
        ({"layer_nm": 2.0, "layers": 100}, 2.0),
        ({"etch_nm": 2.0, "products": 200}, 2.0),
        ({"lot_nm": 2.0, "tails": 5.0, "lots": 4000}, 2.0),
    ],
)
def test_each_size_is_a_standard_deviation(sizes, spread):
    assert _spread(**sizes) == pytest.approx(spread, rel=0.2)


def test_a_walk_grows_with_the_square_root_of_the_lots():
    ends = [_exposed(Twin(**{**STILL, "tool_drift_nm": 0.3, "tools": 1}), s).truth()[[99, 299], 0] for s in range(60)]
    assert np.std(ends, axis=0) == pytest.approx(0.3 * np.sqrt([100, 300]), rel=0.25)


def test_a_lens_warms_to_its_load_and_cools_with_its_time_constant():
    """One tool, one product: the sum of exp(-t / tau) of all lots before, a geometric series."""
    twin = Twin(**{**STILL, "tools": 1, "products": 1, "heating_nm": 5.0, "heating_h": 4.0, "hours": 0.5})
    value = _exposed(twin).truth()[:, 0]
    load = 0.1  # of the darkest mask
    n = np.arange(300)
    assert value == pytest.approx(5.0 * load * (1 - np.exp(-n * 0.5 / 4.0)), abs=1e-9)


def test_maintenance_steps_the_tool_it_names_and_undoes_its_wear():
    stepped = _exposed(Twin(**{**STILL, "maintenance": 1, "step_nm": 4.0}))
    at = next(lot.n for lot in stepped.lots if lot.maintained)
    mine = np.array([lot.context["tool"] == stepped.lots[at].context["tool"] for lot in stepped.lots])
    value, after = stepped.truth()[:, 0], np.arange(300) >= at
    assert np.unique(np.abs(value[mine & after])) == pytest.approx([4.0]) and not value[~(mine & after)].any()
    worn = _exposed(Twin(**{**STILL, "maintenance": 3, "ramp_nm": 0.1, "tools": 1}))
    assert worn.truth()[[lot.n for lot in worn.lots if lot.maintained], 0] == pytest.approx(0.0)


def test_results_come_late_again_and_are_taken_back():
    fab = _exposed(Twin(**{**STILL, "sampled": 1.0, "delay": (2, 5), "remeasured": 0.2, "invalid": 0.2}))
    late, status = {}, {}
    for n in range(400):
        for one in fab.arrived(n):
            late.setdefault(one.lot, []).append(one.arrives - int(one.lot[1:]) - 1)
            status.setdefault(one.lot, []).append(one.status)
    assert {first for first, *_ in late.values()} == {2, 3, 4, 5}
    twice = [s for s in status.values() if len(s) == 2]
    assert len(twice) == pytest.approx(108, abs=30)
    assert all(s[1] == "invalid" for s in twice if "invalid" in s) and ["valid", "invalid"] in twice


def test_gain_noise_and_flyers_are_what_they_say():
    twin = Twin(**{**STILL, "gain": -0.5, "noise_nm": 0.4, "flyers": 0.1, "sampled": 1.0, "lots": 3000})
    fab = _exposed(twin, setpoint=2.0)
    assert np.array_equal(fab.truth(), np.full((3000, 1), -1.0))
    error = np.array([r.values["k1"] for n in range(3100) for r in fab.arrived(n)]) + 1.0
    assert np.median(np.abs(error)) == pytest.approx(0.4 * 0.6745, rel=0.2)
    assert np.mean(np.abs(error) > 2.0) == pytest.approx(0.1 * 0.868, rel=0.25)


def test_contexts_have_gaps_and_late_products_where_asked():
    gaps = Fab(variant("missing-context"), 1)
    blank = [value == "" for lot in gaps.lots for value in lot.context.values()]
    assert np.mean(blank) == pytest.approx(0.1, abs=0.03)
    cold = Fab(variant("cold-start"), 1)
    first, second = ({lot.context["product"] for lot in half} for half in (cold.lots[:300], cold.lots[300:]))
    assert len(first) == 4 and len(second) == 8


def test_a_seed_is_a_history_and_variants_share_what_they_have_in_common():
    one, other = Fab(variant("well-specified"), 3), Fab(variant("half-gain"), 3)
    assert np.array_equal(one.disturbance, other.disturbance) and one.lots == other.lots
    assert not np.array_equal(one.disturbance, Fab(variant("well-specified"), 4).disturbance)
    assert len(MISSPECIFIED) == 10 and set(MISSPECIFIED) < set(VARIANTS)


def test_lots_are_exposed_in_order():
    with pytest.raises(ValueError, match="lot 0 is the next"):
        Fab(Twin(), 0).expose(3)
