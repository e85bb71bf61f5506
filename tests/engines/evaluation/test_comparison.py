import pytest

from mnv2_engines.evaluation.classification import Proportion
from mnv2_engines.evaluation.comparison import PairedTally


def paired(engine_alone: int, reference_alone: int, both: int = 0) -> PairedTally:
    tally = PairedTally()
    for _ in range(engine_alone):
        tally.add(same=False, engine_right=True, reference_right=False)
    for _ in range(reference_alone):
        tally.add(same=False, engine_right=False, reference_right=True)
    for _ in range(both):
        tally.add(same=True, engine_right=True, reference_right=True)
    return tally


# scipy.stats.binomtest(min(a, b), a + b, 0.5).pvalue, which is the exact two-sided test of McNemar.
@pytest.mark.parametrize(
    ("engine_alone", "reference_alone", "chance"),
    [(0, 0, 1.0), (3, 3, 1.0), (0, 5, 0.0625), (5, 0, 0.0625), (2, 10, 0.03857421875), (200, 300, 8.940066542e-06)],
)
def test_how_likely_chance_is(engine_alone, reference_alone, chance):
    assert paired(engine_alone, reference_alone, both=50).chance == pytest.approx(chance, rel=1e-4)


def test_agreement_and_who_is_right_alone():
    tally = paired(1, 2, both=7)
    tally.add(same=False, engine_right=False, reference_right=False)
    assert tally.agreement == Proportion(7, 11)
    assert (tally.engine_alone_right, tally.reference_alone_right) == (1, 2)
