"""The page of a corpus audit as Markdown: numbers with their definitions and consequences for scores.

Depends on the audit alone; deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, StrictUndefined

from unimp_bench.markdown import generated
from unimp_bench.reports.audit.corpus import record
from unimp_bench.reports.audit.corpus.cuts import CUTS, HOPS, Cut
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet, FileOrder, Reach, Spread

_LONGEST_NAME = 80

_TEMPLATE = """\
{{ generated }}
# Audit of corpus {{ audit.name | code }}

{% for line in card %}
{{ line }}
{% endfor %}
{% if card %}
## Shortcuts

{% endif %}
{% if audit.synthetic %}
*Generated corpus, for tests and demonstrations: its numbers say nothing about real data.*

{% endif %}
Shortcuts to the test targets of corpus `{{ audit.fingerprint[:12] }}`, and leakage. The more shortcuts, the less a
score reflects personal preference. *Training* is the training part of the split (for `new-user` that of `loo`), a
*target* the item of a test example of recommendation.

| Split | Test examples | Candidate items | Training interactions |
| --- | --- | --- | --- |
{% for each in audit.splits %}
| {{ each.split }} | {{ each.examples | count }} | {{ each.catalogue | count }} | {{ each.training | count }} |
{% endfor %}

## One transition away

An edge connects two items that are consecutive in a training sequence. A table of edges, without text, pictures or
users, finds the targets along an edge from the last item of the history. In parentheses are shares expected by chance:
for targets drawn uniformly from the candidate items, then for targets drawn in proportion to training interactions. The
excess over the second measures the information in the order of items alone.

| Split | Along an edge | In either direction | Along one or two edges | Edges from the last item |
| --- | --- | --- | --- | --- |
{% for each in audit.splits %}
{% set found = each.transitions %}
| {{ each.split }} | {{ found.direct | reach }} | {{ found.undirected | reach }} | {{ found.two | reach -}}
{{ "" }} | {{ "%.1f" | format(found.out_degree) }} |
{% endfor %}

*Edges from the last item*: number of distinct successors, mean over test examples.

{% if audit.splits | map(attribute="logics") | select | list %}
## Memorisation and generalisation

What a target requires of a model, by the definitions of MemGen-GR (arXiv:2603.19809). *Memorised*: a training sequence
has the target directly after the last item of the history. Other targets are reachable by one logic or several from one
of the last h items of the history, through pairs of items within h positions of a training sequence; the columns give
the share of the targets by the smallest such h, the hop.
{% if audit.ties is not none %}

Where times tie the direction of a pair is arbitrary, and so is the difference between *memorised*, *substitutable* and
*symmetric*: {{ audit.ties.neighbours | percent }} of the neighbouring interactions are tied.
{% endif %}

| Split | Logic | {% for hop in range(1, hops + 1) %}{{ hop }} | {% endfor %}At any hop |
| --- | --- | {% for hop in range(hops) %}--- | {% endfor %}--- |
{% for each in audit.splits if each.logics is not none %}
| {{ each.split }} | memorised | {{ each.logics.memorised | percent }} | {% for hop in range(1, hops) %} | {% endfor -%}
{{ each.logics.memorised | percent }} |
{% for name, shares in each.logics.hops.items() %}
| {{ each.split }} | {{ names[name] }} | {% for share in shares %}{{ share | percent }} | {% endfor -%}
{{ shares | sum | percent }} |
{% endfor %}
| {{ each.split }} | none of these | {% for hop in range(hops) %} | {% endfor %}{{ each.logics.none | percent }} |
{% endfor %}

* *Substitutable*: the target follows the item in a training sequence.
* *Symmetric*: the item follows the target.
* *Transitive*: another item follows the item and is followed by the target.
* *Second-order symmetric*: item and target have a common successor or predecessor, or another item follows the target
  and is followed by the item.

{% endif %}
## Time ties
{% if audit.ties is none %}
This corpus has no timestamps, only the order of each user's interactions, so ties are unknown. File-order artefacts are
checked below.
{% else %}
Simultaneous interactions of a user have no order of their own: theirs is that of a hash of user and item or, with
`--ties file`, that of the raw file, which a model can learn. A target is tied if it has the timestamp of the last
interaction of its history.

* {{ audit.ties.neighbours | percent }} of the pairs of neighbouring interactions of a user have equal times.
* {{ audit.ties.users | percent }} of the users have such a pair.
* {{ audit.ties.whole_days | percent }} of the timestamps are midnights (UTC); if all are, the source has days only.
{% for each in audit.splits %}
* Split {{ each.split }}: {{ each.tied | percent }} of the targets are tied.
{% endfor %}
{% endif %}

