"""One process of a race: random operations on the images that all processes share.

All go through the images at the same pace, so that they meet on the same ones.
"""

import random
import traceback
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.test import Client
from testapp.models import PicturePage
from wagtail.images import get_image_model

from suites.races import pictures
from wagtail_smart_resize import actions
from wagtail_smart_resize.models import Candidate, ImageVersion, Recomposition
from wagtail_smart_resize.publishing import frontend_cache, publication
from wagtail_smart_resize.purchasing import passes
from wagtail_smart_resize.repair import repairs

#: Images from which a process chooses at each step.
WINDOW = 6

WEIGHTS = {
    "view_page": 10,
    "work": 7,
    "decide": 8,
    "undo": 4,
    "ask": 4,
    "flip": 10,
    "purge": 2,
    "repair": 1,
}

#: What editors ask for: one size, two, or the preset with a recipe of its own. Of the two squares
#: on a page, which count as one shape, 123x120 is the one that is bought for both.
EDITORS_SIZES = (["123x120"], ["120x60"], ["120x60", "123x120"], ["portrait"])
#: Sandbox words in editors' prompts: its answer to the first submission; it accepts the second.
FIRST_ANSWERS = ("", "", "sandbox:500@submit:1 ", "sandbox:503@submit:1 ", "sandbox:429-seconds:1 ")


@dataclass
class RaceProcess:
    number: int
    images: list[Any]
    phase: int
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def race(self, operations: int) -> None:
        names = self.random.choices([*WEIGHTS], [*WEIGHTS.values()], k=operations)
        for step, name in enumerate(names):
            self._do(name, self._image(step, operations))

    def _image(self, step: int, operations: int) -> Any:
        """Return the image at which all processes are now, or one near it."""
        place = step * len(self.images) // operations + self.random.randrange(WINDOW)
        return self.images[place % len(self.images)]

    def _do(self, name: str, image_id: Any) -> None:
        self.counts[name] += 1
        try:
            getattr(self, name)(image_id)
        except actions.Refused:
            self.counts["refused"] += 1
        except Exception:
            self.errors.append(f"{name}, image {image_id}:\n{traceback.format_exc()}")

    # Operations

    def view_page(self, image_id: Any) -> None:
        """View a page up to the request's end, where demand is written.

        Then compare one of its pictures with what the image says of itself at that moment.
        """
        self.counts["files"] += len(view_page(image_id))
        image = get_image_model().objects.get(pk=image_id)
        wrong = pictures.wrong(image, self.random.choice(pictures.SHOWN))
        assert not wrong, wrong
        self.counts["compared"] += 1

    def work(self, _image_id: Any) -> None:
        self.counts["steps"] += passes.run_pass(workers=2).did

    def decide(self, _image_id: Any) -> None:
        """Choose one of the latest candidates as an editor, or the crop in its place."""
        user = get_user_model().objects.get(username=f"editor-{self.number}")
        stored = Candidate.objects.filter(stored=True).select_related("recomposition")
        latest = list(stored.order_by("-pk")[: 2 * WINDOW])
        if not latest:
            return
        candidate = self.random.choice(latest)
        undoable = self.random.random() < 0.5
        self.counts["decided"] += 1
        if self.random.random() < 0.5:
            actions.choose(candidate, user=user, undoable=undoable)
        else:
            actions.use_crop(candidate.recomposition, user=user, undoable=undoable)

    def undo(self, _image_id: Any) -> None:
        """Take back a decision of this editor's, which may take effect at this moment."""
        user = get_user_model().objects.get(username=f"editor-{self.number}")
        rows = Recomposition.objects.filter(decided_by=user).exclude(takes_effect_at=None)
        if row := rows.order_by("takes_effect_at").first():
            actions.undo(row, user=user, decided_at=row.decided_at)
            self.counts["undone"] += 1

    def ask(self, image_id: Any) -> None:
        """Ask for two candidates of each shape as an editor.

        Processes that reach the same image in the same phase submit the same form, by its key.
        """
        key = uuid.uuid5(uuid.NAMESPACE_OID, f"{self.phase}/{image_id}")
        chance = random.Random(str(key))
        targets = [actions.ResizeTarget.parse(text) for text in chance.choice(EDITORS_SIZES)]
        prompt = f"{chance.choice(FIRST_ANSWERS)}Wish {key}"
        options = actions.GenerationOptions(prompt=prompt, candidates=2)
        user = get_user_model().objects.get(username=f"editor-{self.number}")
        image = get_image_model().objects.get(pk=image_id)
        actions.request_recomposition(
            image, targets, user=user, options=options, override_rules=True, key=key
        )
        self.counts["asked"] += 1

    def flip(self, _image_id: Any) -> None:
        """Flip one of the images that others are about to flip."""
        due = ImageVersion.objects.exclude(publish_due_at=None).order_by("publish_due_at")[:WINDOW]
        for version in self.random.sample(list(due), min(1, len(due))):
            try:
                self.counts["flipped"] += publication.publish(version.pk)
            except publication.StillChanging:
                self.counts["still changing"] += 1

    def purge(self, _image_id: Any) -> None:
        """Purge pages that others may be about to purge."""
        due = ImageVersion.objects.exclude(purge_due_at=None).order_by("purge_due_at")
        if versions := list(due[:3]):
            frontend_cache.purge_pages(versions)

    def repair(self, _image_id: Any) -> None:
        self.counts["repairs"] += sum(repairs.run().counts.values())


def view_page(image_id: Any) -> list[Path]:
    """Return the files that the image's page shows, in the template's order; all must exist."""
    page = PicturePage.objects.get(photo_id=image_id)
    response = Client().get(page.url)
    assert response.status_code == 200, response.status_code
    files = shown(response.content.decode())
    missing = [file for file in files if not file.is_file()]
    assert not missing, missing
    return files


def shown(html: str) -> list[Path]:
    addresses = [part.split('"')[0] for part in html.split('src="')[1:]]
    media, root = django_settings.MEDIA_URL, Path(django_settings.MEDIA_ROOT)
    return [root / address.removeprefix(media) for address in addresses]
