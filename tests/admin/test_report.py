"""The report: who sees which recompositions, filters, exports, and the figures above them."""

import csv
import datetime as dt
import io
import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from support.factories import candidate, live, plain_image, published_page, recomposition
from support.people import editor
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import GroupPagePermission, Page

from wagtail_smart_resize.admin.report import export as report_export
from wagtail_smart_resize.admin.report import views as report_views
from wagtail_smart_resize.core import clock
from wagtail_smart_resize.models import (
    BudgetPeriod,
    Candidate,
    GatewayRequest,
    ImageVersion,
    PipelineState,
    Recomposition,
)
from wagtail_smart_resize.runners import modes

pytestmark = pytest.mark.django_db

REPORT = "/admin/reports/smart-resize/"
RESULTS = "/admin/reports/smart-resize/results/"


@pytest.fixture
def image(people):
    return plain_image(collection=people.here)


def shown(client, **query):
    """The rows that the report shows, the newest first."""
    return [each.row for each in client.get(REPORT, query).context["object_list"]]


def text(client, address=REPORT, **query):
    return " ".join(client.get(address, query).content.decode().split())


def gateway_request(*rows, **fields):
    image = rows[0].image
    request = GatewayRequest.objects.create(
        image=image,
        source_hash=image.file_hash,
        source_token=uuid.uuid4().hex,
        resolution="1K",
        output_format="webp",
        sizes=[{"size": "800x800", "recomposition": row.pk} for row in rows],
        **fields,
    )
    for row in rows:
        row.update_if(where={}, request=request)
    return request


class TestWhoMay:
    @pytest.mark.parametrize("who", ["superuser", "editor"])
    def test_sees_the_recompositions_of_images_here(self, client, people, image, who):
        row = recomposition(image)
        client.force_login(getattr(people, who))
        assert shown(client) == [row]

    def test_an_editor_of_another_collection_sees_none_of_them(self, client, people, image):
        recomposition(image, purchase="failed", failure_code="http_400")
        client.force_login(people.elsewhere)
        html = text(client)
        assert shown(client) == []
        assert image.title not in html
        assert "refused the picture" not in html

    def test_an_editor_without_the_right_is_turned_away(self, client, people, image):
        client.force_login(people.outsider)
        for address in (REPORT, RESULTS):
            assert client.get(address).url == "/admin/"
            assert client.get(address, {"export": "csv"}).url == "/admin/"
            forged = client.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
            assert forged.status_code == 403

    def test_nobody_in_particular_logs_in_first(self, client):
        assert client.get(REPORT).url.startswith("/admin/login/")

    @pytest.mark.security("People without the right")
    @pytest.mark.parametrize("export", ["csv", "xlsx"])
    def test_exports_hold_no_more_than_the_screen(self, client, people, image, export):
        recomposition(image)
        client.force_login(people.elsewhere)
        response = client.get(REPORT, {"export": export})
        assert list(sheet(response, export))[1:] == []

    @pytest.mark.parametrize(
        ("who", "linked"), [("superuser", True), ("editor", True), ("outsider", False)]
    )
    def test_is_in_the_menu_for_them(self, client, people, who, linked):
        client.force_login(getattr(people, who))
        assert (REPORT in client.get("/admin/").content.decode()) is linked

    def test_the_right_to_approve_is_enough(self, client, people, image):
        row = recomposition(image)
        client.force_login(editor("approver", people.here, ("approve_recomposition",)))
        assert shown(client) == [row]

    def test_decisions_are_one_click_away_outside_review_mode_too(self, client, people):
        client.force_login(people.editor)
        assert f'{REPORT}review/"' in text(client)
        client.force_login(editor("approver", people.here, ("approve_recomposition",)))
        assert f'{REPORT}review/"' not in text(client)

    def test_posting_is_not_allowed(self, admin):
        assert admin.post(REPORT).status_code == 405


