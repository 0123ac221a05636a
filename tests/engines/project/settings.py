from engines.settings import *  # noqa: F403
