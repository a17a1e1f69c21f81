/* What the driver needs of C's stdio.h, on a machine that has none. */
#include <stddef.h>

typedef int FILE;
extern FILE hw_files[2];
#define stdin (&hw_files[0])
#define stdout (&hw_files[1])

size_t fread(void *data, size_t size, size_t count, FILE *file);
size_t fwrite(const void *data, size_t size, size_t count, FILE *file);
