"""`WAGTAILIMAGES_IMAGE_MODEL` changed on a site that has pictures, with its images or without."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from support.factories import live, plain_image
from support.paths import TESTS
from wagtail.images import get_image_model

from wagtail_smart_resize.models import ImageVersion, OptOut, PipelineState, Recomposition
from wagtail_smart_resize.models.changed_image import ChangedImage
from wagtail_smart_resize.repair import image_model

KEPT = {
    "Recomposition": 3,
    "Candidate": 1,
    "GatewayRequest": 2,
    "ImageVersion": 1,
    "OptOut": 1,
    "RetiredRendition": 0,
}
NONE_KEPT = {**dict.fromkeys(KEPT, 0), "GatewayRequest": 2, "Recomposition": 1}


@contextlib.contextmanager
def sqlite(folder):
    yield f"sqlite:///{folder / 'db.sqlite3'}"


@contextlib.contextmanager
def postgresql(folder):
    """Make a database beside that of the tests."""
    import psycopg

    server = connection.get_connection_params() | {"dbname": "postgres"}
    for name in ("cursor_factory", "context", "prepare_threshold"):
        server.pop(name, None)
    name = f"othermodel_{os.getpid()}"
    with psycopg.connect(**server, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
    at = connection.settings_dict
    try:
        yield (
            f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST'] or 'localhost'}:"
            f"{at['PORT'] or 5432}/{name}"
        )
    finally:
        with psycopg.connect(**server, autocommit=True) as session:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def begun_sites(tmp_path_factory):
    """A folder of sites on SQLite as their first step leaves them, to be copied."""
    return tmp_path_factory.mktemp("begun")


@pytest.fixture(
    params=[sqlite, pytest.param(postgresql, marks=pytest.mark.postgresql)],
    ids=["sqlite", "postgresql"],
)
def step(request, tmp_path, begun_sites):
    """Return a function that runs a step of the walk with an image model."""
    with request.param(tmp_path) as url:

        def run(image_model, *arguments):
            begun = begun_sites / image_model
            if url.startswith("sqlite") and arguments == ("begin",) and begun.exists():
                shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
                return {}
            environment = os.environ | {
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "othermodel.settings",
                "IMAGE_MODEL": image_model,
                "OTHERMODEL_FOLDER": str(tmp_path),
                "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            }
            done = subprocess.run(
                [sys.executable, "-m", "othermodel.walk", *arguments],
                env=environment,
                cwd=TESTS,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            if url.startswith("sqlite") and arguments == ("begin",):
                shutil.copytree(tmp_path, begun)
            return json.loads(done.stdout.splitlines()[-1])

        yield run


@pytest.mark.parametrize(
    ("how", "kept", "gone", "rows"), [("copied", 2, 1, KEPT), ("fresh", 0, 3, NONE_KEPT)]
)
def test_a_change_of_the_image_model_is_followed(step, how, kept, gone, rows):
    step("wagtailimages.Image", "begin")
    told = step("yourimages.CustomImage", "change", how)
    # Before the command: the site lives, and everything says what to do.
    assert told["check"] == ["wagtail_smart_resize.W011"]
    assert told["status"] == [2, True]
    assert (told["pages"], told["log"]) == ([200, 200], [["ERROR", False]])
    assert told["command"] == [
        "Images in wagtailimages_image that are the same in the present model: "
        f"{kept}. Others, whose recomposed pictures are deleted: {gone}.",
        "The tables refer to the present image model now.",
    ]
    # After it.
    assert told["check after"] == []
    assert told["status after"][1] is False
    assert (told["pages after"], told["log after"]) == ([200, 200], [])
    assert told["wanted"] == 1
    assert told["rows"] == rows
    assert told["files"] == rows["Candidate"]
    assert told.get("shows") == (True if how == "copied" else None)
    assert told["again"] == "The tables refer to the present image model: nothing to do."


@pytest.fixture
def former(monkeypatch):
    """Let the tables refer to another one, a copy of the images' own; return its name."""
    name = "former_images"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM {get_image_model()._meta.db_table}")
    monkeypatch.setattr(image_model, "former_image_table", lambda using: name)
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


