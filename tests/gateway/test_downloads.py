"""Only public pictures within limits come in, whatever the gateway names."""

import base64
import gzip
import hashlib
import io
import socket
import ssl
import struct
import zlib

import pytest
import trustme
from PIL import Image, ImageFile
from support.loopback import answer, endless, raw, serve
from support.memory import traced_memory
from support.waiting import NEVER_SECONDS, until

from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.gateway import downloads
from wagtail_smart_resize.gateway.schema import Output
from wagtail_smart_resize.imaging import decoding

pytestmark = pytest.mark.any_version

PUBLIC = "93.184.216.34"
GATEWAY = "https://gateway.example/smart-resize/v1"


def picture(name="PNG", size=(60, 40), **options):
    buffer = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB").save(buffer, name, **options)
    return buffer.getvalue()


def animation(name):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def download(url, gateway_url=GATEWAY):
    return downloads.download(Output(url=url), gateway_url=gateway_url)


def refusal(url, gateway_url=GATEWAY):
    with pytest.raises(DownloadError) as caught:
        download(url, gateway_url)
    return caught.value.code, caught.value.final


def from_sandbox(respond):
    """Fetch an answer that a loopback gateway gives."""
    with serve({"/x.png": respond}) as server:
        return download(f"{server.url}/x.png", server.url)


def refused_from_sandbox(respond):
    with serve({"/x.png": respond}) as server:
        return refusal(f"{server.url}/x.png", server.url)


