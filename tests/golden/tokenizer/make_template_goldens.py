#!/usr/bin/env python3
"""Makes template_goldens.json: what jinja2, set up as Transformers does, makes of templates/*.jinja and of snippets.jsonl.

Needs the Python package jinja2. smollm2.jinja is the packaged model's own; the others are written in their family's style.

  python make_template_goldens.py
"""
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))


class Generation(jinja2.ext.Extension):
    """{% generation %} … {% endgeneration %}: its body in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: form
    return made


TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather in a city: \"now\" <b>&</b> 'soon'",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "e.g. Köln or 東京"}, "days": {"type": "integer", "default": 1},
        "at": {"type": "object", "properties": {"hour": {"type": "number"}, "zone": {}}}}}}},
    {"type": "function", "function": {"name": "stop", "description": "", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2.0}}}
SYSTEM = {"role": "system", "content": "  Be brief.\n"}
USER = {"role": "user", "content": "What's the <weather> in Köln? \U0001F600\n"}
ASSISTANT = {"role": "assistant", "content": "<think>\nHm, let me see.\n</think>\n\n  It rains. "}
AGAIN = {"role": "user", "content": "And tomorrow?"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CALLING_TEXT = {"role": "assistant", "content": "One moment.", "tool_calls": [CALL, CALL]}
RESULT = {"role": "tool", "content": "{\"rain\": true}", "tool_call_id": "abc123def"}
PARTS = {"role": "user", "content": [{"type": "text", "text": " Look: "}, {"type": "image"}, {"type": "text", "text": "what?"}]}
CONVERSATIONS = {
    "one": [USER],
    "system": [SYSTEM, USER],
    "turns": [USER, ASSISTANT, AGAIN],
    "system_turns": [SYSTEM, USER, ASSISTANT, AGAIN],
    "answered": [USER, ASSISTANT],
    "tools": [USER, CALLING, RESULT, ASSISTANT, AGAIN],
    "tools_at_work": [SYSTEM, USER, CALLING, RESULT, RESULT],
    "two_calls": [USER, CALLING_TEXT, RESULT, RESULT, {"role": "assistant", "content": "Done", "reasoning_content": "why"}],
    "parts": [SYSTEM, PARTS],
    "wrong_order": [ASSISTANT, USER],
    "unknown_role": [USER, {"role": "critic", "content": "no"}],
}


def variables(messages, **more):
    return {"messages": messages, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", **more}


def result(template, values):
    try:
        return {"text": environment().from_string(template).render(**values)}
    except Exception as error:  # a template may raise anything: that it does is the golden
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    goldens = []
    sets = {}
    for file in sorted(os.listdir(os.path.join(HERE, "templates"))):
        with open(os.path.join(HERE, "templates", file), encoding="utf-8", newline="") as opened:
            template = opened.read()
        for name, messages in CONVERSATIONS.items():
            choices = {"": {}, "tools": {"tools": TOOLS}, "no_prompt": {"add_generation_prompt": False}}
            if file == "qwen3.jinja":
                choices["no_thinking"] = {"enable_thinking": False}
            if file == "llama3.jinja":
                choices["tools_in_system"] = {"tools": TOOLS, "tools_in_user_message": False, "date_string": "1 Jan 2025"}
            for choice, more in choices.items():
                values = {**variables(messages), **more}
                sets[f"{name} {choice}".strip()] = values
                goldens.append({"file": file, "set": f"{name} {choice}".strip(), **result(template, values)})
    with open(os.path.join(HERE, "snippets.jsonl"), encoding="utf-8") as opened:
        snippets = [json.loads(line) for line in opened if line.strip()]
    values = variables([SYSTEM, USER, ASSISTANT], tools=TOOLS, n=3, f=1.5, x=None, b=True, s="Hello World foo",
                       l=[3, 1, 2], d={"b": 1, "a": [1, 2.0, "s"], "items": 5})
    for snippet in snippets:
        goldens.append({"template": snippet, **result(snippet, values)})
    with open(os.path.join(HERE, "template_goldens.json"), "w", encoding="utf-8") as opened:
        json.dump({"sets": sets, "snippet_variables": values, "goldens": goldens}, opened, ensure_ascii=False, indent=0)
    print(f"{len(goldens)} goldens, {sum('error' in golden for golden in goldens)} of them errors")


if __name__ == "__main__":
    main()
