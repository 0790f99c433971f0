"""Which state of scanner and resist explains what was measured on the wafer."""

from .calibrate import UNLIKELY as UNLIKELY
from .calibrate import Calibration as Calibration
from .calibrate import HeldOut as HeldOut
from .calibrate import calibrate as calibrate
from .gauge_files import read_gauges as read_gauges
from .gauge_files import to_csv as to_csv
from .gauge_files import to_gg as to_gg
from .identify import Inseparable as Inseparable
from .measured import Cut as Cut
from .measured import Lines as Lines
from .measured import Measurement as Measurement
from .measured import Rejected as Rejected
from .problem import Free as Free
from .problem import Problem as Problem
from .scenes import Drawn as Drawn
from .scenes import Machine as Machine
from .scenes import Scenes as Scenes
from .scenes import scenes as scenes
