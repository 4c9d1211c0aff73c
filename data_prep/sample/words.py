"""The texts of the sample store: departments and shelves, themes, brands, names, titles, and sentences of reviews.

No word here names a colour, a shape or a pattern: those are visible in the pictures alone. Reviewers write of *the
colour* and never say which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "mixed", "bad"]
Feature = Literal["colour", "shape", "pattern", "theme", "price"]


@dataclass(frozen=True)
class Shelf:
    """A leaf category: its path below the department, its nouns, and a usual price in dollars."""

    path: tuple[str, ...]
    nouns: tuple[str, ...]
    price: float


@dataclass(frozen=True)
class Department:
    """One domain: ``key`` as in file names, ``label`` as in category paths, its shelves and materials."""

    key: str
    label: str
    shelves: tuple[Shelf, ...]
    materials: tuple[str, ...]


DEPARTMENTS = (
    Department(
        "Baby",
        "Baby",
        (
            Shelf(("Feeding", "Bibs"), ("Drool Bib", "Feeding Bib", "Sleeved Bib", "Burp Bib"), 11.0),
            Shelf(("Nursery", "Bedding"), ("Crib Sheet", "Swaddle Blanket", "Sleep Sack", "Cot Quilt"), 28.0),
            Shelf(("Nursery", "Wall Decor"), ("Nursery Decal", "Growth Chart", "Name Plaque"), 19.0),
            Shelf(("Diapering", "Diaper Bags"), ("Diaper Tote", "Changing Clutch", "Diaper Backpack"), 42.0),
            Shelf(("Baby Toys", "Teethers"), ("Teether", "Teething Ring", "Rattle", "Teething Mitt"), 9.0),
            Shelf(("Strollers", "Accessories"), ("Stroller Organizer", "Stroller Canopy", "Stroller Clip"), 21.0),
        ),
        ("organic cotton", "soft muslin", "food-grade silicone", "brushed fleece", "washable canvas"),
    ),
    Department(
        "Beauty",
        "Beauty",
        (
            Shelf(("Skin Care", "Face", "Moisturizers"), ("Day Cream", "Night Cream", "Face Lotion"), 24.0),
            Shelf(("Bath & Body", "Soaps"), ("Hand Soap", "Body Bar", "Shower Soap", "Guest Soap"), 8.0),
            Shelf(("Hair Care", "Shampoos"), ("Shampoo", "Dry Shampoo", "Shampoo Bar"), 13.0),
            Shelf(("Tools & Accessories", "Brushes"), ("Hair Brush", "Face Brush", "Vanity Comb"), 15.0),
            Shelf(("Tools & Accessories", "Cosmetic Bags"), ("Cosmetic Bag", "Wash Bag", "Vanity Case"), 20.0),
            Shelf(("Fragrance", "Candles"), ("Scented Candle", "Travel Candle", "Wax Melt"), 17.0),
        ),
        ("shea butter", "argan oil", "oat milk", "beeswax", "aloe"),
    ),
    Department(
        "Clothing_Shoes_and_Jewelry",
        "Clothing, Shoes & Jewelry",
        (
            Shelf(("Accessories", "Scarves"), ("Scarf", "Neck Wrap", "Infinity Scarf", "Shawl"), 22.0),
            Shelf(("Accessories", "Hats"), ("Beanie", "Sun Hat", "Bucket Hat", "Cap"), 18.0),
            Shelf(("Clothing", "Socks"), ("Ankle Socks", "Crew Socks", "Wool Socks"), 10.0),
            Shelf(("Clothing", "T-Shirts"), ("Crew Tee", "V-Neck Tee", "Long Sleeve Tee"), 19.0),
            Shelf(("Jewelry", "Pendants"), ("Pendant", "Charm Necklace", "Locket"), 33.0),
            Shelf(("Shoes", "Slippers"), ("House Slippers", "Slip-On Mules", "Lounge Boots"), 27.0),
        ),
        ("merino wool", "combed cotton", "washed linen", "brushed steel", "recycled jersey"),
    ),
    Department(
        "Grocery_and_Gourmet_Food",
        "Grocery & Gourmet Food",
        (
            Shelf(("Beverages", "Coffee"), ("Ground Coffee", "Whole Bean Coffee", "Coffee Pods"), 14.0),
            Shelf(("Beverages", "Tea"), ("Loose Leaf Tea", "Tea Bags", "Iced Tea Mix"), 11.0),
            Shelf(("Snacks", "Cookies"), ("Butter Cookies", "Oat Cookies", "Ginger Snaps"), 7.0),
            Shelf(("Snacks", "Nuts & Trail Mix"), ("Trail Mix", "Roasted Nuts", "Nut Bars"), 12.0),
            Shelf(("Candy", "Chocolate"), ("Chocolate Bar", "Truffles", "Cocoa Bites"), 9.0),
            Shelf(("Pantry", "Spreads"), ("Fruit Preserve", "Nut Butter", "Honey Spread"), 8.0),
        ),
        ("sea salt", "cane sugar", "slow-roasted beans", "whole grains", "sun-dried fruit"),
    ),
    Department(
        "Sports_and_Outdoors",
        "Sports & Outdoors",
        (
            Shelf(("Camping", "Lanterns"), ("Camp Lantern", "Clip Light", "Tent Light"), 24.0),
            Shelf(("Exercise", "Yoga Mats"), ("Yoga Mat", "Stretch Mat", "Travel Mat"), 29.0),
            Shelf(("Hydration", "Bottles"), ("Water Bottle", "Insulated Flask", "Sport Bottle"), 18.0),
            Shelf(("Cycling", "Bells & Lights"), ("Bike Bell", "Bike Light", "Spoke Light"), 13.0),
            Shelf(("Fan Shop", "Flags"), ("Pennant", "Garden Flag", "Car Flag"), 11.0),
            Shelf(("Outdoor Gear", "Backpacks"), ("Daypack", "Trail Pack", "Sling Pack"), 46.0),
        ),
        ("ripstop nylon", "stainless steel", "natural rubber", "anodized aluminum", "dry-touch mesh"),
    ),
    Department(
        "Toys_and_Games",
        "Toys & Games",
        (
            Shelf(("Puzzles", "Jigsaws"), ("Jigsaw Puzzle", "Floor Puzzle", "Tray Puzzle"), 14.0),
            Shelf(("Games", "Board Games"), ("Board Game", "Strategy Game", "Family Game"), 26.0),
            Shelf(("Games", "Card Games"), ("Card Game", "Memory Game", "Party Deck"), 11.0),
            Shelf(("Stuffed Animals", "Plush"), ("Plush Toy", "Beanbag Friend", "Cuddle Pillow"), 17.0),
            Shelf(("Building Toys", "Sets"), ("Building Set", "Snap Kit", "Model Kit"), 31.0),
            Shelf(("Arts & Crafts", "Kits"), ("Craft Kit", "Sticker Kit", "Stamp Kit"), 13.0),
        ),
        ("thick cardboard", "smooth beech", "sturdy plastic", "soft plush", "washable felt"),
    ),
    Department(
        "Office_Products",
        "Office Products",
        (
            Shelf(("Paper", "Notebooks"), ("Notebook", "Journal", "Pocket Pad"), 10.0),
            Shelf(("Writing", "Pens"), ("Gel Pen", "Fountain Pen", "Rollerball"), 12.0),
            Shelf(("Desk Accessories", "Mouse Pads"), ("Mouse Pad", "Desk Mat", "Wrist Rest"), 13.0),
            Shelf(("Filing", "Folders"), ("File Folder", "Document Wallet", "Ring Binder"), 9.0),
            Shelf(("Calendars", "Planners"), ("Wall Planner", "Desk Calendar", "Weekly Planner"), 16.0),
            Shelf(("Labels", "Sticky Notes"), ("Sticky Notes", "Page Flags", "Label Pack"), 7.0),
        ),
        ("acid-free paper", "recycled board", "brushed metal", "smooth vinyl", "bonded leather"),
    ),
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THEMES = (
    _names("Tide Harbor Reef Lagoon Driftwood Seafarer"),
    _names("Woodland Fern Timber Acorn Thicket Mossy"),
    _names("Orbit Comet Galaxy Lunar Rocket Nebula"),
    _names("Dune Mesa Cactus Canyon Oasis Caravan"),
    _names("Summit Alpine Ridge Glacier Boulder Basecamp"),
    _names("Metro Skyline Avenue Downtown Loft Boulevard"),
    _names("Blossom Trellis Meadow Petal Orchard Hedgerow"),
    _names("Melody Tempo Chorus Ballad Serenade Rhythm"),
    _names("Dragon Griffin Wizard Phoenix Saga Legend"),
    _names("Barnyard Harvest Haystack Homestead Rooster Pasture"),
    _names("Frost Snowfall Icicle Sleigh Blizzard Fireside"),
    _names("Carnival Juggler Trapeze Fairground Carousel Ringmaster"),
)
BRAND_STARTS = _names("Ald Bren Cor Dav El Fen Hal Kes Lum Mar Nor Pel Quil Sol Wen")
BRAND_ENDS = _names("bury by dale ico ine lark mont ova ster ton vane well wick yard")
BRAND_TAILS = ("", "", "", " & Co", " Goods", " Supply", " House")

FIRST_NAMES = _names(
    """
    Abigail Anders Beatriz Calvin Carmen Dana Derek Elena Farah Felix Grace Hugo Imani Ingrid Jonas Karim Keiko Laila
    Leon Mabel Mateo Nadia Noor Oscar Petra Priya Quentin Rosa Ruben Sanna Silas Tamsin Theo Uma Vera
    Walt Xenia Yusuf Zoe
    """
)
SURNAME_INITIALS = "ABCDEFGHJKLMNPRSTVW"
HANDLES = ("bargain hunter", "busy parent", "weekend reader", "gift giver", "tea drinker", "night owl")

TITLES = (
    "{brand} {word} {noun}",
    "{brand} {word} {noun}, {extra}",
    "{word} {noun} by {brand}",
    "{brand} {noun} - {word} Collection",
    "{brand} {word} & {other} {noun}, {extra}",
    '{noun} "{word}" by {brand}, {extra}',
)
EXTRAS = ("Set of 2", "Set of 3", "Pack of 4", "Large", "Small", "Medium", "Gift Boxed", "Travel Size", "New Edition")
OPENINGS = (
    "Made with {material} and finished by hand.",
    "A {noun} with {material} that is made to last.",
    "{brand} makes this {noun} with {material}.",
    "Everyday {shelf} with {material}, from the workshop of {brand}.",
    "We use {material} because it feels right.",
)
THEME_LINES = (
    "The design takes its mood from {word} and {other}.",
    "A little {word}, a little {other}, and a lot of care.",
    "Part of our {word} range, with details that recall {other}.",
    "For everyone who dreams of {word} and {other}.",
    "Inspired by {word}; the inside carries a {other} motif.",
)
CLOSINGS = (
    "A thoughtful present.",
    "Ships in paper packaging.",
    "Satisfaction guaranteed for one year.",
    "Designed in our own studio.",
    "Please read the enclosed care notes before first use.",
    "Also sold as a pair.",
    "Tested by families like yours.",
)

FEATURE_LINES: dict[tuple[Feature, bool], tuple[str, ...]] = {
    ("colour", True): (
        "The colour is exactly the one I always look for.",
        "I love the colour of this {noun}.",
        "In daylight the colour is even nicer than in the picture.",
        "It is my favourite colour, so I did not have to think twice.",
    ),
    ("colour", False): (
        "The colour is just not for me.",
        "I should have looked at the colour more closely, because I do not like it.",
        "Sadly the colour goes with nothing I own.",
    ),
    ("shape", True): (
        "The shape is what sold me.",
        "I like the shape a lot and it suits the {noun}.",
        "The shape makes it stand out {place}.",
    ),
    ("shape", False): (
        "I find the shape rather silly.",
        "The shape is awkward {place}.",
        "I do not care for the shape at all.",
    ),
    ("pattern", True): (
        "The pattern is lovely and neatly done.",
        "I keep buying this pattern and I am never tired of it.",
        "Such a nice pattern, my {person} noticed it at once.",
    ),
    ("pattern", False): (
        "The pattern is not to my taste.",
        "I could do without the pattern.",
    ),
    ("theme", True): (
        "Anything with {theme} on it makes me happy.",
        "The {theme} design is charming.",
        "We are a {theme} household, so this was made for us.",
        "I collect {theme} things and this one fits right in.",
    ),
    ("theme", False): (
        "The {theme} design does nothing for me.",
        "I had hoped to warm to the {theme} look, but no.",
        "My {person} asked why on earth I had bought something with {theme} on it.",
    ),
    ("price", True): (
        "The price is fair for what it is.",
        "For this price I would buy it again.",
        "Good value for the money.",
    ),
    ("price", False): (
        "The price is not right for what one gets.",
        "I expected something else at this price.",
        "One can find a {noun} at a better price.",
    ),
}

TONE_LINES: dict[Tone, tuple[str, ...]] = {
    "good": (
        "Great {noun}.",
        "I am very happy with this {noun}.",
        "It does what it should and looks good doing it.",
        "Well made, sturdy and easy to use.",
        "My {person} loves it.",
        "I have used it every day since {time} and it is still like new.",
        "It was better than I expected from {brand}.",
        "I already ordered a second one for my {person}.",
        "Would recommend it to anyone.",
        "Everything fits and nothing rattles.",
        "The quality is very good.",
        "{brand} got this one right.",
        "It has become a favourite {place}.",
        "I get compliments on it all the time.",
        "You will not regret it.",
        "It made a perfect gift for my {person}.",
    ),
    "mixed": (
        "It is an okay {noun}.",
        "It does the job, but nothing more.",
        "Some things about it are good and others are not.",
        "My {person} likes it more than I do.",
        "I might try another brand than {brand} next time.",
        "It works, though it took me until {time} to get used to it.",
        "Not bad, not great.",
        "It is a bit smaller than I thought.",
        "The finish could be neater.",
        "It will do for now.",
        "I had hoped for a little more.",
    ),
    "bad": (
        "I am disappointed with this {noun}.",
        "It broke after a few days.",
        "Do not waste your money.",
        "The quality is poor.",
        "It came apart {place} and I had to throw it away.",
        "I sent it back {time}.",
        "{brand} should be ashamed of this.",
        "My {person} would not even use it.",
        "It smells odd and the edges are rough.",
        "It looked used when it arrived.",
        "I wish I had read the other reviews first.",
        "It is nothing like what I had in mind.",
    ),
}

STORY_LINES = (
    "I bought this {noun} {time}.",
    "It was a present from my {person}.",
    "I ordered it {time} and it arrived within the week.",
    "We keep it {place}.",
    "My old {noun} had finally given up.",
    "The box was a little dented but everything inside was fine.",
    "I compared a few before I settled on {brand}.",
    "My {person} has one as well and told me about it.",
    "I am not usually one to write reviews.",
    "We took it along on a trip {time}.",
    "It is easy to wipe clean.",
    "I measured twice before ordering, and the size given is correct.",
    "The instructions are short and clear.",
    "It came wrapped in far too much paper.",
    "I have had three of these over the years.",
    "My {person} and I could not agree which one to take.",
    "It sits {place} where everybody sees it.",
    "The seller answered my question on the same day.",
    "I had a coupon, so I gave it a try.",
    "There is a small label on the back that is easy to remove.",
    "It weighs less than one would think.",
    "I waited until {time} to write this, to be sure.",
    "Our neighbours asked where we got it.",
    "I was looking for a {noun} for my {person} and had little time.",
)

SHORT_LINES: dict[Tone, tuple[str, ...]] = {
    "good": ("Great", "Love it", "Perfect", "Excellent!", "Very nice", "Works great", "As described", "Good buy"),
    "mixed": ("Okay", "It's alright", "So so", "Does the job", "Average"),
    "bad": ("Disappointed", "Not for me", "Returned it", "Poor", "Don't bother"),
}

SUMMARIES: dict[Tone, tuple[str, ...]] = {
    "good": (
        *("So glad I got this", "Lovely {noun}", "Just what I wanted", "Very pleased", "Great {noun}", "{brand} again"),
        *("My {person} loves it", "Better than expected", "A keeper", "Would buy again", "Happy customer"),
    ),
    "mixed": ("It's ok", "Not quite what I hoped", "Decent {noun}", "Good and bad", "Average", "Fine for now"),
    "bad": ("Disappointing", "Not worth it", "Poor {noun}", "Went back", "Save your money", "No more {brand} for me"),
}

FEATURE_SUMMARIES: dict[bool, tuple[str, ...]] = {
    True: ("Love the {feature}", "What a {feature}!", "The {feature} is right"),
    False: ("Wrong {feature} for me", "The {feature} lets it down"),
}

PEOPLE = ("husband", "wife", "daughter", "son", "mother", "father", "sister", "brother", "friend", "niece", "nephew")
PLACES = ("at home", "in the kitchen", "at work", "in the car", "in the hall", "by the window", "on my desk")
MOMENTS = ("last month", "in spring", "before the holidays", "a year ago", "last summer", "for a birthday", "in May")
