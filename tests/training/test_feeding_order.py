"""Which records a host gets in an epoch, and in what order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuner.training.feeding import order

counts, shards = st.integers(0, 50), st.integers(1, 7)
seeds = st.none() | st.integers(0, 1 << 64)


@given(count=counts, seed=seeds, epoch=st.integers(0, 9), hosts=shards)
def test_all_hosts_together_get_every_record_once(
    count: int, seed: int | None, epoch: int, hosts: int
) -> None:
    dealt = [order(count, seed, epoch, host, hosts) for host in range(hosts)]
    assert sorted(number for hand in dealt for number in hand) == list(range(count))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@given(count=counts, seed=seeds, epoch=st.integers(0, 9))
def test_the_order_depends_on_seed_and_epoch_alone(
    count: int, seed: int | None, epoch: int
) -> None:
    assert list(order(count, seed, epoch, 0, 1)) == list(order(count, seed, epoch, 0, 1))


def test_without_a_seed_the_order_stays() -> None:
    assert list(order(5, None, 3, 0, 1)) == [0, 1, 2, 3, 4]
    assert list(order(5, None, 3, 1, 2)) == [1, 3]


def test_shuffled_records_change_hosts_from_epoch_to_epoch() -> None:
    hands = {frozenset(order(20, 7, epoch, 0, 2)) for epoch in range(5)}
    assert len(hands) == 5


def test_an_order_once_drawn_is_that_of_every_later_version() -> None:
    assert list(order(6, 1, 0, 0, 1)) == [2, 1, 4, 5, 3, 0]
    assert list(order(6, 1, 1, 0, 1)) == [5, 1, 3, 0, 2, 4]
