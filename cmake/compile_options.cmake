# xa_tm_compile_options: what every target of this repository is compiled with, and no user of it inherits.
add_library(xa_tm_compile_options INTERFACE)
target_compile_features(xa_tm_compile_options INTERFACE cxx_std_20)
target_compile_options(xa_tm_compile_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
    -Wold-style-cast -Wcast-qual -Wformat=2 -Wundef -Wswitch-enum -fno-common)
if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(xa_tm_compile_options INTERFACE -Werror)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
