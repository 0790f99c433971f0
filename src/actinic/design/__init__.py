"""Masks from layouts: inverse lithography, and the verification that trusts none of it."""

from .correct import Corrected as Corrected
from .correct import correct as correct
from .correct import tiling_of as tiling_of
from .ilt import Recipe as Recipe
from .ilt import Stage as Stage
from .ilt import block_mean as block_mean
from .ilt import solve as solve
from .retarget import EtchTable as EtchTable
from .retarget import Retargeted as Retargeted
from .retarget import etched as etched
from .retarget import read_etch_table as read_etch_table
from .retarget import retarget as retarget
from .setup import MaskLimits as MaskLimits
from .setup import Setup as Setup
from .setup import Spec as Spec
from .setup import Tiles as Tiles
from .trace import trace as trace
from .verify import MARGIN_NM as MARGIN_NM
from .verify import Verification as Verification
from .verify import corner_distance_nm as corner_distance_nm
from .verify import verify as verify
