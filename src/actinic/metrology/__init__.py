"""What a print measures: contours, edge placement, line widths, process band, defects, contest scores, mask rules."""

from .band import area_fraction as area_fraction
from .band import pv_band as pv_band
from .band import pv_band_nm as pv_band_nm
from .cd import cd as cd
from .cd import nils as nils
from .contest import epe_neuralilt as epe_neuralilt
from .contest import epe_openilt as epe_openilt
from .contest import l2 as l2
from .contest import pvb as pvb
from .contour import contours as contours
from .epe import EpeSummary as EpeSummary
from .epe import edge_placement as edge_placement
from .epe import summary as summary
from .gauges import EDGE as EDGE
from .gauges import LINE_END as LINE_END
from .gauges import Gauges as Gauges
from .gauges import gauges as gauges
from .prints import KINDS as KINDS
from .prints import Defect as Defect
from .prints import counted as counted
from .prints import print_defects as print_defects
from .rules import MaskRules as MaskRules
from .rules import mask_rules as mask_rules
from .rules import rule_violations as rule_violations
from .sample import Spline as Spline
from .sample import spline as spline
