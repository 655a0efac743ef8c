# The test cases as seeds for the fuzzers (docs/formats.md tells how the corpora are made).
add_executable(write_fuzz_seeds ${CMAKE_CURRENT_LIST_DIR}/seeds/write_seeds.cpp)
target_include_directories(write_fuzz_seeds PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(write_fuzz_seeds PRIVATE tome_formats tome_cache)

# With libFuzzer the same targets have no replay.
if(NOT TOME_FUZZ)
  add_test(NAME formats.every_message_is_reached_by_the_corpora
           COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/messages_test.py ${CMAKE_SOURCE_DIR}
                   gguf=$<TARGET_FILE:gguf_fuzz> safetensors=$<TARGET_FILE:safetensors_fuzz>
                   hf_config=$<TARGET_FILE:hf_config_fuzz> tokenizer_json=$<TARGET_FILE:tokenizer_json_fuzz>
                   lora_adapter=$<TARGET_FILE:lora_adapter_fuzz>)
endif()

# Long lists of cases: an optimising compiler under sanitizers takes minutes over them and gains nothing.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/hf_test.cpp ${CMAKE_CURRENT_LIST_DIR}/encoder_file_test.cpp ${CMAKE_CURRENT_LIST_DIR}/gguf_test.cpp
                            ${CMAKE_CURRENT_LIST_DIR}/gguf_writer_test.cpp ${CMAKE_CURRENT_LIST_DIR}/seeds/write_seeds.cpp
                            PROPERTIES COMPILE_OPTIONS -O0)
