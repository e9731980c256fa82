"""Grid: every combination of the lists once, in the order of itertools.product."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import SPACES, problem

from tuner.domain.ranges import Categorical, Integer, SearchSpace
from tuner.strategies.base import Exhausted, StrategyError, Suggestion
from tuner.strategies.discrete import combination, ordinal_of
from tuner.strategies.grid import Grid

lists = st.lists(
    st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True), min_size=1, max_size=4
)


def space_of(value_lists: list[list[str]]) -> SearchSpace:
    return SearchSpace(
        tuple(Categorical(f"p{place}", tuple(items)) for place, items in enumerate(value_lists))
    )


@given(lists)
def test_goes_through_the_product_in_order_and_then_is_exhausted(
    value_lists: list[list[str]],
) -> None:
    task = problem(space_of(value_lists))
    expected = list(itertools.product(*value_lists))
    for index, combined in enumerate(expected):
        answer = Grid().suggest(task, (), 0, index)
        assert isinstance(answer, Suggestion)
        assert tuple(answer.values.values()) == combined
    assert isinstance(Grid().suggest(task, (), 0, len(expected)), Exhausted)


def test_a_continuous_range_is_refused_in_a_sentence() -> None:
    with pytest.raises(StrategyError, match="Grid cannot search continuous ranges"):
        Grid().suggest(problem("mixed"), (), 0, 0)


@given(st.integers(0, 10**300))
def test_the_number_of_a_configuration_leads_back_to_it(number: int) -> None:
    space = SearchSpace((Integer("n", -5, 10**200), Categorical("c", ("a", "b", "c"))))
    assert space.cardinality is not None
    ordinal = number % space.cardinality
    assert ordinal_of(space, combination(space, ordinal)) == ordinal


def test_a_continuous_space_has_no_numbers() -> None:
    with pytest.raises(TypeError, match="is continuous"):
        combination(SPACES["mixed"], 0)
