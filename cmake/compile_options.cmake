# How our own code is compiled: target_link_libraries(x PRIVATE avfs_options).
# Third-party code is not: it is taken as it is, warnings off.

add_library(avfs_options INTERFACE)
target_compile_definitions(avfs_options INTERFACE
  _WIN32_WINNT=0x0602     # Windows 8: the oldest with all the calls we make
  WINVER=0x0602
  WIN32_LEAN_AND_MEAN)

# Assertions stay in optimised builds: a wrong state must stop before it
# reaches a disk. So no NDEBUG, in any configuration.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REGEX REPLACE "[-/]D *NDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()

# A newer compiler may warn of more: -DASYNCVFS_WARNINGS_AS_ERRORS=OFF.
option(ASYNCVFS_WARNINGS_AS_ERRORS "a warning ends the build" ${PROJECT_IS_TOP_LEVEL})

if(MSVC)
  # Standard C that Visual C++ tells as extensions: flexible array members (C4200), and
  # initialisers that are no constants (C4204) or are addresses of locals (C4221).
  target_compile_options(avfs_options INTERFACE /W4 /wd4200 /wd4204 /wd4221 /utf-8 /guard:cf
    $<$<BOOL:${ASYNCVFS_WARNINGS_AS_ERRORS}>:/WX>)
  # Control-flow guard, which MinGW does not have; and no time of the build.
  add_link_options(/guard:cf /Brepro)
  target_compile_definitions(avfs_options INTERFACE _CRT_SECURE_NO_WARNINGS)
  set(avfs_third_party_options /w)
else()
  set(avfs_warnings
    -Wall -Wextra -Wpedantic -Wshadow
    # sign: too many to read past; float: mingw's own isnan() trips over it
    -Wconversion -Wno-sign-conversion -Wno-float-conversion
    -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wformat=2)
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang")   # it warns of functions that hand a format on
    list(APPEND avfs_warnings -Wno-format-nonliteral)
  endif()
  if(ASYNCVFS_WARNINGS_AS_ERRORS)
    list(APPEND avfs_warnings -Werror)
  endif()
  # No path of the machine that built it in assertions or debug information.
  target_compile_options(avfs_options INTERFACE ${avfs_warnings}
    "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=asyncvfs"
    "-ffile-prefix-map=${ASYNCVFS_THIRD_PARTY}=asyncvfs/build/third_party")
  set(avfs_third_party_options -w -g0)
  # Nothing of the compiler's own beside our DLL: no libgcc, no winpthread.
  # Two builds are the same file: no time in it, no base from its path's hash.
  add_link_options(-static LINKER:--no-insert-timestamp LINKER:--disable-auto-image-base)
endif()
