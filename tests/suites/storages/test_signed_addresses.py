"""Addresses that expire are made anew each time, and not kept anywhere."""

import pytest
from django.core.cache import caches
from django.db import connection

from .storage_site import answers, get

pytestmark = [
    pytest.mark.storages,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("setup", ["S3, signed"]),
]

SIGNED = "X-Amz-Signature"


def test_pages_and_screens_go_on_when_what_was_signed_has_expired(storage_site):
    storage_site.go_live()
    shown = storage_site.addresses()
    signed = [each for each in storage_site.screen() if SIGNED in each]
    assert signed
    assert all(SIGNED in each for each in shown)
    assert all(answers(each) for each in [*shown, *signed])
    storage_site.s3.expire()
    assert not any(answers(each) for each in [*shown, *signed])
    assert storage_site.shows(0)
    assert all(answers(each) for each in storage_site.screen() if SIGNED in each)


def test_nothing_is_kept_that_was_signed(storage_site):
    storage_site.go_live()
    storage_site.ask_again()
    storage_site.choose(1)
    storage_site.page()
    storage_site.screen()
    kept = everything_in_the_database()
    assert "smart_resize/" in kept
    assert "X-Amz" not in kept
    cached = list(caches["default"]._cache.values())
    assert cached
    assert not any(b"X-Amz" in each for each in cached)


def test_the_gateway_is_given_an_address_of_ours_and_none_of_the_storages(storage_site):
    storage_site.go_live()
    (body,) = storage_site.gateway.requests
    assert body["image_url"].startswith(f"{storage_site.url}/smart-resize/")
    assert "X-Amz" not in str(body)
    assert storage_site.s3.url not in str(body)


def test_an_object_is_not_to_be_had_without_a_signature(storage_site):
    """Without this the other tests would prove nothing."""
    storage_site.go_live()
    address = storage_site.addresses()[0]
    assert get(address)
    assert not answers(address.partition("?")[0])


def everything_in_the_database():
    with connection.cursor() as cursor:
        texts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts.append(str(cursor.fetchall()))
    return "\n".join(texts)
