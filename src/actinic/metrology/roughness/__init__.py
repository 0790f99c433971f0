"""Roughness of printed edges: model, unbiased estimate, and flags where there can be none."""

from .estimate import Estimate as Estimate
from .estimate import LineRoughness as LineRoughness
from .estimate import Roughness as Roughness
from .estimate import line_roughness as line_roughness
from .estimate import roughness as roughness
from .flags import Flag as Flag
from .spectrum import blurred_correlation as blurred_correlation
from .spectrum import correlation as correlation
from .spectrum import length_factor as length_factor
from .spectrum import rough_edges as rough_edges
from .spectrum import spectrum as spectrum