@pytest.fixture
def images(transactional_db):
    """Two images, of which the second has another file in the former table."""
    made = [plain_image(400, 300), plain_image(400, 300)]
    for image in made:
        live(image)
        OptOut.objects.create(image=image)
    return made


def other_file(former, image):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {former} SET file = 'x', file_hash = 'x' WHERE id = {image.pk}")


@pytest.mark.django_db(transaction=True)
class TestTheCommand:
    def run(self, **options):
        output = io.StringIO()
        call_command("smart_resize_image_model", stdout=output, **options)
        return output.getvalue()

    def test_it_keeps_what_is_the_same(self, images, former):
        other_file(former, images[1])
        assert "the same in the present model: 1. Others" in self.run(interactive=False)
        for model in (Recomposition, ImageVersion, OptOut):
            assert [row.image_id for row in model.objects.all()] == [images[0].pk]
        connection.check_constraints()

    def test_without_the_former_table_it_goes_by_what_was_bought(self, images, former):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {former}")
        Recomposition.objects.filter(image=images[1]).update(source_hash="of another file")
        self.run(interactive=False)
        assert [row.image_id for row in Recomposition.objects.all()] == [images[0].pk]

    def test_a_table_without_files_is_as_none(self, images, former):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {former}")
            cursor.execute(f"CREATE TABLE {former} (id integer)")
        self.run(interactive=False)
        assert Recomposition.objects.count() == 2

    @pytest.mark.parametrize(("answer", "rows"), [("n", 2), ("", 2), ("y", 1)])
    def test_it_asks_first(self, images, former, monkeypatch, answer, rows):
        other_file(former, images[1])
        monkeypatch.setattr("builtins.input", lambda question: answer)
        if rows == 2:
            with pytest.raises(CommandError, match="Nothing was changed"):
                self.run()
        else:
            self.run()
        assert Recomposition.objects.count() == rows

    def test_the_next_repair_reads_all_images(self, images, former):
        """What was noted of images by their keys means others now."""
        ChangedImage.note([images[0].pk])
        state = PipelineState.get_current()
        read = {"repairs_begun": [1.0, 2.0], "reading_after": "7", "read_wholly_at": timezone.now()}
        assert state.update_if(where={}, **read)
        self.run(interactive=False)
        state.refresh_from_db()
        assert (state.repairs_begun, state.reading_after, state.read_wholly_at) == ([], "", None)
        assert not ChangedImage.objects.exists()

    def test_keys_of_another_kind_are_refused(self, images, former, monkeypatch):
        monkeypatch.setattr(image_model, "_is_whole_number", lambda field: field.name == "id")
        with pytest.raises(CommandError, match="migrate wagtail_smart_resize zero"):
            self.run(interactive=False)
        assert Recomposition.objects.count() == 2


def test_a_child_of_the_former_model_is_another_model(step):
    """Its table has the same keys, for the images that were made anew with it."""
    step("wagtailimages.Image", "begin")
    told = step("yourimages.ChildImage", "change", "fresh")
    assert (told["check"], told["check after"]) == (["wagtail_smart_resize.W011"], [])
    assert told["rows"] == NONE_KEPT


def test_a_former_model_that_can_t_tell_of_files_keeps_what_was_bought_for_them(step):
    """The child's table has no files, and its keys are those of its parent."""
    step("yourimages.ChildImage", "begin")
    told = step("wagtailimages.Image", "change", "inherited")
    assert told["rows"] == {
        **KEPT,
        "Recomposition": 5,
        "Candidate": 2,
        "ImageVersion": 2,
        "OptOut": 2,
    }
    assert told["again"] == "The tables refer to the present image model: nothing to do."
