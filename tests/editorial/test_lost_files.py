"""A database that was restored without the candidates' files: told, and settled in one act."""

import io

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from support import bulk_action
from support.factories import candidate, live, plain_image, recomposition
from support.purchases import Purchase, again

from wagtail_smart_resize.editorial import lost_files
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.reasons import is_recomposed
from wagtail_smart_resize.renditions.published_cache import process_cache

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(people):
    return plain_image(400, 300, collection=people.here)


@pytest.fixture
def lost(image):
    """Return the live candidate of an image, whose file is gone."""
    return lose(live(image, "200x200"))


def lose(chosen):
    FileSystemStorage.delete(chosen.file.storage, chosen.file.name)
    return chosen


def sync(*args):
    """Run it; a loss waits for a person, so its exit status may be 1."""
    text = io.StringIO()
    try:
        call_command("smart_resize_sync", *args, stdout=text, stderr=io.StringIO())
    except SystemExit as end:
        return [*text.getvalue().splitlines(), f"exit status {end.code}"]
    return text.getvalue().splitlines()


def status():
    text = io.StringIO()
    try:
        call_command("smart_resize_status", stdout=text)
    except SystemExit as end:
        return end.code, text.getvalue()
    return 0, text.getvalue()


def test_the_status_tells_once_somebody_has_looked(lost):
    live(plain_image(400, 300), "200x200")
    assert status()[0] == 0
    assert sync("--lost", "count")[0] == "live pictures without a file: 1, others: 0"
    code, text = status()
    assert (code, "live pictures of 1 images" in text) == (1, True)


def test_a_look_changes_nothing_that_visitors_see(lost):
    before = again(lost.recomposition).live
    assert sync("--lost", "count", "--dry-run")[0] == "live pictures without a file: 1, others: 0"
    sync("--lost", "crop", "--dry-run")
    assert not lost_files.damaged_versions().exists()
    assert again(lost.recomposition).live == before


def test_they_are_wanted_anew_and_bought_once(gateway, run, lost):
    assert sync("--lost", "want")[0] == "live pictures without a file: 1, others: 0"
    row = again(lost.recomposition)
    assert (row.live, row.decision, row.purchase) == (None, "none", Purchase.WANTED)
    run()
    assert again(row).live is not None
    assert (len(gateway.requests), Candidate.objects.count()) == (1, 1)
    process_cache.next_refresh = 0.0
    shown = type(row.image).objects.get().get_rendition("smartresize-200x200")
    assert is_recomposed(shown)
    assert status()[0] == 0


def test_the_crop_is_back_and_nothing_is_bought(gateway, run, lost):
    sync("--lost", "crop")
    run()
    row = again(lost.recomposition)
    assert (row.live, row.purchase, gateway.requests) == (None, Purchase.IDLE, [])
    assert ImageVersion.objects.get().live == []
    assert ImageVersion.objects.get().publish_due_at is None
    process_cache.next_refresh = 0.0
    assert not is_recomposed(type(row.image).objects.get().get_rendition("smartresize-200x200"))


def test_sync_ends_well_once_they_are_given_up(gateway, run, lost):
    """It failed at each run as soon as renditions had been purged."""
    lost.recomposition.image.renditions.all().delete()
    ImageVersion.note_damage(lost.recomposition.image_id)
    assert sync("--wait", "--timeout", "0")[-1] == "exit status 1"
    sync("--lost", "crop")
    run()
    ImageVersion.objects.update(purge_due_at=None)
    assert sync("--wait", "--timeout", "0")[-1] == "Nothing is left to do."


def test_another_picture_of_the_shape_waits_for_a_person(gateway, run, lost):
    row = lost.recomposition
    other = candidate(row, "tomato")
    sync("--lost", "want")
    run()
    assert (again(row).purchase, row.live, gateway.requests) == (Purchase.IDLE, None, [])
    assert list(Recomposition.objects.awaiting_review()) == [row]
    assert list(row.candidates.all()) == [other]


def test_lost_pictures_that_nobody_chose_are_no_longer_offered(image, lost):
    other = lose(candidate(lost.recomposition, "tomato"))
    waiting = recomposition(image, "100x200", purchase=Purchase.IDLE)
    lose(candidate(waiting, "tomato"))
    assert sync("--lost", "crop")[0] == "live pictures without a file: 1, others: 2"
    assert not Candidate.objects.exists()
    assert not Candidate.objects.filter(pk=other.pk).exists()


def test_a_storage_that_can_t_tell_loses_nothing(lost, monkeypatch, caplog):
    def away(self, name):
        raise ConnectionError("no route")

    monkeypatch.setattr(FileSystemStorage, "exists", away)
    assert sync("--lost", "crop")[0] == "live pictures without a file: 0, others: 0"
    assert again(lost.recomposition).live == lost
    assert "Can't tell whether" in caplog.text


def test_what_was_chosen_meanwhile_stays(lost):
    (loss,) = lost_files.losses(Recomposition.objects.current())
    other = candidate(lost.recomposition, "tomato")
    lost.recomposition.choose(other, None)
    lost_files.settle(loss, again=True)
    assert again(lost.recomposition).live == other


# In the admin


def confirm(image):
    return bulk_action.address(query=f"id={image.pk}&next=/admin/images/")


@pytest.fixture
def browser(client, people):
    client.force_login(people.editor)
    return client


def test_editors_see_the_loss_and_settle_it(browser, image, lost):
    page = browser.get(confirm(image)).content.decode()
    assert "is lost" not in page
    sync("--lost", "count")
    page = browser.get(confirm(image)).content.decode()
    assert "The file of 1 AI version is lost" in page
    answer = browser.post(confirm(image), {"lost": "want"}, follow=True)
    assert "The lost version for 1 place is made again." in answer.content.decode()
    assert again(lost.recomposition).purchase == Purchase.WANTED


def test_editors_go_back_to_the_crop(browser, image, lost):
    sync("--lost", "count")
    answer = browser.post(confirm(image), {"lost": "crop"}, follow=True)
    assert "1 place has its crop again." in answer.content.decode()
    assert (again(lost.recomposition).live, lost.recomposition.purchase) == (None, Purchase.IDLE)


def test_images_of_others_are_left_alone(browser, people, lost):
    sync("--lost", "count")
    elsewhere = plain_image(400, 300)
    other = lose(live(elsewhere, "200x200"))
    ImageVersion.note_damage(elsewhere.pk)
    browser.post(confirm(elsewhere), {"lost": "crop"})
    assert again(other.recomposition).live == other
