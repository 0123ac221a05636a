import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from wagtail.images import get_image_model_string

from wagtail_smart_resize.models import deletion

from ._image_model import image_model_dependency


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        image_model_dependency(),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BudgetPeriod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=10, unique=True)),
                ("outputs", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name": "budget period",
                "verbose_name_plural": "budget periods",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ImageVersion",
            fields=[
                (
                    "image",
                    models.OneToOneField(
                        on_delete=deletion.cascade_if_migrated,
                        primary_key=True,
                        related_name="smart_resize",
                        serialize=False,
                        to=get_image_model_string(),
                    ),
                ),
                ("source_hash", models.CharField(blank=True, max_length=40)),
                ("live", models.JSONField(blank=True, default=list)),
                ("generations", models.JSONField(blank=True, default=dict)),
                ("revision", models.BigIntegerField(default=0)),
                ("published_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("publish_due_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("publish_attempts", models.PositiveIntegerField(default=0)),
                ("purge_due_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("damage_noted_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "image version",
                "verbose_name_plural": "image versions",
            },
        ),
        migrations.CreateModel(
            name="PipelineState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("circuit_opened_at", models.DateTimeField(blank=True, null=True)),
                ("circuit_code", models.CharField(blank=True, default="", max_length=32)),
                ("circuit_detail", models.TextField(blank=True, default="")),
                ("probe_at", models.DateTimeField(blank=True, null=True)),
                ("tried_settings", models.JSONField(blank=True, default=list)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("consecutive_outages", models.PositiveIntegerField(default=0)),
                ("failed_images", models.JSONField(blank=True, default=list)),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
                ("budget_told_on", models.DateField(blank=True, null=True)),
                ("buying_stopped_at", models.DateTimeField(blank=True, null=True)),
                (
                    "buying_stopped_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("next_pass_at", models.DateTimeField(blank=True, null=True)),
                ("last_pass_at", models.DateTimeField(blank=True, null=True)),
                ("last_repair_at", models.DateTimeField(blank=True, null=True)),
                ("repairs_begun", models.JSONField(blank=True, default=list)),
                ("repaired_with", models.CharField(blank=True, default="", max_length=16)),
                ("reading_after", models.CharField(blank=True, default="", max_length=64)),
                ("reading_asked_at", models.DateTimeField(blank=True, null=True)),
                ("read_wholly_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "pipeline state",
                "verbose_name_plural": "pipeline states",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ChangedImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("image_key", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name": "changed image",
                "verbose_name_plural": "changed images",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="PublicationCounter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("value", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "publication counter",
                "verbose_name_plural": "publication counters",
            },
        ),
        migrations.CreateModel(
            name="GatewayRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("image_title", models.CharField(blank=True, default="", max_length=255)),
                ("source_hash", models.CharField(max_length=40)),
                ("source_width", models.PositiveIntegerField(blank=True, null=True)),
                ("source_height", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "source_format",
                    models.CharField(blank=True, default="", max_length=16),
                ),
                ("source_token", models.CharField(max_length=64)),
                ("source_file", models.CharField(blank=True, default="", max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("new", "to be sent"),
                            ("sending", "being sent"),
                            ("sent", "with the service"),
                            ("fetching", "being fetched"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("unknown", "unknown"),
                        ],
                        default="new",
                        max_length=16,
                    ),
                ),
                ("request_id", models.CharField(blank=True, default="", max_length=255)),
                ("polling_url", models.TextField(blank=True, default="")),
                ("recipe", models.CharField(blank=True, default="", max_length=64)),
                ("prompt", models.TextField(blank=True, default="")),
                ("resolution", models.CharField(max_length=8)),
                ("output_format", models.CharField(max_length=8)),
                ("safety_tolerance", models.CharField(blank=True, default="", max_length=8)),
                ("seed", models.BigIntegerField(blank=True, null=True)),
                ("sizes", models.JSONField(default=list)),
                ("images_per_size", models.PositiveIntegerField(default=1)),
                ("outputs", models.JSONField(blank=True, default=list)),
                ("outputs_asked", models.PositiveIntegerField(default=0)),
                ("outputs_received", models.PositiveIntegerField(default=0)),
                ("error_code", models.CharField(blank=True, default="", max_length=32)),
                ("error_detail", models.TextField(blank=True, default="")),
                (
                    "charged",
                    models.CharField(
                        choices=[("no", "no"), ("yes", "yes"), ("unknown", "unknown")],
                        default="no",
                        max_length=8,
                    ),
                ),
                (
                    "price",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=12, null=True),
                ),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("reserved_on", models.DateField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("consecutive_errors", models.PositiveIntegerField(default=0)),
                (
                    "next_step_at",
                    models.DateTimeField(blank=True, default=django.utils.timezone.now, null=True),
                ),
                ("lease", models.CharField(blank=True, default="", max_length=64)),
                ("leased_until", models.DateTimeField(blank=True, null=True)),
                ("by_person", models.BooleanField(default=False)),
                ("use_at_once", models.BooleanField(default=False)),
                ("batch", models.UUIDField(blank=True, db_index=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now, editable=False
                    ),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("source_fetched_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("service_seconds", models.FloatField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=get_image_model_string(),
                    ),
                ),
            ],
            options={
                "verbose_name": "gateway request",
                "verbose_name_plural": "gateway requests",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Candidate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file", models.FileField(max_length=255, upload_to="")),
                ("stored", models.BooleanField(default=False)),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("position", models.PositiveIntegerField(default=0)),
                ("original_box", models.JSONField(blank=True, null=True)),
                ("source_type", models.CharField(blank=True, default="", max_length=64)),
                ("has_c2pa", models.BooleanField(default=False)),
                ("own_pixels", models.JSONField(blank=True, null=True)),
                ("report", models.JSONField(blank=True, null=True)),
                ("passed", models.BooleanField(blank=True, null=True)),
                ("score", models.FloatField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "derived_from",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="derived",
                        to="wagtail_smart_resize.candidate",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="candidates",
                        to="wagtail_smart_resize.gatewayrequest",
                    ),
                ),
            ],
            options={
                "verbose_name": "candidate",
                "verbose_name_plural": "candidates",
                "ordering": ["pk"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="OptOut",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField(blank=True, default="", verbose_name="reason")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "image",
                    models.OneToOneField(
                        on_delete=deletion.cascade_if_migrated,
                        related_name="+",
                        to=get_image_model_string(),
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "opt-out",
                "verbose_name_plural": "opt-outs",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Recomposition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("collection_id", models.BigIntegerField(blank=True, editable=False, null=True)),
                ("source_hash", models.CharField(max_length=40)),
                (
                    "shape",
                    models.DecimalField(decimal_places=3, max_digits=9, verbose_name="shape"),
                ),
                (
                    "recipe",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="recipe"),
                ),
                ("slots", models.JSONField(blank=True, default=list)),
                ("shown_on", models.JSONField(blank=True, default=list)),
                (
                    "wanted_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="asked since"
                    ),
                ),
                (
                    "wanted_by",
                    models.CharField(
                        choices=[
                            ("template", "a template"),
                            ("preview", "a preview"),
                            ("person", "a person"),
                        ],
                        default="template",
                        max_length=16,
                    ),
                ),
                ("rules_overridden", models.BooleanField(default=False)),
                ("waiting_reason", models.CharField(blank=True, default="", max_length=32)),
                (
                    "purchase",
                    models.CharField(
                        choices=[
                            ("idle", "idle"),
                            ("wanted", "wanted"),
                            ("requested", "requested"),
                            ("failed", "failed"),
                        ],
                        default="wanted",
                        max_length=16,
                    ),
                ),
                ("failure_code", models.CharField(blank=True, default="", max_length=32)),
                ("failure_detail", models.TextField(blank=True, default="")),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("awaiting_review_since", models.DateTimeField(blank=True, null=True)),
                (
                    "decision",
                    models.CharField(
                        choices=[
                            ("none", "not decided"),
                            ("candidate", "AI version"),
                            ("crop", "crop"),
                            ("check", "crop, by the check"),
                        ],
                        default="none",
                        max_length=16,
                    ),
                ),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("takes_effect_at", models.DateTimeField(blank=True, null=True)),
                (
                    "before_decision",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                    ),
                ),
                ("replaced_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked by",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=deletion.set_null_if_migrated,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=deletion.cascade_if_migrated,
                        related_name="smart_resize_recompositions",
                        to=get_image_model_string(),
                        verbose_name="image",
                    ),
                ),
                (
                    "live",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="wagtail_smart_resize.candidate",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="wagtail_smart_resize.gatewayrequest",
                    ),
                ),
            ],
            options={
                "verbose_name": "AI version",
                "verbose_name_plural": "AI versions",
                "permissions": [
                    ("smart_resize_recomposition", "Can ask for AI versions of images"),
                    ("approve_recomposition", "Can approve AI versions of images"),
                ],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="candidate",
            name="recomposition",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="candidates",
                to="wagtail_smart_resize.recomposition",
            ),
        ),
        migrations.CreateModel(
            name="RetiredRendition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rendition_id", models.CharField(max_length=64, unique=True)),
                (
                    "first_seen_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=deletion.cascade_if_migrated,
                        related_name="+",
                        to=get_image_model_string(),
                    ),
                ),
            ],
            options={
                "verbose_name": "retired rendition",
                "verbose_name_plural": "retired renditions",
            },
        ),
        migrations.AddIndex(
            model_name="gatewayrequest",
            index=models.Index(fields=["status", "next_step_at"], name="smart_resize_steps"),
        ),
        migrations.AddIndex(
            model_name="gatewayrequest",
            index=models.Index(fields=["reserved_on"], name="smart_resize_reserved"),
        ),
        migrations.AddIndex(
            model_name="gatewayrequest",
            index=models.Index(fields=["request_id"], name="smart_resize_request_id"),
        ),
        migrations.AddIndex(
            model_name="gatewayrequest",
            index=models.Index(fields=["source_file"], name="smart_resize_source_file"),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["purchase", "next_attempt_at", "wanted_at"], name="smart_resize_due"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(fields=["awaiting_review_since", "id"], name="smart_resize_review"),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["collection_id", "awaiting_review_since", "id"],
                name="smart_resize_reviews",
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(fields=["wanted_at", "id"], name="smart_resize_newest"),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["collection_id", "wanted_at", "id"], name="smart_resize_places"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(fields=["asked_by", "collection_id"], name="smart_resize_askers"),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["decided_by", "collection_id"], name="smart_resize_deciders"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(fields=["shape", "wanted_at", "id"], name="smart_resize_shapes"),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["failure_code", "wanted_at", "id"], name="smart_resize_failures"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["waiting_reason", "wanted_at", "id"], name="smart_resize_waits"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(
                fields=["purchase", "wanted_at", "id"], name="smart_resize_purchases"
            ),
        ),
        migrations.AddIndex(
            model_name="recomposition",
            index=models.Index(fields=["replaced_at"], name="smart_resize_replaced"),
        ),
        migrations.AddIndex(
            model_name="candidate",
            index=models.Index(fields=["stored", "created_at"], name="smart_resize_stored"),
        ),
        migrations.AddConstraint(
            model_name="recomposition",
            constraint=models.UniqueConstraint(
                fields=("image", "source_hash", "shape", "recipe"), name="smart_resize_bought_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="candidate",
            constraint=models.UniqueConstraint(
                fields=("request", "position"), name="smart_resize_one_candidate_per_output"
            ),
        ),
    ]
