"""A piece of hardware that models are costed on: arrays, vector units, memories, clock; read from TOML, strictly."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..blockformats import BlockFormat, block_format_named
from ..formats import Format
from .cycles import Array, check_counts
from .families import checked_parameters, family_named, operand_format
from .traffic import Buffers

NUMBERS = ("codes", "float")
FLOATS = {"fp32": 32, "fp16": 16, "bf16": 16}
VECTOR = {
    "codes": ("requant", "pwl", "lut", "add", "multiply", "reduce", "normalize"),
    "float": ("float_mac", "float_pwl"),
}
TABLES = ("pwl", "lut", "float_pwl")
ACC = 32  # bits of a block array's and of a float array's accumulator


@dataclass(frozen=True, kw_only=True)
class MatrixUnit:
    """A systolic array and what its elements multiply: integers or small floats, blocks, or floats.

    Args:
        name: of this array.
        rows, columns: elements.
        dataflow: as of `Array`.
        lanes: products of an element a cycle.
        a, b: formats of activations and weights, with `accumulator` bits; or
        block: a block format of both; or
        floating: ``fp32``, ``fp16``, ``bf16``.
    """

    name: str
    rows: int
    columns: int
    dataflow: str = "output"
    lanes: int = 1
    a: str = ""
    b: str = ""
    accumulator: int = ACC
    block: str = ""
    floating: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no array, or has not exactly one kind of numbers."""
        where = f"array {self.name!r}"
        check_counts(where, accumulator=self.accumulator)
        if bool(self.a) != bool(self.b) or [bool(self.a), bool(self.block), bool(self.floating)].count(True) != 1:
            raise ValueError(f"{where}: give a and b, or block, or float: one of the three")
        if self.floating and self.floating not in FLOATS:
            raise ValueError(f"{where}: float {self.floating!r} is unknown: use one of {', '.join(FLOATS)}")
        if not self.a and self.accumulator != ACC:
            raise ValueError(f"{where}: accumulator {self.accumulator} of blocks or floats; theirs have {ACC} bits")
        if self.floating and self.lanes != 1:
            raise ValueError(f"{where}: lanes {self.lanes} of floats; an element adds one product a cycle")
        grid = self.array
        if self.block and self.blocks.block % grid.lanes:
            raise ValueError(f"{where}: lanes {grid.lanes} do not divide blocks of {self.blocks.block}")
        for name in filter(None, (self.a, self.b)):
            operand_format(name)

    @property
    def array(self) -> Array:
        """For `hwsim.costs.cycles`."""
        return Array(rows=self.rows, columns=self.columns, dataflow=self.dataflow, lanes=self.lanes)

    @property
    def elements(self) -> int:
        """Processing elements."""
        return self.rows * self.columns

    @property
    def formats(self) -> tuple[Format, Format]:
        """Of the operands; of a block format's elements twice."""
        if self.block:
            return self.blocks.element, self.blocks.element
        return operand_format(self.a), operand_format(self.b)

    @property
    def blocks(self) -> BlockFormat:
        """The block format."""
        return block_format_named(self.block)

    @property
    def edge_bits(self) -> tuple[int, int]:
        """Bits that enter a cycle at the left (activations) and on top (weights); scales of blocks not counted."""
        a, b = (FLOATS[self.floating],) * 2 if self.floating else (f.bits for f in self.formats)
        return self.rows * self.lanes * a, self.columns * self.lanes * b

    @property
    def text(self) -> str:
        """``16 x 16 of int9 x int8 -> 32 bits, output stationary``."""
        kind = self.block or self.floating or f"{self.a} x {self.b}"
        acc = "" if self.floating else f" -> {self.accumulator} bits"
        lanes = f", {self.lanes} lanes" if self.lanes > 1 else ""
        return f"{self.rows} x {self.columns} of {kind}{acc}{lanes}, {self.dataflow} stationary"