## File-order artefacts
{% if audit.order is none %}
Unknown: this audit is from an earlier version, or no user has two different items.
{% else %}
{% set order = audit.order %}
{% if order.is_of_a_file %}
**File-order artefact.** {{ banner }}

{% endif %}
Files often sort simultaneous interactions of a user by item id. These checks need no timestamps: over all pairs of
neighbouring interactions of a user with two different items, the share whose second id is larger (ids compared as
{{ order.ids }}), and the share of item pairs with {{ m.FREQUENT }} occurrences or more in only one direction.

| Pairs | Number | Share | Expected |
| --- | --- | --- | --- |
| Ascending neighbours | {{ order.pairs | count }} | {{ order.ascending | percent -}}
{{ "" }} | {{ order.expected | percent }} |
| Ascending last pairs per user (test target) | | {{ order.last | percent }} | {{ order.expected | percent }} |
{% if order.tied is not none %}
| Ascending tied neighbours | | {{ order.tied | percent }} | 50.0% |
{% endif %}
{% if order.untied is not none %}
| Ascending untied neighbours | | {{ order.untied | percent }} | |
{% endif %}
| Frequent pairs in one direction only | {{ order.frequent | count }} | {{ order.one_way | percent -}}
{{ "" }} | {{ order.by_chance | percent }} |
| Ascending one-way pairs | | {{ order.one_way_ascending | percent }} | 50.0% |

{% if audit.ties is none %}
The expected share is a half, for ids independent of the order. Newer products have larger ids, so an excess of
a few percent is natural.
{% else %}
The expected share is that after shuffling ties. (Untied neighbours are the last item of one time and the first of the
next: if both times are sorted by id, they tend to descend.)
{% endif %}
A frequent pair with n occurrences has one direction by chance with probability 2 (1/2)^n; the expected share is the
mean over the frequent pairs. Parts of a series have one direction without an artefact, but ascend no more often than
they descend.
{% endif %}

## Leakage from the future
{% if audit.ties is none %}
This corpus has no timestamps, so interactions of different users cannot be ordered.
{% else %}
A split per user holds out the last interactions of each, whatever their time: training then contains interactions of
others after a target, unavailable in production. High shares favour models of temporal popularity and of item
transitions.

| Split | Later than the target | Early targets | Transitions from the future | Items from the future | Unseen items |
| --- | --- | --- | --- | --- | --- |
{% for each in audit.splits if each.leaks is not none %}
{% set found = each.leaks %}
| {{ each.split }} | {{ found.after | shares }} | {{ found.before_median | percent -}}
{{ "" }} | {{ found.transitions | percent }} | {{ found.items | percent }} | {{ found.unseen | percent }} |
{% endfor %}

* *Later than the target*: share of other users' training interactions later than a target, mean over the targets, with
  quartiles in brackets.
* *Early targets*: share of targets earlier than the median training interaction.
* *Transitions from the future*: share of targets along an edge whose transitions in training are all later than the
  target.
* *Items from the future*: share of targets whose training interactions are all later than the target.
* *Unseen items*: share of targets without training interaction.
{% endif %}

## Duplicates

{% if audit.titles is none and audit.pictures is none %}
The items of this corpus have neither titles nor pictures, so near-duplicates are unknown.
{% else %}
A near-duplicate of the target in the history lets a model find it by item similarity alone; and with a duplicate in
the catalogue, a model that predicts the other copy is counted as wrong.

**Titles.** {% if audit.titles is none %}
The items of this corpus have none.
{% else %}
Equal titles differ at most in case, punctuation and spaces. Near-duplicates have a cosine of {{ m.LIKE_TITLES }}
or more over TF-IDF weights of the character trigrams of their words, so a number, a size or a colour in a long
title does not distinguish items, and parts of a series count.

{{ duplicates(audit.titles) -}}
{% endif %}

**Pictures.** {% if audit.pictures is none %}
The items of this corpus have none.
{% else %}
Equal pictures agree in every pixel. Near-duplicates differ in at most {{ m.LIKE_BITS }} of the 64 bits of their
difference hash, and their colours by at most {{ "%g" | format(m.LIKE_COLOURS) }} of 255 in the mean over 8 x 8 points.
Blank pictures (a range below {{ m.BLANK_RANGE }} of 255 grey values over 9 x 8 points) and pictures shared by more
than {{ m.MOST_SHARING }} items are ignored, as they show no item.

