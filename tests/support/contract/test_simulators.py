"""Everything: `python -m unittest test_simulators` (or pytest)."""

from test_apprunner import *  # noqa: F401,F403
from test_ecs import *  # noqa: F401,F403
from test_github import *  # noqa: F401,F403
from test_wire import *  # noqa: F401,F403
