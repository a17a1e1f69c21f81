"""What generated C may assume of a machine. A target chooses kernels, never semantics: the bits are the same on all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of machine.

    Args:
        kernels: which dot products the matrix kernels use: ``scalar`` (plain C), ``dsp`` (SMLAD: two 16-bit products an
            instruction), ``mve`` (Helium: sixteen 8-bit products), ``x86`` (AVX-512 VNNI, AVX2 or SSE2, by what the
            compiler may use).
        bits: width of a register.
        float32: whether float32 arithmetic is in hardware; contracts that compute in float are refused where not.
        float64: the same of float64, which one op needs.
        gcc: the cross compiler's command and the options that name the machine; empty for the host's own.
        zig: the same for ``python -m ziglang``; empty where it has none.
    """

    name: str
    kernels: str
    bits: int
    float32: bool
    float64: bool = False
    gcc: tuple[str, ...] = ()
    zig: tuple[str, ...] = ()


def _cortex_m(cpu: str, kernels: str, *, fpu: str = "") -> Target:
    """An ARM microcontroller; `fpu` is clang's name of its FPU, which zig does not take from the processor's.

    Why soft or hard and never between: an image without an FPU has no float in it at all.
    """
    gcc = ("arm-none-eabi-gcc", "-mthumb", f"-mcpu={cpu}", f"-mfloat-abi={'hard' if fpu else 'soft'}")
    machine = f"-mcpu={cpu.replace('-', '_')}{f'+{fpu}' if fpu else ''}"
    zig = ("-target", f"thumb-freestanding-eabi{'hf' if fpu else ''}", machine)
    return Target(name=cpu, kernels=kernels, bits=32, float32=bool(fpu), gcc=gcc, zig=() if kernels == "mve" else zig)


def _riscv(name: str, bits: int, abi: str, *zig: str, float32: bool) -> Target:
    march = name.replace(f"riscv{bits}", f"rv{bits}")
    gcc = ("riscv64-unknown-elf-gcc", f"-march={march}", f"-mabi={abi}", "-mcmodel=medany", "-misa-spec=2.2")
    zig = ("-target", f"riscv{bits}-freestanding-none", "-mcmodel=medany", *zig)
    return Target(name=name, kernels="scalar", bits=bits, float32=float32, float64=float32, gcc=gcc, zig=zig)


TARGETS = (
    Target(name="generic", kernels="scalar", bits=32, float32=True, float64=True),  # C99, 8-bit bytes, two's complement
    Target(name="x86-64", kernels="x86", bits=64, float32=True, float64=True),
    _cortex_m("cortex-m0", "scalar"),
    _cortex_m("cortex-m3", "scalar"),
    _cortex_m("cortex-m4", "dsp", fpu="vfp4d16sp"),
    _cortex_m("cortex-m7", "dsp", fpu="fp_armv8d16"),
    _cortex_m("cortex-m55", "mve", fpu="fp_armv8d16"),
    _riscv("riscv32imc", 32, "ilp32", "-mcpu=generic_rv32+m+c", float32=False),
    _riscv("riscv64gc", 64, "lp64d", "-mcpu=baseline_rv64", float32=True),
)


def target_named(name: str) -> Target:
    """The target called `name`; ValueError lists the known ones."""
    for t in TARGETS:
        if t.name == name:
            return t
    raise ValueError(f"target {name!r} is unknown: use one of {', '.join(t.name for t in TARGETS)}")
