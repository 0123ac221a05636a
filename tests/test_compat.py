"""What differs between versions: the same answers on each."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from wagtail.images import get_image_model
from wagtail.permission_policies.collections import CollectionOwnershipPermissionPolicy

from wagtail_smart_resize import compat

BACKEND = {"BACKEND": f"{compat.DummyBackend.__module__}.DummyBackend"}


@pytest.mark.parametrize(
    ("backends", "alias"),
    [
        ({"default": BACKEND}, "default"),
        ({"default": BACKEND, "smart_resize": BACKEND}, "smart_resize"),
    ],
)
def test_task_runs_on_a_backend_of_its_own_where_there_is_one(backends, alias):
    with override_settings(TASKS=backends):
        assert compat.task_backend_alias() == alias
        assert compat.get_task_backend().alias == alias


def test_missing_tasks_backend_is_a_matter_of_configuration():
    with override_settings(TASKS={"other": BACKEND}), pytest.raises(ImproperlyConfigured):
        compat.get_task_backend()


def test_permission_policy_is_that_of_the_sites_image_model():
    policy = compat.get_image_permission_policy()

    assert isinstance(policy, CollectionOwnershipPermissionPolicy)
    assert policy.model is get_image_model()


def test_page_model_is_the_base_of_all_pages():
    assert compat.get_page_model()._meta.label == "wagtailcore.Page"
