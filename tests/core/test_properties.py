"""What holds for every size, slot, answer and address, and not for those we thought of only."""

import ipaddress
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wagtail_smart_resize.core.hosts import is_local, is_loopback
from wagtail_smart_resize.core.sizes import (
    ENGINE_PRESETS,
    MAX_CLOSENESS,
    MAX_SIDE_PIXELS,
    RESOLUTIONS,
    Size,
    Slot,
    cover,
    nearest_shape,
    request_size,
    same_shape,
    shape_of,
    share_kept_by_crop,
    share_kept_by_engine,
)
from wagtail_smart_resize.exceptions import DownloadError
from wagtail_smart_resize.gateway import schema
from wagtail_smart_resize.gateway.downloads import download

pytestmark = pytest.mark.any_version

sides = st.integers(1, MAX_SIDE_PIXELS)
sizes = st.builds(Size, sides, sides)
slots = st.builds(Slot, sizes, st.integers(0, MAX_CLOSENESS))
#: Slots that anybody has: no more than 20 times as long as wide.
usual_sizes = st.builds(Size, st.integers(100, 2000), st.integers(100, 2000))
tiers = st.sampled_from([*RESOLUTIONS])


def outcome(expected, function, *args, **kwargs):
    """Return the function's result or the expected error; any other error fails the test."""
    try:
        return function(*args, **kwargs), None
    except expected as error:
        return None, error


class TestSlots:
    @given(slots)
    def test_what_is_written_is_read_again(self, slot):
        assert Slot.parse(str(slot)) == slot

    @given(st.text())
    @example("1200x630-c50-c200")
    @example("\uff11\uff12x\uff13")
    @example("1_0x1_0")
    @example("0x10")
    def test_any_text_is_a_slot_or_a_clear_no(self, text):
        slot, no = outcome(ValueError, Slot.parse, text)
        if slot is None:
            assert "such as" in str(no)
            return
        assert Slot.parse(str(slot)) == slot
        assert max(slot.size) <= MAX_SIDE_PIXELS
        assert min(slot.size) >= 1
        assert 0 <= slot.closeness <= MAX_CLOSENESS


class TestShapes:
    @given(sizes)
    def test_a_shape_is_never_none_and_has_three_decimals(self, size):
        shape = shape_of(*size)
        assert shape > 0
        assert shape == shape.quantize(Decimal("0.001"))

    @given(usual_sizes, st.integers(1, 9))
    def test_a_size_and_its_multiples_have_one_shape(self, size, factor):
        assert shape_of(*size) == shape_of(size.width * factor, size.height * factor)

    @given(usual_sizes, usual_sizes)
    def test_being_alike_has_no_direction(self, one, other):
        a, b = shape_of(*one), shape_of(*other)
        assert same_shape(a, b) == same_shape(b, a)
        assert same_shape(a, a)

    @given(usual_sizes, st.lists(usual_sizes, max_size=6))
    def test_the_nearest_is_alike_and_none_is_nearer(self, size, others):
        shape, shapes = shape_of(*size), [shape_of(*other) for other in others]
        found = nearest_shape(shape, shapes)
        alike = [other for other in shapes if same_shape(shape, other)]
        if found is None:
            assert alike == []
        else:
            distance = max(found, shape) / min(found, shape)
            assert found in alike
            assert all(distance <= max(each, shape) / min(each, shape) for each in alike)


class TestPresets:
    @given(usual_sizes, tiers)
    def test_what_is_asked_for_has_the_shape_and_lies_within_a_preset(self, size, tier):
        shape = shape_of(*size)
        asked = request_size(shape, tier)
        presets = [Size(w * RESOLUTIONS[tier], h * RESOLUTIONS[tier]) for w, h in ENGINE_PRESETS]
        holding = [each for each in presets if asked.width <= each.width]
        holding = [each for each in holding if asked.height <= each.height]
        assert any(asked.width == each.width or asked.height == each.height for each in holding)
        # Rounded to whole pixels: half a pixel of the short side is all that it may be off.
        wrong = abs(Fraction(asked.width, asked.height) / Fraction(shape) - 1)
        assert wrong <= Fraction(51, 100) / min(asked)

    @given(usual_sizes)
    def test_no_other_preset_would_keep_more(self, size):
        shape = Fraction(shape_of(*size))
        kept = [min(shape, Fraction(w, h)) / max(shape, Fraction(w, h)) for w, h in ENGINE_PRESETS]
        assert share_kept_by_engine(shape_of(*size)) == pytest.approx(float(max(kept)))

    @given(sizes, usual_sizes)
    def test_a_crop_keeps_something_and_all_of_its_own_shape(self, picture, slot):
        assert 0 < share_kept_by_crop(*picture, shape_of(*slot)) <= 1
        assert share_kept_by_crop(slot.width * 1000, slot.height * 1000, shape_of(*slot)) > 0.99


