"""The boards that images are linked for: memory as QEMU's machines have it, also where `unicorn` runs the image."""

from __future__ import annotations

from dataclasses import dataclass

STACK = 1 << 16


@dataclass(frozen=True)
class Board:
    """One machine.

    Args:
        name: of the target.
        machine: QEMU's name; `qemu` is the command.
        flash, ram: (first address, bytes). Below `ram` there is no memory, so a stack that starts there cannot
            overflow unseen.
        vectors: address of the vector table, None where execution starts at `flash`.
        unicorn: name of the processor in `unicorn`; empty where it has none.
        note: what is not as its name says.
    """

    name: str
    qemu: str
    machine: str
    flash: tuple[int, int]
    ram: tuple[int, int]
    vectors: int | None = None
    unicorn: str = ""
    note: str = ""


_MB = 1 << 20
_M0 = "a Cortex-M3: QEMU's Cortex-M0 board has 16 KB of RAM"


def _mps2(name: str, machine: str, ram: int = 0x21000000, note: str = "") -> Board:
    """An FPGA board of ARM, which knows many processors; RAM is its PSRAM."""
    return Board(
        name=name,
        qemu="qemu-system-arm",
        machine=machine,
        flash=(0x400, 4 * _MB - 0x400),
        ram=(ram, 16 * _MB),
        vectors=0,
        unicorn=name.upper().replace("-", "_"),
        note=note,
    )


def _virt(name: str, bits: int) -> Board:
    flash, ram = (0x80000000, 32 * _MB), (0x84000000, 32 * _MB)
    return Board(name=name, qemu=f"qemu-system-riscv{bits}", machine="virt", flash=flash, ram=ram, unicorn="any")


_M55 = Board(
    name="cortex-m55",
    qemu="qemu-system-arm",
    machine="mps3-an547",
    flash=(0x60000000, 64 * _MB),
    ram=(0x21000000, 4 * _MB),
    vectors=0,
)
_ALL = (
    _mps2("cortex-m0", "mps2-an385", note=_M0),
    _mps2("cortex-m3", "mps2-an385"),
    _mps2("cortex-m4", "mps2-an386"),
    _mps2("cortex-m7", "mps2-an500", ram=0x60000000),
    _M55,
    _virt("riscv32imc", 32),
    _virt("riscv64gc", 64),
)
BOARDS = {board.name: board for board in _ALL}


def linker_script(board: Board, stack: int) -> str:
    """Code and constants in flash, the stack first in RAM, data behind it.

    Args:
        board: where it runs.
        stack: bytes of stack, rounded up to the pages that memory protection knows.
    """
    pages = -(-stack // 4096) * 4096
    table, first = "", "KEEP(*(.vectors)) "
    if board.vectors is not None:
        table, first = f"  .vectors {board.vectors:#x} : {{ KEEP(*(.vectors)) }}\n", ""
    return f"""MEMORY {{
  FLASH (rx) : ORIGIN = {board.flash[0]:#x}, LENGTH = {board.flash[1]:#x}
  RAM (rw) : ORIGIN = {board.ram[0]:#x}, LENGTH = {board.ram[1]:#x}
}}
SECTIONS {{
{table}  .text : {{ {first}*(.text .text.* .rodata .rodata.* .srodata .srodata.*) }} > FLASH
  .stack (NOLOAD) : {{ hw_stack = .; . = . + {pages}; hw_stack_end = .; }} > RAM
  .data : {{ *(.data .data.* .sdata .sdata.*) }} > RAM
  .bss : {{ *(.bss .bss.* .sbss .sbss.* COMMON) }} > RAM
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .eh_frame* .comment .note*) }}
}}
"""
