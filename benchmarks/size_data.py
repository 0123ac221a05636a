"""Creates a site of any size within the database; only files that a page opens exist."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, models
from django.utils import timezone
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.images.models import Filter
from wagtail.models import (
    Collection,
    GroupCollectionPermission,
    Locale,
    Page,
    ReferenceIndex,
    Site,
)

from wagtail_smart_resize.core import clock
from wagtail_smart_resize.core.sizes import Slot
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    OptOut,
    PipelineState,
    PublicationCounter,
    Recomposition,
    RetiredRendition,
)
from wagtail_smart_resize.renditions.accessor import pin
from wagtail_smart_resize.renditions.published import PublishedEntry, PublishedState
from wagtail_smart_resize.settings import settings

#: The largest site that is measured; each image has two shapes and ten renditions.
IMAGES = 100_000
COLLECTIONS = 10
USERS = 20
#: The shapes of each image, as slots in the proportions of the sizes of a `srcset`.
SHAPES = (
    ("1600x900", "1200x675", "800x450", "400x225"),
    ("900x900", "600x600", "450x450", "300x300"),
)
#: A version is a digest; one value is enough, as every image has keys of its own anyway.
VERSION = "0123456789abcdef"
#: Requests in flight, the same for every size of site: the setting limits them.
IN_FLIGHT = 10

#: The first of each hundred recompositions in each state; in the SQL `c` is the recomposition's
#: number modulo 100. No image has one of its two live and nothing published.
LIVE, CROP, REVIEW, FAILED, BUDGET, WAITING, DUE = 0, 60, 70, 78, 82, 92, 99

#: The collection of image n, as SQL: the collections' ids begin after the root's.
_COLLECTION = f"(SELECT min(id) FROM wagtailcore_collection) + 1 + n %% {COLLECTIONS}"


def fill(images: int) -> None:
    """Create and fill the tables; the numbers of rows depend on `images` alone."""
    call_command("migrate", verbosity=0, run_syncdb=True)
    # Foreign keys would be looked up row by row.
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    _people()
    _images(images)
    _recompositions(images)
    _renditions(images)
    _pages(images)
    with connection.cursor() as cursor:
        cursor.execute("RESET session_replication_role")
        for sql in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            cursor.execute(sql)
        cursor.execute("VACUUM ANALYZE")


def _insert(model: type[models.Model], rows: str, **values: str) -> None:
    """Insert rows of a model with SQL: a field's value is an expression, or the field's default."""
    fields = model._meta.local_concrete_fields
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    expressions, params = [], []
    for field in fields:
        if field.attname in values:
            expressions.append(values[field.attname])
        else:
            expressions.append("%s")
            params.append(field.get_db_prep_save(_default(field), connection))
    table = connection.ops.quote_name(model._meta.db_table)
    sql = f"INSERT INTO {table} ({columns}) SELECT {', '.join(expressions)} FROM {rows}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _default(field: models.Field) -> Any:
    if isinstance(field, (models.DateTimeField, models.DateField)) and not field.null:
        return timezone.now()
    return field.get_default()


def _people() -> None:
    """Create a superuser, an editor of one collection with all our permissions, and others who
    ask."""
    User = get_user_model()
    User.objects.create_superuser("admin", "admin@example.org", "secret")
    editor = User.objects.create_user("editor", "editor@example.org", "secret")
    for number in range(USERS):
        User.objects.create_user(f"user-{number}", f"user-{number}@example.org", "secret")
    root = Collection.add_root(name="Root")
    rooms = [root.add_child(name=f"Collection {n}") for n in range(COLLECTIONS)]
    group = Group.objects.create(name="Editors")
    group.user_set.add(editor)
    access = Permission.objects.get(codename="access_admin", content_type__app_label="wagtailadmin")
    group.permissions.add(access)
    codes = ["change_image", "smart_resize_recomposition", "approve_recomposition"]
    for permission in Permission.objects.filter(codename__in=codes):
        GroupCollectionPermission.objects.create(
            group=group, collection=rooms[0], permission=permission
        )


def _images(count: int) -> None:
    _insert(
        get_image_model(),
        f"generate_series(1, {count}) AS n",
        id="n",
        title="'Photo ' || n",
        collection_id=_COLLECTION,
        file="'original_images/photo-' || n || '.jpg'",
        width="1600",
        height="1200",
        file_size="250000",
        file_hash="md5(n::text)",
        created_at="now() - n * interval '1 minute'",
    )


def _recompositions(images: int) -> None:
    """Insert two for each image n: numbers r 2n - 1 and 2n, with state c, n modulo 100."""
    rows = (
        f"(SELECT r, (r + 1) / 2 AS n, (r + 1) %% 2 AS s, (r + 1) / 2 %% 100 AS c"
        f" FROM generate_series(1, {images * 2}) AS r) AS rows"
    )
    _insert(
        GatewayRequest,
        f"{rows} WHERE s = 0 AND c < {BUDGET}",
        id="n",
        image_id="n",
        image_title="'Photo ' || n",
        source_hash="md5(n::text)",
        source_token="md5(random()::text)",
        request_id="'request-' || n",
        status=f"CASE WHEN n <= {IN_FLIGHT} THEN 'sent' WHEN c < {FAILED} THEN 'done'"
        " ELSE 'failed' END",
        resolution="'2K'",
        output_format="'jpeg'",
        sizes="jsonb_build_array("
        "jsonb_build_object('size', '2752x1548', 'recomposition', r),"
        "jsonb_build_object('size', '2048x2048', 'recomposition', r + 1))",
        outputs_asked="2",
        outputs_received="2",
        charged="'yes'",
        price="0.08",
        currency="'USD'",
        reserved_on="(now() - n * interval '10 minutes')::date",
        next_step_at=f"CASE WHEN n <= {IN_FLIGHT} THEN now() + interval '1 day' END",
        asked_by_id="CASE WHEN n %% 10 = 0 THEN 3 + n / 10 %% 20 END",
        by_person="n %% 10 = 0",
        # Twenty images were asked for together.
        batch="CASE WHEN n %% 10 = 0 THEN md5((n / 200)::text)::uuid END",
        created_at="now() - n * interval '10 minutes'",
        sent_at="now() - n * interval '10 minutes'",
        finished_at="now() - n * interval '10 minutes' + interval '75 seconds'",
    )
    slots = " ".join(
        f"WHEN {s} THEN '{list(sizes)}'::jsonb".replace("', '", '", "')
        .replace("['", '["')
        .replace("']", '"]')
        for s, sizes in enumerate(SHAPES)
    )
    shapes = " ".join(f"WHEN {s} THEN {Slot.parse(x[0]).shape}" for s, x in enumerate(SHAPES))
    _insert(
        Recomposition,
        rows,
        id="r",
        image_id="n",
        collection_id=_COLLECTION,
        source_hash="md5(n::text)",
        shape=f"CASE s {shapes} END",
        slots=f"CASE s {slots} END",
        wanted_at="now() - n * interval '10 minutes' - s * interval '1 second'",
        wanted_by="CASE WHEN n %% 10 = 0 THEN 'person' ELSE 'template' END",
        asked_by_id="CASE WHEN n %% 10 = 0 THEN 3 + n / 10 %% 20 END",
        request_id=f"CASE WHEN c < {BUDGET} THEN n END",
        purchase=f"CASE WHEN n <= {IN_FLIGHT} THEN 'requested' WHEN c < {FAILED} THEN 'idle'"
        f" WHEN c < {BUDGET} THEN 'failed' ELSE 'wanted' END",
        failure_code=f"CASE WHEN c >= {FAILED} AND c < {BUDGET} THEN"
        " (ARRAY['failed', 'unknown', 'deadline', 'shape'])[1 + n / 100 %% 4] ELSE '' END",
        waiting_reason=f"CASE WHEN c < {BUDGET} OR c >= {DUE} THEN '' WHEN c < {WAITING}"
        " THEN 'budget' ELSE 'opted_out' END",
        # The day's budget ends for all at the same moment.
        next_attempt_at=f"CASE WHEN c < {BUDGET} THEN NULL WHEN c >= {DUE}"
        " THEN now() - interval '1 minute'"
        " ELSE date_trunc('day', now()) + interval '1 day' END",
        awaiting_review_since=f"CASE WHEN c >= {REVIEW} AND c < {FAILED} THEN now()"
        " - n * interval '9 minutes' END",
        decision=f"CASE WHEN c >= {CROP} AND c < {REVIEW} THEN 'crop' ELSE 'none' END",
        decided_by_id=f"CASE WHEN c >= {CROP} AND c < {REVIEW} THEN 3 + n / 10 %% 20 END",
        decided_at=f"CASE WHEN c >= {CROP} AND c < {REVIEW} THEN now()"
        " - n * interval '9 minutes' END",
    )
    _insert(
        Candidate,
        f"{rows} WHERE c < {CROP} AND n > {IN_FLIGHT} OR c >= {REVIEW} AND c < {FAILED}",
        id="r",
        recomposition_id="r",
        request_id="n",
        file="'smart_resize/' || n || '/' || r || '.jpg'",
        stored="true",
        width="2752",
        height="1536",
        digest="md5(r::text) || md5(n::text)",
        position="s",
        created_at="now() - n * interval '10 minutes' + interval '80 seconds'",
    )
    _execute(
        f"UPDATE {Recomposition._meta.db_table} SET live_id = id"
        f" WHERE (id + 1) / 2 %% 100 < {CROP} AND (id + 1) / 2 > {IN_FLIGHT}"
    )
    _versions(rows)
    _insert(OptOut, f"{rows} WHERE s = 0 AND c >= {WAITING} AND c < {DUE}", id="n", image_id="n")
    PipelineState.get_current()
    # The budget is used up, so that what waits for it must wait.
    for period in BudgetPeriod.periods(clock.today()):
        BudgetPeriod.objects.create(period=period, outputs=settings.DAILY_LIMIT)


def _versions(rows: str) -> None:
    entry = (
        "jsonb_build_array(shape::text, '', version, file, 0)"
        f" FROM (SELECT (CASE s {_shape_texts()} END) AS shape,"
        f" CASE WHEN c < {CROP} THEN '{VERSION}' ELSE '' END AS version,"
        f" CASE WHEN c < {CROP} THEN 'smart_resize/' || n || '/' || (n * 2 - 1 + s) || '.jpg'"
        " ELSE '' END AS file FROM (VALUES (0), (1)) AS shapes (s)) AS entries"
    )
    _insert(
        ImageVersion,
        f"{rows} WHERE s = 0 AND c < {REVIEW} AND n > {IN_FLIGHT}",
        image_id="n",
        source_hash="md5(n::text)",
        live=f"(SELECT jsonb_agg(each) FROM (SELECT {entry.replace(' FROM', ' AS each FROM', 1)})"
        " AS listed)",
        revision="1",
        published_at="timestamptz '2026-01-01' + n * interval '1 second'",
    )
    PublicationCounter.advance()
    _insert(
        RetiredRendition,
        f"{rows} WHERE s = 0 AND c = {LIVE}",
        id="n",
        image_id="n",
        rendition_id="n * 20 + 19",
        first_seen_at="now()",
    )


def _shape_texts() -> str:
    return " ".join(f"WHEN {s} THEN '{Slot.parse(x[0]).shape}'" for s, x in enumerate(SHAPES))


def _renditions(images: int) -> None:
    """Insert eight of ours for each image, on their present keys, and those that the admin
    shows."""
    Rendition = get_image_model().get_rendition_model()
    ours = [f"smartresize-{size}" for sizes in SHAPES for size in sizes]
    specs = [*ours, "max-165x165", f"fill-{SHAPES[0][0]}", f"fill-{SHAPES[1][0]}"]
    cases = ", ".join(f"({k}, '{spec}', {_keys(spec)})" for k, spec in enumerate(specs))
    _insert(
        Rendition,
        f"generate_series(1, {images}) AS n,"
        f" (VALUES {cases}) AS specs (k, spec, crop_key, live_key)"
        # The last two exist for the review queue alone.
        f" WHERE k < 9 OR n %% 100 >= {REVIEW} AND n %% 100 < {FAILED}",
        id="n * 20 + k",
        image_id="n",
        filter_spec="spec",
        focal_point_key=f"CASE WHEN n %% 100 < {CROP} AND n > {IN_FLIGHT} THEN live_key"
        " ELSE crop_key END",
        file="'images/photo-' || n || '-' || k || '.jpg'",
        width="400",
        height="300",
    )
    # One retired rendition of ours where a row says so.
    _insert(
        Rendition,
        f"generate_series(1, {images}) AS n WHERE n %% 100 = {LIVE}",
        id="n * 20 + 19",
        image_id="n",
        filter_spec=f"'{ours[0]}'",
        focal_point_key="'retired'",
        file="'images/photo-' || n || '-retired.jpg'",
        width="1600",
        height="900",
    )


def _keys(spec: str) -> str:
    """Return the spec's key with nothing live, and with both shapes live, as SQL."""
    image = get_image_model()(file_hash="x", width=1600, height=1200)
    pin(image, PublishedState())
    crop = Filter(spec).get_cache_key(image)
    shapes = [Slot.parse(sizes[0]).shape for sizes in SHAPES]
    pin(
        image, PublishedState([PublishedEntry(shape, "", VERSION, "x", 0) for shape in shapes], "x")
    )
    return f"'{crop}', '{Filter(spec).get_cache_key(image)}'"


