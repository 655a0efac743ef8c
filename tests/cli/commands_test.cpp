// What each command prints, on tiny random models: forms and figures, not sense.
#include <cmath>

#include "cli/run_tome.h"

namespace tome::testing {
namespace {

class Commands : public TomeCommand {
 protected:
  Json json_of(const Ran& ran) {
    EXPECT_EQ(ran.code, 0) << ran.err;
    const auto json = parse_json(ran.out, "standard output");
    EXPECT_TRUE(json.has_value()) << ran.out;
    return json ? *json : Json();
  }
  const std::string model_ = golden_model("llama-tied");
};

TEST_F(Commands, every_command_has_help_with_an_example) {
  for (const char* verb :
       {"ask", "chat", "generate", "info", "pull", "tokenize", "score", "bench", "calibrate", "encode"}) {
    const Ran ran = run({verb, "--help"});
    EXPECT_EQ(ran.code, 0) << verb;
    EXPECT_NE(ran.out.find("Example:\n  tome " + std::string(verb)), std::string::npos) << ran.out;
  }
}

TEST_F(Commands, score_prints_log_probabilities_that_add_up) {
  const std::string ids = write("ids.json", "[5, 6, 7, 8, 9]");
  const Json json = json_of(run({"score", "-m", model_, "--tokens", ids, "--json", "--top", "1000"}));
  ASSERT_EQ(json["tokens"], Json({5, 6, 7, 8, 9}));
  ASSERT_EQ(json["rows"].size(), 5u);
  EXPECT_TRUE(json["rows"][4]["next"].is_null());
  double sum = 0;
  for (std::size_t row = 0; row < 4; ++row) sum -= json["rows"][row]["next"].get<double>();
  EXPECT_NEAR(json["mean_nll"].get<double>(), sum / 4, 1e-9);
  double mass = 0;
  for (const Json& entry : json["rows"][0]["top"]) {
    mass += std::exp(entry[1].get<double>());
    if (entry[0] == 6) {
      EXPECT_DOUBLE_EQ(entry[1].get<double>(), json["rows"][0]["next"].get<double>());
    }
  }
  EXPECT_NEAR(mass, 1.0, 1e-6);
}

TEST_F(Commands, score_takes_the_last_tokens_alone_given_those_before) {
  const std::string ids = write("ids.json", "[5, 6, 7, 8, 9]");
  const Json all = json_of(run({"score", "-m", model_, "--tokens", ids, "--json"})),
             last = json_of(run({"score", "-m", model_, "--tokens", ids, "--json", "--last", "2"})),
             whole = json_of(run({"score", "-m", model_, "--tokens", ids, "--json", "--last", "4"}));
  EXPECT_FALSE(all.contains("first_row"));
  EXPECT_EQ(last["first_row"], 2);
  EXPECT_EQ(last["tokens"], all["tokens"]);
  ASSERT_EQ(last["rows"].size(), 3u);
  for (std::size_t row = 0; row < 2; ++row)
    EXPECT_NEAR(last["rows"][row]["next"].get<double>(), all["rows"][row + 2]["next"].get<double>(), 1e-4);
  EXPECT_TRUE(last["rows"][2]["next"].is_null());
  EXPECT_NEAR(last["mean_nll"].get<double>(),
              -(last["rows"][0]["next"].get<double>() + last["rows"][1]["next"].get<double>()) / 2, 1e-9);
  EXPECT_EQ(whole["rows"], all["rows"]);
  const Ran text = run({"score", "-m", model_, "--tokens", ids, "--last", "2"});
  EXPECT_NE(text.out.find("tokens 5, the last 2 of them scored\n"), std::string::npos) << text.out;
  const Ran refused = run({"score", "-m", model_, "--tokens", ids, "--last", "5"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--last 5: 4 tokens follow another"), std::string::npos) << refused.err;
}

TEST_F(Commands, scaling_positions_changes_the_scores) {
  const std::string ids = write("ids.json", "[5, 6, 7, 8, 9, 10, 11, 12]");
  const Json native = json_of(run({"score", "-m", model_, "--tokens", ids, "--json", "--rope-scaling", "none"}));
  const Json scaled = json_of(
      run({"score", "-m", model_, "--tokens", ids, "--json", "--rope-scaling", "linear", "--rope-factor", "4"}));
  EXPECT_NE(native["mean_nll"], scaled["mean_nll"]);
}

TEST_F(Commands, greedy_generation_is_repeatable_and_ends_at_the_limit) {
  const auto generate = [&] {
    return json_of(run({"generate", "-m", model_, "-n", "6", "--ignore-eos", "--json", "--log-probs", "2", "a text"}));
  };
  const Json first = generate();
  EXPECT_EQ(first["tokens"].size(), 6u);
  EXPECT_EQ(first["stop"], "length");
  EXPECT_EQ(first["tokens"][0]["top"].size(), 2u);
  EXPECT_EQ(first["tokens"][0]["top"][0][0], first["tokens"][0]["id"]);
  EXPECT_EQ(first["text"], generate()["text"]);
}

TEST_F(Commands, a_seed_repeats_sampled_text) {
  const auto generate = [&](const char* seed) {
    return json_of(run({"generate", "-m", model_, "-n", "12", "--ignore-eos", "--json", "--temp", "2", "--top-k", "0",
                        "--top-p", "1", "--min-p", "0", "--seed", seed, "a text"}))["text"];
  };
  EXPECT_EQ(generate("7"), generate("7"));
  EXPECT_NE(generate("7"), generate("8"));
}

TEST_F(Commands, tokenize_there_and_back_again) {
  const std::string text = "A text\nwith lines";
  const Ran ids = run({"tokenize", "-m", model_, "--json", "--no-special", text});
  const Ran back = run({"tokenize", "-m", model_, "--no-special", "--decode", write("ids.json", ids.out)});
  EXPECT_EQ(back.out, text);
  const Ran count = run({"tokenize", "-m", model_, "--count", "--no-special", text});
  EXPECT_EQ(count.out, std::to_string(json_of(ids).size()) + "\n");
}

TEST_F(Commands, ask_shows_offsets_scores_and_what_was_re_read) {
  const std::string first = "The mill stands by the river. ", second = "The zebra sleeps in the stable. ";
  const std::string file = write("a.txt", first + second);
  const Json json = json_of(run({"ask", "-m", model_, file, "Where is the zebra?", "--strategy", "reread",
                                 "--evidence-by", "bm25", "-n", "4", "--json", "--evidence", "100"}));
  EXPECT_EQ(json["strategy"], "reread");
  EXPECT_EQ(json["evidence"].size(), json["passages"].get<std::size_t>());
  const Json& best = json["evidence"][0];
  EXPECT_EQ(best["rank"], 1);
  EXPECT_GT(best["score"].get<double>(), 0.0);
  EXPECT_EQ(best["file"], file);
  const std::string text = first + second;
  EXPECT_EQ(best["text"], text.substr(best["begin"].get<std::size_t>(),
                                      best["end"].get<std::size_t>() - best["begin"].get<std::size_t>()));
  ASSERT_FALSE(json["given"].empty());
  EXPECT_GT(json["stages"].size(), 2u);
}

TEST_F(Commands, ask_takes_several_documents_in_order_and_standard_input) {
  const std::string file = write("b.txt", "Beta comes second.\nLine two.");
  const Json json = json_of(
      run({"ask", "-m", model_, "-", file, "What?", "--evidence-by", "bm25", "-n", "2", "--json", "--evidence", "9"},
          "Alpha comes first."));
  bool saw_input = false, saw_file = false;
  for (const Json& passage : json["evidence"]) {
    saw_input |= passage["file"] == "standard input";
    saw_file |= passage["file"] == file;
  }
  EXPECT_TRUE(saw_input && saw_file);
}

TEST_F(Commands, calibrated_heads_are_written_and_then_used) {
  std::filesystem::copy(golden_model("llama-tied.gguf"), folder_ / "m.gguf");
  const std::string model = (folder_ / "m.gguf").string();
  const Json made = json_of(
      run({"calibrate", "heads", "-m", model, "--lengths", "512", "--documents", "1", "--questions", "4", "--json"}));
  ASSERT_GE(made["heads"].size(), 1u);
  ASSERT_TRUE(std::filesystem::exists(model + ".heads.json"));
  const std::string file = write("a.txt", "The mill stands by the river. The zebra sleeps in the stable.");
  const Json asked =
      json_of(run({"ask", "-m", model, file, "Where is the zebra?", "-n", "2", "--json", "--strategy", "reread"}));
  EXPECT_EQ(asked["heads"].size(), made["heads"].size());
  EXPECT_EQ(asked["evidence_by"], "heads");
  double share = 0;
  for (const Json& passage : asked["evidence"]) share += passage["share"].get<double>();
  EXPECT_NEAR(share, 1.0, 1e-6);
}

TEST_F(Commands, the_second_question_starts_from_the_snapshot_and_is_answered_the_same) {
  const std::string file = write("a.txt", "The mill stands by the river. The zebra sleeps in the stable.");
  const std::vector<std::string> words{"ask", "-m", model_,   file,      "Where is the zebra?",
                                       "-n",  "8",  "--json", "--cache", (folder_ / "snapshots").string()};
  const Json first = json_of(run(words));
  const Json second = json_of(run(words));
  EXPECT_FALSE(first["from_snapshot"].get<bool>());
  EXPECT_TRUE(second["from_snapshot"].get<bool>());
  EXPECT_EQ(first["answer"], second["answer"]);
  EXPECT_EQ(first["evidence"], second["evidence"]);
}

TEST_F(Commands, a_snapshot_of_other_positions_or_documents_is_not_used) {
  const std::string cache = (folder_ / "snapshots").string();
  const auto ask = [&](const std::string& text, std::vector<std::string> more) {
    std::vector<std::string> words{"ask",    "-m",      model_, write("a.txt", text), "What?", "-n", "1",
                                   "--json", "--cache", cache};
    words.insert(words.end(), more.begin(), more.end());
    return json_of(run(words))["from_snapshot"].get<bool>();
  };
  EXPECT_FALSE(ask("One text.", {}));
  EXPECT_FALSE(ask("Another text.", {}));
  EXPECT_FALSE(ask("One text.", {"--rope-scaling", "linear", "--rope-factor", "2"}));
  EXPECT_FALSE(ask("One text.", {"--kv-type", "f16"}));
  EXPECT_TRUE(ask("One text.", {}));
}

TEST_F(Commands, a_damaged_snapshot_is_made_anew_with_a_word_about_it) {
  const std::string cache = (folder_ / "snapshots").string();
  const std::vector<std::string> words{"ask", "-m",      model_, write("a.txt", "One text."), "What?", "-n",
                                       "1",   "--cache", cache};
  ASSERT_EQ(run(words).code, 0);
  for (const auto& entry : std::filesystem::directory_iterator(cache)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size()) - 9);
    file.put('\x5a');
    file.put('\x5a');
  }
  const Ran again = run(words);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("made anew"), std::string::npos) << again.err;
}

TEST_F(Commands, no_cache_writes_nothing) {
  ASSERT_EQ(run({"ask", "-m", model_, write("a.txt", "One text."), "What?", "-n", "1", "--no-cache"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache" / "tome" / "snapshots"));
}

TEST_F(Commands, of_several_questions_the_first_one_tells_what_the_reading_took) {
  const Ran ran = run({"ask", "-m", model_, write("a.txt", "One text."), "--questions",
                       write("q.txt", "What?\n\nWhere?\n"), "-n", "1", "--no-cache"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto count = [&](const std::string& text, std::string_view what) {
    int found = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count(ran.out, "Question: "), 2) << ran.out;
  EXPECT_EQ(count(ran.err, "in all"), 2) << ran.err;
  EXPECT_EQ(count(ran.err, "read the document"), 1) << ran.err;
}

TEST_F(Commands, a_document_longer_than_the_window_is_scaled_and_says_so) {
  std::string text;
  for (int line = 0; line < 60; ++line) text += "This is line number " + std::to_string(line) + " of a long text.\n";
  const Ran ran = run({"ask", "-m", model_, write("long.txt", text), "What?", "-n", "1", "--no-cache"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("does not fit; positions scaled by yarn"), std::string::npos) << ran.err;
}

TEST_F(Commands, info_shows_the_model_the_kernels_and_the_positions) {
  EXPECT_EQ(json_of(run({"info", "-m", model_, "--json"}))["family"], "llama");
  const Json kernels = json_of(run({"info", "--kernels", "--json"}));
  EXPECT_FALSE(kernels["instruction_set"].get<std::string>().empty());
  EXPECT_FALSE(kernels["kernels"].empty());
  const Json positions = json_of(run({"info", "-m", model_, "--positions", "--target", "128k", "--json"}));
  EXPECT_EQ(positions["method"], "yarn");
  EXPECT_EQ(positions["target"], 131072);
  EXPECT_GT(positions["factor"].get<double>(), 1.0);
}

TEST_F(Commands, bench_measures_each_length_and_depth) {
  const Json json = json_of(run({"bench", "-m", model_, "-p", "32", "-n", "4", "-d", "0,16", "-r", "2", "--json"}));
  ASSERT_EQ(json["rows"].size(), 4u);
  EXPECT_EQ(json["rows"][3]["test"], "tg4 @ d16");
  EXPECT_EQ(json["rows"][3]["seconds"].size(), 2u);
  EXPECT_GT(json["rows"][0]["tokens_per_second"].get<double>(), 0.0);
}

TEST_F(Commands, chat_answers_each_line_of_a_pipe) {
  const Ran ran = run({"chat", "-m", model_, "-n", "3", "--temp", "0", "-c", "256"}, "hello\n/clear\nhello\n");
  EXPECT_EQ(ran.code, 0) << ran.err;
  const std::size_t half = ran.out.size() / 2;
  EXPECT_EQ(ran.out.substr(0, half), ran.out.substr(half));  // the same after /clear
}

TEST_F(Commands, pull_lists_the_packaged_models) {
  const Json json = json_of(run({"pull", "--list", "--json"}));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["name"], "gemma3-270m");
}

TEST_F(Commands, threads_do_not_change_a_score) {
  const std::string ids = write("ids.json", "[5, 6, 7, 8, 9, 10, 11, 12, 13, 14]");
  const Ran one = run({"score", "-m", model_, "--tokens", ids, "--json", "-t", "1"});
  const Ran two = run({"score", "-m", model_, "--tokens", ids, "--json", "-t", "2"});
  EXPECT_EQ(one.out, two.out);
}

}  // namespace
}  // namespace tome::testing
