/* watchdog.h: a program that hangs says which thread is where, and ends. */
#ifndef NATIVE_WATCHDOG_H
#define NATIVE_WATCHDOG_H

/* In so many seconds from now, unless it is called again: each thread's stack goes to
 * standard error, and the process ends with status 3. By SIGALRM and SIGUSR2. */
void watchdog_start(unsigned seconds, const char *program);

#endif
