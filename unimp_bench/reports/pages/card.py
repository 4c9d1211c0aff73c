"""The data card of a published corpus: sources, terms, counts, what is missing, order, and how to build it."""

from __future__ import annotations

from typing import Any

from unimp_bench.markdown import plain, table_head, table_row

_DIGITS = 12


def card_markdown(public: Any) -> list[str]:
    """The section of a corpus that public files give.

    Args:
        public: its entry of ``registry.public_corpora``.
    """
    lines = ["## Data card", "", f"{plain(public.about)}. Terms: {plain(public.terms)}.", ""]
    lines += ["```sh", public.command, "```", ""]
    facts = {
        "Counts": f"{public.users:,} users, {public.items:,} items, {public.interactions:,} interactions",
        "Order": plain(public.order),
        "Ties": "by the order of the file" if public.ties == "file" else "by a hash of user and item",
        "Missing": plain(public.missing),
        "Cite": "; ".join(map(plain, public.cite)),
    }
    lines += [f"* {name}: {text}" for name, text in facts.items() if text]
    lines += ["", *table_head(("File", "Gives", "Address", "SHA-256"))]
    for file in public.files:
        address = f"[{file.urls[0].split('/')[2]}]({file.urls[0]})" if file.urls else plain(file.obtain) or "none"
        digest = f"`{file.sha256[:_DIGITS]}`" if file.sha256 else "not known"
        lines.append(table_row((f"`{file.name}`", plain(file.gives), address, digest)))
    lines += ["", *table_head(("Part", "Fingerprint", "A build from these files", "Content"))]
    for part in public.parts:
        same = "has it" if part.same else "differs"
        lines.append(table_row((part.part, f"`{part.fingerprint[:_DIGITS]}`", same, plain(part.about))))
    return [*lines, ""]
