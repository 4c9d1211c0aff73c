"""An audit as a page: every number beside what it counts, and what it means for whoever reads a score.

The same audit gives the same bytes; the corpus is not needed.
"""

from __future__ import annotations

from jinja2 import Environment, StrictUndefined

from unimp_bench.markdown import generated
from unimp_bench.reports.audit.corpus import measures
from unimp_bench.reports.audit.corpus.cuts import CUTS, Cut
from unimp_bench.reports.audit.corpus.measures import FileOrder, Reach, Spread
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet

_LONGEST_NAME = 80

_TEMPLATE = """\
{{ generated }}
# Audit of corpus {{ audit.name | code }}

{% if audit.synthetic %}
*A generated corpus, for trying and regression: its numbers say nothing about Amazon.*

{% endif %}
How far the test targets of corpus `{{ audit.fingerprint[:12] }}` can be found by shortcuts. No shortcut is the fault of
a model that takes it; but where there are many, a score says less of personal taste. *Training* is the training part of
the split (of `new-user` that of `loo`), a *target* the item of a test example of recommendation.

| Split | Test examples | Items that may be an answer | Training interactions |
| --- | --- | --- | --- |
{% for each in audit.splits %}
| {{ each.split }} | {{ each.examples | count }} | {{ each.catalogue | count }} | {{ each.training | count }} |
{% endfor %}

## One transition away

An edge leads from one item to another where somebody in training went from the first to the second directly. A table of
edges, which knows no text, no picture and no user, finds the targets that lie along an edge from the last item of the
history. In parentheses is what chance gives: the share expected if the targets were drawn uniformly from the items that
may be an answer, then if they were drawn as training interactions are, popular items more often. The further a share is
above the second of them, the more is told by the order of items alone.

| Split | Along an edge | In either direction | Along one or two edges | Edges from the last item |
| --- | --- | --- | --- | --- |
{% for each in audit.splits %}
{% set found = each.transitions %}
| {{ each.split }} | {{ found.direct | reach }} | {{ found.undirected | reach }} | {{ found.two | reach -}}
{{ "" }} | {{ "%.1f" | format(found.out_degree) }} |
{% endfor %}

*Edges from the last item*: to how many different items edges lead from it, the mean over test examples.

## Equal times

{% if audit.ties is none %}
This corpus has no clock times: of each user it knows the order of the interactions only, and not which of them were at
one time. What that order owes to a file is checked below all the same.
{% else %}
Interactions of one user at one time have no order but that of the raw file, and a model that learns which of them comes
last learns the file. A target is tied where it has the time of the last interaction of its history.

* {{ audit.ties.neighbours | percent }} of the pairs of neighbouring interactions of a user have equal times.
* {{ audit.ties.users | percent }} of the users have such a pair.
* {{ audit.ties.whole_days | percent }} of the times are midnights (UTC); where all are, the source tells days only.
{% for each in audit.splits %}
* Split {{ each.split }}: {{ each.tied | percent }} of the targets are tied.
{% endfor %}
{% endif %}

## Order of item ids

{% if audit.order is none %}
This audit is of an earlier version, or no user has two different items: nothing is known.
{% else %}
{% set order = audit.order %}
{% if order.is_of_a_file %}
**The order is that of a file.** {{ banner }}

{% endif %}
Files often keep what a user did at one time sorted by item id. These checks need no clock: over all neighbouring
interactions of a user, of two different items, how often the second id is above the first, ids compared as
{{ order.ids }}; and whether two items that are neighbours {{ m.FREQUENT }} times or more only ever go one way.

| What | Pairs | Share | Expected |
| --- | --- | --- | --- |
| Neighbours that ascend | {{ order.pairs | count }} | {{ order.ascending | percent -}}
{{ "" }} | {{ order.expected | percent }} |
| Each user's last two (test target) that ascend | | {{ order.last | percent }} | {{ order.expected | percent }} |
{% if order.tied is not none %}
| Neighbours at one time that ascend | | {{ order.tied | percent }} | 50.0% |
{% endif %}
{% if order.untied is not none %}
| Neighbours at two times that ascend | | {{ order.untied | percent }} | |
{% endif %}
| Frequent pairs that only go one way | {{ order.frequent | count }} | {{ order.one_way | percent -}}
{{ "" }} | {{ order.by_chance | percent }} |
| One-way pairs that ascend | | {{ order.one_way_ascending | percent }} | 50.0% |

{% if audit.ties is none %}
Half of the neighbours are expected to ascend, as if ids said nothing of the order. Products that are bought later have
somewhat larger ids, so a few per cent more are natural.
{% else %}
As many of the neighbours are expected to ascend as do when ties are put in an order by chance. (Those at two times are
the last of one and the first of the other: where both times are sorted by id, they lean the other way.)
{% endif %}
A frequent pair that is there n times goes one way by chance with probability 2 (1/2)^n, as n tosses of a coin are all
alike; expected is the mean over the frequent pairs. Parts of a series go one way without any file, but not upwards by
id more than downwards.
{% endif %}

## What training knows of the future

{% if audit.ties is none %}
This corpus has no clock times, so nothing says what one user did before or after another.
{% else %}
A split by user keeps the last interactions of each back, whenever they were made: training then holds what others did
after a target, which no model in use could know. High shares flatter models that learn what is popular at a time, or
which item followed which.

| Split | Later than the target | Early targets | Transitions from the future | Items from the future | Unseen items |
| --- | --- | --- | --- | --- | --- |
{% for each in audit.splits if each.leaks is not none %}
{% set found = each.leaks %}
| {{ each.split }} | {{ found.after | shares }} | {{ found.before_median | percent -}}
{{ "" }} | {{ found.transitions | percent }} | {{ found.items | percent }} | {{ found.unseen | percent }} |
{% endfor %}

* *Later than the target*: share of other users' training interactions that are later than a target, the mean over the
  targets and in brackets the quartiles.
* *Early targets*: share of the targets that are earlier than the median training interaction.
* *Transitions from the future*: of the targets along an edge, the share where every such transition was made later than
  the target.
* *Items from the future*: share of the targets whose item is in training, but each time later than the target.
* *Unseen items*: share of the targets whose item is not in training at all.
{% endif %}

## Duplicates

{% if audit.titles is none and audit.pictures is none %}
The items of this corpus have neither titles nor pictures, so it cannot be said which of them are nearly the same.
{% else %}
Where a near-duplicate of the target stands in the history, a model that compares items finds it without knowing more of
the user; and where the catalogue holds a product twice, a model that names the other one is counted wrong.

**Titles.** {% if audit.titles is none %}
The items of this corpus have none.
{% else %}
Equal are those that differ in case, punctuation and spaces alone. Near-duplicates have a cosine of {{ m.LIKE_TITLES }}
or more over the TF-IDF weights of the character trigrams of their words, so a number, a size or a colour in a long
title does not tell items apart, and parts of a series count.

{{ duplicates(audit.titles) -}}
{% endif %}

**Pictures.** {% if audit.pictures is none %}
The items of this corpus have none.
{% else %}
Equal are those that are so in every pixel. Near-duplicates differ in at most {{ m.LIKE_BITS }} of the 64 bits of their
difference hash, and their colours by at most {{ "%g" | format(m.LIKE_COLOURS) }} of 255 in the mean over 8 x 8 points.
Left out, as they show no item, are blank pictures (fewer than {{ m.BLANK_RANGE }} of 255 grey values from the darkest
to the brightest of 9 x 8 points) and those that more than {{ m.MOST_SHARING }} items share.

{{ duplicates(audit.pictures) -}}
{% endif %}

Share of the targets of which another item of the history is a near-duplicate:

| Split | By title | By picture | By either |
| --- | --- | --- | --- |
{% for each in audit.splits if each.copies is not none %}
{% set found = each.copies %}
| {{ each.split }} | {{ found.titles | percent }} | {{ found.pictures | percent }} | {{ found.either | percent }} |
{% endfor %}
{% endif %}

## Popularity and histories

A model that names what is popular, whoever asks, finds the targets among the most popular items.

| Split | Gini | {% for top in m.TOPS %}Top {{ "{:.0%}".format(top) }} | {% endfor %}History | Density | Repeats |
| --- | --- | {% for top in m.TOPS %}--- | {% endfor %}--- | --- | --- |
{% for each in audit.splits %}
{% set found = each.skew %}
| {{ each.split }} | {{ "%.3f" | format(found.gini) }} | {% for top in found.tops -%}
{{ top.interactions | percent }}, {{ top.targets | percent }} | {% endfor -%}
{{ found.history | numbers }} | {{ found.density | percent }} | {{ found.repeats | percent }} |
{% endfor %}

* *Gini*: coefficient of the training interactions over the items that may be an answer; 0 where all have equally many,
  near 1 where one has all.
* *Top*: of the items that may be an answer, those with the most training interactions: the share of the training
  interactions that they hold, then the share of the targets that are among them.
* *History*: interactions before a target, the mean over the test examples and in brackets the quartiles.
* *Density*: training interactions by the number of pairs of a user in training and an item that may be an answer.
* *Repeats*: share of the targets that stand in their own history.

## Cuts of the test examples

By these cuts the leaderboards tell what a row scores where a shortcut leads to the target and where none does. The
table gives the share of the test examples on the first side of each cut, for all tasks that have the same examples.

| Tasks | Split | Test examples | {{ cuts | map(attribute="yes") | join(" | ") }} |
| --- | --- | ---{% for cut in cuts %} | ---{% endfor %} |
{% for found in audit.sets %}
| {{ found.tasks | join(", ") }} | {{ found.split }} | {{ found.examples | count -}}
{% for cut in cuts %} | {{ found | yes(cut) | percent }}{% endfor %} |
{% endfor %}

{% for cut in cuts %}
* *{{ cut.yes }}*, else *{{ cut.no }}*: {{ cut.about }}.
{% endfor %}
"""

