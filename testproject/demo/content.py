"""What the demo site says: its photographs, articles and pages, as plain data.

Titles and credits of the photographs are those of `photos/ATTRIBUTION.md`.
"""

from typing import NamedTuple


class Photo(NamedTuple):
    """A photograph: its file, its caption with the credit, and what it shows.

    `focus` is the focal point: the centre and the size of the box, in pixels. A box of one pixel is
    a point: it tells the crop where to go, but not how far the subject reaches.
    """

    file: str
    title: str
    description: str
    rights: str
    focus: tuple[int, int, int, int]


class Article(NamedTuple):
    """`body` holds pairs of a block's type and its value; a picture's value is its file."""

    slug: str
    section: str
    title: str
    standfirst: str
    photo: str
    body: tuple[tuple[str, str], ...]


ASTRONAUT = "astronaut.png"
CAT = "chelsea.png"
COFFEE = "coffee.png"
GALAXIES = "hubble_deep_field.jpg"
GROUP = "group.jpg"
MAN = "man.jpg"
ROCKET = "rocket.jpg"

PHOTOS = (
    Photo(
        GALAXIES,
        "Hubble eXtreme Deep Field. Photograph: NASA",
        "Thousands of galaxies of all sizes and colours on a black sky",
        "public domain",
        (500, 436, 1, 1),
    ),
    Photo(
        ROCKET,
        "Launch of DSCOVR on a Falcon 9. Photograph: SpaceX",
        "A white rocket on its launch pad between four lattice towers, under a deep blue sky",
        "public domain",
        # The whole rocket: the crops that keep it stay, and the wide banners are recomposed.
        (322, 270, 60, 300),
    ),
    Photo(
        ASTRONAUT,
        "Eileen Collins. Photograph: NASA Great Images database",
        "A smiling astronaut in an orange suit, her helmet before her, a flag and a shuttle "
        "behind her",
        "public domain",
        (225, 110, 1, 1),
    ),
    Photo(
        COFFEE,
        "A cup of espresso. Photograph: Rachel Michetti, courtesy of Pikolo Espresso Bar",
        "A cup of espresso and a spoon on a red saucer, on a wooden table",
        "CC0",
        (285, 200, 1, 1),
    ),
    Photo(
        CAT,
        "Chelsea the cat. Photograph: Stefan van der Walt",
        "The face of a tabby cat, very near, its green eyes wide open",
        "CC0",
        (245, 125, 1, 1),
    ),
    Photo(
        GROUP,
        "Nine people at a table. Photograph: Wagtail's bakerydemo",
        "Nine people in a café, around the end of a long table, one of them with a drawn heart",
        "public domain",
        (500, 390, 1, 1),
    ),
    Photo(
        MAN,
        "A man before a wall. Photograph: Wagtail's bakerydemo",
        "A bearded man in a cap and glasses, open-mouthed, before a yellow wall",
        "public domain",
        (310, 300, 1, 1),
    ),
)

