"""What each column of a measurement may hold, and as what the store keeps it. The columns are those of `Marks`."""

from ...wafer import COLUMNS, OPTIONAL

_WHOLE = ("field_column", "field_row", "scan")
_TEXTS = ("lot", "wafer", "chuck", "tool", "reticle", "product", "layer")

# What must stand in every row. Without a quality it is 1; a mark may be measured along one axis only.
PRESENT = ("lot", "wafer", "chuck", "field_column", "field_row", "X_mm", "Y_mm", "x_mm", "y_mm")

RADIUS_MM = 150.0
_ON_WAFER = "outside a 300 mm wafer; it is in mm from its centre"
_IN_FIELD = "outside a field; it is in mm from its centre"
_OVERLAY = "no overlay; it is in nm"
# Column: lowest, highest, and what is probably wrong beyond.
LIMITS = {
    "X_mm": (-RADIUS_MM, RADIUS_MM, _ON_WAFER),
    "Y_mm": (-RADIUS_MM, RADIUS_MM, _ON_WAFER),
    "x_mm": (-26.0, 26.0, _IN_FIELD),
    "y_mm": (-33.0, 33.0, _IN_FIELD),
    **dict.fromkeys(("dx_nm", "dy_nm", "target_dx_nm", "target_dy_nm", "tis_x_nm", "tis_y_nm"), (-1e5, 1e5, _OVERLAY)),
    "quality": (0.0, 1.0, "no quality; it is 0 to 1"),
    "field_column": (-1000, 1000, "no column of fields"),
    "field_row": (-1000, 1000, "no row of fields"),
    "scan": (-1, 1, "no scan; it is 1 (up) or -1 (down)"),
}

TYPES = {
    **dict.fromkeys((*COLUMNS, *OPTIONAL), "DOUBLE"),
    **dict.fromkeys(_WHOLE, "INTEGER"),
    **dict.fromkeys(_TEXTS, "VARCHAR"),
    "time": "TIMESTAMP",
}
# SQL does not tell X_mm from x_mm, nor do most readers of Parquet: there the positions are spelled out.
SPELLED = {"X_mm": "wafer_x_mm", "Y_mm": "wafer_y_mm", "x_mm": "field_x_mm", "y_mm": "field_y_mm"}
KEPT = {name: SPELLED.get(name, name) for name in TYPES}
# What tells one mark from another; measured again, it has a new version.
MARK = ("lot", "wafer", "layer", "field_column", "field_row", "x_mm", "y_mm")
