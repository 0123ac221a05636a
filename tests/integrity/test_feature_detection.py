"""What becomes of an upload where Wagtail looks for a focal area: the check W016 warns of it."""

import pytest
from django.test import override_settings
from support.factories import plain_image

cv2 = pytest.importorskip("cv2", reason='pip install "wagtail-smart-resize[integrity]"')


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has the classifiers")
@override_settings(WAGTAILIMAGES_FEATURE_DETECTION_ENABLED=True)
def test_opencv_5_fails_wagtails_task_and_not_the_upload(caplog):
    image = plain_image()

    image.refresh_from_db()
    assert not image.has_focal_point()
    failures = [each for each in caplog.records if "set_image_focal_point_task" in each.message]
    assert failures
    assert any("CascadeClassifier" in str(each.exc_info or each.message) for each in failures)
