"""Shapes told in annotations are checked while the tests run."""

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from actinic.types import Grid, Image


def test_a_wrong_shape_is_seen():
    grid = Grid((2, 3), 1.0)
    assert Image(jnp.zeros((2, 3)), grid, "aerial").grid is grid
    with pytest.raises(TypeCheckError):
        Image(jnp.zeros(3), grid, "aerial")


def test_other_arguments_are_left_to_the_function():
    with pytest.raises(ValueError, match="positive shape and pitch"):
        Grid((0, 3), 1.0, "nowhere")