class TestFilters:
    def test_live(self, admin, image):
        chosen = live(image).recomposition
        crop = recomposition(image, "200x400")
        assert shown(admin, live="recomposed") == [chosen]
        assert shown(admin, live="crop") == [crop]

    def test_purchase(self, admin, image):
        failed = recomposition(image, purchase="failed")
        wanted = recomposition(image, "200x400")
        recomposition(image, "300x400", purchase="idle")
        assert shown(admin, purchase="failed") == [failed]
        assert shown(admin, purchase=["failed", "wanted"]) == [wanted, failed]

    def test_decision(self, admin, image, people):
        declined = recomposition(image)
        declined.choose(None, people.superuser)
        open_row = recomposition(image, "200x400")
        assert shown(admin, decision="crop") == [declined]
        assert shown(admin, decision="none") == [open_row]

    def test_a_preset_finds_its_shape_and_recipe(self, admin, image):
        hero = recomposition(image, "640x200")
        with_recipe = recomposition(image, "400x500", "portrait")
        recomposition(image, "400x500")
        assert shown(admin, shape="preset:hero") == [hero]
        assert shown(admin, shape="preset:portrait") == [with_recipe]

    def test_shapes_are_those_that_there_are(self, admin, image):
        square = recomposition(image)
        tall = recomposition(image, "200x400")
        assert shown(admin, shape=["shape:1.000", "shape:0.500"]) == [tall, square]
        assert "1.000 (400×400)" in text(admin)

    def test_the_user_asked_or_decided(self, admin, image, people):
        asked = recomposition(image, asked_by=people.editor)
        decided = recomposition(image, "200x400")
        decided.choose(None, people.editor)
        recomposition(image, "300x400", asked_by=people.superuser)
        assert shown(admin, user=people.editor.pk) == [decided, asked]

    def test_dates(self, admin, image):
        early = recomposition(image, wanted_at="2026-11-01T12:00:00Z")
        recomposition(image, "200x400", wanted_at="2026-11-05T12:00:00Z")
        found = shown(admin, wanted_at_from="2026-10-31", wanted_at_to="2026-11-01")
        assert found == [early]

    def test_date_inputs_are_the_browsers_own(self, admin):
        html = text(admin)
        assert '<input type="date" name="wanted_at_from"' in html
        assert "initDateChooser" not in html

    def test_failure_reason(self, admin, image):
        refused = recomposition(image, purchase="failed", failure_code="http_400")
        recomposition(image, "200x400", purchase="failed", failure_code="unknown")
        assert shown(admin, failure="http_400") == [refused]

    def test_waiting_reason(self, admin, image):
        waits = recomposition(image, waiting_reason="budget")
        recomposition(image, "200x400", waiting_reason="enough_kept")
        assert shown(admin, waiting="budget") == [waits]
        assert "Budget used up" in text(admin)

    def test_collection(self, admin, image, people):
        here = recomposition(image)
        recomposition(plain_image(collection=people.there))
        assert shown(admin, collection=people.here.pk) == [here]

    def test_one_collection_needs_no_filter(self, client, people, image):
        recomposition(image)
        client.force_login(people.editor)
        assert 'name="collection"' not in text(client)

    def test_choices_are_no_others_rows(self, client, people, image):
        recomposition(image, "123x400", purchase="failed", failure_code="http_400")
        client.force_login(people.elsewhere)
        html = text(client)
        assert "123×400" not in html
        assert "http_400" not in html

    def test_search_by_title(self, admin, people):
        cat = plain_image(collection=people.here)
        cat.title = "A cat asleep"
        cat.save()
        row = recomposition(cat)
        recomposition(plain_image())
        assert shown(admin, q="CAT") == [row]

    def test_order_by_title(self, admin, people):
        titles = ["B", "A", "C"]
        rows = {}
        for title in titles:
            image = plain_image()
            get_image_model().objects.filter(pk=image.pk).update(title=title)
            rows[title] = recomposition(image)
        assert shown(admin, ordering="image__title") == [rows["A"], rows["B"], rows["C"]]

    @pytest.mark.parametrize(
        "query",
        [
            {"shape": "shape:x"},
            {"shape": "preset:gone"},
            {"batch": "x"},
            {"user": "x"},
            {"wanted_at_from": "yesterday"},
            {"ordering": "image__file"},
            {"p": "x"},
        ],
    )
    def test_nonsense_breaks_nothing(self, admin, image, query):
        recomposition(image)
        assert admin.get(REPORT, query).status_code == 200


