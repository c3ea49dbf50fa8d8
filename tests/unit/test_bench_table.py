from __future__ import annotations

from tests.bench.table import Table, quantile


def test_columns_of_a_table_stand_below_each_other() -> None:
    table = Table("title", ("name", "value"))
    table.add("a longer name", "1")
    lines = str(table).splitlines()
    assert lines[2] == "name           value"
    assert lines[4] == "a longer name      1"


def test_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3.0
