"""The words of the sample store: departments and their shelves, themes, brands' syllables.

No word here names a colour, a shape or a pattern: those are seen in the pictures alone.
"""

from __future__ import annotations

from dataclasses import dataclass


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

THEMES = (
    ("Tide", "Harbor", "Reef", "Lagoon", "Driftwood", "Seafarer"),
    ("Woodland", "Fern", "Timber", "Acorn", "Thicket", "Mossy"),
    ("Orbit", "Comet", "Galaxy", "Lunar", "Rocket", "Nebula"),
    ("Dune", "Mesa", "Cactus", "Canyon", "Oasis", "Caravan"),
    ("Summit", "Alpine", "Ridge", "Glacier", "Boulder", "Basecamp"),
    ("Metro", "Skyline", "Avenue", "Downtown", "Loft", "Boulevard"),
    ("Blossom", "Trellis", "Meadow", "Petal", "Orchard", "Hedgerow"),
    ("Melody", "Tempo", "Chorus", "Ballad", "Serenade", "Rhythm"),
    ("Dragon", "Griffin", "Wizard", "Phoenix", "Saga", "Legend"),
    ("Barnyard", "Harvest", "Haystack", "Homestead", "Rooster", "Pasture"),
    ("Frost", "Snowfall", "Icicle", "Sleigh", "Blizzard", "Fireside"),
    ("Carnival", "Juggler", "Trapeze", "Fairground", "Carousel", "Ringmaster"),
)

BRAND_STARTS = (
    "Ald",
    "Bren",
    "Cor",
    "Dav",
    "El",
    "Fen",
    "Hal",
    "Kes",
    "Lum",
    "Mar",
    "Nor",
    "Pel",
    "Quil",
    "Sol",
    "Wen",
)
BRAND_ENDS = ("bury", "by", "dale", "ico", "ine", "lark", "mont", "ova", "ster", "ton", "vane", "well", "wick", "yard")
BRAND_TAILS = ("", "", "", " & Co", " Goods", " Supply", " House")

FIRST_NAMES = (
    *("Abigail", "Anders", "Beatriz", "Calvin", "Carmen", "Dana", "Derek", "Elena", "Farah", "Felix", "Grace"),
    *("Hugo", "Imani", "Ingrid", "Jonas", "Karim", "Keiko", "Laila", "Leon", "Mabel", "Mateo", "Nadia", "Noor"),
    *("Oscar", "Petra", "Priya", "Quentin", "Rosa", "Ruben", "Sanna", "Silas", "Tamsin", "Theo", "Uma", "Vera"),
    *("Walt", "Xenia", "Yusuf", "Zoe"),
)
SURNAME_INITIALS = "ABCDEFGHJKLMNPRSTVW"
HANDLES = ("bargain hunter", "busy parent", "weekend reader", "gift giver", "tea drinker", "night owl")
