"""What the gateway gets to see, under which URL, and for how long."""

import io
import time

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.core.files.storage import FileSystemStorage
from django.test import override_settings
from django.urls import clear_url_caches
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin
from support.factories import PHOTOS, photo, plain_image, recomposition
from support.loopback import answer, endless, raw, serve
from testapp.models import PicturePage
from wagtail.images import get_image_model
from wagtail.models import Collection, CollectionViewRestriction, Page

from wagtail_smart_resize.delivery.source_view import SourceView
from wagtail_smart_resize.exceptions import SourceUnavailable
from wagtail_smart_resize.models import GatewayRequest, OptOut, Recomposition
from wagtail_smart_resize.models.gateway_request import new_token
from wagtail_smart_resize.purchasing import source_image
from wagtail_smart_resize.purchasing.source_image import (
    SALT,
    check_reachable,
    read_facts,
    source_picture,
    source_url,
)
from wagtail_smart_resize.rules.facts import SourceFacts

pytestmark = pytest.mark.django_db

RED, WHITE = (255, 0, 0), (255, 255, 255)


def stored(content, name="file.jpg"):
    """An image with such a file; Wagtail's forms would have refused some of these."""
    image = plain_image()
    stored_name = image.file.storage.save(f"original_images/{name}", ContentFile(content))
    get_image_model().objects.filter(pk=image.pk).update(file=stored_name)
    return get_image_model().objects.get(pk=image.pk)


def encoded(picture, name="JPEG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def opened(source):
    return Image.open(io.BytesIO(source.content))


def flag(mode="RGB", size=(40, 20)):
    """Left half red, right half white."""
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill="red")
    return picture.convert(mode)


def near(one, other, tolerance=12):
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


