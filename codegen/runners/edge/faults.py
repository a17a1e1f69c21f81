"""What the image's report says: bytes of stack, or the fault in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .elf import Elf

DRIVER, OVERFLOW, RISCV = 0x100, 0x101, 0x200
ARM_EXCEPTIONS = {2: "NMI", 3: "hard fault", 4: "memory fault", 5: "bus fault", 6: "usage fault"}
ARM_STATUS = {  # bits of CFSR
    0: "no execution there", 1: "no access there", 8: "instruction fetch", 9: "data access", 10: "late data access",
    12: "stacking", 16: "undefined instruction", 17: "invalid state", 18: "invalid return", 19: "no coprocessor",
    24: "unaligned access", 25: "division by zero",
}  # fmt: skip
RISCV_CAUSES = (
    *("misaligned fetch", "instruction fetch", "illegal instruction", "breakpoint", "misaligned load", "load"),
    *("misaligned store", "store", "call from user", "call from supervisor", "", "call"),
)


def stack_used(report: Path, elf: Elf, target: str) -> int:
    """Bytes of stack that were touched; RuntimeError for a fault, with where and why."""
    if not report.exists() or report.stat().st_size != 16:
        raise RuntimeError(f"{target}: the program ended without a report")
    fault, pc, detail, stack = np.fromfile(report, np.uint32).tolist()
    if fault == DRIVER:
        raise RuntimeError(f"{target}: the driver found no whole sample")
    size = elf.address("hw_stack_end") - elf.address("hw_stack")
    if fault == OVERFLOW:
        raise RuntimeError(f"{target}: stack overflow, more than {size} bytes{elf.where(pc) if pc else ''}")
    if fault >= RISCV:
        known = fault - RISCV < len(RISCV_CAUSES)
        why = RISCV_CAUSES[fault - RISCV] if known else f"cause {fault - RISCV}"
        raise RuntimeError(f"{target}: trap ({why}, {detail:#x}){elf.where(pc)}")
    if fault:
        why = ", ".join(text for bit, text in ARM_STATUS.items() if detail >> bit & 1) or f"status {detail:#x}"
        raise RuntimeError(f"{target}: {ARM_EXCEPTIONS.get(fault, f'exception {fault}')} ({why}){elf.where(pc)}")
    return stack
