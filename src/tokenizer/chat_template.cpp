#include "tokenizer/chat_template.h"

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/parser.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::size_t longest_source = std::size_t{1} << 22;

class JinjaTemplate : public ChatTemplate {
 public:
  JinjaTemplate(jinja::Block block, const TemplateLimits& limits) : block_(std::move(block)), limits_(limits) {}
  Result<std::string> render(const Json& variables) const override { return render_any(variables); }
  Result<std::string> render_ordered(const nlohmann::ordered_json& variables) const override {
    return render_any(variables);
  }

 private:
  template <class AnyJson>
  Result<std::string> render_any(const AnyJson& variables) const {
    try {
      const jinja::Value values = jinja::Value::from_json(variables);
      return jinja::Interpreter(limits_, values).render(block_);
    } catch (jinja::TemplateError& error) {
      return tl::unexpected(Error{error.kind, std::move(error.message)});
    }
  }

  jinja::Block block_;
  TemplateLimits limits_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::parse(std::string_view source, const TemplateLimits& limits) {
  if (source.size() > longest_source)
    return fail(ErrorKind::format, "[chat template] {} bytes, at most {} are allowed", source.size(), longest_source);
  if (!is_valid_utf8(source)) return fail(ErrorKind::format, "[chat template] not valid UTF-8");
  try {
    return std::make_shared<const JinjaTemplate>(jinja::parse_template(source), limits);
  } catch (jinja::TemplateError& error) {
    return tl::unexpected(Error{error.kind, std::move(error.message)});
  }
}

}  // namespace tome
