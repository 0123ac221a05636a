"""The label that visitors see: on recomposed pictures, on nothing else, and without a query."""

import pytest
from django.db import connection
from django.template import Context, Template, engines
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import gettext_lazy
from support.factories import live, plain_image
from wagtail.images import get_image_model

pytestmark = pytest.mark.django_db

LOAD = "{% load wagtailimages_tags smart_resize_tags %}"
BELOW = (
    '<span class="smart-resize-ai-label smart-resize-ai-label--below">'
    "Picture changed with AI</span>"
)
CORNERS = ["top-start", "top-end", "bottom-start", "bottom-end"]


def over(position, text="Picture changed with AI"):
    classes = f"smart-resize-ai-label smart-resize-ai-label--over smart-resize-ai-label--{position}"
    return f'<span class="{classes}">{text}</span>'


def framed(inner):
    return f'<span class="smart-resize-ai-picture">{inner}</span>'


def site(**values):
    return override_settings(WAGTAIL_SMART_RESIZE={"RUNNER": "off", **values})


def fresh(image):
    return get_image_model().objects.get(pk=image.pk)


def printed(held, tag="{% smart_resize_label held %}", **context):
    """Return what the tag prints, asserting that it makes no query."""
    template = Template(LOAD + tag)
    with CaptureQueriesContext(connection) as queries:
        text = template.render(Context({"held": held, **context}))
    assert [query["sql"] for query in queries.captured_queries] == []
    return text


@pytest.fixture
def image():
    return plain_image()


@pytest.fixture
def recomposed(image):
    live(image)
    return fresh(image).get_rendition("smartresize-400x400")


def picture(image, tag="picture"):
    """What the tag gives for several formats and sizes."""
    context = Context({"image": fresh(image)})
    spec = "format-{webp,jpeg} " if tag == "picture" else ""
    Template(f"{LOAD}{{% {tag} image {spec}smartresize-{{400x400,200x200}} as held %}}").render(
        context
    )
    return context["held"]


class TestLabel:
    def test_is_shown_for_a_recomposed_picture_alone(self, image):
        assert printed(fresh(image).get_rendition("smartresize-400x400")) == ""
        live(image)
        assert printed(fresh(image).get_rendition("smartresize-400x400")) == BELOW
        assert printed(fresh(image).get_rendition("fill-400x400")) == ""
        assert printed(fresh(image).get_rendition("smartresize-300x200")) == ""

    @pytest.mark.parametrize("held", [None, "", 5])
    def test_is_not_shown_for_nothing(self, held):
        assert printed(held) == ""

    def test_is_not_shown_for_a_name_that_is_not_there(self):
        assert printed(None, "{% smart_resize_label nowhere %}") == ""

    @pytest.mark.parametrize("tag", ["picture", "srcset_image"])
    def test_is_shown_for_pictures_of_several_sizes(self, tag, image):
        assert printed(picture(image, tag)) == ""
        live(image)
        assert printed(picture(image, tag)) == BELOW

    def test_is_shown_for_our_own_filter(self, image, recomposed):
        with_filter = '{% with held=photo|smart_resize:"400x400" %}{{ held.width }}'
        tag = with_filter + "{% smart_resize_label held %}{% endwith %}"
        photo = fresh(image)
        photo.get_rendition("smartresize-400x400")
        assert Template(LOAD + tag).render(Context({"photo": photo})) == f"400{BELOW}"

    @pytest.mark.parametrize("position", CORNERS)
    def test_stands_where_the_tag_or_the_site_says(self, position, recomposed):
        tag = f'{{% smart_resize_label held position="{position}" %}}'
        assert printed(recomposed, tag) == over(position)
        with site(LABEL_POSITION=position):
            assert printed(recomposed) == over(position)
            below = printed(recomposed, '{% smart_resize_label held position="below" %}')
        assert below == BELOW

    def test_says_what_the_tag_or_the_site_says(self, recomposed):
        with site(LABEL_TEXT="Made with AI", LABEL_POSITION="top-end"):
            assert printed(recomposed) == over("top-end", "Made with AI")
            tag = '{% smart_resize_label held text="AI" %}'
            assert printed(recomposed, tag) == over("top-end", "AI")
            assert printed(recomposed, '{% smart_resize_label held text="" %}') == over(
                "top-end", "Made with AI"
            )

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("de", "Bild mit KI verändert"),
            ("es", "Imagen modificada con IA"),
            ("fr", "Image modifiée par IA"),
        ],
    )
    def test_is_in_the_pages_language(self, language, text, recomposed):
        with translation.override(language):
            assert f">{text}<" in printed(recomposed)

    def test_of_the_site_is_translated_when_it_is_shown(self, recomposed):
        with site(LABEL_TEXT=gettext_lazy("Images")), translation.override("de"):
            assert ">Bilder<" in printed(recomposed)

    def test_is_escaped(self, recomposed):
        with site(LABEL_TEXT="<b>AI & more</b>"):
            assert "&lt;b&gt;AI &amp; more&lt;/b&gt;" in printed(recomposed)
        shown = printed(recomposed, "{% smart_resize_label held text=words %}", words="<script>")
        assert "&lt;script&gt;" in shown

    @pytest.mark.parametrize("spec", ["smartresize-400x400", "fill-400x400"])
    def test_of_an_unknown_position_is_refused_at_once(self, spec, image, recomposed):
        held = fresh(image).get_rendition(spec)
        with pytest.raises(ValueError, match='smart_resize_label: write one of "below", "top-st'):
            printed(held, '{% smart_resize_label held position="middle" %}')

    def test_stays_where_a_setting_cant_be_used(self, recomposed):
        with site(LABEL_TEXT=5, LABEL_POSITION="middle"):
            assert printed(recomposed) == BELOW


