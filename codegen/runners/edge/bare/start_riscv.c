/* RISC-V, machine mode: reset, traps. */
#include "host.h"

uint32_t hw_fault_stack[128] __attribute__((aligned(16)));

/* Why aligned and not compressed: the three instructions are recognised as they stand. */
__attribute__((naked, aligned(16))) intptr_t hw_host(uintptr_t operation, const uintptr_t *block)
{ /* in a0 and a1 */
    __asm__(".option push\n .option norvc\n slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n ret\n .option pop");
}

__attribute__((used)) void hw_fault(uintptr_t cause, uintptr_t pc, uintptr_t address)
{
    hw_end(address < (uintptr_t)hw_stack && address >= (uintptr_t)hw_stack - 4096 ? 0x101 : 0x200 + cause, pc, address);
}

__attribute__((naked, aligned(4), used)) void hw_trap(void)
{
    __asm__("csrr a0, mcause\n csrr a1, mepc\n csrr a2, mtval\n la sp, hw_fault_stack + 512\n call hw_fault");
}

/* Float and vectors on; 4 KB below the stack are locked for everybody, so an overflow is a trap. */
__attribute__((naked, section(".vectors"), used)) void hw_reset(void)
{
    __asm__("la sp, hw_stack_end\n li t0, 0x6600\n csrs mstatus, t0\n la t0, hw_trap\n csrw mtvec, t0\n"
            "la t0, hw_stack\n srli t0, t0, 2\n addi t0, t0, 511 - 1024\n csrw pmpaddr0, t0\n"
            "li t0, 0x98\n csrw pmpcfg0, t0\n call hw_begin");
}
