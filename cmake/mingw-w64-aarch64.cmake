# Cross-compile the DLL for Windows on ARM64: clang and lld, MinGW-w64's headers.
#
# Debian has no runtime of MinGW for ARM64, and the DLL needs none: its entry is DllMain, and what it
# calls is in kernel32 and in the C runtime that is a part of Windows. arm64_libs.sh makes the import
# libraries. Programs cannot be linked in this way, so there are no tests: tests/package/proof_arm64.sh
# loads the DLL.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

set(CMAKE_C_COMPILER clang)
set(CMAKE_C_COMPILER_TARGET aarch64-w64-mingw32)
set(CMAKE_AR llvm-ar)
set(CMAKE_RANLIB llvm-ranlib)
set(CMAKE_OBJCOPY llvm-objcopy)
# Debian 12 has this one by its full name alone.
find_program(CMAKE_RC_COMPILER NAMES llvm-windres llvm-windres-19 llvm-windres-14 REQUIRED)
set(CMAKE_RC_FLAGS_INIT "--target=aarch64-w64-mingw32 -I /usr/share/mingw-w64/include")
set(CMAKE_C_FLAGS_INIT "-isystem /usr/share/mingw-w64/include -D_UCRT")
set(CMAKE_C_STANDARD_LIBRARIES "-lkernel32 -lucrt" CACHE STRING "in place of CMake's own list")

set(arm64_libs "${CMAKE_BINARY_DIR}/arm64_libs")
if(NOT EXISTS "${arm64_libs}/libucrt.a")
  execute_process(COMMAND "${CMAKE_CURRENT_LIST_DIR}/arm64_libs.sh" "${arm64_libs}" COMMAND_ERROR_IS_FATAL ANY)
endif()
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-fuse-ld=lld -nostdlib -Wl,--entry=DllMain -L${arm64_libs}")