class TestBatch:
    def asked(self, image, batch, *slots, **fields):
        rows = [recomposition(image, slot, purchase="requested") for slot in slots]
        fields = {"outputs_asked": len(rows), **fields}
        return gateway_request(*rows, batch=batch, **fields), rows

    def made(self, row, request, position=0):
        """Have one of the versions arrive."""
        version = candidate(row, request=request, position=position)
        row.bought()
        return version

    def tiles(self, html):
        found = html[html.index('<ul class="smart-resize-tiles">') :]
        return re.findall(r'<li class="smart-resize-tile">.*?</li>', found)

    def test_finds_all_that_was_asked_for_together(self, admin, people):
        batch = uuid.uuid4()
        _request, first = self.asked(plain_image(), batch, "400x400", "200x400")
        _request, second = self.asked(plain_image(), batch, "400x400")
        self.asked(plain_image(), uuid.uuid4(), "400x400")
        assert set(shown(admin, batch=str(batch))) == {*first, *second}

    def test_keeps_what_has_been_asked_for_again(self, admin, image):
        batch = uuid.uuid4()
        _request, rows = self.asked(image, batch, "400x400")
        gateway_request(*rows, batch=uuid.uuid4())
        assert shown(admin, batch=str(batch)) == rows

    def test_shows_how_far_it_is_and_asks_again(self, admin, image):
        batch = uuid.uuid4()
        request, (done, _busy) = self.asked(image, batch, "400x400", "200x400")
        self.made(done, request)
        html = text(admin, batch=str(batch))
        assert "1 of 2 AI versions made" in html
        assert '<progress class="smart-resize-progress" max="2" value="1"' in html
        assert f'w-swap-src-value="{RESULTS}?batch={batch}&amp;seen=1"' in html

    def test_counts_versions_though_a_place_has_several(self, admin, image):
        batch = uuid.uuid4()
        request, (row, _busy) = self.asked(image, batch, "400x400", "200x400", outputs_asked=8)
        for number in range(3):
            self.made(row, request, number)
        Candidate.objects.filter(position=2).update(stored=False)
        assert "2 of 8 AI versions made" in text(admin, batch=str(batch))

    def test_counts_nothing_that_failed_and_was_not_charged(self, admin, image):
        batch = uuid.uuid4()
        self.asked(image, batch, "400x400", status="failed", charged="no", outputs_asked=4)
        self.asked(image, batch, "200x400", status="failed", charged="yes", outputs_asked=2)
        self.asked(image, batch, "300x400")
        assert "0 of 3 AI versions made" in text(admin, batch=str(batch))

    def test_ends_by_itself(self, admin, image):
        batch = uuid.uuid4()
        request, (made, failed) = self.asked(image, batch, "400x400", "200x400")
        self.made(made, request)
        failed.fail("http_400", "no")
        html = text(admin, RESULTS, batch=str(batch), seen="0")
        assert "The batch is done: 1 AI version" in html
        assert "smart-resize:refresh" not in html
        assert "<progress class" not in html[html.index("smart-resize-batch-heading") :]

    def test_tells_the_states_of_its_places(self, admin, image):
        batch = uuid.uuid4()
        request, (made, failed) = self.asked(image, batch, "400x400", "200x400")
        self.made(made, request)
        failed.fail("http_400", "no")
        response = admin.get(REPORT, {"batch": str(batch)})
        words = [(str(name.label), count) for name, count in response.context["batch"].words]
        assert words == [("Failed", 1), ("To decide", 1)]

    def test_shows_the_newest_version_of_each_place(self, admin, image):
        batch = uuid.uuid4()
        request, (made, waits) = self.asked(image, batch, "400x400", "200x400", outputs_asked=4)
        versions = [self.made(made, request, number) for number in range(2)]
        first, second = self.tiles(text(admin, batch=str(batch)))
        address = reverse("smart_resize_admin:candidate", args=[image.pk, versions[1].pk])
        assert f'src="{address}?side=320"' in first
        room = reverse("smart_resize_admin:room", args=[image.pk, "any-1000"])
        assert f'href="{room}"' in first
        assert "To decide" in first
        assert "<svg" in second
        assert image.title in second
        assert waits.candidates.count() == 0

    def test_leads_to_the_decisions_for_who_may_decide(self, client, people, image, configure):
        configure(REVIEW=True)
        batch = uuid.uuid4()
        _request, (row,) = self.asked(image, batch, "400x400")
        candidate(row)
        link = f'href="{REPORT}review/?batch={batch}"'
        client.force_login(people.editor)
        assert link in text(client, batch=str(batch))
        response = client.get(f"{REPORT}review/?batch={batch}")
        assert [each.row for each in response.context["entries"]] == [row]
        client.force_login(editor("asker", people.here, ("smart_resize_recomposition",)))
        assert link not in text(client, batch=str(batch))

    def test_shows_no_more_tiles_than_fit(self, admin, image, monkeypatch):
        monkeypatch.setattr(report_views, "MAX_BATCH_TILES", 2)
        batch = uuid.uuid4()
        self.asked(image, batch, "400x400", "200x400", "300x400")
        html = text(admin, batch=str(batch))
        assert len(self.tiles(html)) == 2
        assert "0 of 3 AI versions made" in html

    def test_holds_no_tiles_nor_numbers_of_others(self, client, people, image):
        batch = uuid.uuid4()
        theirs, mine = image, plain_image(collection=people.there)
        for each in (theirs, mine):
            request, (row,) = self.asked(each, batch, "400x400")
            self.made(row, request)
        client.force_login(people.elsewhere)
        html = text(client, batch=str(batch))
        (tile,) = self.tiles(html)
        assert mine.title in tile
        assert "The batch is done: 1 AI version" in html
        assert theirs.title not in html

    def test_a_title_is_no_markup_in_a_tile(self, admin, image):
        get_image_model().objects.filter(pk=image.pk).update(title="<script>alert(1)</script>")
        batch = uuid.uuid4()
        self.asked(image, batch, "400x400")
        assert "<script>alert" not in text(admin, batch=str(batch))

    def test_needs_no_inline_script_or_style(self, admin, image):
        batch = uuid.uuid4()
        request, (row, _busy) = self.asked(image, batch, "400x400", "200x400")
        self.made(row, request)
        html = text(admin, batch=str(batch))
        ours = html[html.index("<main") : html.index("</main>")]
        assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=", ours)

    def test_queries_do_not_grow_with_its_tiles(
        self, client, people, django_assert_max_num_queries
    ):
        batch = uuid.uuid4()

        def see(images):
            for _ in range(images):
                request, (row,) = self.asked(plain_image(collection=people.here), batch, "400x400")
                self.made(row, request)
            text(client, batch=str(batch))  # makes the renditions
            with django_assert_max_num_queries(1000) as made:
                text(client, batch=str(batch))
            return len(made)

        client.force_login(people.editor)
        assert see(2) == see(5)

    def test_announces_only_what_has_changed(self, admin, image):
        batch = uuid.uuid4()
        self.asked(image, batch, "400x400")
        target = "#smart-resize-batch-status"
        assert target in text(admin, RESULTS, batch=str(batch))
        again = text(admin, RESULTS, batch=str(batch), seen="0")
        assert target not in again
        assert 'role="alert"' not in again

    def test_of_others_shows_nothing(self, client, people, image):
        batch = uuid.uuid4()
        self.asked(image, batch, "400x400")
        client.force_login(people.elsewhere)
        assert shown(client, batch=str(batch)) == []

    def test_batches_of_several_images_can_be_chosen(self, admin):
        batch, single = uuid.uuid4(), uuid.uuid4()
        self.asked(plain_image(), batch, "400x400")
        self.asked(plain_image(), batch, "400x400")
        self.asked(plain_image(), single, "400x400")
        html = text(admin)
        assert f'value="{batch}"' in html
        assert ", 2 images" in html
        assert f'value="{single}"' not in html


