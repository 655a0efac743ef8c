// Wrong input: each case one clear line, the right exit code, and no half-written file.
#include "cli/run_tome.h"

namespace tome::testing {
namespace {

using WrongInput = TomeCommand;

TEST_F(WrongInput, a_missing_model_is_named) {
  expect_failure(run({"generate", "-m", "/nowhere/model.gguf", "hi"}), 1, "/nowhere/model.gguf");
}

TEST_F(WrongInput, an_unknown_model_name_is_refused) {
  const Ran ran = run({"generate", "-m", "gpt-17", "hi"});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("gpt-17"), std::string::npos) << ran.err;
}

TEST_F(WrongInput, a_known_model_that_was_not_pulled_says_how_to_get_it) {
  expect_failure(run({"generate", "-m", "gemma3-270m", "hi"}), 1, "tome pull gemma3-270m");
}

TEST_F(WrongInput, a_truncated_model_is_refused) {
  const std::string whole = read(golden_model("llama-tied.gguf"));
  ASSERT_GT(whole.size(), 1000u);
  for (const std::size_t length : {std::size_t{3}, std::size_t{200}, whole.size() / 2, whole.size() - 1}) {
    const std::string path = write("cut.gguf", whole.substr(0, length));
    expect_failure(run({"generate", "-m", path, "hi"}), 1, "cut.gguf");
  }
}

TEST_F(WrongInput, an_unsupported_architecture_is_named) {
  std::string bytes = read(golden_model("qwen2.gguf"));
  const std::size_t at = bytes.find("qwen2");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 5, "qwenX");
  expect_failure(run({"generate", "-m", write("odd.gguf", bytes), "hi"}), 1, "qwenX");
}

TEST_F(WrongInput, a_document_of_invalid_utf8_is_named_with_the_byte) {
  expect_failure(run({"ask", "-m", golden_model("gemma3"), write("bad.txt", "caf\xe9"), "What?"}), 1,
                 "bad.txt: byte 3 (0xe9)");
}

TEST_F(WrongInput, an_empty_document_is_named) {
  expect_failure(run({"ask", "-m", golden_model("gemma3"), write("empty.txt", ""), "What?"}), 2, "empty.txt: empty");
  expect_failure(run({"ask", "-m", golden_model("gemma3"), "-", "What?"}, "\n\n"), 2, "standard input: empty");
}

TEST_F(WrongInput, a_missing_document_is_named) {
  expect_failure(run({"ask", "-m", golden_model("gemma3"), "/nowhere/book.txt", "What?"}), 1, "/nowhere/book.txt");
}

TEST_F(WrongInput, a_question_without_a_document_is_a_usage_error) {
  expect_failure(run({"ask", "What is it?"}), 2, "a question without a document");
  expect_failure(run({"ask"}), 2, "tome ask FILE… QUESTION");
}

TEST_F(WrongInput, documents_without_a_question_are_a_usage_error) {
  const std::string file = write("a.txt", "text");
  expect_failure(run({"ask", file}), 2, "the question comes last");
  expect_failure(run({"ask", file, " "}), 2, "the question is empty");
}

TEST_F(WrongInput, not_enough_memory_is_told_before_the_work_with_the_size_needed) {
  const Ran ran = run({"generate", "-m", golden_model("qwen2"), "-c", "900000M", "--rope-scaling", "none", "hi"});
  expect_failure(ran, 1, "memory");
  EXPECT_TRUE(ran.err.find("GB") != std::string::npos || ran.err.find("GiB") != std::string::npos ||
              ran.err.find("bytes") != std::string::npos)
      << ran.err;
}

TEST_F(WrongInput, ctrl_c_in_the_middle_of_a_prefill_ends_with_130) {
  std::string text;
  for (int line = 0; line < 40000; ++line) text += "This is line " + std::to_string(line) + ".\n";
  const std::string file = write("long.txt", text);
  const Ran ran = run({"score", "-m", golden_model("llama-tied"), "--rope-scaling", "none", file}, "", 700);
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_EQ(ran.out, "");
}

TEST_F(WrongInput, unknown_flags_commands_and_values_are_usage_errors) {
  expect_failure(run({"dance"}), 2, "dance");
  expect_failure(run({}), 2, "--help");
  expect_failure(run({"ask", "--no-such-flag", "a", "b"}), 2, "--no-such-flag");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "-n", "many", "hi"}), 2, "many");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--temp", "-1", "hi"}), 2, "temperature");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--kv-type", "q3", "hi"}), 2, "kv-type");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--attention-precision", "int8", "hi"}), 2,
                 "--attention-precision int8: found --kv-type bf16, expected q8_0");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--attention", "page_top_k:0", "hi"}), 2, "at least 1");
  expect_failure(run({"info", "-m", golden_model("qwen2"), "--target", "twelve"}), 2, "--target twelve");
}

TEST_F(WrongInput, a_scaling_that_changes_nothing_is_an_error) {
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--rope-scaling", "yarn", "--rope-factor", "1", "hi"}),
                 2, "yarn");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--rope-factor", "2", "hi"}), 2,
                 "--rope-scaling METHOD");
  expect_failure(run({"generate", "-m", golden_model("qwen2"), "--rope-scaling", "stretch", "hi"}), 2, "stretch");
}

TEST_F(WrongInput, an_isa_that_is_none_is_refused) {
  ::setenv("TOME_ISA", "mmx", 1);
  expect_failure(run({"info", "--kernels"}), 2, "mmx");
  ::unsetenv("TOME_ISA");
}

TEST_F(WrongInput, token_ids_outside_the_vocabulary_are_named) {
  const std::string ids = write("ids.json", "[1, 2, 99999999]");
  expect_failure(run({"score", "-m", golden_model("qwen2"), "--tokens", ids}), 1, "entry 2 is 99999999");
}

TEST_F(WrongInput, another_models_heads_file_is_refused) {
  std::filesystem::copy(golden_model("llama-tied.gguf"), folder_ / "m.gguf");
  write(
      "m.gguf.heads.json",
      R"({"tome_heads": 1, "model_fingerprint": "0", "passage_length": 64, "heads": [{"layer": 0, "head": 0, "weight": 1}]})");
  expect_failure(run({"ask", "-m", (folder_ / "m.gguf").string(), write("a.txt", "Some text."), "What?"}), 1,
                 "m.gguf.heads.json: model fingerprint 0");
}

TEST_F(WrongInput, a_context_limit_that_is_too_small_is_refused) {
  expect_failure(run({"ask", "-m", golden_model("gemma3"), "-c", "16",
                      write("a.txt", "A text that is longer than that."), "What?"}),
                 2, "-c allows 16");
}

TEST_F(WrongInput, a_build_without_libtorch_says_that_it_cannot_train) {
  binary_ = (folder_ / "tome").string();  // nothing lies beside it
  std::filesystem::copy_file(TOME_BINARY, binary_);
  expect_failure(run({"extend", "-m", "x.gguf", "--target", "64k", "--data", "x.txt", "--out", "x"}), 1,
                 "[extend] this build cannot train: libtorch was not there");
}

}  // namespace
}  // namespace tome::testing
