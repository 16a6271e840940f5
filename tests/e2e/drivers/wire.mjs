// How a driver is spoken to, as `wire.py` has it: one JSON object a line in, and out.
import { createInterface } from "node:readline";

export const tell = said => process.stdout.write(JSON.stringify(said) + "\n");
export const piece = text => { if (text) tell({ piece: text }); return text ?? ""; };
export const weather = ({ city }) => `22 degrees in ${city}`;
console.log = console.info = console.warn;

export async function serve(cases) {
  tell({ done: Object.keys(cases).sort() });
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    try {
      tell({ done: (await cases[ask.case](ask)) ?? null });
    } catch (error) {
      const cause = error.lastError ?? error;
      tell({ error: {
        type: cause.constructor?.name ?? "Error",
        status: cause.statusCode ?? cause.status ?? cause.cause?.status ?? null,
        message: String(cause.message ?? cause),
      } });
    }
  }
}