def sheet(response, kind):
    """The rows of an exported file, headings first."""
    content = b"".join(response.streaming_content)
    if kind == "csv":
        return list(csv.reader(io.StringIO(content.decode())))
    book = load_workbook(io.BytesIO(content))
    return list(book.active.iter_rows(values_only=True))


class TestExports:
    def export(self, client, kind, **query):
        headings, *records = sheet(client.get(REPORT, {"export": kind, **query}), kind)
        return [dict(zip(headings, record, strict=True)) for record in records]

    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    def test_hold_the_facts_of_each_row(self, admin, people, image, configure, kind):
        configure(PRICE_PER_OUTPUT=("0.12", "EUR"))
        row = recomposition(
            image, "1920x600", purchase="failed", failure_code="unknown", asked_by=people.editor
        )
        gateway_request(row, price="0.24", currency="EUR", charged="yes", prompt="More sky")
        (record,) = self.export(admin, kind)
        assert record["Image"] == image.title
        assert record["Collection"] == "Here"
        assert (record["Place"], record["Sizes"]) == ("Hero", "1920×600")
        assert (record["State"], record["Failure code"]) == ("Outcome unknown", "unknown")
        assert (record["Visitors see"], record["Decision"]) == ("Crop", "not decided")
        assert (record["Asked by"], record["Prompt"]) == ("editor", "More sky")
        assert (float(record["Cost"]), record["Currency"]) == (0.24, "EUR")

    def test_begin_with_what_matters_and_end_with_what_programs_read(self, admin, image):
        recomposition(image)
        (headings, _record) = sheet(admin.get(REPORT, {"export": "csv"}), "csv")
        assert headings[:9] == [
            "Image",
            "Description",
            "Place",
            "Sizes",
            "Visitors see",
            "Since",
            "By decision of",
            "Pages",
            "Addresses of the pages",
        ]
        assert headings.index("State") < headings.index("Live: seed") < headings.index("Purchase")
        assert len(headings) == len(set(headings))

    def test_hold_the_images_description(self, admin, image):
        get_image_model().objects.filter(pk=image.pk).update(description="A calm sea")
        image = get_image_model().objects.get(pk=image.pk)
        recomposition(image)
        (record,) = self.export(admin, "csv")
        assert record["Description"] == image.default_alt_text == "A calm sea"

    def test_name_the_pages_that_show_it_with_their_addresses(self, admin, image):
        page = published_page(image)
        other = page.get_parent().add_child(instance=PicturePage(title="More", photo=image))
        row = recomposition(image, shown_on=[[page.pk, "testapp.picturepage"]])
        (record,) = self.export(admin, "csv")
        assert record["Place"] == "Picture page"
        assert record["Pages"] == "Pictures; More"
        addresses = [page.get_full_url(), other.get_full_url()]
        assert record["Addresses of the pages"].split() == addresses
        row.update_if(where={}, shown_on=[])
        (record,) = self.export(admin, "csv")
        assert (record["Pages"], record["Addresses of the pages"]) == ("", "")

    @pytest.mark.security("People without the right")
    def test_name_no_page_that_the_user_may_not_see(self, client, people, image):
        page = published_page(image)
        recomposition(image, shown_on=[[page.pk, "testapp.picturepage"]])
        client.force_login(people.editor)
        (record,) = self.export(client, "csv")
        assert (record["Pages"], record["Addresses of the pages"]) == ("", "")
        GroupPagePermission.objects.create(
            group=people.editor.groups.first(),
            page=page,
            permission=Permission.objects.get(codename="change_page"),
        )
        (record,) = self.export(client, "csv")
        assert record["Pages"] == "Pictures"

    def test_name_no_page_that_is_not_published(self, admin, image):
        page = published_page(image)
        recomposition(image, shown_on=[[page.pk, "testapp.picturepage"]])
        page.unpublish()
        (record,) = self.export(admin, "csv")
        assert (record["Pages"], record["Addresses of the pages"]) == ("", "")

    @pytest.mark.security("Formulas in texts")
    def test_csv_runs_no_formula_of_a_pages_title(self, admin, image):
        page = published_page(image)
        Page.objects.filter(pk=page.pk).update(title="=cmd()")
        recomposition(image, shown_on=[[page.pk, "testapp.picturepage"]])
        (record,) = self.export(admin, "csv")
        assert record["Pages"] == "'=cmd()"

    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    def test_tell_moments_without_microseconds(self, admin, people, image, kind):
        moment = dt.datetime(2026, 11, 3, 9, 30, 15, 123456, tzinfo=dt.UTC)
        row = live(image).recomposition
        request = gateway_request(row, sent_at=moment)
        row.live.update_if(where={}, request=request)
        row.update_if(
            where={},
            wanted_at=moment,
            decided_at=moment,
            decided_by=people.superuser,
            decision="candidate",
        )
        (record,) = self.export(admin, kind)
        for name in ("Asked since", "Decided", "Since", "Live: sent"):
            told = str(record[name])
            assert told.startswith("2026-11-03 09:30:15"), name
            assert "123456" not in told, name

    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    def test_obey_the_filters(self, admin, image, kind):
        recomposition(image)
        recomposition(image, "200x400", purchase="failed")
        (record,) = self.export(admin, kind, purchase="failed")
        assert record["Sizes"] == "200×400"

    @pytest.mark.security("Formulas in texts")
    @pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1"])  # noqa: RUF001
    def test_csv_runs_no_formula(self, admin, image, title):
        get_image_model().objects.filter(pk=image.pk).update(title=title)
        recomposition(image)
        (record,) = self.export(admin, "csv")
        assert record["Image"] == f"'{title}"

    @pytest.mark.security("Formulas in texts")
    def test_csv_guards_what_people_and_the_service_wrote(self, admin, image):
        row = recomposition(image, purchase="failed", failure_code="x", failure_detail="=cmd()")
        gateway_request(row, prompt="@evil")
        (record,) = self.export(admin, "csv")
        assert (record["Prompt"], record["Failure in detail"]) == ("'@evil", "'=cmd()")

    @pytest.mark.security("Formulas in texts")
    @pytest.mark.parametrize("separator", [";", "\t", "\n", "\r\n"])
    @pytest.mark.parametrize("sign", ["=", "+", "-", "@", " =", "\u200b="])
    def test_csv_runs_no_formula_where_another_sign_parts_its_cells(
        self, admin, image, separator, sign
    ):
        get_image_model().objects.filter(pk=image.pk).update(title=f"x{separator}{sign}cmd()")
        recomposition(image)
        (record,) = self.export(admin, "csv")
        assert record["Image"] == f"x{separator}'{sign}cmd()"

    @pytest.mark.security("Formulas in texts")
    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\ufeff=", "\x01="])
    def test_no_text_of_a_person_or_the_service_is_a_formula(
        self, admin, people, image, kind, start
    ):
        text = f"{start}cmd()"
        get_image_model().objects.filter(pk=image.pk).update(title=text)
        type(people.here).objects.filter(pk=people.here.pk).update(name=text)
        people.editor.first_name = text
        people.editor.save()
        row = recomposition(
            image,
            purchase="failed",
            failure_code="failed",
            failure_detail=text,
            asked_by=people.editor,
            decided_by=people.editor,
        )
        gateway_request(row, prompt=text)
        content = b"".join(admin.get(REPORT, {"export": kind}).streaming_content)
        places = ("Image", "Collection", "Asked by", "Prompt", "Failure in detail", "Decided by")
        if kind == "csv":
            headings, cells = csv.reader(io.StringIO(content.decode(), newline=""))
            record = dict(zip(headings, cells, strict=True))
            # Of a name, Django leaves out the spaces around it.
            assert all(record[place].startswith((f"'{start}", "cmd")) for place in places)
            assert record["Image"].startswith("'")
        else:
            headings, cells = load_workbook(io.BytesIO(content)).active.rows
            record = dict(zip((cell.value for cell in headings), cells, strict=True))
            assert all(record[place].data_type == "s" for place in places)

    @pytest.mark.security("Control characters in texts")
    @pytest.mark.parametrize("sign", ["\ufffe", "\uffff", "\x00", "\x1b", "\x0b"])
    def test_xlsx_can_be_opened_whatever_a_title_holds(self, admin, image, sign):
        if sign == "\x00" and connection.vendor == "postgresql":
            sign = "\x02"  # it takes no NUL to begin with
        get_image_model().objects.filter(pk=image.pk).update(title=f"a{sign}b")
        recomposition(image)
        (record,) = self.export(admin, "xlsx")
        assert record["Image"] == "ab"

    @pytest.mark.security("Formulas in texts")
    def test_xlsx_runs_no_formula(self, admin, image):
        get_image_model().objects.filter(pk=image.pk).update(title="=1+1")
        recomposition(image)
        content = b"".join(admin.get(REPORT, {"export": "xlsx"}).streaming_content)
        cell = load_workbook(io.BytesIO(content)).active["A2"]
        assert (cell.value, cell.data_type) == ("=1+1", "s")

    def test_xlsx_leaves_out_what_no_workbook_can_hold(self, admin, image):
        get_image_model().objects.filter(pk=image.pk).update(title="Bell\x07")
        recomposition(image)
        (record,) = self.export(admin, "xlsx")
        assert record["Image"] == "Bell"

    def test_go_beyond_one_page(self, admin, image):
        for width in range(101, 161):
            recomposition(image, f"{width}x400")
        assert len(self.export(admin, "csv")) == 60

    def test_come_in_the_order_of_the_report(self, admin, image, monkeypatch):
        monkeypatch.setattr(report_export, "CHUNK_SIZE", 2)
        for slot in ("300x100", "100x300", "200x100", "100x200", "100x100"):
            recomposition(image, slot)
        found = [record["Sizes"] for record in self.export(admin, "csv", ordering="shape")]
        assert found == ["100×300", "100×200", "100×100", "200×100", "300×100"]

    @pytest.mark.parametrize("size", [1, 2, 3, 500])
    @pytest.mark.parametrize(
        "ordering",
        [
            sign + name
            for sign in ("", "-")
            for name in ("wanted_at", "shape", "purchase", "image__title")
        ],
    )
    def test_have_each_order_of_the_report_whatever_a_chunk_holds(
        self, admin, people, monkeypatch, ordering, size
    ):
        monkeypatch.setattr(report_export, "CHUNK_SIZE", size)
        moments = ["2026-11-01T12:00:00Z", "2026-11-02T12:00:00.000001Z"]
        for number in range(3):
            image = plain_image(title="AB"[number % 2])
            for slot in ("300x100", "100x300"):
                purchase = "idle" if number else "failed"
                recomposition(image, slot, wanted_at=moments[number % 2], purchase=purchase)
        shown_rows = [
            (str(row.image_id), str(row.shape)) for row in shown(admin, ordering=ordering)
        ]
        exported = self.export(admin, "csv", ordering=ordering)
        assert [(record["Image ID"], record["Ratio"]) for record in exported] == shown_rows
        assert len(shown_rows) == 6

    def test_do_not_load_all_rows_to_count_them(self, admin, image, monkeypatch):
        monkeypatch.setattr(report_export, "CHUNK_SIZE", 2)
        for width in range(100, 106):
            recomposition(image, f"{width * 2}x100")
        with CaptureQueriesContext(connection) as queries:
            content = iter(admin.get(REPORT, {"export": "csv"}).streaming_content)
            for _line in range(3):
                next(content)
        asked = [each["sql"] for each in queries if "smart_resize_recomposition" in each["sql"]]
        keys, rows = asked[-2:]
        assert keys.endswith("LIMIT 2")
        assert "LIMIT" not in rows.rpartition("WHERE")[2]
        assert all("LIMIT" in sql for sql in asked[:-2] if "slots" in sql)
        list(content)

    def test_begin_with_the_first_rows_and_ask_as_much_for_each_lot(
        self, admin, image, monkeypatch
    ):
        monkeypatch.setattr(report_export, "CHUNK_SIZE", 2)
        for width in range(100, 106):
            recomposition(image, f"{width * 2}x100")
        response = admin.get(REPORT, {"export": "csv"})
        content = iter(response.streaming_content)
        next(content)  # the headings
        asked = []
        for _lot in range(3):
            with CaptureQueriesContext(connection) as queries:
                next(content)
                next(content)
            asked.append(len(queries))
        list(content)
        first, second, third = asked
        assert 0 < first == second == third

    def test_tell_where_the_live_picture_comes_from(self, admin, people, image):
        chosen = live(image, "300x200")
        row = chosen.recomposition
        made = gateway_request(
            row,
            request_id="r-1",
            prompt="More sky",
            seed=7,
            asked_by=people.editor,
            price="0.24",
            currency="EUR",
            charged="yes",
        )
        chosen.update_if(where={}, request=made)
        row.update_if(where={}, decision="candidate", decided_by=people.superuser)
        gateway_request(row, request_id="r-2", prompt="Less sky", seed=8)
        (record,) = self.export(admin, "csv")
        assert record["Source file (SHA-1)"] == image.file_hash
        assert record["Live file (SHA-256)"] == chosen.digest
        assert record["Live size"] == f"{chosen.width}×{chosen.height}"
        assert record["By decision of"] == "root"
        assert record["Since"].startswith(f"{chosen.created_at:%Y-%m-%d %H:%M}")
        assert (record["Live: asked by"], record["Live: prompt as sent"]) == ("editor", "More sky")
        assert (record["Live: seed"], record["Live: resolution"]) == ("7", "1K")
        assert (record["Live: request ID"], record["Prompt"]) == ("r-1", "Less sky")
        assert (float(record["Live: cost"]), record["Live: currency"]) == (0.24, "EUR")

    def test_say_that_nobody_decided(self, admin, image):
        live(image)
        (record,) = self.export(admin, "csv")
        assert record["By decision of"] == "Automatic"

    def test_are_offered_with_the_filters_that_are_set(self, admin, image):
        assert f"{REPORT}?purchase=failed&amp;export=csv" in text(admin, purchase="failed")


