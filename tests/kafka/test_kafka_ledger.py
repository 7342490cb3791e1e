"""The book of one partition, without a broker."""

from __future__ import annotations

import itertools

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.queues.kafka_letters import KafkaLetter, Ledger


def letter(offset: int) -> KafkaLetter:
    message = Message(topic="t", partition=0, offset=offset, value=b"v")
    return KafkaLetter(message, may_be_repeated=False, reject=lambda *_: None)


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=40), st.randoms())
def test_the_position_is_behind_the_letters_that_are_done_without_a_gap(offsets: list[int], random):
    """Offsets may have gaps, and letters are acknowledged in any order."""
    letters = [letter(offset) for offset in sorted(offsets)]
    ledger = Ledger(0)
    for each in letters:
        ledger.add(each)
    order = list(letters)
    random.shuffle(order)
    for done in order:
        done.acknowledge()
        ledger.settle()
        done_first = list(itertools.takewhile(lambda each: each.is_done, letters))
        assert ledger.position == (done_first[-1].offset + 1 if done_first else letters[0].offset)


def test_what_is_withdrawn_moves_nothing():
    ledger = Ledger(0)
    taken, untaken = letter(5), letter(6)
    taken.is_taken = True
    ledger.add(taken)
    ledger.add(untaken)
    assert ledger.awaits
    ledger.withdraw(is_all=False)
    assert (taken.is_withdrawn, untaken.is_withdrawn) == (False, True)
    ledger.withdraw()
    assert taken.is_withdrawn
    taken.acknowledge()
    ledger.settle()
    assert ledger.position == 5
    assert ledger.is_told
    assert ledger.news(0.0) is None


def test_the_broker_is_told_until_it_says_that_it_knows():
    ledger = Ledger(0)
    only = letter(5)
    ledger.add(only)
    only.acknowledge()
    ledger.settle()
    assert not ledger.is_told
    assert [ledger.news(now) for now in (100.0, 100.5, 102.5, 103.0)] == [6, None, 6, None]
    ledger.confirmed = 6
    assert ledger.is_told
    assert ledger.news(200.0) is None


def test_what_comes_after_the_assignment_is_new():
    ledger = Ledger(0)
    assert ledger.may_be_repeated(7)
    ledger.ends_at(7)
    ledger.ends_at(9)
    assert ledger.may_be_repeated(6)
    assert not ledger.may_be_repeated(7)


def test_the_lag_is_known_when_both_ends_are():
    ledger = Ledger(0)
    ledger.ends_at(10)
    assert ledger.lag is None
    ledger.starts_at(4)
    assert ledger.lag == 6
    ledger.starts_at(9)
    assert ledger.lag == 6
