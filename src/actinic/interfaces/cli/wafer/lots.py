"""`actinic wafer lots`: what a store holds."""

from ..console import Outcome, columns, number
from ..options import Store, Wait


def lots(store: Store, wait: Wait = 30.0) -> Outcome:
    """List the lots of a store."""
    from .... import jobs

    found = jobs.lots(store, wait_s=wait)
    rows = [("lot", "wafers", "marks", "first", "last", "invalid")]
    for lot in found:
        times = [str(lot[key] or "-") for key in ("first", "last")]
        rows.append((lot["lot"], number(lot["wafers"]), number(lot["marks"]), *times, lot["invalid"] or ""))
    return Outcome(found, columns(rows, "<>><<<"))
