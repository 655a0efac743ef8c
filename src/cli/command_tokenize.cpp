// `tome tokenize`: text to token ids, and back.
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "formats/model_file.h"
#include "hub/hub.h"
#include "tokenizer/tokenizer.h"

namespace tome::cli {
namespace {

struct TokenizeFlags {
  std::string model = "gemma3-270m", text, file, decode;
  bool no_special = false, parse_special = false, pieces = false, count = false, json = false;
};

Status run_tokenize(const TokenizeFlags& flags) {
  const int given = (flags.text.empty() ? 0 : 1) + (flags.file.empty() ? 0 : 1) + (flags.decode.empty() ? 0 : 1);
  if (given != 1) return fail(ErrorKind::usage, "[tokenize] expected one of TEXT, -f FILE, --decode FILE");
  TOME_ASSIGN(const std::string path, resolve_model(flags.model));
  TOME_ASSIGN(const auto model, open_model_file(path));
  TOME_ASSIGN(const auto tokenizer, Tokenizer::create(model->tokenizer));
  if (!flags.decode.empty()) {
    TOME_ASSIGN(const auto ids, read_token_ids(flags.decode, tokenizer->vocabulary()));
    return print(tokenizer->decode(ids, !flags.no_special));
  }
  std::string text = flags.text;
  if (!flags.file.empty()) {
    TOME_ASSIGN(text, read_file(flags.file, std::uint64_t{1} << 30));
  }
  const std::vector<TokenId> ids = tokenizer->encode(text, flags.no_special ? AddSpecial::no : AddSpecial::yes,
                                                     flags.parse_special ? ParseSpecial::yes : ParseSpecial::no);
  if (flags.count) return print(fmt::format("{}\n", ids.size()));
  if (flags.json && !flags.pieces) return print(json_text(Json(ids), -1));
  if (flags.json) {
    Json list = Json::array();
    for (const TokenId id : ids) list.push_back({{"id", id}, {"text", tokenizer->token_bytes(id, true)}});
    return print(json_text(list, -1));
  }
  std::string lines;
  for (const TokenId id : ids)
    lines += flags.pieces ? fmt::format("{:>8}  {}", id, json_text(Json(tokenizer->token_bytes(id, true)), -1))
                          : fmt::format("{}\n", id);
  return print(lines);
}

}  // namespace

Command add_tokenize(CLI::App& program) {
  const auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* app = program.add_subcommand("tokenize", "text to token ids, and back");
  app->add_option("TEXT", flags->text, "text to tokenize");
  app->add_option("-f,--file", flags->file, "a file with the text (- is standard input)");
  app->add_option("--decode", flags->decode, "the other way: a JSON array of ids to text");
  add_model_flag(*app, flags->model);
  app->add_flag("--no-special", flags->no_special, "no BOS; with --decode: hide control tokens");
  app->add_flag("--parse-special", flags->parse_special, "read \"<|im_start|>\" and the like as control tokens");
  app->add_flag("--pieces", flags->pieces, "each token's text too");
  app->add_flag("--count", flags->count, "only how many");
  app->add_flag("--json", flags->json, "a JSON array");
  app->footer("Example:\n  tome tokenize \"Hello, world\" --pieces");
  return {app, [flags] { return run_tokenize(*flags); }};
}

}  // namespace tome::cli
