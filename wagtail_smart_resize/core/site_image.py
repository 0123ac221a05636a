"""The type of a site's images."""

from contextlib import AbstractContextManager
from typing import IO, Any, ClassVar, Protocol


class SiteImage(Protocol):
    """What this app uses of an image of the site's model, which extends Wagtail's `AbstractImage`.

    Width and height are in pixels as the database has them, without EXIF orientation.
    """

    pk: Any
    title: str
    file: Any
    file_hash: str
    width: int
    height: int
    collection: Any
    collection_id: Any
    renditions: Any
    smart_resize: Any
    """What is live for the image: a `PublishedState`."""
    _state: Any
    _default_manager: ClassVar[Any]
    _base_manager: ClassVar[Any]

    def is_svg(self) -> bool: ...

    def refresh_from_db(self, *, using: str | None = None, fields: Any = None) -> None: ...

    def open_file(self) -> AbstractContextManager[IO[bytes]]: ...

    def get_focal_point(self) -> Any: ...

    def get_rendition(self, filter: Any) -> Any: ...

    def get_rendition_model(self) -> Any: ...

    def generate_rendition_file(self, filter: Any, *, source: Any = None) -> Any: ...
