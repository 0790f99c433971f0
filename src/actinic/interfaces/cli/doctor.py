"""`actinic doctor`: whether this installation can work."""

from ...errors import DONE, MISSING
from .console import Outcome, columns


def doctor() -> Outcome:
    """Check this installation and say what to do about it."""
    from ... import jobs

    result = jobs.doctor()
    checks = result["checks"]
    missing = [check for check in checks if not check["ok"]]
    verdict = f"{len(missing)} of {len(checks)} checks failed" if missing else "everything is in place"
    table = columns([("ok" if c["ok"] else "NO", c["name"], str(c["value"])) for c in checks], "<<<")
    advice = "\n".join(f"{check['name']}: {check['advice']}" for check in missing)
    text = "\n\n".join(part for part in (verdict, table, advice) if part)
    return Outcome(result, text, MISSING if missing else DONE)
