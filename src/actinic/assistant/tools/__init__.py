"""The tools, one registry for agent and MCP: typed, bounded functions over the command line's jobs."""

from . import imaging, reading, wafers
from .registry import Bench as Bench
from .registry import Tool as Tool
from .registry import parsed as parsed

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (*imaging.TOOLS, *wafers.TOOLS, *reading.TOOLS)}
