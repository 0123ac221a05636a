"""Addresses that expire are made anew each time, and kept by nothing."""

import pytest
from django.core.cache import caches
from django.db import connection

from .stage import answers, get

pytestmark = [
    pytest.mark.storages,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("setup", ["S3, signed"]),
]

SIGNED = "X-Amz-Signature"


def test_pages_and_screens_go_on_when_what_was_signed_has_expired(stage):
    stage.go_live()
    shown = stage.addresses()
    signed = [each for each in stage.screen() if SIGNED in each]
    assert signed
    assert all(SIGNED in each for each in shown)
    assert all(answers(each) for each in [*shown, *signed])
    stage.s3.expire()
    assert not any(answers(each) for each in [*shown, *signed])
    assert stage.shows(0)
    assert all(answers(each) for each in stage.screen() if SIGNED in each)


def test_nothing_is_kept_that_was_signed(stage):
    stage.go_live()
    stage.ask_again()
    stage.choose(1)
    stage.page()
    stage.screen()
    kept = everything_in_the_database()
    assert "smart_resize/" in kept
    assert "X-Amz" not in kept
    cached = list(caches["default"]._cache.values())
    assert cached
    assert not any(b"X-Amz" in each for each in cached)


def test_the_gateway_is_given_an_address_of_ours_and_none_of_the_storages(stage):
    stage.go_live()
    (body,) = stage.gateway.requests
    assert body["image_url"].startswith(f"{stage.url}/smart-resize/")
    assert "X-Amz" not in str(body)
    assert stage.s3.url not in str(body)


def test_an_object_is_not_to_be_had_without_a_signature(stage):
    """Or the others would prove nothing."""
    stage.go_live()
    address = stage.addresses()[0]
    assert get(address)
    assert not answers(address.partition("?")[0])


def everything_in_the_database():
    with connection.cursor() as cursor:
        texts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts.append(str(cursor.fetchall()))
    return "\n".join(texts)
