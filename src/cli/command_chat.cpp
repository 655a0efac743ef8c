// `tome chat`: a conversation on the terminal. The session keeps what it has read; a turn only takes the new words in.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "base/cancel.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "runtime/document.h"
#include "runtime/generation.h"
#include "runtime/prompt.h"

namespace tome::cli {
namespace {

struct ChatFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string system, context, progress = "auto";
  std::vector<std::string> files;
  std::uint64_t tokens = 512;
  bool quiet = false;
};

class Conversation {
 public:
  Conversation(const ChatFlags& flags, Engine& engine, std::uint64_t room, ProgressFunction progress)
      : flags_(flags), engine_(engine), room_(room), progress_(std::move(progress)) {
    clear();
  }

  void clear() {
    messages_.clear();
    session_.reset();
    if (!flags_.system.empty()) messages_.push_back({"system", flags_.system, {}});
  }

  /// Answers one message of the user; Ctrl-C ends the reply, not the conversation.
  Status reply(const std::string& said) {
    messages_.push_back({"user", said, {}});
    if (Status taken = take_in(); !taken) {
      messages_.pop_back();
      return taken;
    }
    const std::uint64_t left = room_ - session_->length();
    TOME_ASSIGN(GenerationResult result,
                generate(*session_, engine_.tokenizer(),
                         {.max_tokens = std::min(flags_.tokens, left),
                          .sampling = flags_.sampling.options,
                          .stop = stops(),
                          .skip_leading_space = true,
                          .on_text = [](std::string_view piece) { static_cast<void>(print(printable(piece))); }}));
    TOME_TRY(print("\n"));
    if (result.reason == StopReason::cancelled) cancel_requested() = false;
    messages_.push_back({"assistant", result.text, taken_reply()});
    return {};
  }

 private:
  std::vector<std::string> stops() const {
    std::vector<std::string> all = chat_stops(engine_.tokenizer());
    all.insert(all.end(), flags_.sampling.stop.begin(), flags_.sampling.stop.end());
    return all;
  }

  /// The reply's tokens that the session holds: so the next turn's prompt begins with exactly what was taken in.
  std::vector<TokenId> taken_reply() const {
    const std::vector<TokenId>& all = session_->tokens();
    return {all.begin() + static_cast<std::ptrdiff_t>(prompt_length_), all.end()};
  }

  Status take_in() {
    TOME_ASSIGN(const std::vector<TokenId> prompt, encode_chat(engine_.tokenizer(), messages_));
    if (prompt.size() >= room_)
      return fail(ErrorKind::usage,
                  "[chat] the conversation needs {} tokens, there is room for {}: /clear, or a larger -c",
                  prompt.size() + 1, room_);
    const bool continues = session_ && session_->length() < prompt.size() &&
                           std::equal(session_->tokens().begin(), session_->tokens().end(), prompt.begin());
    if (!continues) {
      session_.reset();  // its memory first
      TOME_ASSIGN(session_, engine_.new_session(room_));
    }
    const std::span<const TokenId> fresh = std::span(prompt).subspan(session_->length());
    if (Status read = session_->prefill(fresh, progress_); !read) {
      session_.reset();
      return read;
    }
    clear_progress();
    prompt_length_ = prompt.size();
    return {};
  }

  const ChatFlags& flags_;
  Engine& engine_;
  std::uint64_t room_;
  ProgressFunction progress_;
  std::vector<ChatMessage> messages_;
  std::unique_ptr<Session> session_;
  std::size_t prompt_length_ = 0;
};

/// The files become the beginning of the first message.
Result<std::string> opening_text(const ChatFlags& flags) {
  if (flags.files.empty()) return std::string{};
  TOME_ASSIGN(const Document document, Document::load(flags.files));
  return document.text() + "\n\n";
}

Status run_chat(const ChatFlags& flags) {
  TOME_TRY(validate(flags.sampling.options));
  if (std::count(flags.files.begin(), flags.files.end(), "-") > 0)
    return fail(ErrorKind::usage, "[chat] -f -: standard input is the conversation");
  TOME_ASSIGN(std::string opening, opening_text(flags));
  TOME_ASSIGN(const EngineOptions options, engine_options(flags.model));
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  TOME_ASSIGN(const auto engine, Engine::create(options));
  std::uint64_t room = engine->model().config.context_length;
  if (!flags.context.empty()) {
    TOME_ASSIGN(room, token_count("-c", flags.context));
  }
  TOME_TRY(engine->fit(room));
  Conversation conversation(flags, *engine, room, flags.quiet ? ProgressFunction{} : make_progress(style, "tokens"));
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (terminal && !flags.quiet) {
    if (engine->tokenizer().spec().chat_template.empty())
      print_notice("this is a base model: it continues a written conversation and follows no instructions");
    print_notice("/clear begins anew, /exit or Ctrl-D ends, Ctrl-C stops a reply");
  }
  std::string line;
  while (true) {
    if (terminal) TOME_TRY(print("> "));
    if (!std::getline(std::cin, line)) break;
    if (cancel_requested()) return fail(ErrorKind::cancelled, "interrupted");
    if (line == "/exit" || line == "/quit") break;
    if (line == "/clear") {
      conversation.clear();
      continue;
    }
    if (one_line(line, 16).empty()) continue;
    if (find_invalid_utf8(line) != std::string::npos) {
      print_notice("[chat] the line is not UTF-8");
      continue;
    }
    if (Status said = conversation.reply(opening + line); !said) {
      if (!terminal || said.error().kind != ErrorKind::usage) return said;
      print_notice(said.error().message);
      continue;
    }
    opening.clear();
  }
  return terminal ? print("\n") : Status{};
}

}  // namespace

Command add_chat(CLI::App& program) {
  const auto flags = std::make_shared<ChatFlags>();
  flags->model.model = "smollm2-135m";
  flags->sampling.options.temperature = 0.8;
  CLI::App* app = program.add_subcommand("chat", "talk with a model");
  add_model_flags(*app, flags->model);
  app->add_option("--system", flags->system, "what the model is told first");
  app->add_option("-f,--file", flags->files, "files to put before the first message")->allow_extra_args(false);
  app->add_option("-n,--predict", flags->tokens, "tokens a reply may have")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app->add_option("-c,--ctx-size", flags->context, "room for the conversation (default: the model's window)");
  add_sampling_flags(*app, flags->sampling);
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("-q,--quiet", flags->quiet, "replies only");
  app->footer("Example:\n  tome chat\n  echo \"Name three colours.\" | tome chat --temp 0");
  return {app, [flags] { return run_chat(*flags); }};
}

}  // namespace tome::cli
