"""Edge-based correction of Manhattan masks: every edge of the written polygons, jogs included, is a variable."""

from .correct import EdgeCorrected as EdgeCorrected
from .correct import EdgeWork as EdgeWork
from .correct import correct_edges as correct_edges
from .correct import edge_tiling as edge_tiling
from .correct import edge_work as edge_work
from .correct import opc_of as opc_of
from .recipe import Opc as Opc
from .solve import solve_block as solve_block
