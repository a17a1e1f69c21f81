/* Cortex-M: vectors, reset, faults. */
#include "host.h"

uint32_t hw_fault_stack[128];

__attribute__((naked)) intptr_t hw_host(uintptr_t operation, const uintptr_t *block)
{ /* in r0 and r1 */
    __asm__("bkpt 0xab\n bx lr");
}

void hw_reset(void)
{
#if (defined(__ARM_FP) && __ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: floating point and vectors on */
    __asm__ volatile("dsb\n isb");
#endif
    hw_begin();
}

/* frame: what the machine pushed; it may lie below the stack, where there is no memory. */
__attribute__((used)) void hw_fault(uintptr_t number, const uint32_t *frame)
{
    const uint32_t status = *(volatile uint32_t *)0xe000ed28u; /* CFSR */
    if (frame < hw_stack)
        hw_end(0x101, 0, status);
    hw_end(number, frame[6], status);
}

/* Why another stack: what overflowed cannot be pushed to. */
__attribute__((naked)) void hw_trap(void)
{
    __asm__("mrs r0, ipsr\n mov r1, sp\n ldr r2, =hw_fault_stack + 512\n mov sp, r2\n bl hw_fault\n .ltorg");
}

__attribute__((section(".vectors"), used)) const void *const hw_vectors[16] = {
    hw_stack_end, (void *)hw_reset, (void *)hw_trap, (void *)hw_trap, (void *)hw_trap, (void *)hw_trap,
    (void *)hw_trap, (void *)hw_trap, 0, 0, 0, (void *)hw_trap, (void *)hw_trap, 0, (void *)hw_trap, (void *)hw_trap,
};