class TestThePicture:
    @pytest.mark.parametrize(
        ("size", "given"),
        [((3000, 1500), (2048, 1024)), ((1000, 4000), (512, 2048)), ((300, 200), (300, 200))],
    )
    def test_has_at_most_2048_px_and_is_never_enlarged(self, size, given):
        source = source_picture(stored(encoded(flag(size=size))))
        assert (source.width, source.height) == given
        assert opened(source).size == given

    @pytest.mark.parametrize(
        ("name", "size", "content_type"),
        [
            ("JPEG", (40, 20), "image/jpeg"),
            ("WEBP", (40, 20), "image/jpeg"),
            ("AVIF", (40, 20), "image/jpeg"),
            ("HEIF", (64, 64), "image/jpeg"),
            ("PNG", (40, 20), "image/png"),
            ("GIF", (40, 20), "image/png"),
            ("PNG", (1000, 1000), "image/jpeg"),
        ],
    )
    def test_is_a_jpeg_unless_it_is_small_and_lossless(self, name, size, content_type):
        source = source_picture(stored(encoded(flag(size=size), name)))
        assert source.content_type == content_type
        assert opened(source).get_format_mimetype() == content_type
        assert opened(source).size == size

    @pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "I;16"])
    def test_of_any_png_is_rgb(self, mode):
        picture = flag("L").convert("I").point(lambda v: v * 256) if mode == "I;16" else flag(mode)
        image = stored(encoded(picture.convert(mode), "PNG"), "file.png")
        result = opened(source_picture(image))
        assert result.mode == "RGB"
        assert near(result.getpixel((35, 10)), WHITE)
        left = flag("RGB" if mode in {"RGB", "P", "RGBA"} else "L").getpixel((5, 10))
        if mode != "1":
            assert near(result.getpixel((5, 10)), left if isinstance(left, tuple) else (left,) * 3)

    def test_of_a_cmyk_jpeg_has_its_colours(self):
        result = opened(source_picture(stored(encoded(flag("CMYK")))))
        assert result.mode == "RGB"
        assert near(result.getpixel((5, 10)), (254, 0, 0))

    @pytest.mark.parametrize("name", ["PNG", "WEBP"])
    def test_of_a_transparent_image_is_on_white(self, name):
        picture = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
        result = opened(source_picture(stored(encoded(picture, name))))
        assert near(result.getpixel((5, 5)), WHITE)

    def test_of_a_transparent_palette_is_on_white(self):
        image = stored(encoded(flag("P"), "GIF", transparency=flag("P").getpixel((0, 0))))
        assert near(opened(source_picture(image)).getpixel((5, 5)), WHITE)

    @pytest.mark.parametrize(
        ("orientation", "size", "red"),
        [
            (1, (40, 20), (5, 10)),
            (2, (40, 20), (35, 10)),
            (3, (40, 20), (35, 10)),
            (6, (20, 40), (10, 5)),
            (8, (20, 40), (10, 35)),
        ],
    )
    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
    def test_is_upright(self, orientation, size, red, name):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = stored(encoded(flag(), name, exif=exif))
        result = opened(source_picture(image))
        assert result.size == size
        assert near(result.getpixel(red), RED, 40)
        assert (read_facts(image).width, read_facts(image).height) == size

    def test_has_the_colours_of_its_profile(self):
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for profile in (srgb, lab.tobytes(), b"no profile at all"):
            image = stored(encoded(flag(), icc_profile=profile))
            result = opened(source_picture(image))
            assert near(result.getpixel((5, 10)), (254, 0, 0))
            assert "icc_profile" not in result.info

    def test_is_translated_from_another_profile(self):
        swapped = ImageCms.ImageCmsProfile(io.BytesIO(profile_with_swapped_primaries()))
        image = stored(encoded(flag(), icc_profile=swapped.tobytes(), quality=95))
        red, green, _blue = opened(source_picture(image)).getpixel((5, 10))
        assert green > 200 > 100 > red

    @pytest.mark.parametrize("orientation", [1, 6])
    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_holds_nothing_but_pixels(self, name, orientation):
        source = source_picture(stored(talkative(name, orientation)))
        assert b"SECRET" in talkative(name, orientation)
        assert b"SECRET" not in source.content
        result = opened(source)
        assert dict(result.getexif()) == {}
        assert result.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def talkative(name, orientation):
    """A file with a secret in each place that its format has for words."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[29] = "SECRET date of the GPS position"
    words = {"exif": exif, "xmp": b"<x:xmpmeta>SECRET</x:xmpmeta>"}
    if name == "JPEG":
        words["comment"] = "SECRET"
    if name == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", "SECRET")
        text.add_itxt("XML:com.adobe.xmp", "SECRET")
        words = {"exif": exif, "pnginfo": text}
    if name == "TIFF":
        words = {"tiffinfo": {270: "SECRET", 274: orientation}}
    return encoded(flag(), name, **words)


def profile_with_swapped_primaries():
    """sRGB with the primaries of red and green exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for index in range(int.from_bytes(profile[128:132], "big")):
        entry = 132 + 12 * index
        tags[bytes(profile[entry : entry + 4])] = entry + 4
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red : red + 8], profile[green : green + 8] = (
        profile[green : green + 8],
        profile[red : red + 8],
    )
    return bytes(profile)


class TestInspect:
    def test_an_ordinary_photograph(self):
        assert read_facts(photo()) == SourceFacts(640, 427, False, False, "JPEG")

    @pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
    def test_an_animation_is_one(self, name):
        frames = [flag(), Image.new("RGB", (40, 20), "blue")]
        content = encoded(frames[0], name, save_all=True, append_images=frames[1:])
        assert read_facts(stored(content)).is_animated

    @pytest.mark.parametrize("name", ["MPO", "HEIF", "TIFF"])
    def test_several_shots_in_a_file_are_no_animation(self, name):
        frames = [flag(size=(64, 64)), Image.new("RGB", (64, 64), "blue")]
        content = encoded(frames[0], name, save_all=True, append_images=frames[1:])
        assert not read_facts(stored(content)).is_animated

    @pytest.mark.parametrize(("alpha", "transparent"), [(0, True), (254, True), (255, False)])
    def test_a_picture_is_transparent_where_its_alpha_channel_says_so(self, alpha, transparent):
        picture = flag("RGBA")
        picture.putpixel((3, 3), (1, 2, 3, alpha))
        assert read_facts(stored(encoded(picture, "PNG"))).is_transparent is transparent

    def test_a_transparent_palette_colour_counts(self):
        image = stored(encoded(flag("P"), "GIF", transparency=flag("P").getpixel((0, 0))))
        assert read_facts(image).is_transparent


