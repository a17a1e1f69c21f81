"""What a matrix product moves between DRAM, SRAM and the array, and what that makes of its cycles."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from .cycles import Array, Cycles, ceil_div, check_counts, chunks_of

OPERANDS = ("a", "b", "y")


@dataclass(frozen=True, kw_only=True)
class Buffers:
    """SRAM beside the array, bytes: weights (the second operand), activations (the first), outputs."""

    weights: int
    activations: int
    outputs: int

    def __post_init__(self) -> None:
        """Raise ValueError without room."""
        check_counts("buffers", weights=self.weights, activations=self.activations, outputs=self.outputs)


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits an element: first operand, second operand, result as it leaves for memory, partial sum."""

    a: int
    b: int
    y: int
    acc: int = 32

    def __post_init__(self) -> None:
        """Raise ValueError without bits."""
        check_counts("widths", a=self.a, b=self.b, y=self.y, acc=self.acc)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bits that a matrix product moves.

    Args:
        dram_read, dram_write: between DRAM and SRAM.
        sram_read: to the array and to DRAM.
        sram_write: from the array and from DRAM.
        a_sram, b_sram: of both together, what passes the SRAM of activations and of weights; the rest passes outputs'.
        first: of `dram_read`, what must be there before the first tile can begin.
        order: ``weights kept`` (a block of weights stays, activations pass), ``activations kept``, or ``nothing kept``.
        a_reads, b_reads: how often each operand is read from DRAM; 0 where it is in SRAM already.
    """

    dram_read: int
    dram_write: int
    sram_read: int
    sram_write: int
    a_sram: int
    b_sram: int
    first: int
    order: str
    a_reads: int
    b_reads: int

    @property
    def dram(self) -> int:
        """Bits between DRAM and SRAM, both ways."""
        return self.dram_read + self.dram_write

    @property
    def y_sram(self) -> int:
        """Bits that pass the SRAM of outputs."""
        return self.sram_read + self.sram_write - self.a_sram - self.b_sram


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Cycles with a memory of limited bandwidth: ``cycles = fill + max(compute, memory)``.

    Args:
        fill: until the first tile's operands are there.
        compute: of the array.
        memory: of all other traffic, which double buffering overlaps with `compute`.
    """

    fill: int
    compute: int
    memory: int

    @property
    def cycles(self) -> int:
        """Of both together."""
        return self.fill + max(self.compute, self.memory)

    @property
    def bound(self) -> str:
        """``compute`` or ``memory``: which of both takes longer."""
        return "memory" if self.memory > self.compute else "compute"


def matmul_traffic(
    array: Array,
    buffers: Buffers,
    widths: Widths,
    m: int,
    k: int,
    n: int,
    batch: int = 1,
    on_chip: Collection[str] = (),
) -> Traffic:
    """Bits moved by ``(m, k) @ (k, n)``, in the loop order that reads less DRAM.

    DRAM: a block of one operand, whole sums long, stays in half of its SRAM (the other half takes the next block) while
    the other operand passes, once a block; so with weights kept, ``b_reads = 1`` and ``a_reads = ceil(n / columns
    kept)``, with activations kept ``a_reads = 1`` and ``b_reads = ceil(m / rows kept)``. Blocks are whole tiles of
    the result. An operand that fits its SRAM whole is read once. Where not even one tile's operand fits, it is read
    again for each tile. Results are written once: partial sums never leave the chip.

    SRAM: the array reads activations once for each tile beside them, ``ceil(n / C)`` times. It reads weights once where
    its own store holds a whole sum (`Array.depth`) or it is weight stationary, else once for each tile of rows. Weight
    stationary writes ``ceil(k / R / L)`` partial sums an element and reads all but the last again.

    Args:
        array: the hardware.
        buffers: its SRAM.
        widths: bits an element.
        m: rows, as in `matmul_cycles`.
        k: length of a sum.
        n: columns.
        batch: products of these sizes.
        on_chip: operands (``a``, ``b``, ``y``) that are in their SRAM before, or stay there after; they must fit.

    Raises:
        ValueError: sizes that are no positive integers; buffers that do not hold two words of the array's edge, or what
            should be on chip, or (weight stationary) the partial sums of `m` rows.
    """
    check_counts("matmul", m=m, k=k, n=n, batch=batch)
    sizes = {"a": m * k * widths.a, "b": k * n * widths.b, "y": m * n * widths.y}
    rooms = {"a": buffers.activations * 8, "b": buffers.weights * 8, "y": buffers.outputs * 8}
    _check_rooms(array, widths, m, rooms)
    _check_on_chip(on_chip, {name: batch * bits for name, bits in sizes.items()}, rooms)
    order, reads = _order(array, (m, n), sizes, rooms, on_chip)
    fetched = {name: batch * reads[name] * sizes[name] for name in reads}
    from_dram = sum(fetched.values())
    to_dram = 0 if "y" in on_chip else batch * sizes["y"]
    activations, weights, partial = _of_array(array, widths, (m, k, n), reads["b"])
    tile = {"a": min(array.rows, m) * k * widths.a, "b": min(array.columns, n) * k * widths.b}
    return Traffic(
        dram_read=from_dram, dram_write=to_dram, sram_read=batch * (activations + weights + partial) + to_dram,
        sram_write=batch * (partial + sizes["y"]) + from_dram, a_sram=batch * activations + fetched["a"],
        b_sram=batch * weights + fetched["b"], first=sum(tile[name] for name in tile if reads[name]), order=order,
        a_reads=reads["a"], b_reads=reads["b"],
    )  # fmt: skip


