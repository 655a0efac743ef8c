#include <gtest/gtest.h>
#include <zip.h>

#include "hub/hub.h"
#include "hub_server.h"
#include "scratch.h"

namespace tome {
namespace {

/// A zip of these members, as bytes.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members) {
  const Scratch scratch;
  const std::string path = scratch.file("made.zip");
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE, nullptr);
  for (const auto& [name, bytes] : members)
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0), 0);
  EXPECT_EQ(zip_close(archive), 0);
  return contents(path);
}

class DataSet : public testing::Test {
 protected:
  Result<PulledData> pull(const std::vector<std::string>& wanted, const std::string& name = "hf:datasets/owner/set") {
    const Variable endpoint("HF_ENDPOINT", server.address()), token("HF_TOKEN", std::nullopt);
    return pull_data_set(name, wanted, {.cache_directory = cache.path()});
  }
  NoCancel no_cancel;
  HubServer server;
  Scratch cache;
  const std::string folder = "datasets--owner--set/";
};

TEST_F(DataSet, wanted_files_are_fetched_and_no_others) {
  server.files = {{"a.jsonl", "1"}, {"b.jsonl", "2"}, {"README.md", "3"}};
  const auto pulled = pull({"b.jsonl", "c.jsonl"});
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->folder, cache.file("datasets--owner--set"));
  EXPECT_EQ(pulled->files, std::vector<std::string>{cache.file(folder + "b.jsonl")});
  EXPECT_FALSE(pulled->already_there);
  EXPECT_EQ(cache.files(), std::vector<std::string>{folder + "b.jsonl"});
  EXPECT_EQ(contents(cache.file(folder + "b.jsonl")), "2");
  EXPECT_TRUE(pull({"b.jsonl", "c.jsonl"})->already_there);
}

TEST_F(DataSet, of_each_name_the_file_in_the_fewest_folders_goes) {
  server.files = {{"old/deep/a.jsonl", "1"}, {"data/a.jsonl", "2"}, {"b.jsonl", "3"}};
  const auto pulled = pull({"a.jsonl", "b.jsonl"});
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->files,
            (std::vector<std::string>{cache.file(folder + "data/a.jsonl"), cache.file(folder + "b.jsonl")}));
  EXPECT_EQ(cache.files(), (std::vector<std::string>{folder + "b.jsonl", folder + "data/a.jsonl"}));
}

TEST_F(DataSet, nothing_wanted_is_every_file_of_json) {
  server.files = {{"a.jsonl", "1"}, {"b.json", "2"}, {"c.parquet", "3"}};
  ASSERT_TRUE(pull({}).has_value());
  EXPECT_EQ(cache.files(), (std::vector<std::string>{folder + "a.jsonl", folder + "b.json"}));
}

TEST_F(DataSet, a_zip_is_unpacked_once_and_only_its_json) {
  const std::string big = some_bytes(3'000'000);
  server.files = {{"data.zip", zip_of({{"data/a.jsonl", big},
                                       {"data/empty.jsonl", ""},
                                       {"data/notes.txt", "x"},
                                       {"__MACOSX/data/._a.jsonl", "x"},
                                       {"old/a.jsonl", "of the same name"}})}};
  const auto pulled = pull({"a.jsonl"});
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->files, std::vector<std::string>{cache.file(folder + "a.jsonl")});
  EXPECT_EQ(cache.files(), (std::vector<std::string>{folder + "a.jsonl", folder + "data.zip",
                                                     folder + "data.zip.unpacked", folder + "empty.jsonl"}));
  EXPECT_EQ(contents(cache.file(folder + "a.jsonl")), big);
  put(cache.file(folder + "empty.jsonl"), "not touched again");
  EXPECT_TRUE(pull({"a.jsonl"})->already_there);
  EXPECT_EQ(contents(cache.file(folder + "empty.jsonl")), "not touched again");
  std::filesystem::remove(cache.file(folder + "a.jsonl"));
  EXPECT_FALSE(pull({"a.jsonl"})->already_there);
  EXPECT_EQ(contents(cache.file(folder + "a.jsonl")), big);
}