@dataclass(frozen=True, kw_only=True)
class VectorUnit:
    """`lanes` units of a family beside each other, one element a cycle each."""

    family: str
    lanes: int
    parameters: dict[str, int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError without lanes or with parameters that the family has not."""
        check_counts(f"vector.{self.family}", lanes=self.lanes)
        for name, value in checked_parameters(family_named(self.family), self.parameters).items():
            if isinstance(value, int):
                check_counts(f"vector.{self.family}", **{name: value})
            elif not self.family.startswith("float"):
                raise ValueError(f"vector.{self.family}: {name} {value!r} must be a number of bits or entries")

    @property
    def text(self) -> str:
        """``16 lanes of requant, bits 32, out 16``."""
        return f"{self.lanes} lanes of {self.family}, {', '.join(f'{k} {v}' for k, v in self.parameters.items())}"


@dataclass(frozen=True, kw_only=True)
class Sram:
    """A memory on the chip: its size, and the bits it gives or takes a cycle."""

    bytes: int
    port_bits: int

    def __post_init__(self) -> None:
        """Raise ValueError without room or port."""
        check_counts("sram", bytes=self.bytes, port_bits=self.port_bits)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Everything that costs are computed for.

    Args:
        name: of the description.
        technology: name of a table, or a ``.json`` file of one.
        clock_hz: hertz.
        numbers: ``codes``: the graph as it is; ``float``: every value a float, requantizations vanish.
        gated: whether the clock of a unit stops while it waits.
        arrays: for matrix products; a node runs on the first that holds its operands.
        vector: by family.
        weights, activations, outputs: SRAM.
        dram_bits: bits a cycle between DRAM and SRAM.
    """

    name: str
    technology: str
    clock_hz: float
    numbers: str = "codes"
    gated: bool = True
    arrays: tuple[MatrixUnit, ...]
    vector: dict[str, VectorUnit]
    weights: Sram
    activations: Sram
    outputs: Sram
    dram_bits: int

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be built or cannot be fed."""
        check_counts(f"hardware {self.name!r}", dram_bits=self.dram_bits)
        if self.numbers not in NUMBERS:
            raise ValueError(f"hardware {self.name!r}: numbers {self.numbers!r}: use {' or '.join(NUMBERS)}")
        if not 0 < self.clock_hz < 1e12:
            raise ValueError(f"hardware {self.name!r}: clock {self.clock_hz!r} Hz must be above 0, below 1e12")
        names = [a.name for a in self.arrays]
        if not names or len({*names, *self.vector}) < len(names) + len(self.vector):
            what = "one or more, names once, and none of a vector unit"
            raise ValueError(f"hardware {self.name!r}: arrays {names}; give {what}")
        for family in self.vector:
            if family not in VECTOR[self.numbers]:
                known = ", ".join(VECTOR[self.numbers])
                raise ValueError(f"hardware {self.name!r}: vector.{family} with numbers {self.numbers!r}; use {known}")
        for a in self.arrays:
            if bool(a.floating) != (self.numbers == "float"):
                raise ValueError(f"hardware {self.name!r}: array {a.name!r} ({a.text}) with numbers {self.numbers!r}")
            for key, bits in zip(("activations", "weights"), a.edge_bits, strict=True):
                port = getattr(self, key).port_bits
                if bits > port:
                    what = f"array {a.name!r} takes {bits} bits a cycle, sram.{key} has port_bits {port}"
                    raise ValueError(f"hardware {self.name!r}: {what}")

    @property
    def buffers(self) -> Buffers:
        """For `hwsim.costs.traffic`."""
        return Buffers(weights=self.weights.bytes, activations=self.activations.bytes, outputs=self.outputs.bytes)

    @property
    def memories(self) -> dict[str, Sram]:
        """SRAM by name."""
        return {"weights": self.weights, "activations": self.activations, "outputs": self.outputs}

    @property
    def float_bits(self) -> int:
        """Bits of every value where numbers are floats."""
        return FLOATS[self.arrays[0].floating]
