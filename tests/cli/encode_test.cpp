// `tome encode` on tiny random encoders: forms and figures, and one clear line for wrong input.
#include <cmath>
#include <cstring>

#include "cli/run_tome.h"

namespace tome::testing {
namespace {

class Encode : public TomeCommand {
 protected:
  Json json_of(const Ran& ran) {
    EXPECT_EQ(ran.code, 0) << ran.err;
    const auto json = parse_json(ran.out, "standard output");
    EXPECT_TRUE(json.has_value()) << ran.out;
    return json ? *json : Json();
  }
  Json reference(const std::string& name) { return Json::parse(read(golden_model(name) + "/encoding.json")); }
  static std::vector<float> floats(const std::string& bytes) {
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  const std::string longformer_ = golden_model("longformer"), bigbird_ = golden_model("bigbird");
};

TEST_F(Encode, states_are_the_reference_librarys_for_given_tokens_and_global_positions) {
  const Json golden = reference("longformer-pooled");
  const Json& text = golden["texts"][1];
  const std::size_t before = golden["texts"][0]["tokens"].size(), width = golden["width"];
  const std::string ids = write("ids.json", text["tokens"].dump()), states = (folder_ / "states.bin").string();
  const Json json = json_of(run({"encode", "-m", golden_model("longformer-pooled"), "--tokens", ids, "--global", "0,49",
                                 "--json", "--states", states}));
  EXPECT_EQ(json["tokens"], text["tokens"]);
  EXPECT_EQ(json["width"], width);
  EXPECT_TRUE(json["masks"].empty());
  const std::vector<float> expected = floats(read(golden_model("longformer-pooled") + "/states.bin"));
  const std::vector<float> pooled = floats(read(golden_model("longformer-pooled") + "/pooled.bin"));
  const std::vector<float> written = floats(read(states));
  ASSERT_EQ(json["states"].size(), 50u);
  ASSERT_EQ(written.size(), 50 * width);
  std::vector<double> mean(width, 0.0);
  for (std::size_t row = 0; row < 50; ++row)
    for (std::size_t k = 0; k < width; ++k) {
      const float value = json["states"][row][k];
      EXPECT_NEAR(value, expected[(before + row) * width + k], 1e-3);
      EXPECT_EQ(value, written[row * width + k]);
      mean[k] += value / 50.0;
    }
  for (std::size_t k = 0; k < width; ++k) {
    EXPECT_NEAR(json["pooled"][k].get<double>(), pooled[width + k], 1e-3);
    EXPECT_NEAR(json["mean"][k].get<double>(), mean[k], 1e-6);
  }
}

TEST_F(Encode, text_is_tokenized_as_the_reference_tokenizer_does_it_and_the_mask_is_filled) {
  const Json golden = reference("longformer");
  const std::string text = golden["text"];
  const Json json = json_of(run({"encode", "-m", longformer_, "--json", "--top", "3", text}));
  EXPECT_EQ(json["tokens"], golden["text_ids"]);
  EXPECT_TRUE(json["pooled"].is_null());
  ASSERT_EQ(json["masks"].size(), 1u);
  const std::size_t position = json["masks"][0]["position"];
  EXPECT_EQ(json["tokens"][position], golden["mask"]);
  const Json& top = json["masks"][0]["top"];
  ASSERT_EQ(top.size(), 3u);
  EXPECT_GE(top[0]["log_probability"], top[1]["log_probability"]);
  EXPECT_TRUE(top[0].contains("text"));
  const Json file = json_of(run({"encode", "-m", longformer_, "--json", "--top", "3", "-f", write("a.txt", text)}));
  EXPECT_EQ(file, json);
  EXPECT_EQ(json_of(run({"encode", "-m", longformer_, "--json", "--top", "3", "-f", "-"}, text)), json);
}

TEST_F(Encode, bigbird_reads_text_with_its_unigram_tokenizer) {
  const Json golden = reference("bigbird");
  const Json json = json_of(run({"encode", "-m", bigbird_, "--json", golden["text"].get<std::string>()}));
  EXPECT_EQ(json["tokens"], golden["text_ids"]);
  ASSERT_EQ(json["masks"].size(), 1u);
  EXPECT_EQ(json["tokens"][json["masks"][0]["position"].get<std::size_t>()], golden["mask"]);
}

TEST_F(Encode, fillings_are_the_reference_librarys_logits_at_the_mask) {
  const Json golden = reference("bigbird");
  const std::size_t vocabulary = golden["vocabulary"];
  std::vector<float> logits = floats(read(bigbird_ + "/logits.bin"));
  std::size_t row = 0, masks = 0;
  for (const Json& text : golden["texts"]) {
    const std::string ids = write("ids.json", text["tokens"].dump());
    const Json json = json_of(run({"encode", "-m", bigbird_, "--json", "--tokens", ids, "--top", "1"}));
    for (const Json& mask : json["masks"]) {
      ++masks;
      const auto first =
          logits.begin() + static_cast<std::ptrdiff_t>((row + mask["position"].get<std::size_t>()) * vocabulary);
      const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(vocabulary));
      EXPECT_EQ(mask["top"][0]["id"].get<std::ptrdiff_t>(), best - first);
      double sum = 0;
      for (auto logit = first; logit != first + static_cast<std::ptrdiff_t>(vocabulary); ++logit)
        sum += std::exp(static_cast<double>(*logit - *best));
      EXPECT_NEAR(mask["top"][0]["log_probability"].get<double>(), -std::log(sum), 1e-3);
    }
    row += text["tokens"].size();
  }
  EXPECT_GT(masks, 0u) << "no text of the golden has a mask";
}

TEST_F(Encode, without_json_a_look_at_the_states_and_the_fillings_are_printed) {
  const Ran ran = run({"encode", "-m", longformer_, "--top", "2", "so <mask>"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.find("tokens 5, states of 16 numbers\nmean "), 0u) << ran.out;
  EXPECT_NE(ran.out.find("\nmask at 3\n"), std::string::npos) << ran.out;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 5);
}

TEST_F(Encode, threads_and_precision_can_be_chosen) {
  const Ran one = run({"encode", "-m", longformer_, "--json", "-t", "1", "some text"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out, run({"encode", "-m", longformer_, "--json", "-t", "2", "some text"}).out);
  const Json native = json_of(run({"encode", "-m", longformer_, "--json", "--precision", "native", "some text"}));
  EXPECT_NEAR(native["mean"][0].get<double>(), Json::parse(one.out)["mean"][0].get<double>(), 0.1);
}

TEST_F(Encode, one_text_is_expected) {
  const std::string ids = write("ids.json", "[5]");
  expect_failure(run({"encode", "-m", longformer_}), 2, "expected one of TEXT, -f FILE, --tokens FILE");
  expect_failure(run({"encode", "-m", longformer_, "--tokens", ids, "text"}), 2, "expected one of TEXT");
  expect_failure(run({"encode", "text"}), 2, "--model is required");
}

TEST_F(Encode, a_decoder_or_a_file_is_refused) {
  expect_failure(run({"encode", "-m", golden_model("llama-tied"), "hi"}), 1,
                 "architecture 'LlamaForCausalLM', expected an encoder: LongformerModel");
  expect_failure(run({"encode", "-m", golden_model("qwen2.gguf"), "hi"}), 1, "qwen2.gguf");
  expect_failure(run({"score", "-m", longformer_, write("a.txt", "text")}), 1,
                 "'LongformerForMaskedLM' is an encoder, which only `tome encode` reads");
}

TEST_F(Encode, a_tokenizer_of_an_unknown_kind_asks_for_tokens) {
  expect_failure(run({"encode", "-m", golden_model("bigbird-pooled"), "some text"}), 1, ": give --tokens");
}

TEST_F(Encode, wrong_tokens_are_named) {
  const auto with = [&](const std::string& ids) {
    return run({"encode", "-m", longformer_, "--tokens", write("ids.json", ids)});
  };
  expect_failure(with("[4, 104]"), 1, "entry 1 is 104, expected an id below 104");
  expect_failure(with("[4, -1]"), 1, "entry 1 is -1");
  expect_failure(with("[]"), 2, "no tokens, expected at least 1");
  expect_failure(with("{}"), 1, "expected a JSON array of token ids");
  std::string many = "[4";
  for (int i = 0; i < 96; ++i) many += ",4";
  expect_failure(with(many + "]"), 2, "97 tokens, longformer has positions for 96");
}

TEST_F(Encode, wrong_global_positions_are_named) {
  const auto with = [&](const std::string& model, const std::string& globals) {
    return run({"encode", "-m", model, "--tokens", write("ids.json", "[4, 5, 6]"), "--global", globals});
  };
  expect_failure(with(longformer_, "0,3"), 2, "global token 3, the text has 3 tokens (0 to 2)");
  expect_failure(with(longformer_, "1,1"), 2, "global token 1 is given twice");
  expect_failure(with(longformer_, "0,x"), 2, "--global 0,x: expected positions such as 0,17");
  expect_failure(with(longformer_, "0,"), 2, "--global 0,: expected positions");
  expect_failure(with(bigbird_, "0"), 2, "global tokens are Longformer's");
}

TEST_F(Encode, a_broken_folder_is_told_in_one_line) {
  const std::string folder = (folder_ / "broken").string();
  std::filesystem::copy(longformer_, folder);
  Json config = Json::parse(read(folder + "/config.json"));
  const auto with = [&](const char* field, const Json& value) {
    Json changed = config;
    changed[field] = value;
    write("broken/config.json", changed.dump());
    return run({"encode", "-m", folder, "text"});
  };
  expect_failure(with("attention_window", {4, 0, 8}), 1, "'attention_window' is 0 in layer 1, expected an even number");
  expect_failure(with("attention_window", 5), 1, "'attention_window' is 5 in layer 0");
  expect_failure(with("num_hidden_layers", 4), 1, "'attention_window' is an array of 3, expected a number or 4");
  expect_failure(with("vocab_size", 90), 1, "expected [90, 16] from the hyper-parameters");
  write("broken/config.json", config.dump());
  const std::string weights = read(folder + "/model.safetensors");
  write("broken/model.safetensors", weights.substr(0, weights.size() / 2));
  expect_failure(run({"encode", "-m", folder, "text"}), 1, "model.safetensors");
}

}  // namespace
}  // namespace tome::testing
