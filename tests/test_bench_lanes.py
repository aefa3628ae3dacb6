import pytest

from models.bench.lanes import stat_latency
from models.bench.soak import soak
from models.engine import Engine
from tests.engines import Gate, passage


def test_stat_is_measured_in_batches_of_the_same_run(engine: Engine) -> None:
    seen = stat_latency(engine, [passage(20)], [passage(n, n) for n in range(20, 60)], count=20)
    assert seen.passages == 20
    assert 0 < seen.p50_ms <= seen.p99_ms
    assert seen.p99_batches == pytest.approx(seen.p99_ms / seen.batch_ms)
    assert seen.batch_ms == pytest.approx(1e3 * engine.budget * engine.readers / seen.tokens_per_second)


def test_a_flood_keeps_the_engine_full_and_ends(engine: Engine) -> None:
    gate = Gate(engine)
    gate.open.set()
    stat_latency(engine, [passage(20)], [passage(28)], count=10)
    engine.submit([passage(1)], "backfill").result(60)
    engine.forward = gate.inner
    full = [batch for batch in gate.batches if sum(batch) + 2 * len(batch) >= engine.budget * 0.97]
    assert len(full) > 0.8 * len(gate.batches)
    assert gate.batches[-1][-1] == 1


def test_memory_is_told_at_each_point(engine: Engine) -> None:
    told: list[tuple[int, float]] = []
    seen = soak(engine, [passage(n % 9) for n in range(100)], 2000, 10, lambda *point: told.append(point))
    assert [done for done, _ in told] == list(range(200, 2001, 200))
    assert [megabytes for _, megabytes in told] == seen.megabytes
    assert seen.grown == seen.megabytes[-1] - seen.megabytes[1]
    assert (seen.passages, seen.faults) == (2000, 0)
