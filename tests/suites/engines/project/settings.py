from suites.engines.settings import *  # noqa: F403