class TestLabelled:
    TAG = "{% smart_resize_labelled held %}"

    def test_is_the_picture_alone_where_it_is_no_recomposition(self, image):
        crop = fresh(image).get_rendition("smartresize-400x400")
        assert printed(crop, self.TAG) == crop.img_tag()

    def test_is_the_picture_with_its_label(self, recomposed):
        assert printed(recomposed, self.TAG) == framed(recomposed.img_tag() + BELOW)
        tag = '{% smart_resize_labelled held position="top-end" text="AI" %}'
        assert printed(recomposed, tag) == framed(recomposed.img_tag() + over("top-end", "AI"))

    def test_passes_attributes_on(self, recomposed):
        tag = '{% smart_resize_labelled held alt=words loading="lazy" %}'
        shown = printed(recomposed, tag, words='A "cat"')
        assert recomposed.img_tag({"alt": 'A "cat"', "loading": "lazy"}) in shown
        assert "&quot;cat&quot;" in shown

    @pytest.mark.parametrize("kind", ["picture", "srcset_image"])
    def test_passes_attributes_to_pictures_of_several_sizes(self, kind, image):
        live(image)
        held = picture(image, kind)
        before = str(held)
        shown = printed(held, '{% smart_resize_labelled held sizes="50vw" %}')
        assert 'sizes="50vw"' in shown
        assert shown.count("smart-resize-ai-label ") == 1
        assert str(held) == before
        assert printed(held, self.TAG) == framed(before + BELOW)

    def test_of_our_own_filter_has_the_attributes(self, image, recomposed):
        tag = '{% with held=photo|smart_resize:"400x400" %}'
        tag += '{% smart_resize_labelled held alt="A cat" %}{% endwith %}'
        shown = Template(LOAD + tag).render(Context({"photo": fresh(image)}))
        assert shown == framed(recomposed.img_tag({"alt": "A cat"}) + BELOW)

    @pytest.mark.parametrize("held", [None, ""])
    def test_of_nothing_is_nothing(self, held):
        assert printed(held, self.TAG) == ""


@pytest.mark.parametrize("is_live", [False, True])
def test_jinja2_has_both(is_live, image):
    if is_live:
        live(image)
    template = engines["jinja2"].from_string(
        '{% set held = image(photo, "smartresize-400x400") %}'
        '{{ smart_resize_label(held, position="top-end") }}|'
        '{{ smart_resize_labelled(held, text="<AI>", alt="A cat") }}'
    )
    shown = fresh(image)
    img = shown.get_rendition("smartresize-400x400").img_tag({"alt": "A cat"})
    text = template.render({"photo": shown})
    if is_live:
        label = BELOW.replace("Picture changed with AI", "&lt;AI&gt;")
        assert text == f"{over('top-end')}|{framed(img + label)}"
    else:
        assert text == f"|{img}"
