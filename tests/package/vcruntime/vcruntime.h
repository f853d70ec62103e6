/* vcruntime.h: stands in for that of Visual C++, with which Windows' SDK is made to be used:
 * the SDK is to be had as a package, the compiler's own headers are not. Enough for src/
 * to be compiled, not linked; tests/package/proof_architectures.sh. */
#pragma once
#include <sal.h>
#include <vadefs.h>

#define __CRTDECL __cdecl
#define _CRTIMP
#define _CRTNOALIAS
#define _CRTRESTRICT
#define _VCRTIMP
#define _VCRT_NOALIAS
#define _VCRT_RESTRICT __declspec(restrict)
#define _CRT_BEGIN_C_HEADER
#define _CRT_END_C_HEADER
#define _CRT_DEPRECATE_TEXT(text)
#define _CRT_INSECURE_DEPRECATE(replacement)
#define _CRT_INSECURE_DEPRECATE_MEMORY(replacement)
#define _CRT_HAS_CXX17 0
#define _HAS_NODISCARD 0

#define _CRT_STRINGIZE_(x) #x
#define _CRT_STRINGIZE(x) _CRT_STRINGIZE_(x)
#define _CRT_WIDE_(text) L##text
#define _CRT_WIDE(text) _CRT_WIDE_(text)
#define _CRT_CONCATENATE_(a, b) a##b
#define _CRT_CONCATENATE(a, b) _CRT_CONCATENATE_(a, b)
#define _CRT_UNPARENTHESIZE_(...) __VA_ARGS__
#define _CRT_UNPARENTHESIZE(...) _CRT_UNPARENTHESIZE_ __VA_ARGS__
#define _STATIC_ASSERT(truth) typedef char __static_assert_t[(truth) != 0]

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef unsigned short wchar_t;
typedef _Bool __vcrt_bool;
#ifndef NULL
#define NULL ((void *)0)
#endif
