#include "hub/model_hub.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

#include "hub/download_file.h"
#include "hub_server.h"
#include "scratch.h"

namespace tome {
namespace {

constexpr std::size_t kBytes = 400'000;

class ModelHub : public testing::Test {
 protected:
  ModelHub() { server.files["model.gguf"] = some_bytes(kBytes); }
  Result<PulledModel> pull(const std::string& name = "hf:owner/repo:model.gguf", const std::string& token = {},
                           const ProgressFunction& progress = {}) {
    const auto reference = parse_model_reference(name);
    if (!reference) return tl::unexpected(reference.error());
    return pull_from_hub(*reference, server.settings(token), cache.path(), progress);
  }
  Error refused(const std::string& name = "hf:owner/repo:model.gguf", const std::string& token = {}) {
    const auto pulled = pull(name, token);
    EXPECT_FALSE(pulled.has_value());
    return pulled ? Error{} : pulled.error();
  }
  NoCancel no_cancel;
  HubServer server;
  Scratch cache;
  const std::string kept = "owner--repo/model.gguf";
};

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(ModelHub, a_named_file_is_fetched_whole_and_only_it_is_left) {
  const auto pulled = pull();
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->path, cache.file(kept));
  EXPECT_FALSE(pulled->already_there);
  EXPECT_EQ(contents(pulled->path), server.files["model.gguf"]);
  EXPECT_EQ(cache.files(), std::vector<std::string>{kept});
}

TEST_F(ModelHub, a_file_that_is_there_is_not_fetched_again) {
  ASSERT_TRUE(pull().has_value());
  const std::size_t before = server.gets().size();
  const auto again = pull();
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->already_there);
  EXPECT_EQ(server.gets().size(), before);
}

TEST_F(ModelHub, a_damaged_file_of_the_right_size_is_fetched_again) {
  put(cache.file(kept), some_bytes(kBytes, 2));
  const auto pulled = pull();
  ASSERT_TRUE(pulled.has_value());
  EXPECT_FALSE(pulled->already_there);
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, a_cut_connection_is_resumed_where_it_ended) {
  server.cuts = 1;
  ASSERT_TRUE(pull().has_value());
  const auto gets = server.gets();
  ASSERT_EQ(gets.size(), 2u);
  EXPECT_EQ(gets[0].range, "");
  EXPECT_EQ(gets[1].range, "bytes=" + std::to_string(kBytes / 2) + "-");
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, what_a_cut_connection_left_is_resumed_by_the_next_pull) {
  server.cuts = 100;  // half way again and again: no new byte after the first
  const Error error = refused();
  EXPECT_EQ(error.kind, ErrorKind::network) << error.message;
  EXPECT_FALSE(std::filesystem::exists(cache.file(kept)));
  ASSERT_EQ(cache.files().size(), 1u);
  EXPECT_CONTAINS(cache.files()[0], "model.gguf.part-");
  server.cuts = 0;
  ASSERT_TRUE(pull().has_value());
  EXPECT_EQ(server.gets().back().range, "bytes=" + std::to_string(kBytes / 2) + "-");
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
  EXPECT_EQ(cache.files(), std::vector<std::string>{kept});
}

TEST_F(ModelHub, a_part_of_another_version_is_not_continued_and_is_removed) {
  put(cache.file(kept + ".part-0123456789abcdef"), some_bytes(1000, 9));
  ASSERT_TRUE(pull().has_value());
  EXPECT_EQ(server.gets().back().range, "");
  EXPECT_EQ(cache.files(), std::vector<std::string>{kept});
}

TEST_F(ModelHub, a_server_that_ignores_ranges_starts_the_file_anew) {
  server.cuts = 1;
  server.ignores_range = true;
  const auto pulled = pull();
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, a_part_longer_than_the_file_starts_anew) {
  const std::string version = sha256_hex(std::as_bytes(std::span(server.files["model.gguf"]))).substr(0, 16);
  put(cache.file(kept + ".part-" + version), some_bytes(kBytes + 5, 3));
  ASSERT_TRUE(pull().has_value());
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, a_wrong_sha256_is_told_and_nothing_is_kept) {
  server.sha256 = std::string(64, 'a');
  const Error error = refused();
  EXPECT_EQ(error.kind, ErrorKind::network);
  EXPECT_CONTAINS(error.message, "expected " + std::string(64, 'a'));
  EXPECT_TRUE(cache.files().empty());
}