@pytest.fixture
def names(monkeypatch):
    """DNS as a dict of host names to lists of answers; each is used once but for the last."""
    known = {}
    lookup = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host in known:
            found = known[host]
            host = found.pop(0) if len(found) > 1 else found[0]
        return lookup(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def connections(monkeypatch):
    """The addresses that were connected to; `PUBLIC` leads to the server at `connections.port`."""

    class Connections(list):
        port = None

    made = Connections()
    connect = socket.socket.connect

    def routed(self, address):
        made.append(address[0])
        if address[0] == PUBLIC:
            address = ("127.0.0.1", made.port)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", routed)
    return made


@pytest.fixture
def public(names, connections, monkeypatch, tmp_path):
    """Make a server on the public internet: results.example, with a certificate for that name."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(bundle))
    names["results.example"] = [PUBLIC]

    def server(routes):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("results.example").configure_cert(context)
        return serve(routes, context)

    return server


class TestWhatComesIn:
    @pytest.mark.parametrize(
        ("name", "given"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")]
    )
    def test_a_picture_with_its_facts(self, name, given):
        content = picture(name)
        fetched = from_sandbox(answer(content))
        assert fetched == decoding.Picture(
            content, given, 60, 40, hashlib.sha256(content).hexdigest()
        )

    @pytest.mark.security("Files that are not pictures")
    def test_the_format_is_the_contents_not_the_names(self):
        assert from_sandbox(answer(picture("WEBP"), Content_Type="image/png")).format == "webp"

    def test_a_turned_picture_has_the_size_that_is_seen(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        fetched = from_sandbox(answer(picture("JPEG", exif=exif)))
        assert (fetched.width, fetched.height) == (40, 60)

    def test_a_chunked_body(self):
        content = picture()
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert from_sandbox(raw(head + body)).content == content

    def test_a_data_uri(self):
        uri = "data:image/png;base64," + base64.b64encode(picture()).decode()
        assert download(uri).width == 60

    def test_a_public_address_over_https(self, public, connections):
        with public({"/a.png": answer(picture())}) as server:
            connections.port = server.server_port
            assert download("https://results.example/a.png").width == 60
        assert connections == [PUBLIC]

    @pytest.mark.security("Proxies, passwords and cookies")
    def test_nothing_of_ours_goes_along(self, public, connections, monkeypatch, tmp_path):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine results.example login me password secret")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        with public({"/a.png": answer(picture())}) as server:
            connections.port = server.server_port
            download("https://results.example/a.png")
        ((_path, headers),) = server.asked
        assert headers.keys() == {"Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"}


FORBIDDEN = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.5",
    "172.16.4.4",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.5",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:5::",
    "64:ff9b::a00:5",
    "64:ff9b:1::a00:5",
    "::127.0.0.1",
    "::10.0.0.5",
    "::ffff:0:127.0.0.1",
    "fec0::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
    "100::1",
    "3fff::1",
    "4000::1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
]


class TestForbiddenAddresses:
    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize("address", FORBIDDEN)
    def test_a_name_for_one_is_refused_before_any_connection(self, address, names, connections):
        names["results.example"] = [address]
        assert refusal("https://results.example/a.png") == ("forbidden_address", True)
        assert connections == []

    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize("address", FORBIDDEN)
    def test_one_written_out_is_refused_before_any_connection(self, address, connections):
        host = f"[{address}]" if ":" in address else address
        assert refusal(f"https://{host}/a.png") == ("forbidden_address", True)
        assert connections == []

    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize(
        "host",
        [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "0",
            "LOCALHOST",
            "127.0.0.1:22",
            "results.example@127.0.0.1",
            "127.0.0.1\\@results.example",
            "127.0.0.1#@results.example",
            "[::ffff:7f00:1]",
            "\u2460\u2461\u2466.0.0.1",
            "127\u30020\u30020\u30021",
            "\uff11\uff12\uff17.0.0.1",
            "127.0.0.1%00.results.example",
        ],
    )
    def test_other_spellings_of_loopback_are_refused(self, host, connections):
        assert refusal(f"https://{host}/a.png") == ("forbidden_address", True)
        assert connections == []

    @pytest.mark.security("Addresses that are not public")
    def test_a_zone_does_not_hide_one(self, names, connections):
        names["results.example"] = ["fe80::1%lo"]
        assert refusal("https://results.example/a.png")[0] in {"forbidden_address", "connection"}
        assert connections == []

    @pytest.mark.security("Names that change their address")
    def test_the_address_that_was_checked_is_the_one_connected_to(self, public, names, connections):
        names["results.example"] = [PUBLIC, "127.0.0.1"]
        with public({"/a.png": answer(picture())}) as server:
            connections.port = server.server_port
            download("https://results.example/a.png")
        assert connections == [PUBLIC]

    @pytest.mark.security("Names that change their address")
    def test_a_name_that_turns_private_between_two_redirects_is_refused(
        self, public, names, connections
    ):
        names["results.example"] = [PUBLIC, "127.0.0.1"]
        hop = answer(b"", status=302, Location="https://results.example/b.png")
        with public({"/a.png": hop, "/b.png": answer(picture())}) as server:
            connections.port = server.server_port
            refused = refusal("https://results.example/a.png")
        assert refused == ("forbidden_address", True)
        assert connections == [PUBLIC]

    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize(
        "url",
        [
            f"http://{PUBLIC}/a.png",
            "ftp://results.example/a.png",
            "file:///etc/passwd",
            "gopher://results.example/",
            "//results.example/a.png",
            "a.png",
            "",
            "https://",
            "https:///a.png",
            f"https://{'a' * 70}.example/a.png",
            "https://[not-an-address]/a.png",
            "https://results.example:port/a.png",
            "https://*.example/a.png",
        ],
    )
    def test_only_https_to_a_usable_host_is_asked_for(self, url, connections):
        assert refusal(url) == ("forbidden_address", True)
        assert connections == []


@pytest.mark.security("Addresses that are not public")
class TestALoopbackGateway:
    @pytest.mark.parametrize(
        "near",
        ["http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.2:{port}"],
    )
    def test_only_its_very_own_address_is_exempt(self, near):
        with serve({"/x.png": answer(picture())}) as server:
            url = near.format(port=server.server_port)
            assert refusal(f"{url}/x.png", server.url) == ("forbidden_address", True)
            assert server.asked == []

    def test_another_port_is_not_exempt(self):
        with serve({}) as gateway, serve({"/x.png": answer(picture())}) as other:
            assert refusal(f"{other.url}/x.png", gateway.url) == ("forbidden_address", True)
            assert other.asked == []

    @pytest.mark.parametrize("trick", ["{url}@{other}/x.png", "{url}.{other}/x.png"])
    def test_its_address_as_a_mere_beginning_is_not_exempt(self, trick):
        with serve({"/x.png": answer(picture())}) as server:
            url = trick.format(url=server.url, other=f"localhost:{server.server_port}")
            assert refusal(url, server.url) == ("forbidden_address", True)
            assert server.asked == []

    def test_a_gateway_at_a_private_address_is_not_exempt(self, connections):
        gateway = "http://10.0.0.5:8000"
        assert refusal(f"{gateway}/x.png", gateway) == ("forbidden_address", True)
        assert connections == []


class TestRedirects:
    @pytest.mark.security("Endless answers")
    @pytest.mark.parametrize(("hops", "arrives"), [(0, True), (3, True), (4, False)])
    def test_three_are_followed(self, hops, arrives):
        routes = {
            f"/{hop}": answer(b"", status=302, Location=f"/{hop - 1}") for hop in range(1, hops + 1)
        }
        with serve({**routes, "/0": answer(picture())}) as server:
            if arrives:
                assert download(f"{server.url}/{hops}", server.url).width == 60
            else:
                assert refusal(f"{server.url}/{hops}", server.url) == ("redirects", False)

    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize(
        "target",
        [
            f"http://{PUBLIC}/a.png",
            "https://127.0.0.1/a.png",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:10.0.0.1]/",
            "file:///etc/passwd",
            "ftp://results.example/",
        ],
    )
    def test_none_leads_to_a_forbidden_address(self, target, connections):
        respond = answer(b"", status=307, Location=target)
        assert refused_from_sandbox(respond) == ("forbidden_address", True)
        assert connections == ["127.0.0.1"]

    @pytest.mark.security("Addresses that are not public")
    @pytest.mark.parametrize(
        "target",
        [
            "http://results.example/b.png",
            "//127.0.0.1/b.png",
            "https://me@10.0.0.5/b.png",
            "https://[::127.0.0.1]/b.png",
            "https://results.example:99999/b.png",
        ],
    )
    def test_none_leads_from_https_to_anything_less(self, public, connections, target):
        hop = answer(b"", status=302, Location=target)
        with public({"/a.png": hop, "/b.png": answer(picture())}) as server:
            connections.port = server.server_port
            refused = refusal("https://results.example/a.png")
            assert [path for path, _headers in server.asked] == ["/a.png"]
        assert refused == ("forbidden_address", True)
        assert connections == [PUBLIC]

    @pytest.mark.security("Proxies, passwords and cookies")
    def test_no_cookie_of_one_download_goes_along_with_the_next(self, public, connections):
        cookie = {"Set_Cookie": "session=1; Path=/"}
        with public({"/a.png": answer(picture(), **cookie)}) as server:
            connections.port = server.server_port
            download("https://results.example/a.png")
            download("https://results.example/a.png")
        assert not [headers for _path, headers in server.asked if "Cookie" in headers]

    @pytest.mark.security("Endless answers")
    def test_the_body_of_one_is_not_read(self):
        moved = endless(b"HTTP/1.1 302 Found\r\nLocation: /y.png\r\n\r\n", b"x" * 1000)
        with serve({"/x.png": moved, "/y.png": answer(picture())}) as server:
            assert download(f"{server.url}/x.png", server.url).width == 60
            until(lambda: server.cut_off == ["/x.png"], "it was hung up on")


class TestLimits:
    @pytest.mark.security("Endless answers")
    def test_a_body_announced_as_too_large_is_not_read(self, monkeypatch):
        monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 1000)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
        assert refused_from_sandbox(raw(head)) == ("too_large", True)

    @pytest.mark.security("Endless answers")
    def test_a_body_that_turns_out_too_large_is_cut_off(self, monkeypatch):
        monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 100_000)
        with serve({"/x.png": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000)}) as server:
            assert refusal(f"{server.url}/x.png", server.url) == ("too_large", True)
            until(lambda: server.cut_off == ["/x.png"], "it was hung up on")

    @pytest.mark.security("Decompression bombs")
    @pytest.mark.parametrize(
        "encoding", ["gzip", "GZIP", "br", "zstd", "deflate, gzip", "aws-chunked,gzip", "x-gzip"]
    )
    def test_a_compressed_body_is_not_unpacked(self, encoding):
        body = gzip.compress(picture())
        respond = answer(body, Content_Encoding=encoding)
        assert refused_from_sandbox(respond) == ("compressed", False)

    @pytest.mark.parametrize("encoding", ["", "identity", "aws-chunked", "utf-8", "UTF-8, none"])
    def test_a_store_may_repeat_what_an_upload_said_of_itself(self, encoding):
        assert from_sandbox(answer(picture(), Content_Encoding=encoding)).width == 60

    @pytest.mark.security("Decompression bombs")
    def test_a_data_uri_has_the_same_limit(self, monkeypatch):
        monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 1000)
        uri = "data:image/png;base64," + "A" * 2000
        assert refusal(uri) == ("too_large", True)

    @pytest.mark.security("Endless answers")
    @pytest.mark.parametrize(
        "respond",
        [
            endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.02),
            endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", pause=0.02),
            endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.02),
            raw(b"", pause=NEVER_SECONDS),
        ],
        ids=["headers", "a header", "the body", "no answer"],
    )
    def test_a_trickle_ends_at_the_deadline(self, respond, monkeypatch):
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
        assert refused_from_sandbox(respond) == ("timeout", False)

    @pytest.mark.security("Endless answers")
    def test_a_trickle_under_tls_ends_too(self, public, connections, monkeypatch):
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
        trickle = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.02)
        with public({"/a.png": trickle}) as server:
            connections.port = server.server_port
            assert refusal("https://results.example/a.png") == ("timeout", False)

    @pytest.mark.security("Endless answers")
    def test_redirects_share_one_deadline(self, monkeypatch):
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
        redirect = b"HTTP/1.1 302 Found\r\nLocation: /x.png\r\n\r\n"
        assert refused_from_sandbox(raw(b"", redirect, pause=0.07)) == ("timeout", False)

    @pytest.mark.security("Decompression bombs")
    def test_too_many_pixels_are_not_decoded(self, monkeypatch):
        content = picture(size=(50, 50))
        monkeypatch.setattr(decoding, "MAX_PICTURE_PIXELS", 2499)
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
        assert refused_from_sandbox(answer(content)) == ("too_many_pixels", True)

    @pytest.mark.security("Decompression bombs")
    @pytest.mark.parametrize("limit", [1000, 2000])
    def test_pillows_own_limit_counts_too(self, limit, monkeypatch):
        content = picture(size=(50, 50))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert refused_from_sandbox(answer(content)) == ("too_many_pixels", True)

    @pytest.mark.security("Decompression bombs")
    def test_a_jpeg_with_endless_scans_is_not_decoded(self):
        content = picture("JPEG", progressive=True)
        scan = content.rfind(b"\xff\xda")
        bomb = content[:scan] + content[scan:-2] * 101 + content[-2:]
        assert refused_from_sandbox(answer(bomb)) == ("too_many_pixels", True)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    """A one-bit PNG of so many pixels, all black: a thousand times smaller than its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _row in range(min(height, 2000))) + packer.flush()
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def jpeg(width, height):
    """A JPEG that says it has so many pixels."""
    content = bytearray(picture("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def webp(width, height):
    """A lossless WebP of one colour and so many pixels."""
    buffer = io.BytesIO()
    Image.new("L", (width, height)).convert("RGB").save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def unpacking_to(megabytes):
    return zlib.compress(bytes(megabytes * 1_000_000), 9)


BOMBS = {
    "a png of 900 megapixels": lambda: png(30_000, 30_000),
    "a png of ten gigapixels": lambda: png(100_000, 100_000),
    "a jpeg of four gigapixels": lambda: jpeg(65_500, 65_500),
    "a webp of 67 megapixels": lambda: webp(16_383, 4_096),
    "a colour profile in a png": lambda: png(9, 9, (b"iCCP", b"k\0\0" + unpacking_to(200))),
}


@pytest.mark.security("Decompression bombs")
@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_small_file_that_unpacks_to_much_is_refused_in_bounded_memory(make):
    content = make()
    assert len(content) < 2_000_000
    with traced_memory() as peak:
        refused = refused_from_sandbox(answer(content))
    assert refused in {("too_many_pixels", True), ("not_a_picture", True)}
    assert peak.most_bytes < 60_000_000


@pytest.mark.security("Decompression bombs")
@pytest.mark.parametrize(("kind", "head"), [(b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")])
def test_a_text_that_unpacks_to_much_is_never_unpacked(kind, head):
    content = png(9, 9, (kind, head + unpacking_to(200)))
    with traced_memory() as peak:
        fetched = from_sandbox(answer(content))
    assert (fetched.width, fetched.height) == (9, 9)
    assert peak.most_bytes < 10_000_000


def damaged():
    """A PNG whose header and end are fine."""
    content = bytearray(picture(size=(200, 200)))
    middle = len(content) // 2
    content[middle : middle + 400] = b"\0" * 400
    return bytes(content)


NO_PICTURES = {
    "nothing": b"",
    "text": b"<b>Not found</b>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "gif": animation("GIF"),
    "tiff": picture("TIFF"),
    "bmp": picture("BMP"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "animated png": animation("PNG"),
    "animated webp": animation("WEBP"),
    "noise after a signature": b"\xff\xd8\xff" + bytes(range(200)) * 20 + b"\xff\xd9",
    "damaged png": damaged(),
    "jpeg without its tables": picture("JPEG").replace(b"\xff\xdb", b"\xff\xfe"),
}


class TestWhatIsNoPicture:
    @pytest.mark.security("Files that are not pictures")
    @pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES.keys())
    def test_is_refused_for_good(self, content):
        respond = answer(content, Content_Type="image/png")
        assert refused_from_sandbox(respond) == ("not_a_picture", True)

    @pytest.mark.parametrize("start", [b"<!doctype html>", b"\r\n <HTML lang=en>"])
    def test_a_web_page_in_its_place_may_be_gone_the_next_time(self, start):
        respond = answer(start + b"<title>Back soon</title>", Content_Type="text/html")
        assert refused_from_sandbox(respond) == ("not_a_picture", False)

    @pytest.mark.parametrize("tolerant", [False, True])
    @pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
    def test_one_without_its_end_may_be_whole_the_next_time(self, name, tolerant, monkeypatch):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
        content = picture(name, size=(200, 200))
        refused = refused_from_sandbox(answer(content[: len(content) * 3 // 4]))
        assert refused == ("truncated", False)

    @pytest.mark.security("Files that are not pictures")
    @pytest.mark.parametrize(
        "uri",
        [
            "data:,",
            "data:image/png,abc",
            "data:image/png;base64,%%%",
            "data:image/png;base64,abc",
            "data:image/png;base64,",
            "data:text/html;base64,PGI+",
        ],
    )
    def test_a_data_uri_without_one_is_refused_for_good(self, uri):
        assert refusal(uri) == ("not_a_picture", True)

    def test_a_machine_out_of_memory_is_not_the_pictures_fault(self, monkeypatch):
        def load(self):
            raise MemoryError

        monkeypatch.setattr(ImageFile.ImageFile, "load", load)
        assert refused_from_sandbox(answer(picture())) == ("out_of_memory", False)


class TestWhatMayWorkNextTime:
    @pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 410, 429, 500, 503])
    def test_another_status(self, status):
        respond = answer(b"", status=status)
        assert refused_from_sandbox(respond) == (f"result_{status}", False)

    def test_a_body_that_breaks_off(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        assert refused_from_sandbox(raw(head + b"x" * 100)) == ("connection", False)

    @pytest.mark.parametrize("words", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n"])
    def test_an_answer_that_is_none(self, words):
        assert refused_from_sandbox(raw(words)) == ("connection", False)

    def test_a_refused_connection(self):
        with serve({}) as server:
            url = server.url
        assert refusal(f"{url}/x.png", url) == ("connection", False)

    def test_an_unknown_name(self, monkeypatch):
        def unknown(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert refusal("https://results.example/a.png") == ("connection", False)

    @pytest.mark.security("Proxies, passwords and cookies")
    def test_a_certificate_for_another_name(self, public, names, connections):
        names["other.example"] = [PUBLIC]
        with public({"/a.png": answer(picture())}) as server:
            connections.port = server.server_port
            assert refusal("https://other.example/a.png") == ("connection", False)
            assert server.asked == []


def test_the_words_never_hold_the_address():
    with serve({}) as server, pytest.raises(DownloadError) as caught:
        download(f"{server.url}/x.png?signature=secret", server.url)
    assert "secret" not in str(caught.value)
