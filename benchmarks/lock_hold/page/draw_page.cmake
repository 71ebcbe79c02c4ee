# cmake -D PROGRAM=lock_hold_page -D BROWSER=chromium -D RESULT=… -D CHARTS=N -P draw_page.cmake
# Makes the page and lets a browser run its scripts: they have to draw that many charts.
cmake_path(GET RESULT STEM name)
set(page ${CMAKE_CURRENT_BINARY_DIR}/${name}.html)
execute_process(COMMAND ${PROGRAM} ${RESULT} OUTPUT_FILE ${page} COMMAND_ERROR_IS_FATAL ANY)
# A browser doesn't sandbox itself for root, and the only page it opens is ours.
execute_process(
    COMMAND ${BROWSER} --headless --no-sandbox --disable-gpu
        --user-data-dir=${CMAKE_CURRENT_BINARY_DIR}/${name}.browser --dump-dom file://${page}
    OUTPUT_VARIABLE drawn ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(wanted "data-charts=\"${CHARTS}\"" "<title>What XA costs</title>")
    string(FIND "${drawn}" "${wanted}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "${page} doesn't come to ${wanted}; open it and look at its console")
    endif()
endforeach()
