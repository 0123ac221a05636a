from io import BytesIO

from django.core.wsgi import get_wsgi_application
from openpyxl import Workbook

application = get_wsgi_application()

# Whether a worker has made a spreadsheet before the hour begins is chance, and what it loads for
# the first one would count as grown.
workbook = Workbook(write_only=True)
workbook.create_sheet().append(["warm"])
workbook.save(BytesIO())
