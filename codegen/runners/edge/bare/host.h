/* The emulator as a host: semihosting calls, which a Python hook answers where there is no QEMU. */
#include <stdint.h>

enum { HW_OPEN = 0x01, HW_WRITE = 0x05, HW_READ = 0x06, HW_EXIT = 0x20 };

intptr_t hw_host(uintptr_t operation, const uintptr_t *block);

extern uint32_t hw_stack[], hw_stack_end[]; /* of the linker script */

/* Runs main, reports, ends. */
_Noreturn void hw_begin(void);
/* Ends with what the machine says of a fault; 0, 0, 0 where there is none. */
_Noreturn void hw_end(uintptr_t fault, uintptr_t pc, uintptr_t detail);
