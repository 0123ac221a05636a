"""Every way in which Wagtail takes a spec: the crop first, the recomposition once it is live."""

import io
import json
import re
import threading

import pytest
from django.core.files.images import ImageFile
from django.template import Context, Template, engines
from django.test import RequestFactory, override_settings
from django.urls import reverse
from PIL import Image as PillowImage
from support.factories import colour_of, live, photo, pixels, plain_image
from testapp.models import Person, PersonPage, StoryPage
from wagtail import VERSION
from wagtail.images import get_image_model
from wagtail.images.api.fields import ImageRenditionField
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import get_rendition_storage
from wagtail.images.utils import generate_signature
from wagtail.models import Locale, Page, Site
from wagtail.rich_text import expand_db_html

from wagtail_smart_resize.models import Recomposition
from wagtail_smart_resize.purchasing import demand
from wagtail_smart_resize.renditions import demand_notes, published_cache

pytestmark = pytest.mark.django_db

FILES = "django.core.files.storage.FileSystemStorage"
BLUE, GOLD = (70, 130, 180), (255, 215, 0)


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def django_template(source):
    def way(image, client):
        text = Template("{% load wagtailimages_tags smart_resize_tags %}" + source)
        return text.render(Context({"image": fresh(image)}))

    return way


def jinja2_template(source):
    def way(image, client):
        return engines["jinja2"].from_string(source).render({"photo": fresh(image)})

    return way


def by_get_renditions(image, client):
    return " ".join(
        each.url
        for each in fresh(image)
        .get_renditions("smartresize-400x400", "smartresize-200x200|format-webp")
        .values()
    )


def by_prefetching(image, client):
    specs = ["smartresize-400x400", "smartresize-200x200"]
    for each in get_image_model().objects.prefetch_renditions(*specs):
        urls = " ".join(rendition.url for rendition in each.get_renditions(*specs).values())
    return urls


def by_serializer_field(image, client):
    return ImageRenditionField("smartresize-400x400").to_representation(fresh(image))["url"]


def by_rich_text(image, client):
    return expand_db_html(f'<embed embedtype="image" id="{image.pk}" format="teaser" alt="" />')


def by_serve_view(image, client):
    spec = "smartresize-400x400"
    args = (generate_signature(image.pk, spec), image.pk, spec)
    assert client.get(reverse("wagtailimages_serve", args=args)).status_code == 200
    rendition = image.renditions.order_by("-pk").first()
    return rendition.url


def home():
    return Page.objects.get(depth=2)


def story(image, *body):
    """A page that shows the image, by its photo and by these blocks."""
    page = StoryPage.objects.filter(photo=image, title="Story").first()
    body = json.dumps([{"type": kind, "value": value} for kind, value in body])
    return page or home().add_child(instance=StoryPage(title="Story", photo=image, body=body))


def by_page_with_blocks(image, client):
    embed = f'<embed embedtype="image" id="{image.pk}" format="teaser" alt="" />'
    described = {"image": image.pk, "alt_text": "A rocket", "decorative": False}
    page = story(image, ("chosen", image.pk), ("described", described), ("text", embed))
    markup = client.get(page.url).content.decode()
    assert len(re.findall("<img", markup)) == 4
    assert markup.count('alt="A rocket"') == 1
    return markup


def by_snippet(image, client):
    person = Person.objects.get_or_create(name="Ada", portrait=image)[0]
    page = PersonPage.objects.first()
    page = page or home().add_child(instance=PersonPage(title="Ada", person=person))
    markup = Template("{% load wagtailimages_tags %}{% image portrait smartresize-400x400 %}")
    return markup.render(Context({"portrait": page.specific.person.portrait}))


def by_translation(image, client):
    french = Locale.objects.get_or_create(language_code="fr")[0]
    page = story(image)
    translated = page.get_translation_or_none(french)
    if translated is None:
        page.copy_for_translation(french, copy_parents=True).save_revision().publish()
        translated = page.get_translation(french)
    # The French tree has no site of its own here, so no address either.
    markup = translated.serve(RequestFactory().get("/")).render().content.decode()
    assert urls_in(markup) == urls_in(client.get(page.url).content.decode())
    return markup


def by_each_of_two_sites(image, client):
    page = story(image)
    if not Site.objects.filter(hostname="other.example.org").exists():
        other_root = Page.objects.get(depth=1).add_child(
            instance=StoryPage(title="Other", photo=image)
        )
        Site.objects.create(hostname="other.example.org", root_page=other_root)
    first = client.get(page.get_url_parts()[2])
    other = client.get("/", headers={"host": "other.example.org"})
    assert "<title>Story" in first.content.decode()
    assert "<title>Other" in other.content.decode()
    assert urls_in(first.content.decode()) == urls_in(other.content.decode())
    return other.content.decode()