def _check_rooms(array: Array, widths: Widths, m: int, rooms: dict[str, int]) -> None:
    """ValueError unless buffers hold two words of the array's edges, and partial sums that leave a weight array."""
    words = "two words of the array"
    least = {
        "activations": (rooms["a"], 2 * array.rows * array.lanes * widths.a, words),
        "weights": (rooms["b"], 2 * array.columns * array.lanes * widths.b, words),
        "outputs": (rooms["y"], 2 * array.columns * widths.y, words),
    }
    if array.dataflow == "weight":
        least["outputs"] = (rooms["y"], m * array.columns * widths.acc, f"{m} rows of partial sums")
    for name, (room, bits, what) in least.items():
        if room < bits:
            raise ValueError(f"buffers: {name} of {room // 8} bytes cannot hold {what}, {ceil_div(bits, 8)} bytes")


def _check_on_chip(on_chip: Collection[str], sizes: dict[str, int], rooms: dict[str, int]) -> None:
    """ValueError for what is no operand, or does not fit."""
    for name in on_chip:
        if name not in OPERANDS:
            raise ValueError(f"matmul: on_chip {name!r} is no operand: use {', '.join(OPERANDS)}")
        if sizes[name] > rooms[name]:
            both = f"{ceil_div(sizes[name], 8)} bytes in {rooms[name] // 8}"
            raise ValueError(f"matmul: operand {name} cannot be on chip, {both}")


def _order(
    array: Array, counts: tuple[int, int], sizes: dict[str, int], rooms: dict[str, int], on_chip: Collection[str]
) -> tuple[str, dict[str, int]]:
    """The loop order that reads less, and how often it reads each operand."""
    m, n = counts
    blocks = {
        "a": _blocks(m, array.rows, sizes["a"] // m, rooms["a"]),
        "b": _blocks(n, array.columns, sizes["b"] // n, rooms["b"]),
    }
    orders = {"nothing kept": {"a": ceil_div(n, array.columns), "b": ceil_div(m, array.rows)}}
    for order, kept, passing in (("activations kept", "a", "b"), ("weights kept", "b", "a")):
        if times := blocks[kept]:
            orders[order] = {kept: 1, passing: times}
    for reads in orders.values():
        reads |= {name: 0 for name in reads if name in on_chip}
    return min(reversed(orders.items()), key=lambda item: sum(item[1][name] * sizes[name] for name in item[1]))


def _blocks(count: int, tile: int, bits: int, room: int) -> int:
    """In how many blocks an operand of `count` rows or columns of `bits` passes its SRAM; 0 where no tile fits."""
    if count * bits <= room:
        return 1
    kept = room // 2 // bits // tile * tile
    return ceil_div(count, kept) if kept else 0


def _of_array(array: Array, widths: Widths, size: tuple[int, int, int], b_reads: int) -> tuple[int, int, int]:
    """Bits of activations, weights and partial sums that the array reads from SRAM; it writes the last back."""
    m, k, n = size
    activations = ceil_div(n, array.columns) * m * k * widths.a
    stored = array.depth is not None and chunks_of(array, k)[0] == 1
    times = max(b_reads, 1) if stored or array.dataflow == "weight" else ceil_div(m, array.rows)
    passes = ceil_div(k, array.rows * array.lanes) if array.dataflow == "weight" else 1
    return activations, times * k * n * widths.b, (passes - 1) * m * n * widths.acc


def roofline(cycles: Cycles, traffic: Traffic, bandwidth: float) -> Latency:
    """Cycles with a DRAM of `bandwidth` bits a cycle: the first fill, then the longer of compute and memory.

    Double buffering overlaps everything but the first fill: ``latency = ceil(first / bandwidth) + max(total,
    ceil((read + write - first) / bandwidth))``. No other stalls are counted.

    Raises:
        ValueError: a bandwidth that is not above 0.
    """
    if not bandwidth > 0 or math.isinf(bandwidth):
        raise ValueError(f"roofline: bandwidth {bandwidth!r} must be above 0 bits a cycle, and finite")
    rest = traffic.dram_read + traffic.dram_write - traffic.first
    fill, memory = (math.ceil(bits / bandwidth) for bits in (traffic.first, rest))
    return Latency(fill=fill, compute=cycles.total, memory=memory)
