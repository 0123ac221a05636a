"""How long a process has a step to itself: after it has died, another goes on when that ends."""

import datetime as dt

#: A step, which ends within it: the longest is one POST, or a turn of downloads.
STEP_LEASE = dt.timedelta(minutes=5)
#: A poll for the status, which takes `client.STATUS_TIMEOUT_SECONDS` at most, and its wait.
POLL_LEASE = dt.timedelta(seconds=30)
#: The wait of a request that was just written until the same process submits it.
SUBMISSION_LEASE = dt.timedelta(seconds=30)
