"""`smart_resize_generate`: what it wants, what it leaves out, and that it keeps to the limits."""

import io

import pytest
from django.core.management import CommandError, call_command
from support.factories import candidate, plain_image, recomposition
from support.purchases import claimed, due
from testapp.models import PicturePage
from wagtail.models import Collection, CollectionViewRestriction, Page

from wagtail_smart_resize import actions
from wagtail_smart_resize.models import OptOut, Recomposition

pytestmark = pytest.mark.django_db

WIDE, TALL = "1200x400", "400x1200"


def generate(*args, **options):
    """Run it; returns the figures that it printed, by their words."""
    out = io.StringIO()
    call_command("smart_resize_generate", *args, stdout=out, **options)
    lines = [line.rsplit(": ", 1) for line in out.getvalue().splitlines() if ": " in line]
    return {words: int(figure) if figure.isdecimal() else figure for words, figure in lines}


def shown(image):
    """The image, on a published page."""
    home = Page.objects.filter(depth=2).first() or Page.get_first_root_node()
    home.add_child(instance=PicturePage(title=image.title, photo=image))
    return image


@pytest.fixture
def images():
    return [shown(plain_image(1600, 1200)) for _ in range(3)]


def wanted():
    return list(Recomposition.objects.wanted().order_by("image_id", "shape"))


def test_it_wants_each_slot_of_each_image_and_the_pipeline_takes_it_up(images):
    told = generate(WIDE, TALL)
    assert told == {"images": 3, "shapes of each": 2, "wanted": "6 outputs"}
    assert [(row.image_id, row.slots) for row in wanted()] == [
        (image.pk, [slot]) for image in images for slot in (TALL, WIDE)
    ]
    due()
    request = claimed(images[0].pk, "")
    assert request.outputs_asked == 2


def test_a_second_run_wants_nothing_twice(images):
    generate(WIDE)
    before = [(row.pk, row.next_attempt_at) for row in wanted()]
    assert generate(WIDE)["wanted before"] == 3
    assert [(row.pk, row.next_attempt_at) for row in wanted()] == before


def test_a_dry_run_tells_the_price_and_writes_nothing(images, settings):
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "PRICE_PER_OUTPUT": ("0.12", "USD"),
    }
    told = generate(WIDE, TALL, dry_run=True)
    assert told["would be wanted"] == "6 outputs, 0.72 USD at the most"
    assert not Recomposition.objects.exists()


def test_a_limit_is_a_number_of_outputs(images, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "CANDIDATES": 2}
    told = generate(WIDE, TALL, limit=5)
    assert told["wanted"] == "4 outputs"
    assert told["not wanted now, because of --limit"] == 4
    assert {row.image_id for row in wanted()} == {images[0].pk}


def test_without_slots_it_takes_the_presets(images, settings):
    generate()
    presets = settings.WAGTAIL_SMART_RESIZE["PRESETS"]
    assert {row.recipe for row in wanted()} == {"", "portrait"}
    assert len(wanted()) == 3 * len(presets)


def test_all_images_are_looked_at_however_many(images, monkeypatch):
    monkeypatch.setattr("wagtail_smart_resize.editorial.planning.IMAGES_PER_BATCH", 2)
    assert generate(WIDE)["images"] == 3
    assert len(wanted()) == 3


# What is left out


def test_the_rules_hold_and_each_reason_is_counted(images):
    private, opted_out, unpublished = images[0], images[1], plain_image(1600, 1200)
    vault = Collection.get_first_root_node().add_child(name="Vault")
    CollectionViewRestriction.objects.create(collection=vault, restriction_type="login")
    type(private).objects.filter(pk=private.pk).update(collection=vault)
    OptOut.objects.create(image=opted_out)
    draft = PicturePage(title="Draft", photo=unpublished, live=False)
    Page.objects.filter(depth=2).first().add_child(instance=draft)
    told = generate(WIDE, "800x600")
    assert told["Private collection"] == told["Opted out"] == 2
    assert told["No published page is known to show it"] == 2
    assert told["Crop cuts away little"] == 1
    assert [row.image_id for row in wanted()] == [images[2].pk]


def test_what_a_person_decided_is_left_alone(images):
    chosen, declined, failed = images
    candidate(recomposition(chosen, WIDE, purchase="idle"))
    actions.use_crop(recomposition(declined, WIDE, purchase="idle"))
    recomposition(failed, WIDE, purchase="failed", failure_code="http_400")
    told = generate(WIDE)
    assert told["wanted"] == "0 outputs"
    assert told["There is an AI version already"] == 1
    assert told["Somebody chose the crop"] == 1
    assert told["failed before: an editor can try them again"] == 1
    assert not wanted()


def test_automatic_generation_need_not_be_on(images, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "AUTO_GENERATE": False}
    waiting = recomposition(images[0], WIDE, waiting_reason="automatic_off", next_attempt_at=None)
    assert generate(WIDE)["wanted"] == "3 outputs"
    waiting.refresh_from_db()
    assert (waiting.wanted_by, waiting.waiting_reason) == ("person", "")
    due()
    assert claimed(images[0].pk, "").outputs_asked == 1


# Which images


def test_a_collection_is_taken_with_those_below_it(images):
    root = Collection.get_first_root_node()
    press = root.add_child(name="Press")
    below = press.add_child(name="Portraits")
    for image, collection in zip(images, (press, below), strict=False):
        type(image).objects.filter(pk=image.pk).update(collection=collection)
    assert generate(WIDE, collection=["Press"])["images"] == 2
    assert generate(WIDE, collection=[str(below.pk)])["images"] == 1
    assert generate(WIDE, collection=["Press", "Portraits"])["images"] == 2


def test_tags_select_an_image_once_however_many_it_has(images):
    images[0].tags.add("team", "faces")
    images[1].tags.add("faces")
    assert generate(WIDE, tag=["faces", "team"])["images"] == 2


# Errors


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        (["1200x"], {}, "1200x"),
        (["nosuch"], {}, "nosuch"),
        ([WIDE], {"collection": ["Nowhere"]}, "no collection “Nowhere”"),
    ],
)
def test_what_it_can_t_do_is_said(args, options, words):
    with pytest.raises(CommandError, match=words):
        generate(*args, **options)


def test_two_collections_of_one_name_are_told_apart_by_their_ids(images):
    root = Collection.get_first_root_node()
    ids = [root.add_child(name="Twins").pk for _ in range(2)]
    with pytest.raises(CommandError, match=", ".join(map(str, ids))):
        generate(WIDE, collection=["Twins"])


def test_without_presets_a_slot_must_be_named(settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "PRESETS": {}}
    with pytest.raises(CommandError, match="Name a slot"):
        generate()


def test_without_a_key_only_a_dry_run_makes_sense(images, settings):
    settings.WAGTAIL_SMART_RESIZE = {**settings.WAGTAIL_SMART_RESIZE, "API_KEY": ""}
    with pytest.raises(CommandError, match="API key"):
        generate(WIDE)
    assert generate(WIDE, dry_run=True)["images"] == 3


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_at_least_one(limit):
    with pytest.raises(CommandError, match="limit"):
        generate(WIDE, f"--limit={limit}")