class TestAFileThatCannotBeRead:
    @pytest.mark.security("Files that are not pictures")
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"no picture",
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
            (PHOTOS / "rocket.jpg").read_bytes()[:20_000],
        ],
        ids=["empty", "text", "svg", "postscript", "truncated"],
    )
    @pytest.mark.parametrize("look", [read_facts, source_picture])
    def test_is_unreadable(self, look, content):
        with pytest.raises(SourceUnavailable) as caught:
            look(stored(content))
        assert caught.value.code == "unreadable"

    @pytest.mark.parametrize("look", [read_facts, source_picture])
    def test_may_be_missing(self, look):
        image = plain_image()
        image.file.storage.delete(image.file.name)
        with pytest.raises(SourceUnavailable) as caught:
            look(get_image_model().objects.get(pk=image.pk))
        assert caught.value.code == "file_missing"

    @pytest.mark.parametrize("error", [OSError("disk"), RuntimeError("a storage's own error")])
    def test_may_be_the_storages_trouble(self, error, monkeypatch):
        def fail(self, name, mode="rb"):
            raise error

        image = get_image_model().objects.get(pk=plain_image().pk)
        monkeypatch.setattr(FileSystemStorage, "_open", fail)
        with pytest.raises(SourceUnavailable) as caught:
            read_facts(image)
        assert caught.value.code == "storage"


def test_a_storage_without_local_paths_will_do(monkeypatch):
    def no_path(self, name):
        raise NotImplementedError

    def open_elsewhere(self, name, mode="rb"):
        return ImageFile(io.BytesIO(encoded(flag())), name=name)

    image = get_image_model().objects.get(pk=plain_image().pk)
    monkeypatch.setattr(FileSystemStorage, "path", no_path)
    monkeypatch.setattr(FileSystemStorage, "_open", open_elsewhere)
    assert opened(source_picture(image)).size == (40, 20)


def in_flight(image=None, status=GatewayRequest.Status.SENT, **fields):
    image = image or plain_image()
    row = recomposition(image, **fields.pop("recomposition", {}))
    return GatewayRequest.objects.create(
        image=image,
        source_hash=image.file_hash,
        source_token=new_token(),
        status=status,
        resolution="2K",
        output_format="webp",
        sizes=[{"size": "2048x2048", "recomposition": row.pk}],
        **fields,
    )


def path_of(request):
    return source_url(request).removeprefix("https://www.example.org")


def is_answered(client, path):
    response = client.get(path)
    assert response.status_code in {200, 404}
    assert response.status_code == 200 or response.content == b""
    return response.status_code == 200


class TestTheUrl:
    def test_is_the_admins_unless_the_source_has_its_own(self, settings):
        request = in_flight()
        assert source_url(request).startswith("https://www.example.org/smart-resize/source/")
        settings.WAGTAIL_SMART_RESIZE = {"SOURCE_BASE_URL": "https://pictures.example.org/"}
        assert source_url(request).startswith("https://pictures.example.org/smart-resize/source/")

    @pytest.mark.parametrize("base", [None, "", "www.example.org"])
    def test_cannot_be_made_without_an_address(self, base, settings):
        settings.WAGTAILADMIN_BASE_URL = base
        with pytest.raises(SourceUnavailable, match="WAGTAILADMIN_BASE_URL") as caught:
            source_url(in_flight())
        assert caught.value.code == "no_address"

    def test_cannot_be_made_where_the_urls_are_not_included(self):
        request = in_flight()
        with override_settings(ROOT_URLCONF="wagtail.admin.urls"):
            clear_url_caches()
            with pytest.raises(SourceUnavailable, match="include") as caught:
                source_url(request)
        clear_url_caches()
        assert caught.value.code == "no_urls"

    def test_tells_nothing_of_the_image(self):
        image = plain_image()
        assert image.filename not in source_url(in_flight(image))


