"""Where registers lie: no two that are needed at once share memory, but for results written over operands."""

import numpy as np
import pytest

from hwsim.kernels import machine
from hwsim.kernels.program import Program, Register, in_bytes


def lives(program):
    """(first, last) instruction of each register."""
    made = {}
    for i, instruction in enumerate(program.instructions):
        for a in instruction:
            if isinstance(a, Register):
                made[a] = (made.get(a, (i, i))[0], i)
    return made


def places(program):
    """(begin, end) of each register in the scratch memory, and how much there is."""
    placed = program.placed()
    found = {}
    for i, instruction in enumerate(program.instructions):
        for j, a in enumerate(instruction):
            if isinstance(a, Register):
                at = int(placed.code[i, j])
                found[a] = (at, at + a.row_bytes * placed.block)
    return found, placed


def random_program(seed):
    rng, p = np.random.default_rng(seed), Program()
    alive = [Register(int(rng.choice([1, 16, 48]))) for _ in range(3)]
    for r in alive:
        p.emit(machine.LOAD, r)
    for _ in range(20):
        x, b = (alive[i] for i in rng.integers(len(alive), size=2))
        number = int(rng.choice([machine.ADD, machine.MULTIPLY, machine.LOOK_UP_SMALL, machine.SCALE, machine.REDUCE]))
        made = Register(1 if number == machine.REDUCE else x.width)
        if number == machine.LOOK_UP_SMALL:
            p.emit(number, made, x, 0, 0, 0, 0, *rng.choice([0, 2], 2).tolist())
        elif number == machine.SCALE:
            p.emit(number, made, x, 0, 0, 0, 0, 0, int(rng.choice([0, 2])))
        else:
            p.emit(number, made, x, b)
        alive = [*alive, made][-5:] if rng.random() < 0.7 else [*alive, made]
    for r in alive:
        p.emit(machine.STORE, r)
    return p


@pytest.mark.parametrize("seed", range(200))
def test_registers_that_are_needed_at_once_lie_apart(seed):
    p = random_program(seed)
    when, (where, placed) = lives(p), places(p)
    for a, (lo, hi) in where.items():
        assert lo % 64 == 0
        assert hi <= placed.size
        for b in where:
            at_once = when[a][0] <= when[b][1] and when[b][0] <= when[a][1]
            apart = hi <= where[b][0] or where[b][1] <= lo
            if a is b or not at_once or apart:
                continue
            first, second = sorted((a, b), key=lambda r: when[r][0])
            instruction = p.instructions[when[second][0]]
            assert when[first][1] == when[second][0]  # read for the last time where the other one is made
            assert where[a] == where[b]
            assert instruction[0] in machine.IN_PLACE
            assert all(instruction[field] == machine.WORDS for field in machine.IN_PLACE[instruction[0]])


def chain(number, *fields, width=48):
    """What reads each time what was made before."""
    p, x = Program(), Register(width)
    p.emit(machine.LOAD, x)
    for _ in range(5):
        made = Register(width)
        p.emit(number, made, x, *fields)
        x = made
    p.emit(machine.STORE, x)
    return {where for where, _ in places(p)[0].values()}


def test_a_chain_needs_one_register():
    words = machine.WORDS
    assert chain(machine.ADD) == chain(machine.SELECT) == chain(machine.AFFINE) == {0}
    assert chain(machine.LOOK_UP_SMALL, 0, 0, 0, 0, words, words) == {0}
    assert len(chain(machine.LOOK_UP_SMALL, 0, 0, 0, 0, 0, words)) == 2  # bytes are read behind what is written
    assert chain(machine.SCALE, 0, 0, 0, 0, 0, words) == {0}
    assert len(chain(machine.SCALE, 0, 0, 0, 0, 0, 0)) == 2
    assert len(chain(machine.LOOK_UP)) == 2  # its loop is no vectors when both may be one
    assert len(chain(machine.ADD, width=1)) == 2


def test_a_number_a_row_is_not_written_over():
    """A row that is written lies where numbers of later rows are still to be read."""
    p, x, one = Program(), Register(16), Register(1)
    p.emit(machine.LOAD, x)
    p.emit(machine.REDUCE, one, x)
    made = Register(16)
    p.emit(machine.ADD, made, x, one)
    p.emit(machine.STORE, made)
    where, _ = places(p)
    assert where[made] == where[x] != where[one]


def test_bytes_take_a_quarter():
    assert [in_bytes(Register(width)).pitch for width in (1, 16, 64, 128, 384)] == [16, 16, 16, 32, 96]