{{ duplicates(audit.pictures) -}}
{% endif %}

Share of targets with a near-duplicate in the history:

| Split | By title | By picture | By either |
| --- | --- | --- | --- |
{% for each in audit.splits if each.copies is not none %}
{% set found = each.copies %}
| {{ each.split }} | {{ found.titles | percent }} | {{ found.pictures | percent }} | {{ found.either | percent }} |
{% endfor %}
{% endif %}

## Popularity and histories

A model that recommends popular items to every user finds the targets among the most popular items.

| Split | Gini | {% for top in m.TOPS %}Top {{ "{:.0%}".format(top) }} | {% endfor %}History | Density | Repeats |
| --- | --- | {% for top in m.TOPS %}--- | {% endfor %}--- | --- | --- |
{% for each in audit.splits %}
{% set found = each.skew %}
| {{ each.split }} | {{ "%.3f" | format(found.gini) }} | {% for top in found.tops -%}
{{ top.interactions | percent }}, {{ top.targets | percent }} | {% endfor -%}
{{ found.history | numbers }} | {{ found.density | percent }} | {{ found.repeats | percent }} |
{% endfor %}

* *Gini*: coefficient of the training interactions over the candidate items; 0 if uniform, near 1 if one item has all.
* *Top*: the candidate items with the most training interactions: their share of the training interactions, then of the
  targets.
* *History*: number of interactions before a target, mean over the test examples, with quartiles in brackets.
* *Density*: training interactions divided by the number of pairs of training user and candidate item.
* *Repeats*: share of targets in their own history.

## Cuts of the test examples

The leaderboards report scores on both sides of each cut, with and without a shortcut, and for each class of what a
target requires. The table gives the share of test examples on the first side or in the class, for all tasks with the
same examples.

| Tasks | Split | Test examples | {{ cuts | map(attribute="yes") | join(" | ") }} |
| --- | --- | ---{% for cut in cuts %} | ---{% endfor %} |
{% for found in audit.sets %}
| {{ found.tasks | join(", ") }} | {{ found.split }} | {{ found.examples | count -}}
{% for cut in cuts %} | {{ found | yes(cut) | percent }}{% endfor %} |
{% endfor %}

{% for cut in cuts %}
* *{{ cut.yes }}*{% if cut.no %}, else *{{ cut.no }}*{% endif %}: {{ cut.about }}.
{% endfor %}
"""

_DUPLICATES = """\
{% macro duplicates(found) %}
* {{ found.items | count }} items compared{{ ", %d ignored" | format(found.left_out) if found.left_out }}.
* {{ found.exact | percent }} have an equal one, {{ found.near | percent }} a near-duplicate or an equal one.
* Groups of them, near-duplicates of near-duplicates in one: {{ found.groups | count -}}
{{ "; the largest:" if found.largest }}
{% for group in found.largest %}
  * {{ group.items }} items: {{ group.examples | map("code") | join(", ") -}}
  {{ ", …" if group.items > group.examples | length }}
{% endfor %}
{% endmacro %}
"""


def audit_page(audit: CorpusAudit, card: Sequence[str] = ()) -> str:
    """The page of one audit, as Markdown; ``card`` are the lines of the corpus's data card."""
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
    head = generated("unimp-bench audit corpus")
    page = environment.from_string(_DUPLICATES + _TEMPLATE).render(
        generated=head,
        audit=audit,
        cuts=cuts,
        card=card,
        m=record,
        banner=file_order_words(audit.order),
        hops=HOPS,
        names={cut.name: cut.yes for cut in CUTS},
    )
    return page.rstrip() + "\n"


def file_order_words(order: FileOrder | None) -> str:
    """The warning of a file-order artefact and its consequences; empty without one and for earlier audits."""
    if order is None or not order.is_of_a_file:
        return ""
    share, expected = order.ascending, order.expected
    if order.descends:
        share, expected = 1 - share, 1 - expected
    return (
        f"{percent(share)} of the neighbouring interactions of a user {'de' if order.descends else 'a'}scend by item "
        f"id, {percent(expected)} expected without an artefact: simultaneous interactions are sorted by id. "
        "Models that learn the order rank too high here. Compare rows on both sides of the cut "
        "*with / against the file's order*, or with shuffled ties (view `ST`) if timestamps are known."
    )


def percent(value: float | None) -> str:
    """A share with one decimal, below 1% with two; ``none`` if it is unknown."""
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
    """An untrusted name as code, so that its markup has no effect."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split()).replace("`", "'")
    return f"`{line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + '…'}`"
