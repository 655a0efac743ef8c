// The main job on the packaged model: both ways of reading point at the line that answers.
#include "cli/run_tome.h"

namespace tome::testing {
namespace {

class PackagedModel : public TomeCommand {};

TEST_F(PackagedModel, reread_and_skim_point_at_the_line_that_answers_and_skim_says_what_it_leaves_out) {
  TOME_NEED_MODEL(model, "gemma-3-270m-q4_k_m.gguf");
  const char* filler[] = {"The road to the mill runs along the river and is muddy in spring.",
                          "Farmers bring their corn on Mondays and take the flour home on Fridays.",
                          "In winter the wheel freezes and the miller repairs his tools."};
  std::string text;
  for (int line = 0; line < 180; ++line)
    text += line == 120 ? "The brass key of the lighthouse hangs behind the blue door in the cellar.\n"
                        : std::string(filler[line % 3]) + "\n";
  const std::string document = write("mill.txt", text);
  Json found[2];
  for (const bool skim : {false, true}) {
    const Ran ran = run({"ask", "-m", model, "--strategy", skim ? "skim" : "reread", "--no-cache", "--json", "-n", "4",
                         document, "Where does the brass key of the lighthouse hang?"});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.err.find("5 of 18 layers") != std::string::npos, skim) << ran.err;
    const auto json = parse_json(ran.out, "standard output");
    ASSERT_TRUE(json) << ran.out;
    EXPECT_EQ((*json)["strategy"], skim ? "skim" : "reread");
    found[skim ? 1 : 0] = (*json)["evidence"][0];
  }
  EXPECT_EQ(found[0]["passage"], found[1]["passage"]);
  EXPECT_NEAR(found[0]["share"].get<double>(), found[1]["share"].get<double>(), 1e-3);
  EXPECT_LE(found[0]["first_line"].get<int>(), 121);
  EXPECT_GE(found[0]["last_line"].get<int>(), 121);
}

}  // namespace
}  // namespace tome::testing
