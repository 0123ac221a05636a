"""The dynamic serve view: one address for ever, and caches that pick up a recomposition soon."""

import io
from types import ModuleType

import pytest
from django.core.files.images import ImageFile
from django.test import override_settings
from django.urls import path, reverse
from support.factories import candidate, live, plain_image, recomposition
from wagtail.images import get_image_model
from wagtail.images.utils import generate_signature
from wagtail.images.views import serve as wagtails
from wagtail.utils.sendfile_streaming_backend import sendfile as streaming

from wagtail_smart_resize.delivery.serve import SendFileView, ServeView
from wagtail_smart_resize.models import ImageVersion, Recomposition
from wagtail_smart_resize.publishing import publication

pytestmark = pytest.mark.django_db

SPEC = "smartresize-400x400"
Purchase, Decision = Recomposition.Purchase, Recomposition.Decision


def serving(view):
    urls = ModuleType("serve_urls")
    pattern = "<str:signature>/<int:image_id>/<str:filter_spec>/"
    urls.urlpatterns = [path(pattern, view, name="wagtailimages_serve")]
    return override_settings(ROOT_URLCONF=urls)


@pytest.fixture(params=[ServeView, SendFileView])
def view(request):
    with serving(request.param.as_view(**backend(request.param))):
        yield request.param


def backend(view):
    return {"backend": streaming} if issubclass(view, wagtails.SendFileView) else {}


@pytest.fixture
def image():
    return plain_image()


@pytest.fixture
def get(client):
    def get(image, spec=SPEC, **headers):
        args = (generate_signature(image.pk, spec), image.pk, spec)
        response = client.get(reverse("wagtailimages_serve", args=args), headers=headers)
        # Read before the temporary files go.
        response.body = b"".join(response) if response.streaming else response.content
        return response

    return get


def max_age(response):
    return int(response["Cache-Control"].split("max-age=")[1].split(",")[0])


def go_live(image):
    """In the place of what was wanted when the requests ended."""
    Recomposition.objects.all().delete()
    return live(image)


def decided(image):
    row = recomposition(image, purchase=Purchase.IDLE, decision=Decision.CROP)
    candidate(row)
    ImageVersion.mark_publish_due(image.pk)
    publication.publish(image.pk)


# How long caches keep it


def test_first_a_minute_then_as_long_as_wagtail_says(view, image, get):
    first = get(image)
    assert (first.status_code, max_age(first)) == (200, 60)
    assert "public" in first["Cache-Control"]
    go_live(image)
    after = get(image)
    assert (after.status_code, max_age(after)) == (200, 3600)
    assert after.body != first.body


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"waiting_reason": "budget"}, 60),
        ({"waiting_reason": "not_published"}, 60),
        ({"waiting_reason": "enough_kept"}, 3600),
        ({"waiting_reason": "opted_out"}, 3600),
        ({"purchase": Purchase.FAILED}, 3600),
        ({"purchase": Purchase.REQUESTED}, 60),
    ],
)
def test_it_is_short_where_another_picture_may_come(fields, seconds, image, get):
    recomposition(image, **fields)
    with serving(ServeView.as_view()):
        assert max_age(get(image)) == seconds


def test_a_crop_that_was_chosen_is_kept_long(view, image, get):
    decided(image)
    assert max_age(get(image)) == 3600


def test_the_site_says_how_short(image, get):
    with serving(ServeView.as_view(pending_max_age=7)):
        assert max_age(get(image)) == 7


def test_a_redirect_is_as_short(image, get):
    with serving(ServeView.as_view(action="redirect")):
        first = get(image)
        assert (first.status_code, max_age(first)) == (302, 60)
        go_live(image)
        after = get(image)
        assert max_age(after) == 3600
        assert after["Location"] != first["Location"]


# Asking again


def test_what_a_cache_has_is_not_sent_again_until_another_picture_is_shown(view, image, get):
    first = get(image)
    again = get(image, if_none_match=first["ETag"])
    assert (again.status_code, again.body, again["ETag"]) == (304, b"", first["ETag"])
    assert max_age(again) == 60
    go_live(image)
    after = get(image, if_none_match=first["ETag"])
    assert after.status_code == 200
    assert after["ETag"] != first["ETag"]
    assert get(image, if_none_match=after["ETag"]).status_code == 304


def test_going_back_to_the_crop_is_seen(view, image, get):
    row = go_live(image).recomposition
    first = get(image)
    row.choose(None, None)
    publication.publish(image.pk)
    after = get(image, if_none_match=first["ETag"])
    assert (after.status_code, max_age(after)) == (200, 3600)


def test_renditions_that_were_made_anew_are_sent_again(
    view, image, get, django_capture_on_commit_callbacks
):
    first = get(image)
    with django_capture_on_commit_callbacks(execute=True):  # the files go too
        image.renditions.all().delete()
    assert get(image, if_none_match=first["ETag"]).status_code == 200


# What stays Wagtail's


def headers(response):
    return {name: value for name, value in response.items() if name != "Last-Modified"}


@pytest.mark.parametrize("spec", ["fill-400x400", "max-90x90|format-webp", "original"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ServeView, wagtails.ServeView), (SendFileView, wagtails.SendFileView)],
)
def test_other_filters_are_answered_as_by_wagtail(ours, theirs, spec, image, get):
    with serving(theirs.as_view(**backend(theirs))):
        wanted = get(image, spec)
    with serving(ours.as_view(**backend(ours))):
        found = get(image, spec)
    assert (found.status_code, found.body) == (wanted.status_code, wanted.body)
    assert headers(found) == headers(wanted)


def test_what_wagtail_refuses_is_refused(image, get, client):
    with serving(ServeView.as_view()):
        bad = reverse("wagtailimages_serve", args=("wrong", image.pk, SPEC))
        assert client.get(bad).status_code == 403
        assert get(image, "smartresize-much").status_code == 400
        image.file.storage.delete(image.file.name)
        assert get(image).status_code == 410


def test_an_svg_is_sent_as_wagtail_sends_it(get):
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"></svg>'
    image = get_image_model()(title="S", file=ImageFile(io.BytesIO(drawing), name="drawing.svg"))
    image._set_image_file_metadata()
    image.save()
    with serving(ServeView.as_view()):
        found = get(image)
    assert (found.status_code, max_age(found)) == (200, 3600)
    assert found["Content-Type"] == "image/svg+xml"
    assert found["Content-Security-Policy"] == "default-src 'none'"
