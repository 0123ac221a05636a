"""`manage.py create_demo_content`: photographs, pages and an admin account for the demo site."""

import os
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.images import ImageFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.urls import reverse
from wagtail.images import get_image_model
from wagtail.models import Page, Site

from demo import content
from demo.models import (
    ArticlePage,
    CheckPage,
    ContactSheetPage,
    CreditsPage,
    HomePage,
    WaysPage,
)


class Command(BaseCommand):
    help = (
        "Creates the demo site's content where there is none, and points the site to "
        "SMART_RESIZE_DEMO_URL. Run it again as often as you like: what editors have changed "
        "stays. The admin's password is read from SMART_RESIZE_DEMO_PASSWORD."
    )

    @transaction.atomic
    def handle(self, *args, **options):
        home = HomePage.objects.first() or create_pages()
        point_site_to(home, settings.SITE_URL)
        create_admin(os.environ.get("SMART_RESIZE_DEMO_PASSWORD", ""))
        self.stdout.write(self.style.SUCCESS("The demo content is there."))
        lead = ArticlePage.objects.child_of(home).live().order_by("path").first()
        if lead and lead.photo_id:
            # `demo.py` reads where the image's screen is.
            screen = reverse("smart_resize_admin:image", args=[lead.photo_id])
            self.stdout.write(f"Image: {settings.SITE_URL}{screen}")


def create_pages():
    photos = {photo.file: create_photo(photo) for photo in content.PHOTOS}
    root = Page.get_first_root_node()
    root.get_children().delete()  # Wagtail's own page of welcome
    home = root.add_child(instance=HomePage(title="Far Field: places and skies", slug="far-field"))
    for article in content.ARTICLES:
        home.add_child(instance=new_article(article, photos))
    for page in new_other_pages(photos):
        home.add_child(instance=page)
    return home


def create_photo(photo):
    """Made as a script makes them, by `create()`: Wagtail leaves their file's hash blank then."""
    x, y, width, height = photo.focus
    with (settings.PROJECT_DIR / "photos" / photo.file).open("rb") as file:
        image = get_image_model().objects.create(
            title=photo.title,
            description=photo.description,
            file=ImageFile(file, name=photo.file),
            focal_point_x=x,
            focal_point_y=y,
            focal_point_width=width,
            focal_point_height=height,
        )
    image.tags.add(photo.rights)
    return image


def new_article(article, photos):
    body = [(kind, photos[value] if kind == "picture" else value) for kind, value in article.body]
    return ArticlePage(
        title=article.title,
        slug=article.slug,
        section=article.section,
        standfirst=article.standfirst,
        photo=photos[article.photo],
        body=body,
    )


def new_other_pages(photos):
    table = photos[content.COFFEE]
    return [
        WaysPage(
            title="Every way",
            slug="every-way",
            show_in_menus=True,
            introduction=content.WAYS_INTRODUCTION,
            person=photos[content.ASTRONAUT],
            table=table,
            note=content.WAYS_NOTE.format(image_id=table.pk, alt=table.description),
        ),
        CheckPage(
            title="What the check stops",
            slug="what-the-check-stops",
            show_in_menus=True,
            introduction=content.CHECK_INTRODUCTION,
            photo=photos[content.ASTRONAUT],
        ),
        ContactSheetPage(title="Contact sheet", slug="contact-sheet", show_in_menus=True),
        CreditsPage(
            title="Credits",
            slug="credits",
            show_in_menus=True,
            introduction=content.CREDITS_INTRODUCTION,
        ),
    ]


def point_site_to(home, url):
    address = urlsplit(url)
    Site.objects.update_or_create(
        is_default_site=True,
        defaults={
            "hostname": address.hostname,
            "port": address.port or 80,
            "site_name": settings.WAGTAIL_SITE_NAME,
            "root_page": home,
        },
    )


def create_admin(password):
    User = get_user_model()
    admin = User.objects.filter(username="admin").first()
    if admin is None:
        admin = User(username="admin", email="admin@example.org", is_staff=True, is_superuser=True)
    if password:
        admin.set_password(password)
    else:
        admin.set_unusable_password()
    admin.save()