def by_api(version):
    def way(image, client):
        with override_settings(ROOT_URLCONF="testapp.api_urls"):
            told = client.get(f"/api/{version}/pages/{story(image).pk}/").json()
        return f"{told['plain']['url']} {told['smart']['url']} {told['smart_and_why']['url']}"

    return way


WAYS = {
    "image tag": django_template("{% image image smartresize-400x400 %}"),
    "image tag, closeness and format": django_template(
        "{% image image smartresize-400x400-c50 format-webp webpquality-80 %}"
    ),
    "image tag, format first": django_template("{% image image format-png smartresize-400x400 %}"),
    "image tag, as a variable": django_template(
        "{% image image smartresize-400x400 as photo %}{{ photo.url }}"
    ),
    "picture tag, braces": django_template(
        "{% picture image format-{avif,webp,jpeg} smartresize-{400x400,200x200}-c100 %}"
    ),
    "srcset tag, braces": django_template("{% srcset_image image smartresize-{400x400,200x200} %}"),
    "template filter": django_template('{{ image|smart_resize:"400x400-c50|format-webp" }}'),
    "jinja2 image": jinja2_template('{{ image(photo, "smartresize-400x400") }}'),
    "jinja2 picture": jinja2_template(
        '{{ picture(photo, "format-{webp,jpeg}|smartresize-{400x400,200x200}") }}'
    ),
    "jinja2 srcset_image": jinja2_template(
        '{{ srcset_image(photo, "smartresize-{400x400,200x200}") }}'
    ),
    "jinja2 filter": jinja2_template('{{ photo|smart_resize("400x400-c50|format-webp") }}'),
    "get_renditions": by_get_renditions,
    "prefetch_renditions": by_prefetching,
    "API field": by_serializer_field,
    "rich text": by_rich_text,
    "page with blocks": by_page_with_blocks,
    "snippet": by_snippet,
    "translated page": by_translation,
    "two sites": by_each_of_two_sites,
    "API v2": by_api("v2"),
    "serve view": by_serve_view,
}
if VERSION >= (8, 0):
    WAYS["API v3"] = by_api("v3")


def urls_in(markup):
    return set(re.findall(r"[^\s\"',]*/media/[^\s\"',]+", markup))


def colours_at(urls, image):
    by_url = {rendition.url: rendition for rendition in image.renditions.all()}
    found = [next(row for url, row in by_url.items() if link.endswith(url)) for link in urls]
    return [colour_of(rendition) for rendition in found]


def near(colour, other):
    return all(abs(a - b) < 14 for a, b in zip(colour, other, strict=True))


@pytest.mark.parametrize("name", WAYS)
def test_gives_the_crop_first_and_the_recomposition_once_it_is_live(name, client):
    assert_crop_first_and_recomposition_after(name, client, plain_image())


def assert_crop_first_and_recomposition_after(name, client, image):
    before = urls_in(WAYS[name](image, client))
    assert before
    assert all(near(colour, GOLD) for colour in colours_at(before, image))
    assert demand_notes.notes or Recomposition.objects.exists()

    Recomposition.objects.all().delete()  # what ends of requests wrote
    live(image)
    after = urls_in(WAYS[name](image, client))
    assert len(after) == len(before)
    assert not after & before
    assert all(near(colour, BLUE) for colour in colours_at(after, image))


class TestTemplateFilter:
    def test_no_image_is_no_text(self):
        markup = Template('{% load smart_resize_tags %}[{{ image|smart_resize:"400x400" }}]')
        assert markup.render(Context({"image": None})) == "[]"

    def test_a_missing_file_is_what_the_image_tag_shows(self):
        image = plain_image()
        image.file.storage.delete(image.file.name)
        loads = "{% load wagtailimages_tags smart_resize_tags %}"
        ours = Template(loads + '{{ image|smart_resize:"400x400" }}')
        tag = Template(loads + "{% image image fill-400x400 %}")
        context = Context({"image": fresh(image)})
        assert ours.render(context) == tag.render(context)
        assert "not-found" in ours.render(context)

    def test_a_preset_may_be_named(self):
        markup = Template('{% load smart_resize_tags %}{{ image|smart_resize:"portrait" }}')
        assert 'height="500"' in markup.render(Context({"image": plain_image()}))

    def test_a_bad_spec_is_wagtails_error(self):
        markup = Template('{% load smart_resize_tags %}{{ image|smart_resize:"much" }}')
        with pytest.raises(InvalidFilterSpecError, match="much"):
            markup.render(Context({"image": plain_image()}))


PAGE = """{% load wagtailimages_tags %}
{% image photo FILTER-450x300 %}
{% image photo FILTER-300x300-c50 jpegquality-60 %}
{% picture photo format-{avif,webp,jpeg} FILTER-{400x210,200x105}-c100 %}
{% srcset_image photo FILTER-{300x400,150x200} format-png %}
{% image photo max-500x500 FILTER-400x60 %}
"""


