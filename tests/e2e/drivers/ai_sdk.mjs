// Vercel's AI SDK, whose replies are checked with zod; `provider` is one of its two for our wire.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { piece, serve, weather } from "./wire.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const providers = {
  "openai-compatible": ask => createOpenAICompatible({
    name: "agents", baseURL: ask.url, apiKey: ask.key, headers: ask.headers ?? {},
    includeUsage: true, supportsStructuredOutputs: true,
  })(ask.model),
  openai: ask => createOpenAI({
    baseURL: ask.url, apiKey: ask.key, headers: ask.headers ?? {},
  }).chat(ask.model),
};
const provider = providers[process.argv[2]];
const tools = {
  weather: tool({
    description: "The weather in a city",
    inputSchema: z.object({ city: z.string() }),
    execute: weather,
  }),
};
const question = ask => ({
  model: provider(ask),
  prompt: ask.text ?? "hi",
  ...(ask.max_tokens ? { maxOutputTokens: ask.max_tokens } : {}),
});
const counted = usage => [usage.inputTokens, usage.outputTokens, usage.totalTokens];

async function streamed(ask, more = {}) {
  const reply = streamText({ ...question(ask), ...more, onError() {} });
  for await (const part of reply.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") piece(part.text);
  }
  return { text: await reply.text, usage: counted(await reply.totalUsage) };
}

await serve({
  async whole(ask) {
    const reply = await generateText(question(ask));
    return { text: reply.text, usage: counted(reply.usage) };
  },
  stream: ask => streamed(ask),
  async tools(ask) {
    const reply = await generateText({ ...question(ask), tools, stopWhen: stepCountIs(3) });
    return { text: reply.text };
  },
  tools_stream: ask => streamed(ask, { tools, stopWhen: stepCountIs(3) }),
  async schema(ask) {
    const shape = z.object({ city: z.string(), degrees: z.number().int() });
    const reply = await generateText({
      ...question(ask), output: Output.object({ schema: shape }),
    });
    return reply.output;
  },
});
