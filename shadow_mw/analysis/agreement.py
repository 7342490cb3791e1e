"""Agreement: how often the predictions agree, with intervals for one look and for any number of looks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shadow_mw.analysis.account import Account
from shadow_mw.questions.verdicts import Verdicts
from shadow_mw.stats import Estimate, Ratio, ratio
from shadow_mw.stats.sequence import confidence_sequence


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Agreement on one route, or on all. Immutable."""

    route: str
    """Empty for all routes together."""
    agree: int
    disagree: int
    incomparable: int
    share: Ratio
    """agree / (agree + disagree) with its Wilson interval: right for one look at the end."""
    always: Estimate
    """The same share with its confidence sequence: right however often one looks."""
    conservative: Ratio
    """agree / (agree + disagree + incomparable + what the shadow failed on), with its Wilson interval."""
    items: Ratio
    """Agreement of single predictions, where a response holds a batch of them."""


def agreement(route: str, verdicts: Sequence[Verdicts], books: Account, confidence: float) -> Agreement:
    """Agreement over the verdicts of one or more routes; what the shadow failed on comes from the books."""
    agree, disagree, incomparable, items, items_agree = (
        sum(getattr(row, name) for row in verdicts)
        for name in ("agree", "disagree", "incomparable", "items", "items_agree")
    )
    judged = agree + disagree
    low, high = confidence_sequence(agree, judged, confidence)
    share = ratio(agree, judged, confidence)
    return Agreement(
        route=route,
        agree=agree,
        disagree=disagree,
        incomparable=incomparable,
        share=share,
        always=Estimate(value=share.rate, low=low, high=high, n=judged),
        conservative=ratio(agree, judged + incomparable + books.failed, confidence),
        items=ratio(items_agree, items, confidence),
    )