_DUPLICATES = """\
{% macro duplicates(found) %}
* {{ found.items | count }} items are compared{{ ", %d are left out" | format(found.left_out) if found.left_out }}.
* {{ found.exact | percent }} have an equal one, {{ found.near | percent }} a near-duplicate or an equal one.
* Groups of them, near-duplicates of near-duplicates in one: {{ found.groups | count -}}
{{ "; the largest:" if found.largest }}
{% for group in found.largest %}
  * {{ group.items }} items: {{ group.examples | map("code") | join(", ") -}}
  {{ ", …" if group.items > group.examples | length }}
{% endfor %}
{% endmacro %}
"""


def audit_page(audit: CorpusAudit) -> str:
    """The page of one audit, as markdown."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    environment.filters |= {
        "code": _code,
        "count": "{:,}".format,
        "numbers": _numbers,
        "percent": percent,
        "reach": _reach,
        "shares": _shares,
        "yes": _yes,
    }
    cuts = [cut for cut in CUTS if any(cut.name in found.masks for found in audit.sets)]
    first = generated("unimp-bench audit corpus")
    page = environment.from_string(_DUPLICATES + _TEMPLATE).render(
        generated=first, audit=audit, cuts=cuts, m=measures, banner=file_order_words(audit.order)
    )
    return page.rstrip() + "\n"


def file_order_words(order: FileOrder | None) -> str:
    """That the order of a corpus is that of a file, and what follows; empty where it is not, or nobody looked."""
    if order is None or not order.is_of_a_file:
        return ""
    share, expected = order.ascending, order.expected
    if order.descends:
        share, expected = 1 - share, 1 - expected
    return (
        f"{percent(share)} of the neighbouring interactions of a user {'de' if order.descends else 'a'}scend by item "
        f"id, where {percent(expected)} would without an artefact: what has no order of its own is sorted by id. "
        "A model that learns order predicts the file, and ranks too high here. Compare rows on both sides of the cut "
        "*with / against the file's order*, or with ties shuffled (view `ST`) where times are known."
    )


def percent(value: float | None) -> str:
    """A share as a reader wants it: small ones to one digit more, nothing for one that is not there."""
    if value is None:
        return "none"
    return f"{value:.1%}" if value >= 0.01 or not value else f"{value:.2%}"


def _reach(reach: Reach) -> str:
    return f"{percent(reach.share)} ({percent(reach.random_item)}, {percent(reach.random_interaction)})"


def _shares(spread: Spread) -> str:
    return f"{percent(spread.mean)} [{percent(spread.low)}, {percent(spread.median)}, {percent(spread.high)}]"


def _numbers(spread: Spread) -> str:
    return f"{spread.mean:,.1f} [{spread.low:,.0f}, {spread.median:,.0f}, {spread.high:,.0f}]"


def _yes(found: ExampleSet, cut: Cut) -> float | None:
    mask = found.mask(cut.name)
    return None if mask is None or not len(mask) else float(mask.mean())


def _code(name: str) -> str:
    """A name from outside, in which no markup is at work."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split()).replace("`", "'")
    return f"`{line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + '…'}`"
