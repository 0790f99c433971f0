"""Overlay: read measured marks, fit a model to them, and say what a machine can correct of it."""

from .actuators import dose_correction as dose_correction
from .correct import Correction as Correction
from .correct import correct as correct
from .fields import FieldTerms as FieldTerms
from .fields import per_field as per_field
from .fit import Fingerprint as Fingerprint
from .fit import fit as fit
from .grid import dense_grid as dense_grid
from .history import read_prior as read_prior
from .match import match as match
from .order import choose as choose
from .profile import Profile as Profile
from .profile import read_profile as read_profile
from .read import read_marks as read_marks
from .spread import Spread as Spread
