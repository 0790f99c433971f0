"""What broke: from residual maps, the controller's innovations and event logs. Float64 NumPy, no JAX; begin with
`diagnose.py`.
"""

from .diagnose import Diagnosis as Diagnosis
from .diagnose import Ranked as Ranked
from .diagnose import diagnose as diagnose
from .evidence import Effect as Effect
from .evidence import effect as effect
from .evidence import sparse as sparse
from .logs import Line as Line
from .logs import clocks as clocks
from .logs import roots as roots
from .read import Case as Case
from .read import read_case as read_case
