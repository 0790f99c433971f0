"""Masks from layouts: inverse lithography, and the verification that trusts none of it."""

from .correct import Corrected as Corrected
from .correct import correct as correct
from .correct import tiling_of as tiling_of
from .ilt import Recipe as Recipe
from .ilt import Stage as Stage
from .ilt import block_mean as block_mean
from .ilt import solve as solve
from .images import latent_images as latent_images
from .images import scanner_of as scanner_of
from .setup import MaskLimits as MaskLimits
from .setup import Setup as Setup
from .setup import Spec as Spec
from .setup import Tiles as Tiles
from .trace import trace as trace
from .verify import MARGIN_NM as MARGIN_NM
from .verify import Verification as Verification
from .verify import corner_distance_nm as corner_distance_nm
from .verify import verify as verify
from .window import AtPoint as AtPoint
from .window import FocusDose as FocusDose
from .window import at_point as at_point
from .window import focus_dose as focus_dose
