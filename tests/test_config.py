"""Modules from TOML and back: nothing wrong gets in, nothing right gets lost."""

import dataclasses
import json
import tomllib
from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from actinic.config import Scalar, build, double, dump, leaf, load_toml, override, schema, to_toml
from actinic.config import toml as toml_text
from actinic.errors import ConfigError
from actinic.types import Samples

Sigma = Annotated[Scalar, Field(ge=0, le=1)]
Length = Annotated[Scalar, Field(gt=1, lt=500, json_schema_extra={"unit": "nm"}, description="vacuum wavelength")]
Signed = Annotated[Scalar, Field(ge=-1000, le=1000, json_schema_extra={"unit": "nm"})]


class Disc(eqx.Module):
    sigma: Sigma = leaf()
    kind: Literal["disc"] = eqx.field(static=True, default="disc")


class Ring(eqx.Module):
    """A ring."""

    sigma_in: Sigma = leaf()
    sigma_out: Sigma = leaf(default=0.8)
    kind: Literal["ring"] = eqx.field(static=True, default="ring")

    def __check_init__(self):
        if isinstance(self.sigma_in, jax.Array) and not self.sigma_in < self.sigma_out:
            raise ValueError("sigma_in must be smaller than sigma_out")


class Corner(eqx.Module):
    name: str = eqx.field(static=True)
    focus_nm: Signed = leaf(default=0.0)


class Lens(eqx.Module):
    wavelength_nm: Length = leaf()
    source: Annotated[Disc | Ring, Field(discriminator="kind")]
    corners: tuple[Corner, ...] = ()
    zernikes_nm: dict[str, Signed] = leaf(default_factory=dict)
    blur_nm: Annotated[Scalar, Field(gt=0)] | None = leaf(default=None)
    spare: Disc | None = None
    turns: Annotated[int, Field(ge=1, le=9)] = eqx.field(static=True, default=1)
    window_nm: tuple[float, float] = eqx.field(static=True, default=(1.0, 2.0))
    fast: bool = eqx.field(static=True, default=False)
    inner: Ring = Ring(0.5)


def lens_data():
    return {
        "wavelength_nm": 193.3,
        "source": {"kind": "ring", "sigma_in": 0.7},
        "corners": [{"name": "nominal"}, {"name": "high", "focus_nm": -150}],
        "zernikes_nm": {"Z9": 1.5},
    }


def complaints(data, cls=Lens):
    with pytest.raises(ConfigError) as caught:
        build(cls, data, "lens.toml")
    return str(caught.value).splitlines()


def test_scalars_become_differentiable_arrays_and_the_rest_stays_plain():
    lens = build(Lens, lens_data())
    leaves = jax.tree.leaves(lens)
    assert len(leaves) == 8
    assert all(isinstance(v, jax.Array) and v.shape == () and v.dtype == jnp.float32 for v in leaves)
    assert isinstance(lens.source, Ring) and lens.corners[1].focus_nm == -150 and lens.zernikes_nm["Z9"] == 1.5
    assert (lens.blur_nm, lens.spare, lens.turns, lens.window_nm, lens.fast) == (None, None, 1, (1.0, 2.0), False)
    assert float(lens.inner.sigma_in) == 0.5


def test_every_scalar_has_a_gradient():
    lens = build(Lens, lens_data() | {"blur_nm": 25, "spare": {"sigma": 0.3}})
    gradient = eqx.filter_grad(lambda m: sum(v * v for v in jax.tree.leaves(m)))(lens)
    values = jax.tree.leaves(lens)
    assert len(values) == 10
    assert [float(g) for g in jax.tree.leaves(gradient)] == [2 * float(v) for v in values]


def test_two_focus_values_compile_once():
    compiled = []

    @eqx.filter_jit
    def image(lens):
        compiled.append(1)
        return lens.corners[1].focus_nm * lens.wavelength_nm

    for focus in (50, 100.0):
        lens = build(Lens, override(lens_data(), [f"corners.1.focus_nm={focus}"]))
        assert np.isclose(image(lens), focus * 193.3)
    assert len(compiled) == 1


