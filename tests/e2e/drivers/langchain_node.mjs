// LangChain's ChatOpenAI for Node.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { piece, serve, weather } from "./wire.mjs";

const forecast = tool(weather, {
  name: "weather",
  description: "The weather in a city",
  schema: z.object({ city: z.string() }),
});
const modelOf = ask => new ChatOpenAI({
  model: ask.model,
  apiKey: ask.key,
  maxRetries: 2, // 6 by default, which takes a minute
  configuration: { baseURL: ask.url, defaultHeaders: ask.headers ?? {} },
  ...(ask.max_tokens ? { maxTokens: ask.max_tokens } : {}),
});
const counted = usage => usage && [usage.input_tokens, usage.output_tokens, usage.total_tokens];

async function gathered(chunks) {
  let whole;
  for await (const chunk of chunks) {
    piece(chunk.text);
    whole = whole ? whole.concat(chunk) : chunk;
  }
  return whole;
}

async function loop(ask, reply) {
  const model = modelOf(ask).bindTools([forecast]);
  const history = [new HumanMessage(ask.text)];
  for (;;) {
    const answer = await reply(model, history);
    if (!answer.tool_calls?.length) return { text: answer.text };
    history.push(answer);
    for (const call of answer.tool_calls) {
      const content = await forecast.invoke(call.args);
      history.push(new ToolMessage({ content, tool_call_id: call.id }));
    }
  }
}

await serve({
  async whole(ask) {
    const reply = await modelOf(ask).invoke(ask.text ?? "hi");
    return { text: reply.text, usage: counted(reply.usage_metadata) };
  },
  async stream(ask) {
    const reply = await gathered(await modelOf(ask).stream(ask.text ?? "hi"));
    return { text: reply.text, usage: counted(reply.usage_metadata) };
  },
  tools: ask => loop(ask, (model, history) => model.invoke(history)),
  tools_stream: ask => loop(ask, async (model, history) => gathered(await model.stream(history))),
  schema(ask) {
    const shape = z.object({ city: z.string(), degrees: z.number().int() });
    return modelOf(ask).withStructuredOutput(shape, { name: "weather", method: "jsonSchema" })
      .invoke(ask.text ?? "hi");
  },
});