TEST_F(ModelHub, a_file_shorter_or_longer_than_announced_is_refused_and_nothing_is_kept) {
  server.linked_size = std::to_string(kBytes + 1);
  EXPECT_CONTAINS(refused().message, std::to_string(kBytes + 1));
  EXPECT_TRUE(cache.files().empty());
  server.linked_size = std::to_string(kBytes - 1);
  EXPECT_CONTAINS(refused().message, "more than the announced");
  EXPECT_TRUE(cache.files().empty());
}

TEST_F(ModelHub, without_an_etag_the_size_is_checked_and_a_cut_is_still_resumed) {
  server.tells_etag = false;
  server.cuts = 1;
  ASSERT_TRUE(pull().has_value());
  EXPECT_EQ(server.gets().back().range, "bytes=" + std::to_string(kBytes / 2) + "-");
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, a_missing_file_or_repository_is_a_404_with_its_name) {
  const Error error = refused("hf:owner/repo:other.gguf");
  EXPECT_EQ(error.kind, ErrorKind::network);
  EXPECT_CONTAINS(error.message, "hf:owner/repo:other.gguf: HTTP 404");
  EXPECT_TRUE(cache.files().empty());
}

TEST_F(ModelHub, a_gated_repository_asks_for_the_token) {
  server.token = "secret";
  EXPECT_CONTAINS(refused().message, "HTTP 401: it needs a token, or there is no such repository; set HF_TOKEN");
  EXPECT_CONTAINS(refused("hf:owner/repo").message, "set HF_TOKEN");
  const Error wrong = refused("hf:owner/repo:model.gguf", "guess");
  EXPECT_CONTAINS(wrong.message, "HTTP 403: HF_TOKEN does not give access");
  EXPECT_EQ(wrong.message.find("guess"), std::string::npos);
  EXPECT_TRUE(pull("hf:owner/repo:model.gguf", "secret").has_value());
}

TEST_F(ModelHub, the_token_is_not_sent_to_the_storage_that_the_hub_redirects_to) {
  HubServer storage;
  storage.files = server.files;
  server.token = "secret";
  server.storage = storage.address();
  const auto pulled = pull("hf:owner/repo:model.gguf", "secret");
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
  ASSERT_FALSE(storage.requests().empty());
  for (const auto& request : storage.requests()) EXPECT_EQ(request.authorization, "");
  for (const auto& request : server.requests()) EXPECT_EQ(request.authorization, "Bearer secret");
}

TEST_F(ModelHub, the_token_stays_with_the_hub_also_while_it_is_asked_for_sizes) {
  HubServer storage;
  storage.files = server.files;
  storage.tells_etag = server.tells_etag = false;  // the storage has to be asked for the size
  server.token = "secret";
  server.storage = storage.address();
  ASSERT_TRUE(pull("hf:owner/repo:model.gguf", "secret").has_value());
  ASSERT_GE(storage.requests().size(), 2u);
  EXPECT_EQ(storage.requests()[0].method, "HEAD");
  for (const auto& request : storage.requests()) EXPECT_EQ(request.authorization, "");
}

TEST_F(ModelHub, a_redirect_to_storage_is_resumed_too) {
  HubServer storage;
  storage.files = server.files;
  storage.cuts = 1;
  server.storage = storage.address();
  ASSERT_TRUE(pull().has_value());
  EXPECT_EQ(storage.gets().back().range, "bytes=" + std::to_string(kBytes / 2) + "-");
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, an_unavailable_server_is_asked_again_and_given_up_in_the_end) {
  server.unavailable = 2;
  EXPECT_TRUE(pull().has_value());
  server.unavailable = 1000;
  EXPECT_CONTAINS(refused("hf:owner/repo:model.gguf").message, "HTTP 503");
}