class TestTheView:
    def test_gives_the_picture_to_the_url_of_a_request_in_flight(self, client):
        response = client.get(path_of(in_flight(photo())))
        assert response.status_code == 200
        assert response["Content-Type"] == "image/jpeg"
        assert Image.open(io.BytesIO(response.content)).size == (640, 427)

    def test_leaves_no_trace(self, client, django_assert_max_num_queries):
        path = path_of(in_flight())
        with django_assert_max_num_queries(9):
            response = client.get(path)
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Robots-Tag"] == "noindex, noimageindex"
        assert not response.cookies
        assert "Vary" not in response

    @pytest.mark.parametrize(("size", "name"), [((40, 20), "PNG"), ((40, 20), "JPEG")])
    def test_answers_head_without_drawing_the_picture(self, size, name, client, monkeypatch):
        path = path_of(in_flight(stored(encoded(flag(size=size), name))))
        content_type = client.get(path)["Content-Type"]
        monkeypatch.setattr("wagtail_smart_resize.purchasing.source_image.upright_on_white", None)
        # As in a process that has opened no picture yet.
        with monkeypatch.context() as patch:
            patch.setattr(Image, "MIME", {})
            response = client.head(path)
        assert (response.status_code, response["Content-Type"]) == (200, content_type)
        assert response["Cache-Control"] == "no-store, private"
        assert (response.getvalue(), "Content-Length" in response) == (b"", False)

    def test_answers_head_of_an_asynchronous_server_too(self, async_rf):
        async def body(response):
            return [part async for part in response]

        path = path_of(in_flight())
        response = SourceView.as_view()(async_rf.head(path), path.split("/")[-2])
        assert response.status_code == 200
        assert async_to_sync(body)(response) == []

    def test_answers_head_as_it_answers_get_where_the_picture_must_not_go(self, client):
        image = plain_image()
        path = path_of(in_flight(image))
        opted_out(image)
        assert client.head(path).status_code == 404

    def test_answers_nothing_else(self, client):
        assert client.post(path_of(in_flight())).status_code == 405

    @override_settings(
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
    )
    def test_asks_for_no_login_on_sites_that_always_do(self, client):
        assert is_answered(client, path_of(in_flight()))

    @pytest.mark.security("Invalid source addresses")
    @pytest.mark.parametrize(
        ("status", "answered"),
        [
            (GatewayRequest.Status.NEW, True),
            (GatewayRequest.Status.SENDING, True),
            (GatewayRequest.Status.SENT, True),
            (GatewayRequest.Status.FETCHING, False),
            (GatewayRequest.Status.DONE, False),
            (GatewayRequest.Status.FAILED, False),
            (GatewayRequest.Status.UNKNOWN, False),
        ],
    )
    def test_answers_only_in_flight(self, status, answered, client):
        assert is_answered(client, path_of(in_flight(status=status))) is answered

    def test_answers_where_the_outcome_is_unknown_and_can_still_be_asked_for(self, client):
        """The service may be at work: without the picture it would fail what may be paid for."""
        request = in_flight(status=GatewayRequest.Status.UNKNOWN, request_id="r-1")
        assert is_answered(client, path_of(request))

    @pytest.mark.security("Invalid source addresses")
    def test_does_not_answer_a_token_of_a_request_that_is_gone(self, client):
        request = in_flight()
        path = path_of(request)
        request.delete()
        assert not is_answered(client, path)

    @pytest.mark.security("Invalid source addresses")
    def test_does_not_answer_a_token_of_another_request(self, client):
        request, other = in_flight(), in_flight()
        request.source_token = other.source_token
        assert not is_answered(client, path_of(request))

    @pytest.mark.security("Invalid source addresses")
    @pytest.mark.parametrize(
        "forge",
        [
            lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
            lambda token: token.replace(":", "a:", 1),
            lambda token: token.split(":")[0],
            lambda token: "x",
            lambda token: token + "x",
        ],
    )
    def test_does_not_answer_a_forged_token(self, forge, client):
        path = path_of(in_flight())
        token = path.split("/")[-2]
        assert not is_answered(client, path.replace(token, forge(token)))

    @pytest.mark.security("Invalid source addresses")
    def test_does_not_answer_what_was_signed_for_another_purpose(self, client):
        request = in_flight()
        token = signing.dumps([request.pk, request.source_token], salt="another")
        assert not is_answered(client, f"/smart-resize/source/{token}/")

    @pytest.mark.security("Invalid source addresses")
    def test_does_not_answer_what_another_site_has_signed(self, client, settings):
        request, own = in_flight(), settings.SECRET_KEY
        settings.SECRET_KEY = "another site's"
        path = path_of(request)
        assert is_answered(client, path)
        settings.SECRET_KEY = own
        assert not is_answered(client, path)

    @pytest.mark.security("Invalid source addresses")
    def test_gives_no_other_image_than_the_requests(self, client):
        red, blue = plain_image(colour="red"), plain_image(colour="blue")
        paths = {"red": path_of(in_flight(red)), "blue": path_of(in_flight(blue))}
        for colour, path in paths.items():
            shown = Image.open(io.BytesIO(client.get(path).content)).getpixel((99, 99))
            assert shown == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        mixed = signing.dumps(
            [GatewayRequest.objects.first().pk, GatewayRequest.objects.last().source_token],
            salt=SALT,
        )
        assert not is_answered(client, f"/smart-resize/source/{mixed}/")

    @pytest.mark.security("Invalid source addresses")
    def test_does_not_answer_an_old_token(self, client, monkeypatch):
        path = path_of(in_flight())
        assert is_answered(client, path)
        tomorrow = time.time() + 24 * 60 * 60 + 60
        monkeypatch.setattr(signing.time, "time", lambda: tomorrow)
        assert not is_answered(client, path)

    def test_does_not_answer_when_the_file_has_gone(self, client):
        image = plain_image()
        path = path_of(in_flight(image))
        image.file.storage.delete(image.file.name)
        assert not is_answered(client, path)


