"""`rendition|is_recomposed`: told from what a template holds, without a query."""

import pickle

import pytest
from django.db import connection
from django.template import Context, Template, engines
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from support.factories import candidate, live, plain_image, recomposition
from wagtail.images import get_image_model
from wagtail.images.rect import Rect

from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

SPEC = "smartresize-400x400"


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def decided_crop(image, slot="400x400"):
    """An editor chose the crop where a candidate was live."""
    row = Recomposition.objects.get(image_id=image.pk, slots=[slot])
    row.update_if(where={}, live=None, decision=Recomposition.Decision.CROP)
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)


def raised(image):
    """Give what goes live next keys that never existed, as after a rendition was retired."""
    version = ImageVersion.get_for(image.pk)
    rows = Recomposition.objects.filter(image_id=image.pk)
    assert version.raise_generations(rows.values_list("shape", "recipe"))


def told(rendition):
    """Return what the filter says, asserting that it makes no query."""
    with CaptureQueriesContext(connection) as queries:
        text = Template(
            "{% load smart_resize_tags %}{% if held|is_recomposed %}yes{% else %}no{% endif %}"
        ).render(Context({"held": rendition}))
    assert [query["sql"] for query in queries.captured_queries] == []
    return text == "yes"


@pytest.fixture
def image():
    return plain_image()


# How a template comes to hold one


def by_the_tag(image):
    context = Context({"image": image})
    Template("{% load wagtailimages_tags %}{% image image smartresize-400x400 as held %}").render(
        context
    )
    return context["held"]


def by_our_filter(image):
    context = Context({"image": image})
    return (
        Template('{% load smart_resize_tags %}{{ image|smart_resize:"400x400" }}')
        .compile_nodelist()[-1]
        .filter_expression.resolve(context)
    )


def by_get_rendition(image):
    return image.get_rendition(SPEC)


def by_get_renditions(image):
    return image.get_renditions(SPEC, "smartresize-200x200")[SPEC]


def by_prefetching(image):
    again = get_image_model().objects.prefetch_renditions(SPEC).get(pk=image.pk)
    return again.get_rendition(SPEC)


def by_the_cache(image):
    """A rendition from a cache comes back by pickle; Wagtail puts the image at hand into it."""
    image.get_rendition(SPEC)
    cached = pickle.loads(pickle.dumps(fresh(image).get_rendition(SPEC)))
    cached.image = image
    return cached


def by_the_picture_tag(image):
    context = Context({"image": image})
    Template(
        "{% load wagtailimages_tags %}"
        "{% picture image format-{webp,jpeg} smartresize-{400x400,200x200} as held %}"
    ).render(context)
    return context["held"]


WAYS = [
    by_the_tag,
    by_our_filter,
    by_get_rendition,
    by_get_renditions,
    by_prefetching,
    by_the_cache,
    by_the_picture_tag,
]


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_right_however_the_rendition_was_found(way, is_warm, image):
    def held():
        if is_warm:
            way(fresh(image))
        return way(fresh(image))

    assert not told(held())
    live(image)
    assert told(held())
    decided_crop(image)
    assert not told(held())


# What the rendition is of


@pytest.mark.parametrize(
    "spec",
    [
        "smartresize-400x400-c50",
        "smartresize-200x200",
        "smartresize-400x395",  # 1.3 % off: the same recomposition
        "format-webp|smartresize-400x400",
        "smartresize-400x400|format-jpeg|jpegquality-40",
        "smartresize-400x400|max-100x100",
        "smartresize-300x200|smartresize-400x400",  # one of two is live
        "smartresize-400x400|smartresize-300x200",
    ],
)
@pytest.mark.parametrize("focal_point", [None, Rect(300, 50, 420, 200)])
def test_it_is_right_for_each_spec(spec, focal_point, image):
    image.set_focal_point(focal_point)
    image.save()
    assert not told(fresh(image).get_rendition(spec))
    live(image)
    assert told(fresh(image).get_rendition(spec))
    decided_crop(image)
    assert not told(fresh(image).get_rendition(spec))