def _pages(images: int) -> None:
    """Insert one page for ten images, five of which it shows."""
    Locale.objects.create(language_code="en")
    root = Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=Page(title="Home", slug="home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    count = images // 10
    page_type = ContentType.objects.get_for_model(PicturePage).pk
    rows = f"generate_series(1, {count}) AS n"
    _insert(
        Page,
        rows,
        id=f"{home.pk} + n",
        path=f"'{home.path}' || lpad(upper(to_hex(n)), 4, '0')",
        depth=f"{home.depth + 1}",
        title="'Page ' || n",
        draft_title="'Page ' || n",
        slug="'page-' || n",
        url_path="'/home/page-' || n || '/'",
        translation_key="gen_random_uuid()",
        locale_id="(SELECT min(id) FROM wagtailcore_locale)",
        content_type_id=f"{page_type}",
    )
    home.numchild = count
    home.save()
    _insert(PicturePage, rows, page_ptr_id=f"{home.pk} + n", photo_id="n * 10")
    base = ContentType.objects.get_for_model(Page).pk
    image_type = ContentType.objects.get_for_model(get_image_model()).pk
    _insert(
        ReferenceIndex,
        f"generate_series(1, {images}) AS n WHERE n %% 2 = 0 AND n / 10 > 0",
        id="n",
        content_type_id=f"{page_type}",
        base_content_type_id=f"{base}",
        object_id=f"({home.pk} + n / 10)::text",
        to_content_type_id=f"{image_type}",
        to_object_id="n::text",
        model_path="'photo'",
        model_path_hash="gen_random_uuid()",
        content_path="'photo'",
        content_path_hash="gen_random_uuid()",
    )


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("%%", "%"))
