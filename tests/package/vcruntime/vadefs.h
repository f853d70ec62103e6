/* vadefs.h: see vcruntime.h. */
#pragma once
typedef __builtin_va_list va_list;
#define __crt_va_start(list, last) __builtin_va_start(list, last)
#define __crt_va_arg(list, type) __builtin_va_arg(list, type)
#define __crt_va_end(list) __builtin_va_end(list)
