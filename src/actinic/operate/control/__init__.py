"""Run-to-run control: what to set for the next lot. Float64 NumPy, no JAX; begin with `controller.py`."""

from .controller import Controller as Controller
from .controller import Proposal as Proposal
from .controller import TermProposal as TermProposal
from .history import Lot as Lot
from .history import Result as Result
from .settings import MODEL as MODEL
from .settings import STAGES as STAGES
from .settings import Gates as Gates
from .settings import Settings as Settings
from .settings import Term as Term
