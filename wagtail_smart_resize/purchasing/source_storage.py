"""Source pictures in `SOURCE_STORAGE`, for sites that the gateway can't fetch from.

A picture lies there under a name that can't be guessed, from right before the POST until its
request ends. As long as it does, the rules of the site's own source URL hold for it, too: each
question for the request's status looks whether the image may still be sent.
"""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from wagtail_smart_resize.core.storage_errors import StorageError, translate_storage_errors
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import GatewayRequest, source_file
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.settings import settings

from . import source_image
from .source_access import may_be_sent

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}
#: Code of all that is wrong with the storage.
CODE = "source_storage"


def put(request: GatewayRequest) -> str:
    """Put the source picture of a request leased by this process; return its URL.

    The row names the file before it is written, so that no crash leaves one that nobody knows of.
    Raise SourceUnavailable: "source_storage" if the storage fails or its files have no address on
    the network; the codes of `source_image.read_facts` if the image's file can't be read.
    """
    image = request.image
    if image is None:
        raise SourceUnavailable("file_missing", "The image is gone.")
    picture = source_image.source_picture(image)
    name = _new_name(EXTENSIONS[picture.content_type])
    with _storage_errors():
        storage = settings.source_storage()
        # What a process that ended before its POST has left.
        source_file.delete(request)
        request.step(source_file=name)
        saved = storage.save(name, ContentFile(picture.content), max_length=255)
        if not request.step(source_file=saved):
            # Another process has the request now, and puts a picture of its own.
            storage.delete(saved)
    return _url_of(saved, storage)


@contextlib.contextmanager
def test_picture() -> Iterator[str]:
    """Put `source_image.TEST_PICTURE`, yield its URL, and delete it.

    Raise SourceUnavailable, as `put` does.
    """
    content = ContentFile(source_image.TEST_PICTURE)
    with _storage_errors():
        storage = settings.source_storage()
        name = storage.save(_new_name("png"), content, max_length=255)
    try:
        yield _url_of(name, storage)
    finally:
        with _storage_errors():
            storage.delete(name)


def delete_if_forbidden(request: GatewayRequest) -> None:
    """Delete the source picture of a request in flight if its image may not be sent any more."""
    if request.source_file and not may_be_sent(request):
        source_file.delete_on_commit(request)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """Raise all that the storage raises as SourceUnavailable."""
    try:
        with translate_storage_errors():
            yield
    except StorageError as error:
        raise SourceUnavailable(CODE, f"SOURCE_STORAGE fails: {error}") from error


def _new_name(extension: str) -> str:
    """Return a name that can't be guessed: the storage may be public."""
    return f"smart_resize/source/{new_token()}.{extension}"


def _url_of(name: str, storage: Storage) -> str:
    """Return the URL of a file. Raise SourceUnavailable if it is none on the network."""
    with _storage_errors():
        url = str(storage.url(name))
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SourceUnavailable(
            CODE,
            "The files of SOURCE_STORAGE have no address on the network. Choose a storage that "
            "gives them one, such as S3.",
        )
    return url
