/* figures.h: numbers as the tables print them; NAN, not known, is "-". Each writes at
 * most n bytes to out, and returns it.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>

/* "1,234,567" */
const char *grouped(double value, char *out, size_t n);
/* nanoseconds as microseconds, with as many decimals as mean something */
const char *micros(double ns, char *out, size_t n);
/* value / base, the same */
const char *times(double value, double base, char *out, size_t n);

#endif
