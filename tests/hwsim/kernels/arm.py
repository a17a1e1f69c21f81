"""Tiles compiled for AArch64 and run in unicorn."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from hwsim.kernels.llvm import I64
from hwsim.kernels.saturating import WIDE, Tile, registers

TRIPLE = "aarch64-unknown-linux-gnu"
CODE, STACK, DATA, END = 0x10000, 0x200000, 0x400000, 0x7FFF0
PAGE = 1 << 20


def compiled(module: ir.Module, features: str = "+neon") -> tuple[bytes, str]:
    """Machine code that needs no linking, and its assembly."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(TRIPLE)
    made = target.create_target_machine(cpu="generic", features=features, opt=3, reloc="pic", codemodel="small")
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    object_ = llvm.ObjectFileRef.from_data(made.emit_object(parsed))
    sections = {(s.name() or b"").decode(): bytes(s.data()) for s in object_.sections()}
    assert not any(n.startswith((".rela.text", ".rodata")) for n in sections), list(sections)
    return sections[".text"], made.emit_assembly(parsed)


def place(i: int) -> int:
    """Where array number `i` lies."""
    return DATA + 64 + i * (PAGE // 8)


def called(code: bytes, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays after a call with their addresses."""
    from unicorn import UC_ARCH_ARM64, UC_MODE_ARM, Uc, arm64_const

    machine = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    machine.ctl_set_cpu_model(arm64_const.UC_CPU_ARM64_MAX)
    for at in (0, STACK, DATA):
        machine.mem_map(at, PAGE)
    machine.reg_write(arm64_const.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # vector registers on
    machine.mem_write(CODE, code)
    places = [place(i) for i in range(len(arrays))]
    for i, (at, x) in enumerate(zip(places, arrays, strict=True)):
        machine.mem_write(at, x.tobytes())
        machine.reg_write(getattr(arm64_const, f"UC_ARM64_REG_X{i}"), at)
    machine.reg_write(arm64_const.UC_ARM64_REG_SP, STACK + PAGE - 64)
    machine.reg_write(arm64_const.UC_ARM64_REG_X30, END)
    machine.emu_start(CODE, END)
    found = [machine.mem_read(at, x.nbytes) for at, x in zip(places, arrays, strict=True)]
    return [np.frombuffer(bytes(f), x.dtype).reshape(x.shape) for f, x in zip(found, arrays, strict=True)]


def arm_tile(
    a: np.ndarray, b: np.ndarray, start: np.ndarray, limits: tuple[int, int] | None, cut: tuple[int, ...] | None
) -> tuple[np.ndarray, str]:
    """Results of `hwsim.kernels.saturating` for rows `a`, panel `b`, starts; and the assembly."""
    lane, module = ir.IntType(8 * a.itemsize), ir.Module("tile")
    module.triple = TRIPLE
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 3), "tile")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    size, height, vectors = registers(TRIPLE, "+neon", cuts=bool(cut))
    bases = [(arg, I64(x.strides[0])) for arg, x in zip(function.args, (a, b, start), strict=True)]
    tile = Tile(
        b=builder, lane=lane, size=size, depth=I64(len(b)), a=bases[0], panel=bases[1], y=bases[2],
        limits=[lane(x) for x in limits or ()], cut=[lane(x) for x in (cut or ())[:2]],
        tree=I64(cut[2]) if cut and len(cut) > 2 else None,
    )  # fmt: skip
    tile.blocks(len(a), WIDE, height, vectors)
    builder.ret_void()
    code, text = compiled(module)
    return called(code, [a, b, start])[2], text
