"""Electron microscope pictures: made with known truth, read, and measured."""

from .edges import LineEdges as LineEdges
from .edges import line_edges as line_edges
from .files import grey_png as grey_png
from .files import read_grey as read_grey
from .maker import Sem as Sem
from .maker import line_distance as line_distance
from .maker import ring_distance as ring_distance
from .maker import sem_image as sem_image
from .outline import sem_contours as sem_contours