def deleted(image):
    image.delete()


def file_replaced(image):
    image.file = plain_image(colour="navy").file
    image._set_file_hash()
    image.save()


def made_private(image):
    restrict(image.collection)


def made_private_from_above(image):
    restrict(Collection.get_first_root_node())
    image.collection = Collection.get_first_root_node().add_child(name="below")
    image.save()


def restrict(collection):
    CollectionViewRestriction.objects.create(
        collection=collection, restriction_type=CollectionViewRestriction.LOGIN
    )


def opted_out(image):
    OptOut.objects.create(image=image)


def unpublished(image):
    root = Page.objects.get(depth=1)
    root.add_child(instance=PicturePage(title="A page", live=False, photo=image))


def renamed(image):
    image.title = "Another title"
    image.save()


PREVIEW = {"wanted_by": Recomposition.WantedBy.PREVIEW}
OVERRULED = {"wanted_by": Recomposition.WantedBy.PERSON, "rules_overridden": True}


class TestWhatChangesInFlight:
    @pytest.mark.security("Source addresses that have expired")
    @pytest.mark.parametrize(
        ("change", "by_person", "wanted", "answered"),
        [
            (renamed, False, {}, True),
            (deleted, True, {}, False),
            (file_replaced, True, {}, False),
            (made_private, True, OVERRULED, False),
            (made_private_from_above, True, OVERRULED, False),
            (opted_out, True, OVERRULED, False),
            (unpublished, False, {}, False),
            (unpublished, False, OVERRULED, True),
            (unpublished, True, {}, True),
            (renamed, False, PREVIEW, False),
        ],
    )
    def test_decides_whether_the_picture_may_still_go(
        self, change, by_person, wanted, answered, client
    ):
        image = plain_image()
        path = path_of(in_flight(image, by_person=by_person, recomposition=wanted))
        change(image)
        assert is_answered(client, path) is answered