class TestFigures:
    def test_outputs_against_the_limits(self, admin, configure):
        configure(DAILY_LIMIT=50, MONTHLY_LIMIT=500)
        BudgetPeriod.reserve(7, clock.today(), 50, 500)
        html = text(admin)
        assert '7 <span class="smart-resize-figure__of">of 500</span>' in html
        assert '7 <span class="smart-resize-figure__of">of 50</span>' in html
        assert '<progress class="smart-resize-progress" max="500" value="7"' in html

    def test_a_limit_of_nothing_is_used_up(self, admin, configure):
        configure(DAILY_LIMIT=0)
        assert "smart-resize-progress--full" in text(admin)

    def test_spending_has_its_currency(self, admin, image, configure):
        configure(PRICE_PER_OUTPUT=("0.12", "EUR"), MONTHLY_LIMIT=100)
        for slot, price in (("400x400", "0.24"), ("200x400", "1.20")):
            gateway_request(
                recomposition(image, slot),
                price=price,
                currency="EUR",
                reserved_on=clock.today(),
            )
        given_back = gateway_request(
            recomposition(image, "300x400"), price="5", currency="EUR", reserved_on=None
        )
        assert given_back.reserved_on is None
        html = text(admin)
        assert '<bdi dir="ltr">1.44 EUR</bdi>' in html
        assert '<bdi dir="ltr">12.00 EUR</bdi>' in html

    def test_without_a_price_there_is_no_spending(self, admin):
        assert "Spent this month" not in text(admin)

    def test_failures_by_reason_lead_to_their_rows(self, admin, image):
        recomposition(image, purchase="failed", failure_code="http_400")
        recomposition(image, "200x400", purchase="failed", failure_code="http_400")
        html = text(admin)
        assert f"{REPORT}?purchase=failed&amp;failure=http_400" in html
        assert "<bdi>(2)</bdi>" in html

    def test_what_has_waited_longest(self, admin, image):
        old = timezone.now() - dt.timedelta(days=3)
        recomposition(image, waiting_reason="budget", wanted_at=old)
        recomposition(image, "200x400")
        recomposition(
            image,
            "300x400",
            waiting_reason="enough_kept",
            wanted_at=old - dt.timedelta(days=9),
        )
        assert f"Oldest: <bdi>{image.title}</bdi>, 3 days ago (Waiting)" in text(admin)

    def test_failures_and_waits_are_the_users_own(self, client, people, image):
        recomposition(image, purchase="failed", failure_code="http_400")
        recomposition(image, "200x400")
        client.force_login(people.elsewhere)
        figures = client.get(REPORT).context["figures"]
        assert (figures.failed_count, figures.waiting_count, figures.oldest) == (0, 0, None)


