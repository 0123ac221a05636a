"""The set-ups of storages, as settings of a site."""

from dataclasses import dataclass
from typing import Any

from support.code_blocks import blocks_in
from support.paths import PAGES

PAGE = PAGES["storage-and-caches"]

STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
S3 = "storages.backends.s3.S3Storage"
LOCAL = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
REMOTE = {"BACKEND": "suites.storages.backends.RemoteStorage"}
SLOW = {"BACKEND": "suites.storages.backends.SlowStorage"}

#: Options for public files, whose addresses have no signature; buckets and objects are private
#: otherwise.
PUBLIC = {"querystring_auth": False, "default_acl": "public-read"}


def s3(bucket: str, **options: Any) -> dict[str, Any]:
    return {"BACKEND": S3, "OPTIONS": {"bucket_name": bucket, **options}}


def reached_at(url: str) -> dict[str, Any]:
    """Return the settings that all S3 storages share.

    They are settings, not options, because Wagtail's task that deletes files is given a storage's
    options as JSON.
    """
    from boto3.s3.transfer import TransferConfig

    from .s3_server import ACCESS, CLIENT

    return {
        "AWS_S3_ENDPOINT_URL": url,
        "AWS_S3_CLIENT_CONFIG": CLIENT,
        # Transfer in the calling thread, where an open transaction would show.
        "AWS_S3_TRANSFER_CONFIG": TransferConfig(use_threads=False),
        "AWS_S3_ACCESS_KEY_ID": ACCESS["access_key"],
        "AWS_S3_SECRET_ACCESS_KEY": ACCESS["secret_key"],
        "AWS_S3_REGION_NAME": ACCESS["region_name"],
    }


def documented() -> dict[str, Any]:
    """Return the settings that the docs recommend."""
    (block,) = (block for block in blocks_in("python", PAGE.read_text()) if S3 in block)
    settings: dict[str, Any] = {}
    exec(block, settings)
    return settings


@dataclass(frozen=True)
class Setup:
    """A site's storages. `renditions` and `candidates` name their own storage, if they have one."""

    storages: dict[str, Any]
    renditions: str = ""
    candidates: str = ""


DOCUMENTED = documented()

SETUPS = {
    "S3, overwriting": Setup({"default": s3("site", file_overwrite=True, **PUBLIC)}),
    "S3, not overwriting": Setup({"default": s3("site", file_overwrite=False, **PUBLIC)}),
    "S3, signed": Setup({"default": s3("site")}),
    "as documented": Setup(
        DOCUMENTED["STORAGES"],
        renditions=DOCUMENTED["WAGTAILIMAGES_RENDITION_STORAGE"],
        candidates=DOCUMENTED["WAGTAIL_SMART_RESIZE"]["CANDIDATE_STORAGE"],
    ),
    "renditions on S3": Setup(
        {"default": LOCAL, "renditions": s3("renditions", **PUBLIC)}, renditions="renditions"
    ),
    "sources on S3": Setup({"default": s3("site"), "renditions": LOCAL}, renditions="renditions"),
    "without paths": Setup({"default": REMOTE}),
    "slow": Setup({"default": SLOW}),
}