def test_constructors_run_and_assignment_raises():
    lens = build(Lens, lens_data())
    with pytest.raises(dataclasses.FrozenInstanceError):
        lens.wavelength_nm = 248.0
    assert complaints(override(lens_data(), ["source.sigma_in=0.9"])) == [
        "lens.toml: source: sigma_in must be smaller than sigma_out"
    ]
    assert complaints({"sigma_in": 0.9}, Ring) == ["lens.toml: sigma_in must be smaller than sigma_out"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("wavelength_nm=700", "wavelength_nm = 700: must be above 1 nm and below 500 nm"),
        ("source.sigma_in=-1.0", "source.sigma_in = -1.0: must be at least 0 and at most 1"),
        ("zernikes_nm.Z9=2000", "zernikes_nm.Z9 = 2000: must be at least -1000 nm and at most 1000 nm"),
        ("blur_nm=0", "blur_nm = 0: must be above 0"),
        ("turns=10", "turns = 10: must be at least 1 and at most 9"),
        ("wavelength_nm=true", "wavelength_nm = true: must be a number"),
        ('wavelength_nm="248"', 'wavelength_nm = "248": must be a number'),
        ("turns=1.5", "turns = 1.5: must be a whole number"),
        ("fast=1", "fast = 1: must be true or false"),
        ("wavelength_nm=nan", "wavelength_nm = nan: must be a finite number"),
        ("corners.0.name=3", "corners.0.name = 3: must be text in quotes"),
        ("corners=3", "corners = 3: must be a list"),
        ("source=3", "source = 3: must be a table"),
        ("spare=3", "spare = 3: must be a table"),
        ("zernikes_nm=3", "zernikes_nm = 3: must be a table"),
        ("source.kind=rnig", 'source.kind = "rnig": there is no such kind; did you mean ring?'),
        ("source.kind=xyz", 'source.kind = "xyz": there is no such kind; choose from disc, ring'),
        ("source={sigma=0.5}", "source needs a kind: disc, ring"),
        ("source={kind='disc'}", "source.sigma is missing"),
        ("sorce=3", "sorce is not a key here; did you mean source?"),
        ("source.sigma_on=3", "source.sigma_on is not a key here; did you mean sigma_in?"),
        ("corners.1.focus=3", "corners.1.focus is not a key here; did you mean focus_nm?"),
        ("corners.1.qqq=3", "corners.1.qqq is not a key here; known keys: name, focus_nm"),
    ],
)
def test_one_line_says_key_value_and_range(setting, says):
    assert complaints(override(lens_data(), [setting])) == [f"lens.toml: {says}"]


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("wavelength=193e-9", "1.93e-07 looks like metres; wavelength_nm is in nm: write 193"),
        ("wavelength_nm=193e-9", "1.93e-07 looks like metres; wavelength_nm is in nm: write 193"),
        ("wavelength_nm=193e-6", "0.000193 looks like millimetres; wavelength_nm is in nm: write 193"),
        ("wavelength_nm=0.193", "0.193 looks like micrometres; wavelength_nm is in nm: write 193"),
        # Within its bounds, and still no length in nm.
        ("blur_nm=25e-9", "2.5e-08 looks like metres; blur_nm is in nm: write 25"),
        ("corners.0.focus_nm=-150e-9", "-1.5e-07 looks like metres; focus_nm is in nm: write -150"),
        ("zernikes_nm.Z9=2e-9", "2e-09 looks like metres; zernikes_nm is in nm: write 2"),
        ("window_nm=[1e-6, 1]", "1e-06 looks like metres; window_nm is in nm: write 1000"),
    ],
)
def test_lengths_in_metres_are_refused_with_what_was_meant(setting, meant):
    lines = complaints(override(lens_data(), [setting]))
    assert any(meant in line for line in lines)
    assert len(lines) == 1 if "wavelength=" not in setting else "did you mean wavelength_nm?" in lines[0]


def test_every_bad_key_has_its_line():
    data = override(lens_data(), ["wavelength_nm=0", "corners.0.focus_nm=2000", "corners.1.nam=x", "turns=0"])
    assert [line.split(" ")[1] for line in complaints(data)] == [
        "wavelength_nm",
        "corners.0.focus_nm",
        "corners.1.nam",
        "turns",
    ]


unit_floats = st.floats(0, 1, width=32)
keys = st.sampled_from(
    ["wavelength_nm", "source", "kind", "sigma", "sigma_in", "corners", "name", "zernikes_nm", "window_nm", "turns", ""]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(keys, anything, max_size=4), st.booleans())
def test_whatever_a_file_holds_it_builds_or_says_why_in_whole_lines(data, filled):
    data = lens_data() | data if filled else data
    try:
        build(Lens, data, "lens.toml")
    except ConfigError as error:
        assert all(line.startswith("lens.toml: ") for line in str(error).split("\n"))


