"""How many cycles a matrix product takes on an array of multiply-accumulate units, and an element-wise op on lanes.

The output-stationary formula is that of `codegen.rtl.SystolicTile` and equals its simulation exactly. What memory
makes of it is in `hwsim.costs.traffic`.
"""

from __future__ import annotations

from dataclasses import dataclass

DATAFLOWS = ("output", "weight")


@dataclass(frozen=True, kw_only=True)
class Array:
    """Processing elements in a grid.

    Args:
        rows, columns: of the grid.
        dataflow: ``output``: each element keeps one sum of the result; ``weight``: each keeps one weight (`lanes` of
            them), and partial sums move down.
        lanes: products that an element adds a cycle.
        depth: ``output``: steps of weights (`lanes` of them a column) that each of the two banks of the weight store
            holds; None is as many as any sum has.
    """

    rows: int
    columns: int
    dataflow: str = "output"
    lanes: int = 1
    depth: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an array that cannot be."""
        check_counts("array", rows=self.rows, columns=self.columns, lanes=self.lanes)
        if self.dataflow not in DATAFLOWS:
            raise ValueError(f"array: dataflow {self.dataflow!r} is unknown: use {', '.join(DATAFLOWS)}")
        if self.depth is not None:
            check_counts("array", depth=self.depth)
            if self.dataflow == "weight":
                raise ValueError(f"array: depth {self.depth} with dataflow 'weight', whose elements hold the weights")

    @property
    def macs(self) -> int:
        """Products a cycle at best."""
        return self.rows * self.columns * self.lanes


@dataclass(frozen=True, kw_only=True)
class Simd:
    """Units beside each other, `lanes` elements a cycle."""

    lanes: int

    def __post_init__(self) -> None:
        """Raise ValueError without a lane."""
        check_counts("simd", lanes=self.lanes)

    def cycles(self, elements: int) -> int:
        """``ceil(elements / lanes)``: one pass over `elements`."""
        if type(elements) is not int or elements < 0:
            raise ValueError(f"simd: elements {elements!r} must be an integer >= 0")
        return ceil_div(elements, self.lanes)


@dataclass(frozen=True, kw_only=True)
class Cycles:
    """Where the cycles of a matrix product go: ``total = load + compute + fill + drain``.

    Args:
        load: until the first weights are there; all later loads are hidden.
        compute: `tiles` times `interval`.
        fill: from the last operands at the edge of the array to the first results that they finish.
        drain: until the last results are out.
        tiles: pieces of the result (``output``) or of the weights (``weight``).
        chunks: parts of a sum, each of which fits the weight store; 1 with ``weight``.
        interval: cycles from one tile to the next.
        products: that were asked for, padding not counted.
        macs: products a cycle at best.
    """

    load: int
    compute: int
    fill: int
    drain: int
    tiles: int
    chunks: int
    interval: int
    products: int
    macs: int

    @property
    def total(self) -> int:
        """From the first word of weights to the last results, both included."""
        return self.load + self.compute + self.fill + self.drain

    @property
    def utilisation(self) -> float:
        """``products / (total * macs)``."""
        return self.products / (self.total * self.macs)


def matmul_cycles(array: Array, m: int, k: int, n: int, batch: int = 1) -> Cycles:
    """Cycles of ``(m, k) @ (k, n)``, with R rows, C columns and L lanes.

    Output stationary, as in `codegen.rtl.SystolicTile`: ``s = ceil(k / L)`` steps are cut into
    ``chunks = ceil(s / depth)`` of ``q = ceil(s / chunks)``, the last one padded with products of 0:

        total = q + tiles * max(chunks * q, R) + (R + C) + R,   tiles = batch * ceil(m / R) * ceil(n / C)

    q: words of the first weights; later ones load while the other bank is read. A tile leaves no earlier than R cycles
    after the one before it, because one row of results leaves a cycle. R + C: a register at the edge, R + C - 2 of
    skew, and the token that closes the last sum. A sum that is longer than the store goes on in the next chunk; nothing
    is added outside the array.

    Weight stationary: R * L of k by C of n are in the array, the next ones load beside them, a row of elements a
    cycle. Rows of m stream; partial sums of the ``ceil(k / (R * L))`` tiles are added below the array as they leave it:

        total = R + tiles * max(m, R) + (R + C),   tiles = batch * ceil(k / (R * L)) * ceil(n / C)

    The last tile counts as long as the others, so where m < R the last results are out R - m cycles before.

    Args:
        array: the hardware.
        m: rows.
        k: length of a sum.
        n: columns.
        batch: products of these sizes that follow each other, each with its own weights; rows that share weights
            belong to `m`.

    Raises:
        ValueError: sizes that are no positive integers.
    """
    check_counts("matmul", m=m, k=k, n=n, batch=batch)
    r, c = array.rows, array.columns
    if array.dataflow == "weight":
        load, chunks, interval, drain = r, 1, max(m, r), 0
        tiles = batch * ceil_div(k, r * array.lanes) * ceil_div(n, c)
    else:
        chunks, load = chunks_of(array, k)
        interval, drain = max(chunks * load, r), r
        tiles = batch * ceil_div(m, r) * ceil_div(n, c)
    return Cycles(
        load=load, compute=tiles * interval, fill=r + c, drain=drain, tiles=tiles, chunks=chunks, interval=interval,
        products=batch * m * k * n, macs=array.macs,
    )  # fmt: skip


def chunks_of(array: Array, k: int) -> tuple[int, int]:
    """In how many chunks a sum of `k` products is computed, output stationary, and the steps of each."""
    steps = ceil_div(k, array.lanes)
    chunks = ceil_div(steps, array.depth or steps)
    return chunks, ceil_div(steps, chunks)


def ceil_div(a: int, b: int) -> int:
    """``ceil(a / b)``."""
    return -(-a // b)


def check_counts(what: str, **counts: int) -> None:
    """ValueError unless all are integers of at least 1."""
    for name, value in counts.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{what}: {name} {value!r} must be an integer >= 1")
