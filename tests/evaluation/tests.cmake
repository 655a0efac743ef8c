add_test(NAME evaluation.a_killed_run_ends_with_the_bytes_of_an_undisturbed_one
         COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/killed_run_test.py $<TARGET_FILE:tome>
                 ${CMAKE_SOURCE_DIR}/tests/golden/models/llama-untied)
# The report is opened in a headless browser, where there is one.
add_executable(write_report ${CMAKE_CURRENT_LIST_DIR}/example/write_report.cpp)
target_include_directories(write_report PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(write_report PRIVATE tome_evaluation)
add_test(NAME evaluation.the_report_in_a_browser
         COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/report_browser_test.py $<TARGET_FILE:write_report>)
set_tests_properties(evaluation.the_report_in_a_browser PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
# Makes samples without a model's weights, for docs/evaluation-data.md and for timing.
add_executable(evaluation_samples ${CMAKE_CURRENT_LIST_DIR}/tools/show_samples.cpp)
target_link_libraries(evaluation_samples PRIVATE tome_evaluation)