ARTICLES = (
    Article(
        "the-rocket-that-left-to-look-back",
        "Launches",
        "The rocket that left to look back",
        "In February 2015 a Falcon 9 took a weather station to a place from which the whole sunlit "
        "Earth can be seen at once.",
        ROCKET,
        (
            (
                "text",
                "<p>DSCOVR, the Deep Space Climate Observatory, left Cape Canaveral on 11 "
                "February 2015. It was bound for L1, a point a million and a half kilometres "
                "away, where the pulls of Sun and Earth let a satellite keep its place between "
                "the two.</p><p>From there it warns of gusts in the solar wind, and its camera "
                "looks the other way: back, at an Earth that is always in full daylight.</p>",
            ),
            ("quote", "It went four times as far as the Moon to look home."),
            (
                "text",
                "<p>A rocket on its pad is the tallest of subjects. Cut it to a wide banner, and "
                "what is left is a nose without a rocket, or a rocket without a nose.</p>",
            ),
        ),
    ),
    Article(
        "behind-a-grain-of-sand",
        "Deep sky",
        "Behind a grain of sand",
        "Hold a grain of sand at arm's length. Ten years of photographs of the patch of sky that "
        "it hides showed five and a half thousand galaxies.",
        GALAXIES,
        (
            (
                "text",
                "<p>Nobody would point a telescope there for the view. The patch lies in the "
                "constellation Fornax, the furnace, and to the eye it is empty. That was why it "
                "was chosen: no bright star in front, no dust, nothing to hide what lies "
                "behind.</p><p>The Hubble Space Telescope came back to it again and again. The "
                "eXtreme Deep Field, published in 2012, adds up two million seconds of light, "
                "about twenty-three days with the shutter open.</p>",
            ),
            ("quote", "Nearly every speck in the frame is a galaxy."),
            (
                "text",
                "<p>The faintest of them have a ten-thousand-millionth of the brightness that an "
                "eye can see. The oldest light set out when the universe was less than a "
                "twentieth of its present age.</p>",
            ),
            ("picture", ROCKET),
            (
                "text",
                "<p>A picture like this one has no middle and no edge that matters. Whatever a "
                "crop leaves out was as much the subject as what it keeps.</p>",
            ),
        ),
    ),
    Article(
        "the-seat-on-the-left",
        "People",
        "The seat on the left",
        "Eileen Collins was the first woman to pilot a Space Shuttle, and the first to command "
        "one.",
        ASTRONAUT,
        (
            (
                "text",
                "<p>In February 1995 she flew Discovery towards the Russian station Mir, to within "
                "eleven metres of it, from the pilot's seat on the right. In July 1999 she sat on "
                "the left, where the commander sits, and Columbia carried the Chandra X-ray "
                "Observatory into orbit.</p>",
            ),
            ("quote", "The commander sits on the left."),
            (
                "text",
                "<p>On her suit she wears the patch of that second mission. A share card has "
                "room for the face or for the patch, not for both.</p>",
            ),
        ),
    ),
    Article(
        "twenty-five-seconds",
        "Tables",
        "Twenty-five seconds",
        "An espresso is a small experiment in fluid dynamics. It is over before the cup is warm.",
        COFFEE,
        (
            (
                "text",
                "<p>Water just off the boil, nine times the pressure of the air, a puck of ground "
                "coffee as thick as a thumb: twenty-five seconds later there are three sips in "
                "the cup.</p><p>The foam on top is carbon dioxide, which roasting left in the "
                "bean. Under pressure it dissolves in the water; in the cup it comes out again, "
                "as it does when a bottle is opened.</p>",
            ),
            ("quote", "Fresh beans foam; old ones have nothing left to foam with."),
            ("picture", COFFEE),
        ),
    ),
    Article(
        "what-a-cat-sees-at-dusk",
        "Animals",
        "What a cat sees at dusk",
        "A pupil that closes to a slit, and a mirror behind the retina: how a cat uses what light "
        "there is.",
        CAT,
        (
            (
                "text",
                "<p>From slit to circle, the area of a cat's pupil changes by a factor of about "
                "135; that of a human pupil by about 15. Behind the retina lies the tapetum, a "
                "layer that sends light back through it for a second chance of being seen. It is "
                "what shines in the beam of a torch.</p>",
            ),
            ("quote", "The price of the mirror is sharpness: the second pass blurs the first."),
            (
                "text",
                "<p>The face fills the photograph from edge to edge. Every shape but its own "
                "costs the cat its ears or its chin.</p>",
            ),
        ),
    ),
    Article(
        "nine-people-one-table",
        "People",
        "Nine people, one table",
        "Whoever takes a picture of a group wants everybody in it. Whoever crops it has to choose.",
        GROUP,
        (
            (
                "text",
                "<p>The photographer stepped back until both ends of the row were in the frame. "
                "The share card wants a strip of it, the teaser a square: the strip takes the "
                "lamps and the table away, the square takes the people at both ends.</p>",
            ),
            ("quote", "A focal point saves one face. It does not save nine."),
            ("picture", MAN),
            (
                "text",
                "<p>With one face it is no better. A cap at the top and a beard at the bottom fill "
                "an upright picture; a wide one has room for either.</p>",
            ),
        ),
    ),
)

WAYS_INTRODUCTION = (
    "<p>Each section shows what the template says, Wagtail's crop, and what is live in its place. "
    "A few seconds after the first visit the recomposed pictures are there: reload the page.</p>"
)
WAYS_NOTE = (
    "<p>Editors choose the format together with the photograph.</p>"
    '<embed embedtype="image" id="{image_id}" format="panorama" alt="{alt}"/>'
    "<p>The text goes on below.</p>"
)
CHECK_INTRODUCTION = (
    "<p>Each result is compared with its photograph before anybody sees it. Here the sandbox "
    "spoils four results on purpose. Where the check stops one, the crop stays until an editor has "
    "looked at it. Without the check all four are shown as they came.</p>"
)
CREDITS_INTRODUCTION = (
    "<p>All seven photographs are free of known copyright restrictions. Five come from the sample "
    "data of scikit-image, which documents each, and two from bakerydemo, Wagtail's demo site.</p>"
)