def test_a_page_turned_from_fill_by_search_and_replace_has_the_same_bytes():
    image = photo()
    by_filter = {}
    for name in ("fill", "smartresize"):
        Template(PAGE.replace("FILTER", name)).render(Context({"photo": fresh(image)}))
        rows = image.renditions.filter(filter_spec__contains=f"{name}-")
        by_filter[name] = {row.filter_spec.replace(name, ""): pixels(row) for row in rows}
    assert by_filter["fill"] == by_filter["smartresize"]
    assert len(by_filter["fill"]) == 11


@pytest.mark.django_db(transaction=True)
def test_that_page_is_recomposed_in_exactly_the_slots_shape(site, run):
    image = photo()
    page = Template(PAGE.replace("FILTER", "smartresize"))
    before = urls_in(page.render(Context({"photo": fresh(image)})))
    demand.write_noted_demand()
    run()
    assert len(site.gateway.requests) == 1
    after = urls_in(page.render(Context({"photo": fresh(image)})))
    kept = before & after  # 450x300: the crop keeps enough; 400x60: the shape is hopeless
    assert len(after) == len(before)
    assert len(kept) == 2
    for row in image.renditions.all():
        width, height = map(int, re.search(r"(\d+)x(\d+)(?!.*\dx\d)", row.filter_spec).groups())
        assert abs(row.width * height - row.height * width) <= max(width, height)


@pytest.mark.parametrize("name", ["picture tag, braces", "get_renditions", "prefetch_renditions"])
def test_no_thread_of_wagtails_pool_asks_the_database(name, client, monkeypatch):
    threads = set()

    class Watched(published_cache.PublishedCache):
        def live(self, *args):
            threads.add(threading.current_thread())
            return super().live(*args)

    monkeypatch.setattr(published_cache, "process_cache", Watched())
    WAYS[name](plain_image(), client)
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize(
    ("mode", "format", "extension"),
    [("L", "JPEG", "jpg"), ("CMYK", "JPEG", "jpg"), ("P", "PNG", "png"), ("RGBA", "PNG", "png")],
)
def test_a_source_of_any_mode_gives_the_candidate_in_the_sources_format(mode, format, extension):
    data = io.BytesIO()
    PillowImage.new(mode, (600, 400)).save(data, format)
    image = get_image_model()(title=mode, file=ImageFile(data, name=f"{mode}.{extension}"))
    image._set_image_file_metadata()
    image.save()
    live(image)
    rendition = fresh(image).get_rendition("smartresize-400x400")
    assert rendition.file.name.endswith(extension)
    assert near(colour_of(rendition), BLUE)


def test_renditions_may_have_a_storage_of_their_own(settings, monkeypatch, tmp_path, client):
    place = {"location": tmp_path / "renditions", "base_url": "/media/renditions/"}
    settings.STORAGES = {
        **settings.STORAGES,
        "renditions": {"BACKEND": FILES, "OPTIONS": place},
    }
    settings.WAGTAILIMAGES_RENDITION_STORAGE = "renditions"
    field = get_image_model().get_rendition_model()._meta.get_field("file")
    monkeypatch.setattr(field, "storage", get_rendition_storage())
    image = plain_image()
    assert_crop_first_and_recomposition_after("picture tag, braces", client, image)
    renditions = image.renditions.all()
    assert renditions
    assert all(row.file.path.startswith(str(tmp_path)) for row in renditions)


class TestRichText:
    def test_editors_choose_the_format_from_wagtails_list(self, admin):
        image = plain_image()
        url = reverse("wagtailimages_chooser:select_format", args=[image.pk])
        form = admin.get(url).context["form"]
        assert {("teaser", "Teaser"), ("hero", "Hero")} <= {*form.fields["format"].choices}

    def test_a_format_may_be_that_of_a_preset(self):
        image = plain_image()

        def shown():
            embed = f'<embed embedtype="image" id="{image.pk}" format="hero" alt="" />'
            return urls_in(expand_db_html(embed))

        before = shown()
        assert all(near(colour, GOLD) for colour in colours_at(before, image))
        live(image, "1920x600")
        after = shown()
        assert len(after) == 1
        assert all(near(colour, BLUE) for colour in colours_at(after, image))

    def test_what_is_chosen_shows_the_crop_to_the_editor_and_is_wanted_by_a_preview(self, admin):
        image = plain_image()
        url = reverse("wagtailimages_chooser:select_format", args=[image.pk])
        prefix = admin.get(url).context["form"].prefix
        data = {"format": "teaser", "alt_text": "A rocket", "image_is_decorative": ""}
        answer = admin.post(url, {f"{prefix}-{key}": value for key, value in data.items()})
        chosen = answer.json()
        assert chosen["step"] == "chosen"
        assert "smartresize-400x400" in chosen["result"]["preview"]["url"]
        assert Recomposition.objects.get().wanted_by == Recomposition.WantedBy.PREVIEW
