# Installs into an empty folder, then configures, builds and runs the consumer against that folder only.
function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "failed: ${ARGV}")
    endif()
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} -S ${CONSUMER_DIR} -B ${WORK_DIR}/build -G ${GENERATOR}
    -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix "-DCMAKE_CXX_FLAGS=${CXX_FLAGS}")
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer ${WORK_DIR})
# A linker that drops the suite would leave a program without tests, which succeeds.
execute_process(COMMAND ${WORK_DIR}/build/own_resource --gtest_brief=1
    RESULT_VARIABLE result OUTPUT_VARIABLE output)
if(NOT result EQUAL 0 OR NOT output MATCHES "PASSED  \\] [1-9]")
    message(FATAL_ERROR "the conformance suite did not pass, or did not run: ${output}")
endif()
run(${WORK_DIR}/prefix/bin/xa-recover --version)
foreach(text man/man1/xa-recover.1 bash-completion/completions/xa-recover
        zsh/site-functions/_xa-recover fish/vendor_completions.d/xa-recover.fish)
    if(NOT EXISTS ${WORK_DIR}/prefix/share/${text})
        message(FATAL_ERROR "not installed: share/${text}")
    endif()
endforeach()
file(REMOVE_RECURSE ${WORK_DIR})
