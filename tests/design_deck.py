"""A design-rule deck by KLayout's own checks on a file: nothing of the package is used."""

import klayout.db as db


def violations(path, layer: tuple[int, int], cell: str, width: int, space: int, area: int, grid: int) -> dict[str, int]:
    """How many marks each rule leaves on a cell, all lengths in database units: Euclidean, holes count as area too."""
    layout = db.Layout()
    layout.read(str(path))
    region = db.Region(layout.cell(cell).begin_shapes_rec(layout.layer(*layer)))
    region.merge()
    holes = db.Region([db.Polygon(list(p.each_point_hole(n))) for p in region.each() for n in range(p.holes())])
    metric = db.Metrics.Euclidian
    return {
        "width": region.width_check(width, False, metric).count(),
        "space": region.space_check(space, False, metric).count(),
        "notch": region.notch_check(space, False, metric).count(),
        "area": sum(p.area() < area for p in region.each()) + sum(p.area() < area for p in holes.each()),
        "off grid": region.grid_check(grid, grid).count(),
        "slanted": region.non_rectilinear().count(),
        "empty": int(region.is_empty()),
    }


def cells(path, top: str) -> list[str]:
    """The cells that a top cell calls."""
    layout = db.Layout()
    layout.read(str(path))
    return [layout.cell(n).name for n in layout.cell(top).each_child_cell()]
