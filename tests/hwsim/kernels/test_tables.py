"""Tables in vector registers against plain indexing, here and compiled for CPUs that have less."""

from itertools import product

import numpy as np
import pytest

from hwsim.kernels.tables import ENTRIES, look_up_small, small
from tests.hwsim.kernels.test_rowwise import FEATURES, elsewhere

KINDS = (np.int8, np.int16, np.int32)
SIZES = (1, 2, 63, 64, 65, 127, 128, 129, 255, 256)


def agrees():
    """Every index of tables of all sizes, of numbers with and without a sign, before and after any numbers."""
    rng = np.random.default_rng(0)
    for size in SIZES:
        for least, span in ((0, 65535), (-32768, 65535), (-511, 17000), (7, 0), (2**31 - 1 - 65535, 65535)):
            results = rng.integers(least, least + span, size, endpoint=True)
            results[:1], results[-1:] = least + span, least
            entries, add = small(results)
            for first, n in ((-128, 256), (0, 1), (256, 31), (-(2**31), 33), (2**31 - 256, 95)):
                index = np.concatenate([np.arange(size), rng.integers(0, size, 256)])[:n]
                x = (first + index).astype(np.int32)
                strange = rng.random(n) < 0.1  # the filling of rows may be any number
                x[strange] = rng.integers(-(2**31), 2**31, n)[strange]
                for source, target in product((0, 2), (0, 1, 2)):
                    given, y = x.astype(KINDS[source]), np.full(n + 8, 77, KINDS[target])
                    ends = (given.ctypes.data, n, entries.ctypes.data, first, add, source, target)
                    look_up_small(y.ctypes.data, *ends)
                    assert (y[:n] == results[index].astype(KINDS[target]))[~strange].all()
                    assert (y[n:] == 77).all()


def test_every_entry():
    agrees()


@pytest.mark.parametrize("features", FEATURES)
def test_cpus_without_the_permutation(features, tmp_path):
    elsewhere("from tests.hwsim.kernels.test_tables import agrees; agrees()", features, tmp_path)


def test_what_is_no_small_table():
    assert small(np.zeros(ENTRIES + 1, int)) is None
    assert small(np.array([-1, 65535])) is None
    assert small(np.array([-1, 65534]))[1] == -1
