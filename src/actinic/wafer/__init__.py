"""The wafer: where fields and marks lie, overlay terms, focus and dose over it. Float64 NumPy."""

from .exposure import ExposureMap as ExposureMap
from .exposure import Fields as Fields
from .exposure import notch_down as notch_down
from .maps import DoseMap as DoseMap
from .maps import FocusMap as FocusMap
from .marks import COLUMNS as COLUMNS
from .marks import OPTIONAL as OPTIONAL
from .marks import Marks as Marks
from .model import MODELS as MODELS
from .model import Model as Model
from .terms import Convention as Convention
from .terms import Places as Places
from .terms import Term as Term
from .terms import design as design
from .terms import evaluate as evaluate
from .terms import term as term
from .widths import WidthTable as WidthTable
from .zernike import fringe as fringe
