"""Layouts: polygons in integer database units, read, written, combined, generated and rasterised."""

from .bitmap import outlines as outlines
from .boolean import boolean as boolean
from .boolean import clipped as clipped
from .boolean import merged as merged
from .boolean import sized as sized
from .glp import Glp as Glp
from .glp import placed as placed
from .glp import read_glp as read_glp
from .glp import target as target
from .io import extent_nm as extent_nm
from .io import layers as layers
from .io import parse_layer as parse_layer
from .io import parse_window as parse_window
from .io import read_layout as read_layout
from .io import write_layout as write_layout
from .markers import write_markers as write_markers
from .patterns import contacts as contacts
from .patterns import elbow as elbow
from .patterns import isolated_line as isolated_line
from .patterns import line_end_gap as line_end_gap
from .patterns import lines as lines
from .patterns import manhattan as manhattan
from .place import place_row as place_row
from .polygons import Layout as Layout
from .polygons import rings as rings
from .raster import coverage as coverage
