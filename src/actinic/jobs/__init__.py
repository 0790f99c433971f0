"""One typed function for each verb: what the command line, notebooks and other programs call."""

from ..design import Effort as Effort
from ..design import SourceRules as SourceRules
from .calibrate import GaugeFile as GaugeFile
from .calibrate import Wanted as Wanted
from .calibrate import calibrate as calibrate
from .contest import bench as bench
from .contest import score as score
from .correct import correct as correct
from .correct import demo as demo
from .expose import expose as expose
from .inspect import data_sets as data_sets
from .inspect import doctor as doctor
from .inspect import schema as schema
from .roughness import roughness as roughness
from .smo import Goal as Goal
from .smo import smo as smo
from .verify import Beyond as Beyond
from .verify import verify as verify
from .wafer_fit import OverlayFile as OverlayFile
from .wafer_fit import OverlayModel as OverlayModel
from .wafer_fit import wafer_fit as wafer_fit
from .window import Sweep as Sweep
from .window import window as window
from .work import Work as Work
from .work import load_setup as load_setup
from .work import presets as presets
