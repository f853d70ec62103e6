/* setjmp.h: see vcruntime.h. clang's intrin.h declares a function with this type. */
#pragma once
typedef struct _JUMP_BUFFER {
  unsigned long long part[32];
} jmp_buf[1];
int __cdecl setjmp(jmp_buf);
void __cdecl longjmp(jmp_buf, int);
