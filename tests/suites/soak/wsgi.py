from io import BytesIO

from django.core.wsgi import get_wsgi_application
from openpyxl import Workbook

application = get_wsgi_application()

# Write a spreadsheet now: a worker may or may not write its first one before the soak is judged,
# and what that loads would count as growth.
workbook = Workbook(write_only=True)
workbook.create_sheet().append(["warm"])
workbook.save(BytesIO())
