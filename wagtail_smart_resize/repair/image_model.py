"""Moves the app's rows to the site's present image model, after it was changed in the settings.

Migrations that have been applied are not applied again, so the tables go on referring to those of
the former model. Rows are kept for the images that the site has taken over under the same key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db import connections, models

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.schema import former_image_table, schema
from wagtail_smart_resize.core.slices import slices
from wagtail_smart_resize.models import (
    ChangedImage,
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    PublicationCounter,
    Recomposition,
    RetiredRendition,
)
from wagtail_smart_resize.renditions.published_cache import process_cache

#: The row of the table that `core.schema` looks at comes last, so that a run that was cut off is
#: taken up again.
REFERRING: tuple[type[models.Model], ...] = (
    GatewayRequest,
    ImageVersion,
    OptOut,
    RetiredRendition,
    Recomposition,
)


class OtherKind(TypeError):
    """The keys of the two image models are of kinds that can't be compared."""


@dataclass(frozen=True)
class Move:
    """What a change of the image model means for the app's rows."""

    former_table: str
    kept: frozenset[Any]
    """Keys of the images that are the same in both models."""
    gone: frozenset[Any]
    """Keys of the others: what was bought for them is deleted."""


def plan_move() -> Move | None:
    """Return what has to be done, or None if the tables refer to the present model.

    Raises OtherKind.
    """
    former_table = former_image_table(database.alias())
    if not former_table:
        return None
    former = _former_model(former_table)
    _check_kind(former)
    keys = {key for model in REFERRING for key in _keys(model)}
    kept = {key for some in _in_chunks(keys) for key in _same_images(former, some)}
    return Move(former_table, frozenset(kept), frozenset(keys - kept))


def carry_out(move: Move) -> None:
    """Delete the rows of images that are gone, and have the tables refer to the present model."""
    for gone in _in_chunks(move.gone):
        # One by one: each deletion takes its candidates' files along when it is committed.
        for row in Recomposition.objects.filter(image_id__in=gone):
            row.delete()
        GatewayRequest.objects.filter(image_id__in=gone).update(image=None)
        ImageVersion.objects.filter(pk__in=gone).delete()
        OptOut.objects.filter(image_id__in=gone).delete()
    # Renditions and keys of the former model: the next repair reads all of the present one.
    RetiredRendition.objects.all().delete()
    ChangedImage.objects.all().delete()
    PipelineState.objects.update(repairs_begun=[], reading_after="", read_wholly_at=None)
    former = _former_model(move.former_table)
    for model in REFERRING:
        _refer_anew(model, former)
    PublicationCounter.advance()
    process_cache.reset()
    schema.reset()


def _keys(model: Any) -> Iterator[Any]:
    rows = model.objects.exclude(image_id=None)
    return rows.values_list("image_id", flat=True).distinct().iterator()


def _in_chunks(keys: Any) -> Iterator[list[Any]]:
    return slices(sorted(keys), 500)


def _same_images(former: type[models.Model], keys: list[Any]) -> Iterator[Any]:
    """Yield the keys under which both models have an image of the same file."""
    present = database.site_images(with_hidden=True).filter(pk__in=keys)
    before = _former_files(former, keys)
    for image in present:
        if before is None:
            # Then an image is another one only if something was bought for another file.
            is_same = _hash_bought_for(image.pk) in ("", image.file_hash)
        else:
            name, file_hash = before.get(image.pk, ("", ""))
            is_same = image.file.name == name or file_hash == image.file_hash != ""
        if is_same:
            yield image.pk


def _former_files(former: type[models.Model], keys: list[Any]) -> dict[Any, tuple[str, str]] | None:
    """Return names and hashes by key; None where the table is gone, or has no such columns."""
    connection = connections[database.alias()]
    table = former._meta.db_table
    if table not in connection.introspection.table_names():
        return None
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
    if not {"file", "file_hash"} <= {column.name for column in described}:
        return None
    rows = former._default_manager.using(connection.alias).filter(pk__in=keys)
    return {key: (name, file_hash) for key, name, file_hash in rows.values_list(*FORMER_COLUMNS)}


FORMER_COLUMNS = ("pk", "file", "file_hash")


def _hash_bought_for(key: Any) -> str:
    newest = Recomposition.objects.filter(image_id=key).order_by("-pk")
    return newest.values_list("source_hash", flat=True).first() or ""


# The tables


def _former_model(table: str) -> type[models.Model]:
    """Return a model of the former table, with the columns that are needed of it."""
    known = [model for model in apps.get_models() if model._meta.db_table == table]
    key = known[0]._meta.pk.clone() if known else models.AutoField(primary_key=True)
    if known and isinstance(known[0]._meta.pk, models.OneToOneField):
        key = models.BigIntegerField(primary_key=True, db_column=known[0]._meta.pk.column)
    meta = type("Meta", (), {"apps": Apps(), "app_label": "former", "db_table": table})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "id": key,
        "file": models.CharField(max_length=255),
        "file_hash": models.CharField(max_length=40),
    }
    return type("FormerImage", (models.Model,), attributes)


def _check_kind(former: type[models.Model]) -> None:
    kinds = {_is_whole_number(field) for field in (former._meta.pk, _image_field(OptOut))}
    if len(kinds) > 1:
        raise OtherKind


def _is_whole_number(field: Any) -> bool:
    while field.remote_field:
        field = field.target_field
    return isinstance(field, models.IntegerField)


def _image_field(model: type[models.Model]) -> Any:
    return model._meta.get_field("image")


def _refer_anew(model: type[models.Model], former: type[models.Model]) -> None:
    """Replace the constraint, and the column's type where the keys have another size."""
    field = _image_field(model)
    before = field.clone()
    before.remote_field.model = former
    before.set_attributes_from_name(field.name)
    before.model = model
    with connections[database.alias()].schema_editor() as editor:
        editor.alter_field(model, before, field)