class TestReachability:
    def test_a_picture_is_reachable(self):
        with serve({"/x/": answer(b"...", Content_Type="image/jpeg")}) as server:
            check_reachable(f"{server.url}/x/")
        assert [path for path, _headers in server.asked] == ["/x/"]

    def test_the_site_need_not_draw_it(self):
        heads = {"/x/": answer(b"", Content_Type="image/jpeg")}
        with serve({}, heads=heads) as server:
            check_reachable(f"{server.url}/x/")
        assert server.asked == []

    @pytest.mark.parametrize(
        "says_no",
        [
            answer(b"", status=401),
            answer(b"", status=405),
            answer(b"", status=501),
            answer(b"", Content_Type="text/html"),
            answer(b""),
        ],
    )
    def test_only_a_get_is_believed_when_it_says_no(self, says_no):
        routes = {"/x/": answer(b"...", Content_Type="image/jpeg")}
        with serve(routes, heads={"/x/": says_no}) as server:
            check_reachable(f"{server.url}/x/")
        assert [path for path, _headers in server.asked] == ["/x/"]

    @pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503])
    def test_another_status_stops_the_purchase(self, status):
        routes = {"/x/": answer(b"", status=status)}
        with serve(routes) as server, pytest.raises(SourceUnavailable, match="exempt") as caught:
            check_reachable(f"{server.url}/x/")
        assert caught.value.code == f"source_{status}"
        assert str(status) in str(caught.value)

    @pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8"])
    def test_a_web_page_stops_the_purchase(self, kind):
        routes = {"/x/": answer(b"<title>Hello", Content_Type=kind)}
        with serve(routes) as server, pytest.raises(SourceUnavailable) as caught:
            check_reachable(f"{server.url}/x/")
        assert caught.value.code == "source_html"

    def test_a_redirect_to_a_login_page_stops_the_purchase(self):
        routes = {
            "/x/": answer(b"", status=302, Location="/login/?next=/x/"),
            "/login/?next=/x/": answer(b"<form>", Content_Type="text/html"),
        }
        with serve(routes) as server, pytest.raises(SourceUnavailable) as caught:
            check_reachable(f"{server.url}/x/")
        assert caught.value.code == "source_html"

    def test_a_redirect_to_the_picture_is_fine(self):
        routes = {
            "/x/": answer(b"", status=301, Location="/y/"),
            "/y/": answer(b"...", Content_Type="image/jpeg"),
        }
        with serve(routes) as server:
            check_reachable(f"{server.url}/x/")
        assert [path for path, _headers in server.asked] == ["/x/", "/y/"]

    def test_a_redirect_in_a_circle_stops_the_purchase(self):
        routes = {"/x/": answer(b"", status=302, Location="/x/")}
        with serve(routes) as server, pytest.raises(SourceUnavailable) as caught:
            check_reachable(f"{server.url}/x/")
        assert caught.value.code == "source_redirects"

    def test_an_answer_that_trickles_says_nothing(self, monkeypatch):
        monkeypatch.setattr(source_image, "REACH_TIMEOUT_SECONDS", (0.2, 0.2))
        trickle = endless(b"HTTP/1.1 403 Forbidden\r\nX: ", b"x", pause=0.02)
        with serve({"/x/": trickle}) as server:
            check_reachable(f"{server.url}/x/")
        assert len(server.asked) == 1

    def test_a_site_that_cannot_reach_itself_may_buy(self):
        with serve({}) as server:
            url = server.url
        check_reachable(f"{url}/x/")

    def test_a_site_that_hangs_up_on_itself_may_buy(self):
        with serve({"/x/": raw(b"")}) as server:
            check_reachable(f"{server.url}/x/")
        assert len(server.asked) == 1

    def test_the_words_name_the_host_and_never_the_url(self):
        with serve({}) as server, pytest.raises(SourceUnavailable) as caught:
            check_reachable(f"{server.url}/smart-resize/source/secret-token/")
        assert "127.0.0.1" in str(caught.value)
        assert "secret-token" not in str(caught.value)

    @pytest.mark.security("Proxies, passwords and cookies")
    def test_no_password_of_this_machine_helps(self, monkeypatch, tmp_path):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password secret")
        monkeypatch.setenv("NETRC", str(netrc))
        with serve({"/x/": answer(b"...", Content_Type="image/png")}) as server:
            check_reachable(f"{server.url}/x/")
        ((_path, headers),) = server.asked
        assert "Authorization" not in headers
