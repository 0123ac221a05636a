"""`WAGTAILIMAGES_IMAGE_MODEL` changed on a site that has pictures, with its images or without."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from django.db import connection
from support.paths import TESTS

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


@pytest.fixture(
    params=[sqlite, pytest.param(postgresql, marks=pytest.mark.postgresql)],
    ids=["sqlite", "postgresql"],
)
def step(request, tmp_path):
    """Return a function that runs a step of the walk with an image model."""
    with request.param(tmp_path) as url:

        def run(image_model, *arguments):
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
