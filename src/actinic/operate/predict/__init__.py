"""Virtual metrology: what a wafer would measure, from its traces. Float64 NumPy, no JAX; begin with `model.py`."""

from .features import Run as Run
from .features import Table as Table
from .features import signal_features as signal_features
from .model import Model as Model
from .model import Prediction as Prediction
from .model import fit as fit
from .model import leave_one_lot_out as leave_one_lot_out
from .model import ridge_baseline as ridge_baseline
from .read import read_runs as read_runs
from .read import read_values as read_values
from .trust import Coverage as Coverage
from .trust import coverage as coverage
from .trust import decide as decide
from .trust import r2 as r2
from .trust import risk as risk
