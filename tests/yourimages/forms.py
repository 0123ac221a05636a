"""A site's own form for its images, named by `WAGTAILIMAGES_IMAGE_FORM_BASE`."""

from typing import Any

from django import forms
from wagtail.images.forms import BaseImageForm


class CreditedImageForm(BaseImageForm):
    """Asks for something that the image model has no field for, and insists on it."""

    photographer = forms.CharField()

    def save(self, commit: bool = True) -> Any:
        self.instance.title = f"{self.instance.title}, by {self.cleaned_data['photographer']}"
        return super().save(commit)
