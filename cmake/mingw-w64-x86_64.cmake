# Cross-compile for 64-bit Windows with MinGW-w64. The posix variant comes
# first: Debian's default name may point to either.
if(NOT MINGW_ARCH)   # mingw-w64-i686.cmake sets it
  set(MINGW_ARCH x86_64)
endif()
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR ${MINGW_ARCH})

find_program(CMAKE_C_COMPILER
             NAMES ${MINGW_ARCH}-w64-mingw32-gcc-posix ${MINGW_ARCH}-w64-mingw32-gcc REQUIRED)
find_program(CMAKE_RC_COMPILER NAMES ${MINGW_ARCH}-w64-mingw32-windres)

set(CMAKE_FIND_ROOT_PATH /usr/${MINGW_ARCH}-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