@pytest.mark.parametrize(
    "spec", ["fill-400x400", "fill-400x400-c50|format-webp", "original", "smartresize-300x200"]
)
def test_what_has_nothing_of_the_live_candidate_has_none(spec, image):
    live(image)
    assert not told(fresh(image).get_rendition(spec))


def test_a_presets_own_recipe_is_told_from_the_sites(image):
    live(image, "400x500", recipe="portrait")
    assert told(fresh(image).get_rendition("smartresize-portrait"))
    assert not told(fresh(image).get_rendition("smartresize-400x500"))


def test_one_live_operation_is_enough_where_the_other_is_a_decided_crop(image):
    live(image)
    live(image, "300x200")
    decided_crop(image)
    assert told(fresh(image).get_rendition("smartresize-400x400|smartresize-300x200"))
    decided_crop(image, "300x200")
    assert not told(fresh(image).get_rendition("smartresize-400x400|smartresize-300x200"))


@pytest.mark.parametrize("held", [None, "", 5])
def test_what_is_no_rendition_is_not_recomposed(held):
    assert not told(held)


def test_a_rendition_without_a_spec_is_not_recomposed(image):
    live(image)
    shown = fresh(image)
    shown.file.storage.delete(shown.file.name)
    context = Context({"image": shown})
    Template("{% load wagtailimages_tags %}{% image image smartresize-90x30 as held %}").render(
        context
    )
    assert context["held"].file.name == "not-found"
    assert not told(context["held"])


def test_a_rendition_of_a_preset_that_was_removed_is_not_known_to_be_recomposed(image):
    with override_settings(WAGTAIL_SMART_RESIZE={"PRESETS": {"card": {"size": "400x400"}}}):
        live(image)
        held = fresh(image).get_rendition("smartresize-card")
        assert told(held)
    assert not told(held)


def test_an_svg_is_not_recomposed(image):
    live(image)
    held = fresh(image).get_rendition(SPEC)
    assert told(held)
    held.image.is_svg = lambda: True
    assert not told(held)


# Decisions, versions, and renditions that are no longer shown


def test_a_crop_that_was_decided_under_a_new_key_is_a_crop(image):
    live(image)
    first = fresh(image).get_rendition(SPEC)
    raised(image)
    decided_crop(image)
    second = fresh(image).get_rendition(SPEC)
    keys = {first.focal_point_key, second.focal_point_key}
    assert len(keys | {plain_image().get_rendition(SPEC).focal_point_key}) == 3
    assert not told(second)


def test_a_rendition_held_over_a_flip_is_what_it_was(image):
    crop = fresh(image).get_rendition(SPEC)
    live(image)
    recomposed = fresh(image).get_rendition(SPEC)
    assert (told(crop), told(recomposed)) == (False, True)
    decided_crop(image)
    assert (told(crop), told(recomposed)) == (False, True)


def test_renditions_off_their_key_are_told_from_the_first_crop(image):
    fresh(image).get_rendition(SPEC)
    row = live(image).recomposition
    by_now = fresh(image).get_rendition(SPEC)
    row.update_if(where={}, live=candidate(row, "green"))
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)
    shown = fresh(image)
    shown.get_rendition(SPEC)  # a template shows the image, then lists what there is
    every = list(shown.renditions.filter(filter_spec=SPEC).order_by("pk"))
    assert len(every) == 3
    assert by_now.pk == every[1].pk
    assert [told(rendition) for rendition in every] == [False, True, True]


def test_a_waiting_candidate_is_not_shown(image):
    candidate(recomposition(image))
    assert not told(fresh(image).get_rendition(SPEC))


def test_jinja2_has_it_by_our_extension(image):
    template = engines["jinja2"].from_string(
        '{% set held = image(photo, "smartresize-400x400") %}{{ held|is_recomposed }}'
    )
    assert template.render({"photo": fresh(image)}) == "False"
    live(image)
    assert template.render({"photo": fresh(image)}) == "True"


def test_nothing_of_ours_is_asked_for_an_image_of_another_model(image, monkeypatch):
    live(image)
    held = fresh(image).get_rendition(SPEC)
    assert told(held)

    class Another:
        """What such an image has: no `smart_resize`."""

        def is_svg(self):
            return False

    held._state.fields_cache["image"] = Another()
    assert not told(held)
