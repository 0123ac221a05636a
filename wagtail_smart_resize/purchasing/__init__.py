"""From what templates want to what they show: claim, send, ask, fetch, flip, purge.

Importing this package alone is cheap: web processes start with it, and only the one that works
needs `passes`, which brings the gateway's client.
"""
