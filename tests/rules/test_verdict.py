"""The verdict: which reason stands, for whom, and what editors read."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils.functional import Promise

from wagtail_smart_resize.core.sizes import Slot, shape_of
from wagtail_smart_resize.rules.verdict import (
    LABELS,
    OVERRULABLE,
    SENTENCES,
    Policy,
    Reason,
    RuleInput,
    Usage,
    verdict,
)

pytestmark = pytest.mark.any_version

POLICY = Policy(min_crop_loss=0.1, min_subject_kept=0.97, min_slot_side=100, min_kept=0.5)

FINE = RuleInput(
    width=3000,
    height=2000,
    shape=shape_of(800, 800),
    slots=(Slot.parse("800x800"),),
    uses=Usage.PUBLISHED,
)
"""A picture that loses a third of itself to a square crop, with nothing against it."""

# What each reason needs, in the order of the rules.
AGAINST = {
    Reason.PRIVATE: {"is_private": True},
    Reason.OPTED_OUT: {"opted_out": True},
    Reason.REFUSED_BY_SITE: {"allowed_by_site": False},
    Reason.SVG: {"is_svg": True},
    Reason.ANIMATED: {"is_animated": True},
    Reason.TRANSPARENT: {"is_transparent": True},
    Reason.TINY: {"width": 90, "height": 60},
    Reason.HOPELESS_SHAPE: {"shape": shape_of(8, 1)},
    Reason.UNKNOWN_PRESET: {"has_preset": False},
    Reason.NOT_PUBLISHED: {"uses": Usage.UNPUBLISHED},
    Reason.SMALL_SLOT: {"slots": (Slot.parse("64x64"),)},
    Reason.CROP_KEEPS_SUBJECT: {"subject_kept": 1.0},
    Reason.CROP_KEEPS_ENOUGH: {"shape": shape_of(3, 2), "subject_kept": None},
    Reason.AUTOMATIC_OFF: {"automatic": False},
    Reason.NO_KEY: {"has_key": False},
    Reason.CIRCUIT_OPEN: {"circuit_closed": False},
    Reason.BUDGET: {"budget_left": False},
}


def test_picture_with_nothing_against_it_is_allowed():
    result = verdict(FINE, POLICY)

    assert result.allowed
    assert result.reason is None
    assert not result.overrulable
    assert result.kept == pytest.approx(2 / 3)


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_alone_stands_in_the_way(reason):
    result = verdict(replace(FINE, **AGAINST[reason]), POLICY)

    assert result.reason is reason
    assert not result.allowed
    assert result.overrulable is (reason in OVERRULABLE)


@pytest.mark.parametrize("reason", Reason)
def test_person_overrules_matters_of_taste_and_nothing_else(reason):
    result = verdict(replace(FINE, **AGAINST[reason]), POLICY, rules_overridden=True)

    assert result.reason is (None if reason in OVERRULABLE else reason)


def test_what_may_be_overruled_is_neither_privacy_nor_money():
    assert set(OVERRULABLE) == {
        Reason.CROP_KEEPS_SUBJECT,
        Reason.CROP_KEEPS_ENOUGH,
        Reason.SMALL_SLOT,
        Reason.NOT_PUBLISHED,
        Reason.AUTOMATIC_OFF,
    }


# Facts that stand together with all the later ones: TINY and CROP_KEEPS_ENOUGH give up their own
# figures to others, so each is added with the facts of its own.
@pytest.mark.parametrize("position", range(len(AGAINST)))
def test_reasons_are_given_in_order_privacy_picture_taste_money(position):
    reasons = list(AGAINST)[position:]
    facts = FINE
    for reason in reversed(reasons):
        facts = replace(facts, **AGAINST[reason])

    assert verdict(facts, POLICY).reason is reasons[0]


def test_overruling_uncovers_what_a_person_cannot_overrule():
    facts = replace(FINE, uses=Usage.UNPUBLISHED, budget_left=False)

    assert verdict(facts, POLICY).reason is Reason.NOT_PUBLISHED
    assert verdict(facts, POLICY, rules_overridden=True).reason is Reason.BUDGET


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({"shape": Decimal("1.350")}, None, "a loss of exactly the threshold is enough"),
        ({"shape": Decimal("1.351")}, Reason.CROP_KEEPS_ENOUGH, "a hair less is not"),
        ({"subject_kept": 0.97}, Reason.CROP_KEEPS_SUBJECT, "as much of the subject is enough"),
        ({"subject_kept": 0.969}, None, "a hair less is not"),
        (
            {"subject_kept": 0.5, "shape": shape_of(3, 2)},
            None,
            "a subject that is cut counts however little the whole loses",
        ),
        (
            {"subject_kept": 1.0, "shape": shape_of(3, 2)},
            Reason.CROP_KEEPS_SUBJECT,
            "the subject is the better reason",
        ),
        ({"shape": Decimal("1.667")}, None, "the crop may lose top and bottom as well"),
        ({"width": 2000, "height": 3000}, None, "a portrait loses as much"),
        ({"slots": (Slot.parse("99x99"),)}, Reason.SMALL_SLOT, "under the least side"),
        ({"slots": (Slot.parse("100x50"),)}, None, "the longer side counts"),
        ({"slots": (Slot.parse("50x50"), Slot.parse("200x200"))}, None, "the largest slot counts"),
        ({"slots": ()}, None, "no slot is known yet"),
        ({"width": 64, "height": 96}, None, "just large enough"),
        ({"width": 63, "height": 96}, Reason.TINY, "the shorter side counts"),
        ({"width": 20000, "height": 300}, Reason.TINY, "2048x31 is sent of a panorama"),
        ({"width": 300, "height": 20000}, Reason.TINY, "and of a column"),
        ({"width": 20000, "height": 625}, None, "2048x64 is sent"),
        ({"width": 0, "height": 0, "is_svg": True}, Reason.SVG, "an SVG may say no size"),
        ({"shape": shape_of(9, 2)}, None, "the engine keeps 52 % of that"),
        ({"shape": shape_of(5, 1)}, Reason.HOPELESS_SHAPE, "the engine keeps 47 % of that"),
        ({"shape": shape_of(1, 4)}, Reason.HOPELESS_SHAPE, "tall shapes have fewer presets"),
        ({"preview_only": True}, None, "a published page uses it too"),
        (
            {"preview_only": True, "uses": Usage.UNKNOWN},
            Reason.NOT_PUBLISHED,
            "a preview alone, and nothing known of pages",
        ),
        (
            {"preview_only": True, "uses": Usage.NONE},
            Reason.NOT_PUBLISHED,
            "a preview alone, and nothing uses it",
        ),
        ({"uses": Usage.UNKNOWN}, None, "a template asked, though the index knows no page"),
        ({"uses": Usage.NONE}, None, "a template asked, which may find images by a query"),
        (
            {"uses": Usage.UNPUBLISHED, "wanted_by_person": True},
            None,
            "a person may want it before the page is published",
        ),
        (
            {"preview_only": True, "uses": Usage.NONE, "wanted_by_person": True},
            None,
            "and where there is no page at all",
        ),
        (
            {"automatic": False, "wanted_by_person": True},
            None,
            "automatic generation says nothing about what people ask for",
        ),
    ],
)
def test_rule_draws_its_line_there(changes, expected, why):
    assert verdict(replace(FINE, **changes), POLICY).reason == expected, why


@pytest.mark.parametrize(
    ("changes", "policy", "expected"),
    [
        ({"shape": shape_of(3, 2)}, replace(POLICY, min_crop_loss=0), None),
        ({}, replace(POLICY, min_crop_loss=0.5), Reason.CROP_KEEPS_ENOUGH),
        ({"subject_kept": 0.96}, replace(POLICY, min_subject_kept=0.9), Reason.CROP_KEEPS_SUBJECT),
        ({"subject_kept": 1.0}, replace(POLICY, min_subject_kept=1.0), Reason.CROP_KEEPS_SUBJECT),
        ({"subject_kept": 1.0}, replace(POLICY, min_subject_kept=None), None),
        (
            {"subject_kept": 0.2, "shape": shape_of(3, 2)},
            replace(POLICY, min_subject_kept=None),
            Reason.CROP_KEEPS_ENOUGH,
        ),
        ({}, replace(POLICY, min_slot_side=801), Reason.SMALL_SLOT),
        ({"shape": shape_of(8, 1)}, replace(POLICY, min_kept=0), None),
    ],
)
def test_thresholds_are_the_sites(changes, policy, expected):
    assert verdict(replace(FINE, **changes), policy).reason == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "The crop cuts away 34 % of the picture: an AI version may be made."),
        (
            {"shape": Decimal("1.410")},
            "The crop cuts away only 6 % of the picture: no AI version is needed.",
        ),
        (
            {"subject_kept": 0.999},
            "The crop keeps the whole subject (99 % of the focal area): no AI version is needed.",
        ),
        (
            {"subject_kept": 0.604},
            "The crop cuts away 40 % of the focal area: an AI version may be made.",
        ),
        (
            {"width": 90, "height": 60},
            "The service would see 90 x 60 px: with a side under 64 px the image holds too "
            "little for an AI version.",
        ),
        (
            {"shape": shape_of(8, 1)},
            "The shape is too narrow: it would use 29 % of what the service renders, and must "
            "use at least 50 %.",
        ),
        (
            {"slots": (Slot.parse("40x40"), Slot.parse("64x48"))},
            "The picture is shown at no more than 64 px: under 100 px an AI version is hardly "
            "seen.",
        ),
    ],
)
def test_editor_reads_the_reason_with_its_figures(changes, message):
    assert verdict(replace(FINE, **changes), POLICY).message == message


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_and_a_label(reason):
    message = verdict(replace(FINE, **AGAINST[reason]), POLICY).message

    assert message.endswith(".")
    assert "%(" not in message
    assert message != str(SENTENCES[None])
    assert str(reason.label)


def test_labels_tell_the_reasons_apart():
    assert len({str(label) for label in LABELS.values()}) == len(Reason)


def test_sentences_wait_for_the_language_of_whoever_reads_them():
    assert all(isinstance(sentence, Promise) for sentence in SENTENCES.values())


def test_reasons_keep_the_codes_that_are_stored():
    assert {reason.value for reason in Reason} == {
        "private",
        "opted_out",
        "not_published",
        "refused_by_site",
        "svg",
        "animated",
        "transparent",
        "tiny",
        "hopeless_shape",
        "unknown_preset",
        "small_slot",
        "subject_kept",
        "enough_kept",
        "no_key",
        "automatic_off",
        "budget",
        "circuit_open",
    }


@pytest.mark.parametrize(
    ("changes", "harms"),
    [
        ({}, True),
        ({"is_private": True}, True),
        ({"shape": shape_of(3, 2)}, False),
        ({"shape": shape_of(3, 2), "subject_kept": 0.5}, True),
        ({"subject_kept": 1.0}, False),
    ],
)
def test_whether_the_crop_does_harm_is_told_whatever_else_stands_in_the_way(changes, harms):
    assert verdict(replace(FINE, **changes), POLICY).crop_harms is harms
