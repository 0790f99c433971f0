"""Files of inspection and test: KLARF defects, SEMI E142 substrate maps."""

from .defects import Defect as Defect
from .defects import InspectedWafer as InspectedWafer
from .defects import Inspection as Inspection
from .defects import Test as Test
from .defects import positions_mm as positions_mm
from .e142 import read_e142 as read_e142
from .e142_writer import write_e142 as write_e142
from .klarf import Version as Version
from .klarf import lost as lost
from .klarf import read_klarf as read_klarf
from .klarf import write_klarf as write_klarf
from .substrate import Bin as Bin
from .substrate import SubstrateMap as SubstrateMap
from .substrate import counts as counts
from .substrate import indices as indices
from .substrate import upright as upright
