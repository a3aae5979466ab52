from __future__ import annotations

import pytest

from liteship.conversion.data.samples import as_text, choose, listed, shortened


@pytest.mark.parametrize(("count", "samples"), [(0, 5), (5, 5), (4, 5), (5, None)])
def test_where_all_are_taken_nothing_is_chosen(count: int, samples: int | None) -> None:
    assert choose(count, samples, 7) is None


def test_a_choice_is_ascending_without_replacement_and_repeatable() -> None:
    seen: set[int] = set()
    for seed in range(40):
        chosen = choose(20, 5, seed)
        again = choose(20, 5, seed)
        assert chosen is not None
        assert again is not None
        indices = chosen.tolist()
        assert indices == again.tolist() == sorted(set(indices))
        assert len(indices) == 5
        seen |= set(indices)
    assert seen == set(range(20))


def test_long_lists_are_shortened() -> None:
    assert shortened(["a"] * 8) == ["a"] * 8
    assert shortened(["a"] * 9) == ["a"] * 8 + ["… and 1 more of the kind"]
    assert listed(range(3)) == "0, 1, 2"


def test_a_path_of_any_bytes_can_be_printed() -> None:
    assert as_text("a\udcff.png") == "a?.png"
