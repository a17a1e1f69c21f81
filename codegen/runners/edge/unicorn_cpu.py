"""Run an image in ``unicorn``, QEMU's processors as a Python package.

It has no devices: a hook is the host. Its Cortex-M7 has no double precision and calls such an instruction invalid.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np

from hwsim.formats import Codes

from .boards import Board
from .elf import Elf, read_elf

OPEN, WRITE, READ, EXIT = 0x01, 0x05, 0x06, 0x20  # as in bare/host.h


def unicorn_name(board: Board) -> str:
    """What runs, for the report; empty where the package or the processor is missing."""
    if not board.unicorn:
        return ""
    try:
        return f"unicorn {version('unicorn')}{'' if board.unicorn == 'any' else f' {board.unicorn}'}"
    except PackageNotFoundError:
        return ""


def run_unicorn(image: Path, board: Board, *, count: bool, timeout: float) -> Codes | None:
    """Run `image`; arguments, result and errors as `codegen.runners.edge.qemu.run_qemu`."""
    machine = _Machine(read_elf(image), board, image.parent)
    blocks = machine.count() if count else None
    try:
        machine.run(timeout)
    finally:
        for file in machine.files:
            file.close()
    return None if blocks is None else machine.instructions(blocks)


class _Machine:
    """One processor with the image in its memory."""

    def __init__(self, elf: Elf, board: Board, folder: Path) -> None:
        import unicorn as u
        from unicorn import arm_const as arm
        from unicorn import riscv_const as riscv

        self.u: Any = u
        self.cpu: Any
        self.elf, self.board, self.folder = elf, board, folder
        self.files: list[IO[bytes]] = []
        self.ended = False
        if board.unicorn == "any":
            self.cpu = self.u.Uc(u.UC_ARCH_RISCV, u.UC_MODE_RISCV64 if elf.wide else u.UC_MODE_RISCV32)
            self.pc, self.sp, self.link = riscv.UC_RISCV_REG_PC, riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA
            self.arguments = riscv.UC_RISCV_REG_A0, riscv.UC_RISCV_REG_A1
        else:
            self.cpu = self.u.Uc(u.UC_ARCH_ARM, u.UC_MODE_THUMB | u.UC_MODE_MCLASS)
            self.cpu.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{board.unicorn}"))
            self.pc, self.sp, self.link = arm.UC_ARM_REG_PC, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR
            self.arguments = arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1
            self.cpu.mem_map(0xE000E000, 4096)  # where reset turns floating point on
        for start, size in (board.flash, board.ram):
            first = start // 4096 * 4096
            self.cpu.mem_map(first, -(-(start + size - first) // 4096) * 4096)
        for address, content in elf.segments:
            self.cpu.mem_write(address, content)
        host = elf.address("hw_host")
        self.cpu.hook_add(u.UC_HOOK_CODE, self._host, begin=host, end=host)

    def run(self, timeout: float) -> None:
        """From reset to the host call that ends it; RuntimeError for a fault, TimeoutError after `timeout` seconds."""
        thumb = 0 if self.board.unicorn == "any" else 1
        self.cpu.reg_write(self.sp, self.elf.address("hw_stack_end"))
        try:
            self.cpu.emu_start(self.elf.address("hw_reset") | thumb, 0xFFFFFFFE, timeout=int(timeout * 1e6))
        except self.u.UcError as e:
            low = self.elf.address("hw_stack")
            over = self.cpu.reg_read(self.sp) < low + 256
            what = f"stack overflow, more than {self.elf.address('hw_stack_end') - low} bytes" if over else f"{e}"
            raise RuntimeError(f"{self.board.name}: {what}{self.elf.where(self.cpu.reg_read(self.pc))}") from None
        if not self.ended:
            raise TimeoutError(f"unicorn did not end within {timeout:g} s")

    def count(self) -> Counter[tuple[int, int]]:
        """Count blocks (address, bytes) from now on: a call of Python for each instruction would take far longer."""
        blocks: Counter[tuple[int, int]] = Counter()

        def entered(_: Any, address: int, size: int, __: Any) -> None:
            blocks[address, size] += 1

        self.cpu.hook_add(self.u.UC_HOOK_BLOCK, entered)
        return blocks

    def instructions(self, blocks: Counter[tuple[int, int]]) -> Codes:
        """(address, count) of the instructions in `blocks`: lengths are in their first bits, on ARM and on RISC-V."""
        counts: Counter[int] = Counter()
        for (start, size), times in blocks.items():
            code, at = bytes(self.cpu.mem_read(start, size)), 0
            while at < size:
                counts[start + at] += times
                first = code[at + 1] >> 3 in (0b11101, 0b11110, 0b11111)
                at += 4 if (code[at] & 3 == 3 if self.board.unicorn == "any" else first) else 2
        return np.array(sorted(counts.items()), np.int64).reshape(-1, 2)

    def _host(self, *_: Any) -> None:
        """What semihosting does; then back to the caller."""
        operation, block = (self.cpu.reg_read(r) for r in self.arguments)
        size = 8 if self.elf.wide else 4
        a, b, c = (self._word(block + size * i, size) for i in range(3)) if operation != EXIT else (0, 0, 0)
        result = 0
        if operation == OPEN:
            name = bytes(self.cpu.mem_read(a, c)).decode()
            self.files.append((self.folder / name).open("wb" if b == 5 else "rb"))
            result = len(self.files) - 1
        elif operation == WRITE:
            self.files[a].write(self.cpu.mem_read(b, c))
        elif operation == READ:
            data = self.files[a].read(c)
            self.cpu.mem_write(b, data)
            result = c - len(data)
        else:
            self.ended = True
            self.cpu.emu_stop()
        self.cpu.reg_write(self.arguments[0], result)
        self.cpu.reg_write(self.pc, self.cpu.reg_read(self.link))

    def _word(self, address: int, size: int) -> int:
        return int.from_bytes(self.cpu.mem_read(address, size), "little")
