from pathlib import Path

from models.bench.engine_cost import engine_cost
from tests.checkpoints import tiny
from tests.engines import passage


def test_the_engine_s_own_cost_is_measured_without_its_trunk(tmp_path: Path) -> None:
    cost = engine_cost(tiny(tmp_path), [passage(20), passage(50)], per_request=4, count=64)
    assert cost.passages_per_request == 4
    assert cost.tags_per_second > 0
    assert cost.read_per_second > 0
    assert 0 < cost.microseconds < 1e5
