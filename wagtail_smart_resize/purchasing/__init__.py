"""The pipeline from wanted to shown: claim, send, poll, fetch, flip, purge.

Importing this package alone is cheap: every web process imports it at startup, but only the process
that does the work needs `passes`, which imports the gateway's client.
"""