TEST_F(DataSet, another_version_of_a_zip_is_unpacked_although_the_old_files_are_there) {
  server.files = {{"data.zip", zip_of({{"a.jsonl", "old"}})}};
  ASSERT_TRUE(pull({"a.jsonl"}).has_value());
  // The new one was fetched, and the run was stopped before it was unpacked.
  server.files = {{"data.zip", zip_of({{"a.jsonl", "new"}})}};
  put(cache.file(folder + "data.zip"), server.files["data.zip"]);
  ASSERT_TRUE(pull({"a.jsonl"}).has_value());
  EXPECT_EQ(contents(cache.file(folder + "a.jsonl")), "new");
}

TEST_F(DataSet, a_cut_download_is_resumed) {
  server.files = {{"a.jsonl", some_bytes(400'000)}};
  server.cuts = 1;
  ASSERT_TRUE(pull({"a.jsonl"}).has_value());
  EXPECT_EQ(server.gets().back().range, "bytes=200000-");
  EXPECT_EQ(contents(cache.file(folder + "a.jsonl")), server.files["a.jsonl"]);
}

TEST_F(DataSet, a_damaged_zip_is_told_and_leaves_no_half_file) {
  std::string zip = zip_of({{"a.jsonl", std::string(200'000, 'a') + some_bytes(200'000)}});
  for (std::size_t at = 1000; at < 1100; ++at) zip[at] = static_cast<char>(zip[at] ^ 0x55);
  server.files = {{"data.zip", zip}};
  const auto pulled = pull({"a.jsonl"});
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::format) << pulled.error().message;
  EXPECT_NE(pulled.error().message.find("data.zip: 'a.jsonl'"), std::string::npos) << pulled.error().message;
  EXPECT_EQ(cache.files(), std::vector<std::string>{folder + "data.zip"});
}

TEST_F(DataSet, a_set_without_json_is_unsupported_and_says_so) {
  server.files = {{"train.parquet", "1"}, {"README.md", "2"}};
  const auto pulled = pull({"a.jsonl"});
  ASSERT_FALSE(pulled.has_value());
  EXPECT_EQ(pulled.error().kind, ErrorKind::unsupported);
  EXPECT_NE(pulled.error().message.find("none of its 2 files is a.jsonl, nor a .zip"), std::string::npos)
      << pulled.error().message;
}

TEST_F(DataSet, one_file_by_name_is_that_file) {
  server.files = {{"data/a.jsonl", "1"}, {"b.jsonl", "2"}};
  const auto pulled = pull({}, "hf:datasets/owner/set:data/a.jsonl");
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(pulled->files, std::vector<std::string>{cache.file(folder + "data/a.jsonl")});
}

TEST_F(DataSet, references_tell_data_sets_from_models) {
  EXPECT_TRUE(parse_model_reference("hf:datasets/owner/set")->data_set);
  EXPECT_FALSE(parse_model_reference("hf:datasets/model")->data_set) << "a model of an owner of that name";
  EXPECT_FALSE(parse_model_reference("hf:datasets/../set").has_value());
  EXPECT_TRUE(names_data_set("hf:datasets/owner/set:a/b.json"));
  EXPECT_TRUE(names_data_set("hf:datasets/../set")) << "refused as a data set, not taken for a path";
  EXPECT_FALSE(names_data_set("hf:datasets/model"));
  EXPECT_FALSE(names_data_set("datasets/owner/set"));
  EXPECT_EQ(resolve_model("hf:datasets/owner/set").error().kind, ErrorKind::usage);
  EXPECT_EQ(pull({}, "hf:owner/model").error().kind, ErrorKind::usage);
  EXPECT_EQ(server.requests().size(), 0u);
}

}  // namespace
}  // namespace tome
