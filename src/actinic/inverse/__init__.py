"""Two verbs, no physics: minimise a smooth loss over many parameters, fit a few to measurements."""

from .fit import Fit as Fit
from .fit import fit as fit
from .minimise import LBFGS as LBFGS
from .minimise import Adam as Adam
from .minimise import Outcome as Outcome
from .minimise import Result as Result
from .minimise import minimise as minimise
