"""Creates the site: tables, galleries, the front page, and the editors who log in."""

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from support.factories import plain_image  # noqa: E402
from support.people import OURS, collection, editor, grant  # noqa: E402
from wagtail.models import Collection, Locale, Page, Site  # noqa: E402

from suites.soak.load_profile import EDITORS, GALLERIES, PHOTOS  # noqa: E402
from suites.soak.models import NEWS, FrontPage, Gallery, GalleryPicture  # noqa: E402

#: The galleries of the same photographs, with the filter of their template.
TWINS = {"one": "fill", "other": "fill", "ours": "smartresize"}


def main() -> None:
    call_command("migrate", verbosity=0, run_syncdb=True)
    Collection.add_root(name="Root")
    collection(NEWS)
    Locale.objects.create(language_code="en")
    root = Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=FrontPage(title="News", slug="home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    for number in range(GALLERIES):
        photos = [plain_image(480, 360, "gold") for _ in range(PHOTOS)]
        for twin, filter_name in TWINS.items():
            slug = f"{twin}-{number}"
            gallery = Gallery(title=slug, slug=slug, filter_name=filter_name)
            home.add_child(instance=gallery)
            for photo in photos:
                GalleryPicture.objects.create(page=gallery, photo=photo)
            # The reference index reads a page's pictures when the page is saved.
            Gallery.objects.get(pk=gallery.pk).save()
    for number in range(EDITORS):
        _editor(f"editor-{number}")


def _editor(name: str) -> None:
    everywhere = Collection.get_first_root_node()
    group = editor(name, everywhere, OURS).groups.get()
    for right in ("add_image", "delete_image"):
        grant(group, everywhere, right)


main()
