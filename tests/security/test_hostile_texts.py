"""Texts that people and the network write: shown as text, one line in a log, and run nowhere."""

import logging

import pytest
from django.urls import reverse
from django.utils import timezone
from support.factories import candidate, plain_image, recomposition
from support.purchases import again, want
from wagtail.images import get_image_model
from wagtail.models import Collection, Page

from wagtail_smart_resize.admin.urls import urlpatterns
from wagtail_smart_resize.models import Candidate, GatewayRequest, OptOut, PipelineState
from wagtail_smart_resize.sandbox.responses import as_json, error

pytestmark = pytest.mark.django_db

#: What scripts of ours send to be shown parts of a screen.
FETCHED = {"X-Requested-With": "XMLHttpRequest"}


def markup(where):
    """Return texts that would run in an element, an attribute, a script, a template."""
    return f"\"'></script><b onmouseover=alert(1) id={where}>{{{{ {where} }}}}{{% now %}}"


PLACES = {"title", "prompt", "failure", "person", "collection", "label", "reason"}


def escaped(where):
    """Return how the text is written in HTML, and in JSON within it."""
    return [
        f"&lt;b onmouseover=alert(1) id={where}&gt;",
        f"\\u003Cb onmouseover=alert(1) id={where}",
    ]


@pytest.fixture
def texts(people, settings):
    """Markup in every text that somebody else may have written; returns the image."""
    settings.WAGTAIL_SMART_RESIZE = {
        **settings.WAGTAIL_SMART_RESIZE,
        "REVIEW": True,
        "PRESETS": {"hero": {"size": "400x400", "label": markup("label")}},
    }
    Collection.objects.filter(pk=people.here.pk).update(name=markup("collection"))
    people.superuser.first_name = markup("person")[:150]
    people.superuser.save()
    image = plain_image(collection=people.here)
    get_image_model().objects.filter(pk=image.pk).update(title=markup("title"))
    failed = recomposition(
        image,
        "400x300",
        purchase="failed",
        failure_code="failed",
        failure_detail=markup("failure"),
        asked_by=people.superuser,
        rules_overridden=True,
    )
    waiting = recomposition(image, "400x400", purchase="idle", asked_by=people.superuser)
    for row in (failed, waiting):
        request = GatewayRequest.objects.create(
            image=image,
            image_title=markup("kept"),
            prompt=markup("prompt"),
            status="failed",
            error_code="failed",
            error_detail=markup("detail"),
            resolution="1K",
            asked_by=people.superuser,
            sizes=[{"size": "800x800", "recomposition": row.pk}],
            outputs=[{"file_name": markup("file"), "error": "x", "detail": markup("output")}],
        )
        row.update_if(where={}, request=request)
    candidate(waiting, request=waiting.request)
    OptOut.objects.create(image=image, reason=markup("reason"), user=people.superuser)
    PipelineState.get_current().open_circuit("http_401", markup("circuit"), timezone.now())
    return image


def shown(client, people, image):
    """Each page of ours that can be looked at, and those of Wagtail's that hold parts of ours."""
    client.force_login(people.superuser)
    shown = Candidate.objects.get(recomposition__image=image)
    page = Page.objects.get(depth=2)
    for pattern in urlpatterns:
        is_review = pattern.name.startswith("review")
        keys = {
            "image_id": image.pk,
            "key": "any-1000",
            "page_id": page.pk,
            "pk": shown.recomposition_id if is_review else shown.pk,
        }
        arguments = {name: keys[name] for name in pattern.pattern.converters}
        address = reverse(f"smart_resize_admin:{pattern.name}", kwargs=arguments)
        yield client.get(address)
        yield client.get(address, {"what": "300x300"}, headers=FETCHED)
    yield client.get(reverse("wagtailimages:edit", args=[image.pk]))
    yield client.get(reverse("wagtailimages:index"))
    yield client.get(reverse("wagtailadmin_home"))


@pytest.mark.security("Markup in texts")
def test_markup_is_shown_as_text_on_every_page(client, people, texts):
    answers = [page for page in shown(client, people, texts) if page.status_code == 200]
    pages = [page for page in answers if page["Content-Type"].startswith("text/html")]
    html = "".join(page.content.decode() for page in pages)
    assert len(pages) > 8
    seen = {where for where in PLACES if any(form in html for form in escaped(where))}
    assert seen == PLACES
    assert "<b onmouseover" not in html
    assert "\"'></script>" not in html


FORGED = "fine\r\n2026-01-01 ERROR root: \x1b[31mforged\x1b[0m \u202edekcah\u2066 \0\u200b end"


@pytest.mark.security("Control characters in texts")
@pytest.mark.parametrize("status", [200, 400, 401, 429, 503])
def test_what_the_gateway_says_is_one_plain_line_in_log_and_ledger(
    gateway, run, caplog, monkeypatch, status
):
    caplog.set_level(logging.DEBUG, logger="wagtail_smart_resize")
    row = want(plain_image(400, 300), "200x200")[0]
    failed = as_json({"request_id": "r", "status": "FAILED", "error": FORGED})
    reply = failed if status == 200 else error(status, FORGED, FORGED)
    monkeypatch.setattr(gateway._handler, "answer", lambda call, origin: (reply, ""))
    run(2)
    kept = [each.error_detail for each in GatewayRequest.objects.all()]
    kept += [again(row).failure_detail, PipelineState.get_current().circuit_detail]
    assert any("forged" in text for text in kept)
    assert all(text.isprintable() for text in kept)
    assert caplog.records
    assert all(record.getMessage().isprintable() for record in caplog.records)


@pytest.mark.security("Control characters in texts")
def test_a_title_cannot_write_a_line_of_the_log(gateway, run, caplog):
    caplog.set_level(logging.DEBUG, logger="wagtail_smart_resize")
    image = plain_image(400, 300)
    type(image).objects.filter(pk=image.pk).update(title=FORGED.replace("\0", ""))
    want(image, "200x200")
    run()
    assert GatewayRequest.objects.get().status == "done"
    assert caplog.records
    assert all(record.getMessage().isprintable() for record in caplog.records)