class TestHealth:
    def overdue(self, image, minutes=30):
        past = timezone.now() - dt.timedelta(minutes=minutes)
        return recomposition(image, next_attempt_at=past)

    def state(self, **fields):
        PipelineState.get_current().update_if(where={}, **fields)

    def test_nothing_to_do(self, admin):
        assert "Nothing to do" in text(admin)

    def test_at_work(self, admin, image):
        self.overdue(image)
        now = timezone.now()
        self.state(last_pass_at=now)
        html = text(admin)
        assert "Running" in html
        assert "Last at work: just now" in html

    @pytest.mark.parametrize(
        ("mode", "remedy"),
        [
            ("off", "start smart_resize_worker"),
            ("tasks", "start a worker for it"),
            ("thread", "from their next request on"),
        ],
    )
    def test_nobody_at_work(self, admin, image, monkeypatch, mode, remedy):
        monkeypatch.setattr(modes, "mode", lambda: mode)
        self.overdue(image)
        html = text(admin)
        assert "Nothing does the work: since" in html
        assert remedy in html
        assert "Not running" in html

    def test_a_runner_that_stopped_is_noticed(self, admin, image):
        self.overdue(image)
        self.state(last_pass_at=timezone.now() - dt.timedelta(hours=1))
        assert "Not running" in text(admin)

    def test_work_that_is_just_due_is_no_alarm(self, admin, image):
        self.overdue(image, minutes=1)
        assert "Nothing does the work" not in text(admin)

    def test_an_open_circuit_says_why_and_since_when(self, admin):
        opened = dt.datetime(2026, 11, 3, 9, 30, tzinfo=dt.UTC)
        PipelineState.get_current().open_circuit("http_402", "no balance", timezone.now())
        self.state(circuit_opened_at=opened)
        html = text(admin)
        assert "Since 11/03/2026 9:30 a.m. nothing has been sent to the service: The" in html
        assert "account with the service is used up" in html

    def test_moments_are_told_where_the_site_has_no_time_zones(self, admin, settings):
        settings.USE_TZ = False
        PipelineState.get_current().open_circuit("http_402", "no balance", timezone.now())
        self.state(circuit_opened_at=dt.datetime(2026, 11, 3, 9, 30))
        assert "Since 11/03/2026 9:30 a.m." in text(admin)

    def test_a_pause_says_until_when(self, admin):
        self.state(paused_until=timezone.now() + dt.timedelta(hours=1))
        assert "The service asked for a pause" in text(admin)

    def test_a_pause_that_is_over_is_none(self, admin):
        self.state(paused_until=timezone.now() - dt.timedelta(hours=1))
        assert "The service asked for a pause" not in text(admin)

    def test_without_a_key_nothing_can_be_recomposed(self, admin, configure):
        configure(API_KEY="")
        assert "The site has no API key" in text(admin)

    def test_automatic_generation_off_is_told(self, admin, configure):
        configure(AUTO_GENERATE=False)
        assert "Nothing is made by itself here" in text(admin)