TEST_F(ModelHub, an_unreachable_hub_is_a_network_error) {
  HubSettings settings{.endpoint = "http://127.0.0.1:1", .token = {}, .attempts = 2, .retry_seconds = 0.01};
  const auto pulled = pull_from_hub({.owner = "a", .repository = "b", .file = "c"}, settings, cache.path(), {});
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::network);
}

TEST_F(ModelHub, a_whole_repository_is_its_config_tokenizer_and_safetensors) {
  server.files = {{"config.json", "{}"},
                  {"tokenizer.json", "{\"a\":1}"},
                  {"tokenizer_config.json", "{\"b\":1}"},
                  {"generation_config.json", "{}"},
                  {"model.safetensors.index.json", "{}"},
                  {"model-00001-of-00002.safetensors", some_bytes(5000)},
                  {"model-00002-of-00002.safetensors", some_bytes(6000, 2)},
                  {"consolidated.safetensors", some_bytes(11000, 3)},
                  {"pytorch_model.bin", "pickle"},
                  {"original/weights.safetensors", "x"},
                  {"README.md", "text"}};
  const auto pulled = pull("hf:owner/repo");
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->path, cache.file("owner--repo"));
  EXPECT_EQ(pulled->licence, "apache-2.0 (as the repository states)");
  EXPECT_EQ(cache.files(),
            (std::vector<std::string>{"owner--repo/config.json", "owner--repo/generation_config.json",
                                      "owner--repo/model-00001-of-00002.safetensors",
                                      "owner--repo/model-00002-of-00002.safetensors",
                                      "owner--repo/model.safetensors.index.json", "owner--repo/tokenizer.json",
                                      "owner--repo/tokenizer_config.json"}));
  EXPECT_EQ(contents(cache.file("owner--repo/model-00002-of-00002.safetensors")), some_bytes(6000, 2));
}

TEST_F(ModelHub, a_repository_with_one_gguf_gives_it_and_with_several_names_them) {
  server.files["README.md"] = "text";
  const auto pulled = pull("hf:owner/repo");
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->path, cache.file(kept));
  server.files["model-q8_0.gguf"] = "x";
  const Error error = refused("hf:owner/repo");
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_CONTAINS(error.message, "model-q8_0.gguf, model.gguf");
}

TEST_F(ModelHub, a_split_model_is_fetched_with_all_its_parts) {
  server.files = {{"m-00001-of-00002.gguf", "one"}, {"m-00002-of-00002.gguf", "two"}};
  for (const std::string name : {"hf:owner/repo", "hf:owner/repo:m-00001-of-00002.gguf"}) {
    const auto pulled = pull(name);
    ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
    EXPECT_EQ(pulled->path, cache.file("owner--repo/m-00001-of-00002.gguf"));
    EXPECT_EQ(contents(cache.file("owner--repo/m-00002-of-00002.gguf")), "two");
  }
}

TEST_F(ModelHub, a_repository_without_a_model_is_unsupported) {
  server.files = {{"README.md", "text"}, {"pytorch_model.bin", "pickle"}};
  EXPECT_EQ(refused("hf:owner/repo").kind, ErrorKind::unsupported);
}

TEST_F(ModelHub, names_that_lead_out_of_the_cache_are_refused_from_users_and_from_servers) {
  for (const std::string name :
       {"hf:owner/repo:../x.gguf", "hf:owner/repo:a/../../x", "hf:owner/repo:/etc/passwd", "hf:owner/repo:a//b",
        "hf:owner/repo:a\\b", "hf:owner/repo:.", "hf:../repo:x", "hf:owner/..:x", "hf:owner/re po", "hf:owner",
        "hf:/repo", "hf:owner/repo/more:x", "hf:owner/repo:"}) {
    const auto reference = parse_model_reference(name);
    ASSERT_FALSE(reference.has_value()) << name;
    EXPECT_EQ(reference.error().kind, ErrorKind::usage) << name;
  }
  server.listing = R"({"siblings":[{"rfilename":"config.json"},{"rfilename":"../../evil.safetensors"}]})";
  const Error error = refused("hf:owner/repo");
  EXPECT_EQ(error.kind, ErrorKind::format);
  EXPECT_CONTAINS(error.message, "../../evil.safetensors");
  EXPECT_TRUE(cache.files().empty());
}