class TestCuts:
    @given(usual_sizes, usual_sizes)
    def test_a_cut_lies_within_enlarges_nothing_and_keeps_the_shape(self, available, wanted):
        (left, top, right, bottom), size = cover(available, wanted)
        assert 0 <= left < right <= available.width
        assert 0 <= top < bottom <= available.height
        box = Size(right - left, bottom - top)
        assert size.width <= box.width
        assert size.height <= box.height
        stretched = Fraction(box.width, box.height) / Fraction(size.width, size.height)
        assert abs(stretched - 1) <= Fraction(1, min(box)) + Fraction(1, min(size))
        assert size == wanted or box.width == available.width or box.height == available.height

    @given(usual_sizes, usual_sizes)
    def test_a_cut_is_the_largest_there_is(self, available, wanted):
        (left, top, right, bottom), _size = cover(available, wanted)
        assert right - left == available.width or bottom - top == available.height


atoms = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
)
json_values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
names_of_fields = ("request_id", "status", "polling_url", "error", "output", "images")
fields = dict.fromkeys(names_of_fields, json_values)
answers = st.fixed_dictionaries(
    {},
    optional={
        **fields,
        "request_id": st.just("req-1") | json_values,
        "status": st.sampled_from(["QUEUED", "completed", "FAILED", "lost"]) | json_values,
        "output": st.fixed_dictionaries({"media_url": json_values}) | json_values,
        "images": st.lists(st.fixed_dictionaries({"url": json_values}) | json_values) | json_values,
    },
)
SECRET = "key-of-the-site"


class TestAnswers:
    def read(self, body):
        """Whatever comes: an answer whose parts are of their kinds, or `MalformedAnswer`."""
        answer, no = outcome(schema.MalformedAnswer, schema.parse_answer, body, secret=SECRET)
        if answer is None:
            assert str(no)
            assert SECRET not in str(no)
            assert no.code.isidentifier()
            return
        assert isinstance(answer.status, schema.JobStatus)
        assert answer.request_id or answer.outputs or answer.status not in schema.UNDER_WAY
        assert len(answer.outputs) <= schema.MAX_ANSWER_OUTPUTS
        assert all(isinstance(each.url, str) for each in answer.outputs)
        assert answer.polling_url.isprintable()
        assert SECRET not in answer.error
        assert all(sign.isprintable() for sign in answer.error)

    @given(answers)
    def test_any_object_is_an_answer_or_a_clear_no(self, payload):
        self.read(json.dumps(payload).encode())

    @given(json_values)
    def test_any_json_is_an_answer_or_a_clear_no(self, payload):
        self.read(json.dumps(payload).encode())

    @given(st.binary(max_size=200))
    @example(b"[" * 100_000)
    @example(b'{"request_id": "\\ud800", "status": "QUEUED"}')
    @example(b"\xff\xfe{}")
    def test_any_bytes_are_an_answer_or_a_clear_no(self, body):
        self.read(body)
        assert isinstance(schema.parse_error_body(body, secret=SECRET), str)
        assert isinstance(schema.salvage_request_id(body), str)

    @given(st.text(max_size=40))
    def test_an_error_never_tells_the_key(self, text):
        body = json.dumps({"error": f"{text}{SECRET}{text}", "details": SECRET}).encode()
        assert SECRET not in schema.parse_error_body(body, secret=SECRET)

    @given(st.data())
    def test_a_request_id_that_can_be_read_is_not_lost_in_a_broken_answer(self, data):
        whole = json.dumps({"request_id": "req-1", "status": "QUEUED", "polling_url": "x"}).encode()
        end = data.draw(st.integers(len(b'{"request_id": "req-1"'), len(whole)))
        assert schema.salvage_request_id(whole[:end]) == "req-1"


GATEWAY = "https://api.example.com"
not_public = st.one_of(
    st.sampled_from(
        [
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "0.0.0.0/8",
        ]
    ).flatmap(lambda network: st.ip_addresses(v=4, network=network)),
    st.sampled_from(["::1/128", "fc00::/7", "fe80::/10"]).flatmap(
        lambda network: st.ip_addresses(v=6, network=network)
    ),
)


def host_of(address):
    return f"[{address}]" if address.version == 6 else str(address)


class TestAddresses:
    @given(not_public)
    def test_what_is_not_public_is_local(self, address):
        assert is_local(str(address))
        assert is_loopback(str(address)) == address.is_loopback

    @given(not_public)
    def test_no_result_is_fetched_from_there(self, address):
        self.refused(f"https://{host_of(address)}/a.png")

    @given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
    def test_nor_by_an_address_in_another_coat(self, address):
        self.refused(f"https://[::ffff:{address}]/a.png")
        self.refused(f"https://{int(address)}/a.png")

    @given(st.text(max_size=30))
    @example("http://api.example.com/a.png")
    @example("ftp://api.example.com/a.png")
    @example("file:///etc/passwd")
    @example("https://user:word@127.0.0.1/")
    @example("https://[/")
    def test_what_is_no_address_is_refused_in_words(self, url):
        assume(not url.lower().startswith("https://"))
        self.refused(url)

    def refused(self, url):
        with pytest.raises(DownloadError) as caught:
            download(schema.Output(url), gateway_url=GATEWAY)
        assert str(caught.value)

    @given(st.ip_addresses())
    def test_an_address_is_local_or_global(self, address):
        assert is_local(str(address)) == (not ipaddress.ip_address(address).is_global)
