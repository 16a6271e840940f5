// The official OpenAI SDK for Node.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { piece, serve, weather } from "./wire.mjs";

const tool = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
    strict: true,
    parse: JSON.parse,
    function: weather,
  },
};
const clientOf = ask => new OpenAI({
  baseURL: ask.url, apiKey: ask.key, defaultHeaders: ask.headers ?? {},
});
const question = ask => ({
  model: ask.model,
  messages: [{ role: "user", content: ask.text ?? "hi" }],
  ...(ask.max_tokens ? { max_tokens: ask.max_tokens } : {}),
});
const counted = usage => usage && [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];

await serve({
  async models(ask) {
    const listed = [];
    for await (const model of clientOf(ask).models.list()) listed.push(model.id);
    return listed;
  },
  async whole(ask) {
    const reply = await clientOf(ask).chat.completions.create(question(ask));
    return { text: reply.choices[0].message.content, usage: counted(reply.usage) };
  },
  async stream(ask) {
    const chunks = clientOf(ask).chat.completions.stream({
      ...question(ask), stream_options: { include_usage: true },
    });
    chunks.on("content", piece);
    const reply = await chunks.finalChatCompletion();
    return { text: reply.choices[0].message.content, usage: counted(reply.usage) };
  },
  async tools(ask) {
    const runner = clientOf(ask).chat.completions.runTools({ ...question(ask), tools: [tool] });
    return { text: await runner.finalContent() };
  },
  async tools_stream(ask) {
    const runner = clientOf(ask).chat.completions.runTools({
      ...question(ask), tools: [tool], stream: true,
    });
    runner.on("content", piece);
    return { text: await runner.finalContent() };
  },
  async schema(ask) {
    const shape = z.object({ city: z.string(), degrees: z.number().int() });
    const reply = await clientOf(ask).chat.completions.parse({
      ...question(ask), response_format: zodResponseFormat(shape, "weather"),
    });
    return reply.choices[0].message.parsed;
  },
});
