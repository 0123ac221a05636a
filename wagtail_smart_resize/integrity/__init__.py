"""Is a result still true to its original? An optional extra, with OpenCV and numpy. Pure.

`checking.check` finds the original in the result and says what changed. Nothing here knows Django:
the modules can be tried on any two pictures. Only `report` is imported where the extra may be
missing.
"""