def test_the_file_itself_may_be_wrong(tmp_path):
    cases = {
        "none.toml": (None, "cannot be read (No such file or directory)"),
        "bad.toml": (b"a = 1\nb = = 2\n", "line 2"),
        "latin.toml": ("é = 1".encode("latin-1"), "is not text in UTF-8"),
        "deep.toml": (b"a = " + b"[" * 100_000, "is not valid TOML"),
        "long.toml": (b"a = " + b"1" * 10_000, "is not valid TOML"),
    }
    for name, (content, says) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load_toml(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name)) and says in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_toml(tmp_path)


def test_overrides():
    data = lens_data()
    settings = [
        "wavelength_nm = 248.3",
        "source.kind=disc",
        "corners.1.name='a.b=c'",
        "new.deep.key=[1, 2]",
        "fast=true",
    ]
    changed = override(data, settings)
    assert changed["wavelength_nm"] == 248.3 and changed["source"]["kind"] == "disc" and changed["fast"] is True
    assert changed["corners"][1]["name"] == "a.b=c" and changed["new"] == {"deep": {"key": [1, 2]}}
    assert data == lens_data(), "the original stays as it was"
    assert override({}, ["a=1\nb=2"]) == {"a": "1\nb=2"}
    for bad in ["wavelength_nm", "=3", "a..b=3", "corners.9.name=x", "corners.first.name=x", "wavelength_nm.deep=3"]:
        with pytest.raises(ConfigError, match="--set"):
            override(data, [bad])


def test_shortest_decimals():
    lens = build(Lens, lens_data())
    assert dump(lens)["wavelength_nm"] == 193.3 and dump(lens)["source"] == {
        "kind": "ring",
        "sigma_in": 0.7,
        "sigma_out": 0.8,
    }
    wide = double(lens)
    assert wide.wavelength_nm == np.float64(193.3) and wide.wavelength_nm.dtype == np.float64
    assert wide.wavelength_nm != np.float64(np.float32(193.3))


@settings(deadline=None)
@given(
    st.floats(1, 500, width=32, exclude_min=True, exclude_max=True),
    unit_floats,
    st.lists(
        st.tuples(st.text(), st.floats(-1000, 1000, width=32).filter(lambda v: not 0 < abs(v) < 1e-5)), max_size=3
    ),
    st.booleans(),
)
def test_modules_survive_toml(wavelength, sigma, corners, fast):
    lens = Lens(
        wavelength, Disc(sigma), tuple(Corner(*c) for c in corners), dict(corners), fast=fast, spare=Disc(sigma)
    )
    again = build(Lens, tomllib.loads(to_toml(lens)))
    assert eqx.tree_equal(again, lens)
    assert to_toml(again) == to_toml(lens)


scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
tables = st.recursive(
    st.dictionaries(st.text(), scalars, max_size=3),
    lambda inner: st.dictionaries(st.text(), inner | st.lists(inner | scalars, max_size=3), max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(tables)
def test_any_table_survives_toml(table):
    assert tomllib.loads(toml_text.text(table)) == table


def test_schema_tells_units_bounds_and_meanings():
    told = schema(Lens)
    assert told["properties"]["wavelength_nm"] | {"title": ""} == {
        "type": "number",
        "exclusiveMinimum": 1,
        "exclusiveMaximum": 500,
        "unit": "nm",
        "description": "vacuum wavelength",
        "title": "",
    }
    assert told["additionalProperties"] is False and told["required"] == ["wavelength_nm", "source"]
    assert told["$defs"]["Ring"]["description"] == "A ring."
    assert told["properties"]["inner"]["default"] == {"kind": "ring", "sigma_in": 0.5, "sigma_out": 0.8}
    json.dumps(told)


def test_what_no_file_can_hold_is_refused_by_name():
    class Kernels(eqx.Module):
        values: Samples

    class Points(eqx.Module):
        kernels: Kernels

    class Loose(eqx.Module):
        sigma: Sigma

    with pytest.raises(TypeError, match=r"Kernels\.values cannot come from a file"):
        build(Points, {})
    with pytest.raises(TypeError, match=r"Kernels\.values cannot come from a file"):
        to_toml(Points(Kernels(jnp.zeros((2, 2)))))
    with pytest.raises(TypeError, match=r"Loose\.sigma is a Scalar: declare it with leaf"):
        build(Loose, {"sigma": 0.5})
