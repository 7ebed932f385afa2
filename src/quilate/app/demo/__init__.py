"""The demonstration project: credit risk with planted flaws of every family, its fixes, and its service.

``write_project`` writes it, ``flaws`` lists what was planted and who must find it, ``apply_fixes`` mends all of it.
"""

from quilate.app.demo.planted import Flaw, flaws
from quilate.app.demo.project import apply_fixes, write_project
from quilate.app.demo.service import DemoService

__all__ = ["DemoService", "Flaw", "apply_fixes", "flaws", "write_project"]
