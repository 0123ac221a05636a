from django.core.asgi import get_asgi_application

from wagtail_smart_resize.asgi import finish_at_shutdown

application = finish_at_shutdown(get_asgi_application())
