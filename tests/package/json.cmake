# cmake -D FILE=x.json [-D PATH="a;b"] -P json.cmake: the value there; fails if the file is
# no JSON, or has no such value.
file(READ "${FILE}" text)
string(JSON value ERROR_VARIABLE error GET "${text}" ${PATH})
if(error)
  message(FATAL_ERROR "${FILE}: ${error}")
endif()
execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "${value}")