class TestTheScreen:
    def test_a_row_says_what_it_is_and_leads_to_its_image(self, admin, image):
        recomposition(image, "1920x600", purchase="failed", failure_code="http_400")
        html = text(admin)
        assert f'<a href="/admin/images/{image.pk}/smart-resize/"><bdi>{image.title}</bdi>' in html
        assert '<span class="smart-resize-preset">Hero</span>' in html
        assert '<bdi class="smart-resize-cell__size" dir="ltr">1920×600</bdi>' in html
        assert "The service refused the image or the prompt." in html

    def test_a_title_is_never_markup(self, admin, image):
        get_image_model().objects.filter(pk=image.pk).update(title="<script>alert(1)</script>")
        recomposition(image)
        assert "<script>alert" not in text(admin)

    def test_a_missing_file_leaves_the_rest_standing(self, admin, image):
        row = recomposition(image)
        image.file.storage.delete(image.file.name)
        assert shown(admin) == [row]

    def test_needs_no_inline_script_or_style(self, admin, image):
        recomposition(image)
        html = text(admin)
        ours = html[html.index("<main") : html.index("</main>")]
        assert not re.search(r"<style|<script|\sstyle=|\son[a-z]+=", ours)

    def test_review_is_one_click_away_for_who_may(self, client, people, configure):
        configure(REVIEW=True)
        client.force_login(people.editor)
        assert f'{REPORT}review/"' in text(client)
        client.force_login(editor("asker", people.here, ("smart_resize_recomposition",)))
        assert f'{REPORT}review/"' not in text(client)

    def test_looking_changes_nothing(self, admin, image):
        row = recomposition(image)
        before = Recomposition.objects.filter(pk=row.pk).values().get()
        admin.get(REPORT)
        assert Recomposition.objects.filter(pk=row.pk).values().get() == before
        assert not ImageVersion.objects.exists()
        assert not PipelineState.objects.exists()

    @pytest.mark.parametrize("address", [REPORT, RESULTS])
    def test_queries_do_not_grow_with_the_rows(
        self, client, people, django_assert_max_num_queries, address
    ):
        def see(images):
            for _ in range(images):
                image = plain_image(collection=people.here)
                candidate(recomposition(image, asked_by=people.editor))
                failed = recomposition(image, "200x400", purchase="failed", failure_code="unknown")
                gateway_request(failed, asked_by=people.superuser)
            client.get(address)  # makes the thumbnails
            with django_assert_max_num_queries(1000) as made:
                client.get(address)
            return len(made)

        client.force_login(people.editor)
        assert see(2) == see(5)
