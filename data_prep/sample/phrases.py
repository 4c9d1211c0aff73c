"""The sentences that reviewers of the sample store write, by what they are about and how it is meant.

Reviewers speak of *the colour* and never say which: what only the picture shows stays in the picture.
"""

from __future__ import annotations

from typing import Literal

Tone = Literal["good", "mixed", "bad"]
Feature = Literal["colour", "shape", "pattern", "theme", "price"]

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