TEST_F(ModelHub, a_listing_that_is_not_one_is_refused) {
  for (const char* body : {"<html>", "[]", "{}", R"({"siblings":[1]})", R"({"siblings":[{"rfilename":2}]})"}) {
    server.listing = body;
    EXPECT_EQ(refused("hf:owner/repo").kind, ErrorKind::format) << body;
  }
}

TEST_F(ModelHub, file_names_are_percent_encoded) {
  server.files["dir/a b+c.gguf"] = "bytes";
  const auto pulled = pull("hf:owner/repo:dir/a b+c.gguf");
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(contents(cache.file("owner--repo/dir/a b+c.gguf")), "bytes");
}

TEST_F(ModelHub, a_full_disk_in_the_middle_is_told_and_leaves_nothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = ::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = kBytes / 4;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto pulled = pull();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, old);
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::io) << pulled.error().message;
  EXPECT_CONTAINS(pulled.error().message, "nothing was kept");
  EXPECT_TRUE(cache.files().empty());
}

TEST_F(ModelHub, a_disk_too_small_is_told_before_the_first_byte_with_the_size_needed) {
  if (::mount("tmpfs", cache.path().c_str(), "tmpfs", 0, "size=128k") != 0) GTEST_SKIP() << "needs the right to mount";
  const auto pulled = pull();
  const auto left = cache.files();
  ::umount2(cache.path().c_str(), MNT_DETACH);
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::io);
  EXPECT_CONTAINS(pulled.error().message, "400000 bytes needed");
  EXPECT_TRUE(left.empty());
  EXPECT_TRUE(server.gets().empty());
}

TEST_F(ModelHub, ctrl_c_stops_a_download_and_the_next_pull_goes_on) {
  server.slow_piece = 4096;
  const auto started = std::chrono::steady_clock::now();
  const auto pulled = pull("hf:owner/repo:model.gguf", {}, [](const ProgressReport& report) {
    if (report.done > 20'000) cancel_requested() = true;
  });
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(1800));
  EXPECT_FALSE(std::filesystem::exists(cache.file(kept)));
  cancel_requested() = false;
  server.slow_piece = 0;
  ASSERT_TRUE(pull().has_value());
  EXPECT_NE(server.gets().back().range, "");
  EXPECT_EQ(contents(cache.file(kept)), server.files["model.gguf"]);
}

TEST_F(ModelHub, progress_ends_at_the_total) {
  std::uint64_t done = 0, total = 0;
  ASSERT_TRUE(pull("hf:owner/repo:model.gguf", {}, [&](const ProgressReport& report) {
                done = report.done;
                total = report.total;
                EXPECT_EQ(report.what, "downloading");
              }).has_value());
  EXPECT_EQ(done, kBytes);
  EXPECT_EQ(total, kBytes);
}

TEST_F(ModelHub, two_downloads_of_one_file_do_not_mix) {
  const std::string part = cache.file("x.part");
  const auto first = DownloadFile::open(part, true);
  ASSERT_TRUE(first.has_value());
  const auto second = DownloadFile::open(part, true);
  ASSERT_FALSE(second.has_value());
  EXPECT_CONTAINS(second.error().message, "another process");
}

TEST(hub_settings, come_from_the_environment) {
  {
    const Variable endpoint("HF_ENDPOINT", "https://hub.example//"), token("HF_TOKEN", "abc");
    const auto settings = hub_settings();
    ASSERT_TRUE(settings.has_value());
    EXPECT_EQ(settings->endpoint, "https://hub.example");
    EXPECT_EQ(settings->token, "abc");
  }
  {
    const Variable endpoint("HF_ENDPOINT", std::nullopt);
    ASSERT_FALSE(hub_settings().has_value());
    EXPECT_CONTAINS(hub_settings().error().message, "HF_ENDPOINT is not set");
  }
  const Variable endpoint("HF_ENDPOINT", "ftp://x");
  EXPECT_CONTAINS(hub_settings().error().message, "ftp://x");
}

}  // namespace
}  // namespace tome
